"""Tables and figures, drawn from records and methods."""

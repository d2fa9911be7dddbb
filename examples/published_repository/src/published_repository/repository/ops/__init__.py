"""The repository's own `ops`."""

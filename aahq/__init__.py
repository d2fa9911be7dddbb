"""AAHQ: a gallery on the web becomes an aligned, answerable release of artistic faces."""

"""The repository's own `models`."""

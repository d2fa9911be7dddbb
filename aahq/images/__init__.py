"""Pure functions on pixels: decode to canonical sRGB, find truncation, hash."""

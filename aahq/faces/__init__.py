"""Pure functions on faces: find them, align them by the FFHQ recipe, estimate pose."""

"""Picture files to pixels: one decoder for datasets, training, inference and measuring."""

from suite.pictures.decode import Decoded, DecodeLimits, decode
from suite.pictures.errors import PictureError

__all__ = ["DecodeLimits", "Decoded", "PictureError", "decode"]

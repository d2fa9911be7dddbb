"""Painted portraits: a face from an identity seed, in a style from a style seed, with exact landmarks and factors."""

from aahq.painted.portraits.paint import Portrait, paint
from aahq.painted.portraits.styles import FAMILIES, family_of, style_seed

__all__ = ["FAMILIES", "Portrait", "family_of", "paint", "style_seed"]

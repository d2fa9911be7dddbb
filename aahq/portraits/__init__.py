"""Painted portraits: a face from an identity seed, in a style from a style seed, with exact landmarks and factors."""

from aahq.portraits.paint import Portrait, paint
from aahq.portraits.styles import FAMILIES, family_of, style_seed

__all__ = ["FAMILIES", "Portrait", "family_of", "paint", "style_seed"]

"""Screen: the suite's decoder with the reasons of the ledger."""

from __future__ import annotations

from pathlib import Path

from aahq.reasons import Rejected
from suite.pictures import Decoded, DecodeLimits, PictureError, decode


def canonical(source: Path | bytes, limits: DecodeLimits | None = None) -> Decoded:
    """`suite.pictures.decode`, whose refusals are the screen's reasons.

    Raises:
        Rejected: with one of the screen's reasons.
    """
    try:
        return decode(source, limits)
    except PictureError as refused:
        raise Rejected(refused.reason, refused.detail) from None

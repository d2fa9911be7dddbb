"""A release: aligned pictures, a manifest written last, rejects with reasons, checksums. Written here, read by anyone."""

from aahq.release.png import decode_png, encode_png
from aahq.release.schema import COLUMNS, FORMS, REJECT_COLUMNS, SCHEMA_VERSION
from aahq.release.write import Written, write

__all__ = [
    "COLUMNS",
    "FORMS",
    "REJECT_COLUMNS",
    "SCHEMA_VERSION",
    "Written",
    "decode_png",
    "encode_png",
    "write",
]

"""Why a picture file gives no pixels."""

from __future__ import annotations


class PictureError(Exception):
    """A picture file that is refused.

    Args:
        reason: one of "empty", "too_large", "not_an_image", "unknown_format", "corrupt", "truncated", "animated",
            "too_many_pixels", "too_small", "unsupported_mode", "transparent".
        detail: the evidence, one line; the same file always gives the same.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail

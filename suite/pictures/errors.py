"""Why a picture file gives no pixels."""

from __future__ import annotations

# reason -> what it means to a person who gave the file.
SENTENCES = {
    "empty": "not a picture: an empty file",
    "too_large": "too large a file",
    "not_an_image": "not a picture",
    "unknown_format": "not a picture that is read",
    "corrupt": "a damaged or foreign picture",
    "truncated": "a damaged or foreign picture, cut short",
    "animated": "several pictures in one file",
    "too_many_pixels": "too many pixels; make it smaller first",
    "too_small": "too small a picture",
    "unsupported_mode": "pixels of a kind that is not read",
    "transparent": "mostly transparent",
}


class PictureError(Exception):
    """A picture file that is refused.

    Args:
        reason: a key of `SENTENCES`.
        detail: the evidence, one line; the same file always gives the same.
    """

    def __init__(self, reason: str, detail: str = "") -> None:
        super().__init__(f"{reason}: {detail}" if detail else reason)
        self.reason = reason
        self.detail = detail

    def sentence(self) -> str:
        """What is wrong, for the person who gave the file."""
        return f"{SENTENCES[self.reason]} ({self.detail})" if self.detail else SENTENCES[self.reason]

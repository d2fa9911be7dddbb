"""What a file is by its first bytes, whatever its name or the server says."""

from __future__ import annotations

_STARTS = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"BM", "image/bmp"),
)
HEAD = 16


def picture_type(head: bytes) -> str | None:
    """The media type of a picture format that is read, from the file's first 16 bytes; None for anything else."""
    for start, kind in _STARTS:
        if head.startswith(start):
            return kind
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "image/webp"
    if head[4:12] in (b"ftypavif", b"ftypavis", b"ftypmif1"):
        return "image/avif"
    return None


def looks_like_text(head: bytes) -> bool:
    """Whether the bytes begin like HTML, SVG or XML."""
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")

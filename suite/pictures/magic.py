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


def is_plain_text(head: bytes) -> bool:
    """Whether the bytes begin like a text in UTF-8: letters, spaces and line ends alone. A letter may be cut at the end."""
    text = head.decode("utf-8", "ignore")
    whole = len(head) - len(text.encode()) < 4 and head.startswith(text.encode())
    return whole and len(text) > 8 and all(letter.isprintable() or letter in "\t\r\n\ufeff" for letter in text)


def is_heic(head: bytes) -> bool:
    """Whether the bytes begin a HEIC or HEIF file of HEVC pictures, as phones take them: no decoder of them is free."""
    brands = (head[at : at + 4] for at in (8, *range(16, min(int.from_bytes(head[:4]), len(head), 64), 4)))
    return head[4:8] == b"ftyp" and any(
        brand in (b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis") for brand in brands
    )

"""Detect truncated picture files: decoders fill what is missing with grey or black, in silence."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

from suite.pictures.errors import PictureError

_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# Adam7 (PNG specification, section 8.2): first column, first row, column step, row step of each pass.
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_BLOCK = 2**20


def check_whole(data: bytes) -> None:
    """Refuse a file that ends before its format says so.

    Raises:
        PictureError: "truncated", or "corrupt" where a PNG chunk's checksum is wrong.
    """
    if data.startswith(b"\xff\xd8"):
        _check_jpeg(data)
    elif data.startswith(b"\x89PNG"):
        _check_png(data)
    elif data.startswith(b"RIFF"):
        (size,) = struct.unpack("<I", data[4:8])
        if size + 8 > len(data):
            raise PictureError("truncated", f"RIFF announces {size + 8} bytes, the file has {len(data)}")
    elif data.startswith(b"GIF8"):
        _check_gif(data)


def _check_jpeg(data: bytes) -> None:
    at = 2
    while at + 4 <= len(data) and data[at] == 0xFF and data[at + 1] != 0xDA:
        # 0xFF may be repeated as filling before a marker.
        at += 1 if data[at + 1] == 0xFF else 2 + int.from_bytes(data[at + 2 : at + 4], "big")
    if data.find(b"\xff\xd9", at) < 0:
        raise PictureError("truncated", "the JPEG's end marker is missing")


def _check_gif(data: bytes) -> None:
    """Walk the blocks (GIF89a, appendix A) to the trailer; whatever stands behind it is nobody's."""
    at = 13 + _gif_table(data, 10)
    while at < len(data) and data[at] in b"!,":
        if data[at : at + 1] == b",":
            # Descriptor 10 with its table of colours, then the code size before the pixels.
            at += 10 + _gif_table(data, at + 9) + 1
        else:
            at += 2
        while at < len(data) and data[at]:
            at += 1 + data[at]
        at += 1
    if data[at : at + 1] != b";":
        raise PictureError("truncated", "the GIF's trailer is missing")


def _gif_table(data: bytes, at: int) -> int:
    """Bytes of the table of colours that the packed field there announces."""
    packed = data[at] if at < len(data) else 0
    return 3 << (packed & 7) + 1 if packed & 0x80 else 0


def _check_png(data: bytes) -> None:
    at = 8
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        kind = data[at + 4 : at + 8]
        end = at + 12 + size
        if end > len(data):
            break
        if zlib.crc32(memoryview(data)[at + 4 : end - 4]) != int.from_bytes(data[end - 4 : end], "big"):
            raise PictureError("corrupt", f"wrong checksum in PNG chunk {kind!r}")
        if kind == b"IEND":
            return
        at = end
    raise PictureError("truncated", "the PNG's last chunk is missing")


def check_png_rows(data: bytes) -> None:
    """Refuse a PNG whose packed pixels end before the last row, however whole its chunks are.

    Args:
        data: a file that `check_whole` has passed.

    Raises:
        PictureError: "truncated", or "corrupt" where the packed stream is broken.
    """
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", data[16:29])
    bits = depth * _CHANNELS.get(colour, 1)
    wanted = 0
    for left, top, across, down in _ADAM7 if interlaced else ((0, 0, 1, 1),):
        columns, rows = -(-(width - left) // across), -(-(height - top) // down)
        if columns > 0 and rows > 0:
            wanted += rows * (1 + (columns * bits + 7) // 8)
    count, unpack = 0, zlib.decompressobj()
    try:
        for body in _png_pixels(data):
            while body and count < wanted:
                count += len(unpack.decompress(body, _BLOCK))
                body = unpack.unconsumed_tail
    except zlib.error as error:
        raise PictureError("corrupt", f"PNG pixels: {error}") from None
    if count < wanted:
        raise PictureError("truncated", f"the PNG's pixels end after {count} of {wanted} bytes")


def _png_pixels(data: bytes) -> Iterator[bytes]:
    at = 8
    while at + 12 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        if data[at + 4 : at + 8] == b"IDAT":
            yield data[at + 8 : at + 8 + size]
        at += 12 + size

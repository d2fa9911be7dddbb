"""What a hostile file unpacks to has a total: reading its rights costs memory of the file's own order, however it is made."""

from __future__ import annotations

import io
import struct
import tracemalloc
import zlib

import pytest
from PIL import Image

from aahq.consent.embedded_rights import read_rights

PACKED = zlib.compress(bytes(8 << 20), 9)
HEXED = zlib.compress(b"\nxmp\n 8\n" + b"41" * (2 << 20), 9)
XMP = b"http://ns.adobe.com/xap/1.0/\0"


def encoded(kind: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, kind)
    return out.getvalue()


def png(kind: bytes, body: bytes, times: int, *more: bytes) -> bytes:
    part = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
    data = encoded("PNG")
    return data[:33] + part * times + b"".join(more) + data[33:]


def jpeg(body: bytes, times: int) -> bytes:
    data = encoded("JPEG")
    return data[:2] + (b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body) * times + data[2:]


FORMS = {
    "packed texts": png(b"zTXt", b"x\0\0" + PACKED, 30),
    "packed XMP": png(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + PACKED, 30),
    "profiles in hex": png(b"zTXt", b"Raw profile type xmp\0\0" + HEXED, 30),
    "segments of XMP": jpeg(XMP + b"A" * 65000, 60),
    "extended XMP": jpeg(b"http://ns.adobe.com/xmp/extension/\0" + b"0" * 40 + b"A" * 60000, 60),
    "UTF-16": jpeg(XMP + b"D\0M\0I\0" * 10000, 60),
    "escaped characters": jpeg(XMP + b"&#45;" * 12000, 8),
    "packets that never close": b"II*\0" + b"<x:xmpmeta " * 300_000,
    "IIM records": b"II*\0" + b"\x1c\x02\x19\x7f\xff" * 600_000,
    "blocks of a GIF": b"GIF89a" + (b"\x21\xff\x0bXMP DataXMP" + (b"\xff" + b"a" * 255) * 40 + b"\0") * 300,
    "assertions that are only mentioned": encoded("JPEG") + b"c2pa.training-mining" * 100_000,
    "a WebP full of escapes": b"RIFF" + struct.pack("<I", 1 << 22) + b"WEBP" + b"DMI&#" * (1 << 19),
}


@pytest.mark.parametrize("name", FORMS)
def test_memory_is_of_the_files_own_order(name: str) -> None:
    data = FORMS[name]
    tracemalloc.start()
    try:
        read_rights(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # A packed text of 4 MiB with its copies, and what is joined of the file's own bytes.
    assert peak < 2.5 * len(data) + (24 << 20), f"{peak / 2**20:.0f} MiB for a file of {len(data) / 2**20:.1f}"


def test_a_file_that_unpacks_too_far_is_a_no_and_a_reservation_before_that_keeps_its_words() -> None:
    assert "more than 16 MiB" in str(read_rights(FORMS["packed texts"]).prohibits)
    assert read_rights(png(b"zTXt", b"x\0\0" + PACKED, 3)).prohibits is None
    words = zlib.compress(b"<x:xmpmeta>DMI-PROHIBITED-AIMLTRAINING</x:xmpmeta>")
    first = png(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + words, 1)
    body = b"x\0\0" + PACKED
    part = struct.pack(">I", len(body)) + b"zTXt" + body + bytes(4)
    at = first.index(b"IDAT") - 4
    assert read_rights(first[:at] + part * 30 + first[at:]).prohibits == "plus:DataMining DMI-PROHIBITED-AIMLTRAINING"

"""A curator's folder of 279 files: faces in every form that people have, copies, what is no picture, what cannot be read.

`make(folder)` writes it; `OUTCOMES` says for each kind of file what may become of it.
"""

from __future__ import annotations

import io
import json
import os
import random
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps

COUNT = 279
ODD = ("circle.jpg", "nowhere.jpg", "pipe.jpg")
# Kind of file (the first part of its name) -> the reasons for which it may be set aside; "" where it may be kept or a copy.
OUTCOMES: dict[str, set[str]] = {
    "face": {"", "no_face", "duplicate"},
    "copy": {"", "duplicate", "no_face"},
    "plain": {"no_face"},
    "cut": {"truncated", "corrupt"},
    "text": {"not_an_image", "unknown_format", "corrupt"},
    "junk": {"unknown_format", "corrupt", "not_an_image"},
    "empty": {"empty"},
    "tiny": {"too_small"},
    "frames": {"animated"},
    "huge": {"too_many_pixels"},
    "clear": {"transparent"},
    "reserved": {"embedded_noai"},
    "unreadable": {"unreadable"},
}


def make(folder: Path, faces: list[np.ndarray]) -> list[str]:
    """Write the folder from some faces, uint8 (S, S, 3); returns the files' paths within it, sorted.

    Beside them stand `ODD`: links that lead nowhere and round in a circle, and a pipe; and a link to the folder itself.
    """
    draw = random.Random(16)
    written: list[str] = []

    def put(kind: str, data: bytes, suffix: str) -> None:
        place = draw.choice(("", "2019/", "2020/scans/", "Ölbilder & Skizzen/", "肖像/", "a b/#1 %20/"))
        name = f"{place}{kind}-{len(written):03}{draw.choice(('', ' (1)', ' Kopie', '🖼'))}{suffix}"
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        written.append(name)

    for number in range(96):
        rgb = faces[number % len(faces)]
        kind = "face" if number < len(faces) else "copy"
        form = list(_FORMS)[number % len(_FORMS)]
        put(kind, _FORMS[form](Image.fromarray(rgb)), f".{form.split()[0]}")
    for number in range(30):
        put("plain", _saved(Image.fromarray(_slope(number)), "JPEG"), ".jpg")
    whole = [_FORMS[form](Image.fromarray(faces[0])) for form in ("jpg", "png", "gif", "webp")]
    for number in range(24):
        data = whole[number % 4]
        put("cut", data[: len(data) // (2 + number % 3)], (".jpg", ".png", ".gif", ".webp")[number % 4])
    for number in range(24):
        put("text", _TEXTS[number % len(_TEXTS)], (".html", ".jpg", ".txt", ".svg")[number % 4])
    for number in range(30):
        put("junk", draw.randbytes(10 + 97 * number), (".psd", ".jpg", ".DS_Store", ".mp4", "")[number % 5])
    for number in range(10):
        put("empty", b"", (".jpg", ".png")[number % 2])
    for number in range(12):
        put("tiny", _saved(Image.fromarray(faces[1][:20, : 20 + number]), "PNG"), ".png")
    for number in range(12):
        put(
            "frames",
            _frames(faces[2], ("GIF", "WEBP", "PNG", "TIFF")[number % 4]),
            (".gif", ".webp", ".png", ".tif")[number % 4],
        )
    for _ in range(8):
        put("huge", _huge_header(), ".png")
    for number in range(12):
        clear = Image.fromarray(np.dstack([faces[3], np.zeros(faces[3].shape[:2], np.uint8)]))
        put("clear", _saved(clear, ("PNG", "WEBP")[number % 2]), (".png", ".webp")[number % 2])
    for _ in range(16):
        put("reserved", _reserved(faces[4]), ".jpg")
    while len(written) < COUNT:
        put("unreadable", b"", ".png")
        (folder / written[-1]).unlink()
        # What nobody can open, not even who may open everything.
        (folder / written[-1]).symlink_to("gone")
    assert len(written) == COUNT
    _odd_links(folder)
    return sorted(written)


def _odd_links(folder: Path) -> None:
    (folder / "nowhere.jpg").symlink_to("gone.jpg")
    (folder / "circle.jpg").symlink_to("circle.jpg")
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe.jpg")


def _saved(picture: Image.Image, kind: str, **how: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **how)
    return out.getvalue()


def _deep(picture: Image.Image) -> bytes:
    return _saved(Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257), "TIFF")


def _turned(picture: Image.Image) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = 6
    return _saved(picture.rotate(90, expand=True), "JPEG", quality=92, exif=exif)


def _profiled(picture: Image.Image) -> bytes:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    return _saved(picture, "JPEG", quality=92, icc_profile=profile)


_FORMS: dict[str, Callable[[Image.Image], bytes]] = {
    "jpg": lambda p: _saved(p, "JPEG", quality=90),
    "png": lambda p: _saved(p, "PNG"),
    "webp": lambda p: _saved(p, "WEBP", quality=90),
    "gif": lambda p: _saved(p.quantize(256), "GIF"),
    "tif 16": _deep,
    "tif": lambda p: _saved(p, "TIFF"),
    "bmp": lambda p: _saved(p, "BMP"),
    "avif": lambda p: _saved(p, "AVIF", quality=85),
    "jpg cmyk": lambda p: _saved(p.convert("CMYK"), "JPEG", quality=92),
    "jpeg turned": _turned,
    "jpg profile": _profiled,
    "png grey": lambda p: _saved(ImageOps.grayscale(p), "PNG"),
    "png palette": lambda p: _saved(p.quantize(200), "PNG"),
    "jpg small": lambda p: _saved(p.resize((p.width * 3 // 4, p.height * 3 // 4)), "JPEG", quality=80),
    "png mirrored": lambda p: _saved(ImageOps.mirror(p), "PNG"),
    "jpg progressive": lambda p: _saved(p, "JPEG", progressive=True, quality=90),
}
_TEXTS = (
    b"<html><body>404</body></html>",
    b"<svg xmlns='http://www.w3.org/2000/svg'/>",
    b"\xef\xbb\xbf<?xml version='1.0'?><a/>",
    json.dumps({"not": "a picture"}).encode(),
    "Notizen: Öl auf Holz".encode("latin-1"),
)


def _slope(number: int) -> np.ndarray:
    ramp = np.linspace(0, 255, 128, dtype=np.uint8)
    return np.stack([np.roll(np.tile(ramp, (128, 1)), number * 4, axis=1)] * 3, axis=-1)


def _frames(rgb: np.ndarray, kind: str) -> bytes:
    pictures = [Image.fromarray(np.roll(rgb, shift, axis=1)) for shift in (0, 9)]
    return _saved(pictures[0], kind, save_all=True, append_images=pictures[1:])


def _huge_header() -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")


def _reserved(rgb: np.ndarray) -> bytes:
    words = (
        b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta xmlns:x='adobe:ns:meta/'><plus:DataMining>"
        b"http://ns.useplus.org/ldf/vocab/DMI-PROHIBITED-AIMLTRAINING</plus:DataMining></x:xmpmeta>"
    )
    data = _saved(Image.fromarray(rgb), "JPEG")
    return data[:2] + b"\xff\xe1" + struct.pack(">H", len(words) + 2) + words + data[2:]

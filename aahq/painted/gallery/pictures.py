"""The bytes behind an image address: painted from seeds, changed as the picture's kind says, and encoded."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from aahq.painted.gallery.works import GalleryImage
from aahq.painted.portraits.scene import Picture, group_picture, landscape_picture, portrait_picture, still_life_picture
from aahq.painted.portraits.styles import style_seed

Pixels = NDArray[Any]

_XMP_NO_MINING = b"""<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:plus="http://ns.useplus.org/ldf/xmp/1.0/"
 plus:DataMining="http://ns.useplus.org/ldf/vocab/DMI-PROHIBITED-AIMLTRAINING"/></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""


def suffix(shown: GalleryImage) -> str:
    """The file name's ending."""
    if shown.kind == "transparent edge":
        return "png"
    return "webp" if shown.kind == "portrait" and shown.number % 90 == 0 else "jpg"


def content_type(shown: GalleryImage) -> str:
    return {"png": "image/png", "webp": "image/webp", "jpg": "image/jpeg"}[suffix(shown)]


def paint_shown(shown: GalleryImage) -> Picture:
    """The painting itself, before what its kind does to it."""
    if shown.kind == "group":
        style, *people = shown.seeds
        return group_picture(tuple(people), style, shown.width, shown.height)
    if shown.kind in ("landscape", "still life"):
        painter = landscape_picture if shown.kind == "landscape" else still_life_picture
        return painter(shown.seeds[0], shown.seeds[1], shown.width, shown.height)
    identity, style, variation = shown.seeds
    if shown.kind == "progress" and shown.step == 0:
        style = style_seed("charcoal", style)
    picture = portrait_picture(identity, style, shown.width, shown.height, variation)
    if shown.kind == "progress" and shown.step == 1:
        return replace(picture, rgb=_underpainting(picture.rgb))
    return picture


def _underpainting(rgb: Pixels) -> Pixels:
    """The same picture an hour earlier: broad, muted, the corners still bare."""
    soft = cv2.GaussianBlur(rgb, (0, 0), max(rgb.shape[0] / 220, 0.8)).astype(np.float32)
    grey = soft.mean(2, keepdims=True)
    muted = (0.6 * soft + 0.4 * grey) * np.array([0.98, 0.92, 0.82], np.float32)
    return np.clip(muted, 0, 255).astype(np.uint8)


def altered(shown: GalleryImage, rgb: Pixels) -> Pixels:
    """What the kind does to the pixels."""
    height, width = rgb.shape[:2]
    if shown.kind == "resized":
        return cv2.resize(rgb, (width * 7 // 10, height * 7 // 10), interpolation=cv2.INTER_AREA)
    if shown.kind == "mirrored":
        return np.ascontiguousarray(rgb[:, ::-1])
    if shown.kind == "cropped":
        return np.ascontiguousarray(rgb[height // 25 : -height // 14, width // 18 : -width // 25])
    if shown.kind == "recoloured":
        mixed = rgb.astype(np.float32) @ np.array([[0.95, 0.05, 0.0], [0.0, 0.85, 0.1], [0.10, 0.1, 0.75]], np.float32)
        return np.clip(mixed * 1.04 + 4, 0, 255).astype(np.uint8)
    if shown.kind == "blurred":
        return cv2.GaussianBlur(rgb, (0, 0), max(width, height) / 55)
    if shown.kind == "tiny":
        return cv2.resize(
            rgb, (width * 72 // max(width, height), height * 72 // max(width, height)), interpolation=cv2.INTER_AREA
        )
    return rgb


def encode(shown: GalleryImage, rgb: Pixels) -> bytes:
    """The file as it is sent: format, colour mode and metadata of the kind."""
    out = io.BytesIO()
    image = Image.fromarray(rgb)
    if shown.kind == "transparent edge":
        height, width = rgb.shape[:2]
        y, x = np.mgrid[:height, :width]
        edge = np.minimum(np.minimum(x, width - 1 - x), np.minimum(y, height - 1 - y))
        alpha = np.clip(edge * (255 / (0.02 * width)), 0, 255).astype(np.uint8)
        Image.fromarray(np.dstack([rgb, alpha]), "RGBA").save(out, "PNG", compress_level=3)
        return out.getvalue()
    if suffix(shown) == "webp":
        image.save(out, "WEBP", quality=92, method=2)
        return out.getvalue()
    quality = 58 if shown.kind == "recompressed" else 93
    if shown.kind == "grey":
        image = image.convert("L")
    elif shown.kind == "cmyk":
        image = image.convert("CMYK")
    if shown.kind == "rotated":
        exif = Image.Exif()
        exif[0x0112] = 6
        image.transpose(Image.Transpose.ROTATE_90).save(out, "JPEG", quality=quality, exif=exif)
    elif shown.kind == "embedded noai":
        image.save(out, "JPEG", quality=quality, xmp=_XMP_NO_MINING)
    else:
        image.save(out, "JPEG", quality=quality)
    return out.getvalue()


def file_bytes(shown: GalleryImage) -> bytes:
    """Paint, alter, encode: a function of `shown` alone, for process pools and caches."""
    return encode(shown, altered(shown, paint_shown(shown).rgb))


def reduced(data: bytes, share: float) -> bytes:
    """A smaller JPEG of a picture file, for the smaller addresses."""
    with Image.open(io.BytesIO(data)) as image:
        small = image.convert("RGB")
    small.thumbnail((max(16, int(small.width * share)), max(16, int(small.height * share))))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=88)
    return out.getvalue()


def stamped(data: bytes, text: str) -> bytes:
    """A JPEG whose bytes, not pixels, are its own: a comment segment after the start marker."""
    if not data.startswith(b"\xff\xd8"):
        return data
    note = text.encode()
    return data[:2] + b"\xff\xfe" + (len(note) + 2).to_bytes(2, "big") + note + data[2:]

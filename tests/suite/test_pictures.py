"""One decoder: what each form of file means, by its own numbers and by decoders of other people (OpenCV's, tifffile)."""

from __future__ import annotations

import contextlib
import io
import struct
import threading
import warnings
import zlib
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from suite.pictures import DecodeLimits, PictureError, decode

tifffile = pytest.importorskip("tifffile")
W, H = 96, 80
ROWS, COLUMNS = np.mgrid[0:H, 0:W]
RGB = np.stack([COLUMNS * 2, 255 - ROWS * 2, 255 - COLUMNS], axis=2).clip(0, 255).astype(np.uint8)
GREY = (COLUMNS * 2 + ROWS // 2).astype(np.uint8)
GREY16 = GREY.astype(np.uint16) * 257
# Where a transparent colour shows the white below it.
HOLE = (ROWS >= 40) & (COLUMNS < 30)


def three(grey: np.ndarray) -> np.ndarray:
    return np.repeat(grey[:, :, None], 3, axis=2)


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png(depth: int, colour: int, samples: np.ndarray, *more: tuple[bytes, bytes]) -> bytes:
    """A PNG of `samples` (H, W) or (H, W, C) in `depth` bits, with more chunks before its pixels."""
    if depth == 16:
        rows = [row.astype(">u2").tobytes() for row in samples]
    else:
        bits = (samples.reshape(len(samples), -1, 1) >> np.arange(depth - 1, -1, -1)) & 1
        rows = [np.packbits(row).tobytes() for row in bits.reshape(len(samples), -1).astype(np.uint8)]
    header = struct.pack(">IIBBBBB", samples.shape[1], samples.shape[0], depth, colour, 0, 0, 0)
    pixels = zlib.compress(b"".join(b"\0" + row for row in rows))
    parts = [(b"IHDR", header), *more, (b"IDAT", pixels), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, body) for kind, body in parts)


def tiff(samples: np.ndarray, **how: object) -> bytes:
    out = io.BytesIO()
    tifffile.imwrite(out, samples, **how)
    return out.getvalue()


def bare_tiff(bits: int, photometric: int, data: bytes) -> bytes:
    """A grey TIFF of a depth that no library here writes."""
    longs = {256: W, 257: H, 273: 8 + 2 + 12 * 9 + 4, 278: H, 279: len(data)}
    shorts = {258: bits, 259: 1, 262: photometric, 277: 1}
    tags = [struct.pack("<HHII", tag, 4, 1, value) for tag, value in longs.items()]
    tags += [struct.pack("<HHIHH", tag, 3, 1, value, 0) for tag, value in shorts.items()]
    tags.sort(key=lambda tag: struct.unpack("<H", tag[:2]))
    return b"II*\0" + struct.pack("<IH", 8, len(tags)) + b"".join(tags) + bytes(4) + data


def packed12(values: np.ndarray) -> bytes:
    bits = (values.reshape(H, W, 1).astype(int) >> np.arange(11, -1, -1)) & 1
    return np.packbits(bits.reshape(H, -1).astype(np.uint8), axis=1).tobytes()


def saved(image: Image.Image, kind: str, **how: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **how)
    return out.getvalue()


def holed(pixels: np.ndarray) -> np.ndarray:
    return np.where(HOLE[:, :, None], 255, pixels).astype(np.uint8)


def small_grey(depth: int) -> tuple[bytes, np.ndarray]:
    """Grey of few bits whose value 1 is transparent."""
    values = np.where(HOLE, 1, np.where(GREY >> 8 - depth == 1, 0, GREY >> 8 - depth))
    shown = three((values * (255 // ((1 << depth) - 1))).astype(np.uint8))
    return png(depth, 0, values, (b"tRNS", struct.pack(">H", 1))), holed(shown)


def pyramid(full_first: bool) -> bytes:
    """A picture and its copy of half the size, as museums' TIFFs have them."""
    out = io.BytesIO()
    pages = [(RGB, 0), (RGB[::2, ::2], 1)]
    with tifffile.TiffWriter(out) as writer:
        for pixels, kind in pages if full_first else pages[::-1]:
            writer.write(pixels, photometric="rgb", subfiletype=kind, metadata=None)
    return out.getvalue()


def pyramid_below() -> bytes:
    out = io.BytesIO()
    with tifffile.TiffWriter(out) as writer:
        writer.write(RGB, photometric="rgb", subifds=1, metadata=None)
        writer.write(RGB[::2, ::2], photometric="rgb", subfiletype=1, metadata=None)
    return out.getvalue()


GREY16_HOLED = np.where(HOLE, 7, np.maximum(GREY16, 8))
RGB16_HOLED = np.where(HOLE[:, :, None], 0x0102, np.maximum(RGB, 4).astype(np.uint16) * 257)
# name -> (file, the pixels that it means, largest difference that its depth allows)
FORMS: dict[str, tuple[bytes, np.ndarray, int]] = {
    "PNG, 16-bit grey": (png(16, 0, GREY16), three(GREY), 0),
    "PNG, 16-bit grey, one value transparent": (
        png(16, 0, GREY16_HOLED, (b"tRNS", struct.pack(">H", 7))),
        holed(three(GREY)),
        1,
    ),
    "PNG, 16-bit colour": (png(16, 2, RGB.astype(np.uint16) * 257), RGB, 1),
    "PNG, 16-bit colour, one transparent": (
        png(16, 2, RGB16_HOLED, (b"tRNS", struct.pack(">HHH", *[0x0102] * 3))),
        holed(np.maximum(RGB, 4)),
        1,
    ),
    "PNG, 2-bit grey, one value transparent": (*small_grey(2), 0),
    "PNG, 4-bit grey, one value transparent": (*small_grey(4), 0),
    "PNG, 16-bit grey with alpha": (
        png(16, 4, np.stack([GREY16, np.where(HOLE, 0, 65535)], axis=2)),
        holed(three(GREY)),
        1,
    ),
    "PNG, bilevel": (png(1, 0, GREY >> 7), three((GREY >> 7) * 255), 0),
    "TIFF, 16-bit grey": (tiff(GREY16, photometric="minisblack"), three(GREY), 0),
    "TIFF, 16-bit grey, white is zero": (tiff(65535 - GREY16, photometric="miniswhite"), three(GREY), 0),
    "TIFF, big-endian 16-bit grey, white is zero": (
        tiff(65535 - GREY16, photometric="miniswhite", byteorder=">"),
        three(GREY),
        0,
    ),
    "TIFF, 8-bit grey, white is zero": (tiff(255 - GREY, photometric="miniswhite"), three(GREY), 0),
    "TIFF, 12-bit grey": (bare_tiff(12, 1, packed12(GREY16 >> 4)), three(GREY), 0),
    "TIFF, 12-bit grey, white is zero": (bare_tiff(12, 0, packed12(4095 - (GREY16 >> 4))), three(GREY), 0),
    "TIFF, 16-bit colour": (tiff(RGB.astype(np.uint16) * 257, photometric="rgb"), RGB, 1),
    "TIFF, tiled": (tiff(RGB, photometric="rgb", tile=(32, 32)), RGB, 0),
    "TIFF, pyramid": (pyramid(True), RGB, 0),
    "TIFF, pyramid with the small copy first": (pyramid(False), RGB, 0),
    "TIFF, pyramid in sub-directories": (pyramid_below(), RGB, 0),
    "WebP, lossless": (saved(Image.fromarray(RGB), "WEBP", lossless=True), RGB, 0),
    "BMP": (saved(Image.fromarray(RGB), "BMP"), RGB, 0),
    "GIF, grey": (saved(Image.fromarray(GREY), "GIF"), three(GREY), 0),
    "GIF, bytes behind its trailer": (saved(Image.fromarray(GREY), "GIF") + b"\r\n<!-- cached -->", three(GREY), 0),
}


@pytest.mark.parametrize("name", FORMS)
def test_a_form_is_the_picture_that_it_means(name: str) -> None:
    data, wanted, tolerance = FORMS[name]
    got = decode(data).rgb
    assert got.shape == (H, W, 3)
    assert int(np.abs(got.astype(int) - wanted).max()) <= tolerance


def by_opencv(data: bytes) -> np.ndarray:
    """uint8 RGB on white, by libpng, libtiff and libwebp as OpenCV calls them."""
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    values = found.astype(np.float64) * (255 / (65535 if found.dtype == np.uint16 else 255))
    values = values if values.ndim == 3 else values[:, :, None]
    if values.shape[2] == 1:
        return three(np.round(values[:, :, 0]).astype(np.uint8))
    colour = values[:, :, 2::-1]
    if values.shape[2] == 4:
        alpha = values[:, :, 3:] / 255
        colour = colour * alpha + 255 * (1 - alpha)
    return np.round(colour).astype(np.uint8)


# OpenCV knows no 12 bits, no transparent grey value, no white-is-zero of 16 bits, and takes the first page.
NOT_BY_OPENCV = ("12-bit", "value transparent", "16-bit grey, white", "small copy first", "GIF")


@pytest.mark.parametrize("name", [name for name in FORMS if not any(form in name for form in NOT_BY_OPENCV)])
def test_another_decoder_sees_the_same(name: str) -> None:
    data, _, _ = FORMS[name]
    assert int(np.abs(decode(data).rgb.astype(int) - by_opencv(data)).max()) <= 1


@pytest.mark.parametrize("name", [name for name in FORMS if name.startswith("TIFF") and "12-bit" not in name])
def test_tifffile_sees_the_same(name: str) -> None:
    data = FORMS[name][0]
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = next(page for page in file.pages if not page.subfiletype & 1)
        values = page.asarray().astype(np.float64) * (255 / (65535 if page.bitspersample == 16 else 255))
        if page.photometric == tifffile.PHOTOMETRIC.MINISWHITE:
            values = 255 - values
    wanted = np.round(values).astype(np.uint8)
    wanted = wanted if wanted.ndim == 3 else three(wanted)
    assert int(np.abs(decode(data).rgb.astype(int) - wanted).max()) <= 1


def profile_with(curve: Callable[[bytes], bytes], name: str) -> bytes:
    """The sRGB profile of littleCMS with other tone curves and another name."""
    data = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    count = struct.unpack(">I", data[128:132])[0]
    entries = [struct.unpack(">4sII", data[132 + 12 * k : 144 + 12 * k]) for k in range(count)]
    body = {tag: data[at : at + size] for tag, at, size in entries}
    for tag in (b"rTRC", b"gTRC", b"bTRC"):
        body[tag] = curve(body[tag])
    text = name.encode("utf-16-be")
    body[b"desc"] = b"mluc" + bytes(4) + struct.pack(">II2s2sII", 1, 12, b"en", b"US", len(text), 28) + text
    table, out = struct.pack(">I", len(body)), b""
    start = 132 + 12 * len(body)
    for tag, value in body.items():
        out += bytes(-(start + len(out)) % 4)
        table += struct.pack(">4sII", tag, start + len(out), len(value))
        out += value
    whole = data[:128] + table + out
    return struct.pack(">I", len(whole)) + whole[4:]


def encoded(light: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1: light from 0 to 1 as 8-bit sRGB."""
    return np.round(np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055) * 255)


def decoded_light(values: np.ndarray) -> np.ndarray:
    share = values / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def gamma_curve(gamma: float) -> Callable[[bytes], bytes]:
    return lambda _: b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))


@pytest.mark.parametrize("name", ["Linear", "sRGB-elle-V2-g10.icc", "sRGB IEC61966-2.1", ""])
@pytest.mark.parametrize("gamma", [1.0, 1.8])
def test_a_profile_is_taken_by_what_it_says_and_not_by_its_name(name: str, gamma: float) -> None:
    data = saved(Image.fromarray(RGB), "PNG", icc_profile=profile_with(gamma_curve(gamma), name))
    seen = decode(data)
    assert seen.notes["icc"].startswith("converted")
    assert int(np.abs(seen.rgb - encoded((RGB / 255) ** gamma)).max()) <= 4


@pytest.mark.parametrize("name", ["c2", "my monitor", "sRGB built-in"])
def test_a_profile_that_says_srgb_moves_nothing_whatever_its_name(name: str) -> None:
    seen = decode(saved(Image.fromarray(RGB), "PNG", icc_profile=profile_with(lambda curve: curve, name)))
    assert seen.notes["icc"] == "srgb"
    np.testing.assert_array_equal(seen.rgb, RGB)


def test_a_pngs_gamma_counts_where_no_profile_does() -> None:
    linear, srgb, mad = (struct.pack(">I", value) for value in (100_000, 45_455, 0))
    seen = decode(png(8, 2, RGB, (b"gAMA", linear)))
    assert seen.notes["icc"] == "converted: gamma 1"
    np.testing.assert_array_equal(seen.rgb, encoded(RGB / 255))
    for chunks in ([(b"gAMA", srgb)], [(b"gAMA", mad)], [(b"gAMA", linear), (b"sRGB", b"\0")]):
        np.testing.assert_array_equal(decode(png(8, 2, RGB, *chunks)).rgb, RGB)
    # littleCMS' own linear light is the truth of both formulas above.
    assert np.abs(encoded(decoded_light(np.arange(256.0))) - np.arange(256)).max() == 0


def frames(kind: str) -> bytes:
    pictures = [Image.fromarray(np.roll(RGB, shift, axis=1)) for shift in (0, 20)]
    return saved(
        pictures[0], kind, save_all=True, append_images=pictures[1:], **({"lossless": True} if kind == "WEBP" else {})
    )


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "TIFF"])
def test_several_frames_are_refused_or_the_first_is_taken(kind: str) -> None:
    data = frames(kind)
    with pytest.raises(PictureError) as refused:
        decode(data)
    assert refused.value.reason == "animated"
    first = decode(data, DecodeLimits(first_of_several=True)).rgb
    assert int(np.abs(first.astype(int) - RGB).max()) <= (80 if kind == "GIF" else 0)
    assert np.abs(first.astype(int) - RGB).mean() < 4


def test_a_tiff_of_very_many_pages_is_refused_soon() -> None:
    out = io.BytesIO()
    with tifffile.TiffWriter(out) as writer:
        for _ in range(70):
            writer.write(GREY[:64, :64], photometric="minisblack", subfiletype=1, metadata=None)
    with pytest.raises(PictureError, match="several pictures"):
        decode(out.getvalue())


def test_what_is_no_picture_has_a_reason_that_is_the_same_in_every_run() -> None:
    heif = b"\0\0\0\x18ftypmif1\0\0\0\0mif1heic" + bytes(200)
    floats = tiff(RGB.astype(np.float32), photometric="rgb")
    for data in (heif, floats, b"RIFF\x10\0\0\0WEBPVP8 " + bytes(8), b"BM" + bytes(60), b"GIF89a", b"II*\0" + bytes(8)):
        details = set()
        for _ in range(2):
            with pytest.raises(PictureError) as refused:
                decode(data)
            details.add((refused.value.reason, refused.value.detail))
        assert len(details) == 1
        assert "0x" not in str(details)
        assert refused.value.sentence()


@settings(max_examples=40, deadline=None)
@given(
    flips=st.lists(st.tuples(st.integers(0, 2**30), st.integers(0, 255)), min_size=1, max_size=6),
    form=st.sampled_from(sorted(FORMS)),
)
def test_any_damage_is_pixels_or_a_reason(flips: list[tuple[int, int]], form: str) -> None:
    data = bytearray(FORMS[form][0])
    for at, value in flips:
        data[at % len(data)] = value
    with contextlib.suppress(PictureError):
        rgb = decode(bytes(data), DecodeLimits(min_side=1, max_pixels=10**6)).rgb
        assert rgb.dtype == np.uint8
        assert rgb.shape[2] == 3


def test_threads_that_decode_leave_the_warnings_of_others_alone() -> None:
    before = list(warnings.filters)
    data = FORMS["TIFF, pyramid"][0]
    threads = [threading.Thread(target=lambda: [decode(data) for _ in range(20)]) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert list(warnings.filters) == before

"""Screening: odd files become the pixels they mean, broken ones a typed rejection, and nothing else ever happens."""

from __future__ import annotations

import contextlib
import io
import resource
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from aahq.images.decode import canonical
from aahq.reasons import Rejected
from suite.pictures import DecodeLimits as ScreenLimits
from suite.pictures import PictureError, decode

SIDE = 96


def scene() -> np.ndarray:
    """uint8 (96, 128, 3): smooth, and with no symmetry, so that every rotation shows."""
    y, x = np.mgrid[0:SIDE, 0:128]
    return np.stack([2 * y, 255 - y - x // 2, x], axis=2).clip(0, 255).astype(np.uint8)


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def png(**options: object) -> bytes:
    return encoded(Image.fromarray(scene()), "PNG", **options)


def jpeg(**options: object) -> bytes:
    return encoded(Image.fromarray(scene()), "JPEG", **{"quality": 95, "subsampling": 0, **options})


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def raw_png(width: int, height: int, depth: int = 8, colour: int = 2, pixels: bytes = b"", *more: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + b"".join(more) + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")


def reason_of(data: bytes, limits: ScreenLimits | None = None) -> str:
    with pytest.raises(Rejected) as refused:
        canonical(data, limits)
    return refused.value.reason


# --- what is kept


@pytest.mark.parametrize(("kind", "options"), [("PNG", {}), ("BMP", {}), ("TIFF", {}), ("WEBP", {"lossless": True})])
def test_lossless_formats_give_their_pixels(kind: str, options: dict[str, object], tmp_path: Path) -> None:
    data = encoded(Image.fromarray(scene()), kind, **options)
    got = canonical(data)
    assert np.array_equal(got.rgb, scene())
    assert got.rgb.dtype == np.uint8
    assert got.rgb.flags.c_contiguous
    (tmp_path / "x").write_bytes(data)
    assert np.array_equal(canonical(tmp_path / "x").rgb, got.rgb)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "AVIF"])
def test_lossy_formats_come_near(kind: str) -> None:
    got = canonical(encoded(Image.fromarray(scene()), kind, quality=95))
    # Codec noise at quality 95 on a smooth picture: a few grey levels.
    assert np.abs(got.rgb.astype(int) - scene()).mean() < 4


@pytest.mark.parametrize(
    ("orientation", "turn"),
    [
        (1, lambda a: a),
        (2, np.fliplr),
        (3, lambda a: np.rot90(a, 2)),
        (4, np.flipud),
        (5, lambda a: np.rot90(np.fliplr(a), 1)),
        (6, lambda a: np.rot90(a, -1)),
        (7, lambda a: np.rot90(np.fliplr(a), -1)),
        (8, lambda a: np.rot90(a, 1)),
        (9, lambda a: a),
        (0, lambda a: a),
    ],
)
@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG"])
def test_exif_rotation(orientation: int, turn: Callable[[np.ndarray], np.ndarray], kind: str) -> None:
    """The eight orientations of EXIF 2.3 (tag 0x0112), e.g. 6: row 0 is the right side, so turn clockwise."""
    exif = Image.Exif()
    exif[0x0112] = orientation
    options = {"quality": 95, "subsampling": 0} if kind == "JPEG" else {}
    got = canonical(encoded(Image.fromarray(scene()), kind, exif=exif, **options)).rgb
    assert got.shape == turn(scene()).shape
    # JPEG's noise; the others are exact, and a wrong turn is off by dozens.
    assert np.abs(got.astype(int) - turn(scene())).mean() <= (4 if kind == "JPEG" else 0)


def test_grey_bilevel_and_palette() -> None:
    grey = Image.fromarray(scene()).convert("L")
    assert np.array_equal(canonical(encoded(grey, "PNG")).rgb, np.repeat(np.asarray(grey)[:, :, None], 3, axis=2))
    ink = grey.convert("1")
    assert set(np.unique(canonical(encoded(ink, "PNG")).rgb)) == {0, 255}
    few = Image.fromarray(scene()).quantize(16)
    assert np.array_equal(canonical(encoded(few, "PNG")).rgb, np.asarray(few.convert("RGB")))
    assert np.array_equal(canonical(encoded(few, "GIF")).rgb, np.asarray(few.convert("RGB")))


def test_16_bit_grey_keeps_its_range() -> None:
    ramp = np.linspace(0, 65535, 128 * SIDE).astype(np.uint16).reshape(SIDE, 128)
    for kind in ("PNG", "TIFF"):
        got = canonical(encoded(Image.fromarray(ramp), kind)).rgb
        assert np.array_equal(got[:, :, 0], np.round(ramp / 257).astype(np.uint8))


def test_16_bit_colour() -> None:
    rows = b"".join(b"\0" + bytes([y, 0, 128, 0, 255, 255]) * SIDE for y in range(SIDE))
    got = canonical(raw_png(SIDE, SIDE, 16, 2, rows)).rgb
    assert np.array_equal(got[:, 0], np.stack([np.arange(SIDE), np.full(SIDE, 128), np.full(SIDE, 255)], axis=1))


def test_transparency_is_laid_on_white() -> None:
    alpha = np.full((SIDE, 128), 255, np.uint8)
    alpha[:10], alpha[10:20] = 0, 128
    rgba = np.dstack([scene(), alpha])
    got = canonical(encoded(Image.fromarray(rgba), "PNG"))
    assert (got.rgb[:10] == 255).all()
    assert np.array_equal(got.rgb[20:], scene()[20:])
    half = (scene()[10:20].astype(float) * 128 + 255 * 127) / 255
    assert np.abs(got.rgb[10:20] - half).max() <= 1
    assert got.notes["alpha"] == pytest.approx(20 / SIDE)


def test_transparent_palette_and_grey() -> None:
    few = Image.fromarray(scene()).quantize(8)
    got = canonical(encoded(few, "PNG", transparency=few.getpixel((0, 0)))).rgb
    assert (got[0, 0] == 255).all()
    grey = np.full((SIDE, SIDE), 100, np.uint8)
    grey[0] = 7
    got = canonical(encoded(Image.fromarray(grey), "PNG", transparency=7)).rgb
    assert (got[0] == 255).all()
    assert (got[1:] == 100).all()


def test_cmyk_as_adobe_writes_it() -> None:
    """Pillow writes CMYK JPEGs inverted with Adobe's marker, as Photoshop does: red stays red."""
    red = Image.new("CMYK", (SIDE, SIDE), (0, 255, 255, 0))
    for kind in ("JPEG", "TIFF"):
        r, g, b = canonical(encoded(red, kind)).rgb.reshape(-1, 3).mean(axis=0)
        assert r > 200
        assert max(g, b) < 60


def test_an_embedded_profile_is_converted() -> None:
    lab = ImageCms.createProfile("LAB")
    back = ImageCms.buildTransform(ImageCms.createProfile("sRGB"), lab, "RGB", "LAB")
    picture = ImageCms.applyTransform(Image.fromarray(scene()), back)
    assert picture is not None
    got = canonical(encoded(picture, "TIFF"))
    # Two roundings to 8 bits in L*a*b* on smooth colours inside the gamut.
    assert np.abs(got.rgb.astype(int) - scene()).mean() < 3
    assert got.notes["icc"].startswith("converted")


def test_srgb_and_broken_profiles_change_nothing() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    for icc, note in ((profile, "srgb"), (b"not a profile", "broken")):
        got = canonical(png(icc_profile=icc))
        assert got.notes["icc"] == note
        assert np.array_equal(got.rgb, scene())


def test_a_wide_gamut_profile_changes_colours() -> None:
    """The profile is sRGB with red and green colourants exchanged, so converting exchanges the channels."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    red, green = profile.index(b"rXYZ"), profile.index(b"gXYZ")
    profile[red : red + 4], profile[green : green + 4] = b"gXYZ", b"rXYZ"
    at = profile.index(b"s\0R\0G\0B") if b"s\0R\0G\0B" in profile else -1
    if at >= 0:
        profile[at : at + 7] = b"o\0t\0h\0e"
    got = canonical(png(icc_profile=bytes(profile)))
    assert got.notes["icc"].startswith("converted")
    assert np.abs(got.rgb[:, :, [1, 0, 2]].astype(int) - scene()).mean() < 3


def test_trailing_bytes_and_polyglots_are_only_pictures() -> None:
    """A picture with a page or archive behind it decodes to its pixels; what is behind never reaches a release."""
    plain = canonical(jpeg()).rgb
    for tail in (b"<script>alert(1)</script>", b"PK\x03\x04zip", b"\0" * 100):
        assert np.array_equal(canonical(jpeg() + tail).rgb, plain)


# --- what is refused: 40 and more malformed files


def gif_of_two() -> bytes:
    frames = [Image.fromarray(scene()), Image.fromarray(255 - scene())]
    return encoded(frames[0], "GIF", save_all=True, append_images=frames[1:])


def moving(kind: str) -> bytes:
    frames = [Image.fromarray(scene()), Image.fromarray(255 - scene())]
    return encoded(frames[0], kind, save_all=True, append_images=frames[1:])


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


def lying(data: bytes, width: int, height: int) -> bytes:
    """A PNG whose header, checksum included, announces another size."""
    header = chunk(b"IHDR", struct.pack(">II", width, height) + data[24:29])
    return data[:8] + header + data[33:]


SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'
HUGE = raw_png(65000, 65000, 8, 2, b"")
MALFORMED: dict[str, tuple[bytes, set[str]]] = {
    "empty": (b"", {"empty"}),
    "one byte": (b"\xff", {"unknown_format"}),
    "zeros": (b"\0" * 5000, {"unknown_format"}),
    "text": (b"this is no picture, whatever its name says", {"unknown_format"}),
    "html": (b"<!DOCTYPE html><html><body>404</body></html>", {"not_an_image"}),
    "html with bom": (b"\xef\xbb\xbf <html></html>", {"not_an_image"}),
    "svg": (SVG, {"not_an_image"}),
    "pdf": (b"%PDF-1.7\n%\xe2\xe3", {"unknown_format"}),
    "postscript": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 99 99\n", {"unknown_format"}),
    "zip": (b"PK\x03\x04" + b"\0" * 100, {"unknown_format"}),
    "elf": (b"\x7fELF" + b"\0" * 100, {"unknown_format"}),
    "mp4": (b"\0\0\0\x18ftypmp42" + b"\0" * 100, {"unknown_format"}),
    "ppm": (b"P6 96 96 255\n" + b"\0" * 27648, {"unknown_format"}),
    "jpeg magic alone": (b"\xff\xd8\xff", {"corrupt", "truncated"}),
    "jpeg start and end": (b"\xff\xd8\xff\xd9", {"corrupt", "truncated"}),
    "png magic alone": (b"\x89PNG\r\n\x1a\n", {"corrupt", "truncated"}),
    "gif magic alone": (b"GIF89a", {"corrupt", "truncated"}),
    "webp magic alone": (b"RIFF\x04\0\0\0WEBP", {"corrupt", "truncated"}),
    "tiff magic alone": (b"II*\0\x08\0\0\0", {"corrupt", "truncated"}),
    "bmp magic alone": (b"BM", {"corrupt", "truncated"}),
    "avif magic alone": (b"\0\0\0\x1cftypavif\0\0\0\0avifmif1", {"corrupt", "truncated"}),
    "png wrong checksum of pixels": (flipped(png(), 60), {"corrupt"}),
    "png wrong checksum of header": (flipped(png(), 18), {"corrupt", "too_many_pixels", "too_small"}),
    "png without pixels": (raw_png(SIDE, SIDE), {"truncated", "corrupt"}),
    "png fewer rows than announced": (lying(png(), 128, 4000), {"truncated", "corrupt"}),
    "png wider than its rows": (lying(png(), 4000, SIDE), {"truncated", "corrupt"}),
    "png huge header": (HUGE, {"too_many_pixels"}),
    "png beyond any memory": (raw_png(2**31 - 1, 2**31 - 1), {"too_many_pixels", "corrupt"}),
    "png no width": (raw_png(0, SIDE), {"corrupt", "too_small"}),
    "png unknown colour type": (raw_png(SIDE, SIDE, 8, 5), {"corrupt"}),
    "png text bomb": (
        raw_png(
            SIDE, SIDE, 8, 2, b"\0" * (SIDE * (SIDE * 3 + 1)), chunk(b"zTXt", b"a\0\0" + zlib.compress(b"a" * 2**27, 1))
        ),
        {"corrupt"},
    ),
    "jpeg without end": (jpeg()[:-2], {"truncated"}),
    "jpeg huge header": (
        jpeg().replace(struct.pack(">HH", SIDE, 128), struct.pack(">HH", 65000, 65000), 1),
        {"too_many_pixels"},
    ),
    "jpeg without tables": (b"\xff\xd8\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00abc\xff\xd9", {"corrupt"}),
    "gif without trailer": (encoded(Image.fromarray(scene()), "GIF")[:-1], {"truncated"}),
    "gif moving": (gif_of_two(), {"animated"}),
    "png moving": (moving("PNG"), {"animated"}),
    "webp moving": (moving("WEBP"), {"animated"}),
    "tiff of two pages": (moving("TIFF"), {"animated"}),
    "webp cut": (encoded(Image.fromarray(scene()), "WEBP")[:-20], {"truncated", "corrupt"}),
    "tiff offset outside": (b"II*\0\xff\xff\xff\x7f", {"corrupt", "truncated"}),
    "tiff of floats": (encoded(Image.fromarray(np.ones((SIDE, SIDE), np.float32)), "TIFF"), {"unsupported_mode"}),
    "bmp huge header": (
        b"BM" + struct.pack("<IIIIiiHHIIiiII", 99, 0, 54, 40, 60000, 60000, 1, 24, 0, 0, 0, 0, 0, 0),
        {"too_many_pixels"},
    ),
    "tiny": (encoded(Image.new("RGB", (5, 5)), "PNG"), {"too_small"}),
    "ribbon": (encoded(Image.new("RGB", (5000, 3)), "PNG"), {"too_small"}),
    "all transparent": (encoded(Image.new("RGBA", (SIDE, SIDE)), "PNG"), {"transparent"}),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_malformed_files_have_their_reason(name: str) -> None:
    data, reasons = MALFORMED[name]
    assert reason_of(data) in reasons


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "progressive", "GIF", "BMP", "TIFF", "WEBP", "AVIF"])
def test_cut_anywhere_is_refused(kind: str) -> None:
    """A file cut at any of 25 points is never taken: a half-downloaded picture must not look finished."""
    picture = Image.fromarray(scene())
    data = jpeg(progressive=True) if kind == "progressive" else encoded(picture, kind)
    for cut in np.linspace(1, len(data) - 1, 25).astype(int):
        assert reason_of(data[:cut]) in ("truncated", "corrupt", "unknown_format"), cut


@settings(max_examples=80, deadline=None)
@given(st.sampled_from(["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP"]), st.data())
def test_any_damage_is_decoded_or_typed(kind: str, data: st.DataObject) -> None:
    file = bytearray(encoded(Image.fromarray(scene()), kind))
    for _ in range(data.draw(st.integers(1, 8))):
        file[data.draw(st.integers(0, len(file) - 1))] = data.draw(st.integers(0, 255))
    got = None
    # `Rejected` knows its reasons, so a reason that is none would fail here; so does every other exception.
    with contextlib.suppress(Rejected):
        got = canonical(bytes(file))
    if got is not None:
        assert got.rgb.dtype == np.uint8
        assert got.rgb.shape[2] == 3


@settings(max_examples=150, deadline=None)
@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"II*\0", b"BM", b"RIFF"]),
)
def test_any_bytes_are_decoded_or_typed(tail: bytes, magic: bytes) -> None:
    with pytest.raises(Rejected):
        canonical(magic + tail)


def test_rows_that_never_came_are_noticed() -> None:
    """Also in a PNG whose chunks are whole, plain or interlaced; black pictures that are complete are kept."""
    black = b"\0" * (SIDE * (SIDE * 3 + 1))
    assert canonical(raw_png(SIDE, SIDE, 8, 2, black)).rgb.max() == 0
    assert reason_of(raw_png(SIDE, SIDE, 8, 2, black[:-1])) == "truncated"
    # 96 x 96 grey in Adam7: passes of 12x12, 12x12, 24x12, 24x24, 48x24, 48x48, 96x48, each row with its filter byte.
    passes = ((12, 12), (12, 12), (24, 12), (24, 24), (48, 24), (48, 48), (96, 48))
    grey = b"".join((b"\0" + b"\x55" * columns) * rows for columns, rows in passes)
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", SIDE, SIDE, 8, 0, 0, 0, 1))
    for pixels, whole in ((grey, True), (grey[:-1], False)):
        file = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(pixels)) + chunk(b"IEND", b"")
        if whole:
            assert (canonical(file).rgb == 0x55).all()
        else:
            assert reason_of(file) == "truncated"


def test_limits_are_limits(tmp_path: Path) -> None:
    assert reason_of(png(), ScreenLimits(max_pixels=SIDE * 128 - 1)) == "too_many_pixels"
    assert reason_of(png(), ScreenLimits(max_bytes=100)) == "too_large"
    assert reason_of(png(), ScreenLimits(min_side=SIDE + 1)) == "too_small"
    assert canonical(png(), ScreenLimits(max_pixels=SIDE * 128, min_side=SIDE)).notes["size"] == [128, SIDE]
    with pytest.raises(Rejected):
        canonical(tmp_path / "absent")


def test_a_pixel_bomb_costs_no_memory(tmp_path: Path) -> None:
    """65,000 x 65,000 pixels (12.7 GB) are refused by the header, inside an address space of 4 GB."""
    (tmp_path / "bomb.png").write_bytes(HUGE)
    code = f"""
from pathlib import Path
from aahq.reasons import Rejected
from aahq.images.decode import canonical
try:
    canonical(Path({str(tmp_path / "bomb.png")!r}))
except Rejected as refused:
    print(refused.reason)
"""
    limit = 4 * 2**30

    def bound() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, preexec_fn=bound, check=False)
    assert done.stdout.strip() == "too_many_pixels", done.stderr


def test_the_same_bytes_give_the_same_pixels(pictures: Path) -> None:
    for path in sorted((pictures / "art").iterdir())[:4]:
        assert np.array_equal(canonical(path).rgb, canonical(path.read_bytes()).rgb)


HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 400


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (HEIC, "HEIC, as phones take it; export it as JPEG or PNG"),
        (HEIC.replace(b"ftypheic", b"ftypmif1"), "HEIC, as phones take it; export it as JPEG or PNG"),
        (
            b"dear diary, today there was no pict\xc3",
            "the file is text; read are JPEG, PNG, WEBP, GIF, TIFF, BMP, AVIF",
        ),
        (b"\xff\xfetext of another kind", "first bytes fffe746578742020"),
    ],
)
def test_what_people_give_for_a_picture_is_called_by_its_name(data: bytes, words: str) -> None:
    with pytest.raises(PictureError) as refused:
        decode(data)
    assert refused.value.reason == "unknown_format"
    assert refused.value.detail.startswith(words[:26])

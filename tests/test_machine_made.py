"""Our own pictures say what they are: one writer for all rooms, and a crawl over them takes none, also after a re-save."""

from __future__ import annotations

import ast
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from aahq import pipeline
from aahq.consent.embedded_rights import read_rights
from aahq.ledger import Ledger
from aahq.pipeline import open_build
from benchmark.leaderboard import samples
from models.data.pictures import save_png
from models.inference.animation import write_frames
from models.inference.sheets import SheetFiles, Tile
from models.training.run_folder import save_grid
from suite.pictures.machine_made import made_video_box, save_made, xmp_packet

ROOT = Path(__file__).parents[1]
NOISE = np.random.default_rng(0)


def picture() -> Image.Image:
    return Image.fromarray(NOISE.integers(0, 256, (96, 96, 3), dtype=np.uint8))


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A file of every writer that the commands have."""
    folder = tmp_path / "own"
    folder.mkdir()
    # sample, stylize, the baselines and the page
    save_png(folder / "face.png", torch.rand(3, 96, 96) * 2 - 1, {"seed": 3})
    # a face put back into its photograph, figures
    save_png(folder / "pasted.png", picture(), {"method": "figure 1"}, "composite")
    sheets = SheetFiles(folder, [Tile(picture(), "face")])
    sheets.row("a note").add(Tile(picture(), "style"))
    sheets.close()
    # interpolate
    for name in ("walk.webp", "walk.gif", "walk.apng", "frames"):
        write_frames(folder / name, iter([picture(), picture()]), 5)
    # the samples that training keeps, and those beside a record
    save_grid(folder / "step.png", torch.rand(4, 3, 48, 48) * 2 - 1, 2)
    samples._save(folder / "f0000-s00", torch.rand(3, 96, 96) * 255, made=True)
    save_made(picture(), folder / "face.jpg", "JPEG", quality=90)
    return folder


def crawled(source: Path, out: Path) -> dict[str, tuple[str, str]]:
    """Key -> (state, reason) after the crawl of a folder."""
    with open_build(out, source={"source": "folder", "target": str(source)}, workers=1, create=True) as build:
        pipeline.crawl(build)
    with Ledger(out) as ledger:
        return {
            row["key"]: (row["state"], row["reason"]) for row in ledger.rows("SELECT key, state, reason FROM pictures")
        }


def test_a_crawl_over_our_own_pictures_takes_none(own: Path, tmp_path: Path) -> None:
    found = crawled(own, tmp_path / "out")
    assert len(found) == 11
    assert set(found.values()) == {("rejected", "ai_made")}, found


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG", "TIFF"])
def test_neither_after_a_re_save_that_keeps_metadata(own: Path, tmp_path: Path, kind: str) -> None:
    again = tmp_path / "again"
    again.mkdir()
    for path in own.rglob("*.*"):
        with Image.open(path) as first:
            # Pillow reads no XMP of GIF.
            if path.is_file() and path.suffix != ".gif":
                keep = {"pnginfo": _png_info(first.info["xmp"])} if kind == "PNG" else {"xmp": first.info["xmp"]}
                if kind == "TIFF":
                    keep = {"tiffinfo": {700: first.info["xmp"]}}
                first.convert("RGB").save(again / f"{path.stem}-{path.suffix[1:]}.{kind.lower()}", kind, **keep)
    found = crawled(again, tmp_path / "out")
    assert len(found) == 10
    assert set(found.values()) == {("rejected", "ai_made")}, found


def _png_info(xmp: bytes) -> object:
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", xmp.decode())
    return info


def test_the_pictures_themselves_are_what_they_were(tmp_path: Path) -> None:
    pixels = NOISE.integers(0, 256, (24, 24, 3), dtype=np.uint8)
    save_png(tmp_path / "a.png", Image.fromarray(pixels))
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")), pixels)
    write_frames(tmp_path / "a.apng", iter([Image.fromarray(pixels), Image.fromarray(pixels[::-1])]), 5)
    write_frames(tmp_path / "a.gif", iter([Image.new("RGB", (8, 8), "red"), Image.new("RGB", (8, 8), "lime")]), 5)
    for name, colours in (("a.apng", None), ("a.gif", [(254, 0, 0), (0, 255, 0)])):
        with Image.open(tmp_path / name) as found:
            assert found.n_frames == 2  # type: ignore[attr-defined]
            for frame in range(2):
                found.seek(frame)
                rgb = np.asarray(found.convert("RGB"))
                if colours is None:
                    np.testing.assert_array_equal(rgb, pixels if frame == 0 else pixels[::-1])
                else:
                    # A palette of 256 colours.
                    assert np.abs(rgb.astype(int) - colours[frame]).max() <= 1


def test_what_is_not_made_says_nothing(tmp_path: Path) -> None:
    """A photograph that the page shows again, and a painted portrait, which no network has made."""
    from aahq.release.store import encode_png

    save_png(tmp_path / "given.png", picture(), source="given")
    assert read_rights(tmp_path / "given.png").ai_made is None
    assert read_rights(encode_png(np.asarray(picture()))).ai_made is None


def test_the_packet_is_xml_with_the_terms_of_the_vocabulary() -> None:
    import xml.etree.ElementTree as ElementTree

    term = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"
    for composite, name in ((False, "trainedAlgorithmicMedia"), (True, "compositeWithTrainedAlgorithmicMedia")):
        tree = ElementTree.fromstring(xmp_packet(composite).decode().partition("?>")[2].rpartition("<?")[0])
        (value,) = (found.attrib[term] for found in tree.iter() if term in found.attrib)
        assert value == f"http://cv.iptc.org/newscodes/digitalsourcetype/{name}"


def test_a_video_has_a_box_with_the_packet(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    box = made_video_box()
    assert int.from_bytes(box[:4], "big") == len(box)
    assert box[4:8] == b"uuid"
    assert box[24:] == xmp_packet()
    if shutil.which("ffmpeg") is None:
        # Something that takes the frames and writes what its last word names.
        tool = tmp_path / "ffmpeg"
        tool.write_text('#!/bin/sh\ncat > /dev/null\nfor last; do :; done\necho "$@" > "$last"\n')
        tool.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    write_frames(tmp_path / "walk.mp4", iter([picture(), picture()]), 5)
    data = (tmp_path / "walk.mp4").read_bytes()
    assert data.endswith(box)
    assert read_rights(data).ai_made == "trainedAlgorithmicMedia"
    if shutil.which("ffprobe"):
        subprocess.run(("ffprobe", "-v", "error", str(tmp_path / "walk.mp4")), check=True)


def element(name: str, *content: bytes) -> bytes:
    """An element of EBML (RFC 8794): its id, eight bytes of length, its content."""
    body = b"".join(content)
    return bytes.fromhex(name) + (1 << 56 | len(body)).to_bytes(8, "big") + body


def test_a_webm_says_it_in_its_tags(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ffmpeg is told to write, in the tags of Matroska (RFC 9559, section 5.1.8): names in capitals, UTF-8 texts."""
    tool = tmp_path / "ffmpeg"
    tool.write_text('#!/bin/sh\ncat > /dev/null\nfor last; do :; done\nprintf "%s\\n" "$@" > "$last"\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    write_frames(tmp_path / "walk.webm", iter([picture(), picture()]), 5)
    words = (tmp_path / "walk.webm").read_text().split("\n")
    told = dict(words[at + 1].split("=", 1) for at, word in enumerate(words) if word == "-metadata")
    assert "digital_source_type" in told
    tags = [
        element("67c8", element("45a3", name.upper().encode()), element("4487", value.encode()))
        for name, value in told.items()
    ]
    video = element("1a45dfa3", element("4282", b"webm")) + element(
        "18538067", element("1549a966", bytes(200)), element("1f43b675", bytes(5000)), element("1254c367", *tags)
    )
    found = read_rights(video)
    assert found.ai_made == "trainedAlgorithmicMedia"
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "walk.webm").write_bytes(video)
    assert set(crawled(tmp_path / "own", tmp_path / "out").values()) == {("rejected", "not_an_image")}


def test_an_avif_says_it_in_its_packet(tmp_path: Path) -> None:
    picture().save(tmp_path / "a.avif", xmp=xmp_packet())
    assert read_rights(tmp_path / "a.avif").ai_made == "trainedAlgorithmicMedia"


# Who may call Pillow's `save` in the rooms that make pictures: what they write is the person's own, or never leaves.
OTHERS = {
    "suite/pictures/machine_made.py": "the writer",
    "models/data/pictures.py": "source='given': a picture of the person's own",
    "benchmark/leaderboard/inputs.py": "photographs and styles that are handed out to be answered",
    "benchmark/leaderboard/samples.py": "the inputs beside the samples",
    "benchmark/run/train_reader.py": "JPEG as an augmentation, in memory",
}


def _saves(path: Path) -> Iterator[str]:
    """Calls of `.save(...)` on anything but torch and checkpoints, which is how Pillow writes."""
    text = path.read_text()
    for node in ast.walk(ast.parse(text)) if ".save(" in text else ():
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "save":
            on = ast.unparse(node.func.value)
            if on not in ("torch", "checkpoint", "numpy", "np") and not on.endswith(("jit", "self")):
                yield f"{on}.save at line {node.lineno}"


def test_there_is_one_writer() -> None:
    rooms = [
        path
        for room in ("models", "baselines", "benchmark", "examples", "suite")
        for path in (ROOT / room).rglob("*.py")
    ]
    found = {path.relative_to(ROOT).as_posix(): list(_saves(path)) for path in rooms}
    assert {name: calls for name, calls in found.items() if calls and name not in OTHERS} == {}
    assert {name for name, calls in found.items() if calls} == set(OTHERS)

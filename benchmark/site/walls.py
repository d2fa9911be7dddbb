"""Sample pictures beside records: which may be shown, and in what order."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from benchmark.leaderboard.samples import FOLDER, NAME
from benchmark.site.board import Board, Row
from benchmark.tasks.paper import Guidance
from suite.errors import SuiteError

LARGEST_FILE = 1 << 18
LARGEST_SIDE = 512


@dataclass(frozen=True)
class FaceStrip:
    """A face's name and the names of its pictures, without suffix."""

    name: str
    pairs: tuple[str, ...]


@dataclass(frozen=True)
class Samples:
    """The sample pictures of one record.

    Attributes:
        folder, inputs: site paths of its pictures and of the faces and references that they answer.
        face_inputs, style_inputs: whether the wall shows the given face and the reference.
    """

    stem: str
    label: str
    guidance: Guidance
    folder: str
    inputs: str
    draw: str
    side: int
    faces: tuple[FaceStrip, ...]
    face_inputs: bool
    style_inputs: bool


@dataclass(frozen=True)
class DrawSamples:
    """Records whose samples answer the same faces and styles."""

    key: str
    digest: str
    guidance: Guidance
    samples: list[Samples]


def picture_bytes(path: Path) -> tuple[bytes, int]:
    """A sample's bytes and side.

    Raises:
        SuiteError: a link, another format, too large, moving or not square.
    """
    if path.is_symlink() or not path.is_file() or path.stat().st_size > LARGEST_FILE:
        raise SuiteError(f"{path}: expected a plain WebP file of at most {LARGEST_FILE} bytes")
    data = path.read_bytes()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=("WEBP",)) as picture:
                width, height = picture.size
                still = getattr(picture, "n_frames", 1) == 1
                picture.load()
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        raise SuiteError(f"{path}: not a readable WebP picture ({error})") from None
    if width != height or width > LARGEST_SIDE or not still:
        raise SuiteError(f"{path}: {width} x {height}; expected one still square of at most {LARGEST_SIDE}")
    return data, width


def folder_pictures(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Name without suffix -> bytes and side, of a folder of samples.

    Raises:
        SuiteError: the folder is a link, or holds anything that is no sample.
    """
    if folder.is_symlink():
        raise SuiteError(f"{folder}: a link; samples are files of the repository")
    out = {}
    for path in sorted(folder.iterdir()):
        if not NAME.match(path.name):
            raise SuiteError(f"{folder}: {ascii(path.name)[:80]} is no sample; names go f0000-s00.webp")
        out[path.stem] = picture_bytes(path)
    return out


def collect(records: Path, board: Board) -> tuple[dict[str, Samples], dict[str, bytes]]:
    """Record stem -> its samples, and site path -> bytes of every picture."""
    samples: dict[str, Samples] = {}
    files: dict[str, bytes] = {}
    for row in _rows(board):
        folder = records / FOLDER / row.stem
        if row.record is None or not folder.is_dir():
            continue
        made = folder_pictures(folder)
        draw = row.record.provenance.draws[0][:12]
        inputs = records / FOLDER / f"inputs-{draw}"
        input_pictures = folder_pictures(inputs) if inputs.is_dir() else {}
        if not made:
            continue
        files |= {f"samples/{row.stem}/{name}.webp": data for name, (data, _) in made.items()}
        files |= {f"samples/inputs-{draw}/{name}.webp": data for name, (data, _) in input_pictures.items()}
        samples[row.stem] = _samples(row, made, input_pictures, draw)
    return samples, files


def _rows(board: Board) -> Iterable[Row]:
    return (row for group in board.groups for row in group.rows)


def _samples(row: Row, made: dict[str, tuple[bytes, int]], inputs: dict[str, tuple[bytes, int]], draw: str) -> Samples:
    assert row.record is not None
    guidance = row.record.cell.guidance
    pairs = sorted(name for name in made if "-" in name)
    strips = [
        FaceStrip(face, tuple(p for p in pairs if p.startswith(face + "-"))) for face in sorted({p[:5] for p in pairs})
    ]
    # A method that invents its faces has no identity figure, and the given face would mislead beside its pictures.
    restyles = any(value.metric.startswith("identity") for value in row.record.values)
    return Samples(
        stem=row.stem,
        label=row.label,
        guidance=guidance,
        folder=f"samples/{row.stem}",
        inputs=f"samples/inputs-{draw}",
        draw=draw,
        side=next(iter(made.values()))[1],
        faces=tuple(strips),
        face_inputs=restyles and all(strip.name in inputs for strip in strips),
        style_inputs=guidance == "reference" and all(pair in inputs for pair in pairs),
    )


def by_draw(samples: Iterable[Samples]) -> list[DrawSamples]:
    """Samples of the same draw, guidance and pictures together: those that can stand side by side."""
    groups: dict[tuple[str, str, tuple[FaceStrip, ...]], list[Samples]] = {}
    for sample in samples:
        groups.setdefault((sample.guidance, sample.draw, sample.faces), []).append(sample)
    out = []
    for number, ((guidance, draw, _), members) in enumerate(sorted(groups.items(), key=lambda item: item[0][:2])):
        members.sort(key=lambda s: (not s.face_inputs, s.label, s.stem))
        kind: Guidance = "latent" if guidance == "latent" else "reference"
        out.append(DrawSamples(f"draw-{number}", draw, kind, members))
    return out

"""Faces and styles handed out as plain PNG files, so that any framework can answer, and the card that says which."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from pydantic import BaseModel, ConfigDict, Field

from benchmark.leaderboard.seed import Seed
from benchmark.run.record import Sha256
from benchmark.tasks.protocol import EvalPairs, sample_pairs
from benchmark.tasks.settings import Reproduce
from models.data.release import Release
from suite.errors import SuiteError
from suite.files import write_json, write_whole
from suite.profiles import read_json_model
from suite.progress import progress

CARD = "inputs.json"
CARD_BYTES = 64 << 20

README = """\
Faces and styles to answer
==========================

faces/f0007.png        the face of number 7
styles/f0007-s03.png   the style reference 3 of face 7

Make one picture for each style and save it as a square 8-bit RGB PNG:

pictures/f0007-s03.png

All pictures have one size. There are {faces} faces with {styles} styles each: {count} pictures.
Latent-guided methods leave the styles aside and draw picture f, s from seeds.style[f][s] in inputs.json (any way of
their own); methods that invent faces draw face f from seeds.face[f].

Then: aahq-bench score-images pictures --inputs . --data RELEASE --method "Name" -o record.json
"""


class Seeds(BaseModel):
    """Integers below 2^48 for methods that draw: one a face, one a picture for the style, one for anything else."""

    model_config = ConfigDict(extra="forbid")
    face: list[int]
    style: list[list[int]]
    sample: list[list[int]]


class InputsCard(BaseModel):
    """What `inputs.json` says.

    Attributes:
        seed: the public seed, or `hidden:` and its digest.
        draws: digest of the draw; the pictures are scored against the very same one.
        manifest: SHA-256 of the release's manifest that faces and styles come from.
        photographs: form and split of photographs that came without a manifest.
    """

    model_config = ConfigDict(extra="forbid")
    schema_version: int = 1
    profile: str = Field(max_length=80)
    faces: int = Field(ge=2, le=100_000)
    styles: int = Field(ge=2, le=1000)
    size: int = Field(ge=8, le=8192)
    recipe: str = Field(max_length=200)
    seed: str = Field(max_length=200)
    draws: Sha256
    manifest: Sha256
    photographs: dict[str, str] = Field(default_factory=dict, max_length=10)
    seeds: Seeds


@dataclass(frozen=True)
class Handed:
    """What was handed out."""

    folder: Path
    card: InputsCard


def face_name(face: int) -> str:
    """`f0007.png`."""
    return f"f{face:04d}.png"


def pair_name(face: int, style: int) -> str:
    """`f0007-s03.png`: the file of one style reference, and of the picture that answers it."""
    return f"f{face:04d}-s{style:02d}.png"


def draw_for(settings: Reproduce, release: Release, seed: Seed) -> EvalPairs:
    """The draw of a profile from a seed."""
    return sample_pairs(release, settings.faces, settings.styles, seed.value, settings.face_split, settings.style_split)


def hand_out(folder: Path, release: Release, settings: Reproduce, profile: str, seed: Seed) -> Handed:
    """Write faces, styles, the card and a README into a new folder. The card is written last.

    File names and order tell nothing of the pictures' ids; a hidden seed is written nowhere.

    Raises:
        SuiteError: the folder holds something, or the release is too small.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SuiteError(f"DIR {folder}: holds something already; name a new folder")
    draws = draw_for(settings, release, seed)
    with progress(None, "inputs", total=draws.faces, unit="face") as bar:
        for face, rows in enumerate(draws.style_rows):
            _save(folder / "faces" / face_name(face), release, draws.face_rows[face])
            for style, row in enumerate(rows):
                _save(folder / "styles" / pair_name(face, style), release, row)
            bar.update(1)
    card = card_of(release, settings, profile, seed, draws)
    count = draws.faces * draws.styles
    write_whole(folder / "README.txt", README.format(faces=draws.faces, styles=draws.styles, count=count))
    write_json(folder / CARD, card.model_dump())
    return Handed(folder, card)


def card_of(release: Release, settings: Reproduce, profile: str, seed: Seed, draws: EvalPairs) -> InputsCard:
    """The card of a draw."""
    faces, styles = range(draws.faces), range(draws.styles)
    return InputsCard(
        profile=profile,
        faces=draws.faces,
        styles=draws.styles,
        size=release.size,
        recipe=release.recipe,
        seed=seed.public,
        draws=draws.digest,
        manifest=release.digest,
        photographs=release.photographs,
        seeds=Seeds(
            face=[draws.face_seed(f) for f in faces],
            style=[[draws.style_seed(f, k) for k in styles] for f in faces],
            sample=[[draws.sample_seed(f, k) for k in styles] for f in faces],
        ),
    )


def _save(path: Path, release: Release, row: int) -> None:
    # Encoded anew: a PNG's text chunks could carry the picture's id, which a hidden draw must not give away.
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(release.image(row)).save(path, "PNG")


def read_card(folder: Path) -> InputsCard:
    """The card of handed-out inputs.

    Raises:
        SuiteError: none there, too large, or a field that does not fit.
    """
    path = folder / CARD if folder.is_dir() else folder
    try:
        return read_json_model(InputsCard, path, "--inputs", CARD_BYTES, "expected what 'aahq-bench inputs' wrote")
    except OSError as error:
        raise SuiteError(f"--inputs {path}: {error.strerror}; expected what 'aahq-bench inputs' wrote") from None

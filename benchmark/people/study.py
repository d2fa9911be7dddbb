"""The design of a study: which two results are shown of which face and style, and which trials test the judge.

Every method meets every other equally often; every block of trials holds each pair of methods once, so that a judge who
stops early has seen a balanced part; blocks take other faces and styles until all are used. A judge has a seeded order of
their own and sees each method of a pair left and right equally often. In a catch trial one side is a result cut into tiles
that are shuffled: whoever prefers it did not look.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from benchmark.leaderboard.inputs import InputsCard, face_name, pair_name, read_card
from benchmark.leaderboard.picture_folder import list_pictures, read_png, side_of
from benchmark.run.record import Sha256
from benchmark.tasks.protocol import seed_of
from suite.errors import SuiteError
from suite.files import digest, sha256_file, write_json
from suite.profiles import first_fault, read_json_model

DESIGN = "study.json"
DESIGN_BYTES = 16 << 20
QUESTIONS = {
    "better": "Which is the better picture of this face in this style?",
    "person": "Which one is more clearly the same person as in the photograph?",
}
# One trial in so many tests the judge; the tiles of its spoilt side, along one edge.
CATCH_EVERY = 10
TILES = 8
NAME = r"^[^\x00-\x1f\x7f<>&\"'`\\]{1,80}$"


class Trial(BaseModel):
    """Two results to compare.

    Attributes:
        face, style: which of the draw.
        a, b: numbers of the two methods; equal in a catch trial, whose `b` is shown in shuffled tiles.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    face: int = Field(ge=0)
    style: int = Field(ge=0)
    a: int = Field(ge=0)
    b: int = Field(ge=0)

    @property
    def catch(self) -> bool:
        """Whether it tests the judge."""
        return self.a == self.b


class Design(BaseModel):
    """What `study.json` says.

    Attributes:
        methods: names; folders, pictures: where their results lie, and the digest over their files.
        inputs: the folder that `aahq-bench inputs` wrote; the fields after it are its card's.
        seed: of the design.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    schema_version: int = 1
    methods: list[str] = Field(min_length=2, max_length=40)
    folders: list[str]
    pictures: list[Sha256]
    inputs: str
    manifest: Sha256
    draws: Sha256
    profile: str = Field(max_length=80)
    public_seed: str = Field(max_length=200)
    faces: int = Field(ge=1)
    styles: int = Field(ge=1)
    size: int = Field(ge=8)
    seed: str = Field(max_length=80)
    trials: list[Trial] = Field(min_length=1, max_length=20_000)

    @model_validator(mode="after")
    def _fits(self) -> Design:
        if not len(self.methods) == len(self.folders) == len(self.pictures) == len(set(self.methods)):
            raise ValueError("methods: each needs a name of its own, a folder and a digest")
        last = len(self.methods)
        if any(max(t.a, t.b) >= last or t.face >= self.faces or t.style >= self.styles for t in self.trials):
            raise ValueError("trials: one names a method, face or style that is not there")
        return self

    @property
    def digest(self) -> str:
        """Of everything that answers depend on: not of where the folders lie."""
        return digest(self.model_dump(exclude={"folders", "inputs"}))


def draw_trials(methods: int, faces: int, styles: int, trials: int, seed: str) -> list[Trial]:
    """`trials` trials of a balanced design, in blocks; every tenth besides tests the judge.

    Args:
        methods: how many; trials: comparisons, made up to whole blocks of every pair of methods.
    """
    rng = np.random.default_rng(seed_of(seed, "study"))
    pairs = list(combinations(range(methods), 2))
    places = np.stack(np.meshgrid(range(faces), range(styles), indexing="ij"), -1).reshape(-1, 2)
    # Every face before the second style of any: few trials see many people.
    order = np.concatenate([rng.permutation(np.flatnonzero(places[:, 1] == k)) for k in rng.permutation(styles)])
    out: list[Trial] = []
    caught = 0
    for block in range(-(-trials // len(pairs))):
        for turn, number in enumerate(rng.permutation(len(pairs))):
            face, style = places[order[(block * len(pairs) + turn) % len(order)]]
            out.append(Trial(face=int(face), style=int(style), a=pairs[number][0], b=pairs[number][1]))
            if len(out) % CATCH_EVERY == CATCH_EVERY // 2:
                face, style = places[rng.integers(len(places))]
                out.append(Trial(face=int(face), style=int(style), a=caught % methods, b=caught % methods))
                caught += 1
    return out


def make(folder: Path, inputs: Path, results: Mapping[str, Path], trials: int, seed: str) -> Design:
    """Design a study and write it into a new folder.

    Raises:
        SuiteError: a folder that is not what `aahq-bench inputs` or a method wrote, two methods of one name, a full folder.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SuiteError(f"STUDY {folder}: holds something and no {DESIGN}; name a new folder")
    if len(results) < 2:
        raise SuiteError(f"--results: {len(results)} given; a study compares at least two, each as NAME=DIR")
    card = read_card(inputs)
    sums = {name: _checked(name, place, card) for name, place in results.items()}
    _check_inputs(inputs, card)
    try:
        design = Design(
            methods=list(results),
            folders=[str(place.absolute()) for place in results.values()],
            pictures=[sums[name] for name in results],
            inputs=str(inputs.absolute()),
            manifest=card.manifest,
            draws=card.draws,
            profile=card.profile,
            public_seed=card.seed,
            faces=card.faces,
            styles=card.styles,
            size=card.size,
            seed=seed,
            trials=draw_trials(len(results), card.faces, card.styles, trials, seed),
        )
    except ValidationError as error:
        raise SuiteError(f"STUDY: {first_fault(error)[1]}") from None
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / DESIGN, design.model_dump())
    return design


def _checked(name: str, place: Path, card: InputsCard) -> str:
    """Digest over a method's files, all of which are there and of one size."""
    try:
        names = list_pictures(place, card.faces, card.styles)
        side_of(place, names)
    except SuiteError as error:
        raise SuiteError(f"--results {name}: {error}") from None
    return digest({file: sha256_file(place / file) for file in names})


def _check_inputs(inputs: Path, card: InputsCard) -> None:
    wanted = [inputs / "faces" / face_name(f) for f in range(card.faces)]
    wanted += [inputs / "styles" / pair_name(f, k) for f in range(card.faces) for k in range(card.styles)]
    lacking = [path for path in wanted if not path.is_file()]
    if lacking:
        raise SuiteError(f"--inputs: {lacking[0]} is missing, {len(lacking)} in all; hand them out again")


def read(folder: Path) -> Design:
    """The design in a study's folder.

    Raises:
        SuiteError: none there, or one that does not fit.
    """
    path = folder / DESIGN
    try:
        return read_json_model(Design, path, "STUDY", DESIGN_BYTES, "delete the folder and design the study again")
    except OSError as error:
        raise SuiteError(
            f"STUDY {folder}: no {DESIGN} ({error.strerror}); begin with --inputs DIR --results NAME=DIR --results NAME=DIR"
        ) from None


def check_pictures(design: Design) -> None:
    """Whether the pictures are still those that were designed with.

    Raises:
        SuiteError: a folder that is gone or has other pictures.
    """
    for name, place, wanted in zip(design.methods, design.folders, design.pictures, strict=True):
        files = list_pictures(Path(place), design.faces, design.styles)
        if digest({file: sha256_file(Path(place) / file) for file in files}) != wanted:
            raise SuiteError(
                f"STUDY: the pictures of {name} in {place} are not those it was designed with; begin a new study"
            )


@dataclass(frozen=True)
class Showing:
    """One trial as one judge sees it.

    Attributes:
        trial: its number in the design.
        swapped: whether `b` is shown on the left.
    """

    trial: int
    swapped: bool


def showings(design: Design, judge: str) -> list[Showing]:
    """All trials in a judge's own order: blocks shuffled, sides balanced for every pair of methods."""
    rng = np.random.default_rng(seed_of(design.seed, "judge", judge))
    count = len(design.methods) * (len(design.methods) - 1) // 2
    block = max(1, count + count // CATCH_EVERY)
    out: list[Showing] = []
    sides: dict[tuple[int, int], bool] = {}
    for start in range(0, len(design.trials), block):
        for number in rng.permutation(np.arange(start, min(start + block, len(design.trials)))):
            trial = design.trials[int(number)]
            pair = (trial.a, trial.b)
            sides[pair] = not sides[pair] if pair in sides else bool(rng.integers(2))
            out.append(Showing(int(number), sides[pair]))
    return out


def picture(design: Design, trial: Trial, which: str) -> np.ndarray:
    """(S, S, 3) uint8: the `face`, the `style`, or result `a` or `b` of a trial.

    Raises:
        SuiteError: a picture that is gone or unreadable.
    """
    inputs = Path(design.inputs)
    if which == "face":
        return read_png(inputs / "faces" / face_name(trial.face))[1]
    if which == "style":
        return read_png(inputs / "styles" / pair_name(trial.face, trial.style))[1]
    method = trial.a if which == "a" else trial.b
    pixels = read_png(Path(design.folders[method]) / pair_name(trial.face, trial.style))[1]
    return shuffled(pixels) if trial.catch and which == "b" else pixels


def shuffled(pixels: np.ndarray) -> np.ndarray:
    """A picture (S, S, 3) cut into 8 x 8 tiles that are laid out in another order; nobody takes it for a face."""
    tile = pixels.shape[0] // TILES
    order = np.random.default_rng(0).permutation(TILES * TILES)
    out = pixels.copy()
    for place, origin in enumerate(order):
        (y, x), (v, u) = divmod(place, TILES), divmod(int(origin), TILES)
        out[y * tile : (y + 1) * tile, x * tile : (x + 1) * tile] = pixels[
            v * tile : (v + 1) * tile, u * tile : (u + 1) * tile
        ]
    return out


def told(design: Design) -> dict[str, Any]:
    """The design in figures."""
    compared = [trial for trial in design.trials if not trial.catch]
    return {
        "methods": design.methods,
        "trials": len(compared),
        "catch_trials": len(design.trials) - len(compared),
        "trials_a_pair": len(compared) // (len(design.methods) * (len(design.methods) - 1) // 2),
        "faces": len({trial.face for trial in compared}),
    }


def parse_results(given: Sequence[str]) -> dict[str, Path]:
    """`NAME=DIR` pairs.

    Raises:
        SuiteError: another form, or a name twice.
    """
    out: dict[str, Path] = {}
    for pair in given:
        name, equals, place = pair.partition("=")
        if not equals or not place or not re.match(NAME, name):
            raise SuiteError(f"--results {pair}: expected NAME=DIR, the name without quotes or markup")
        if name in out:
            raise SuiteError(f"--results {name}: given twice")
        out[name] = Path(place)
    return out

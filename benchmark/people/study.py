"""The design of a study: which two results are shown of which face and style, and which trials test the judge.

Every method meets every other equally often; every block of trials holds each pair of methods once, so that a judge who
stops early has seen a balanced part; blocks take other faces and styles until all are used. What a judge sees of it is in
`benchmark.people.showing`.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from benchmark.leaderboard.handed import open_handed
from benchmark.leaderboard.inputs import InputsCard
from benchmark.leaderboard.method_pictures import Answered, read_answered
from benchmark.leaderboard.picture_folder import list_pictures, side_of
from benchmark.run.record import MethodInfo, Sha256
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
# One trial in so many tests the judge.
CATCH_EVERY = 10
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
        made_by: what is said of each method and its weights; empty in designs that do not say.
        inputs: the folder that `aahq-bench inputs` wrote; the fields after it are its card's.
        seed: of the design.

    The file names folders as seen from its own, so that study, inputs and results can be moved together.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    schema_version: int = 1
    methods: list[str] = Field(min_length=2, max_length=40)
    folders: list[str]
    pictures: list[Sha256]
    made_by: list[Answered] = Field(default_factory=list)
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
        if self.made_by and [one.method.name for one in self.made_by] != self.methods:
            raise ValueError("made_by: says something of other methods")
        last = len(self.methods)
        if any(max(t.a, t.b) >= last or t.face >= self.faces or t.style >= self.styles for t in self.trials):
            raise ValueError("trials: one names a method, face or style that is not there")
        return self

    @property
    def digest(self) -> str:
        """Of everything that answers depend on: not of where the folders lie."""
        unsaid = set() if self.made_by else {"made_by"}
        return digest(self.model_dump(exclude={"folders", "inputs"} | unsaid))


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
    card, _, _ = open_handed(inputs)
    sums = {name: _checked(name, place, card) for name, place in results.items()}
    said = [_said(name, place) for name, place in results.items()]
    try:
        design = Design(
            methods=list(results),
            folders=[str(place.resolve()) for place in results.values()],
            pictures=[sums[name] for name in results],
            made_by=said,
            inputs=str(inputs.resolve()),
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
    home = folder.resolve()
    beside = {
        "folders": [_seen_from(home, place) for place in design.folders],
        "inputs": _seen_from(home, design.inputs),
    }
    write_json(folder / DESIGN, design.model_dump() | beside)
    return design


def _seen_from(home: Path, place: str) -> str:
    """A folder as it is found from another; as it stands where the two are on different drives."""
    try:
        return Path(os.path.relpath(place, home)).as_posix()
    except ValueError:
        return place


def _said(name: str, place: Path) -> Answered:
    """What a folder says of its method, under the study's name for it.

    Raises:
        SuiteError: the method invented its faces: nobody can say which result keeps the person.
    """
    try:
        found = read_answered(place) or Answered(method=MethodInfo(name=name))
        if found.invents_faces:
            raise SuiteError("its pictures are of invented faces; judges compare results of the given ones")
        return found.model_copy(update={"method": found.method.model_copy(update={"name": name})})
    except SuiteError as error:
        raise SuiteError(f"--results {name}: {error}") from None


def _checked(name: str, place: Path, card: InputsCard) -> str:
    """Digest over a method's files, all of which are there and of one size."""
    try:
        names = list_pictures(place, card.faces, card.styles)
        side_of(place, names)
    except SuiteError as error:
        raise SuiteError(f"--results {name}: {error}") from None
    return digest({file: sha256_file(place / file) for file in names})


def read(folder: Path) -> Design:
    """The design in a study's folder.

    Raises:
        SuiteError: none there, or one that does not fit.
    """
    path = folder / DESIGN
    try:
        found = read_json_model(Design, path, "STUDY", DESIGN_BYTES, "delete the folder and design the study again")
        home = folder.resolve()
        places = [str((home / place).resolve()) for place in found.folders]
        return found.model_copy(update={"folders": places, "inputs": str((home / found.inputs).resolve())})
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


def summary(design: Design) -> dict[str, Any]:
    """The design in figures."""
    compared = [trial for trial in design.trials if not trial.catch]
    return {
        "methods": design.methods,
        "trials": len(compared),
        "catch_trials": len(design.trials) - len(compared),
        "trials_a_pair": len(compared) // (len(design.methods) * (len(design.methods) - 1) // 2),
        "faces": len({trial.face for trial in compared}),
    }


def parse_results(pairs: Sequence[str]) -> dict[str, Path]:
    """`NAME=DIR` pairs.

    Raises:
        SuiteError: another form, or a name twice.
    """
    out: dict[str, Path] = {}
    for pair in pairs:
        name, equals, place = pair.partition("=")
        if not equals or not place or not re.match(NAME, name):
            raise SuiteError(f"--results {pair}: expected NAME=DIR, the name without quotes or markup")
        if name in out:
            raise SuiteError(f"--results {name}: given twice")
        out[name] = Path(place)
    return out

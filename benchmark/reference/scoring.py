"""Scoring without the pictures: handed-out inputs in the release's place, a reference pack in the real pictures' place."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from benchmark.leaderboard.inputs import InputsCard, face_name, pair_name
from benchmark.leaderboard.picture_folder import PictureFolder, read_png
from benchmark.leaderboard.score import score
from benchmark.leaderboard.seed import Seed
from benchmark.metrics.answers import Sketches, Thumbnails, sketched
from benchmark.metrics.extractors.features import Extractor, FeatureCache
from benchmark.metrics.gaussian import Gaussian
from benchmark.reference.make import differing, measured_settings
from benchmark.reference.pack import ExtractorCard, Pack
from benchmark.run.cell import Bench, open_extractors, paint
from benchmark.run.generate import read_rows
from benchmark.run.real_set import READ, RealSet
from benchmark.run.record import MethodInfo, Record
from benchmark.run.reproduction import Reproduction
from benchmark.tasks.paper import Guidance
from benchmark.tasks.protocol import EvalPairs
from benchmark.tasks.settings import Reproduce
from models.data.identity import pixel_sha256
from models.data.release import Release
from suite.errors import SuiteError
from suite.files import canonical_json


@dataclass(frozen=True)
class Drawn:
    """A drawn picture: where it lies among the inputs, and the SHA-256 of its pixels."""

    path: Path
    sha256: str


class PackedRelease(Release):
    """A release of which the drawn pictures alone are here, each checked against the pack when it is read."""

    def __init__(self, pack: Pack, drawn: dict[int, Drawn]) -> None:
        card = pack.card
        # As many rows as the release has: a draw names its pictures by them.
        manifest = pd.DataFrame({"id": [f"row-{row}" for row in range(card.rows)]})
        constants = dict.fromkeys(("file", "sha256", "pixel_sha256", "domain", "split", "cluster"), "")
        factors = pd.Series([card.factors.get(str(row)) for row in range(card.rows)], dtype=object)
        manifest = manifest.assign(**constants, offset=0, bytes=0, recipe=card.recipe, factors=factors)
        about = {"name": card.release, "recipe": card.recipe, "size": card.size}
        super().__init__(pack.path, about, manifest, card.manifest)
        self._card, self._drawn = card, drawn
        self.world = card.world

    @property
    def photographs(self) -> dict[str, str]:
        return self._card.photographs

    @property
    def doubt(self) -> str:
        return self._card.doubt

    def png(self, index: int) -> bytes:
        raise SuiteError(f"{self.root}: a reference pack holds no pictures")

    def image(self, index: int) -> np.ndarray:
        """Picture of row `index`: (H, W, 3) uint8 RGB, from the inputs.

        Raises:
            SuiteError: not drawn, not readable, or not the picture that was drawn.
        """
        if index not in self._drawn:
            raise SuiteError(f"{self.root}: row {index} is in no draw of these inputs")
        drawn = self._drawn[index]
        _, pixels = read_png(drawn.path)
        if pixel_sha256(pixels) != drawn.sha256:
            raise SuiteError(f"--inputs: {drawn.path} is not the picture that was drawn; get the inputs again")
        return pixels


class PackedReal(RealSet):
    """The real side from a pack."""

    def __init__(self, pack: Pack, release: Release, cache: FeatureCache) -> None:
        super().__init__(release, [], [], [], cache)
        self.pack = pack

    @property
    def digest(self) -> str:
        return self.pack.card.real_set

    def features(self, extractor: Extractor, rows: list[int] | None = None) -> np.ndarray:
        raise SuiteError(f"--reference {self.pack.path}: holds no pictures to embed")

    def gaussian(self, extractor: Extractor) -> Gaussian:
        if extractor.name not in self._gaussians:
            self._gaussians[extractor.name] = self.pack.gaussian(self._part(extractor))
        return self._gaussians[extractor.name]

    def sample(self, extractor: Extractor) -> np.ndarray | None:
        return self.pack.features(self._part(extractor), "sample")

    def neighbours(self, extractor: Extractor) -> np.ndarray | None:
        part = self._part(extractor)
        if not part.neighbours:
            return None
        whole = self.sample(extractor)
        return whole if whole is not None and len(whole) == part.count else self.pack.features(part, "real")

    def thumbnails(self, rows: list[int]) -> Tensor:
        runs = [rows[start : start + READ] for start in range(0, len(rows), READ)]
        return torch.cat([Thumbnails()(read_rows(self.release, run)) for run in runs])

    def works(self, besides: Tensor | None = None) -> Sketches:
        kept = torch.from_numpy(self.pack.array("works", (None, 64), "float16").astype(np.float32))
        return Sketches(kept if besides is None else torch.cat([kept, sketched(besides)]))

    def split(self, extractor: Extractor) -> tuple[np.ndarray, np.ndarray] | None:
        part = self._part(extractor)
        if not part.neighbours or not self.pack.has(f"{part.name}.train"):
            return None
        return self.pack.features(part, "train"), self.pack.features(part, "held")

    def _part(self, extractor: Extractor) -> ExtractorCard:
        part = self.pack.extractor(extractor.name)
        assert part is not None, "extractors that the pack lacks are not asked"
        return part


def check_pack(pack: Pack, settings: Reproduce) -> None:
    """Refuse a pack that measured something else than the profile.

    Raises:
        SuiteError: naming the setting.
    """
    wanted = measured_settings(settings)
    if name := differing(pack.card.settings, wanted):
        raise SuiteError(
            f"--reference {pack.path}: made with {name} = {pack.card.settings.get(name)}, here it is {wanted.get(name)}; "
            "give the --profile and --set that it was made with"
        )


def drawn_inputs(pack: Pack, card: InputsCard, folder: Path, seed: Seed) -> tuple[EvalPairs, dict[int, Drawn]]:
    """The draw that inputs came from, and where its pictures lie.

    Raises:
        SuiteError: inputs of another release, seed or draw; a hidden seed; a picture that is missing.
    """
    if card.manifest != pack.card.manifest:
        raise SuiteError(
            f"--reference {pack.path}: version {pack.card.version} is of manifest {pack.card.manifest[:12]}, the inputs "
            f"{folder} are of {card.manifest[:12]}; get the pack and the inputs of one release"
        )
    if seed.hidden or seed.public.startswith("hidden:"):
        raise SuiteError("--hidden-seed: a reference pack holds public draws; score a hidden draw with --data")
    if card.seed != seed.public:
        raise SuiteError(f"--inputs: seed: drawn from {card.seed!a}, measured from {seed.public!a}; give the same seed")
    draws, face_sums, style_sums = pack.draw(seed.public)
    if card.draws != draws.digest:
        raise SuiteError(
            f"--inputs {folder}: draws: {card.draws[:12]} is not the pack's draw {draws.digest[:12]}; get the inputs again"
        )
    drawn = {
        row: Drawn(folder / "faces" / face_name(face), face_sums[face].tobytes().hex())
        for face, row in enumerate(draws.face_rows)
    } | {
        row: Drawn(folder / "styles" / pair_name(face, style), style_sums[face, style].tobytes().hex())
        for face, rows in enumerate(draws.style_rows)
        for style, row in enumerate(rows)
    }
    lacking = [one.path for one in drawn.values() if not one.path.is_file()]
    if lacking:
        raise SuiteError(f"--inputs {folder}: {lacking[0]} is missing, {len(lacking)} in all; get the inputs again")
    return draws, drawn


def open_packed_bench(work: Reproduction, pack: Pack, seeds: Sequence[Seed], release: PackedRelease) -> Bench:
    """The bench of a profile with a pack for its real side.

    Raises:
        SuiteError: another profile, or an extractor with other weights than the pack's.
    """
    packed = {part.name for part in pack.card.extractors}
    modes = tuple(mode for mode in work.settings.fid_modes if f"inception-{mode}" in packed)
    names = tuple(seed.public for seed in seeds)
    settings = work.settings.model_copy(update={"sampling_seeds": names, "fid_modes": modes})
    work = Reproduction(**{**vars(work), "settings": settings})
    extractors = open_extractors(work, release)
    for one in extractors.fd:
        part = pack.extractor(one.name)
        if part is None:
            raise SuiteError(f"--reference {pack.path}: has nothing of {one.name}; give the --set it was made with")
        mine: dict[str, Any] = json.loads(canonical_json(one.describe()))
        if key := differing(part.describe, mine):
            raise SuiteError(
                f"--reference {pack.path}: {one.name}: {key} is {part.describe.get(key)}, here {mine.get(key)}; "
                "get the pack for these weights"
            )
    draws = [pack.draw(seed.public)[0] for seed in seeds]
    paint(extractors, release, draws, work)
    real = PackedReal(pack, release, FeatureCache(work.folder / "cache"))
    return Bench(work, release, extractors, real, draws, dict(pack.card.controls))


def score_from_pack(
    work: Reproduction,
    pack: Pack,
    folders: Sequence[Path],
    inputs: Sequence[tuple[Path, InputsCard]],
    seeds: Sequence[Seed],
    guidance: Guidance,
    method: MethodInfo,
    invents_faces: bool = False,
) -> Record:
    """Measure folders of pictures, one a sampling seed, from handed-out inputs and a pack alone.

    Raises:
        SuiteError: what does not go together; pictures that are no measurement.
    """
    if not len(folders) == len(inputs) == len(seeds):
        raise SuiteError(
            f"DIR, --inputs: {len(folders)} and {len(inputs)} for {len(seeds)} seeds; give one of each a seed"
        )
    check_pack(pack, work.settings)
    draws_and_pictures = [drawn_inputs(pack, card, place, seed) for (place, card), seed in zip(inputs, seeds)]
    release = PackedRelease(pack, {row: one for _, drawn in draws_and_pictures for row, one in drawn.items()})
    answers = [
        PictureFolder(folder, method.name, guidance, draws, release, "seed" if invents_faces else "image")
        for folder, (draws, _) in zip(folders, draws_and_pictures)
    ]
    bench = open_packed_bench(work, pack, seeds, release)
    record = score(bench, answers, {}, "re-scored from pictures", guidance, method)
    return record.model_copy(update={"notes": [*record.notes, *notes_of(pack)]})


def notes_of(pack: Pack) -> list[str]:
    """What a record says of the pack that it was measured from."""
    notes = [f"measured from reference pack version {pack.card.version}, SHA-256 {pack.sha256[:12]}"]
    if pack.card.without:
        notes.append("not in the pack: " + ", ".join(sorted(pack.card.without)))
    return notes

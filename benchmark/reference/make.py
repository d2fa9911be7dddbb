"""A reference pack from the real pictures: features once more through the extractors, then arrays alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from benchmark.metrics.answers import sketched
from benchmark.metrics.extractors.features import Extractor
from benchmark.metrics.frechet import frechet_distance
from benchmark.metrics.gaussian import fit
from benchmark.metrics.mmd import gaussian_influence, kernel_influence
from benchmark.reference.pack import (
    MOST_BYTES,
    Arrays,
    DrawCard,
    ExtractorCard,
    Moved,
    Pack,
    PackCard,
    Superseded,
    packed_moments,
    write_pack,
)
from benchmark.run.cell import Bench
from benchmark.run.generate import read_rows
from benchmark.run.real_set import READ
from benchmark.tasks.protocol import EvalPairs
from benchmark.tasks.settings import Reproduce
from models.data.identity import pixel_sha256
from models.data.release import Release
from suite.errors import SuiteError
from suite.files import canonical_json

# What a profile says of the real side and of the draws. Extractors are the pack's own; the rest is measured on pictures that
# are handed in.
MEASURED = {"faces", "styles", "face_split", "style_split", "real_split", "real_pictures", "features"}
OF_NEIGHBOURS = ("precision", "recall", "density", "coverage", "nearest-neighbour ratio", "copies")
WHY = "its features of real pictures are not in the pack, which has at most 60 MB; score with --data, or pack --neighbours"


def measured_settings(settings: Reproduce) -> dict[str, Any]:
    """The settings that a pack depends on, as plain JSON."""
    content: dict[str, Any] = json.loads(canonical_json(settings.model_dump(include=MEASURED)))
    return content


def make_pack(
    bench: Bench,
    settings: dict[str, Any],
    path: Path,
    left_out: Sequence[str] = (),
    neighbours: bool = False,
    old: Pack | None = None,
) -> PackCard:
    """Write the pack of a bench's real side and draws.

    Args:
        settings: `measured_settings` of the profile.
        left_out: distances of the profile that are not packed.
        neighbours: pack all real, training and held-out features of the first extractor, however large.
        old: the pack that this one supersedes.

    Raises:
        SuiteError: the file is there, or the old pack is of the same release or of other settings.
    """
    release = bench.release
    if old is not None:
        check_successor(old, release, settings)
    arrays, factors = _draws(release, bench.draws)
    parts = []
    for extractor in bench.extractors.fd:
        part, features = _features(bench, extractor)
        parts.append(part)
        arrays |= features
    works = bench.real.works()
    assert isinstance(works, Tensor)
    arrays["works"] = sketched(works).numpy().astype(np.float16)
    without = dict.fromkeys(
        left_out, "another form of Inception; the pack holds the first, score with --data for others"
    )
    first = bench.extractors.fd[0]
    near = _neighbours(bench, first)
    if neighbours or _bytes(arrays) + _bytes(near) <= MOST_BYTES:
        arrays |= near
        parts[0] = parts[0].model_copy(update={"neighbours": True})
    else:
        without |= {f"{name} ({first.name})": WHY for name in OF_NEIGHBOURS}
    card = PackCard(
        version=1 if old is None else old.card.version + 1,
        profile=bench.work.profile,
        settings=settings,
        manifest=release.digest,
        release=str(release.card.get("name", "")),
        recipe=release.recipe,
        size=release.size,
        world=release.world,
        rows=len(release),
        photographs=release.photographs,
        doubt=release.doubt,
        real_set=bench.real.digest,
        controls=bench.controls,
        extractors=parts,
        draws=[
            DrawCard(seed=seed, digest=one.digest)
            for seed, one in zip(bench.work.settings.sampling_seeds, bench.draws, strict=True)
        ],
        factors=factors,
        without=without,
        superseded=None if old is None else _superseded(bench, old),
    )
    write_pack(path, card, arrays)
    return card


def check_successor(old: Pack, release: Release, settings: dict[str, Any]) -> None:
    """Refuse a pack that nothing has changed in, or that measured something else.

    Raises:
        SuiteError: naming what does not fit.
    """
    if old.card.manifest == release.digest:
        raise SuiteError(f"--supersedes {old.path}: is of this very release; a new version is for a changed one")
    if name := differing(old.card.settings, settings):
        raise SuiteError(
            f"--supersedes {old.path}: was made with {name} = {old.card.settings.get(name)}, not {settings.get(name)}"
        )


def differing(one: dict[str, Any], other: dict[str, Any]) -> str:
    """The first setting that differs, or ""."""
    return next((name for name in sorted(one.keys() | other.keys()) if one.get(name) != other.get(name)), "")


def _bytes(arrays: Arrays) -> int:
    return sum(array.nbytes for array in arrays.values())


def _features(bench: Bench, extractor: Extractor) -> tuple[ExtractorCard, Arrays]:
    features = bench.real.features(extractor)
    chosen = bench.real.sample(extractor)
    arrays = {f"{extractor.name}.sample": np.asarray(features if chosen is None else chosen)}
    if extractor.kernel == "polynomial":
        arrays |= packed_moments(extractor.name, bench.real.gaussian(extractor))
    part = ExtractorCard(
        name=extractor.name,
        describe=dict(extractor.describe()),
        kernel=extractor.kernel,
        dim=extractor.dim,
        count=len(features),
        neighbours=False,
    )
    return part, arrays


def _neighbours(bench: Bench, extractor: Extractor) -> Arrays:
    """The features that metrics of neighbours want, without those that the sample holds already."""
    features = {} if bench.real.sample(extractor) is None else {"real": bench.real.features(extractor)}
    if (split := bench.real.split(extractor)) is not None:
        features |= {"train": split[0], "held": split[1]}
    return {f"{extractor.name}.{name}": array for name, array in features.items()}


def _draws(release: Release, draws: Sequence[EvalPairs]) -> tuple[Arrays, dict[str, str]]:
    """The draws' rows with digests of their pictures, and the painter's factors of those."""
    sums: dict[int, bytes] = {}

    def digests(rows: Sequence[int]) -> np.ndarray:
        for row in rows:
            if row not in sums:
                sums[row] = bytes.fromhex(pixel_sha256(release.image(row)))
        return np.frombuffer(b"".join(sums[row] for row in rows), np.uint8).reshape(len(rows), 32)

    arrays: Arrays = {}
    for place, one in enumerate(draws):
        flat = [row for rows in one.style_rows for row in rows]
        arrays[f"draw-{place}.faces"] = np.array(one.face_rows, np.int64)
        arrays[f"draw-{place}.styles"] = np.array(one.style_rows, np.int64)
        arrays[f"draw-{place}.face-sums"] = digests(one.face_rows)
        arrays[f"draw-{place}.style-sums"] = digests(flat).reshape(one.faces, one.styles, 32)
    texts: list[object] = release.manifest["factors"].tolist()
    factors = {str(row): text for row in sorted(sums) if isinstance(text := texts[row], str)}
    return arrays, factors


def _superseded(bench: Bench, old: Pack) -> Superseded:
    """How far the distances of the drawn photographs, as they are, have moved from the old reference to the new one."""
    rows = list(bench.draws[0].face_rows)
    moved: list[Moved] = []
    for extractor in bench.extractors.fd:
        part = old.extractor(extractor.name)
        if part is None or part.describe != json.loads(canonical_json(extractor.describe())):
            continue
        runs = [rows[start : start + READ] for start in range(0, len(rows), READ)]
        fake = np.concatenate([extractor(read_rows(bench.release, run)).numpy() for run in runs])
        real = bench.real.sample(extractor)
        now, before = bench.real.features(extractor) if real is None else real, old.features(part, "sample")
        if extractor.kernel == "polynomial":
            former, answer = old.gaussian(part), fit(fake)
            new = bench.real.gaussian(extractor)
            moved.append(
                Moved(
                    metric=extractor.fd_name,
                    before=frechet_distance(former, answer),
                    after=frechet_distance(new, answer),
                    between=frechet_distance(former, new),
                )
            )
            distances = [kernel_influence(one, fake)[0] for one in (before, now)]
        else:
            distances = [gaussian_influence(one, fake)[0] for one in (before, now)]
        moved.append(Moved(metric=extractor.kernel_name, before=distances[0], after=distances[1]))
    return Superseded(version=old.card.version, manifest=old.card.manifest, sha256=old.sha256, moved=moved)

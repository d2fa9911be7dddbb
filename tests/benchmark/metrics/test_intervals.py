"""Intervals hold what they say and paired tests err as often as they say, for every number that a table prints.

Faces and references are drawn anew each time: a picture's features are its face's, its reference's and its own, added.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from benchmark.metrics import art_fid
from benchmark.metrics.art_fid import Stylised
from benchmark.metrics.cfsd import structural_distance
from benchmark.metrics.confidence import interval
from benchmark.metrics.extractors.features import Extractor
from benchmark.metrics.gaussian import fit
from benchmark.metrics.influence import Pulls, of_faces
from benchmark.metrics.lpips import by_picture
from benchmark.metrics.measured import FeatureSets, Measured
from benchmark.metrics.paired import difference
from benchmark.metrics.panel import similarity
from benchmark.metrics.table import METRICS

FACES, STYLES, POOL, DIM, REAL = 24, 5, 40, 8, 150
MIX = {"mostly faces": (1.0, 0.3, 0.3), "mostly references": (0.3, 1.0, 0.3), "mostly pictures": (0.3, 0.3, 1.0)}


class World:
    """Draws faces, references and pictures; `methods` answer the same pairs, each with a part of its own."""

    def __init__(self, seed: int, mix: tuple[float, float, float], faces: int = FACES, styles: int = STYLES) -> None:
        self.rng = np.random.default_rng(seed)
        self.mix, self.faces, self.styles = mix, faces, styles

    def draw(self, methods: int = 1, dim: int = DIM, own: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
        """(methods, F, K, dim) features and (F, K) references."""
        features, which, _, _ = self.draw_given(methods, dim, own)
        return features, which

    def draw_given(
        self, methods: int = 1, dim: int = DIM, own: float = 0.5
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """The same, and the features of what the pictures answer: (F, 1, dim) of the faces, (F, K, dim) of the references."""
        which = np.array([self.rng.choice(POOL, self.styles, replace=False) for _ in range(self.faces)])
        of_face, of_reference, of_picture = self.mix
        faces, references = self._parts(1, dim, of_face, of_reference)
        own_faces, own_references = self._parts(methods, dim, own * of_face, own * of_reference)
        noise = self.rng.standard_normal((methods, self.faces, self.styles, dim)) * of_picture
        made = faces + references[:, which] + own_faces + own_references[:, which] + noise
        # About the size of a network's features.
        return made * 0.5 + 0.4, which, faces[0] * 0.5 + 0.4, references[0][which] * 0.5 + 0.4

    def _parts(self, methods: int, dim: int, face: float, reference: float) -> tuple[np.ndarray, np.ndarray]:
        faces = self.rng.standard_normal((methods, self.faces, 1, dim)) * face
        references = self.rng.standard_normal((methods, POOL, dim)) * reference
        return faces, references


def real_side() -> np.ndarray:
    return (np.random.default_rng(1).standard_normal((REAL, DIM)) * 0.6 + 0.4).astype(np.float32)


def sets_of(features: np.ndarray, which: np.ndarray, real: np.ndarray, kept: dict[str, object]) -> FeatureSets:
    flat = features.reshape(-1, features.shape[-1]).astype(np.float32)
    faces = np.repeat(np.arange(len(features)), features.shape[1])
    gaussians = (fit(real), fit(flat))
    return FeatureSets(
        "toy", "FD-toy", "KD-toy", {}, real, flat, faces, *gaussians, k=3, references=which.ravel(), kept=kept
    )


def over_faces(features: np.ndarray, which: np.ndarray) -> list[tuple[str, float, Pulls]]:
    """What is averaged over faces: a similarity, a share of right answers, the mean pair distance of a face."""
    similar = np.tanh(features[..., 0])
    right = (features[..., 1] > 0).astype(float)
    gaps = (features[:, :, None] - features[:, None]) ** 2
    upper = np.triu_indices(features.shape[1], 1)
    pairs = torch.from_numpy(gaps.sum(3)[:, upper[0], upper[1]])
    parts = by_picture(pairs, features.shape[1]).numpy()
    named = {"similarity": similar, "retrieval": right, "diversity": parts}
    return [(name, float(values.mean()), of_faces(values, which.ravel())) for name, values in named.items()]


class Recognised(Extractor):
    """What an identity or a style network would give of pictures, which here are features already."""

    name, fd_name, kernel_name, dim, size, resize, weights_sha256, licence = "toy", "", "", DIM, 0, "", "0" * 64, ""

    def embed(self, pictures: torch.Tensor) -> torch.Tensor:
        return pictures


def of_the_panel(
    features: np.ndarray, which: np.ndarray, faces: np.ndarray, references: np.ndarray
) -> list[tuple[str, float, Pulls]]:
    """What the panel's instruments say of each picture beside its face or its reference, and ArtFID of all."""
    made, styles = (torch.from_numpy(rows).flatten(0, 1) for rows in (features, references))
    people = torch.from_numpy(np.broadcast_to(faces, features.shape).copy()).flatten(0, 1)
    # A map of DIM places in one channel, as CFSD takes it.
    maps = [rows.float().view(-1, 1, 1, DIM) for rows in (made, people)]
    values = {
        "ArcFace": similarity(Recognised(), "identity").compare(made, people),
        "CSD and style encoder": similarity(Recognised(), "style").compare(made, styles),
        "CFSD": torch.stack([structural_distance(ours, theirs) for ours, theirs in zip(*maps, strict=True)]),
    }
    each = {name: found.view(which.shape).numpy() for name, found in values.items()}
    content = np.square(features - faces).mean(2).ravel()
    labels = np.repeat(np.arange(len(which)), which.shape[1])
    art = art_fid.measure(Stylised(made.numpy(), styles.numpy(), content, labels, which.ravel(), {}))
    assert art.pulls is not None
    found = [(name, float(rows.mean()), of_faces(rows, which.ravel())) for name, rows in each.items()]
    return [*found, ("ArtFID", art.value, art.pulls)]


def over_sets() -> list[Callable[[FeatureSets], list[Measured]]]:
    """Every function of the table that measures sets of features."""
    return list(
        dict.fromkeys(row.function for row in METRICS if row.needs in ("features", "kernel features", "first features"))
    )


def every_number(
    features: np.ndarray, which: np.ndarray, real: np.ndarray, kept: dict[str, object]
) -> list[tuple[str, float, Pulls]]:
    sets = sets_of(features, which, real, kept)
    # Both kernel distances call themselves by the extractor's name.
    found = [(f"{function.__name__}: {one.metric}", one) for function in over_sets() for one in function(sets)]
    return [(name, one.value, one.pulls) for name, one in found if one.pulls is not None] + over_faces(features, which)


@pytest.mark.slow
@pytest.mark.parametrize("mix", MIX.values(), ids=MIX)
def test_every_printed_interval_holds_the_mean_of_many_measurements(mix: tuple[float, float, float]) -> None:
    world, count = World(3, mix), 300
    real = real_side()
    kept: dict[str, object] = {}
    drawn: dict[str, list[tuple[float, Pulls]]] = {}
    for _ in range(count):
        features, which, *given = world.draw_given()
        numbers = [*every_number(features[0], which, real, kept), *of_the_panel(features[0], which, *given)]
        for name, value, pulls in numbers:
            drawn.setdefault(name, []).append((value, pulls))
    shares = {f"measure: {name} (toy)" for name in ("precision", "recall", "density", "coverage")}
    panel = {"ArcFace", "CSD and style encoder", "CFSD", "ArtFID"}
    assert {"measure: FD-toy", "measure: KD-toy", "measure_gaussian: KD-toy", *shares, "diversity", *panel} <= set(
        drawn
    )
    for name, found in drawn.items():
        middle = np.mean([value for value, _ in found])
        spans = [interval(value, pulls) for value, pulls in found]
        held = np.mean([span.low <= middle <= span.high for span in spans])
        # 300 intervals of 95 % hold within 1.3 %: three of these, and four more for skew at so few faces. Over faces alone they
        # held 43 to 87 %.
        assert 0.87 < held <= 1, (name, held)


@pytest.mark.slow
@pytest.mark.parametrize("mix", MIX.values(), ids=MIX)
def test_where_there_is_no_difference_one_in_twenty_is_called_different(mix: tuple[float, float, float]) -> None:
    world, count = World(5, mix, faces=50, styles=10), 2000
    wrong = 0
    for _ in range(count):
        features, which = world.draw(methods=2, dim=1)
        one, two = (of_faces(rows[..., 0], which.ravel()) for rows in features)
        wrong += difference(features[0].mean(), features[1].mean(), one, two).p < 0.05
    assert abs(wrong / count - 0.05) <= 0.01, wrong / count


@pytest.mark.slow
def test_distances_err_as_seldom() -> None:
    world, count = World(6, MIX["mostly faces"]), 400
    real = real_side()
    kept: dict[str, object] = {}
    wrong: dict[str, int] = {}
    for _ in range(count):
        features, which = world.draw(methods=2)
        both = [every_number(rows, which, real, kept) for rows in features]
        for (name, first, one), (_, second, two) in zip(*both):
            wrong[name] = wrong.get(name, 0) + (difference(first, second, one, two).p < 0.05)
    for name, times in wrong.items():
        # 400 tests of 5 % give 3 to 9 % three times in a thousand.
        assert times / count <= 0.09, (name, times / count)


@pytest.mark.slow
def test_a_known_shift_is_found_twice_as_often_as_by_intervals_side_by_side() -> None:
    world, count, shift = World(7, MIX["mostly faces"], faces=50, styles=10), 300, 0.45
    paired = overlap = 0
    for _ in range(count):
        features, which = world.draw(methods=2, dim=1)
        features[1] += shift / 2
        means = [float(rows.mean()) for rows in features]
        pulls = [of_faces(rows[..., 0], which.ravel()) for rows in features]
        paired += difference(*means, *pulls).p < 0.05
        one, two = (interval(mean, pull) for mean, pull in zip(means, pulls))
        overlap += one.high < two.low or two.high < one.low
    assert paired >= 2 * overlap > 0, (paired, overlap)
    assert paired / count > 0.9

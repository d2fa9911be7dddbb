"""Neighbour metrics against scikit-learn, known expectations, and planted copies."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.metrics.confidence import interval
from benchmark.metrics.prdc import count, expected_copies, fidelity, kth_radius, memorisation, nearest
from suite.errors import SuiteError

RNG = np.random.default_rng(1)


def by_scikit_learn(k: int, points: np.ndarray, queries: np.ndarray) -> np.ndarray:
    """Distances of each query to its `k` nearest points, (N, k)."""
    from sklearn.neighbors import NearestNeighbors

    return NearestNeighbors(n_neighbors=k).fit(points).kneighbors(queries)[0]


def test_radii_and_nearest_equal_scikit_learn() -> None:
    x, y = RNG.standard_normal((2, 70, 5)).astype(np.float32)
    expected = by_scikit_learn(4, x, x)[:, 3]
    # float32 distances through a product: 1e-5 of the norms.
    np.testing.assert_allclose(kth_radius(x, 3, batch=16), expected, rtol=1e-4)
    distances = by_scikit_learn(1, x, y)
    np.testing.assert_allclose(nearest(y, x, batch=16), distances[:, 0], rtol=1e-4)


@pytest.mark.parametrize("batch", [7, 1024])
def test_shares_without_a_face_equal_leaving_its_pictures_out(batch: int) -> None:
    """All pair distances at once, balls kept, one face's pictures struck out: the definition, without any blocks."""
    real, fake = RNG.standard_normal((40, 3)).astype(np.float32), RNG.standard_normal((24, 3)).astype(np.float32) + 0.7
    faces = np.repeat(np.arange(8), 3)
    counted = count(real, fake, k=3, faces=faces, batch=batch)
    gap = np.linalg.norm(real[:, None].astype(np.float64) - fake[None], axis=2)
    own_real, own_fake = (by_scikit_learn(4, x, x)[:, 3] for x in (real, fake))

    def shares(kept: np.ndarray) -> list[float]:
        within, recalled = gap[:, kept] <= own_real[:, None], gap[:, kept] <= own_fake[None, kept]
        return [within.any(0).mean(), recalled.any(1).mean(), within.sum() / kept.sum() / 3, within.any(1).mean()]

    assert list(vars(counted.fidelity()).values()) == pytest.approx(shares(np.ones(24, dtype=bool)))
    expected = np.array([shares(faces != face) for face in range(8)]).T
    np.testing.assert_allclose(list(counted.without_each("faces").values()), expected, rtol=1e-12)


def test_intervals_of_shares_hold_the_truth_as_often_as_they_say() -> None:
    """A precision is a mean over faces, so that its 95 % interval can be checked by drawing it many times."""
    real = RNG.standard_normal((200, 2))
    draws = [RNG.standard_normal((60, 2)) * 2 for _ in range(200)]
    counted = [count(real, fake, k=3) for fake in draws]
    found = [interval(c.fidelity().precision, c.pulls()["precision"]) for c in counted]
    middle = np.mean([c.fidelity().precision for c in counted])
    held = np.mean([one.low <= middle <= one.high for one in found])
    # 200 intervals of 95 %: three standard errors of a share are 0.046; a few per cent more for so few pictures.
    assert 0.88 < held < 0.995


def test_equal_distributions_have_the_expected_coverage_and_density() -> None:
    n, k = 400, 5
    found = [fidelity(*RNG.standard_normal((2, n, 4)), k=k) for _ in range(8)]
    # Naeem et al. 2020, Eq. 9: E[coverage] = 1 - prod_{i=1..k} (n - i) / (2n - i).
    expected = 1 - np.prod([(n - i) / (2 * n - i) for i in range(1, k + 1)])
    assert np.mean([f.coverage for f in found]) == pytest.approx(expected, abs=0.02)
    assert np.mean([f.density for f in found]) == pytest.approx(1, abs=0.1)


def test_a_dropped_mode_costs_recall_and_coverage_but_not_precision() -> None:
    real = np.concatenate([RNG.standard_normal((150, 3)), RNG.standard_normal((150, 3)) + 20])
    fake = RNG.standard_normal((300, 3))
    found = fidelity(real, fake)
    assert found.precision > 0.9
    assert found.recall < 0.55
    assert found.coverage < 0.55


def test_far_pictures_have_no_precision() -> None:
    found = fidelity(RNG.standard_normal((100, 3)), RNG.standard_normal((100, 3)) + 50)
    assert (found.precision, found.recall, found.density, found.coverage) == (0, 0, 0, 0)


def test_copies_are_seen() -> None:
    train, held, fresh = RNG.standard_normal((3, 300, 6))
    honest, copier = memorisation(fresh, train, held), memorisation(train[:200] + 1e-3, train, held)
    assert honest.ratio == pytest.approx(1, abs=0.1)
    assert honest.copies < 0.05
    assert copier.ratio < 0.05
    assert copier.copies == 1


@pytest.mark.parametrize("held_out", [10, 16, 40, 400])
def test_what_copies_is_without_memorisation_depends_on_the_held_out(held_out: int) -> None:
    """Distances spread evenly: the share of new ones below the held-out ones' quantile, over many draws."""
    rng = np.random.default_rng(held_out)
    below = np.quantile(rng.random((4000, held_out)), 0.01, axis=1).mean()
    # Three standard errors of the mean over 4,000 draws.
    assert below == pytest.approx(expected_copies(held_out), abs=3 * 0.1 / 4000**0.5)


def test_memorisation_needs_held_out_pictures() -> None:
    with pytest.raises(SuiteError, match="test split"):
        memorisation(np.zeros((2, 3)), np.zeros((2, 3)), np.zeros((0, 3)))

"""Neighbour metrics against scikit-learn, known expectations, and planted copies."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

from benchmark.neighbours import fidelity, kth_radius, memorisation, nearest
from suite.errors import SuiteError

RNG = np.random.default_rng(1)


def test_radii_and_nearest_equal_scikit_learn() -> None:
    x, y = RNG.standard_normal((2, 70, 5)).astype(np.float32)
    expected = NearestNeighbors(n_neighbors=4).fit(x).kneighbors(x)[0][:, 3]
    # float32 distances through a product: 1e-5 of the norms.
    np.testing.assert_allclose(kth_radius(x, 3, batch=16), expected, rtol=1e-4)
    gap, index = nearest(y, x, batch=16)
    distances, rows = NearestNeighbors(n_neighbors=1).fit(x).kneighbors(y)
    np.testing.assert_allclose(gap, distances[:, 0], rtol=1e-4)
    assert index.tolist() == rows[:, 0].tolist()


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


def test_memorisation_needs_held_out_pictures() -> None:
    with pytest.raises(SuiteError, match="test split"):
        memorisation(np.zeros((2, 3)), np.zeros((2, 3)), np.zeros((0, 3)))

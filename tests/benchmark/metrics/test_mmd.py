"""KID and CMMD's distance against clean-fid, their definitions and closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.metrics.mmd import gaussian_influence, kernel_influence

RNG = np.random.default_rng(0)
X, Y = RNG.standard_normal((60, 8)), RNG.standard_normal((60, 8)) + 0.4


def test_kid_equals_clean_fid() -> None:
    from cleanfid.fid import kernel_distance

    # Subsets of the whole set: clean-fid's draws are permutations, which change nothing.
    assert kernel_influence(X, Y)[0] == pytest.approx(
        kernel_distance(X, Y, num_subsets=2, max_subset_size=60), rel=1e-10
    )


def test_kid_of_one_distribution_is_zero_on_average() -> None:
    values = [kernel_influence(*RNG.standard_normal((2, 40, 4)))[0] for _ in range(200)]
    assert abs(np.mean(values)) < 4 * np.std(values) / np.sqrt(200)


def test_influence_is_the_derivative() -> None:
    value, pull = kernel_influence(X, Y)
    # Leaving picture j out changes the mean by -pull_j / (M - 1), to first order.
    without = kernel_influence(X, np.delete(Y, 5, axis=0))[0]
    assert without - value == pytest.approx(-pull[5] / 59, rel=0.1, abs=1e-4)


def test_gaussian_kernel_against_two_points() -> None:
    a, b = np.zeros((2, 3)), np.full((2, 3), 2.0)
    # All within are 1; between them exp(-12 / (2 * 100)).
    assert gaussian_influence(a, b)[0] == pytest.approx(1000 * (2 - 2 * np.exp(-12 / 200)), rel=1e-9)


def test_gaussian_kernel_in_blocks_is_the_whole() -> None:
    assert gaussian_influence(X, Y, batch=7)[0] == pytest.approx(gaussian_influence(X, Y)[0], rel=1e-9)


def test_gaussian_distance_is_scikit_learns_and_influence_its_derivative() -> None:
    from sklearn.metrics.pairwise import rbf_kernel

    x, y = X / np.linalg.norm(X, axis=1, keepdims=True), Y / np.linalg.norm(Y, axis=1, keepdims=True)
    value, pull = gaussian_influence(x, y)
    # By scikit-learn's kernel: gamma = 1 / (2 * 10^2), diagonals kept, times 1,000 (Jayasumana et al. 2024).
    gamma = 1 / 200
    expected = rbf_kernel(x, x, gamma).mean() + rbf_kernel(y, y, gamma).mean() - 2 * rbf_kernel(x, y, gamma).mean()
    assert value == pytest.approx(1000 * expected, rel=1e-8)
    without = gaussian_influence(x, np.delete(y, 5, axis=0))[0]
    # A first-order step in 1/60: its own size again is the next order.
    assert without - value == pytest.approx(-pull[5] / 59, rel=0.1, abs=1e-4)

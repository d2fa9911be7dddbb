"""Fréchet distance against closed forms, SciPy and clean-fid."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from benchmark.metrics.frechet import frechet_distance, frechet_infinity, frechet_influence, too_few
from benchmark.metrics.gaussian import Gaussian, Moments, fit
from suite.errors import SuiteError


def gaussian(mean: list[float], cov: np.ndarray) -> Gaussian:
    return Gaussian(torch.tensor(mean, dtype=torch.float64), torch.as_tensor(cov, dtype=torch.float64))


def random_cov(dim: int, rank: int, seed: int) -> np.ndarray:
    a = np.random.default_rng(seed).standard_normal((dim, rank))
    return a @ a.T / rank


def test_unit_gaussians_are_as_far_as_their_means() -> None:
    a, b = gaussian([0, 0, 0], np.eye(3)), gaussian([1, 2, -2], np.eye(3))
    # |m1 - m2|^2 = 9 exactly; float64 rounding only.
    assert frechet_distance(a, b) == pytest.approx(9, abs=1e-12)


def test_diagonal_covariances_have_a_closed_form() -> None:
    s, t = np.array([4.0, 9.0, 0.25]), np.array([1.0, 16.0, 0.0])
    expected = float(((np.sqrt(s) - np.sqrt(t)) ** 2).sum())
    assert frechet_distance(gaussian([0] * 3, np.diag(s)), gaussian([0] * 3, np.diag(t))) == pytest.approx(expected)
    assert frechet_distance(gaussian([0] * 3, np.diag(t)), gaussian([0] * 3, np.diag(s))) == pytest.approx(expected)


def test_scaled_covariance_has_a_closed_form() -> None:
    cov = random_cov(12, 40, 1)
    # S2 = c^2 S1 commute: d^2 = (1 - c)^2 tr S1.
    assert frechet_distance(gaussian([0] * 12, cov), gaussian([0] * 12, 2.25 * cov)) == pytest.approx(
        0.25 * np.trace(cov), rel=1e-10
    )


@pytest.mark.parametrize("rank", [40, 7])
def test_equals_the_general_square_root(rank: int) -> None:
    from scipy.linalg import sqrtm

    a, b = random_cov(24, rank, 2), random_cov(24, rank, 3)
    # Without disp, which SciPy 1.18 removed; a singular product leaves 1e-8 of noise in its square root.
    root = np.trace(np.real(sqrtm(a @ b)))
    expected = np.trace(a) + np.trace(b) - 2 * root
    assert frechet_distance(gaussian([0] * 24, a), gaussian([0] * 24, b)) == pytest.approx(expected, rel=1e-5)


def test_equals_clean_fid() -> None:
    import scipy

    if tuple(map(int, scipy.__version__.split(".")[:2])) >= (1, 18):
        pytest.skip("clean-fid's own distance calls sqrtm(disp=...), which SciPy 1.18 removed")
    from cleanfid.fid import fid_from_feats

    rng = np.random.default_rng(4)
    x, y = rng.standard_normal((300, 32)), rng.gamma(2.0, size=(250, 32))
    assert frechet_distance(fit(x), fit(y)) == pytest.approx(fid_from_feats(x, y), rel=1e-8)


def test_a_set_is_at_no_distance_from_itself_even_with_fewer_pictures_than_dimensions() -> None:
    x = torch.randn(20, 64, generator=torch.Generator().manual_seed(0))
    # sqrt of eigenvalues that rounding leaves near 1e-16: 64 * 1e-8.
    assert frechet_distance(fit(x), fit(x)) == pytest.approx(0, abs=1e-5)


def test_streamed_moments_equal_numpy() -> None:
    x = np.random.default_rng(5).standard_normal((1001, 16)) * 3 + 1e4
    moments = Moments(16)
    for start in range(0, 1001, 77):
        moments.update(x[start : start + 77])
    merged = moments.gaussian()
    assert merged.count == 1001
    np.testing.assert_allclose(merged.mean, x.mean(0), rtol=1e-12)
    # A mean of 1e4 costs naive sums eight digits; merged scatter loses none of note.
    np.testing.assert_allclose(merged.cov, np.cov(x, rowvar=False), rtol=1e-9, atol=1e-9)


def test_nan_features_are_refused() -> None:
    with pytest.raises(SuiteError, match="NaN"):
        Moments(2).update(torch.tensor([[0.0, float("nan")]]))


def test_other_dimensions_are_refused() -> None:
    with pytest.raises(SuiteError, match="3 and 2 dimensions"):
        frechet_distance(gaussian([0] * 3, np.eye(3)), gaussian([0] * 2, np.eye(2)))


def test_infinity_removes_the_bias_of_few_pictures() -> None:
    rng = np.random.default_rng(6)
    real = Gaussian(torch.zeros(16, dtype=torch.float64), torch.eye(16, dtype=torch.float64))
    plain, endless = [], []
    for _ in range(20):
        x = rng.standard_normal((160, 16))
        plain.append(frechet_distance(real, fit(x)))
        endless.append(frechet_infinity(real, x, points=6, draws=4))
    # The truth is 0. 20 draws have a standard error well under a fifth of the bias that is removed.
    assert np.mean(plain) > 0.5
    assert abs(np.mean(endless)) < 0.2 * np.mean(plain)


def test_infinity_needs_pictures() -> None:
    real = Gaussian(torch.zeros(16, dtype=torch.float64), torch.eye(16, dtype=torch.float64))
    with pytest.raises(SuiteError, match="at least 64"):
        frechet_infinity(real, np.zeros((63, 16)))


def test_influence_is_the_derivative() -> None:
    rng = np.random.default_rng(7)
    real, x = fit(rng.standard_normal((200, 6))), rng.standard_normal((120, 6)) * 1.5 + 0.3
    influence = frechet_influence(real, fit(x), x)
    step, picked = 1e-5, 17
    weights = np.full(120, (1 - step) / 120)
    weights[picked] += step
    mean = weights @ x
    # The weighted population covariance, scaled as the N - 1 divisor scales all of them.
    cov = ((x - mean).T * weights) @ (x - mean) * 120 / 119
    moved = frechet_distance(real, Gaussian(torch.tensor(mean), torch.tensor(cov)))
    slope = (moved - frechet_distance(real, fit(x))) / step
    # N / (N - 1) on the covariance's part and the finite step: under 2% at N = 120.
    assert float(influence[picked]) == pytest.approx(slope, rel=0.02)


def test_influence_spread_is_the_spread_over_samples() -> None:
    rng = np.random.default_rng(8)
    real = Gaussian(torch.zeros(4, dtype=torch.float64), torch.eye(4, dtype=torch.float64))
    samples = [rng.standard_normal((800, 4)) * 1.3 + 0.5 for _ in range(60)]
    found = np.std([frechet_distance(real, fit(x)) for x in samples], ddof=1)
    said = [float(frechet_influence(real, fit(x), x).std()) / np.sqrt(800) for x in samples[:10]]
    # A standard deviation of 60 values is known to about 9%; three of those.
    assert np.mean(said) == pytest.approx(found, rel=0.27)


def test_too_few_pictures_are_not_ranked() -> None:
    assert too_few(2049, 2049, 2048) is None
    assert "N too small" in (too_few(50_000, 2048, 2048) or "")

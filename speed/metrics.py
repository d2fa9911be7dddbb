"""Metrics against the usual way of computing them: Fréchet distance and LPIPS diversity."""

from __future__ import annotations

import warnings

import torch

from benchmark.metrics.frechet import frechet_distance
from benchmark.metrics.gaussian import Gaussian, fit
from benchmark.metrics.lpips import alex, embed, pair_distances
from speed.run import Row, ratio, seconds

# Of LPIPS's 45 pairs nine are timed: they are alike.
TIMED_PAIRS = 9


def rows() -> list[Row]:
    """Every figure; both sides run in this process, in turn."""
    warnings.simplefilter("ignore")
    return [_lpips(), _frechet()]


def _frechet() -> Row:
    from scipy.linalg import sqrtm

    draw = torch.Generator().manual_seed(0)
    a, b = (fit(torch.randn(2500, 2048, generator=draw).relu() * scale) for scale in (1.0, 1.1))
    product = (a.cov @ b.cov).numpy()

    def ours() -> float:
        # A fresh Gaussian: the factor that real statistics keep is paid for here too.
        return frechet_distance(Gaussian(a.mean, a.cov, a.count), b)

    # A root takes up to a minute: both sides warm up on less, and each is timed once.
    sqrtm(product[:256, :256])
    ours()
    mine, other = seconds(ours), seconds(lambda: sqrtm(product))
    value = other / mine
    note = f"scipy.linalg.sqrtm of the product, {other:.1f} s; ours {mine:.2f} s"
    return Row("Fréchet distance, 2048-d", value, "x faster", "at least 10", note, value >= 10)


def _lpips() -> Row:
    import lpips

    torch.manual_seed(0)
    package = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False).eval()
    trunk = {f"features.{key.split('.', 1)[1]}": value for key, value in package.net.state_dict().items()}
    ours = alex(trunk, "0" * 64, verified=False)
    x = torch.rand(10, 3, 256, 256) * 2 - 1
    pairs = torch.triu_indices(10, 10, offset=1).T.tolist()

    @torch.inference_mode()
    def once_a_picture() -> object:
        return pair_distances(embed(ours.maps, ours.weights, x), 10)

    @torch.inference_mode()
    def once_a_pair() -> object:
        return [package(x[i : i + 1], x[j : j + 1]) for i, j in pairs[:TIMED_PAIRS]]

    value, mine, other = ratio(once_a_picture, once_a_pair, rounds=9)
    value, other = value * len(pairs) / TIMED_PAIRS, other * len(pairs) / TIMED_PAIRS
    note = (
        f"the lpips package pair by pair, as StarGAN v2 does, {other:.1f} s a face ({TIMED_PAIRS} of 45 pairs timed, scaled); "
        f"ours {mine:.2f} s; AlexNet's shape with random weights"
    )
    return Row("LPIPS diversity, a face x 10 styles, 256 px", value, "x faster", "at least 15", note, value >= 15)

"""Metrics against the usual way of computing them: Fréchet distance and LPIPS diversity."""

from __future__ import annotations

import warnings

import torch

from benchmark.metrics.frechet import frechet_distance
from benchmark.metrics.gaussian import Gaussian, fit
from benchmark.metrics.lpips import alex, embed, pair_distances
from speed.run import Row, ratio


def rows() -> list[Row]:
    """Every figure; both sides run in this process, in turn."""
    warnings.simplefilter("ignore")
    return [_lpips(), _frechet()]


def _frechet() -> Row:
    draw = torch.Generator().manual_seed(0)
    a, b = (fit(torch.randn(2500, 2048, generator=draw).relu() * scale) for scale in (1.0, 1.1))

    def ours() -> float:
        # A fresh Gaussian: the factor that real statistics keep is paid for here too.
        return frechet_distance(Gaussian(a.mean, a.cov, a.count), b)

    def eigenvalues() -> float:
        roots = torch.linalg.eigvals(a.cov @ b.cov).sqrt().real.sum()
        return float((a.mean - b.mean).square().sum() + a.cov.trace() + b.cov.trace() - 2 * roots)

    value, mine, other = ratio(ours, eigenvalues, rounds=3)
    note = f"eigenvalues of the product, as torchmetrics has it, {other:.1f} s; ours {mine:.2f} s"
    return Row("Fréchet distance, 2048-d", value, "x faster", "at least 2", note, value >= 2)


def _lpips() -> Row:
    import lpips

    torch.manual_seed(0)
    package = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False).eval()
    trunk = {f"features.{key.split('.', 1)[1]}": value for key, value in package.net.state_dict().items()}
    ours = alex(trunk, "0" * 64, verified=False)
    x = torch.rand(10, 3, 256, 256) * 2 - 1
    first, second = torch.triu_indices(10, 10, offset=1)

    @torch.inference_mode()
    def once_a_picture() -> object:
        return pair_distances(embed(ours.maps, ours.weights, x), 10)

    @torch.inference_mode()
    def all_pairs_at_once() -> object:
        return package(x[first], x[second])

    value, mine, other = ratio(once_a_picture, all_pairs_at_once, rounds=5)
    note = (
        f"the lpips package, its 45 pairs in one batch, {other:.1f} s a face; ours {mine:.2f} s; AlexNet's shape with random "
        "weights"
    )
    return Row("LPIPS diversity, a face x 10 styles, 256 px", value, "x faster", "at least 5", note, value >= 5)

"""Metrics against the usual way of computing them: Fréchet distance, LPIPS diversity, Table 1's FIDs."""

from __future__ import annotations

import tempfile
import warnings
from pathlib import Path

import torch
from PIL import Image

from benchmark.metrics.extractors.features import FeatureCache, Inception
from benchmark.metrics.frechet import frechet_distance
from benchmark.metrics.gaussian import Gaussian, Moments, fit
from benchmark.metrics.lpips import alex, embed, pair_distances
from speed.run import Row, ratio, seconds
from suite.files import sha256_file

# Of clean-fid's twenty calls one is timed, of our twenty cells four, of LPIPS's 45 pairs nine: they are alike.
PICTURES, CELLS, TIMED, TIMED_CELLS, TIMED_PAIRS = 24, 20, 1, 4, 9


def rows() -> list[Row]:
    """Every figure; both sides run in this process, in turn."""
    warnings.simplefilter("ignore")
    return [_lpips(), _frechet(), _fids()]


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
        f"the lpips package pair by pair, {other:.1f} s a face ({TIMED_PAIRS} of 45 pairs timed, scaled); "
        f"ours {mine:.2f} s; AlexNet's shape with random weights"
    )
    return Row("LPIPS diversity, a face x 10 styles, 256 px", value, "x faster", "at least 15", note, value >= 15)


class _StandIn(torch.nn.Module):
    """Takes and gives what the published TorchScript Inception does, at a small share of its cost."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Conv2d(3, 16, 7, 8), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(4), torch.nn.Flatten(),
            torch.nn.Linear(256, 2048),
        )  # fmt: skip

    def forward(self, x: torch.Tensor, return_features: bool = True) -> torch.Tensor:
        return self.layers(x)


def _fids() -> Row:
    from cleanfid import fid

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        weights = folder / "inception-2015-12-05.pt"
        torch.manual_seed(0)
        torch.jit.script(_StandIn().eval()).save(weights)
        extractor = Inception("clean", weights, sha256_file(weights), verified=False)
        draw = torch.Generator().manual_seed(1)
        real = torch.randint(0, 256, (4 * PICTURES, 3, 256, 256), generator=draw, dtype=torch.uint8)
        cells = [real[k : k + PICTURES] for k in range(CELLS)]
        _save(folder / "real", real)

        def known() -> Gaussian:
            cache = FeatureCache(folder / "cache")
            found = fit(cache.features("real", extractor, len(real), lambda: map(extractor, real.split(32))))
            assert found.factor is not None  # what the first distance would pay for
            return found

        def ours(truth: Gaussian) -> list[float]:
            picked = cells[:TIMED_CELLS]
            return [frechet_distance(truth, Moments(2048).update(extractor(cell)).gaussian()) for cell in picked]

        def saved() -> list[float]:
            out = []
            for number, cell in enumerate(cells[:TIMED]):
                _save(folder / f"cell{number}", cell)
                out.append(
                    fid.compute_fid(
                        str(folder / "real"), str(folder / f"cell{number}"), num_workers=0, batch_size=32,
                        device=torch.device("cpu"), verbose=False, custom_feat_extractor=extractor.network,
                    )
                )  # fmt: skip
            return out

        extractor(real[:2])
        real_side = seconds(known)
        truth = known()
        mine = real_side + seconds(lambda: ours(truth)) * CELLS / TIMED_CELLS
        other = seconds(saved) * CELLS / TIMED
        value = other / mine
    note = (
        f"PNG files and clean-fid {CELLS} times, {other:.0f} s ({TIMED} timed, scaled); ours {mine:.0f} s "
        f"for all ({TIMED_CELLS} timed, scaled); "
        f"scaled down: a stand-in with Inception's inputs and outputs on both sides, {PICTURES} pictures of 256 px a "
        f"cell, {4 * PICTURES} real ones; most of both is the 2048-d distance"
    )
    return Row("Table 1's twenty FIDs", value, "x faster", "at least 5", note, value >= 5)


def _save(folder: Path, pictures: torch.Tensor) -> None:
    folder.mkdir(exist_ok=True)
    for number, picture in enumerate(pictures):
        Image.fromarray(picture.permute(1, 2, 0).numpy()).save(folder / f"{number:04d}.png")

"""Extractors against clean-fid on the same pictures, weights that are not what they should be, caches with whole keys."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from benchmark.metrics.extractors.features import FeatureCache, Inception, InceptionMode, checked_weights, inception
from benchmark.metrics.extractors.lite0 import Lite0, diversity
from suite.errors import SuiteError
from suite.files import sha256_file


class Layers(torch.nn.Module):
    """Average colours over a coarse grid, to 2048 numbers."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.adaptive_avg_pool2d(x, 32)[:, :2].flatten(1)


class StandIn(torch.nn.Module):
    """Called as the published TorchScript Inception is."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = Layers()

    def forward(self, x: torch.Tensor, return_features: bool = True) -> torch.Tensor:
        return self.layers(x)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "inception-2015-12-05.pt"
    torch.jit.script(StandIn().eval()).save(path)
    return path


def pictures(count: int = 6, size: int = 96, seed: int = 0) -> torch.Tensor:
    return torch.randint(
        0, 256, (count, 3, size, size), generator=torch.Generator().manual_seed(seed), dtype=torch.uint8
    )


@pytest.mark.parametrize("mode", ["clean", "legacy_tensorflow"])
def test_features_from_memory_equal_clean_fids_from_png_files(
    mode: InceptionMode, weights: Path, tmp_path: Path
) -> None:
    from cleanfid.fid import get_folder_features
    from cleanfid.inception_torchscript import InceptionV3W

    given = pictures()
    for number, picture in enumerate(given):
        Image.fromarray(picture.permute(1, 2, 0).numpy()).save(tmp_path / f"{number}.png")
    wrapper = InceptionV3W(str(weights.parent), download=False, resize_inside=mode == "legacy_tensorflow")
    expected = get_folder_features(
        str(tmp_path), wrapper, num_workers=0, device=torch.device("cpu"), mode=mode, verbose=False
    )
    ours = Inception(mode, weights, sha256_file(weights), verified=False)
    # The same resizer and network on the same bytes.
    np.testing.assert_allclose(ours(given).numpy(), expected, rtol=1e-6, atol=1e-6)


def test_only_published_weights_make_a_fid(weights: Path) -> None:
    sha256 = sha256_file(weights)
    assert Inception("clean", weights, sha256, verified=True).fd_name == "FID"
    other = Inception("clean", weights, sha256, verified=False)
    assert other.fd_name == f"FD-inception-unverified-{sha256[:8]}"
    assert Lite0().fd_name == "FD-lite0"
    assert diversity().name == "diversity-lite0"


def test_changed_or_half_weights_are_refused(tmp_path: Path) -> None:
    file = tmp_path / "inception-2015-12-05.pt"
    file.write_bytes(b"half")
    with pytest.raises(SuiteError, match="4 bytes, expected 95607719; a half-downloaded file"):
        inception("clean", tmp_path, offline=True)
    trunk = tmp_path / "alexnet-owt-7be5be79.pth"
    with trunk.open("wb") as out:
        out.truncate(244408911)  # of the right size, all zeros
    with pytest.raises(SuiteError, match="SHA-256"):
        checked_weights("alexnet", tmp_path, offline=True)


def test_offline_says_where_to_put_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AAHQ_WEIGHTS", str(tmp_path))
    with pytest.raises(SuiteError, match=r"--offline.*inception-2015-12-05\.pt"):
        inception("clean", offline=True)


def test_an_unknown_mode_is_named() -> None:
    with pytest.raises(SuiteError, match="did you mean 'clean'"):
        inception("cleen")  # type: ignore[arg-type]


def test_pictures_of_another_type_are_refused() -> None:
    with pytest.raises(SuiteError, match="uint8"):
        Lite0()(pictures().float())


def test_the_cache_key_names_pictures_and_extractor(tmp_path: Path, weights: Path) -> None:
    cache, given = FeatureCache(tmp_path), pictures()
    clean, legacy = (Inception(m, weights, sha256_file(weights), False) for m in ("clean", "legacy_tensorflow"))
    found = cache.features("a", clean, 6, lambda: map(clean, given.split(4)))
    np.testing.assert_array_equal(found, clean(given).numpy())
    assert isinstance(found, np.memmap)

    def never() -> list[torch.Tensor]:
        raise AssertionError("kept features were computed again")

    np.testing.assert_array_equal(cache.features("a", clean, 6, never), found)
    paths = {cache.path(key, extractor) for key in ("a", "b") for extractor in (clean, legacy)}
    assert len(paths) == 4


def test_a_missing_picture_leaves_no_cache(tmp_path: Path) -> None:
    cache, lite0 = FeatureCache(tmp_path), Lite0()
    with pytest.raises(SuiteError, match="6 pictures arrived, 7 were promised"):
        cache.features("a", lite0, 7, lambda: map(lite0, pictures().split(4)))
    assert not list(tmp_path.glob("*"))


def test_lite0_does_not_mind_batches() -> None:
    lite0, given = Lite0(), pictures(8, 64)
    one = torch.cat([lite0(picture[None]) for picture in given])
    # Convolutions of another batch size sum in another order.
    torch.testing.assert_close(lite0(given), one, rtol=1e-4, atol=1e-5)

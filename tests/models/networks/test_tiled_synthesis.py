"""A resolution made in bands of rows is the resolution made as a whole."""

from __future__ import annotations

import pytest
import torch

from models.networks import tiled_synthesis as resolution
from models.networks.blendgan import BlendGAN
from models.networks.stylegan2 import channel_table
from ops.dispatch import use


def network(size: int = 32) -> BlendGAN:
    torch.manual_seed(0)
    net = BlendGAN(size, 16, 2, channel_table(widest=8)).double().eval()
    for name, parameter in net.named_parameters():
        if name.endswith(("noise.weight", "bias")):
            torch.nn.init.normal_(parameter)
    return net


@pytest.mark.parametrize("rows", [1, 2, 5, 6, 13])
def test_any_height_of_band_gives_the_whole(monkeypatch: pytest.MonkeyPatch, rows: int) -> None:
    net = network()
    z = torch.randn(2, 16, dtype=torch.float64)
    noise = [torch.randn(2, *shape, dtype=torch.float64) for shape in net.noise_shapes()]
    whole, _ = net(z, noise=noise)  # derivatives are wanted: no bands
    monkeypatch.setattr(resolution, "BAND_BYTES", rows * 8 * 32 * 8)
    with torch.no_grad():
        x = torch.empty(1, 8, 16, 16, dtype=torch.float64)
        assert resolution.band_rows((net.convs[-2], net.convs[-1], net.to_rgbs[-1]), x) == rows
        bands, _ = net(z, noise=noise)
    # The same sums in float64, ordered by another convolution algorithm at most.
    torch.testing.assert_close(bands, whole.detach(), rtol=0, atol=1e-12)


def test_bands_are_for_processors_without_derivatives_only(monkeypatch: pytest.MonkeyPatch) -> None:
    net = network()
    x = torch.empty(1, 8, 16, 16, dtype=torch.float64)
    monkeypatch.setattr(resolution, "BAND_BYTES", 1)
    assert resolution.band_rows((net.convs[-2], net.convs[-1], net.to_rgbs[-1]), x) == 0
    with torch.no_grad(), use("reference"):
        assert resolution.band_rows((net.convs[-2], net.convs[-1], net.to_rgbs[-1]), x) == 0
    with torch.no_grad():
        assert resolution.band_rows((net.convs[-2], net.convs[-1], net.to_rgbs[-1]), x) == 1
        assert resolution.band_rows((net.convs[-2], net.convs[-1], net.to_rgbs[-1]), x.to("meta")) == 0


def test_the_last_features_are_not_stored(monkeypatch: pytest.MonkeyPatch) -> None:
    net = network()
    kept = []
    original = resolution.banded

    def seen(*args: object, keep: bool) -> tuple[torch.Tensor, torch.Tensor]:
        features, picture = original(*args, keep=keep)  # type: ignore[arg-type]
        kept.append(features.shape[1])
        return features, picture

    monkeypatch.setattr(resolution, "banded", seen)
    monkeypatch.setattr(resolution, "BAND_BYTES", 8 * 16 * 8 * 2)
    with torch.no_grad():
        net(torch.randn(1, 16, dtype=torch.float64))
    assert kept == [8, 8, 0]

"""A face to a latent code by optimisation, for generators that have no encoder (Abdal et al. 2019; Karras et al. 2020)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.networks.stylegan2 import Generator
from suite.progress import progress

Space = Literal["w", "w+"]
# Share of the steps over which the step size warms up, and over which it falls to zero (Karras et al. 2020, appendix D).
_WARM_UP, _COOL_DOWN = 0.05, 0.25
_SIDE = 256


@dataclass(frozen=True)
class Inversion:
    """Codes found for a batch of faces.

    Attributes:
        latents: (N, n_latent, style_dim); in "w" all rows of a face are equal.
        distance: (N,) final distance of each face.
        measured: which distance was minimised, in words.
    """

    latents: Tensor
    distance: Tensor
    measured: str


class PixelPyramid(nn.Module):
    """Mean squared difference at 256, 64 and 16 px and of the gradients: needs no trained weights. (N,) per picture."""

    measured = "pixels at three scales and their gradients (no trained perceptual weights)"

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.toward(y)(x)

    def toward(self, y: Tensor) -> Callable[[Tensor], Tensor]:
        """The distance to `y`, of which everything is computed once."""
        scales = [_with_gradients(_at_most(y, side)) for side in (_SIDE, 64, 16)]

        def of(x: Tensor) -> Tensor:
            total = torch.zeros(len(x), device=x.device)
            for side, wanted in zip((_SIDE, 64, 16), scales, strict=True):
                for a, b in zip(_with_gradients(_at_most(x, side)), wanted, strict=True):
                    total = total + (a - b).square().mean((1, 2, 3))
            return total

        return of


class TrunkDistance(nn.Module):
    """Squared difference of unit-normalised features of a trained style trunk, and a tenth of `PixelPyramid`. (N,)."""

    measured = "features of the style encoder's trunk, and pixels"

    def __init__(self, trunk: nn.Module) -> None:
        super().__init__()
        self.trunk = trunk
        self.pixels = PixelPyramid()

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.toward(y)(x)

    def toward(self, y: Tensor) -> Callable[[Tensor], Tensor]:
        """The distance to `y`, whose features are computed once."""
        pixels = self.pixels.toward(y)
        wanted = [F.normalize(b, dim=1) for b in self.trunk(_at_most(y, _SIDE))]

        def of(x: Tensor) -> Tensor:
            total = 0.1 * pixels(x)
            for a, b in zip(self.trunk(_at_most(x, _SIDE)), wanted, strict=True):
                total = total + (F.normalize(a, dim=1) - b).square().sum(1).mean((1, 2))
            return total

        return of


class LearnedDistance(nn.Module):
    """LPIPS (Zhang et al. 2018, v0.1, AlexNet) and a share of `PixelPyramid`. (N,).

    Args:
        alexnet: torchvision's AlexNet file; the linear weights come with the package `lpips`.
        pixels: the pyramid's weight; 0 is LPIPS alone.
    """

    measured = "LPIPS (AlexNet, v0.1), and pixels"

    def __init__(self, alexnet: Path, pixels: float = 0.1) -> None:
        super().__init__()
        self.weight = pixels
        import lpips

        from models.weights import load_state, read_checkpoint

        self.net = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
        trunk = next(iter(read_checkpoint(alexnet).parts.values()))
        # lpips keeps torchvision's layers as slice<k>.<index>.
        names = {key: "features." + key.split(".", 1)[1] for key in self.net.net.state_dict()}
        load_state(self.net.net, {key: trunk[name] for key, name in names.items() if name in trunk}, str(alexnet))
        self.pixels = PixelPyramid()

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        near = self.net(_at_most(x, _SIDE), _at_most(y, _SIDE)).flatten()
        return near + self.weight * self.pixels(x, y) if self.weight else near


def best_distance(alexnet: Path | None = None, trunk: nn.Module | None = None) -> nn.Module:
    """LPIPS when AlexNet's weights are at hand, else a style encoder's trunk's features, else pixels alone."""
    if alexnet is not None:
        return LearnedDistance(alexnet)
    return TrunkDistance(trunk) if trunk is not None else PixelPyramid()


def invert(
    generator: Generator,
    faces: Tensor,
    *,
    distance: nn.Module | None = None,
    space: Space = "w+",
    steps: int = 500,
    learning_rate: float = 0.05,
    seeds: Sequence[int] | None = None,
    mean_of: int = 4096,
    watch: Callable[[int], None] | None = None,
) -> Inversion:
    """Find the codes whose pictures are nearest to `faces`; face i depends on its picture and seeds[i] alone.

    Args:
        generator: StyleGAN2 or BlendGAN; its parameters stay as they are and get no gradients.
        faces: (N, 3, S, S) in [-1, 1], aligned as the generator's training data.
        distance: module (N, 3, H, W) twice -> (N,) with an attribute `measured`; `PixelPyramid()` if None.
        space: one w for all layers, or one for each layer.
        steps, learning_rate: of Adam, with warm-up, cool-down and noise on w that fades over the first three quarters.
        seeds: one a face, for that noise; 0, 1, ... if None.
        watch: hears how many steps are done, before each.
        mean_of: z drawn for the start (their mean w) and the scale (their deviation).

    Returns:
        The codes on the generator's device.
    """
    distance = distance if distance is not None else PixelPyramid()
    device = generator.input.input.device
    target = F.interpolate(faces.to(device), size=(generator.size,) * 2, mode="area")
    with torch.no_grad():
        draws = torch.randn(mean_of, generator.style_dim, generator=torch.Generator().manual_seed(0))
        cloud = generator.map_face(draws.to(device))
        mean = cloud.mean(0)
        deviation = (cloud - mean).square().sum(1).mean().sqrt()
    rows = generator.n_latent if space == "w+" else 1
    offset = torch.zeros(len(faces), rows, generator.style_dim, device=device, requires_grad=True)
    jitter = [torch.Generator().manual_seed(int(seed)) for seed in (seeds or range(len(faces)))]
    optimizer = torch.optim.Adam([offset], betas=(0.9, 0.999))
    frozen = [parameter for parameter in [*generator.parameters(), *distance.parameters()] if parameter.requires_grad]
    for parameter in frozen:
        parameter.requires_grad_(False)
    try:
        to_target = _toward(distance, target)
        for step in progress(range(steps), what=f"inverting {len(faces)} faces", unit="step"):
            if watch:
                watch(step)
            at = step / steps
            optimizer.param_groups[0]["lr"] = learning_rate * min(at / _WARM_UP + 1 / steps, 1, (1 - at) / _COOL_DOWN)
            strength = 0.05 * float(deviation) * max(0.0, 1 - at / 0.75) ** 2
            noise = torch.stack([torch.randn(rows, generator.style_dim, generator=one) for one in jitter]).to(device)
            latents = _codes(mean, offset + strength * noise / generator.style_dim**0.5, generator)
            # The sum, not the mean: a face's gradient must not depend on how many share the batch.
            loss = to_target(generator.synthesis(latents)).sum()
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            latents = _codes(mean, offset, generator)
            final = to_target(generator.synthesis(latents))
    finally:
        for parameter in frozen:
            parameter.requires_grad_(True)
    return Inversion(latents.detach(), final, str(distance.measured))


def _codes(mean: Tensor, offset: Tensor, generator: Generator) -> Tensor:
    latents = mean + offset
    return latents if latents.shape[1] == generator.n_latent else latents.expand(-1, generator.n_latent, -1)


def _toward(distance: nn.Module, target: Tensor) -> Callable[[Tensor], Tensor]:
    if isinstance(distance, PixelPyramid | TrunkDistance):
        with torch.no_grad():
            return distance.toward(target)
    return lambda x: distance(x, target)


def _with_gradients(x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    return x, x.diff(dim=2), x.diff(dim=3)


def _at_most(x: Tensor, side: int) -> Tensor:
    return F.interpolate(x, size=(side, side), mode="area") if x.shape[-1] > side else x

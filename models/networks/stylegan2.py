"""StyleGAN2's generator, configuration F (Karras et al. 2020), under the names of the PyTorch checkpoints.

Layout of latents: `n_latent = 2 * log2(size) - 2`; conv1 takes 0, to_rgb1 takes 1; each further resolution takes three that
overlap by one: conv_up 2k - 1, conv 2k, to_rgb 2k + 1 for k = 1, 2, ...
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from models.networks import tiled_synthesis as resolution
from models.networks.layers import ConstantInput, EqualLinear, PixelNorm, StyledConv, ToRGB
from models.rng import seeded_normal
from ops.checks import check_shape
from ops.dispatch import layout

Noise = Literal["fixed", "random"] | Sequence[Tensor]
SMALLEST, LARGEST = 8, 1024


def check_size(size: int, smallest: int = SMALLEST) -> int:
    """log2 of a picture size; ValueError unless it is a power of two that the networks have."""
    log_size = size.bit_length() - 1
    if size != 1 << log_size or not smallest <= size <= LARGEST:
        raise ValueError(f"size: given {size}; expected a power of two from {smallest} to {LARGEST}")
    return log_size


def channel_table(multiplier: float = 2, widest: int = 512) -> dict[int, int]:
    """Feature maps by resolution: configuration F with `multiplier` 2; smaller `widest` gives a lighter network."""
    table = {4: 512, 8: 512, 16: 512, 32: 512} | {2**k: round(16384 / 2**k * multiplier) for k in range(6, 11)}
    return {size: max(1, min(widest, count)) for size, count in table.items()}


def channels_from_base(base: int, widest: int) -> dict[int, int]:
    """Feature maps by resolution: base / resolution, at most `widest` (`channel_base`, `channel_max` of StyleGAN2-ADA)."""
    return {2**k: max(1, min(widest, base // 2**k)) for k in range(2, 11)}


def mapping_network(in_features: int, style_dim: int, layers: int, lr_mul: float = 0.01) -> nn.Sequential:
    """z -> w: pixel norm, then `layers` activated linear layers; the first takes `in_features`."""
    sizes = [in_features] + [style_dim] * (layers - 1)
    return nn.Sequential(PixelNorm(), *(EqualLinear(size, style_dim, lr_mul=lr_mul, activate=True) for size in sizes))


class Generator(nn.Module):
    """StyleGAN2 generator.

    Args:
        size: side of the pictures, a power of two from 8 to 1024.
        style_dim: of z and w.
        n_mlp: layers of the mapping network.
        channels: feature maps by resolution (4 to `size`); `channel_table()` if None.
    """

    def __init__(
        self, size: int, style_dim: int = 512, n_mlp: int = 8, channels: Mapping[int, int] | None = None
    ) -> None:
        super().__init__()
        log_size = check_size(size)
        table = dict(channels or channel_table())
        missing = [2**k for k in range(2, log_size + 1) if 2**k not in table]
        if missing:
            raise ValueError(f"channels: given {sorted(table)}; expected an entry for {missing} too")
        self.size = size
        self.style_dim = style_dim
        self.n_latent = 2 * log_size - 2
        self.n_noise = self.n_latent - 1
        self.channels = {2**k: table[2**k] for k in range(2, log_size + 1)}

        self.style = mapping_network(style_dim, style_dim, n_mlp)
        self.input = ConstantInput(table[4])
        self.conv1 = StyledConv(table[4], table[4], style_dim)
        self.to_rgb1 = ToRGB(table[4], style_dim, enlarge=False)
        self.convs = nn.ModuleList()
        self.to_rgbs = nn.ModuleList()
        for k in range(3, log_size + 1):
            into, out = table[2 ** (k - 1)], table[2**k]
            self.convs.append(StyledConv(into, out, style_dim, up=2))
            self.convs.append(StyledConv(out, out, style_dim))
            self.to_rgbs.append(ToRGB(out, style_dim))
        self.noises = nn.Module()
        for index, shape in enumerate(self.noise_shapes()):
            self.noises.register_buffer(f"noise_{index}", torch.randn(1, *shape))

    @property
    def conv_clamp(self) -> float | None:
        """The limit of every layer's output (256 in NVIDIA's files, which keeps float16 finite), or None."""
        return self.conv1.clamp

    @conv_clamp.setter
    def conv_clamp(self, limit: float | None) -> None:
        for layer in self.modules():
            if isinstance(layer, (StyledConv, ToRGB)):
                layer.clamp = limit

    def load_metadata(self, facts: Mapping[str, Any]) -> None:
        """Take from a checkpoint's facts what the weights do not tell."""
        self.conv_clamp = facts.get("conv_clamp")

    def noise_shapes(self) -> list[tuple[int, int, int]]:
        """(1, r, r) of each noise input, smallest first; `n_noise` of them."""
        return [(1, 2 ** ((k + 5) // 2), 2 ** ((k + 5) // 2)) for k in range(self.n_noise)]

    def fixed_noise(self) -> list[Tensor]:
        """The stored noise, (1, 1, r, r) each: the same for every picture."""
        return [getattr(self.noises, f"noise_{index}") for index in range(self.n_noise)]

    def seeded_noise(self, seeds: Sequence[int]) -> list[Tensor]:
        """Noise of (len(seeds), 1, r, r) each; row i depends on seeds[i] alone, whatever the batch and the device."""
        shapes = self.noise_shapes()
        device = self.input.input.device
        flat = seeded_normal(seeds, [sum(r * r for _, r, _ in shapes)], device, "noise")
        parts = flat.split([r * r for _, r, _ in shapes], dim=1)
        return [part.reshape(len(seeds), *shape) for part, shape in zip(parts, shapes)]

    def _noise(self, noise: Noise, batch: int) -> list[Tensor]:
        if isinstance(noise, str):
            if noise == "fixed":
                return self.fixed_noise()
            if noise == "random":
                like = self.input.input
                return [like.new_empty(batch, *shape).normal_() for shape in self.noise_shapes()]
            raise ValueError(f"noise: given {noise!r}; expected 'fixed', 'random' or {self.n_noise} tensors")
        maps = list(noise)
        if len(maps) != self.n_noise:
            raise ValueError(f"noise: given {len(maps)} tensors; expected {self.n_noise} for {self.size} px")
        for index, (tensor, shape) in enumerate(zip(maps, self.noise_shapes())):
            check_shape(f"noise[{index}]", tensor, (1 if tensor.shape[:1] == (1,) else batch, *shape))
        return maps

    def map_face(self, z: Tensor) -> Tensor:
        """z (N, style_dim) ~ N(0, 1) -> w of the same shape."""
        check_shape("z", z, ("N", self.style_dim))
        return self.style(z)

    def mean_latent(self, count: int, seed: int = 0) -> Tensor:
        """(1, style_dim): the mean w of `count` seeded z, a centre for truncation."""
        generator = torch.Generator().manual_seed(seed)
        z = torch.randn(count, self.style_dim, generator=generator).to(self.input.input)
        return self.style(z).mean(0, keepdim=True)

    def broadcast(self, w: Tensor) -> Tensor:
        """w (N, style_dim), or W+ (N, n_latent, style_dim) as it is -> W+."""
        if w.ndim == 3:
            check_shape("w", w, ("N", self.n_latent, self.style_dim))
            return w
        check_shape("w", w, ("N", self.style_dim))
        return w[:, None].expand(-1, self.n_latent, -1)

    def mix(self, w: Tensor, other: Tensor, at: int) -> Tensor:
        """Style mixing: layers before `at` from `w`, from `at` on from `other` (w or W+ each) -> W+."""
        if not 1 <= at <= self.n_latent - 1:
            raise ValueError(f"inject_index: given {at}; expected 1 to {self.n_latent - 1}")
        return torch.cat([self.broadcast(w)[:, :at], self.broadcast(other)[:, at:]], 1)

    @staticmethod
    def truncate(w: Tensor, truncation: float, centre: Tensor | None) -> Tensor:
        """centre + truncation * (w - centre), for w or W+; 1 leaves w as it is."""
        if truncation == 1:
            return w
        if centre is None:
            raise ValueError(f"truncation_latent: given None with truncation {truncation}; expected the mean w")
        return centre + truncation * (w - centre)

    def synthesis(
        self,
        latents: Tensor,
        noise: Noise = "fixed",
        half: torch.dtype | None = None,
        half_from: int = 64,
        checkpointed: bool = False,
    ) -> Tensor:
        """W+ -> pictures.

        Args:
            latents: (N, n_latent, style_dim).
            noise: `"fixed"` (stored), `"random"` (fresh draws) or `n_noise` tensors (N or 1, 1, r, r).
            half: dtype of the feature maps from resolution `half_from` on; None keeps the parameters' dtype.
            checkpointed: recompute feature maps in the backward pass instead of keeping them.

        Returns:
            (N, 3, size, size) in the parameters' dtype, nominally in [-1, 1], not clamped.
        """
        check_shape("latents", latents, ("N", self.n_latent, self.style_dim))
        if latents.device != self.input.input.device:
            raise ValueError(f"latents: given on {latents.device}; expected {self.input.input.device}, the network's")
        noises = self._noise(noise, len(latents))
        x = self.input(len(latents)).contiguous(memory_format=layout(latents.device, half))
        x = self.conv1(x, latents[:, 0], noises[0])
        picture = self.to_rgb1(x, latents[:, 1])
        for k, to_rgb in enumerate(self.to_rgbs):
            if half is not None and 8 * 2**k >= half_from:
                x = x.to(half)
            layers = cast("resolution.Layers", (self.convs[2 * k], self.convs[2 * k + 1], to_rgb))
            args = (layers, x, picture, latents[:, 2 * k + 1 : 2 * k + 4], noises[2 * k + 1], noises[2 * k + 2])
            rows = resolution.band_rows(layers, x)
            if rows:
                x, picture = resolution.banded(*args, rows, keep=k + 1 < len(self.to_rgbs))
            elif checkpointed and torch.is_grad_enabled():
                x, picture = checkpoint(resolution.whole, *args, use_reentrant=False)
            else:
                x, picture = resolution.whole(*args)
        return picture

    def forward(
        self,
        z: Tensor | None = None,
        *,
        w: Tensor | None = None,
        z2: Tensor | None = None,
        inject_index: int | None = None,
        truncation: float = 1.0,
        truncation_latent: Tensor | None = None,
        noise: Noise = "fixed",
        half: torch.dtype | None = None,
        half_from: int = 64,
        checkpointed: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """Pictures (N, 3, size, size), nominally in [-1, 1], and the W+ that they were made from.

        Args:
            z: (N, style_dim) ~ N(0, 1); or give `w`: (N, style_dim) or (N, n_latent, style_dim).
            z2, inject_index: style mixing: layers from `inject_index` on come from `z2`.
            truncation, truncation_latent: pull w to the centre before anything else.
            noise, half, half_from, checkpointed: see `synthesis`.
        """
        latents = self.face_latents(z, w, z2, inject_index, truncation, truncation_latent)
        return self.synthesis(latents, noise, half, half_from, checkpointed), latents

    def face_latents(
        self,
        z: Tensor | None,
        w: Tensor | None,
        z2: Tensor | None = None,
        inject_index: int | None = None,
        truncation: float = 1.0,
        truncation_latent: Tensor | None = None,
    ) -> Tensor:
        """W+ of the face alone; arguments as in `forward`."""
        if (z is None) == (w is None):
            raise ValueError("z, w: given both or neither; expected one of them")
        first = w if w is not None else self.map_face(z)  # type: ignore[arg-type]
        first = self.truncate(first, truncation, truncation_latent)
        if z2 is None:
            return self.broadcast(first)
        if inject_index is None:
            raise ValueError(f"inject_index: given None with z2; expected 1 to {self.n_latent - 1}")
        return self.mix(first, self.truncate(self.map_face(z2), truncation, truncation_latent), inject_index)

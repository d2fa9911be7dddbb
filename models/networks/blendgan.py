"""BlendGAN's generator: StyleGAN2 whose W+ is blended with a style latent, layer by layer (Liu et al. 2021, section 3.2)."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from models.networks.stylegan2 import Generator, Noise, mapping_network
from ops.checks import check_shape

GRAM_CODE = 64**2 + 128**2 + 256**2 + 512**2 + 512**2  # 610,304: the style code of appendix A.4


class BlendGAN(Generator):
    """The generator with its weighted blending module (Eq. 3-5).

    Args:
        size: side of the pictures, a power of two from 8 to 1024.
        style_dim: of z, w and the style code.
        n_mlp: layers of each mapping network.
        channels: feature maps by resolution; `channel_table()` if None.
        style_code_dim: width of z_s; `GRAM_CODE` takes concatenated Gram matrices as they are (appendix A.4).
        embedder: the style encoder kept under `embedder.`, as published checkpoints have it; None leaves it out.
    """

    def __init__(
        self,
        size: int,
        style_dim: int = 512,
        n_mlp: int = 8,
        channels: Mapping[int, int] | None = None,
        style_code_dim: int | None = None,
        embedder: nn.Module | None = None,
    ) -> None:
        super().__init__(size, style_dim, n_mlp, channels)
        self.style_code_dim = style_code_dim or style_dim
        self.embedding = mapping_network(self.style_code_dim, style_dim, n_mlp)
        # 1 - alpha of Eq. 4, as checkpoints store it: the share of the face.
        self.add_weight = nn.Parameter(torch.ones(1, self.n_latent, 1))
        if embedder is not None:
            self.embedder = embedder

    def map_style(self, z_style: Tensor) -> Tensor:
        """z_s (N or 1, style_code_dim) -> w_s (N or 1, style_dim)."""
        check_shape("z_style", z_style, ("N", self.style_code_dim))
        return self.embedding(z_style)

    @torch.no_grad()
    def clamp_blend(self) -> None:
        """Bring the stored blend weights into [0, 1]; call after an optimiser's step."""
        self.add_weight.clamp_(0, 1)

    def alpha(self) -> Tensor:
        """(n_latent,) in [0, 1]: the learnt share of the style in each layer.

        The clamp passes gradients through, as the published code does by clamping the stored values: a weight that
        left [0, 1] can come back.
        """
        stored = self.add_weight.flatten()
        return 1 - (stored + (stored.clamp(0, 1) - stored).detach())

    def blend(self, w_face: Tensor, w_style: Tensor, i: int = 0, theta: float = 1.0) -> Tensor:
        """W+ of the stylised face: w_s * a + w_f * (1 - a), a = alpha * m(i, theta) (Eq. 3-5).

        Args:
            w_face: (N, style_dim) or (N, n_latent, style_dim).
            w_style: (N or 1, style_dim) or (N or 1, n_latent, style_dim).
            i: the blending indicator, 0 (style in every layer) to n_latent (the natural face).
            theta: share of the style in layer i, 0 to 1.
        """
        if not (isinstance(i, int) and 0 <= i <= self.n_latent):
            raise ValueError(f"i: given {i}; expected an integer from 0 to {self.n_latent}")
        if not 0 <= theta <= 1:
            raise ValueError(f"theta: given {theta}; expected 0 to 1")
        layers = torch.arange(self.n_latent, device=w_face.device)
        m = (layers > i).to(w_face.dtype) + theta * (layers == i).to(w_face.dtype)  # Eq. 5
        a = (self.alpha().to(w_face.dtype) * m)[:, None]  # Eq. 4
        return self.broadcast(w_style) * a + self.broadcast(w_face) * (1 - a)  # Eq. 3

    def forward(
        self,
        z: Tensor | None = None,
        *,
        z_style: Tensor | None = None,
        w: Tensor | None = None,
        i: int = 0,
        theta: float = 1.0,
        z2: Tensor | None = None,
        inject_index: int | None = None,
        truncation: float = 1.0,
        truncation_latent: Tensor | None = None,
        noise: Noise = "fixed",
        half: torch.dtype | None = None,
        half_from: int = 64,
        checkpointed: bool = False,
    ) -> tuple[Tensor, Tensor]:
        """G(z_f, z_s, i) (Eq. 1): pictures (N, 3, size, size), nominally in [-1, 1], and the W+ that they were made from.

        Args:
            z: (N, style_dim) ~ N(0, 1); or give `w`: (N, style_dim) or (N, n_latent, style_dim), from an encoder say.
            z_style: (N or 1, style_code_dim), N(0, 1) for latent-guided synthesis or the style encoder's output for
                reference-guided; None gives the natural face.
            i, theta: see `blend`.
            z2, inject_index, truncation, truncation_latent: act on the face alone; see `Generator.forward`.
            noise, half, half_from, checkpointed: see `Generator.synthesis`.
        """
        latents = self.face_latents(z, w, z2, inject_index, truncation, truncation_latent)
        if z_style is not None:
            if len(z_style) not in (1, len(latents)):
                raise ValueError(f"z_style: given {len(z_style)} rows; expected 1 or {len(latents)}, one a face")
            latents = self.blend(latents, self.map_style(z_style), i, theta)
        return self.synthesis(latents, noise, half, half_from, checkpointed), latents

"""BlendGAN as a `Method`: faces from seeds, styles from seeds or pictures (Liu et al. 2021, section 4.1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from torch import Tensor, nn

from models.data.pictures import check_pictures
from models.inference.invert import invert
from models.method import Face, Mode
from models.networks.blendgan import BlendGAN
from models.rng import seeded_normal
from ops.checks import check_shape
from suite.files import sha256_bytes


class BlendGANMethod:
    """Stylised faces; sample i depends on its face seed, its style and its own seed alone.

    Args:
        generator: a `BlendGAN`; put into eval mode.
        style_encoder: (N, 3, H, W) pictures in [-1, 1] -> (N, style_code_dim) codes; None leaves latent-guided only.
        i: blending indicator, 0 to `n_latent`; the paper shows 6 and 0 at 1024 px.
        theta: share of the style in layer i, 0 to 1.
        truncation: of the face, 0 to 1.
        truncation_latent: (1, style_dim) centre; the mean of 4096 seeded w if None and truncation is below 1.
        noise: `"fixed"` (as published scripts) or `"seeded"`, drawn from each sample's seed.
    """

    name = "BlendGAN"
    face: Literal["image", "seed"] = "seed"

    def __init__(
        self,
        generator: BlendGAN,
        style_encoder: Callable[[Tensor], Tensor] | None = None,
        i: int = 6,
        theta: float = 1.0,
        truncation: float = 0.75,
        truncation_latent: Tensor | None = None,
        noise: Literal["fixed", "seeded"] = "fixed",
    ) -> None:
        if not 0 <= i <= generator.n_latent:
            raise ValueError(f"i: given {i}; expected 0 to {generator.n_latent} at {generator.size} px")
        if not 0 <= theta <= 1:
            raise ValueError(f"theta: given {theta}; expected 0 to 1")
        if not 0 <= truncation <= 1:
            raise ValueError(f"truncation: given {truncation}; expected 0 to 1")
        if noise not in ("fixed", "seeded"):
            raise ValueError(f"noise: given {noise!r}; expected 'fixed' or 'seeded'")
        self.generator = generator.eval()
        self.style_encoder = style_encoder
        self.i = i
        self.theta = theta
        self.truncation = truncation
        self.noise = noise
        self.resolution = generator.size
        self.modes: frozenset[Mode] = frozenset({"latent"} if style_encoder is None else {"latent", "reference"})
        with torch.no_grad():
            if truncation_latent is None and truncation < 1:
                truncation_latent = generator.mean_latent(4096)
        self.centre = truncation_latent

    @torch.no_grad()
    def from_latent(self, face: Face, seeds: Sequence[int]) -> Tensor:
        """Latent-guided: z_s drawn from `seeds`, one a face. Returns (N, 3, R, R) float32, nominally in [-1, 1]."""
        device = self.generator.add_weight.device
        codes = seeded_normal(seeds, [self.generator.style_code_dim], device, "style")
        return self._draw(face, codes, seeds)

    @torch.no_grad()
    def from_reference(self, face: Face, style: Tensor, seeds: Sequence[int]) -> Tensor:
        """Reference-guided: z_s = E_style(style), (N, 3, H, W) in [-1, 1], one a face; `seeds` feed seeded noise."""
        if self.style_encoder is None:
            raise ValueError("reference: given a BlendGAN without style encoder; expected one with it")
        check_pictures(style, "style")
        codes = self.style_encoder(style.to(self.generator.add_weight.device))
        return self._draw(face, codes, seeds)

    def _check_counts(self, face: Face, codes: Tensor, seeds: Sequence[int]) -> None:
        if not len(face) == len(codes) == len(seeds):
            raise ValueError(
                f"seeds: given {len(face)} faces, {len(codes)} styles, {len(seeds)} seeds; expected as many"
            )
        check_shape("style code", codes, (len(face), self.generator.style_code_dim))

    def _draw(self, face: Face, codes: Tensor, seeds: Sequence[int]) -> Tensor:
        if face.seeds is None:
            raise ValueError("face: given pictures; expected seeds, for BlendGAN invents its faces")
        self._check_counts(face, codes, seeds)
        generator = self.generator
        z = seeded_normal(face.seeds, [generator.style_dim], generator.add_weight.device, "face")
        noise = generator.seeded_noise(seeds) if self.noise == "seeded" else "fixed"
        pictures, _ = generator(
            z,
            z_style=codes,
            i=self.i,
            theta=self.theta,
            truncation=self.truncation,
            truncation_latent=self.centre,
            noise=noise,
        )
        return pictures.float()


class BlendGANOfFaces(BlendGANMethod):
    """The same of given faces: each is brought to W+ by optimisation and blended with its style (`blendgan stylize`).

    Args:
        steps: of the optimisation.
        distance: what it lessens; see `models.inference.invert`.
    """

    face: Literal["image", "seed"] = "image"
    # Inverted faces that stay: a benchmark asks for a face's styles one after the other.
    KEPT = 16

    def __init__(
        self,
        generator: BlendGAN,
        style_encoder: Callable[[Tensor], Tensor] | None = None,
        i: int = 6,
        theta: float = 1.0,
        steps: int = 300,
        distance: nn.Module | None = None,
    ) -> None:
        super().__init__(generator, style_encoder, i, theta, truncation=1.0)
        self.steps, self.distance = steps, distance
        self._latents: dict[str, Tensor] = {}

    def _draw(self, face: Face, codes: Tensor, seeds: Sequence[int]) -> Tensor:
        if face.images is None:
            raise ValueError("face: given seeds; expected pictures, which are inverted")
        self._check_counts(face, codes, seeds)
        latents = torch.cat([self._inverted(picture) for picture in face.images])
        return self.generator(w=latents, z_style=codes, i=self.i, theta=self.theta)[0].float()

    def _inverted(self, picture: Tensor) -> Tensor:
        """(1, n_latent, style_dim) of a face (3, S, S); each is inverted alone, so that a batch changes nothing."""
        key = sha256_bytes(picture.cpu().numpy().tobytes())
        if key not in self._latents:
            if len(self._latents) >= self.KEPT:
                del self._latents[next(iter(self._latents))]
            # Callers forbid gradients, which the optimisation needs.
            with torch.inference_mode(False), torch.enable_grad():
                found = invert(self.generator, picture.clone()[None], distance=self.distance, steps=self.steps)
            self._latents[key] = found.latents
        return self._latents[key]

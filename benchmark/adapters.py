"""The tables' own methods as `Method`s: which factory of which room answers, and with what options."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from models.method import Face, Method, Mode, seeded_normal
from models.pretrained import Pretrained, load_blendgan
from suite.errors import SuiteError

# Table 1 sweeps the indicator over 18 layers; a smaller generator has fewer and is swept over the same shares.
PAPER_LAYERS = 18


def scaled_indicator(indicator: int, layers: int) -> int:
    """The paper's i (of 18) at a generator of `layers` layers; the same number at 18.

    0 stays full stylisation, 18 stays the natural face, the order stays.
    """
    return round(indicator * layers / PAPER_LAYERS)


class BlendGanCells:
    """BlendGAN as the tables use it: invented faces, a style code, an indicator; noise from a seed a picture.

    The paper does not say whether it truncates; the choice here is not to (open). Sample i
    depends on seeds i alone.
    """

    name = "BlendGAN"
    face: Literal["image", "seed"] = "seed"

    def __init__(self, networks: Pretrained, indicator: int) -> None:
        self.networks = networks
        self.i = scaled_indicator(indicator, networks.generator.n_latent)
        self.resolution = networks.generator.size
        self.modes: frozenset[Mode] = frozenset({"latent"} if networks.encoder is None else {"latent", "reference"})

    def from_latent(self, face: Face, seeds: Sequence[int]) -> Tensor:
        """Style codes from N(0, I) by `seeds`. (N, 3, R, R) float32, nominally in [-1, 1]."""
        width = self.networks.generator.style_code_dim
        return self._make(face, seeded_normal(seeds, (width,), self.networks.device), seeds)

    def from_reference(self, face: Face, style: Tensor, seeds: Sequence[int]) -> Tensor:
        """Style codes of pictures (N, 3, S, S) in [-1, 1]; `seeds` draw the noise."""
        return self._make(face, self.networks.style_codes(style), seeds)

    @torch.inference_mode()
    def _make(self, face: Face, z_style: Tensor, seeds: Sequence[int]) -> Tensor:
        if face.seeds is None:
            raise SuiteError("BlendGAN: it invents its faces; got pictures, expected Face(seeds=...)")
        generator = self.networks.generator
        z = seeded_normal(face.seeds, (generator.style_dim,), self.networks.device)
        pictures, _ = generator(z, z_style=z_style, i=self.i, noise=generator.seeded_noise(seeds))
        return pictures.float()


def blendgan(weights: Path | None, device: str, indicator: int = 0) -> Method:
    """BlendGAN with the paper's indicator, scaled to the generator's layers."""
    return BlendGanCells(load_blendgan(weights, device=device), indicator)


def _baseline(name: str, weights: Path | None, device: str) -> Method:
    from baselines.registry import open_method

    if weights is None:
        raise SuiteError(f"--weights: {name} needs a checkpoint; train it with 'baselines train {name}'")
    method: Method = open_method(name, weights, device)
    return method


def adain(weights: Path | None, device: str) -> Method:
    """AdaIN from a run's folder or a checkpoint."""
    return _baseline("adain", weights, device)


def munit(weights: Path | None, device: str) -> Method:
    """MUNIT from a run's folder or a checkpoint."""
    return _baseline("munit", weights, device)


def funit(weights: Path | None, device: str) -> Method:
    """FUNIT from a run's folder or a checkpoint; its latent mode feeds random codes to the decoder, as the paper did."""
    return _baseline("funit", weights, device)


def drit(weights: Path | None, device: str) -> Method:
    """DRIT++ from a run's folder or a checkpoint."""
    return _baseline("drit", weights, device)


def stargan2(weights: Path | None, device: str) -> Method:
    """StarGAN v2 from a run's folder or a checkpoint."""
    return _baseline("stargan2", weights, device)

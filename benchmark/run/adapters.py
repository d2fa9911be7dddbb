"""The tables' own methods as `Method`s: which factory of which room answers, and with what options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from models.inference.blendgan_method import BlendGANMethod, BlendGANOfFaces
from models.inference.pretrained import Pretrained, load_blendgan
from models.method import Method
from suite.errors import SuiteError

# Table 1 sweeps the indicator over 18 layers; a smaller generator has fewer and is swept over the same shares.
PAPER_LAYERS = 18


def scaled_indicator(indicator: int, layers: int) -> int:
    """The paper's i (of 18) at a generator of `layers` layers; the same number at 18.

    0 stays full stylisation, 18 stays the natural face, the order stays.
    """
    return round(indicator * layers / PAPER_LAYERS)


def blendgan_of(networks: Pretrained, indicator: int) -> BlendGANMethod:
    """BlendGAN as the tables use it: invented faces and the paper's indicator, scaled to the generator's layers.

    The paper says neither whether faces are truncated nor what the noise is. Open, and chosen here: not truncated, so
    that diversity is the generator's own; noise drawn for each picture, so that at i = 18, where styles have no say,
    LPIPS is not 0 (the paper prints 0.159 and 0.160 there).
    """
    return BlendGANMethod(
        networks.generator,
        networks.style_codes if networks.encoder is not None else None,
        i=scaled_indicator(indicator, networks.generator.n_latent),
        truncation=1.0,
        noise="seeded",
    )


def blendgan(weights: Path | None, device: str, indicator: int = 0, invert_steps: int = 0) -> Method:
    """BlendGAN from a checkpoint or a run's file.

    Args:
        invert_steps: begin with the given faces, inverted in as many steps; 0 invents them, as the tables do.
    """
    networks = load_blendgan(weights, device=device)
    if not invert_steps:
        return blendgan_of(networks, indicator)
    return BlendGANOfFaces(
        networks.generator,
        networks.style_codes if networks.encoder is not None else None,
        i=scaled_indicator(indicator, networks.generator.n_latent),
        steps=invert_steps,
        distance=networks.inversion_distance(),
    )


def baseline(name: str, weights: Path | None, device: str, **options: Any) -> Method:
    """A baseline, by its name in `baselines.registry`, from a run's folder or a checkpoint.

    FUNIT's latent mode feeds random codes to the decoder, as the paper did.
    """
    from baselines.load import open_method
    from baselines.registry import METHODS, UNTRAINED

    if weights is None and METHODS[name].settings is not None:
        raise SuiteError(f"--weights: {name} needs a checkpoint; train it with 'baselines train {name}'")
    method: Method = open_method(name, weights or UNTRAINED, device, **options)
    return method

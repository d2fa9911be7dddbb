"""The tables' own methods as `Method`s: which factory of which room answers, and with what options."""

from __future__ import annotations

from pathlib import Path

from models.method import Method

# Table 1 sweeps the indicator over 18 layers; a smaller generator has fewer and is swept over the same shares.
PAPER_LAYERS = 18


def scaled_indicator(indicator: int, layers: int) -> int:
    """The paper's i (of 18) at a generator of `layers` layers; the same number at 18.

    0 stays full stylisation, 18 stays the natural face, the order stays.
    """
    return round(indicator * layers / PAPER_LAYERS)


def blendgan(weights: Path | None, device: str, indicator: int = 0) -> Method:
    """BlendGAN with the paper's indicator, scaled to the generator's layers."""
    from models.blendgan_method import BlendGANMethod
    from models.pretrained import load_blendgan

    networks = load_blendgan(weights, device=device)
    return BlendGANMethod(networks, i=scaled_indicator(indicator, networks.generator.n_latent))


def _baseline(name: str, weights: Path | None, device: str) -> Method:
    from baselines.registry import open_method
    from suite.errors import SuiteError

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

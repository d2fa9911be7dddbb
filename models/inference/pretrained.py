"""BlendGAN ready for use: networks built to fit a checkpoint, found locally or fetched, or random ones to try things out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from models.networks.blendgan import BlendGAN
from models.networks.psp import PSPEncoder
from models.networks.style_encoder import StyleEncoder, unfold_weight
from models.networks.stylegan2 import channel_table
from models.weights import load_state, read_checkpoint
from models.weights.download import PAINTED, find, obtain
from models.weights.layouts import BLENDGAN, PSP, STYLE_ENCODER, settled_configuration
from suite.errors import SuiteError
from suite.files import sha256_file

CENTRE_DRAWS = 4096


@dataclass(frozen=True)
class Pretrained:
    """Networks in evaluation mode without gradients, on one device.

    Attributes:
        generator: BlendGAN.
        encoder: the style encoder; None where the checkpoint has none (latent-guided only).
        centre: (1, style_dim), the truncation centre.
        truncation: recommended by the checkpoint, else 0.75 as the published scripts use.
        origin: where the weights come from, for what is made with them: `weights`, `sha256`, `trained`.
    """

    generator: BlendGAN
    encoder: StyleEncoder | None
    centre: Tensor
    truncation: float
    origin: dict[str, Any]

    @property
    def device(self) -> torch.device:
        return self.generator.input.input.device

    @torch.inference_mode()
    def style_codes(self, pictures: Tensor) -> Tensor:
        """Style codes (N, style_code_dim) of (N, 3, H, W) in [-1, 1]; SuiteError without an encoder."""
        if self.encoder is None:
            raise SuiteError(f"{self.origin['weights']}: has no style encoder; styles from seeds (--style-seed) work")
        pictures = pictures.to(self.device)
        widths = self.encoder.embedder.widths
        if self.generator.style_code_dim == sum(width**2 for width in widths):
            return unfold_weight(self.encoder.embedder(pictures), widths)
        return self.encoder(pictures)

    def inversion_distance(self) -> nn.Module:
        """What the inversion of a face lessens: the best that is at hand (`models.inference.invert.best_distance`)."""
        from models.inference.invert import best_distance

        trained = self.encoder is not None and self.origin["trained"]
        trunk = self.encoder.embedder.feature_extractor if self.encoder is not None and trained else None
        return best_distance(find("alexnet"), trunk).to(self.device)


def load_blendgan(weights: Path | None, *, offline: bool = False, device: str = "cpu") -> Pretrained:
    """Build BlendGAN to fit a checkpoint.

    Args:
        weights: a checkpoint, a training checkpoint's folder, a folder with `blendgan.pt` (or .safetensors), or the
            name "painted" for the small model that comes with the package; None looks into the cache and downloads.
        offline: never touch the network.
        device: where the networks go.

    Raises:
        SuiteError: nothing there, or no BlendGAN generator in it.
    """
    path = _weights_file(weights, offline)
    checkpoint = read_checkpoint(path)
    state = checkpoint.part(BLENDGAN)
    if state is None:
        raise SuiteError(f"--weights {checkpoint}: a BlendGAN generator is expected")
    known = settled_configuration(state, path.name)
    inside = {key[len("embedder.") :]: value for key, value in state.items() if key.startswith("embedder.")}
    style_state = inside or checkpoint.part(STYLE_ENCODER)
    encoder = None
    if style_state:
        shape = settled_configuration(style_state, path.name)
        encoder = StyleEncoder(shape["style_dim"], shape["n_mlp"], shape["trunk_widths"], shape["trunk"])
        load_state(encoder, style_state, path.name)
    widths = {int(size): int(width) for size, width in known["widths"].items()}
    first = state.get("embedding.1.weight")
    if first is None or first.dim() != 2:
        raise SuiteError(f"{path.name}: a damaged BlendGAN generator: no embedding.1.weight of two axes")
    code = int(first.shape[1])
    generator = BlendGAN(known["size"], known["style_dim"], known["n_mlp"], widths, code)
    alone = {key: value for key, value in state.items() if not key.startswith("embedder.")}
    load_state(generator, alone, path.name)
    generator.load_metadata(checkpoint.facts)
    origin = {"weights": path.name, "sha256": sha256_file(path) if path.is_file() else "", "trained": True}
    return _ready(generator, encoder, checkpoint.latent_avg, checkpoint.truncation, origin, device)


def _weights_file(weights: Path | None, offline: bool) -> Path:
    """The file, or the training checkpoint's folder, that `load_blendgan` reads."""
    if weights is None:
        return obtain("blendgan", offline=offline)
    if weights.is_dir():
        if any(weights.glob("g_ema*.safetensors")):
            return weights
        inside = [weights / name for name in ("blendgan.safetensors", "blendgan.pt") if (weights / name).is_file()]
        if inside:
            return inside[0]
    # A folder of portraits may have the model's name (README makes one).
    if weights == Path(PAINTED):
        return obtain(PAINTED, offline=True)
    if weights.is_dir():
        raise SuiteError(
            f"--weights {weights}: a folder without blendgan.pt, blendgan.safetensors or g_ema.safetensors"
        )
    return weights


def random_blendgan(size: int, seed: int, *, width: int = 512, device: str = "cpu") -> Pretrained:
    """An untrained BlendGAN: its pictures are noise; it serves to try the way through the commands.

    Args:
        size: of the generator.
        seed: of every weight.
        width: most feature maps at any resolution.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = BlendGAN(size, channels=channel_table(2, width))
        encoder = StyleEncoder()
        with torch.no_grad():
            generator.add_weight.fill_(0.3)
            for name, parameter in generator.named_parameters():
                if name.endswith("noise.weight"):
                    parameter.fill_(0.1)
            # Untrained, the features of the trunk shrink from layer to layer, and Gram matrices are tiny.
            for layer in encoder.embedder.feature_extractor.modules():
                if isinstance(layer, torch.nn.Conv2d):
                    torch.nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            next(encoder.embedder_mlp.parameters()).mul_(500)
    origin = {"weights": f"RANDOM, seed {seed} (untrained, to try the command)", "sha256": "", "trained": False}
    return _ready(generator, encoder, None, None, origin, device)


def load_psp(path: Path | None, generator: BlendGAN, *, folder: Path | None = None) -> PSPEncoder | None:
    """The pSp encoder for a generator: from `path`, else from a local folder; None when none that fits is at hand.

    Raises:
        SuiteError: a file that is not pSp, or, given by `path`, writes another number of latents than the generator takes.
    """
    chosen, path = path, path or find("psp", folder)
    if path is None:
        return None
    checkpoint = read_checkpoint(path)
    state = checkpoint.part(PSP)
    if state is None:
        raise SuiteError(f"--psp {checkpoint}: a pSp encoder is expected")
    known = settled_configuration(state, path.name)
    styles, style_dim = known["n_styles"], known["style_dim"]
    if styles != generator.n_latent:
        if chosen is None:
            return None
        raise SuiteError(
            f"--psp {path.name}: writes {styles} latents; {generator.n_latent} are expected for {generator.size} px"
        )
    if checkpoint.latent_avg is None:
        raise SuiteError(f"--psp {path.name}: has no latent_avg, without which its codes mean nothing")
    encoder = PSPEncoder(styles, style_dim, tuple(known["trunk_widths"]))
    load_state(encoder.encoder, state, path.name)
    if checkpoint.latent_avg.numel() % style_dim or checkpoint.latent_avg.numel() not in (
        style_dim,
        styles * style_dim,
    ):
        raise SuiteError(
            f"--psp {path.name}: latent_avg has {checkpoint.latent_avg.numel()} numbers, {style_dim} expected"
        )
    encoder.latent_avg.copy_(checkpoint.latent_avg.reshape(-1, style_dim).expand(styles, style_dim))
    return encoder.to(generator.input.input.device).eval().requires_grad_(False)


def _ready(
    generator: BlendGAN,
    encoder: StyleEncoder | None,
    centre: Tensor | None,
    truncation: float | None,
    origin: dict[str, Any],
    device: str,
) -> Pretrained:
    if centre is not None and centre.numel() != generator.style_dim:
        raise SuiteError(
            f"{origin['weights']}: latent_avg has {centre.numel()} numbers, {generator.style_dim} expected"
        )
    generator.to(device).eval().requires_grad_(False)
    if encoder is not None:
        encoder.to(device).eval().requires_grad_(False)
    with torch.no_grad():
        middle = generator.mean_latent(CENTRE_DRAWS) if centre is None else centre.reshape(1, -1).to(device).float()
    return Pretrained(generator, encoder, middle, 0.75 if truncation is None else truncation, origin)

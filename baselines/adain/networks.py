"""AdaIN: Huang and Belongie, "Arbitrary Style Transfer in Real-time with Adaptive Instance Normalization", ICCV 2017.

https://arxiv.org/abs/1703.06868. The encoder is the *normalised* VGG-19 of that paper (mean activations rescaled to 1,
RGB in [0, 1], colour statistics folded into a first 1x1 convolution): torchvision's weights do not fit it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from baselines.adain.decoder import Decoder, mirrored, natural_noise
from baselines.adain.lite0 import Lite0Encoder, lite0_decoder
from baselines.adain.settings import AdaInSettings
from baselines.shapes import Parts, axis
from baselines.training_module import Networks

EPS = 1e-5
# Widths of VGG-19's convolutions as parts of 512; "M" halves the picture. The paper's encoder ends at relu4_1.
VGG = (1 / 8, 1 / 8, "M", 1 / 4, 1 / 4, "M", 1 / 2, 1 / 2, 1 / 2, 1 / 2, "M", 1, 1, 1, 1, "M", 1, 1, 1, 1)
RELU_1 = (4, 11, 18, 31)  # modules up to and with relu1_1, relu2_1, relu3_1, relu4_1


def encoder(width: int = 512) -> nn.Sequential:
    """The normalised VGG-19 to relu5_4: 53 modules, the first a 1x1 convolution of the colours. [0, 1] in."""
    layers: list[nn.Module] = [nn.Conv2d(3, 3, 1)]
    channels = 3
    for part in VGG:
        if isinstance(part, str):
            # ceil_mode keeps the last line of an odd side, as the published encoder does.
            layers.append(nn.MaxPool2d(2, 2, 0, ceil_mode=True))
            continue
        wide = int(part * width)
        layers += [nn.ReflectionPad2d(1), nn.Conv2d(channels, wide, 3), nn.ReLU(inplace=True)]
        channels = wide
    return nn.Sequential(*layers)


def decoder(width: int = 512) -> Decoder:
    """The mirror of the encoder to relu4_1 without norm layers (Sec. 5 and 7.1), nearest upsampling; linear output."""
    half, quarter, eighth = width // 2, width // 4, width // 8
    return mirrored(width, [half, "U", half, half, half, quarter, "U", quarter, eighth, "U", eighth])


@torch.no_grad()
def _standardise(layers: nn.Sequential, x: Tensor, mean: float = 0.0, deviation: float = 1.0) -> Tensor:
    """Orthogonal kernels, every channel before its ReLU of mean 0 and deviation 1 over `x`; the last as asked."""
    convolutions = [layer for layer in layers if isinstance(layer, nn.Conv2d)]
    for layer in layers:
        if isinstance(layer, nn.Conv2d) and layer.bias is not None:
            nn.init.orthogonal_(layer.weight)
            nn.init.zeros_(layer.bias)
            spread, centre = torch.std_mean(layer(x), (0, 2, 3))
            last = layer is convolutions[-1]
            gain = (deviation if last else 1.0) / spread
            layer.weight *= gain[:, None, None, None]
            layer.bias.copy_((mean if last else 0.0) - centre * gain)
        x = layer(x)
    return x


def random_encoder(vgg: nn.Sequential, seed: int = 0) -> None:
    """Random weights that keep what a picture shows: orthogonal, every channel before its ReLU of mean 0 and deviation 1.

    What the normalised VGG is to VGG, for weights that nobody trained: deep random layers otherwise answer every picture
    with nearly the same features, from which no decoder can draw. The deviations are taken over noise with the 1/f
    spectrum of natural pictures.
    """
    _standardise(vgg[: RELU_1[-1]], natural_noise(16, 64, seed))


def untrained(parts: Networks, seed: int = 0) -> None:
    """Weights that nobody trained, whose pictures show light and colour: `random_encoder`, and a decoder in the same way.

    A He start would leave [0, 1] in every pixel, which is black on a sheet.
    """
    noise = natural_noise(8, 64, seed)
    if "vgg" in parts:
        random_encoder(parts["vgg"], seed)
    else:
        parts["lite0"].pretrain()
    with torch.no_grad():
        coded = features(encoder_of(parts), noise)[-1]
        _standardise(parts["decoder"], adain(coded, coded.roll(1, 0)), mean=0.5, deviation=0.25)


def mean_std(features: Tensor) -> tuple[Tensor, Tensor]:
    """Per-channel mean and deviation over space, (N, C, 1, 1): unbiased variance plus 1e-5 under the root (Eq. 5, 6)."""
    var, mean = torch.var_mean(features, dim=(2, 3), keepdim=True)
    return mean, (var + EPS).sqrt()


def adain(content: Tensor, style: Tensor, alpha: float = 1.0) -> Tensor:
    """AdaIN(x, y) = sigma(y) (x - mu(x)) / sigma(x) + mu(y)  (Eq. 8), blended with the content by `alpha` (Eq. 14).

    Written as one multiply-add of the features: scale and shift hold both equations.
    """
    (mu_x, sigma_x), (mu_y, sigma_y) = mean_std(content), mean_std(style)
    gain = sigma_y / sigma_x
    scale = alpha * gain + (1 - alpha)  # Eq. 14
    return torch.addcmul(alpha * (mu_y - mu_x * gain), content, scale)  # Eq. 8


def interpolate(content: Tensor, styles: Tensor, weights: Sequence[float], alpha: float = 1.0) -> Tensor:
    """One content with several styles, weighted (Eq. 15): (1, C, H, W), (K, C, h, w) -> (1, C, H, W)."""
    share = torch.tensor(weights, dtype=content.dtype, device=content.device)
    mixed = adain(content.expand(len(styles), -1, -1, -1), styles)
    mixed = torch.einsum("k,kchw->chw", share, mixed)[None]
    return torch.lerp(content, mixed, alpha)


def coral(source: Tensor, target: Tensor) -> Tensor:
    """`source` recoloured with `target`'s channel means and covariance; both (3, H, W) in [0, 1].

    Correlation alignment (Sun et al. 2016) as style transfer uses it to keep the content's colours: whiten the style
    picture's standardised colours and colour them like the content's.
    """

    def parts(picture: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        flat = picture.flatten(1)
        std, mean = torch.std_mean(flat, dim=1, keepdim=True)
        flat = (flat - mean) / std
        return flat, mean, std, flat @ flat.T + torch.eye(3, dtype=flat.dtype, device=flat.device)

    def root(matrix: Tensor, power: float) -> Tensor:
        values, vectors = torch.linalg.eigh(matrix)
        return vectors @ torch.diag(values.pow(power)) @ vectors.T

    flat, _, _, source_cov = parts(source)
    _, mean, std, target_cov = parts(target)
    return ((root(target_cov, 0.5) @ root(source_cov, -0.5) @ flat) * std + mean).view_as(source)


def features(encoder: Any, picture: Tensor) -> list[Tensor]:
    """The maps that the losses look at, the last of them the content's: pictures in [0, 1] -> relu1_1, 2_1, 3_1, 4_1."""
    if not isinstance(encoder, nn.Sequential):
        maps: list[Tensor] = encoder(picture)
        return maps
    out, start = [], 0
    for stop in RELU_1:
        picture = encoder[start:stop](picture)
        out.append(picture)
        start = stop
    return out


def settings_in(parts: Parts) -> dict[str, Any]:
    """The settings that a published pair of files follows."""
    return {"width": axis(parts, "vgg", "29.weight", 0)}


def networks(settings: AdaInSettings) -> Networks:
    """What a checkpoint holds: `vgg` (all 53 modules, as published) or `lite0`, and `decoder`."""
    if settings.encoder == "lite0":
        return {"lite0": Lite0Encoder(), "decoder": lite0_decoder(settings.width)}
    return {"vgg": encoder(settings.width), "decoder": decoder(settings.width)}


def encoder_of(parts: Networks) -> Any:
    """The encoder among a method's networks."""
    return parts["lite0"] if "lite0" in parts else parts["vgg"]

"""One doubling of a generator's resolution: as a whole, or a band of rows at a time.

On a processor without derivatives a large feature map costs more in fresh memory, which the system clears page by page,
than in arithmetic. In bands the same few buffers are used again, and the last resolution's features are never stored.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.networks.layers import StyledConv, ToRGB
from ops.dispatch import choose
from ops.modulated_conv.reference import Resampling, convolve

Layers = tuple[StyledConv, StyledConv, ToRGB]

BAND_BYTES = 8 * 2**20  # of feature maps; an allocator keeps blocks of this size for the next band


def whole(
    layers: Layers,
    x: Tensor,
    picture: Tensor,
    latents: Tensor,
    noise_up: Tensor,
    noise: Tensor,
) -> tuple[Tensor, Tensor]:
    """Features (N, C, H, W) and picture (N, 3, H, W) so far -> both at (2 H, 2 W); latents are (N, 3, style_dim)."""
    conv_up, conv, to_rgb = layers
    x = conv_up(x, latents[:, 0], noise_up)
    x = conv(x, latents[:, 1], noise)
    return x, to_rgb(x, latents[:, 2], picture)


def band_rows(layers: Layers, x: Tensor) -> int:
    """How many rows of the doubled resolution make a band; 0 where bands do not pay."""
    if x.device.type != "cpu" or torch.is_grad_enabled() or choose("modulated_conv2d", x) == "reference":
        return 0
    height, width = 2 * x.shape[2], 2 * x.shape[3]
    rows = BAND_BYTES // (layers[1].conv.weight.shape[1] * width * x.element_size())
    return 0 if rows >= height else max(rows, 1)


@torch.no_grad()
def banded(
    layers: Layers,
    x: Tensor,
    picture: Tensor,
    latents: Tensor,
    noise_up: Tensor,
    noise: Tensor,
    rows: int,
    keep: bool,
) -> tuple[Tensor, Tensor]:
    """As `whole`, `rows` rows at a time; without `keep` the features come back empty, as nothing reads them."""
    count, height, width = len(x), 2 * x.shape[2], 2 * x.shape[3]
    channels = layers[1].conv.weight.shape[1] if keep else 0
    shape = (count, channels, height, width)
    features = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
    pictures = picture.new_empty((count, 3, height, width))
    for n in range(count):
        one = slice(n, n + 1)
        convolutions = (layers[0].conv, layers[1].conv, layers[2].conv)
        taps = [conv.filters(latents[one, k]).to(x.dtype) for k, conv in enumerate(convolutions)]
        noises = [part if len(part) == 1 else part[one] for part in (noise_up, noise)]
        for top in range(0, height, rows):
            band = slice(top, min(top + rows, height))
            y, colours = _band(layers, taps, x[one], picture[one], noises, band)
            if keep:
                features[one, :, band] = y
            pictures[one, :, band] = colours
    return features, pictures


def _band(
    layers: Layers,
    taps: list[Tensor],
    x: Tensor,
    picture: Tensor,
    noises: list[Tensor],
    band: slice,
) -> tuple[Tensor, Tensor]:
    """Rows `band` of one sample's features and picture.

    Each step is run on more rows than it has to give, and the rows next to a cut, which lack a neighbour, are dropped.
    """
    conv_up, conv, to_rgb = layers
    height = 2 * x.shape[2]
    needed = slice(max(band.start - 1, 0), min(band.stop + 1, height))  # by the 3x3 convolution
    below = slice(max((needed.start - 3) // 2, 0), (needed.stop + 4) // 2)  # by the enlarging one and its blur
    y = convolve(x[:, :, below], taps[0], 1, Resampling(2, 1, conv_up.conv.blur_kernel))
    y = conv_up.finish(_rows(y, needed, 2 * below.start), noises[0][:, :, needed])
    y = conv.finish(_rows(convolve(y, taps[1], 1), band, needed.start), noises[1][:, :, band])
    colours = to_rgb.finish(convolve(y, taps[2], 1))
    if to_rgb.upsample is not None:
        near = slice(max(band.start // 2 - 2, 0), band.stop // 2 + 2)
        colours = colours + _rows(to_rgb.upsample(picture[:, :, near]), band, 2 * near.start)
    return y, colours


def _rows(x: Tensor, wanted: slice, first: int) -> Tensor:
    """Rows `wanted` of the whole from `x`, which starts at row `first`."""
    return x[:, :, wanted.start - first : wanted.stop - first]

"""Folded resampling and one-pass normalisation of the baselines against the layers as the papers write them."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines import blocks
from baselines import fused_resample as folds
from baselines.drit import blocks as drit_blocks
from speed.run import Row, ratio

SIDE, WIDE, COUNT = 64, 128, 2
Layer = Callable[[Tensor], Tensor]


class Plain(nn.Module):
    """The layers one after another; weights are those of the folded form."""

    def __init__(self) -> None:
        super().__init__()
        self.three, self.five = (nn.Conv2d(WIDE, WIDE, k) for k in (3, 5))
        self.mix = drit_blocks.MixBlock(WIDE, WIDE)

    def up_5(self, x: Tensor) -> Tensor:
        return self.five(F.pad(F.interpolate(x, scale_factor=2), (2, 2, 2, 2), mode="reflect"))

    def up_3(self, x: Tensor) -> Tensor:
        return F.conv2d(F.interpolate(x, scale_factor=2), self.three.weight, self.three.bias, padding=1)

    def down_3(self, x: Tensor) -> Tensor:
        return F.avg_pool2d(F.conv2d(x, self.three.weight, self.three.bias, padding=1), 2)

    def mixed(self, x: Tensor, code: Tensor) -> Tensor:
        part = self.mix.blk1
        return F.relu(part["2"](F.relu(part["0"](drit_blocks.with_code(x, code)))))


def cases(scale: Tensor, shift: Tensor, code: Tensor) -> list[tuple[str, Layer, Layer]]:
    """(what, folded, plain); both sides run in the channels-last layout, as the methods do."""
    plain, ours = Plain(), Plain()
    ours.load_state_dict(plain.state_dict())
    for side in (ours, plain):
        side.to(memory_format=torch.channels_last)
    three, five, mix = ours.three, ours.five, ours.mix

    def adain_in_three(x: Tensor) -> Tensor:
        return (1 + scale[..., None, None]) * F.instance_norm(x) + shift[..., None, None]

    return [
        (
            "nearest x2, 5x5, reflected border (MUNIT, FUNIT)",
            lambda x: folds.upsample_then_reflect_conv(x, five.weight, five.bias),
            plain.up_5,
        ),
        (
            "nearest x2, 3x3 (StarGAN v2 decoder)",
            lambda x: folds.upsample_then_conv(x, three.weight, three.bias),
            plain.up_3,
        ),
        (
            "3x3, mean of 2x2 (StarGAN v2 encoders)",
            lambda x: folds.conv_then_pool(x, three.weight, three.bias, 1),
            plain.down_3,
        ),
        ("AdaIN (StarGAN v2)", lambda x: blocks.instance_norm(x, 1 + scale, shift), adain_in_three),
        ("code mixed by 1x1 (DRIT++)", lambda x: mix._mix(mix.blk1, x, code), lambda x: plain.mixed(x, code)),
    ]


def both_ways(layer: Layer, x: Tensor) -> Callable[[], object]:
    """One forward and one backward pass, to the picture and to the weights."""

    def run() -> None:
        out = layer(x.detach().requires_grad_())
        out.backward(torch.ones_like(out))

    return run


def without_gradients(layer: Layer, x: Tensor) -> Callable[[], object]:
    """One forward pass."""
    return torch.no_grad()(lambda: layer(x))


def rows() -> list[Row]:
    """Forward, and forward with backward, at the sizes of a 128 px decoder; both sides give the same to rounding."""
    torch.manual_seed(0)
    x = torch.randn(COUNT, WIDE, SIDE, SIDE).contiguous(memory_format=torch.channels_last)
    scale, shift, code = torch.randn(3, COUNT, WIDE)
    out = []
    for what, ours, plain in cases(scale, shift, code):
        for way, passes, rounds in (("forward", without_gradients, 7), ("forward and backward", both_ways, 5)):
            faster, _, _ = ratio(passes(ours, x), passes(plain, x), rounds)
            note = "the layers one after another, both sides channels-last"
            title = f"{what}, {way}, {COUNT} x {WIDE} x {SIDE} x {SIDE}"
            out.append(Row(title, faster, "x faster", "at least 1.3", note, faster >= 1.3))
    return out

"""Folded resampling and one-pass normalisation of the baselines against the layers as the papers write them."""

from __future__ import annotations

import torch
import torch.nn.functional as F

from baselines import blocks, drit_blocks
from bench.run import Row, ratio

SIDE, WIDE = 64, 128


def rows() -> list[Row]:
    """Forward passes at the sizes of a 128 to 256 px decoder; both sides give the same numbers to rounding."""
    torch.manual_seed(0)
    x = torch.randn(2, WIDE, SIDE, SIDE)
    bias = torch.randn(WIDE)
    three, five = (torch.randn(WIDE, WIDE, k, k) / (k * WIDE**0.5) for k in (3, 5))
    scale, shift = torch.randn(2, 2, WIDE)
    mix = drit_blocks.MixBlock(WIDE, WIDE)
    code = torch.randn(2, WIDE)

    def norm_in_three() -> torch.Tensor:
        return (1 + scale[..., None, None]) * F.instance_norm(x) + shift[..., None, None]

    def mixed_in_full() -> torch.Tensor:
        wide = drit_blocks.with_code(x, code)
        return F.relu(F.conv2d(F.relu(mix.blk1["0"](wide)), mix.blk1["2"].weight, mix.blk1["2"].bias))

    def enlarged() -> torch.Tensor:
        return F.interpolate(x, scale_factor=2)

    cases = [
        (
            "nearest x2, 5x5, reflected border (MUNIT, FUNIT)",
            lambda: blocks.upsample_then_reflect_conv(x, five, bias),
            lambda: F.conv2d(F.pad(enlarged(), (2, 2, 2, 2), mode="reflect"), five, bias),
        ),
        (
            "nearest x2, 3x3 (StarGAN v2 decoder)",
            lambda: blocks.upsample_then_conv(x, three, bias),
            lambda: F.conv2d(enlarged(), three, bias, padding=1),
        ),
        (
            "3x3, mean of 2x2 (StarGAN v2 encoders)",
            lambda: blocks.conv_then_pool(x, three, bias, 1),
            lambda: F.avg_pool2d(F.conv2d(x, three, bias, padding=1), 2),
        ),
        ("AdaIN (StarGAN v2)", lambda: blocks.instance_norm(x, 1 + scale, shift), norm_in_three),
        ("code mixed by 1x1 (DRIT++)", lambda: mix._mix(mix.blk1, x, code), mixed_in_full),
    ]
    out = []
    with torch.no_grad():
        for what, ours, plain in cases:
            faster, _, _ = ratio(ours, plain, rounds=9)
            note = "the layers one after another"
            out.append(
                Row(f"{what}, {WIDE} x {SIDE} x {SIDE}", faster, "x faster", "at least 1.3", note, faster >= 1.3)
            )
    return out

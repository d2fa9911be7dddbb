"""Operators: the form chosen for this device against the plain reference, in turn."""

from __future__ import annotations

import torch

from ops.bias_act import bias_act
from ops.dispatch import layout, use
from ops.modulated_conv import modulated_conv2d
from ops.upfirdn2d import fir_kernel, upfirdn2d
from speed.run import Row, ratio


def rows() -> list[Row]:
    """Without derivatives, float32, at the sizes of a 256 px generator."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.manual_seed(0)
    x = torch.randn(1, 128, 256, 256, device=device).contiguous(memory_format=layout(device))
    half = torch.randn(1, 256, 128, 128, device=device).contiguous(memory_format=layout(device))
    picture = torch.randn(4, 3, 128, 128, device=device)
    b, style = torch.randn(128, device=device), torch.randn(1, 256, device=device)
    weight = torch.randn(128, 256, 3, 3, device=device)
    blur, up = fir_kernel().to(device), fir_kernel(gain=4).to(device)
    work = {
        "bias_act, 128 x 256 x 256": lambda: bias_act(x, b),
        "upfirdn2d blur, 128 x 256 x 256": lambda: upfirdn2d(x, blur, 1, 1, (1, 1)),
        "upfirdn2d up 2, 4 x 3 x 128 x 128": lambda: upfirdn2d(picture, up, 2, 1, (2, 1)),
        "modulated_conv2d up 2, 256 x 128 x 128 to 128": lambda: modulated_conv2d(half, weight, style, up=2, kernel=up),
    }
    table = []
    for what, call in work.items():

        def ours(call=call):  # type: ignore[no-untyped-def]
            with torch.no_grad():
                call()
                if device.type == "cuda":
                    torch.cuda.synchronize()

        def plain(ours=ours):  # type: ignore[no-untyped-def]
            with use("reference"):
                ours()

        times, own, other = ratio(ours, plain)
        table.append(
            Row(what, times, "x faster", note=f"plain reference, {own * 1e3:.1f} ms against {other * 1e3:.1f} ms")
        )
    return table

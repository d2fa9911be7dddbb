"""The card's two ceilings, and each kernel against its bytes and against PyTorch's own way."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor

from ops.bias_act import bias_act
from ops.bias_act.autograd import Curve
from ops.dispatch import use
from ops.gram import gram
from ops.modulated_conv import modulated_conv2d
from ops.upfirdn2d import fir_kernel, upfirdn2d
from ops.upfirdn2d.geometry import geometry
from speed.gpu.clock import seconds
from speed.gpu.record import Run
from speed.run import Row

LEAST_SHARE = 80  # % of the copy's bandwidth
FORMATS = {"contiguous": torch.contiguous_format, "channels last": torch.channels_last}


def measure(run: Run) -> None:
    """Ceilings first: the shares are of them."""
    run.take("ceilings", lambda: ceilings(run))
    for dtype in (torch.float32, torch.bfloat16):
        for layout, memory_format in FORMATS.items():
            title = f"{str(dtype).removeprefix('torch.')}, {layout}"
            run.take(f"kernels, {title}", partial(_kernels, run, dtype, memory_format, title))
            run.take(f"operators, {title}", partial(_operators, run, dtype, memory_format, title))


def copy_bandwidth(run: Run) -> float:
    """Bytes read and written a second by a copy within the device."""
    a = torch.randn(run.size(2**28, 2**12), device=run.device)
    b = torch.empty_like(a)
    return 2 * a.numel() * a.element_size() / seconds(lambda: b.copy_(a), run.device, run.spend(1.0))


def ceilings(run: Run) -> list[Row]:
    """Copy bandwidth, and the rate of a large matrix product in bfloat16 and in float32 with TF32."""
    out = [Row("copy bandwidth", copy_bandwidth(run) / 1e12, "TB/s", note="bytes read and written")]
    side = run.size(8192, 64)
    for name, dtype, tf32 in (("bfloat16", torch.bfloat16, False), ("TF32", torch.float32, True)):
        a, b = torch.randn(2, side, side, device=run.device, dtype=dtype)
        torch.backends.cuda.matmul.allow_tf32 = tf32
        rate = 2 * side**3 / seconds(partial(torch.mm, a, b), run.device, run.spend(1.0))
        torch.backends.cuda.matmul.allow_tf32 = False
        out.append(Row(f"matrix rate, {name}", rate / 1e12, "TFLOP/s", note=f"{side} x {side}, random numbers"))
    return out


@dataclass(frozen=True)
class Kernel:
    """A kernel with the bytes that it must move."""

    what: str
    work: Callable[[], object]
    bytes: int


def _maps(run: Run, dtype: torch.dtype, memory_format: torch.memory_format) -> Tensor:
    """Feature maps of a 512 px layer, 0.5 to 1 GB: far more than any cache."""
    shape = (run.size(8, 1), run.size(128, 4), run.size(512, 8), run.size(512, 8))
    return torch.randn(shape, device=run.device, dtype=dtype).contiguous(memory_format=memory_format)


def _kernels(run: Run, dtype: torch.dtype, memory_format: torch.memory_format, title: str) -> list[Row]:
    from ops.bias_act import triton as act
    from ops.modulated_conv.triton import scale_channels
    from ops.triton_common import BLOCK
    from ops.upfirdn2d.triton import upfirdn2d_triton

    x = _maps(run, dtype, memory_format)
    once = x.numel() * x.element_size()
    y = torch.randn_like(x)
    b, s = torch.randn(x.shape[1], device=x.device, dtype=dtype), torch.randn(x.shape[:2], device=x.device, dtype=dtype)
    noise = torch.randn(len(x), 1, *x.shape[2:], device=x.device, dtype=dtype)
    curve = Curve(0.2, 2**0.5, None)
    blur, up = (fir_kernel(gain=gain).to(x.device) for gain in (1, 4))
    small = x[..., ::2, ::2].contiguous(memory_format=memory_format)
    kernels = [
        Kernel("bias_act with noise, forward", lambda: act.forward(x, b, noise, curve), 2 * once),
        Kernel("bias_act, backward", lambda: act.backward(y, x, curve), 3 * once),
        Kernel("upfirdn2d blur", lambda: upfirdn2d_triton(x, blur, geometry(1, 1, (2, 1))), 2 * once),
        Kernel("upfirdn2d up 2", lambda: upfirdn2d_triton(small, up, geometry(2, 1, (2, 1))), 5 * once // 4),
        Kernel("upfirdn2d down 2", lambda: upfirdn2d_triton(x, blur, geometry(1, 2, (1, 1))), 5 * once // 4),
        Kernel("scale_channels, forward", lambda: scale_channels(x, s), 2 * once),
        Kernel("channel_dot, its backward", lambda: torch.ops.aahq.channel_dot(x, y, BLOCK), 2 * once),
    ]
    bandwidth = copy_bandwidth(run)
    out = []
    with torch.no_grad():
        for kernel in kernels:
            took = seconds(kernel.work, run.device, run.spend(0.3))
            share = 100 * kernel.bytes / took / bandwidth
            note = f"{kernel.bytes / 1e9:.2f} GB in {took * 1e3:.2f} ms"
            met = share >= LEAST_SHARE
            what = f"{kernel.what}, {title}"
            out.append(Row(what, share, "% of the copy's bandwidth", f"at least {LEAST_SHARE}", note, met))
    return out


def _operators(run: Run, dtype: torch.dtype, memory_format: torch.memory_format, title: str) -> list[Row]:
    """The chosen form against the plain one, forward and backward together."""
    x = _maps(run, dtype, memory_format)[: run.size(4, 1)]
    few = x[:, :, ::2, ::2].contiguous(memory_format=memory_format)
    width = x.shape[1]
    b = torch.randn(width, device=x.device, dtype=dtype, requires_grad=True)
    blur, up = (fir_kernel(gain=gain).to(x.device) for gain in (1, 4))
    weight = torch.randn(width, width, 3, 3, device=x.device, dtype=dtype, requires_grad=True)
    style = torch.randn(len(x), width, device=x.device, dtype=dtype, requires_grad=True)
    works: list[tuple[str, Callable[[Tensor], Tensor], Tensor]] = [
        ("bias_act", lambda x: bias_act(x, b), x),
        ("upfirdn2d blur", lambda x: upfirdn2d(x, blur, 1, 1, (2, 1)), x),
        ("upfirdn2d up 2", lambda x: upfirdn2d(x, up, 2, 1, (2, 1)), few),
        ("modulated_conv2d", lambda x: modulated_conv2d(x, weight, style), few),
        ("modulated_conv2d up 2", lambda x: modulated_conv2d(x, weight, style, up=2, kernel=up), few),
        ("gram", gram, few),
    ]
    out = []
    for what, call, maps in works:
        times = [seconds(partial(_both_ways, call, maps, plain), run.device, run.spend(0.3)) for plain in (True, False)]
        faster = times[0] / times[1]
        note = f"plain PyTorch, {times[0] * 1e3:.2f} ms against {times[1] * 1e3:.2f} ms"
        if faster < 1:
            note += "; it loses: enter it in NOT_FASTER of ops/dispatch.py"
        out.append(Row(f"{what}, forward and backward, {title}", faster, "x faster", "at least 1", note, faster >= 1))
    return out


def _both_ways(call: Callable[[Tensor], Tensor], x: Tensor, plain: bool) -> None:
    leaf = x.detach().requires_grad_()
    if plain:
        with use("reference"):
            y = call(leaf)
    else:
        y = call(leaf)
    y.backward(y.detach())

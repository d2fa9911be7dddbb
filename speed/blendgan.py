"""BlendGAN's networks: forward and training step against the repository's own plain reference path, in turn."""

from __future__ import annotations

import torch
from torch import nn

from models.networks.blendgan import BlendGAN
from models.networks.discriminators import Discriminator
from models.training.losses import d_logistic, g_nonsaturating, r1
from ops.dispatch import use
from speed.run import Row, ratio

STEP_SIZE, STEP_BATCH = 256, 1


def rows() -> list[Row]:
    """Forward at 256 and 1024 px, and one training-type step at 256 px, one picture each.

    At 64 px a step is convolutions 512 wide and little else, which both sides run alike.
    """
    return [_forward(256, 1.5), _forward(1024, 2.5), _step()]


def _forward(size: int, target: float) -> Row:
    torch.manual_seed(0)
    net = BlendGAN(size).eval()
    z = torch.randn(1, 512)

    @torch.no_grad()
    def ours() -> None:
        net(z, z_style=z, i=6)

    def plain() -> None:
        with use("reference"):
            ours()

    times, own, other = ratio(ours, plain, rounds=3)
    note = f"plain reference path, {own:.2f} s against {other:.2f} s"
    return Row(f"generator forward, {size} px, float32", times, "x faster", f"at least {target}", note, times >= target)


def _step() -> Row:
    torch.manual_seed(0)
    g, d = BlendGAN(STEP_SIZE), Discriminator(STEP_SIZE)
    z, real = torch.randn(STEP_BATCH, 512), torch.randn(STEP_BATCH, 3, STEP_SIZE, STEP_SIZE).clamp(-1, 1)

    def ours() -> None:
        _clear(g, d)
        g_nonsaturating(d(g(z, z_style=z)[0])).backward()
        d_logistic(d(real), d(g(z, z_style=z)[0].detach())).backward()
        x = real.clone().requires_grad_()
        r1(d(x), x).backward()

    def plain() -> None:
        with use("reference"):
            ours()

    times, own, other = ratio(ours, plain, rounds=3)
    note = f"plain reference path, {own:.2f} s against {other:.2f} s"
    what = f"forward, backward and R1, {STEP_SIZE} px, batch {STEP_BATCH}"
    return Row(what, times, "x faster", "at least 1.5", note, times >= 1.5)


def _clear(*nets: nn.Module) -> None:
    for net in nets:
        net.zero_grad(set_to_none=True)

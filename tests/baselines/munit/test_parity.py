from __future__ import annotations

import pytest
import torch

from baselines.munit import networks as munit
from baselines.munit import training
from baselines.munit.settings import MunitSettings
from tests.baselines.parity import Case, close

# Filling a full-size network by the recipe takes seconds.
pytestmark = pytest.mark.slow


def test_generator(golden):
    case = Case(golden / "munit_gen.safetensors")
    a, b = case.filled("a", munit.AdaInGen()), case.filled("b", munit.AdaInGen())
    x_a, x_b, s = (case.ins[name] for name in ("x_a", "x_b", "s_rand"))
    with torch.no_grad():
        content, style_a = a.encode(x_a)
        case.check("content_a", content)
        case.check("style_a", style_a)
        case.check("style_b", b.encode(x_b)[1])
        case.check("recon_a", a(x_a))
        case.check("adain_params", b.mlp(s))
        case.check("ab_latent", b.decode(content, s))
        case.check("ab_latent_b1", b.decode(content[:1], s[:1]))
        case.check("ab_ref", b.decode(content, b.encode(x_b)[1]))
    print(f"munit_gen worst {case.worst:.1e}")


def test_discriminator(golden):
    case = Case(golden / "munit_dis.safetensors")
    with torch.no_grad():
        for gan in ("lsgan", "nsgan"):
            dis = case.filled("dis", munit.MultiScaleDis(gan=gan))
            for scale, response in enumerate(dis(case.ins["fake"])):
                case.check(f"fake_scale{scale}", response)
            case.check(f"dis_loss_{gan}", dis.dis_loss(case.ins["fake"], case.ins["real"]))
            case.check(f"gen_loss_{gan}", dis.gen_loss(case.ins["fake"]))
    print(f"munit_dis worst {case.worst:.1e}")


def test_losses(golden):
    case = Case(golden / "munit_losses.safetensors")
    nets = {}
    for name in ("a", "b"):
        nets[f"gen_{name}"] = case.filled(f"gen_{name}", munit.AdaInGen(16, 32))
        nets[f"dis_{name}"] = case.filled(f"dis_{name}", munit.MultiScaleDis(16, 3, 2))
    part = {"a": case.ins["x_a"], "b": case.ins["x_b"], "s_a": case.ins["s_a"], "s_b": case.ins["s_b"]}
    with torch.no_grad():
        dis = training.discriminator_losses(nets, part)
        gen = training.generator_losses(nets, part, cycle=True)
    for name in ("dis_a", "dis_b"):
        close(dis[name], case.outs[f"loss_{name}"], name, case)
    close(dis["dis_a"] + dis["dis_b"], case.outs["loss_dis_total"], "dis_total", case)
    for name, value in gen.items():
        close(value, case.outs[f"loss_gen_{name}"], name, case)
    settings = MunitSettings(size=64, steps=1, batch=2, cycle_w=10.0)
    close(training.weigh(gen, settings), case.outs["loss_gen_total"], "gen_total", case)
    print(f"munit_losses worst {case.worst:.1e}")

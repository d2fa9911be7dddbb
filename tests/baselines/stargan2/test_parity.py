from __future__ import annotations

import pytest
import torch

from baselines.stargan2 import fan
from baselines.stargan2 import networks as stargan2
from baselines.stargan2 import training as stargan2_training
from baselines.stargan2.settings import StarGan2Settings
from tests.baselines.parity import Case, close

# Filling a full-size network by the recipe takes seconds.
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("variant", ["s256_hpf0", "s256_hpf1", "s64_hpf0", "s64_hpf1"])
def test_generator(golden, variant):
    case = Case(golden / "starganv2_generator.safetensors")
    size, w_hpf = int(variant[1:].split("_")[0]), int(variant[-1])
    net = case.filled(variant, stargan2.Generator(size, w_hpf=w_hpf))
    x, style = case.ins[f"{variant}/x"], case.ins[f"{variant}/s"]
    with torch.no_grad():
        case.check(f"{variant}/bottleneck", net.encoded(x)[0])
        if w_hpf:
            masks = (case.ins[f"{variant}/mask0"], case.ins[f"{variant}/mask1"])
            case.check(f"{variant}/y", net(x, style, masks))
            case.check(f"{variant}/y_nomask", net(x, style))
        else:
            case.check(f"{variant}/y", net(x, style))
    print(f"stargan2 {variant} worst {case.worst:.1e}")


def test_heads(golden):
    case = Case(golden / "starganv2_heads.safetensors")
    mapping = case.filled("mapping_network", stargan2.MappingNetwork())
    with torch.no_grad():
        case.check("s_latent", mapping(case.ins["z"], case.ins["y"]))
        case.check("s_all_domains", mapping.every(case.ins["z"]))
        for size in (256, 64):
            encoder = case.filled(f"style_encoder_s{size}", stargan2.StyleEncoder(size))
            dis = case.filled(f"discriminator_s{size}", stargan2.Discriminator(size))
            x, y = case.ins[f"x{size}"], case.ins[f"y{size}"]
            case.check(f"s_ref_s{size}", encoder(x, y))
            case.check(f"d_s{size}", dis(x, y))
    print(f"stargan2 heads worst {case.worst:.1e}")


def test_losses(golden):
    case = Case(golden / "starganv2_losses.safetensors")
    settings = StarGan2Settings(size=64, steps=1, batch=2)
    nets = stargan2.networks(settings) | {"discriminator": stargan2.Discriminator(64)}
    nets = {name: case.filled(name, net) for name, net in nets.items()}
    ins = case.ins
    base = {"x": ins["x_real"], "y_org": ins["y_org"], "y_trg": ins["y_trg"]}
    parts = {
        "latent": base | {"z": ins["z_trg"], "z2": ins["z_trg2"]},
        "ref": base | {"ref": ins["x_ref"], "ref2": ins["x_ref2"]},
    }
    for name, part in parts.items():
        d, g = stargan2_training.discriminator_losses(nets, part), stargan2_training.generator_losses(nets, part)
        for key, value in d.items():
            close(value, case.outs[f"d_{name}/{key}"], f"d_{name}/{key}", case)
        for key, value in g.items():
            close(value, case.outs[f"g_{name}/{key}"], f"g_{name}/{key}", case)
        close(d["real"] + d["fake"] + d["reg"], case.outs[f"d_{name}/total"], "d total", case)
        close(g["adv"] + g["sty"] - g["ds"] + g["cyc"], case.outs[f"g_{name}/total"], "g total", case)
    print(f"stargan2 losses worst {case.worst:.1e}")


def test_landmark_masks(golden):
    case = Case(golden / "starganv2_fan.safetensors")
    net = case.filled("fan", fan.Fan())
    case.check("heatmap", net.heatmaps(case.ins["x"]))
    grid = torch.arange(64.0)
    x, y = (case.ins["centres"][..., i, None, None] for i in (0, 1))
    heat = torch.exp(-((grid[None, None, None] - x) ** 2 + (grid[None, None, :, None] - y) ** 2) / (2 * 1.3**2))
    large = torch.nn.functional.interpolate(heat, scale_factor=4, mode="bilinear", align_corners=True)
    for number, mask in enumerate(fan.masks(large)):
        case.check(f"mask{number}", mask)
    print(f"fan worst {case.worst:.1e}")

from __future__ import annotations

import pytest
import torch

from baselines.drit import base as two_paths
from baselines.drit import blocks
from baselines.drit import networks as drit
from baselines.drit import training as drit_training
from baselines.drit.blocks import PowerConv
from baselines.drit.settings import DritSettings
from baselines.mdmm import networks as mdmm
from tests.baselines.parity import Case, close

# Filling a full-size network by the recipe takes seconds.
pytestmark = pytest.mark.slow


@pytest.mark.parametrize("concat", [True, False])
def test_two_domains(golden, concat):
    case = Case(golden / ("drit_concat.safetensors" if concat else "drit_featurewise.safetensors"))
    nets = drit.networks(DritSettings(size=216, steps=1, batch=2, concat=concat))
    nets = {name: case.filled(name, net) for name, net in nets.items()}
    zero = torch.zeros(1, 8)
    with torch.no_grad():
        codes, contents = {}, {}
        for x in "ab":
            contents[x] = nets["enc_c"].of(x, case.ins[x])
            case.check(f"content_{x}", contents[x])
            codes[x], moments = drit.attribute(nets["enc_a"], x, case.ins[x], case.ins.get(f"eps_{x}", zero))
            for name, value in zip(("mu", "logvar") if concat else ("attr",), moments):
                case.check(f"{name}_{x}", value)
        for x, y in ("ab", "ba"):
            case.check(f"{x}2{y}_random", nets["gen"].into(y, contents[x], case.ins["z_random"]))
            case.check(f"{x}2{y}_transfer", nets["gen"].into(y, contents[x], codes[y]))
    print(f"drit concat={concat} worst {case.worst:.1e}")


def test_discriminators(golden):
    case = Case(golden / "drit_dis.safetensors")
    images = case.ins["x"]
    with torch.no_grad():
        net = case.filled("multiscale", drit.MultiScaleDis())
        for scale, response in enumerate(net(images)):
            case.check(f"multiscale/{scale}", response)
        net = case.filled("multiscale_sn", drit.MultiScaleDis(scales=2, spectral=True))
        # In the published code the buffer `weight` shares its memory with `weight_orig` until the first training step, so
        # that loading a state dict leaves `weight` in both; ours keeps them apart, or a resumed run would drift.
        for layer in net.modules():
            if isinstance(layer, PowerConv):
                layer.weight_orig.copy_(layer.weight)
        for mode in ("multiscale_sn", "multiscale_sn_train"):
            net.train(mode.endswith("train"))
            for scale, response in enumerate(net(images)):
                case.check(f"{mode}/{scale}", response)
        case.check("multiscale_sn_train/u_first", net.Diss[0][0].model["1"].weight_u)
        case.check("multiscale_sn_train/u_last", net.Diss[-1][-1].weight_u)
        case.check("single/0", case.filled("single", drit.SingleDis())(images)[0])
        case.check("content/0", case.filled("content", drit.ContentDis())(case.ins["c"]))
    print(f"drit_dis worst {case.worst:.1e}")


def test_losses(golden):
    case = Case(golden / "drit_losses.safetensors")
    settings = DritSettings(size=216, steps=1, batch=2)
    nets = {n: case.filled(n, net) for n, net in (drit.networks(settings) | drit.discriminators(settings)).items()}
    part = {"z": case.ins["z_random"], "z2": case.ins["z_random2"]}
    part |= {name: case.ins[name] for name in ("eps_a", "eps_b", "eps_recon_a", "eps_recon_b")}
    for x in "ab":
        images = case.ins[x.upper()]
        part |= {x: images[:1], f"{x}_random": images[1:]}
    with torch.no_grad():
        made = drit_training.translate(nets, part)
        judged = drit_training.discriminator_losses(nets, part, made)
        first = drit_training.encoded_losses(nets, part, made)
        second = drit_training.random_losses(nets, part, made)
    for name, value in (judged | first | second).items():
        close(value, case.outs[name], name, case)
    close(two_paths.total(first), case.outs["G_loss"], "G_loss", case)
    case.check("fake_A_encoded", made["encoded_a"])
    case.check("fake_B_random", made["random_b"])
    case.check("fake_A_recon", made["recon_a"])
    unseen = {name.split("@")[0] for name in case.outs} - {*judged, *first, *second}
    assert unseen == {"G_loss", "fake_A_encoded", "fake_B_random", "fake_A_recon"}
    print(f"drit_losses worst {case.worst:.1e}")


@pytest.mark.parametrize("concat", [True, False])
def test_several_domains(golden, concat):
    case = Case(golden / ("mdmm_concat.safetensors" if concat else "mdmm_featurewise.safetensors"))
    settings = mdmm.MdmmSettings(size=216, steps=1, batch=2, concat=concat)
    nets = mdmm.networks(settings) | {
        name: net for name, net in mdmm.discriminators(settings).items() if name != "dis2"
    }
    nets = {name: case.filled(name, net) for name, net in nets.items()}
    x, c_org, c_trg = (case.ins[name] for name in ("x", "c_org", "c_trg"))
    with torch.no_grad():
        content, moments = nets["enc_c"](x), nets["enc_a"](x, c_org)
        case.check("content", content)
        for name, value in zip(("mu", "logvar") if concat else ("attr",), moments):
            case.check(name, value)
        code = blocks.sampled(moments, case.ins["eps"]) if concat else moments[0]
        case.check("random", nets["gen"](content, case.ins["z_random"], c_trg))
        case.check("transfer", nets["gen"](content, code, c_trg))
        source, domain = nets["dis1"](x)
        case.check("dis_src", source)
        case.check("dis_cls", domain)
        case.check("dis_content", nets["disContent"](content))
    print(f"mdmm concat={concat} worst {case.worst:.1e}")

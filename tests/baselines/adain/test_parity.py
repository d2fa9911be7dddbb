from __future__ import annotations

import pytest
import torch

from baselines.adain import networks as adain
from baselines.adain import training as adain_training
from tests.baselines.parity import Case, close

# Filling a full-size network by the recipe takes seconds.
pytestmark = pytest.mark.slow


def test_golden(golden):
    case = Case(golden / "adain.safetensors")
    vgg, dec = case.filled("vgg", adain.encoder()), case.filled("decoder", adain.decoder())
    ins, alpha, mix = case.ins, case.meta["ctor"]["alpha"], case.meta["ctor"]["interpolation_weights"]
    with torch.no_grad():
        for number, feature in enumerate(adain.features(vgg, ins["style"]), 1):
            case.check(f"style_relu{number}_1", feature)
        content, style = vgg[:31](ins["content"]), vgg[:31](ins["style"])
        case.check("adain", adain.adain(content, style))
        case.check("alpha1", dec(adain.adain(content, style)))
        case.check("alpha", dec(adain.adain(content, style, alpha)))
        mixed = adain.interpolate(vgg[:31](ins["content4"]), vgg[:31](ins["style4"]), mix, alpha)
        case.check("interp", dec(mixed))
        case.check("full_vgg_relu5_4", vgg(ins["content"]))
        case.check("coral", adain.coral(ins["style"][0], ins["content"][0]))
        for suffix, strength in (("", 1.0), ("_alpha", alpha)):
            found = adain_training.losses(vgg, dec, ins["content"], ins["style_l"], strength)
            close(found["content"], case.outs[f"loss_content{suffix}"], "content", case)
            close(found["style"], case.outs[f"loss_style{suffix}"], "style", case)
    print(f"adain worst {case.worst:.1e}")

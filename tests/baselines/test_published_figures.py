"""Parity on any clone: a few outputs of the published code, over weights and inputs made by the recipe from key names."""

from __future__ import annotations

import pytest
import torch

from baselines import blocks
from baselines.adain import networks as adain
from baselines.adain import training as adain_training
from baselines.drit import networks as drit
from baselines.drit.settings import DritSettings
from baselines.funit import networks as funit
from baselines.funit import training as funit_training
from baselines.mdmm import networks as mdmm
from baselines.mdmm.settings import MdmmSettings
from baselines.munit import networks as munit
from baselines.stargan2 import networks as stargan2
from tests import golden_recipe as recipe

# Published figures carry 7 digits of float32 results, whose own rounding noise stays below 1e-5 of them.
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def filled(network, salt, gain=2**0.5):
    network.load_state_dict(recipe.fill(network.state_dict(), salt=salt, gain=gain))
    return network.eval()


def image(name, shape, salt, kind="image"):
    return recipe.make_input(kind, shape, name, salt)


def test_funit_losses():
    salt = "public-funit_losses-"
    gen = filled(funit.FewShotGen(16, 32, 16), salt)
    dis = filled(funit.ClassDis(16, 6, 5), salt, 1.0)
    part = {name: image(name, (2, 3, 64, 64), salt) for name in ("xa", "xb")}
    part |= {"la": torch.tensor([0, 3]), "lb": torch.tensor([2, 1])}
    g, d = funit_training.generator_losses(gen, dis, part), funit_training.discriminator_losses(gen, dis, part)
    total = g["adv"] + 0.1 * g["x_rec"] + g["c_rec"] + g["m_rec"]
    torch.testing.assert_close(total, torch.tensor(0.3114057), **CLOSE)
    torch.testing.assert_close(d["fake"] + d["real"] + 10 * d["reg"], torch.tensor(2.0133822), **CLOSE)


def test_munit_reconstruction():
    salt = "public-munit_losses-"
    gens = {x: filled(munit.AdaInGen(16, 32), f"{salt}gen_{x}-") for x in "ab"}
    x_a = image("x_a", (2, 3, 64, 64), salt)
    with torch.no_grad():
        recon = blocks.l1(gens["a"](x_a), x_a)
    # loss_gen_recon_x_a of the published trainer.
    torch.testing.assert_close(recon, torch.tensor(0.683414), **CLOSE)


def test_stargan2_mapping():
    mapping = filled(stargan2.MappingNetwork(), "public-starganv2_heads-")
    z = [0.9660933017730713, 1.1065372228622437, 1.4973869323730469, -0.04475938156247139, -0.3697435259819031]
    z += [-1.027378797531128, -1.4913820028305054, -1.1769057512283325, -0.2828095555305481, 0.3519454300403595]
    z += [-0.6505371928215027, -0.0862569510936737, 0.41207990050315857, -1.844306468963623, -0.2417820245027542]
    with torch.no_grad():
        style = mapping(torch.tensor([[*z, 1.4368737936019897]]), torch.tensor([1]))
    torch.testing.assert_close(style[0, :4], torch.tensor([-0.0046296, -2.4990401, -0.391969, -0.9355025]), **CLOSE)


@pytest.mark.slow
def test_adain_losses():
    salt = "public-adain-"
    vgg = filled(adain.encoder(), f"{salt}vgg-")
    dec = filled(adain.decoder(), f"{salt}decoder-", 1.2)
    content, style = (image(name, (2, 3, 96, 120), salt, "unit") for name in ("content", "style_l"))
    with torch.no_grad():
        found = adain_training.losses(vgg, dec, content, style)
    torch.testing.assert_close(found["content"], torch.tensor(0.2960992), **CLOSE)
    torch.testing.assert_close(found["style"], torch.tensor(0.9980046), **CLOSE)


def test_drit_attribute():
    salt = "public-drit_concat-"
    nets = drit.networks(DritSettings(size=216, steps=1, batch=2))
    encoder = filled(nets["enc_a"], f"{salt}enc_a-", 1.0)
    with torch.no_grad():
        mean, log_variance = encoder.of("b", image("b", (1, 3, 216, 216), salt))
    torch.testing.assert_close(mean[0, :4], torch.tensor([0.2538803, 0.1220048, 0.1800376, -0.1716115]), **CLOSE)
    expected = torch.tensor([0.4429398, -0.0958445, -0.0051723, 0.3283073])
    torch.testing.assert_close(log_variance[0, :4], expected, **CLOSE)


def test_mdmm_attribute():
    salt = "public-mdmm_featurewise-"
    nets = mdmm.networks(MdmmSettings(size=216, steps=1, batch=2, concat=False))
    encoder = filled(nets["enc_a"], f"{salt}enc_a-")
    with torch.no_grad():
        (code,) = encoder(image("x", (2, 3, 216, 216), salt)[:1], torch.tensor([[0.0, 0.0, 1.0]]))
    torch.testing.assert_close(code[0, :4], torch.tensor([0.2081331, 0.091087, -0.5585652, 0.2841827]), **CLOSE)

from __future__ import annotations

import pytest
import torch

from baselines.funit import networks as funit
from baselines.funit import training
from tests.baselines.parity import Case, close

# Filling a full-size network by the recipe takes seconds.
pytestmark = pytest.mark.slow


def test_generator(golden):
    case = Case(golden / "funit_gen.safetensors")
    gen = case.filled("gen_test", funit.FewShotGen())
    content, shots = case.ins["content"], case.ins["cls_imgs"]
    with torch.no_grad():
        codes = gen.enc_class_model(shots)
        code = gen.class_code(shots[None])
        case.check("content", gen.enc_content(content[:1]))
        case.check("class_codes", codes)
        case.check("class_code", code)
        case.check("k_style", code)
        case.check("forward", gen(content[:1], shots))
        case.check("translate_simple", gen.decode(gen.enc_content(content[:1]), code))
        case.check("translate_k_shot", gen.decode(gen.enc_content(content[:1]), code))
        case.check("decode_batch", gen.decode(gen.enc_content(content), codes[:2]))
    print(f"funit_gen worst {case.worst:.1e}")


def test_discriminator(golden):
    case = Case(golden / "funit_dis.safetensors")
    dis = case.filled("dis", funit.ClassDis())
    fake, real, y = case.ins["fake"], case.ins["real"].requires_grad_(), case.ins["y"]
    response, feature = dis(fake, y)
    case.check("out", response)
    case.check("feat", feature)
    case.check("dis_fake_loss", torch.relu(1 + response).mean())
    case.check("dis_fake_acc", training.accuracy(response, False))
    case.check("gen_loss", -response.mean())
    case.check("gen_acc", training.accuracy(response, True))
    on_real, _ = dis(real, y)
    case.check("dis_real_loss", torch.relu(1 - on_real).mean())
    case.check("dis_real_acc", training.accuracy(on_real, True))
    case.check("grad2", training.gradient_penalty(on_real, real))
    print(f"funit_dis worst {case.worst:.1e}")


def test_losses(golden):
    case = Case(golden / "funit_losses.safetensors")
    gen = case.filled("gen", funit.FewShotGen(16, 32, 16))
    dis = case.filled("dis", funit.ClassDis(16, 6, 5))
    g = training.generator_losses(gen, dis, case.ins)
    d = training.discriminator_losses(gen, dis, case.ins)
    for name, value in g.items():
        close(value, case.outs[f"g_{name}"], f"g_{name}", case)
    for name, value in d.items():
        close(value, case.outs[f"d_{name}"], f"d_{name}", case)
    close(g["adv"] + 0.1 * g["x_rec"] + g["c_rec"] + g["m_rec"], case.outs["g_total"], "g_total", case)
    close(d["fake"] + d["real"] + 10 * d["reg"], case.outs["d_total"], "d_total", case)
    print(f"funit_losses worst {case.worst:.1e}")

"""Losses and the training step of FUNIT (equation numbers of arXiv:1905.01723)."""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from baselines.blocks import kaiming_init, l1
from baselines.funit.method import Funit
from baselines.funit.networks import ClassDis, networks
from baselines.funit.settings import FunitSettings
from baselines.training_module import BaselineTraining, Scalars, Tensors
from models.training.losses import r1
from models.training.rng import StepRNG
from models.training.training_module import Batch


def accuracy(response: Tensor, positive: bool) -> Tensor:
    """Share of the map on its right side of 0."""
    return ((response >= 0) if positive else (response < 0)).float().mean()


def gradient_penalty(response: Tensor, real: Tensor) -> Tensor:
    """R1 (Mescheder et al. 2018) of the batch's *mean* response, as published; unweighted."""
    return r1(response / response.numel(), real)


def generator_losses(gen: Any, dis: Any, part: Tensors) -> Scalars:
    """`adv`, `x_rec` (Eq. 3), `c_rec` and `m_rec` (Eq. 4, of reconstruction and translation), `acc`."""
    xa, la, xb, lb = (part[name] for name in ("xa", "la", "xb", "lb"))
    content = gen.enc_content(xa)
    code_a, code_b = gen.enc_class_model(torch.cat((xa, xb))).chunk(2)
    both = gen.decode(torch.cat((content, content)), torch.cat((code_b, code_a)))
    rebuilt = both[len(xa) :]
    response, feature = dis(both, torch.cat((lb, la)))
    with torch.no_grad():
        _, real = dis(torch.cat((xb, xa)), torch.cat((lb, la)))
    made_b, made_a = feature.mean((2, 3)).chunk(2)
    real_b, real_a = real.mean((2, 3)).chunk(2)
    return {
        "adv": -response.mean(),  # Eq. 2, hinge form
        "x_rec": l1(rebuilt, xa),  # Eq. 3
        "c_rec": l1(made_a, real_a),  # Eq. 4
        "m_rec": l1(made_b, real_b),
        "acc": accuracy(response, True),
    }


def discriminator_losses(gen: Any, dis: Any, part: Tensors) -> Scalars:
    """`fake`, `real` (hinge) and `reg` (unweighted penalty), `acc`."""
    with torch.no_grad():
        fake = gen.decode(gen.enc_content(part["xa"]), gen.enc_class_model(part["xb"]))
    xb = part["xb"].detach().requires_grad_()
    on_real, _ = dis(xb, part["lb"])
    on_fake, _ = dis(fake, part["lb"])
    return {
        "fake": F.relu(1 + on_fake).mean(),
        "real": F.relu(1 - on_real).mean(),
        "reg": gradient_penalty(on_real, xb),
        "acc": (accuracy(on_fake, False) + accuracy(on_real, True)) / 2,
    }


class FunitTraining(BaselineTraining):
    """D step, G step, moving average; RMSprop 1e-4. Content and class pictures come from two loaders over all classes."""

    settings: FunitSettings
    roles = 2

    def __init__(self, settings: FunitSettings, device: torch.device) -> None:
        settings = settings.model_copy(update={"classes": 1 + settings.art_domains})
        nets = networks(settings)
        gen = nets.pop("gen_test")
        dis = ClassDis(settings.dis_dim, settings.dis_blocks, settings.classes, settings.dis_widest)
        kaiming_init(gen, dis)
        nets = {"gen": gen, "dis": dis, "gen_ema": copy.deepcopy(gen)}
        super().__init__(settings, nets, device)
        self.optimizers = {
            name: torch.optim.RMSprop(nets[name].parameters(), lr=settings.lr, weight_decay=1e-4)
            for name in ("dis", "gen")
        }

    def step(self, batch: Batch, draws: StepRNG) -> Scalars:
        self.set_rates(draws.step)
        s, gen, dis = self.settings, self.networks["gen"], self.networks["dis"]
        domains = self.art_domain(batch)
        tensors: dict[str, Tensor] = {}
        for role, name in enumerate("ab"):
            images, labels = self.from_all_domains(batch, domains, draws, role, photographs=0.5)
            tensors |= {f"x{name}": self.augmented(images, draws, name), f"l{name}": labels}

        if s.warms_up(draws.step):
            stats = self.warm_up(("gen",), {"xa": tensors["xa"]}, self._rebuilt)
            self.average("gen", s.ema_at(draws.step))
            return stats

        def on_dis(part: Tensors) -> tuple[Tensor, Scalars]:
            d = discriminator_losses(gen, dis, part)
            # The penalty is on the gradient of the *batch's* mean, so a part's is larger by the square of its share.
            d["reg"] = d["reg"] * (len(part["xa"]) / s.batch) ** 2
            return s.gan_w * (d["fake"] + d["real"]) + s.penalty_w * d["reg"], {f"d_{k}": v for k, v in d.items()}

        def on_gen(part: Tensors) -> tuple[Tensor, Scalars]:
            g = generator_losses(gen, dis, part)
            total = s.gan_w * g["adv"] + s.recon_w * g["x_rec"] + s.feature_w * (g["c_rec"] + g["m_rec"])  # Eq. 1
            return total, {f"g_{k}": v for k, v in g.items()}

        stats = self.update(("dis",), tensors, on_dis) | self.update(("gen",), tensors, on_gen)
        self.average("gen", s.ema_at(draws.step))
        return stats

    def _rebuilt(self, part: Tensors) -> list[tuple[Tensor, Tensor]]:
        gen, xa = self.networks["gen"], part["xa"]
        return [(gen.decode(gen.enc_content(xa), gen.enc_class_model(xa)), xa)]  # Eq. 3

    def method(self) -> Funit:
        return Funit({"gen_test": self.networks["gen_ema"]}, self.settings.size)


def build(settings: FunitSettings, device: torch.device) -> FunitTraining:
    """Networks, losses and schedule for the training loop."""
    return FunitTraining(settings, device)

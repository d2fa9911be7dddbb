"""Losses and the training step of multi-domain DRIT++ (Sec. 3.6; github.com/HsinYingLee/MDMM, whose options weigh them)."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from baselines.blocks import l1
from baselines.drit.base import DritBaseTraining, Picture
from baselines.drit.blocks import kl, sampled
from baselines.drit.training import bce
from baselines.mdmm.method import Mdmm
from baselines.mdmm.networks import discriminators, networks, one_hot
from baselines.mdmm.settings import MdmmSettings
from baselines.training_module import Networks, Scalars, Tensors
from models.training.rng import StepRNG
from models.training.training_module import Batch

# The published code sums the adversarial and KL terms over a batch of two; as means times two, any batch weighs alike.
PUBLISHED_BATCH = 2


def translate(nets: Networks, part: Tensors) -> dict[str, Tensor]:
    """Encoded, self, drawn and twice translated pictures of both halves (x: first a, then b; c: their one-hot domains)."""
    enc_c, enc_a, gen = nets["enc_c"], nets["enc_a"], nets["gen"]
    x = torch.cat((part["a"], part["b"]))
    c = torch.cat((part["c_a"], part["c_b"]))
    swap = lambda rows: torch.cat(rows.chunk(2)[::-1])  # noqa: E731 - a has b's place and b has a's
    eps, eps_recon = (torch.cat((part[f"{name}_a"], part[f"{name}_b"])) for name in ("eps", "eps_recon"))
    z = torch.cat((part["z"], part["z"]))
    content = enc_c(x, torch.cat((part["noise_a"], part["noise_b"])))
    moments = enc_a(x, c)
    code = sampled(moments, eps) if len(moments) == 2 else moments[0]
    made = gen(torch.cat((swap(content), content, swap(content))), torch.cat((code, code, z)), torch.cat((c, c, c)))
    encoded, own, drawn = made.chunk(3)
    content2 = swap(enc_c(encoded, torch.cat((part["noise_recon_a"], part["noise_recon_b"]))))
    moments2 = enc_a(encoded, c)
    code2 = sampled(moments2, eps_recon) if len(moments2) == 2 else moments2[0]
    out = {"x": x, "c": c, "z": z, "content": content, "code": code, "encoded": encoded, "self": own, "drawn": drawn}
    out |= {f"moment{i}": value for i, value in enumerate(moments)}
    return out | {"recon": gen(content2, code2, c), "regressed": enc_a(drawn, c)[0]}


def discriminator_losses(nets: Networks, made: dict[str, Tensor], s: MdmmSettings) -> Scalars:
    """Adversarial and classification terms of `dis1` and `dis2`, weighted."""
    out: Scalars = {}
    for name, fake in (("dis1", made["encoded"]), ("dis2", made["drawn"])):
        response, domain = nets[name](torch.cat((fake.detach(), made["x"])))
        on_fake, on_real = response.chunk(2)
        out[name] = PUBLISHED_BATCH * (bce(on_fake, 0) + bce(on_real, 1))
        out[f"{name}_cls"] = s.cls_w * F.binary_cross_entropy_with_logits(domain.chunk(2)[1], made["c"])
    return out


def encoded_losses(nets: Networks, made: dict[str, Tensor], s: MdmmSettings) -> Scalars:
    """Terms of both encoders and the generator on the encoded path, weighted."""
    on_fake, domain = nets["dis1"](made["encoded"])
    moments = [made[name] for name in ("moment0", "moment1") if name in made]
    regular = PUBLISHED_BATCH * kl(moments) if len(moments) == 2 else made["code"].square().mean()
    return {
        "gan_content": F.binary_cross_entropy_with_logits(nets["disContent"](made["content"]), 1 - made["c"]),
        "gan": PUBLISHED_BATCH * bce(on_fake, 1),
        "gan_cls": s.cls_g_w * F.binary_cross_entropy_with_logits(domain, made["c"]),
        "l1_self": s.recon_w * l1(made["self"], made["x"]),
        "l1_cross": s.recon_w * l1(made["recon"], made["x"]),
        "kl_zc": 0.01 * made["content"].square().mean(),
        "kl_za": 0.01 * regular,
    }


def drawn_losses(nets: Networks, made: dict[str, Tensor], s: MdmmSettings) -> Scalars:
    """Terms of the content encoder and the generator on the drawn path, weighted; both halves' regressions are summed."""
    on_fake, domain = nets["dis2"](made["drawn"])
    return {
        "gan2": PUBLISHED_BATCH * bce(on_fake, 1),
        "gan2_cls": s.cls_g_w * F.binary_cross_entropy_with_logits(domain, made["c"]),
        "l1_z": 2 * 10 * l1(made["regressed"], made["z"]),
    }


class MdmmTraining(DritBaseTraining):
    """Photographs are domain 0, art the others; `half` pictures of each make a batch."""

    settings: MdmmSettings

    def __init__(self, settings: MdmmSettings, device: torch.device) -> None:
        settings = settings.model_copy(update={"domains": 1 + settings.art_domains, "crop": settings.size})
        nets = networks(settings) | discriminators(settings)
        super().__init__(settings, device, nets, roles=settings.content_steps)

    def step(self, batch: Batch, draws: StepRNG) -> Scalars:
        labels = self.art_domain(batch)
        batch = self.begin(batch, draws)
        turns = zip(*(rows.split(self.half) for rows in (batch.images["photo"], batch.images["art"], labels)))
        *content_turns, last = (
            self._rows(draws, turn, photo, art, label) for turn, (photo, art, label) in enumerate(turns)
        )
        if self.settings.warms_up(draws.step):
            return self.warm_up(("enc_c", "enc_a", "gen"), last, self._rebuilt)
        for rows in content_turns:
            self.content_step(rows)
        return self.full_step(last)

    def _rows(self, draws: StepRNG, turn: int, photo: Tensor, art: Tensor, label: Tensor) -> dict[str, Tensor]:
        s, n, to = self.settings, len(photo), photo.device
        domains = {"c_a": one_hot(torch.zeros_like(label), s.domains), "c_b": one_hot(label, s.domains)}
        codes = ("z", "eps_a", "eps_b", "eps_recon_a", "eps_recon_b")
        drawn = {name: draws.normal(f"{turn}/{name}", n, (s.latent,), to) for name in codes}
        for name in ("noise_a", "noise_b", "noise_recon_a", "noise_recon_b"):
            drawn[name] = self.noise(draws, f"{turn}/{name}", photo)
        return {"a": photo, "b": art, **domains, **drawn}

    def content_loss(self, part: Tensors) -> Tensor:
        noise = torch.cat((part["noise_a"], part["noise_b"]))
        content = self.networks["enc_c"](torch.cat((part["a"], part["b"])), noise)
        domains = torch.cat((part["c_a"], part["c_b"]))
        return F.binary_cross_entropy_with_logits(self.networks["disContent"](content), domains)

    def translated(self, part: Tensors) -> Picture:
        return translate(self.networks, part)

    def d_losses(self, part: Tensors, made: Picture) -> Scalars:
        return discriminator_losses(self.networks, made, self.settings)

    def encoded_terms(self, part: Tensors, made: Picture) -> Scalars:
        return encoded_losses(self.networks, made, self.settings)

    def drawn_terms(self, part: Tensors, made: Picture) -> Scalars:
        return drawn_losses(self.networks, made, self.settings)

    def _rebuilt(self, part: Tensors) -> list[tuple[Tensor, Tensor]]:
        """Each picture from its own content, attribute and domain."""
        enc_c, enc_a, gen = (self.networks[name] for name in ("enc_c", "enc_a", "gen"))
        x, c, noise = (torch.cat((part[f"{name}a"], part[f"{name}b"])) for name in ("", "c_", "noise_"))
        return [(gen(enc_c(x, noise), enc_a(x, c)[0], c), x)]

    def method(self) -> Mdmm:
        return Mdmm(self.networks, self.settings.size, self.settings.latent, self.settings.domains)


def build(settings: MdmmSettings, device: torch.device) -> Any:
    """Networks, losses and schedule for the training loop."""
    return MdmmTraining(settings, device)

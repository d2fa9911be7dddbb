"""StarGAN v2's losses (equation numbers of arXiv:1912.01865) and training step, in the published solver's order."""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.blocks import kaiming_init, l1
from baselines.stargan2.fan import Fan, load_landmarks
from baselines.stargan2.method import StarGan2
from baselines.stargan2.networks import Discriminator, Masks, masks_of, networks
from baselines.stargan2.settings import StarGan2Settings
from baselines.training_module import BaselineTraining, Networks, Scalars, Tensors, adam
from models.training import parallel
from models.training.losses import r1
from models.training.rng import StepRNG
from models.training.training_module import Batch
from suite.errors import SuiteError

AVERAGED = ("generator", "mapping_network", "style_encoder")


def adversarial(logits: Tensor, target: float) -> Tensor:
    """Eq. 1 as binary cross-entropy."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def style_of(nets: Networks, part: Tensors, number: str = "") -> Tensor:
    """The target style: F(z) where `part` has z, else E(reference)."""
    if f"z{number}" in part:
        return nets["mapping_network"](part[f"z{number}"], part["y_trg"])
    return nets["style_encoder"](part[f"ref{number}"], part["y_trg"])


def discriminator_losses(nets: Networks, part: Tensors, masks: Masks | None = None) -> Scalars:
    """`real`, `fake`, `reg` (unweighted). `part`: x, y_org, y_trg, and z or ref."""
    with torch.no_grad():
        fake = nets["generator"](part["x"], style_of(nets, part), masks)
    real = part["x"].detach().requires_grad_()
    logits = nets["discriminator"](real, part["y_org"])
    return {
        "real": adversarial(logits, 1),  # Eq. 1
        "fake": adversarial(nets["discriminator"](fake, part["y_trg"]), 0),
        "reg": r1(logits, real) / 2,  # Mescheder et al. 2018
    }


def generator_losses(nets: Networks, part: Tensors, masks: Masks | None = None) -> Scalars:
    """`adv`, `sty`, `ds`, `cyc` (unweighted). `part`: x, y_org, y_trg, and z, z2 or ref, ref2."""
    generator, x = nets["generator"], part["x"]
    style = style_of(nets, part)
    fake = generator(x, style, masks)
    with torch.no_grad():
        other = generator(x, style_of(nets, part, "2"), masks)
    codes = nets["style_encoder"](torch.cat((fake, x)), torch.cat((part["y_trg"], part["y_org"])))
    style_fake, style_real = codes.chunk(2)
    rebuilt = generator(fake, style_real, masks_of(nets, fake))
    return {
        "adv": adversarial(nets["discriminator"](fake, part["y_trg"]), 1),  # Eq. 1
        "sty": l1(style_fake, style),  # Eq. 2
        "ds": l1(fake, other),  # Eq. 3
        "cyc": l1(rebuilt, x),  # Eq. 4
    }


class StarGan2Training(BaselineTraining):
    """D by latent, D by reference, G by latent (with F and E), G by reference (G alone); then the averages.

    Sources and references come from loaders of their own, from all domains with the same chance; domain 0 is photo. The
    second reference is another picture of the first one's domain.
    """

    settings: StarGan2Settings
    roles = 3

    def __init__(self, settings: StarGan2Settings, device: torch.device, fan: nn.Module | None = None) -> None:
        settings = settings.model_copy(update={"domains": 1 + settings.art_domains})
        if settings.w_hpf > 0 and fan is None:
            raise SuiteError(
                "--set w_hpf: the high-pass skip needs the landmark network; add --set fan_weights=wing.ckpt"
            )
        nets = networks(settings)
        nets.pop("fan", None)
        nets["discriminator"] = Discriminator(settings.size, settings.domains, settings.widest, settings.base)
        # As published, the averages are copied before He's initialisation; 0.999^n forgets their start.
        averages = {f"{name}_ema": copy.deepcopy(nets[name]) for name in AVERAGED}
        kaiming_init(*nets.values())
        landmarks = {"fan": fan} if fan is not None else {}
        super().__init__(settings, nets | averages | landmarks, device, frozen=("fan",))
        self.optimizers = {
            name: adam(settings, [nets[name]], settings.lr_mapping if name == "mapping_network" else None, (0.0, 0.99))
            for name in (*AVERAGED, "discriminator")
        }

    def step(self, batch: Batch, draws: StepRNG) -> Scalars:
        self.set_rates(draws.step)
        s = self.settings
        by_latent, by_reference = self._tensors(batch, draws)
        if s.warms_up(draws.step):
            source = {name: by_latent[name] for name in ("x", "y_org")}
            stats = self.warm_up(("generator", "style_encoder"), source, self._rebuilt)
            self._averages(draws.step)
            return stats
        diversity = s.lambda_ds * max(0.0, 1 - (draws.step - s.warmup_steps) / s.ds_steps)

        def on_dis(part: Tensors) -> tuple[Tensor, Scalars]:
            d = discriminator_losses(self.networks, part, masks_of(self.networks, part["x"]))
            return d["real"] + d["fake"] + s.lambda_reg * d["reg"], d

        def on_gen(part: Tensors) -> tuple[Tensor, Scalars]:
            g = generator_losses(self.networks, part, masks_of(self.networks, part["x"]))
            total = g["adv"] + s.lambda_sty * g["sty"] - diversity * g["ds"] + s.lambda_cyc * g["cyc"]  # Eq. 5
            return total, g

        stats = {}
        for side, names, tensors, loss in (
            ("d_latent", ("discriminator",), by_latent, on_dis),
            ("d_ref", ("discriminator",), by_reference, on_dis),
            ("g_latent", AVERAGED, by_latent, on_gen),
            ("g_ref", ("generator",), by_reference, on_gen),
        ):
            stats |= {f"{side}/{name}": value for name, value in self.update(names, tensors, loss).items()}
        self._averages(draws.step)
        return stats

    def _averages(self, step: int) -> None:
        for name in AVERAGED:
            self.average(name, self.settings.ema_at(step))

    def _rebuilt(self, part: Tensors) -> list[tuple[Tensor, Tensor]]:
        """Each picture in its own style: Eq. 4 without the way there and back."""
        x, nets = part["x"], self.networks
        own = nets["style_encoder"](x, part["y_org"])
        return [(nets["generator"](x, own, masks_of(nets, x)), x)]

    def _tensors(self, batch: Batch, draws: StepRNG) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        domains, even = self.art_domain(batch), 1 / self.settings.domains
        x, y_org = self.from_all_domains(batch, domains, draws, 0, even)
        ref, y_trg = self.from_all_domains(batch, domains, draws, 1, even)
        base = {"x": self.augmented(x, draws, "source"), "y_org": y_org, "y_trg": y_trg}
        references = {"ref": ref, "ref2": self._second(batch, ref, y_trg, domains, draws)}
        latents = {name: draws.normal(name, len(x), (self.settings.latent,), x.device) for name in ("z", "z2")}
        return base | latents, base | {name: self.augmented(rows, draws, name) for name, rows in references.items()}

    def _second(self, batch: Batch, ref: Tensor, y_trg: Tensor, domains: Tensor, draws: StepRNG) -> Tensor:
        """Another picture of each reference's domain. Of an art style that no other picture of the batch has: itself."""
        photo, art = (batch.images[name][2 * self.share :] for name in ("photo", "art"))
        if self.settings.domains > 2:
            everyone, styles = parallel.gather(art), parallel.gather(domains[2 * self.share :])
            scores = draws.uniform("partner", len(art), (len(everyone),), art.device)
            scores = scores.masked_fill(y_trg[:, None] != styles[None], -1.0)
            best, chosen = scores.max(1)
            art = torch.where(best[:, None, None, None] < 0, ref, everyone[chosen])
        return torch.where((y_trg == 0)[:, None, None, None], photo, art)

    def method(self) -> StarGan2:
        parts = {name: self.networks[f"{name}_ema"] for name in AVERAGED}
        landmarks = {"fan": self.networks["fan"]} if "fan" in self.networks else {}
        return StarGan2(parts | landmarks, self.settings.size, self.settings.latent)


def build(settings: StarGan2Settings, device: torch.device) -> Any:
    """Networks, losses and schedule for the training loop, with the landmark network where `w_hpf > 0`."""
    fan = None
    if settings.w_hpf > 0 and settings.fan_weights:
        fan = Fan()
        load_landmarks(fan, settings.fan_weights)
    return StarGan2Training(settings, device, fan)

"""StarGAN v2's training step: four updates, moving averages, a fading diversity weight (the published solver's order)."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from baselines.blocks import kaiming_init
from baselines.settings import StarGan2Settings
from baselines.stargan2 import Discriminator, StarGan2, discriminator_losses, generator_losses, masks_of, networks
from baselines.trainee import BaselineTrainee, Scalars, Tensors, adam, pool, sheet, shuffled
from models.training.draws import Draws
from models.training.trainee import Batch
from suite.errors import SuiteError

AVERAGED = ("generator", "mapping_network", "style_encoder")


class StarGan2Trainee(BaselineTrainee):
    """D by latent, D by reference, G by latent (with F and E), G by reference (G alone); then the averages.

    Sources and references come from all domains alike; domain 0 is photo.
    """

    settings: StarGan2Settings

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

    def step(self, batch: Batch, draws: Draws) -> Scalars:
        self.begin(draws)
        s = self.settings
        by_latent, by_reference = self._tensors(batch, draws)
        diversity = s.lambda_ds * max(0.0, 1 - draws.step / s.ds_steps)

        def on_dis(part: Tensors) -> tuple[Tensor, Scalars]:
            d = discriminator_losses(self.networks, part, masks_of(self.networks, part["x"]))
            return d["real"] + d["fake"] + s.lambda_reg * d["reg"], d

        def on_gen(part: Tensors) -> tuple[Tensor, Scalars]:
            g = generator_losses(self.networks, part, masks_of(self.networks, part["x"]))
            total = g["adv"] + s.lambda_sty * g["sty"] - diversity * g["ds"] + s.lambda_cyc * g["cyc"]  # Eq. 5
            return total, g

        seen: Scalars = {}
        for side, names, tensors, loss in (
            ("d_latent", ("discriminator",), by_latent, on_dis),
            ("d_ref", ("discriminator",), by_reference, on_dis),
            ("g_latent", AVERAGED, by_latent, on_gen),
            ("g_ref", ("generator",), by_reference, on_gen),
        ):
            seen |= {f"{side}/{name}": value for name, value in self.update(names, tensors, loss).items()}
        for name in AVERAGED:
            self.average(name, s.ema)
        return seen

    def _tensors(self, batch: Batch, draws: Draws) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        images, labels = pool(batch, self.art_domain(batch))
        half, device = len(images) // 2, images.device
        source = shuffled(draws, "source", len(images))[:half].to(device)
        chosen = shuffled(draws, "reference", len(images))[:half].to(device)
        other = self._partners(labels, draws)[chosen]
        base = {"x": images[source], "y_org": labels[source], "y_trg": labels[chosen]}
        latents = {name: draws.normal(name, half, (self.settings.latent,), device) for name in ("z", "z2")}
        return base | latents, base | {"ref": images[chosen], "ref2": images[other]}

    @staticmethod
    def _partners(labels: Tensor, draws: Draws) -> Tensor:
        """For each picture a random other one of its domain in the batch (itself if alone)."""
        scores = draws.uniform("partner", len(labels), (len(labels) * draws.world,), labels.device)[:, : len(labels)]
        scores = torch.where(labels[:, None] == labels[None], scores, -2.0)
        return (scores - torch.eye(len(labels), device=labels.device)).argmax(1)

    def sample(self, batch: Batch, draws: Draws) -> Tensor:
        photo, art = batch.images["photo"], batch.images["art"]
        parts = {name: self.networks[f"{name}_ema"] for name in AVERAGED}
        if "fan" in self.networks:
            parts["fan"] = self.networks["fan"]
        method = StarGan2(parts, photo.shape[-1], self.settings.latent)
        seeds = list(range(len(photo)))
        return self.eval_with(
            lambda: sheet([photo, method._latent(photo, seeds), art, method._reference(photo, art, seeds)])
        )

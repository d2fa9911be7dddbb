"""Losses and the training step of two-domain DRIT++ with mode seeking (equation numbers of arXiv:1905.01270)."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from baselines.blocks import l1
from baselines.drit.base import DritBaseTraining, Picture
from baselines.drit.blocks import kl
from baselines.drit.method import Drit
from baselines.drit.networks import attribute, discriminators, networks
from baselines.drit.settings import DritSettings
from baselines.training_module import Networks, Scalars, Tensors
from models.training import parallel
from models.training.rng import StepRNG
from models.training.training_module import Batch

TINY = 1e-5


def bce(logits: Tensor, target: float) -> Tensor:
    """Binary cross-entropy of logits against one target."""
    return F.binary_cross_entropy_with_logits(logits, torch.full_like(logits, target))


def to_target(responses: Sequence[Tensor], target: float) -> Tensor:
    """The same, summed over the scales of a discriminator."""
    return sum((bce(response, target) for response in responses), responses[0].new_zeros(()))


def responses(net: nn.Module, *pictures: Tensor) -> list[tuple[Tensor, ...]]:
    """A discriminator's responses, all scales, to several batches that go through it as one."""
    return list(zip(*(scale.chunk(len(pictures)) for scale in net(torch.cat(pictures)))))


def translate(nets: Networks, part: Tensors, mode_seeking: bool = True) -> Picture:
    """Everything that the losses look at: contents, attributes, and the translated pictures of Fig. 4.

    `part` rows: a, b (for the encoded path), z, z2, eps_a, eps_b, eps_recon_a, eps_recon_b, and, in training, the noises
    noise_a, noise_b, noise_recon_a, noise_recon_b of the shared content layer.
    """
    enc_c, enc_a, gen = nets["enc_c"], nets["enc_a"], nets["gen"]
    out: Picture = {}
    for x in "ab":
        out[f"content_{x}"] = enc_c.of(x, part[x], part.get(f"noise_{x}"))
        out[f"code_{x}"], moments = attribute(enc_a, x, part[x], part[f"eps_{x}"])
        out |= {f"moment{i}_{x}": value for i, value in enumerate(moments)}
    n = len(part["a"])
    for x, y in ("ab", "ba"):
        # Encoded attribute on the other's content, then on its own; drawn attributes on the other's content.
        draws = [part["z"], part["z2"]] if mode_seeking else [part["z"]]
        contents = torch.cat([out[f"content_{y}"], out[f"content_{x}"], *[out[f"content_{y}"]] * len(draws)])
        made = gen.into(x, contents, torch.cat([out[f"code_{x}"], out[f"code_{x}"], *draws])).split(n)
        names = ("encoded", "self", "random", "random2")
        out |= {f"{name}_{x}": picture for name, picture in zip(names, made)}
    for x, y in ("ab", "ba"):
        # The translated pair swaps back: content of x lives in the picture of domain y.
        content = enc_c.of(y, out[f"encoded_{y}"], part.get(f"noise_recon_{x}"))
        code, _ = attribute(enc_a, x, out[f"encoded_{x}"], part[f"eps_recon_{x}"])
        out[f"recon_{x}"] = gen.into(x, content, code)
        out[f"regressed_{x}"] = enc_a.of(x, out[f"random_{x}"])[0]
    return out


def discriminator_losses(nets: Networks, part: Tensors, made: Picture) -> Scalars:
    """`disA`, `disB` on the encoded path, `disA2`, `disB2` (and `..._random2`) on the drawn one, `disContent` (Eq. 1)."""
    out: Scalars = {}
    for x in "ab":
        name = f"dis{x.upper()}"
        on_fake, on_real = responses(nets[name], made[f"encoded_{x}"].detach(), part[x])
        out[name] = to_target(on_fake, 0) + to_target(on_real, 1)
        drawn = {key: made[f"{key}_{x}"].detach() for key in ("random", "random2") if f"{key}_{x}" in made}
        *on_drawn, on_real = responses(nets[f"{name}2"], *drawn.values(), part[f"{x}_random"])
        for suffix, on_fake in zip(("", "_random2"), on_drawn):
            out[f"{name}2{suffix}"] = to_target(on_fake, 0) + to_target(on_real, 1)
    out["disContent"] = content_loss(nets["disContent"], made["content_a"], made["content_b"])
    return out


def content_loss(net: nn.Module, content_a: Tensor, content_b: Tensor) -> Tensor:
    """The content discriminator tells a (0) from b (1) (Eq. 1)."""
    on_a, on_b = net(torch.cat((content_a, content_b)).detach()).chunk(2)
    return bce(on_a, 0) + bce(on_b, 1)


def encoded_losses(nets: Networks, part: Tensors, made: Picture) -> Scalars:
    """The encoders' and the generator's terms on the encoded path, weighted as published; they sum to `G_loss`."""
    out: Scalars = {}
    for x in "ab":
        moments = [made[name] for name in (f"moment0_{x}", f"moment1_{x}") if name in made]
        regular = kl(moments) if len(moments) == 2 else made[f"code_{x}"].square().mean()
        out |= {
            f"gan_loss_{x}content": bce(nets["disContent"](made[f"content_{x}"]), 0.5),  # Eq. 2
            f"gan_loss_{x}": to_target(nets[f"dis{x.upper()}"](made[f"encoded_{x}"]), 1),  # Eq. 5, domain adversarial
            f"kl_loss_za_{x}": 0.01 * regular,  # Eq. 5, KL
            f"kl_loss_zc_{x}": 0.01 * made[f"content_{x}"].square().mean(),
            f"l1_recon_{x.upper()}_loss": 10 * l1(made[f"recon_{x}"], part[x]),  # Eq. 4, cross-cycle
            f"l1_recon_{x.upper() * 2}_loss": 10 * l1(made[f"self_{x}"], part[x]),  # Eq. 5, self-reconstruction
        }
    return out


def random_losses(nets: Networks, part: Tensors, made: Picture) -> Scalars:
    """The generator's and content encoder's terms on the drawn path: adversarial, latent regression, mode seeking (Eq. 6)."""
    out: Scalars = {}
    for x, direction in (("a", "BA"), ("b", "AB")):
        drawn = [made[f"{key}_{x}"] for key in ("random", "random2") if f"{key}_{x}" in made]
        judged = responses(nets[f"dis{x.upper()}2"], *drawn)
        adversarial = torch.stack([to_target(response, 1) for response in judged]).sum()
        if f"random2_{x}" in made:
            # A ratio of means over the batch, all ranks' shares of it.
            pictures, codes = l1(made[f"random2_{x}"], made[f"random_{x}"]), l1(part["z2"], part["z"])
            moved = parallel.average(pictures) / parallel.average(codes)
            out[f"lz_{direction}"] = 1 / (moved + TINY)  # Eq. 6, minimised as its inverse
        out[f"gan2_loss_{x}"] = adversarial
        out[f"l1_recon_z_loss_{x}"] = 10 * l1(made[f"regressed_{x}"], part["z"])  # Eq. 5, latent regression
    return out


@torch.no_grad()
def copy_domain(network: nn.Module) -> None:
    """Give the half of domain b the weights of domain a's."""
    state = network.state_dict()
    for key, value in state.items():
        part, dot, rest = key.partition(".")
        twin = re.sub(r"A(\d?)$", r"B\1", re.sub(r"_a$", "_b", part)) + dot + rest
        if twin != key:
            state[twin].copy_(value)


class DritTraining(DritBaseTraining):
    """Two domains, with mode seeking. Every half of a batch has its role: encoded pictures, real ones for the drawn path."""

    def __init__(self, settings: DritSettings, device: torch.device) -> None:
        nets = networks(settings) | discriminators(settings)
        super().__init__(settings, device, nets, roles=settings.content_steps + 1)

    def step(self, batch: Batch, draws: StepRNG) -> Scalars:
        batch = self.begin(batch, draws)
        if self.settings.warms_up(draws.step):
            pictures = torch.cat((batch.images["photo"], batch.images["art"]))
            rows = {"x": pictures, "noise": self.noise(draws, "noise", pictures)}
            stats = self.warm_up(("enc_c", "enc_a", "gen"), rows, self._rebuilt)
            for name in ("enc_c", "enc_a", "gen"):
                copy_domain(self.networks[name])
            return stats
        photo, art = (batch.images[name].split(self.half) for name in ("photo", "art"))
        for turn in range(self.settings.content_steps - 1):
            noise = {f"noise_{x}": self.noise(draws, f"content{turn}/{x}", photo[turn]) for x in "ab"}
            self.content_step({"a": photo[turn], "b": art[turn], **noise})
        rows = {"a": photo[-2], "a_random": photo[-1], "b": art[-2], "b_random": art[-1]}
        return self.full_step(rows | self._drawn(draws, photo[-1]))

    def _drawn(self, draws: StepRNG, like: Tensor) -> dict[str, Tensor]:
        s, n = self.settings, len(like)
        names = ("z", "z2", "eps_a", "eps_b", "eps_recon_a", "eps_recon_b")
        out = {name: draws.normal(name, n, (s.latent,), like.device) for name in names}
        for name in ("noise_a", "noise_b", "noise_recon_a", "noise_recon_b"):
            out[name] = self.noise(draws, name, like)
        return out

    def content_loss(self, part: Tensors) -> Tensor:
        contents = (self.networks["enc_c"].of(x, part[x], part[f"noise_{x}"]) for x in "ab")
        return content_loss(self.networks["disContent"], *contents)

    def translated(self, part: Tensors) -> Picture:
        return translate(self.networks, part, self.settings.mode_seeking)

    def d_losses(self, part: Tensors, made: Picture) -> Scalars:
        return discriminator_losses(self.networks, part, made)

    def encoded_terms(self, part: Tensors, made: Picture) -> Scalars:
        return encoded_losses(self.networks, part, made)

    def drawn_terms(self, part: Tensors, made: Picture) -> Scalars:
        return random_losses(self.networks, part, made)

    def _rebuilt(self, part: Tensors) -> list[tuple[Tensor, Tensor]]:
        """Each picture from its own content and attribute (Eq. 5, self-reconstruction), all by domain a's half."""
        enc_c, enc_a, gen = (self.networks[name] for name in ("enc_c", "enc_a", "gen"))
        x = part["x"]
        return [(gen.into("a", enc_c.of("a", x, part["noise"]), enc_a.of("a", x)[0]), x)]

    def method(self) -> Drit:
        return Drit(self.networks, self.settings.size, self.settings.latent)


def build(settings: DritSettings, device: torch.device) -> Any:
    """Networks, losses and schedule for the training loop."""
    return DritTraining(settings, device)

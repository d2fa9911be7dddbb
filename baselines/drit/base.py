"""The training step that both forms of DRIT++ share: content discriminator, discriminators, then two updates of one pass."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import chain
from typing import ClassVar

import torch
from torch import Tensor, nn

from baselines.blocks import gaussian_init, kaiming_init
from baselines.drit.blocks import check_content_side
from baselines.drit.settings import DritSettings
from baselines.training_module import BaselineTraining, Networks, Scalars, Tensors, adam
from models.training.rng import StepRNG

# Deviation of the first pictures before their tanh, with features of unit size.
START_CONTRAST = 0.3
Picture = dict[str, Tensor]


def started(nets: Networks, settings: DritSettings) -> None:
    """Initialise as `settings.init` says; a network narrower than published keeps the published fan-in's variance."""
    if settings.init == "he":
        kaiming_init(*nets.values())
        smooth_decoder(nets["gen"])
    else:
        gaussian_init(list(nets.values()), width=settings.dim)


@torch.no_grad()
def smooth_decoder(generator: nn.Module) -> None:
    """Transposed convolutions that start as bilinear upsampling of mixed channels, and a picture that starts near grey.

    Kernels of 3 at stride 2 overlap unevenly: random ones begin with a checkerboard, which takes thousands of steps to
    unlearn, and a tanh that begins saturated learns slowly.
    """
    line = torch.tensor([0.5, 1.0, 0.5])
    for layer in generator.modules():
        if isinstance(layer, nn.ConvTranspose2d):
            n_in, n_out, side, _ = layer.weight.shape
            mixed = torch.randn(n_in, n_out, 1, 1) / math.sqrt(n_in)
            layer.weight.copy_(math.sqrt(2) * mixed * torch.outer(line, line) if side == 3 else START_CONTRAST * mixed)


def total(terms: Scalars) -> Tensor:
    """The sum of already weighted terms."""
    return torch.stack(list(terms.values())).sum()


class DritBaseTraining(BaselineTraining):
    """`content_steps` - 1 updates of the content discriminator on pictures of their own, then D, then G twice.

    The second G update (drawn path) goes through the graph of the first, as published. PyTorch forbids a backward pass
    through weights that a step has changed since, so both gradients are taken first and then applied in order.

    Args:
        settings, device: as every module's.
        nets: `enc_c`, `enc_a`, `gen` and discriminators, whose names start with "dis".
        roles: how many roles a picture of a domain can have in a step; each takes half a batch.
    """

    settings: DritSettings
    clips: ClassVar[Mapping[str, float]] = {"disContent": 5.0}

    def __init__(self, settings: DritSettings, device: torch.device, nets: Networks, roles: int) -> None:
        check_content_side(settings.size, settings.content_layers)
        started(nets, settings)
        super().__init__(settings, nets, device)
        rates = {"disContent": settings.lr_content}
        self.optimizers = {name: adam(settings, [net], rates.get(name)) for name, net in nets.items()}
        self.half = self.share // 2
        self.batch_sizes = {"photo": self.half * roles, "art": self.half * roles}

    def content_loss(self, part: Tensors) -> Tensor:
        """The content discriminator's loss on pictures alone."""
        raise NotImplementedError

    def translated(self, part: Tensors) -> Picture:
        """Everything that the losses look at."""
        raise NotImplementedError

    def d_losses(self, part: Tensors, made: Picture) -> Scalars:
        """The discriminators' losses, weighted."""
        raise NotImplementedError

    def encoded_terms(self, part: Tensors, made: Picture) -> Scalars:
        """The encoders' and the generator's losses on the encoded path, weighted."""
        raise NotImplementedError

    def drawn_terms(self, part: Tensors, made: Picture) -> Scalars:
        """The content encoder's and the generator's losses on the drawn path, weighted."""
        raise NotImplementedError

    def rate(self, step: int) -> float:
        start = self.settings.decay_from * self.settings.steps
        return 1 - max(0.0, step - start) / (self.settings.steps - start + 1)

    def noise(self, draws: StepRNG, name: str, like: Tensor) -> Tensor:
        """What training adds to contents: N(0, 1) in the shape of their feature maps, by a named draw."""
        side = like.shape[-1] // 4
        return draws.normal(name, len(like), (4 * self.settings.dim, side, side), like.device)

    def content_step(self, rows: Tensors) -> None:
        """One update of the content discriminator alone."""
        self.networks["enc_c"].requires_grad_(False)
        self.networks["disContent"].requires_grad_(True)
        self.optimizers["disContent"].zero_grad()
        for share, part in self.parts(rows):
            with self.precision(part):
                (share * self.content_loss(part)).backward()
        self.apply("disContent")

    def full_step(self, rows: Tensors) -> Scalars:
        """Discriminators, then encoders and generator by both paths, all from one pass of the generator."""
        judges = [name for name in self.networks if name.startswith("dis")]
        for name, optimizer in self.optimizers.items():
            self.networks[name].requires_grad_(True)
            optimizer.zero_grad()
        stats: Scalars = {}
        kept: list[tuple[float, Tensors, Picture]] = []
        for share, part in self.parts(rows):
            with self.precision(part):
                made = self.translated(part)
                losses = self.d_losses(part, made)
            (share * total(losses)).backward()
            _note(stats, losses, share)
            kept.append((share, part, made))
        for name in judges:
            self.apply(name)
            self.networks[name].requires_grad_(False)
        second: list[Tensor] = []
        own = list(chain.from_iterable(self.networks[name].parameters() for name in ("enc_c", "gen")))
        for share, part, made in kept:
            with self.precision(part):
                first_terms, second_terms = self.encoded_terms(part, made), self.drawn_terms(part, made)
            (share * total(first_terms)).backward(retain_graph=True)
            gradients = torch.autograd.grad(share * total(second_terms), own)
            second = list(gradients) if not second else torch._foreach_add(second, gradients)  # type: ignore[assignment]
            _note(stats, first_terms | second_terms, share)
        for name in ("enc_c", "enc_a", "gen"):
            self.apply(name)
        for parameter, gradient in zip(own, second):
            parameter.grad = gradient
        for name in ("enc_c", "gen"):
            self.apply(name)
        return stats


def _note(stats: Scalars, terms: Scalars, share: float) -> None:
    for name, value in terms.items():
        stats[name] = stats.get(name, torch.zeros_like(value)).detach() + share * value.detach()

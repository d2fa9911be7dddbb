"""The game of D_style_latent: Eq. 8 as the paper prints it, or a projection discriminator that also sees real pairs."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from models.networks.discriminators import ProjectionDiscriminator
from models.training.losses import d_logistic, g_nonsaturating


@dataclass(frozen=True)
class Styles:
    """The style codes of a step, (N, code) each.

    Attributes:
        positive: z_s+, what the stylised pictures are made from.
        negative: z_s-, of other works.
        own: of the step's art pictures.
        encoded: (N, 1) bool, whether `positive` is `own` and not drawn from N(0, I).
    """

    positive: Tensor
    negative: Tensor
    own: Tensor
    encoded: Tensor

    def __getitem__(self, part: slice) -> Styles:
        return Styles(self.positive[part], self.negative[part], self.own[part], self.encoded[part])


def consistency_d(judge: ProjectionDiscriminator, fake: Tensor, styles: Styles) -> Tensor:
    """Eq. 8, the discriminator's half: a generated picture with its code against the same picture with another.

    Args:
        fake: h of the generated pictures (`ProjectionDiscriminator.hidden`).
    """
    return d_logistic(judge.score(fake, styles.positive), judge.score(fake, styles.negative))


def consistency_g(judge: ProjectionDiscriminator, fake: Tensor, styles: Styles, sees_negative: bool) -> Tensor:
    """Eq. 8, the generator's half."""
    loss = g_nonsaturating(judge.score(fake, styles.positive))
    if sees_negative:
        loss = loss + g_nonsaturating(-judge.score(fake, styles.negative))
    return loss


def projection_d(judge: ProjectionDiscriminator, real: Tensor, fake: Tensor, styles: Styles) -> Tensor:
    """A work with its own code is right; the same work with another code, or a generated picture with its code, is wrong.

    Eq. 8 compares generated pictures alone, so that any code which can be read back from the picture serves; real pairs say
    which style a code stands for. Pictures of drawn codes have no real counterpart and take no part.

    Args:
        real, fake: h of the art pictures and of the generated ones.
    """
    right = F.softplus(-judge.score(real, styles.own)).mean()
    other = F.softplus(judge.score(real, styles.negative)).mean()
    generated = (F.softplus(judge.score(fake, styles.positive)) * styles.encoded).mean()
    return right + (other + generated) / 2


def projection_g(judge: ProjectionDiscriminator, fake: Tensor, styles: Styles) -> Tensor:
    """The generator's half of `projection_d`."""
    return (F.softplus(-judge.score(fake, styles.positive)) * styles.encoded).mean()


def no_styles(count: int, device: torch.device) -> Styles:
    """Codes of width 0, for the face game alone."""
    empty = torch.empty((count, 0), device=device)
    return Styles(empty, empty, empty, torch.zeros((count, 1), dtype=torch.bool, device=device))

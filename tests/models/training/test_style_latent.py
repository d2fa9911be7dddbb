"""The games of D_style_latent against their formulas."""

from __future__ import annotations

import math

import pytest
import torch

from models.networks.discriminators import ProjectionDiscriminator
from models.training.style_latent import Styles, consistency_d, consistency_g, projection_d, projection_g


@pytest.fixture
def judge() -> ProjectionDiscriminator:
    torch.manual_seed(0)
    return ProjectionDiscriminator(32, 8, {4: 4, 8: 4, 16: 4, 32: 4})


def codes(count: int = 3) -> Styles:
    positive, negative, own = torch.randn(3, count, 8, generator=torch.Generator().manual_seed(1))
    return Styles(positive, negative, own, torch.tensor([[True], [False], [True]]))


def softplus(logits: torch.Tensor) -> list[float]:
    return [math.log1p(math.exp(float(value))) for value in logits.flatten()]


def test_consistency_is_equation_8(judge: ProjectionDiscriminator) -> None:
    h, styles = torch.randn(3, 4), codes()
    right, wrong = judge.score(h, styles.positive), judge.score(h, styles.negative)
    assert consistency_d(judge, h, styles).item() == pytest.approx(
        (sum(softplus(-right)) + sum(softplus(wrong))) / 3, rel=1e-5
    )
    assert consistency_g(judge, h, styles, False).item() == pytest.approx(sum(softplus(-right)) / 3, rel=1e-5)


def test_real_pairs_are_right_and_drawn_codes_take_no_part(judge: ProjectionDiscriminator) -> None:
    real, fake = torch.randn(2, 3, 4)
    styles = codes()
    right = softplus(-judge.score(real, styles.own))
    other = softplus(judge.score(real, styles.negative))
    first, _, third = softplus(judge.score(fake, styles.positive))
    wanted = sum(right) / 3 + (sum(other) / 3 + (first + third) / 3) / 2
    assert projection_d(judge, real, fake, styles).item() == pytest.approx(wanted, rel=1e-5)
    first, _, third = softplus(-judge.score(fake, styles.positive))
    assert projection_g(judge, fake, styles).item() == pytest.approx((first + third) / 3, rel=1e-5)


def test_a_part_of_the_codes_keeps_the_rows_together() -> None:
    styles = codes()
    part = styles[slice(1, 3)]
    assert torch.equal(part.positive, styles.positive[1:])
    assert part.encoded.tolist() == [[False], [True]]

"""Addressed random numbers: no two addresses share a stream, and one seed's streams are independent."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.rng import generator_at, seed_sequence, seeded_normal
from models.training import rng
from models.training.rng import StepRNG

PAPER_STEPS = 200_000


def first_numbers(names: list[str], steps: range, samples: int) -> np.ndarray:
    """128 bits of the state of every stream: two equal rows are two equal streams."""
    rows = [
        seed_sequence(0, 0, step, name, sample).generate_state(2, np.uint64)
        for step in steps
        for name in names
        for sample in range(samples)
    ]
    return np.stack(rows)


def test_no_two_streams_are_equal() -> None:
    """12,000 addresses of BlendGAN's training; CRC and Adler-32 in a 32-bit seed left a few thousand."""
    rows = first_numbers(["z", "z2", "noise"], range(500), 8)
    assert len(np.unique(rows, axis=0)) == len(rows) == 12_000


@pytest.mark.slow
def test_no_two_streams_of_the_papers_profile_are_equal() -> None:
    """10^6 addresses, spread over the 200,000 steps of batch 8."""
    rows = first_numbers(["z", "z2", "z_style", "noise", "negative"], range(0, PAPER_STEPS, 8), 8)
    assert len(np.unique(rows, axis=0)) == len(rows) == 1_000_000


def test_draws_of_one_name_differ_by_step_and_sample() -> None:
    codes = torch.cat([StepRNG(0, step).normal("z", 8, (4,)) for step in range(600)])
    assert len(codes.unique(dim=0)) == 4_800
    assert codes.mean().abs() < 0.03  # 19,200 values: four standard errors
    assert abs(codes.std() - 1) < 0.03


@pytest.mark.parametrize("width", [1, 5])
def test_one_batch_has_no_two_equal_rows(width: int) -> None:
    uniform = StepRNG(0, 0).uniform("crop/photo", 256, (width,))
    assert len(uniform.unique(dim=0)) == 256


def test_ranks_share_the_samples_of_one_process() -> None:
    whole = StepRNG(3, 5).normal("z", 8, (16,))
    for world in (2, 4, 8):
        parts = [StepRNG(3, 5, rank, world).normal("z", 8 // world, (16,)) for rank in range(world)]
        assert torch.equal(torch.stack(parts, 1).flatten(0, 1), whole)


def test_noise_is_one_stream_a_sample_and_the_same_for_any_number_of_ranks() -> None:
    shapes = [(1, 4, 4), (1, 8, 8), (1, 8, 8)]
    whole = StepRNG(0, 1).noise(shapes, 4)
    assert [tuple(layer.shape) for layer in whole] == [(4, *shape) for shape in shapes]
    flat = torch.cat([layer.flatten() for layer in whole])
    assert len(flat.unique()) > 0.99 * len(flat)
    halves = [StepRNG(0, 1, rank, 2).noise(shapes, 2) for rank in range(2)]
    for layer, even, odd in zip(whole, *halves, strict=True):
        assert torch.equal(layer, torch.stack([even, odd], 1).flatten(0, 1))


def test_what_a_device_draws_itself_has_the_same_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    few = StepRNG(3, 5).normal("z", 8, (16,))
    monkeypatch.setattr(rng, "ON_DEVICE", {"cpu"})
    monkeypatch.setattr(rng, "MANY", 20)
    assert torch.equal(StepRNG(3, 5).normal("z", 8, (16,)), few)
    whole = StepRNG(3, 5).normal("path", 4, (2, 5, 5))
    halves = [StepRNG(3, 5, rank, 2).normal("path", 2, (2, 5, 5)) for rank in range(2)]
    assert torch.equal(whole, torch.stack(halves, 1).flatten(0, 1))
    others = [StepRNG(3, 6), StepRNG(4, 5), StepRNG(3, 5, salt=1)]
    drawn = [
        whole,
        StepRNG(3, 5).normal("other", 4, (2, 5, 5)),
        *(other.normal("path", 4, (2, 5, 5)) for other in others),
    ]
    rows = torch.cat([draw.flatten(1) for draw in drawn])
    assert len(rows.unique(dim=0)) == 20
    assert abs(float(rows.mean())) < 0.15
    assert [tuple(layer.shape) for layer in StepRNG(0, 1).noise([(1, 4, 4), (1, 8, 8)], 2)] == [
        (2, 1, 4, 4),
        (2, 1, 8, 8),
    ]


def test_a_roll_back_draws_other_numbers() -> None:
    assert not torch.equal(StepRNG(0, 7).normal("z", 2, (4,)), StepRNG(0, 7, salt=1).normal("z", 2, (4,)))


@pytest.mark.parametrize("seed", [7, 7 + (1 << 32), 7 + (2 << 32)])
def test_a_seed_gives_independent_face_style_and_noise(seed: int) -> None:
    face, style, noise = (seeded_normal([seed], [20_000], stream=name)[0] for name in ("face", "style", "noise"))
    for a, b in ((face, style), (face, noise), (style, noise)):
        assert torch.corrcoef(torch.stack([a, b]))[0, 1].abs() < 0.03  # four standard errors of 20,000 pairs


def test_seeds_beyond_32_bits_are_other_seeds() -> None:
    rows = seeded_normal([7, 7 + (1 << 32), 7 + (2 << 32)], [4])
    assert len(rows.unique(dim=0)) == 3


def test_places_of_an_address_are_not_confused() -> None:
    assert generator_at(1 << 32, 0).random() != generator_at(0, 1).random()
    assert generator_at(1, 0).random() != generator_at(0, 1).random()


@pytest.mark.parametrize("seed", [-1, 1 << 64])
def test_a_seed_outside_of_64_bits_is_refused(seed: int) -> None:
    with pytest.raises(ValueError, match="2\\^64"):
        seeded_normal([seed], [1])

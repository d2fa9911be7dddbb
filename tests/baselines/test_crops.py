"""The authors' random crops: parts of the picture, by the address of the draw, at the published sizes."""

from __future__ import annotations

import pytest
import torch

from baselines.crops import augmented, centre_crop, random_crop, resized_crop
from baselines.registry import settings_of
from models.training.rng import StepRNG


def ramps(count, side):
    """Channel 0 rises with x, channel 1 with y, from -1 at the first pixel's edge to 1 at the last one's."""
    line = (torch.arange(side) + 0.5) / side * 2 - 1
    picture = torch.stack((line.expand(side, side), line[:, None].expand(side, side), torch.zeros(side, side)))
    return picture.expand(count, -1, -1, -1).clone()


def test_a_random_crop_is_a_part_of_the_picture_and_all_places_are_reached():
    images = torch.arange(3 * 6 * 6.0).view(1, 3, 6, 6).expand(200, -1, -1, -1)
    plan = torch.rand(200, 2, generator=torch.Generator().manual_seed(0))
    found = random_crop(images, 4, plan)
    parts = [images[0, :, y : y + 4, x : x + 4] for y in range(3) for x in range(3)]
    which = {next(i for i, part in enumerate(parts) if torch.equal(one, part)) for one in found}
    assert which == set(range(9))
    assert torch.equal(random_crop(images, 4, torch.full((200, 2), 0.99999))[0], parts[-1])
    assert random_crop(images, 6, plan) is images


def test_a_resized_crop_stretches_a_nearly_square_part():
    side = 64
    plan = torch.rand(100, 5, generator=torch.Generator().manual_seed(0))
    images = ramps(100, side)
    found = resized_crop(images, 0.5, plan)
    chosen = plan[:, 0] < 0.5
    assert torch.equal(found[~chosen], images[~chosen])
    # The slope of a stretched ramp is the part's width (channel 0) or height (channel 1) over the whole picture's; the
    # outermost pixels are left out, where the border is repeated.
    inner = found[chosen][..., 2:-2, 2:-2]
    width, height = ((inner[:, channel].diff(dim=dim).mean((1, 2)) * side / 2) for channel, dim in ((0, 2), (1, 1)))
    area = (width * height).numpy()
    assert (area > 0.8 * 0.94).all()
    assert (area < 1.001).all()
    assert (area < 0.9).any()
    # Cut at the picture's side, a part of area 1 and ratio 1.1 keeps 0.95 of its width.
    assert ((width / height > 0.89) & (width / height < 1.12)).all()
    assert ((width / height - 1).abs() > 0.03).any()
    assert torch.equal(resized_crop(images, 0.0, plan), images)


def test_crops_follow_the_draw_and_the_rank_not_the_call():
    images = torch.rand(4, 3, 20, 20)
    one, two = (augmented(images, 16, 0.5, StepRNG(0, 3), "photo") for _ in range(2))
    assert torch.equal(one, two)
    assert not torch.equal(one, augmented(images, 16, 0.5, StepRNG(0, 4), "photo"))
    assert not torch.equal(one, augmented(images, 16, 0.5, StepRNG(0, 3), "art"))
    halves = [augmented(images[rank::2], 16, 0.5, StepRNG(0, 3, rank, 2), "photo") for rank in range(2)]
    assert torch.equal(torch.stack(halves, 1).flatten(0, 1), one)


def test_the_middle():
    images = torch.arange(36.0).view(1, 1, 6, 6)
    assert torch.equal(centre_crop(images, 2)[0, 0], torch.tensor([[14.0, 15.0], [20.0, 21.0]]))
    assert centre_crop(images, 6).shape == images.shape


# (method, side in training, side read) of the authors' loaders at their own sizes.
PUBLISHED = [("adain", 256, 512), ("munit", 256, 256), ("funit", 128, 140), ("drit", 216, 256), ("mdmm", 216, 256)]


@pytest.mark.parametrize(("name", "size", "read"), [*PUBLISHED, ("stargan2", 256, 256)])
def test_published_sizes(name, size, read):
    settings = settings_of(name)(size=size, steps=1, batch=2)
    assert settings.load_size == read
    assert settings.resized_crop == (0.5 if name == "stargan2" else 0)
    assert settings.flip == (name != "adain")

"""Inversion by optimisation finds what the generator made; the slider, pasting back and frames do what they say."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from models.inference.animation import check_target, write_frames
from models.inference.invert import LearnedDistance, PixelPyramid, TrunkDistance, best_distance, invert
from models.inference.paste_back import paste_back
from models.inference.stylize import strength_to_blend
from models.networks.stylegan2 import Generator
from models.networks.vgg import VGG19Trunk
from suite.errors import SuiteError

CHANNELS = {4: 8, 8: 8, 16: 8}


@pytest.fixture(scope="module")
def generator() -> Generator:
    torch.manual_seed(0)
    return Generator(16, style_dim=8, n_mlp=2, channels=CHANNELS).eval()


def own_faces(generator: Generator, count: int) -> torch.Tensor:
    with torch.no_grad():
        z = torch.randn(count, 8, generator=torch.Generator().manual_seed(5))
        return generator(z)[0].clamp(-1, 1)


@pytest.mark.parametrize("space", ["w", "w+"])
def test_a_face_of_the_generator_is_approached(generator: Generator, space: str) -> None:
    faces = own_faces(generator, 2)
    start = invert(generator, faces, space=space, steps=1, mean_of=64)  # type: ignore[arg-type]
    found = invert(generator, faces, space=space, steps=60, mean_of=64)  # type: ignore[arg-type]
    assert found.latents.shape == (2, 6, 8)
    # A working optimisation more than halves the distance of the mean face in 60 steps; a broken one leaves it.
    assert (found.distance < 0.5 * start.distance).all()
    assert torch.equal(found.latents[:, 0], found.latents[:, 1]) == (space == "w")
    assert "no trained perceptual weights" in found.measured


def test_a_face_does_not_depend_on_its_neighbours(generator: Generator) -> None:
    faces = own_faces(generator, 2)
    both = invert(generator, faces, steps=5, seeds=[3, 4], mean_of=64)
    alone = invert(generator, faces[1:], steps=5, seeds=[4], mean_of=64)
    # float32: convolutions of another batch size sum in another order; Adam magnifies it a little.
    assert torch.allclose(both.latents[1:], alone.latents, atol=1e-3)
    assert all(parameter.requires_grad for parameter in generator.parameters())


def test_distances_are_zero_for_the_same_picture_and_named() -> None:
    trunk = VGG19Trunk((4, 4, 4, 4, 4))
    x = torch.rand(2, 3, 32, 32) * 2 - 1
    for distance in (PixelPyramid(), TrunkDistance(trunk)):
        assert torch.equal(distance(x, x), torch.zeros(2))
        assert (distance(x, -x) > 0).all()
    assert isinstance(best_distance(None, trunk), TrunkDistance)
    assert isinstance(best_distance(), PixelPyramid)


def test_the_target_is_looked_at_once(generator: Generator) -> None:
    trunk = VGG19Trunk((4, 4, 4, 4, 4))
    asked: list[int] = []
    trunk.register_forward_hook(lambda *_: asked.append(1))
    invert(generator, own_faces(generator, 1), distance=TrunkDistance(trunk), steps=3, mean_of=64)
    # The target, three steps, and what they came to.
    assert len(asked) == 5


def test_strength_is_monotone_and_reaches_both_ends() -> None:
    n = 18

    def shares(strength: float) -> list[float]:
        i, theta = strength_to_blend(strength, n)
        return [1.0 if layer > i else theta if layer == i else 0.0 for layer in range(n)]

    assert shares(0) == [0.0] * n
    assert shares(1) == [1.0] * n
    assert strength_to_blend(2 / 3, n) in ((5, pytest.approx(0)), (6, pytest.approx(1)))
    values = [shares(k / 97) for k in range(98)]
    for before, after in itertools.pairwise(values):
        assert all(b <= a for b, a in zip(before, after, strict=True))
        assert sum(after) - sum(before) == pytest.approx(n / 97)
    with pytest.raises(SuiteError, match="from 0"):
        strength_to_blend(1.5, n)


def test_paste_back_undoes_the_cut() -> None:
    """A smooth photograph cut by a turned square and pasted back is the photograph, and outside nothing moves."""
    y, x = np.mgrid[:120, :160]
    photograph = Image.fromarray(np.stack([x, y * 2, 255 - x], 2).astype(np.uint8))
    centre, across = np.array([80.0, 60.0]), np.array([24.0, 10.0])
    down = np.array([-10.0, 24.0])
    quad = np.stack([centre - across - down, centre - across + down, centre + across + down, centre + across - down])
    face = photograph.transform((64, 64), Image.Transform.QUAD, tuple(quad.ravel()), Image.Resampling.BILINEAR)
    back = np.asarray(paste_back(photograph, face, quad)).astype(int)
    # Two bilinear resamplings of slopes of at most 2 grey levels a pixel: within 2 levels.
    assert np.abs(back - np.asarray(photograph)).max() <= 2
    red = np.asarray(paste_back(photograph, Image.new("RGB", (64, 64), "red"), quad)).astype(int)
    assert (red[60, 80] == [255, 0, 0]).all()
    corner = quad.min(0)
    assert np.array_equal(red[: int(corner[1]), :], np.asarray(photograph)[: int(corner[1]), :])


def test_frames_become_an_animation(tmp_path: Path) -> None:
    frames = [Image.new("RGB", (8, 8), (60 * index, 0, 0)) for index in range(4)]
    for name in ("x.gif", "x.webp"):
        assert write_frames(tmp_path / name, iter(frames), 10) == 4
        with Image.open(tmp_path / name) as read:
            assert getattr(read, "n_frames", 1) == 4
    write_frames(tmp_path / "folder", iter(frames), 10)
    assert sorted(path.name for path in (tmp_path / "folder").iterdir())[-1] == "frame00003.png"
    with pytest.raises(SuiteError, match="is expected"):
        check_target(tmp_path / "x.avi")


def test_learned_distance_is_lpips_and_a_share_of_pixels(tmp_path: Path) -> None:
    import lpips

    torch.manual_seed(0)
    net = lpips.LPIPS(net="alex", pnet_rand=True, verbose=False)
    alexnet = {"features." + key.split(".", 1)[1]: value for key, value in net.net.state_dict().items()}
    torch.save(alexnet, tmp_path / "alexnet.pth")
    x, y = torch.rand(2, 2, 3, 64, 64) * 2 - 1
    expected = net(x, y).flatten()
    torch.testing.assert_close(LearnedDistance(tmp_path / "alexnet.pth", pixels=0)(x, y), expected)
    both = expected + 0.1 * PixelPyramid()(x, y)
    torch.testing.assert_close(LearnedDistance(tmp_path / "alexnet.pth")(x, y), both)

"""Every metric must order what everybody agrees on: blur, noise, JPEG and a dropped mode are worse, more is worse."""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import cache

import numpy as np
import pytest
import torch
from PIL import Image, ImageFilter

from benchmark.metrics.extractors.lite0 import Lite0, diversity
from benchmark.metrics.frechet import frechet_distance
from benchmark.metrics.gaussian import fit
from benchmark.metrics.mmd import gaussian_influence, kernel_influence
from benchmark.metrics.prdc import fidelity

pytestmark = pytest.mark.slow
COUNT, SIZE = 160, 64
LITE0 = Lite0()


@cache
def pictures(seed: int) -> tuple[Image.Image, ...]:
    """Drawn faces of two kinds: an oval with eyes and mouth on a plain ground, warm and smooth or cold and hatched."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:SIZE, :SIZE] / SIZE - 0.5
    out = []
    for k in range(COUNT):
        cold = k % 2
        ground, skin = rng.uniform(0.1, 0.9, 3), np.array([0.9, 0.7, 0.55]) * rng.uniform(0.5, 1.0)
        if cold:
            skin = skin[::-1]
        width, height = rng.uniform(0.22, 0.3), rng.uniform(0.3, 0.4)
        face = (x / width) ** 2 + (y / height) ** 2 < 1
        image = np.where(face[..., None], skin, ground)
        for side in (-1, 1):
            eye = (x - side * rng.uniform(0.09, 0.13)) ** 2 + (y + 0.08) ** 2 < rng.uniform(0.02, 0.04) ** 2
            image = np.where(eye[..., None], 0.1, image)
        mouth = (np.abs(y - 0.17) < 0.015) & (np.abs(x) < rng.uniform(0.06, 0.12))
        image = np.where(mouth[..., None], [0.6, 0.15, 0.2], image)
        if cold:
            image = image + 0.12 * np.sin((x + y)[..., None] * rng.uniform(80, 160))
        out.append(Image.fromarray((image.clip(0, 1) * 255).astype(np.uint8)))
    return tuple(out)


def blur(radius: float) -> Callable[[Image.Image], Image.Image]:
    return lambda picture: picture.filter(ImageFilter.GaussianBlur(radius))


def noise(level: float) -> Callable[[Image.Image], Image.Image]:
    rng = np.random.default_rng(5)

    def add(picture: Image.Image) -> Image.Image:
        array = np.asarray(picture, dtype=np.float64)
        return Image.fromarray((array + level * rng.standard_normal(array.shape)).clip(0, 255).astype(np.uint8))

    return add


def jpeg(quality: int) -> Callable[[Image.Image], Image.Image]:
    def through(picture: Image.Image) -> Image.Image:
        buffer = io.BytesIO()
        picture.save(buffer, "JPEG", quality=quality)
        return Image.open(buffer).convert("RGB")

    return through


def features(some: tuple[Image.Image, ...]) -> np.ndarray:
    stacked = np.stack([np.asarray(picture) for picture in some])
    pixels = torch.from_numpy(stacked).permute(0, 3, 1, 2).contiguous()
    return torch.cat([LITE0(part) for part in pixels.split(32)]).numpy()


def unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def spread(vectors: np.ndarray) -> float:
    return float(np.median(np.linalg.norm(vectors - vectors.mean(0), axis=1)))


@cache
def real() -> np.ndarray:
    return features(pictures(0))


DISTANCES: dict[str, Callable[[np.ndarray], float]] = {
    "frechet": lambda fake: frechet_distance(fit(real()), fit(fake)),
    "kid": lambda fake: kernel_influence(real(), fake)[0],
    "cmmd": lambda fake: gaussian_influence(real(), fake, sigma=spread(real()))[0],
    "cmmd as measured": lambda fake: gaussian_influence(unit(real()), unit(fake))[0],
    "1 - density": lambda fake: 1 - fidelity(real(), fake).density,
    "1 - coverage": lambda fake: 1 - fidelity(real(), fake).coverage,
}
LADDERS = {
    "blur": [blur(1.0), blur(2.5), blur(6.0)],
    "noise": [noise(12), noise(35), noise(90)],
    "jpeg": [jpeg(60), jpeg(10), jpeg(2)],
}


@pytest.mark.parametrize("metric", ["frechet", "kid", "cmmd", "cmmd as measured"])
@pytest.mark.parametrize("ladder", sorted(LADDERS))
def test_more_damage_is_further(metric: str, ladder: str) -> None:
    fresh = DISTANCES[metric](features(pictures(1)))
    found = [DISTANCES[metric](features(tuple(map(step, pictures(1))))) for step in LADDERS[ladder]]
    assert fresh < found[1] < found[2]
    assert found == sorted(found)


@pytest.mark.parametrize("metric", ["1 - density", "1 - coverage"])
@pytest.mark.parametrize("ladder", ["blur", "noise"])
def test_heavy_damage_costs_density_and_coverage(metric: str, ladder: str) -> None:
    assert DISTANCES[metric](features(pictures(1))) < DISTANCES[metric](
        features(tuple(map(LADDERS[ladder][2], pictures(1))))
    )


@pytest.mark.parametrize("metric", ["frechet", "kid", "cmmd", "cmmd as measured", "1 - coverage"])
def test_a_dropped_mode_is_further(metric: str) -> None:
    half = pictures(1)[::2] + pictures(2)[::2]
    assert DISTANCES[metric](features(pictures(1))) < DISTANCES[metric](features(half))


def test_diversity_orders_one_picture_alike_pictures_and_noise() -> None:
    lens = diversity()
    stacked = torch.from_numpy(np.stack([np.asarray(p) for p in pictures(1)[:10]])).permute(0, 3, 1, 2)
    same = stacked[:1].repeat(10, 1, 1, 1)
    wobbling = (same.int() + torch.arange(10).view(10, 1, 1, 1)).clamp(0, 255).to(torch.uint8)
    found = [float(lens.of_faces(some, 10)[0]) for some in (same, wobbling, stacked)]
    assert found[0] == pytest.approx(0, abs=1e-6)
    assert found[0] < found[1] < found[2]

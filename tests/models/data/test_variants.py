"""Which filter made photographs of faces small, told by their spectrum alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.data.variants import BOX, LANCZOS, UNKNOWN, WHOLE, filter_marks, named

FILTERS = {
    LANCZOS: Image.Resampling.LANCZOS,
    BOX: Image.Resampling.BOX,
    UNKNOWN: Image.Resampling.BICUBIC,
}


def falling(seed: int, side: int = 1024) -> Image.Image:
    """A picture whose power falls with the 2.6th power of the frequency, near what photographs' does."""
    rng = np.random.default_rng(seed)
    radius = np.hypot(np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None])
    radius[0, 0] = 1
    noise = rng.standard_normal((side, side // 2 + 1)) + 1j * rng.standard_normal((side, side // 2 + 1))
    grey = np.fft.irfft2(noise * radius**-1.3, s=(side, side))
    grey = 127.5 + 40 * (grey - grey.mean()) / grey.std()
    return Image.fromarray(grey.clip(0, 255).astype(np.uint8)).convert("RGB")


@pytest.fixture(scope="module")
def synthetic() -> list[Image.Image]:
    return [falling(seed) for seed in range(4)]


def test_the_marks_tell_filters_apart_whatever_the_pictures(synthetic: list[Image.Image]) -> None:
    def marks(name: str) -> np.ndarray:
        small = [np.asarray(one.resize((256, 256), FILTERS[name])) for one in synthetic]
        return np.array(filter_marks([one @ np.array([0.299, 0.587, 0.114]) for one in small]))

    lanczos, box, bicubic = (marks(name) for name in (LANCZOS, BOX, UNKNOWN))
    # The distances between filters that the photographs behind the limits show: 0.28, 0.35; 0.14, 0.02.
    assert lanczos - box == pytest.approx([0.28, 0.35], abs=0.1)
    assert lanczos - bicubic == pytest.approx([0.14, 0.02], abs=0.1)


def test_1024_is_the_whole_form_unless_enlarged_or_jpeg(synthetic: list[Image.Image], tmp_path: Path) -> None:
    assert named([np.asarray(one) for one in synthetic]).name == WHOLE
    small = [one.resize((256, 256), Image.Resampling.LANCZOS) for one in synthetic]
    enlarged = named([np.asarray(one.resize((1024, 1024), Image.Resampling.LANCZOS)) for one in small])
    assert (enlarged.name, "enlarged" in enlarged.why) == (UNKNOWN, True)
    pressed = []
    for number, one in enumerate(synthetic):
        one.save(tmp_path / f"{number}.jpg", quality=60)
        pressed.append(np.asarray(Image.open(tmp_path / f"{number}.jpg")))
    found = named(pressed)
    assert (found.name, "JPEG" in found.why) == (UNKNOWN, True)


@pytest.mark.parametrize("name", FILTERS)
def test_the_filter_of_real_faces_is_named(name: str, pictures: Path) -> None:
    faces = [Image.open(path).convert("RGB") for path in sorted((pictures / "faces").glob("*.jpg"))]
    assert len(faces) == 27
    small = [np.asarray(one.resize((256, 256), FILTERS[name])) for one in faces]
    for part in (small, small[::2], small[1::2], small[19:]):
        assert named(part).name == name

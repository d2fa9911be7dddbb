"""Methods that answer with what they were given or trained on are found and not ranked, whatever their numbers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from benchmark.metrics.answers import NEAR, Thumbnails, mirrored, suspect, unit, unmoved
from benchmark.metrics.table import MOST_COPIES, copied
from benchmark.run.cell import Bench
from benchmark.run.generate import Generation, read_rows, to_float
from benchmark.run.instruments import Extractors
from benchmark.run.record import MethodInfo, Record
from benchmark.run.reproduction import Reproduction
from benchmark.tasks.paper import Cell
from benchmark.tasks.settings import MethodSettings, Reproduce
from models.data.pictures import nearest_uint8
from models.data.release import Release, open_release
from models.method import Face
from tests.benchmark.toys import InventingToy, Means, ToyMethod, write_release

SIZE = 32


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Bench:
    folder = tmp_path_factory.mktemp("cheats")
    write_release(folder / "data", size=SIZE)
    settings = Reproduce(faces=6, styles=4, answers=False, methods=(MethodSettings(name="MUNIT"),))
    return Bench.open(Reproduction(settings, "toy", folder / "out", data=folder / "data", offline=True))


@pytest.fixture(scope="module")
def light(bench: Bench) -> Bench:
    """The same with features without a network: cheats are seen by thumbnails, whatever else measures."""
    return replace(bench, extractors=Extractors(fd=(Means(),)))


def noisy(pictures: Tensor, levels: int = 4) -> Tensor:
    """Pictures in [-1, 1] under noise of some grey levels of 255, the same for the same picture."""
    draw = torch.Generator().manual_seed(int(pictures.double().sum() * 1000) % 2**31)
    return (pictures + (torch.rand(pictures.shape, generator=draw) * 2 - 1) * levels / 127.5).clamp(-1, 1)


class Cheat(ToyMethod):
    """Answers by `make(faces, styles, seeds)`."""

    def __init__(self, make: Callable[[Tensor, Tensor, list[int]], Tensor]) -> None:
        super().__init__(resolution=SIZE)
        self.make = make

    def from_reference(self, face: Face, style: Tensor, seeds: object) -> Tensor:
        assert face.images is not None
        return self.make(face.images, style, list(seeds)).float()  # type: ignore[call-overload]


def stolen(release: Release, split: str, flip: bool = False) -> Callable[[Tensor, Tensor, list[int]], Tensor]:
    pictures = to_float(read_rows(release, [int(row) for row in release.split(split, "art")], SIZE))
    pictures = pictures.flip(3) if flip else pictures
    return lambda _faces, _styles, seeds: pictures[[seed % len(pictures) for seed in seeds]]


def rolled(pictures: Tensor, seeds: list[int]) -> Tensor:
    """Each picture moved by its own number of rows and columns, from one pixel to nearly all."""
    moved = [picture.roll((1 + seed % 31, 1 + seed // 31 % 31), (1, 2)) for picture, seed in zip(pictures, seeds)]
    return torch.stack(moved)


def record(bench: Bench, method: ToyMethod, guidance: str = "reference") -> Record:
    generation = Generation(method, guidance, bench.draws[0], bench.release, 8)  # type: ignore[arg-type]
    cell = Cell(0, guidance, "Cheat", None)  # type: ignore[arg-type]
    return bench.record(cell, [generation], MethodInfo(name="Cheat"), {}, "re-run from weights")


def test_an_honest_toy_is_ranked(bench: Bench) -> None:
    rankable = {value.metric for value in record(bench, ToyMethod(resolution=SIZE)).values if value.rankable}
    assert {"KD-lite0", "diversity-lite0", "precision (lite0)"} <= rankable


CHEATS: dict[str, tuple[Callable[[Release], Callable[[Tensor, Tensor, list[int]], Tensor]], str]] = {
    "training pictures": (lambda release: stolen(release, "train"), "pictures of the data"),
    "training pictures, mirrored": (lambda release: stolen(release, "train", flip=True), "pictures of the data"),
    "training pictures, moved round their borders": (
        lambda release: lambda f, s, k: rolled(stolen(release, "train")(f, s, k), k),
        "pictures of the data",
    ),
    "training pictures, mirrored, moved and under noise": (
        lambda release: lambda f, s, k: noisy(rolled(stolen(release, "train", flip=True)(f, s, k), k)),
        "pictures of the data",
    ),
    "training pictures under noise": (
        lambda release: lambda f, s, k: noisy(stolen(release, "train")(f, s, k)),
        "pictures of the data",
    ),
    "other pictures of the test split": (lambda release: stolen(release, "test"), "pictures of the data"),
    "the reference": (lambda _: lambda _f, styles, _k: styles, "their references"),
    "the reference under noise": (lambda _: lambda _f, styles, _k: noisy(styles, 2), "their references"),
    "the face under noise": (lambda _: lambda faces, _s, _k: noisy(faces, 4), "their faces unchanged"),
    "half face, half reference": (
        lambda _: lambda faces, styles, _k: noisy((faces + styles) / 2, 2),
        "blends of face and reference",
    ),
    "one picture for all, under noise": (
        lambda _: lambda faces, _s, seeds: torch.cat([noisy(one_picture() + 1e-3 * (k % 7), 4) for k in seeds]),
        "the same for other faces",
    ),
}  # fmt: skip


def one_picture() -> Tensor:
    draw = torch.Generator().manual_seed(1)
    return torch.nn.functional.interpolate(torch.rand(1, 3, 8, 8, generator=draw) - 0.5, SIZE, mode="bicubic")


@pytest.mark.parametrize("cheat", CHEATS)
def test_a_cheat_is_named_and_nothing_of_it_is_ranked(light: Bench, cheat: str) -> None:
    make, words = CHEATS[cheat]
    found = record(light, Cheat(make(light.release)))
    assert not any(value.rankable for value in found.values)
    for value in found.values:
        assert words in value.why, (value.metric, value.why)
    # A cosine of 1.0000001 or a distance a hair below 0 ends no run: the record is there.
    assert found.get("KD-means") is not None


def test_a_method_that_invents_faces_must_not_give_the_photographs(bench: Bench) -> None:
    photographs = to_float(read_rows(bench.release, [int(row) for row in bench.release.split("test", "photo")], SIZE))

    class Thief(InventingToy):
        def _mix(self, face: Face, colour: Tensor) -> Tensor:
            assert face.seeds is not None
            return photographs[[seed % len(photographs) for seed in face.seeds]]

    found = record(bench, Thief(resolution=SIZE), "latent")
    assert "pictures of the data" in found.values[0].why


def test_a_quarter_is_still_chance_and_more_is_not() -> None:
    rng = np.random.default_rng(0)
    data, own = (torch.from_numpy(rng.standard_normal((n, Thumbnails.dim)).astype(np.float32)) for n in (50, 40))
    faces = np.arange(40)
    for copies, said in ((10, ""), (11, "28% of its pictures are pictures of the data")):
        given = own.clone()
        given[:copies] = mirrored(data[:copies])
        assert suspect(given, faces, data, None, None).why == said


def blots(side: int, count: int = 12) -> Tensor:
    """Smooth pictures in [-1, 1], the same at every side."""
    coarse = torch.rand(count, 3, 9, 9, generator=torch.Generator().manual_seed(2)) * 2 - 1
    large = torch.nn.functional.interpolate(coarse, 192, mode="bicubic").clamp(-1, 1)
    return torch.nn.functional.interpolate(large, side, mode="area") if side < 192 else large


@pytest.mark.parametrize("side", [24, 64, 192])
def test_what_moving_leaves_is_a_pictures_own(side: int) -> None:
    pictures = blots(side)
    left = unmoved(Thumbnails()(nearest_uint8(pictures)))
    for rows, columns in ((1, 0), (side // 32 + 1, 2), (side // 2, side // 3)):
        moved = noisy(pictures.roll((rows, columns), (2, 3)), 8)
        assert float((unmoved(Thumbnails()(nearest_uint8(moved))) * left).sum(1).min()) > NEAR
    assert float((left @ left.T).fill_diagonal_(-1).max()) < NEAR - 0.02


def test_a_thumbnail_is_the_same_of_any_side() -> None:
    small, large = (unit(Thumbnails()(nearest_uint8(blots(side)))) for side in (48, 192))
    assert float((small * large).sum(1).min()) > 0.998


def test_copies_alone_are_enough(bench: Bench) -> None:
    assert copied("copies (lite0)", MOST_COPIES + 0.01).startswith("copies (lite0) is 0.51")
    assert not copied("copies (lite0)", MOST_COPIES)
    assert not copied("coverage (lite0)", 1.0)


def test_the_files_of_the_release_are_its_own(tmp_path: Path) -> None:
    # The toy's pictures differ by more than a copy does, so that the tests above say something.
    release = open_release(write_release(tmp_path / "data", size=SIZE))
    thumbnails = unit(Thumbnails()(read_rows(release, list(range(len(release))))))
    alike = thumbnails @ thumbnails.T
    assert float(alike.fill_diagonal_(-1).max()) < 0.9

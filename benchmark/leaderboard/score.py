"""One record from one way to get pictures: a method that runs here, or folders of pictures made elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from benchmark.leaderboard.picture_folder import PictureFolder
from benchmark.leaderboard.seed import Seed
from benchmark.run.cell import Bench
from benchmark.run.generate import Generation
from benchmark.run.record import MethodInfo, Record, Trust
from benchmark.run.reproduction import Reproduction
from benchmark.tasks.paper import Cell, Guidance
from suite.files import digest


def open_bench(work: Reproduction, seeds: Sequence[Seed]) -> Bench:
    """The bench of a profile, drawn from the given seeds; what it writes names only their public form."""
    settings = work.settings.model_copy(update={"sampling_seeds": tuple(seed.public for seed in seeds)})
    return Bench.open(Reproduction(**{**vars(work), "settings": settings}), [seed.value for seed in seeds])


def score(
    bench: Bench,
    generations: Sequence[Generation],
    weights: dict[str, str],
    trust: Trust,
    guidance: Guidance,
    method: MethodInfo,
) -> Record:
    """The record of one generation a sampling seed, in the order of the bench's draws."""

    def pictures() -> str | None:
        folders = [one.digest for one in generations if isinstance(one, PictureFolder)]
        return digest(folders) if folders else None

    return bench.record(Cell(0, guidance, method.name, None), generations, method, weights, trust, pictures)

"""A step is the same on any number of processes that its batch can be shared among: losses, gradients, memory."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import ranks
import torch
from click.testing import CliRunner

from baselines.drit.settings import DritSettings
from baselines.toonify.settings import ToonifySettings
from models.cli import main
from models.training import parallel
from models.training.blendgan_settings import BlendGANSettings
from models.training.settings import LoopSettings
from suite.errors import SuiteError

# Gradients are averaged in float32; an update is measured by its largest gradient.
RELATIVE = 1e-5


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    ranks.prepare(folder)
    return folder


@pytest.fixture(scope="module")
def alone(inputs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("alone") / "1"
    ranks.run(1, ranks.METHODS, inputs, out)
    return out


@pytest.mark.slow
@pytest.mark.parametrize("world", [2, 4, 8])
def test_many_processes_take_the_step_of_one(world: int, inputs: Path, alone: Path, tmp_path: Path) -> None:
    out = tmp_path / str(world)
    ranks.run(world, ranks.METHODS, inputs, out)
    wrong = {}
    for name in ranks.METHODS:
        one = torch.load(alone / f"{name}-0.pt")
        for rank in (0, world - 1):
            wrong |= apart(one, torch.load(out / f"{name}-{rank}.pt"), f"{name} on rank {rank}")
    assert not wrong, wrong


# Not alike in parts, as docs/decisions.md says: what standardises codes or features over a batch, and DRIT++'s mode seeking.
ALIKE_IN_PARTS = tuple(name for name in ranks.METHODS if name not in ("psp", "drit", "blendgan-warm-up"))


@pytest.mark.slow
def test_a_batch_in_parts_takes_the_step_of_the_whole(inputs: Path, alone: Path, tmp_path: Path) -> None:
    games = ("blendgan", "blendgan-pairs", "toonify")
    others = tuple(name for name in ALIKE_IN_PARTS if name not in games)
    # Parts of 3, 3 and 2; Those of StyleGAN2's games are of four, which its discriminators compare.
    ranks.run(1, others, inputs, tmp_path / "parts", 3)
    ranks.run(1, games, inputs, tmp_path / "fours", 4)
    wrong = {}
    for folder, names in (("parts", others), ("fours", games)):
        for name in names:
            one, many = (torch.load(place / f"{name}-0.pt") for place in (alone, tmp_path / folder))
            wrong |= apart(one, many, name)
    assert not wrong, wrong


def apart(one: dict[str, torch.Tensor], many: dict[str, torch.Tensor], what: str) -> dict[str, float]:
    """What differs by more than rounding, by name."""
    assert list(many) == list(one)
    errors = {
        f"{what}: {key}": float((many[key] - value).abs().max() / value.abs().max().clamp_min(1e-12))
        for key, value in one.items()
    }
    return {name: error for name, error in errors.items() if not error <= RELATIVE}


@pytest.mark.slow
def test_the_first_process_prepares_and_its_refusal_reaches_all(tmp_path: Path) -> None:
    ranks.start(ranks.in_turn, [(rank, 3, tmp_path) for rank in range(3)])
    order = [int(line) for line in (tmp_path / "order").read_text().split()]
    assert order[0] == 0
    assert sorted(set(order)) == [0, 1, 2]
    told = [(tmp_path / f"told-{rank}").read_text() for rank in range(3)]
    assert told[0] == "0 SuiteError rank 0 refuses 3"
    assert told[1] == told[2] == "0 SaidByFirst rank 0 refuses 3"


def test_waiting_processes_outlive_days_of_the_first(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: dict[str, Any] = {}
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(parallel.dist, "init_process_group", lambda backend, **given: asked.update(given))
    parallel.start("cpu")
    # Training before scoring takes the first process days; PyTorch's own limits are 10 and 30 minutes.
    assert asked["timeout"] >= timedelta(days=14)


def test_a_batch_that_cannot_be_shared_is_refused_with_the_ones_that_can() -> None:
    given = [
        (LoopSettings(size=32, steps=1, batch=8), 3, "give --set batch=6 or --set batch=9"),
        (LoopSettings(size=32, steps=1, batch=8), 16, "among 16 processes; give --set batch=16"),
        (DritSettings(size=32, steps=1, batch=8), 8, "in multiples of 2; give --set batch=16"),
        (DritSettings(size=32, steps=1, batch=3), 1, "give --set batch=2 or --set batch=4"),
        (BlendGANSettings(size=32, steps=1, batch=6), 1, "groups of 4 .* give --set batch=4 or --set batch=8"),
        (ToonifySettings(size=32, steps=1, batch=6), 1, "groups of 4 .* give --set batch=4 or --set batch=8"),
        (ToonifySettings(size=32, steps=1, batch=8, micro_batch=3), 1, "parts of 2 .* takes 4 or 0"),
        (BlendGANSettings(size=32, steps=1, batch=16, micro_batch=2), 2, "parts of 2 .* takes 4 or 0"),
        (BlendGANSettings(size=32, steps=1, batch=8, micro_batch=1), 2, "a share of 4 takes 0"),
    ]
    for settings, processes, said in given:
        with pytest.raises(SuiteError, match=said):
            settings.share(processes)
    for settings, processes, share in [
        (BlendGANSettings(size=32, steps=1, batch=8, micro_batch=4), 8, 1),
        (BlendGANSettings(size=32, steps=1, batch=16, micro_batch=4), 2, 8),
        (BlendGANSettings(size=32, steps=1, batch=2), 2, 1),
        (DritSettings(size=32, steps=1, batch=16), 8, 2),
    ]:
        assert settings.share(processes) == share


def test_a_refused_batch_ends_before_anything_is_read(tmp_path: Path) -> None:
    given = ["train", "--set", "batch=6", "--data", str(tmp_path / "nothing"), "-o", str(tmp_path / "run")]
    done = CliRunner().invoke(main, given)
    assert done.exit_code == 2
    assert done.output.startswith("error: --set batch=6: the discriminators compare pictures in groups of 4")
    assert done.output.count("\n") == 1
    assert not (tmp_path / "run").exists()

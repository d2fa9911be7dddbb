"""Options that are checked when the command line is read."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Literal

import click
import pytest
from click.testing import CliRunner
from pydantic import Field

from suite.ownership import output_fault
from suite.params import LARGEST_SEED, Count, Number, Output, Rate
from suite.profiles import Settings, load_profile

PROC = Path("/proc/nobody/can/write/here")


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_an_output_that_can_be_written_is_not_made(tmp_path: Path, kind: Literal["file", "folder"]) -> None:
    assert output_fault(tmp_path / "a" / "b", kind) == ""
    assert list(tmp_path.iterdir()) == []


def test_an_occupied_or_unwritable_output_is_said(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    assert "is a file" in output_fault(file, "folder")
    assert "is a file; expected a folder" in output_fault(file / "below" / "it", "folder")
    assert "is a file; expected a folder" in output_fault(file / "x.json", "file")
    assert "is a folder" in output_fault(tmp_path, "file")
    assert "cannot be written" in output_fault(PROC, "folder")
    assert "cannot be written" in output_fault(tmp_path / ("n" * 300), "folder")
    assert output_fault(file, "file") == ""
    assert file.read_bytes() == b""


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (Count(), "1", ("0", "-1", "9" * 30, "2147483648", "1.5", "", "\u00b2")),
        (Count(5), "5", ("4",)),
        (Number(0, 1), "0.5", ("nan", "-inf", "1.1", "")),
        (Number(1), "1e300", ("nan", "inf", "1e309", "0.9")),
        (Rate(), "0", ("nan", "inf", "-0.1")),
    ],
)
def test_numbers_are_finite_and_small_enough_for_libraries(
    kind: click.ParamType, good: str, bad: tuple[str, ...]
) -> None:
    kind.convert(good, None, None)
    for text in bad:
        with pytest.raises(click.BadParameter):
            kind.convert(text, None, None)


ROOMS = ("aahq", "models", "baselines", "benchmark")
# Checked with what they belong to: a folder's size and seed, a model's own side and layers, a list of figures.
CHECKED_LATER = {"seed", "size", "indicator", "numbers"}


@pytest.mark.parametrize("room", ROOMS)
def test_no_number_of_a_command_line_is_without_bounds(room: str) -> None:
    group = importlib.import_module(f"{room}.cli").main
    context = click.Context(group)
    for name in group.list_commands(context):
        for param in group.get_command(context, name).params:
            kind = param.type
            where = f"{room} {name} {param.opts[0]}"
            if isinstance(kind, click.FloatRange) or kind is click.FLOAT:
                assert isinstance(kind, Number), where
            elif isinstance(kind, click.IntRange):
                assert kind.max is not None, where
            elif kind is click.INT:
                assert param.name in CHECKED_LATER, where


def _outputs() -> list[tuple[str, str, str]]:
    found = []
    for room in ("models", "baselines", "benchmark"):
        group = importlib.import_module(f"{room}.cli").main
        context = click.Context(group)
        for name in group.list_commands(context):
            for param in group.get_command(context, name).params:
                if isinstance(param.type, Output):
                    found.append((room, name, param.opts[-1]))
    return found


def test_every_command_that_writes_checks_its_output(tmp_path: Path) -> None:
    """Needed arguments are given as nonsense: the output is refused before they are looked at."""
    file = tmp_path / "file"
    file.touch()
    found = _outputs()
    assert {name for _, name, _ in found} >= {
        *("stylize", "sample", "convert", "train", "train-encoder", "train-psp", "finetune"),
        *("reproduce", "table1", "tables", "figures", "inputs", "score-images", "submit", "site", "train-reader"),
    }
    for room, name, flag in found:
        group = importlib.import_module(f"{room}.cli").main
        command = group.get_command(click.Context(group), name)
        words = []
        for param in command.params:
            if isinstance(param, click.Argument):
                words += [str(file / "x") if param.opts[-1] == flag else "x"] if param.required else []
            elif param.opts[-1] == flag:
                words += [flag, str(file / "x")]
            elif param.required:
                words += [param.opts[-1], "x"]
        done = CliRunner().invoke(group, [name, *words])
        assert done.exit_code == 2, (name, done.output)
        assert f"{file} is a file; expected a folder" in done.output, (name, flag, done.output)
        assert done.output.count("\n") == 1, (name, done.output)


def _parse(words: list[str]) -> str:
    group = importlib.import_module("models.cli").main
    return CliRunner().invoke(group, ["sample", "--weights", "none", "--out", "none-out", *words]).output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--seeds", "²"], "expected numbers and ranges"),
        (["--seeds", "5-1"], "expected numbers and ranges"),
        (["--seeds", str(2**64)], f"seeds go from 0 to {LARGEST_SEED}"),
        (["--seeds", "0-99999999999"], "at most 1000000 seeds"),
        (["--style-seed", "99999999999999999999"], "--style-seed"),
        (["--style-seed", "-1"], "--style-seed"),
        (["--truncation", "nan"], "'nan' is no number"),
        (["--truncation", "100"], "--truncation"),
        (["--strength", "nan"], "'nan' is no number"),
        (["--theta", "-inf"], "--theta"),
        (["--device", "foo"], "expected auto, cpu, cuda, cuda:N or mps"),
        (["--device", "mps:0"], "expected auto, cpu, cuda, cuda:N or mps"),
        (["--device", "cuda:-1"], "expected auto, cpu, cuda, cuda:N or mps"),
    ],
)
def test_odd_values_are_one_line(words: list[str], said: str) -> None:
    output = _parse(words)
    assert said in output
    assert output.startswith("error: ")
    assert output.count("\n") == 1


def test_a_gpu_that_is_not_there_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert "PyTorch sees no GPU" in _parse(["--device", "cuda"])
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert "there are 2 GPUs" in _parse(["--device", "cuda:2"])


def test_apples_gpu_is_asked_for_by_name_and_used_by_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from suite.params import device_given

    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    assert "PyTorch sees no Apple GPU here; use --device cpu" in _parse(["--device", "mps"])
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert device_given.convert("mps", None, None) == "mps"
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert "run without torchrun" in _parse(["--device", "mps"])


class _Weighted(Settings):
    free: float = 1.0
    rate: float = Field(default=1.0, gt=0)


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_settings_are_finite(tmp_path: Path, value: str) -> None:
    (tmp_path / "p.toml").write_text("")
    for key in ("free", "rate"):
        with pytest.raises(Exception, match=f"{key}: Input should be"):
            load_profile(_Weighted, "models", str(tmp_path / "p.toml"), [f"{key}={value}"])

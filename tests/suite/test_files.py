"""Whole files, digests and profiles."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from suite.errors import SuiteError, did_you_mean
from suite.files import digest, whole_file, write_whole
from suite.profiles import Settings, load_profile


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    write_whole(target, "old")
    with pytest.raises(RuntimeError), whole_file(target) as part:
        part.write_text("half of the n")
        raise RuntimeError
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_digest_ignores_order() -> None:
    assert digest({"a": 1, "b": [2]}) == digest({"b": [2], "a": 1}) != digest({"a": 1, "b": [3]})


class Toy(Settings):
    lr: float
    name: str = "x"


def profile(tmp_path: Path, *overrides: str) -> Toy:
    path = tmp_path / "toy.toml"
    path.write_text("lr = 0.1\n")
    return load_profile(Toy, "suite", str(path), overrides)


def test_set_changes_a_value(tmp_path: Path) -> None:
    assert profile(tmp_path, "lr=0.5", "name=bare") == Toy(lr=0.5, name="bare")


@pytest.mark.parametrize(("pair", "said"), [("lrr=1", "did you mean 'lr'"), ("lr=fast", "lr: "), ("lr", "key=value")])
def test_a_bad_setting_is_one_line(tmp_path: Path, pair: str, said: str) -> None:
    with pytest.raises(SuiteError, match=said):
        profile(tmp_path, pair)


def test_suggestion() -> None:
    assert did_you_mean("stargan", ["stargan2", "munit"]) == "; did you mean 'stargan2'?"


def test_a_new_file_has_the_mode_of_any_new_file_and_nobody_elses_umask_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "plain").touch()
    monkeypatch.setattr(os, "umask", lambda mask: pytest.fail("the umask is every thread's"))
    write_whole(tmp_path / "whole", "x")
    assert (tmp_path / "whole").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("letter", ["x", "é", "肖", "🖼"])
def test_a_name_may_be_as_long_as_the_disk_allows(tmp_path: Path, letter: str) -> None:
    name = letter * (250 // len(letter.encode())) + ".png"
    write_whole(tmp_path / name, "x")
    assert [path.name for path in tmp_path.iterdir()] == [name]

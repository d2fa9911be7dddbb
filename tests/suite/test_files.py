"""Whole files, digests and profiles."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from suite.errors import SuiteError, did_you_mean
from suite.files import (
    digest,
    open_file,
    parse_toml,
    read_bytes,
    read_text,
    read_toml,
    sha256_file,
    whole_file,
    write_whole,
)
from suite.ownership import claim_file, output_fault
from suite.profiles import Settings, load_profile


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    write_whole(target, "old")
    with pytest.raises(RuntimeError), whole_file(target) as part:
        part.write_text("half of the n")
        raise RuntimeError
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_what_is_no_file_is_neither_written_over_nor_waited_for(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "pipe" if kind == "pipe" else Path("/dev/null")
    if kind == "pipe":
        os.mkfifo(target)
    with pytest.raises(OSError, match="Is a folder, a pipe or a device"):
        write_whole(target, "x")
    with pytest.raises(SuiteError, match=r"--out .*: is a pipe or a device"):
        claim_file("--out", target, lambda path: False)
    assert "is a pipe or a device" in output_fault(target, "file")
    if kind == "pipe":
        for read in (open_file, sha256_file):
            with pytest.raises(OSError, match="Is a named pipe"):
                read(target)
    assert not target.is_file()


def test_a_shells_command_is_read_as_a_file(tmp_path: Path) -> None:
    here, there = os.pipe()
    os.write(there, b"\xef\xbb\xbfkey\n")
    os.close(there)
    try:
        assert read_text(f"/dev/fd/{here}") == "key\n"
    finally:
        os.close(here)


def test_a_file_is_read_up_to_its_most_bytes(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes(b"1234")
    assert read_bytes(path, 4) == b"1234"
    for large, most in ((path, 3), (Path("/dev/zero"), 100)):
        with pytest.raises(OSError, match=r"More than .* MiB"):
            read_bytes(large, most)
    with path.open("wb") as out:
        out.truncate(1 << 40)
    with pytest.raises(OSError, match="More than 4 MiB"):
        read_toml(path)


def test_settings_nested_without_end_are_no_toml() -> None:
    with pytest.raises(ValueError, match="nested too deeply"):
        parse_toml("a=" + "[" * 50_000)


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

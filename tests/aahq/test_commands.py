"""The commands: help with an example, `--json` that parses, mistakes in one line with the fix."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

from aahq.cli import COMMANDS, main
from aahq.ledger import Ledger

STAGE_COMMANDS = ("screen", "faces", "align", "dedup", "quality", "release", "report")


def run(*words: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(main, [str(word) for word in words])
    return done.exit_code, done.stdout, done.stderr


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_help_with_an_example_and_json(name: str) -> None:
    code, out, _ = run(name, "--help")
    assert code == 0
    assert "Example" in out
    assert f"aahq {name}" in out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("biuld",), "did you mean 'build'"),
        (("build", "{tmp}/x", "--source", "foldr"), "--source: no 'foldr'; did you mean 'folder'?"),
        (("build", "{tmp}/x", "--source", "folder", "{tmp}/none"), "is no directory; expected --source folder DIR"),
        (("build", "{tmp}/x"), "no such folder; start with 'aahq build"),
        (("screen", "{tmp}"), "no ledger.sqlite there"),
        (("build", "{tmp}/x", "--source", "folder", "{tmp}", "--size", "7"), "--size 7: expected 16 to 4096"),
        (
            ("build", "{tmp}/x", "--source", "folder", "{tmp}", "--workers", "0"),
            "'--workers': 0 is not in the range 1<=x",
        ),
        (("build", "{tmp}/x", "--source", "folder", "{tmp}", "--contact", "me"), "--contact 'me': expected an e-mail"),
        (("crawl", "{tmp}/x", "--per-second", "nan"), "'--per-second': 'nan' is no number in the range x>=0"),
        (("crawl", "{tmp}/x", "--per-second", "inf"), "'--per-second': 'inf' is no number in the range x>=0"),
        (("lookup", "{tmp}", "--sha256", "abc"), "--sha256 'abc': expected 64 hex digits"),
        (("lookup", "{tmp}", "--url", "nonsense"), "--url 'nonsense': expected a whole address"),
        (("lookup", "{tmp}", "--artist", " "), "--artist '': expected a name"),
        (("verify", "{tmp}"), "no manifest.parquet; expected a finished release"),
        (("rebuild", "{tmp}", "{tmp}/x"), "no such file; expected a release's folder"),
        (("demo", "{tmp}/other"), "holds something else than a demo"),
    ],
)
def test_mistakes_are_one_line_that_names_the_fix(tmp_path: Path, words: tuple[str, ...], said: str) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.txt").write_text("mine")
    code, out, err = run(*(word.replace("{tmp}", str(tmp_path)) for word in words))
    assert code == 2
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert said in err
    assert (tmp_path / "other" / "thesis.txt").read_text() == "mine"


@pytest.mark.slow
def test_stages_one_by_one_make_what_build_makes(built: Path, painted_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    code, text, err = run("crawl", out, "--source", "folder", painted_folder, "--json")
    assert code == 0, err
    assert json.loads(text)["kept"] == 10
    with_size = run("screen", out, "--workers", 1, "--json")
    assert json.loads(with_size[1])["stage"] == "screen"
    # The stages after take minutes on the whole folder at 1024; the built folder goes on from where it is.
    shutil.copytree(built, tmp_path / "built")
    for name in STAGE_COMMANDS:
        code, text, err = run(name, tmp_path / "built", "--json")
        assert code == 0, err
        assert json.loads(text)
    assert (tmp_path / "built" / "release" / "manifest.parquet").read_bytes() == (
        built / "release" / "manifest.parquet"
    ).read_bytes()


def test_verify_exits_1_where_something_is_wrong(built: Path, tmp_path: Path) -> None:
    shutil.copytree(built / "release", tmp_path / "r")
    assert run("verify", tmp_path / "r")[0] == 0
    next((tmp_path / "r" / "images").rglob("*.png")).unlink()
    code, text, _ = run("verify", tmp_path / "r", "--json")
    told = json.loads(text)
    assert code == 1
    assert told["counts"] == {"missing": 1, "changed": 0, "extra": 0}
    assert told["effective"] == told["rows"] - 1


def test_the_report_shows_what_was_dropped_and_runs_no_script(built: Path, tmp_path: Path) -> None:
    from aahq.ledger import Ledger

    out = tmp_path / "out"
    shutil.copytree(built, out)
    with Ledger(out) as ledger:
        ledger.db.execute("UPDATE pictures SET title = '<script>alert(1)</script>', page_url = 'javascript:alert(1)'")
    assert run("report", out)[0] == 0
    page = (out / "report.html").read_text()
    assert "<script" not in page
    assert "javascript:" not in page
    assert 'http-equiv="Content-Security-Policy"' in page
    for reason in ("no_face", "not_an_image", "duplicate"):
        assert f"<code>{reason}</code>" in page
    # Six kept, three of the cluster, one without a face; the two that could not be decoded have none.
    assert page.count("data:image/jpeg;base64,") >= 10


def test_doctor_names_the_licence_that_excludes_commerce() -> None:
    code, text, _ = run("doctor", "--json")
    told = json.loads(text)
    assert code == (0 if told["ok"] else 1)
    model = next(row for row in told["licences"] if "68-point" in row["what"])
    assert "excludes commercial use" in model["note"]
    assert {"dlib", "landmark model", "disk"} <= {check["what"] for check in told["checks"]}


def test_a_folder_that_remembers_an_option_that_is_gone_opens(built: Path, tmp_path: Path) -> None:
    shutil.copytree(built, tmp_path / "out")
    with Ledger(tmp_path / "out") as ledger:
        ledger.put("manners", {"processes": 4, "per_second": 2.0})
    code, _, err = run("crawl", tmp_path / "out", "--processes", "3")
    assert code == 0, err
    assert "--processes: is ignored" in err

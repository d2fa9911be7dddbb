"""`python -m speed.run`: its arguments, and what it does with a folder of published code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from speed import run
from speed.published.loading import PEERS, Peers
from speed.run import Row
from suite.errors import SuiteError


@pytest.fixture
def measured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Results and page go to a folder of the test; two files measure, one of them beside published code."""
    from speed import beside_published, loader

    monkeypatch.setattr(run, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(run, "SPEED_PAGE", tmp_path / "speed.md")
    monkeypatch.setattr(run, "names", lambda: ["beside_published", "loader"])
    monkeypatch.setattr(loader, "rows", lambda: [Row("reading", 1.0, "% waiting")])

    def beside(peers: Peers) -> list[Row]:
        return [Row(f"beside {' '.join(peers.here)}", 2.0, "x faster", "at least 1", "", True)]

    monkeypatch.setattr(beside_published, "rows", beside)
    return tmp_path


def test_all_without_a_folder_leaves_published_code_out(measured: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run.main([])
    assert "it needs --peers DIR" in capsys.readouterr().out
    assert [path.name for path in (measured / "results").iterdir()] == ["loader.json"]
    assert "| reading | 1 % waiting |" in (measured / "speed.md").read_text()


def test_a_folder_is_measured_beside(measured: Path) -> None:
    (measured / "peers" / "MUNIT").mkdir(parents=True)
    (measured / "peers" / "MUNIT" / "trainer.py").write_text("")
    run.main(["--peers", str(measured / "peers"), "beside_published"])
    kept = json.loads((measured / "results" / "beside_published.json").read_text())
    assert kept["rows"][0]["what"] == "beside MUNIT"
    assert "| beside MUNIT | 2 x faster | at least 1, met |" in (measured / "speed.md").read_text()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["beside_published"], "beside_published: measures beside published code; give --peers DIR"),
        (["--peers", "nowhere"], "--peers nowhere: no such folder"),
        (["--peers", "."], f"holds none of {', '.join(PEERS)}"),
        (["loadr"], "no 'loadr'; did you mean 'loader'?"),
    ],
)
def test_what_does_not_fit_is_one_line_and_writes_nothing(
    arguments: list[str], said: str, measured: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(measured)
    with pytest.raises(SuiteError) as refused:
        run.main(arguments)
    assert said in str(refused.value)
    assert "\n" not in str(refused.value)
    assert list(measured.iterdir()) == []

"""Plans and quotas: what so many faces cost, what a pilot changes, and a release that leans less."""

from __future__ import annotations

import json
import re
import shutil
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from aahq import plan
from aahq.candidates import Candidate
from aahq.cli import main
from aahq.ledger import Ledger
from aahq.painted.gallery import Gallery, serve
from aahq.release.quotas import FIELDS, over_quota, read_quotas, values
from aahq.release.tables import read_rows
from aahq.sources import SOURCES
from suite.errors import SuiteError


def run(*words: str) -> str:
    done = CliRunner().invoke(main, list(words), catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_the_paper_size_is_planned_without_asking_anybody(monkeypatch: pytest.MonkeyPatch) -> None:
    import socket

    def refuse(*_: object) -> None:
        raise AssertionError("a request")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    told = json.loads(run("plan", "--faces", "33245", "--json"))
    assert told["faces"] == 33245
    assert told["missing"] == 0
    assert len(told["sources"]) >= 6
    by_name = {line["source"]: line for line in told["sources"]}
    assert by_name["met"]["faces"] == 1336, "as many as MetFaces found there, and the others give the rest"
    assert sum(line["requests"] for line in told["sources"]) == told["requests"]
    for line in told["sources"]:
        assert line["works"] >= line["faces"]
        assert line["days"] == pytest.approx(
            line["works"] * max(plan.table()["sources"][line["source"]]["site"], 1) / 86_400, abs=0.01
        )
        assert line["licences"]
        assert "assumed" in line["basis"]
    assert any("pilot" in note for note in told["notes"])


def test_every_source_that_can_be_planned_exists() -> None:
    assert set(plan.table()["sources"]) <= set(SOURCES)


@settings(deadline=None)
@given(
    st.integers(1, 100_000),
    st.dictionaries(st.sampled_from("abcdef"), st.one_of(st.just(float("inf")), st.floats(0, 5000)), min_size=1),
)
def test_shares_are_even_where_they_can_be(wanted: int, capacity: dict[str, float]) -> None:
    shares = plan._shared(wanted, capacity)
    assert all(0 <= shares[name] <= capacity[name] for name in capacity)
    room = sum(min(wanted, int(c)) if c != float("inf") else wanted for c in capacity.values())
    assert sum(shares.values()) == min(wanted, room)
    free = [shares[name] for name in capacity if shares[name] < int(min(capacity[name], 1e9))]
    assert not free or max(free) - min(free) <= len(capacity)


def candidate(n: int, **more: object) -> Candidate:
    facts = {"artist": f"a{n % 7}", "license": "CC0-1.0", "extra": {"decade": f"{1600 + 10 * (n % 3)}s"}, **more}
    return Candidate("met", str(n), None, (f"http://x/{n}",), **facts)  # type: ignore[arg-type]


def pilot(out: Path, works: int, faces: int) -> None:
    """A ledger of a source of which some works were judged."""
    out.mkdir()
    with Ledger(out, create=True) as ledger, ledger.transaction():
        for n in range(works):
            one = candidate(n)
            ledger.add_candidate(one)
            id = ledger.one("SELECT id FROM pictures WHERE key = ?", (one.key,))
            ledger.update("pictures", id, state="faced", fetched_at="2026", bytes=2_000_000)
            if n < faces:
                row = {
                    "id": f"{id}-00",
                    "picture": id,
                    "number": 0,
                    "box": "",
                    "landmarks": "",
                    "detector": "",
                    "score": 1.0,
                }
                ledger.insert("faces", {**row, "inter_ocular": 9.0, "state": "kept"})
        plan.remember_total(ledger, "met", "q", 400)


def test_a_pilot_replaces_the_assumptions(tmp_path: Path) -> None:
    pilot(tmp_path / "out", 80, 20)
    told = json.loads(run("plan", str(tmp_path / "out"), "--faces", "90", "--source", "met", "--json"))
    (line,) = told["sources"]
    assert line["basis"] == "measured on 80 works"
    assert (line["faces"], line["works"], line["licences"]) == (90, 360, {"CC0-1.0": 90})
    assert line["disk_gb"] == pytest.approx((360 * 2.0 + 2 * 90 * 0.98) / 1000, abs=0.1)
    told = json.loads(run("plan", str(tmp_path / "out"), "--faces", "500", "--source", "met", "--json"))
    assert (told["faces"], told["missing"]) == (100, 400), "the listing has 400 works, a quarter gives a face"


def test_too_small_a_pilot_measures_nothing(tmp_path: Path) -> None:
    pilot(tmp_path / "out", plan.PILOT - 1, 5)
    with Ledger(tmp_path / "out") as ledger:
        assert plan.measured(ledger) == {}


@pytest.mark.parametrize(
    "words", [["--source", "mett"], ["--per-second", "0"], ["--faces", "0"], ["--quota", "size=3"]]
)
def test_what_cannot_be_planned_is_named(words: list[str]) -> None:
    done = CliRunner().invoke(main, ["plan", "--faces", "5", *words])
    assert done.exit_code == 2
    assert words[0] in str(done.exception or "") + done.output


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cleveland", "commons"])
def test_the_yield_is_within_a_tenth_of_the_plan(tmp_path: Path, name: str) -> None:
    """The first half of a gallery as a pilot: what it foresees for the whole, and what the whole gives."""
    gallery = Gallery(count=60, seed=5, side=256)
    with serve(gallery) as base:
        ask = ["--source", name, "--base-url", base, "--allow", base.removeprefix("http://"), "--per-second", "0"]
        shape = ["--size", "64", "--workers", "1"]
        run("build", str(tmp_path / "out"), *ask, *shape, "--limit", "30")
        told = json.loads(run("plan", str(tmp_path / "out"), "--faces", "9999", "--source", name, "--json"))
        run("build", str(tmp_path / "out"), *ask, *shape, "--limit", "9999")
    with Ledger(tmp_path / "out") as ledger:
        kept = ledger.count("faces", "kept")
    assert told["faces"] == pytest.approx(kept, rel=0.1)


# --- quotas


def test_quotas_are_read() -> None:
    assert read_quotas(["decade=100", " source = 5 "]) == {"decade": 100, "source": 5}
    for wrong in ("colour=3", "decade", "decade=", "decade=0", "decade=-1", "decade=many"):
        with pytest.raises(SuiteError, match="--quota"):
            read_quotas([wrong])


def test_values_of_a_candidate() -> None:
    one = candidate(
        1,
        published="1999-01-01",
        extra={"medium": "Oil on canvas, mounted", "style": " Baroque ", "objectDate": "ca. 1642"},
    )
    assert values(one) == {
        "source": "met",
        "decade": "1640s",
        "medium": "oil on canvas",
        "style": "baroque",
        "artist": "a1",
        "license": "CC0-1.0",
    }
    assert values(Candidate("urls", "1", None, ()))["decade"] == "unknown"


@settings(deadline=None)
@given(st.integers(0, 80), st.dictionaries(st.sampled_from(FIELDS), st.integers(1, 9)))
def test_a_quota_holds_and_takes_no_more_than_it_must(count: int, quotas: dict[str, int]) -> None:
    faces = [(f"f{n}", values(candidate(n))) for n in range(count)]
    out = over_quota(faces, quotas)
    assert out == over_quota(list(reversed(faces)), quotas), "the order of the listing does not matter"
    stay = [given for id, given in faces if id not in out]
    for name, most in quotas.items():
        counts = Counter(given[name] for given in stay)
        assert all(number <= most for number in counts.values())
        for id, why in out.items():
            assert any(re.match(rf".*\b{field} '", why) for field in quotas), (id, why)
    if not quotas:
        assert out == {}


def test_a_release_with_quotas(built: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(built, out)
    with Ledger(out) as ledger:
        kept = ledger.count("faces", "kept")
        assert kept > 3
    told = json.loads(run("plan", str(out), "--faces", "5", "--quota", "source=3", "--json"))
    assert told["quotas"] == {"faces": kept, "kept": 3, "values": {"source": {"folder": 3}}}
    run("release", str(out), "--quota", "source=3")
    assert len(list(read_rows(out / "release" / "manifest.parquet"))) == 3
    rejects = [row for row in read_rows(out / "release" / "rejects.parquet") if row["reason"] == "over_quota"]
    assert len(rejects) == kept - 3
    assert "source 'folder' has its 3" in rejects[0]["detail"]
    assert json.loads((out / "release" / "release.json").read_text())["quotas"] == {"source": 3}
    run("verify", str(out / "release"))
    with Ledger(out) as ledger:
        assert ledger.count("faces", "kept") == kept, "nothing in the ledger changes"

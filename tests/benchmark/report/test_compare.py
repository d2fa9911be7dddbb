"""`aahq-bench compare`: records of one draw, number by number; records of other pairs are one line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from benchmark.cli import main
from benchmark.metrics.confidence import interval
from benchmark.metrics.influence import of_faces
from benchmark.report.compare import compare, named, separation
from benchmark.report.table_formats import as_text
from benchmark.report.tables import build
from benchmark.run.plan import plan
from benchmark.run.record import Influence, Record
from benchmark.run.record_file import parse, write
from benchmark.run.reproduction import Reproduction
from benchmark.tasks.paper import cells
from benchmark.tasks.settings import MethodSettings, Reproduce
from suite.errors import SuiteError
from tests.benchmark.report.test_records_and_tables import content

FACES = np.random.default_rng(3).standard_normal(40) * 0.05
MUNIT, FUNIT, DRIT = cells((2,))[:3]


def measured(cell: Any, values: np.ndarray, **given: Any) -> Record:
    """A record whose LPIPS has these values, one a face."""
    made = content(cell, **given)
    pulls = of_faces(values)
    span = interval(float(values.mean()), pulls)
    made["values"][1] |= {"value": float(values.mean()), "low": span.low, "high": span.high}
    made["values"][1]["influence"] = Influence.of(pulls).model_dump()
    return parse(json.dumps(made))


@pytest.fixture
def records() -> dict[str, Record]:
    noise = np.random.default_rng(4).standard_normal((2, 40)) * 0.005
    return {
        "MUNIT": measured(MUNIT, 0.5 + FACES),
        "FUNIT": measured(FUNIT, 0.52 + FACES + noise[0]),
        "DRIT++": measured(DRIT, 0.5 + FACES + noise[1]),
    }


def test_paired_differences_are_found_that_intervals_hide(records: dict[str, Record]) -> None:
    found = compare(records)
    rows = {(row.first, row.second): row for row in found.rows}
    assert found.left == {"FID": "a record holds no pulls of its faces; measure it again"}
    better = rows["MUNIT", "FUNIT"]
    assert (better.better, rows["MUNIT", "DRIT++"].better) == ("FUNIT", "")
    assert better.value == pytest.approx(-0.02, abs=0.003)
    assert better.low < better.value < better.high < 0
    assert better.holm == pytest.approx(min(1, 3 * better.p)) or better.holm >= better.p
    # The table says the same in ranks: their intervals overlap.
    values = [record.get("LPIPS") for record in records.values()]
    assert values[0] is not None
    assert values[1] is not None
    assert values[0].high > values[1].low  # type: ignore[operator]
    ranks = [row.entries[1].rank for row in build(2, list(records.values())).rows[:3]]
    assert ranks == ["2-3 a", "1", "2-3 a"]
    assert "2-3 a" in as_text(build(2, list(records.values())))


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("FD-lite0-infinity", "an extrapolation from random parts of the pictures: no share of it is a face's"),
        ("copies (lite0)", "it is measured by few held-out pictures, whose own chance no face tells"),
        ("nearest-neighbour ratio (lite0)", "it is measured by few held-out pictures, whose own chance no face tells"),
        ("FID", "a record holds no pulls of its faces; measure it again"),
    ],
)
def test_what_has_no_pulls_by_its_nature_is_not_to_be_measured_again(
    records: dict[str, Record], metric: str, said: str
) -> None:
    """Of three sampling seeds these have an interval, and no reason of their own."""
    renamed = {}
    for name, record in records.items():
        value = record.get("FID")
        assert value is not None
        assert value.influence is None
        changed = value.model_copy(update={"metric": metric, "why": "", "value": 0.1})
        renamed[name] = record.model_copy(update={"values": [changed, record.get("LPIPS")]})
    assert compare(renamed).left == {metric: said}


def test_the_command_as_text_and_json(tmp_path: Path, records: dict[str, Record]) -> None:
    paths = []
    for name, record in records.items():
        paths.append(str(tmp_path / f"{name}.json"))
        write(paths[-1], record)
    done = CliRunner().invoke(main, ["compare", *paths[:2], "--plan", "LPIPS=0.01"])
    assert done.exit_code == 0, done.output
    assert "FID: not compared" in done.output
    assert "FUNIT: 0.5" in done.output
    told = json.loads(CliRunner().invoke(main, ["compare", *paths, "--plan", "LPIPS=0.01", "--json"]).output)
    assert len(told["rows"]) == 3
    # A difference half as large as one that 40 faces show many times over.
    assert 2 <= told["rows"][0]["faces"] < 40
    for words, said in (
        (["compare", paths[0]], "two records or more"),
        (["compare", paths[0], paths[0]], "given twice"),
        (["compare", *paths, "--metric", "LPIP"], "did you mean 'LPIPS'"),
        (["compare", *paths, "--plan", "LPIPS=0"], "expected METRIC=NUMBER above 0"),
        (["compare", *paths, "--plan", "LPIPS=nan"], "expected METRIC=NUMBER above 0"),
    ):
        done = CliRunner().invoke(main, words)
        assert done.exit_code == 2
        assert said in done.output


def test_a_plan_says_what_the_kept_records_faces_show(records: dict[str, Record], tmp_path: Path) -> None:
    found = separation(list(records.values()))
    assert set(found) == {"LPIPS"}
    # Forty faces, 0.005 of deviation between two methods: 2.8 standard errors.
    assert found["LPIPS"] == pytest.approx(2.8 * 0.005 / 40**0.5, rel=0.5)
    settings = Reproduce(faces=40, styles=2, methods=(MethodSettings(name="MUNIT"),))
    work = Reproduction(settings, "toy", tmp_path)
    for cell, record in zip((MUNIT, FUNIT), records.values()):
        write(work.records / f"{cell.key}.json", record)
    (step,) = [step for step in plan(work, [MUNIT, FUNIT]) if step.what == "differences"]
    assert step.detail.startswith("differences that 40 faces show with a chance of 80 %: LPIPS 0.00")


def test_records_of_other_pairs_are_one_line(records: dict[str, Record]) -> None:
    one = records["MUNIT"]

    def other(**made: Any) -> Record:
        return one.model_copy(update={"provenance": one.provenance.model_copy(update=made)})

    with pytest.raises(SuiteError, match=r"A, B: another draw of faces and styles \(0{12}, 1{12}\)"):
        compare({"A": one, "B": other(draws=["1" * 64])})
    with pytest.raises(SuiteError, match="another release"):
        compare({"A": one, "B": other(manifest="1" * 64)})
    reference = measured(cells((3,))[0], 0.5 + FACES)
    with pytest.raises(SuiteError, match="latent- and reference-guided"):
        compare({"A": one, "B": reference})
    # The same draw under another protocol, and records that are older than the pulls.
    with pytest.raises(SuiteError, match="LPIPS: measured under two protocols"):
        compare({"A": one, "B": measured(FUNIT, 0.5 + FACES, seed="1")})
    with pytest.raises(SuiteError, match="measure it again"):
        compare({"A": parse(json.dumps(content(MUNIT))), "B": parse(json.dumps(content(FUNIT)))})
    assert list(named([Path("a.json"), Path("b.json")], [one, one])) == ["a.json", "b.json"]

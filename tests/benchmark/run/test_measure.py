"""From measured numbers to a record's values: what lies at the edge of a range, and what lies beyond it."""

from __future__ import annotations

import numpy as np
import pytest

from benchmark.leaderboard.validate import objections
from benchmark.metrics.influence import of_faces
from benchmark.metrics.measured import Measured
from benchmark.run.measure import combine
from benchmark.run.record import Record, Value
from benchmark.tasks.protocol import EvalPairs
from suite.errors import SuiteError
from tests.benchmark.leaderboard.test_odd_records import small

DRAWS = [EvalPairs(str(seed), (0, 1, 2, 3), ((4, 5), (5, 6), (4, 6), (6, 7))) for seed in range(3)]


def value_of(*numbers: float, metric: str = "identity similarity (toy)", **given: object) -> Value:
    seeds = [[Measured(metric, number, None, 0, 8, **given)] for number in numbers]  # type: ignore[arg-type]
    return combine(seeds, {}, DRAWS[: len(numbers)])[0][0]


def test_rounding_at_the_edge_of_a_range_is_brought_back() -> None:
    assert value_of(1.0000001).value == 1.0
    assert value_of(-0.00104, metric="FID").value == -1e-3
    assert value_of(-20.131, metric="FD-lite0-infinity").value == -20.131


@pytest.mark.parametrize("number", [1.5, -7.0, float("nan")])
def test_a_number_that_cannot_be_is_a_reason_and_no_crash(number: float) -> None:
    with pytest.raises(
        SuiteError, match=r"identity similarity \(toy\): .* was measured, which it cannot be \(-1 to 1\)"
    ):
        value_of(number)


def test_what_makes_no_record_is_a_reason_too() -> None:
    with pytest.raises(SuiteError, match=r"identity similarity \(toy\): was measured and makes no record"):
        value_of(0.5, why="x" * 500, rankable=False)


def test_an_interval_stays_inside_of_its_range_and_holds_its_value() -> None:
    found = value_of(0.95, pulls=of_faces(np.array([0.9, 1.0, 0.9, 1.0]), np.array([4, 5, 5, 6, 4, 6, 6, 7])))
    assert (found.high, found.value) == (1.0, 0.95)
    assert found.low is not None
    assert found.low < 0.95
    assert found.interval == "Student t over 4 faces and 4 references"


def test_of_several_seeds_the_least_fit_decides() -> None:
    seeds = [[Measured("FID", 3.0, None, 9, 8)], [Measured("FID", 4.0, None, 9, 8, "all are copies", False)]]
    (found,), _ = combine(seeds, {}, DRAWS[:2])
    assert (found.rankable, found.why) == (False, "all are copies")
    # Three seeds give an interval to what one seed alone gives none.
    assert value_of(3.0, 4.0, 5.0, metric="FID").interval == "Student t over 3 sampling seeds"


def test_an_interval_that_its_faces_do_not_give_is_named() -> None:
    record = small()
    values = np.random.default_rng(0).normal(300, 20, 12)
    one = Measured("FD-lite0", float(values.mean()), None, 160, 120, pulls=of_faces(values))
    found = combine([[one]], {}, [EvalPairs("0", tuple(range(12)), ((20, 21),) * 12)])[0][0]
    mine = record["values"][0]
    kept = found.model_dump(include={"value", "low", "high", "interval", "influence"})
    record["values"] = [mine | kept | {"per_seed": [found.value], "rankable": True, "why": ""}]
    assert objections(Record.model_validate(record)) == []
    record["values"][0]["low"] += 5
    assert "values.FD-lite0.low, high: its influence gives" in objections(Record.model_validate(record))[0]

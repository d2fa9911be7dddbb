"""Records made by hand: whatever stands in a field, every command that reads records answers in one line a reason."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from benchmark.cli import main
from benchmark.leaderboard.submit import file_name
from benchmark.leaderboard.validate import objections
from benchmark.run.record import Record
from benchmark.run.record_file import read
from benchmark.tasks.protocol import Protocol
from suite.errors import SuiteError

ODD = (None, "", "12", "x" * 2000, "-1", -1, 0, 2**70, 1e308, True, [], [[]], {}, {"a": 1}, ["0", 1])


def small() -> dict[str, Any]:
    """A record with one value and its protocol: as many kinds of field as there are, and few of each."""
    record: dict[str, Any] = json.loads((Path(__file__).parent / "record.json").read_text())
    return record


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value, groups too."""
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value[:2]) if isinstance(value, list) else ()
    for key, inner in items:
        yield from places(inner, (*path, key))


def changed(record: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """With another value at `path`; a protocol's id follows its parameters, as a careful hand would see to."""
    record = copy.deepcopy(record)
    *way, last = path
    at = record
    for key in way:
        at = at[key]
    at[last] = value
    if path[0] == "protocols" and len(path) >= 3 and path[2] == "parameters":
        held = record["protocols"].pop(path[1])
        try:
            name = Protocol(held["metric"], held["parameters"]).id
        except (TypeError, ValueError, AttributeError):
            name = path[1]
        record["protocols"] = {name: held}
        record["values"][0]["protocol"] = name
    return record


def variants() -> Iterator[tuple[str, dict[str, Any]]]:
    whole = small()
    for path in places(whole):
        for odd in ODD:
            yield f"{'.'.join(map(str, path))} = {str(odd)[:20]!r}", changed(whole, path, odd)


def test_the_record_itself_is_fine() -> None:
    assert objections(Record.model_validate(small())) == []


def test_every_field_with_every_odd_value_is_refused_or_judged(tmp_path: Path) -> None:
    taken = tmp_path / "taken"
    taken.mkdir()
    path = tmp_path / "x.json"
    count = 0
    for name, record in variants():
        count += 1
        path.write_text(json.dumps(record))
        try:
            found = read(path)
            reasons = objections(found)
        except SuiteError as refused:
            assert "\n" not in str(refused), name  # noqa: PT017 - it may also pass
            continue
        except Exception as error:
            pytest.fail(f"{name}: {type(error).__name__}: {error}")
        if not reasons:
            (taken / file_name(found)).write_text(json.dumps(record))
    assert count > 500
    # What is taken must be shown, too.
    for words in (["site", "--records", str(taken), "-o", str(tmp_path / "site")], ["tables", str(taken)]):
        done = CliRunner().invoke(main, words)
        assert done.exit_code in (0, 1, 2), done.output
        assert "this is a bug" not in done.output, done.output


def test_counts_that_are_no_numbers_are_named() -> None:
    record = small()
    (name,) = record["protocols"]
    odd = changed(record, ("protocols", name, "parameters", "faces"), "12")
    assert "its faces are '12'; a whole number is expected" in objections(Record.model_validate(odd))[0]

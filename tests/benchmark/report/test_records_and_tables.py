"""Records refuse what is false or hostile and name the field; tables show holes as holes and never mix protocols."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmark.report.table_formats import as_csv, as_html, as_latex, as_text
from benchmark.report.tables import build
from benchmark.run.record import Record
from benchmark.run.record_file import MAX_BYTES, parse, read, write
from benchmark.tasks.paper import BESIDE, Cell, cells, published, slug
from benchmark.tasks.protocol import Protocol
from suite.errors import SuiteError

SHA = "0" * 64


def content(
    cell: Cell, fid: float = 30.0, metric: str = "FID", low: float | None = None, seed: str = "0"
) -> dict[str, Any]:
    protocols = [Protocol(metric, {"seed": seed}), Protocol("LPIPS", {"seed": seed})]
    values = [
        {"metric": metric, "protocol": protocols[0].id, "value": fid, "low": low or fid - 1, "high": fid + 1},
        {"metric": "LPIPS", "protocol": protocols[1].id, "value": 0.5, "low": 0.49, "high": 0.51},
    ]
    return {
        "schema_version": 1,
        "method": {"name": cell.method},
        "cell": {"table": cell.table, "guidance": cell.guidance, "indicator": cell.indicator},
        "values": [{**v, "interval": "bootstrap over 9 faces", "n_real": 100, "n_fake": 90} for v in values],
        "controls": {"LPIPS of noise": 1.2},
        "protocols": {p.id: {"metric": p.metric, "parameters": p.parameters} for p in protocols},
        "provenance": {
            "manifest": SHA, "release": "toy", "weights": {"a.safetensors": SHA}, "sampling_seeds": ["0"], "draws": [SHA],
            "commit": "", "ops": {}, "versions": {}, "hardware": "", "seconds": {}, "inputs": SHA,
        },
        "trust": "self-reported",
    }  # fmt: skip


def record(cell: Cell, **given: Any) -> Record:
    return parse(json.dumps(content(cell, **given)))


MUNIT, FUNIT = cells((2,))[0], cells((2,))[1]


def test_the_papers_cells_are_twenty_six_and_seven() -> None:
    assert [len(cells((table,))) for table in (1, 2, 3)] == [20, 6, 7]
    assert published(Cell(1, "reference", "BlendGAN", 0)).fid == 3.79
    assert published(Cell(3, "reference", "DRIT++", None)).lpips == 0.241
    assert len({cell.key for cell in cells()}) == 33
    assert slug("DRIT++") == "dritpp"


def test_a_record_survives_the_way_through_a_file(tmp_path: Path) -> None:
    write(tmp_path / "r.json", record(MUNIT))
    assert read(tmp_path / "r.json") == record(MUNIT)
    assert record(MUNIT).table_cell == MUNIT


def put(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        *parents, last = path.split(".")
        at: Any = content
        for key in parents:
            at = at[int(key)] if isinstance(at, list) else at[key]
        at[last] = value

    return change


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (put("method.name", "<script>alert(1)</script>"), "method.name"),
        (put("method.name", "a\u202eb"), "method.name"),
        (put("method.code", "javascript:alert(1)"), "method.code"),
        (put("values.0.value", -5.0), "value: -5 is impossible for FID"),
        (put("values.1.value", 7.0), "impossible for LPIPS"),
        (put("values.0.metric", "IS"), "'IS' is not known"),
        (put("values.0.value", "30"), None),
        (put("values.0.low", 31.5), "does not hold the value"),
        (put("values.0.low", None), "all three or none"),
        (put("values.0.n_fake", 0), "n_fake"),
        (put("values.0.protocol", "aahq-fid-v1:000000000000"), "is not under protocols"),
        (put("provenance.manifest", "abc"), "provenance.manifest"),
        (put("trust", "trust me"), "trust"),
        (put("extra", 1), "extra"),
        (put("schema_version", 2), "schema_version"),
        (put("cell.indicator", 19), "cell.indicator"),
        (lambda c: c.pop("provenance"), "provenance"),
        (lambda c: next(iter(c["protocols"].values()))["parameters"].update(seed="1"), "they were changed"),
        (lambda c: c["values"].append(c["values"][0]), "given twice"),
    ],
)  # fmt: skip
def test_a_false_field_is_named(change: Callable[[dict[str, Any]], None], field: str | None) -> None:
    given = content(MUNIT)
    change(given)
    if field is None:
        # A numeric string is read as its number, as pydantic does outside of strict mode; it must still be a number.
        assert parse(json.dumps(given)).values[0].value == 30
        return
    with pytest.raises(SuiteError, match=field) as told:
        parse(json.dumps(given), "x.json")
    assert str(told.value).startswith("x.json: ")
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_what_is_no_number_is_refused(number: str) -> None:
    text = json.dumps(content(MUNIT)).replace('"value": 30.0', f'"value": {number}')
    with pytest.raises(SuiteError):
        parse(text)


def test_size_and_depth_are_bounded(tmp_path: Path) -> None:
    with pytest.raises(SuiteError, match="at most"):
        parse(b" " * (MAX_BYTES + 1))
    sparse = tmp_path / "huge.json"
    with sparse.open("wb") as file:
        file.truncate(1 << 30)
    with pytest.raises(SuiteError, match="at most"):
        read(sparse)
    with pytest.raises(SuiteError, match=r"nested|not JSON"):
        parse("[" * 500_000)
    with pytest.raises(SuiteError, match="expected one JSON object"):
        parse("[]")


def test_a_table_shows_published_ours_difference_and_interval() -> None:
    text = as_text(build(2, [record(MUNIT)]))
    line = next(line for line in text.splitlines() if "MUNIT" in line)
    for part in ("29.69", "30.00", "+0.310", "29.00 to 31.00"):
        assert part in line
    assert "LPIPS of noise: 1.2" in text


def test_a_hole_says_why_and_is_never_a_number() -> None:
    table = build(2, [record(MUNIT)], {FUNIT.key: "no checkpoint"})
    rows = list(csv.reader(io.StringIO(as_csv(table))))
    funit = next(row for row in rows if row[1] == "FUNIT")
    assert funit[3] == "missing: no checkpoint"
    assert table.holes[0] == "t2-latent-funit: no checkpoint"
    assert len(table.holes) == 10


def test_pictures_of_one_cell_fill_its_twin_in_another_table() -> None:
    sweep = record(Cell(1, "latent", "BlendGAN", 6), fid=21.5)
    rows = list(csv.reader(io.StringIO(as_csv(build(2, [sweep])))))
    assert [row[3] for row in rows if "i = 6" in row[1]] == ["21.50"]
    assert all("missing" in row[3] for row in rows[1:] if "i = 6" not in row[1])


def test_protocols_never_mix() -> None:
    with pytest.raises(SuiteError, match="2 protocols"):
        build(2, [record(MUNIT), record(FUNIT, seed="1")])
    # The guidance is part of a protocol: Table 1 has two, each with one way to measure.
    latent, reference, another = (
        Cell(1, "latent", "BlendGAN", 0),
        *(Cell(1, "reference", "BlendGAN", i) for i in (0, 2)),
    )
    text = as_text(build(1, [record(latent), record(reference, seed="1")]))
    assert "FID, latent: protocol" in text
    assert "FID, reference: protocol" in text
    with pytest.raises(SuiteError, match="2 protocols with reference guidance"):
        build(1, [record(latent), record(reference, seed="1"), record(another, seed="2")])


def test_another_metric_is_never_compared_with_the_published_one() -> None:
    text = as_text(build(2, [record(MUNIT, metric="FD-lite0")]))
    line = next(line for line in text.splitlines() if "MUNIT" in line)
    assert "not comparable" in line
    assert "FD-lite0 is not FID" in text


def test_ranks_need_separate_intervals() -> None:
    clear = build(2, [record(MUNIT, fid=30), record(FUNIT, fid=40)])
    assert [row.entries[0].rank for row in clear.rows[:2]] == ["1", "2"]
    close = build(2, [record(MUNIT, fid=30), record(FUNIT, fid=31)])
    assert [row.entries[0].rank for row in close.rows[:2]] == ["1-2 a", "1-2 a"]


def test_an_old_record_keeps_its_digest_and_a_new_one_says_what_a_picture_cost() -> None:
    old = record(MUNIT)
    assert "picture" not in old.content()["provenance"]
    given = content(FUNIT)
    given["provenance"]["picture"] = {"seconds": 0.25, "bytes": 3_000_000, "threads": 2}
    text = as_text(build(2, [old, parse(json.dumps(given))]))
    lines = {line.split()[1]: line for line in text.splitlines() if line.startswith("latent")}
    assert lines["FUNIT"].split()[-2:] == ["0.25", "3"]
    assert lines["MUNIT"].split()[-2:] == ["-", "-"]


def test_a_method_that_the_paper_lacks_stands_in_its_table_where_it_was_measured() -> None:
    alone = build(2, [record(MUNIT)])
    assert not [row for row in alone.rows if row.cell in BESIDE]
    table = build(2, [record(MUNIT), record(BESIDE[0], fid=50)])
    row = next(row for row in table.rows if row.cell == BESIDE[0])
    assert (row.entries[0].published, row.entries[0].rank) == (None, "2")


def test_two_records_of_one_cell_are_refused() -> None:
    with pytest.raises(SuiteError, match="two records"):
        build(2, [record(MUNIT), record(MUNIT)])


def test_every_format_escapes() -> None:
    table = build(2, [record(MUNIT)], {FUNIT.key: "<b>50% & more_</b>"})
    assert "<b>" not in as_html(table)
    assert "&lt;b&gt;50% &amp; more_&lt;/b&gt;" in as_html(table)
    assert r"50\% \& more\_" in as_latex(table)

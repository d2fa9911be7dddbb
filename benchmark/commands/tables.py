"""`aahq-bench tables`: draw tables from records, without measuring anything."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from suite.cli import emit, json_option
from suite.errors import SuiteError
from suite.files import write_whole
from suite.ownership import claim_file
from suite.params import output_folder


@click.command(short_help="Draw Tables 1-3 from a folder of records.")
@click.argument("records", type=click.Path(path_type=Path))
@click.option("--table", "numbers", multiple=True, type=click.IntRange(1, 3), help="1, 2 or 3; all by default.")
@click.option("--metric", "metrics", multiple=True, help="A metric to show, by its exact name; repeat for more.")
@click.option(
    "--format",
    "form",
    default="txt",
    type=click.Choice(["txt", "csv", "tex", "html"]),
    show_default=True,
    help="Of the tables.",
)
@click.option("-o", "--out", type=output_folder, help="Folder to write to instead of printing.")
@json_option
def command(
    records: Path, numbers: tuple[int, ...], metrics: tuple[str, ...], form: str, out: Path | None, as_json: bool
) -> None:  # fmt: skip
    """Tables from RECORDS, a folder of JSON records; exit code 1 when cells are missing.

    \b
    Example:
      aahq-bench tables reproduce-demo/records --table 2 --format tex
      aahq-bench tables reproduce-demo/records --metric "true identity kept" --metric "true style followed"
    """
    from benchmark.report.table_formats import FORMATS, is_table
    from benchmark.report.tables import build
    from benchmark.run.record_file import read_all

    if not records.is_dir():
        raise SuiteError(f"RECORDS {records}: no such folder")
    known = read_all(records)
    if not known:
        raise SuiteError(f"RECORDS {records}: no records (*.json) in it")
    tables = [build(number, known, metrics=metrics) for number in numbers or (1, 2, 3)]
    drawn = {f"table{table.number}.{form}": FORMATS[form](table) for table in tables}
    if out is not None:
        for table in tables:
            claim_file("--out", out / f"table{table.number}.{form}", partial(is_table, table.number))
        for name, text in drawn.items():
            write_whole(out / name, text)
    holes = [hole for table in tables for hole in table.holes]
    text = "\n".join(drawn.values()) if out is None else f"{out}: {', '.join(drawn)}"
    emit({"tables": drawn if out is None else list(drawn), "missing": holes}, text, as_json)
    if holes:
        raise SystemExit(1)

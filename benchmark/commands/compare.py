"""`aahq-bench compare`: paired differences of records, with their intervals and chances."""

from __future__ import annotations

from pathlib import Path

import click

from suite.cli import emit, json_option


@click.command(short_help="Paired differences of two records or more.")
@click.argument("records", metavar="RECORD RECORD...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--metric", "metrics", multiple=True, help="A metric, by its exact name; all by default.")
@click.option(
    "--plan", "planned", multiple=True, metavar="METRIC=DIFFERENCE", help="How many faces show this difference."
)
@json_option
def command(records: tuple[Path, ...], metrics: tuple[str, ...], planned: tuple[str, ...], as_json: bool) -> None:
    """Compare records of methods that answered the same faces and styles, number by number and pair by pair.

    What a hard face does to both cancels, so that differences show that intervals side by side hide. Each p is two-sided;
    'p of all' is corrected for everything that is compared (Holm), and 'better' is said where it is below 5 %.

    \b
    Examples:
      aahq-bench compare reproduce-demo/records/t3-reference-munit.json reproduce-demo/records/t3-reference-funit.json
      aahq-bench compare A.json B.json --metric diversity-lite0 --plan diversity-lite0=0.02
    """
    from benchmark.leaderboard.self_reported import numbers_of
    from benchmark.report.compare import as_text, compare, named
    from benchmark.run.record_file import read

    wanted = numbers_of(planned, "--plan", above=0)
    comparison = compare(named(records, [read(path) for path in records]), metrics, wanted)
    emit(comparison.as_dict(), as_text(comparison), as_json)

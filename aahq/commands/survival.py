"""`aahq survival`: link rot of a released list."""

from __future__ import annotations

import csv
import io
from collections import Counter
from itertools import islice
from pathlib import Path

import click

from suite.cli import emit, json_option
from suite.files import write_whole
from suite.params import Count, Number
from suite.progress import progress

HEADER = ("key", "state", "detail")


@click.command()
@click.argument("list_file", metavar="LIST", type=click.Path(path_type=Path))
@click.argument("table", required=False, metavar="[TABLE.csv]", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--contact", metavar="WHO", help="E-mail or page of the person who asks; for the real web.")
@click.option("--per-second", type=Number(0), default=1.0, show_default=True, help="Requests per second to one host.")
@click.option("--limit", type=Count(), metavar="N", help="Entries at most, from the list's beginning.")
@click.option("--allow", multiple=True, metavar="HOST:PORT", help="A gallery on this machine that may be asked.")
@json_option
def command(
    list_file: Path,
    table: Path | None,
    contact: str | None,
    per_second: float,
    limit: int | None,
    allow: tuple[str, ...],
    as_json: bool,
) -> None:
    """Ask of every picture of the AAHQ list whether it is alive, changed or gone. Nothing is fetched.

    Each address is asked by HEAD, after its robots.txt. TABLE.csv gets one line per entry: name, state, finding. "refused" is
    what robots.txt, the server or a reservation keeps back, "unknown" what did not answer.

    \b
    Example:
      aahq survival AAHQ-dataset.json alive.csv --contact me@example.org
    """
    from aahq.sources import SourceOptions
    from aahq.sources.aahq_list import AahqList
    from aahq.sources.survival import STATES, survival
    from aahq.web.client import Http
    from aahq.web.limits import Limits
    from suite.ownership import claim_file, head_of

    if table is not None:
        head = ",".join(HEADER).encode()
        claim_file("TABLE", table, lambda path: head_of(path, len(head)) == head)
    pages = AahqList(SourceOptions(target=str(list_file))).pages(None, None)
    counts: Counter[str] = Counter()
    lines = io.StringIO()
    writer = csv.writer(lines)
    writer.writerow(HEADER)
    with Http(contact, allow=allow, limits=Limits(per_second=per_second)) as http:
        entries = islice((candidate for page in pages for candidate in page.candidates), limit)
        for entry in progress(survival(entries, http), "survival", unit="entries"):
            counts[entry.state] += 1
            writer.writerow((entry.key, entry.state, entry.detail))
    if table is not None:
        write_whole(table, lines.getvalue())
    totals = {state: counts[state] for state in STATES}
    text = ", ".join(f"{state} {count}" for state, count in totals.items())
    emit({"asked": counts.total(), **totals}, f"{counts.total()} entries: {text}", as_json)

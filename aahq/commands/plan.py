"""`aahq plan`: what so many faces cost, before the first request."""

from __future__ import annotations

from pathlib import Path

import click

from suite.cli import emit, json_option
from suite.params import Count, Number


@click.command()
@click.argument("out", type=click.Path(path_type=Path), required=False)
@click.option("--faces", type=Count(), required=True, metavar="N", help="Faces wanted.")
@click.option("--source", "sources", multiple=True, metavar="NAME", help="Sources to share them among.  [the museums]")
@click.option(
    "--per-second",
    type=Number(0, min_open=True),
    default=1.0,
    show_default=True,
    help="Requests to one host.",
)
@click.option("--quota", "quotas", multiple=True, metavar="FIELD=N", help="With OUT: what a release of it would keep.")
@json_option
def command(
    out: Path | None, faces: int, sources: tuple[str, ...], per_second: float, quotas: tuple[str, ...], as_json: bool
) -> None:
    """How many works, requests, days and gigabytes N faces cost, and under which licences. Nobody is asked.

    Yields are assumptions until OUT, a build that crawled some works of a source, has measured them: the line of each source
    says which. --quota says how many of OUT's faces a release with those quotas would keep.

    \b
    Examples:
      aahq plan --faces 33245
      aahq plan art --faces 33245 --source met --source artic
    """
    from aahq import plan
    from aahq.ledger import Ledger
    from aahq.release.quotas import read_quotas
    from aahq.stages.release import count_quotas

    asked = read_quotas(quotas)
    pilot, kept = {}, None
    if out is not None:
        with Ledger(out) as ledger:
            pilot = plan.measured(ledger)
            kept = count_quotas(ledger, asked) if asked else None
    made = plan.make(
        faces, sources or [name for name in plan.table()["sources"] if name != "artstation"], pilot, per_second
    )
    sums = made.as_dict()
    if kept is not None:
        sums["quotas"] = kept
    lines = [f"{'source':12} {'faces':>7} {'works':>8} {'requests':>9} {'days':>7} {'disk':>9}  licences; basis"]
    lines += [
        f"{one.source:12} {one.faces:7} {one.works:8} {one.requests:9} {one.days:7.2f} {one.disk_gb:6.1f} GB  "
        f"{plan.licence_words(one.licences)}; {one.basis}"
        for one in made.lines
    ]
    lines.append(
        f"together {sums['faces']} of {faces} faces, {sums['requests']} requests, {sums['disk_gb']} GB; at {per_second:g} a "
        f"second to a host {sums['days_one_after_another']} days, {sums['days_side_by_side']} with the sources side by side"
    )
    lines += [f"note: {note}" for note in made.notes]
    if kept is not None:
        lines.append(f"quotas: {kept['kept']} of {kept['faces']} faces stay ({', '.join(quotas)})")
    emit(sums, "\n".join(lines), as_json)

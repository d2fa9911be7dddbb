"""`aahq review`: serve the page on which people keep or drop faces."""

from __future__ import annotations

import getpass
import re
from pathlib import Path

import click

from aahq.commands.shared import out_argument
from suite.cli import emit, json_option
from suite.errors import SuiteError


@click.command()
@out_argument
@click.option("--reviewer", metavar="NAME", help="Whose decisions these are.  [your user name]")
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="0 is any that is free.")
@click.option("--no-open", is_flag=True, help="Print the address only; do not open a browser.")
@click.option("--agreement", is_flag=True, help="Print how far reviewers agree (Cohen's kappa) and end.")
@json_option
def command(out: Path, reviewer: str | None, port: int, no_open: bool, agreement: bool, as_json: bool) -> None:
    """Open one local page to keep or drop the faces of OUT, place those that were missed, and settle disagreements.

    The page is served to this machine only, at an address with a secret. Every decision is on the disk before the page
    calls it saved; `aahq release` and `aahq build` do what was decided. Keys: arrows, k keep, d drop, u undo, ? help.

    \b
    Examples:
      aahq review art
      aahq review art --reviewer ben --no-open
      aahq review art --agreement
    """
    if agreement:
        emit(*_agreement(out), as_json)
        return
    from aahq.review.server import serve

    name = reviewer if reviewer is not None else _user()
    if not re.fullmatch(r"[\w][\w .@+-]{0,39}", name):
        raise SuiteError(f"--reviewer {name!r}: expected 1 to 40 letters, digits, spaces and . @ + - _")

    def opened(address: str) -> None:
        emit({"url": address, "reviewer": name}, f"review   {address}\n         Ctrl-C ends it", as_json)

    serve(out, name, port, opened, browser=not no_open)


def _agreement(out: Path) -> tuple[dict[str, object], str]:
    from aahq.review.agreement import disagreements, pairs, rulings
    from aahq.review.log import read_log

    log = read_log(out)
    agreements, open_ = pairs(log), [id for id, ruling in rulings(log).items() if ruling.verdict == "open"]
    lines = [
        f"{pair.first} and {pair.second}: kappa {'not defined' if pair.kappa is None else f'{pair.kappa:.3f}'}, "
        f"agree on {pair.observed:.1%} of {pair.both} (both keep {pair.both_keep}, only {pair.first} {pair.first_only}, "
        f"only {pair.second} {pair.second_only}, both drop {pair.both_drop})"
        for pair in agreements
    ] or ["no face was decided by two reviewers yet"]
    lines.append(f"disagreements: {len(disagreements(log))}, of them open: {len(open_)}")
    value = {"pairs": [pair.as_dict() for pair in agreements], "disagreements": disagreements(log), "open": open_}
    return value, "\n".join(lines)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "reviewer"

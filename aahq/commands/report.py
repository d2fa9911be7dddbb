"""`aahq report`: draw the page of what was kept and dropped."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import click

from aahq.commands.shared import out_argument
from suite.cli import emit, json_option, renamed


@renamed("--to", "--out")
@click.command()
@out_argument
@click.option("-o", "--out", "to", type=click.Path(dir_okay=False, path_type=Path), help="The page.  [OUT/report.html]")
@json_option
def command(out: Path, to: Path | None, as_json: bool) -> None:
    """Draw OUT's report: one HTML file with contact sheets, reasons, copies, sources and times.

    \b
    Example:
      aahq report art
    """
    from aahq.folder import FolderBusyError
    from aahq.ledger import Ledger
    from aahq.open_folder import open_folder
    from aahq.report import claim_report, funnel, write_report

    claim_report(out, to)
    with ExitStack() as stack:
        try:
            ledger = stack.enter_context(open_folder(out))
        except FolderBusyError:
            # A build under way is looked at as it stands.
            ledger = stack.enter_context(Ledger(out))
        path = write_report(ledger, to)
        steps = funnel(ledger)
    emit({"report": str(path), "funnel": {step["what"]: step["count"] for step in steps}}, str(path), as_json)

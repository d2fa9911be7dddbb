"""`aahq-bench reproduce`: every number of Tables 1-3 by one command."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from benchmark.commands.shared import with_device, work_of, work_options
from benchmark.run.plan import plan, plan_text
from benchmark.run.reproduce import claim_tables, ensure_data, reproduce, write_tables
from benchmark.run.reproduction import wanted_cells
from benchmark.run.training import rehearse as rehearse_trainings
from suite.cli import emit, json_option
from suite.terminal import say


@click.command(short_help="Tables 1-3: data, training, generation, measurement.")
@work_options
@click.option(
    "--only", multiple=True, metavar="WHAT", help="A method, a table (t2) or a cell (t1-latent-blendgan-i06)."
)
@click.option("--plan", "plan_only", is_flag=True, help="Say what is needed, there and missing; do nothing.")
@click.option(
    "--retrain", is_flag=True, help="Train every method anew; published and shipped weights are not looked at."
)
@click.option("--rehearse", is_flag=True, help="First take a few steps of every training, to see that it runs here.")
@json_option
def command(
    only: tuple[str, ...], plan_only: bool, retrain: bool, rehearse: bool, as_json: bool, **options: Any
) -> None:
    """Regenerate Tables 1, 2 and 3 with the published value, ours, the difference and a 95% interval.

    Builds or checks the data, trains or loads every method, generates, measures, writes one record per cell, and prints
    the tables; text, CSV, LaTeX and HTML are in OUT/tables. Goes on where it stopped. What cannot be measured is shown
    as missing, with the reason. Under torchrun the work is shared out and the numbers stay the same (train first:
    training commands have torchrun forms of their own).

    Exit code 1 when cells are missing.

    \b
    Examples:
      aahq-bench reproduce --profile demo
      aahq-bench reproduce --profile demo --retrain
      aahq-bench reproduce --profile paper --plan
      aahq-bench reproduce --profile paper --faces ffhq.zip --art aahq/release --only t1
    """
    work = work_of(**options)
    work.retrain = retrain
    wanted = wanted_cells(only, [entry.name for entry in work.settings.methods])
    if plan_only:
        if work.device == "auto":
            work.device = "cpu"
        steps = plan(work, wanted)
        emit({"profile": work.profile, "steps": [asdict(step) for step in steps]}, plan_text(work, steps), as_json)
        return
    from models.training import parallel

    numbers = sorted({cell.table for cell in wanted})
    claim_tables(work, numbers)
    work = with_device(work)
    try:
        if rehearse:
            parallel.first_alone(lambda: ensure_data(work))
            parallel.first_alone(lambda: rehearse_trainings(work, lambda text: say(text, err=True)))
        outcome = reproduce(work, wanted, lambda text: say(text, err=True))
        if parallel.rank():
            return
        texts = write_tables(work, outcome, numbers)
    finally:
        parallel.stop()
    missing = {cell.key: outcome.missing[cell.key] for cell in wanted if cell.key in outcome.missing}
    done = f"{outcome.measured} cells measured, {outcome.kept} kept, {len(missing)} missing; {work.folder}/tables"
    summary = {
        "records": sorted(outcome.records),
        "missing": missing,
        "measured": outcome.measured,
        "kept": outcome.kept,
        "tables": str(work.folder / "tables"),
    }
    emit(summary, "\n".join([*texts, done]), as_json)
    if missing:
        raise SystemExit(1)

"""`aahq-bench check`: does a method keep the contract?"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from benchmark.commands.joining import limit_options, limits_of
from suite.cli import emit, json_option
from suite.params import device_given
from suite.terminal import say


@click.command(short_help="Prove that a method keeps the contract, in seconds.")
@click.argument("name")
@click.option("--weights", type=click.Path(path_type=Path), help="A checkpoint, where the method needs one.")
@click.option("--device", type=device_given, default="cpu", show_default=True, help="cpu, cuda or mps.")
@limit_options
@json_option
def command(name: str, weights: Path | None, device: str, as_json: bool, **options: Any) -> None:
    """Try every clause of the contract on four made-up pictures: modes, shape, range, NaN, one seed per sample, batch size
    never changes sample i, the same question has the same answer, not the input unchanged, not one picture always.

    NAME is built in or comes from an installed package, which then answers from a process of its own: it sees what it is
    given, its package and its weights, and writes to a folder that goes with it. Exit code 1 when a clause is broken.

    \b
    Example:
      aahq-bench check ColourTransfer
    """
    from benchmark.leaderboard.check import examine
    from benchmark.run.methods import load

    findings = []
    for finding in examine(load(name, weights, device, limits_of(options))):
        findings.append(finding)
        if not as_json:
            say(f"{'ok    ' if finding.holds else 'BROKEN'} {finding.clause}")
            if finding.why:
                say(f"       {finding.why}")
    broken = [finding for finding in findings if not finding.holds]
    verdict = (
        f"{name}: keeps the contract" if not broken else f"{name}: breaks {len(broken)} of {len(findings)} clauses"
    )
    emit({"method": name, "holds": not broken, "findings": [asdict(f) for f in findings]}, verdict, as_json)
    if broken:
        raise SystemExit(1)

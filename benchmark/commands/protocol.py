"""`aahq-bench protocol`: what the numbers of a record depend on."""

from __future__ import annotations

from pathlib import Path

import click

from suite.cli import emit, json_option


@click.command(short_help="Show the protocols of a record.")
@click.argument("record", type=click.Path(path_type=Path))
@json_option
def command(record: Path, as_json: bool) -> None:
    """Every protocol of RECORD with all its parameters: real set, draws, seeds, counts, resize filter, weights.

    \b
    Example:
      aahq-bench protocol reproduce-demo/records/t2-latent-munit.json
    """
    from benchmark.run.record_file import read
    from benchmark.tasks.protocol import Protocol

    known = read(record)
    protocols = [Protocol(info.metric, info.parameters) for info in known.protocols.values()]
    text = "\n".join(line for protocol in protocols for line in protocol.lines())
    emit({p.id: {"metric": p.metric, "parameters": p.parameters} for p in protocols}, text, as_json)

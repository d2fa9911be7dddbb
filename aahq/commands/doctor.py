"""`aahq doctor`: what is installed, and under which terms."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from suite.cli import emit, json_option


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=".")
@json_option
def command(folder: Path, as_json: bool) -> None:
    """Check this installation, the disk under FOLDER, and print the licences of what is used. No network is touched.

    Exit code 1 where something that a build needs is missing.

    \b
    Example:
      aahq doctor
    """
    from aahq.doctor import LICENCES, checks

    parts = list(checks(folder))
    lines = [
        f"{'ok ' if check.ok else 'NO '} {check.what:16} {check.found}{'' if check.ok else '  fix: ' + check.fix}"
        for check in parts
    ]
    lines += ["", "licences"]
    lines += [f"    {what:40} {terms}{'; ' + note if note else ''}" for what, terms, note in LICENCES]
    well = all(check.ok for check in parts)
    emit(
        {
            "ok": well,
            "checks": [vars(check) for check in parts],
            "licences": [{"what": what, "terms": terms, "note": note} for what, terms, note in LICENCES],
        },
        "\n".join(lines),
        as_json,
    )
    sys.exit(0 if well else 1)

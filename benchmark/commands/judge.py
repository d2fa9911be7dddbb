"""`aahq-bench judge`: people compare results on a local page."""

from __future__ import annotations

import getpass
import re
from pathlib import Path

import click

from suite.cli import emit, json_option
from suite.errors import SuiteError
from suite.params import output_folder


@click.command(short_help="People compare results on a local page: which is better, which keeps the person.")
@click.argument("study", metavar="STUDY", type=output_folder)
@click.option("--inputs", type=click.Path(path_type=Path), help="What 'aahq-bench inputs' wrote; designs a new study.")
@click.option(
    "--results", multiple=True, metavar="NAME=DIR", help="A method's pictures, named as the inputs' README says."
)
@click.option(
    "--trials", type=click.IntRange(1, 10_000), default=120, show_default=True, help="Comparisons of a new study."
)
@click.option("--seed", default="0", show_default=True, metavar="TEXT", help="Of a new study's design.")
@click.option("--judge", "name", metavar="NAME", help="Whose answers these are.  [your user name]")
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="0 is any that is free.")
@click.option("--no-open", is_flag=True, help="Print the address only; do not open a browser.")
@click.option("--report", is_flag=True, help="Print what the judges said and end.")
@click.option("--records", type=output_folder, help="Write one record per method into this folder and end.")
@json_option
def command(
    study: Path,
    inputs: Path | None,
    results: tuple[str, ...],
    trials: int,
    seed: str,
    name: str | None,
    port: int,
    no_open: bool,
    report: bool,
    records: Path | None,
    as_json: bool,
) -> None:
    """Show two results of one face and one style beside each other; ask which is better and which keeps the person.

    With --inputs and two --results or more a new study is designed in the folder STUDY: every method meets every other
    equally often, left and right, and every tenth trial besides tests the judge. The page is served to this machine
    only, at an address with a secret; every answer is on the disk before the next pair is shown. --report says how
    far judges agree and, by Bradley and Terry's model, how strong each method is; --records writes that down.

    \b
    Examples:
      aahq-bench judge study --inputs inputs --results "Ours=ours" --results "AdaIN=adain"
      aahq-bench judge study --judge ann
      aahq-bench judge study --report
    """
    from benchmark.people import study as design_of

    if inputs is not None or results:
        if inputs is None:
            raise SuiteError("--results: a new study needs --inputs, the folder that 'aahq-bench inputs' wrote")
        design_of.make(study, inputs, design_of.parse_results(results), trials, seed)
    if report or records is not None:
        _report(study, records, as_json)
        return
    who = name if name is not None else _user()
    if not re.fullmatch(r"[\w][\w .@+-]{0,39}", who):
        raise SuiteError(f"--judge {who!r}: expected 1 to 40 letters, digits, spaces and . @ + - _")
    summary = design_of.summary(design_of.read(study))

    def opened(address: str) -> None:
        words = f"{summary['trials']} comparisons of {len(summary['methods'])} methods, {summary['catch_trials']} catch trials"
        emit(
            {"url": address, "judge": who, **summary}, f"judge    {address}\n         {words}; Ctrl-C ends it", as_json
        )

    from benchmark.people.server import serve

    serve(study, who, port, opened, browser=not no_open)


def _report(study: Path, records: Path | None, as_json: bool) -> None:
    from benchmark.people.analysis import as_text, judged
    from benchmark.people.answers import read_answers
    from benchmark.people.study import read

    design = read(study)
    answers = read_answers(study, len(design.trials))
    outcome = judged(design, answers)
    value, text = outcome.as_dict(), as_text(design, outcome)
    if records is not None:
        from benchmark.people.records import records as made
        from benchmark.people.records import write_records

        paths = write_records(records, made(design, outcome, answers))
        value["records"] = [str(path) for path in paths]
        text += f"\n\n{len(paths)} records in {records}"
    emit(value, text, as_json)


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "judge"

"""`aahq-bench submit`: one JSON record to hand in."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.commands.joining import (
    Places,
    bench_work,
    data_options,
    guidance_option,
    limit_options,
    limits_of,
    measure_options,
    seeds_of,
    settings_of,
)
from benchmark.commands.table_of import named_method, values_text
from suite.cli import emit, json_option
from suite.errors import SuiteError
from suite.params import output_folder
from suite.terminal import say

if TYPE_CHECKING:
    from benchmark.run.record import Record


@click.command(short_help="Write a record to hand in, and say what is missing.")
@click.argument("method", required=False)
@click.option("--record", type=click.Path(path_type=Path), help="A record that 'score-images' or 'reproduce' wrote.")
@click.option(
    "--from", "reproduced", type=click.Path(path_type=Path), help="A reproduction's work folder: all records."
)
@click.option("--value", "numbers", multiple=True, metavar="METRIC=NUMBER", help="A number of your own (with --like).")
@click.option("--like", type=click.Path(path_type=Path), help="A record measured under the protocol you followed.")
@data_options
@click.option("--weights", type=click.Path(path_type=Path), help="The checkpoint of METHOD.")
@click.option("--no-weights", is_flag=True, help="METHOD has no weights.")
@guidance_option
@click.option("--version", help="Version or commit of the method.")
@click.option("--code", help="https address of its code; the tables' own methods know theirs.")
@click.option("--train-data", help="What it was trained on, or 'nothing'.")
@click.option("--uses-test-pictures", is_flag=True, default=None, help="It saw pictures of the test split.")
@click.option("--samples", is_flag=True, help="Write a few small pictures beside the record (with METHOD --data).")
@measure_options
@limit_options
@click.option("-o", "--out", type=output_folder, default=Path("."), help="Folder for the record.")
@json_option
def command(
    method: str | None,
    record: Path | None,
    reproduced: Path | None,
    numbers: tuple[str, ...],
    like: Path | None,
    data: Path | None,
    faces: Path | None,
    art: Path | None,
    version: str | None,
    code: str | None,
    train_data: str | None,
    uses_test_pictures: bool | None,
    samples: bool,
    out: Path,
    as_json: bool,
    **options: Any,
) -> None:
    """One JSON record with provenance and a trust level:

    \b
      METHOD --data RELEASE         runs it here           re-run from weights
      --record FILE                 from score-images      re-scored from pictures
      METHOD --value M=X --like R   your own figures       self-reported
      --from WORK                   every record of a reproduction, as it was measured

    \b
    Exit code 1 when something is missing; it is said in plain words, and before anything is measured where possible.

    \b
    Examples:
      aahq-bench submit ColourTransfer --data reproduce-demo/data --no-weights --train-data nothing \\
        --version 0.1.0 --code https://example.org/colour-transfer -o benchmark/records
      aahq-bench submit --record ink.json --train-data "AAHQ train" --version 2 --code https://example.org/ink
    """
    from benchmark.leaderboard.submit import TRUST_MEANS, save, with_method
    from benchmark.run.record_file import read

    ways = [name for name, way in (("--record", record), ("--from", reproduced), ("--value", numbers)) if way]
    places = Places(data, faces, art)
    ways += ["--data"] if places.given and reproduced is None else []
    if len(ways) != 1:
        raise SuiteError(
            f"submit: {' and '.join(ways) or 'nothing'} given; give METHOD --data, --record, --from, or METHOD --value"
        )
    if reproduced is not None:
        _adopted(reproduced, out, version, code, samples, places, as_json, options)
        return
    if samples and not places.given:
        raise SuiteError("--samples: pictures are made with METHOD --data, or --from WORK")
    stated = {"version": version, "code": code, "train_data": train_data, "uses_test_pictures": uses_test_pictures}
    generations: list[Any] = []
    if record is not None:
        made: Record = read(record)
    elif method is None:
        raise SuiteError("METHOD: name the method")
    elif numbers:
        made = _claimed(method, numbers, like)
    else:
        _complete(stated, options)
        made, generations = _measured(method, places, options)
    made = with_method(made, **stated)  # type: ignore[arg-type]
    path = save(out, made)
    if samples:
        from benchmark.leaderboard.samples import write_samples

        write_samples(out, path.stem, generations[0])
    words = f"{path}: {made.trust} ({TRUST_MEANS[made.trust]}); hand it in as benchmark/records/{path.name}"
    emit({"record": str(path), "trust": made.trust}, f"{values_text(made)}\n{words}", as_json)


def _adopted(
    folder: Path,
    out: Path,
    version: str | None,
    code: str | None,
    samples: bool,
    places: Places,
    as_json: bool,
    options: dict[str, Any],
) -> None:
    from benchmark.leaderboard.publish_records import adopt

    if not version:
        raise SuiteError("--version: say which version of the code was reproduced", exit_code=1)
    options = {**options, "work": folder}
    work = bench_work(settings_of(options["profile"], options["overrides"]), options["profile"], places, options)
    done = adopt(work, out, version, code, samples, lambda text: say(text, err=True))
    lines = [f"{len(done.written)} records in {out}", *(f"left out: {name}: {why}" for name, why in done.left.items())]
    emit({"records": [str(path) for path in done.written], "left": done.left}, "\n".join(lines), as_json)
    if done.left:
        raise SystemExit(1)


def _claimed(method: str, numbers: tuple[str, ...], like: Path | None) -> Record:
    from benchmark.leaderboard.self_reported import claim, numbers_of
    from benchmark.run.record_file import read

    if like is None:
        raise SuiteError("--like: name a record of the board that was measured under the protocol you followed")
    return claim(numbers_of(numbers), read(like), named_method(method))


def _complete(stated: dict[str, Any], chosen: dict[str, Any]) -> None:
    """Fail before the work where what is said of the method is not enough."""
    from suite.provenance import commit

    options = [f"--{key.replace('_', '-')}" for key in ("version", "code", "train_data") if not stated[key]]
    if chosen["weights"] is None and not chosen["no_weights"]:
        options.append("--weights (or --no-weights)")
    if options:
        raise SuiteError(f"missing: {', '.join(options)}; a reader wants to know", exit_code=1)
    if commit().endswith("+"):
        raise SuiteError(
            "missing: a clean clone: it has changes that are not committed; commit or undo them first", exit_code=1
        )
    named_method("checked", stated["version"], stated["code"], stated["train_data"])


def _measured(method: str, places: Places, options: dict[str, Any]) -> tuple[Record, list[Any]]:
    from benchmark.leaderboard.rerun import score_method

    settings = settings_of(options["profile"], options["overrides"])
    seeds = seeds_of(settings, options["seeds"], options["hidden_seed"])
    work = bench_work(settings, options["profile"], places, options)
    limits = limits_of(options, work)
    return score_method(
        work, method, options["weights"], seeds, options["guidance"], named_method(method), limits=limits
    )

"""`aahq-bench validate`: what a maintainer runs on a pull request."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.commands.joining import (
    Places,
    bench_work,
    limit_options,
    limits_of,
    measure_options,
    opened_pack,
    reference_options,
    seeds_of,
    settings_of,
)
from benchmark.commands.shared import place_options
from suite.cli import emit, json_option
from suite.errors import SuiteError
from suite.ownership import real

if TYPE_CHECKING:
    from benchmark.leaderboard.inputs import InputsCard
    from benchmark.leaderboard.seed import Seed
    from benchmark.run.record import Record
    from benchmark.run.reproduction import Reproduction

BOARD = Path(__file__).resolve().parents[1] / "records"


@click.command(short_help="Check records that were handed in.")
@click.argument("records", metavar="RECORD...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--board", type=click.Path(path_type=Path), default=BOARD, help="The board's records.")
@click.option("--new-protocol", is_flag=True, help="Welcome a protocol that the board does not hold yet.")
@place_options
@reference_options
@click.option("--rerun", metavar="METHOD", help="Run this installed method again (with --data).")
@click.option("--weights", type=click.Path(path_type=Path), help="Its checkpoint.")
@click.option(
    "--pictures",
    type=click.Path(path_type=Path),
    help="Measure these pictures again (with --data or --reference, --inputs).",
)
@click.option("--inputs", type=click.Path(path_type=Path), help="The inputs that the pictures answer.")
@click.option("--invents-faces", is_flag=True, help="The pictures' method draws its own faces.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one setting of the profile.")
@click.option("--hidden-seed", type=click.Path(path_type=Path), help="The seed file, for a hidden draw.")
@measure_options
@limit_options
@json_option
def command(
    records: tuple[Path, ...],
    board: Path,
    new_protocol: bool,
    data: Path | None,
    faces: Path | None,
    art: Path | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Refuse what is missing, impossible, hostile or under another protocol, one line per reason with the field's name.

    With --data and --rerun or --pictures the record is measured again and must agree within its stated interval.
    Exit code 1 when anything is refused.

    \b
    Examples:
      aahq-bench validate benchmark/records/ink-wash-reference-demo-0a1b2c3d4e5f.json
      aahq-bench validate ink.json --data reproduce-demo/data --pictures pictures --inputs inputs
    """
    from benchmark.leaderboard.validate import disputes, objections, protocols_of, read_checked, trust_note
    from benchmark.site.board import read_records

    again = options["rerun"] is not None or options["pictures"] is not None
    places = Places(data, faces, art)
    packed = options["reference"] is not None and options["rerun"] is None
    if again and (not (places.given or packed) or len(records) != 1):
        raise SuiteError(
            "--rerun, --pictures: take one RECORD and --data (or --faces and --art; --pictures: or --reference)"
        )
    handed = {real(path) for path in records}
    rest = {entry.path.name: entry.record for entry in read_records(board) if real(entry.path) not in handed}
    known = protocols_of(list(rest.values()))
    refused: dict[str, list[str]] = {}
    lines = []
    for path in records:
        try:
            record = read_checked(path)
            reasons = objections(record, known, new_protocol) + disputes(record, rest)
            if not reasons and again:
                reasons = _again(record, places, options)
        except SuiteError as error:
            refused[str(path)] = [str(error)]
            lines.append(str(error))
            continue
        if reasons:
            refused[str(path)] = reasons
            lines += [f"{path}: {reason}" for reason in reasons]
        else:
            lines.append(f"{path}: ok; " + ("measured again: agrees" if again else trust_note(record)))
    emit({"refused": refused, "checked": len(records)}, "\n".join(lines), as_json)
    if refused:
        raise SystemExit(1)


def _again(record: Record, places: Places, options: dict[str, Any]) -> list[str]:
    from benchmark.leaderboard.external_images import score_folders
    from benchmark.leaderboard.inputs import read_card
    from benchmark.leaderboard.rerun import score_method
    from benchmark.leaderboard.validate import differences
    from benchmark.run.training import weight_digests

    made = record.provenance
    settings = settings_of(made.profile, options["overrides"])
    seeds = seeds_of(settings, () if options["hidden_seed"] else tuple(made.sampling_seeds), options["hidden_seed"])
    work = bench_work(settings, made.profile, places, options)
    guidance = record.cell.guidance
    if options["pictures"] is not None:
        if options["inputs"] is None:
            raise SuiteError("--inputs: name the inputs that the pictures answer")
        card = read_card(options["inputs"])
        if options["reference"] is not None:
            return _from_pack(record, work, card, seeds, places, options)
        kind: Any = "seed" if options["invents_faces"] else "image"
        second, _ = score_folders(work, [options["pictures"]], [card], seeds, guidance, record.method, kind)
        return _same_pictures(record, second)
    weights: Path | None = options["weights"]
    if weights is not None and weight_digests(weights) != made.weights:
        return ["provenance.weights: the digests are not those of --weights"]
    name: str = options["rerun"]
    indicator, limits = record.cell.indicator, limits_of(options, work)
    second, _ = score_method(work, name, weights, seeds, guidance, record.method, indicator, limits=limits)
    return differences(record, second)


def _same_pictures(record: Record, second: Record) -> list[str]:
    from benchmark.leaderboard.validate import differences

    made = record.provenance
    if made.pictures is not None and second.provenance.pictures != made.pictures:
        return ["provenance.pictures: the digest is not that of these pictures"]
    return differences(record, second)


def _from_pack(
    record: Record, work: Reproduction, card: InputsCard, seeds: list[Seed], places: Places, options: dict[str, Any]
) -> list[str]:
    from benchmark.reference.scoring import score_from_pack

    pack, _ = opened_pack(options["reference"], options["signers"], places)
    inputs = [(options["inputs"], card)]
    guidance, invents = record.cell.guidance, options["invents_faces"]
    second = score_from_pack(work, pack, [options["pictures"]], inputs, seeds, guidance, record.method, invents)
    return _same_pictures(record, second)

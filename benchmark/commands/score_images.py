"""`aahq-bench score-images`: measure pictures that were made elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from benchmark.commands.joining import (
    Places,
    bench_work,
    data_options,
    guidance_option,
    measure_options,
    opened_pack,
    reference_options,
    seeds_of,
    settings_of,
)
from benchmark.commands.table_of import named_method, values_text
from suite.cli import emit, json_option
from suite.params import output_file


@click.command(short_help="Measure pictures made elsewhere, in any framework.")
@click.argument("folders", metavar="DIR...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--inputs", multiple=True, required=True, type=click.Path(path_type=Path), help="What they answer.")
@data_options
@reference_options
@click.option("--method", required=True, help="The method's name as tables shall print it.")
@guidance_option
@click.option("--invents-faces", is_flag=True, help="The method draws its own faces instead of restyling the given.")
@measure_options
@click.option("-o", "--out", required=True, type=output_file, help="The record to write (.json).")
@json_option
def command(
    folders: tuple[Path, ...],
    inputs: tuple[Path, ...],
    data: Path | None,
    faces: Path | None,
    art: Path | None,
    profile: str,
    overrides: tuple[str, ...],
    seeds: tuple[str, ...],
    hidden_seed: Path | None,
    reference: Path | None,
    signers: Path | None,
    method: str,
    guidance: str,
    invents_faces: bool,
    out: Path,
    as_json: bool,
    **options: Any,
) -> None:
    """Measure the pictures in DIR as answers to the inputs that 'aahq-bench inputs' handed out.

    DIR holds exactly one PNG for each style, f0000-s00.png and so on; a method.json of 'aahq-bench answer' may say who made
    them. Links, folders, other formats and mixed sizes are refused. A profile of several seeds takes several DIR and
    --inputs, in the order of the seeds. --reference FILE needs none of the real pictures: the inputs and a pack of
    'aahq-bench reference' are enough.

    \b
    Examples:
      aahq-bench score-images pictures --inputs inputs --data reproduce-demo/data --method "Ink wash" -o ink.json
      aahq-bench score-images pictures --inputs inputs --reference demo.safetensors --method "Ink wash" -o ink.json
    """
    from benchmark.leaderboard.external_images import score_folders
    from benchmark.leaderboard.inputs import read_card
    from benchmark.leaderboard.method_pictures import read_answered
    from benchmark.leaderboard.submit import lacking
    from benchmark.run.record_file import claim_record, write

    claim_record(out)
    settings = settings_of(profile, overrides)
    cards = [read_card(folder) for folder in inputs]
    chosen = seeds_of(settings, seeds or (() if hidden_seed else tuple(card.seed for card in cards)), hidden_seed)
    places = Places(data, faces, art)
    made_by, remarks = named_method(method), []
    if (about := read_answered(folders[0])) is not None:
        made_by = about.method.model_copy(update={"name": made_by.name})
    if reference is not None:
        from benchmark.reference.scoring import score_from_pack

        pack, signed = opened_pack(reference, signers, places)
        remarks = [signed, *(f"not measured: {metric}: {why}" for metric, why in pack.card.without.items())]
        record = score_from_pack(
            bench_work(settings, profile, places, options),
            pack,
            folders,
            list(zip(inputs, cards, strict=True)),
            chosen,
            guidance,  # type: ignore[arg-type]
            made_by,
            invents_faces,
        )
    else:
        record, _ = score_folders(
            bench_work(settings, profile, places.needed(), options),
            folders,
            cards,
            chosen,
            guidance,  # type: ignore[arg-type]
            made_by,
            "seed" if invents_faces else "image",
        )
    write(out, record)
    words = "\n".join(
        [values_text(record), *remarks, f"{out}: written", *(f"to hand in, add {word}" for word in lacking(record))]
    )
    emit({"record": str(out), "missing": lacking(record), **record.content()}, words, as_json)

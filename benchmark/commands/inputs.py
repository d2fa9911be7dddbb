"""`aahq-bench inputs`: faces and styles to answer in any framework."""

from __future__ import annotations

from pathlib import Path

import click

from benchmark.commands.joining import Places, data_options, seeds_of, settings_of
from suite.cli import emit, json_option
from suite.errors import SuiteError
from suite.params import output_file, output_folder


@click.command(short_help="Hand out the faces and styles as PNG files.")
@click.argument("folder", metavar="DIR", type=output_folder)
@data_options
@click.option("--new-seed", type=output_file, help="Make a hidden seed in this file and draw from it.")
@json_option
def command(
    folder: Path,
    data: Path | None,
    faces: Path | None,
    art: Path | None,
    profile: str,
    overrides: tuple[str, ...],
    seeds: tuple[str, ...],
    hidden_seed: Path | None,
    new_seed: Path | None,
    as_json: bool,
) -> None:
    """Write the faces and styles of a profile's draw into DIR, with a README that says what to make of them.

    With --hidden-seed the draw comes from a seed that the maintainer keeps: no method can have been tuned to it.
    A profile of several sampling seeds hands out the first; name others with --seed.

    \b
    Examples:
      aahq-bench inputs inputs --data reproduce-demo/data
      aahq-bench inputs hidden --data reproduce-demo/data --new-seed ~/.aahq-hidden-seed
    """
    from benchmark.leaderboard.inputs import hand_out
    from benchmark.leaderboard.seed import new_seed as make_seed
    from benchmark.tasks.paired_release import open_places

    settings = settings_of(profile, overrides)
    if new_seed is not None and (seeds or hidden_seed):
        raise SuiteError("--new-seed: makes the seed itself; leave out --seed and --hidden-seed")
    if len(seeds) > 1:
        raise SuiteError("--seed: a folder of inputs is one draw; run again with another folder for the next seed")
    places = Places(data, faces, art).needed()
    release = open_places(places.data, places.faces, places.art)
    seed = make_seed(new_seed) if new_seed is not None else seeds_of(settings, seeds, hidden_seed)[0]
    handed = hand_out(folder, release, settings, Path(profile).stem, seed)
    card = handed.card
    text = (
        f"{folder}: {card.faces} faces x {card.styles} styles, seed {card.seed}, draw {card.draws[:12]}; see README.txt"
    )
    summary = {
        "folder": str(folder),
        "faces": card.faces,
        "styles": card.styles,
        "seed": card.seed,
        "draws": card.draws,
    }
    emit(summary, text, as_json)

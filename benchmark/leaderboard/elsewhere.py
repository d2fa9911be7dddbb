"""Pictures made elsewhere, from folders to a record."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from benchmark.cell import Bench
from benchmark.leaderboard.inputs import InputsCard
from benchmark.leaderboard.picture_folder import PictureFolder
from benchmark.leaderboard.score import Answer, open_bench, score
from benchmark.leaderboard.seed import Seed
from benchmark.paper import Guidance
from benchmark.record import MethodInfo, Record
from benchmark.reproduce import Work
from suite.errors import SuiteError


def score_folders(
    work: Work,
    folders: Sequence[Path],
    cards: Sequence[InputsCard],
    seeds: Sequence[Seed],
    guidance: Guidance,
    method: MethodInfo,
    faces_from: Literal["image", "seed"] = "image",
) -> tuple[Record, list[PictureFolder]]:
    """Measure folders of pictures, one a sampling seed, against the draws that their inputs came from.

    Raises:
        SuiteError: a card that is not of this release, profile or seed; pictures that are no measurement.
    """
    if not len(folders) == len(cards) == len(seeds):
        raise SuiteError(
            f"DIR, --inputs: {len(folders)} and {len(cards)} for {len(seeds)} seeds; give one of each a seed"
        )
    bench = open_bench(work, seeds)
    answers = []
    for place, (folder, card) in enumerate(zip(folders, cards)):
        check_card(card, bench, place)
        answers.append(PictureFolder(folder, method.name, guidance, bench.draws[place], bench.release, faces_from))
    return score(bench, Answer(answers, {}, "re-scored from pictures"), guidance, method), answers


def check_card(card: InputsCard, bench: Bench, place: int) -> None:
    """Refuse inputs of another release, another seed or another draw."""
    public = bench.work.settings.sampling_seeds[place]
    if card.manifest != bench.release.digest:
        raise SuiteError(
            f"--inputs: manifest: {card.manifest[:12]} is not the release's {bench.release.digest[:12]}; give its --data"
        )
    if card.seed != public:
        raise SuiteError(f"--inputs: seed: drawn from {card.seed!a}, measured from {public!a}; give the same seed")
    if card.draws != bench.draws[place].digest:
        raise SuiteError(
            f"--inputs: draws: {card.draws[:12]} is not this profile's draw {bench.draws[place].digest[:12]}; "
            "give the --profile and --set that the inputs were made with"
        )

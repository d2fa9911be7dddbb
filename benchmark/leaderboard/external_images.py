"""Pictures made elsewhere, from folders to a record."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from benchmark.leaderboard.inputs import InputsCard, draw_for
from benchmark.leaderboard.picture_folder import PictureFolder
from benchmark.leaderboard.score import open_bench, score
from benchmark.leaderboard.seed import Seed
from benchmark.run.record import MethodInfo, Record
from benchmark.run.reproduction import Reproduction
from benchmark.tasks.paper import Guidance
from benchmark.tasks.protocol import EvalPairs
from benchmark.tasks.settings import Reproduce
from models.data.release import Release
from suite.errors import SuiteError


def score_folders(
    work: Reproduction,
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
    release = work.open()
    answers = []
    for folder, card, seed in zip(folders, cards, seeds):
        draws = check_card(card, release, work.settings, seed)
        answers.append(PictureFolder(folder, method.name, guidance, draws, release, faces_from))
    bench = open_bench(work, seeds)
    return score(bench, answers, {}, "re-scored from pictures", guidance, method), answers


def check_card(card: InputsCard, release: Release, settings: Reproduce, seed: Seed) -> EvalPairs:
    """The draw that the inputs came from.

    Raises:
        SuiteError: they are of another release, another seed or another draw.
    """
    if card.manifest != release.digest:
        theirs, here = (_form(said) for said in (card.photographs, release.photographs))
        raise SuiteError(
            f"--inputs: manifest: {card.manifest[:12]}{theirs} is not the release's {release.digest[:12]}{here}; "
            "give its --data"
        )
    if card.seed != seed.public:
        raise SuiteError(f"--inputs: seed: drawn from {card.seed!a}, measured from {seed.public!a}; give the same seed")
    draws = draw_for(settings, release, seed)
    if card.draws != draws.digest:
        raise SuiteError(
            f"--inputs: draws: {card.draws[:12]} is not this profile's draw {draws.digest[:12]}; "
            "give the --profile and --set that the inputs were made with"
        )
    return draws


def _form(photographs: dict[str, str]) -> str:
    return f" ({', '.join(f'{name} {value}' for name, value in sorted(photographs.items()))})" if photographs else ""

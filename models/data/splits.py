"""The splits of photographs that bring none: fixed, named, and the same for every form and copy of a set.

Training leaves out the test part and scoring draws from it alone, so a photograph that is restyled was never trained on.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from models.data import ffhq

# Numbers below 60,000 train, the others test: what FFHQ's publishers appoint.
BY_NUMBER = "ffhq-60000-10000"
# Any other set: the first 32 bits of a picture's pixel SHA-256, modulo 7; 0 is test.
BY_CONTENT = "content-1-in-7"
# A set that is too small to score with is trained on whole.
WHOLE = "none"
PARTS, LEAST = 7, 100


@dataclass(frozen=True)
class Split:
    """How a set is split.

    Attributes:
        name: one of `BY_NUMBER`, `BY_CONTENT` and `WHOLE`.
        parts: (N,) "train" or "test", in the set's order.
        numbers: (N,) int64 numbers in FFHQ, or None where the set is not known as FFHQ's.
        listed: how it stands in the published list, where that is here.
    """

    name: str
    parts: np.ndarray
    numbers: np.ndarray | None = None
    listed: ffhq.Listed | None = None


def of(members: pd.DataFrame, place: Path) -> Split:
    """The split of photographs by what `models.data.identity` knows of them.

    FFHQ is known by the published list where a person has it, else by 70,000 files that are numbered without a gap.
    """
    listing = ffhq.find_list(place)
    listed = ffhq.look_up(members, listing) if listing is not None else None
    if listed is not None and len(members) and (listed.numbers >= 0).all():
        numbers: np.ndarray | None = listed.numbers
    else:
        numbers = ffhq.numbers_by_name(members)
    if numbers is not None:
        return Split(BY_NUMBER, np.where(numbers < ffhq.TRAIN, "train", "test"), numbers, listed)
    if len(members) < LEAST:
        return Split(WHOLE, np.full(len(members), "train"), None, listed)
    test = np.array([int(sha[:8], 16) % PARTS == 0 for sha in members["pixel_sha256"]])
    return Split(BY_CONTENT, np.where(test, "test", "train"), None, listed)

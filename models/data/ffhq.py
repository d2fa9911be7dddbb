"""Recognise FFHQ by its publishers' list: the numbers of its pictures and their MD5 sums.

Facts from the README of NVlabs/ffhq-dataset: 70,000 pictures; the first 60,000 are for training and the other 10,000 for
validation; `ffhq-dataset-v2.json` gives each picture's `file_md5` and `pixel_md5` (of its (H, W, 3) uint8 bytes), for the
1024 px form ("image") and for the thumbnails, with picture 0 as its example.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from models.data import cache_folder
from suite.errors import SuiteError
from suite.files import sha256_file, whole_file

COUNT, TRAIN = 70_000, 60_000
LIST = "ffhq-dataset-v2.json"
# Form in the list -> (side, pixel MD5 of picture 0).
FORMS = {
    "image": (1024, "47238b44dfb87644460cbdcc4607e289"),
    "thumbnail": (128, "38d7e93eb9a796d0e65f8c64de8ba161"),
}
# `00000/00000.png`, `00000.png`, `img00000000.png` of StyleGAN2-ADA's packer.
_NUMBER = re.compile(r"(?:^|[/#])(?:img)?(\d{1,8})\.\w+$")


@dataclass(frozen=True)
class Listed:
    """How a set's pictures stand in the published list.

    Attributes:
        form: `image` (1024 px) or `thumbnail`; "" where none of them is listed.
        numbers: (N,) int64 of each picture, -1 where it is not in the list.
    """

    form: str
    numbers: np.ndarray


def numbers_by_name(members: pd.DataFrame) -> np.ndarray | None:
    """(N,) int64 numbers that file names end with.

    None unless they are 0 to 69,999, each once, and picture 0 is the published one where its size has one.
    """
    if len(members) != COUNT:
        return None
    matches = [_NUMBER.search(name) for name in members["name"]]
    numbers = np.array([int(match[1]) if match else -1 for match in matches], np.int64)
    if not np.array_equal(np.sort(numbers), np.arange(COUNT)):
        return None
    first = members.iloc[int(np.flatnonzero(numbers == 0)[0])]
    published = dict(FORMS.values())
    return numbers if published.get(first["width"], first["pixel_md5"]) == first["pixel_md5"] else None


def find_list(place: Path) -> Path | None:
    """The published list, in the set's folder, one or two above it, or in the cache folder; None where nobody put it there."""
    at = place.resolve()
    folders = [at] if at.is_dir() else []
    places = [*folders, at.parent, at.parent.parent, cache_folder()]
    return next((folder / LIST for folder in places if (folder / LIST).is_file()), None)


def look_up(members: pd.DataFrame, path: Path) -> Listed:
    """Find the pictures in the list by the MD5 of their file or, packed anew, of their pixels.

    Raises:
        SuiteError: the file is not the list.
    """
    table = _sums(path)
    best = Listed("", np.full(len(members), -1, np.int64))
    for form in FORMS:
        rows = table[table["form"] == form]
        known = dict(zip(rows["file_md5"], rows["number"])) | dict(zip(rows["pixel_md5"], rows["number"]))
        known.pop("", None)
        numbers = members["pixel_md5"].map(known).fillna(members["file_md5"].map(known)).fillna(-1).to_numpy(np.int64)
        if (numbers >= 0).sum() > (best.numbers >= 0).sum():
            best = Listed(form, numbers)
    return best


def _sums(path: Path) -> pd.DataFrame:
    """The list's MD5 sums; read from 255 MB of JSON once, and kept under the digest of its bytes."""
    kept = cache_folder() / "identity" / f"ffhq-{sha256_file(path)[:32]}.parquet"
    if kept.is_file():
        return pd.read_parquet(kept)
    try:
        content = json.loads(path.read_bytes())
        rows = [row for number, entry in content.items() for row in _rows(int(number), entry)]
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        raise SuiteError(
            f"{path}: not the list that FFHQ's publishers give ({str(error)[:80]}); get it again, or move it away"
        ) from None
    table = pd.DataFrame(rows, columns=["number", "form", "file_md5", "pixel_md5"])
    with whole_file(kept) as part:
        table.to_parquet(part)
    return table


def _rows(number: int, entry: dict[str, Any]) -> list[tuple[int, str, str, str]]:
    return [
        (number, form, str(entry[form].get("file_md5", "")), str(entry[form].get("pixel_md5", "")))
        for form in FORMS
        if form in entry
    ]

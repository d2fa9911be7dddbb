"""A release's version says what became of the one before it: major, minor and patch by Croissant's rule."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aahq.release.write import write


def rows(*numbers: int, **change: Any) -> Iterator[tuple[dict[str, Any], np.ndarray | None]]:
    for number in numbers:
        rgb = np.random.default_rng(number).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        yield (
            {"id": f"{number:04}", "domain": "art", "split": "train", "source": "s", "license": "CC0-1.0", **change},
            rgb,
        )


def put(out: Path, *numbers: int, form: str = "folder", **change: Any) -> tuple[str, str | None]:
    write(out, rows(*numbers, **change), name="t", recipe="r", size=16, form=form)
    card = json.loads((out / "release.json").read_text())
    text = json.loads((out / "croissant.json").read_text())
    assert text["version"] == card["version"]
    followed = text.get("prov:wasRevisionOf", {}).get("sc:identifier")
    assert followed == (f"sha256:{card['follows']}" if "follows" in card else None)
    return card["version"], card.get("follows")


def digest(out: Path) -> str:
    return str(json.loads((out / "release.json").read_text())["manifest_sha256"])


def test_versions_follow_what_was_done(tmp_path: Path) -> None:
    assert put(tmp_path, 1, 2) == ("1.0.0", None)
    assert put(tmp_path, 1, 2) == ("1.0.0", None), "the same again is no new version"
    first = digest(tmp_path)
    assert put(tmp_path, 1, 2, 3) == ("1.1.0", first)
    second = digest(tmp_path)
    assert put(tmp_path, 1, 2, 3) == ("1.1.0", first)
    assert put(tmp_path, 1, 2, 3, form="shards") == ("1.1.1", second)
    assert put(tmp_path, 0, 1, 2, 3, form="shards")[0] == "1.2.0", "added before the others"
    assert put(tmp_path, 0, 1, 3, form="shards")[0] == "2.0.0", "taken out"
    assert put(tmp_path, 0, 1, 3, form="shards", license="CC-BY-4.0")[0] == "3.0.0", "a row was edited"
    assert put(tmp_path, 0, 1, 3, form="shards", license="CC-BY-4.0", split="test")[0] == "4.0.0"
    assert put(tmp_path, 0, 1, 4, form="shards", license="CC-BY-4.0", split="test")[0] == "5.0.0", "one for another"


def test_pictures_that_are_no_longer_handed_on_are_a_change(tmp_path: Path) -> None:
    put(tmp_path, 1)
    assert put(tmp_path, 1, form="links")[0] == "2.0.0"
    assert put(tmp_path, 1, form="folder")[0] == "3.0.0"


@pytest.mark.parametrize("lost", ["manifest.parquet", "release.json"])
def test_what_is_lost_is_never_an_equal_version(tmp_path: Path, lost: str) -> None:
    """A writer that was killed has removed the old manifest: nobody knows what is new."""
    put(tmp_path, 1, 2)
    (tmp_path / lost).unlink()
    assert put(tmp_path, 1, 2, 3)[0] == ("2.0.0" if lost == "manifest.parquet" else "1.0.0")


def test_a_release_of_before_had_the_first_version(tmp_path: Path) -> None:
    put(tmp_path, 1)
    card = json.loads((tmp_path / "release.json").read_text())
    del card["version"]
    (tmp_path / "release.json").write_text(json.dumps(card))
    assert put(tmp_path, 1, 2)[0] == "1.1.0"

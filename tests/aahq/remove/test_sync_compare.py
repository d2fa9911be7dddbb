"""Two manifests are compared as they are read, whatever each of them lacks."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from aahq.remove import sync
from suite.errors import SuiteError


@pytest.mark.parametrize("seed", range(20))
def test_side_by_side_is_as_with_both_in_memory(seed: int) -> None:
    draw = random.Random(seed)
    names = [f"{number:03}" for number in range(30)]
    here, new = (
        {name: draw.choice("ab") for name in names if draw.random() < share} for share in (seed % 5 / 4, draw.random())
    )
    found = sync._compare(iter(sorted(here.items())), iter(sorted(new.items())))
    stay = {name for name in here if new.get(name) == here[name]}
    assert found.gone == here.keys() - stay
    assert found.stay == len(stay)
    assert found.unknown == len(new.keys() - here.keys())
    assert found.unknown + found.changed == len(new.keys() - stay)


def test_a_manifest_in_another_order_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def rows(path: Path, columns: tuple[str, ...]) -> Any:
        return iter([{"id": "b", "sha256": "1"}, {"id": "a", "sha256": "2"}])

    monkeypatch.setattr(sync, "read_rows", rows)
    with pytest.raises(SuiteError, match=r"names 'a' after 'b'; get it again"):
        list(sync._digests(tmp_path))

"""The table at the end of docs/house.md is true: every place exists, defines what it is named for, and they are counted."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TABLE = (ROOT / "docs" / "house.md").read_text().split("## How many files a change touches")[1]
ROWS = [line.strip("| ").split(" | ") for line in TABLE.splitlines() if line.startswith("| ")][1:]
PLACE = re.compile(r"(?:`(\w+)` of )?`([\w./-]+/[\w./-]*)`")


def defined(path: Path) -> set[str]:
    """Names that a module defines at its top."""
    names: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            names.add(node.name)
        targets = (
            node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
        )
        names |= {target.id for target in targets if isinstance(target, ast.Name)}
    return names


def test_the_table_is_there() -> None:
    assert len(ROWS) >= 10


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_change_touches_as_many_files_as_is_said(row: list[str]) -> None:
    _, count, where = row
    places = PLACE.findall(where)
    assert len(places) == int(count), places
    for name, place in places:
        assert (ROOT / place).exists(), place
        assert not name or name in defined(ROOT / place), f"{place} defines no {name}"

"""Where files that come with the package lie; imports nothing heavy."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

_FOLDER = Path(str(resources.files("benchmark") / "data"))
READER = _FOLDER / "reader.safetensors"
# Portraits that the reader learns people from, and those it is judged on, as lists for `aahq portraits --list`.
PEOPLE, JUDGE = _FOLDER / "reader-people.csv", _FOLDER / "reader-judge.csv"

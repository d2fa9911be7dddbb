"""examples/stylize.ipynb runs from top to bottom, as Jupyter would run it."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

NOTEBOOK = Path(__file__).resolve().parents[1] / "examples" / "stylize.ipynb"


def run(source: str, names: dict[str, Any]) -> Any:
    """One cell; the value of its last line, which Jupyter shows, or None."""
    body = ast.parse(source).body
    last = body.pop() if body and isinstance(body[-1], ast.Expr) else None
    exec(compile(ast.Module(body, []), "cell", "exec"), names)
    return None if last is None else eval(compile(ast.Expression(last.value), "cell", "eval"), names)


@pytest.mark.slow
def test_the_notebook_runs_from_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cells = [cell for cell in json.loads(NOTEBOOK.read_text())["cells"] if cell["cell_type"] == "code"]
    names: dict[str, Any] = {"__name__": "__main__"}
    shown = []
    for cell in cells:
        source = "".join(cell["source"])
        assert cell["outputs"] == [], "kept without outputs: they would grow old"
        shown.append(run(source.replace("steps = 60", "steps = 2"), names))
    assert names["steps"] == 2
    pictures = [one.size for one in shown if isinstance(one, Image.Image)]
    assert pictures[:2] == [(256, 256), (512, 256)]
    assert pictures[2][0] > 4 * 160
    assert shown[-1]["style"] == "style-cel.webp"
    assert (shown[-1]["i"], shown[-1]["theta"]) == ("2", "0.0")

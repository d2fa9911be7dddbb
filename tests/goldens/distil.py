"""Make this folder from the full outputs of the published networks: `python tests/goldens/distil.py FOLDER`.

FOLDER holds `<case>.safetensors` (`in/`, `out/`, `sd/`, and a JSON under the metadata `golden`), `<method>.keys.json` and
`face_align.json`; README.md says what they are and how they were made. Kept are all settings, digests and scalars, inputs
only where the recipe cannot make them again, and of large outputs every k-th value along their axes, k odd, so that no
phase of a stride of 2 is left out.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[2]))
from tests import golden_recipe as recipe

HERE = Path(__file__).parent
# Values of one output that are kept.
MOST = 1200


def strides(shape: tuple[int, ...]) -> list[int]:
    """One odd stride an axis, so that at most MOST values are left; the longest axes are thinned first."""
    steps = [1] * len(shape)
    while math.prod(-(-side // step) for side, step in zip(shape, steps)) > MOST:
        axis = max(range(len(shape)), key=lambda k: shape[k] / steps[k])
        steps[axis] += 2
    return steps


def composed(expression: str, steps: list[int]) -> str:
    """A slice expression of the golden metadata with further strides on the axes that it leaves."""
    axes = expression.strip("[]").split(",") if expression else []
    axes += [":"] * max(0, len(steps) - sum(":" in axis for axis in axes))
    left = iter(steps)
    out = []
    for axis in axes:
        if ":" not in axis:
            out.append(axis)
            continue
        start, stop, step = [*axis.split(":"), "", ""][:3]
        out.append(f"{start}:{stop}:{int(step or 1) * next(left)}")
    return f"[{','.join(out)}]"


def made(name: str, value: Tensor, salt: str) -> list[Any] | None:
    """How the recipe makes this input: [kind, shape, dtype, factor]; None where it does not."""
    if not value.is_floating_point():
        return None
    for kind in ("normal", "image") if value.dim() == 4 else ("normal",):
        drawn = recipe.make_input(kind, tuple(value.shape), name, salt).to(value.dtype)
        largest = drawn.abs().argmax()
        factor = float(value.flatten()[largest] / drawn.flatten()[largest])
        if factor and torch.equal(drawn * factor, value):
            return [kind, list(value.shape), str(value.dtype).removeprefix("torch."), factor]
    return None


def distil(source: Path, target: Path) -> None:
    """One case."""
    kept: dict[str, Tensor] = {}
    with safe_open(str(source), "pt") as file:
        meta = json.loads(file.metadata()["golden"])
        for key in file.keys():  # noqa: SIM118 - the handle is no mapping
            value = file.get_tensor(key)
            group, name = key.split("/", 1)
            if group == "in" and (how := made(name, value, meta["salt"])) is not None:
                meta["made_inputs"][name] = how
                continue
            if group != "out" or value.numel() <= MOST:
                kept[key] = value.contiguous()
                continue
            steps = strides(tuple(value.shape))
            part = recipe.part(value, composed("", steps)).contiguous()
            # Parity is asked to 1e-5 at most: float32 keeps 6e-8.
            kept[key] = part.float() if part.dtype == torch.float64 else part
            whole, _, cut = name.partition("@")
            if cut:
                meta["slices"][whole][cut] = composed(meta["slices"][whole][cut], steps)
            else:
                meta.setdefault("thinned", {})[name] = [composed("", steps), list(value.shape)]
    save_file(kept, str(target), {"golden": json.dumps(meta, separators=(",", ":"))})


def main(folder: Path) -> None:
    for old in [*HERE.glob("*.safetensors"), *HERE.glob("*.json")]:
        old.unlink()
    for source in sorted(folder.glob("*.safetensors")):
        distil(source, HERE / source.name)
    for source in sorted([*folder.glob("*.keys.json"), folder / "face_align.json"]):
        (HERE / source.name).write_text(json.dumps(json.loads(source.read_text()), separators=(",", ":")) + "\n")
    files = [path for path in HERE.iterdir() if path.suffix in (".safetensors", ".json")]
    print(f"{len(files)} files, {sum(path.stat().st_size for path in files) / 1e6:.2f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1]))

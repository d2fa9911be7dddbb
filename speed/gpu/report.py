"""What was measured beside what was predicted: the table at the end, the record that is committed, what travels home."""

from __future__ import annotations

import shutil
import tomllib
import zipfile
from collections.abc import Iterator
from dataclasses import asdict
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import torch

from speed.gpu.kernels import FORMATS
from speed.gpu.parts import PARTS
from speed.gpu.record import read
from speed.run import RESULTS, SPEED_PAGE, Row, machine, page
from suite.files import write_json, write_whole

PREDICTIONS = Path(__file__).with_name("predictions.toml")
CURVES = ("log.jsonl", "scores.png", "scores.jsonl", "summary.json")
JUDGES = ("d_", "dis", "face_encoder")  # and who taught the faces
LARGEST = 16 * 2**20  # a file that travels


def predictions() -> dict[str, dict[str, Any]]:
    """Figure -> `value` (or one a card, `h100` and `h200`), `unit`, and `why`, the arithmetic."""
    return tomllib.loads(PREDICTIONS.read_text())


def matches(key: str, what: str) -> bool:
    """Whether a prediction is of the figure `what`: by name, by name without dtype and layout, or by a pattern with `*`."""
    parts = what.split(", ")
    plain = ", ".join(parts[:-2]) if parts[-1] in FORMATS else what
    return key in (what, plain) or ("*" in key and fnmatch(what, key))


def predicted(what: str, card: str) -> float | None:
    """The figure that was predicted for a card; None where nothing was. The longest fitting name counts."""
    fitting = {key: entry for key, entry in predictions().items() if matches(key, what)}
    if not fitting:
        return None
    entry = fitting[max(fitting, key=len)]
    own = next((key for key in ("h200", "h100") if key in card.lower().replace(" ", "") and key in entry), "")
    return float(entry[own] if own else entry.get("value", entry.get("h100")))


def measured(out: Path) -> Iterator[tuple[str, list[Row], str]]:
    """(work, rows, why it failed or "") of every part, in order."""
    for part in PARTS:
        for line in read(out / f"{part}.jsonl"):
            rows = [Row(**row) for row in line.get("rows", [])]
            yield str(line["work"]), rows, str(line.get("failed", ""))


def table(out: Path, card: str) -> str:
    """One line per figure: measured, predicted, aim; failures last."""
    lines = [f"{'figure':62} {'measured':>10} {'predicted':>10}  unit, aim"]
    failures = []
    for work, rows, failed in measured(out):
        if failed:
            failures.append(f"FAILED {work}: {failed}")
        for row in rows:
            guess = predicted(row.what, card)
            mark = {True: "met", False: "NOT MET", None: ""}[row.met]
            expected = "-" if guess is None else f"{guess:.3g}"
            lines.append(
                f"{row.what[:62]:62} {row.value:10.3g} {expected:>10}  {row.unit} {row.target} {mark}".rstrip()
            )
    return "\n".join([*lines, *failures])


def write(out: Path, keep: bool) -> None:
    """`OUT/table.txt` and `OUT/gpu.json`; with `keep` also `speed/results/gpu.json` and the page."""
    card = torch.cuda.get_device_name(0) if torch.cuda.is_available() else "no GPU"
    text = table(out, card)
    write_whole(out / "table.txt", text + "\n")
    rows, failed = [], {}
    for work, part, why in measured(out):
        rows += [asdict(row) | {"predicted": predicted(row.what, card)} for row in part]
        if why:
            failed[work] = why
    record = {"machine": machine(), "rows": rows, "failed": failed}
    write_json(out / "gpu.json", record)
    if keep:
        write_json(RESULTS / "gpu.json", record)
        write_whole(SPEED_PAGE, page())
    print(text)


def bring(out: Path, to: Path) -> None:
    """At most seven files: table, record, logs, pictures and curves, tables of cells, weights in float16 in two archives."""
    to.mkdir(parents=True, exist_ok=True)
    for name in ("table.txt", "gpu.json"):
        shutil.copy(out / name, to / name)
    _zip(to / "logs.zip", [*out.glob("*.txt"), *out.glob("*.jsonl")], out)
    folders = sorted(path.parent for path in out.glob("*/run.json"))
    pictures = [sheet for folder in folders for sheet in sorted((folder / "sheets").glob("*.png"))[-2:]]
    pictures += [folder / name for folder in folders for name in CURVES if (folder / name).is_file()]
    _zip(to / "pictures.zip", pictures, out)
    _zip(to / "cells.zip", [*out.glob("cells/tables/*"), *out.glob("cells/records/*.json")], out)
    others = [folder for folder in folders if folder.name not in ("blendgan", "encoder")]
    _weights([folder for folder in folders if folder.name == "blendgan"], to / "weights-blendgan.zip")
    _weights(others, to / "weights-baselines.zip")


def _weights(folders: list[Path], target: Path) -> None:
    """What answers, of each run's newest checkpoint, in float16: no judges, and of a network with an average the average."""
    from safetensors.torch import load_file, save

    from models.training.checkpoint import all_checkpoints

    with zipfile.ZipFile(target, "w") as archive:
        for folder in folders:
            archive.write(folder / "run.json", f"{folder.name}/run.json")
            files = [
                file for last in all_checkpoints(folder / "checkpoints")[-1:] for file in last.glob("*.safetensors")
            ]
            averaged = {file.stem.removesuffix("_ema") for file in files if file.stem.endswith("_ema")}
            for file in sorted(files):
                if file.stem in averaged or file.stem.startswith(JUDGES):
                    continue
                halves = {key: v.half() if v.is_floating_point() else v for key, v in load_file(file).items()}
                archive.writestr(f"{folder.name}/{file.name}", save(halves))
    if target.stat().st_size > LARGEST:
        print(f"{target.name}: {target.stat().st_size / 2**20:.0f} MB, more than {LARGEST // 2**20}")


def _zip(target: Path, files: list[Path], base: Path) -> None:
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in files:
            archive.write(file, file.relative_to(base))

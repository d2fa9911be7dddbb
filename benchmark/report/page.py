"""One page over a reproduction: the wall, the strength of the style, Tables 1-3, how training went, the dataset's report."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup

from benchmark.report.figure_context import FigureContext
from benchmark.report.figures import indicators
from benchmark.report.table_formats import as_html
from benchmark.report.tables import build
from benchmark.report.wall import wall
from benchmark.run.record_file import read_all
from benchmark.run.reproduction import Reproduction
from models.data.pictures import save_png
from suite.errors import SuiteError
from suite.files import whole_file, write_whole

# What a training's log holds beside losses.
NO_LOSS = ("step", "seconds_per_step", "waiting_share", "augment_p")


def write_page(work: Reproduction, dataset: Path | None = None) -> tuple[Path, dict[str, str]]:
    """Write `page/index.html` into the reproduction's folder; returns it, and what is missing with the reason.

    Args:
        dataset: folder of an `aahq` build, whose report the page leads to.

    Raises:
        SuiteError: there are no records, or `dataset` has no report.
    """
    records = read_all(work.records)
    if not records:
        raise SuiteError(f"{work.records}: no records; run aahq-bench reproduce -o {work.folder} first")
    report = dataset / "report.html" if dataset else None
    if report is not None and not report.is_file():
        raise SuiteError(f"--dataset {dataset}: no report.html there; give the folder of an aahq build")
    folder = work.folder / "page"
    folder.mkdir(exist_ok=True)
    context = FigureContext.open(work)
    sheet, missing = wall(context)
    save_png(folder / "wall.png", sheet, {"method": "wall"})
    drawn = {"wall"}
    try:
        save_png(folder / "strength.png", indicators(context), {"method": "figure 5"})
        drawn.add("strength")
    except SuiteError as error:
        missing["strength of the style"] = str(error)
    logs = shipped_logs()
    if logs:
        draw_logs(logs, folder / "training.png")
        drawn.add("training")
    text = (
        Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
        .from_string(files("benchmark.report").joinpath("page.html.jinja").read_text())
        .render(
            profile=work.profile,
            drawn=drawn,
            tables=[Markup(as_html(build(number, records))) for number in (1, 2, 3)],
            logs=logs,
            missing=missing,
            report=os.path.relpath(report, folder) if report else None,
            css=Markup(files("benchmark.site").joinpath("site.css").read_text()),
        )
    )
    write_whole(folder / "index.html", text)
    return folder / "index.html", missing


def shipped_logs() -> dict[str, dict[str, Any]]:
    """Name of the shipped weights -> the record of their training."""
    folder = Path(str(files("models") / "shipped"))
    logs = {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}
    return {name: record for name, record in logs.items() if record.get("log")}


def draw_logs(logs: Mapping[str, Mapping[str, Any]], path: Path) -> None:
    """One panel a training: its losses over the steps."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    columns = min(3, len(logs))
    rows = -(-len(logs) // columns)
    figure, axes = pyplot.subplots(rows, columns, figsize=(4.6 * columns, 3.1 * rows), squeeze=False)
    for axis, (name, record) in zip(axes.flat, logs.items()):
        for loss, points in losses_of(record["log"]).items():
            axis.plot(*zip(*points, strict=True), linewidth=1, label=loss)
        axis.set_title(name, fontsize=9)
        axis.tick_params(labelsize=7)
        axis.set_xlabel("step", fontsize=7)
        axis.legend(fontsize=6)
    for axis in axes.flat[len(logs) :]:
        axis.axis("off")
    figure.tight_layout()
    with whole_file(path) as part:
        figure.savefig(part, format="png", dpi=110)
    pyplot.close(figure)


def losses_of(log: Sequence[Mapping[str, Any]]) -> dict[str, list[tuple[float, float]]]:
    """Loss -> its (step, value) points, the most often logged first; at most six, so that a panel can be read."""
    curves: dict[str, list[tuple[float, float]]] = {}
    for row in log:
        for name, value in row.items():
            if name not in NO_LOSS and not name.endswith("_sign") and isinstance(value, (int, float)):
                curves.setdefault(name, []).append((row["step"], value))
    return dict(sorted(curves.items(), key=lambda item: -len(item[1]))[:6])

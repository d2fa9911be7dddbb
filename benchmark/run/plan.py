"""What a reproduction needs, what is there and what is missing, said before any work."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmark.metrics import panel
from benchmark.metrics.extractors import row_of
from benchmark.run.cell_records import readable
from benchmark.run.picture_cache import picture_bytes
from benchmark.run.reproduction import Reproduction
from benchmark.run.training import command_of, find_weights, trained
from benchmark.tasks.paper import Cell, slug
from benchmark.tasks.settings import MethodSettings, Step
from suite.errors import SuiteError


@dataclass(frozen=True)
class PlanStep:
    """One line of a plan: what, whether it is there, and what to do when it is not."""

    what: str
    state: str
    detail: str = ""
    gpu_hours: float = 0
    cpu_minutes: float = 0
    disk_gb: float = 0
    unmeasured: bool = False


def plan(work: Reproduction, wanted: Sequence[Cell]) -> list[PlanStep]:
    """Every step of the reproduction with its state, before any work."""
    names = {slug(cell.method) for cell in wanted}
    steps = [_plan_data(work), *_plan_features(work), *_plan_starts(work, names), *_plan_pictures(work, names)]
    for entry in work.settings.methods:
        if slug(entry.name) in names:
            steps += _plan_method(work, entry)
    kept = sum((work.records / f"{cell.key}.json").is_file() for cell in wanted)
    detail = f"{kept} of {len(wanted)} records kept; {work.settings.cost_note}"
    state = "have" if kept == len(wanted) else "to do"
    steps += _plan_separation(work, wanted)
    if state == "have":
        return [*steps, PlanStep("generate and measure", state, detail)]
    hours, disk = work.settings.eval_gpu_hours, work.settings.eval_disk_gb
    return [*steps, PlanStep("generate and measure", state, detail, gpu_hours=hours, disk_gb=disk)]


def _plan_separation(work: Reproduction, wanted: Sequence[Cell]) -> list[PlanStep]:
    """How small a difference the profile's faces show, from the records that are kept; nothing where fewer than two are."""
    from benchmark.report.compare import separation

    kept = [readable(work.records / f"{cell.key}.json") for cell in wanted]
    differences = separation([record for record in kept if record is not None])
    if not differences:
        return []
    listing = "; ".join(f"{metric} {gap:.2g}" for metric, gap in differences.items())
    words = f"differences that {work.settings.faces} faces show with a chance of 80 %: {listing} (half: four times the faces)"
    return [PlanStep("differences", "have", words)]


def _plan_data(work: Reproduction) -> PlanStep:
    faces, art = work.places
    if faces != art:
        try:
            work.open()
        except SuiteError as error:
            return PlanStep("data", "missing", str(error))
        return PlanStep("data", "have", f"photographs: {faces}; artistic faces: {art}")
    if any((folder / "release.json").is_file() for folder in (art, art / "release")):
        return PlanStep("data", "have", str(art))
    if work.settings.paint is None or work.data is not None:
        return PlanStep("data", "missing", work.settings.data_note or f"no release in {work.release}")
    paint = work.settings.paint
    photos = paint.photos or paint.count
    what = f"paint {paint.count} artistic faces and {photos} photographs of {paint.size} px into {work.release}"
    return PlanStep("data", "to do", what, disk_gb=(paint.count + photos) * paint.size**2 * 2.5e-9)


def _plan_features(work: Reproduction) -> list[PlanStep]:
    others = [_plan_other(work, name) for name in work.settings.others]
    others += [step for name in work.settings.panel for step in _plan_panel(work, name)]
    if work.settings.features == "lite0":
        return [_plan_file(work, "features", "lite0"), *others]
    needed = {"inception-pytorch" if mode == "legacy_pytorch" else "inception" for mode in work.settings.fid_modes}
    return [_plan_file(work, "features", name) for name in [*sorted(needed), "alexnet"]] + others


def _plan_other(work: Reproduction, name: str) -> PlanStep:
    row = row_of(name)
    if lacking := row.lacking():
        return PlanStep(f"features: {name}", "missing", f"{lacking}, or leave {name} out of --set others")
    return _plan_file(work, "features", row.weights)


def _plan_panel(work: Reproduction, name: str) -> list[PlanStep]:
    if why := panel.lacking(name):
        return [PlanStep(f"panel: {name}", "missing", why)]
    return [_plan_file(work, f"panel: {name}", file) for file in panel.row_of(name).weights]


def _to_train(work: Reproduction, names: set[str]) -> list[tuple[MethodSettings, Step]]:
    entries = [
        entry for entry in work.settings.methods if slug(entry.name) in names and not find_weights(work, entry)[0]
    ]
    return [(entry, step) for entry in entries for step in entry.steps if not trained(work, step)]


def _plan_pictures(work: Reproduction, names: set[str]) -> list[PlanStep]:
    """The copies of the pictures at the sizes that trainings read, shared by those of one size."""
    steps = [step for _, step in _to_train(work, names)]
    if not steps:
        return []
    size, detail = picture_bytes(work, steps)
    return [PlanStep("pictures at the trainings' sizes", "to do" if size else "have", detail, disk_gb=size / 1e9)]


def _plan_starts(work: Reproduction, names: set[str]) -> list[PlanStep]:
    """Published weights that the training commands still to run start from."""
    steps = _to_train(work, names)
    wanted = dict.fromkeys(name for _, step in steps for name in step.weights.values())
    files = [_plan_file(work, "training starts from", name) for name in wanted]
    return files + [
        PlanStep(f"{entry.name}: train {step.name}: {setting}", "missing", f"{name} is given; it takes {fits}")
        for entry, step in steps
        for setting, name in step.weights.items()
        if (fits := _starts(entry).get(setting, name)) != name
    ]


def _starts(entry: MethodSettings) -> Mapping[str, str]:
    """Which published weights the settings of a baseline take."""
    from baselines.registry import METHODS

    models = (row.settings for row in METHODS.values() if row.title and slug(row.title) == slug(entry.name))
    return next((model.starts for model in models if model is not None), {})


def _plan_file(work: Reproduction, what: str, name: str) -> PlanStep:
    from models.weights.download import cache_folder, find, is_another
    from models.weights.registry import entry

    known, local = entry(name), find(name, work.weights_folder)
    if local is not None and is_another(name, local):
        fix = f"get {known.file} from {known.page}"
        return PlanStep(f"{what}: {known.file}", "missing", f"{local} is another network (no {known.holds!r}); {fix}")
    if local is not None:
        return PlanStep(f"{what}: {known.file}", "have", str(local))
    fetch = f"{known.urls[0] if known.urls else known.page} -> {cache_folder() / known.file}; {known.license}"
    state = "missing" if work.offline or not known.urls else "to fetch"
    return PlanStep(f"{what}: {known.file}", state, fetch, disk_gb=0.5 if known.size == 0 else known.size / 1e9)


def _plan_method(work: Reproduction, entry: MethodSettings) -> list[PlanStep]:
    weights, why = find_weights(work, entry)
    if weights is not None or not why:
        return [PlanStep(f"{entry.name}: weights", "have", str(weights or "it needs none"))]
    out = []
    if entry.published and not work.retrain:
        from models.weights.registry import entry as known

        page = known(entry.published)
        out.append(
            PlanStep(
                f"{entry.name}: published weights",
                "to fetch" if page.urls and not work.offline else "missing",
                f"{page.file} from {page.page} (or give --weights {entry.name}=PATH); with it nothing is trained",
            )
        )
    for step in entry.steps:
        state = "have" if trained(work, step) else "to do"
        cost = (
            {}
            if state == "have"
            else {"gpu_hours": step.gpu_hours, "cpu_minutes": step.cpu_minutes, "disk_gb": step.disk_gb}
        )
        unmeasured = state != "have" and not step.gpu_hours and not step.cpu_minutes
        command = " ".join(command_of(work, step))
        out.append(PlanStep(f"{entry.name}: train {step.name}", state, command, unmeasured=unmeasured, **cost))
    return out or [PlanStep(f"{entry.name}: weights", "missing", why)]


def plan_text(work: Reproduction, steps: Iterable[PlanStep]) -> str:
    """A plan for people."""
    steps = list(steps)
    lines = [f"profile {work.profile}, work folder {work.folder}"]
    for step in steps:
        cost = [f"{step.gpu_hours:g} GPU hours"] if step.gpu_hours else []
        cost += [f"{step.cpu_minutes:g} min on 2 cores"] if step.cpu_minutes else []
        cost += ["hours not measured"] if step.unmeasured else []
        cost += [f"{step.disk_gb:.2g} GB"] if step.disk_gb else []
        lines.append(f"  [{step.state:>8}] {step.what}{' (' + ', '.join(cost) + ')' if cost else ''}")
        if step.detail:
            lines.append(f"             {step.detail}")
    total = (
        f"total: {sum(s.gpu_hours for s in steps):g} GPU hours, {sum(s.cpu_minutes for s in steps):g} min on 2 cores"
    )
    open_ended = sum(s.unmeasured for s in steps)
    besides = f"; besides, {open_ended} steps whose hours are not measured" if open_ended else ""
    return "\n".join([*lines, f"{total}, {sum(s.disk_gb for s in steps):.2g} GB of disk{besides}"])

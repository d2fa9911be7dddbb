"""Every number of Tables 1-3: what is needed, what is there, what is missing, and then cell by cell.

A cell's record is kept with a digest over everything it depends on; a cell whose digest is unchanged is not measured
again. A cell that cannot be measured says why in the tables; it never shows a number.
"""

from __future__ import annotations

import json
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmark.paper import Cell, cells, published, slug
from benchmark.record import (
    CellInfo,
    MethodInfo,
    ProtocolInfo,
    Provenance,
    PublishedInfo,
    Record,
    read,
    write,
)
from benchmark.settings import MethodSettings, Reproduce, Step
from suite.errors import SuiteError, did_you_mean
from suite.files import digest, sha256_file, write_json, write_whole

if TYPE_CHECKING:
    from models.release import Release

# Raised when the numbers themselves change meaning, so that kept records are measured again.
MEASURE_VERSION = 1
DONE = "done.json"


@dataclass
class Work:
    """Where a reproduction lives.

    Attributes:
        settings: the profile.
        profile: its name.
        folder: everything is under it: `data`, `runs/NAME`, `records`, `tables`, `cache`.
        data: a release given by the person, or None for the painted one.
        faces, art: photographs in any local form and a release of artistic faces, each in place of `data`'s.
        weights: method name -> checkpoint given by the person.
        device: `cpu` or `cuda`.
        offline: never touch the network.
    """

    settings: Reproduce
    profile: str
    folder: Path
    data: Path | None = None
    weights: dict[str, Path] = field(default_factory=dict)
    weights_folder: Path | None = None
    device: str = "cpu"
    offline: bool = False
    faces: Path | None = None
    art: Path | None = None

    @property
    def release(self) -> Path:
        """The release with both domains; beside `faces` and `art` it gives only what they leave out."""
        return self.data or self.folder / "data"

    @property
    def places(self) -> tuple[Path, Path]:
        """Where photographs and artistic faces are; twice the same for a release with both."""
        return self.faces or self.release, self.art or self.release

    def open(self) -> Release:
        """The pictures that faces, styles and the real set come from.

        Raises:
            SuiteError: no release there, or two places that do not go together.
        """
        from models.release import open_release

        faces, art = self.places
        if faces == art:
            return open_release(art)
        from benchmark.joined import join

        return join(art, faces)

    @property
    def records(self) -> Path:
        return self.folder / "records"

    def run(self, step: Step) -> Path:
        """The folder of a training step."""
        return self.folder / "runs" / step.name

    def method(self, name: str) -> MethodSettings:
        """The profile's entry of a method."""
        for entry in self.settings.methods:
            if slug(entry.name) == slug(name):
                return entry
        raise SuiteError(f"--only: no method {name!r}{did_you_mean(name, [m.name for m in self.settings.methods])}")


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


def wanted_cells(only: Sequence[str]) -> list[Cell]:
    """The cells whose key starts with one of `only`, or whose method or table (`t2`) it is; all without any.

    Raises:
        SuiteError: a word that matches nothing.
    """
    everything = cells()
    if not only:
        return everything
    chosen: list[Cell] = []
    for word in only:
        found = [c for c in everything if c.key.startswith(word.lower()) or slug(c.method) == slug(word)]
        if not found:
            raise SuiteError(f"--only {word}: no such cell{did_you_mean(word, [c.key for c in everything])}")
        chosen += found
    return [cell for cell in everything if cell in chosen]


# --- weights -------------------------------------------------------------------------------------------------------


def trained(work: Work, step: Step) -> bool:
    """Whether a training step has finished: its marker is written last and names the command that ran."""
    marker = work.run(step) / DONE
    if not marker.is_file():
        return False
    try:
        kept = json.loads(marker.read_text())
    except ValueError:
        return False
    return bool(kept.get("command") == _command_key(work, step))


def _command_key(work: Work, step: Step) -> str:
    faces, art = (_data_key(place) for place in work.places)
    started = {"weights": step.weights} if step.weights else {}
    return digest({"command": step.command, "data": art if faces == art else [faces, art]} | started)


def _data_key(place: Path) -> str:
    """What a trained network's data is known by: a release's manifest, the path of any other form."""
    manifest = next((p for p in (place, place / "release") if (p / "manifest.parquet").is_file()), None)
    return sha256_file(manifest / "manifest.parquet") if manifest else str(place) if place.exists() else ""


def find_weights(work: Work, entry: MethodSettings) -> tuple[Path | None, str]:
    """(weights, "") of a method, or (None, why there are none)."""
    for name, given in work.weights.items():
        if slug(name) == slug(entry.name):
            return (given, "") if given.exists() else (None, f"--weights {name}={given}: not there")
    if entry.published:
        from models.weights.download import find

        local = find(entry.published, work.weights_folder)
        if local is not None:
            return local, ""
    if not entry.steps:
        return None, "no checkpoint given and none to train; give --weights NAME=PATH"
    last = entry.steps[-1]
    if trained(work, last):
        made = work.run(last) / last.makes if last.makes else work.run(last)
        return made, ""
    return None, f"not trained yet ({' '.join(_filled(work, last))})"


def _filled(work: Work, step: Step) -> list[str]:
    faces, art = work.places
    places = {
        "data": str(art),
        "run": str(work.run(step)),
        "runs": str(work.folder / "runs"),
        "device": work.device,
    }
    command = list(step.command)
    if faces != art and "--data" in command:
        at = command.index("--data")
        command[at : at + 2] = ["--faces", str(faces), "--art", str(art)]
    if step.weights:
        from models.weights.download import cache_folder, find
        from models.weights.registry import entry

        for setting, name in step.weights.items():
            place = find(name, work.weights_folder) or cache_folder() / entry(name).file
            command += ["--set", f"{setting}={place}"]
    return ["python", "-m", *(part.format(**places) for part in command)]


def train_step(work: Work, step: Step) -> None:
    """Run one training command in a process of its own; its output goes to `log.txt` in its run's folder.

    Raises:
        SuiteError: published weights that it starts from and that cannot be had, or the command's own last words.
    """
    if step.weights:
        from models.weights.download import obtain

        for name in step.weights.values():
            obtain(name, work.weights_folder, offline=work.offline)
    folder = work.run(step)
    folder.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, *_filled(work, step)[1:]]
    begun = time.perf_counter()
    with (folder / "log.txt").open("wb") as log:
        done = subprocess.run(command, stdout=log, stderr=subprocess.STDOUT, check=False)
    if done.returncode:
        words = (folder / "log.txt").read_text(errors="replace").strip().splitlines()
        raise SuiteError(f"training of {step.name} failed: {words[-1][:300] if words else done.returncode}")
    if step.makes and not (folder / step.makes).is_file():
        raise SuiteError(f"training of {step.name} made no {step.makes}; see {folder / 'log.txt'}")
    write_json(folder / DONE, {"command": _command_key(work, step), "seconds": round(time.perf_counter() - begun, 1)})


def ensure_data(work: Work) -> None:
    """Paint the profile's data unless it is there.

    Raises:
        SuiteError: a profile that needs `--data` and got none, or the painter's own last words.
    """
    paint = work.settings.paint
    if work.data is not None or work.release not in work.places or (work.release / "release.json").is_file():
        return
    if paint is None:
        raise SuiteError(f"--data: profile {work.profile} needs {work.settings.data_note}")
    command = [sys.executable, "-m", "aahq", "portraits", str(work.release), "--domain", "both"]
    command += ["--count", str(paint.count), "--size", str(paint.size), "--seed", str(paint.seed)]
    command += ["--styles", str(paint.styles)]
    if paint.identities:
        command += ["--identities", str(paint.identities)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        words = done.stderr.strip().splitlines()
        raise SuiteError(f"data: 'aahq portraits' failed: {words[-1][:300] if words else done.returncode}")


def check_draws(work: Work) -> None:
    """Fail before hours of training where the release cannot serve the protocol.

    Raises:
        SuiteError: no release, a broken one, or too few pictures in its splits.
    """
    from benchmark.protocol import draw

    settings = work.settings
    draw(work.open(), settings.faces, settings.styles, "check", settings.face_split, settings.style_split)


# --- plan ----------------------------------------------------------------------------------------------------------


def plan(work: Work, wanted: Sequence[Cell]) -> list[PlanStep]:
    """Every step of the reproduction with its state, before any work."""
    names = {slug(cell.method) for cell in wanted}
    steps = [_plan_data(work), *_plan_features(work), *_plan_starts(work, names)]
    for entry in work.settings.methods:
        if slug(entry.name) in names:
            steps += _plan_method(work, entry)
    kept = sum((work.records / f"{cell.key}.json").is_file() for cell in wanted)
    detail = f"{kept} of {len(wanted)} records kept; {work.settings.cost_note}"
    state = "have" if kept == len(wanted) else "to do"
    if state == "have":
        return [*steps, PlanStep("generate and measure", state, detail)]
    hours, disk = work.settings.eval_gpu_hours, work.settings.eval_disk_gb
    return [*steps, PlanStep("generate and measure", state, detail, gpu_hours=hours, disk_gb=disk)]


def _plan_data(work: Work) -> PlanStep:
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
    what = f"paint {paint.count} + {paint.count} portraits of {paint.size} px into {work.release}"
    return PlanStep("data", "to do", what, disk_gb=paint.count * 2 * paint.size**2 * 2.5e-9)


def _plan_features(work: Work) -> list[PlanStep]:
    if work.settings.features == "factor":
        from benchmark.data_files import FACTOR_NET

        state = "have" if FACTOR_NET.is_file() else "missing"
        return [PlanStep("features: factor network", state, f"{FACTOR_NET.name}, comes with the package")]
    needed = {"inception-pytorch" if mode == "legacy_pytorch" else "inception" for mode in work.settings.fid_modes}
    return [_plan_file(work, "features", name) for name in [*sorted(needed), "alexnet"]]


def _plan_starts(work: Work, names: set[str]) -> list[PlanStep]:
    """Published weights that the training commands still to run start from."""
    entries = [
        entry for entry in work.settings.methods if slug(entry.name) in names and not find_weights(work, entry)[0]
    ]
    steps = [step for entry in entries for step in entry.steps if not trained(work, step)]
    wanted = dict.fromkeys(name for step in steps for name in step.weights.values())
    return [_plan_file(work, "training starts from", name) for name in wanted]


def _plan_file(work: Work, what: str, name: str) -> PlanStep:
    from models.weights.download import cache_folder, find
    from models.weights.registry import entry

    known, local = entry(name), find(name, work.weights_folder)
    if local is not None:
        return PlanStep(f"{what}: {known.file}", "have", str(local))
    fetch = f"{known.urls[0] if known.urls else known.page} -> {cache_folder() / known.file}; {known.license}"
    state = "missing" if work.offline or not known.urls else "to fetch"
    return PlanStep(f"{what}: {known.file}", state, fetch, disk_gb=0.5 if known.size == 0 else known.size / 1e9)


def _plan_method(work: Work, entry: MethodSettings) -> list[PlanStep]:
    found, why = find_weights(work, entry)
    if found is not None:
        return [PlanStep(f"{entry.name}: weights", "have", str(found))]
    out = []
    if entry.published:
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
        command = " ".join(_filled(work, step))
        out.append(PlanStep(f"{entry.name}: train {step.name}", state, command, unmeasured=unmeasured, **cost))
    return out or [PlanStep(f"{entry.name}: weights", "missing", why)]


def plan_text(work: Work, steps: Iterable[PlanStep]) -> str:
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


# --- measuring -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """What a reproduction did: records by cell key, and why the others are missing."""

    records: dict[str, Record]
    missing: dict[str, str]
    measured: int
    kept: int


def reproduce(work: Work, wanted: Sequence[Cell], say: Callable[[str], None]) -> Outcome:
    """Data, training, generation, measurement; resumed cell by cell.

    Raises:
        SuiteError: only what stops everything (no data); a method that fails is a missing cell with its reason.
    """
    first_alone(lambda: ensure_data(work))
    check_draws(work)
    missing = {cell.key: "not asked for (--only)" for cell in cells() if cell not in wanted}
    ready: dict[str, Path] = {}
    for name in dict.fromkeys(cell.method for cell in wanted):
        try:
            first_alone(lambda name=name: _ensure_weights(work, work.method(name), say))  # type: ignore[misc]
            ready[name] = _ensure_weights(work, work.method(name), say)
        except SuiteError as error:
            for cell in wanted:
                if cell.method == name:
                    missing[cell.key] = str(error)
    state = _State(work, ready)
    records: dict[str, Record] = {}
    counts = {"measured": 0, "kept": 0}
    for cell in wanted:
        if cell.key in missing:
            continue
        try:
            record, fresh = state.record(cell, say)
        except SuiteError as error:
            missing[cell.key] = str(error)
            continue
        records[cell.key] = record
        counts["measured" if fresh else "kept"] += 1
    return Outcome(records, missing, counts["measured"], counts["kept"])


def first_alone(action: Callable[[], object]) -> None:
    """Run on the first process while the others wait: painting and training happen once under `torchrun`.

    Raises:
        SuiteError: the first process's refusal, on every process.
    """
    from models.training import parallel

    told: list[str | None] = [None]
    if parallel.rank() == 0:
        try:
            action()
        except SuiteError as error:
            told = [str(error)]
    if parallel.world() > 1:
        import torch.distributed as dist

        dist.broadcast_object_list(told)
    if told[0] is not None:
        raise SuiteError(told[0])


def _fetch_published(work: Work, entry: MethodSettings, say: Callable[[str], None]) -> None:
    """Fetch a method's published weights where that is allowed and possible; a refusal is said, and training follows."""
    from models.weights.download import obtain
    from models.weights.registry import entry as known

    if work.offline or not entry.published or not known(entry.published).urls:
        return
    say(f"fetching {known(entry.published).file}")
    try:
        obtain(entry.published, work.weights_folder)
    except SuiteError as error:
        say(f"{entry.name}: {error}")


def _ensure_weights(work: Work, entry: MethodSettings, say: Callable[[str], None]) -> Path:
    found, why = find_weights(work, entry)
    if found is None and not any(slug(name) == slug(entry.name) for name in work.weights):
        _fetch_published(work, entry, say)
        found, why = find_weights(work, entry)
    if found is None:
        for step in entry.steps:
            if not trained(work, step):
                say(f"training {step.name}")
                train_step(work, step)
        found, why = find_weights(work, entry)
    if found is None:
        raise SuiteError(f"{entry.name}: {why}")
    return found


class _State:
    """What cells share; heavy things are made when the first cell must really be measured."""

    def __init__(self, work: Work, ready: dict[str, Path]) -> None:
        self.work, self.ready = work, ready
        self.manifest = work.open().digest
        self._heavy: Any = None
        self._digests: dict[str, dict[str, str]] = {}
        self._made: dict[str, Record] = {}

    def record(self, cell: Cell, say: Callable[[str], None]) -> tuple[Record, bool]:
        """The cell's record and whether it was measured now."""
        path = self.work.records / f"{cell.key}.json"
        inputs = self._inputs(cell)
        if path.is_file():
            try:
                kept = read(path)
            except SuiteError:
                kept = None  # an older schema or a damaged file is measured again
            if kept is not None and kept.provenance.inputs == inputs:
                return kept, False
        twin = self._twin(cell, inputs)
        if twin is None:
            say(f"measuring {cell.key}")
            twin = self._made[inputs] = self._measure(cell, inputs)
        record = twin.model_copy(
            update={"cell": CellInfo(table=cell.table, guidance=cell.guidance, indicator=cell.indicator)}
            | {"published": _published(cell)}
        )
        if _is_first():
            write(path, record)
        return record, True

    def _twin(self, cell: Cell, inputs: str) -> Record | None:
        """A record of the same pictures in another table; what this process made comes before what lies on disk."""
        if inputs in self._made:
            return self._made[inputs]
        for other in cells():
            path = self.work.records / f"{other.key}.json"
            if other != cell and other.measured_as == cell.measured_as and path.is_file():
                kept = read(path)
                if kept.provenance.inputs == inputs:
                    return kept
        return None

    def _inputs(self, cell: Cell) -> str:
        settings = self.work.settings.model_dump(exclude={"methods", "data_note", "cost_note", "batch"})
        return digest(
            {
                "version": MEASURE_VERSION,
                "pictures": cell.measured_as,
                "weights": self._weights(cell.method),
                "manifest": self.manifest,
                "settings": settings,
                "features": _feature_files(self.work),
            }
        )

    def _weights(self, name: str) -> dict[str, str]:
        if name not in self._digests:
            self._digests[name] = weight_digests(self.ready[name])
        return self._digests[name]

    def _measure(self, cell: Cell, inputs: str) -> Record:
        from benchmark.cell import Bench, measure_cell

        if self._heavy is None:
            self._heavy = Bench.open(self.work)
        begun = time.perf_counter()
        result = measure_cell(self._heavy, cell, self.ready[cell.method])
        return Record(
            method=MethodInfo(name=cell.method, train_data=f"manifest {self.manifest[:12]}, split train"),
            cell=CellInfo(table=cell.table, guidance=cell.guidance, indicator=cell.indicator),
            values=result.values,
            controls=result.controls,
            protocols={
                key: ProtocolInfo(metric=p.metric, parameters=p.parameters) for key, p in result.protocols.items()
            },
            published=_published(cell),
            provenance=Provenance(
                manifest=self.manifest,
                release=result.release,
                weights=self._weights(cell.method),
                sampling_seeds=list(self.work.settings.sampling_seeds),
                draws=result.draws,
                commit=commit(),
                ops=result.ops,
                versions=versions(),
                hardware=hardware(self.work.device),
                processes=result.processes,
                seconds={"total": round(time.perf_counter() - begun, 2)},
                profile=self.work.profile,
                inputs=inputs,
            ),
            trust="re-run from weights",
            notes=result.notes,
        )


def _is_first() -> bool:
    from models.training import parallel

    return parallel.rank() == 0


def _published(cell: Cell) -> PublishedInfo:
    found = published(cell)
    return PublishedInfo(fid=found.fid, lpips=found.lpips, citation=found.citation)


def _feature_files(work: Work) -> dict[str, str]:
    """Digests of the extractors' weights, without opening the networks."""
    if work.settings.features == "factor":
        from benchmark.data_files import FACTOR_NET

        return {FACTOR_NET.name: sha256_file(FACTOR_NET)} if FACTOR_NET.is_file() else {}
    from models.weights.registry import entry

    return {name: entry(name).sha256 for name in ("inception", "inception-pytorch", "alexnet")}


def weight_digests(path: Path) -> dict[str, str]:
    """File name -> SHA-256 of a checkpoint file, or of every weights file of a folder."""
    if path.is_file():
        return {path.name: sha256_file(path)}
    kinds = (".safetensors", ".pt", ".pth", ".pkl")
    found = sorted(file for file in path.iterdir() if file.suffix in kinds)
    if not found:
        raise SuiteError(f"{path}: no weights in this folder")
    return {file.name: sha256_file(file) for file in found}


def commit() -> str:
    """The commit of this clone, with `+` where it was changed; "" outside of one."""
    root = Path(__file__).resolve().parents[1]
    try:
        head = subprocess.run(["git", "-C", root, "rev-parse", "HEAD"], capture_output=True, text=True, check=True)
        changed = subprocess.run(
            ["git", "-C", root, "status", "--porcelain", "-uno"], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return ""
    return head.stdout.strip() + ("+" if changed.stdout.strip() else "")


def versions() -> dict[str, str]:
    """Versions of everything that numbers depend on."""
    names = ("torch", "torchvision", "numpy", "pillow", "clean-fid", "lpips")
    return {"python": platform.python_version(), **{name: metadata.version(name) for name in names}}


def hardware(device: str) -> str:
    """The device in words."""
    import torch

    if device.startswith("cuda"):
        return f"{torch.cuda.device_count()} x {torch.cuda.get_device_name(0)}"
    return f"{platform.machine()} processor, {torch.get_num_threads()} threads"


def write_tables(work: Work, outcome: Outcome, numbers: Sequence[int]) -> list[str]:
    """Render the wanted tables in every format under `tables`; returns them as text."""
    from benchmark.tables import FORMATS, as_text, build

    texts = []
    for number in numbers:
        table = build(number, list(outcome.records.values()), outcome.missing)
        for suffix, render in FORMATS.items():
            write_whole(work.folder / "tables" / f"table{number}.{suffix}", render(table))
        texts.append(as_text(table))
    return texts

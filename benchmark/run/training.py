"""A method's weights: given, published, or trained here by the profile's commands."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from benchmark.run.reproduction import Reproduction
from benchmark.tasks.paper import slug
from benchmark.tasks.settings import MethodSettings, Step
from suite.children import run_command
from suite.errors import SuiteError
from suite.files import digest, sha256_file, write_json

DONE, BEGUN = "done.json", "begun.json"
# What `aahq-bench watch` keeps beside a run.
WATCHED = ("best", "scores.jsonl", "scores.png", ".best-part", ".best-old")


def _command_in(marker: Path) -> str:
    try:
        return str(json.loads(marker.read_text())["command"])
    except (OSError, ValueError, KeyError):
        return ""


def _goes_on(folder: Path, key: str) -> bool:
    """Whether the same command was cut after a checkpoint."""
    from models.training.checkpoint import all_checkpoints

    return _command_in(folder / BEGUN) == key and bool(all_checkpoints(folder / "checkpoints"))


def trained(work: Reproduction, step: Step) -> bool:
    """Whether a training step has finished: its marker is written last and names the command that ran."""
    marker = work.run(step) / DONE
    return marker.is_file() and _command_in(marker) == _command_key(work, step)


def _command_key(work: Reproduction, step: Step) -> str:
    faces, art = (_data_key(place) for place in work.places)
    started = {"weights": step.weights} if step.weights else {}
    return digest({"command": step.command, "data": art if faces == art else [faces, art]} | started)


def _data_key(place: Path) -> str:
    """What a trained network's data is known by: a release's manifest, the pixels of any other form; "" where there is none."""
    manifest = next((p for p in (place, place / "release") if (p / "manifest.parquet").is_file()), None)
    if manifest:
        return sha256_file(manifest / "manifest.parquet")
    if not place.exists():
        return ""
    from models.data.sources import open_whole

    try:
        return open_whole(place).key
    except SuiteError:
        return ""  # the plan's line of the data says what is wrong with it


def find_weights(work: Reproduction, entry: MethodSettings) -> tuple[Path | None, str]:
    """(weights, "") of a method, (None, "") of one that needs none, or (None, why there are none)."""
    for name, path in work.weights.items():
        if slug(name) == slug(entry.name):
            return (path, "") if path.exists() else (None, f"--weights {name}={path}: not there")
    if entry.published and not work.retrain:
        from models.weights.download import find

        local = find(entry.published, work.weights_folder)
        if local is not None:
            return local, ""
    if entry.weightless:
        return None, ""
    if not entry.steps:
        return None, "no checkpoint given and none to train; give --weights NAME=PATH"
    last = entry.steps[-1]
    if trained(work, last):
        made = work.run(last) / last.makes if last.makes else work.run(last)
        return made, ""
    return None, f"not trained yet ({' '.join(command_of(work, last))})"


def command_of(work: Reproduction, step: Step) -> list[str]:
    """The command line of a training step, every place filled in, as a person would type it."""
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


def _refuse_foreign(folder: Path, step: Step) -> None:
    """Refuse to clear a folder that no training of a reproduction made, or in which somebody keeps something else.

    Raises:
        SuiteError: naming what is there.
    """
    from models.training.run_folder import WRITTEN

    if folder.is_symlink():
        raise SuiteError(f"{folder}: is a link; link the whole folder of the reproduction instead, or move it away")
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    own = {BEGUN, DONE, "log.txt", "run.json", *WRITTEN, *WATCHED, *Path(step.makes or "").parts[:1]}
    begun = bool(_command_in(folder / BEGUN))
    made = {name for name in names if begun and (name in own or name.endswith((".safetensors", ".part")))}
    if foreign := [name for name in names if name not in made]:
        raise SuiteError(f"{folder}: holds {foreign[0]!r} that no training here wrote; move it elsewhere")


def train_step(work: Reproduction, step: Step) -> None:
    """Run one training command in a process of its own; its output goes to `log.txt` in its run's folder.

    Raises:
        SuiteError: published weights that it starts from and that cannot be had, or the command's own last words.
    """
    _obtain_starts(work, step)
    folder, key = work.run(step), _command_key(work, step)
    # Unbuffered, so that the log has its words in the order of their saying, the reason of a failure last.
    command = [sys.executable, "-u", *command_of(work, step)[1:]]
    if _goes_on(folder, key):
        command.append("--resume")
    else:
        # What another command left, or one that was cut before its first checkpoint; a training starts in a new folder.
        _refuse_foreign(folder, step)
        shutil.rmtree(folder, ignore_errors=True)
        write_json(folder / BEGUN, {"command": key})
    begun = time.perf_counter()
    with (folder / "log.txt").open("ab") as log:
        done = run_command(command, stdout=log, stderr=subprocess.STDOUT)
    if done.returncode:
        words = (folder / "log.txt").read_text(errors="replace").strip().splitlines()
        raise SuiteError(f"training of {step.name} failed: {words[-1][:300] if words else done.returncode}")
    if step.makes and not (folder / step.makes).is_file():
        raise SuiteError(f"training of {step.name} made no {step.makes}; see {folder / 'log.txt'}")
    write_json(folder / DONE, {"command": key, "seconds": round(time.perf_counter() - begun, 1)})


def rehearse(work: Reproduction, say: Callable[[str], None]) -> None:
    """A few steps of every training of the profile that has a rehearsal, in `rehearsal` beside the runs.

    Raises:
        SuiteError: a training that does not run here.
    """
    stage = replace(work, folder=work.folder / "rehearsal", data=work.release)
    for step in (step for entry in work.settings.methods for step in entry.steps if step.rehearsal):
        short = [word for setting in step.rehearsal for word in ("--set", setting)]
        brief = step.model_copy(update={"command": (*step.command, *short)})
        if not trained(stage, brief):
            say(f"rehearsing the training of {step.name}: {', '.join(step.rehearsal)}")
            train_step(stage, brief)


def _fetch_published(work: Reproduction, entry: MethodSettings, say: Callable[[str], None]) -> None:
    """Fetch a method's published weights where that is allowed and possible; a refusal is said, and training follows."""
    from models.weights.download import obtain
    from models.weights.registry import entry as known

    if work.offline or work.retrain or not entry.published or not known(entry.published).urls:
        return
    say(f"fetching {known(entry.published).file}")
    try:
        obtain(entry.published, work.weights_folder)
    except SuiteError as error:
        say(f"{entry.name}: {error}")


def _have_or_fetch(work: Reproduction, entry: MethodSettings, say: Callable[[str], None]) -> tuple[Path | None, str]:
    weights, why = find_weights(work, entry)
    if weights is None and not any(slug(name) == slug(entry.name) for name in work.weights):
        _fetch_published(work, entry, say)
        weights, why = find_weights(work, entry)
    return weights, why


def ensure_starts(work: Reproduction, entry: MethodSettings, say: Callable[[str], None]) -> None:
    """The published weights that a method's trainings start from, where it has to be trained.

    Raises:
        SuiteError: they cannot be had, or a file is another network's.
    """
    if _have_or_fetch(work, entry, say)[0] is None:
        for step in entry.steps:
            if not trained(work, step):
                _obtain_starts(work, step)


def _obtain_starts(work: Reproduction, step: Step) -> None:
    if not step.weights:
        return
    from models.weights.download import is_another, obtain
    from models.weights.registry import entry

    for name in step.weights.values():
        place = obtain(name, work.weights_folder, offline=work.offline)
        if is_another(name, place):
            raise SuiteError(f"{place}: not {entry(name).what}; get {entry(name).file} from {entry(name).page}")


def ensure_weights(work: Reproduction, entry: MethodSettings, say: Callable[[str], None]) -> Path | None:
    """A method's weights: found, fetched or trained now; None for one that needs none.

    Raises:
        SuiteError: there are none, with the reason.
    """
    weights, why = _have_or_fetch(work, entry, say)
    if weights is None and why:
        for step in entry.steps:
            if not trained(work, step):
                say(f"training {step.name}")
                train_step(work, step)
        weights, why = find_weights(work, entry)
    if weights is None and why:
        raise SuiteError(f"{entry.name}: {why}")
    return weights


def weight_digests(path: Path | None) -> dict[str, str]:
    """File name -> SHA-256 of a checkpoint file, or of every weights file of a folder; empty where there are none."""
    if path is None:
        return {}
    if path.is_file():
        return {path.name: sha256_file(path)}
    kinds = (".safetensors", ".pt", ".pth", ".pkl")
    files = sorted(file for file in path.iterdir() if file.suffix in kinds)
    if not files:
        raise SuiteError(f"{path}: no weights in this folder")
    return {file.name: sha256_file(file) for file in files}

"""Profile `small` under the recipe of the small world: painting, training by the clock, walls, curves, and every cell."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from baselines.registry import TRAINABLE
from models.training.checkpoint import all_checkpoints
from speed.gpu.record import Run
from speed.run import Row

ROOT = Path(__file__).parents[2]
TABLED = [name for name, row in TRAINABLE.items() if row.title]
GRACE = 25.0  # seconds for a training to save after it was asked to stop
SLOW = 900.0  # what a rehearsal's training may take on a processor that others use too
# What the small world departs from the paper in, laid over profile `small` (docs/decisions.md).
RECIPE = {
    "warmup_steps": "500",
    "warmup_lr": "0.004",
    "warmup_kl": "0.0007",
    "recolour": "true",
    "reproduced": "0.5",
    "noise": "false",
    "style_latent_game": "projection",
    "blend_start": "0.5",
    "path_weight": "0",
    "mixing": "0",
    "r1_gamma": "1",
    "r1_every": "8",
    "ema_decay": "0.998",
    "ema_ramp": "0.05",
    "augment": "ada",
    "log_every": "20",
    "save_every": "500",
    "sample_every": "500",
}
RECIPE_ENCODER = {
    "trunk": "lite0",
    "lite0_maps": "3",
    "whiten": "true",
    "batch": "128",
    "micro_batch": "0",
    "log_every": "10",
}
# Laid over profile `demo` in a rehearsal.
TINY = {"steps": "2", "batch": "4", "save_every": "1", "sample_every": "1", "log_every": "1"}
TINY_GAN = {"widest": "8", "style_dim": "16", "n_mlp": "2", "warmup_steps": "1", "queue": "16"}
TINY_ENCODER = {"style_dim": "16"}
PAINT = ["--world", "small", "--count", "3000", "--size", "128", "--identities", "1500", "--styles", "240"]
TINY_PAINT = ["--world", "small", "--count", "24", "--size", "32", "--styles", "15", "--workers", "1"]


@dataclass(frozen=True)
class Training:
    """One training by the clock.

    Attributes:
        name: its folder in the run's.
        seconds: how long it may train.
        command: after `python -m`, without data, folder and device.
        settings: laid over its profile.
    """

    name: str
    seconds: float
    command: list[str]
    settings: dict[str, str]


def trainings(run: Run) -> list[Training]:
    """BlendGAN takes half of the time: it is what the tables are about."""
    profile = ["--profile", "demo" if run.rehearse else "small"]
    tiny, tiny_gan, tiny_encoder = (TINY, TINY_GAN, TINY_ENCODER) if run.rehearse else ({}, {}, {})
    encoder = {"encoder": str(run.out / "encoder" / "style_encoder.safetensors")}
    often = {"save_every": "500", "sample_every": "500", "log_every": "10"}
    return [
        Training("encoder", 22, ["models", "train-encoder", *profile], RECIPE_ENCODER | tiny | tiny_encoder),
        Training("blendgan", 120, ["models", "train", *profile], RECIPE | encoder | tiny | tiny_gan),
        *(Training(name, 20, ["baselines", "train", name, *profile], often | tiny) for name in TABLED),
    ]


def paint(run: Run) -> None:
    """Portraits of both domains, on every core; begun before anything else, since it needs no GPU."""
    run.take("portraits", lambda: portraits(run))


def portraits(run: Run) -> list[Row]:
    place = run.out / "portraits"
    start = time.monotonic()
    words = TINY_PAINT if run.rehearse else PAINT
    command(["aahq", "portraits", str(place), "--domain", "both", *words], run.out / "portraits.txt", run.seconds)
    took = time.monotonic() - start
    return [Row("portraits painted, both domains", took, "s", note=f"{os.cpu_count()} cores; {' '.join(words)}")]


def measure(run: Run) -> None:
    """Trainings in order; what is cut off is taken up by the next call."""
    for training in trainings(run):
        run.take(f"train {training.name}", partial(train, run, training))


def command(
    words: list[str], log: Path, most: float, stop_after: float | None = None, fine: tuple[int, ...] = (0,)
) -> int:
    """Run `python -m ...` with its output in a file.

    Args:
        most: seconds after which it is killed.
        stop_after: seconds after which it is asked to stop (SIGTERM), which a training does when its step is saved.
        fine: exit codes that are no failure.

    Raises:
        RuntimeError: it failed; the last words of its output.
    """
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    with log.open("ab") as file:
        child = subprocess.Popen([sys.executable, "-m", *words], cwd=ROOT, env=environment, stdout=file, stderr=file)
        try:
            code = child.wait(stop_after if stop_after is not None else most)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGTERM)
            try:
                code = child.wait(GRACE)
            except subprocess.TimeoutExpired:
                child.kill()
                raise RuntimeError(f"{' '.join(words[:3])}: did not stop within {GRACE:.0f} s") from None
            if stop_after is None:
                raise RuntimeError(f"{' '.join(words[:3])}: not done after {most:.0f} s") from None
        finally:
            child.kill()
    if code not in (*fine, 128 + signal.SIGTERM):
        words_ = log.read_text(errors="replace").strip().splitlines()
        raise RuntimeError(words_[-1][:300] if words_ else f"ended with {code}")
    return code


def train(run: Run, training: Training) -> list[Row]:
    """Train until the time is up. The encoder is then told that its steps were all there were to be, and writes its weights."""
    folder, log = run.out / training.name, run.out / f"{training.name}.txt"
    words = [*training.command, "--data", str(run.out / "portraits"), "-o", str(folder), "--device", run.device.type]
    words += [part for key, value in training.settings.items() for part in ("--set", f"{key}={value}")]
    kept = all_checkpoints(folder / "checkpoints")
    if folder.exists() and not kept:
        shutil.rmtree(folder)  # cut before its first checkpoint; the folder is this run's own
    start = time.monotonic()
    budget = min(training.seconds, max(5.0, run.remaining() - GRACE))
    most, stop_after = (SLOW, None) if run.rehearse else (budget + GRACE, budget)
    ended = command([*words, *(["--resume"] if kept else [])], log, most, stop_after)
    took = time.monotonic() - start
    done = int(json.loads((all_checkpoints(folder / "checkpoints")[-1] / "state.json").read_text())["step"])
    if ended and training.name == "encoder":
        command([*words, "--set", f"steps={done}", "--resume"], log, 60.0)
    log_lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    pace, waiting = (
        sum(line[key] for line in log_lines) / max(1, len(log_lines)) for key in ("seconds_per_step", "waiting_share")
    )
    return [
        Row(f"{training.name}, profile small: steps", done, "steps", note=f"in {took:.0f} s with its start"),
        Row(f"{training.name}, profile small: step", 1000 * pace, "ms", note="mean of the log's steps"),
        Row(f"{training.name}, profile small: waiting", 100 * waiting, "% of a step", "under 5", "", waiting < 0.05),
    ]


def cells(run: Run) -> None:
    """Tables 1-3 with their controls, cell by cell, then BlendGAN's distance to held-out pictures over its steps."""
    run.take("cells", lambda: reproduce(run))
    run.take("score", lambda: score(run))


def score(run: Run) -> list[Row]:
    """FD-lite0 of BlendGAN in every way of asking it (`aahq-bench watch --once`, which draws the curve of its checkpoints)."""
    folder = run.out / "blendgan"
    words = ["benchmark", "watch", str(folder), "--held-out", str(run.out / "portraits"), "--once"]
    words += ["--count", "3"] if run.rehearse else ["--count", "150", "--split", "test"]
    command(words, run.out / "score.txt", max(30.0, run.remaining()))
    last = json.loads((folder / "scores.jsonl").read_text().splitlines()[-1])
    return [
        Row(f"blendgan, FD-lite0, {view}", distances["FD-lite0"], "", note=f"step {last['step']}, held-out portraits")
        for view, distances in last["views"].items()
    ]


def reproduce(run: Run) -> list[Row]:
    """The 33 cells over these weights, fewer faces than profile `small` has; kept cell by cell."""
    place = run.out / "cells"
    words = ["benchmark", "reproduce", "--profile", "small", "--data", str(run.out / "portraits"), "-o", str(place)]
    words += ["--device", run.device.type, "--offline"]
    few = (
        {"faces": "2", "styles": "2", "faces_a_block": "2"}
        if run.rehearse
        else {"faces": "40", "real_pictures": "1500"}
    )
    for key, value in {**few, "sampling_seeds": '["0"]'}.items():
        words += ["--set", f"{key}={value}"]
    files = {"BlendGAN": all_checkpoints(run.out / "blendgan" / "checkpoints")[-1]}
    files |= {TRAINABLE[name].title: run.out / name for name in TABLED}
    for title, file in files.items():
        words += ["--weights", f"{title}={file}"]
    start = time.monotonic()
    # 1: some cells are missing, and the tables say why.
    command(words, run.out / "cells.txt", max(20.0, run.remaining()), fine=(0, 1))
    took = time.monotonic() - start
    count = len(list((place / "records").glob("*.json")))
    return [Row("Tables 1-3: records", count, "records", note=f"in {took:.0f} s; tables in {place.name}/tables")]

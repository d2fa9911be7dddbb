"""The command that README prints for eight GPUs, with small sizes on eight processes of this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from models.networks.style_encoder import StyleEncoder
from models.training.style_encoder import save

ROOT = Path(__file__).resolve().parents[3]
# Rates that change nothing, so that the losses of every update are compared at the same weights.
PROFILE = """
size = 32
steps = 1
batch = 8
style_dim = 16
n_mlp = 2
widest = 8
queue = 16
lr = 1e-30
mixing = 1.0
path_weight = 2.0
save_every = 1
log_every = 1
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("torchrun")
    generator = np.random.default_rng(0)
    for domain in ("faces", "art"):
        (folder / domain).mkdir()
        for number in range(12):
            pixels = generator.integers(0, 256, (8, 8, 3), np.uint8)
            Image.fromarray(pixels).resize((40, 40)).save(folder / domain / f"{number}.png")
    torch.manual_seed(0)
    save(StyleEncoder(16, widths=(4, 4, 8, 8, 8)), folder, {})
    (folder / "tiny.toml").write_text(PROFILE)
    return folder


def train(place: Path, processes: int, run: str, *more: str) -> subprocess.CompletedProcess[str]:
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"] if processes > 1 else []
    command = [sys.executable, *launcher, "-m", "models", "train", "--profile", "tiny.toml", "--faces", "faces"]
    command += ["--art", "art", "--encoder", "style_encoder.safetensors", "-o", run, "--device", "cpu", *more]
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(ROOT),
        "AAHQ_CACHE": str(place / f"cache-{processes}"),
    }
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)


def losses(place: Path, run: str) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (place / run / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name not in TIMES} for line in lines]


TIMES = {"seconds_per_step", "waiting_share"}


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_eight_processes_train_as_one_and_one_goes_on_from_them(place: Path) -> None:
    one, eight = train(place, 1, "one", "--set", "steps=2"), train(place, 8, "eight")
    assert one.returncode == 0, one.stderr
    assert eight.returncode == 0, eight.stderr
    assert len(list((place / "cache-8" / "prepared").iterdir())) == 2, "one copy of each domain, and nothing half"
    assert eight.stdout.count("1 steps done") == 1
    onwards = train(place, 1, "eight", "--set", "steps=2", "--resume")
    assert onwards.returncode == 0, onwards.stderr
    alone, together = losses(place, "one"), losses(place, "eight")
    assert [line["step"] for line in together] == [1, 2]
    for a, b in zip(alone, together, strict=True):
        # Sums in another order, in float32.
        assert b == pytest.approx(a, rel=1e-5, abs=1e-7)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_batch_that_processes_cannot_share_is_said_once(place: Path) -> None:
    done = train(place, 3, "three")
    assert done.returncode != 0
    said = "error: --set batch=8: cannot be shared among 3 processes; give --set batch=6 or --set batch=9"
    assert done.stderr.count(said) == 1
    assert done.stderr.count("error: --set") == 1
    assert not (place / "three").exists()

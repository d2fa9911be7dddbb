"""The commands that README and docs/cluster.md print for many GPUs, with small sizes on eight processes of this machine."""

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
COMMON = """
size = 32
steps = 1
batch = 8
lr = 1e-30
save_every = 1
log_every = 1
"""
PROFILES = {
    "train": "style_dim = 16\nn_mlp = 2\nwidest = 8\nqueue = 16\nmixing = 1.0\npath_weight = 2.0\n",
    "train-encoder": 'style_dim = 16\ntrunk = "seeded"\ntrunk_widths = [4, 4, 8, 8, 8]\n',
    "funit": "dim = 4\nmlp_dim = 8\nlatent_dim = 8\nblocks = 1\ndowns_content = 1\ndowns_class = 2\n"
    "dis_dim = 4\ndis_blocks = 4\nart_domains = 2\n",
}
COMMANDS = {
    "train": ["models", "train", "--faces", "faces", "--art", "art", "--encoder", "style_encoder.safetensors"],
    "train-encoder": ["models", "train-encoder", "--art", "art"],
    "funit": ["baselines", "train", "funit", "--faces", "faces", "--art", "art"],
}
TIMES = {"seconds_per_step", "waiting_share"}


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
    for name, profile in PROFILES.items():
        (folder / f"{name}.toml").write_text(COMMON + profile)
    return folder


def train(place: Path, processes: int, run: str, *more: str, name: str = "train") -> subprocess.CompletedProcess[str]:
    launcher = ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"] if processes > 1 else []
    command = [
        sys.executable,
        *launcher,
        "-m",
        *COMMANDS[name],
        "--profile",
        f"{name}.toml",
        "-o",
        run,
        "--device",
        "cpu",
        *more,
    ]
    cache = str(place / f"cache-{processes}")
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "AAHQ_CACHE": cache}
    return subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True, check=False)


def losses(place: Path, run: str) -> list[dict[str, float]]:
    lines = [json.loads(line) for line in (place / run / "log.jsonl").read_text().splitlines()]
    return [{name: value for name, value in line.items() if name not in TIMES} for line in lines]


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ["train-encoder", "funit"])
def test_eight_processes_take_the_step_of_one(name: str, place: Path) -> None:
    for processes in (1, 8):
        done = train(place, processes, f"{name}-{processes}", name=name)
        assert done.returncode == 0, done.stderr
    (alone,), (together,) = (losses(place, f"{name}-{processes}") for processes in (1, 8))
    assert together == pytest.approx(alone, rel=1e-5, abs=1e-6)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_eight_processes_train_as_one_and_one_goes_on_from_them(place: Path) -> None:
    one, eight = train(place, 1, "one", "--set", "steps=2"), train(place, 8, "eight")
    assert one.returncode == 0, one.stderr
    assert eight.returncode == 0, eight.stderr
    sets = [sorted(path.name for path in (place / f"cache-{n}" / "prepared").iterdir()) for n in (1, 8)]
    assert sets[0] == sets[1], "eight processes leave the sets that one leaves, and nothing half"
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

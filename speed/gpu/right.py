"""Whether the GPU computes what the CPU does: operators, networks, a step of every training, resuming, two processes."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from baselines.load import open_method
from baselines.registry import TRAINABLE
from models.data.prepared import ImageArray
from models.method import Face
from models.networks.blendgan import BlendGAN
from models.networks.psp import GradualStyleEncoder
from models.networks.style_encoder import StyleEncoder
from models.networks.stylegan2 import channel_table
from models.training import checkpoint
from models.training.loop import Loop
from speed.gpu.record import Run
from speed.gpu.trainings import MODULES, build, one_step
from speed.published.pairs import gaps, pictures
from speed.run import Row
from suite.files import digest

ROOT = Path(__file__).parents[2]
CPU = torch.device("cpu")
# Float32 sums in another order. Steps differ more than networks: R1 and path length square small differences.
NETWORK, STEP = 1e-4, 2e-3


def measure(run: Run) -> None:
    """TF32 is off here: its ten bits would hide everything else."""
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    run.take("operators against their references", lambda: operators(run))
    for name, make in networks(run).items():
        run.take(f"network {name}", partial(_network, run, name, make))
    for name in TRAINABLE:
        run.take(f"method {name}", partial(_method, run, name))
    for name in MODULES:
        run.take(f"step {name}", partial(_step, run, name))
    run.take("resume", lambda: resume(run))
    run.take("two processes", lambda: two_processes(run))


def _row(what: str, apart: float, most: float, note: str = "") -> Row:
    return Row(
        what, apart, "of the largest value", f"at most {most:g}", note or "GPU against CPU, float32", apart <= most
    )


def operators(run: Run) -> list[Row]:
    """`tests/ops/kernel_checks.py`: results and both gradients, three dtypes, both layouts, odd and empty sizes."""
    checks = [str(ROOT / "tests" / "ops" / "kernel_checks.py")]
    command = [sys.executable, "-m", "pytest", "-q", "--noconftest", "-p", "no:cacheprovider", *checks]
    if run.rehearse:
        command += ["-k", "nothing"]
    elif importlib.util.find_spec("xdist"):
        command += ["-n", "8"]  # compiling the kernels takes longer than running them
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=max(10.0, run.remaining()))
    passed, failed = (int((re.findall(rf"(\d+) {word}", done.stdout) or ["0"])[-1]) for word in ("passed", "failed"))
    if not passed and not failed:
        raise RuntimeError((done.stdout + done.stderr).strip()[-300:])
    names = ", ".join(re.findall(r"^FAILED \S+::(\S+)", done.stdout, re.MULTILINE)[:8])
    (run.out / "operators.txt").write_text(done.stdout)
    return [
        Row("operators against references", failed, "checks failed", "none", f"{passed} passed; {names}", not failed)
    ]


def networks(run: Run) -> dict[str, Callable[[], tuple[nn.Module, Tensor]]]:
    """Name -> network on the CPU and what it is called with."""
    size = run.size(256, 32)
    narrow = channel_table(widest=run.size(512, 8))
    widths = (64, 128, 256, 256, 256) if not run.rehearse else (4, 4, 8, 8, 8)
    trunk = (64, 128, 256, 512) if not run.rehearse else (16,) * 4

    class Blended(BlendGAN):
        def forward(self, z: Tensor) -> Tensor:
            return super().forward(z, z_style=z.flip(0), i=3)[0]

    return {
        "BlendGAN": lambda: (Blended(size, run.size(512, 16), 4, narrow), torch.randn(2, run.size(512, 16))),
        "style encoder": lambda: (StyleEncoder(64, widths=widths), pictures(2, run.size(256, 64), 1, CPU)),
        "pSp": lambda: (GradualStyleEncoder(8, widths=trunk), pictures(1, 256, 1, CPU)),
    }


@torch.no_grad()
def _network(run: Run, name: str, make: Callable[[], tuple[nn.Module, Tensor]]) -> list[Row]:
    torch.manual_seed(0)
    network, inputs = make()
    network.eval()
    expected = network(inputs)
    outputs = network.to(run.device)(inputs.to(run.device)).cpu()
    apart = gaps({name: outputs}, {name: expected})[name]
    return [_row(f"network {name}", apart, NETWORK)]


def _method(run: Run, name: str) -> list[Row]:
    """A method with random weights, in every mode that it has."""
    both: list[dict[str, Tensor]] = []
    for device in (CPU, run.device):
        torch.manual_seed(0)
        method = open_method(name, "random", str(device), "demo")
        side = method.resolution
        face = Face(images=pictures(2, side, 1, CPU).to(device)) if method.face == "image" else Face(seeds=(1, 2))
        figures = {}
        if "latent" in method.modes:
            figures["latent"] = method.from_latent(face, [1, 2])
        if "reference" in method.modes:
            figures["reference"] = method.from_reference(face, pictures(2, side, 2, CPU).to(device), [1, 2])
        both.append(figures)
    return [_row(f"method {name}", max(gaps(both[1], both[0]).values()), NETWORK)]


def _step(run: Run, name: str) -> list[Row]:
    expected, measured = (one_step(name, device) for device in (CPU, run.device))
    apart = gaps(measured, expected)
    worst = max(apart, key=lambda key: apart[key])
    return [_row(f"step {name}", apart[worst], STEP, f"GPU against CPU, float32; {len(apart)} losses, worst {worst}")]


def resume(run: Run) -> list[Row]:
    """Four steps at once, and two with two after a restart."""
    torch.backends.cudnn.deterministic = True
    torch.backends.cudnn.benchmark = False
    pixels = np.random.default_rng(0).integers(0, 256, (12, 32, 32, 3), np.uint8)
    with tempfile.TemporaryDirectory() as folder:

        def train(name: str, steps: int, goes_on: bool = False) -> Tensor:
            module = build("blendgan", run.device)
            settings = module.settings.model_copy(update={"steps": steps, "save_every": 2, "sample_every": 100})
            module.settings = settings
            data = {domain: ImageArray(pixels, {}, {}, digest(["gpu", domain])) for domain in ("photo", "art")}
            Loop("blendgan", module, settings, data, Path(folder, name), run.device).run(resume=goes_on)
            return torch.cat([p.detach().flatten().cpu() for p in module.g.parameters()])

        whole = train("whole", 4)
        train("halves", 2)
        halves = train("halves", 4, goes_on=True)
        kept = len(checkpoint.all_checkpoints(Path(folder, "halves", "checkpoints")))
    apart = float((whole - halves).abs().max() / whole.abs().max())
    return [_row("resume: four steps against two and two", apart, 1e-5, f"{kept} checkpoints kept")]


def two_processes(run: Run) -> list[Row]:
    """BlendGAN's step by two gloo processes that share the card, against one process."""
    alone = one_step("blendgan", run.device)
    with tempfile.TemporaryDirectory() as folder:
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
        words = [sys.executable, "-m", "speed.gpu.two_processes", folder, str(run.device)]
        children = [subprocess.Popen([*words, str(rank)], cwd=ROOT, env=environment) for rank in range(2)]
        deadline = time.monotonic() + max(20.0, run.remaining())
        try:
            codes = [child.wait(max(1.0, deadline - time.monotonic())) for child in children]
        finally:
            for child in children:
                child.kill()
        if any(codes):
            raise RuntimeError(f"processes ended with {codes}")
        together: dict[str, Any] = torch.load(Path(folder, "losses.pt"), weights_only=True)
    return [_row("two processes against one", max(gaps(together, alone).values()), STEP, "BlendGAN's losses, gloo")]

"""One step of every training on one process or on several gloo processes, to be compared.

In float64, because a rounding error of float32 that moves a value over the kink of a ReLU or of |x| changes a gradient by
far more than itself.
"""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from models.training import parallel
from models.training.rng import StepRNG
from models.training.training_module import Batch
from suite.errors import SuiteError
from suite.profiles import load_profile

CPU = torch.device("cpu")
# Rates that change nothing, so that every update of a step is compared at the same weights.
STILL = 1e-30
TRUNK = (4, 4, 8, 8, 8)
# Batch, and settings that make a step of the demo small; two art domains where a batch of several styles has code of its own.
BASELINES = {
    "adain": (8, ["width=32", "size=32", "crop_from=1.25"]),
    "munit": (8, ["dim=4", "dis_dim=4"]),
    "funit": (8, ["dim=4", "dis_dim=4", "art_domains=2", "ema=0.5"]),
    "drit": (16, ["dim=4", "mode_seeking=true", "content_steps=2", "concat=true"]),
    "drit-plain": (16, ["dim=4", "content_steps=2", "spectral_norm=false"]),
    "mdmm": (16, ["dim=4"]),
    "stargan2": (8, ["base=4", "widest=8", "hidden=8", "resized_crop=0.5"]),
    "stargan2-styles": (8, ["base=4", "widest=8", "hidden=8", "art_domains=2"]),
    "toonify": (8, ["size=32", "r1_every=1"]),
}
BLENDGAN: dict[str, dict[str, Any]] = {
    "blendgan": {},
    "blendgan-pairs": {"style_latent_game": "projection", "latent_style": 0.5},
    "blendgan-warm-up": {"warmup_steps": 1, "warmup_lr": STILL},
}
METHODS = (*BLENDGAN, "style-encoder", "psp", *BASELINES)


class WideRNG(StepRNG):
    """The same numbers in float64."""

    def normal(self, *args: Any, **kwargs: Any) -> Tensor:
        return super().normal(*args, **kwargs).double()

    def uniform(self, *args: Any, **kwargs: Any) -> Tensor:
        return super().uniform(*args, **kwargs).double()

    def noise(self, *args: Any, **kwargs: Any) -> list[Tensor]:
        return [rows.double() for rows in super().noise(*args, **kwargs)]


def module(name: str, inputs: Path, micro_batch: int = 0) -> Any:
    """The small module of `name`, the same weights on every process. `inputs` holds what `prepare` made."""
    common: dict[str, Any] = {"size": 32, "steps": 1, "batch": 8, "lr": STILL, "micro_batch": micro_batch}
    torch.manual_seed(0)
    if name in BLENDGAN:
        from models.training.blendgan import BlendGANTraining
        from models.training.blendgan_settings import BlendGANSettings

        small = {
            "style_dim": 16,
            "n_mlp": 2,
            "widest": 8,
            "queue": 16,
            "augment": "ada",
            "mixing": 1.0,
            "path_weight": 2.0,
        }
        return BlendGANTraining(
            BlendGANSettings(**common, encoder=str(inputs / "encoder.safetensors"), **small, **BLENDGAN[name]),
            CPU,
        )
    if name == "style-encoder":
        from models.training.style_encoder import StyleEncoderSettings, StyleEncoderTraining

        narrow = {"style_dim": 16, "trunk": "seeded", "trunk_widths": TRUNK}
        return StyleEncoderTraining(StyleEncoderSettings(**common, **narrow), CPU)
    if name == "psp":
        from models.training.psp import PSPSettings, PSPTraining

        losses = {"lpips_weight": 0.0, "identity_weight": 0.0, "pyramid_weight": 1.0, "widths": (16, 16, 16, 16)}
        generator = str(inputs / "blendgan.safetensors")
        return PSPTraining(PSPSettings(**common, generator=generator, **losses), CPU)
    from baselines.registry import TRAINABLE

    batch, overrides = BASELINES[name]
    row = TRAINABLE[name.partition("-")[0]]
    overrides = [f"batch={batch}", f"lr={STILL}", f"micro_batch={micro_batch}", "channels_last=false", *overrides]
    overrides += [f"start={inputs / 'blendgan.safetensors'}"] if name == "toonify" else []
    return row.module("training").build(load_profile(row.settings, row.package, "demo", overrides), CPU)


def prepare(folder: Path) -> None:
    """What steps of BlendGAN, pSp and layer swapping start from: random weights of a style encoder and of a generator."""
    from models.networks.style_encoder import StyleEncoder
    from models.training import blendgan_weights, style_encoder

    torch.manual_seed(0)
    style_encoder.save(StyleEncoder(16, widths=TRUNK), folder, {}).rename(folder / "encoder.safetensors")
    blendgan_weights.save(module("blendgan", folder).networks, folder, {}).rename(folder / "blendgan.safetensors")


def pictures(domain: str, count: int, size: int) -> Tensor:
    """(count, 3, size, size) in [-1, 1], smooth enough to differ in style."""
    generator = torch.Generator().manual_seed(len(domain))
    small = torch.rand(count, 3, 8, 8, generator=generator) * 2 - 1
    return torch.nn.functional.interpolate(small, size).double()


def one_step(name: str, inputs: Path, micro_batch: int = 0) -> dict[str, Tensor]:
    """The gradients that each optimiser saw, in their order, the losses, and what the module remembers."""
    subject = module(name, inputs, micro_batch)
    seen: dict[str, Tensor] = {}
    for key, optimizer in subject.optimizers.items():
        _watch(key, optimizer, seen)
    size = subject.settings.load_size
    images = {
        domain: pictures(domain, count * parallel.world(), size)[parallel.rank() :: parallel.world()]
        for domain, count in subject.batch_sizes.items()
    }
    losses = parallel.means(subject.step(Batch(images), WideRNG(3, 0, parallel.rank(), parallel.world())))
    seen |= {f"loss {key}": torch.tensor(value, dtype=torch.double) for key, value in losses.items()}
    return seen | {f"kept {key}": torch.as_tensor(value, dtype=torch.double) for key, value in subject.state.items()}


def _watch(key: str, optimizer: torch.optim.Optimizer, seen: dict[str, Tensor]) -> None:
    step = optimizer.step

    def watched(closure: Any = None) -> Any:
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        number = sum(name.startswith(f"gradient {key} ") for name in seen)
        gradients = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
        seen[f"gradient {key} {number}"] = torch.cat([g.double().flatten() for g in gradients])
        return step()

    optimizer.step = watched  # type: ignore[method-assign]


def process(rank: int, world: int, names: tuple[str, ...], inputs: Path, out: Path, micro_batch: int = 0) -> None:
    """One of `world` processes: steps of all `names`, written to `out/<name>-<rank>.pt`."""
    torch.set_num_threads(1)
    torch.set_default_dtype(torch.float64)
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE=str(world), MASTER_ADDR="127.0.0.1")
    if world > 1:
        store = torch.distributed.FileStore(str(out / "store"), world)
        torch.distributed.init_process_group("gloo", store=store, rank=rank, world_size=world)
    for name in names:
        torch.save(one_step(name, inputs, micro_batch), out / f"{name}-{rank}.pt")
    parallel.stop()


def in_turn(rank: int, world: int, out: Path) -> None:
    """One of `world` processes: what happens once, and what the others hear of a refusal; written to `out`."""
    torch.distributed.init_process_group(
        "gloo", store=torch.distributed.FileStore(str(out / "store"), world), rank=rank, world_size=world
    )
    os.environ["LOCAL_RANK"] = str(rank)

    def make() -> str:
        with (out / "order").open("a") as order:
            order.write(f"{rank}\n")
        if not (out / "made").exists():
            time.sleep(0.2)
            with (out / "made").open("x") as made:
                made.write(str(rank))
        return (out / "made").read_text()

    def refuse() -> None:
        raise SuiteError(f"rank {rank} refuses", 3)

    found = parallel.once_a_machine(make)
    try:
        parallel.first_alone(refuse)
    except SuiteError as error:
        found += f" {type(error).__name__} {error} {error.exit_code}"
    (out / f"told-{rank}").write_text(found)
    parallel.stop()


def run(world: int, names: tuple[str, ...], inputs: Path, out: Path, micro_batch: int = 0) -> None:
    """Steps of `names` on `world` processes."""
    out.mkdir()
    start(process, [(rank, world, names, inputs, out, micro_batch) for rank in range(world)])


def start(job: Callable[..., None], arguments: list[tuple[Any, ...]]) -> None:
    """`job` on a process for each of `arguments`."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["ranks", "models.training.blendgan", "models.training.psp", "baselines.registry"])
    workers = [context.Process(target=job, args=given) for given in arguments]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0] * len(workers)

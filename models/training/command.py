"""What every `train` command shares: its options, its dry run, and the way from a profile to a finished run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

import click
import torch

from models.data.prepared import ImageArray, Need, disk_need, prepare
from models.training import estimate, parallel
from models.training.loop import Loop
from models.training.run_folder import RunFolder
from models.training.settings import LoopSettings
from models.training.training_module import TrainingModule
from suite import portable
from suite.cli import emit, json_option
from suite.errors import SuiteError
from suite.files import canonical_json
from suite.option_groups import option_group
from suite.params import device_or_auto, output_folder
from suite.profiles import load_profile

S = TypeVar("S", bound=LoopSettings)


@dataclass(frozen=True)
class TrainOptions:
    """The shared options, as given."""

    profile: str
    overrides: tuple[str, ...]
    run: Path
    data: Path | None
    faces: Path | None
    art: Path | None
    resume: bool
    dry_run: bool
    device: str
    workers: int
    as_json: bool


training_options = option_group(
    "options",
    TrainOptions,
    click.option("--profile", default="demo", show_default=True, help="demo, small, paper, or a .toml file."),
    click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one setting."),
    click.option("-o", "--run", "run", type=output_folder, required=True, help="The run's folder."),
    click.option("--data", type=click.Path(path_type=Path), help="A release that holds both domains."),
    click.option("--faces", type=click.Path(path_type=Path), help="Photographs: FFHQ in any local form."),
    click.option("--art", type=click.Path(path_type=Path), help="Artistic faces: AAHQ in any local form."),
    click.option("--resume", is_flag=True, help="Go on from the run's newest checkpoint."),
    click.option("--dry-run", is_flag=True, help="Print configuration, memory, speed and hours; train nothing."),
    click.option("--device", type=device_or_auto, default="auto", show_default=True, help="auto, cpu, cuda or mps."),
    click.option(
        "--workers",
        type=click.IntRange(1, 256),
        default=2,
        show_default=True,
        help="Threads that decode pictures.",
    ),
    json_option,
)


def train(
    name: str,
    options: TrainOptions,
    settings: S,
    build: Callable[[S, torch.device], TrainingModule],
    *,
    period: int = 1,
    label: str | None = None,
    at_end: Callable[[Path, TrainingModule], dict[str, Any]] | None = None,
    given: dict[str, ImageArray] | None = None,
) -> None:
    """Run a training command: dry run, or data, module and loop.

    Args:
        name: what trains, e.g. `"blendgan"`.
        settings: the resolved settings (see `resolve`).
        build: makes the module on a device; also called on `meta`, where it reads only files that decide shapes.
        period: steps after which the pattern of lazy regularisers repeats.
        label: the data's label column that the module wants.
        at_end: called on rank 0 after the last step; what it returns goes into the run's summary.
        given: domains whose pictures the command brings itself.
    """
    device = parallel.start(options.device)
    try:
        parallel.first_alone(lambda: settings.share(parallel.world()))
        if options.dry_run:
            _dry_run(name, options, settings, build, device, period)
            return
        parallel.first_alone(lambda: RunFolder(options.run, writes=False).check_free(options.resume))
        torch.manual_seed(settings.seed)
        module = build(settings, device)
        pictures = parallel.once_a_machine(lambda: _pictures(options, settings, module, given or {}))
        finish = (lambda folder: at_end(folder, module)) if at_end else None
        loop = Loop(name, module, settings, pictures, options.run, device, label, finish)
        steps = loop.run(options.resume)
        if parallel.rank() == 0:
            text = f"{name}: {steps} steps done; weights, sheets and log are in {options.run}"
            emit({"run": str(options.run), "steps": steps}, text, options.as_json)
    except parallel.SaidByFirst as error:
        raise SystemExit(error.exit_code) from None
    finally:
        parallel.stop()


def resolve(
    options: TrainOptions, model: type[S], package: str, name: str | None = None, base: Mapping[str, Any] | None = None
) -> S:
    """The settings of `--profile` and `--set`, laid over `base`. `name` prefixes the profile's file (`train-demo.toml`)."""
    profile = options.profile
    if name and not profile.endswith(".toml"):
        profile = f"{name}-{profile}"
    return load_profile(model, package, profile, options.overrides, base)


def _pictures(
    options: TrainOptions, settings: LoopSettings, module: TrainingModule, brought: dict[str, ImageArray]
) -> dict[str, ImageArray]:
    flags = {"photo": ("--faces", options.faces), "art": ("--art", options.art)}
    pictures = dict(brought)
    for domain in sorted(set(module.batch_sizes) - set(brought)):
        flag, path = flags.get(domain, ("--data", None))
        place = path or options.data
        if place is None:
            raise SuiteError(f"{flag}: give the {domain} pictures, or --data with a release that holds them")
        # By whichever option a release came: its splits hold.
        split = None if settings.split == "all" else settings.split
        pictures[domain] = prepare(place, settings.load_size, domain, split, workers=options.workers)
    return pictures


def _dry_run(
    name: str,
    options: TrainOptions,
    settings: S,
    build: Callable[[S, torch.device], TrainingModule],
    device: torch.device,
    period: int,
) -> None:
    traced = estimate.trace(lambda meta: build(settings, meta), settings.load_size)
    tensors, run_bytes = traced.peak, traced.run_bytes(settings.keep)
    besides = estimate.process_bytes() if device.type == "cpu" else 0
    total = memory_bytes(device)
    rate = hours = None
    if not total or tensors + besides < 0.9 * total:
        torch.manual_seed(settings.seed)
        seconds = estimate.timed(build(settings, device), settings.load_size, device, period)
        rate = settings.batch / seconds
        hours = settings.steps * seconds / 3600
    needs = {} if parallel.rank() else _needs(options, settings, traced.domains)
    summary = {
        "name": name,
        "settings": settings.model_dump(),
        "device": str(device),
        "peak_bytes": tensors + besides,
        "device_bytes": total,
        "checkpoint_bytes": traced.checkpoint,
        "run_bytes": run_bytes,
        "pictures": {domain: asdict(need) for domain, need in needs.items()},
        "images_per_second": rate,
        "hours": hours,
    }
    lines = [f"{name}, profile {options.profile}, on {device}"]
    lines += [f"  {key} = {canonical_json(value)}" for key, value in settings.model_dump().items()]
    lines.append(f"memory: {(tensors + besides) / 1e9:.2f} GB of {total / 1e9:.1f} GB")
    lines.append(
        f"disk: {run_bytes / 1e9:.2f} GB for checkpoints of {traced.checkpoint / 1e9:.2f} GB, {settings.keep} kept"
    )
    lines += [f"{domain} pictures: {need}" for domain, need in needs.items()]
    if rate is None:
        lines.append(
            "speed: not measured, it does not fit; lower it with a smaller --set micro_batch or --set checkpointing=true"
        )
    else:
        lines.append(f"speed: {rate:.2f} images/s, {settings.steps} steps take {hours:.2f} hours")
    if parallel.rank() == 0:
        emit(summary, "\n".join(lines), options.as_json)


def _needs(options: TrainOptions, settings: LoopSettings, domains: Collection[str]) -> dict[str, Need]:
    """What the pictures of `domains` that are named will take on disk."""
    places = {"photo": options.faces or options.data, "art": options.art or options.data}
    split = None if settings.split == "all" else settings.split
    return {
        domain: disk_need(place, settings.load_size, domain, split)
        for domain, place in places.items()
        if place is not None and domain in domains
    }


def memory_bytes(device: torch.device) -> int:
    """All memory of the device; of Apple's, which shares it, the machine's. 0 where the system does not say."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return portable.memory_bytes()

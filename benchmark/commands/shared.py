"""Options that the reproducing commands share."""

from __future__ import annotations

from pathlib import Path

import click

from benchmark.run.reproduction import Reproduction
from benchmark.tasks.settings import Reproduce
from suite.errors import SuiteError
from suite.option_groups import stacked
from suite.ownership import real, refuse_overlap
from suite.params import device_or_auto, output_folder
from suite.profiles import load_profile

PathOption = click.Path(path_type=Path)


# `--data`, `--faces`, `--art`: one release with both domains, or two places.
place_options = stacked(
    click.option("--data", type=PathOption, help="A release with both domains."),
    click.option("--faces", type=PathOption, help="Photographs: FFHQ in any local form (release, folder, zip)."),
    click.option("--art", type=PathOption, help="Artistic faces: a release of AAHQ."),
)
profile_options = stacked(
    click.option("--profile", default="demo", show_default=True, help="demo, small, paper, or a .toml file."),
    click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Change one setting."),
)
run_options = stacked(
    click.option("--weights-folder", type=PathOption, help="Where published weights lie."),
    click.option("--device", type=device_or_auto, default="auto", show_default=True, help="auto, cpu, cuda or mps."),
    click.option("--offline", is_flag=True, help="Never touch the network."),
)
out_option = click.option("-o", "--out", type=output_folder, help="Work folder.  [default: reproduce-PROFILE]")
work_options = stacked(
    profile_options,
    out_option,
    place_options,
    click.option("--weights", multiple=True, metavar="NAME=PATH", help="A checkpoint of a method."),
    run_options,
)


def work_of(
    profile: str,
    overrides: tuple[str, ...],
    out: Path | None,
    data: Path | None,
    faces: Path | None,
    art: Path | None,
    weights: tuple[str, ...],
    weights_folder: Path | None,
    device: str,
    offline: bool,
) -> Reproduction:
    """The reproduction that the options describe.

    Raises:
        SuiteError: an option that does not fit.
    """
    settings = load_profile(Reproduce, "benchmark", profile, overrides)
    checkpoints = {}
    for pair in weights:
        name, eq, path = pair.partition("=")
        if not eq or not path:
            raise SuiteError(f"--weights {pair}: expected NAME=PATH")
        checkpoints[name] = Path(path)
    work = Reproduction(
        settings=settings,
        profile=Path(profile).stem,
        folder=out or Path(f"reproduce-{Path(profile).stem}"),
        data=data,
        weights=checkpoints,
        weights_folder=weights_folder,
        device=device,
        offline=offline,
        faces=faces,
        art=art,
    )
    for name in checkpoints:
        work.method(name)
    for flag, place in (("--data", data), ("--faces", faces), ("--art", art)):
        # What is read may lie in OUT, as the painted release does; OUT in it would add to what is read.
        if place is not None and real(place) in (real(work.folder), *real(work.folder).parents):
            refuse_overlap("--out", work.folder, flag, place)
    return work


def with_device(work: Reproduction) -> Reproduction:
    """The same, joined to the processes of `torchrun` and with `auto` decided."""
    from models.training import parallel

    work.device = str(parallel.start(work.device))
    return work

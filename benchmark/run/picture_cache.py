"""Disk space that preparing pictures at the trainings' sizes takes, for the plan; no PyTorch without data."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from importlib import resources

from benchmark.run.reproduction import Reproduction
from benchmark.tasks.settings import Step
from models.data import MOST_CACHED_BYTES
from suite.errors import SuiteError

# Trainings of `models` by their command: the name of their profiles, and the domains that they read.
TRAININGS = {"train-encoder": ("encoder", ("art",)), "train": ("blendgan", ("photo", "art"))}
WORDS = {"photo": "photographs", "art": "artistic faces"}


def reads(step: Step) -> list[tuple[str, int]]:
    """(domain, side) of the pictures that a training step reads; empty for a command that is none of this suite's."""
    room, verb, *rest = [*step.command, "", ""]
    profile = step.command[step.command.index("--profile") + 1] if "--profile" in step.command else "demo"
    if room == "models" and verb in TRAININGS:
        name, domains = TRAININGS[verb]
        text = resources.files("models").joinpath("profiles", f"{name}-{profile}.toml").read_text()
        return [(domain, int(tomllib.loads(text)["size"])) for domain in domains]
    if room == "baselines" and verb == "train":
        from baselines.registry import METHODS
        from suite.profiles import load_profile

        row = METHODS[rest[0]]
        assert row.settings is not None
        side = load_profile(row.settings, row.package, profile, ()).load_size
        return [(domain, side) for domain in row.settings.reads]
    return []


def picture_bytes(work: Reproduction, steps: Iterable[Step]) -> tuple[int, str]:
    """What the pictures of `steps` will still write below the cache folder, and how, in words."""
    wanted = sorted({read for step in steps for read in reads(step)})
    total, parts = 0, []
    for domain, side in wanted:
        count, size = _need(work, domain, side)
        total += size
        how = f"{size / 1e9:.3g} GB" if size else "nothing to write"
        parts.append(f"{count:,} {WORDS[domain]} at {side} px: {how}")
    return total, "; ".join(parts)


def _need(work: Reproduction, domain: str, side: int) -> tuple[int, int]:
    place = work.places[0 if domain == "photo" else 1]
    if place.exists():
        from models.data.prepared import disk_need

        try:
            need = disk_need(place, side, domain, "train")
        except SuiteError:
            return 0, 0  # the plan's line of the data says what is wrong with it
        return need.count, need.bytes
    settings = work.settings
    count = {"photo": settings.photographs, "art": settings.artworks}[domain]
    if not count and settings.paint:
        count = (domain == "photo" and settings.paint.photos) or settings.paint.count
    size = count * side**2 * 3
    return count, size if size <= MOST_CACHED_BYTES else 0

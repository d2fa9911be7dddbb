"""Options that the joining commands share: which release, which profile, which seeds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from benchmark.commands.shared import PathOption, place_options, profile_options
from benchmark.leaderboard.seed import Seed, kept_seed
from benchmark.plugin.limits import Limits
from benchmark.run.reproduction import Reproduction
from benchmark.tasks.settings import Reproduce
from suite.errors import SuiteError
from suite.option_groups import stacked
from suite.ownership import real
from suite.params import Number, device_given, output_folder
from suite.profiles import load_profile

if TYPE_CHECKING:
    from benchmark.reference.pack import Pack


data_options = stacked(
    place_options,
    profile_options,
    click.option("--seed", "seeds", multiple=True, help="Sampling seeds.  [default: the profile's]"),
    click.option("--hidden-seed", type=PathOption, help="A file with a seed that only the maintainer has."),
)
reference_options = stacked(
    click.option("--reference", type=PathOption, metavar="FILE", help="A reference pack, in place of --data."),
    click.option(
        "--signers",
        type=PathOption,
        metavar="FILE",
        help="Refuse a pack that none of them signed: a public key, as id_ed25519.pub, or an allowed_signers file.",
    ),
)
guidance_option = click.option(
    "--guidance",
    default="reference",
    show_default=True,
    type=click.Choice(["latent", "reference"]),
    help="Where styles come from.",
)
measure_options = stacked(
    click.option("--device", type=device_given, default="cpu", show_default=True, help="cpu, cuda or mps."),
    click.option("--weights-folder", type=PathOption, help="Where published feature weights lie."),
    click.option("--offline", is_flag=True, help="Never touch the network."),
    click.option("--work", type=output_folder, default=Path(".aahq-bench"), show_default=True, help="For caches."),
)
# Bounds of a method that is no part of this suite.
limit_options = stacked(
    click.option("--answer-seconds", type=Number(1), default=600.0, show_default=True, help="For one answer."),
    click.option("--answer-gigabytes", type=Number(0.5), default=16.0, show_default=True, help="Its memory."),
    click.option(
        "--may-read", multiple=True, type=PathOption, help="What METHOD may read besides its package and weights."
    ),
)


def opened_pack(reference: Path, signers: Path | None, places: Places) -> tuple[Pack, str]:
    """A pack, its signature checked where `--signers` is given, and what is to be said of the signature.

    Raises:
        SuiteError: pictures besides, not a whole pack, or not signed by one of them.
    """
    from benchmark.reference.pack import read_pack
    from suite.signing import signature_of, verify

    if places.data or places.faces or places.art:
        raise SuiteError("--reference: stands in for the pictures; leave out --data, --faces and --art")
    if signers is not None:
        who = verify(reference, signers)
        return read_pack(reference), f"{reference}: signed by {who.name} ({who.fingerprint})"
    pack = read_pack(reference)
    here = "its signature was not checked" if signature_of(reference).is_file() else "it is not signed"
    return pack, f"{reference}: {here}; --signers FILE checks whose it is"


def limits_of(options: dict[str, Any], work: Reproduction | None = None) -> Limits:
    """The bounds that the options describe; what `work` measures from and the hidden seed are no method's to read.

    Raises:
        SuiteError: something to read that is not there, or that is what is measured from.
    """
    secret = [options["hidden_seed"]] if options.get("hidden_seed") else []
    secret += [*work.places, work.folder] if work is not None else []
    for path in options["may_read"]:
        if not path.exists():
            raise SuiteError(f"--may-read {path}: not there")
        if any(real(one).is_relative_to(real(path)) for one in secret):
            raise SuiteError(f"--may-read {path}: holds what is measured from; a method must not see it")
    return Limits(options["answer_seconds"], options["answer_gigabytes"], tuple(options["may_read"]), tuple(secret))


def settings_of(profile: str, overrides: tuple[str, ...]) -> Reproduce:
    """The profile with its changes."""
    return load_profile(Reproduce, "benchmark", profile, overrides)


def seeds_of(settings: Reproduce, seeds: tuple[str, ...], hidden: Path | None) -> list[Seed]:
    """The seeds to draw from.

    Raises:
        SuiteError: both kinds given.
    """
    if hidden is not None:
        if seeds:
            raise SuiteError("--seed, --hidden-seed: give one of them")
        return [kept_seed(hidden)]
    return [Seed(text) for text in seeds or settings.sampling_seeds]


@dataclass(frozen=True)
class Places:
    """Where pictures are: `data` has both domains, `faces` and `art` stand in for its photographs and artistic faces."""

    data: Path | None
    faces: Path | None
    art: Path | None

    @property
    def given(self) -> bool:
        """Whether both domains have a place."""
        return self.data is not None or (self.faces is not None and self.art is not None)

    def needed(self) -> Places:
        """The same; SuiteError where a domain has no place."""
        if not self.given:
            raise SuiteError("--data: give a release with both domains, or --faces and --art")
        return self


def bench_work(settings: Reproduce, profile: str, places: Places, options: dict[str, Any]) -> Reproduction:
    """A work folder for measuring one method outside of a reproduction."""
    return Reproduction(
        settings=settings,
        profile=Path(profile).stem,
        folder=options["work"],
        data=places.data,
        faces=places.faces,
        art=places.art,
        weights_folder=options["weights_folder"],
        device=options["device"],
        offline=options["offline"],
    )

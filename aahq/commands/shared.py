"""Options and answers that several commands share."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import click

from aahq.sources import SOURCES, SourceOptions
from aahq.stages.engine import StageStats
from suite.cli import emit, ignored, json_option
from suite.option_groups import Decorator, option_group
from suite.params import Count, Rate, processes

out_argument = click.argument("out", type=click.Path(path_type=Path))
workers_option = click.option(
    "--workers",
    type=processes,
    default=None,
    metavar="N",
    help="Processes; one a core by default, 1 works in this process.",
)
signers_option = click.option(
    "--signers",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Refuse what none of them signed: a public key, as id_ed25519.pub, or an allowed_signers file.",
)
scheduler_option = click.option(
    "--scheduler",
    metavar="tcp://HOST:PORT",
    help="Work on the Dask cluster of this scheduler, which sees OUT under the same path.",
)


def _group(name: str, *options: Decorator, absolute: tuple[str, ...] = ()) -> Decorator:
    """Several options that a command receives as one dictionary: parameter `name`, option -> value, None if not given.

    Args:
        absolute: options that hold local paths, made absolute so that the folder goes on from anywhere.
    """

    def packed(**values: Any) -> dict[str, Any]:
        # Of an option that may be repeated, none at all is "not given".
        group = {key: list(value) or None if isinstance(value, tuple) else value for key, value in values.items()}
        paths = {key: str(Path(str(group[key])).absolute()) for key in absolute if group[key] is not None}
        return group | paths

    return option_group(name, packed, *options)


def _source_option(option: dataclasses.Field[Any]) -> Decorator:
    """The command line's form of a field of `SourceOptions`."""
    help, path = option.metadata["help"], click.Path(exists=True, dir_okay=False)
    return click.option(
        f"--{option.name.replace('_', '-')}",
        metavar=option.metadata["metavar"],
        type=path if option.metadata["file"] else str,
        help=f"{help}  [{option.default}]" if option.default else help,
    )


_OPTIONS = [option for option in dataclasses.fields(SourceOptions) if option.metadata]
source_options = _group(
    "source",
    click.argument("target", required=False),
    click.option(
        "--source",
        metavar="NAME",
        help=f"One of {', '.join(SOURCES)}; aahq-list and urls take a FILE, folder a DIR. The folder's own when it goes on.",
    ),
    *map(_source_option, _OPTIONS),
    click.option("--limit", type=Count(), metavar="N", help="Pictures in all, at most."),
    absolute=("target", *(option.name for option in _OPTIONS if option.metadata["file"])),
)
policy_options = _group(
    "policy",
    click.option("--contact", metavar="WHO", help="E-mail or page of the person who crawls; for the real web."),
    click.option("--per-second", type=Rate(), metavar="X", help="Requests per second to one host.  [1]"),
    click.option("--connections", type=click.IntRange(1, 64), metavar="N", help="Pictures of a host at a time.  [8]"),
    ignored("--processes", "one process fetches at the rate that every host allows"),
    click.option("--opt-outs", "optouts", type=click.Path(exists=True, dir_okay=False), help="File of who opted out."),
    click.option("--permissions", type=click.Path(exists=True, dir_okay=False), help="File of permissions."),
    click.option(
        "--site-terms",
        type=click.Path(exists=True, dir_okay=False),
        help="File of further sites whose terms reserve their pictures.",
    ),
    click.option(
        "--ai-token",
        "ai_tokens",
        multiple=True,
        metavar="NAME",
        help="A further AI crawler: what robots.txt forbids it is not taken.",
    ),
    click.option("--allow", multiple=True, metavar="HOST:PORT", help="A gallery on this machine that may be asked."),
    absolute=("optouts", "permissions", "site_terms"),
)
release_config_options = _group(
    "release",
    click.option("--name", metavar="NAME", help="The release's name.  [aahq]"),
    click.option("--size", type=Count(), metavar="PIXELS", help="Side of the aligned pictures.  [1024]"),
    click.option("--domain", type=click.Choice(("art", "photo")), help="What the pictures are.  [art]"),
    click.option("--seed", type=int, metavar="K", help="Of the splits.  [0]"),
)


def _quotas(ctx: click.Context, param: click.Parameter, pairs: tuple[str, ...]) -> dict[str, int] | None:
    from aahq.release.quotas import read_quotas

    return read_quotas(pairs) if pairs else None


release_options = _group(
    "layout",
    click.option(
        "--form",
        type=click.Choice(("folder", "shards", "links")),
        help="PNG files, tar shards, or links without pictures.  [as the last time, else folder]",
    ),
    click.option(
        "--public/--not-public",
        default=None,
        help="For handing on: no picture whose licence does not allow it.  [as the last time, else not]",
    ),
    click.option(
        "--quota",
        "quotas",
        multiple=True,
        metavar="FIELD=N",
        callback=_quotas,
        help="At most N faces of one source, decade, medium, style, artist or license.  [as the last time]",
    ),
    click.option(
        "--require",
        multiple=True,
        metavar="SCREEN",
        help="Refuse a release with faces that this screen of 'aahq safety' did not look at.  [as the last time]",
    ),
)


def line(stats: StageStats) -> str:
    """One stage in one line: what it saw, what went on, what it dropped and why."""
    dropped = ", ".join(f"{reason} {count}" for reason, count in stats.reasons.most_common())
    notes = ", ".join(f"{key} {value}" for key, value in stats.notes.items() if type(value) is int)
    parts = [f"{stats.stage:8} {stats.rows:7} rows  {stats.kept:7} kept  {stats.seconds:7.1f} s"]
    if dropped:
        parts.append(f"dropped: {dropped}")
    if notes:
        parts.append(notes)
    if "hint" in stats.notes:
        parts.append(str(stats.notes["hint"]))
    return "  ".join(parts)


def stage_command(stage: str, help: str) -> click.Command:
    """The command of a stage that works on all that is pending in OUT, with nothing more to say than where."""

    @click.command(stage, help=help)
    @out_argument
    @workers_option
    @scheduler_option
    @json_option
    def command(out: Path, workers: int | None, scheduler: str | None, as_json: bool) -> None:
        from aahq import pipeline

        with pipeline.open_build(out, workers=workers, scheduler=scheduler) as build:
            stats = pipeline.RUN[stage](build)
        emit(stats.as_dict(), line(stats), as_json)

    return command

"""`aahq rebuild`: a release again from its manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from aahq.commands.shared import manners_of, manners_options, workers_option
from suite.cli import emit, json_option


@click.command()
@click.argument("manifest", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--policy",
    default="exact",
    show_default=True,
    metavar="NAME",
    help="What counts as the same picture: exact (bytes), pixel (decoded pixels) or perceptual (8 bits of 64).",
)
@click.option(
    "--folder", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Where local files are now."
)
@click.option(
    "--form",
    type=click.Choice(("folder", "shards")),
    default="folder",
    show_default=True,
    help="PNG files or tar shards.",
)
@manners_options
@workers_option
@json_option
def command(
    manifest: Path,
    out: Path,
    policy: str,
    folder: Path | None,
    form: str,
    workers: int | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Fetch what MANIFEST names, asking for consent anew, align it, and write the release of what is still the same.

    Prints how much is alive, changed, gone and refused; `rebuild.json` in OUT keeps it, the new release is OUT/release.

    \b
    Examples:
      aahq rebuild art-links art --policy pixel --contact me@example.org
      aahq rebuild art/release copy --folder ~/paintings
    """
    from aahq.consent.optouts import OptOuts
    from aahq.consent.permissions import Permissions
    from aahq.crawl.process import Terms
    from aahq.folder import only_writer
    from aahq.ledger import Ledger
    from aahq.rebuild import rebuild
    from aahq.remove.tombstones import REMOVALS, TOMBSTONES, Tombstones
    from aahq.stages.engine import open_engine
    from aahq.web.client import Http, Limits

    manners = {key: value for key, value in manners_of(given).items() if value is not None}
    limits = Limits(**{key: manners[key] for key in ("per_second", "processes") if key in manners})
    files = [Path(manners[key]) if key in manners else None for key in ("optouts", "permissions")]
    # What the release itself, or this folder, has taken out stays out.
    beside = (manifest if manifest.is_dir() else manifest.parent) / REMOVALS
    buried = Tombstones.read(out / TOMBSTONES if (out / TOMBSTONES).exists() else beside)
    with (
        only_writer(out),
        Ledger(out, create=True) as ledger,
        open_engine(workers) as engine,
        Http(manners.get("contact"), allow=manners.get("allow", ()), limits=limits) as http,
    ):
        survival = rebuild(
            manifest,
            ledger,
            engine,
            Terms(http, OptOuts(files[0], buried if buried else None), Permissions(files[1])),
            policy=policy,
            folder=folder,
            connections=manners.get("connections", 8),
            form=form,
        )
    told = survival.as_dict()
    lines = [f"{state:8} {told[state]:7}" for state in ("alive", "changed", "gone", "refused")]
    lines += [f"  {reason}: {count}" for reason, count in told["reasons"].items()]
    lines.append(f"{out}: effective N = {told['alive']} of {told['rows']}, manifest {told['manifest_sha256']}")
    emit(told, "\n".join(lines), as_json)

"""`aahq rebuild`: make a release again from its manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from aahq.commands.shared import policy_options, signers_option, workers_option
from suite.cli import emit, json_option


@click.command()
@click.argument("manifest", type=click.Path(path_type=Path))
@click.argument("out", type=click.Path(path_type=Path))
@click.option(
    "--policy",
    "match",
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
@signers_option
@policy_options
@workers_option
@json_option
def command(
    manifest: Path,
    out: Path,
    match: str,
    folder: Path | None,
    form: str,
    signers: Path | None,
    policy: dict[str, Any],
    workers: int | None,
    as_json: bool,
) -> None:
    """Fetch what MANIFEST names, asking for consent anew, align it, and write the release of what is still the same.

    Prints how much is alive, changed, gone and refused; `rebuild.json` in OUT keeps it, the new release is OUT/release.

    \b
    Examples:
      aahq rebuild art-links art --policy pixel --contact me@example.org
      aahq rebuild art/release copy --folder ~/paintings --signers ada.pub
    """
    from aahq.config import CrawlPolicy
    from aahq.consent.optouts import OptOuts
    from aahq.consent.permissions import Permissions
    from aahq.consent.site_reservations import read_terms
    from aahq.crawl.process import FetchContext
    from aahq.open_folder import open_folder
    from aahq.rebuild import find_manifest, rebuild, refuse_places
    from aahq.release.schema import METADATA
    from aahq.release.sign import check_signed
    from aahq.remove.tombstones import REMOVALS, TOMBSTONES, Tombstones
    from aahq.stages.engine import open_engine
    from aahq.web.client import Http
    from aahq.web.limits import Limits

    crawl = CrawlPolicy(**{key: value for key, value in policy.items() if value is not None})
    limits = Limits(per_second=crawl.per_second)
    files = (crawl.optouts, crawl.permissions, crawl.site_terms)
    optouts, permissions, site_terms = (None if file is None else Path(file) for file in files)
    rules: dict[str, Any] = {"ai_tokens": crawl.ai_tokens, "site_terms": read_terms(site_terms)}
    manifest = find_manifest(manifest)
    refuse_places(manifest, out, folder)
    if signers is not None:
        for file in (
            manifest,
            *(path for path in (manifest.parent / METADATA, manifest.parent / REMOVALS) if path.is_file()),
        ):
            check_signed("MANIFEST", file, signers)
    buried = Tombstones.read(out / TOMBSTONES)
    with (
        open_folder(out, create=True) as ledger,
        open_engine(workers) as engine,
        Http(crawl.contact, allow=crawl.allow, limits=limits, **rules) as http,
    ):
        survival = rebuild(
            manifest,
            ledger,
            engine,
            FetchContext(http, OptOuts(optouts, buried if buried else None), Permissions(permissions)),
            policy=match,
            folder=folder,
            connections=crawl.connections,
            form=form,
            removed=Tombstones.read(manifest.parent / REMOVALS),
        )
    summary = survival.as_dict()
    lines = [f"{state:8} {summary[state]:7}" for state in ("alive", "changed", "gone", "refused")]
    lines += [f"  {reason}: {count}" for reason, count in summary["reasons"].items()]
    lines.append(f"{out}: effective N = {summary['alive']} of {summary['rows']}, manifest {summary['manifest_sha256']}")
    emit(summary, "\n".join(lines), as_json)

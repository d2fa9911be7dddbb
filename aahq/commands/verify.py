"""`aahq verify`: check a release against its manifest."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from suite.cli import emit, json_option


@click.command()
@click.argument("release", type=click.Path(path_type=Path))
@json_option
def command(release: Path, as_json: bool) -> None:
    """Read every byte of RELEASE; tell changed from missing from extra, and print the exact number of usable faces.

    Exit code 1 where anything is wrong. RELEASE is a release's folder or the build's folder that holds it.

    \b
    Example:
      aahq verify art/release
    """
    from aahq.release.verify import verify

    root = release / "release" if not (release / "manifest.parquet").exists() else release
    root = root if root.exists() else release
    verdict = verify(root)
    lines = [f"{kind:8} {path}" for kind in ("missing", "changed", "extra") for path in getattr(verdict, kind)]
    lines += [
        f"{'; '.join(f'{kind} {count}' for kind, count in verdict.counts.items())}; links {verdict.links}",
        f"effective N = {verdict.effective} of {verdict.rows} rows, manifest {verdict.manifest_sha256}",
        "OK"
        if verdict.ok
        else f"FAILED: download the files above again, or make the release anew: aahq rebuild {root} OUT",
    ]
    emit(verdict.as_dict(), "\n".join(lines), as_json)
    sys.exit(0 if verdict.ok else 1)

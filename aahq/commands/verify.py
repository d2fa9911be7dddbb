"""`aahq verify`: check a release against its manifest."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from aahq.commands.shared import signers_option
from suite.cli import emit, json_option


@click.command()
@click.argument("release", type=click.Path(path_type=Path))
@signers_option
@json_option
def command(release: Path, signers: Path | None, as_json: bool) -> None:
    """Read every byte of RELEASE; tell changed from missing from extra, and print the exact number of usable faces.

    Exit code 1 where anything is wrong. RELEASE is a release's folder or the build's folder that holds it.

    \b
    Examples:
      aahq verify art/release
      aahq verify downloaded --signers ada.pub
    """
    from aahq.release.verify import verify

    root = release / "release" if not (release / "manifest.parquet").exists() else release
    root = root if root.exists() else release
    verdict = verify(root, signers)
    lines = [f"{kind:8} {path}" for kind in ("missing", "changed", "extra") for path in getattr(verdict, kind)]
    lines += [
        f"{'; '.join(f'{kind} {count}' for kind, count in verdict.counts.items())}; links {verdict.links}",
        f"effective N = {verdict.effective} of {verdict.rows} rows, manifest {verdict.manifest_sha256}",
        f"signed by {verdict.signed_by}" if verdict.signed_by else "signature not checked: give --signers",
        "OK"
        if verdict.ok
        else f"FAILED: download the files above again, or make the release anew: aahq rebuild {root} OUT",
    ]
    emit(verdict.as_dict(), "\n".join(lines), as_json)
    sys.exit(0 if verdict.ok else 1)

"""`aahq-bench site`: the leaderboard as static pages."""

from __future__ import annotations

from pathlib import Path

import click

from suite.cli import emit, json_option
from suite.params import output_folder

RECORDS = Path(__file__).resolve().parents[1] / "records"


@click.command(short_help="Build the static leaderboard from records.")
@click.option("--records", type=click.Path(path_type=Path), default=RECORDS, help="Folder of records.")
@click.option("-o", "--out", type=output_folder, default=Path("site"), show_default=True, help="Folder to write.")
@json_option
def command(records: Path, out: Path, as_json: bool) -> None:
    """Pages that open from a folder, without a server: the board, one page a method, side by side, how it is measured.

    The same records give the same bytes. Without --records the board's own are shown, beside the paper's tables.

    \b
    Example:
      aahq-bench site -o site
    """
    from benchmark.site.build import build

    files = build(records, out)
    pages = [path for path in files if path.endswith(".html")]
    emit(
        {"out": str(out), "files": files},
        f"{out}: {len(pages)} pages, {len(files)} files; open {out}/index.html",
        as_json,
    )

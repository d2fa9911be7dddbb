"""The pages: records in, files out, the same bytes every time; every text escaped, no script but the one that is hashed."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined
from markupsafe import Markup

from benchmark.metrics.table import explained as explained_metrics
from benchmark.metrics.table import place_explained
from benchmark.site import explained
from benchmark.site.board import Board, Group, build_board, page_names, read_records
from benchmark.site.plot import figure, plots
from benchmark.site.walls import by_draw, collect
from suite.errors import SuiteError
from suite.files import canonical_json, sha256_bytes, write_whole

LISTING = "files.json"


def _source(name: str) -> str:
    return (resources.files("benchmark") / "site" / name).read_text(encoding="utf-8")


def policy(css: str, script: str) -> str:
    """The content security policy: nothing is loaded but the pages' own pictures, style and script.

    Style and script are named by digest, since "from this site" means nothing where a page is opened as a file.
    """

    def sha(text: str) -> str:
        return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()

    return (
        f"default-src 'none'; img-src 'self' file:; style-src 'sha256-{sha(css)}'; script-src 'sha256-{sha(script)}'; "
        "base-uri 'none'; form-action 'none'"
    )


def title(group: Group) -> str:
    """A group's name in words."""
    if group.printed:
        return f"The paper's table, {group.guidance}-guided"
    says = dict(group.facts)
    size = f"{says['faces']} faces x {says['styles']} styles"
    return f"{group.columns[0].metric}, {group.guidance}-guided, {says['profile']} ({size})"


def _parameter(value: Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False)
    return text if len(text) <= 400 else f"{text[:400]}..."


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(lambda name: _source(f"pages/{name}")),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "figure": figure,
        "plots": plots,
        "title": title,
        "metric_anchor": lambda name: f"metric-{place_explained(name)}",
        "parameter": _parameter,
    }
    return environment


def render(records: Path) -> dict[str, bytes]:
    """Site path -> bytes of every file.

    Raises:
        SuiteError: a record or a sample that does not fit, named.
    """
    committed = read_records(records)
    board = build_board(committed)
    samples, files = collect(records, board)
    css, script = _source("site.css"), _source("site.js")
    environment = _environment()
    shared = {
        "board": board,
        "pages": page_names(board.methods),
        "samples": samples,
        "css": Markup(css),
        "script": Markup(script),
        "policy": policy(css, script),
    }

    def page(template: str, path: str, **context: Any) -> None:
        root = "../" * path.count("/")
        text = environment.get_template(template).render(**shared, root=root, page=path, **context)
        files[path] = text.encode()

    page("index.html.jinja", "index.html")
    page("compare.html.jinja", "compare.html", draws=by_draw(samples.values()))
    words = {"metrics": explained_metrics(), "intervals": explained.INTERVALS, "trust": explained.TRUST}
    page("how.html.jinja", "how.html", **words, protocols=_protocols(board))
    for method, name in shared["pages"].items():  # type: ignore[attr-defined]
        both = [(group, row) for group in board.groups for row in group.rows if row.method == method]
        page(
            "method.html.jinja",
            f"methods/{name}.html",
            method=method,
            about=next((row.record for _, row in both if row.record is not None), None),
            printed=[pair for pair in both if pair[0].printed],
            measured=[pair for pair in both if not pair[0].printed],
        )
    for entry in committed:
        files[f"records/{entry.path.stem}.json"] = (canonical_json(entry.record.content(), indent=2) + "\n").encode()
    return files


def _protocols(board: Board) -> list[tuple[str, Any]]:
    protocols = {key: info for entry in board.committed for key, info in entry.record.protocols.items()}
    return sorted(protocols.items())


def build(records: Path, out: Path) -> dict[str, str]:
    """Write the site into `out`; returns path -> SHA-256. Pages of an earlier build that are gone are removed.

    Raises:
        SuiteError: `out` holds files that no build wrote.
    """
    before = _listing(out)
    files = render(records)
    for path in sorted(set(files) - set(before)):
        if (out / path).exists():
            raise SuiteError(f"--out {out}: {path} is there and no page of an earlier build; move it elsewhere")
    for path in sorted(files):
        write_whole(out / path, files[path])
    for path in sorted(set(before) - set(files)):
        (out / path).unlink(missing_ok=True)
    sums = {path: sha256_bytes(data) for path, data in sorted(files.items())}
    write_whole(out / LISTING, canonical_json(sums, indent=2) + "\n")
    return sums


def _listing(out: Path) -> dict[str, str]:
    listing = out / LISTING
    if listing.is_file():
        try:
            listed = json.loads(listing.read_text(encoding="utf-8"))
        except ValueError:
            listed = None
        if not isinstance(listed, dict) or any(".." in Path(p).parts or Path(p).is_absolute() for p in listed):
            raise SuiteError(f"--out {out}: its {LISTING} is not that of a site; name another folder")
        return listed
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise SuiteError(f"--out {out}: holds files that no build wrote; name a new folder")
    return {}

"""The report: one self-contained HTML page of what a build kept and dropped, with pictures, from the ledger alone."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, StrictUndefined
from PIL import Image

from aahq.config import RELEASE_KEY
from aahq.consent.decide import is_open
from aahq.images import decode
from aahq.ledger import Ledger, column_json
from aahq.own import REPORT, is_report
from aahq.reasons import REASONS, Rejected
from aahq.remove.forget import remember_report
from aahq.remove.opted_out import REASON as OPTED_OUT
from aahq.sources.survival import met_by_crawl
from aahq.web.addresses import page_link
from suite.files import write_whole
from suite.ownership import claim_file

KEPT_SHOWN = 120
REASON_SHOWN = 12
CLUSTERS_SHOWN = 24
THUMB = 176
# What may be shown of a picture that was dropped: nothing that was refused for the artist's or the viewer's sake.
_HIDDEN_STAGE = "crawl"
_REJECTED = (
    "SELECT reason, stage, count(*) AS count FROM ("
    "SELECT reason, stage FROM pictures WHERE state = 'rejected' UNION ALL "
    "SELECT reason, stage FROM faces WHERE state IN ('rejected', 'duplicate')) GROUP BY reason, stage"
)


@dataclass(frozen=True)
class Tile:
    """One picture of a contact sheet; `image` is a data address, or empty where nothing may or can be shown."""

    image: str
    title: str
    artist: str
    href: str
    note: str = ""
    strong: bool = False


def claim_report(out: Path, path: Path | None) -> None:
    """Refuse a page that is there already and that this command did not draw. Raises SuiteError."""
    claim_file("--out" if path else "OUT", path or out / REPORT, is_report)


def write_report(ledger: Ledger, path: Path | None = None) -> Path:
    """Draw the report of a build.

    Args:
        ledger: the build's ledger.
        path: the page; `report.html` in the build's folder where None.

    Returns:
        The page's path.
    """
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    template = environment.from_string((resources.files("aahq") / "templates" / "report.html.jinja").read_text())
    page = template.render(**gather(ledger))
    target = path or ledger.folder / REPORT
    claim_report(ledger.folder, path)
    if path is not None:
        remember_report(ledger, path)
    write_whole(target, page)
    return target


def gather(ledger: Ledger) -> dict[str, Any]:
    """Everything that the page shows, as plain values."""
    release = ledger.get(RELEASE_KEY) or {}
    return {
        "name": release.get("name", "aahq"),
        "size": release.get("size", 0),
        "funnel": funnel(ledger),
        "kept": list(_kept(ledger)),
        "kept_total": ledger.count("faces", "kept"),
        "reasons": reasons(ledger),
        "clusters": list(_clusters(ledger)),
        "clusters_total": int(
            ledger.one(
                "SELECT count(*) FROM (SELECT 1 FROM faces WHERE cluster IS NOT NULL GROUP BY cluster HAVING count(*) > 1)"
            )
        ),
        "flagged": list(_flagged(ledger)),
        "sources": _sources(ledger),
        "survival": met_by_crawl(ledger, "aahq-list"),
        "stops": [dict(row) for row in ledger.rows("SELECT source, stop FROM cursors WHERE stop != ''")],
        "splits": [dict(row) for row in ledger.rows(_SPLITS)],
        "runs": [dict(row) for row in ledger.rows(_RUNS)],
        "histograms": _histograms(ledger),
    }


_SPLITS = "SELECT split AS name, count(*) AS count FROM faces WHERE state = 'kept' GROUP BY split ORDER BY count DESC"
_RUNS = (
    "SELECT stage, sum(rows) AS rows, sum(kept) AS kept, sum(seconds) AS seconds FROM runs "
    "GROUP BY stage ORDER BY min(number)"
)


def funnel(ledger: Ledger) -> list[dict[str, Any]]:
    """How many pictures, then faces, got through each stage, in order."""
    after = {
        "works listed": ledger.count("pictures"),
        "fetched": "file IS NOT NULL",
        "screened": "width IS NOT NULL",
        "with a face": "state = 'faced'",
    }
    steps: list[dict[str, Any]] = []
    for what, where in after.items():
        count = where if isinstance(where, int) else int(ledger.one(f"SELECT count(*) FROM pictures WHERE {where}"))
        steps.append({"what": what, "unit": "pictures", "count": count})
    faces = {
        "faces found": "1",
        "aligned": "file IS NOT NULL",
        "one of a kind": "file IS NOT NULL AND state != 'duplicate'",
        "kept": "state = 'kept'",
    }
    for what, clause in faces.items():
        count = int(ledger.one(f"SELECT count(*) FROM faces WHERE {clause}"))
        steps.append({"what": what, "unit": "faces", "count": count})
    top = max(step["count"] for step in steps) or 1
    for step in steps:
        step["share"] = round(100 * step["count"] / top, 2)
    return steps


def reasons(ledger: Ledger) -> list[dict[str, Any]]:
    """Every reason with its stage, count, meaning and a few examples; the most frequent first."""
    rows = sorted(ledger.rows(_REJECTED), key=lambda row: (-row["count"], row["reason"]))
    return [
        {
            "reason": row["reason"],
            "stage": row["stage"],
            "count": row["count"],
            "meaning": REASONS[row["reason"]].text if row["reason"] in REASONS else "",
            "tiles": []
            if row["reason"] in ("duplicate", OPTED_OUT)
            else list(_rejects(ledger, row["reason"], row["stage"])),
        }
        for row in rows
    ]


def _rejects(ledger: Ledger, reason: str, stage: str) -> Iterator[Tile]:
    query = (
        "SELECT p.file, p.title, p.artist, p.page_url, p.detail, '' AS box FROM pictures p "
        "WHERE p.state = 'rejected' AND p.reason = ? AND p.stage = ? UNION ALL "
        "SELECT f.file, p.title, p.artist, p.page_url, f.detail, f.box FROM faces f JOIN pictures p ON p.id = f.picture "
        "WHERE f.state = 'rejected' AND f.reason = ? AND f.stage = ? LIMIT ?"
    )
    for row in ledger.rows(query, (reason, stage, reason, stage, REASON_SHOWN)):
        image = "" if stage == _HIDDEN_STAGE or not row["file"] else thumbnail(ledger.folder / row["file"])
        yield Tile(image, row["title"], row["artist"], page_link(row["page_url"]), row["detail"])


def _kept(ledger: Ledger) -> Iterator[Tile]:
    """An even sample of what is kept, in the order of ids."""
    total = ledger.count("faces", "kept")
    query = (
        "SELECT * FROM (SELECT f.file, f.flag, f.split, p.title, p.artist, p.page_url, "
        "row_number() OVER (ORDER BY f.id) - 1 AS n FROM faces f JOIN pictures p ON p.id = f.picture "
        "WHERE f.state = 'kept') WHERE n % ? = 0 ORDER BY n LIMIT ?"
    )
    for row in ledger.rows(query, (max(1, -(-total // KEPT_SHOWN)), KEPT_SHOWN)):
        yield Tile(
            thumbnail(ledger.folder / row["file"]),
            row["title"],
            row["artist"],
            page_link(row["page_url"]),
            row["split"],
        )


def _flagged(ledger: Ledger) -> Iterator[Tile]:
    query = (
        "SELECT f.file, f.flag, p.title, p.artist, p.page_url FROM faces f JOIN pictures p ON p.id = f.picture "
        "WHERE f.state = 'kept' AND f.flag != '' ORDER BY f.id LIMIT ?"
    )
    for row in ledger.rows(query, (REASON_SHOWN,)):
        yield Tile(
            thumbnail(ledger.folder / row["file"]), row["title"], row["artist"], page_link(row["page_url"]), row["flag"]
        )


def _clusters(ledger: Ledger) -> Iterator[list[Tile]]:
    names = ledger.db.execute(
        "SELECT cluster FROM faces WHERE cluster IS NOT NULL GROUP BY cluster HAVING count(*) > 1 "
        "ORDER BY count(*) DESC, cluster LIMIT ?",
        (CLUSTERS_SHOWN,),
    ).fetchall()
    query = (
        "SELECT f.file, f.state, f.detail, p.title, p.artist, p.page_url FROM faces f JOIN pictures p ON p.id = f.picture "
        "WHERE f.cluster = ? ORDER BY f.state != 'kept', f.id LIMIT 8"
    )
    for (name,) in names:
        tiles = []
        for row in ledger.rows(query, (name,)):
            note = "kept" if row["state"] == "kept" else _how(row["detail"])
            image = thumbnail(ledger.folder / row["file"])
            tiles.append(
                Tile(image, row["title"], row["artist"], page_link(row["page_url"]), note, row["state"] == "kept")
            )
        yield tiles


def _how(detail: str) -> str:
    """Why a face is a copy, without the names of faces: "of ab-00: exact 0 to ab-00" -> "exact 0"."""
    links = detail.partition(": ")[2].split(", ") if ": " in detail else [detail]
    return ", ".join(dict.fromkeys(link.partition(" to ")[0] for link in links))


def _sources(ledger: Ledger) -> list[dict[str, Any]]:
    query = (
        "SELECT p.source, p.license, count(*) AS works, count(DISTINCT nullif(p.artist, '')) AS artists, "
        "sum((SELECT count(*) FROM faces f WHERE f.picture = p.id AND f.state = 'kept')) AS kept "
        "FROM pictures p GROUP BY p.source, p.license ORDER BY kept DESC, works DESC"
    )
    return [{**dict(row), "free": is_open(row["license"])} for row in ledger.rows(query)]


def _histograms(ledger: Ledger) -> list[dict[str, Any]]:
    """How the kept faces spread over each measured figure, in 24 bins between the 0.5th and 99.5th percentile."""
    rows = ledger.rows("SELECT quality FROM faces WHERE state = 'kept' AND quality IS NOT NULL ORDER BY id LIMIT 20000")
    scores = [column_json(row["quality"], {}) for row in rows]
    out = []
    for name in dict.fromkeys(name for score in scores for name in score):
        values = np.array([v for score in scores if isinstance(v := score.get(name), int | float)], dtype=np.float64)
        if len(values) < 2 or values.min() == values.max():
            continue
        low, high = np.percentile(values, (0.5, 99.5))
        counts, _ = np.histogram(np.clip(values, low, high), bins=24, range=(low, max(high, low + 1e-9)))
        bars = (100 * counts / counts.max()).round(1).tolist()
        middle = float(np.median(values))
        out.append(
            {
                "name": name.replace("_", " "),
                "low": _short(low),
                "high": _short(high),
                "median": _short(middle),
                "bars": bars,
            }
        )
    return out


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def thumbnail(path: Path) -> str:
    """A JPEG of a picture's whole frame within THUMB pixels, as a data address; empty where it cannot be shown."""
    try:
        rgb = decode.canonical(path).rgb
    except (Rejected, OSError):
        return ""
    picture = Image.fromarray(rgb)
    picture.thumbnail((THUMB, THUMB), Image.Resampling.LANCZOS, reducing_gap=3.0)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=82)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode("ascii")

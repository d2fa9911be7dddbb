"""A plan before the first request: how many works, requests, days and gigabytes so many faces cost, source by source.

Without a pilot the yield is an assumption, and said to be one. A pilot is a build that has listed and judged some works of a
source: its share of faces, sizes, licences and the listing's own total then stand in for the assumptions.
"""

from __future__ import annotations

import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any

from aahq.ledger import Ledger
from suite.errors import SuiteError, did_you_mean

TOTALS = "listing totals"
# robots.txt, tdmrep.json, ai.txt and a HEAD, once for each of a source's two hosts.
PER_HOST = 4
# Works that a pilot has judged, from which on its shares are better than an assumption.
PILOT = 20


@dataclass(frozen=True)
class Yield:
    """What a work of one source gives and costs.

    Attributes:
        faces: kept faces for each work listed.
        picture_mb: of a fetched picture.
        fetched: share of the works listed whose picture is fetched.
        works: how many the listing has; None where that is not known.
        faces_max: a published count of all its faces, or None.
        licences: name -> share of the works, or words where no pilot counted them.
        basis: where the figures come from, in words.
    """

    faces: float
    picture_mb: float
    fetched: float = 1.0
    works: int | None = None
    faces_max: int | None = None
    licences: dict[str, float] | str = ""
    basis: str = "assumed"

    def capacity(self) -> float:
        """The most faces that the source is known to give; infinity where nothing is known."""
        limits = [float("inf")]
        if self.works is not None:
            limits.append(self.works * self.faces)
        if self.faces_max is not None and self.basis.startswith("assumed"):
            limits.append(float(self.faces_max))
        return min(limits)


@dataclass(frozen=True)
class Line:
    """One source's part of the plan; `days` at the polite pace, its two hosts at the same time."""

    source: str
    faces: int
    works: int
    requests: int
    days: float
    disk_gb: float
    licences: dict[str, int] | str
    basis: str


@dataclass(frozen=True)
class Plan:
    """All sources together.

    Attributes:
        wanted: faces asked for.
        lines: one a source.
        per_second: requests a second to one host.
    """

    wanted: int
    lines: tuple[Line, ...]
    per_second: float
    notes: tuple[str, ...] = field(default_factory=tuple)

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        faces = sum(line.faces for line in self.lines)
        return {
            "wanted": self.wanted,
            "faces": faces,
            "missing": max(0, self.wanted - faces),
            "requests": sum(line.requests for line in self.lines),
            "days_one_after_another": round(sum(line.days for line in self.lines), 2),
            "days_side_by_side": round(max((line.days for line in self.lines), default=0.0), 2),
            "disk_gb": round(sum(line.disk_gb for line in self.lines), 1),
            "per_second": self.per_second,
            "sources": [
                vars(line) | {"days": round(line.days, 2), "disk_gb": round(line.disk_gb, 1)} for line in self.lines
            ],
            "notes": list(self.notes),
        }


@cache
def table() -> dict[str, Any]:
    """`sources/plan.toml`."""
    return tomllib.loads(files("aahq.sources").joinpath("plan.toml").read_text(encoding="utf-8"))


def assumed(source: str) -> Yield:
    """A source's yield without a pilot."""
    facts, guess = table()["sources"][source], table()["assumed"]
    basis = "assumed" if "faces_max" not in facts else f"assumed; at most {facts['faces_max']} ({facts['where']})"
    return Yield(
        guess["faces_per_work"],
        guess["picture_mb"],
        faces_max=facts.get("faces_max"),
        licences=facts["licences"],
        basis=basis,
    )


def measured(ledger: Ledger) -> dict[str, Yield]:
    """The yields of the sources whose works a build has listed and judged."""
    totals = ledger.get(TOTALS) or {}
    yields: dict[str, Yield] = {}
    rows = ledger.rows(
        "SELECT source, count(*) AS works, sum(fetched_at IS NOT NULL) AS fetched, avg(bytes) AS bytes, "
        "sum(state IN ('found', 'fetched', 'screened')) AS open FROM pictures GROUP BY source"
    )
    for row in rows:
        works = row["works"] - row["open"]
        if works < PILOT:
            continue
        faces = ledger.one(
            "SELECT count(*) FROM faces f JOIN pictures p ON p.id = f.picture WHERE p.source = ? AND f.state = 'kept'",
            (row["source"],),
        )
        licences = Counter(
            one["license"] or "none stated"
            for one in ledger.rows(
                "SELECT p.license FROM faces f JOIN pictures p ON p.id = f.picture WHERE p.source = ? AND f.state = 'kept'",
                (row["source"],),
            )
        )
        total = max((count for key, count in totals.items() if key.split("\n")[0] == row["source"]), default=None)
        yields[row["source"]] = Yield(
            faces / works,
            (row["bytes"] or 0) / 1e6,
            (row["fetched"] or 0) / row["works"],
            total,
            licences={name: count / faces for name, count in sorted(licences.items())} if faces else {},
            basis=f"measured on {works} works",
        )
    return yields


def make(wanted: int, sources: Sequence[str], pilot: dict[str, Yield] | None = None, per_second: float = 1.0) -> Plan:
    """Share the faces among the sources: the same to each, and to the others what one cannot give.

    Args:
        wanted: faces.
        sources: names of `sources/plan.toml`.
        pilot: what `measured` gives.
        per_second: requests a second to one host.

    Raises:
        SuiteError: no such source, or a pace of nothing.
    """
    known = table()["sources"]
    for name in sources:
        if name not in known:
            raise SuiteError(f"--source: no plan for {name!r}{did_you_mean(name, known)}")
    if per_second <= 0:
        raise SuiteError(f"--per-second {per_second}: a plan needs a pace above 0")
    yields = {name: (pilot or {}).get(name) or assumed(name) for name in dict.fromkeys(sources)}
    shares = _shared(wanted, {name: one.capacity() for name, one in yields.items()})
    lines = tuple(_line(name, shares[name], yields[name], per_second) for name in yields)
    notes = []
    if any(line.basis.startswith("assumed") for line in lines):
        guess = table()["assumed"]["faces_per_work"]
        notes.append(
            f"assumed: {guess:g} kept faces a work; a pilot of some hundred works of a source ('aahq build OUT --source NAME "
            "--limit 200', then 'aahq plan OUT') replaces that by what was measured"
        )
    missing = wanted - sum(line.faces for line in lines)
    if missing > 0:
        notes.append(f"{missing} faces are more than these sources are known to give")
    return Plan(wanted, lines, per_second, tuple(notes))


def _shared(wanted: int, capacity: dict[str, float]) -> dict[str, int]:
    """Faces of each source: equal parts, and what one cannot give goes to the others."""
    shares = dict.fromkeys(capacity, 0)
    left, open_ones = wanted, list(capacity)
    while left > 0 and open_ones:
        part = -(-left // len(open_ones))
        for name in list(open_ones):
            more = min(part, left, int(capacity[name]) - shares[name] if capacity[name] != float("inf") else part)
            shares[name] += more
            left -= more
            if capacity[name] != float("inf") and shares[name] >= int(capacity[name]):
                open_ones.remove(name)
    return shares


def _line(name: str, faces: int, one: Yield, per_second: float) -> Line:
    facts, face_mb = table()["sources"][name], table()["assumed"]["face_mb"]
    works = -(-faces // one.faces) if one.faces else 0
    works = int(min(works, one.works) if one.works is not None else works)
    site = works * facts["site"] + PER_HOST
    pictures = works * one.fetched * facts["pictures"] + PER_HOST
    disk = works * one.fetched * one.picture_mb + 2 * faces * face_mb
    licences: dict[str, int] | str = (
        one.licences
        if isinstance(one.licences, str)
        else {licence: round(faces * share) for licence, share in one.licences.items()}
    )
    return Line(
        name,
        faces,
        works,
        round(site + pictures) if works else 0,
        max(site, pictures) / per_second / 86_400 if works else 0.0,
        disk / 1000,
        licences,
        one.basis,
    )


def remember_total(ledger: Ledger, source: str, query: str, total: int | None) -> None:
    """Keep what a listing says of its own length."""
    if total is not None:
        totals = ledger.get(TOTALS) or {}
        key = f"{source}\n{query}"
        if totals.get(key) != total:
            ledger.put(TOTALS, {**totals, key: total})


def licence_words(licences: dict[str, int] | str) -> str:
    """A line's licences for people."""
    if isinstance(licences, str):
        return licences
    return ", ".join(f"{name} {count}" for name, count in licences.items()) or "none"

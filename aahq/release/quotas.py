"""Quotas: at most so many faces of one source, decade, medium, style, artist or licence, so that a release leans less.

Which faces stay is decided by the digests of their ids, so that it follows neither the order of a listing nor that of a crawl,
and is the same each time. A face stays where every value of it still has room. What a source does not say is a value too,
"unknown".
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

from aahq.candidates import Candidate
from suite.errors import SuiteError, did_you_mean
from suite.files import sha256_bytes

FIELDS = ("source", "decade", "medium", "style", "artist", "license")
UNKNOWN = "unknown"
_YEAR = re.compile(r"(?<![0-9])(1[0-9]{3}|20[0-9]{2})(?![0-9])")


def read_quotas(entries: Iterable[str]) -> dict[str, int]:
    """`FIELD=N` entries as a mapping.

    Raises:
        SuiteError: another field, or no number above 0.
    """
    quotas: dict[str, int] = {}
    for entry in entries:
        field, _, number = (part.strip() for part in entry.partition("="))
        if field not in FIELDS:
            raise SuiteError(f"--quota: no {field!r}{did_you_mean(field, FIELDS)}")
        if not (number.isascii() and number.isdigit()) or int(number) < 1:
            raise SuiteError(f"--quota {entry}: expected {field}=N, faces of one {field} at most")
        quotas[field] = int(number)
    return quotas


def values(candidate: Candidate) -> dict[str, str]:
    """A candidate's value of every field."""
    extra = candidate.extra
    date = _YEAR.search(str(extra.get("objectDate") or candidate.published or ""))
    medium = re.split(r"[,;(]", str(extra.get("medium") or ""))[0].strip().casefold()
    by_field = {
        "source": candidate.source,
        "decade": str(extra.get("decade") or (f"{int(date[1]) // 10 * 10}s" if date else "")),
        "medium": medium,
        "style": str(extra.get("style") or "").strip().casefold(),
        "artist": (candidate.artist or "").strip().casefold(),
        "license": candidate.license or "",
    }
    return {name: value or UNKNOWN for name, value in by_field.items()}


def over_quota(faces: Iterable[tuple[str, Mapping[str, str]]], quotas: Mapping[str, int]) -> dict[str, str]:
    """The faces that have no room: id -> why.

    Args:
        faces: (id, its `values`).
        quotas: field -> faces of one value, at most.
    """
    counts: Counter[tuple[str, str]] = Counter()
    out: dict[str, str] = {}
    for id, fields in sorted(faces, key=lambda face: sha256_bytes(face[0].encode())):
        full = [name for name, most in quotas.items() if counts[name, fields[name]] >= most]
        if full:
            out[id] = ", ".join(f"{name} {fields[name]!r} has its {quotas[name]}" for name in full)
            continue
        counts.update((name, fields[name]) for name in quotas)
    return out

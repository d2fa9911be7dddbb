"""One row of a release's manifest: checked, and completed from its picture."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from aahq.hashes import phash64, phash_hex, pixel_sha256
from aahq.release.png import decode_png, encode_png
from aahq.release.schema import COLUMNS, DEFAULTS
from suite.errors import SuiteError
from suite.files import canonical_json, sha256_bytes

Picture = np.ndarray | bytes | None
# Of rows and of releases: both become names of files.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,89}")


def complete_row(row: Mapping[str, Any], picture: Picture, recipe: str) -> tuple[dict[str, Any], bytes | None]:
    """Check a row and fill in what follows from its picture."""
    full: dict[str, Any] = {**DEFAULTS, "recipe": recipe, **row, "file": "", "offset": 0}
    name = full.get("id", "")
    if unknown := full.keys() - COLUMNS.keys():
        raise SuiteError(f"release row {name!r}: no column {sorted(unknown)[0]!r}")
    if not NAME.fullmatch(name):
        raise SuiteError(f"release row {name!r}: id must be letters, digits, '.', '_' and '-', at most 90 of them")
    png = encode_png(picture) if isinstance(picture, np.ndarray) else picture
    if png is not None:
        full["sha256"] = full.get("sha256") or sha256_bytes(png)
        full["bytes"] = len(png)
        if not all(full.get(key) for key in ("pixel_sha256", "phash", "width", "height")):
            rgb = picture if isinstance(picture, np.ndarray) else decode_png(png)
            full |= {"pixel_sha256": pixel_sha256(rgb), "phash": phash64(rgb)}
            full["height"], full["width"] = rgb.shape[:2]
    full.setdefault("bytes", 0)
    full["cluster"] = full.get("cluster") or name
    if isinstance(full.get("phash"), int):
        full["phash"] = phash_hex(full["phash"])
    for column in ("landmarks", "factors", "tags", "consent", "quality"):
        if full[column] is not None and not isinstance(full[column], str):
            full[column] = canonical_json(full[column])
    missing = [column for column in COLUMNS if full.get(column) is None and not COLUMNS[column].nullable]
    if missing:
        raise SuiteError(f"release row {name!r}: {missing[0]!r} is missing")
    if full["domain"] not in ("art", "photo") or full["split"] not in ("train", "val", "test"):
        raise SuiteError(f"release row {name!r}: domain {full['domain']!r}, split {full['split']!r} are not known")
    return full, png

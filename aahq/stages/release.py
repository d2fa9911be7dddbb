"""Release stage: the `kept` faces of the ledger become a release; nothing in the ledger changes."""

from __future__ import annotations

import heapq
import json
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from operator import itemgetter
from pathlib import Path
from typing import Any

import numpy as np

from aahq.candidates import Candidate
from aahq.consent.decide import is_open
from aahq.consent.optouts import OptOuts
from aahq.images import decode
from aahq.ledger import Ledger
from aahq.reasons import Rejected, Rejection, guarded
from aahq.release.quotas import over_quota, values
from aahq.release.schema import REJECT_COLUMNS
from aahq.release.store import SHARD_BYTES, encode_png
from aahq.release.write import Written, write
from aahq.remove.shrink import kept_extras
from aahq.safety.screens import KNOWN
from aahq.stages.align import cut, recipe
from aahq.stages.quality import kept_thresholds
from aahq.stages.safety import coverage
from suite.errors import SuiteError, did_you_mean
from suite.files import digest, sha256_bytes, write_whole
from suite.progress import progress

NAME = "release"
# Faces that an error names.
SHOWN = 5
_KEPT = (
    "SELECT f.*, p.source, p.key, p.page_url, p.image_url, p.artist, p.title, p.license, p.published, p.candidate, "
    "p.consent, p.response_sha256, p.pixel_sha256 AS source_pixel_sha256, p.phash AS source_phash, "
    "p.file AS source_file, p.width AS source_width, p.height AS source_height "
    "FROM faces f JOIN pictures p ON p.id = f.picture WHERE f.state = 'kept' ORDER BY f.id"
)
# Who opted out is named nowhere, and nobody is shown the way to what a list of hashes names.
_REJECTED = (
    "SELECT p.id, p.source, p.key, p.page_url, p.image_url, p.artist, p.title, p.license, p.stage, p.reason, p.detail "
    "FROM pictures p WHERE p.state = 'rejected' AND p.reason NOT IN ('opted_out', 'listed') UNION ALL "
    "SELECT f.id, p.source, p.key, p.page_url, p.image_url, p.artist, p.title, p.license, f.stage, f.reason, f.detail "
    "FROM faces f JOIN pictures p ON p.id = f.picture WHERE f.state IN ('rejected', 'duplicate') "
    "AND p.reason NOT IN ('opted_out', 'listed') ORDER BY 1"
)


def run(
    ledger: Ledger,
    *,
    name: str,
    size: int,
    domain: str,
    optouts: OptOuts,
    out: Path | None = None,
    form: str = "folder",
    public: bool = False,
    shard_bytes: int | None = None,
    quotas: Mapping[str, int] | None = None,
    require: Sequence[str] = (),
) -> Written:
    """Write the release of what is kept.

    Args:
        ledger: the build's ledger.
        name: the release's name.
        size: side of the aligned pictures.
        domain: `art` or `photo`.
        optouts: the local opt-out list as it is now.
        out: the release's folder; `release` in the build's folder where None.
        form: `folder`, `shards` or `links`.
        public: for handing on: rows whose licence does not allow it keep their link and lose their picture.
        shard_bytes: the most that a shard holds.
        quotas: field -> faces of one value of it, at most; see `aahq.release.quotas`.
        require: screens that must have looked at every face.

    Raises:
        SuiteError: nothing is kept, a kept row is opted out, or a required screen did not look at it (exit code 1).
    """
    _refuse_unfinished(ledger)
    _set_aside_broken(ledger, domain, size)
    total = ledger.count("faces", "kept")
    if not total:
        raise SuiteError(
            f"OUT {ledger.folder}: no face is kept, nothing to release; see 'aahq report {ledger.folder}'", 1
        )
    _refuse_opted_out(ledger, optouts)

    left_out = over_quota(_values(ledger), quotas) if quotas else {}

    screens = coverage(ledger, [row["id"] for row in ledger.rows(_KEPT) if row["id"] not in left_out])
    _refuse_unscreened(ledger, screens, require)

    if form != "links":
        # Before the old release is touched.
        for row in ledger.rows(_KEPT):
            if not (ledger.folder / row["file"]).is_file():
                _png(ledger.folder, row)

    def rows() -> Iterator[tuple[dict[str, Any], bytes | None]]:
        for row in progress(ledger.rows(_KEPT), NAME, total, "faces"):
            if row["id"] in left_out:
                continue
            linked = form == "links" or (public and not is_open(row["license"]))
            yield _row(row, domain, size), None if linked else _png(ledger.folder, row)

    return write(
        out or ledger.folder / "release",
        rows(),
        name=name,
        recipe=recipe(size),
        size=size,
        form=form,
        rejects=heapq.merge(
            (dict(row) for row in ledger.rows(_REJECTED)), _over(ledger, left_out), key=itemgetter("id")
        ),
        card={
            "public": public,
            **({"quotas": dict(quotas)} if quotas else {}),
            "screens": {name: {**screen, "not_run": len(screen["not_run"])} for name, screen in screens.items()},
            "thresholds_sha256": _thresholds_digest(ledger),
        },
        extras=kept_extras(ledger.folder),
        shard_bytes=SHARD_BYTES if shard_bytes is None else shard_bytes,
    )


def count_quotas(ledger: Ledger, quotas: Mapping[str, int]) -> dict[str, Any]:
    """What a release with these quotas would keep: {"faces", "kept", "values"}, the last by field and value."""
    faces = list(_values(ledger))
    left_out = over_quota(faces, quotas)
    counts: dict[str, Counter[str]] = {name: Counter() for name in quotas}
    for _, given in (face for face in faces if face[0] not in left_out):
        for name in quotas:
            counts[name][given[name]] += 1
    return {
        "faces": len(faces),
        "kept": len(faces) - len(left_out),
        "values": {name: dict(sorted(count.items())) for name, count in counts.items()},
    }


def _values(ledger: Ledger) -> Iterator[tuple[str, dict[str, str]]]:
    for row in ledger.rows(_KEPT):
        yield row["id"], values(Candidate.from_json(row["candidate"]))


def _over(ledger: Ledger, left_out: Mapping[str, str]) -> Iterator[dict[str, str]]:
    for row in ledger.rows(_KEPT) if left_out else ():
        if row["id"] in left_out:
            known = dict(row)
            same = {name: known[name] for name in REJECT_COLUMNS if name in known}
            yield {**same, "stage": NAME, "reason": "over_quota", "detail": left_out[row["id"]]}


def _thresholds_digest(ledger: Ledger) -> str:
    """Names the thresholds by which the faces were judged."""
    limits = vars(kept_thresholds(ledger))
    return digest(
        {level: {name: str(float(value)) for name, value in named.items()} for level, named in limits.items()}
    )


def _refuse_unfinished(ledger: Ledger) -> None:
    """A release is of whole stages; pictures that a stopped crawl has not fetched yet may wait for the next release."""
    for table, states in (("pictures", ("fetched", "screened")), ("faces", ("found", "aligned", "unique"))):
        for state in states:
            if count := ledger.count(table, state):
                raise SuiteError(
                    f"OUT {ledger.folder}: {count} {table} are only {state}; run 'aahq build {ledger.folder}' to finish",
                    1,
                )


def _set_aside_broken(ledger: Ledger, domain: str, size: int) -> None:
    """Reject the kept faces whose rows make no row of a release; the others go on."""
    broken = []
    for row in ledger.rows(_KEPT):
        made = guarded(_row, row, domain, size)
        if isinstance(made, Rejection):
            broken.append((row["id"], made))
    with ledger.transaction():
        for id, why in broken:
            ledger.reject("faces", id, NAME, why.reason, why.detail, why.trace)


def _refuse_opted_out(ledger: Ledger, optouts: OptOuts) -> None:
    for row in ledger.rows(_KEPT):
        if blocked := optouts.blocks(
            Candidate.from_json(row["candidate"]), (row["response_sha256"], row["source_pixel_sha256"])
        ):
            raise SuiteError(
                f"release: {row['id']} is opted out ({blocked}); run 'aahq crawl {ledger.folder}' to drop what the list "
                "names, then 'aahq release' again",
                1,
            )


def _refuse_unscreened(ledger: Ledger, screens: Mapping[str, Mapping[str, Any]], require: Sequence[str]) -> None:
    for name in require:
        if name not in screens:
            hint = "" if name in KNOWN else did_you_mean(name, {**KNOWN, **screens})
            raise SuiteError(
                f"--require {name}: that screen is off{hint}; turn it on by 'aahq safety {ledger.folder} --screens FILE'",
                1,
            )
        if missing := screens[name]["not_run"]:
            shown = ", ".join(missing[:SHOWN]) + (", ..." if len(missing) > SHOWN else "")
            raise SuiteError(
                f"--require {name}: it did not look at {len(missing)} faces ({shown}); run 'aahq safety {ledger.folder}'",
                1,
            )


def _png(folder: Path, row: sqlite3.Row) -> bytes:
    """The face's file; one that the disk lost or changed is cut again."""
    path = folder / row["file"]
    with suppress(OSError):
        if sha256_bytes(png := path.read_bytes()) == row["sha256"]:
            return png
    with suppress(OSError, Rejected):
        rgb = decode.canonical(folder / row["source_file"]).rgb
        png = encode_png(cut(rgb, np.asarray(json.loads(row["landmarks"]), np.float32), row["size"])[0])
        if sha256_bytes(png) == row["sha256"]:
            write_whole(path, png)
            return png
    raise SuiteError(
        f"{path}: is lost or changed, and the picture that it was cut from too; 'aahq crawl {folder} --retry' fetches that "
        f"again, then run 'aahq build {folder}'",
        1,
    )


def _row(row: sqlite3.Row, domain: str, size: int) -> dict[str, Any]:
    candidate = Candidate.from_json(row["candidate"])
    local = candidate.local_path is not None
    if not row["consent"]:
        raise Rejected("no_evidence", "the ledger holds no evidence of consent")
    # Times stay in the ledger: two crawls of the same works make the same release.
    consent = [{key: value for key, value in check.items() if key != "time"} for check in json.loads(row["consent"])]
    if local:
        # Nobody else can use the paths of this machine; the key says which file of the folder it is.
        consent[0]["value"] = "chosen by the person from a folder of their own"
    same = (
        "id sha256 pixel_sha256 phash split cluster source key page_url artist title license published "
        "response_sha256 source_pixel_sha256 source_phash source_width source_height recipe landmarks detector"
    )
    return {
        **{column: row[column] for column in same.split()},
        "image_url": "" if local else row["image_url"],
        "domain": domain,
        "width": size,
        "height": size,
        "medium": str(candidate.extra.get("medium") or ""),
        "made": str(candidate.extra.get("objectDate") or ""),
        "tags": list(candidate.tags),
        "consent": consent,
        "face": row["number"],
        "quality": row["quality"] or "{}",
        "factors": candidate.extra.get("factors"),
    }

"""Rebuild a release from its manifest: fetch with consent asked anew, keep what is the same by a stated policy."""

from __future__ import annotations

import json
import re
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from aahq.candidates import FOLDER, Candidate
from aahq.crawl.process import FetchContext
from aahq.crawl.stage import CrawlTarget
from aahq.crawl.stage import run as crawl
from aahq.images import decode
from aahq.images.hashes import hamming, phash64, pixel_sha256
from aahq.ledger import Ledger, picture_id
from aahq.own import RELEASE, claim_build, refuse_source
from aahq.reasons import REASONS, Rejected, Rejection, guarded
from aahq.release.own import claim_release
from aahq.release.schema import MANIFEST, METADATA, REJECT_COLUMNS
from aahq.release.store import encode_png
from aahq.release.tables import read_rows
from aahq.release.write import Written, write
from aahq.remove.shrink import kept_extras, read_metadata
from aahq.remove.tombstones import Tombstones
from aahq.sources import SourcePage, Unusable
from aahq.stages.align import cut
from aahq.stages.engine import BATCH, Engine
from aahq.web.client import Http
from suite.errors import SuiteError, did_you_mean
from suite.files import write_json
from suite.ownership import real, refuse_overlap
from suite.progress import progress

POLICIES = ("exact", "pixel", "perceptual")
# Of 64 bits, over whole pictures: a re-encoded or resized file stays below, another picture does not.
DISTANCE = 8
_PAGE = 200
# Whoever is out on request is named in no table that is handed on.
NAMELESS = frozenset(("opted_out", "removed", "listed"))
_COMPUTED = frozenset(("file", "offset", "bytes", "sha256", "pixel_sha256", "phash", "width", "height"))
_RECORD = re.compile(r"stated by (https?://[^\s;]+)")
# A row, its picture's file or why there is none, and the file's digest.
Task = tuple[dict[str, Any], str | Rejection, str]
Result = tuple[dict[str, Any], str, bytes | Rejection]


@dataclass
class Survival:
    """What became of the manifest's rows.

    Attributes:
        counts: `alive` (the same under the policy), `changed` (there, and not the same), `gone` (not to be had) and
            `refused` (consent was withdrawn).
        reasons: reason -> rows, of those that are not alive.
        written: the release of those that are.
    """

    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    written: Written | None = None

    def as_dict(self) -> dict[str, Any]:
        """For `--json` and `rebuild.json`."""
        return {
            **{state: self.counts[state] for state in ("alive", "changed", "gone", "refused")},
            "rows": sum(self.counts.values()),
            "reasons": dict(sorted(self.reasons.items())),
            "manifest_sha256": self.written.manifest_sha256 if self.written else None,
        }


def rebuild(
    manifest: Path,
    ledger: Ledger,
    engine: Engine,
    terms: FetchContext,
    *,
    policy: str,
    folder: Path | None = None,
    connections: int = 8,
    form: str = "folder",
    removed: Tombstones | None = None,
) -> Survival:
    """Fetch what the manifest names, align it by the stored landmarks, and write the release of what is still the same.

    Args:
        manifest: a release's folder or its `manifest.parquet`.
        ledger: of the new folder, which remembers what was fetched: a killed rebuild goes on. The release goes into
            `release` in that folder, and `rebuild.json` beside it.
        engine: where pictures are decoded and aligned.
        terms: client, opt-outs and permissions, as for a crawl: consent is decided anew.
        policy: `exact` (the response's bytes), `pixel` (the decoded picture) or `perceptual` (its hash within 8 bits).
        folder: where the files of rows of the source `folder` lie now.
        connections: pictures fetched at the same time.
        form: of the new release.
        removed: what was taken out of the release since, which stays out.

    Raises:
        SuiteError: no manifest, a policy that is not known, or a folder that holds another build.
        Stop: a site ended it; the same call goes on.
    """
    if policy not in POLICIES:
        raise SuiteError(f"--policy: no {policy!r}{did_you_mean(policy, POLICIES)}")
    manifest = find_manifest(manifest)
    card = _card(manifest)
    _refuse_other_build(ledger, str(card["manifest_sha256"]))
    buried = removed or Tombstones()
    where = CrawlTarget("manifest", str(card["manifest_sha256"]), lambda: _Manifest(manifest, folder))
    crawl(ledger, where, terms, connections)
    survival = Survival()
    lost: list[dict[str, str]] = []

    def rows() -> Iterator[tuple[dict[str, Any], bytes]]:
        tasks = (_task(ledger, row, buried) for row in read_rows(manifest))
        batches = iter(lambda: list(islice(tasks, BATCH)), [])
        work = partial(_work, ledger.folder, policy)
        with progress(what="rebuild", total=card.get("count"), unit="faces") as bar:
            for row, state, result in chain.from_iterable(_in_order(engine, batches, work)):
                bar.update(1)
                survival.counts[state] += 1
                if isinstance(result, Rejection):
                    survival.reasons[result.reason] += 1
                    if result.reason not in NAMELESS:
                        lost.append(_lost(row, result))
                else:
                    yield row, result

    survival.written = write(
        ledger.folder / "release",
        rows(),
        name=str(card.get("name", "rebuilt")),
        recipe=str(card["recipe"]),
        size=int(card["size"]),
        form=form,
        rejects=lost,
        card={"rebuilt_from": card["manifest_sha256"], "policy": policy},
        extras=kept_extras(ledger.folder),
    )
    write_json(ledger.folder / "rebuild.json", {"policy": policy, **survival.as_dict()})
    return survival


class _Manifest:
    """A manifest as a source of candidates; the cursor is the number of rows done."""

    name = "manifest"
    uses: ClassVar[tuple[str, ...]] = ()
    local: ClassVar[bool] = True

    def __init__(self, manifest: Path, folder: Path | None) -> None:
        self.manifest = manifest
        self.folder = folder

    def pages(self, http: Http | None, cursor: str | None) -> Iterator[SourcePage]:
        done = int(cursor or 0)
        rows = islice(read_rows(self.manifest), done, None)
        while batch := list(islice(rows, _PAGE)):
            done += len(batch)
            candidates: list[Candidate] = []
            broken: list[Unusable] = []
            for row in batch:
                try:
                    candidates.append(_candidate(row, self.folder))
                except (ValueError, TypeError, KeyError) as error:
                    # The manifest is another's: what is wrong with one row is that row's.
                    what = " ".join(f"{type(error).__name__}: {error}".split())[:200]
                    broken.append(Unusable(row["key"], row["page_url"] or None, "bad_record", what))
            yield SourcePage(candidates, str(done), unusable=broken)


def find_manifest(given: Path) -> Path:
    """The manifest's file, given it, its release's folder, or the build's around that."""
    if given.is_dir() and not (given / MANIFEST).exists() and (given / RELEASE / MANIFEST).exists():
        return given / RELEASE / MANIFEST
    return given / MANIFEST if given.is_dir() else given


def refuse_places(manifest: Path, out: Path, folder: Path | None) -> None:
    """Refuse to write over the release that is read, or over the pictures that it was made of; before any work.

    Raises:
        SuiteError: naming both; or there is no manifest.
    """
    _card(manifest)
    refuse_overlap("OUT", out / RELEASE, "MANIFEST's release", manifest.parent)
    if real(manifest.parent) in (real(out), *real(out).parents):
        refuse_overlap("OUT", out, "MANIFEST's release", manifest.parent)
    if folder is not None:
        refuse_source(out, folder, "--folder")
    claim_build(out)
    claim_release("OUT", out / RELEASE)


def _refuse_other_build(ledger: Ledger, digest: str) -> None:
    rebuilt = {row["query"] for row in ledger.rows("SELECT query FROM cursors WHERE source = ?", (_Manifest.name,))}
    if (ledger.count("pictures") and not rebuilt) or rebuilt - {digest}:
        what = "another manifest's rebuild" if rebuilt else "a build of its own"
        raise SuiteError(f"OUT {ledger.folder}: holds {what}; give another folder")


def _card(manifest: Path) -> dict[str, Any]:
    path = manifest.parent / METADATA
    for file in (manifest, path):
        if not file.is_file():
            raise SuiteError(f"MANIFEST {file}: no such file; expected a release's folder or manifest.parquet in it")
    return read_metadata(path.parent)


def _lost(row: dict[str, Any], refusal: Rejection) -> dict[str, str]:
    same = {key: row[key] for key in REJECT_COLUMNS if key in row}
    return {**same, "stage": "rebuild", "reason": refusal.reason, "detail": refusal.detail}


def _candidate(row: dict[str, Any], folder: Path | None) -> Candidate:
    # A licence that a museum's record gave is asked for as the build did, without a page beside it.
    stated = (_RECORD.search(check["value"]) for check in json.loads(row["consent"]) if check["check"] == "licence")
    records = [match[1] for match in stated if match]
    extra: dict[str, Any] = {"license_record": records[0]} if records else {}
    urls = (row["image_url"],) if row["image_url"] else ()
    if row["source"] == FOLDER:
        if folder is None:
            raise SuiteError("--folder: the manifest has rows of local files; say where they are, as in --folder DIR")
        path = real(folder / row["key"])
        if not path.is_relative_to(real(folder)):
            raise ValueError(f"the key {row['key']!r} leads out of --folder")
        extra = {"path": str(path), "folder": str(folder)}
        urls = (path.as_uri(),)
    return Candidate(
        row["source"],
        row["key"],
        row["page_url"] or None,
        urls,
        artist=row["artist"] or None,
        title=row["title"],
        tags=tuple(json.loads(row["tags"])),
        license=row["license"] or None,
        published=row["published"] or None,
        extra=extra,
    )


def _task(ledger: Ledger, row: dict[str, Any], buried: Tombstones) -> Task:
    """A row with its fetched file and that file's digest, or with the refusal."""
    if buried.buries_row(row):
        return row, Rejection("removed", "taken out on request"), ""
    picture = ledger.db.execute(
        "SELECT state, reason, detail, file, response_sha256 FROM pictures WHERE id IN (?, ?)",
        # The second is how the crawl keeps a row that was no candidate.
        (picture_id(row["source"], row["key"]), picture_id(_Manifest.name, row["key"])),
    ).fetchone()
    if picture is None:
        return row, Rejection("removed", "taken out on request"), ""
    if picture["state"] == "rejected":
        return row, Rejection(picture["reason"], picture["detail"]), ""
    return row, str(picture["file"]), str(picture["response_sha256"])


def _work(root: Path, policy: str, tasks: list[Task]) -> list[Result]:
    return [_answer(root, policy, task) for task in tasks]


def _answer(root: Path, policy: str, task: Task) -> Result:
    made = guarded(_get, root, policy, task)
    return (task[0], "changed", made) if isinstance(made, Rejection) else made


def _get(root: Path, policy: str, task: Task) -> Result:
    """One row, its state, and the aligned face's PNG or why there is none."""
    row, file, response = task
    if isinstance(file, Rejection):
        return row, "refused" if REASONS[file.reason].withdrawn else "gone", file
    try:
        rgb = decode.canonical(root / file).rgb
    except Rejected as refused:
        return row, "changed", Rejection(refused.reason, refused.detail)
    if why := _differs(row, policy, response, rgb):
        return row, "changed", Rejection("changed", why)
    aligned, _ = cut(rgb, np.asarray(json.loads(row["landmarks"]), np.float32), row["width"])
    # What follows from the picture is computed anew by the writer.
    same = {key: value for key, value in row.items() if key not in _COMPUTED}
    return same, "alive", encode_png(aligned)


def _in_order(
    engine: Engine, batches: Iterator[list[Task]], work: Callable[[list[Task]], list[Result]]
) -> Iterator[list[Result]]:
    """Results in the order of the batches, with a bounded number in flight."""
    waiting: deque[Future[list[Result]]] = deque()
    for batch in batches:
        waiting.append(engine.executor.submit(work, batch))
        if len(waiting) >= engine.in_flight:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _differs(row: dict[str, Any], policy: str, response: str, rgb: np.ndarray) -> str:
    """Why the fetched picture is not the manifest's under the policy, or nothing."""
    if response == row["response_sha256"]:
        return ""
    if policy == "exact":
        return f"other bytes: {response[:16]}, not {row['response_sha256'][:16]}"
    if pixel_sha256(rgb) == row["source_pixel_sha256"]:
        return ""
    if policy == "pixel":
        return "other pixels"
    if rgb.shape[:2] != (row["source_height"], row["source_width"]):
        return (
            f"{rgb.shape[1]} x {rgb.shape[0]}, not {row['source_width']} x {row['source_height']}: landmarks do not fit"
        )
    distance = hamming(phash64(rgb), int(row["source_phash"], 16))
    return "" if distance <= DISTANCE else f"perceptual hash {distance} bits away > {DISTANCE}"

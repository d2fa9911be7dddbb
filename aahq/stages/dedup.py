"""Dedup stage, over the whole set: aligned faces become `unique` or `duplicate`, with cluster and split.

Pairs of near descriptors stay in the ledger, so that faces which are added are compared with all and nothing else is compared
again. A set that has not changed is not clustered again either.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np

from aahq.dedup.cluster import Clusters, assign_splits, find_clusters
from aahq.dedup.copy_model import SIMILARITY as COPY_SIMILARITY
from aahq.dedup.copy_model import CopyModel
from aahq.dedup.embedding import WIDTH
from aahq.dedup.faces import HOW, Faces, Links
from aahq.dedup.links import SIMILARITY, find_links
from aahq.dedup.rooms import HERE, Workshop, blocks, in_turn
from aahq.dedup.search import Embeddings, Pairs, near_embeddings
from aahq.images.decode import canonical
from aahq.ledger import Ledger
from aahq.own import ROOMS, clear_rooms
from aahq.reasons import Rejected, Rejection, guarded
from aahq.stages.descriptors import Descriptors
from aahq.stages.engine import Engine, SerialExecutor, StageStats, in_parts, stage_run
from suite.files import digest
from suite.pictures import DecodeLimits
from suite.progress import progress

NAME = "dedup"
SPLITS = {"train": 0.9, "val": 0.05, "test": 0.05}
# Raised when the same faces would be clustered otherwise.
METHOD = 2
# Links of a face that are told.
TOLD = 3
# Faces from which workers are worth what they are told, and up to which coordinates stay in memory where there are none.
SPREAD, IN_MEMORY = 20_000, 100_000
# Faces that a worker describes by the copy model at a time.
DESCRIBED = 16
# Everything that was aligned takes part, also what quality or a person refused: its copies belong to the same cluster.
TAKES_PART = (
    "(f.state IN ('aligned', 'unique', 'duplicate', 'kept') OR "
    "(f.state = 'rejected' AND f.stage IN ('quality', 'review')))"
)
# Scores that are no JSON are the quality stage's to refuse, not a reason to stop.
QUAD_SIDE = "CASE WHEN json_valid(f.quality) THEN json_extract(f.quality, '$.quad_side') END"
_FACES = (
    "SELECT f.id, f.picture, f.number, f.pixel_sha256, f.phash, f.phash_mirror, d.rowid AS place, d.compared, "
    f"length(d.embedding) AS bytes, {QUAD_SIDE} AS resolution, p.pixel_sha256 AS source_pixels, p.published "
    f"FROM faces f JOIN pictures p ON p.id = f.picture "
    f"LEFT JOIN descriptors d ON d.id = f.id WHERE {TAKES_PART} ORDER BY f.id"
)
_SET = "clustered"
_MODEL = "copy_model"


def run(ledger: Ledger, seed: int = 0, engine: Engine | None = None) -> StageStats:
    """Cluster the aligned faces and choose each cluster's keeper; one transaction. Nothing where nothing has changed.

    Args:
        ledger: the build's ledger.
        seed: of the splits.
        engine: whose workers do the parts of a large set; None: this process. The answer is the same.

    Raises:
        SuiteError: the copy model that the folder keeps is gone or another file.
    """
    model = kept_model(ledger)
    set_now = _set_now(ledger, seed)
    unchanged = ledger.get(_SET) == set_now and not ledger.count("faces", "aligned")
    total = 0 if unchanged else int(ledger.one(f"SELECT count(*) FROM faces f WHERE {TAKES_PART}"))
    engine = engine or Engine(SerialExecutor(), 1)
    with stage_run(ledger, NAME, total, "faces") as (stats, step):
        if unchanged:
            return stats
        read = _Read(ledger)
        read.refuse(stats)
        faces = read.faces()
        learned = None if model is None else _learned(ledger, faces, model, engine)
        with _workshop(ledger, engine, len(faces.ids)) as shop:
            faces.embeddings = _within_reach(faces.embeddings, shop)
            near = _near(
                ledger, "near_faces", faces.ids, faces.embeddings, np.array(read.fresh, bool), SIMILARITY, shop
            )
            step(len(faces.ids))
            copies = None
            if learned is not None:
                described, fresh = learned
                faces.learned, faces.learned_least = _within_reach(described, shop), COPY_SIMILARITY
                copies = _near(ledger, "near_copies", faces.ids, faces.learned, fresh, COPY_SIMILARITY, shop)
            links = find_links(faces, near, copies, shop)
            clusters = find_clusters(faces, links, shop)
        with ledger.transaction():
            _write(ledger, faces, links, clusters, seed, stats)
            ledger.put(_SET, _set_now(ledger, seed))
    return stats


@contextmanager
def _workshop(ledger: Ledger, engine: Engine, count: int) -> Iterator[Workshop]:
    """Where the parts are done: by the engine's workers where that is worth it, and what they share is in OUT."""
    alone = isinstance(engine.executor, SerialExecutor) or count < SPREAD
    if alone and count <= IN_MEMORY:
        yield HERE
        return
    clear_rooms(ledger.folder)
    folder = ledger.folder.absolute() / ROOMS
    folder.mkdir(exist_ok=True)
    try:
        yield Workshop(in_turn if alone else in_parts(engine), folder)
    finally:
        clear_rooms(ledger.folder)


def _within_reach(embeddings: Embeddings, shop: Workshop) -> Embeddings:
    """Where workers can read them: no process but this one reads the ledger."""
    return embeddings.stored(shop) if isinstance(embeddings, Descriptors) and not shop.here else embeddings


def _set_now(ledger: Ledger, seed: int) -> dict[str, Any]:
    ids = digest([row["id"] for row in ledger.rows(f"SELECT f.id FROM faces f WHERE {TAKES_PART} ORDER BY f.id")])
    model = ledger.get(_MODEL)
    return {"faces": ids, "seed": seed, "method": METHOD, "model": model["sha256"] if model else ""}


def choose_model(ledger: Ledger, path: Path | None, sha256: str | None) -> None:
    """Keep a copy model for this and later runs; None forgets the one that is kept.

    Raises:
        SuiteError: no such file, or another digest.
    """
    before = ledger.get(_MODEL)
    if path is None or sha256 is None:
        now = None
    else:
        now = {"path": str(path.absolute()), "sha256": CopyModel(path, sha256).sha256}
    with ledger.transaction():
        if (before or {}).get("sha256") != (now or {}).get("sha256"):
            ledger.db.execute("DELETE FROM copy_descriptors")
            ledger.db.execute("DELETE FROM near_copies")
        ledger.put(_MODEL, now)


def kept_model(ledger: Ledger) -> CopyModel | None:
    """The copy model that the folder keeps, checked by its digest."""
    kept = ledger.get(_MODEL)
    return None if kept is None else CopyModel(Path(kept["path"]), kept["sha256"])


def _learned(ledger: Ledger, faces: Faces, model: CopyModel, engine: Engine) -> tuple[Descriptors, np.ndarray]:
    """The copy model's descriptors, of faces that it has not seen too; bool (N,) which of them were never compared."""
    _drop_cut(ledger)
    known = {row["id"] for row in ledger.rows("SELECT id FROM copy_descriptors")}
    new = [id for id in faces.ids if id not in known]
    batches = (
        [(id, str(ledger.one("SELECT file FROM faces WHERE id = ?", (id,)))) for id in new[start:end]]
        for start, end in blocks(len(new), DESCRIBED)
    )
    work = partial(_describe, ledger.folder.absolute(), model.path, model.sha256)
    with progress(what="copy model", total=len(new), unit="faces") as bar:
        for described in in_parts(engine)(work, batches):
            with ledger.transaction():
                ledger.db.executemany(
                    "INSERT OR REPLACE INTO copy_descriptors (id, straight, mirrored) VALUES (?, ?, ?)", described
                )
            bar.update(len(described))
    rows = {
        row["id"]: (row["rowid"], row["compared"])
        for row in ledger.rows("SELECT rowid, id, compared FROM copy_descriptors")
    }
    places = np.array([rows.get(id, (0, 1))[0] for id in faces.ids], np.int64)
    fresh = np.array([not rows.get(id, (0, 1))[1] for id in faces.ids], bool)
    width = int(ledger.one("SELECT max(length(straight)) / 2 FROM copy_descriptors") or 1)
    return Descriptors(ledger, places, "copy_descriptors", "straight", width, "mirrored"), fresh


# A worker loads it once.
_copy_model = cache(CopyModel)


def _describe(folder: Path, path: Path, sha256: str, batch: list[tuple[str, str]]) -> list[tuple[str, bytes, bytes]]:
    """(id, float16 straight, float16 mirrored) of faces (id, file)."""
    out = []
    for id, file in batch:
        # A face whose file is lost is cut again by the release; until then only the other descriptors speak for it.
        with suppress(Rejected):
            straight, mirrored = _copy_model(path, sha256).describe(
                canonical(folder / file, DecodeLimits(min_side=1)).rgb
            )
            out.append((id, straight.astype(np.float16).tobytes(), mirrored.astype(np.float16).tobytes()))
    return out


def _drop_cut(ledger: Ledger) -> None:
    """Descriptors of another length than most are cut short, or of another model: those faces are described anew."""
    lengths = (
        "SELECT length(straight), length(mirrored) FROM copy_descriptors GROUP BY 1, 2 ORDER BY count(*) DESC, 1 DESC"
    )
    if most := ledger.db.execute(lengths).fetchone():
        ledger.db.execute(
            "DELETE FROM copy_descriptors WHERE (length(straight), length(mirrored)) != (?, ?)", tuple(most)
        )


@dataclass
class _Read:
    """The rows as columns; those that cannot be read are refused."""

    ledger: Ledger
    columns: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    fresh: list[bool] = field(default_factory=list)
    refused: list[tuple[str, Rejection]] = field(default_factory=list)

    def __post_init__(self) -> None:
        for row in self.ledger.rows(_FACES):
            read = guarded(_columns, row)
            if isinstance(read, Rejection):
                self.refused.append((row["id"], read))
                continue
            for name, value in read.items():
                self.columns[name].append(value)
            self.fresh.append(row["place"] is not None and not row["compared"])

    def refuse(self, stats: StageStats) -> None:
        """Reject what could not be read."""
        with self.ledger.transaction():
            for id, refusal in self.refused:
                self.ledger.reject("faces", id, NAME, refusal.reason, refusal.detail, refusal.trace)
                stats.drop(refusal.reason)

    def faces(self) -> Faces:
        """The faces, by rising id."""
        columns = self.columns
        return Faces(
            ids=columns["id"],
            pictures=columns["picture"],
            exact=columns["exact"],
            phash=np.array(columns["phash"], np.uint64),
            phash_mirror=np.array(columns["phash_mirror"], np.uint64),
            hashed=np.ones(len(columns["id"]), bool),
            resolution=columns["resolution"],
            when=columns["when"],
            embeddings=Descriptors(self.ledger, np.array(columns["place"], np.int64)),
        )


def _columns(row: Any) -> dict[str, Any]:
    if row["bytes"] not in (None, 2 * WIDTH):
        raise ValueError(f"its descriptor has {row['bytes']} bytes, not {2 * WIDTH}")
    return {
        "id": row["id"],
        "picture": row["picture"],
        "exact": (row["pixel_sha256"], f"{row['source_pixels']}#{row['number']}"),
        "phash": int(row["phash"], 16),
        "phash_mirror": int(row["phash_mirror"], 16),
        "resolution": float(row["resolution"] or 0.0),
        "when": row["published"],
        "place": row["place"] or 0,
    }


def _near(
    ledger: Ledger,
    table: str,
    ids: Sequence[str],
    embeddings: Embeddings,
    fresh: np.ndarray,
    least: float,
    shop: Workshop,
) -> Pairs:
    """All near pairs: those that earlier runs found, and those of the faces that are new, which are kept then.

    Args:
        table: `near_faces` or `near_copies`, which keeps them; its descriptors' table marks what was compared.
    """
    found = near_embeddings(embeddings, fresh, least, shop)
    new = [(ids[n],) for n in np.flatnonzero(fresh).tolist()]
    described = {"near_faces": "descriptors", "near_copies": "copy_descriptors"}[table]
    with ledger.transaction():
        ledger.db.executemany(f"DELETE FROM {table} WHERE a = ?1 OR b = ?1", new)
        rows = zip(found.i.tolist(), found.j.tolist(), found.flipped.tolist(), found.cosine.tolist())
        ledger.db.executemany(
            f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?, ?)",
            ((ids[i], ids[j], int(flipped), cosine) for i, j, flipped, cosine in rows),
        )
        ledger.db.executemany(f"UPDATE {described} SET compared = 1 WHERE id = ?", new)
    place = {id: number for number, id in enumerate(ids)}
    kept = [
        (place[row["a"]], place[row["b"]], row["cosine"], row["flipped"])
        for row in ledger.rows(f"SELECT a, b, cosine, flipped FROM {table} ORDER BY a, b, flipped")
        if row["a"] in place and row["b"] in place
    ]
    pairs = np.array(kept, np.float64).reshape(-1, 4)
    i, j = pairs[:, 0].astype(np.int64), pairs[:, 1].astype(np.int64)
    return Pairs(i, j, pairs[:, 2].astype(np.float32), pairs[:, 3].astype(bool))


def _write(ledger: Ledger, faces: Faces, links: Links, clusters: Clusters, seed: int, stats: StageStats) -> None:
    ids, why = faces.ids, _why(faces, links)
    splits = assign_splits({id: ids[first] for id, first in zip(ids, clusters.component)}, SPLITS, seed)

    def columns(face: int) -> tuple[Any, ...]:
        keeper = clusters.keeper[face]
        detail = f"of {ids[keeper]}: {why[face]}"
        judged = ("unique", "", "", "") if keeper == face else ("duplicate", NAME, "duplicate", detail)
        return (*judged, ids[clusters.cluster[face]], int(keeper == face), splits[ids[face]], why[face], ids[face])

    ledger.db.executemany(
        "UPDATE faces SET state = ?, stage = ?, reason = ?, detail = ?, cluster = ?, keeper = ?, split = ?, why = ?, "
        "flag = '' WHERE id = ?",
        map(columns, range(len(ids))),
    )
    sizes = Counter(clusters.cluster)
    stats.keep(len(sizes))
    for _ in range(len(ids) - len(sizes)):
        stats.drop("duplicate")
    stats.notes["clusters of several"] = sum(size > 1 for size in sizes.values())
    stats.notes["largest cluster"] = max(sizes.values(), default=0)


def _why(faces: Faces, links: Links) -> dict[int, str]:
    """face -> its first links, in words."""
    told: dict[int, list[str]] = defaultdict(list)
    for i, j, how, value in zip(links.i.tolist(), links.j.tolist(), links.how.tolist(), links.value.tolist()):
        for one, other in ((i, j), (j, i)):
            if len(told[one]) < TOLD:
                told[one].append(f"{HOW[how]} {value:.4g} to {faces.ids[other]}")
    return defaultdict(str, {face: ", ".join(words) for face, words in told.items()})

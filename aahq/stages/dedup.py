"""Dedup stage: the one that sees the whole set. Aligned faces become `unique` or `duplicate`, with cluster and split."""

from __future__ import annotations

import sqlite3
from collections import defaultdict

import numpy as np

from aahq.dedup.cluster import DedupIndex, Entry, assign_splits
from aahq.ledger import Ledger
from aahq.stages.engine import Tally, stage_run

NAME = "dedup"
SPLITS = {"train": 0.9, "val": 0.05, "test": 0.05}
# Everything that was aligned takes part, also what quality or a person refused: its copies belong to the same cluster.
TAKES_PART = (
    "(f.state IN ('aligned', 'unique', 'duplicate', 'kept') OR "
    "(f.state = 'rejected' AND f.stage IN ('quality', 'review')))"
)
# Scores that are no JSON are the quality stage's to refuse, not a reason to stop.
QUAD_SIDE = "CASE WHEN json_valid(f.quality) THEN json_extract(f.quality, '$.quad_side') END"
_FACES = (
    "SELECT f.id, f.picture, f.number, f.pixel_sha256, f.phash, f.phash_mirror, d.embedding, "
    f"{QUAD_SIDE} AS resolution, p.pixel_sha256 AS source_pixels, p.published "
    f"FROM faces f JOIN pictures p ON p.id = f.picture "
    f"LEFT JOIN descriptors d ON d.id = f.id WHERE {TAKES_PART} ORDER BY f.id"
)


def run(ledger: Ledger, seed: int = 0) -> Tally:
    """Cluster every aligned face anew and choose each cluster's keeper; one transaction.

    Args:
        ledger: the build's ledger.
        seed: of the splits.
    """
    total = int(ledger.one(f"SELECT count(*) FROM faces f WHERE {TAKES_PART}"))
    with stage_run(ledger, NAME, total, "faces") as (tally, step):
        index = DedupIndex()
        index.add(entry(row) for row in ledger.rows(_FACES))
        clusters = index.clusters()
        keepers = index.keepers()
        splits = assign_splits(clusters, SPLITS, seed)
        why: dict[str, list[str]] = defaultdict(list)
        for link in sorted(index.links):
            for one, other in ((link.a, link.b), (link.b, link.a)):
                if len(why[one]) < 3:
                    why[one].append(f"{link.how} {link.value:.4g} to {other}")
        with ledger.transaction():
            for id, cluster in sorted(clusters.items()):
                keeper = keepers[cluster] == id
                ledger.update(
                    "faces",
                    id,
                    state="unique" if keeper else "duplicate",
                    stage="" if keeper else NAME,
                    reason="" if keeper else "duplicate",
                    detail="" if keeper else f"of {keepers[cluster]}: " + ", ".join(why[id]),
                    cluster=cluster,
                    keeper=int(keeper),
                    split=splits[id],
                    flag="",
                )
                if keeper:
                    tally.keep()
                else:
                    tally.drop("duplicate")
                step(1)
        tally.notes["clusters of several"] = sum(size > 1 for size in _sizes(clusters).values())
    return tally


def _sizes(clusters: dict[str, str]) -> dict[str, int]:
    sizes: dict[str, int] = defaultdict(int)
    for cluster in clusters.values():
        sizes[cluster] += 1
    return sizes


def entry(row: sqlite3.Row) -> Entry:
    """What dedup compares, from a face's row."""
    return Entry(
        id=row["id"],
        picture=row["picture"],
        exact=(row["pixel_sha256"], f"{row['source_pixels']}#{row['number']}"),
        phash=int(row["phash"], 16),
        phash_mirror=int(row["phash_mirror"], 16),
        embedding=np.frombuffer(row["embedding"], np.float16).astype(np.float32),
        resolution=float(row["resolution"]),
        when=row["published"],
    )

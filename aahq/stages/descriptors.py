"""Descriptors that lie in the ledger, as dedup's embeddings."""

from __future__ import annotations

import numpy as np

from aahq.dedup.embedding import WIDTH, flip
from aahq.dedup.rooms import Room, Workshop, blocks
from aahq.dedup.search import Stored
from aahq.ledger import Ledger

# Copied out of the ledger at a time.
COPIED = 2048


class Descriptors:
    """`Embeddings` that lie in the ledger.

    Args:
        ledger: the build's ledger.
        places: int64 (N,) row numbers in the table; 0 where a face has none.
        table, column, width: where they are, as float16, and how many numbers each has.
        mirrored: the column of those of the mirrored faces; None where `flip` makes them.
    """

    def __init__(
        self,
        ledger: Ledger,
        places: np.ndarray,
        table: str = "descriptors",
        column: str = "embedding",
        width: int = WIDTH,
        mirrored: str | None = None,
    ) -> None:
        self._ledger, self._places = ledger, places
        self._table, self._column, self._width, self._mirrored = table, column, width, mirrored

    def __len__(self) -> int:
        return len(self._places)

    def rows(self, numbers: np.ndarray) -> np.ndarray:
        """float32 (k, D)."""
        return self._read(numbers, self._column)

    def mirrored(self, numbers: np.ndarray) -> np.ndarray:
        """float32 (k, D) of the faces flipped left to right."""
        return flip(self.rows(numbers)) if self._mirrored is None else self._read(numbers, self._mirrored)

    def stored(self, shop: Workshop) -> Stored:
        """The same where workers can open them."""
        columns = [self._column, *([] if self._mirrored is None else [self._mirrored])]
        rooms: list[Room] = []
        for column in columns:
            rooms.append(shop.room(np.float16, (len(self), self._width)))
            for start, end in blocks(len(self), COPIED):
                rooms[-1].put(start, self._read(np.arange(start, end), column))
        return Stored(*rooms)

    def _read(self, numbers: np.ndarray, column: str) -> np.ndarray:
        out = np.zeros((len(numbers), self._width), np.float32)
        places = self._places[numbers].tolist()
        for start in range(0, len(places), 500):
            part = places[start : start + 500]
            marks = ",".join("?" * len(part))
            found = dict(
                self._ledger.db.execute(
                    f"SELECT rowid, {column} FROM {self._table} WHERE rowid IN ({marks})", part
                ).fetchall()
            )
            for number, place in enumerate(part, start):
                if place in found:
                    out[number] = np.frombuffer(found[place], np.float16)
        return out

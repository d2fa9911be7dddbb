"""Pictures in the rows of Parquet files."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from models.data.identity import stamp_of
from models.data.plain import PlainPictures
from suite.errors import SuiteError


class ParquetPictures(PlainPictures):
    """Rows of Parquet files whose first picture column holds bytes, or a struct with a `bytes` field.

    A row comes with all pictures of its row group. `group_bytes`, the largest group's size on disk, says what a picture out of
    order costs; `models.data.unpacked` is the way round it.
    """

    def __init__(self, place: Path) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        super().__init__(place)
        self._files = sorted(place.glob("*.parquet")) if place.is_dir() else [place]
        self._where: list[tuple[int, int, int]] = []
        self._columns: list[str] = []
        self._last: deque[tuple[tuple[int, int], list[bytes]]] = deque(maxlen=2)
        self._lock = threading.Lock()
        self._stamps = [stamp_of(path.stat()) for path in self._files]
        self.group_bytes = self.total_bytes = 0
        for number, path in enumerate(self._files):
            try:
                source = pq.ParquetFile(path)
            except (pa.ArrowException, OSError) as error:
                raise SuiteError(f"--data {path}: not a whole Parquet file ({error})") from None
            self._columns.append(_picture_column(source.schema_arrow, path))
            names = _given_names(source, self._columns[-1])
            for group in range(source.num_row_groups):
                size = source.metadata.row_group(group).total_byte_size
                self.group_bytes, self.total_bytes = max(self.group_bytes, size), self.total_bytes + size
                for row in range(source.metadata.row_group(group).num_rows):
                    self._where.append((number, group, row))
                    own = next(names, None)
                    self.names.append(f"{path.name}#{own or f'{group}.{row}'}")

    def stamp(self, index: int) -> str:
        return self._stamps[self._where[index][0]]

    def read(self, index: int) -> bytes:
        number, group, row = self._where[index]
        with self._lock:
            # Two groups are kept: threads that read in order stand on both sides of a border.
            for place, rows in self._last:
                if place == (number, group):
                    return rows[row]
            self._last.append(((number, group), list(self._group(number, group))))
            return self._last[-1][1][row]

    def _group(self, number: int, group: int) -> Iterator[bytes]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            table = pq.ParquetFile(self._files[number]).read_row_group(group, columns=[self._columns[number]])
        except pa.ArrowException as error:
            raise OSError(f"a damaged row group ({error})") from None
        for value in table.column(0).to_pylist():
            yield (value["bytes"] if isinstance(value, dict) else value) or b""


def _given_names(source: Any, column: str) -> Iterator[str | None]:
    """The names that a struct of pictures carries in its field `path`, row by row; nothing where it has none."""
    import pyarrow as pa

    kind = source.schema_arrow.field(column).type
    if not pa.types.is_struct(kind) or kind.get_field_index("path") < 0:
        return
    if not pa.types.is_string(kind.field("path").type) and not pa.types.is_large_string(kind.field("path").type):
        return
    try:
        for batch in source.iter_batches(columns=[f"{column}.path"]):
            yield from (row and row["path"] for row in batch.column(0).to_pylist())
    except pa.ArrowException:
        # A damaged row group is said of its pictures.
        return


def _picture_column(schema: object, path: Path) -> str:
    import pyarrow as pa

    for field in schema:  # type: ignore[attr-defined]
        kind = field.type
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            return str(field.name)
        if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            return str(field.name)
    raise SuiteError(f"--data {path}: no column of picture bytes; known forms: binary, struct with a `bytes` field")

"""Pictures in the rows of Parquet files, which may say of themselves what they like."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from models.data.identity import stamp_of
from models.data.plain import PlainPictures, refuse_huge
from suite.errors import SuiteError
from suite.files import open_file
from suite.parquet import check_pages

# Kept of a row group: threads that read in order are a few rows apart.
KEPT_BYTES = 1 << 28
# The least that a row of a Parquet file takes there: here each has a name. No picture is as small.
ROW_BYTES = 16
NAME_LENGTH = 1000


class ParquetPictures(PlainPictures):
    """Rows of Parquet files whose first picture column holds bytes, or a struct with a `bytes` field.

    A row comes with all pictures of its row group, or, of a large one, with those before it. `group_bytes`, the largest
    group's size on disk, says what a picture out of order costs; `models.data.unpacked` is the way round it.
    """

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self._files = sorted(place.glob("*.parquet")) if place.is_dir() else [place]
        self._where: list[tuple[int, int, int]] = []
        self._columns: list[str] = []
        self._lock = threading.Lock()
        self._groups: OrderedDict[tuple[int, int], _Group] = OrderedDict()
        self._stamps = [stamp_of(path.stat()) for path in self._files]
        self.group_bytes = self.total_bytes = 0
        for number, path in enumerate(self._files):
            source = _opened(path)
            self._columns.append(_picture_column(source.schema_arrow, path))
            names = _given_names(path, source, self._columns[-1])
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
            if (number, group) not in self._groups:
                self._groups[number, group] = _Group(self._files[number], group, self._columns[number])
                if len(self._groups) > 2:
                    self._groups.popitem(last=False)
            return self._groups[number, group].read(row)


class _Group:
    """The pictures of one row group, read in order: all are kept where they are few bytes, else the last ones."""

    def __init__(self, path: Path, group: int, column: str) -> None:
        self._path, self._number, self._column = path, group, column
        self._begin()

    def _begin(self) -> None:
        self._rows = self._read()
        self._kept: OrderedDict[int, bytes] = OrderedDict()
        self._next = self._bytes = 0

    def read(self, row: int) -> bytes:
        """The bytes of a row; OSError where it is damaged."""
        if row < self._next and row not in self._kept:
            self._begin()
        while self._next <= row:
            data = next(self._rows, None)
            if data is None:
                raise OSError(f"a damaged row group: it ends after {self._next} rows")
            self._kept[self._next] = data
            self._bytes, self._next = self._bytes + len(data), self._next + 1
            while self._bytes > KEPT_BYTES and len(self._kept) > 1:
                _, gone = self._kept.popitem(last=False)
                self._bytes -= len(gone)
        return self._kept[row]

    def _read(self) -> Iterator[bytes]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        try:
            with open_file(self._path) as source, pq.ParquetFile(source) as table:
                wanted = (self._column, f"{self._column}.bytes")
                check_pages(source, table.metadata, self._number, wanted.__contains__)
                for batch in table.iter_batches(1, row_groups=[self._number], columns=[self._column]):
                    column = batch.column(0)
                    values = column.field("bytes") if pa.types.is_struct(column.type) else column
                    # Asked before it is copied.
                    refuse_huge(values.nbytes)
                    yield values[0].as_py() or b""
        except (pa.ArrowException, ValueError) as error:
            raise OSError(f"a damaged row group ({error})") from None


def _opened(path: Path) -> Any:
    """A `pyarrow.parquet.ParquetFile` whose footer may be believed."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        open_file(path).close()
        source = pq.ParquetFile(path)
        rows = [source.metadata.row_group(group).num_rows for group in range(source.num_row_groups)]
        if min(rows, default=0) < 0 or sum(rows) * ROW_BYTES > path.stat().st_size:
            raise ValueError(f"it says {sum(rows)} pictures in {path.stat().st_size} bytes")
    except (pa.ArrowException, OSError, ValueError) as error:
        raise SuiteError(f"--data {path}: not a whole Parquet file ({error})") from None
    return source


def _given_names(path: Path, source: Any, column: str) -> Iterator[str | None]:
    """The names that a struct of pictures carries in its field `path`, row by row; nothing where it has none."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    kind = source.schema_arrow.field(column).type
    if not pa.types.is_struct(kind) or kind.get_field_index("path") < 0:
        return
    if not pa.types.is_string(kind.field("path").type) and not pa.types.is_large_string(kind.field("path").type):
        return
    name = f"{column}.path"
    try:
        with path.open("rb") as file, pq.ParquetFile(file, read_dictionary=[name]) as table:
            for group in range(table.num_row_groups):
                check_pages(file, table.metadata, group, name.__eq__)
            for batch in table.iter_batches(columns=[name]):
                # As one text that many rows share: in the file it takes the place of one, too.
                paths = batch.column(0).field("path")
                texts = [text if text and len(text) <= NAME_LENGTH else None for text in paths.dictionary.to_pylist()]
                yield from (None if index is None else texts[index] for index in paths.indices.to_pylist())
    except (pa.ArrowException, ValueError):
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

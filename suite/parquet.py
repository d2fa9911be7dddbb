"""Parquet files of strangers, whose reading takes no more memory than they say of themselves.

A footer says what a column unpacks to, and so does each of its pages, whose word Arrow takes. So the pages are added up before
Arrow reads them. Format: https://github.com/apache/parquet-format (parquet.thrift, `PageHeader`) in
Thrift's compact protocol.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from suite.files import open_file

if TYPE_CHECKING:
    import pyarrow as pa

# Rows of a table that are read at once, and the most that they and a row group may take. Rows of a release are some kB.
BATCH_ROWS, BATCH_MAX, GROUP_MAX = 512, 1 << 26, 1 << 28


# Bytes that a page's header is looked for in; it holds the page's smallest and largest value. Arrow reads at most the last.
_HEADS = (1 << 10, 1 << 16, 1 << 24)
# Thrift's compact types.
_TRUE, _FALSE, _BYTE, _INTEGERS, _DOUBLE, _BINARY, _LISTS, _STRUCT = 1, 2, 3, (4, 5, 6), 7, 8, (9, 10), 12
_DEEPEST = 16


class RefusedTableError(ValueError):
    """A table whose reading could fill the memory."""


def read_batches(path: Path | IO[bytes], columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """The rows of a table, `BATCH_ROWS` at a time; texts come as dictionaries, so that equal ones take the place of one.

    Args:
        columns: the only ones read; all where None.

    Raises:
        RefusedTableError: rows that would fill the memory: a long text that many rows share takes no place in the file.
        OSError, pyarrow.ArrowException: as Arrow reads it.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with open_file(path) if isinstance(path, Path) else nullcontext(path) as source:
        schema = pq.read_schema(source)
        wanted = [field for field in schema if columns is None or field.name in columns]
        if odd := [field for field in wanted if pa.types.is_nested(field.type) or pa.types.is_binary(field.type)]:
            raise RefusedTableError(f"a column {odd[0].name!r} of {odd[0].type}; this is no table of a release")
        texts = [
            field.name for field in schema if pa.types.is_string(field.type) or pa.types.is_large_string(field.type)
        ]
        table = pq.ParquetFile(source, read_dictionary=texts)
        for number in range(table.num_row_groups):
            if table.metadata.row_group(number).total_byte_size > GROUP_MAX:
                raise RefusedTableError(f"a row group of more than {GROUP_MAX >> 20} MiB; write it in smaller groups")
            check_pages(source, table.metadata, number, {field.name for field in wanted}.__contains__)
        for batch in table.iter_batches(BATCH_ROWS, columns=None if columns is None else list(columns)):
            if sum(map(text_bytes, batch.columns)) > BATCH_MAX:
                raise RefusedTableError(
                    f"{BATCH_ROWS} rows of more than {BATCH_MAX >> 20} MiB; this is no table of a release"
                )
            yield batch


def text_bytes(column: pa.Array) -> int:
    """What a column's texts take where each row has one of its own."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not pa.types.is_dictionary(column.type):
        return 0
    lengths = pc.binary_length(column.dictionary)
    return int(pc.sum(lengths.take(column.indices)).as_py() or 0)


def check_pages(source: IO[bytes], metadata: Any, group: int, wanted: Callable[[str], bool]) -> None:
    """Refuse a row group of which some column unpacks to more than the footer says.

    Args:
        source: the file, which may be left at any position.
        metadata: its `pyarrow.parquet.FileMetaData`.
        wanted: whether a column, by its dotted path, will be read.

    Raises:
        RefusedTableError: a column does, or its pages cannot be followed.
    """
    found = metadata.row_group(group)
    for column in (found.column(number) for number in range(found.num_columns)):
        name, said = column.path_in_schema, column.total_uncompressed_size
        if wanted(name) and (total := sum(_page_sizes(source, column))) > said:
            raise RefusedTableError(f"column {name!r} unpacks to {total} bytes, and the file says {said}")


def _page_sizes(source: IO[bytes], column: Any) -> Iterator[int]:
    """What each page of a column's chunk unpacks to."""
    first = column.dictionary_page_offset
    at = column.data_page_offset if not first else min(first, column.data_page_offset)
    end = at + column.total_compressed_size
    while at < end:
        header, unpacked, packed = _page_header(source, at)
        if unpacked < 0 or packed < 0:
            raise RefusedTableError("a page of a size below zero")
        yield unpacked
        at += header + packed


def _page_header(source: IO[bytes], at: int) -> tuple[int, int, int]:
    """Bytes of the header at a place of the file, of the page unpacked, and packed."""
    for most in _HEADS:
        source.seek(at)
        data = source.read(most)
        try:
            reader = _Compact(data)
            fields = dict(reader.fields())
        except IndexError:
            if len(data) < most:
                break
            continue
        unpacked, packed = fields.get(2), fields.get(3)
        if unpacked is None or packed is None:
            break
        return reader.at, unpacked, packed
    raise RefusedTableError("a damaged page")


class _Compact:
    """A struct of Thrift's compact protocol, of which only whole numbers are kept.

    Raises:
        IndexError: the bytes end before it does.
        RefusedTableError: no such struct.
    """

    def __init__(self, data: bytes) -> None:
        self._data, self.at = data, 0

    def fields(self, depth: int = 0) -> Iterator[tuple[int, int | None]]:
        """(number, value) of each field; the value of what is no whole number is None."""
        if depth > _DEEPEST:
            raise RefusedTableError("nested too deeply")
        number = 0
        while (head := self._byte()) & 15:
            number = number + (head >> 4) if head >> 4 else self._integer()
            yield number, self._value(head & 15, depth)

    def _value(self, kind: int, depth: int, in_list: bool = False) -> int | None:
        if kind in _INTEGERS:
            return self._integer()
        if kind in (_TRUE, _FALSE, _BYTE):
            self._skip(1 if in_list or kind == _BYTE else 0)
        elif kind == _DOUBLE:
            self._skip(8)
        elif kind == _BINARY:
            self._skip(self._unsigned())
        elif kind in _LISTS:
            head = self._byte()
            for _ in range(head >> 4 if head >> 4 != 15 else self._unsigned()):
                self._value(head & 15, depth + 1, in_list=True)
        elif kind == _STRUCT:
            for _ in self.fields(depth + 1):
                pass
        else:
            raise RefusedTableError(f"Thrift type {kind}, which no page's header has")
        return None

    def _integer(self) -> int:
        value = self._unsigned()
        return value >> 1 if value % 2 == 0 else -(value >> 1) - 1

    def _unsigned(self) -> int:
        value = shift = 0
        while True:
            byte = self._byte()
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7
            if shift > 63:
                raise RefusedTableError("a number of more than 64 bits")

    def _byte(self) -> int:
        self._skip(1)
        return self._data[self.at - 1]

    def _skip(self, count: int) -> None:
        if self.at + count > len(self._data):
            raise IndexError
        self.at += count

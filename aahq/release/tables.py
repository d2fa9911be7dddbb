"""Parquet with every option fixed: the same rows are the same bytes, and memory holds one row group at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from aahq.release.schema import Column, arrow_schema
from suite.errors import SuiteError

# Rows held before they are written: some 10 MB of landmarks and addresses.
GROUP_ROWS = 4096
# Read at once, and the most that they and a row group may take. Rows of a release are some kB.
BATCH_ROWS, BATCH_MAX, GROUP_MAX = 512, 1 << 26, 1 << 28


class TableWriter:
    """Appends rows to one Parquet file, a row group at a time."""

    def __init__(self, path: Path, columns: Mapping[str, Column]) -> None:
        self.schema = arrow_schema(dict(columns))
        self.rows: list[dict[str, Any]] = []
        self.count = 0
        self._out = pq.ParquetWriter(
            path,
            self.schema,
            version="2.6",
            data_page_version="1.0",
            compression="zstd",
            compression_level=3,
            use_dictionary=True,
            write_statistics=True,
            store_schema=False,
        )

    def add(self, row: dict[str, Any]) -> None:
        """Append one row, which has every column."""
        self.rows.append(row)
        self.count += 1
        if len(self.rows) >= GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self.rows:
            self._out.write_table(pa.Table.from_pylist(self.rows, schema=self.schema))
            self.rows = []

    def close(self) -> None:
        """Write what is left, and the footer."""
        self._flush()
        self._out.close()


@contextmanager
def table_writer(path: Path, columns: Mapping[str, Column]) -> Iterator[TableWriter]:
    """A `TableWriter` on `path`, closed at the end."""
    writer = TableWriter(path, columns)
    try:
        yield writer
    finally:
        writer.close()


def read_rows(path: Path | IO[bytes], columns: Sequence[str] | None = None) -> Iterator[dict[str, Any]]:
    """The rows of a Parquet file as dicts, in order, some at a time; memory has a bound whoever wrote the file.

    Args:
        columns: the only ones read; all where None. Landmarks and evidence are most of a row.

    Raises:
        SuiteError: a few rows that would fill the memory: a long text that many rows share takes no place in the file.
    """
    texts = [field.name for field in pq.read_schema(path) if pa.types.is_string(field.type)]
    with pq.ParquetFile(path, read_dictionary=texts) as table:
        groups = table.metadata
        if any(groups.row_group(n).total_byte_size > GROUP_MAX for n in range(groups.num_row_groups)):
            raise SuiteError(f"{path}: a row group of more than {GROUP_MAX >> 20} MiB; write it in smaller groups")
        for batch in table.iter_batches(BATCH_ROWS, columns=None if columns is None else list(columns)):
            if sum(map(_text_bytes, batch.columns)) > BATCH_MAX:
                raise SuiteError(
                    f"{path}: {BATCH_ROWS} rows of more than {BATCH_MAX >> 20} MiB; this is no table of a release"
                )
            yield from batch.to_pylist()


def _text_bytes(column: pa.Array) -> int:
    """What a column's texts take as Python strings; each row has one of its own."""
    if not pa.types.is_dictionary(column.type):
        return 0
    lengths = pc.binary_length(column.dictionary)
    return int(pc.sum(lengths.take(column.indices)).as_py() or 0)

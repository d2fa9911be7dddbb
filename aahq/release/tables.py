"""Parquet with every option fixed: the same rows are the same bytes, and memory holds one row group at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from aahq.release.schema import Column, arrow_schema
from suite.errors import SuiteError
from suite.parquet import RefusedTableError, read_batches

# Rows held before they are written: some 10 MB of landmarks and addresses.
GROUP_ROWS = 4096


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
        SuiteError: a few rows that would fill the memory.
    """
    try:
        for batch in read_batches(path, columns):
            yield from batch.to_pylist()
    except RefusedTableError as error:
        raise SuiteError(f"{path}: {error}") from None

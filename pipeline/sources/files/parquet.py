"""Parquet: each row as a JSON object."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator
from typing import Any, BinaryIO

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.parquet as pq  # type: ignore[import-untyped]

from pipeline.sources.files.entries import JSON, MB, Broken, Entry, InputFile, Maker, ReadOptions
from pipeline.sources.files.opening import CHUNK_BYTES, REMOTE, Stored, open_stored
from pipeline.sources.files.rows import to_json

MAGIC = b"PAR1"
_LENGTH_BYTES = 4
# At the beginning and at the end, with the length of the footer before that one.
_LEAST_BYTES = 2 * len(MAGIC) + _LENGTH_BYTES
# Rows that are in memory at a time: as many as have so many bytes; more are no faster to read.
BATCH_BYTES = 8 * MB
MAX_BATCH_ROWS = 1_000
# Names and statistics in the footer: as many as it could have in max_footer_bytes at most.
_THRIFT_ITEMS = 10_000_000


def read_parquet(
    file: InputFile, stored: Stored, maker: Maker, options: ReadOptions
) -> Iterator[Entry]:
    """One entry for each row; one for the rest of a row group that cannot be read.

    A Parquet file is read from its end, so one that is torn gives nothing but a problem, and one
    that is compressed as a whole, or in a store, is written to a temporary file first.
    """
    if not stored.data.peek(1) and stored.failure is None:
        return
    try:
        with contextlib.ExitStack() as stack:
            plain = stack.enter_context(_seekable(file, stored, options))
            table = _opened(plain, options)
            yield from _rows(table, maker, options, file.size)
    except Exception as error:  # noqa: BLE001 - becomes an entry, whatever pyarrow or the store raised
        if maker.mine():
            yield maker.failed("the footer", b"", stored.failure or error, stored.position)


@contextlib.contextmanager
def _seekable(file: InputFile, stored: Stored, options: ReadOptions) -> Iterator[BinaryIO]:
    # Of a store each jump would fetch megabytes: several times what the file has in all.
    if not stored.compressed and not REMOTE.match(file.path):
        with open_stored(file.path) as opened:
            yield opened
        return
    with tempfile.TemporaryFile() as spooled:
        size = 0
        while chunk := stored.data.read(CHUNK_BYTES):
            size += len(chunk)
            if size > options.max_spooled_bytes:
                raise Broken(
                    "too_large", f"it has more than {options.max_spooled_bytes} bytes, expanded"
                )
            spooled.write(chunk)
        if stored.failure is not None:
            raise stored.failure
        spooled.seek(0)
        yield spooled


def _opened(file: BinaryIO, options: ReadOptions) -> Any:
    """The table, its footer read and found to be of bearable size."""
    size = file.seek(0, 2)
    file.seek(0)
    if file.read(len(MAGIC)) != MAGIC:
        raise Broken("unreadable_file", "it is no Parquet file")
    if size < _LEAST_BYTES:
        raise Broken("torn_file", "it ends before its footer: it was cut off")
    file.seek(size - _LENGTH_BYTES - len(MAGIC))
    length, magic = int.from_bytes(file.read(_LENGTH_BYTES), "little"), file.read(len(MAGIC))
    if magic != MAGIC or length > size - _LEAST_BYTES:
        raise Broken("torn_file", "it does not end with a footer: it was cut off")
    if length > options.max_footer_bytes:
        raise Broken("too_large", f"its footer has more than {options.max_footer_bytes} bytes")
    file.seek(0)
    limits = {
        "thrift_string_size_limit": options.max_footer_bytes,
        "thrift_container_size_limit": _THRIFT_ITEMS,
    }
    metadata = pq.ParquetFile(pa.PythonFile(file, mode="r"), **limits).metadata
    if metadata.num_columns > options.max_columns:
        raise Broken("too_large", f"it has more than {options.max_columns} columns")
    columns = [metadata.schema.column(index) for index in range(metadata.num_columns)]
    file.seek(0)
    return pq.ParquetFile(
        pa.PythonFile(file, mode="r"),
        metadata=metadata,
        # A value that is repeated is held once: in few bytes a long one may be repeated forever.
        read_dictionary=[
            column.path
            for column in columns
            if column.physical_type == "BYTE_ARRAY" and column.path == column.name
        ],
        # Pages are read as they are needed, not a whole row group at once.
        buffer_size=CHUNK_BYTES,
        pre_buffer=False,
        **limits,
    )


def _rows(table: Any, maker: Maker, options: ReadOptions, size: int) -> Iterator[Entry]:
    number = 0
    total = max(1, table.metadata.num_rows)
    for group in range(table.num_row_groups):
        first = number
        problem: Exception | None = None
        try:
            batches = table.iter_batches(
                batch_size=_batch_rows(table, group), row_groups=[group], use_threads=False
            )
            for batch in batches:
                names = batch.schema.names
                columns = [batch.column(index) for index in range(batch.num_columns)]
                for row in range(batch.num_rows):
                    number += 1
                    if maker.mine():
                        position = size * min(number, total) // total
                        yield _entry(names, columns, row, number, position, maker, options)
        except Exception as error:  # noqa: BLE001 - becomes an entry, whatever pyarrow raised
            problem = error
        if problem is not None:
            if maker.mine():
                position = size * min(number, total) // total
                where = f"row group {group + 1} (from record {number + 1})"
                yield maker.broken(where, b"", position, "torn_file", problem)
            number = max(number, first + table.metadata.row_group(group).num_rows)


def _batch_rows(table: Any, group: int) -> int:
    """How many rows of a row group to hold at a time."""
    described = table.metadata.row_group(group)
    row_bytes = max(1, described.total_byte_size // max(1, described.num_rows))
    return int(min(max(BATCH_BYTES // row_bytes, 1), MAX_BATCH_ROWS))


def _entry(
    names: list[str],
    columns: list[Any],
    row: int,
    number: int,
    position: int,
    maker: Maker,
    options: ReadOptions,
) -> Entry:
    where = f"record {number}"
    try:
        values = {name: column[row].as_py() for name, column in zip(names, columns, strict=True)}
        data = to_json(values, options.max_message_bytes)
    except (Broken, ValueError, OverflowError, pa.ArrowException) as error:
        error_type = error.error_type if isinstance(error, Broken) else "bad_row"
        return maker.broken(where, b"", position, error_type, error)
    return maker.entry(where, data, position, content_type=JSON)

"""The frame of an Avro file: header, schema and blocks, none of them larger than it may be.

fastavro believes a file: it reads as many bytes as a length says, expands a block whatever comes
of it, and follows a schema that holds itself as deep as the data go.
"""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from pipeline import avro_bytes
from pipeline.avro_bytes import MAGIC, MAX_SCHEMA_DEPTH, SYNC_BYTES, TooLong, Torn, last
from pipeline.sources.files.entries import MB, Broken
from pipeline.sources.files.expanding import AVRO_CODECS
from pipeline.sources.files.opening import CHUNK_BYTES, Data

MAX_HEADER_BYTES = 4 * MB


@contextlib.contextmanager
def _as_broken() -> Iterator[None]:
    try:
        yield
    except Torn as error:
        raise Broken("torn_file", str(error)) from error


class Header(NamedTuple):
    """What an Avro file says of itself."""

    schema: Any
    codec: str
    sync: bytes


class Block(NamedTuple):
    """A block as it is stored: how many records it says it has, and its bytes."""

    records: int
    data: bytes


class Marked:
    """A file in which one can go on behind a mark."""

    def __init__(self, file: Data) -> None:
        self._file = file
        self._ahead = io.BytesIO()

    def read(self, size: int) -> bytes:
        data = self._ahead.read(size)
        return data if len(data) == size else data + self._file.read(size - len(data))

    def go_behind(self, mark: bytes) -> bool:
        """Goes behind the next `mark`; False, and to the end, where there is none."""
        tail = b""
        while chunk := self.read(CHUNK_BYTES):
            window = tail + chunk
            found = window.find(mark)
            if found >= 0:
                rest = window[found + len(mark) :] + self._ahead.read()
                self._ahead = io.BytesIO(rest)
                return True
            tail = window[1 - len(mark) :]
        return False


def read_header(file: Marked, max_columns: int) -> Header:
    """The header of an Avro file, its schema found harmless.

    Raises:
        Broken: torn_file, unreadable_file.
    """
    with _as_broken():
        magic = file.read(len(MAGIC))
        if magic != MAGIC:
            if magic == MAGIC[: len(magic)]:
                raise avro_bytes.cut_off()
            raise Broken("unreadable_file", "it is no Avro file")
        entries = _map(file)
    codec = entries.get("avro.codec", b"null").decode("ascii", "replace")
    if codec not in AVRO_CODECS:
        raise Broken(
            "unreadable_file", f"its codec {codec[:40]!a} is none of {', '.join(AVRO_CODECS)}"
        )
    try:
        schema = json.loads(entries.get("avro.schema", b""))
    except (ValueError, RecursionError) as error:
        raise Broken("unreadable_file", "its schema is not JSON") from error
    if not isinstance(schema, dict) or schema.get("type") != "record":
        raise Broken("unreadable_file", "its schema is not that of a record")
    check_schema(schema, max_columns)
    with _as_broken():
        return Header(schema, codec, avro_bytes.exactly(file, SYNC_BYTES))


def _map(file: Marked) -> dict[str, bytes]:
    try:
        return avro_bytes.header(file, MAX_HEADER_BYTES)
    except TooLong as error:
        raise Broken(
            "unreadable_file", f"its header has more than {MAX_HEADER_BYTES} bytes"
        ) from error


def read_block(file: Marked, header: Header, most: int) -> Block | None:
    """The next block; None at the end.

    Raises:
        Broken: torn_file; too_large, where it has more than `most` bytes.
    """
    first = file.read(1)
    if not first:
        return None
    with _as_broken():
        records = avro_bytes.long(file, first)
        size = avro_bytes.long(file)
        if records < 0 or size < 0:
            raise Torn("a block has a size below zero: the file is damaged")
        if size > most:
            raise Broken("too_large", f"a block has {size} bytes, more than {most}")
        data = avro_bytes.exactly(file, size)
        if avro_bytes.exactly(file, SYNC_BYTES) != header.sync:
            raise Torn("a block does not end with the mark of the file")
    return Block(records, data)


# --- the schema ---------------------------------------------------------------------------------


def check_schema(schema: Any, max_columns: int) -> None:
    """Refuses a schema by which few bytes could be endless data.

    Those are a type that holds itself (the data say how deep), a list or a record of what takes no
    bytes (a number says how many), and a record of too many fields.

    Raises:
        Broken: unreadable_file.
    """
    _check(schema, (), max_columns)


def _check(schema: Any, inside: tuple[str, ...], max_columns: int, depth: int = 0) -> bool:
    """Whether a value of this type has at least one byte.

    Raises:
        Broken: unreadable_file.
    """
    if depth > MAX_SCHEMA_DEPTH:
        raise Broken("unreadable_file", f"its schema is nested more than {MAX_SCHEMA_DEPTH} deep")
    if isinstance(schema, str):
        name = last(schema)
        if name in inside:
            raise Broken("unreadable_file", f"its type {name[:60]!a} holds itself")
        return schema != "null"
    if isinstance(schema, list):
        for branch in schema:
            _check(branch, inside, max_columns, depth + 1)
        return True
    if not isinstance(schema, dict):
        raise Broken("unreadable_file", "its schema has a type that is none")
    kind = schema.get("type")
    if kind in ("record", "error"):
        inside = (*inside, last(str(schema.get("name"))))
        some = [_check(t, inside, max_columns, depth + 1) for t in _fields(schema, max_columns)]
        if not any(some):
            raise Broken("unreadable_file", "its schema has a record that takes no bytes")
        return True
    if kind in ("array", "map"):
        items = schema.get("items" if kind == "array" else "values")
        if not _check(items, inside, max_columns, depth + 1):
            raise Broken("unreadable_file", "its schema has a list of what takes no bytes")
        return True
    if kind == "fixed":
        if schema.get("size") == 0:
            raise Broken("unreadable_file", "its schema has a type that takes no bytes")
        return True
    return kind == "enum" or _check(kind, inside, max_columns, depth + 1)


def _fields(schema: dict[str, Any], max_columns: int) -> Iterator[Any]:
    fields = schema.get("fields")
    if not isinstance(fields, list) or not all(isinstance(field, dict) for field in fields):
        raise Broken("unreadable_file", "its schema has a record without fields")
    if len(fields) > max_columns:
        raise Broken("unreadable_file", f"its schema has more than {max_columns} fields")
    return (field.get("type") for field in fields)

"""What an Avro file must be before fastavro is let near it.

fastavro believes a file: it reads as many bytes as a length says, expands a block whatever comes
of it, passes over snappy's checksum and takes what an item is made of from the file's own schema.
A file that is damaged, or made to do harm, could then take all memory, never end, or be read as
something else. `check` reads the frame alone and refuses such a file, at a cost that the limits
and the file's size bound.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from backports import zstd
from cramjam import snappy

from pipeline import avro_bytes
from pipeline.avro_bytes import MAGIC, MAX_SCHEMA_DEPTH, SYNC_BYTES, TooLong, Torn, last

# Ours is a tenth of it.
MAX_HEADER_BYTES = 1_000_000
# A block of ours has 256 KB or one record; the largest message becomes far less than this.
MAX_BLOCK_BYTES = 128_000_000
CODECS = ("null", "deflate", "snappy", "zstandard")


def check(path: Path, max_block_bytes: int = MAX_BLOCK_BYTES) -> None:
    """Reads the frame of the Avro file at `path`: header, schema, every block and its checksum.

    Args:
        max_block_bytes: of a block, compressed or expanded.

    Raises:
        ValueError: it is damaged, or passes a limit.
        OSError: it cannot be read.
    """
    try:
        _check_frame(path, max_block_bytes)
    except (Torn, TooLong) as error:
        # Who reports it says what kind of error it is, and these are nobody's business.
        raise ValueError(str(error)) from error


def _check_frame(path: Path, max_block_bytes: int) -> None:
    with path.open("rb") as file:
        if file.read(len(MAGIC)) != MAGIC:
            raise ValueError("it is no Avro file")
        header = avro_bytes.header(file, MAX_HEADER_BYTES)
        codec = header.get("avro.codec", b"null").decode("ascii", "replace")
        if codec not in CODECS:
            raise ValueError(f"its codec {codec[:40]!r} is none of {', '.join(CODECS)}")
        _check_schema(header.get("avro.schema", b""))
        sync = avro_bytes.exactly(file, SYNC_BYTES)
        while first := file.read(1):
            records = avro_bytes.long(file, first)
            data = avro_bytes.exactly(file, avro_bytes.length(file, max_block_bytes))
            # A record of ours takes a byte at least, which `_check_schema` makes sure of.
            if not 0 <= records <= _expand(codec, data, max_block_bytes):
                raise ValueError(f"a block says that it has {records} records")
            if avro_bytes.exactly(file, SYNC_BYTES) != sync:
                raise ValueError("a block does not end with the file's sync marker")


def _expand(codec: str, data: bytes, most: int) -> int:
    """How many bytes a block is, expanded. Raises ValueError, or what the codec raises."""
    if codec == "null":
        return len(data)
    if codec == "snappy":
        body, crc = data[:-4], data[-4:]
        if len(crc) < 4 or snappy.decompress_raw_len(body) > most:
            raise ValueError(f"a block expands to more than {most} bytes")
        expanded = bytes(snappy.decompress_raw(body))
        if zlib.crc32(expanded).to_bytes(4, "big") != crc:
            raise ValueError("the checksum of a block is wrong")
        return len(expanded)
    if codec == "zstandard":
        frame = zstd.ZstdDecompressor()
        size = len(frame.decompress(data, most + 1))
        whole = frame.eof
    else:
        stream = zlib.decompressobj(-zlib.MAX_WBITS)
        size = len(stream.decompress(data, most + 1))
        whole = stream.eof
    if size > most:
        raise ValueError(f"a block expands to more than {most} bytes")
    if not whole:
        raise ValueError("a compressed block ends before its end")
    return size


def _check_schema(text: bytes) -> None:
    """Raises ValueError for a schema by which few bytes can be endless data.

    Those are a type that holds itself (the data say how deep) and one that takes no byte (a count
    says how often).
    """
    try:
        schema = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError("its schema is not JSON") from error
    for one in _types(schema, (), 0):
        if one == "null":
            raise ValueError("its schema has a type that takes no bytes")


def _types(schema: Any, inside: tuple[str, ...], depth: int) -> Iterator[Any]:
    """Every plain type of a schema, but for null in a union, which takes the byte that says so."""
    if depth > MAX_SCHEMA_DEPTH:
        raise ValueError(f"its schema is nested more than {MAX_SCHEMA_DEPTH} deep")
    if isinstance(schema, str):
        if last(schema) in inside:
            raise ValueError(f"its type {schema[:80]!r} holds itself")
        yield schema
    elif isinstance(schema, list):
        for branch in schema:
            if branch != "null":
                yield from _types(branch, inside, depth + 1)
    elif not isinstance(schema, dict):
        raise ValueError("its schema has a type that is neither a name, a list nor an object")
    elif schema.get("type") in ("record", "error"):
        fields = schema.get("fields")
        if not isinstance(fields, list) or not all(isinstance(f, dict) for f in fields):
            raise ValueError("its schema has a record without fields")
        if not fields:
            yield "null"
        for field in fields:
            yield from _types(
                field.get("type"), (*inside, last(str(schema.get("name")))), depth + 1
            )
    elif schema.get("type") in ("array", "map"):
        yield from _types(schema.get("items", schema.get("values")), inside, depth + 1)
    elif schema.get("type") == "fixed":
        yield "null" if schema.get("size") == 0 else "fixed"
    elif schema.get("type") == "enum":
        yield "enum"
    else:
        yield from _types(schema.get("type"), inside, depth + 1)

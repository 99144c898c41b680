"""One Avro file, durable under its final name or not there at all."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastavro.write import Writer

import pipeline.schemas as schemas
from pipeline import failpoints
from pipeline.durable import sync_folders, temporary_of

# Large enough to compress well, small enough for a reader that holds one block at a time.
BLOCK_BYTES = 256 * 1024
# Half the time of zlib's default level at 93 % of its ratio, on articles.
LEVELS = {"deflate": 3}


@dataclass(frozen=True, slots=True)
class _Block:
    """What `fastavro`'s `Writer.write_block` reads of a block: records encoded already."""

    bytes_: io.BytesIO
    num_records: int


@dataclass(frozen=True)
class Form:
    """What the files are like.

    Args:
        codec: null, deflate, snappy or zstandard.
        pairs: whether maps stand as arrays of {key, value}; see `pipeline.schemas.load`.
    """

    codec: str
    pairs: bool = False


def write_durably(
    root: Path,
    path: str,
    records: Iterable[bytes],
    form: Form,
    *,
    owner: str,
    confirm: Callable[[], None] = lambda: None,
) -> int:
    """Writes encoded records to `root`/`path` and returns the size of the file in bytes.

    The data are on disk before the file has its name, and the name is on disk on return: the
    file is flushed and synced, renamed, and its folders synced. Where this raises, no part of a
    file has the name: nothing has, or a file that is whole (the same name means the same records).

    Args:
        path: relative; its first part is the kind of record, whose schema the file carries.
        records: Avro bytes of one record each, by that schema.
        form: codec and schema.
        owner: this process, in the name of the temporary file; see `sweep`.
        confirm: called when the data are on disk; the file gets its name unless this raises.

    Raises:
        OSError: the disk is full, or the folder cannot be written; FileNotFoundError where another
            process took the temporary file away, having taken this one for dead.
    """
    final = root / path
    final.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_of(final, owner)
    try:
        failpoints.reach("before_write")
        with temporary.open("wb") as file:
            writer = Writer(
                file,
                schemas.load(path.split("/", 1)[0], pairs=form.pairs),
                codec=form.codec,
                compression_level=LEVELS.get(form.codec),
            )
            for block in blocks(records):
                writer.write_block(block)
            writer.flush()
            size = file.tell()
            os.fsync(file.fileno())
        failpoints.reach("after_write")
        confirm()
        temporary.rename(final)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folders(root, path)
    return size


def blocks(records: Iterable[bytes], limit: int = BLOCK_BYTES) -> Iterator[Any]:
    """Packs encoded records into blocks of about `limit` bytes, at least one record each."""
    parts: list[bytes] = []
    size = 0
    for record in records:
        parts.append(record)
        size += len(record)
        if size >= limit:
            yield _Block(io.BytesIO(b"".join(parts)), len(parts))
            parts, size = [], 0
    if parts:
        yield _Block(io.BytesIO(b"".join(parts)), len(parts))


def sweep(root: Path, alive: Callable[[str], bool]) -> int:
    """Takes away the temporary files of processes that are not `alive`; returns how many."""
    swept = 0
    for kind in schemas.KINDS:
        for path in (root / kind).glob("*/.part-*.avro.*.tmp"):
            if not alive(path.name.split(".")[-2]):
                path.unlink(missing_ok=True)
                swept += 1
    return swept

"""Reading an output back."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import fastavro

import pipeline.schemas as schemas
from pipeline.errors import Failed, UsageError
from pipeline.watch import container


class Damaged(Failed):
    """A file of an output cannot be read; the text names it and says why."""


def open_output(folder: str) -> Path:
    """The folder of an output.

    Raises:
        UsageError: there is none.
    """
    root = Path(folder)
    if not any((root / kind).is_dir() for kind in schemas.KINDS):
        raise UsageError(
            f"{folder} holds no records: no folder {', '.join(schemas.KINDS)} in it. "
            "Give the folder that was --output of a run."
        )
    return root


def files(root: Path, kind: str) -> list[Path]:
    """The Avro files of one kind, in the order of their partitions."""
    return sorted((root / kind).glob("*/part-*.avro"))


def records(root: Path, kind: str) -> Iterator[dict[str, Any]]:
    """Every record of one kind, by today's schema.

    Raises:
        Damaged: a file cannot be read; what came before it has been yielded.
    """
    for path in files(root, kind):
        yield from read(root, kind, path)


def read(root: Path, kind: str, path: Path) -> Iterator[dict[str, Any]]:
    """Every record of one file, by today's schema: a file of an earlier version must still fit.

    Raises:
        Damaged: it cannot be read.
    """
    with opened(root, path) as file:
        written = fastavro.reader(file).writer_schema
        if not isinstance(written, dict) or written.get("type") != "record":
            raise ValueError("its schema is not that of a record")
        file.seek(0)
        pairs = schemas.has_pairs(written)
        today = schemas.load(kind, pairs=pairs)
        for record in cast("Iterator[dict[str, Any]]", fastavro.reader(file, today)):
            if pairs:
                with_maps(record)
            yield record


@contextlib.contextmanager
def opened(root: Path, path: Path) -> Iterator[BinaryIO]:
    """The file, its frame found in order.

    Raises:
        Damaged: it is not, or what reads it within the block fails.
    """
    try:
        container.check(path)
        with path.open("rb") as file:
            yield file
    except Exception as error:
        name = path.relative_to(root).as_posix()
        raise Damaged(f"{name} cannot be read: {type(error).__name__}: {error}") from error


def with_maps(record: dict[str, Any]) -> None:
    """Makes maps of what was written as arrays of {key, value}, in place."""
    holder = record.get("article", record)
    holder["attributes"] = {pair["key"]: pair["value"] for pair in holder["attributes"]}


def printable(text: str) -> str:
    r"""`text` with what could steer a terminal, or begin a line, made visible as U+FFFD.

    >>> printable("a\x1b[2Jb")
    'a\ufffd[2Jb'
    """
    return "".join(c if c.isprintable() or c == " " else "\N{REPLACEMENT CHARACTER}" for c in text)

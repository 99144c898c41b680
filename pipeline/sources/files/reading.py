"""Reading one file, by its kind."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator

from pipeline.errors import Failed
from pipeline.sources.files.avro_rows import read_avro
from pipeline.sources.files.csv_rows import read_csv
from pipeline.sources.files.documents import read_document
from pipeline.sources.files.entries import (
    HTML,
    JSON,
    KEPT_BYTES,
    PLAIN,
    Entry,
    InputFile,
    Maker,
    ReadOptions,
)
from pipeline.sources.files.finding import ONE_ENTRY_KINDS
from pipeline.sources.files.lines import read_jsonl
from pipeline.sources.files.opening import Stopped, Stored, store_is_gone
from pipeline.sources.files.parquet import read_parquet
from pipeline.sources.files.warc import read_warc

Reader = Callable[[Stored, Maker, ReadOptions], Iterator[Entry]]

_READERS: dict[str, Reader] = {
    "jsonl": read_jsonl,
    "json": functools.partial(read_document, content_type=JSON, must_be=True),
    "text": functools.partial(read_document, content_type=PLAIN),
    "html": functools.partial(read_document, content_type=HTML),
    "warc": read_warc,
    "avro": read_avro,
    "csv": read_csv,
    "tsv": functools.partial(read_csv, delimiter="\t"),
}


def read_file(
    file: InputFile, options: ReadOptions, stopped: Callable[[], bool] = lambda: False
) -> Iterator[Entry]:
    """Every entry of `file`, in order, as it is read.

    Of a kind with many entries in a file, only those in the reader's share come
    (`ReadOptions.share`); all readers must be given the same file and options but for that.

    Nothing in the file raises; nor does a file that cannot be opened, or a store that fails: each
    gives an entry with a problem. The rest of a file that could not be read to its end is read
    when it is read again: the ids of its entries are the same each time.

    Args:
        stopped: asked now and then, also where a file has no entry for a long time. Once it says
            so there are no more entries.

    Raises:
        Failed: the store does not answer any more.
    """
    maker = Maker(file, options, shared=file.kind not in ONE_ENTRY_KINDS)
    stored = Stored(file.path, file.size, file.compression, stopped)
    with contextlib.ExitStack() as stack:
        try:
            stack.enter_context(stored)
        except Exception as error:  # noqa: BLE001 - becomes an entry, whatever the store raised
            _refuse_gone(file, error)
            if maker.mine():
                yield maker.failed("the whole", b"", error, 0)
            return
        for entry in _entries(file, stored, maker, options):
            # What is wrong with this one may be that alone.
            _refuse_gone(file, stored.failure)
            if isinstance(stored.failure, Stopped):
                return
            yield entry
        _refuse_gone(file, stored.failure)


def _refuse_gone(file: InputFile, error: Exception | None) -> None:
    if store_is_gone(error):
        raise Failed(
            f"{file.path} cannot be read, the store does not answer: start the same command again "
            f"({type(error).__name__}: {error})"
        )


def _entries(
    file: InputFile, stored: Stored, maker: Maker, options: ReadOptions
) -> Iterator[Entry]:
    if file.kind == "parquet":
        yield from read_parquet(file, stored, maker, options)
    elif file.kind in _READERS:
        yield from _READERS[file.kind](stored, maker, options)
    elif maker.mine():
        head = stored.data.read(KEPT_BYTES)
        said = "neither its ending nor its first bytes say what it is; name it with --kind"
        yield maker.broken("the whole", head, stored.position, "unreadable_file", said)

"""Reading files as a stream of entries, on our local runner and on engines that read in parallel.

A file cannot be asked to deliver again, and need not be: an entry's message id is made of its file,
its place and its bytes, so that reading it once more gives the same message, which the ledger knows
if it was written. There is nothing to acknowledge and no position to keep.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Generator, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import apache_beam as beam
from apache_beam.coders import Coder, FastPrimitivesCoder
from apache_beam.io.unbounded_source import CheckpointMark, UnboundedReader, UnboundedSource
from apache_beam.pvalue import PBegin, PCollection
from apache_beam.utils.timestamp import MAX_TIMESTAMP, MIN_TIMESTAMP, Timestamp

from pipeline.errors import Failed
from pipeline.letters import Wanted
from pipeline.option_list import MB
from pipeline.options import ArticleOptions
from pipeline.sources.files import (
    ONE_ENTRY_KINDS,
    UNKNOWN,
    Entry,
    InputFile,
    ReadOptions,
    read_file,
)

# A bundle is in memory several times over, as messages, articles and records.
BUNDLE_BYTES = 32 * MB


def read_options(options: ArticleOptions, letters: Wanted) -> ReadOptions:
    """How files are read, by the options of a run.

    Args:
        letters: of those dead letters that are asked for, which of them there still are to take.
    """
    return ReadOptions(
        max_message_bytes=options.max_message_bytes,
        max_expanded_bytes=options.max_expanded_bytes,
        max_expansion_ratio=options.max_expansion_ratio,
        csv_columns=options.csv_columns or {},
        reprocess=bool(options.reprocess),
        letters=letters,
    )


@dataclass
class Position:
    """How far a reader has come, in bytes of the files as they are stored; for progress.

    Attributes:
        all_bytes: of all files.
        before: of the files that are done with.
        within: of the file being read.
        ended: whether every entry has been handed on.
    """

    all_bytes: int
    before: int = 0
    within: int = 0
    ended: bool = False

    @property
    def done(self) -> float:
        """The share that is read; 1 only at the end of all."""
        if self.ended:
            return 1.0
        if not self.all_bytes:
            return 0.0
        return min((self.before + self.within) / self.all_bytes, 0.999)


class FileSource(UnboundedSource):
    """The entries of files, one after the other, as `Entry`; at their end the stream ends.

    Args:
        files: what `find_files` found.
        options: how to read them.
        share: (k, n): of n sources over the same files this is number k. Each reads its blocks of
            the files with many entries, and every n-th of the others.
        drain: when set, the reader ends where it is.
        bundle_bytes: a reader pauses, so that a bundle ends, after so many bytes of messages.

    `position` says how far the reader of this process has come.
    """

    def __init__(
        self,
        files: Sequence[InputFile],
        options: ReadOptions | None = None,
        *,
        share: tuple[int, int] = (0, 1),
        drain: threading.Event | None = None,
        bundle_bytes: int = BUNDLE_BYTES,
    ) -> None:
        self.files = tuple(files)
        self.options = options or ReadOptions()
        self.share = share
        self.drain = drain or threading.Event()
        self.bundle_bytes = bundle_bytes
        self.position = Position(sum(file.size for file in self.files))

    def __getstate__(self) -> dict[str, Any]:
        names = ("files", "options", "share", "bundle_bytes")
        return {name: getattr(self, name) for name in names}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def split(self, desired_num_splits: int, options: Any = None) -> Iterable[FileSource]:
        return [self]

    def create_reader(self, options: Any, checkpoint_mark: CheckpointMark | None) -> FileReader:
        return FileReader(self)

    def get_checkpoint_mark_coder(self) -> Coder:
        return FastPrimitivesCoder()


class FileReader(UnboundedReader):
    """Hands on the entries of a `FileSource`."""

    def __init__(self, source: FileSource) -> None:
        self._drain = source.drain
        self._bundle_bytes = source.bundle_bytes
        self._position = source.position
        self._entries = entries(
            *(source.files, source.options, source.share, source.position), source.drain.is_set
        )
        self._current: Entry | None = None
        self._bytes = 0
        self._ended = False
        self._failure: Failed | None = None

    def start(self) -> bool:
        return self.advance()

    def advance(self) -> bool:
        """Raises Failed where a file cannot be read for a reason that is not in the file."""
        self._current = None
        if self._drain.is_set():
            self._ended = True
        if self._ended or self._bytes >= self._bundle_bytes:
            return False
        if self._failure is not None:
            # A generator that has raised looks like one at its end: what follows would be left out.
            raise self._failure
        try:
            self._current = next(self._entries, None)
        except Failed as error:
            self._failure = error
            raise
        except Exception as error:
            self._failure = Failed(f"reading the input failed: {type(error).__name__}: {error}")
            raise self._failure from error
        if self._drain.is_set():
            # What looks like the end may be where the reading was stopped.
            self._ended, self._current = True, None
            return False
        if self._current is None:
            self._ended = self._position.ended = True
            return False
        self._bytes += len(self._current.message.data)
        return True

    def get_current(self) -> Entry:
        assert self._current is not None
        return self._current

    def get_current_timestamp(self) -> Timestamp:
        # As `Create` has it: what stands in a file has no time of its own.
        return MIN_TIMESTAMP

    def get_watermark(self) -> Timestamp:
        return MAX_TIMESTAMP if self._ended else MIN_TIMESTAMP

    def get_checkpoint_mark(self) -> CheckpointMark:
        self._bytes = 0
        return CheckpointMark()

    def close(self) -> None:
        self._entries.close()


def entries(
    files: Sequence[InputFile],
    options: ReadOptions,
    share: tuple[int, int],
    position: Position,
    stopped: Callable[[], bool] = lambda: False,
) -> Generator[Entry, None, None]:
    """The entries of `files` that are in a `share`, noting in `position` how far it has come.

    The share begins with another block in each file, or else the first reader would have all the
    entries of small files. `stopped` is that of `read_file`.
    """
    number, of = share
    for index, file in enumerate(files):
        first = (number - index) % of
        # What an unknown file is shows when it is read: one reader has the whole of it.
        whole = file.kind in ONE_ENTRY_KINDS or file.kind == UNKNOWN
        if not whole or first == 0:
            here = replace(options, share=(0, 1) if whole else (first, of))
            for entry in read_file(file, here, stopped):
                position.within = min(entry.position, file.size)
                yield entry
        if stopped():
            return
        position.before += file.size
        position.within = 0


class ReadFiles(beam.PTransform[PBegin, PCollection[Entry]]):
    """The entries of files, for engines that have workers of their own to share the files.

    Args:
        files, options: as for `FileSource`.
    """

    def __init__(self, files: Sequence[InputFile], options: ReadOptions) -> None:
        super().__init__()
        self._files = tuple(files)
        self._options = options

    def expand(self, begin: PBegin) -> PCollection[Entry]:
        found: PCollection[Entry] = (
            begin
            | "Files" >> beam.Create(self._files)
            | "Shuffle" >> beam.Reshuffle()
            | "Read" >> beam.FlatMap(read_file, self._options)
        )
        return found

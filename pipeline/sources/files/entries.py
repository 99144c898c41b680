"""What a file gives: entries, each a message or what is wrong in its place."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.letters import EVERY, Wanted
from pipeline.option_list import MB as MB
from pipeline.records import Article, Message

# As many hexadecimal digits as 128 bits have: no two of any number of files will ever agree.
ID_DIGITS = 32
# Neighbours stay together, so that several processes over one file write files of their own order.
BLOCK_ENTRIES = 100
# Of what cannot be read, so much goes with the dead letter: enough to see what it was.
KEPT_BYTES = MB

JSON = "application/json"
PLAIN = "text/plain"
HTML = "text/html"


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file to read.

    Attributes:
        path: absolute, or an address such as gs://bucket/name.
        size: bytes as stored.
        kind: one of `KINDS`, or UNKNOWN.
        compression: gzip, zstd or bzip2, as its ending says; None where that says nothing (the
            first bytes are looked at as well when it is read).
    """

    path: str
    size: int
    kind: str
    compression: str | None


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an entry is no message.

    Attributes:
        error_type: the stable word for its dead letter: torn_file, unreadable_file, bad_row,
            too_large, bomb, bad_encoding, invalid_json.
        text: which file, where in it and what is wrong, in words a person can act on.
        exception_class: where a library raised something.
    """

    error_type: str
    text: str
    exception_class: str | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One thing in a file.

    Attributes:
        message: the message; with a problem, the bytes as far as they are known, at most
            `KEPT_BYTES` of them.
        problem: why it cannot be read; None where it can.
        article: the record, where it is one of our own articles.
        position: bytes of the stored file read so far, for progress.
    """

    message: Message
    problem: Problem | None = None
    article: Article | None = None
    position: int = 0


@dataclass(frozen=True, slots=True)
class ReadOptions:
    """How to read; the limits are those of the options of the same name.

    Attributes:
        csv_columns: which column of a CSV file is which field of an article
            (`{"title": "headline"}`); columns not named there keep their names.
        share: (k, n): of n readers that share the files, this is number k from 0; of a file with
            many entries it gets every n-th block of `BLOCK_ENTRIES`. A file of one entry is read
            whole: share those out by file.
        reprocess: records of our own articles/*.avro keep message_id, publish_time and attributes.
        letters: which records of our own dead_letters/*.avro to read.
        max_block_bytes: of a block of an Avro file, expanded: it is held whole.
        max_footer_bytes: of the footer of a Parquet file, held whole too.
        max_spooled_bytes: of a Parquet file that is compressed or in a store, and so goes through
            a temporary file.
        max_columns: of a table. Each costs something in every row.
    """

    max_message_bytes: int = 10 * MB
    max_expanded_bytes: int = 50 * MB
    max_expansion_ratio: int = 200
    csv_columns: Mapping[str, str] = field(default_factory=dict)
    share: tuple[int, int] = (0, 1)
    reprocess: bool = False
    letters: Wanted = EVERY
    max_block_bytes: int = 32 * MB
    max_footer_bytes: int = 64 * MB
    max_spooled_bytes: int = 20_000 * MB
    max_columns: int = 2_000


class Broken(Exception):
    """A file, or a part of it, that cannot be read; it becomes a `Problem`."""

    def __init__(self, error_type: str, text: str) -> None:
        super().__init__(text)
        self.error_type = error_type


class Maker:
    """Makes the entries of one file, in order.

    A reader asks `mine` once for each entry, before the work of making it.
    """

    def __init__(self, file: InputFile, options: ReadOptions, *, shared: bool) -> None:
        self._path = file.path
        self._share, self._of = options.share if shared else (0, 1)
        self._count = 0
        self._from_file = {"source_file": file.path}

    def mine(self) -> bool:
        """Counts the next entry; whether it is in this reader's share."""
        block = self._count // BLOCK_ENTRIES
        self._count += 1
        return block % self._of == self._share

    def entry(
        self,
        where: str,
        data: bytes,
        position: int,
        *,
        content_type: str | None = None,
        attributes: Mapping[str, str] | None = None,
        problem: Problem | None = None,
        ordering_key: str = "",
    ) -> Entry:
        """The entry at `where` ("line 17"), whose id is made of the file, the place and the data.

        Args:
            content_type: of the data; not put over one among `attributes`.
            attributes: what the input itself carries; they go before ours.
        """
        said = {**self._from_file, "source_position": where}
        if content_type is not None:
            said["content_type"] = content_type
        if attributes:
            said.update(attributes)
        message = Message(
            data, self.message_id(where, data), attributes=said, ordering_key=ordering_key
        )
        return Entry(message, problem, position=position)

    def broken(
        self, where: str, data: bytes, position: int, error_type: str, error: str | Exception
    ) -> Entry:
        """The entry for what cannot be read at `where`.

        Args:
            data: what is known of it; cut to `KEPT_BYTES`.
            error: what is wrong, without file and place; or the exception that says so.
        """
        named: str | None = None
        if isinstance(error, Exception) and not isinstance(error, Broken):
            named = f"{type(error).__module__}.{type(error).__qualname__}"
        text = str(error) or type(error).__name__
        problem = Problem(error_type, f"{where} of {self._path}: {text}", named)
        return self.entry(where, data[:KEPT_BYTES], position, problem=problem)

    def failed(self, where: str, data: bytes, error: Exception, position: int) -> Entry:
        """The entry for where a file ends because it cannot be read on."""
        error_type = error.error_type if isinstance(error, Broken) else "unreadable_file"
        return self.broken(where, data, position, error_type, error)

    def message_id(self, where: str, data: bytes) -> str:
        """`file-` and a hash of file, place and data: the same for the same entry at any time."""
        hash_ = hashlib.sha256()
        for part in (self._path.encode("utf-8", "surrogateescape"), where.encode(), data):
            hash_.update(len(part).to_bytes(8, "big"))
            hash_.update(part)
        return f"file-{hash_.hexdigest()[:ID_DIGITS]}"

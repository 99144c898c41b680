"""The ledger: which messages have their verdict, which have their file, and by what an article is
known again.

It outlives runs and is shared by streams and backfills over the same output; that is why it is
not Beam state (ARCHITECTURE.md, decision 2). A message goes through it in three steps:

    verdicts()   article or duplicate, once and for all: a redelivery gets the same answer
    begin()      an intent: "these messages will stand in this file"
    commit()     the file is durable: its messages are done, whatever else delivers them

A process may die between any two. `recover()` then completes an open intent whose file exists
and drops one whose file does not; the messages of the latter come again and are written then.
"""

from __future__ import annotations

import datetime as dt
import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from pipeline.errors import Failed, UsageError
from pipeline.ledger.redis.uri import is_redis, parse

if TYPE_CHECKING:
    from pipeline.similarity.signature import Signature


MEMORY = "memory://"


class LedgerError(Failed):
    """The ledger cannot be used; the message says what to do."""


class LedgerUnavailable(LedgerError):
    """The ledger cannot be used just now: locked, on a full or read-only disk. Try again."""


class IntentLost(LedgerUnavailable):
    """An intent is its writer's no more: ask anew what is to be written."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """An article that asks for its verdict.

    Args:
        key: `Message.key`.
        marks: by what it is known again, strongest first: (kind, digest of at most 32 bytes).
        signature: of its text; None where near-duplicates are not asked for, or it is too short.
    """

    key: str
    message_id: str
    article_id: str
    marks: tuple[tuple[str, bytes], ...]
    signature: Signature | None = None


@dataclass(frozen=True, slots=True)
class NearRule:
    """Which articles are near-duplicates, and what becomes of them.

    Args:
        threshold: how alike two texts must be, above 0 and up to 1.
        separate: whether a near-duplicate is a copy and no more. Else it stays an article, and may
            be the canonical one of copies of its own.
    """

    threshold: float
    separate: bool = True


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a message is: done already, a first copy, or (with a `kind`) a duplicate."""

    committed: bool = False
    kind: str | None = None
    similarity: float = 1.0
    canonical_id: str = ""
    canonical_message_id: str = ""


@dataclass(frozen=True, slots=True)
class Intent:
    """Leave to write one file.

    Args:
        path: the file, relative to the output; empty where nothing is left to write.
        granted: keys of the messages to write into it, in the order asked.
        committed: keys that stand in a committed file already: settle, don't write.
        elsewhere: keys that another live process is writing: neither settle nor write.
    """

    path: str
    granted: tuple[str, ...]
    committed: tuple[str, ...] = ()
    elsewhere: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Recovery:
    """What was found open after processes that died: files completed, intents dropped."""

    completed: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CommittedFile:
    path: str
    records: int


class Ledger(Protocol):
    """Every method is one transaction, may be called from any thread, and raises LedgerError."""

    @property
    def owner(self) -> str:
        """The name of this process in the ledger, unique among all that ever opened it."""
        ...

    def alive(self, owner: str) -> bool:
        """Whether the process of that name still runs."""
        ...

    def verdicts(
        self,
        candidates: Sequence[Candidate],
        *,
        now: dt.datetime,
        ttl: dt.timedelta,
        near: NearRule | None = None,
    ) -> list[Verdict]:
        """One verdict for each candidate, in order; earlier candidates count for later ones.

        The earliest article that bears one of a candidate's marks, pending or committed, is its
        canonical one; where none does, the earliest whose text is near by `near`. One that ended as
        a dead letter is no canonical article for anyone. What is older than `ttl` is forgotten.
        """
        ...

    def done(self, keys: Sequence[str]) -> set[str]:
        """Those of `keys` whose messages stand in a committed file."""
        ...

    def begin(
        self,
        kind: str,
        messages: Sequence[tuple[str, str]],
        name: Callable[[Sequence[str]], str],
    ) -> Intent:
        """Opens an intent for the (key, message_id) pairs that still need a file.

        Args:
            kind: articles, duplicates or dead_letters.
            name: the path for the keys granted. It must depend on them alone, so that a retry
                arrives at the same file.
        """
        ...

    def commit(self, intent: Intent) -> None:
        """Marks the messages of `intent` as done. Its file must be durable by now."""
        ...

    def abandon(self, intent: Intent) -> None:
        """Says that whoever has `intent` failed, and is at work on its file no more.

        Until then its messages are elsewhere for all but a retry of the same file. From then on
        `begin` may grant them for another one; where the file does stand, they are committed.
        Takes no transaction: what made the writer fail may be in the way of one.
        """
        ...

    def recover(self) -> Recovery:
        """Completes or drops the open intents of processes that are no longer alive."""
        ...

    def other_outputs(self) -> list[str]:
        """Folders, still there, whose files it records beside those of its own output."""
        ...

    def committed_files(self) -> list[CommittedFile]: ...

    def open_intents(self) -> list[str]:
        """Paths that are announced and not committed, of living and dead processes."""
        ...

    def committed_messages(self) -> Iterator[tuple[str, str]]:
        """(path, key) for every message that stands in a committed file."""
        ...

    def damage(self) -> list[str]:
        """What is wrong with the ledger in itself; the time it takes grows with it."""
        ...

    def overtaken(self) -> bool:
        """Whether what a ledger opened to read has told may be no state it ever was in."""
        ...

    def close(self) -> None: ...


@runtime_checkable
class Fenced(Protocol):
    """A ledger that takes a process for dead which may wake up: it must be asked once more."""

    def holds(self, intent: Intent) -> None:
        """To be called when the file of `intent` is whole and durable, before it gets its name.

        Raises:
            IntentLost: another process has ended the intent meanwhile: the file must not get its
                name, and the ledger be asked anew what is to be written.
        """
        ...


def database_path(uri: str) -> Path | None:
    """The database file that `uri` names; None for a ledger that is in no file.

    Args:
        uri: `sqlite:///PATH` (three slashes and an absolute path make four, as everywhere),
            `redis://HOST:PORT/DB` (see `pipeline.ledger.redis.uri`), or `memory://`.

    Raises:
        UsageError: the URI is of no known kind.
    """
    if uri == MEMORY:
        return None
    if is_redis(uri):
        parse(uri)
        return None
    path = Path(uri.removeprefix("sqlite:///"))
    if not uri.startswith("sqlite:///") or not path.name:
        raise UsageError(f"--state {uri} is neither sqlite:///PATH, redis://HOST nor memory://")
    return path


def shown(uri: str) -> str:
    """A URI as it may be shown: without a password."""
    return parse(uri).shown if is_redis(uri) else uri


def open_ledger(uri: str, root: Path, *, read_only: bool = False) -> Ledger:
    """Opens the ledger at `uri`, see `database_path`.

    Args:
        root: the output whose files it records.
        read_only: to look only; nothing is made or changed on disk.

    Raises:
        UsageError: the URI is of no known kind.
        LedgerUnavailable: it cannot be opened just now.
        LedgerError: it cannot be opened.
    """
    try:
        if is_redis(uri):
            from pipeline.ledger.redis.ledger import RedisLedger

            return RedisLedger(uri, root, read_only=read_only)
        from pipeline.ledger.sqlite import SqliteLedger

        return SqliteLedger(database_path(uri), root, read_only=read_only)
    except OSError as error:
        raise LedgerUnavailable(f"the ledger {shown(uri)} cannot be opened: {error}") from error


def ledger_exists(uri: str, root: Path) -> bool:
    """Whether there is a ledger at `uri`, sound or not, for the output `root`.

    Raises:
        UsageError: the URI is of no known kind.
        LedgerUnavailable: it cannot be told just now.
        LedgerError: it cannot be told.
    """
    if is_redis(uri):
        from pipeline.ledger.redis.space import exists

        try:
            return exists(parse(uri), root)
        except OSError as error:
            raise LedgerUnavailable(f"the output {root} cannot be read: {error}") from error
    path = database_path(uri)
    return path is not None and path.is_file() and path.stat().st_size > 0


def remedy(where: Path | str | None, root: Path) -> str:
    """What helps where a ledger is damaged, gone, or behind the files in `root`.

    Args:
        where: the file it is in, or its URI as it may be shown; None for one in memory.
    """
    state = ""
    uri = f"sqlite:///{where.absolute()}" if isinstance(where, Path) else where
    if uri not in (None, MEMORY, default_uri(root)):
        state = f" --state {shlex.quote(f'sqlite:///{where}' if isinstance(where, Path) else uri)}"
    return (
        "rebuild it from the records with "
        f"`article-pipeline verify {shlex.quote(str(root))} --rebuild_ledger{state}`"
    )


def default_uri(root: Path) -> str:
    """Where the ledger of the output `root` lies unless --state says otherwise."""
    return f"sqlite:///{root.resolve() / '_state' / 'ledger.sqlite3'}"

"""The SQLite database of the ledger: its tables, and one connection shared by all threads.

Durability rests on WAL with synchronous=FULL: a transaction that has returned survives a crash
of the machine (https://www.sqlite.org/pragma.html#pragma_synchronous).
"""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pipeline.ledger import LedgerError, LedgerUnavailable

logger = logging.getLogger(__name__)

SCHEMA_VERSION = 2
# Is read as it is, and made one of the present version when it is opened to write.
WITHOUT_NEAR = 1
BUSY_SECONDS = 30.0
CACHE_KIB = 32 * 1024
# SQLite before 3.32 takes at most 999 parameters in a statement.
PARAMETERS = 900
# What stands beside a database in WAL mode.
SIDES = ("", "-wal", "-shm")

# What SQLite says of what may pass: its result codes BUSY, LOCKED, FULL, IOERR, READONLY, CANTOPEN
# and PROTOCOL. By their text, since Python has their numbers from 3.11 on only.
PASSING = (
    "is locked",
    "disk is full",
    "disk I/O error",
    "readonly database",
    "unable to open database file",
    "locking protocol",
)
# ... and of damage: CORRUPT, NOTADB, and tables that are gone.
DAMAGE = ("malformed", "not a database", "no such table", "no such column", "unsupported file")

SCHEMA = """
CREATE TABLE files (
    file_id INTEGER PRIMARY KEY,
    root TEXT NOT NULL,
    path TEXT NOT NULL UNIQUE,
    kind TEXT NOT NULL,
    owner TEXT NOT NULL,
    records INTEGER NOT NULL,
    keys TEXT,                  -- JSON, while the intent is open
    committed_at INTEGER        -- microseconds; NULL while the intent is open
);
CREATE INDEX open_files ON files (owner) WHERE committed_at IS NULL;
CREATE TABLE messages (
    key TEXT PRIMARY KEY,
    message_id TEXT NOT NULL,
    article_id TEXT,            -- NULL where the message never became an article
    kind TEXT,                  -- of duplicate; NULL for a first copy
    canonical TEXT,             -- key of the first copy
    similarity REAL,
    file_id INTEGER             -- NULL until an intent holds it
) WITHOUT ROWID;
CREATE TABLE marks (
    digest BLOB PRIMARY KEY,
    owner TEXT NOT NULL,        -- key of the first copy
    seen_at INTEGER NOT NULL    -- microseconds, when a message first bore it
) WITHOUT ROWID;
CREATE INDEX marks_by_age ON marks (seen_at);
"""

# What came with version 2.
NEAR_SCHEMA = """
CREATE TABLE signatures (
    number INTEGER PRIMARY KEY, -- grows in the order in which articles came
    key TEXT NOT NULL,
    seen_at INTEGER NOT NULL,   -- microseconds
    signature BLOB NOT NULL
);
CREATE TABLE bands (
    band INTEGER NOT NULL,
    number INTEGER NOT NULL,    -- of an article, which may have been forgotten
    PRIMARY KEY (band, number)
) WITHOUT ROWID;
CREATE TABLE new_bands (        -- those that are not in the other table yet
    band INTEGER NOT NULL,
    number INTEGER NOT NULL,
    PRIMARY KEY (band, number)
) WITHOUT ROWID;
"""


def ledger_error(error: sqlite3.Error, path: Path | None, remedy: str) -> LedgerError:
    """What a failure of SQLite means to whoever uses the ledger.

    Args:
        remedy: what helps where the ledger is damaged.
    """
    text = str(error)
    if any(part in text for part in PASSING):
        return LedgerUnavailable(f"the ledger {path} cannot be used just now: {text}")
    if any(part in text for part in DAMAGE):
        return LedgerError(f"the ledger {path} is damaged ({text}): {remedy}")
    return LedgerError(f"the ledger {path} failed: {text}")


class Database:
    """An open database with the tables above, made where they are not there.

    Args:
        path: the file; None for one in memory.
        remedy: what helps where it is damaged or gone, for error messages.
        read_only: leaves everything as it is: no table, no lock, no file is made.
        busy_seconds: how long to wait for the lock of another process.

    Raises:
        LedgerUnavailable: it cannot be opened just now.
        LedgerError: the file is no ledger, is damaged, or is of another version.
    """

    def __init__(
        self,
        path: Path | None,
        remedy: str = "",
        *,
        read_only: bool = False,
        busy_seconds: float = BUSY_SECONDS,
    ) -> None:
        self._path = path
        self._remedy = remedy
        self._read_only = read_only
        self._busy_seconds = busy_seconds
        self._copy: tempfile.TemporaryDirectory[str] | None = None
        self._stamp: tuple[int, int] | None = None
        self._closed_by_failure = False
        self.lock = threading.RLock()
        self._open()

    def _open(self) -> None:
        try:
            self._connection = self._connect()
            try:
                self._set_up()
                self._standing = self._look()
            except BaseException:
                self._connection.close()
                raise
        except sqlite3.Error as error:
            raise ledger_error(error, self._path, self._remedy) from error

    def _connect(self) -> sqlite3.Connection:
        place = ":memory:" if self._path is None else str(self._path)
        if self._read_only and self._path is not None:
            place = self._readable(self._path)
        return sqlite3.connect(
            place,
            timeout=self._busy_seconds,
            isolation_level=None,
            check_same_thread=False,
            uri=self._read_only,
        )

    def _readable(self, path: Path) -> str:
        """The URI by which a database is read and nothing beside it is made."""
        wal, shm = (path.with_name(path.name + side) for side in SIDES[1:])
        if not wal.exists():
            # Nobody has it open. SQLite would make both for us, and they would be ours: in the way
            # of a run under another user.
            self._stamp = _stamp(path)
            return f"{path.absolute().as_uri()}?immutable=1"
        if shm.exists() or os.access(path.parent, os.W_OK):
            return f"{path.absolute().as_uri()}?mode=ro"
        # On a read-only disk the WAL of a run that died cannot be read without its index.
        self._copy = tempfile.TemporaryDirectory(prefix="article-pipeline-")
        for one in (path, wal):
            shutil.copyfile(one, Path(self._copy.name) / one.name)
        return f"{(Path(self._copy.name) / path.name).as_uri()}?mode=ro"

    def _set_up(self) -> None:
        if self._read_only:
            version = self._version()
            if version == 0:
                raise LedgerError(f"the ledger {self._path} is empty: {self._remedy}")
            self._check_version(version)
            return
        self.execute("PRAGMA journal_mode=WAL")
        self.execute("PRAGMA synchronous=FULL")
        self.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        with self._transaction():
            version = self._version()
            if version == 0:
                if self.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]:
                    raise LedgerError(
                        f"{self._path} is a database and no ledger: give another --state"
                    )
                make_tables(self._connection)
            elif version == WITHOUT_NEAR:
                _make(self._connection, NEAR_SCHEMA)
            self._check_version(version or SCHEMA_VERSION)

    def _version(self) -> int:
        (version,) = self.execute("PRAGMA user_version").fetchone()
        return int(version)

    def _check_version(self, version: int) -> None:
        if version not in (WITHOUT_NEAR, SCHEMA_VERSION):
            raise LedgerError(
                f"the ledger {self._path} has version {version}, this pipeline knows "
                f"{SCHEMA_VERSION}: run the version of article-pipeline that made it"
            )
        # Reads the schema and the first page of each table, which a header alone does not vouch
        # for; more would take the longer the more there is.
        for table in ("files", "messages", "marks"):
            self.execute(f"SELECT * FROM {table} LIMIT 1").fetchone()  # noqa: S608 - ours

    def _look(self) -> tuple[tuple[int, int] | None, ...]:
        """What stands under the names of the database: a device and an inode each."""
        if self._path is None:
            return ()
        found: list[tuple[int, int] | None] = []
        for side in SIDES:
            try:
                status = os.stat(f"{self._path}{side}")
                found.append((status.st_dev, status.st_ino))
            except FileNotFoundError:
                found.append(None)
        return tuple(found)

    def _check_in_place(self) -> None:
        """SQLite writes on to files that were deleted: all of it would be lost at the end.

        None of the three goes or changes while a connection is open, unless by another hand.

        Raises:
            LedgerError: they are not those that were opened.
            LedgerUnavailable: it cannot be told.
        """
        if self._path is None or self._read_only:
            return
        try:
            standing = self._look()
        except OSError as error:
            raise LedgerUnavailable(f"the ledger {self._path} cannot be seen: {error}") from error
        # Closing deletes what stands beside the database.
        compared = 1 if self._closed_by_failure else len(standing)
        if standing[:compared] != self._standing[:compared]:
            raise LedgerError(
                f"the ledger {self._path} was deleted or replaced while it was in use: "
                f"{self._remedy}"
            )
        if self._closed_by_failure:
            self._open()
            self._closed_by_failure = False

    def overtaken(self) -> bool:
        """Whether a process has begun to write what is read here without a lock."""
        if self._stamp is None or self._path is None:
            return False
        return self._look() != self._standing or _stamp(self._path) != self._stamp

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """The connection, in a transaction that ends with the block, whole or not at all.

        Raises:
            LedgerUnavailable: it may succeed later; the ledger stays usable.
            LedgerError: SQLite failed.
        """
        with self.lock:
            self._check_in_place()
            try:
                with self._transaction() as connection:
                    yield connection
            except sqlite3.Error as error:
                raise ledger_error(error, self._path, self._remedy) from error

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        try:
            # IMMEDIATE takes the write lock at once: two processes that read first and write
            # later could both find a mark free.
            self.execute("BEGIN IMMEDIATE")
            yield self._connection
            self.execute("COMMIT")
        except BaseException:
            # A COMMIT that fails may leave the transaction open; a full disk may have ended it.
            if self._connection.in_transaction:
                self._roll_back()
            raise

    def _roll_back(self) -> None:
        try:
            self.execute("ROLLBACK")
        except sqlite3.Error as error:
            # The caller tells the failure that led here. The transaction ends with the connection.
            logger.warning("the ledger %s is closed and opened again: %s", self._path, error)
            self._connection.close()
            self._closed_by_failure = True

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """No other thread uses the connection within the block.

        Raises:
            LedgerUnavailable, LedgerError: as `transaction`.
        """
        with self.lock:
            self._check_in_place()
            try:
                yield
            except sqlite3.Error as error:
                raise ledger_error(error, self._path, self._remedy) from error

    def execute(self, statement: str, parameters: Iterable[Any] = ()) -> sqlite3.Cursor:
        return self._connection.execute(statement, tuple(parameters))

    def executemany(self, statement: str, rows: Iterable[Any]) -> None:
        self._connection.executemany(statement, rows)

    def select(self, statement: str, keys: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
        """Rows of `statement`, whose `{}` stands for as many parameters as SQLite allows."""
        values = list(keys)
        for start in range(0, len(values), PARAMETERS):
            part = values[start : start + PARAMETERS]
            places = ",".join("?" * len(part))
            yield from self.execute(statement.format(places), part).fetchall()

    def close(self) -> None:
        with self.lock:
            self._connection.close()
            if self._copy is not None:
                self._copy.cleanup()


def _stamp(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_mtime_ns, status.st_size


def make_tables(connection: sqlite3.Connection) -> None:
    """Makes the tables of an empty database."""
    _make(connection, SCHEMA)
    _make(connection, NEAR_SCHEMA)


def _make(connection: sqlite3.Connection, tables: str) -> None:
    for statement in tables.split(";\n"):
        if statement.strip():
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")

"""The SQLite database of the ledger: its tables, and one connection shared by all threads.

Durability rests on WAL with synchronous=FULL: a transaction that has returned survives a crash
of the machine (https://www.sqlite.org/pragma.html#pragma_synchronous).
"""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pipeline.ledger import LedgerError

SCHEMA_VERSION = 1
BUSY_SECONDS = 30.0
CACHE_KIB = 64 * 1024
# SQLite before 3.32 takes at most 999 parameters in a statement.
PARAMETERS = 900

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


class Database:
    """An open database with the tables above, made where they are not there.

    Args:
        path: the file; None for one in memory.

    Raises:
        LedgerError: the file is no ledger, is damaged, or is of another version.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self.lock = threading.RLock()
        try:
            self._connection = sqlite3.connect(
                path or ":memory:",
                timeout=BUSY_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
            try:
                self._set_up()
            except BaseException:
                self._connection.close()
                raise
        except sqlite3.Error as error:
            raise LedgerError(f"the ledger {path} cannot be opened: {error}") from error

    def _set_up(self) -> None:
        self.execute("PRAGMA journal_mode=WAL")
        self.execute("PRAGMA synchronous=FULL")
        self.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        with self.transaction():
            (version,) = self.execute("PRAGMA user_version").fetchone()
            if version == 0:
                for statement in SCHEMA.split(";\n"):
                    if statement.strip():
                        self.execute(statement)
                self.execute(f"PRAGMA user_version={SCHEMA_VERSION}")
            elif version != SCHEMA_VERSION:
                raise LedgerError(
                    f"the ledger {self._path} has version {version}, this pipeline knows "
                    f"{SCHEMA_VERSION}: run the version of article-pipeline that made it"
                )

    @contextlib.contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """The connection, in a transaction that ends with the block, whole or not at all.

        Raises:
            LedgerError: SQLite failed.
        """
        with self.lock:
            try:
                # IMMEDIATE takes the write lock at once: two processes that read first and write
                # later could both find a mark free.
                self.execute("BEGIN IMMEDIATE")
                yield self._connection
                self.execute("COMMIT")
            except BaseException as error:
                # A COMMIT that fails may leave the transaction open; a full disk may have ended it.
                if self._connection.in_transaction:
                    self.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error):
                    raise LedgerError(f"the ledger {self._path} failed: {error}") from error
                raise

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """No other thread uses the connection within the block; raises LedgerError."""
        with self.lock:
            try:
                yield
            except sqlite3.Error as error:
                raise LedgerError(f"the ledger {self._path} failed: {error}") from error

    def execute(self, statement: str, parameters: Iterable[Any] = ()) -> sqlite3.Cursor:
        return self._connection.execute(statement, tuple(parameters))

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

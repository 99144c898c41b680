"""Which dead letters of an output were replayed.

The marks are in OUTPUT/_state/replayed.sqlite. They are no data that exists nowhere else: whatever
was replayed says so itself once it is a record again, in its attribute `replayed_from`, whether it
went through a topic or straight into a backfill of the same output. `learn` reads these attributes,
each file of the output once, for a file never changes. Only of what has been published and is in no
file yet does the database know more. Where it is deleted, that alone may be published twice.
"""

from __future__ import annotations

import contextlib
import itertools
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pipeline.schemas as schemas
from pipeline.durable import make_folder
from pipeline.errors import Failed
from pipeline.watch import output
from pipeline.watch.following import following
from pipeline.watch.narrow import read_fields

REPLAYED_FROM = "replayed_from"
"""The attribute that holds the key of the dead letter that a message was."""

NAME = Path("_state") / "replayed.sqlite"
VERSION = 1
# Marks in one transaction: a process that is killed forgets up to so many receipts.
BATCH = 100
# Files in one transaction of `learn`, which can read them again.
FILES = 200
# A replay waits so long for a dry run that copies the marks, and for another replay in vain.
BUSY_SECONDS = 5.0

FIELDS = {
    "articles": frozenset({"attributes"}),
    "duplicates": frozenset({"article"}),
    "dead_letters": frozenset({"attributes"}),
}
TABLES = (
    "CREATE TABLE IF NOT EXISTS replayed (key TEXT PRIMARY KEY) WITHOUT ROWID",
    # The files that have been read for marks.
    "CREATE TABLE IF NOT EXISTS files (path TEXT PRIMARY KEY) WITHOUT ROWID",
)


class Marks:
    """The keys of the dead letters that were replayed; used as a context.

    Args:
        root: the output.
        keep: False for a look that changes nothing: what it learns is forgotten.
        batch: how many marks wait to be written together.

    Raises:
        Failed: another replay has the marks, or they cannot be read or written.
    """

    def __init__(self, root: Path, *, keep: bool = True, batch: int = BATCH) -> None:
        self._root = root
        self._path = root / NAME
        self._batch = batch
        self._new: list[str] = []
        with self._failures():
            self._connection = self._kept() if keep else self._copied()

    def _kept(self) -> sqlite3.Connection:
        make_folder(self._path.parent)
        connection = sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None)
        with _closed_where_it_fails(connection):
            # Held until the connection is closed: two replays at once would send all twice.
            connection.execute("PRAGMA locking_mode=EXCLUSIVE")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("BEGIN EXCLUSIVE")
            _make_tables(connection)
            connection.execute("COMMIT")
        return connection

    def _copied(self) -> sqlite3.Connection:
        # A database without a name is a temporary file.
        connection = sqlite3.connect("", isolation_level=None)
        with _closed_where_it_fails(connection):
            if self._path.exists():
                uri = f"{self._path.absolute().as_uri()}?mode=ro"
                with contextlib.closing(
                    sqlite3.connect(uri, uri=True, timeout=BUSY_SECONDS)
                ) as source:
                    # Takes the lock or fails; `backup` itself would wait for it without end.
                    source.execute("BEGIN")
                    source.execute("SELECT count(*) FROM sqlite_master")
                    source.backup(connection)
            _make_tables(connection)
        return connection

    def __enter__(self) -> Marks:
        return self

    def __exit__(self, *exc: object) -> None:
        """Writes the marks that wait, whatever ended the block."""
        try:
            self.flush()
        finally:
            self._connection.close()

    def learn(self) -> list[str]:
        """Takes in what the records say that have come since the last time.

        Returns:
            What cannot be read, a line each; it is tried again the next time.
        """
        unreadable = []
        with self._failures():
            read = {path for (path,) in self._connection.execute("SELECT path FROM files")}
            files = [
                (kind, path)
                for kind in schemas.KINDS
                for path in output.files(self._root, kind)
                if self._name(path) not in read
            ]
            walk = following(files, "looking for what was replayed")
            while part := list(itertools.islice(walk, FILES)):
                with self._transaction():
                    for kind, path in part:
                        try:
                            self._learn_from(kind, path)
                        except output.Damaged as error:
                            unreadable.append(str(error))
        return unreadable

    def _learn_from(self, kind: str, path: Path) -> None:
        for record in read_fields(self._root, kind, path, FIELDS):
            key = record.get("article", record)["attributes"].get(REPLAYED_FROM)
            if key is not None:
                self._insert([key])
        self._connection.execute("INSERT INTO files VALUES (?)", (self._name(path),))

    def _name(self, path: Path) -> str:
        return path.relative_to(self._root).as_posix()

    def __contains__(self, key: str) -> bool:
        with self._failures():
            found = self._connection.execute("SELECT 1 FROM replayed WHERE key = ?", (key,))
            return found.fetchone() is not None

    def keys(self) -> set[str]:
        """All that are marked."""
        with self._failures():
            return {key for (key,) in self._connection.execute("SELECT key FROM replayed")}

    def add(self, key: str) -> None:
        """Marks one as replayed; it is durable with the next batch, or `flush`."""
        self._new.append(key)
        if len(self._new) >= self._batch:
            self.flush()

    def flush(self) -> None:
        """Writes the marks that wait for their batch."""
        with self._failures(), self._transaction():
            self._insert(self._new)
        self._new.clear()

    def _insert(self, keys: list[str]) -> None:
        self._connection.executemany(
            "INSERT OR IGNORE INTO replayed VALUES (?)", [(key,) for key in keys]
        )

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN")
        try:
            yield
        except BaseException:
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")

    @contextlib.contextmanager
    def _failures(self) -> Iterator[None]:
        """Says what a failure of the database means; raises Failed."""
        try:
            yield
        except OSError as error:
            raise Failed(f"{self._path} cannot be written: {error.strerror or error}") from error
        except sqlite3.Error as error:
            if "is locked" in str(error):
                raise Failed(
                    f"another replay of {self._root} is at work; wait for its end"
                ) from error
            if isinstance(error, sqlite3.OperationalError):
                raise Failed(f"{self._path} cannot be used: {error}") from error
            raise Failed(
                f"{self._path} is damaged ({error}): remove it. It is made again from the records; "
                "what was replayed and is in none yet would be sent twice"
            ) from error


@contextlib.contextmanager
def _closed_where_it_fails(connection: sqlite3.Connection) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise


def _make_tables(connection: sqlite3.Connection) -> None:
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version not in (0, VERSION):
        raise sqlite3.OperationalError(f"it has version {version}, this pipeline knows {VERSION}")
    for table in TABLES:
        connection.execute(table)
    connection.execute(f"PRAGMA user_version={VERSION}")

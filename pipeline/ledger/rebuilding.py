"""A new ledger made of what the files of an output say, and put in the place of the old one.

It is made beside the old one and takes its place by rename when it is whole and on disk. The old
one is kept, under a name that says what it is. A crash on the way leaves the old one; or, between
two renames, none, which a run refuses to work with (`pipeline.rebuild`).
"""

from __future__ import annotations

import array
import datetime as dt
import os
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TypeVar

from pipeline.durable import make_folder, sync_folder
from pipeline.errors import Failed
from pipeline.ledger import remedy
from pipeline.ledger.database import CACHE_KIB, PARAMETERS, SIDES, ledger_error, make_tables
from pipeline.ledger.marks import MARK_BYTES, mark_of
from pipeline.ledger.neighbours import MOST_IN_BAND
from pipeline.ledger.owners import Owners, owners_folder
from pipeline.records import micros
from pipeline.similarity.signature import Signature

# Rows that are in memory at a time.
BATCH = 5_000

Row = TypeVar("Row")

# What the records say until it is known of whom: in a temporary file of SQLite's own.
SCRATCH = """
CREATE TEMP TABLE articles (
    message_id TEXT NOT NULL,
    article_id TEXT NOT NULL,
    key TEXT NOT NULL,
    seen_at INTEGER NOT NULL
);
CREATE TEMP TABLE links (
    key TEXT PRIMARY KEY,
    message_id TEXT NOT NULL,   -- of the canonical article, and so is the next
    article_id TEXT NOT NULL,
    seen_at INTEGER NOT NULL
) WITHOUT ROWID;
CREATE TEMP TABLE seen (
    key TEXT NOT NULL,
    seen_at INTEGER NOT NULL,
    first INTEGER NOT NULL,     -- 1 where no mark was another's: articles and near-duplicates
    hit BLOB,                   -- by which mark the duplicate was recognised
    marks BLOB NOT NULL         -- one after the other
);
CREATE TEMP TABLE signed (
    key TEXT NOT NULL,
    seen_at INTEGER NOT NULL,
    bands BLOB NOT NULL,
    signature BLOB NOT NULL
);
"""


@dataclass(frozen=True, slots=True)
class Held:
    """What a record says about its message.

    Args:
        key, message_id, article_id, kind, similarity: as in the ledger.
        canonical: (message_id, article_id) of the article it is a copy of; None for no duplicate.
        seen_at: microseconds; when the message came.
        marks: as in `Candidate`; none for a dead letter, which is no copy's first one.
        signature: of the text of an article.
    """

    key: str
    message_id: str
    article_id: str | None = None
    kind: str | None = None
    similarity: float | None = None
    canonical: tuple[str, str] | None = None
    seen_at: int = 0
    marks: tuple[tuple[str, bytes], ...] = ()
    signature: Signature | None = None


class Rebuilding:
    """A ledger in the making. Close it, whether it was finished or not.

    Args:
        path: where the ledger is, or was.
        root: the output whose files it records.

    Raises:
        Failed: a process is at work on the ledger.
        LedgerError: SQLite failed.
        OSError: its folder cannot be written.
    """

    def __init__(self, path: Path, root: Path) -> None:
        self._path = path
        self._root = root
        self._new = path.with_name(f"{path.name}.rebuilding")
        make_folder(path.parent)
        self._owners = Owners(owners_folder(path))
        try:
            self._check_alone()
            # Of a rebuilding that was ended.
            self._new.unlink(missing_ok=True)
            self._db = sqlite3.connect(self._new, isolation_level=None)
            # Without a journal: what is not whole is not used.
            for pragma in ("journal_mode=OFF", "synchronous=OFF", f"cache_size=-{CACHE_KIB}"):
                self._db.execute(f"PRAGMA {pragma}")
            make_tables(self._db)
            self._db.executescript(SCRATCH)
            self._db.execute("BEGIN")
        except sqlite3.Error as error:
            self.close()
            raise ledger_error(error, self._new, remedy(path, root)) from error
        except BaseException:
            self.close()
            raise

    def _check_alone(self) -> None:
        others = self._owners.others()
        if others:
            raise Failed(
                f"{len(others)} processes are at work on the ledger {self._path}: stop the run, "
                "and give the command again"
            )

    def add(self, name: str, kind: str, held: Iterable[Held]) -> int:
        """Adds one file, as committed, and returns how many messages the ledger has from it.

        A message that an earlier file has already stays with that one.

        Args:
            name: its path, relative to the output.
            kind: articles, duplicates or dead_letters.
            held: by record.

        Raises:
            LedgerError: SQLite failed.
        """
        try:
            return self._add(name, kind, held)
        except sqlite3.Error as error:
            raise ledger_error(error, self._new, remedy(self._path, self._root)) from error

    def _add(self, name: str, kind: str, held: Iterable[Held]) -> int:
        now = micros(dt.datetime.now(dt.timezone.utc))
        file_id = self._db.execute(
            "INSERT INTO files (root, path, kind, owner, records, committed_at)"
            " VALUES (?, ?, ?, ?, 0, ?)",
            (str(self._root.resolve()), name, kind, self._owners.name, now),
        ).lastrowid
        added = 0
        for batch in _batches(held):
            for one in batch:
                canonical = one.key if kind == "articles" else None
                cursor = self._db.execute(
                    "INSERT OR IGNORE INTO messages VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (
                        *(one.key, one.message_id, one.article_id, one.kind, canonical),
                        *(one.similarity, file_id),
                    ),
                )
                if cursor.rowcount:
                    added += 1
                    self._note(kind, one)
        self._db.execute("UPDATE files SET records = ? WHERE file_id = ?", (added, file_id))
        return added

    def _note(self, kind: str, one: Held) -> None:
        if kind == "articles":
            self._db.execute(
                "INSERT INTO articles VALUES (?, ?, ?, ?)",
                (one.message_id, one.article_id, one.key, one.seen_at),
            )
            if one.signature is not None:
                bands = array.array("I", one.signature.bands).tobytes()
                self._db.execute(
                    "INSERT INTO signed VALUES (?, ?, ?, ?)",
                    (one.key, one.seen_at, bands, one.signature.pack()),
                )
        elif one.canonical is not None:
            self._db.execute(
                "INSERT INTO links VALUES (?, ?, ?, ?)", (one.key, *one.canonical, one.seen_at)
            )
        if one.marks:
            marks = [mark_of(kind_, digest) for kind_, digest in one.marks]
            hit = [m for m, (kind_, _) in zip(marks, one.marks, strict=True) if kind_ == one.kind]
            self._db.execute(
                "INSERT INTO seen VALUES (?, ?, ?, ?, ?)",
                (
                    one.key,
                    one.seen_at,
                    kind == "articles" or one.kind == "near",
                    hit[0] if hit else None,
                    b"".join(marks),
                ),
            )

    def finish(self) -> Path | None:
        """Puts the new ledger in place; returns where the old one is kept, None for no old one.

        Raises:
            Failed: a process has begun to work on the old one meanwhile.
            LedgerError: SQLite failed.
            OSError: the disk did.
        """
        try:
            self._link()
            self._mark()
            self._sign()
            self._db.execute("COMMIT")
            self._db.close()
        except sqlite3.Error as error:
            raise ledger_error(error, self._new, remedy(self._path, self._root)) from error
        with self._new.open("rb") as file:
            os.fsync(file.fileno())
        self._check_alone()
        kept = self._keep_old()
        self._new.rename(self._path)
        sync_folder(self._path.parent)
        return kept

    def _link(self) -> None:
        """Points each duplicate to its canonical article, where that is in the files.

        A record names it by its message id and its article id. Both may be there more than once:
        emulators hand ids out again, and an article that was forgotten comes again as a new one.
        The one meant was there when the duplicate came, and no later one had come.
        """
        self._db.execute("CREATE INDEX articles_by_id ON articles (message_id, article_id)")
        self._db.execute(
            "UPDATE messages SET canonical = ("
            "  SELECT a.key FROM links l"
            "  JOIN articles a ON a.message_id = l.message_id AND a.article_id = l.article_id"
            "  WHERE l.key = messages.key"
            "  ORDER BY a.seen_at > l.seen_at, abs(a.seen_at - l.seen_at) LIMIT 1)"
            " WHERE key IN (SELECT key FROM links)"
        )

    def _mark(self) -> None:
        """Gives every mark to the article that has it by the verdicts that fell.

        An article is what it is because none of its marks was another's then: they are its own
        from its time on. A duplicate brings its marks to its canonical article, but for those that
        another one had. Of several, the canonical article is the one whose mark is the oldest; so
        where another's is older than that by which the duplicate was recognised, it had been
        forgotten, and the duplicate brought it anew. A near-duplicate was recognised by none: as
        those of an article, its marks were nobody's.

        The marks of a duplicate whose canonical article is in no article's file (pending when the
        ledger was lost, or a dead letter since) are nobody's. Were they the duplicate's, then that
        article, when it comes again, would be a duplicate of its own copy, and no first copy be
        left.
        """
        rows = self._db.execute(
            "SELECT m.canonical, s.seen_at, s.first, s.hit, s.marks FROM seen s"
            " JOIN messages m ON m.key = s.key WHERE m.canonical IS NOT NULL"
            " ORDER BY s.seen_at, s.first DESC, s.rowid"
        )
        last = -1
        for batch in _batches(rows):
            events = [(*row[:4], _parted(row[4])) for row in batch]
            owners = self._owners_of({mark for event in events for mark in event[4]})
            changed: set[bytes] = set()
            for owner, seen_at, first, hit, marks in events:
                # One after the other, as in a batch of verdicts: which is first decides.
                last = max(seen_at, last + 1)
                known = owners.get(hit) if hit is not None else None
                oldest = known[1] if known is not None and known[0] == owner else 0
                for mark in marks:
                    if first or mark not in owners or owners[mark][1] < oldest:
                        owners[mark] = (owner, last)
                        changed.add(mark)
            self._db.executemany(
                "INSERT OR REPLACE INTO marks VALUES (?, ?, ?)",
                ((mark, *owners[mark]) for mark in sorted(changed)),
            )

    def _sign(self) -> None:
        """Puts the signatures into the index in the order in which their articles came."""
        self._db.execute(
            "INSERT INTO signatures (key, seen_at, signature)"
            " SELECT key, seen_at, signature FROM signed ORDER BY seen_at, rowid"
        )
        # Sorted by SQLite, on disk where there are many: in any other order each goes elsewhere.
        self._db.execute("CREATE TEMP TABLE shared (band INTEGER, number INTEGER)")
        rows = self._db.execute("SELECT bands FROM signed ORDER BY seen_at, rowid")
        for number, (bands,) in enumerate(rows, 1):
            self._db.executemany(
                "INSERT INTO shared VALUES (?, ?)",
                ((band, number) for band in array.array("I", bands)),
            )
        self._db.execute(
            "INSERT OR IGNORE INTO bands SELECT band, number FROM"
            " (SELECT band, number, row_number() OVER (PARTITION BY band ORDER BY number) AS place"
            "  FROM shared) WHERE place <= ? ORDER BY band, number",
            (MOST_IN_BAND,),
        )

    def _owners_of(self, digests: set[bytes]) -> dict[bytes, tuple[str, int]]:
        found = {}
        wanted = list(digests)
        for start in range(0, len(wanted), PARAMETERS):
            part = wanted[start : start + PARAMETERS]
            places = ",".join("?" * len(part))
            query = f"SELECT digest, owner, seen_at FROM marks WHERE digest IN ({places})"  # noqa: S608
            found.update({d: (owner, at) for d, owner, at in self._db.execute(query, part)})
        return found

    def _keep_old(self) -> Path | None:
        """Renames what is in the place of the new ledger.

        The database before what stands beside it: without its WAL it would be an older state, or
        none, that looks sound. And all of that before the new one comes, which SQLite would take
        the old WAL for part of.
        """
        now = dt.datetime.now(dt.timezone.utc)
        kept = self._path.with_name(f"{self._path.name}.broken-{now:%Y%m%dT%H%M%S.%fZ}")
        found = [side for side in SIDES if os.path.lexists(f"{self._path}{side}")]
        for side in found:
            os.rename(f"{self._path}{side}", f"{kept}{side}")
            sync_folder(self._path.parent)
        return Path(f"{kept}{found[0]}") if found else None

    def close(self) -> None:
        """Ends it; what is not finished leaves no trace."""
        if hasattr(self, "_db"):
            self._db.close()
            self._new.unlink(missing_ok=True)
        self._owners.leave()


def _batches(rows: Iterable[Row]) -> Iterator[Sequence[Row]]:
    """`rows`, BATCH at a time."""
    remaining = iter(rows)
    while batch := list(islice(remaining, BATCH)):
        yield batch


def _parted(marks: bytes) -> list[bytes]:
    return [marks[at : at + MARK_BYTES] for at in range(0, len(marks), MARK_BYTES)]

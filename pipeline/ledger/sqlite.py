"""The ledger in SQLite: the default, for one machine; any number of processes on it.

An intent must be durable before its file gets its name, and a commit before its messages are
acknowledged; verdicts share that, at one fsync a batch (`pipeline.ledger.database`).
"""

from __future__ import annotations

import datetime as dt
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.durable import sync_folders
from pipeline.ledger import (
    Candidate,
    CommittedFile,
    Intent,
    LedgerError,
    LedgerUnavailable,
    NearRule,
    Recovery,
    Verdict,
    remedy,
)
from pipeline.ledger.database import BUSY_SECONDS, Database
from pipeline.ledger.deciding import decide
from pipeline.ledger.marks import mark_of
from pipeline.ledger.owners import Owners, owners_folder
from pipeline.records import micros

# Forgetting old marks goes along with every batch, faster than batches bring new ones in: never
# so many at once that others wait for the write lock.
PURGE_MARKS = 5_000
# What `committed_messages` reads at a time.
PAGE = 10_000
# How much of what is wrong with a database `damage` tells.
MOST_DAMAGE = 10


class SqliteLedger:
    """See `pipeline.ledger.Ledger`.

    Args:
        path: the database; None for one in memory, which no other process sees.
        root: the output whose files it records.
        read_only: to look only; nothing is made or changed on disk.
        busy_seconds: how long to wait for the lock of another process.

    Raises:
        LedgerUnavailable: it cannot be opened just now.
        LedgerError: the file is no ledger, is damaged, or is of a later version.
    """

    def __init__(
        self,
        path: Path | None,
        root: Path,
        *,
        read_only: bool = False,
        busy_seconds: float = BUSY_SECONDS,
    ) -> None:
        self._root = str(root.resolve())
        self._owners = Owners(None if path is None or read_only else owners_folder(path))
        self.owner = self._owners.name
        # Paths of our open intents whose writer gave up.
        self._abandoned: set[str] = set()
        try:
            self._db = Database(
                path, remedy(path, root), read_only=read_only, busy_seconds=busy_seconds
            )
        except BaseException:
            self._owners.leave()
            raise

    def alive(self, owner: str) -> bool:
        with self._owners.if_dead(owner) as dead:
            return not dead

    # Verdicts

    def verdicts(
        self,
        candidates: Sequence[Candidate],
        *,
        now: dt.datetime,
        ttl: dt.timedelta,
        near: NearRule | None = None,
    ) -> list[Verdict]:
        stamp = micros(now)
        oldest = stamp - ttl // dt.timedelta(microseconds=1)
        with self._db.transaction() as db:
            db.execute(
                "DELETE FROM marks WHERE digest IN"
                " (SELECT digest FROM marks WHERE seen_at < ? LIMIT ?)",
                (oldest, PURGE_MARKS),
            )
            known = self._known_verdicts({c.key for c in candidates})
            fresh = [c for c in candidates if c.key not in known]
            marks = {mark_of(kind, digest) for c in fresh for kind, digest in c.marks}
            owners = self._mark_owners(marks, oldest)
            if near is None:
                decided = decide(fresh, owners, stamp)
            else:
                # Imports numpy, which who only looks at a ledger need not wait for.
                from pipeline.ledger.sqlite_neighbours import decide_near

                decided = decide_near(self._db, fresh, owners, stamp, oldest, near)
            db.executemany("INSERT OR REPLACE INTO marks VALUES (?, ?, ?)", decided.marks)
            # A row may be there already: of a dead letter whose file was never finished.
            db.executemany(
                "INSERT INTO messages (key, message_id, article_id, kind, canonical, similarity)"
                " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET"
                " article_id = excluded.article_id, kind = excluded.kind,"
                " canonical = excluded.canonical, similarity = excluded.similarity",
                [decision.row() for decision in decided.decisions],
            )
            known |= self._known_verdicts({d.candidate.key for d in decided.decisions})
        return [known[c.key] for c in candidates]

    def _known_verdicts(self, keys: set[str]) -> dict[str, Verdict]:
        found = {}
        for (
            key,
            kind,
            similarity,
            canonical_id,
            canonical_message_id,
            committed_at,
        ) in self._db.select(
            "SELECT m.key, m.kind, m.similarity, c.article_id, c.message_id, f.committed_at"
            " FROM messages m LEFT JOIN messages c ON c.key = m.canonical"
            " LEFT JOIN files f ON f.file_id = m.file_id WHERE m.key IN ({})",
            keys,
        ):
            if canonical_id is None and committed_at is None:
                continue
            found[key] = Verdict(
                committed=committed_at is not None,
                kind=kind,
                similarity=1.0 if similarity is None else similarity,
                canonical_id=canonical_id or "",
                canonical_message_id=canonical_message_id or "",
            )
        return found

    def _mark_owners(self, digests: set[bytes], oldest: int) -> dict[bytes, tuple[str, int]]:
        """(key of the first copy, time) by mark; a dead letter is no one's first copy."""
        return {
            digest: (owner, seen_at)
            for digest, owner, seen_at, kind, committed_at in self._db.select(
                "SELECT k.digest, k.owner, k.seen_at, f.kind, f.committed_at FROM marks k"
                " LEFT JOIN messages m ON m.key = k.owner"
                " LEFT JOIN files f ON f.file_id = m.file_id WHERE k.digest IN ({})",
                digests,
            )
            if seen_at >= oldest and not (kind == "dead_letters" and committed_at is not None)
        }

    # Files

    def done(self, keys: Sequence[str]) -> set[str]:
        with self._db.reading():
            return {key for key, claim in self._claims(keys).items() if claim.done}

    def begin(
        self,
        kind: str,
        messages: Sequence[tuple[str, str]],
        name: Callable[[Sequence[str]], str],
    ) -> Intent:
        ids = dict(messages)
        self._recover_claims(ids)
        with self._db.lock:
            with self._db.transaction() as db:
                intent, ours = self._granted(ids, name)
                left = {path for path in ours if path != intent.path} & self._abandoned
                if left:
                    # Not a retry of that file, and its writer is at work on it no more.
                    for path in left:
                        self._end(path)
                    intent, ours = self._granted(ids, name)
                if intent.granted:
                    self._announce(db, kind, intent, ids)
            self._abandoned -= {*left, intent.path}
        return intent

    def _granted(
        self, ids: Iterable[str], name: Callable[[Sequence[str]], str]
    ) -> tuple[Intent, set[str]]:
        """What may be written of these messages, and the paths of our open intents with any."""
        claims = self._claims(ids)
        done = {key for key, claim in claims.items() if claim.done}
        others = {k for k, c in claims.items() if not c.done and c.owner != self.owner}
        ours = {k: c.path for k, c in claims.items() if not c.done and c.owner == self.owner}
        granted = tuple(key for key in ids if key not in others and key not in done)
        path = name(granted) if granted else ""
        if any(claimed != path for claimed in ours.values()):
            # Not a retry of that file: another thread of this process is at work on it.
            others |= ours.keys()
            granted = tuple(key for key in granted if key not in ours)
            path = name(granted) if granted else ""
        committed = tuple(key for key in ids if key in done)
        elsewhere = tuple(key for key in ids if key in others)
        return Intent(path, granted, committed, elsewhere), set(ours.values())

    def _announce(
        self, db: sqlite3.Connection, kind: str, intent: Intent, ids: dict[str, str]
    ) -> None:
        keys = json.dumps(intent.granted)
        # It is there already on a retry, and where a damaged file's messages have come again.
        db.execute(
            "INSERT INTO files (root, path, kind, owner, records, keys)"
            " VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (path) DO UPDATE SET"
            " root = excluded.root, owner = excluded.owner, records = excluded.records,"
            " keys = excluded.keys, committed_at = NULL",
            (self._root, intent.path, kind, self.owner, len(intent.granted), keys),
        )
        (file_id,) = db.execute(
            "SELECT file_id FROM files WHERE path = ?", (intent.path,)
        ).fetchone()
        db.executemany(
            "INSERT INTO messages (key, message_id, file_id) VALUES (?, ?, ?)"
            " ON CONFLICT (key) DO UPDATE SET file_id = excluded.file_id",
            ((key, ids[key], file_id) for key in intent.granted),
        )

    def abandon(self, intent: Intent) -> None:
        with self._db.lock:
            self._abandoned.add(intent.path)

    def commit(self, intent: Intent) -> None:
        with self._db.transaction() as db:
            row = db.execute(
                "SELECT file_id, owner FROM files WHERE path = ?", (intent.path,)
            ).fetchone()
            if row is None or row[1] != self.owner:
                raise LedgerError(
                    f"the intent for {intent.path} is gone: another process took this one for "
                    "dead. Its messages stay unacknowledged and come again."
                )
            self._complete(row[0])

    def _complete(self, file_id: int) -> None:
        self._db.execute(
            "UPDATE files SET committed_at = ?, keys = NULL WHERE file_id = ?"
            " AND committed_at IS NULL",
            (micros(dt.datetime.now(dt.timezone.utc)), file_id),
        )

    def _claims(self, keys: Iterable[str]) -> dict[str, _Claim]:
        return {
            key: _Claim(path, owner, committed_at is not None)
            for key, path, owner, committed_at in self._db.select(
                "SELECT m.key, f.path, f.owner, f.committed_at FROM messages m"
                " JOIN files f ON f.file_id = m.file_id WHERE m.key IN ({})",
                keys,
            )
        }

    # Recovery

    def recover(self) -> Recovery:
        with self._db.reading():
            owners = [
                owner
                for (owner,) in self._db.execute(
                    "SELECT DISTINCT owner FROM files WHERE committed_at IS NULL"
                ).fetchall()
            ]
        completed: list[str] = []
        dropped: list[str] = []
        for owner in owners:
            with self._owners.if_dead(owner) as dead:
                if dead:
                    self._recover_owner(owner, completed, dropped)
        self._owners.sweep()
        return Recovery(tuple(completed), tuple(dropped))

    def _recover_owner(self, owner: str, completed: list[str], dropped: list[str]) -> None:
        with self._db.transaction() as db:
            for (path,) in db.execute(
                "SELECT path FROM files WHERE owner = ? AND committed_at IS NULL", (owner,)
            ).fetchall():
                (completed if self._end(path) else dropped).append(path)

    def _end(self, path: str) -> bool:
        """Completes the open intent for `path` where the file stands, and drops it where not."""
        db = self._db
        file_id, root, keys = db.execute(
            "SELECT file_id, root, keys FROM files WHERE path = ?", (path,)
        ).fetchone()
        # The output may have been moved since: the name alone tells the content.
        if any(_stands(Path(r), path) for r in (root, self._root)):
            self._complete(file_id)
            return True
        free = "UPDATE messages SET file_id = NULL WHERE key = ? AND file_id = ?"
        for key in json.loads(keys):
            db.execute(free, (key, file_id))
        db.execute("DELETE FROM files WHERE file_id = ?", (file_id,))
        return False

    def _recover_claims(self, keys: Iterable[str]) -> None:
        """A process may have died since ours started, and its messages have come to us."""
        with self._db.reading():
            owners = {c.owner for c in self._claims(keys).values() if not c.done}
        for owner in owners - {self.owner}:
            with self._owners.if_dead(owner) as dead:
                if dead:
                    self._recover_owner(owner, [], [])

    # Looking

    def other_outputs(self) -> list[str]:
        with self._db.reading():
            roots = self._db.execute("SELECT DISTINCT root FROM files").fetchall()
        return [root for (root,) in roots if root != self._root and Path(root).is_dir()]

    def committed_files(self) -> list[CommittedFile]:
        with self._db.reading():
            return [
                CommittedFile(path, records)
                for path, records in self._db.execute(
                    "SELECT path, records FROM files WHERE committed_at IS NOT NULL ORDER BY path"
                )
            ]

    def open_intents(self) -> list[str]:
        with self._db.reading():
            return [
                path
                for (path,) in self._db.execute(
                    "SELECT path FROM files WHERE committed_at IS NULL ORDER BY path"
                )
            ]

    def committed_messages(self) -> Iterator[tuple[str, str]]:
        last = ""
        while True:
            # A page at a time, so that neither the lock nor a snapshot is held while it is used.
            with self._db.reading():
                page = self._db.execute(
                    "SELECT m.key, f.path, f.committed_at FROM messages m"
                    " LEFT JOIN files f ON f.file_id = m.file_id"
                    " WHERE m.key > ? ORDER BY m.key LIMIT ?",
                    (last, PAGE),
                ).fetchall()
            if not page:
                return
            yield from ((path, key) for key, path, committed_at in page if committed_at is not None)
            last = page[-1][0]

    def overtaken(self) -> bool:
        return self._db.overtaken()

    def damage(self) -> list[str]:
        try:
            with self._db.reading():
                found = self._db.execute(f"PRAGMA integrity_check({MOST_DAMAGE})").fetchall()
        except LedgerUnavailable:
            raise
        except LedgerError as error:
            # The check ends where it can read no further.
            return [str(error)]
        return [] if found == [("ok",)] else [line for (line,) in found]

    def close(self) -> None:
        self._db.close()
        self._owners.leave()


@dataclass(frozen=True, slots=True)
class _Claim:
    """The file that holds a message, or is about to."""

    path: str
    owner: str
    done: bool


def _stands(root: Path, path: str) -> bool:
    """Whether the file at `root`/`path` is there, and its name durable from now on.

    Its writer may have died between the rename and the sync of the folders.

    Raises:
        OSError: it cannot be told; taking the file for missing would write its records again.
    """
    try:
        (root / path).stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    sync_folders(root, path)
    return True

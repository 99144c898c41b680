"""Auditing an output: every file whole, every message once, files and ledger of one mind."""

from __future__ import annotations

import dataclasses
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pipeline.schemas as schemas
from pipeline.errors import Failed, UsageError
from pipeline.ledger import (
    Ledger,
    LedgerError,
    LedgerUnavailable,
    database_path,
    default_uri,
    ledger_exists,
    open_ledger,
    remedy,
    shown,
)
from pipeline.records import message_key
from pipeline.watch import output
from pipeline.watch.following import following

MAX_FINDINGS = 1_000
# A ledger that nobody has open is read without a lock; again, where a run began meanwhile.
TRIES = 3


@dataclass
class Audit:
    """What an audit found.

    Args:
        counts: records by kind.
        files: how many files were read.
        findings: what is wrong, a line each; empty for a sound output.
        notes: what is worth knowing and not wrong.
    """

    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(schemas.KINDS, 0))
    files: int = 0
    findings: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    left_out: int = 0

    @property
    def sound(self) -> bool:
        return not self.findings

    def find(self, what: str) -> None:
        if len(self.findings) < MAX_FINDINGS:
            self.findings.append(what)
        else:
            self.left_out += 1

    def add(self, other: Audit) -> None:
        """Takes over the findings and notes of another."""
        for finding in other.findings:
            self.find(finding)
        self.left_out += other.left_out
        self.notes += other.notes

    def as_dict(self) -> dict[str, Any]:
        return {"sound": self.sound, **dataclasses.asdict(self)}


def verify(root: Path, state: str | None = None) -> Audit:
    """Audits the output in `root` against its ledger, and changes neither.

    Args:
        state: URI of the ledger; by default the one under the output.

    Raises:
        UsageError: `state` names no ledger that is there.
        LedgerUnavailable: there is a ledger, and it cannot be read just now.
    """
    uri = state or default_uri(root)
    database = database_path(uri)
    there = ledger_exists(uri, root) if database is None else database.is_file()
    if state is not None and not there:
        raise UsageError(f"--state {shown(state)}: there is no ledger; give the --state of the run")
    audit = Audit()
    files = _Files(root, audit)
    try:
        listed = [(kind, path) for kind in schemas.KINDS for path in output.files(root, kind)]
        for kind, path in following(listed, "auditing"):
            files.read(kind, path)
        files.index()
        if not there and not (database is not None and database.exists()):
            found = Audit(notes=[f"no ledger at {uri}: only the files were audited"])
        else:
            found = _audit_ledger(uri, root, files)
        for finding in files.twice():
            audit.find(finding)
        audit.add(found)
    finally:
        files.close()
    return audit


def _audit_ledger(uri: str, root: Path, files: _Files) -> Audit:
    for _ in range(TRIES):
        found = Audit()
        try:
            ledger = open_ledger(uri, root, read_only=True)
            try:
                # What is damaged gives no answers to compare.
                for line in ledger.damage():
                    found.find(f"the ledger {shown(uri)} is damaged ({line})")
                if found.sound:
                    _compare(found, ledger, files)
                else:
                    where = database_path(uri) or shown(uri)
                    found.notes.append(f"to go on, {remedy(where, root)}")
                overtaken = ledger.overtaken()
            finally:
                ledger.close()
        except LedgerUnavailable:
            raise
        except LedgerError as error:
            found.find(str(error))
            return found
        if not overtaken:
            return found
    raise LedgerUnavailable(f"the ledger {shown(uri)} was changed while it was read, {TRIES} times")


class _Files:
    """What the files of the output `root` hold; what is wrong with them goes to `audit`.

    The keys are in a temporary database on disk: there may be millions.
    """

    def __init__(self, root: Path, audit: Audit) -> None:
        self.root = root
        self.names: dict[str, int] = {}
        self._audit = audit
        self._db = sqlite3.connect("", isolation_level=None)
        self._db.execute("CREATE TABLE held (key TEXT NOT NULL, file INTEGER NOT NULL)")
        self._db.execute("CREATE TABLE told (key TEXT NOT NULL, file INTEGER NOT NULL)")

    def read(self, kind: str, path: Path) -> None:
        name = path.relative_to(self.root).as_posix()
        self._audit.files += 1
        number = self.names[name] = len(self.names)
        with self._db:
            self._db.execute("BEGIN")
            self._db.executemany(
                "INSERT INTO held VALUES (?, ?)",
                ((key, number) for key in self._read(kind, path, name)),
            )

    def _read(self, kind: str, path: Path, name: str) -> Iterator[str]:
        try:
            for record in output.read(self.root, kind, path):
                key = _key(kind, record)
                self._audit.counts[kind] += 1
                yield key
        except Failed as error:
            told = str(error)
            self._audit.find(told if name in told else f"{name}: {told}")

    def index(self) -> None:
        """Makes what follows fast, once most of the files have been read."""
        self._db.execute("CREATE INDEX held_by_key ON held (key)")

    def twice(self) -> Iterator[str]:
        """A line for every message that is there once more."""
        names = list(self.names)
        for key, first, again in self._db.execute(
            "SELECT h.key, (SELECT file FROM held WHERE key = h.key ORDER BY rowid LIMIT 1), h.file"
            " FROM held h JOIN (SELECT key FROM held GROUP BY key HAVING count(*) > 1) t"
            " ON t.key = h.key WHERE h.rowid > (SELECT min(rowid) FROM held WHERE key = h.key)"
            " ORDER BY h.rowid"
        ):
            yield f"message {key} is twice: in {names[first]} and in {names[again]}"

    def tell(self, messages: Iterator[tuple[str, str]]) -> None:
        """Takes in what a ledger says: (path, key) of each message."""
        with self._db:
            self._db.execute("BEGIN")
            self._db.execute("DELETE FROM told")
            self._db.executemany(
                "INSERT INTO told VALUES (?, ?)",
                # A file that is not there is found by its name.
                ((key, self.names.get(name, -1)) for name, key in messages),
            )

    def strangers(self) -> Iterator[tuple[str, str]]:
        """(path, key) of the messages told of a file that does not hold them."""
        names = list(self.names)
        for key, file in self._db.execute(
            "SELECT key, file FROM told WHERE file >= 0 AND NOT EXISTS"
            " (SELECT 1 FROM held h WHERE h.key = told.key AND h.file = told.file)"
        ):
            yield names[file], key

    def counts(self, table: str) -> dict[str, int]:
        """How many different messages are `held` by, or `told` of, each file with any."""
        assert table in ("held", "told")
        names = list(self.names)
        return {
            names[file]: count
            for file, count in self._db.execute(
                f"SELECT file, count(DISTINCT key) FROM {table} WHERE file >= 0 GROUP BY file"  # noqa: S608
            )
        }

    def close(self) -> None:
        self._db.close()


def _key(kind: str, record: Any) -> str:
    """The key of the message of a record.

    Raises:
        Failed: the file's own schema says that it is no time where ours has one.
    """
    holder = record["article"] if kind == "duplicates" else record
    published = holder["publish_time"]
    if published is not None and getattr(published, "tzinfo", None) is None:
        raise Failed(f"publish_time is {type(published).__name__} by its schema, not a time in UTC")
    return message_key(record["message_id"], published)


def _compare(audit: Audit, ledger: Ledger, files: _Files) -> None:
    """Compares files and ledger while a run may be adding to both.

    What a file of the first listing holds was announced before: read in this order, its intent is
    either still open or a commit by now. A commit of later than that listing has its file by now.
    """
    open_intents = set(ledger.open_intents())
    committed = {file.path: file.records for file in ledger.committed_files()}
    for name in sorted(committed.keys() - files.names.keys()):
        kind, path = name.partition("/")[0], files.root / name
        if kind in schemas.KINDS and path.is_file():
            files.read(kind, path)
    for name in sorted(committed.keys() - files.names.keys()):
        audit.find(f"{name} is committed in the ledger and is not there")
    for name in sorted(files.names.keys() - committed.keys()):
        if name in open_intents:
            audit.notes.append(f"{name} is written and not committed yet: the next run does that")
        else:
            audit.find(f"{name} is not in the ledger")
    files.tell(ledger.committed_messages())
    for name, key in files.strangers():
        audit.find(f"message {key} is committed in {name} and is not in that file")
    held, told = files.counts("held"), files.counts("told")
    for name in sorted(committed.keys() & files.names.keys()):
        if not held.get(name, 0) == committed[name] == told.get(name, 0):
            audit.find(
                f"{name} holds {held.get(name, 0)} messages, its commit says "
                f"{committed[name]}, the ledger knows {told.get(name, 0)} of them"
            )

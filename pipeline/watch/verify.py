"""Auditing an output: every file whole, every message once, files and ledger of one mind."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pipeline.schemas as schemas
from pipeline.errors import Failed, UsageError
from pipeline.ledger import Ledger, database_path, default_uri, open_ledger
from pipeline.records import message_key
from pipeline.watch import output

MAX_FINDINGS = 1_000


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

    def as_dict(self) -> dict[str, Any]:
        return {"sound": self.sound, **dataclasses.asdict(self)}


def verify(root: Path, state: str | None = None) -> Audit:
    """Audits the output in `root` against its ledger.

    Args:
        state: URI of the ledger; by default the one under the output.

    Raises:
        UsageError: `state` names no ledger that is there.
        LedgerError: there is a ledger, and it cannot be read.
    """
    uri = state or default_uri(root)
    database = database_path(uri)
    if state is not None and (database is None or not database.is_file()):
        raise UsageError(f"--state {state}: there is no ledger; give the --state of the run")
    audit = Audit()
    files = _Files(root, audit)
    for kind in schemas.KINDS:
        for path in output.files(root, kind):
            files.read(kind, path)
    if database is None or not database.exists():
        audit.notes.append(f"no ledger at {uri}: only the files were audited")
        return audit
    ledger = open_ledger(uri, root)
    try:
        _compare(audit, ledger, files)
    finally:
        ledger.close()
    return audit


class _Files:
    """What the files of the output `root` hold; what is wrong with them goes to `audit`."""

    def __init__(self, root: Path, audit: Audit) -> None:
        self.root = root
        self.keys: dict[str, set[str]] = {}
        self._audit = audit
        self._where: dict[str, str] = {}

    def read(self, kind: str, path: Path) -> None:
        name = path.relative_to(self.root).as_posix()
        self._audit.files += 1
        self.keys[name] = set(self._read(kind, path, name))

    def _read(self, kind: str, path: Path, name: str) -> Iterator[str]:
        try:
            for record in output.read(self.root, kind, path):
                self._audit.counts[kind] += 1
                key = _key(kind, record)
                if key in self._where:
                    self._audit.find(f"message {key} is twice: in {self._where[key]} and in {name}")
                self._where[key] = name
                yield key
        except Failed as error:
            told = str(error)
            self._audit.find(told if name in told else f"{name}: {told}")


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
    for name in sorted(committed.keys() - files.keys.keys()):
        kind, path = name.partition("/")[0], files.root / name
        if kind in schemas.KINDS and path.is_file():
            files.read(kind, path)
    keys_by_file = files.keys
    for name in sorted(committed.keys() - keys_by_file.keys()):
        audit.find(f"{name} is committed in the ledger and is not there")
    for name in sorted(keys_by_file.keys() - committed.keys()):
        if name in open_intents:
            audit.notes.append(f"{name} is written and not committed yet: the next run does that")
        else:
            audit.find(f"{name} is not in the ledger")
    in_ledger: dict[str, int] = {}
    for name, key in ledger.committed_messages():
        in_ledger[name] = in_ledger.get(name, 0) + 1
        if name in keys_by_file and key not in keys_by_file[name]:
            audit.find(f"message {key} is committed in {name} and is not in that file")
    for name in sorted(committed.keys() & keys_by_file.keys()):
        if not len(keys_by_file[name]) == committed[name] == in_ledger.get(name, 0):
            audit.find(
                f"{name} holds {len(keys_by_file[name])} messages, its commit says "
                f"{committed[name]}, the ledger knows {in_ledger.get(name, 0)} of them"
            )

"""Short forms for what nearly every ledger test does."""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from pathlib import Path

from pipeline.ledger import Candidate, Intent, Verdict
from pipeline.ledger.sqlite import SqliteLedger

NOW = dt.datetime(2026, 11, 24, 12, tzinfo=dt.timezone.utc)
WEEK = dt.timedelta(days=7)


def digest(text: str) -> bytes:
    return hashlib.sha256(text.encode()).digest()


def candidate(key: str, **marks: str) -> Candidate:
    """The article of message `key`, known again by `marks`: kind="what it is"."""
    return Candidate(
        key=key,
        message_id=f"message of {key}",
        article_id=f"article of {key}",
        marks=tuple((kind, digest(text)) for kind, text in marks.items()),
    )


def ask(ledger: SqliteLedger, *candidates: Candidate, now: dt.datetime = NOW) -> list[Verdict]:
    return ledger.verdicts(candidates, now=now, ttl=WEEK)


def begin(ledger: SqliteLedger, keys: Sequence[str], kind: str = "articles") -> Intent:
    return ledger.begin(
        kind,
        [(key, f"message of {key}") for key in keys],
        lambda granted: f"{kind}/ingest_date=2026-11-24/{name(granted)}",
    )


def name(keys: Sequence[str]) -> str:
    """As the sink's, without importing Beam: the tests' processes start faster."""
    return f"part-{hashlib.sha256(repr(sorted(keys)).encode()).hexdigest()[:24]}.avro"


def write(root: Path, intent: Intent) -> None:
    """A file where the intent says; what it holds is its keys."""
    path = root / intent.path
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(intent.granted))


def commit(ledger: SqliteLedger, root: Path, keys: Sequence[str], kind: str = "articles") -> Intent:
    intent = begin(ledger, keys, kind)
    if intent.granted:
        write(root, intent)
        ledger.commit(intent)
    return intent

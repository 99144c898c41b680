"""Whole outputs for tests: files by the sink, and the ledger that knows them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pipeline.ledger import default_uri, open_ledger
from pipeline.records import Article, DeadLetter, Draft, Duplicate, DuplicateDraft, Message
from pipeline.sinks.avro import Encoded, encode, write_file
from pipeline.sinks.files import Form
from tests.articles import NOON, article, dead_letter, draft, message

DAY = "ingest_date=2026-11-24"


def duplicate(message_id: str, **fields: object) -> DuplicateDraft:
    own = article(message_id, **fields)
    record = Duplicate(message_id, own.article_id, "c", "cm", "c", "url", 1.0, None, NOON, own)
    return DuplicateDraft(message(message_id), record)


def some(kind: str, *message_ids: str) -> list[Encoded]:
    """A small record of `kind` for each message."""
    make = {"articles": draft, "duplicates": duplicate, "dead_letters": dead_letter}[kind]
    return [encode(make(one))[1] for one in message_ids]


def encoded(one: Article | DeadLetter) -> Encoded:
    if isinstance(one, DeadLetter):
        return encode(one)[1]
    origin = Message(b"", one.message_id, one.publish_time or NOON)
    return encode(Draft(origin, one))[1]


def write(
    root: Path,
    kind: str,
    records: Sequence[Encoded],
    *,
    form: Form | None = None,
    state: str | None = None,
) -> Path:
    """Commits one file of `records` in the ledger of `root` and returns where it is."""
    before = set((root / kind).glob("*/part-*"))
    ledger = open_ledger(state or default_uri(root), root)
    try:
        write_file(root, ledger, form or Form("deflate"), f"{kind}/{DAY}", records)
    finally:
        ledger.close()
    (path,) = set((root / kind).glob("*/part-*")) - before
    return path


def make_output(root: Path, form: Form | None = None, state: str | None = None) -> dict[str, Path]:
    """A sound output of five messages, and its file by kind."""
    root.mkdir(parents=True, exist_ok=True)
    return {
        kind: write(root, kind, some(kind, *ids), form=form, state=state)
        for kind, ids in (
            ("articles", ("a1", "a2", "a3")),
            ("duplicates", ("d1",)),
            ("dead_letters", ("l1",)),
        )
    }

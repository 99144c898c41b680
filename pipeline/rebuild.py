"""The ledger from the records: for one that was lost, and to tell that it was.

All that a ledger must know stands in the files, but for what is under way: verdicts on articles
that are in no file yet fall anew when their messages come again.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pipeline.schemas as schemas
from pipeline.errors import Failed, UsageError
from pipeline.ledger import (
    MEMORY,
    Ledger,
    LedgerError,
    database_path,
    default_uri,
    ledger_exists,
    open_ledger,
    remedy,
    shown,
)
from pipeline.ledger.rebuilding import Held, Rebuilding
from pipeline.records import Article, Processing, Source, message_key, micros
from pipeline.similarity.signature import sign
from pipeline.transforms.deduplicate import marks_of
from pipeline.watch import output
from pipeline.watch.following import following
from pipeline.watch.narrow import read_fields

if TYPE_CHECKING:
    from pipeline.ledger.redis.rebuilding import RedisRebuilding

logger = logging.getLogger(__name__)

# What the ledger has of a record, and what `marks_of` and `sign` read of an article.
FIELDS = {
    "articles": {"message_id", "article_id", "publish_time", "ingested_at", "content_hash"}
    | {"canonical_url", "source", "body"},
    "duplicates": {"message_id", "article_id", "canonical_id", "canonical_message_id", "kind"}
    | {"similarity", "article"},
    "dead_letters": {"message_id", "publish_time"},
}
# The rest that makes an Article.
BLANK: Mapping[str, Any] = {
    "title": None,
    "body": "",
    "body_content_type": "",
    "word_count": 0,
    "processing": Processing("", ""),
}


@dataclass(frozen=True)
class Rebuilt:
    """What a rebuilt ledger is made of.

    Args:
        files: how many files it has.
        messages: how many messages.
        kept: where the old one is, or what became of it; None where there was none.
        findings: what could not be used, a line each.
    """

    files: int
    messages: int
    kept: Path | str | None
    findings: tuple[str, ...] = ()

    def __str__(self) -> str:
        old = "there was none before" if self.kept is None else f"the old one is {self.kept}"
        return (
            f"the ledger was rebuilt from {self.files} files with {self.messages} messages; {old}"
        )


def rebuild_ledger(root: Path, state: str | None = None) -> Rebuilt:
    """Makes the ledger of the output `root` anew, from its files alone.

    Args:
        state: URI of the ledger; by default the one under the output.

    Raises:
        UsageError: `state` is memory, or the ledger of another output.
        Failed: a run is at work on the ledger, or it cannot be written.
    """
    uri = state or default_uri(root)
    if uri == MEMORY:
        raise UsageError(f"--state {uri} is lost with its run: there is nothing to rebuild")
    path = database_path(uri)
    if path is not None and uri != default_uri(root):
        refuse_foreign(uri, path, root)
    messages = 0
    findings: list[str] = []
    names = [(kind, file) for kind in schemas.KINDS for file in output.files(root, kind)]
    try:
        rebuilding = _rebuilding(uri, path, root)
        try:
            for kind, file in following(names, "rebuilding the ledger"):
                name = file.relative_to(root).as_posix()
                messages += rebuilding.add(name, kind, _held(root, kind, file, findings))
            kept = rebuilding.finish()
        finally:
            rebuilding.close()
    except OSError as error:
        raise Failed(f"the ledger {shown(uri)} cannot be written: {error}") from error
    return Rebuilt(len(names), messages, kept, tuple(findings))


def _rebuilding(uri: str, path: Path | None, root: Path) -> Rebuilding | RedisRebuilding:
    if path is not None:
        return Rebuilding(path, root)
    # The client for Redis, which is not everywhere.
    from pipeline.ledger.redis.rebuilding import RedisRebuilding

    return RedisRebuilding(uri, root)


def refuse_foreign(uri: str, path: Path, root: Path) -> None:
    """Raises UsageError where the ledger is that of another output, and sound enough to say so."""
    if not path.is_file():
        return
    try:
        ledger = open_ledger(uri, root, read_only=True)
        try:
            others = ledger.other_outputs()
        finally:
            ledger.close()
    except LedgerError as error:
        logger.warning("%s", error)
        return
    if others:
        raise UsageError(f"the ledger {uri} belongs to the output {others[0]}")


def _held(root: Path, kind: str, path: Path, findings: list[str]) -> Iterator[Held]:
    """What the records of one file say; a file that is damaged ends where the damage begins.

    It is in the ledger all the same: a run that meets a file unknown to its ledger stops, and this
    one would never become known. What it held and does not tell comes again, or is lost by now.
    """
    try:
        for record in read_fields(root, kind, path, FIELDS):
            yield held(kind, record)
    except (Failed, ValueError) as error:
        findings.append(f"{path.relative_to(root).as_posix()} is not in the ledger whole: {error}")


def held(kind: str, record: Mapping[str, Any]) -> Held:
    """What a record with `FIELDS` says about its message.

    Raises:
        ValueError: it has a time that is none, or a hash that is none.
    """
    message_id: str = record["message_id"]
    if kind == "dead_letters":
        return Held(_key(message_id, record["publish_time"]), message_id)
    duplicate = kind == "duplicates"
    datum = record["article"] if duplicate else record
    article = Article(**{**BLANK, **datum, "source": Source(**datum["source"])})
    # Not detected_at: that is one for a whole batch of verdicts, and does not tell which of its
    # articles and duplicates came first.
    return Held(
        key=_key(message_id, article.publish_time),
        message_id=message_id,
        article_id=record["article_id"],
        kind=record["kind"] if duplicate else None,
        similarity=record["similarity"] if duplicate else 1.0,
        canonical=((record["canonical_message_id"], record["canonical_id"]) if duplicate else None),
        seen_at=micros(_in_utc(article.ingested_at)),
        marks=marks_of(article),
        # Copies are compared with the article that stays, never with each other.
        signature=None if duplicate else sign(article.body),
    )


def _key(message_id: str, publish_time: Any) -> str:
    return message_key(message_id, None if publish_time is None else _in_utc(publish_time))


def _in_utc(time: Any) -> Any:
    if getattr(time, "tzinfo", None) is None:
        raise ValueError(f"a time in it is {type(time).__name__} by its schema, not a time in UTC")
    return time


def standing(root: Path) -> list[str]:
    """The files of an output, by path relative to it.

    To be listed before the ledger is asked: whatever stands by then was announced before.
    """
    return [
        path.relative_to(root).as_posix()
        for kind in schemas.KINDS
        for path in output.files(root, kind)
    ]


def refuse_missing(uri: str, root: Path, files: Sequence[str]) -> None:
    """Refuses to begin a new ledger where there are records: they would be written once more.

    Called before the ledger is opened, which would make it, and take away what is left of one.

    Args:
        files: `standing(root)`.

    Raises:
        LedgerError: there is no ledger, and there are files.
    """
    if not files:
        return
    if uri == MEMORY:
        # It is asked for by name, for tests and trials, and forgets all of its own runs too.
        logger.warning(
            "%s knows nothing of the %d files in %s: a message of theirs that comes again is "
            "written again",
            *(uri, len(files), root),
        )
    elif not ledger_exists(uri, root):
        where = database_path(uri) or shown(uri)
        raise LedgerError(
            f"{root} holds records, and its ledger {where} is missing: what comes again would be "
            f"written again. Bring it back, or {remedy(where, root)}"
        )


def refuse_behind(ledger: Ledger, uri: str, root: Path, files: Sequence[str]) -> None:
    """Refuses to work with a ledger that does not know all of the files.

    That is one that lost its last transactions with its WAL, or came from a backup, or was new.

    Raises:
        LedgerError: it is.
    """
    if uri == MEMORY:
        return
    # In this order: what is open and committed a moment later is in one of the two.
    known = set(ledger.open_intents())
    known.update(file.path for file in ledger.committed_files())
    unknown = [name for name in files if name not in known]
    if unknown:
        where = database_path(uri) or shown(uri)
        raise LedgerError(
            f"{len(unknown)} files in {root}, the first {unknown[0]}, are not in the ledger "
            f"{where}: it is older than they are, and what they hold would be written again if it "
            f"came again. To go on, {remedy(where, root)}"
        )

"""Deduplicate: is this article here for the first time?

What comes in is what `Decode` made; out come the first copies, the duplicates with the name of
their canonical article, and the keys of messages that are done already. The answers come from the
ledger, a batch and a transaction at a time, and a redelivery gets the answer it got before.

What is no exact copy may still be nearly one: its text is signed here, and the ledger finds which
article it is like (`pipeline.similarity`, `pipeline.ledger.neighbours`).
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import apache_beam as beam
from apache_beam.pvalue import DoOutputsTuple, PCollection, TaggedOutput
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.timestamp import Timestamp
from apache_beam.utils.windowed_value import WindowedValue

from pipeline import failpoints
from pipeline.clock import steady_time
from pipeline.ledger import Candidate, LedgerUnavailable, NearRule, Verdict
from pipeline.ledger.handles import LedgerAt
from pipeline.options import ArticleOptions
from pipeline.patience import Patience
from pipeline.records import Article, Draft, Duplicate, DuplicateDraft, NearDuplicate
from pipeline.similarity.signature import VERSION, sign
from pipeline.watch import metrics

ARTICLES = "articles"
DUPLICATES = "duplicates"
REDELIVERED = "redelivered"
MAX_BATCH = 1_000


class Deduplicate(beam.PTransform[PCollection[Draft], DoOutputsTuple]):
    """Parts first copies from duplicates.

    Args:
        ledger: where verdicts are kept.
        ttl: how long an article is remembered.
        near: what near-duplicates are and become; None leaves them unseen.
        storage_seconds: how long the ledger may be out of order before the run fails.
        keep: whether every draft stays an article as it is, whatever the ledger finds it to be a
            copy of: a record that is written anew was an article before. It is remembered all the
            same, so that what comes later is recognised as a copy of it.

    In: PCollection[Draft], in the global window.
    Out: `.articles` PCollection[Draft], with `near_duplicate` set where they are annotated;
        `.duplicates` PCollection[DuplicateDraft];
        `.redelivered` PCollection[tuple[str, ...]], keys of messages whose record is durable.
    Counted: messages_redelivered, batch_size.
    """

    def __init__(
        self,
        ledger: LedgerAt,
        ttl: dt.timedelta,
        near: NearRule | None = None,
        *,
        storage_seconds: float,
        keep: bool = False,
    ) -> None:
        super().__init__()
        self._ask = _AskLedger(ledger, ttl, near, storage_seconds, keep)

    @classmethod
    def from_options(cls, options: ArticleOptions) -> Deduplicate:
        keep = bool(options.reprocess)
        near = near_rule(options.near_duplicates, options.near_duplicate_threshold)
        return cls(
            LedgerAt.from_options(options),
            dt.timedelta(days=options.dedup_ttl_days),
            dataclasses.replace(near, separate=False) if near and keep else near,
            storage_seconds=options.storage_seconds,
            keep=keep,
        )

    def expand(self, drafts: PCollection[Draft]) -> DoOutputsTuple:
        outputs: DoOutputsTuple = drafts | "AskLedger" >> beam.ParDo(self._ask).with_outputs(
            DUPLICATES, REDELIVERED, main=ARTICLES
        )
        return outputs


def near_rule(near_duplicates: str, threshold: float) -> NearRule | None:
    """The rule that `--near_duplicates` and `--near_duplicate_threshold` name."""
    if near_duplicates == "off":
        return None
    return NearRule(threshold, separate=near_duplicates == "separate")


# One a process: it has one ledger.
_patience = Patience((LedgerUnavailable,))


class _AskLedger(beam.DoFn):
    def __init__(
        self,
        ledger: LedgerAt,
        ttl: dt.timedelta,
        near: NearRule | None,
        storage_seconds: float,
        keep: bool = False,
    ) -> None:
        self._ledger = ledger
        self._ttl = ttl
        self._near = near
        self._storage_seconds = storage_seconds
        self._keep = keep

    def start_bundle(self) -> None:
        self._batch: list[tuple[Draft, Timestamp]] = []

    def process(self, draft: Draft, timestamp: Any = beam.DoFn.TimestampParam) -> Iterator[object]:
        self._batch.append((draft, timestamp))
        if len(self._batch) >= MAX_BATCH:
            yield from self._flush()

    def finish_bundle(self) -> Iterator[object]:
        yield from self._flush()

    def _flush(self) -> Iterator[object]:
        batch, self._batch = self._batch, []
        if not batch:
            return
        metrics.observe(metrics.BATCH_SIZE, len(batch))
        now = dt.datetime.now(dt.timezone.utc)
        candidates = [candidate(draft, signed=self._near is not None) for draft, _ in batch]
        # A clock put forward by mistake must not make the ledger forget all that it knows.
        steady = dt.datetime.fromtimestamp(steady_time(), dt.timezone.utc)
        verdicts = _patience.call(
            lambda: self._ledger.get().verdicts(
                candidates, now=steady, ttl=self._ttl, near=self._near
            ),
            seconds=self._storage_seconds,
            what="the ledger cannot be asked",
        )
        failpoints.reach("after_verdicts")
        done = []
        for (draft, timestamp), verdict in zip(batch, verdicts, strict=True):
            if verdict.committed:
                done.append(draft.message.key)
            elif verdict.kind is None or self._keep:
                yield _at(timestamp, draft)
            elif verdict.kind == "near" and self._near is not None and not self._near.separate:
                yield _at(timestamp, Draft(draft.message, annotated(draft.article, verdict)))
            else:
                duplicate = DuplicateDraft(draft.message, duplicate_of(draft.article, verdict, now))
                yield TaggedOutput(DUPLICATES, _at(timestamp, duplicate))
        if done:
            metrics.count(metrics.MESSAGES_REDELIVERED, len(done))
            yield TaggedOutput(REDELIVERED, _at(batch[0][1], tuple(done)))


def _at(timestamp: Timestamp, value: object) -> WindowedValue:
    return WindowedValue(value, timestamp, (GlobalWindow(),))


def candidate(draft: Draft, *, signed: bool = False) -> Candidate:
    """What the ledger is asked about an article.

    Args:
        signed: whether near-duplicates are looked for.
    """
    return Candidate(
        key=draft.message.key,
        message_id=draft.message.message_id,
        article_id=draft.article.article_id,
        marks=marks_of(draft.article),
        signature=sign(draft.article.body) if signed else None,
    )


def marks_of(article: Article) -> tuple[tuple[str, bytes], ...]:
    """By what an article is known again, strongest first, as (kind, SHA-256).

    - `id`: the publisher's id, within its publisher: two may count the same way.
    - `url`: the canonical URL, unless it is a bare front page, which many articles share.
    - `content`: the normalised text.
    """
    marks = []
    if article.article_id not in (article.canonical_url, f"sha256:{article.content_hash}"):
        publisher = article.source.domain or article.source.name or ""
        marks.append(("id", _digest(publisher.casefold(), article.article_id)))
    if article.canonical_url is not None and not is_front_page(article.canonical_url):
        marks.append(("url", _digest(article.canonical_url)))
    marks.append(("content", bytes.fromhex(article.content_hash)))
    return tuple(marks)


def is_front_page(url: str) -> bool:
    """Whether a URL names a site and no page of it.

    >>> is_front_page("https://example.org/"), is_front_page("https://example.org/?p=7")
    (True, False)
    """
    parts = urlsplit(url)
    return parts.path in ("", "/") and not parts.query


def _digest(*parts: str) -> bytes:
    # A separator that no part can hold keeps ("ab", "c") and ("a", "bc") apart.
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).digest()


def duplicate_of(article: Article, verdict: Verdict, now: dt.datetime) -> Duplicate:
    """The duplicates record of `article` under a `verdict` that has a kind."""
    assert verdict.kind is not None
    return Duplicate(
        message_id=article.message_id,
        article_id=article.article_id,
        canonical_id=verdict.canonical_id,
        canonical_message_id=verdict.canonical_message_id,
        cluster_id=verdict.canonical_id,
        kind=verdict.kind,
        similarity=verdict.similarity,
        signature_version=str(VERSION) if verdict.kind == "near" else None,
        detected_at=now,
        # The publisher's own tags go with the others.
        article=dataclasses.replace(article, tags=None) if article.tags else article,
    )


def annotated(article: Article, verdict: Verdict) -> Article:
    """`article`, which stays one, with the name of the earlier one that it is like."""
    assert verdict.kind is not None
    like = NearDuplicate(
        canonical_id=verdict.canonical_id,
        cluster_id=verdict.canonical_id,
        kind=verdict.kind,
        similarity=verdict.similarity,
    )
    return dataclasses.replace(article, near_duplicate=like)

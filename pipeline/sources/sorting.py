"""SortEntries: what is in an entry of a file, and whether it is done already."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import DoOutputsTuple, PCollection, TaggedOutput
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.timestamp import MIN_TIMESTAMP
from apache_beam.utils.windowed_value import WindowedValue

from pipeline.dead_letters import Unreadable, dead_letter
from pipeline.ledger import LedgerUnavailable
from pipeline.ledger.handles import LedgerAt
from pipeline.options import ArticleOptions
from pipeline.patience import Patience
from pipeline.records import DeadLetter, Draft, Message
from pipeline.sources.files import Entry, Problem
from pipeline.watch import metrics

STAGE = "decode"
MESSAGES = "messages"
DRAFTS = "drafts"
DEAD_LETTERS = "dead_letters"
REDELIVERED = "redelivered"
MAX_BATCH = 1_000

NO_RECORD = Problem(
    "not_a_record", "this is no record of an articles/ folder, and only those are reprocessed"
)


class SortEntries(beam.PTransform[PCollection[Entry], DoOutputsTuple]):
    """Parts entries by what they are.

    The ledger is asked first: what a killed or an earlier backfill has written is not even
    decoded, so that the rest is soon arrived at.

    Args:
        ledger: knows which messages are done.
        reprocess: whether entries are records to be worked on again; else their messages count.
        storage_seconds: how long the ledger may be out of order before the run fails.

    In: PCollection[Entry], in the global window.
    Out: `.messages` PCollection[Message], to be decoded;
        `.drafts` PCollection[Draft], records to be worked on again;
        `.dead_letters` PCollection[DeadLetter], stage "decode", for entries with a problem;
        `.redelivered` PCollection[tuple[str, ...]], keys of messages whose record is durable.
    Counted: messages_received and message_bytes of all but `.messages`, which `Decode` counts;
        messages_redelivered.
    """

    def __init__(self, ledger: LedgerAt, *, reprocess: bool, storage_seconds: float) -> None:
        super().__init__()
        self._sort = _Sort(ledger, reprocess, storage_seconds)

    @classmethod
    def from_options(cls, options: ArticleOptions) -> SortEntries:
        return cls(
            LedgerAt.from_options(options),
            reprocess=bool(options.reprocess),
            storage_seconds=options.storage_seconds,
        )

    def expand(self, entries: PCollection[Entry]) -> DoOutputsTuple:
        outputs: DoOutputsTuple = entries | "Sort" >> beam.ParDo(self._sort).with_outputs(
            DRAFTS, DEAD_LETTERS, REDELIVERED, main=MESSAGES
        )
        return outputs


# One a process: it has one ledger.
_patience = Patience((LedgerUnavailable,))


class _Sort(beam.DoFn):
    def __init__(self, ledger: LedgerAt, reprocess: bool, storage_seconds: float) -> None:
        self._ledger = ledger
        self._reprocess = reprocess
        self._storage_seconds = storage_seconds

    def start_bundle(self) -> None:
        self._batch: list[Entry] = []

    def process(self, entry: Entry) -> Iterator[Any]:
        self._batch.append(entry)
        if len(self._batch) >= MAX_BATCH:
            yield from self._flush()

    def finish_bundle(self) -> Iterator[Any]:
        yield from self._flush()

    def _flush(self) -> Iterator[Any]:
        batch, self._batch = self._batch, []
        if not batch:
            return
        done = _patience.call(
            lambda: self._ledger.get().done([entry.message.key for entry in batch]),
            seconds=self._storage_seconds,
            what="the ledger cannot be asked",
        )
        redelivered: list[str] = []
        for entry in batch:
            key = entry.message.key
            output = key if key in done else content(entry, reprocess=self._reprocess)
            if isinstance(output, Message):
                yield _windowed(output)
                continue
            metrics.count(metrics.MESSAGES_RECEIVED)
            metrics.observe(metrics.MESSAGE_BYTES, len(entry.message.data))
            if isinstance(output, str):
                redelivered.append(output)
            else:
                tag = DRAFTS if isinstance(output, Draft) else DEAD_LETTERS
                yield TaggedOutput(tag, _windowed(output))
        if redelivered:
            metrics.count(metrics.MESSAGES_REDELIVERED, len(redelivered))
            yield TaggedOutput(REDELIVERED, _windowed(tuple(redelivered)))


def _windowed(value: object) -> WindowedValue:
    return WindowedValue(value, MIN_TIMESTAMP, (GlobalWindow(),))


def content(entry: Entry, *, reprocess: bool) -> Message | Draft | DeadLetter:
    """What an entry is to the pipeline.

    Args:
        reprocess: whether it is to be a record; else its message counts.
    """
    if entry.problem is not None:
        return letter_of(entry.message, entry.problem)
    if not reprocess:
        return entry.message
    if entry.article is None:
        return letter_of(entry.message, NO_RECORD)
    return Draft(entry.message, entry.article)


def letter_of(message: Message, problem: Problem) -> DeadLetter:
    """The dead letter that says what the problem says."""
    letter = dead_letter(message, STAGE, Unreadable(problem.error_type, problem.text))
    if problem.exception_class is None:
        return letter
    return replace(letter, exception_class=problem.exception_class)

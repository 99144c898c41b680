"""WriteRecords: encoded, gathered into files, written by the commit protocol.

    Encode ─► Roll ─► WriteFiles ─► settlements

A record is encoded once, where its message is still at hand: one that cannot be becomes a dead
letter. `Roll` holds encoded records in Beam state until a file is full or its time has come.
`WriteFiles` announces a file in the ledger, writes it durably, commits it, and only then hands on
the keys of its messages; whatever happens between, they come again or are recognised
(`pipeline.ledger`).
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.coders import FastPrimitivesCoder
from apache_beam.pvalue import PCollection
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import (
    BagStateSpec,
    ReadModifyWriteStateSpec,
    TimerSpec,
    on_timer,
)
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.windowed_value import WindowedValue

from pipeline import failpoints
from pipeline.clock import steady_time
from pipeline.ledger import Fenced, Ledger, LedgerUnavailable
from pipeline.ledger.handles import LedgerAt
from pipeline.options import ArticleOptions
from pipeline.patience import Patience
from pipeline.sinks.encoding import Encoded as Encoded
from pipeline.sinks.encoding import Outgoing
from pipeline.sinks.encoding import encode as encode
from pipeline.sinks.files import Form, write_durably
from pipeline.watch import metrics

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Settlement:
    """Messages that this pipeline is done with.

    Args:
        keys: `Message.key` of each.
        durable: whether their records are on disk; else another process is writing them.
    """

    keys: tuple[str, ...]
    durable: bool = True


class WriteRecords(beam.PTransform[PCollection[Outgoing], PCollection[Settlement]]):
    """Writes every record into an Avro file under the output.

    Args:
        root: the output folder.
        ledger: where files are announced and committed.
        form: codec and schema of the files.
        roll_records, roll_seconds, roll_bytes: a file ends at the first of these.
        storage_seconds: how long output and ledger may be out of order before the run fails.
        wait_for_others: whether to wait where another process is writing a message, until it has
            or has died. A queue delivers such a message again; a file does not.
        by_bundle: whether a file ends with its bundle too, instead of being gathered in Beam's
            state: for batches on engines whose bundles are large, and whose timers are slow.

    In: PCollection[Draft | DuplicateDraft | DeadLetter], in the global window.
    Out: PCollection[Settlement].
    Counted: articles_written, duplicates{kind}, dead_letters{stage,error_type},
        messages_redelivered, files_committed, latency_publish_to_commit_ms.
    """

    def __init__(
        self,
        root: Path,
        ledger: LedgerAt,
        form: Form,
        *,
        roll_records: int,
        roll_seconds: float,
        roll_bytes: int,
        storage_seconds: float,
        wait_for_others: bool = False,
        by_bundle: bool = False,
    ) -> None:
        super().__init__()
        self._root = root
        self._ledger = ledger
        self._form = form
        self._roll = (
            _RollBundle(roll_records, roll_bytes)
            if by_bundle
            else _Roll(roll_records, roll_seconds, roll_bytes)
        )
        self._storage_seconds = storage_seconds
        self._wait_for_others = wait_for_others

    @classmethod
    def from_options(cls, options: ArticleOptions, *, by_bundle: bool = False) -> WriteRecords:
        return cls(
            Path(options.output),
            LedgerAt.from_options(options),
            Form(options.codec, pairs=options.attributes_as == "pairs"),
            roll_records=options.roll_records,
            roll_seconds=options.roll_seconds,
            roll_bytes=options.roll_bytes,
            storage_seconds=options.storage_seconds,
            wait_for_others=bool(options.input),
            by_bundle=by_bundle,
        )

    def expand(self, records: PCollection[Outgoing]) -> PCollection[Settlement]:
        settlements: PCollection[Settlement] = (
            records
            | "Encode" >> beam.ParDo(_Encode()).with_output_types(tuple[str, list[Encoded]])
            | "Roll" >> beam.ParDo(self._roll).with_output_types(tuple[str, list[Encoded]])
            | "WriteFiles" >> beam.ParDo(self._write_files())
        )
        return settlements

    def _write_files(self) -> _WriteFiles:
        where = (self._root, self._ledger, self._form)
        return _WriteFiles(*where, self._storage_seconds, wait_for_others=self._wait_for_others)


class _Encode(beam.DoFn):
    """Encodes, and puts together what a bundle has for one folder.

    State costs by the element on Beam's local runner; a bundle's worth costs as little as one.
    """

    def __init__(self) -> None:
        self._by_folder: dict[str, list[Encoded]] = {}

    def start_bundle(self) -> None:
        self._by_folder = {}

    def process(self, outgoing: Outgoing) -> None:
        folder, encoded = encode(outgoing)
        self._by_folder.setdefault(folder, []).append(encoded)

    def finish_bundle(self) -> Iterator[WindowedValue]:
        for item in self._by_folder.items():
            yield WindowedValue(item, GlobalWindow().max_timestamp(), (GlobalWindow(),))


class _Roll(beam.DoFn):
    """Gathers encoded records by folder until there is a file's worth of them."""

    PARTS = BagStateSpec("parts", FastPrimitivesCoder())
    # (records, bytes) in PARTS.
    TALLY = ReadModifyWriteStateSpec("tally", FastPrimitivesCoder())
    DUE = TimerSpec("due", TimeDomain.REAL_TIME)
    END = TimerSpec("end", TimeDomain.WATERMARK)

    def __init__(
        self,
        roll_records: int,
        roll_seconds: float,
        roll_bytes: int,
        clock: Callable[[], float] = steady_time,
    ) -> None:
        self._roll_records = roll_records
        self._roll_seconds = roll_seconds
        self._roll_bytes = roll_bytes
        self._clock = clock

    def process(
        self,
        part: tuple[str, list[Encoded]],
        parts: Any = beam.DoFn.StateParam(PARTS),
        tally: Any = beam.DoFn.StateParam(TALLY),
        due: Any = beam.DoFn.TimerParam(DUE),
        end: Any = beam.DoFn.TimerParam(END),
    ) -> Iterator[tuple[str, list[Encoded]]]:
        folder, encoded = part
        held = tally.read()
        if held is None:
            due.set(self._clock() + self._roll_seconds)
            # The end of the stream is the end of the window: what is held then is written.
            end.set(GlobalWindow().max_timestamp())
        records, size = held or (0, 0)
        records, size = records + len(encoded), size + _size(encoded)
        parts.add((folder, encoded))
        tally.write((records, size))
        if records < self._roll_records and size < self._roll_bytes:
            return
        *full, rest = files_of(_joined(parts)[1], self._roll_records, self._roll_bytes)
        if len(rest) >= self._roll_records or _size(rest) >= self._roll_bytes:
            full.append(rest)
            rest = []
        for state in (parts, tally, due):
            state.clear()
        if rest:
            parts.add((folder, rest))
            tally.write((len(rest), _size(rest)))
            due.set(self._clock() + self._roll_seconds)
        for file in full:
            yield folder, file

    @on_timer(DUE)
    @on_timer(END)
    def release(
        self,
        parts: Any = beam.DoFn.StateParam(PARTS),
        tally: Any = beam.DoFn.StateParam(TALLY),
        due: Any = beam.DoFn.TimerParam(DUE),
    ) -> Iterator[tuple[str, list[Encoded]]]:
        """Hands on what is held, as it is."""
        folder, encoded = _joined(parts)
        for state in (parts, tally, due):
            state.clear()
        if encoded:
            yield folder, encoded


class _RollBundle(beam.DoFn):
    """Gathers encoded records by folder until there is a file's worth of them, or no more."""

    def __init__(self, roll_records: int, roll_bytes: int) -> None:
        self._roll_records = roll_records
        self._roll_bytes = roll_bytes

    def start_bundle(self) -> None:
        self._held: dict[str, list[Encoded]] = {}

    def process(self, part: tuple[str, list[Encoded]]) -> Iterator[tuple[str, list[Encoded]]]:
        folder, encoded = part
        held = [*self._held.get(folder, ()), *(Encoded(*one) for one in encoded)]
        *full, self._held[folder] = files_of(held, self._roll_records, self._roll_bytes)
        for file in full:
            yield folder, file

    def finish_bundle(self) -> Iterator[WindowedValue]:
        for item in self._held.items():
            if item[1]:
                yield WindowedValue(item, GlobalWindow().max_timestamp(), (GlobalWindow(),))


def _joined(parts: Any) -> tuple[str, list[Encoded]]:
    """The folder, and the records of all its parts. Coders may have made plain tuples of them."""
    folder, joined = "", []
    for folder, encoded in parts.read():  # noqa: B007 - the folder is the same in all
        joined += [Encoded(*one) for one in encoded]
    return folder, joined


def _size(encoded: Iterable[Encoded]) -> int:
    return sum(len(one.avro) for one in encoded)


def files_of(encoded: Sequence[Encoded], roll_records: int, roll_bytes: int) -> list[list[Encoded]]:
    """Parts `encoded`, in order, into files; the last may have room left."""
    files: list[list[Encoded]] = [[]]
    size = 0
    for one in encoded:
        if len(files[-1]) >= roll_records or size >= roll_bytes:
            files.append([])
            size = 0
        files[-1].append(one)
        size += len(one.avro)
    return files


# One a process: all its files go to one disk.
_patience = Patience((OSError, LedgerUnavailable))


# Between looks at whether another process has written what it announced, which takes it less.
OTHERS_SECONDS = 0.2
SAY_SECONDS = 30.0


class _WriteFiles(beam.DoFn):
    def __init__(
        self,
        root: Path,
        ledger: LedgerAt,
        form: Form,
        storage_seconds: float,
        *,
        wait_for_others: bool,
    ) -> None:
        self._root = root
        self._ledger = ledger
        self._form = form
        self._storage_seconds = storage_seconds
        self._wait_for_others = wait_for_others

    def process(self, part: tuple[str, list[Encoded]]) -> Iterator[Settlement]:
        folder, encoded = part
        written = self._write(folder, encoded)
        if self._wait_for_others and written.elsewhere:
            written = self._write_rest(folder, encoded, written)
        now_micros = time.time_ns() // 1_000
        for one in written.records:
            metrics.count(one.counter)
            if one.published_micros is not None:
                metrics.observe(metrics.LATENCY, max(0, now_micros - one.published_micros) // 1_000)
        if written.records:
            metrics.count(metrics.FILES_COMMITTED)
        redelivered = len(encoded) - len(written.records)
        if redelivered:
            metrics.count(metrics.MESSAGES_REDELIVERED, redelivered)
        if written.durable:
            yield Settlement(written.durable)
        if written.elsewhere:
            yield Settlement(written.elsewhere, durable=False)

    def _write(self, folder: str, encoded: list[Encoded]) -> Written:
        # From the intent on, again and again: it is the same intent for the same records.
        return _patience.call(
            lambda: write_file(self._root, self._ledger.get(), self._form, folder, encoded),
            seconds=self._storage_seconds,
            what=f"records cannot be written to {self._root}",
        )

    def _write_rest(self, folder: str, encoded: list[Encoded], written: Written) -> Written:
        """Waits until every message that others have announced is written, by them or by us.

        No two can wait for each other: who waits has no intent of its own open.
        """
        said = time.monotonic()
        while written.elsewhere:
            time.sleep(OTHERS_SECONDS)
            if time.monotonic() - said >= SAY_SECONDS:
                said = time.monotonic()
                logger.warning(
                    "waiting for another process, which is writing %d of the same messages",
                    len(written.elsewhere),
                )
            left = set(written.elsewhere)
            more = self._write(folder, [one for one in encoded if one.key in left])
            written = Written(
                [*written.records, *more.records],
                (*written.durable, *more.durable),
                more.elsewhere,
            )
        return written


class Written(NamedTuple):
    """What became of the records of one file-to-be.

    Args:
        records: those that are in the file now.
        durable: keys of the messages whose record is in this or an earlier file.
        elsewhere: keys of the messages that another process is writing.
    """

    records: list[Encoded]
    durable: tuple[str, ...]
    elsewhere: tuple[str, ...]


def write_file(
    root: Path, ledger: Ledger, form: Form, folder: str, encoded: Iterable[Encoded]
) -> Written:
    """Announces, writes, commits: after it returns, the records are there whatever happens.

    The order is the promise. An intent that is durable before the file has its name lets whoever
    comes after a crash know whose records are in it; a file that is durable before the commit,
    and a commit before the settlement, let no message be acknowledged that could be lost.
    """
    records = {one.key: one for one in encoded}
    intent = ledger.begin(
        folder.split("/", 1)[0],
        [(one.key, one.message_id) for one in records.values()],
        lambda keys: f"{folder}/{file_name(keys)}",
    )
    granted = [records[key] for key in intent.granted]
    if granted:
        try:
            failpoints.reach("after_intent")
            encoded_avro = (one.avro for one in granted)
            write_durably(
                *(root, intent.path, encoded_avro, form),
                owner=ledger.owner,
                confirm=lambda: ledger.holds(intent) if isinstance(ledger, Fenced) else None,
            )
            failpoints.reach("after_rename")
            ledger.commit(intent)
        except BaseException:
            ledger.abandon(intent)
            raise
        failpoints.reach("after_commit")
    return Written(granted, (*intent.granted, *intent.committed), intent.elsewhere)


def file_name(keys: Iterable[str]) -> str:
    """The name of the file that holds these messages: the same for the same messages."""
    digest = hashlib.sha256("\n".join(sorted(keys)).encode("utf-8", "surrogatepass"))
    return f"part-{digest.hexdigest()[:24]}.avro"

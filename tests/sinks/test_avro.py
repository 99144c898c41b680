from __future__ import annotations

import datetime as dt
import hashlib
import io
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import apache_beam as beam
import fastavro
import pipeline.schemas as schemas
import pytest
from apache_beam.io.unbounded_source import UnboundedCountingSource
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner
from apache_beam.testing.test_stream import TestStream as Script
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ledger import Intent
from pipeline.ledger.handles import LedgerAt
from pipeline.ledger.sqlite import SqliteLedger
from pipeline.records import Article, Draft, Duplicate, DuplicateDraft, Processing
from pipeline.runners.direct import StreamingDirectRunner
from pipeline.sinks import avro
from pipeline.sinks.avro import Encoded, WriteRecords, encode, file_name, files_of, write_file
from pipeline.sinks.files import Form, sweep, write_durably
from pipeline.watch.summary import Summary
from tests.articles import NOON, article, dead_letter, draft, message

FOLDER = "articles/ingest_date=2026-11-24"


def one_encoded(message_id: str, body: str = "A body.") -> Encoded:
    return encode(draft(message_id, body))[1]


def decoded(folder: str, encoded: Encoded) -> dict[str, Any]:
    schema = schemas.load(folder.split("/")[0])
    datum = fastavro.schemaless_reader(io.BytesIO(encoded.avro), schema, schema)
    assert isinstance(datum, dict)
    return datum


def on_disk(root: Path, kind: str = "*") -> list[str]:
    """The message ids of everything that readers see."""
    ids = []
    for path in root.glob(f"{kind}/*/part-*.avro"):
        with path.open("rb") as file:
            ids += [record["message_id"] for record in fastavro.reader(file)]
    return sorted(ids)


class TestEncode:
    def test_an_article(self) -> None:
        folder, encoded = encode(draft("m", "The body."))
        assert folder == FOLDER
        assert (encoded.key, encoded.message_id) == ("m@1795521600000000", "m")
        assert encoded.counter == "articles_written"
        assert encoded.published_micros == NOON.timestamp() * 1_000_000
        assert decoded(folder, encoded)["body"] == "The body."

    def test_a_duplicate(self) -> None:
        record = Duplicate("m", "a", "c", "cm", "c", "url", 1.0, None, NOON, article("m"))
        folder, encoded = encode(DuplicateDraft(message("m"), record))
        assert folder == "duplicates/ingest_date=2026-11-24"
        assert encoded.counter == "duplicates{kind=url}"
        assert decoded(folder, encoded)["article"]["body"] == "A body."

    def test_a_dead_letter(self) -> None:
        folder, encoded = encode(dead_letter("m"))
        assert folder == "dead_letters/ingest_date=2026-11-24"
        assert encoded.counter == "dead_letters{stage=decode,error_type=no_body}"
        assert encoded.key == message("m").key

    def test_the_folder_is_the_day_in_utc(self) -> None:
        zone = dt.timezone(dt.timedelta(hours=14))
        ingested_at = dt.datetime(2026, 11, 25, 1, tzinfo=zone)
        assert encode(draft("m", ingested_at=ingested_at))[0] == FOLDER

    @pytest.mark.parametrize(
        "fields",
        [
            {"body": "a lone surrogate: \ud800"},
            {"attributes": {"a": "\udfff"}},
            {"word_count": "two"},
            {"authors": (None,)},
        ],
    )
    def test_what_cannot_be_encoded_is_a_dead_letter_with_the_original(
        self, fields: dict[str, Any]
    ) -> None:
        one = message("m", b"the original \xff", attributes=fields.get("attributes", {}))
        folder, encoded = encode(Draft(one, article("m", **fields)))
        assert folder.startswith("dead_letters/")
        assert encoded.key == one.key
        record = decoded(folder, encoded)
        assert (record["stage"], record["error_type"]) == ("write", "not_encodable")
        assert record["payload"] == b"the original \xff"

    def test_so_is_a_duplicate(self) -> None:
        record = Duplicate("m", "\ud800", "c", "cm", "c", "url", 1.0, None, NOON, article("m"))
        folder, encoded = encode(DuplicateDraft(message("m", b"original"), record))
        assert decoded(folder, encoded)["payload"] == b"original"


@given(
    sizes=st.lists(st.integers(min_value=0, max_value=50), max_size=60),
    roll_records=st.integers(min_value=1, max_value=20),
    roll_bytes=st.integers(min_value=1, max_value=200),
)
def test_files_hold_every_record_once_in_order_and_are_bounded(
    sizes: list[int], roll_records: int, roll_bytes: int
) -> None:
    encoded = [Encoded(f"{n}", f"{n}", "", None, b"x" * size) for n, size in enumerate(sizes)]
    files = files_of(encoded, roll_records, roll_bytes)
    assert [one for file in files for one in file] == encoded
    for file in files:
        assert len(file) <= roll_records
        # Full as soon as it has roll_bytes, and not later.
        assert sum(len(one.avro) for one in file[:-1]) < roll_bytes
    for file in files[:-1]:
        full = len(file) >= roll_records or sum(len(one.avro) for one in file) >= roll_bytes
        assert full


@given(st.lists(st.text(st.characters()), unique=True, max_size=10), st.randoms())
def test_a_name_depends_on_the_messages_and_not_on_their_order(
    keys: list[str], random_: random.Random
) -> None:
    shuffled = random_.sample(keys, len(keys))
    assert file_name(keys) == file_name(shuffled)
    assert file_name([*keys, "one more"]) != file_name(keys)
    assert "/" not in file_name(keys)


class Killed(BaseException):
    """The process is gone; nothing it would have done after this happens."""


def _die(*args: object, **kwargs: object) -> None:
    raise Killed


def _before_intent(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SqliteLedger, "begin", _die)


def _after_intent(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(avro, "write_durably", _die)


def _before_rename(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Path, "rename", _die)
    # A process that is killed takes no temporary file away.
    patch.setattr(Path, "unlink", _die)


def _before_commit(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(SqliteLedger, "commit", _die)


def _after_commit(patch: pytest.MonkeyPatch) -> None:
    real = SqliteLedger.commit
    patch.setattr(SqliteLedger, "commit", lambda *args: (real(*args), _die()))


POINTS = [_before_intent, _after_intent, _before_rename, _before_commit, _after_commit]


@pytest.fixture
def open_ledger(tmp_path: Path) -> Iterator[Callable[[], SqliteLedger]]:
    opened = []

    def one() -> SqliteLedger:
        opened.append(SqliteLedger(tmp_path / "_state" / "ledger.sqlite3", tmp_path))
        return opened[-1]

    yield one
    for ledger in opened:
        ledger.close()


def write(root: Path, ledger: SqliteLedger, ids: Sequence[str]) -> avro.Written:
    return write_file(
        root, ledger, Form("deflate"), FOLDER, [one_encoded(i, f"body {i}") for i in ids]
    )


class TestWriteFile:
    def test_writes_and_commits(
        self, tmp_path: Path, open_ledger: Callable[[], SqliteLedger]
    ) -> None:
        ledger = open_ledger()
        written = write(tmp_path, ledger, "abc")
        assert [one.message_id for one in written.records] == ["a", "b", "c"]
        assert written.durable == tuple(message(i).key for i in "abc")
        assert on_disk(tmp_path) == ["a", "b", "c"]
        assert ledger.open_intents() == []

    def test_what_was_written_before_is_durable_and_not_written_again(
        self, tmp_path: Path, open_ledger: Callable[[], SqliteLedger]
    ) -> None:
        ledger = open_ledger()
        write(tmp_path, ledger, "ab")
        written = write(tmp_path, ledger, "bc")
        assert [one.message_id for one in written.records] == ["c"]
        assert set(written.durable) == {message(i).key for i in "bc"}
        assert on_disk(tmp_path) == ["a", "b", "c"]

    def test_a_message_twice_in_a_batch_is_written_once(
        self, tmp_path: Path, open_ledger: Callable[[], SqliteLedger]
    ) -> None:
        written = write(tmp_path, open_ledger(), "aba")
        assert len(written.records) == 2
        assert on_disk(tmp_path) == ["a", "b"]

    def test_what_another_process_is_writing_is_not_settled(
        self, tmp_path: Path, open_ledger: Callable[[], SqliteLedger]
    ) -> None:
        other = open_ledger()
        other.begin("articles", [(message("a").key, "a")], lambda keys: f"{FOLDER}/part-x.avro")
        written = write(tmp_path, open_ledger(), "ab")
        assert written.durable == (message("b").key,)
        assert written.elsewhere == (message("a").key,)

    def test_a_full_disk_acknowledges_nothing_and_the_retry_writes_once(
        self,
        tmp_path: Path,
        open_ledger: Callable[[], SqliteLedger],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        ledger = open_ledger()
        with monkeypatch.context() as patch:
            patch.setattr("os.fsync", lambda fd: (_ for _ in ()).throw(OSError(28, "full")))
            with pytest.raises(OSError, match="full"):
                write(tmp_path, ledger, "ab")
        assert on_disk(tmp_path) == []
        assert len(write(tmp_path, ledger, "ab").records) == 2
        assert on_disk(tmp_path) == ["a", "b"]

    def test_after_a_failure_others_may_take_its_messages_along(
        self,
        tmp_path: Path,
        open_ledger: Callable[[], SqliteLedger],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """They come again in another company; the intent that failed must not keep them."""
        ledger = open_ledger()
        with monkeypatch.context() as patch:
            patch.setattr("os.fsync", lambda fd: (_ for _ in ()).throw(OSError(28, "full")))
            with pytest.raises(OSError, match="full"):
                write(tmp_path, ledger, "ab")
        written = write(tmp_path, ledger, "abc")
        assert (len(written.records), written.elsewhere) == (3, ())
        assert on_disk(tmp_path) == ["a", "b", "c"]

    @pytest.mark.parametrize("point", POINTS)
    @pytest.mark.parametrize("recovered", [True, False], ids=["restart", "taken over"])
    def test_killed_at_any_point_every_record_is_there_once(
        self,
        tmp_path: Path,
        open_ledger: Callable[[], SqliteLedger],
        monkeypatch: pytest.MonkeyPatch,
        point: Callable[[pytest.MonkeyPatch], None],
        recovered: bool,
    ) -> None:
        """Then all messages come again, in other company, to a process that starts or is there."""
        doomed, heir = open_ledger(), open_ledger()
        with monkeypatch.context() as patch:
            point(patch)
            with suppress(Killed):
                write(tmp_path, doomed, "abcd")
        doomed.close()
        if recovered:
            heir = open_ledger()
            heir.recover()
            assert heir.open_intents() == []
        written = [write(tmp_path, heir, ids) for ids in ("dx", "acb", "abcd")]
        assert {key for one in written for key in one.durable} == {message(i).key for i in "abcdx"}
        assert not any(one.elsewhere for one in written)
        assert on_disk(tmp_path) == ["a", "b", "c", "d", "x"]
        sweep(tmp_path, heir.alive)
        assert list(tmp_path.rglob("*.tmp")) == []
        rows = sorted(key for _, key in heir.committed_messages())
        assert rows == [message(i).key for i in "abcdx"]

    @pytest.mark.parametrize("point", POINTS)
    def test_killed_at_any_point_and_retried_in_the_same_process(
        self,
        tmp_path: Path,
        open_ledger: Callable[[], SqliteLedger],
        monkeypatch: pytest.MonkeyPatch,
        point: Callable[[pytest.MonkeyPatch], None],
    ) -> None:
        """As Beam does with a bundle that failed."""
        ledger = open_ledger()
        with monkeypatch.context() as patch:
            point(patch)
            with suppress(Killed):
                write(tmp_path, ledger, "abcd")
        written = write(tmp_path, ledger, "abcd")
        assert set(written.durable) == {message(i).key for i in "abcd"}
        assert on_disk(tmp_path) == ["a", "b", "c", "d"]


class TestWaitingForOthers:
    """Who reads files waits until another process has written what both read."""

    def settled(self, root: Path, ids: Sequence[str], *, wait: bool = True) -> list[Any]:
        ledger = LedgerAt(f"sqlite:///{root / '_state' / 'ledger.sqlite3'}", str(root))
        write_files = avro._WriteFiles(root, ledger, Form("null"), 1.0, wait_for_others=wait)
        part_ = FOLDER, [one_encoded(one) for one in ids]
        try:
            return list(write_files.process(part_))
        finally:
            ledger.close()

    def announce(self, ledger: SqliteLedger, ids: Sequence[str]) -> Intent:
        pairs = [(one.key, one.message_id) for one in map(one_encoded, ids)]
        return ledger.begin("articles", pairs, lambda keys: f"{FOLDER}/{file_name(keys)}")

    def test_who_reads_a_queue_does_not(
        self, tmp_path: Path, open_ledger: Callable[[], SqliteLedger]
    ) -> None:
        other = open_ledger()
        self.announce(other, ["b"])
        settled = self.settled(tmp_path, ["a", "b"], wait=False)
        assert [len(one.keys) for one in settled if one.durable] == [1]
        assert [len(one.keys) for one in settled if not one.durable] == [1]

    def test_they_have_written_it(
        self,
        tmp_path: Path,
        open_ledger: Callable[[], SqliteLedger],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        other = open_ledger()
        intent = self.announce(other, ["b", "c"])
        monkeypatch.setattr(avro, "SAY_SECONDS", 0.0)

        def meanwhile(seconds: float) -> None:
            records = [one_encoded(one).avro for one in ("b", "c")]
            write_durably(tmp_path, intent.path, records, Form("null"), owner=other.owner)
            other.commit(intent)

        monkeypatch.setattr(avro.time, "sleep", meanwhile)
        (settlement,) = self.settled(tmp_path, ["a", "b"])
        assert len(settlement.keys) == 2
        assert on_disk(tmp_path) == ["a", "b", "c"]

    def test_they_have_died(
        self,
        tmp_path: Path,
        open_ledger: Callable[[], SqliteLedger],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        other = open_ledger()
        self.announce(other, ["b", "c"])
        monkeypatch.setattr(avro.time, "sleep", lambda seconds: other.close())
        (settlement,) = self.settled(tmp_path, ["a", "b"])
        assert len(settlement.keys) == 2
        assert on_disk(tmp_path) == ["a", "b"]


def epoch() -> float:
    """The processing time a script begins at."""
    return 0.0


COLLECTED: list[tuple[str, str]] = []


def collect(file: tuple[str, list[Encoded]]) -> None:
    """Not Beam's `assert_that`: its GroupByKey has ended when this runner fires timers of the end.

    The runner holds no watermark back for a timer; the pipeline has no step that minds.
    """
    COLLECTED.append((file[0], "".join(one[0] for one in file[1])))


def rolled(stream: Script, *, roll_bytes: int = 1_000) -> list[tuple[str, str]]:
    """(folder, keys) of the files; rolls at 3 records, 10 seconds or `roll_bytes`."""
    COLLECTED.clear()
    options = PipelineOptions(streaming=True)
    with beam.Pipeline(runner=BundleBasedDirectRunner(), options=options) as pipeline:
        _ = (
            pipeline
            | stream
            | beam.Map(lambda part: part).with_output_types(tuple[str, list[Encoded]])
            | beam.ParDo(avro._Roll(3, 10.0, roll_bytes, clock=epoch))
            | beam.Map(collect)
        )
    return sorted(COLLECTED)


def part(folder: str, keys: str, size: int = 1) -> tuple[str, list[Encoded]]:
    return folder, [Encoded(key, key, "", None, b"x" * size) for key in keys]


class TestRoll:
    def test_a_file_is_full_by_count(self) -> None:
        stream = Script().add_elements([part("f", "ab")]).add_elements([part("f", "c")])
        stream.add_elements([part("f", "defghij")]).advance_watermark_to_infinity()
        assert rolled(stream) == [("f", "abc"), ("f", "def"), ("f", "ghi"), ("f", "j")]

    def test_by_bytes(self) -> None:
        stream = Script().add_elements([part("f", "a", 60)])
        stream.add_elements([part("f", "b", 60)]).add_elements([part("f", "c", 5)])
        stream.advance_watermark_to_infinity()
        assert rolled(stream, roll_bytes=100) == [("f", "ab"), ("f", "c")]

    def test_by_time_since_its_first_record(self) -> None:
        stream = Script().add_elements([part("f", "a")]).advance_processing_time(9)
        stream.add_elements([part("f", "b")]).advance_processing_time(2)
        stream.add_elements([part("f", "c")]).advance_watermark_to_infinity()
        assert rolled(stream) == [("f", "ab"), ("f", "c")]

    def test_not_before_its_time(self) -> None:
        stream = Script().add_elements([part("f", "a")]).advance_processing_time(9)
        stream.add_elements([part("f", "b")]).advance_watermark_to_infinity()
        assert rolled(stream) == [("f", "ab")]

    def test_what_is_left_of_a_full_file_has_a_time_of_its_own(self) -> None:
        stream = Script().add_elements([part("f", "abcd")]).advance_processing_time(11)
        stream.add_elements([part("f", "e")]).advance_watermark_to_infinity()
        assert rolled(stream) == [("f", "abc"), ("f", "d"), ("f", "e")]

    def test_at_the_end_of_the_stream(self) -> None:
        stream = Script().add_elements([part("f", "a")]).advance_watermark_to_infinity()
        assert rolled(stream) == [("f", "a")]

    def test_folders_are_kept_apart(self) -> None:
        stream = Script().add_elements([part("f", "ab"), part("g", "cd"), part("f", "e")])
        stream.advance_watermark_to_infinity()
        assert rolled(stream) == [("f", "abe"), ("g", "cd")]


def to_draft(n: int) -> Draft:
    one = message(f"{n}")
    hash_ = hashlib.sha256(f"{n}".encode()).hexdigest()
    body = "\ud800" if n % 100 == 0 else f"body {n}"
    return Draft(
        one,
        Article(
            one.message_id, hash_, hash_, NOON, NOON, None, body, "text/plain", 2,
            Processing("0.1.0", "run"),
        ),
    )  # fmt: skip


def test_from_end_to_end(tmp_path: Path) -> None:
    """2,500 records, 25 of them not encodable; then all of them again."""
    ledger = LedgerAt("memory://", str(tmp_path))

    def run() -> tuple[Summary, int]:
        with beam.Pipeline(runner=StreamingDirectRunner(), options=PipelineOptions([])) as pipeline:
            settled = (
                pipeline
                | beam.io.Read(UnboundedCountingSource(2_500))
                | beam.Map(to_draft)
                | WriteRecords(
                    tmp_path,
                    ledger,
                    Form("snappy"),
                    roll_records=700,
                    roll_seconds=3_600,
                    roll_bytes=10**9,
                    storage_seconds=0.1,
                )
            )
            _ = settled | beam.ParDo(CountSettled())
        result = pipeline.result
        counted = result.metrics().query()["counters"]
        keys = next(c.committed for c in counted if c.key.metric.name == "keys settled")
        return Summary.of(result), keys

    try:
        summary, settled = run()
        assert (summary.articles, summary.dead_letters, summary.redelivered) == (2_475, 25, 0)
        assert settled == 2_500
        assert summary.total("files_committed") == len(ledger.get().committed_files()) == 5
        summary, settled = run()
        assert (summary.articles, summary.dead_letters, summary.redelivered) == (0, 0, 2_500)
        assert settled == 2_500
    finally:
        ledger.close()
    assert on_disk(tmp_path) == sorted(f"{n}" for n in range(2_500))
    assert on_disk(tmp_path, "dead_letters") == sorted(f"{n}" for n in range(0, 2_500, 100))


class CountSettled(beam.DoFn):
    def process(self, settlement: avro.Settlement) -> None:
        assert settlement.durable
        beam.metrics.Metrics.counter("test", "keys settled").inc(len(settlement.keys))

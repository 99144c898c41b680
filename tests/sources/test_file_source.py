"""The source over files, and what is made of its entries."""

from __future__ import annotations

import gzip
import json
import pickle
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.testing.util import assert_that, equal_to
from apache_beam.utils.timestamp import MAX_TIMESTAMP, MIN_TIMESTAMP
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import Failed
from pipeline.ledger.handles import LedgerAt
from pipeline.records import Message
from pipeline.sources import file_source
from pipeline.sources.file_source import FileReader, FileSource, Position, ReadFiles, entries
from pipeline.sources.files import (
    BLOCK_ENTRIES,
    UNKNOWN,
    Entry,
    InputFile,
    Problem,
    ReadOptions,
    find_files,
)
from pipeline.sources.sorting import SortEntries, content
from tests.articles import article
from tests.ledger.helpers import commit


def lines(path: Path, count: int, start: int = 0) -> Path:
    text = "".join(json.dumps({"body": f"text {start + n}"}) + "\n" for n in range(count))
    path.write_text(text)
    return path


def documents(folder: Path, count: int) -> None:
    for number in range(count):
        (folder / f"d{number:02d}.json").write_text(json.dumps({"body": f"document {number}"}))


def handed_on(reader: FileReader) -> list[Entry]:
    """One bundle, as the local runner reads it."""
    found = []
    more = reader.advance()
    while more:
        found.append(reader.get_current())
        more = reader.advance()
    reader.get_checkpoint_mark()
    return found


class _SetWhenAsked(threading.Event):
    """Set by somebody while it is looked at for the n-th time."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.asked = 0
        self._at = at

    def is_set(self) -> bool:
        self.asked += 1
        if self.asked == self._at:
            self.set()
        return super().is_set()


class TestReading:
    def test_every_entry_in_the_order_of_the_files(self, tmp_path: Path) -> None:
        lines(tmp_path / "b.jsonl", 3, start=2)
        lines(tmp_path / "a.jsonl", 2)
        source = FileSource(find_files([str(tmp_path)]))
        reader = source.create_reader(None, None)
        bodies = [json.loads(one.message.data)["body"] for one in handed_on(reader)]
        assert bodies == [f"text {n}" for n in range(5)]
        assert reader.get_watermark() == MAX_TIMESTAMP
        assert source.position.done == 1.0
        assert not reader.advance()

    def test_the_watermark_stays_until_the_end(self, tmp_path: Path) -> None:
        files = find_files([str(lines(tmp_path / "a.jsonl", 2))])
        reader = FileSource(files).create_reader(None, None)
        assert reader.start()
        assert reader.get_watermark() == MIN_TIMESTAMP
        assert reader.get_current_timestamp() == MIN_TIMESTAMP

    def test_a_bundle_ends_after_so_many_bytes(self, tmp_path: Path) -> None:
        files = find_files([str(lines(tmp_path / "a.jsonl", 9))])
        size = len(json.dumps({"body": "text 0"}))
        source = FileSource(files, bundle_bytes=4 * size)
        reader = source.create_reader(None, None)
        assert [len(handed_on(reader)) for _ in range(4)] == [4, 4, 1, 0]
        assert source.position.done == 1.0

    def test_draining_ends_it_where_it_is(self, tmp_path: Path) -> None:
        files = find_files([str(lines(tmp_path / "a.jsonl", 100))])
        drain = threading.Event()
        source = FileSource(files, drain=drain)
        reader = source.create_reader(None, None)
        assert reader.advance()
        drain.set()
        assert handed_on(reader) == []
        assert reader.get_watermark() == MAX_TIMESTAMP
        assert 0 < source.position.done < 1

    @pytest.mark.parametrize("ending", [".jsonl", ".jsonl.gz", ".csv", ".warc"])
    def test_draining_ends_a_file_that_gives_nothing(self, tmp_path: Path, ending: str) -> None:
        """It may have gigabytes of blank lines; and what is cut off there is no dead letter."""
        drain = _SetWhenAsked(4)
        path = tmp_path / f"a{ending}"
        blank = b"\n" * 8_000_000
        path.write_bytes(gzip.compress(blank) if ending.endswith(".gz") else blank)
        source = FileSource(find_files([str(path)]), drain=drain)
        reader = source.create_reader(None, None)
        assert not reader.start()
        assert drain.asked < 8
        assert reader.get_watermark() == MAX_TIMESTAMP
        assert source.position.done < 1

    def test_a_failure_is_no_end(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Beam tries a bundle again, and a generator that has raised is empty."""

        def broken(*of: Any) -> Iterator[Entry]:
            yield Entry(Message(b"", "1"))
            raise RuntimeError("no such page")

        monkeypatch.setattr(file_source, "read_file", broken)
        source = FileSource([InputFile("/a.jsonl", 1, "jsonl", None)])
        reader = source.create_reader(None, None)
        assert reader.advance()
        for _ in range(4):
            with pytest.raises(Failed, match="RuntimeError: no such page"):
                reader.advance()
        assert reader.get_watermark() == MIN_TIMESTAMP
        assert source.position.done < 1

    def test_no_files(self) -> None:
        source = FileSource([])
        assert not source.create_reader(None, None).start()
        assert source.position.done == 1.0

    def test_it_can_be_sent_to_a_worker(self, tmp_path: Path) -> None:
        files = find_files([str(lines(tmp_path / "a.jsonl", 2))])
        sent = pickle.dumps(FileSource(files, share=(1, 2), bundle_bytes=7))
        source = pickle.loads(sent)  # noqa: S301 - our own
        assert (source.files, source.share, source.bundle_bytes) == (tuple(files), (1, 2), 7)

    def test_closing_closes_the_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        closed = []

        def endless(file: InputFile, *how: Any) -> Iterator[Entry]:
            try:
                while True:
                    yield Entry(Message(b"", "1"))
            finally:
                closed.append(file.path)

        monkeypatch.setattr(file_source, "read_file", endless)
        reader = FileSource([InputFile("/a", 1, "jsonl", None)]).create_reader(None, None)
        reader.start()
        reader.close()
        assert closed == ["/a"]

    @given(st.integers(0, 10**12), st.integers(0, 10**12), st.integers(0, 10**12), st.booleans())
    def test_the_position_is_a_share(
        self, all_bytes: int, before: int, within: int, ended: bool
    ) -> None:
        done = Position(all_bytes, before, within, ended).done
        assert 0 <= done <= 1
        assert (done == 1) == ended


class TestShares:
    def ids(self, files: list[InputFile], share: tuple[int, int]) -> list[str]:
        position = Position(sum(file.size for file in files))
        found = [one.message.message_id for one in entries(files, ReadOptions(), share, position)]
        assert position.before == position.all_bytes
        return found

    @settings(max_examples=20)
    @given(of=st.integers(1, 5), sizes=st.lists(st.sampled_from([1, 99, 101, 250]), max_size=4))
    def test_they_are_the_whole_and_do_not_overlap(
        self, tmp_path_factory: pytest.TempPathFactory, of: int, sizes: list[int]
    ) -> None:
        folder = tmp_path_factory.mktemp("shares")
        for number, size in enumerate(sizes):
            lines(folder / f"l{number}.jsonl", size, start=1_000 * number)
        documents(folder, 7)
        files = find_files([str(folder)])
        whole = self.ids(files, (0, 1))
        assert len(whole) == sum(sizes) + 7
        parts = [one for number in range(of) for one in self.ids(files, (number, of))]
        assert sorted(parts) == sorted(whole)

    def test_many_small_files_go_to_all(self, tmp_path: Path) -> None:
        for number in range(8):
            lines(tmp_path / f"{number}.jsonl", 3, start=10 * number)
        files = find_files([str(tmp_path)])
        assert [len(self.ids(files, (number, 4))) for number in range(4)] == [6, 6, 6, 6]

    def test_a_large_file_goes_to_all(self, tmp_path: Path) -> None:
        files = find_files([str(lines(tmp_path / "a.jsonl", 4 * BLOCK_ENTRIES))])
        assert [len(self.ids(files, (number, 4))) for number in range(4)] == [BLOCK_ENTRIES] * 4

    def test_a_file_that_cannot_be_read_is_said_once(self, tmp_path: Path) -> None:
        gone = [
            InputFile(str(tmp_path / "gone.jsonl"), 9, "jsonl", None),
            InputFile(str(tmp_path / "gone.json"), 9, "json", None),
            InputFile(str(tmp_path / "gone"), 9, UNKNOWN, None),
        ]
        found = [one for number in range(3) for one in self.ids(gone, (number, 3))]
        assert len(found) == len(set(found)) == 3


def test_engines_that_share_files_themselves_read_all(tmp_path: Path) -> None:
    lines(tmp_path / "a.jsonl", 3)
    documents(tmp_path, 2)
    files = find_files([str(tmp_path)])
    expected = [one.message.data for one in handed_on(FileReader(FileSource(files)))]
    with TestPipeline("BundleBasedDirectRunner") as pipeline:
        found = pipeline | ReadFiles(files, ReadOptions()) | beam.Map(lambda e: e.message.data)
        assert_that(found, equal_to(expected))


class TestContent:
    def test_a_problem_is_a_dead_letter_that_says_where(self) -> None:
        message = Message(b"{", "file-1", attributes={"source_file": "/a"})
        problem = Problem("torn_file", "line 3 of /a: it ends here", "zlib.error")
        letter = content(Entry(message, problem), reprocess=False)
        assert (letter.stage, letter.error_type) == ("decode", "torn_file")  # type: ignore[union-attr]
        assert letter.error_message == problem.text  # type: ignore[union-attr]
        assert letter.exception_class == "zlib.error"  # type: ignore[union-attr]
        assert (letter.payload, letter.key) == (b"{", "file-1")  # type: ignore[union-attr]

    def test_a_record_is_a_message_or_a_draft(self) -> None:
        one = article("1")
        entry = Entry(Message(b"{}", one.message_id), article=one)
        assert content(entry, reprocess=False) is entry.message
        draft = content(entry, reprocess=True)
        assert (draft.message, draft.article) == (entry.message, one)  # type: ignore[union-attr]

    def test_what_is_no_record_is_not_reprocessed(self) -> None:
        letter = content(Entry(Message(b"{}", "1")), reprocess=True)
        assert letter.error_type == "not_a_record"  # type: ignore[union-attr]


class TestSorting:
    def sort(self, root: Path, given: list[Entry]) -> dict[str, Any]:
        ledger = LedgerAt(f"sqlite:///{root}/_state/ledger.sqlite3", str(root))
        pipeline = TestPipeline("BundleBasedDirectRunner")
        outputs = (
            pipeline
            | beam.Create(given)
            | SortEntries(ledger, reprocess=False, storage_seconds=1.0)
        )
        expected = {
            "messages": [one.message for one in given[:1]],
            "redelivered": [tuple(one.message.key for one in given[2:])],
        }
        for name, values in expected.items():
            assert_that(outputs[name], equal_to(values), label=name)
        assert_that(
            outputs["dead_letters"] | beam.Map(lambda letter: letter.message_id),
            equal_to([given[1].message.message_id]),
            label="dead_letters",
        )
        result = pipeline.run()
        result.wait_until_finish()
        ledger.close()
        return {one.key.metric.name: one.committed for one in result.metrics().query()["counters"]}

    def test_what_is_done_goes_no_further(self, tmp_path: Path) -> None:
        root = tmp_path / "out"
        ledger = LedgerAt(f"sqlite:///{root}/_state/ledger.sqlite3", str(root))
        commit(ledger.get(), root, ["done-1", "done-2"])
        ledger.close()
        problem = Problem("bad_row", "row 2 of /a: no")
        given = [
            Entry(Message(b"a", "new")),
            Entry(Message(b"b", "bad"), problem),
            Entry(Message(b"c", "done-1")),
            Entry(Message(b"d", "done-2"), problem),
        ]
        counted = self.sort(root, given)
        assert counted == {"messages_received": 3, "messages_redelivered": 2}

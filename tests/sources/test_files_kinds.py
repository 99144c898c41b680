"""Every kind of file, plain and compressed, with good, torn, empty and wrongly encoded ones."""

from __future__ import annotations

import dataclasses
import io
import json
from pathlib import Path
from typing import Any, BinaryIO

import pytest
from google.api_core.exceptions import RetryError

from pipeline.errors import Failed
from pipeline.sources.files import (
    KINDS,
    ONE_ENTRY_KINDS,
    Entry,
    InputFile,
    ReadOptions,
    opening,
    read_file,
)
from pipeline.sources.files import parquet as parquet_module
from pipeline.transforms.decode import Limits, decode
from tests.articles import NOON
from tests.sources.made_files import (
    COMPRESSIONS,
    ENDING,
    GOOD,
    PAGE,
    ROWS,
    avro,
    csv,
    entries,
    jsonl,
    objects,
    parquet,
    payloads,
    problems,
    record,
    response,
    stored,
)

MANY = sorted(set(KINDS) - ONE_ENTRY_KINDS)
LATIN = {**ROWS[0], "body": "caf\xe9"}
# Files of three entries of which the second, or of one that, is in no encoding that can be read.
WRONG = {
    "jsonl": jsonl(ROWS[:1])
    + json.dumps(LATIN, ensure_ascii=False).encode("latin-1")
    + b"\n"
    + jsonl(ROWS[2:]),
    "json": json.dumps(LATIN, ensure_ascii=False).encode("latin-1"),
    "text": b"caf\xe9",
    "html": PAGE.encode("latin-1"),
    "warc": record(response(PAGE.encode("latin-1"), html="text/html; charset=iso-8859-1")),
    "avro": avro(
        [{"a": b"caf\xe9"}],
        {"type": "record", "name": "R", "fields": [{"name": "a", "type": "bytes"}]},
    ),
    "parquet": parquet([{"a": b"caf\xe9"}]),
    "csv": csv(ROWS).replace("café".encode(), b"caf\xe9", 1),
    "tsv": csv(ROWS, "\t").replace("café".encode(), b"caf\xe9", 1),
}


def name_of(kind: str, compression: str) -> str:
    return f"file.{ENDING.get(kind, kind)}{compression}"


@pytest.fixture(params=COMPRESSIONS, ids=lambda c: c or "plain")
def compression(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("kind", KINDS)
class TestEveryKind:
    def read(self, folder: Path, kind: str, compression: str, data: bytes) -> list[Entry]:
        file = stored(folder, name_of(kind, compression), COMPRESSIONS[compression](data))
        assert file.kind == kind
        found = entries(file)
        for entry in found:
            assert entry.message.attributes["source_file"] == str(folder / Path(file.path).name)
            assert entry.message.publish_time is None
            if entry.problem is not None:
                assert file.path in entry.problem.text
                assert entry.message.attributes["source_position"] in entry.problem.text
        assert [e.position for e in found] == sorted(e.position for e in found)
        assert len({e.message.message_id for e in found}) == len(found)
        return found

    def test_good(self, kind: str, compression: str, tmp_path: Path) -> None:
        found = self.read(tmp_path, kind, compression, GOOD[kind])
        assert problems(found) == []
        assert len(found) == (1 if kind in ONE_ENTRY_KINDS else 3)
        if kind in ("jsonl", "avro", "parquet", "csv", "tsv"):
            assert objects(found) == ROWS
        elif kind == "warc":
            assert payloads(found) == [f"{PAGE}{n}".encode() for n in range(3)]
        else:
            assert payloads(found) == [GOOD[kind]]
        assert found[-1].position == (tmp_path / name_of(kind, compression)).stat().st_size

    def test_ids_are_the_same_each_time_and_another_for_another_file(
        self, kind: str, compression: str, tmp_path: Path
    ) -> None:
        first = self.read(tmp_path, kind, compression, GOOD[kind])
        again = self.read(tmp_path, kind, compression, GOOD[kind])
        assert [e.message for e in again] == [e.message for e in first]
        (tmp_path / "other").mkdir()
        other = self.read(tmp_path / "other", kind, compression, GOOD[kind])
        ids = {e.message.message_id for e in first}
        assert ids.isdisjoint(e.message.message_id for e in other)
        assert all(len(i) == len("file-") + 32 and i.startswith("file-") for i in ids)

    def test_torn(self, kind: str, compression: str, tmp_path: Path) -> None:
        """What the file holds before its torn end comes, then one problem."""
        file = stored(tmp_path, name_of(kind, compression), b"")
        whole = COMPRESSIONS[compression](GOOD[kind])
        # Cut within the last record; compressed, what is left of it may be less.
        cut = {"warc": 260, "parquet": 20}.get(kind, 12)
        Path(file.path).write_bytes(whole[: -cut if not compression else len(whole) - 12])
        found = entries(file)
        told = problems(found)
        if compression or kind in ("warc", "avro", "parquet", "csv", "tsv"):
            assert told == ["torn_file"]
            assert found[-1].problem is not None
        else:
            # Whether it is whole, only decode can tell: a cut line is no JSON.
            assert told == []
        good = entries(stored(tmp_path, name_of(kind, ""), GOOD[kind]))
        kept = payloads(found) if told else payloads(found)[:-1]
        assert kept == payloads(good)[: len(kept)]
        if not compression and kind in MANY and kind != "parquet":
            assert len(kept) == 2

    def test_empty(self, kind: str, compression: str, tmp_path: Path) -> None:
        found = self.read(tmp_path, kind, compression, b"")
        assert problems(found) == (["invalid_json"] if kind == "json" else [])
        assert payloads(found) == []

    def test_no_bytes_where_compressed_data_should_be(
        self, kind: str, compression: str, tmp_path: Path
    ) -> None:
        if compression:
            file = stored(tmp_path, name_of(kind, compression), b"")
            assert problems(entries(file)) == ["torn_file"]

    def test_wrong_encoding(self, kind: str, compression: str, tmp_path: Path) -> None:
        found = self.read(tmp_path, kind, compression, WRONG[kind])
        if kind in ("csv", "tsv"):
            assert problems(found) == ["bad_encoding"]
            assert b"caf\xe9" in found[0].message.data
            assert objects(found) == ROWS[1:]
        elif kind in ("avro", "parquet"):
            assert objects(found) == [{"a": "Y2Fm6Q=="}]
        else:
            # The bytes go on as they are: decode knows what to say.
            assert problems(found) == []
            assert any(b"\xe9" in data for data in payloads(found))
            assert len(found) == (3 if kind == "jsonl" else 1)

    def test_share(self, kind: str, tmp_path: Path) -> None:
        """Of many entries each is in one share; a document is read by whoever is given it."""
        file = stored(tmp_path, name_of(kind, ""), GOOD[kind])
        shares = [[e.message for e in entries(file, share=(k, 3))] for k in range(3)]
        everything = [e.message for e in entries(file)]
        assert shares == [everything, [], []] if kind in MANY else [everything] * 3


def test_blocks_of_entries_go_round(tmp_path: Path) -> None:
    file = stored(tmp_path, "a.jsonl", jsonl([{"n": n} for n in range(450)]))
    shares = [[o["n"] for o in objects(entries(file, share=(k, 2)))] for k in range(2)]
    assert shares == [
        [*range(100), *range(200, 300), *range(400, 450)],
        [*range(100, 200), *range(300, 400)],
    ]


@pytest.mark.parametrize("share", [(0, 1), (1, 3)])
def test_problems_count_in_shares(tmp_path: Path, share: tuple[int, int]) -> None:
    lines = (
        jsonl([{"n": n} for n in range(150)])
        + b'"'
        + b"x" * 2_000
        + b'"\n' * 1
        + jsonl([{"n": n} for n in range(150, 250)])
    )
    file = stored(tmp_path, "a.jsonl", lines)
    found = [
        e.message for k in range(3) for e in entries(file, share=(k, 3), max_message_bytes=999)
    ]
    everything = [e.message for e in entries(file, max_message_bytes=999)]
    assert sorted(m.message_id for m in found) == sorted(m.message_id for m in everything)
    assert len(everything) == 251


@pytest.mark.parametrize("kind", KINDS)
def test_decode_reads_what_comes(kind: str, tmp_path: Path) -> None:
    """Rows, lines and pages are articles to decode, under whatever names a column has."""
    page = f"<html><head><title>Headline</title></head><body><article><p>{'A sentence. ' * 40}</p>"
    data = {"html": page.encode(), "warc": record(response(page.encode()))}.get(kind, GOOD[kind])
    found = entries(stored(tmp_path, name_of(kind, ""), data))
    for entry in found:
        article = decode(entry.message, Limits(), run_id="run", now=NOON)
        assert article.message_id == entry.message.message_id
        assert article.publish_time is None
        assert article.attributes["source_file"] == str(tmp_path / name_of(kind, ""))
        assert article.body
        if kind in ("jsonl", "json", "avro", "parquet", "csv", "tsv"):
            assert (article.title or "").startswith("Headline")
            assert article.url in [row["url"] for row in ROWS]
        if kind == "warc":
            assert article.url == "http://x.org/page"
    assert found


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("whole", [True, False])
def test_files_are_closed(
    kind: str, whole: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where the reading is given up after one entry."""
    open_stored, opened = opening.open_stored, []

    def open_and_remember(path: str) -> BinaryIO:
        opened.append(open_stored(path))
        return opened[-1]

    monkeypatch.setattr(opening, "open_stored", open_and_remember)
    monkeypatch.setattr(parquet_module, "open_stored", open_and_remember)
    file = stored(tmp_path, name_of(kind, ""), GOOD[kind])
    reading = read_file(file, ReadOptions())
    next(reading)
    if whole:
        list(reading)
    else:
        del reading
    assert len(opened) == (2 if kind == "parquet" else 1)
    assert all(one.closed for one in opened)


ROWS_OF_100 = [{"n": n, "text": "x" * 90} for n in range(100)]


def failing(data: bytes, error: Exception) -> Any:
    """Opens a file that can be read to its middle."""

    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() >= len(data) // 2:
                raise error
            return super().read(len(data) // 10)

    return lambda path: Failing(data)


def test_a_file_that_a_store_does_not_give(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What came before is read; then a problem says what it raised, and so does the log."""
    file = stored(tmp_path, "a.jsonl", jsonl(ROWS_OF_100))
    monkeypatch.setattr(
        opening, "open_stored", failing(jsonl(ROWS_OF_100), PermissionError("no more"))
    )
    found = entries(file)
    assert objects(found) == ROWS_OF_100[: len(found) - 1]
    assert len(found) > 5
    problem = found[-1].problem
    assert problem is not None
    assert (problem.error_type, problem.exception_class) == (
        "unreadable_file",
        "builtins.PermissionError",
    )
    assert problem.text.endswith(f"of {file.path}: no more")
    assert "reading failed: PermissionError: no more" in caplog.text


@pytest.mark.parametrize(
    "error", [ConnectionError("gone"), TimeoutError("gone"), RetryError("gone", None)]
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_store_that_is_gone_ends_the_run(
    monkeypatch: pytest.MonkeyPatch, error: Exception, kind: str
) -> None:
    """All other files would be dead letters, too, one after the other and two minutes each."""
    file = InputFile("gs://bucket/file", len(GOOD[kind]), kind, None)
    monkeypatch.setattr(opening, "open_stored", failing(GOOD[kind], error))
    read = []
    with pytest.raises(Failed, match=r"does not answer: start the same command again .*gone"):
        read.extend(read_file(file, ReadOptions()))
    assert problems(read) == []


def test_a_store_that_cannot_be_opened_ends_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(path: str) -> Any:
        raise ConnectionRefusedError("nobody there")

    file = stored(tmp_path, "a.jsonl", jsonl(ROWS_OF_100))
    monkeypatch.setattr(opening, "open_stored", refused)
    with pytest.raises(Failed, match="nobody there"):
        entries(file)


@pytest.mark.parametrize("ending", sorted(COMPRESSIONS))
def test_a_file_that_is_shorter_than_it_was_said_to_be(tmp_path: Path, ending: str) -> None:
    """A store may say that a file has ended where its answer was cut off."""
    data = COMPRESSIONS[ending](jsonl(ROWS_OF_100))
    file = stored(tmp_path, f"a.jsonl{ending}", data)
    whole = entries(file)
    assert len(whole) == 100
    short = dataclasses.replace(file, size=file.size + 1)
    *rest, last = entries(short)
    assert rest == whole
    assert last.problem is not None
    assert last.problem.error_type == "torn_file"
    assert f"it ended after {file.size} of {file.size + 1} bytes" in last.problem.text

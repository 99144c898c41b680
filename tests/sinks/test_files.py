from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import fastavro
import pipeline.schemas as schemas
import polars
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.option_list import CODECS
from pipeline.sinks import files
from pipeline.sinks.files import Form, blocks, sweep, write_durably
from tests.articles import dead_letter_record

PATH = "dead_letters/ingest_date=2026-11-24/part-0123456789abcdef01234567.avro"


def encoded(count: int) -> list[bytes]:
    records = []
    for n in range(count):
        buffer = io.BytesIO()
        fastavro.schemaless_writer(
            buffer, schemas.load("dead_letters"), dead_letter_record(f"{n}", payload=b"x" * n)
        )
        records.append(buffer.getvalue())
    return records


def written(root: Path, records: list[bytes], codec: str = "null", *, pairs: bool = False) -> int:
    return write_durably(root, PATH, records, Form(codec, pairs), owner="me")


def everything_in(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


class TestWriting:
    @pytest.mark.parametrize("codec", CODECS)
    def test_others_read_what_was_written(self, tmp_path: Path, codec: str) -> None:
        size = written(tmp_path, encoded(1_000), codec)
        final = tmp_path / PATH
        assert everything_in(tmp_path) == [final]
        assert final.stat().st_size == size
        with final.open("rb") as file:
            reader = fastavro.reader(file)
            assert reader.codec == codec
            assert [r["message_id"] for r in reader] == [f"{n}" for n in range(1_000)]

    @pytest.mark.parametrize("codec", ["null", "deflate", "snappy"])
    def test_polars_reads_pairs(self, tmp_path: Path, codec: str) -> None:
        written(tmp_path, encoded(1_000), codec, pairs=True)
        frame = polars.read_avro(tmp_path / PATH)
        assert frame["payload"][999] == b"x" * 999

    @pytest.mark.xfail(strict=True, reason="polars 2.1 reads no Avro maps, and `attributes` is one")
    def test_polars_reads_maps(self, tmp_path: Path) -> None:
        """Once it does, --attributes_as can go."""
        written(tmp_path, encoded(1), "deflate")
        polars.read_avro(tmp_path / PATH)

    def test_the_file_carries_its_schema_whole(self, tmp_path: Path) -> None:
        written(tmp_path, encoded(1))
        with (tmp_path / PATH).open("rb") as file:
            schema = fastavro.reader(file).writer_schema
        assert schema["name"] == "article_pipeline.DeadLetter"

    def test_the_same_name_again_is_the_same_file(self, tmp_path: Path) -> None:
        written(tmp_path, encoded(3))
        written(tmp_path, encoded(3))
        assert everything_in(tmp_path) == [tmp_path / PATH]

    def test_every_folder_up_to_the_output_is_durable_though_it_was_there(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Who made it may have died before its name was."""
        (tmp_path / PATH).parent.mkdir(parents=True)
        steps: list[str] = []
        real_sync, real_rename = os.fsync, Path.rename

        def fsync(handle: int) -> None:
            path = Path(os.readlink(f"/proc/self/fd/{handle}"))
            steps.append(str(path.relative_to(tmp_path)))
            real_sync(handle)

        def rename(path: Path, target: Path) -> Path:
            steps.append("rename")
            return real_rename(path, target)

        monkeypatch.setattr(os, "fsync", fsync)
        monkeypatch.setattr(Path, "rename", rename)
        written(tmp_path, encoded(1))
        temporary = str(Path(PATH).parent / f".{Path(PATH).name}.me.tmp")
        assert steps == [
            temporary,
            "rename",
            "dead_letters/ingest_date=2026-11-24",
            "dead_letters",
            ".",
        ]


def _fail(*args: object, **kwargs: object) -> None:
    raise OSError(28, "No space left on device")


class _BrokenWriter(files.Writer):  # type: ignore[misc]
    def flush(self) -> None:
        super().flush()
        _fail()


def _records_that_fail() -> list[bytes]:
    def generate():  # type: ignore[no-untyped-def]
        yield from encoded(10)
        _fail()

    return generate()  # type: ignore[return-value]


class TestFailing:
    @pytest.mark.parametrize(
        "break_it",
        [
            pytest.param(lambda m: m.setattr(files, "Writer", _fail), id="opening the writer"),
            pytest.param(lambda m: m.setattr(files, "Writer", _BrokenWriter), id="flush"),
            pytest.param(lambda m: m.setattr(os, "fsync", _fail), id="fsync"),
            pytest.param(lambda m: m.setattr(Path, "rename", _fail), id="rename"),
        ],
    )
    def test_leaves_nothing_under_any_name(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        break_it: Callable[[pytest.MonkeyPatch], None],
    ) -> None:
        break_it(monkeypatch)
        with pytest.raises(OSError, match="No space"):
            written(tmp_path, encoded(10))
        assert everything_in(tmp_path) == []
        monkeypatch.undo()
        written(tmp_path, encoded(10))
        assert everything_in(tmp_path) == [tmp_path / PATH]

    def test_in_the_middle_of_the_records(self, tmp_path: Path) -> None:
        with pytest.raises(OSError, match="No space"):
            written(tmp_path, _records_that_fail())
        assert everything_in(tmp_path) == []

    def test_leaves_the_file_that_was_there(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        written(tmp_path, encoded(10))
        before = (tmp_path / PATH).read_bytes()
        monkeypatch.setattr(files, "Writer", _BrokenWriter)
        with pytest.raises(OSError, match="No space"):
            written(tmp_path, encoded(10))
        assert everything_in(tmp_path) == [tmp_path / PATH]
        assert (tmp_path / PATH).read_bytes() == before


@given(
    records=st.lists(st.binary(max_size=40), max_size=60),
    limit=st.integers(min_value=1, max_value=100),
)
def test_blocks_hold_every_record_once_in_order_and_are_bounded(
    records: list[bytes], limit: int
) -> None:
    made = list(blocks(records, limit))
    assert b"".join(block.bytes_.getvalue() for block in made) == b"".join(records)
    assert sum(block.num_records for block in made) == len(records)
    start = 0
    for block in made:
        mine = records[start : start + block.num_records]
        start += block.num_records
        assert block.bytes_.getvalue() == b"".join(mine)
        assert mine
        assert sum(map(len, mine[:-1])) < limit


def test_sweep_takes_only_temporary_files_of_the_dead(tmp_path: Path) -> None:
    written(tmp_path, encoded(1))
    folder = (tmp_path / PATH).parent
    dead, living = (folder / f".part-00.avro.{owner}.tmp" for owner in ("dead", "living"))
    foreign = folder / ".something.else.dead.tmp"
    for path in (dead, living, foreign):
        path.touch()
    assert sweep(tmp_path, lambda owner: owner != "dead") == 1
    assert set(everything_in(tmp_path)) == {living, foreign, tmp_path / PATH}
    assert sweep(tmp_path / "not there", lambda owner: False) == 0

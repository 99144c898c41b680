"""Parquet as programs write it, and as it should not be."""

from __future__ import annotations

import datetime as dt
import decimal
import gzip
import io
import tracemalloc
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.sources.files import ReadOptions, read_file
from tests.sources.made_files import ROWS, entries, objects, parquet, payloads, problems, stored


class TestRows:
    @pytest.mark.parametrize("codec", ["none", "snappy", "gzip", "zstd", "brotli", "lz4"])
    def test_codecs(self, codec: str, tmp_path: Path) -> None:
        found = entries(stored(tmp_path, "a.parquet", parquet(compression=codec)))
        assert objects(found) == ROWS
        assert [e.message.attributes["source_position"] for e in found] == [
            "record 1",
            "record 2",
            "record 3",
        ]
        assert found[0].message.attributes["content_type"] == "application/json"

    def test_values(self, tmp_path: Path) -> None:
        row = {
            "day": dt.date(2025, 1, 21),
            "at": dt.datetime(2025, 1, 21, 12, tzinfo=dt.timezone.utc),
            "money": decimal.Decimal("12.50"),
            "text": b"caf\xc3\xa9",
            "other": b"\xff",
            "tags": ["a", "b"],
            "inner": {"x": float("nan"), "y": [{"z": 1}]},
            "none": None,
            "flag": True,
        }
        assert objects(entries(stored(tmp_path, "a.parquet", parquet([row])))) == [
            {
                "day": "2025-01-21",
                "at": "2025-01-21T12:00:00+00:00",
                "money": "12.50",
                "text": "café",
                "other": "/w==",
                "tags": ["a", "b"],
                "inner": {"x": None, "y": [{"z": 1}]},
                "none": None,
                "flag": True,
            }
        ]

    def test_row_groups(self, tmp_path: Path) -> None:
        rows = [{"n": n, "text": f"text {n % 7}"} for n in range(5_000)]
        found = entries(stored(tmp_path, "a.parquet", parquet(rows, row_group_size=700)))
        assert objects(found) == rows
        positions = [e.position for e in found]
        assert positions == sorted(positions)
        assert positions[0] < positions[-1] == (tmp_path / "a.parquet").stat().st_size

    def test_no_rows(self, tmp_path: Path) -> None:
        file = io.BytesIO()
        pq.write_table(pa.table({"a": pa.array([], pa.string())}), file)
        assert entries(stored(tmp_path, "a.parquet", file.getvalue())) == []

    def test_a_row_too_large(self, tmp_path: Path) -> None:
        rows = [{"a": "x" * 1_000}, {"a": "y"}]
        found = entries(stored(tmp_path, "a.parquet", parquet(rows)), max_message_bytes=500)
        assert (problems(found), objects(found)) == (["too_large"], [{"a": "y"}])

    def test_a_time_that_python_does_not_have(self, tmp_path: Path) -> None:
        file = io.BytesIO()
        column = pa.array([2**62, 0], pa.int64()).cast(pa.timestamp("us"))
        pq.write_table(pa.table({"at": column}), file)
        found = entries(stored(tmp_path, "a.parquet", file.getvalue()))
        assert (problems(found), objects(found)) == (["bad_row"], [{"at": "1970-01-01T00:00:00"}])


class TestDamaged:
    @pytest.mark.parametrize("cut", [5, 11, 12, 60])
    def test_torn(self, cut: int, tmp_path: Path) -> None:
        assert problems(entries(stored(tmp_path, "a.parquet", parquet()[:cut]))) == ["torn_file"]

    def test_no_parquet(self, tmp_path: Path) -> None:
        found = entries(stored(tmp_path, "a.parquet", b"something else"))
        assert problems(found) == ["unreadable_file"]

    def test_the_footer(self, tmp_path: Path) -> None:
        data = bytearray(parquet())
        data[-60:-20] = b"\xff" * 40
        (entry,) = entries(stored(tmp_path, "a.parquet", bytes(data)))
        assert entry.problem is not None
        assert entry.problem.error_type == "unreadable_file"
        assert entry.problem.exception_class is not None

    def test_one_row_group(self, tmp_path: Path) -> None:
        rows = [{"a": f"{n:05d}" * 50} for n in range(30)]
        data = bytearray(parquet(rows, row_group_size=10, use_dictionary=False, compression="gzip"))
        described = pq.ParquetFile(io.BytesIO(bytes(data))).metadata.row_group(1).column(0)
        start = described.data_page_offset
        end = start + described.total_compressed_size
        data[start:end] = b"\xff" * (end - start)
        found = entries(stored(tmp_path, "a.parquet", bytes(data)))
        assert (problems(found), objects(found)) == (["torn_file"], rows[:10] + rows[20:])
        assert [e.message.attributes["source_position"] for e in found][9:12] == [
            "record 10",
            "row group 2 (from record 11)",
            "record 21",
        ]

    def test_a_footer_too_large(self, tmp_path: Path) -> None:
        found = entries(stored(tmp_path, "a.parquet", parquet()), max_footer_bytes=100)
        assert problems(found) == ["too_large"]

    def test_too_many_columns(self, tmp_path: Path) -> None:
        data = parquet([{f"c{n}": n for n in range(20)}])
        assert problems(entries(stored(tmp_path, "a.parquet", data), max_columns=10)) == [
            "too_large"
        ]

    def test_too_large_for_a_temporary_file(self, tmp_path: Path) -> None:
        file = stored(tmp_path, "a.parquet.gz", gzip.compress(parquet()))
        assert problems(entries(file, max_spooled_bytes=100)) == ["too_large"]


def test_a_value_that_is_repeated_is_held_once(tmp_path: Path) -> None:
    """900 kB in the file, 45 GB in its rows."""
    file = io.BytesIO()
    value = "x" * 900_000
    column: Any = pa.DictionaryArray.from_arrays(pa.array([0] * 50_000, pa.int32()), [value])
    pq.write_table(
        pa.table({"a": column}), file, compression="none", dictionary_pagesize_limit=2_000_000
    )
    found = stored(tmp_path, "a.parquet", file.getvalue())
    before = pa.total_allocated_bytes()
    tracemalloc.start()
    try:
        reading = read_file(found, ReadOptions(share=(1, 2)))
        first = next(reading)
        peak = tracemalloc.get_traced_memory()[1]
        allocated = pa.total_allocated_bytes() - before
    finally:
        tracemalloc.stop()
    assert len(first.message.data) == 900_000 + len('{"a":""}')
    assert peak < 50_000_000
    assert allocated < 50_000_000
    assert payloads([first]) != []

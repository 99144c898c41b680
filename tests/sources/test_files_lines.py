"""Lines of any length, ending and encoding; and what compressed files may look like."""

from __future__ import annotations

import bz2
import gzip
import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from pipeline.sources.files import ReadOptions, opening, read_file
from pipeline.sources.files.entries import KEPT_BYTES
from tests.sources.made_files import (
    COMPRESSIONS,
    entries,
    objects,
    payloads,
    problems,
    stored,
    zstd,
)

LIMIT = 1_000


def places(found: list[Any]) -> list[str]:
    return [entry.message.attributes["source_position"] for entry in found]


class TestLines:
    def test_blank_lines_are_passed_over_but_counted(self, tmp_path: Path) -> None:
        file = stored(tmp_path, "a.jsonl", b'\n{"a":1}\r\n \t\r\n\r\n{"a":2}')
        found = entries(file)
        assert payloads(found) == [b'{"a":1}', b'{"a":2}']
        assert places(found) == ["line 2", "line 5"]
        assert found[0].message.attributes["content_type"] == "application/json"

    @pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-be"])
    def test_encodings(self, encoding: str, tmp_path: Path) -> None:
        text = '{"a":"é😀"}\n{"a":"b"}\n'
        mark = b"\xfe\xff" if encoding == "utf-16-be" else b""
        found = entries(stored(tmp_path, "a.jsonl", mark + text.encode(encoding)))
        assert objects(found) == [{"a": "é😀"}, {"a": "b"}]

    def test_half_a_character_of_utf_16(self, tmp_path: Path) -> None:
        data = (
            '{"a":1}\n{"a":"'.encode("utf-16") + b"\x3d\xd8\n\0" + '{"a":2}\n5'.encode("utf-16-le")
        )
        found = entries(stored(tmp_path, "a.jsonl", data + b"\0"))
        assert [payloads(found)[n] for n in (0, 2)] == [b'{"a":1}', b'{"a":2}']
        for spoilt in (payloads(found)[1], payloads(found)[3]):
            with pytest.raises(UnicodeDecodeError):
                spoilt.decode("utf-8")

    @pytest.mark.parametrize("end", [b"", b"\n", b"\r\n"])
    def test_the_longest_line(self, end: bytes, tmp_path: Path) -> None:
        file = stored(tmp_path, "a.jsonl", b"x" * LIMIT + end)
        assert payloads(entries(file, max_message_bytes=LIMIT)) == [b"x" * LIMIT]

    @pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\ny\n"])
    def test_a_line_too_long(self, end: bytes, tmp_path: Path) -> None:
        file = stored(tmp_path, "a.jsonl", b"x" * (LIMIT + 1) + end)
        found = entries(file, max_message_bytes=LIMIT)
        assert problems(found) == ["too_large"]
        assert payloads(found) == ([b"y"] if b"y" in end else [])
        assert found[0].problem is not None
        assert f"--max_message_bytes={LIMIT}" in found[0].problem.text

    def test_a_line_without_end_is_never_held(self, tmp_path: Path) -> None:
        """300 MB in 300 kB of gzip: one problem with its beginning, and on with the next line."""
        path = tmp_path / "a.jsonl.gz"
        with gzip.open(path, "wb", compresslevel=1) as file:
            file.write(b'{"a":1}\n')
            for _ in range(300):
                file.write(b"x" * 1_000_000)
            file.write(b'\n{"a":2}\n')
        (found,) = [stored(tmp_path, path.name, path.read_bytes())]
        tracemalloc.start()
        try:
            read = entries(found)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert objects(read) == [{"a": 1}, {"a": 2}]
        assert problems(read) == ["too_large"]
        assert read[1].message.data == b"x" * KEPT_BYTES
        assert places(read) == ["line 1", "line 2", "line 3"]
        assert peak < 40_000_000

    def test_a_file_larger_than_what_is_held(self, tmp_path: Path) -> None:
        path = tmp_path / "a.jsonl.bz2"
        line = json.dumps({"a": "x" * 5_000}).encode() + b"\n"
        path.write_bytes(bz2.compress(line * 5_000))
        file = stored(tmp_path, path.name, path.read_bytes())
        tracemalloc.start()
        try:
            count = sum(1 for _ in read_file(file, ReadOptions()))
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert count == 5_000
        assert peak < 12_000_000


ONE, TWO = b'{"a":1}\n', b'{"a":2}\n'
BOTH = [{"a": 1}, {"a": 2}]


@pytest.mark.parametrize("ending", [e for e in COMPRESSIONS if e])
class TestCompressed:
    def test_several_members(self, ending: str, tmp_path: Path) -> None:
        pack = COMPRESSIONS[ending]
        # A line may go from one to the next.
        data = pack(ONE + b'{"a"') + pack(b"") + pack(b":2}\n")
        assert objects(entries(stored(tmp_path, "a.jsonl" + ending, data))) == BOTH

    def test_zeros_behind(self, ending: str, tmp_path: Path) -> None:
        data = COMPRESSIONS[ending](ONE) + b"\0" * 600_000
        found = entries(stored(tmp_path, "a.jsonl" + ending, data))
        assert (objects(found), problems(found)) == ([{"a": 1}], [])

    def test_something_else_behind(self, ending: str, tmp_path: Path) -> None:
        data = COMPRESSIONS[ending](ONE) + b"something else"
        found = entries(stored(tmp_path, "a.jsonl" + ending, data))
        assert (objects(found), problems(found)) == ([{"a": 1}], ["torn_file"])

    def test_torn_in_the_second_member(self, ending: str, tmp_path: Path) -> None:
        data = COMPRESSIONS[ending](ONE) + COMPRESSIONS[ending](TWO)[:9]
        found = entries(stored(tmp_path, "a.jsonl" + ending, data))
        assert (objects(found), problems(found)) == ([{"a": 1}], ["torn_file"])
        assert found[-1].message.attributes["source_position"] == "line 2"

    def test_torn_within_a_line(self, ending: str, tmp_path: Path) -> None:
        """What is known of the line goes with the problem, and is no message."""
        data = COMPRESSIONS[ending](ONE + b'{"a":') + COMPRESSIONS[ending](b"2}\n")[:4]
        found = entries(stored(tmp_path, "a.jsonl" + ending, data))
        assert (objects(found), problems(found)) == ([{"a": 1}], ["torn_file"])
        assert found[-1].message.data.startswith(b'{"a":')

    def test_damaged(self, ending: str, tmp_path: Path) -> None:
        data = bytearray(COMPRESSIONS[ending](ONE))
        data[-2] ^= 0xFF
        found = entries(stored(tmp_path, "a.jsonl" + ending, bytes(data)))
        if ending != ".zst":
            # zstd has no checksum unless it is asked for one.
            assert problems(found) == ["torn_file"]

    def test_not_compressed(self, ending: str, tmp_path: Path) -> None:
        found = entries(stored(tmp_path, "a.jsonl" + ending, ONE * 2))
        assert problems(found) == ["unreadable_file"]
        assert payloads(found) == []

    def test_without_the_ending(self, ending: str, tmp_path: Path) -> None:
        found = entries(stored(tmp_path, "a.jsonl", COMPRESSIONS[ending](ONE)))
        assert objects(found) == [{"a": 1}]

    def test_every_place_where_it_may_be_cut(self, ending: str, tmp_path: Path) -> None:
        whole = COMPRESSIONS[ending](ONE) + COMPRESSIONS[ending](TWO)
        first = len(COMPRESSIONS[ending](ONE))
        for cut in range(1, len(whole)):
            found = entries(stored(tmp_path, "a.jsonl" + ending, whole[:cut]))
            assert objects(found) in ([], BOTH[:1], BOTH)
            assert problems(found) == ([] if cut == first else ["torn_file"]), cut

    def test_read_in_small_portions(
        self, ending: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(opening, "CHUNK_BYTES", 7)
        monkeypatch.setattr(opening, "PIECE_BYTES", 5)
        lines = b"".join(json.dumps({"n": n, "x": "x" * n}).encode() + b"\n" for n in range(200))
        file = stored(tmp_path, "a.jsonl" + ending, COMPRESSIONS[ending](lines))
        assert [o["n"] for o in objects(entries(file))] == list(range(200))


def test_a_text_that_begins_like_bzip2(tmp_path: Path) -> None:
    assert payloads(entries(stored(tmp_path, "a.txt", b"BZh is how it begins"))) != []


def test_frames_of_zstd_that_are_to_be_skipped(tmp_path: Path) -> None:
    skipped = b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc"
    data = skipped + zstd.compress(ONE) + skipped + zstd.compress(TWO) + skipped
    assert objects(entries(stored(tmp_path, "a.jsonl.zst", data))) == BOTH


def test_a_window_larger_than_is_allowed(tmp_path: Path) -> None:
    packer = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 28})
    data = packer.compress(b"x" * 1_000) + packer.flush()
    assert problems(entries(stored(tmp_path, "a.jsonl.zst", data))) in (["torn_file"], [])


class TestDocuments:
    @pytest.mark.parametrize("ending", ["json", "txt", "html"])
    def test_too_large(self, ending: str, tmp_path: Path) -> None:
        file = stored(tmp_path, f"a.{ending}.gz", gzip.compress(b"x" * 3_000_000))
        (entry,) = entries(file, max_message_bytes=2_999_999)
        assert entry.problem is not None
        assert entry.problem.error_type == "too_large"
        assert entry.message.data == b"x" * KEPT_BYTES
        assert payloads(entries(file, max_message_bytes=3_000_000)) == [b"x" * 3_000_000]

    def test_its_type(self, tmp_path: Path) -> None:
        for ending, said in (
            ("json", "application/json"),
            ("txt", "text/plain"),
            ("htm", "text/html"),
        ):
            (entry,) = entries(stored(tmp_path, f"a.{ending}", b"{}"))
            assert entry.message.attributes["content_type"] == said

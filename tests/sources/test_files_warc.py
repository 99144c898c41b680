"""Pages out of web archives."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Any

import pytest

from tests.sources.made_files import (
    PAGE,
    entries,
    payloads,
    problems,
    record,
    response,
    stored,
    zstd,
)

BODY = PAGE.encode()


def read(folder: Path, *records: bytes, **options: Any) -> list[Any]:
    return entries(stored(folder, "a.warc", b"".join(records)), **options)


class TestPages:
    def test_what_comes_with_one(self, tmp_path: Path) -> None:
        (entry,) = read(tmp_path, record(response(BODY, html='text/html; charset="x"')))
        assert entry.message.data == BODY
        assert entry.message.attributes == {
            "source_file": str(tmp_path / "a.warc"),
            "source_position": "record 1",
            "content_type": 'text/html; charset="x"',
            "url": "http://x.org/page",
            "warc_date": "2026-11-24T12:00:00Z",
            "warc_record_id": "<urn:uuid:1>",
        }

    def test_an_address_in_angle_brackets(self, tmp_path: Path) -> None:
        (entry,) = read(tmp_path, record(response(BODY), uri="<http://x.org/a b>"))
        assert entry.message.attributes["url"] == "http://x.org/a b"

    @pytest.mark.parametrize(
        "other",
        [
            record(response(BODY), kind="request"),
            record(response(BODY), kind="revisit"),
            record(response(BODY), kind="metadata"),
            record(response(BODY, status="404 Not Found")),
            record(response(BODY, status="301 Moved")),
            record(response(BODY, html="image/png")),
            record(response(BODY, html="application/json")),
            record(BODY, kind="resource", content_type="text/plain"),
            record(b"20261124120000\nx.org\t1\n", uri="dns:x.org", content_type="text/dns"),
            record(b""),
        ],
    )
    def test_what_is_no_page(self, other: bytes, tmp_path: Path) -> None:
        found = read(tmp_path, other, record(response(BODY)))
        assert (payloads(found), problems(found)) == ([BODY], [])
        assert found[0].message.attributes["source_position"] == "record 2"

    def test_xhtml(self, tmp_path: Path) -> None:
        (entry,) = read(tmp_path, record(response(BODY, html="application/xhtml+xml")))
        assert entry.problem is None

    def test_a_resource(self, tmp_path: Path) -> None:
        (entry,) = read(tmp_path, record(BODY, kind="resource", content_type="text/html"))
        assert (entry.message.data, entry.message.attributes["content_type"]) == (BODY, "text/html")

    def test_each_record_in_a_member_of_its_own(self, tmp_path: Path) -> None:
        data = b"".join(gzip.compress(record(response(BODY + b"%d" % n))) for n in range(5))
        found = entries(stored(tmp_path, "a.warc.gz", data))
        assert payloads(found) == [BODY + b"%d" % n for n in range(5)]


class TestEncodings:
    @pytest.mark.parametrize(
        ("encoding", "packed"),
        [
            ("gzip", gzip.compress(BODY)),
            ("x-gzip", gzip.compress(BODY)),
            ("deflate", zlib.compress(BODY)),
            ("deflate", zlib.compress(BODY)[2:-4]),
            ("zstd", zstd.compress(BODY)),
            ("identity", BODY),
            # Expanded already, under the header it came with.
            ("gzip", BODY),
            ("zstd", BODY),
        ],
    )
    @pytest.mark.parametrize("chunked", [False, True])
    def test_of_content(self, encoding: str, packed: bytes, chunked: bool, tmp_path: Path) -> None:
        headers = [f"Content-Encoding: {encoding}"]
        if chunked:
            headers.append("Transfer-Encoding: chunked")
            cut = len(packed) // 2
            parts = (packed[:cut], packed[cut:], b"")
            packed = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in parts)
        (entry,) = read(tmp_path, record(response(packed, *headers)))
        assert entry.problem is None
        assert entry.message.data == BODY

    def test_said_to_be_in_chunks_and_not(self, tmp_path: Path) -> None:
        (entry,) = read(tmp_path, record(response(BODY, "Transfer-Encoding: chunked")))
        assert entry.message.data == BODY

    @pytest.mark.parametrize(
        ("encoding", "packed", "error_type"),
        [
            ("br", b"anything", "bad_encoding"),
            ("gzip, gzip", b"anything", "bad_encoding"),
            ("gzip", gzip.compress(BODY)[:-9], "bad_encoding"),
            ("gzip", gzip.compress(BODY)[:12] + b"\xff" * 9, "bad_encoding"),
            ("gzip", gzip.compress(b"x" * 5_000_000), "bomb"),
            ("deflate", zlib.compress(b"x" * 5_000_000), "bomb"),
            ("zstd", zstd.compress(b"x" * 5_000_000), "bomb"),
        ],
    )
    def test_that_cannot_be_read(
        self, encoding: str, packed: bytes, error_type: str, tmp_path: Path
    ) -> None:
        bad = record(response(packed, f"Content-Encoding: {encoding}"))
        found = read(tmp_path, bad, record(response(BODY)))
        assert (problems(found), payloads(found)) == ([error_type], [BODY])
        assert found[0].message.data.startswith(b"HTTP/1.1 200")


class TestBadRecords:
    def test_a_page_too_large(self, tmp_path: Path) -> None:
        large = record(response(b"x" * 3_000_000))
        resource = record(b"x" * 3_000_000, kind="resource", content_type="text/html")
        found = read(tmp_path, large, resource, record(response(BODY)), max_message_bytes=2_000_000)
        assert problems(found) == ["too_large"] * 2
        assert payloads(found) == [BODY]
        assert all(len(e.message.data) <= 1_000_000 for e in found)

    def test_what_is_passed_over_may_be_of_any_size(self, tmp_path: Path) -> None:
        film = record(response(b"x" * 3_000_000, html="video/mp4"))
        found = read(tmp_path, film, record(response(BODY)), max_message_bytes=1_000)
        assert (problems(found), payloads(found)) == ([], [BODY])

    @pytest.mark.parametrize("length", [5, 5_000])
    def test_a_wrong_length(self, length: int, tmp_path: Path) -> None:
        """The reading goes on at the next record that begins a line."""
        wrong = record(response(b"Text. " * 50), length=length)
        after = [record(response(BODY + b"%d" % n)) for n in range(9)] * 9
        found = read(tmp_path, wrong, *after)
        assert "bad_row" in problems(found)
        assert payloads(found)[-1] == BODY + b"8"
        assert len(payloads(found)) >= 60

    @pytest.mark.parametrize("length", ["", "-1", "x", "9" * 30])
    def test_no_length(self, length: str, tmp_path: Path) -> None:
        bad = b"WARC/1.0\r\nWARC-Type: response\r\nContent-Length: %s\r\n\r\n" % length.encode()
        found = read(tmp_path, record(response(BODY)), bad, record(response(BODY)))
        assert problems(found) == ["bad_row"]
        assert payloads(found) == [BODY, BODY]
        assert [e.message.attributes["source_position"] for e in found] == [
            "record 1",
            "record 2",
            "record 3",
        ]

    def test_no_record_at_all(self, tmp_path: Path) -> None:
        assert problems(read(tmp_path, b"something else\n" * 1_000)) == ["bad_row"]

    def test_a_header_without_end(self, tmp_path: Path) -> None:
        for bad in (b"WARC/1.0\r\nA: " + b"x" * 1_000_000, b"WARC/1.0\r\n" + b"A: b\r\n" * 100_000):
            found = read(tmp_path, bad, b"\r\n", record(response(BODY)))
            assert (problems(found), payloads(found)) == (["bad_row"], [BODY])

    def test_a_header_of_the_page_without_end(self, tmp_path: Path) -> None:
        bad = record(response(b"", *["A: b"] * 100_000))
        found = read(tmp_path, bad, record(response(BODY)))
        assert (problems(found), payloads(found)) == (["bad_row"], [BODY])

    @pytest.mark.parametrize("cut", [3, 40, 300, -5])
    def test_torn(self, cut: int, tmp_path: Path) -> None:
        whole = record(response(BODY))
        found = read(tmp_path, whole, whole[:cut])
        assert (problems(found), payloads(found)) == (["torn_file"], [BODY])
        assert found[-1].message.attributes["source_position"] == "record 2"

    def test_torn_compressed(self, tmp_path: Path) -> None:
        whole = gzip.compress(record(response(BODY)))
        found = entries(stored(tmp_path, "a.warc.gz", whole + whole[:-30]))
        assert (problems(found), payloads(found)) == (["torn_file"], [BODY])
        assert found[-1].problem.text.endswith("the gzip data end too early")

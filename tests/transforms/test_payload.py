"""Content encoding, media type and charset."""

from __future__ import annotations

import gzip

import pytest
from backports import zstd
from hypothesis import given
from hypothesis import strategies as st

from pipeline.dead_letters import Unreadable
from pipeline.transforms import payload
from pipeline.transforms.limits import Limits

LIMITS = Limits()


class TestExpand:
    @given(st.lists(st.binary(max_size=300), min_size=1, max_size=4), st.booleans())
    def test_members_one_after_another(self, parts: list[bytes], as_gzip: bool) -> None:
        pack, name = (gzip.compress, "gzip") if as_gzip else (zstd.compress, "zstd")
        data = b"".join(map(pack, parts))
        warnings: list[str] = []
        assert payload.expand(data, name, LIMITS, warnings) == b"".join(parts)
        assert warnings == []

    @pytest.mark.parametrize("pack", [gzip.compress, zstd.compress])
    def test_every_truncation_is_found(self, pack: object) -> None:
        data = pack(b"hello " * 10)  # type: ignore[operator]
        name = "gzip" if pack is gzip.compress else "zstd"
        for end in range(1, len(data)):
            with pytest.raises(Unreadable) as caught:
                payload.expand(data[:end], name, LIMITS, [])
            assert caught.value.error_type == "bad_encoding"

    def test_what_follows_is_left_out(self) -> None:
        warnings: list[str] = []
        data = gzip.compress(b"hello")
        assert payload.expand(data + bytes(9), "gzip", LIMITS, warnings) == b"hello"
        assert warnings == []
        assert payload.expand(data + b"junk", "gzip", LIMITS, warnings) == b"hello"
        assert warnings == ["4 bytes after the gzip data were left out"]

    def test_a_wrong_checksum(self) -> None:
        data = bytearray(gzip.compress(b"hello"))
        data[-5] ^= 1
        with pytest.raises(Unreadable, match="damaged"):
            payload.expand(bytes(data), "gzip", LIMITS, [])

    def test_skippable_frames(self) -> None:
        skippable = b"\x50\x2a\x4d\x18\x04\0\0\0abcd"
        data = zstd.compress(b"one ") + skippable + zstd.compress(b"two")
        assert payload.expand(data, "zstd", LIMITS, []) == b"one two"

    def test_ratio_counts_above_the_floor_alone(self) -> None:
        packed = gzip.compress(bytes(900_000))
        assert len(payload.expand(packed, "gzip", LIMITS, [])) == 900_000
        with pytest.raises(Unreadable) as caught:
            payload.expand(packed, "gzip", Limits(ratio_floor_bytes=1000), [])
        assert caught.value.error_type == "bomb"

    def test_expanded_bytes(self) -> None:
        limits = Limits(max_expanded_bytes=100)
        assert len(payload.expand(gzip.compress(bytes(100)), "gzip", limits, [])) == 100
        with pytest.raises(Unreadable) as caught:
            payload.expand(gzip.compress(bytes(101)), "gzip", limits, [])
        assert caught.value.error_type == "too_large"

    def test_a_window_that_no_message_needs(self) -> None:
        compressor = zstd.ZstdCompressor(options={zstd.CompressionParameter.window_log: 27})
        data = compressor.compress(b"hello") + compressor.flush()
        with pytest.raises(Unreadable, match="memory"):
            payload.expand(data, "zstd", LIMITS, [])


class TestSniff:
    @pytest.mark.parametrize(
        ("data", "kind"),
        [
            (b'\xef\xbb\xbf {"a": 1}', payload.JSON),
            (b"{}", payload.JSON),
            (b'[ {"a": 1}]', payload.JSON),
            (b"[Updated] The president", payload.PLAIN),
            (b"{Note} The president", payload.PLAIN),
            (b"\n<!DOCTYPE html><html>", payload.HTML),
            (b"<p>Hello", payload.HTML),
            (b"<?xml version='1.0'?><html xmlns='x'>", payload.HTML),
            (b"<3 is a heart", payload.PLAIN),
            ("<html><p>".encode("utf-16"), payload.HTML),
            (b"Hello", payload.PLAIN),
        ],
    )
    def test_by_first_bytes(self, data: bytes, kind: str) -> None:
        assert payload.sniff(data) == kind

    def test_declared(self) -> None:
        assert payload.known_media_type("application/ld+json") == payload.JSON
        assert payload.known_media_type("application/octet-stream") is None


class TestCharset:
    @pytest.mark.parametrize(
        ("data", "charset", "text"),
        [
            ("café".encode(), "", "café"),
            ("café".encode("utf-8-sig"), "", "café"),
            ("café".encode("utf-16"), "", "café"),
            ("café “x”".encode("cp1252"), "ISO-8859-1", "café “x”"),
            ("café".encode(), "us-ascii", "café"),
            ("привет".encode("koi8-r"), "KOI8-R", "привет"),
            ("日本".encode("shift_jis"), "Shift_JIS", "日本"),
            ("café".encode("utf-8-sig"), "utf-8", "café"),
        ],
    )
    def test_decodes(self, data: bytes, charset: str, text: str) -> None:
        assert payload.to_text(data, charset).removeprefix("\ufeff") == text

    @pytest.mark.parametrize(
        "charset", ["rot13", "idna", "unicode_escape", "zip", "nope", "\ud800"]
    )
    def test_refuses(self, charset: str) -> None:
        with pytest.raises(Unreadable) as caught:
            payload.to_text(b"hello", charset)
        assert caught.value.error_type == "bad_encoding"

    def test_meta(self) -> None:
        assert payload.meta_charset(b'<meta charset="windows-1251">') == "windows-1251"
        assert payload.meta_charset(b"<meta content='text/html; charset=gbk'>") == "gbk"
        assert payload.meta_charset(b'<meta charset="utf-16">') == "utf-8"

"""Any bytes, of any kind: nothing raises, and what comes out is bounded and the same each time."""

from __future__ import annotations

import random
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.sources.files import KINDS, ONE_ENTRY_KINDS, InputFile, ReadOptions, read_file
from pipeline.sources.files.entries import KEPT_BYTES
from pipeline.sources.files.finding import kind_of
from tests.sources.made_files import COMPRESSIONS, GOOD

LIMITS = ReadOptions(max_message_bytes=300, max_expanded_bytes=1_000, max_block_bytes=2_000)
COMPRESSION = {"": None, ".gz": "gzip", ".zst": "zstd", ".bz2": "bzip2"}


def check(kind: str, data: bytes, compression: str | None = None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "file"
        path.write_bytes(data)
        file = InputFile(str(path), len(data), kind, compression)
        found = list(read_file(file, LIMITS))
        again = list(read_file(file, LIMITS))
        shares = [
            entry.message.message_id
            for k in range(2)
            for entry in read_file(file, replace(LIMITS, share=(k, 2)))
        ]
    assert [e.message for e in again] == [e.message for e in found]
    assert [e.problem for e in again] == [e.problem for e in found]
    assert len({e.message.message_id for e in found}) == len(found)
    if kind not in ONE_ENTRY_KINDS:
        assert sorted(shares) == sorted(e.message.message_id for e in found)
    for entry in found:
        assert entry.message.attributes["source_position"]
        if entry.problem is None:
            assert len(entry.message.data) <= LIMITS.max_expanded_bytes
        else:
            assert len(entry.message.data) <= KEPT_BYTES
            assert entry.problem.text
            assert len(entry.problem.text) < 2_000


@pytest.mark.parametrize("kind", KINDS)
class TestAnyBytes:
    @given(data=st.binary(max_size=2_000), compression=st.sampled_from([None, "gzip", "zstd"]))
    @settings(max_examples=60, deadline=None)
    def test_of_chance(self, kind: str, data: bytes, compression: str | None) -> None:
        check(kind, data, compression)

    @given(
        seed=st.integers(0, 2**32),
        ending=st.sampled_from(sorted(COMPRESSIONS)),
        inside=st.booleans(),
    )
    @settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def test_a_good_file_with_damage(self, kind: str, seed: int, ending: str, inside: bool) -> None:
        """Bytes changed, cut out, doubled or put in, before it is compressed or after."""
        pack = COMPRESSIONS[ending]
        data = pack(damaged(GOOD[kind], seed)) if inside else damaged(pack(GOOD[kind]), seed)
        check(kind, data, COMPRESSION[ending])

    @given(st.text(alphabet='{}[]"\\,:;\t\r\n\0a1é\ufeff', max_size=1_000))
    @settings(max_examples=60, deadline=None)
    def test_texts(self, kind: str, text: str) -> None:
        check(kind, text.encode())
        check(kind, text.encode("utf-16"))


@given(st.binary(max_size=2_000))
@settings(max_examples=300, deadline=None)
def test_every_file_is_of_a_kind(head: bytes) -> None:
    assert kind_of(head) in {*KINDS, "unknown"}


def damaged(data: bytes, seed: int) -> bytes:
    chance = random.Random(seed)
    out = bytearray(data)
    for _ in range(chance.choice([1, 1, 1, 2, 5, 30])):
        at = chance.randrange(len(out) + 1)
        length = chance.choice([1, 1, 1, 4, 50])
        match chance.randrange(4):
            case 0:
                out[at : at + length] = chance.randbytes(min(length, len(out) - at))
            case 1:
                del out[at : at + length]
            case 2:
                out[at:at] = out[at : at + length]
            case _:
                out[at:at] = chance.randbytes(length)
        if not out:
            break
    return bytes(out)

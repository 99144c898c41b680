"""Any bytes, of any kind: nothing raises, and what comes out is bounded and the same each time."""

from __future__ import annotations

import io
import random
import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.sources.files import (
    KINDS,
    ONE_ENTRY_KINDS,
    InputFile,
    ReadOptions,
    opening,
    parquet,
    read_file,
)
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
    @settings(max_examples=60)
    def test_of_chance(self, kind: str, data: bytes, compression: str | None) -> None:
        check(kind, data, compression)

    @given(
        seed=st.integers(0, 2**32),
        ending=st.sampled_from(sorted(COMPRESSIONS)),
        inside=st.booleans(),
    )
    @settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
    def test_a_good_file_with_damage(self, kind: str, seed: int, ending: str, inside: bool) -> None:
        """Bytes changed, cut out, doubled or put in, before it is compressed or after."""
        pack = COMPRESSIONS[ending]
        data = pack(damaged(GOOD[kind], seed)) if inside else damaged(pack(GOOD[kind]), seed)
        check(kind, data, COMPRESSION[ending])

    @given(st.text(alphabet='{}[]"\\,:;\t\r\n\0a1é\ufeff', max_size=1_000))
    @settings(max_examples=60)
    def test_texts(self, kind: str, text: str) -> None:
        check(kind, text.encode())
        check(kind, text.encode("utf-16"))


@given(st.binary(max_size=2_000))
@settings(max_examples=300)
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


class _Gone(Exception):
    """What a store raises may be of any class."""


class _Failing(io.BytesIO):
    """A file of a store that fails after so many bytes."""

    def __init__(self, data: bytes, after: int) -> None:
        super().__init__(data)
        self._after = after

    def read(self, size: int | None = -1, /) -> bytes:
        rest = self._after - self.tell()
        if rest <= 0:
            raise _Gone("the store is gone")
        return super().read(rest if size is None or size < 0 else min(size, rest))


@pytest.mark.parametrize("ending", sorted(COMPRESSIONS))
@pytest.mark.parametrize("kind", KINDS)
@given(part=st.floats(0, 1))
@settings(max_examples=20)
def test_a_store_that_fails_is_said_and_what_came_before_stays(
    kind: str, ending: str, part: float
) -> None:
    whole = COMPRESSIONS[ending](GOOD[kind])
    # Parquet is read from its end, once the first bytes were looked at.
    at_once = kind == "parquet" and ending == ""
    after = 0 if at_once else int(part * len(whole))
    file = InputFile("/file", len(whole), kind, COMPRESSION[ending])
    with pytest.MonkeyPatch.context() as patch:
        for module in (opening, parquet):
            patch.setattr(module, "open_stored", lambda path: io.BytesIO(whole))
        good = [entry.message for entry in read_file(file, ReadOptions())]
        for module in (opening, parquet):
            patch.setattr(module, "open_stored", lambda path: _Failing(whole, after))
        *before, last = read_file(file, ReadOptions())
    assert [entry.message for entry in before] == good[: len(before)]
    assert not any(entry.problem for entry in before)
    assert last.problem is not None
    assert last.problem.error_type == "unreadable_file"
    assert "the store is gone" in last.problem.text
    assert str(last.problem.exception_class).endswith("_Gone")

"""URIs, and what is stored: it comes out as it went in."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UsageError
from pipeline.ledger import database_path
from pipeline.ledger.redis.rows import (
    CHUNK,
    COMMITTED,
    ENDING,
    FIRST,
    LETTERS,
    OPEN,
    UNDECIDED,
    File,
    Row,
    pack_keys,
    set_row,
    unpack_file,
    unpack_keys,
    unpack_row,
)
from pipeline.ledger.redis.scripts import lengths, values
from pipeline.ledger.redis.uri import RedisAt, parse

TEXT = st.text(st.characters(exclude_categories=()), max_size=200)
IDS = (
    TEXT
    | st.integers(0, 1 << 70).map(str)
    | st.binary(min_size=32, max_size=32).map(lambda digest: f"sha256:{digest.hex()}")
    | TEXT.map(lambda text: f"https://{text}")
    | st.sampled_from(["007", "sha256:" + "G" * 64, "sha256:" + "A" * 64, "٣", "x" * 20_000])
)
FOUR = st.binary(min_size=4, max_size=4)


@given(FOUR, IDS, IDS)
def test_a_first_copy(file: bytes, message_id: str, article_id: str) -> None:
    row = Row(FIRST, file, message_id=message_id, article_id=article_id)
    chunks = row.pack()
    assert unpack_row(b"".join(chunks)) == row
    assert len(chunks) == 1 or max(map(len, chunks)) <= CHUNK
    assert chunks[0][0] == len(chunks) - 1


@given(
    FOUR,
    st.sampled_from(sorted(LETTERS)),
    st.binary(min_size=16, max_size=16),
    st.floats(0, 1),
    st.none() | st.tuples(IDS, IDS.filter(bool)),
)
def test_a_duplicate(
    file: bytes, kind: str, canonical: bytes, similarity: float, ids: tuple[str, str] | None
) -> None:
    row = Row(LETTERS[kind], file, canonical, similarity, *(ids or ()))
    assert unpack_row(b"".join(row.pack())) == row
    assert row.kind == kind


@given(FOUR)
def test_one_without_a_verdict(file: bytes) -> None:
    assert unpack_row(b"".join(Row(UNDECIDED, file).pack())) == Row(UNDECIDED, file)


@given(st.binary(min_size=16, max_size=16), IDS)
def test_its_fields_have_names_of_their_own(digest: bytes, article_id: str) -> None:
    command = set_row(digest, Row(FIRST, article_id=article_id, message_id="1"))
    assert command[:3] == [b"HSET", b"m" + digest[:2], digest[2:]]
    names = command[2::2]
    assert len(set(names)) == len(names)


@given(
    st.sampled_from([OPEN, ENDING, COMMITTED]),
    TEXT,
    TEXT,
    st.integers(0, 10**9),
    st.none() | st.integers(0, 10**16),
    st.none() | TEXT,
)
def test_a_file(
    state: bytes, path: str, owner: str, records: int, at: int | None, heir: str | None
) -> None:
    file = File(state, path, "articles", owner, records, at, heir)
    assert unpack_file(file.pack()) == file


@given(st.lists(TEXT))
def test_keys(keys: list[str]) -> None:
    assert list(unpack_keys(pack_keys(keys))) == keys


@given(st.lists(st.binary()))
def test_values(parts: list[bytes]) -> None:
    assert list(values(lengths(parts))) == parts


class TestUri:
    @pytest.mark.parametrize(
        ("uri", "at"),
        [
            ("redis://host", RedisAt("host")),
            ("rediss://host:1/2", RedisAt("host", 1, 2, tls=True)),
            ("redis://me:p%40ss@[::1]:7/", RedisAt("::1", 7, 0, "me", "p@ss")),
            ("redis://:pw@h?prefix=a.b-c:d", RedisAt("h", password="pw", prefix="a.b-c:d")),
            ("redis://h/?volatile=allowed", RedisAt("h", volatile=True)),
        ],
    )
    def test_what_it_says(self, uri: str, at: RedisAt) -> None:
        assert parse(uri) == at
        assert database_path(uri) is None
        again = parse(at.shown)
        assert (again.host, again.port, again.db, again.tls) == (at.host, at.port, at.db, at.tls)
        assert (again.prefix, again.volatile) == (at.prefix, at.volatile)

    @pytest.mark.parametrize(
        "rest",
        [
            *("", "/0", "h:x", "h:99999", "h/x", "h/-1", "h/0/1", "h?prefix", "h?db=1"),
            *("h?volatile=yes", "h?prefix=a&prefix=b", "h#f", "[::1", "h?prefix={a}", "h?prefix=*"),
        ],
    )
    def test_one_that_is_none_is_not_shown(self, rest: str) -> None:
        uri = f"redis://:s3cr3t@{rest}"
        with pytest.raises(UsageError, match="--state redis://") as told:
            parse(uri)
        assert "s3cr3t" not in str(told.value)
        assert told.value.__cause__ is None

    def test_a_password_is_not_in_what_is_shown(self) -> None:
        at = parse("redis://me:s3cr3t@host/1?prefix=x&volatile=allowed")
        assert at.shown == "redis://host:6379/1?prefix=x&volatile=allowed"
        assert "s3cr3t" not in repr(at)

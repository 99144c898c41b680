"""Avro: rows of others, records of ours, and files that are made to do harm."""

from __future__ import annotations

import datetime as dt
import decimal
import io
import json
import uuid
from pathlib import Path
from typing import Any

import fastavro
import pipeline.schemas as schemas
import pytest

from pipeline.records import Entity, Mention, Message, Tag, to_avro
from pipeline.sinks.files import Form, write_durably
from tests.articles import NOON, article, dead_letter
from tests.sources.made_files import ROWS, avro, entries, objects, payloads, problems, stored

SYNC = b"0123456789abcdef"


def fields(**types: Any) -> dict[str, Any]:
    return {
        "type": "record",
        "name": "Row",
        "fields": [{"name": name, "type": type_} for name, type_ in types.items()],
    }


def long(value: int) -> bytes:
    """Avro's form of a number."""
    value = (value << 1) ^ (value >> 63)
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def made(schema: Any, *blocks: bytes, codec: bytes = b"null") -> bytes:
    """A file with whatever blocks."""
    text = schema if isinstance(schema, bytes) else json.dumps(schema).encode()
    header = b"".join(
        long(len(part)) + part for part in (b"avro.schema", text, b"avro.codec", codec)
    )
    return b"Obj\x01" + long(2) + header + long(0) + SYNC + b"".join(blocks)


def block(records: int, data: bytes, size: int | None = None) -> bytes:
    return long(records) + long(len(data) if size is None else size) + data + SYNC


class TestRows:
    @pytest.mark.parametrize("codec", ["null", "deflate", "snappy", "zstandard", "bzip2", "xz"])
    def test_codecs(self, codec: str, tmp_path: Path) -> None:
        file = stored(tmp_path, "a.avro", avro(codec=codec, sync_interval=1))
        found = entries(file)
        assert objects(found) == ROWS
        assert [e.message.attributes["source_position"] for e in found] == [
            "record 1",
            "record 2",
            "record 3",
        ]
        assert found[0].message.attributes["content_type"] == "application/json"
        assert found[0].article is None

    def test_values(self, tmp_path: Path) -> None:
        day = {"type": "int", "logicalType": "date"}
        at = {"type": "long", "logicalType": "timestamp-micros"}
        money = {"type": "bytes", "logicalType": "decimal", "precision": 6, "scale": 2}
        id_ = {"type": "string", "logicalType": "uuid"}
        tags: Any = {"type": "array", "items": "string"}
        inner = {"type": "record", "name": "In", "fields": [{"name": "x", "type": "float"}]}
        row = {
            "day": dt.date(2025, 1, 21),
            "at": NOON,
            "money": decimal.Decimal("12.50"),
            "id": uuid.UUID(int=1),
            "text": "é".encode(),
            "other": b"\xff",
            "tags": ["a", "b"],
            "map": {"k": 1},
            "inner": {"x": float("nan")},
            "none": None,
            "flag": True,
        }
        schema = fields(
            day=day, at=at, money=money, id=id_, text="bytes", other="bytes", tags=tags,
            map={"type": "map", "values": "long"}, inner=inner, none=["null", "string"],
            flag="boolean",
        )  # fmt: skip
        assert objects(entries(stored(tmp_path, "a.avro", avro([row], schema)))) == [
            {
                "day": "2025-01-21",
                "at": "2026-11-24T12:00:00+00:00",
                "money": "12.50",
                "id": "00000000-0000-0000-0000-000000000001",
                "text": "é",
                "other": "/w==",
                "tags": ["a", "b"],
                "map": {"k": 1},
                "inner": {"x": None},
                "none": None,
                "flag": True,
            }
        ]

    def test_a_row_too_large(self, tmp_path: Path) -> None:
        rows = [{**ROWS[0], "body": "x" * 1_000}, ROWS[1]]
        found = entries(stored(tmp_path, "a.avro", avro(rows)), max_message_bytes=500)
        assert (problems(found), objects(found)) == (["too_large"], ROWS[1:2])


class TestOurs:
    def write(self, folder: Path, kind: str, *records: Any, pairs: bool = False) -> Path:
        path = f"{kind}/ingest_date=2026-11-24/part-1.avro"
        encoded = []
        for one in records:
            file = io.BytesIO()
            fastavro.schemaless_writer(file, schemas.load(kind), to_avro(one))
            encoded.append(file.getvalue())
        write_durably(folder, path, encoded, Form("deflate", pairs=pairs), owner="o")
        return folder / path

    @pytest.mark.parametrize("pairs", [False, True])
    def test_an_article_comes_with_itself(self, pairs: bool, tmp_path: Path) -> None:
        original = article(
            "m1",
            url="http://x.org/1",
            attributes={"url": "http://x.org/1", "content-type": "text/html"},
            entities=(Entity("A", "ORG", 1, 0.5, (Mention("body", 0, 1, "A", 0),)),),
            tags=(Tag("rule", "a", "A", 1.0, "rules", "1"),),
            published_at=NOON,
            published_precision="day",
        )
        path = self.write(tmp_path, "articles", original, pairs=pairs)
        (entry,) = entries(stored(path.parent, path.name, path.read_bytes()))
        assert entry.article == original
        assert entry.message.message_id.startswith("file-")
        assert entry.message.publish_time is None
        assert entry.message.attributes == {
            "source_file": str(path),
            "source_position": "record 1",
            "content_type": "application/json",
            "url": "http://x.org/1",
        }
        said = json.loads(entry.message.data)
        assert (said["title"], said["body"], said["url"]) == (
            "A title",
            "A body.",
            "http://x.org/1",
        )
        assert said["published_at"] == "2026-11-24"
        assert not {"entities", "tags", "processing"} & said.keys()

    def test_an_article_to_be_processed_again_keeps_its_message(self, tmp_path: Path) -> None:
        original = article("m1", attributes={"a": "b"}, ordering_key="k", delivery_attempt=2)
        path = self.write(tmp_path, "articles", original)
        (entry,) = entries(stored(path.parent, path.name, path.read_bytes()), reprocess=True)
        assert entry.article == original
        message = entry.message
        assert message == Message(message.data, "m1", NOON, {"a": "b"}, "k", 2)
        assert json.loads(message.data)["body"] == "A body."

    @pytest.mark.parametrize("pairs", [False, True])
    def test_a_dead_letter_gives_the_message_it_holds(self, pairs: bool, tmp_path: Path) -> None:
        letter = dead_letter(
            "m1", payload=b"\xff{", attributes={"content_type": "text/html"}, ordering_key="k"
        )
        path = self.write(tmp_path, "dead_letters", letter, pairs=pairs)
        (entry,) = entries(stored(path.parent, path.name, path.read_bytes()))
        assert (entry.message.data, entry.message.ordering_key) == (b"\xff{", "k")
        assert entry.message.attributes == {
            "source_file": str(path),
            "source_position": "record 1",
            "content_type": "text/html",
            "replayed_from": letter.key,
        }
        assert entry.article is None

    def test_where_a_dead_letter_came_from_stays(self, tmp_path: Path) -> None:
        letter = dead_letter("m1", attributes={"source_file": "/a", "source_position": "line 1"})
        path = self.write(tmp_path, "dead_letters", letter)
        (entry,) = entries(stored(path.parent, path.name, path.read_bytes()))
        assert entry.message.attributes["source_file"] == "/a"

    def test_the_same_name_in_another_namespace(self, tmp_path: Path) -> None:
        schema = {**fields(a="string"), "name": "Article", "namespace": "other"}
        (entry,) = entries(stored(tmp_path, "a.avro", avro([{"a": "b"}], schema)))
        assert entry.article is None
        assert entry.message.data == b'{"a":"b"}'

    def test_of_an_earlier_version(self, tmp_path: Path) -> None:
        old = json.loads(
            (Path(schemas.__file__).parent / "released/0.1.0/article.avsc").read_text()
        )
        names = {field["name"] for field in old["fields"]}
        row = {k: v for k, v in to_avro(article("m1")).items() if k in names}
        (entry,) = entries(stored(tmp_path, "a.avro", avro([row], old)))
        assert entry.article == article("m1")

    def test_called_ours_and_not(self, tmp_path: Path) -> None:
        schema = {**fields(a="string"), "name": "article_pipeline.Article"}
        found = entries(stored(tmp_path, "a.avro", avro([{"a": "b"}], schema)))
        assert len(problems(found)) == 1


class TestDamaged:
    def test_in_the_middle(self, tmp_path: Path) -> None:
        """The block that is damaged is lost; what is behind it comes."""
        data = avro(ROWS, codec="deflate", sync_interval=1)
        cut = data.split(SYNC)
        cut[2] = cut[2][:3] + b"\xff" * (len(cut[2]) - 3)
        found = entries(stored(tmp_path, "a.avro", SYNC.join(cut)))
        assert (problems(found), objects(found)) == (["torn_file"], [ROWS[0], ROWS[2]])
        assert [e.message.attributes["source_position"] for e in found] == [
            "record 1",
            "block 2 (from record 2)",
            "record 3",
        ]

    def test_a_length_in_the_middle(self, tmp_path: Path) -> None:
        text = long(1) + b"a"
        blocks = [block(1, text), block(1, text, size=20_000), *[block(1, text)] * 3]
        found = entries(stored(tmp_path, "a.avro", made(fields(a="string"), *blocks)))
        assert problems(found) == ["torn_file"]
        assert objects(found)[:1] == [{"a": "a"}]

    def test_a_mark_in_the_middle(self, tmp_path: Path) -> None:
        text = long(1) + b"a"
        bad = block(1, text)[:-1] + b"x"
        found = entries(
            stored(tmp_path, "a.avro", made(fields(a="string"), bad, *[block(1, text)] * 3))
        )
        # The block behind it goes with it: its mark is the first to be found.
        assert (problems(found), objects(found)) == (["torn_file"], [{"a": "a"}] * 2)

    def test_every_place_where_it_may_be_cut(self, tmp_path: Path) -> None:
        whole = avro(ROWS, sync_interval=1)
        good = payloads(entries(stored(tmp_path, "a.avro", whole)))
        for cut in range(1, len(whole)):
            found = entries(stored(tmp_path, "a.avro", whole[:cut]))
            assert payloads(found) == good[: len(payloads(found))]
            assert problems(found) in ([], ["torn_file"])
            assert problems(found) or whole[:cut].endswith(SYNC)

    def test_no_avro(self, tmp_path: Path) -> None:
        assert problems(entries(stored(tmp_path, "a.avro", b"something"))) == ["unreadable_file"]


class TestHostile:
    def one(self, folder: Path, data: bytes, **options: Any) -> Any:
        (entry,) = entries(stored(folder, "a.avro", data), **options)
        assert entry.problem is not None
        return entry.problem

    def test_a_block_that_says_it_is_large(self, tmp_path: Path) -> None:
        data = made(fields(a="string"), block(1, b"", size=2**40))
        assert self.one(tmp_path, data).error_type == "too_large"

    def test_more_records_than_bytes(self, tmp_path: Path) -> None:
        found = entries(
            stored(tmp_path, "a.avro", made(fields(a="string"), block(2**40, b"\0\0\0")))
        )
        assert problems(found) == ["torn_file"]

    @pytest.mark.parametrize("codec", ["deflate", "snappy", "zstandard", "bzip2", "xz"])
    def test_a_bomb(self, codec: str, tmp_path: Path) -> None:
        data = avro([{"a": "x" * 3_000_000}], fields(a="string"), codec)
        assert self.one(tmp_path, data, max_block_bytes=2_000_000).error_type == "bomb"

    @pytest.mark.parametrize(
        "schema",
        [
            b"not json",
            b"[" * 100_000,
            b'"string"',
            b"7",
            {"type": "record", "name": "R"},
            fields(a=7),
            fields(a="nonsense"),
            fields(a={"type": "array", "items": "null"}),
            fields(a={"type": "array", "items": fields(b="null")}),
            fields(a="null"),
            fields(),
            fields(a=["null", "Row"]),
            fields(a={"type": "map", "values": "Row"}),
            fields(a={"type": "fixed", "name": "F", "size": 0}),
            fields(**{f"f{n}": "int" for n in range(3_000)}),
        ],
    )
    def test_a_schema(self, schema: Any, tmp_path: Path) -> None:
        problem = self.one(tmp_path, made(schema, block(1, b"\0" * 100)))
        assert problem.error_type == "unreadable_file"

    def test_a_codec(self, tmp_path: Path) -> None:
        problem = self.one(tmp_path, made(fields(a="string"), codec=b"lz\xff"))
        assert "its codec" in problem.text

    def test_a_header_without_end(self, tmp_path: Path) -> None:
        data = b"Obj\x01" + long(2**40) + (long(1) + b"k" + long(100_000) + b"x" * 100_000) * 60
        assert self.one(tmp_path, data).error_type == "unreadable_file"

    def test_a_value_that_no_date_has(self, tmp_path: Path) -> None:
        at = {"type": "long", "logicalType": "timestamp-micros"}
        data = made(fields(at=at), block(1, long(2**61)), block(1, long(0)))
        found = entries(stored(tmp_path, "a.avro", data))
        assert problems(found) == ["torn_file"]
        assert objects(found) == [{"at": "1970-01-01T00:00:00+00:00"}]

from __future__ import annotations

import dataclasses
import io
import json
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
import pipeline.schemas as schemas
import pytest

from pipeline.records import (
    Article,
    DeadLetter,
    Duplicate,
    Entity,
    Language,
    Mention,
    NearDuplicate,
    Record,
    Tag,
    from_avro,
    to_avro,
)
from pipeline.version import __version__
from tests.articles import NOON, article, dead_letter

FOLDER = Path(schemas.__file__).parent
RELEASED = sorted(path.name for path in (FOLDER / "released").iterdir() if path.is_dir())
CLASSES: dict[str, type[Record]] = {
    "articles": Article,
    "duplicates": Duplicate,
    "dead_letters": DeadLetter,
}
KINDS = list(CLASSES)


def full_article() -> Article:
    return article(
        "m",
        language=Language("en", 0.9),
        authors=("A. Writer",),
        attributes={"source": "wire"},
        entities=(Entity("A", "ORG", 1, 0.5, (Mention("body", 0, 1, "A", 0),)),),
        tags=(Tag("iso3166", "NO", "Norway", None, "places"),),
        near_duplicate=NearDuplicate("c", "k", "near", 0.9),
        published_at=NOON,
    )


RECORDS: dict[str, Record] = {
    "articles": full_article(),
    "duplicates": Duplicate(
        "m", "a", "c", "cm", "c", "url", 1.0, None, NOON, article("m", url="https://example.org/a")
    ),
    "dead_letters": dead_letter("m", attributes={"a": "b"}),
}


def raw(kind: str, version: str | None = None) -> dict[str, Any]:
    """The schema of `kind` as it stands in its file, of today or of a released version."""
    folder = FOLDER if version is None else FOLDER / "released" / version
    schema: dict[str, Any] = json.loads(
        (folder / f"{schemas.KINDS[kind]}.avsc").read_text(encoding="utf-8")
    )
    return schema


def whole(kind: str, version: str | None) -> Any:
    schema = raw(kind, version)
    for field in schema["fields"]:
        if field["type"] == "article_pipeline.Article":
            field["type"] = raw("articles", version)
    return fastavro.parse_schema(schema)


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    """Every record in `schema`, itself too."""
    if isinstance(schema, list):
        for one in schema:
            yield from parts(one)
    elif isinstance(schema, dict):
        if schema["type"] == "record":
            yield schema
        for one in [field["type"] for field in schema.get("fields", [])]:
            yield from parts(one)
        for key in ("items", "values", "type"):
            if isinstance(schema.get(key), dict | list):
                yield from parts(schema[key])


@pytest.mark.parametrize("kind", KINDS)
class TestToday:
    def test_it_parses_and_stands_for_itself(self, kind: str) -> None:
        alone = json.dumps(schemas.load(kind))
        assert fastavro.parse_schema(json.loads(alone))["type"] == "record"

    def test_every_record_and_field_says_what_it_is(self, kind: str) -> None:
        found = list(parts(raw(kind)))
        assert found
        for record in found:
            assert record.get("doc", "").strip(), record["name"]
            for field in record["fields"]:
                assert field.get("doc", "").strip(), f"{record['name']}.{field['name']}"

    def test_fields_that_may_be_null_are_null_by_default(self, kind: str) -> None:
        for record in parts(raw(kind)):
            for field in record["fields"]:
                if isinstance(field["type"], list):
                    assert field["type"][0] == "null", field["name"]
                    assert field.get("default", "no default") is None, field["name"]

    def test_the_dataclass_has_the_same_fields_in_order(self, kind: str) -> None:
        compare(CLASSES[kind], schemas.load(kind))


def compare(cls: type, schema: dict[str, Any]) -> None:
    """Fields of `cls` and `schema`, and of the records inside."""
    hints = typing.get_type_hints(cls)
    assert [f.name for f in dataclasses.fields(cls)] == [f["name"] for f in schema["fields"]]
    for field in schema["fields"]:
        hint, type_ = hints[field["name"]], field["type"]
        if isinstance(type_, list):
            assert typing.get_origin(hint) in (typing.Union, types.UnionType), field["name"]
            (hint,) = (arg for arg in typing.get_args(hint) if arg is not type(None))
            type_ = type_[1]
        if isinstance(type_, dict) and type_["type"] == "array":
            hint, type_ = typing.get_args(hint)[0], type_["items"]
        if dataclasses.is_dataclass(hint) and isinstance(type_, dict):
            compare(typing.cast("type", hint), type_)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("version", RELEASED)
class TestReleased:
    def test_files_of_that_version_are_read_with_todays_schema(
        self, kind: str, version: str
    ) -> None:
        then, now = whole(kind, version), schemas.load(kind)
        datum = through(then, now, RECORDS[kind])
        assert from_avro(CLASSES[kind], datum) == RECORDS[kind]

    def test_todays_files_are_read_with_the_schema_of_that_version(
        self, kind: str, version: str
    ) -> None:
        then, now = whole(kind, version), schemas.load(kind)
        datum = through(now, then, RECORDS[kind])
        assert datum["message_id"] == "m"
        assert set(datum) == {field["name"] for field in then["fields"]}


def through(written_with: Any, read_with: Any, record: Record) -> dict[str, Any]:
    file = io.BytesIO()
    fastavro.writer(file, written_with, [to_avro(record)])
    file.seek(0)
    (datum,) = fastavro.reader(file, read_with)
    assert isinstance(datum, dict)
    return datum


def test_the_present_version_is_among_the_released() -> None:
    assert __version__ in RELEASED, f"copy schemas/*.avsc to schemas/released/{__version__}/"


@pytest.mark.parametrize("kind", KINDS)
def test_the_copy_of_the_present_version_is_todays_schema(kind: str) -> None:
    """A change is a new version: copies of released ones are never touched."""
    assert raw(kind, __version__) == raw(kind)


def test_a_kind_that_is_not() -> None:
    with pytest.raises(KeyError):
        schemas.load("nothing")

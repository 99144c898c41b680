from __future__ import annotations

import datetime as dt
import io
from typing import Any

import fastavro
import pipeline.schemas as schemas
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.records import (
    Article,
    DeadLetter,
    Duplicate,
    Entity,
    Language,
    Mention,
    NearDuplicate,
    Processing,
    Record,
    Source,
    Tag,
    from_avro,
    message_key,
    to_avro,
)
from tests.articles import NOON, article, message

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=10)
NUMBER = st.floats(allow_nan=False)
WHOLE = st.integers(min_value=-(2**31), max_value=2**31 - 1)
TIME = st.datetimes(timezones=st.just(dt.timezone.utc))
MAP = st.dictionaries(TEXT, TEXT, max_size=2)


def optional(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.none() | strategy


def many(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(strategy, max_size=2).map(tuple)


MENTIONS = st.builds(Mention, TEXT, WHOLE, WHOLE, TEXT, optional(WHOLE))
ENTITIES = st.builds(Entity, TEXT, TEXT, WHOLE, optional(NUMBER), many(MENTIONS))
TAGS = st.builds(Tag, TEXT, TEXT, TEXT, optional(NUMBER), TEXT, optional(TEXT))
ARTICLES = st.builds(
    Article,
    message_id=TEXT,
    article_id=TEXT,
    content_hash=TEXT,
    ingested_at=TIME,
    publish_time=optional(TIME),
    title=optional(TEXT),
    body=TEXT,
    body_content_type=TEXT,
    word_count=WHOLE,
    processing=st.builds(Processing, TEXT, TEXT, optional(TEXT), optional(TEXT), many(TEXT)),
    url=optional(TEXT),
    canonical_url=optional(TEXT),
    source=st.builds(Source, optional(TEXT), optional(TEXT)),
    description=optional(TEXT),
    language=optional(st.builds(Language, TEXT, NUMBER)),
    authors=many(TEXT),
    published_at=optional(TIME),
    published_precision=optional(TEXT),
    modified_at=optional(TIME),
    dateline=optional(TEXT),
    genres=many(TEXT),
    attributes=MAP,
    ordering_key=optional(TEXT),
    delivery_attempt=optional(WHOLE),
    entities=optional(many(ENTITIES)),
    tags=optional(many(TAGS)),
    near_duplicate=optional(st.builds(NearDuplicate, TEXT, TEXT, TEXT, NUMBER)),
)
DUPLICATES = st.builds(
    Duplicate, TEXT, TEXT, TEXT, TEXT, TEXT, TEXT, NUMBER, optional(TEXT), TIME, ARTICLES
)
DEAD_LETTERS = st.builds(
    DeadLetter,
    message_id=TEXT,
    stage=TEXT,
    error_type=TEXT,
    error_message=TEXT,
    exception_class=optional(TEXT),
    stack_trace=optional(TEXT),
    payload=st.binary(max_size=20),
    attributes=MAP,
    publish_time=optional(TIME),
    failed_at=TIME,
    attempts=WHOLE,
    pipeline_version=TEXT,
    ordering_key=optional(TEXT),
)


def through_avro(kind: str, record: Record) -> Record:
    schema = schemas.load(kind)
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, schema, to_avro(record))
    buffer.seek(0)
    datum = fastavro.schemaless_reader(buffer, schema, schema)
    assert isinstance(datum, dict)
    return from_avro(type(record), datum)


class TestThroughAvro:
    @given(ARTICLES)
    def test_an_article_comes_back(self, record: Article) -> None:
        assert through_avro("articles", record) == record

    @given(DUPLICATES)
    def test_a_duplicate_comes_back(self, record: Duplicate) -> None:
        assert through_avro("duplicates", record) == record

    @given(DEAD_LETTERS)
    def test_a_dead_letter_comes_back(self, record: DeadLetter) -> None:
        assert through_avro("dead_letters", record) == record

    def test_other_time_zones_come_back_as_the_same_moment(self) -> None:
        zone = dt.timezone(dt.timedelta(hours=5, minutes=30))
        record = article("m", published_at=NOON.astimezone(zone))
        assert through_avro("articles", record) == record

    def test_not_computed_and_found_empty_stay_apart(self) -> None:
        none, empty = article("m"), article("m", entities=(), tags=())
        assert through_avro("articles", none) == none
        assert through_avro("articles", empty) == empty
        assert none != empty

    def test_fields_of_a_later_version_are_left_out(self) -> None:
        record = article("m")
        assert from_avro(Article, to_avro(record) | {"from_the_future": 1}) == record

    def test_fields_that_are_missing_take_their_default(self) -> None:
        datum = to_avro(article("m"))
        for name in ("tags", "authors", "attributes"):
            del datum[name]
        assert from_avro(Article, datum) == article("m")


class TestMessage:
    def test_its_key_is_its_id_and_time(self) -> None:
        assert message("7").key == "7@1795521600000000"
        assert message("7", publish_time=None).key == "7"

    def test_a_number_used_again_by_a_new_broker_is_another_message(self) -> None:
        later = NOON + dt.timedelta(microseconds=1)
        assert message("7").key != message("7", publish_time=later).key

    @given(TEXT, TIME, st.integers(min_value=-12, max_value=12))
    def test_the_key_does_not_depend_on_the_time_zone(
        self, message_id: str, time: dt.datetime, hours: int
    ) -> None:
        zone = dt.timezone(dt.timedelta(hours=hours))
        try:
            there = time.astimezone(zone)
        except OverflowError:
            return
        assert message_key(message_id, there) == message_key(message_id, time)


@pytest.mark.parametrize("cls", [Article, Duplicate, DeadLetter])
def test_records_cannot_be_changed(cls: type[Record]) -> None:
    assert cls.__dataclass_params__.frozen  # type: ignore[union-attr]

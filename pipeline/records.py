"""What moves through the pipeline, and its form in Avro.

`Message` is what the queue gave, `Article` what decode made of it; `Draft` keeps the two together
until the record is encoded, so that an article that fails late still has its original payload.
`Article`, `Duplicate` and `DeadLetter` mirror `schemas/*.avsc` field by field: names, order and
meaning stand there, in each field's `doc`.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import operator
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

R = TypeVar("R")


def message_key(message_id: str, publish_time: dt.datetime | None) -> str:
    """The identity of a message: its id, and when it was published.

    The id alone would do on Pub/Sub, where it is unique in a topic. An emulator starts counting
    again when it restarts, and a new message must never be taken for an old one that happened to
    have its number: that would be a loss. A redelivery keeps both.
    """
    if publish_time is None:
        return message_id
    return f"{message_id}@{micros(publish_time)}"


def micros(time: dt.datetime) -> int:
    """Microseconds since 1970, exactly; `time` must be aware."""
    return (time - _EPOCH) // _MICROSECOND


_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
_MICROSECOND = dt.timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Message:
    """One message as the queue, or a file that stands for one, gave it; `key` is its identity."""

    data: bytes
    message_id: str
    publish_time: dt.datetime | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    ordering_key: str = ""
    delivery_attempt: int | None = None
    key: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Asked for at every step, so made once.
        object.__setattr__(self, "key", message_key(self.message_id, self.publish_time))


@dataclass(frozen=True, slots=True)
class Source:
    name: str | None = None
    domain: str | None = None


@dataclass(frozen=True, slots=True)
class Language:
    code: str
    score: float


@dataclass(frozen=True, slots=True)
class Mention:
    """A span in the title or the body; offsets count code points: `body[start:end] == text`."""

    field: str
    start: int
    end: int
    text: str
    sentence: int | None = None


@dataclass(frozen=True, slots=True)
class Entity:
    name: str
    label: str
    count: int
    salience: float | None
    mentions: tuple[Mention, ...]


@dataclass(frozen=True, slots=True)
class Tag:
    scheme: str
    code: str
    name: str
    score: float | None = None
    source: str = ""
    version: str | None = None
    count: int | None = None
    primary: bool | None = None
    evidence: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NearDuplicate:
    canonical_id: str
    cluster_id: str
    kind: str
    similarity: float


@dataclass(frozen=True, slots=True)
class Processing:
    pipeline_version: str
    run_id: str
    model_name: str | None = None
    model_version: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Article:
    message_id: str
    article_id: str
    content_hash: str
    ingested_at: dt.datetime
    publish_time: dt.datetime | None
    title: str | None
    body: str
    body_content_type: str
    word_count: int
    processing: Processing
    url: str | None = None
    canonical_url: str | None = None
    source: Source = Source()
    description: str | None = None
    language: Language | None = None
    authors: tuple[str, ...] = ()
    published_at: dt.datetime | None = None
    published_precision: str | None = None
    modified_at: dt.datetime | None = None
    dateline: str | None = None
    genres: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    ordering_key: str | None = None
    delivery_attempt: int | None = None
    entities: tuple[Entity, ...] | None = None
    tags: tuple[Tag, ...] | None = None
    near_duplicate: NearDuplicate | None = None


@dataclass(frozen=True, slots=True)
class Duplicate:
    message_id: str
    article_id: str
    canonical_id: str
    canonical_message_id: str
    cluster_id: str
    kind: str
    similarity: float
    signature_version: str | None
    detected_at: dt.datetime
    article: Article


@dataclass(frozen=True, slots=True)
class DeadLetter:
    message_id: str
    stage: str
    error_type: str
    error_message: str
    exception_class: str | None
    stack_trace: str | None
    payload: bytes
    attributes: Mapping[str, str]
    publish_time: dt.datetime | None
    failed_at: dt.datetime
    attempts: int
    pipeline_version: str
    ordering_key: str | None = None

    @property
    def key(self) -> str:
        """`Message.key` of its message."""
        return message_key(self.message_id, self.publish_time)


Record = Article | Duplicate | DeadLetter


@dataclass(frozen=True, slots=True)
class Draft:
    """An article under way, with the message it came from."""

    message: Message
    article: Article


@dataclass(frozen=True, slots=True)
class DuplicateDraft:
    """A duplicate under way, with the message it came from."""

    message: Message
    duplicate: Duplicate


Converter = Callable[[Any], Any]


def to_avro(record: Record) -> dict[str, Any]:
    """The dicts and lists fastavro writes for a record.

    Datetimes must be aware: fastavro turns them into UTC microseconds.
    """
    converted: dict[str, Any] = _converter(type(record))(record)
    return converted


def _converter(cls: type[Any]) -> Converter:
    """What makes a dict of a record of class `cls`.

    Made once a class: to look at each of an article's hundreds of values for what it is costs
    more than to encode them.
    """
    converter = _CONVERTERS.get(cls)
    if converter is None:
        hints = _hints(cls)
        names = tuple(hints)
        values_of = operator.attrgetter(*names)
        deep = [(name, c) for name, hint in hints.items() if (c := _converter_for(hint))]

        def converter(record: Any) -> dict[str, Any]:
            datum = dict(zip(names, values_of(record), strict=True))
            for name, convert in deep:
                value = datum[name]
                if value is not None:
                    datum[name] = convert(value)
            return datum

        _CONVERTERS[cls] = converter
    return converter


def _converter_for(hint: Any) -> Converter | None:
    """What makes an Avro value of a value of type `hint`; None where it is one already."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return _converter_for(_inner(hint))
    if origin is tuple:
        each = _converter_for(typing.get_args(hint)[0])
        return list if each is None else lambda items: [each(item) for item in items]
    if origin is not None:
        return dict
    if isinstance(hint, type) and dataclasses.is_dataclass(hint):
        return _converter(hint)
    return None


def _inner(optional: Any) -> Any:
    """X of `X | None`."""
    (inner,) = (arg for arg in typing.get_args(optional) if arg is not type(None))
    return inner


def _hints(cls: type[Any]) -> dict[str, Any]:
    """The fields of a record class, in order, with their types."""
    hints = _HINTS.get(cls)
    if hints is None:
        hints = _HINTS[cls] = typing.get_type_hints(cls)
    return hints


_HINTS: dict[type[Any], dict[str, Any]] = {}
_CONVERTERS: dict[type[Any], Converter] = {}


def from_avro(cls: type[R], datum: Mapping[str, Any]) -> R:
    """The record of class `cls` in `datum`, as fastavro reads it with our schema.

    Fields that the dataclass does not know (a file of a later version) are left out; fields that
    are missing take their default.
    """
    hints = _hints(cls)
    return cls(**{k: _revive(hints[k], v) for k, v in datum.items() if k in hints})


def _revive(hint: Any, value: Any) -> Any:
    if value is None:
        return None
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return _revive(_inner(hint), value)
    if origin is tuple:
        item = typing.get_args(hint)[0]
        return tuple(_revive(item, v) for v in value)
    if dataclasses.is_dataclass(hint):
        return from_avro(typing.cast("type[Any]", hint), value)
    return value

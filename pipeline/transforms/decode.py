"""Decode: what came off the queue becomes an article, or a dead letter that says why not."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PCollection, TaggedOutput

from pipeline.dead_letters import Unreadable, dead_letter
from pipeline.options import ArticleOptions
from pipeline.records import Article, Draft, Message, Processing, Source
from pipeline.transforms import (
    byline,
    dates,
    html_article,
    identity,
    json_article,
    payload,
    plain_text,
    topics,
)
from pipeline.transforms.fields import Fields
from pipeline.transforms.language import detect
from pipeline.transforms.limits import Limits
from pipeline.transforms.text import (
    REPLACED_SURROGATES,
    clean,
    encodable,
    one_line,
    warn,
    word_count,
)
from pipeline.version import __version__
from pipeline.watch import metrics

__all__ = ["Decode", "Limits", "decode"]

STAGE = "decode"

# Longer ones are a mistake of the publisher's (a whole text as its headline), and are cut.
MAX_TITLE_CHARS = 1_000
MAX_DESCRIPTION_CHARS = 20_000
MAX_NAME_CHARS = 300
MAX_GENRES = 50
# Longer ones are no ids; the article then has the next best one.
MAX_ID_CHARS = 1_024


class Decode(beam.PTransform[PCollection[Message], Any]):
    """Reads each message as an article.

    Takes a PCollection of `Message`. Gives two: `.articles` of `Draft` (the article, with the
    message it came from) and `.dead_letters` of `DeadLetter`; each message is in exactly one.
    No state, no timers, no order; window and timestamp of an element are kept.

    Counts messages_received, message_bytes and articles_decoded; dead letters are counted where
    they are written.

    Args:
        limits: the bounds of one message.
        run_id: the name of this run, kept in every record.
    """

    def __init__(self, limits: Limits, run_id: str) -> None:
        super().__init__()
        self._limits = limits
        self._run_id = run_id

    @classmethod
    def from_options(cls, options: ArticleOptions) -> Decode:
        limits = Limits(
            max_message_bytes=options.max_message_bytes,
            max_expanded_bytes=options.max_expanded_bytes,
            max_expansion_ratio=options.max_expansion_ratio,
            max_json_depth=options.max_json_depth,
            max_html_bytes=options.max_html_bytes,
            max_text_chars=options.max_text_chars,
        )
        return cls(limits, options.run_id or "")

    def expand(self, messages: PCollection[Message]) -> Any:
        fn = _DecodeFn(self._limits, self._run_id)
        return messages | "DecodeMessages" >> beam.ParDo(fn).with_outputs(
            "dead_letters", main="articles"
        )


class _DecodeFn(beam.DoFn):
    """`decode` on every message; what it raises becomes a dead letter."""

    def __init__(self, limits: Limits, run_id: str) -> None:
        self._limits = limits
        self._run_id = run_id

    def start_bundle(self) -> None:
        self._received = self._decoded = 0

    def process(self, message: Message) -> Iterator[Any]:
        self._received += 1
        metrics.observe(metrics.MESSAGE_BYTES, len(message.data))
        now = dt.datetime.now(dt.timezone.utc)
        try:
            article = decode(message, self._limits, run_id=self._run_id, now=now)
        except Exception as error:  # noqa: BLE001 - one bad message must not stop its bundle
            yield TaggedOutput("dead_letters", dead_letter(message, STAGE, error))
            return
        self._decoded += 1
        yield Draft(message, article)

    def finish_bundle(self) -> None:
        # Once a bundle: a counter costs as much as reading a small message.
        metrics.count(metrics.MESSAGES_RECEIVED, self._received)
        metrics.count(metrics.ARTICLES_DECODED, self._decoded)


def decode(message: Message, limits: Limits, *, run_id: str, now: dt.datetime) -> Article:
    """The article in `message`.

    What the payload says about title, text, date and source counts; the attributes `title`,
    `published_at` and `source` fill the gaps. The attributes `id` and `url` go before the payload:
    whoever sent the message knows what it is about, where a payload may well quote another.

    Args:
        now: the time that becomes `ingested_at`, and against which dates are judged.

    Raises:
        Unreadable: too_large, bomb, bad_encoding, unsupported_type, invalid_json or no_body.
    """
    warnings: list[str] = []
    attributes = _lower_names(message.attributes)
    text, media_type = payload.read(message, attributes, limits, warnings)
    fields = _read(text, media_type, attributes, limits, warnings)
    _check_length(fields.body, limits)

    url, canonical_url = _address(attributes.get("url"), fields.urls, warnings)
    content_hash = identity.content_hash(fields.body)
    publisher_id = _publisher_id(attributes.get("id"), fields.publisher_id, warnings)
    published = _date(fields.published, "the date of publication", now, warnings) or _date(
        attributes.get("published_at"), "the attribute published_at", now, warnings
    )
    modified = _date(fields.modified, "the date of modification", now, warnings)
    title = fields.title or _attribute(attributes, "title", warnings)
    source = fields.source_name or _attribute(attributes, "source", warnings)

    return Article(
        message_id=encodable(message.message_id),
        article_id=identity.article_id(publisher_id, canonical_url, content_hash),
        content_hash=content_hash,
        ingested_at=now,
        publish_time=message.publish_time,
        url=url,
        canonical_url=canonical_url,
        source=Source(
            name=_cut(source, MAX_NAME_CHARS, "source", warnings),
            domain=identity.domain(canonical_url),
        ),
        title=_cut(title, MAX_TITLE_CHARS, "title", warnings),
        description=_cut(fields.description, MAX_DESCRIPTION_CHARS, "description", warnings),
        body=fields.body,
        body_content_type=media_type,
        word_count=word_count(fields.body),
        language=detect(title, fields.body),
        authors=fields.authors,
        published_at=published.at if published else None,
        published_precision=published.precision if published else None,
        modified_at=modified.at if modified else None,
        dateline=_cut(fields.dateline, MAX_NAME_CHARS, "dateline", warnings)
        or byline.dateline(fields.body),
        genres=tuple(genre[:MAX_NAME_CHARS] for genre in fields.genres[:MAX_GENRES]),
        attributes=_kept(message.attributes, warnings),
        ordering_key=encodable(message.ordering_key) or None,
        delivery_attempt=message.delivery_attempt,
        # The publisher's own; the Tag step adds what the article itself says.
        tags=(*topics.published(fields.subjects), *topics.publisher_keywords(fields.keywords))
        or None,
        processing=Processing(__version__, run_id, warnings=tuple(warnings)),
    )


def _read(
    text: str,
    media_type: str,
    attributes: Mapping[str, str],
    limits: Limits,
    warnings: list[str],
) -> Fields:
    if media_type == payload.JSON:
        return json_article.read(text, limits, warnings)
    if media_type == payload.HTML:
        url = identity.canonical_url(attributes.get("url", ""))
        return html_article.read(text, url, limits, warnings)
    # Before the text is gone through: what is taken off it is never longer than a line.
    _check_length(text, limits)
    return plain_text.read(text, warnings)


def _check_length(text: str, limits: Limits) -> None:
    if len(text) > limits.max_text_chars:
        raise Unreadable(
            "too_large",
            f"the text has {len(text)} characters, more than "
            f"--max_text_chars={limits.max_text_chars}",
        )


def _lower_names(attributes: Mapping[str, str]) -> dict[str, str]:
    """The attributes under lower-case names with `_` for `-`: bridges write `Content-Type`."""
    lower: dict[str, str] = {}
    for name, value in attributes.items():
        lower.setdefault(name.lower().replace("-", "_"), value)
    return lower


def _attribute(attributes: Mapping[str, str], name: str, warnings: list[str]) -> str | None:
    return one_line(clean(attributes.get(name, ""), f"attribute {name}", warnings)) or None


def _kept(attributes: Mapping[str, str], warnings: list[str]) -> dict[str, str]:
    """The attributes as they came, but for what UTF-8 cannot hold."""
    kept = {encodable(name): encodable(value) for name, value in attributes.items()}
    if kept != attributes:
        warn(warnings, REPLACED_SURROGATES.format(field="attributes"))
    return kept


def _date(value: object, name: str, now: dt.datetime, warnings: list[str]) -> dates.Instant | None:
    return dates.read(value, name=name, now=now, warnings=warnings)


def _address(
    attribute: str | None, offered: tuple[str, ...], warnings: list[str]
) -> tuple[str | None, str | None]:
    """The first http(s) address, as it came and in its canonical form."""
    candidates = [*([attribute] if attribute else []), *offered]
    for candidate in candidates:
        canonical = identity.canonical_url(candidate)
        if canonical is not None:
            return encodable(candidate.strip()), canonical
    if candidates:
        warn(warnings, "the url is not an http(s) address and was left out")
    return None, None


def _publisher_id(attribute: str | None, said: str | None, warnings: list[str]) -> str | None:
    for candidate in (attribute, said):
        cleaned = one_line(clean(candidate, "id", warnings)) if candidate else ""
        if len(cleaned) > MAX_ID_CHARS:
            warn(warnings, f"an id of more than {MAX_ID_CHARS} characters was left out")
        elif cleaned:
            return cleaned
    return None


def _cut(text: str | None, length: int, field: str, warnings: list[str]) -> str | None:
    if text is not None and len(text) > length:
        warn(warnings, f"the {field} was cut to {length} characters")
        return text[:length].rstrip()
    return text

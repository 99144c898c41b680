"""A record as its bytes in Avro, made while its message is at hand.

One that cannot be encoded becomes the dead letter that says so, with the original payload.
"""

from __future__ import annotations

import datetime as dt
import io
from typing import NamedTuple

import fastavro

import pipeline.schemas as schemas
from pipeline.dead_letters import dead_letter
from pipeline.records import DeadLetter, Draft, DuplicateDraft, Message, Record, micros, to_avro
from pipeline.watch import metrics

Outgoing = Draft | DuplicateDraft | DeadLetter


class Encoded(NamedTuple):
    """One record ready to be written. A tuple of plain values, so that any engine can store it.

    Args:
        key: `Message.key` of its message.
        counter: what to count when it is durable.
        published_micros: when its message was published, since 1970; None where unknown.
        avro: the record by the schema of its kind.
    """

    key: str
    message_id: str
    counter: str
    published_micros: int | None
    avro: bytes


def encode(outgoing: Outgoing) -> tuple[str, Encoded]:
    """The folder of a record, relative to the output, and the record in Avro.

    What cannot be encoded is encoded as the dead letter that says so.
    """
    if isinstance(outgoing, DeadLetter):
        counter = metrics.labelled(
            metrics.DEAD_LETTERS, stage=outgoing.stage, error_type=outgoing.error_type
        )
        return _encoded("dead_letters", outgoing, outgoing.failed_at, counter, outgoing)
    try:
        if isinstance(outgoing, DuplicateDraft):
            duplicate = outgoing.duplicate
            counter = metrics.labelled(metrics.DUPLICATES, kind=duplicate.kind)
            ingested_at = duplicate.article.ingested_at
            return _encoded("duplicates", duplicate, ingested_at, counter, outgoing.message)
        article = outgoing.article
        return _encoded(
            "articles", article, article.ingested_at, metrics.ARTICLES_WRITTEN, outgoing.message
        )
    except Exception as error:  # noqa: BLE001 - becomes a dead letter
        return encode(dead_letter(outgoing.message, "write", error, error_type="not_encodable"))


def _encoded(
    kind: str, record: Record, time: dt.datetime, counter: str, origin: Message | DeadLetter
) -> tuple[str, Encoded]:
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, schemas.load(kind), to_avro(record))
    published = origin.publish_time
    return f"{kind}/ingest_date={time.astimezone(dt.timezone.utc).date().isoformat()}", Encoded(
        key=origin.key,
        message_id=origin.message_id,
        counter=counter,
        published_micros=None if published is None else micros(published),
        avro=buffer.getvalue(),
    )

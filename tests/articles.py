"""Records for tests, complete and small."""

from __future__ import annotations

import datetime as dt
import hashlib
from typing import Any

from pipeline.records import Article, DeadLetter, Draft, Message, Processing, to_avro

NOON = dt.datetime(2026, 11, 24, 12, tzinfo=dt.timezone.utc)


def message(message_id: str, data: bytes = b"data", **fields: Any) -> Message:
    return Message(data=data, message_id=message_id, **{"publish_time": NOON, **fields})


def article(message_id: str, body: str = "A body.", **fields: Any) -> Article:
    hash_ = hashlib.sha256(body.encode("utf-8", "surrogatepass")).hexdigest()
    return Article(
        **{
            "message_id": message_id,
            "article_id": f"sha256:{hash_}",
            "content_hash": hash_,
            "ingested_at": NOON,
            "publish_time": NOON,
            "title": "A title",
            "body": body,
            "body_content_type": "text/plain",
            "word_count": 2,
            "processing": Processing(pipeline_version="0.1.0", run_id="run"),
            **fields,
        }
    )


def draft(message_id: str, body: str = "A body.", **fields: Any) -> Draft:
    return Draft(message(message_id), article(message_id, body, **fields))


def dead_letter(message_id: str, **fields: Any) -> DeadLetter:
    return DeadLetter(
        **{
            "message_id": message_id,
            "stage": "decode",
            "error_type": "no_body",
            "error_message": "there is no body",
            "exception_class": "Unreadable",
            "stack_trace": None,
            "payload": b"payload",
            "attributes": {},
            "publish_time": NOON,
            "failed_at": NOON,
            "attempts": 1,
            "pipeline_version": "0.1.0",
            **fields,
        }
    )


def dead_letter_record(message_id: str, **fields: Any) -> dict[str, Any]:
    return to_avro(dead_letter(message_id, **fields))

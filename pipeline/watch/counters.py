"""The names of every counter and distribution, the same on every engine."""

from __future__ import annotations

NAMESPACE = "articles"

MESSAGES_RECEIVED = "messages_received"
MESSAGES_REDELIVERED = "messages_redelivered"
ARTICLES_DECODED = "articles_decoded"
DUPLICATES = "duplicates"
DEAD_LETTERS = "dead_letters"
ARTICLES_WRITTEN = "articles_written"
FILES_COMMITTED = "files_committed"
MESSAGES_SETTLED = "messages_settled"
MESSAGE_BYTES = "message_bytes"
LATENCY = "latency_publish_to_commit_ms"
BATCH_SIZE = "batch_size"


def labelled(name: str, **labels: str) -> str:
    """`name{key=value,…}`, the form in which Beam's flat names carry labels.

    >>> labelled("dead_letters", stage="decode", error_type="bomb")
    'dead_letters{stage=decode,error_type=bomb}'
    """
    if not labels:
        return name
    return f"{name}{{{','.join(f'{key}={value}' for key, value in labels.items())}}}"

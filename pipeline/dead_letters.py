"""How a failure becomes a dead letter, for every transform that can fail."""

from __future__ import annotations

import datetime as dt
import traceback

from pipeline.records import DeadLetter, Message
from pipeline.version import __version__

MAX_TRACE_CHARS = 8_000
MAX_ERROR_MESSAGE_CHARS = 2_000


class Unreadable(ValueError):
    """A message that cannot become an article, through no fault of the pipeline.

    Args:
        error_type: one short stable word, e.g. `invalid_json`: what operators group and filter by.
        message: what is wrong, in words a person can act on. It must not quote the article.
    """

    def __init__(self, error_type: str, message: str) -> None:
        super().__init__(message)
        self.error_type = error_type


def dead_letter(
    message: Message,
    stage: str,
    error: BaseException,
    *,
    error_type: str | None = None,
    attempts: int = 1,
) -> DeadLetter:
    """The dead letter of `message`, which failed at `stage` with `error`.

    Args:
        stage: decode, deduplicate, entities, tag or write.
        error_type: the stable word; by default that of an `Unreadable`, else `unexpected`.
        attempts: how often it was tried in this run.

    A traceback is kept where the error is not an `Unreadable`: it then points at a fault of ours.
    """
    if error_type is None:
        error_type = error.error_type if isinstance(error, Unreadable) else "unexpected"
    trace = None
    if not isinstance(error, Unreadable):
        trace = _clean("".join(traceback.format_exception(error))[-MAX_TRACE_CHARS:])
    return DeadLetter(
        message_id=message.message_id,
        stage=stage,
        error_type=error_type,
        error_message=_clean(str(error)[:MAX_ERROR_MESSAGE_CHARS]) or type(error).__name__,
        exception_class=f"{type(error).__module__}.{type(error).__qualname__}",
        stack_trace=trace,
        payload=message.data,
        attributes={_clean(key): _clean(value) for key, value in message.attributes.items()},
        publish_time=message.publish_time,
        failed_at=dt.datetime.now(dt.timezone.utc),
        attempts=max(attempts, message.delivery_attempt or 1),
        pipeline_version=__version__,
        ordering_key=_clean(message.ordering_key) or None,
    )


def _clean(text: str) -> str:
    """`text` as UTF-8 can hold it: an exception may quote lone surrogates.

    A dead letter that could not be encoded would have nowhere to go.
    """
    return text.encode("utf-8", "backslashreplace").decode("utf-8")

"""Sends messages to a Pub/Sub topic and waits for the receipt of each; creates what is missing.

Knows the official client, so that nothing else that sends has to. Works against Google's service
and, where `PUBSUB_EMULATOR_HOST` is set, against an emulator or the embedded broker.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import TimeoutError as FutureTimeout
from concurrent.futures import wait
from dataclasses import dataclass, field
from types import TracebackType

from google.api_core import exceptions as api_errors
from google.api_core import retry as api_retry
from google.auth import exceptions as auth_errors
from google.cloud import pubsub_v1
from google.cloud.pubsub_v1 import types
from google.cloud.pubsub_v1.publisher.exceptions import MessageTooLargeError
from google.cloud.pubsub_v1.publisher.futures import Future
from google.pubsub_v1 import PublisherClient as Requests

from pipeline.arguments import SUBSCRIPTION
from pipeline.errors import Failed, UsageError

logger = logging.getLogger(__name__)

MB = 1_000_000
ACK_DEADLINE_SECONDS = 60
"""Deadline of a subscription made here; the pipeline extends it while it works."""

# `PublisherClient.publish` takes attributes as keyword arguments, so these names are its own.
RESERVED_ATTRIBUTES = frozenset({"self", "topic", "data", "ordering_key", "retry", "timeout"})

_TOPIC = re.compile(r"projects/([^/\s]+)/topics/[^/\s]+")
_RETRIED = api_retry.if_exception_type(
    api_errors.Aborted,
    api_errors.DeadlineExceeded,
    api_errors.InternalServerError,
    api_errors.ResourceExhausted,
    api_errors.ServiceUnavailable,
    api_errors.Unknown,
)


class PublishError(Failed):
    """Something could not be sent, or the topic not be made; the text says what and why."""


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A message to send; `origin` names it in an error and in `Sending.receipt`."""

    data: bytes
    attributes: Mapping[str, str]
    origin: str
    ordering_key: str = ""


@dataclass(frozen=True)
class Sending:
    """How to send.

    Attributes:
        create: create the topic, and `subscription` on it, where they are missing.
        subscription: its name, in full or the last part only.
        batch_messages: messages in one request, at most 1,000 on Pub/Sub.
        batch_bytes: bytes in one request.
        batch_latency: seconds a request waits to be filled.
        unconfirmed_messages: no more is read while so many wait for their receipt.
        unconfirmed_bytes: the same in bytes.
        timeout: seconds until a message without a receipt counts as failed.
        progress: called with the number of messages confirmed so far.
        receipt: called with the origin of each message that is confirmed, in the caller's thread;
            also after a failure, for what arrived nevertheless.
    """

    create: bool = False
    subscription: str | None = None
    batch_messages: int = 500
    batch_bytes: int = 4 * MB
    batch_latency: float = 0.02
    unconfirmed_messages: int = 5_000
    unconfirmed_bytes: int = 64 * MB
    timeout: float = 60.0
    progress: Callable[[int], None] | None = None
    receipt: Callable[[str], None] | None = None


def publish(
    topic: str,
    messages: Iterable[Outgoing],
    *,
    sending: Sending | None = None,
    attributes: Mapping[str, str] | None = None,
) -> int:
    """Sends messages in order and waits for every receipt.

    Args:
        attributes: only checked here, before anything is sent; they are in the messages already.

    Raises:
        UsageError: the topic's name, an attribute or the subscription; nothing has been sent then.
        PublishError: a message could not be sent; the text names it.
    """
    how = sending or Sending()
    check_topic(topic)
    check_attributes(attributes or {})
    subscription = full_subscription(topic, how.subscription) if how.subscription else None
    if subscription and not how.create:
        raise UsageError("--subscription needs --create: it names the subscription to create")
    with _credentials():
        if how.create:
            create_missing(topic, subscription, timeout=how.timeout)
        sender = _Sender(topic, how)
        try:
            with sender:
                for message in messages:
                    sender.send(message)
        except PublishError as error:
            raise PublishError(f"{error} ({sender.confirmed} messages were sent)") from error
        return sender.confirmed


@contextlib.contextmanager
def _credentials() -> Iterator[None]:
    """Says what to do where there are no credentials within the block; raises PublishError."""
    try:
        yield
    except auth_errors.GoogleAuthError as error:
        raise PublishError(
            "no Google Cloud credentials; set PUBSUB_EMULATOR_HOST for a local broker, or see "
            f"https://cloud.google.com/docs/authentication ({error.__class__.__name__})"
        ) from error


def check_topic(topic: str) -> None:
    """Raises UsageError where `topic` is not a full topic name."""
    if not _TOPIC.fullmatch(topic):
        raise UsageError(f"the topic must be written projects/PROJECT/topics/TOPIC, not {topic!r}")


def check_attributes(attributes: Mapping[str, str]) -> None:
    """Raises UsageError where an attribute cannot be sent."""
    for key in attributes:
        if key in RESERVED_ATTRIBUTES or not key:
            raise UsageError(f"the attribute {key!r} cannot be sent; choose another name for it")


def check_received(topic: str, *, timeout: float = 60.0) -> None:
    """Makes sure that somebody receives what is sent to `topic`.

    Pub/Sub drops what is published to a topic without a subscription, and gives a receipt for it.
    Where we are not allowed to look, nothing is checked.

    Raises:
        PublishError: there is no such topic, it has no subscription, or the service gives no
            answer.
    """
    with _credentials():
        try:
            with pubsub_v1.PublisherClient() as publisher:
                found = publisher.list_topic_subscriptions(
                    topic=topic, retry=_retry(timeout), timeout=timeout
                )
                received = any(True for _ in found)
        except (api_errors.PermissionDenied, api_errors.MethodNotImplemented) as error:
            logger.info("whether %s has a subscription is not known: %s", topic, error.message)
            return
        except api_errors.NotFound as error:
            raise PublishError(
                f"there is no topic {topic}; create it, and a subscription on it, first"
            ) from error
        except (api_errors.GoogleAPICallError, api_errors.RetryError) as error:
            raise PublishError(f"{topic}: {_reason(error, topic)}") from error
    if not received:
        raise PublishError(
            f"{topic} has no subscription, and what is sent to it would be lost; create one first"
        )


def full_subscription(topic: str, name: str) -> str:
    """`name` in full, in the topic's project where it has none of its own.

    >>> full_subscription("projects/press/topics/news", "desk")
    'projects/press/subscriptions/desk'
    """
    if SUBSCRIPTION.fullmatch(name):
        return name
    project = _TOPIC.fullmatch(topic)
    if project is None or "/" in name or not name.strip():
        raise UsageError(
            "the subscription must be a bare name or projects/PROJECT/subscriptions/SUBSCRIPTION, "
            f"not {name!r}"
        )
    return f"projects/{project[1]}/subscriptions/{name}"


def create_missing(topic: str, subscription: str | None, *, timeout: float = 60.0) -> None:
    """Creates the topic, and the subscription on it, where they don't exist.

    Raises:
        PublishError: the service refuses, or the subscription exists on another topic.
    """
    retry = _retry(timeout)
    try:
        with (
            pubsub_v1.PublisherClient() as publisher,
            contextlib.suppress(api_errors.AlreadyExists),
        ):
            publisher.create_topic(name=topic, retry=retry, timeout=timeout)
        if subscription is None:
            return
        with pubsub_v1.SubscriberClient() as subscriber:
            request = {
                "name": subscription,
                "topic": topic,
                "ack_deadline_seconds": ACK_DEADLINE_SECONDS,
            }
            try:
                subscriber.create_subscription(request=request, retry=retry, timeout=timeout)
            except api_errors.AlreadyExists:
                found = subscriber.get_subscription(
                    subscription=subscription, retry=retry, timeout=timeout
                )
                if found.topic != topic:
                    raise PublishError(
                        f"{subscription} exists already, on {found.topic}; choose another name"
                    ) from None
    except (api_errors.GoogleAPICallError, api_errors.RetryError) as error:
        raise PublishError(f"{subscription or topic}: {_reason(error, topic)}") from error


@dataclass
class _Sender:
    """Sends with a bound on what waits for its receipt; leaving the block waits for the rest.

    Leaving it on an interrupt (Ctrl-C) waits for nothing.
    """

    topic: str
    how: Sending
    confirmed: int = 0
    _waiting: deque[tuple[str, Future]] = field(default_factory=deque)

    def __enter__(self) -> _Sender:
        how = self.how
        flow = types.PublishFlowControl(
            message_limit=how.unconfirmed_messages,
            byte_limit=how.unconfirmed_bytes,
            limit_exceeded_behavior=types.LimitExceededBehavior.BLOCK,
        )
        self._client = pubsub_v1.PublisherClient(
            batch_settings=types.BatchSettings(
                max_messages=how.batch_messages,
                max_bytes=how.batch_bytes,
                max_latency=how.batch_latency,
            ),
            publisher_options=types.PublisherOptions(
                flow_control=flow, retry=_retry(how.timeout), timeout=how.timeout
            ),
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            # Sends what waits for a batch to fill; until then no receipt can come.
            self._client.stop()
            try:
                while self._waiting:
                    self._confirm_oldest()
            except PublishError:
                self._abandon()
                raise
            self._client.transport.close()
        elif isinstance(error, Exception):
            self._client.stop()
            self._abandon()

    def _abandon(self) -> None:
        """Gives what was handed over the time that is its due, and counts what arrived.

        Where something is still being tried after that, the connection stays open under it: the
        client's threads, which end with the process, would print tracebacks otherwise.
        """
        waiting = list(self._waiting)
        self._waiting.clear()
        done, pending = wait([future for _, future in waiting], timeout=self.how.timeout)
        for origin, future in waiting:
            if future in done and future.exception() is None:
                self._count(origin)
        if not pending:
            self._client.transport.close()

    def send(self, message: Outgoing) -> None:
        """Hands over one message, and takes the receipts that are there.

        Raises:
            PublishError: this message or an earlier one failed.
        """
        while len(self._waiting) >= self.how.unconfirmed_messages or self._oldest_is_done():
            self._confirm_oldest()
        try:
            if message.ordering_key or not RESERVED_ATTRIBUTES.isdisjoint(message.attributes):
                future = self._send_alone(message)
            else:
                future = self._client.publish(self.topic, message.data, **message.attributes)
        except (MessageTooLargeError, ValueError, TypeError) as error:
            raise PublishError(f"{message.origin}: {error}") from error
        self._waiting.append((message.origin, future))

    def _send_alone(self, message: Outgoing) -> Future:
        """Sends what the client's batches have no room for, in a request of its own, and waits.

        They take attributes as keywords, so that one named `topic` cannot be given; and ordering
        keys only where nothing that is sent, with a key or without, is ever given up.
        """
        future = Future()
        how = self.how
        one = types.PubsubMessage(
            data=message.data,
            attributes=dict(message.attributes),
            ordering_key=message.ordering_key,
        )
        try:
            reply = Requests.publish(
                self._client,
                request=types.PublishRequest(topic=self.topic, messages=[one]),
                retry=_retry(how.timeout),
                timeout=how.timeout,
            )
        except (api_errors.GoogleAPICallError, api_errors.RetryError) as error:
            future.set_exception(error)
        else:
            future.set_result(reply.message_ids[0])
        return future

    def _oldest_is_done(self) -> bool:
        return bool(self._waiting) and bool(self._waiting[0][1].done())

    def _confirm_oldest(self) -> None:
        origin, future = self._waiting.popleft()
        try:
            future.result(timeout=self.how.timeout)
        except (FutureTimeout, TimeoutError) as error:
            raise PublishError(
                f"{origin}: no receipt within {self.how.timeout:g} s; is the service reachable?"
            ) from error
        except (api_errors.GoogleAPICallError, api_errors.RetryError, ValueError) as error:
            raise PublishError(f"{origin}: {_reason(error, self.topic)}") from error
        self._count(origin)
        if self.how.progress is not None:
            self.how.progress(self.confirmed)

    def _count(self, origin: str) -> None:
        self.confirmed += 1
        if self.how.receipt is not None:
            self.how.receipt(origin)


def _retry(timeout: float) -> api_retry.Retry:
    return api_retry.Retry(
        predicate=_RETRIED, initial=0.1, multiplier=1.5, maximum=5.0, timeout=timeout
    )


def _reason(error: BaseException, topic: str) -> str:
    """One line that says what the service answered, and what helps."""
    if isinstance(error, api_errors.NotFound):
        return f"there is no topic {topic}; create it with --create"
    if isinstance(error, api_errors.RetryError) and error.cause is not None:
        return _reason(error.cause, topic)
    if isinstance(error, api_errors.RetryError | api_errors.ServiceUnavailable):
        where = os.environ.get("PUBSUB_EMULATOR_HOST", "pubsub.googleapis.com")
        return f"Pub/Sub cannot be reached at {where}"
    text = error.message if isinstance(error, api_errors.GoogleAPICallError) else str(error)
    return " ".join(str(text).split())[:500] or type(error).__name__

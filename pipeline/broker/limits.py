"""Pub/Sub's limits, the broker's own bounds, and the checks that need no state."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.broker.errors import InvalidArgumentError

__all__ = [
    "DELETED_TOPIC",
    "Limits",
    "check_project",
    "check_subscription_name",
    "check_topic_name",
]

DELETED_TOPIC = "_deleted-topic_"
"""What Pub/Sub puts into `Subscription.topic` once the topic has been deleted."""

# "Guidelines to name a topic, subscription …" in Google's documentation: 3 to 255 characters of
# this set, a letter first, not beginning with "goog". Project ids are checked for shape only, as
# Google's emulator does: the rules for them belong to another service.
_RESOURCE_ID = r"(?!goog)[A-Za-z][A-Za-z0-9\-_.~+%]{2,254}"
_PROJECT = r"projects/[^/\s]{1,100}"
_TOPIC = re.compile(rf"{_PROJECT}/topics/{_RESOURCE_ID}")
_SUBSCRIPTION = re.compile(rf"{_PROJECT}/subscriptions/{_RESOURCE_ID}")
_PROJECT_NAME = re.compile(_PROJECT)


@dataclass(frozen=True)
class Limits:
    """Every bound of the broker. The first group is Pub/Sub's own (its page "Quotas and limits").

    Attributes:
        publish_bytes: size of one publish request.
        publish_messages: messages in one publish request.
        message_attributes: attributes of one message.
        attribute_key_bytes: UTF-8 bytes of an attribute's key.
        attribute_value_bytes: UTF-8 bytes of an attribute's value.
        ordering_key_bytes: UTF-8 bytes of an ordering key.
        default_ack_deadline: seconds, where a subscription names none.
        min_ack_deadline: seconds, the shortest deadline of a subscription or a stream.
        max_ack_deadline: seconds, the longest deadline anywhere.
        response_bytes: messages in one pull response add up to at most this; a single message that
            is larger still goes out, alone. Pub/Sub's own is 10 MB, but with PUBSUB_EMULATOR_HOST
            the official client opens its channel with gRPC's default of 4 MiB a response.
        pull_messages: messages in one pull response, whatever was asked for.
        pull_wait: seconds a pull waits for a message before it answers with none. Pub/Sub states no
            figure; short enough for a client that has been told to stop.
        page_size: names in one page of a list where the request gives none, and at most.
        backlog_bytes: unacknowledged bytes one subscription holds. Beyond it a publish answers
            RESOURCE_EXHAUSTED, which the official client retries: back-pressure, not loss.
        topics: topics in all.
        subscriptions: subscriptions in all.
        concurrent_calls: calls and open streams at a time; one thread each while they last.
    """

    publish_bytes: int = 10_000_000
    publish_messages: int = 1_000
    message_attributes: int = 100
    attribute_key_bytes: int = 256
    attribute_value_bytes: int = 1_024
    ordering_key_bytes: int = 1_024
    default_ack_deadline: int = 10
    min_ack_deadline: int = 10
    max_ack_deadline: int = 600
    response_bytes: int = 4_000_000
    pull_messages: int = 1_000
    pull_wait: float = 5.0
    page_size: int = 1_000
    backlog_bytes: int = 4_000_000_000
    topics: int = 10_000
    subscriptions: int = 10_000
    concurrent_calls: int = 256

    def check_publish(self, messages: int, size: int) -> None:
        """Raises InvalidArgumentError where a publish request has none, too many or too much."""
        if messages == 0:
            raise InvalidArgumentError("the publish request has no messages")
        if messages > self.publish_messages:
            raise InvalidArgumentError(
                f"{messages} messages in one publish request; at most {self.publish_messages}"
            )
        if size > self.publish_bytes:
            raise InvalidArgumentError(
                f"the publish request has {size} bytes; at most {self.publish_bytes}"
            )

    def check_message(self, data: bytes, attributes: Mapping[str, str], ordering_key: str) -> None:
        """Raises InvalidArgumentError where one message of a publish request breaks a limit."""
        if not data and not attributes:
            raise InvalidArgumentError("a message needs data or at least one attribute")
        if len(ordering_key.encode()) > self.ordering_key_bytes:
            raise InvalidArgumentError(
                f"the ordering key is longer than {self.ordering_key_bytes} bytes"
            )
        if len(attributes) > self.message_attributes:
            raise InvalidArgumentError(
                f"{len(attributes)} attributes on a message; at most {self.message_attributes}"
            )
        for key, value in attributes.items():
            if not key:
                raise InvalidArgumentError("an attribute has an empty key")
            if len(key.encode()) > self.attribute_key_bytes:
                raise InvalidArgumentError(
                    f"an attribute's key is longer than {self.attribute_key_bytes} bytes"
                )
            if len(value.encode()) > self.attribute_value_bytes:
                raise InvalidArgumentError(
                    f"the value of attribute {key!r} is longer than "
                    f"{self.attribute_value_bytes} bytes"
                )

    def check_ack_deadline(self, seconds: int, field: str) -> None:
        """Raises InvalidArgumentError where the deadline in `field` is out of range."""
        if not self.min_ack_deadline <= seconds <= self.max_ack_deadline:
            raise InvalidArgumentError(
                f"{field} is {seconds}; it must be from {self.min_ack_deadline} "
                f"to {self.max_ack_deadline} seconds"
            )

    def check_extension(self, seconds: int) -> None:
        """Raises InvalidArgumentError where a modifyAckDeadline is out of range (0 is a nack)."""
        if not 0 <= seconds <= self.max_ack_deadline:
            raise InvalidArgumentError(
                f"ack_deadline_seconds is {seconds}; it must be from 0 to {self.max_ack_deadline}"
            )


def check_topic_name(name: str) -> None:
    """Raises InvalidArgumentError unless `name` is `projects/PROJECT/topics/TOPIC`."""
    _check(_TOPIC, name, "projects/PROJECT/topics/TOPIC")


def check_subscription_name(name: str) -> None:
    """Raises InvalidArgumentError unless `name` is `projects/PROJECT/subscriptions/NAME`."""
    _check(_SUBSCRIPTION, name, "projects/PROJECT/subscriptions/SUBSCRIPTION")


def check_project(name: str) -> None:
    """Raises InvalidArgumentError unless `name` is `projects/PROJECT`."""
    if not _PROJECT_NAME.fullmatch(name):
        raise InvalidArgumentError(f"invalid name {name[:300]!r}; expected projects/PROJECT")


def _check(pattern: re.Pattern[str], name: str, form: str) -> None:
    if not pattern.fullmatch(name):
        raise InvalidArgumentError(
            f"invalid name {name[:300]!r}; expected {form}, the last part 3 to 255 letters, digits "
            "or -_.~+%, a letter first, not beginning with 'goog'"
        )

"""Topics and subscriptions behind one lock, and the waiting for messages. No gRPC.

One lock guards everything: its sections are short and pure Python, which Python's own lock would
take one at a time anyway, and there is no order of locks to get wrong. Each subscription has a
condition on that lock; consumers sleep on it until a message arrives, a lease ends or they are
cancelled, so that an idle broker uses no processor time.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pipeline.broker.errors import (
    AlreadyExistsError,
    BrokerError,
    NotFoundError,
    ResourceExhaustedError,
    UnavailableError,
)
from pipeline.broker.limits import (
    DELETED_TOPIC,
    Limits,
    check_project,
    check_subscription_name,
    check_topic_name,
)
from pipeline.broker.state import Backlog, Delivery, Flow, Message

__all__ = ["Consumer", "Core", "SubscriptionConfig", "TopicConfig"]


@dataclass(frozen=True)
class TopicConfig:
    """What a topic was created with."""

    name: str
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SubscriptionConfig:
    """What a subscription was created with; `ack_deadline_seconds` 0 asks for the default."""

    name: str
    topic: str
    ack_deadline_seconds: int = 0
    ordered: bool = False
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(eq=False)
class _Topic:
    config: TopicConfig
    subscriptions: dict[str, _Subscription] = field(default_factory=dict)


@dataclass(eq=False)
class _Subscription:
    config: SubscriptionConfig
    backlog: Backlog
    changed: threading.Condition
    deleted: bool = False


class Consumer:
    """One pull or one stream while it lasts; made by `Core.consumer`.

    Args:
        subscription: the subscription it takes from.
        ack_deadline: seconds a message is leased for; streams may change it.
        flow: what it may hold unacknowledged.
    """

    def __init__(self, subscription: _Subscription, ack_deadline: float, flow: Flow) -> None:
        self._subscription = subscription
        self.ack_deadline = ack_deadline
        self.flow = flow
        self.cancelled = False
        self.failure: BrokerError | None = None

    @property
    def config(self) -> SubscriptionConfig:
        """The subscription's configuration."""
        return self._subscription.config

    @property
    def subscription(self) -> _Subscription:
        """The subscription itself, for `Core` alone."""
        return self._subscription


class Core:
    """Everything the broker knows. All methods may be called from any thread.

    Args:
        limits: the broker's bounds.
        clock: seconds of a monotonic clock, for deadlines.
        wall_clock: nanoseconds since 1970, for publish times and message ids.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.limits = limits or Limits()
        self._clock = clock
        self._wall_clock = wall_clock
        self._lock = threading.Lock()
        self._topics: dict[str, _Topic] = {}
        self._subscriptions: dict[str, _Subscription] = {}
        self._next_message_id = 0
        self._closed = False

    # Topics

    def create_topic(self, config: TopicConfig) -> TopicConfig:
        """Adds a topic; AlreadyExistsError, InvalidArgumentError, ResourceExhaustedError."""
        check_topic_name(config.name)
        with self._lock:
            if config.name in self._topics:
                raise AlreadyExistsError(f"topic {config.name} already exists")
            if len(self._topics) >= self.limits.topics:
                raise ResourceExhaustedError(
                    f"there are {self.limits.topics} topics already; delete some"
                )
            self._topics[config.name] = _Topic(config)
        return config

    def topic(self, name: str) -> TopicConfig:
        """The topic of that name; NotFoundError."""
        check_topic_name(name)
        with self._lock:
            return self._topic(name).config

    def topics(self, project: str) -> list[TopicConfig]:
        """The topics of `projects/PROJECT`, by name."""
        check_project(project)
        with self._lock:
            found = [t.config for n, t in self._topics.items() if n.startswith(f"{project}/")]
        return sorted(found, key=lambda config: config.name)

    def delete_topic(self, name: str) -> None:
        """Removes a topic; its subscriptions stay and keep their messages. NotFoundError."""
        check_topic_name(name)
        with self._lock:
            topic = self._topic(name)
            del self._topics[name]
            for subscription in topic.subscriptions.values():
                subscription.config = replace(subscription.config, topic=DELETED_TOPIC)

    def topic_subscriptions(self, name: str) -> list[str]:
        """The names of a topic's subscriptions, sorted; NotFoundError."""
        check_topic_name(name)
        with self._lock:
            return sorted(self._topic(name).subscriptions)

    # Subscriptions

    def create_subscription(self, config: SubscriptionConfig) -> SubscriptionConfig:
        """Adds a subscription that gets what is published from now on.

        Returns its configuration with the defaults filled in. Raises AlreadyExistsError,
        NotFoundError (the topic), InvalidArgumentError, ResourceExhaustedError.
        """
        check_subscription_name(config.name)
        check_topic_name(config.topic)
        seconds = config.ack_deadline_seconds or self.limits.default_ack_deadline
        self.limits.check_ack_deadline(seconds, "ack_deadline_seconds")
        config = replace(config, ack_deadline_seconds=seconds)
        with self._lock:
            if config.name in self._subscriptions:
                raise AlreadyExistsError(f"subscription {config.name} already exists")
            topic = self._topic(config.topic)
            if len(self._subscriptions) >= self.limits.subscriptions:
                raise ResourceExhaustedError(
                    f"there are {self.limits.subscriptions} subscriptions already; delete some"
                )
            subscription = _Subscription(
                config,
                Backlog(uuid.uuid4().hex, ordered=config.ordered),
                threading.Condition(self._lock),
            )
            self._subscriptions[config.name] = subscription
            topic.subscriptions[config.name] = subscription
        return config

    def subscription(self, name: str) -> SubscriptionConfig:
        """The subscription of that name; NotFoundError."""
        check_subscription_name(name)
        with self._lock:
            return self._subscription(name).config

    def subscriptions(self, project: str) -> list[SubscriptionConfig]:
        """The subscriptions of `projects/PROJECT`, by name."""
        check_project(project)
        with self._lock:
            found = [
                s.config for n, s in self._subscriptions.items() if n.startswith(f"{project}/")
            ]
        return sorted(found, key=lambda config: config.name)

    def delete_subscription(self, name: str) -> None:
        """Removes a subscription and its messages; who waits for it gets NotFoundError."""
        check_subscription_name(name)
        with self._lock:
            subscription = self._subscription(name)
            del self._subscriptions[name]
            topic = self._topics.get(subscription.config.topic)
            if topic is not None:
                topic.subscriptions.pop(name, None)
            subscription.deleted = True
            subscription.changed.notify_all()

    # Messages

    def reserve_message_ids(self, count: int) -> tuple[int, int]:
        """The first of `count` consecutive message ids, and the time in ns they are published at.

        Ids grow with every call, and across restarts too: they begin at the microseconds since
        1970. A consumer that remembers what it has seen would take the messages of a second run
        for those of the first if every broker began at 1.
        """
        now = self._wall_clock()
        with self._lock:
            first = max(self._next_message_id, now // 1_000)
            self._next_message_id = first + count
        return first, now

    def publish(self, topic_name: str, messages: Sequence[Message]) -> None:
        """Hands messages to every subscription of a topic, or to none.

        Raises NotFoundError, and ResourceExhaustedError where a subscription's backlog is full.
        """
        size = sum(message.size for message in messages)
        with self._lock:
            topic = self._topic(topic_name)
            for subscription in topic.subscriptions.values():
                if subscription.backlog.bytes + size > self.limits.backlog_bytes:
                    raise ResourceExhaustedError(
                        f"subscription {subscription.config.name} holds "
                        f"{subscription.backlog.bytes} unacknowledged bytes of at most "
                        f"{self.limits.backlog_bytes}; acknowledge or delete it, then try again"
                    )
            for subscription in topic.subscriptions.values():
                subscription.backlog.publish(messages)
                subscription.changed.notify_all()

    def consumer(
        self, name: str, *, ack_deadline: int | None = None, flow: Flow | None = None
    ) -> Consumer:
        """Opens a consumer of a subscription; nothing needs closing. NotFoundError."""
        check_subscription_name(name)
        with self._lock:
            subscription = self._subscription(name)
        seconds = subscription.config.ack_deadline_seconds if ack_deadline is None else ack_deadline
        return Consumer(subscription, seconds, flow or Flow())

    def take(
        self, consumer: Consumer, max_messages: int, *, wait: float | None
    ) -> list[Delivery] | None:
        """Leases messages to a consumer, waiting `wait` seconds for the first (None: for ever).

        Returns an empty list when the wait is over and None when the consumer was cancelled: a
        client that is gone must not take messages with it. Raises what `fail` was given,
        NotFoundError when the subscription is deleted, UnavailableError when the broker stops.
        """
        subscription = consumer.subscription
        max_messages = min(max_messages, self.limits.pull_messages)
        with self._lock:
            end = None if wait is None else self._clock() + wait
            while True:
                if consumer.failure is not None:
                    raise consumer.failure
                if consumer.cancelled:
                    return None
                if self._closed:
                    raise UnavailableError("the broker is stopping")
                if subscription.deleted:
                    raise NotFoundError(f"subscription {consumer.config.name} was deleted")
                now = self._clock()
                deliveries = subscription.backlog.pull(
                    now,
                    ack_deadline=consumer.ack_deadline,
                    max_messages=max_messages,
                    max_bytes=self.limits.response_bytes,
                    flow=consumer.flow,
                )
                if deliveries or (end is not None and now >= end):
                    return deliveries
                moments = [m for m in (end, subscription.backlog.next_deadline()) if m is not None]
                subscription.changed.wait(min(moments) - now if moments else None)

    def cancel(self, consumer: Consumer) -> None:
        """Ends a consumer's waiting: its client is gone, or wants no more."""
        with self._lock:
            consumer.cancelled = True
            consumer.subscription.changed.notify_all()

    def fail(self, consumer: Consumer, failure: BrokerError) -> None:
        """Ends a consumer's waiting with an error."""
        with self._lock:
            consumer.failure = failure
            consumer.subscription.changed.notify_all()

    def acknowledge(self, name: str, ack_ids: Sequence[str]) -> None:
        """Ends leases for good; ids not leased (any more) do nothing. NotFoundError."""
        check_subscription_name(name)
        with self._lock:
            subscription = self._subscription(name)
            # What has ended may let a stream at its flow bound, or the next of a key, go on.
            if subscription.backlog.acknowledge(self._clock(), ack_ids):
                subscription.changed.notify_all()

    def modify_ack_deadline(self, name: str, ack_ids: Sequence[str], seconds: int) -> None:
        """Moves deadlines; 0 returns the messages to the queue. NotFoundError."""
        check_subscription_name(name)
        self.limits.check_extension(seconds)
        with self._lock:
            subscription = self._subscription(name)
            if subscription.backlog.modify(self._clock(), ack_ids, seconds):
                subscription.changed.notify_all()

    def backlog(self, name: str) -> tuple[int, int]:
        """(messages waiting, messages leased) of a subscription; NotFoundError."""
        with self._lock:
            backlog = self._subscription(name).backlog
            backlog.expire(self._clock())
            return backlog.waiting, backlog.leased

    def open(self) -> None:
        """Lets messages be taken again after `close`."""
        with self._lock:
            self._closed = False

    def close(self) -> None:
        """Ends every consumer with UnavailableError; nothing can be taken until `open`."""
        with self._lock:
            self._closed = True
            for subscription in self._subscriptions.values():
                subscription.changed.notify_all()

    def _topic(self, name: str) -> _Topic:
        try:
            return self._topics[name]
        except KeyError:
            raise NotFoundError(f"topic {name} does not exist") from None

    def _subscription(self, name: str) -> _Subscription:
        try:
            return self._subscriptions[name]
        except KeyError:
            raise NotFoundError(f"subscription {name} does not exist") from None

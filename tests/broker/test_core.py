"""Topics, subscriptions and waiting, with threads and without a network."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from pipeline.broker.core import Consumer, Core, SubscriptionConfig, TopicConfig
from pipeline.broker.errors import (
    InvalidArgumentError,
    NotFoundError,
    ResourceExhaustedError,
    UnavailableError,
)
from pipeline.broker.limits import Limits
from pipeline.broker.state import Flow, Message

TOPIC = "projects/some-project/topics/news"
SUBSCRIPTION = "projects/some-project/subscriptions/reader"
TIMEOUT = 20.0


def message(number: int, size: int = 1) -> Message:
    return Message(str(number), "", b"", size)


def core_with_subscription(limits: Limits | None = None) -> Core:
    core = Core(limits)
    core.create_topic(TopicConfig(TOPIC))
    core.create_subscription(SubscriptionConfig(SUBSCRIPTION, TOPIC))
    return core


@pytest.fixture
def core() -> Core:
    return core_with_subscription()


@pytest.fixture
def threads() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as pool:
        yield pool


def sleeping(core: Core, threads: ThreadPoolExecutor, consumer: Consumer) -> Future[object]:
    """A take that waits for ever, once it really waits."""
    waits = threading.Event()
    condition = consumer.subscription.changed
    wait = condition.wait

    def signalling_wait(timeout: float | None = None) -> bool:
        waits.set()
        return wait(timeout)

    condition.wait = signalling_wait  # type: ignore[method-assign]
    future: Future[object] = threads.submit(core.take, consumer, 10, wait=None)
    assert waits.wait(TIMEOUT)
    with condition:  # had only once the sleeper has let go of the lock
        return future


class TestWaiting:
    def test_a_message_wakes_a_sleeper(self, core: Core, threads: ThreadPoolExecutor) -> None:
        future = sleeping(core, threads, core.consumer(SUBSCRIPTION))
        core.publish(TOPIC, [message(1)])
        (delivery,) = future.result(TIMEOUT)  # type: ignore[misc]
        assert delivery.message.message_id == "1"

    def test_a_cancelled_sleeper_takes_nothing(
        self, core: Core, threads: ThreadPoolExecutor
    ) -> None:
        consumer = core.consumer(SUBSCRIPTION)
        future = sleeping(core, threads, consumer)
        core.cancel(consumer)
        assert future.result(TIMEOUT) is None
        core.publish(TOPIC, [message(1)])
        assert core.take(consumer, 10, wait=None) is None
        assert core.backlog(SUBSCRIPTION) == (1, 0)

    def test_a_failed_sleeper_raises(self, core: Core, threads: ThreadPoolExecutor) -> None:
        consumer = core.consumer(SUBSCRIPTION)
        future = sleeping(core, threads, consumer)
        core.fail(consumer, InvalidArgumentError("a bad request on the stream"))
        with pytest.raises(InvalidArgumentError, match="a bad request"):
            future.result(TIMEOUT)

    def test_deleting_the_subscription_ends_sleepers(
        self, core: Core, threads: ThreadPoolExecutor
    ) -> None:
        future = sleeping(core, threads, core.consumer(SUBSCRIPTION))
        core.delete_subscription(SUBSCRIPTION)
        with pytest.raises(NotFoundError, match="was deleted"):
            future.result(TIMEOUT)

    def test_closing_ends_sleepers(self, core: Core, threads: ThreadPoolExecutor) -> None:
        future = sleeping(core, threads, core.consumer(SUBSCRIPTION))
        core.close()
        with pytest.raises(UnavailableError):
            future.result(TIMEOUT)

    def test_an_acknowledgement_wakes_a_stream_at_its_bound(
        self, core: Core, threads: ThreadPoolExecutor
    ) -> None:
        consumer = core.consumer(SUBSCRIPTION, flow=Flow(max_messages=1))
        core.publish(TOPIC, [message(1), message(2)])
        (first,) = core.take(consumer, 10, wait=0) or []
        future = sleeping(core, threads, consumer)
        core.acknowledge(SUBSCRIPTION, [first.ack_id])
        (second,) = future.result(TIMEOUT)  # type: ignore[misc]
        assert second.message.message_id == "2"

    def test_a_nack_wakes_a_sleeper(self, core: Core, threads: ThreadPoolExecutor) -> None:
        core.publish(TOPIC, [message(1)])
        (first,) = core.take(core.consumer(SUBSCRIPTION), 1, wait=0) or []
        future = sleeping(core, threads, core.consumer(SUBSCRIPTION))
        core.modify_ack_deadline(SUBSCRIPTION, [first.ack_id], 0)
        (second,) = future.result(TIMEOUT)  # type: ignore[misc]
        assert second.attempt == 2

    def test_a_deadline_wakes_a_sleeper(self, core: Core, threads: ThreadPoolExecutor) -> None:
        core.publish(TOPIC, [message(1)])
        # Shorter than a client may ask for: the test should not wait ten seconds.
        core.take(core.consumer(SUBSCRIPTION, ack_deadline=1), 1, wait=0)
        future = sleeping(core, threads, core.consumer(SUBSCRIPTION))
        (again,) = future.result(TIMEOUT)  # type: ignore[misc]
        assert again.attempt == 2

    def test_an_empty_take_ends(self, core: Core) -> None:
        assert core.take(core.consumer(SUBSCRIPTION), 1, wait=0) == []
        assert core.take(core.consumer(SUBSCRIPTION), 1, wait=0.01) == []


class TestConcurrency:
    def test_many_publishers_and_consumers_lose_and_double_nothing(
        self, core: Core, threads: ThreadPoolExecutor
    ) -> None:
        total, batch = 4_000, 50
        taken: list[str] = []
        lock = threading.Lock()
        done = threading.Event()
        consumers = [core.consumer(SUBSCRIPTION, flow=Flow(max_messages=70)) for _ in range(4)]

        def publish() -> None:
            for _ in range(total // 4 // batch):
                first, _ = core.reserve_message_ids(batch)
                core.publish(TOPIC, [message(first + i) for i in range(batch)])

        def consume(consumer: Consumer) -> None:
            while deliveries := core.take(consumer, 30, wait=None):
                ack_ids = [delivery.ack_id for delivery in deliveries]
                with lock:
                    taken.extend(d.message.message_id for d in deliveries if d.attempt == 1)
                    if len(taken) >= total:
                        done.set()
                core.modify_ack_deadline(SUBSCRIPTION, ack_ids[::10], 0)
                core.acknowledge(SUBSCRIPTION, ack_ids)

        futures = [threads.submit(consume, consumer) for consumer in consumers]
        publishers = [threads.submit(publish) for _ in range(4)]
        for publisher in publishers:
            publisher.result(TIMEOUT)
        assert done.wait(TIMEOUT)
        for consumer in consumers:
            core.cancel(consumer)
        for future in futures:
            future.result(TIMEOUT)
        assert len(taken) == len(set(taken)) == total


class TestBounds:
    def test_a_full_backlog_refuses_and_keeps_what_it_has(self) -> None:
        core = core_with_subscription(Limits(backlog_bytes=100))
        other = "projects/some-project/subscriptions/other"
        core.publish(TOPIC, [message(1, size=60)])
        core.create_subscription(SubscriptionConfig(other, TOPIC))
        with pytest.raises(ResourceExhaustedError, match="holds 60 unacknowledged bytes"):
            core.publish(TOPIC, [message(2, size=41)])
        assert core.backlog(other) == (0, 0), "all subscriptions or none"
        (delivery,) = core.take(core.consumer(SUBSCRIPTION), 1, wait=0) or []
        core.acknowledge(SUBSCRIPTION, [delivery.ack_id])
        core.publish(TOPIC, [message(2, size=41)])
        assert core.backlog(SUBSCRIPTION) == (1, 0)

    def test_topics_and_subscriptions_are_bounded(self) -> None:
        core = core_with_subscription(Limits(topics=1, subscriptions=1))
        with pytest.raises(ResourceExhaustedError):
            core.create_topic(TopicConfig(TOPIC + "2"))
        with pytest.raises(ResourceExhaustedError):
            core.create_subscription(SubscriptionConfig(SUBSCRIPTION + "2", TOPIC))

    def test_messages_in_one_response(self) -> None:
        core = core_with_subscription(Limits(pull_messages=3))
        core.publish(TOPIC, [message(i) for i in range(10)])
        assert len(core.take(core.consumer(SUBSCRIPTION), 1_000_000, wait=0) or []) == 3


class TestMessageIds:
    def test_they_grow_when_the_clock_does_not(self) -> None:
        core = Core(wall_clock=lambda: 5_000_000)
        assert core.reserve_message_ids(3) == (5_000, 5_000_000)
        assert core.reserve_message_ids(2)[0] == 5_003
        assert core.reserve_message_ids(1)[0] == 5_005

    def test_a_later_broker_gives_larger_ones(self) -> None:
        first, _ = Core(wall_clock=lambda: 10**18).reserve_message_ids(1_000)
        later, _ = Core(wall_clock=lambda: 10**18 + 10**9).reserve_message_ids(1)
        assert later > first + 1_000

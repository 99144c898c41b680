"""The source against the embedded broker, through the official client."""

from __future__ import annotations

import pickle
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from apache_beam.utils.timestamp import MAX_TIMESTAMP, MIN_TIMESTAMP, Timestamp
from google.api_core import exceptions
from google.api_core.retry import Retry, if_exception_type
from google.cloud import pubsub_v1
from google.pubsub_v1.services.publisher import PublisherClient

from pipeline.broker import Broker
from pipeline.broker.core import SubscriptionConfig, TopicConfig
from pipeline.leases import LeaseLedger, close_leases, leases_of
from pipeline.records import Message
from pipeline.sources.pubsub import Mark, MarkCoder, PubSubReader, PubSubSource
from pipeline.sources.puller import Limits, Puller, SourceError
from tests.waiting import eventually

# A channel whose broker has just come back says so until it has tried to connect once more.
UNTIL_CONNECTED = Retry(if_exception_type(exceptions.ServiceUnavailable), timeout=30.0)


@dataclass
class Queue:
    """A subscription of its own on the broker, and readers of it."""

    broker: Broker
    publisher: PublisherClient
    topic: str
    subscription: str
    readers: list[PubSubReader] = field(default_factory=list)

    def publish(self, count: int, data: bytes = b"data", **fields: object) -> list[str]:
        ids: list[str] = []
        for start in range(0, count, 1_000):
            messages = [{"data": data, **fields}] * min(1_000, count - start)
            reply = self.publisher.publish(
                request={"topic": self.topic, "messages": messages}, retry=UNTIL_CONNECTED
            )
            ids += reply.message_ids
        return ids

    def source(self, **limits: object) -> PubSubSource:
        return PubSubSource(self.subscription, Limits(**limits))  # type: ignore[arg-type]

    def reader(self, source: PubSubSource | None = None, **limits: object) -> PubSubReader:
        reader = (source or self.source(**limits)).create_reader(None, None)
        self.readers.append(reader)
        return reader

    @property
    def leases(self) -> LeaseLedger:
        return leases_of(self.subscription)

    @property
    def backlog(self) -> tuple[int, int]:
        """(messages waiting, messages leased)"""
        return self.broker.backlog(self.subscription)


@pytest.fixture(scope="module")
def broker() -> Iterator[Broker]:
    with pytest.MonkeyPatch.context() as patch, Broker() as broker:
        patch.setenv("PUBSUB_EMULATOR_HOST", broker.address)
        yield broker


def new_queue(broker: Broker) -> Queue:
    name = f"t{uuid.uuid4().hex}"
    publisher = PublisherClient(
        transport=pubsub_v1.PublisherClient().transport  # type: ignore[no-untyped-call]
    )
    topic, subscription = f"projects/p-test/topics/{name}", f"projects/p-test/subscriptions/{name}"
    publisher.create_topic(request={"name": topic})
    with pubsub_v1.SubscriberClient() as subscriber:
        subscriber.create_subscription(request={"name": subscription, "topic": topic})
    return Queue(broker, publisher, topic, subscription)


@pytest.fixture
def queue(broker: Broker) -> Iterator[Queue]:
    queue = new_queue(broker)
    yield queue
    for reader in queue.readers:
        reader.close()
    close_leases(queue.subscription)


def read(reader: PubSubReader, count: int) -> list[Message]:
    """`count` messages, as soon as they are there."""
    messages: list[Message] = []

    def step() -> bool:
        reader.wait(0.05)
        while len(messages) < count and reader.advance():
            messages.append(reader.get_current())
        return len(messages) >= count

    eventually(step)
    return messages


def read_to_the_end(reader: PubSubReader) -> list[Message]:
    messages: list[Message] = []

    def step() -> bool:
        reader.wait(0.05)
        while reader.advance():
            messages.append(reader.get_current())
        return reader.get_watermark() == MAX_TIMESTAMP

    eventually(step)
    return messages


def fails(reader: PubSubReader) -> Callable[[], bool]:
    def step() -> bool:
        reader.wait(0.05)
        return reader.advance() and False

    return step


class TestReading:
    def test_metadata_reaches_the_message(self, queue: Queue) -> None:
        (message_id,) = queue.publish(
            1, b"\x00\xff", attributes={"url": "https://example.org"}, ordering_key="key"
        )
        (message,) = read(reader := queue.reader(), 1)
        assert message.data == b"\x00\xff"
        assert message.message_id == message_id
        assert message.attributes == {"url": "https://example.org"}
        assert message.ordering_key == "key"
        assert message.publish_time is not None
        assert message.publish_time.utcoffset() is not None
        assert reader.get_current_timestamp() == Timestamp.from_utc_datetime(message.publish_time)

    def test_a_backlog_comes_whole_and_once(self, queue: Queue) -> None:
        ids = queue.publish(2_500)
        messages = read(queue.reader(), 2_500)
        assert sorted(m.message_id for m in messages) == sorted(ids)
        assert queue.leases.unsettled == 2_500

    def test_settled_messages_leave_the_subscription(self, queue: Queue) -> None:
        queue.publish(10)
        messages = read(queue.reader(), 10)
        queue.leases.settle(message.key for message in messages[:4])
        eventually(lambda: queue.backlog == (0, 6))

    def test_data_wakes_who_waits(self, queue: Queue) -> None:
        reader = queue.reader()
        assert not reader.start()
        queue.publish(1)
        reader.wait(60)
        assert reader.advance()


class TestEnding:
    def test_after_exactly_so_many_though_more_wait(self, queue: Queue) -> None:
        queue.publish(50)
        reader = queue.reader(max_messages=7, pull_messages=5)
        assert len(read_to_the_end(reader)) == 7
        assert queue.backlog == (43, 7)

    def test_when_nothing_comes(self, queue: Queue) -> None:
        queue.publish(20)
        reader = queue.reader(idle_timeout=0.5)
        # The first pull may take its time; only who reads asks whether all is over.
        eventually(lambda: queue.leases.unsettled == 20)
        assert len(read_to_the_end(reader)) == 20

    def test_not_while_it_was_held_back(self, queue: Queue) -> None:
        """A pipeline slower than the idle time-out, and more to pull than is pulled ahead."""
        queue.publish(20)
        reader = queue.reader(idle_timeout=1.0, pull_messages=5)
        eventually(lambda: queue.leases.unsettled == 5)
        time.sleep(1.5)
        assert len(read_to_the_end(reader)) == 20

    def test_when_drained_it_gives_back_what_it_had_not_handed_on(self, queue: Queue) -> None:
        queue.publish(100)
        source = queue.source()
        reader = queue.reader(source)
        read(reader, 3)
        eventually(lambda: queue.leases.unsettled == 100)
        source.drain.set()
        assert not reader.advance()
        assert reader.get_watermark() == MAX_TIMESTAMP
        eventually(lambda: queue.backlog == (97, 3))
        assert queue.leases.unsettled == 3

    def test_a_pull_under_way_is_cancelled_and_leaves_nothing_behind(self, queue: Queue) -> None:
        source = queue.source()
        reader = queue.reader(source)
        eventually(lambda: reader._puller._pull is not None)
        source.drain.set()
        assert not reader.advance()
        reader.close()
        assert not reader._puller._thread.is_alive()
        queue.publish(5)
        assert queue.backlog == (5, 0)

    def test_closing_gives_back_too(self, queue: Queue) -> None:
        queue.publish(100)
        reader = queue.reader()
        read(reader, 3)
        eventually(lambda: queue.leases.unsettled == 100)
        reader.close()
        eventually(lambda: queue.backlog == (97, 3))


class TestBackPressure:
    def test_no_more_messages_are_unsettled_than_allowed(self, queue: Queue) -> None:
        queue.publish(200)
        reader = queue.reader(max_unsettled_messages=16, pull_messages=10)
        seen = 0
        while seen < 200:
            messages = read(reader, min(16, 200 - seen))
            assert queue.leases.unsettled == len(messages)
            if seen == 0:
                reader.wait(0.5)
                assert not reader.advance()
            queue.leases.settle(message.key for message in messages)
            seen += len(messages)

    def test_nor_bytes_beyond_one_pull(self, queue: Queue) -> None:
        queue.publish(40, b"x" * 1_000)
        reader = queue.reader(max_unsettled_bytes=5_000, pull_messages=2)
        read(reader, 4)
        eventually(lambda: queue.leases.unsettled_bytes >= 5_000)
        assert not queue.leases.wait_for_room(1_000, 5_000, timeout=0.5)
        assert queue.leases.unsettled_bytes < 5_000 + 2 * 1_100

    def test_nothing_is_hoarded_that_another_process_could_work_on(self, queue: Queue) -> None:
        queue.publish(100)
        reader = queue.reader(pull_messages=10)
        read(reader, 1)
        eventually(lambda: queue.leases.unsettled > 10)
        reader.wait(0.5)
        assert queue.leases.unsettled <= 1 + 2 * 10

    def test_attributes_count(self, queue: Queue) -> None:
        queue.publish(1, b"", attributes={f"{n}": "x" * 1_000 for n in range(50)})
        read(queue.reader(), 1)
        assert queue.leases.unsettled_bytes > 50_000


class TestTrouble:
    def test_a_subscription_that_is_gone(self, queue: Queue) -> None:
        reader = queue.reader()
        with pubsub_v1.SubscriberClient() as subscriber:
            subscriber.delete_subscription(subscription=queue.subscription)
        with pytest.raises(SourceError, match=queue.subscription.rsplit("/", 1)[1]):
            eventually(fails(reader))

    def test_a_broker_that_restarts_is_read_again(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", f"127.0.0.1:{port}")
        started: list[Broker] = []
        with Broker(port=port) as first:
            queue = new_queue(first)
            reader = queue.reader()
            queue.publish(1)
            read(reader, 1)

        def start_again() -> list[Broker]:
            second = Broker(port=port)
            # In memory, and to be there before the reader is: a subscription that is not ends it.
            second._core.create_topic(TopicConfig(queue.topic))
            second._core.create_subscription(SubscriptionConfig(queue.subscription, queue.topic))
            # The port may be taken for a moment, by a connection that is ending.
            with suppress(OSError):
                started.append(second.start())
            return started

        try:
            assert not reader.advance()
            eventually(start_again)
            queue.publish(3)
            assert len(read(reader, 3)) == 3
        finally:
            # Whatever happened: a thread left behind would go on complaining in other tests.
            reader.close()
            close_leases(queue.subscription)
            for broker in started:
                broker.stop()

    def test_a_broker_that_stays_away_ends_an_idle_run_with_an_error(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with Broker() as broker:
            monkeypatch.setenv("PUBSUB_EMULATOR_HOST", broker.address)
            queue = new_queue(broker)
            source = queue.source(idle_timeout=2.0)
            reader = queue.reader(source)
        eventually(lambda: reader._puller._unreachable)
        with pytest.raises(SourceError, match="could not be reached"):
            eventually(fails(reader))
        reader.close()
        close_leases(queue.subscription)


class TestWatermark:
    def test_never_passes_an_unsettled_message_and_ends_at_the_end(
        self, queue: Queue, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        queue.publish(30)
        source = queue.source()
        asked, pull = threading.Event(), Puller._pull_messages

        def pull_once_asked(puller: Puller, wanted: int) -> list[object]:
            asked.wait()
            return pull(puller, wanted)

        monkeypatch.setattr(Puller, "_pull_messages", pull_once_asked)
        reader = queue.reader(source)
        assert reader.get_watermark() == MIN_TIMESTAMP
        asked.set()
        unsettled = {m.key: m for m in read(reader, 30)}
        while unsettled:
            oldest = min(m.publish_time for m in unsettled.values() if m.publish_time is not None)
            assert reader.get_watermark() <= Timestamp.from_utc_datetime(oldest)
            key = next(iter(unsettled))
            queue.leases.settle([key])
            del unsettled[key]
        last = reader.get_watermark()
        # A pull that found nothing says how far the queue has been read.
        queue.publish(1)
        read(reader, 1)
        assert last <= reader.get_watermark() < MAX_TIMESTAMP
        source.drain.set()
        reader.advance()
        assert reader.get_watermark() == MAX_TIMESTAMP


class TestCheckpoints:
    def test_a_mark_settles_what_was_read_since_the_last(self, queue: Queue) -> None:
        queue.publish(10)
        reader = queue.reader()
        read(reader, 6)
        mark = reader.get_checkpoint_mark()
        read(reader, 4)
        mark.finalize_checkpoint()
        eventually(lambda: queue.backlog == (0, 4))
        assert len(reader.get_checkpoint_mark().keys) == 4
        assert reader.get_checkpoint_mark().keys == ()

    def test_marks_survive_their_coder(self) -> None:
        mark = Mark("projects/p/subscriptions/s", ("a@1", 'b"\n'))
        coder = MarkCoder()
        again = coder.decode(coder.encode(mark))
        assert (again.subscription, again.keys) == (mark.subscription, mark.keys)
        assert coder.is_deterministic()

    def test_the_source_travels_without_its_drain_event(self) -> None:
        source = PubSubSource("projects/p/subscriptions/s", Limits(max_messages=3))
        source.drain.set()
        again = pickle.loads(pickle.dumps(source))  # noqa: S301 - our own
        assert (again.subscription, again.limits) == (source.subscription, source.limits)
        assert not again.drain.is_set()

    def test_it_is_not_split(self) -> None:
        source = PubSubSource("projects/p/subscriptions/s")
        assert list(source.split(20)) == [source]
        assert not source.is_bounded()

"""Publish, pull, acknowledge, deadlines and ordering, by unary calls."""

from __future__ import annotations

import datetime
import time

import grpc
import pytest
from google.api_core.exceptions import InvalidArgument
from google.pubsub_v1 import SubscriberClient, types
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from tests.conformance.conftest import Clients

# Clocks of the broker and of this process are one machine's; the emulator checks its deadlines on a
# period of its own.
CLOCK_SLACK = 1.0


def bodies(received: list[types.ReceivedMessage]) -> list[bytes]:
    return [message.message.data for message in received]


class TestPublish:
    def test_what_was_published_comes_back_whole(self, broker: Clients) -> None:
        topic = broker.topic()
        subscription = broker.subscription(topic)
        before = datetime.datetime.now(datetime.timezone.utc)
        attributes = {"url": "https://example.org/ä?q=1", "empty": ""}
        data = bytes(range(256)) * 40
        (message_id,) = broker.publish(
            topic,
            {
                "data": data,
                "attributes": attributes,
                "ordering_key": "Köln",
                "message_id": "a client's own is not taken",
            },
        )
        after = datetime.datetime.now(datetime.timezone.utc)
        (received,) = broker.pull_exactly(subscription, 1)
        message = received.message
        assert message.data == data
        assert dict(message.attributes) == attributes
        assert message.ordering_key == "Köln"
        assert message.message_id == message_id
        slack = datetime.timedelta(seconds=CLOCK_SLACK)
        assert before - slack <= message.publish_time <= after + slack
        # Pub/Sub counts attempts only where a dead-letter policy is set.
        assert received.delivery_attempt == 0

    def test_ids_are_unique_and_grow(self, broker: Clients) -> None:
        topic, other = broker.topic(), broker.topic()
        ids: list[int] = []
        for target in (topic, other, topic):
            ids += map(int, broker.publish(target, *({"data": b"x"} for _ in range(50))))
        assert ids == sorted(set(ids))

    def test_through_the_clients_own_batching(self, broker: Clients) -> None:
        topic = broker.topic()
        subscription = broker.subscription(topic)
        futures = [broker.publisher.publish(topic, b"%d" % i, n=str(i)) for i in range(300)]
        ids = {future.result(timeout=30) for future in futures}
        received = broker.pull_exactly(subscription, 300)
        assert {message.message.message_id for message in received} == ids
        assert all(m.message.data.decode() == m.message.attributes["n"] for m in received)

    def test_every_subscription_gets_what_came_after_it(self, broker: Clients) -> None:
        topic = broker.topic()
        early = broker.subscription(topic)
        broker.publish(topic, {"data": b"one"})
        late = broker.subscription(topic)
        broker.publish(topic, {"data": b"two"})
        assert sorted(bodies(broker.pull_exactly(early, 2))) == [b"one", b"two"]
        assert bodies(broker.pull_exactly(late, 1)) == [b"two"]
        assert broker.pull_now(late) == []

    def test_attributes_alone_are_a_message(self, broker: Clients) -> None:
        topic = broker.topic()
        subscription = broker.subscription(topic)
        broker.publish(topic, {"attributes": {"only": "this"}})
        (received,) = broker.pull_exactly(subscription, 1)
        assert received.message.data == b""
        assert dict(received.message.attributes) == {"only": "this"}

    def test_nothing_of_a_bad_request_is_published(self, broker: Clients) -> None:
        topic = broker.topic()
        subscription = broker.subscription(topic)
        for messages in (
            [],
            [{"data": b""}],
            [{"ordering_key": "k"}],
            [{"data": b"good"}, {"data": b""}],
            [{"data": b"x"}] * 1_001,
        ):
            with pytest.raises(InvalidArgument):
                broker.publish(topic, *messages)
        assert broker.pull_now(subscription) == []
        assert len(broker.publish(topic, *([{"data": b"x"}] * 1_000))) == 1_000

    def test_a_message_just_under_the_limit_passes(self, broker: Clients) -> None:
        topic = broker.topic()
        subscription = broker.subscription(topic)
        data = b"x" * 9_990_000
        broker.publish(topic, {"data": data})
        broker.publish(topic, {"data": data})
        # With PUBSUB_EMULATOR_HOST the official client takes responses of 4 MiB at most; a larger
        # message needs a channel of one's own.
        channel = grpc.insecure_channel(
            broker.address, options=[("grpc.max_receive_message_length", 32_000_000)]
        )
        with SubscriberClient(transport=SubscriberGrpcTransport(channel=channel)) as large:
            received: list[types.ReceivedMessage] = []
            while len(received) < 2:
                batch = large.pull(subscription=subscription, max_messages=2, timeout=20)
                assert batch.received_messages
                received += batch.received_messages
        assert [m.message.data == data for m in received] == [True, True]


class TestPull:
    def test_gives_no_more_than_asked_for(self, broker: Clients) -> None:
        topic = broker.topic()
        subscription = broker.subscription(topic)
        broker.publish(topic, *({"data": b"%d" % i} for i in range(10)))
        first = broker.pull(subscription, 3)
        assert 1 <= len(first) <= 3
        rest = broker.pull_exactly(subscription, 10 - len(first))
        assert sorted(bodies(first + rest)) == sorted(b"%d" % i for i in range(10))
        assert len({message.ack_id for message in first + rest}) == 10

    def test_asking_for_none_is_refused(self, broker: Clients) -> None:
        with pytest.raises(InvalidArgument):
            broker.subscriber.pull(
                request={"subscription": broker.subscription(broker.topic()), "max_messages": 0}
            )

    def test_an_empty_one_answers_before_its_client_gives_up(self, broker: Clients) -> None:
        subscription = broker.subscription(broker.topic())
        request = {"subscription": subscription, "max_messages": 1}
        reply = broker.subscriber.pull(request=request, timeout=3, retry=None)
        assert list(reply.received_messages) == []


class TestAcknowledge:
    def test_acknowledged_ones_never_come_back_and_nacked_ones_do_at_once(
        self, broker: Clients
    ) -> None:
        topic = broker.topic()
        subscription = broker.subscription(topic, ack_deadline_seconds=600)
        broker.publish(topic, *({"data": b"%d" % i} for i in range(6)))
        received = broker.pull_exactly(subscription, 6)
        broker.acknowledge(subscription, received[:3])
        broker.nack(subscription, received[3:])
        again = broker.pull_exactly(subscription, 3)
        assert sorted(bodies(again)) == sorted(bodies(received[3:]))
        assert [m.delivery_attempt for m in again] == [0, 0, 0]
        assert not {m.ack_id for m in again} & {m.ack_id for m in received}
        assert {m.message.message_id for m in again} == {m.message.message_id for m in received[3:]}
        broker.acknowledge(subscription, again)
        assert broker.pull_now(subscription) == []

    def test_an_ack_id_that_is_over_is_no_error(self, broker: Clients) -> None:
        topic = broker.topic()
        subscription = broker.subscription(topic)
        broker.publish(topic, {"data": b"x"})
        first = broker.pull_exactly(subscription, 1)
        broker.acknowledge(subscription, first)
        broker.acknowledge(subscription, first)
        broker.nack(subscription, first)
        assert broker.pull_now(subscription) == []

    def test_a_request_without_or_with_impossible_ack_ids(self, broker: Clients) -> None:
        subscription = broker.subscription(broker.topic())
        for ack_ids in ([], [""], ["nonsense"]):
            with pytest.raises(InvalidArgument):
                broker.subscriber.acknowledge(subscription=subscription, ack_ids=ack_ids)
            with pytest.raises(InvalidArgument):
                broker.subscriber.modify_ack_deadline(
                    subscription=subscription, ack_ids=ack_ids, ack_deadline_seconds=10
                )

    def test_a_negative_extension_is_refused(self, broker: Clients) -> None:
        topic = broker.topic()
        subscription = broker.subscription(topic)
        broker.publish(topic, {"data": b"x"})
        received = broker.pull_exactly(subscription, 1)
        with pytest.raises(InvalidArgument):
            broker.extend(subscription, received, -1)

    def test_deadlines(self, broker: Clients) -> None:
        """Everything that needs a deadline to pass, in one wait."""
        topic = broker.topic()
        forgotten = broker.subscription(topic)
        extended = broker.subscription(topic)
        shortened = broker.subscription(topic, ack_deadline_seconds=600)
        acknowledged = broker.subscription(topic)
        (message_id,) = broker.publish(topic, {"data": b"x", "attributes": {"a": "b"}})
        start = time.monotonic()
        first = {
            name: broker.pull_exactly(name, 1)
            for name in (forgotten, extended, shortened, acknowledged)
        }
        broker.extend(extended, first[extended], 600)
        broker.extend(shortened, first[shortened], 10)
        broker.acknowledge(acknowledged, first[acknowledged])
        assert all(broker.pull_now(name) == [] for name in first)

        def wait_for(name: str) -> types.ReceivedMessage:
            while time.monotonic() < start + 40:
                for received in broker.pull(name):
                    return received
            raise AssertionError("the message did not come back")

        again = wait_for(forgotten)
        assert time.monotonic() - start >= 10 - CLOCK_SLACK
        assert again.message == first[forgotten][0].message
        assert again.message.message_id == message_id
        assert again.ack_id != first[forgotten][0].ack_id
        assert again.delivery_attempt == 0
        assert wait_for(shortened).message.message_id == message_id
        assert broker.pull_now(extended) == []
        assert broker.pull_now(acknowledged) == []
        broker.acknowledge(extended, first[extended])


class TestOrdering:
    def test_a_key_is_delivered_in_order_and_one_batch_at_a_time(self, broker: Clients) -> None:
        topic = broker.topic()
        subscription = broker.subscription(
            topic, enable_message_ordering=True, ack_deadline_seconds=600
        )
        broker.publish(topic, *({"data": b"%d" % i, "ordering_key": "k"} for i in range(20)))
        seen: list[bytes] = []
        while len(seen) < 20:
            batch = broker.pull(subscription, 7)
            assert batch
            assert broker.pull_now(subscription) == [], "more of a key that is not acknowledged"
            seen += bodies(batch)
            broker.acknowledge(subscription, batch)
        assert seen == [b"%d" % i for i in range(20)]

    def test_keys_do_not_hold_each_other_back(self, broker: Clients) -> None:
        topic = broker.topic()
        subscription = broker.subscription(
            topic, enable_message_ordering=True, ack_deadline_seconds=600
        )
        broker.publish(topic, *({"data": b"a%d" % i, "ordering_key": "a"} for i in range(2)))
        held = broker.pull_exactly(subscription, 2)
        broker.publish(
            topic,
            *({"data": b"b%d" % i, "ordering_key": "b"} for i in range(2)),
            {"data": b"no key"},
            {"data": b"a2", "ordering_key": "a"},
        )
        others = broker.pull_exactly(subscription, 3)
        assert sorted(bodies(others)) == [b"b0", b"b1", b"no key"]
        assert broker.pull_now(subscription) == []
        broker.acknowledge(subscription, held)
        assert bodies(broker.pull_exactly(subscription, 1)) == [b"a2"]

    def test_a_batch_that_is_nacked_comes_again_in_order(self, broker: Clients) -> None:
        topic = broker.topic()
        subscription = broker.subscription(
            topic, enable_message_ordering=True, ack_deadline_seconds=600
        )
        broker.publish(topic, *({"data": b"%d" % i, "ordering_key": "k"} for i in range(5)))
        received = broker.pull_exactly(subscription, 5)
        broker.acknowledge(subscription, received[:2])
        broker.nack(subscription, received[2:])
        assert bodies(broker.pull_exactly(subscription, 3)) == [b"2", b"3", b"4"]

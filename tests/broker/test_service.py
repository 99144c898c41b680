"""What the embedded broker alone does: stricter than Google's emulator, or not in it at all."""

from __future__ import annotations

import itertools
import queue
from collections.abc import Iterator

import grpc
import pytest
from google.api_core.exceptions import (
    InvalidArgument,
    MethodNotImplemented,
    NotFound,
    ResourceExhausted,
    ServiceUnavailable,
)
from google.pubsub_v1 import PublisherClient, SubscriberClient, types
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from pipeline.broker import Broker, Limits

PROJECT = "projects/service-project"
TIMEOUT = 20.0
_numbers = itertools.count()


class Harness:
    """A broker and the generated clients on a channel without limits of its own."""

    def __init__(self, limits: Limits | None = None) -> None:
        self.broker = Broker(limits=limits).start()
        self.channel = grpc.insecure_channel(
            self.broker.address, options=[("grpc.max_receive_message_length", -1)]
        )
        self.publisher = PublisherClient(transport=PublisherGrpcTransport(channel=self.channel))
        self.subscriber = SubscriberClient(transport=SubscriberGrpcTransport(channel=self.channel))

    def close(self) -> None:
        self.channel.close()
        self.broker.stop(grace=0)

    def topic(self) -> str:
        name = f"{PROJECT}/topics/topic-{next(_numbers)}"
        self.publisher.create_topic(name=name)
        return name

    def subscription(self, topic: str, **fields: object) -> str:
        name = f"{PROJECT}/subscriptions/subscription-{next(_numbers)}"
        self.subscriber.create_subscription(request={"name": name, "topic": topic, **fields})
        return name

    def publish(self, topic: str, *messages: dict[str, object]) -> list[str]:
        request = {"topic": topic, "messages": list(messages)}
        return list(self.publisher.publish(request=request, retry=None).message_ids)

    def pull(self, subscription: str, count: int = 1_000) -> list[types.ReceivedMessage]:
        request = {"subscription": subscription, "max_messages": count}
        return list(self.subscriber.pull(request=request, timeout=TIMEOUT).received_messages)

    def stream(self, first: types.StreamingPullRequest) -> Stream:
        return Stream(self, first)


class Stream:
    """A StreamingPull whose requests are sent one by one."""

    def __init__(self, harness: Harness, first: types.StreamingPullRequest) -> None:
        self._requests: queue.Queue[types.StreamingPullRequest | None] = queue.Queue()
        self.send(first)
        self.responses = harness.subscriber.streaming_pull(
            requests=self._iterate(), timeout=TIMEOUT, retry=None
        )

    def _iterate(self) -> Iterator[types.StreamingPullRequest]:
        while (request := self._requests.get()) is not None:
            yield request

    def send(self, request: types.StreamingPullRequest | None) -> None:
        """Sends a request; None half-closes."""
        self._requests.put(request)

    def take(self) -> list[types.ReceivedMessage]:
        return list(next(self.responses).received_messages)


def opening(subscription: str, **fields: object) -> types.StreamingPullRequest:
    return types.StreamingPullRequest(
        subscription=subscription, stream_ack_deadline_seconds=60, **fields
    )


@pytest.fixture(scope="module")
def harness() -> Iterator[Harness]:
    harness = Harness()
    yield harness
    harness.close()


class TestNotThere:
    """What the broker does not do is refused by its name."""

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("push_config", {"push_endpoint": "https://example.org/"}),
            ("bigquery_config", {"table": "p.d.t"}),
            ("cloud_storage_config", {"bucket": "b"}),
            ("filter", 'attributes.x = "1"'),
            ("dead_letter_policy", {"dead_letter_topic": f"{PROJECT}/topics/dead"}),
            ("retry_policy", {}),
            ("enable_exactly_once_delivery", True),
            ("retain_acked_messages", True),
            ("message_retention_duration", {"seconds": 600}),
            ("expiration_policy", {"ttl": {"seconds": 86_400}}),
        ],
    )
    def test_fields_of_a_subscription(self, harness: Harness, field: str, value: object) -> None:
        with pytest.raises(MethodNotImplemented, match=rf"Subscription\.{field}"):
            harness.subscription(harness.topic(), **{field: value})

    def test_fields_of_a_topic(self, harness: Harness) -> None:
        request = {"name": f"{PROJECT}/topics/abc", "kms_key_name": "k"}
        with pytest.raises(MethodNotImplemented, match=r"Topic\.kms_key_name"):
            harness.publisher.create_topic(request=request)

    def test_what_says_nothing_is_taken(self, harness: Harness) -> None:
        harness.subscription(
            harness.topic(),
            push_config={},
            expiration_policy={},
            message_retention_duration={"seconds": 604_800},
        )

    def test_methods(self, harness: Harness) -> None:
        topic = harness.topic()
        name = harness.subscription(topic)
        snapshot = f"{PROJECT}/snapshots/abc"
        calls = {
            "Publisher/UpdateTopic": lambda: harness.publisher.update_topic(
                topic={"name": topic}, update_mask={"paths": ["labels"]}
            ),
            "Publisher/ListTopicSnapshots": lambda: harness.publisher.list_topic_snapshots(
                topic=topic
            ),
            "Publisher/DetachSubscription": lambda: harness.publisher.detach_subscription(
                request={"subscription": name}
            ),
            "Subscriber/UpdateSubscription": lambda: harness.subscriber.update_subscription(
                subscription={"name": name}, update_mask={"paths": ["labels"]}
            ),
            "Subscriber/ModifyPushConfig": lambda: harness.subscriber.modify_push_config(
                subscription=name, push_config={}
            ),
            "Subscriber/CreateSnapshot": lambda: harness.subscriber.create_snapshot(
                name=snapshot, subscription=name
            ),
            "Subscriber/Seek": lambda: harness.subscriber.seek(
                request={"subscription": name, "snapshot": snapshot}
            ),
            "IAMPolicy/GetIamPolicy": lambda: harness.publisher.get_iam_policy(
                request={"resource": topic}
            ),
        }
        for method, call in calls.items():
            with pytest.raises(MethodNotImplemented, match=method):
                call()


class TestLimits:
    @pytest.mark.parametrize(
        ("message", "complaint"),
        [
            ({"attributes": {str(i): "x" for i in range(101)}}, "101 attributes"),
            ({"attributes": {"ü" * 129: "x"}}, "longer than 256 bytes"),
            ({"attributes": {"k": "ü" * 513}}, "longer than 1024 bytes"),
            ({"attributes": {"": "x"}}, "empty key"),
            ({"data": b"x", "ordering_key": "k" * 1025}, "ordering key"),
            ({"data": b"x" * 10_000_000}, "at most 10000000"),
        ],
    )
    def test_of_a_message(
        self, harness: Harness, message: dict[str, object], complaint: str
    ) -> None:
        topic = harness.topic()
        subscription = harness.subscription(topic)
        with pytest.raises(InvalidArgument, match=complaint):
            harness.publish(topic, {"data": b"a good one"}, message)
        assert harness.broker.backlog(subscription) == (0, 0)

    def test_the_largest_of_everything_passes(self, harness: Harness) -> None:
        topic = harness.topic()
        attributes = {f"{i:03}" + "k" * 253: "v" * 1024 for i in range(100)}
        harness.publish(
            topic, {"data": b"x" * 9_000_000, "attributes": attributes, "ordering_key": "k" * 1024}
        )

    def test_a_request_far_over_the_limit(self, harness: Harness) -> None:
        topic = harness.topic()
        with pytest.raises(ResourceExhausted):
            harness.publish(topic, {"data": b"x" * 25_000_000})

    @pytest.mark.parametrize("seconds", [5, 9])
    def test_of_a_subscriptions_deadline(self, harness: Harness, seconds: int) -> None:
        with pytest.raises(InvalidArgument, match="from 10 to 600"):
            harness.subscription(harness.topic(), ack_deadline_seconds=seconds)

    def test_of_an_extension(self, harness: Harness) -> None:
        topic = harness.topic()
        subscription = harness.subscription(topic)
        harness.publish(topic, {"data": b"x"})
        (received,) = harness.pull(subscription)
        with pytest.raises(InvalidArgument, match="from 0 to 600"):
            harness.subscriber.modify_ack_deadline(
                subscription=subscription, ack_ids=[received.ack_id], ack_deadline_seconds=601
            )

    def test_responses_fit_the_official_clients_channel(self, harness: Harness) -> None:
        topic = harness.topic()
        subscription = harness.subscription(topic, ack_deadline_seconds=600)
        for _ in range(4):
            harness.publish(topic, *([{"data": b"x" * 100_000}] * 20))
        channel = grpc.insecure_channel(harness.broker.address)
        with SubscriberClient(transport=SubscriberGrpcTransport(channel=channel)) as usual:
            count = 0
            while count < 80:
                reply = usual.pull(subscription=subscription, max_messages=1_000)
                assert len(reply.received_messages) > 1
                count += len(reply.received_messages)
        assert harness.broker.backlog(subscription) == (0, 80)

    def test_calls_at_a_time(self) -> None:
        harness = Harness(Limits(concurrent_calls=4))
        try:
            topic = harness.topic()
            subscription = harness.subscription(topic)
            harness.publish(topic, *([{"data": b"x"}] * 5))
            # A call that has answered may count a moment longer, so the fourth may be refused.
            accepted, refused = self._open_until_refused(harness, subscription)
            assert len(accepted) in (3, 4)
            assert isinstance(refused, ResourceExhausted)
            for stream in accepted:
                stream.send(None)
        finally:
            harness.close()

    @staticmethod
    def _open_until_refused(
        harness: Harness, subscription: str
    ) -> tuple[list[Stream], Exception | None]:
        accepted: list[Stream] = []
        for _ in range(5):
            stream = harness.stream(opening(subscription, max_outstanding_messages=1))
            try:
                stream.take()
            except ResourceExhausted as refused:
                stream.send(None)
                return accepted, refused
            accepted.append(stream)
        return accepted, None


class TestLists:
    @pytest.mark.parametrize("bad", ["", "some-project", "projects/", "projects/a/b"])
    def test_a_bad_project(self, harness: Harness, bad: str) -> None:
        with pytest.raises(InvalidArgument):
            harness.publisher.list_topics(project=bad)
        with pytest.raises(InvalidArgument):
            harness.subscriber.list_subscriptions(project=bad)

    def test_a_topic_that_is_not_there(self, harness: Harness) -> None:
        with pytest.raises(NotFound):
            harness.publisher.list_topic_subscriptions(topic=f"{PROJECT}/topics/nobody")

    def test_a_negative_page(self, harness: Harness) -> None:
        with pytest.raises(InvalidArgument):
            harness.publisher.list_topics(request={"project": PROJECT, "page_size": -1})


class TestOrdering:
    def test_a_nacked_message_brings_the_later_ones_of_its_key(self, harness: Harness) -> None:
        topic = harness.topic()
        subscription = harness.subscription(topic, enable_message_ordering=True)
        harness.publish(topic, *({"data": b"%d" % i, "ordering_key": "k"} for i in range(4)))
        received = harness.pull(subscription)
        harness.subscriber.modify_ack_deadline(
            subscription=subscription, ack_ids=[received[0].ack_id], ack_deadline_seconds=0
        )
        # Void by now: acknowledging them must not take them out of the order.
        harness.subscriber.acknowledge(
            subscription=subscription, ack_ids=[message.ack_id for message in received]
        )
        again = harness.pull(subscription)
        assert [message.message.data for message in again] == [b"0", b"1", b"2", b"3"]


class TestStreams:
    def test_flow_control_in_messages(self, harness: Harness) -> None:
        topic = harness.topic()
        subscription = harness.subscription(topic)
        harness.publish(topic, *({"data": b"%d" % i} for i in range(5)))
        stream = harness.stream(opening(subscription, max_outstanding_messages=2))
        first = stream.take()
        assert [message.message.data for message in first] == [b"0", b"1"]
        assert harness.broker.backlog(subscription) == (3, 2)
        # By a call of its own, as the official client does.
        harness.subscriber.acknowledge(subscription=subscription, ack_ids=[first[0].ack_id])
        assert [message.message.data for message in stream.take()] == [b"2"]
        stream.send(None)
        assert list(stream.responses) == []
        assert harness.broker.backlog(subscription) == (2, 2)

    def test_flow_control_in_bytes(self, harness: Harness) -> None:
        topic = harness.topic()
        subscription = harness.subscription(topic)
        harness.publish(topic, *([{"data": b"x" * 1_000}] * 5))
        stream = harness.stream(opening(subscription, max_outstanding_bytes=2_500))
        assert len(stream.take()) == 2
        assert harness.broker.backlog(subscription) == (3, 2)
        stream.send(None)

    def test_ordering_is_announced(self, harness: Harness) -> None:
        topic = harness.topic()
        subscription = harness.subscription(topic, enable_message_ordering=True)
        harness.publish(topic, {"data": b"x"})
        stream = harness.stream(opening(subscription))
        response = next(stream.responses)
        assert response.subscription_properties.message_ordering_enabled
        assert not response.subscription_properties.exactly_once_delivery_enabled
        stream.send(None)

    @pytest.mark.parametrize(
        "bad",
        [
            {"subscription": f"{PROJECT}/subscriptions/other"},
            {"stream_ack_deadline_seconds": 9},
            {"ack_ids": ["nonsense"]},
            {"modify_deadline_seconds": [10]},
            {
                "modify_deadline_ack_ids": ["0" * 32 + "-0"],
                "modify_deadline_seconds": [601],
            },
        ],
    )
    def test_a_bad_later_request_ends_the_stream(
        self, harness: Harness, bad: dict[str, object]
    ) -> None:
        stream = harness.stream(opening(harness.subscription(harness.topic())))
        stream.send(types.StreamingPullRequest(bad))
        with pytest.raises(InvalidArgument):
            list(stream.responses)
        stream.send(None)

    def test_deleting_the_subscription_ends_the_stream(self, harness: Harness) -> None:
        topic = harness.topic()
        subscription = harness.subscription(topic)
        harness.publish(topic, {"data": b"x"})
        stream = harness.stream(opening(subscription))
        stream.take()
        harness.subscriber.delete_subscription(subscription=subscription)
        with pytest.raises(NotFound, match="was deleted"):
            list(stream.responses)
        stream.send(None)

    def test_a_new_deadline_applies_to_what_comes_after_it(self, harness: Harness) -> None:
        topic = harness.topic()
        subscription = harness.subscription(topic)
        harness.publish(topic, {"data": b"x"})
        stream = harness.stream(opening(subscription))
        stream.take()
        stream.send(types.StreamingPullRequest(stream_ack_deadline_seconds=600))
        stream.send(None)
        assert list(stream.responses) == []

    def test_stopping_the_broker_ends_streams_and_pulls(self) -> None:
        harness = Harness()
        topic = harness.topic()
        subscription = harness.subscription(topic)
        harness.publish(topic, {"data": b"x"})
        stream = harness.stream(opening(subscription))
        stream.take()
        harness.broker.stop()
        with pytest.raises(ServiceUnavailable):
            list(stream.responses)
        stream.send(None)
        with pytest.raises(ServiceUnavailable):
            harness.subscriber.pull(subscription=subscription, max_messages=1, retry=None)
        harness.close()

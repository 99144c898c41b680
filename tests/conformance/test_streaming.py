"""StreamingPull: by the official client's subscribe(), and by the bare call."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator

import pytest
from google.api_core.exceptions import Cancelled, InvalidArgument, NotFound
from google.cloud.pubsub_v1.subscriber.message import Message
from google.pubsub_v1 import types

from tests.conformance.conftest import Clients

TIMEOUT = 30.0


class Inbox:
    """A callback that settles each message by `settle` and keeps it."""

    def __init__(self, settle: Callable[[Message], None]) -> None:
        self._settle = settle
        self.messages: queue.Queue[Message] = queue.Queue()

    def __call__(self, message: Message) -> None:
        self._settle(message)
        self.messages.put(message)

    def take(self, count: int) -> list[Message]:
        return [self.messages.get(timeout=TIMEOUT) for _ in range(count)]


class Stream:
    """A bare StreamingPull call."""

    def __init__(self, broker: Clients, *requests: types.StreamingPullRequest) -> None:
        self._requests: queue.Queue[types.StreamingPullRequest | None] = queue.Queue()
        for request in requests:
            self.send(request)
        self._call = broker.subscriber.streaming_pull(
            requests=self._iterate(), timeout=TIMEOUT, retry=None
        )

    def _iterate(self) -> Iterator[types.StreamingPullRequest]:
        while (request := self._requests.get()) is not None:
            yield request

    def send(self, request: types.StreamingPullRequest) -> None:
        self._requests.put(request)

    def half_close(self) -> None:
        self._requests.put(None)

    def cancel(self) -> None:
        self._call.cancel()

    def take(self, count: int) -> list[types.ReceivedMessage]:
        received: list[types.ReceivedMessage] = []
        while len(received) < count:
            received += next(self._call).received_messages
        return received

    def rest(self) -> list[types.ReceivedMessage]:
        """What still comes until the broker ends the stream."""
        return [message for response in self._call for message in response.received_messages]


def opening(subscription: str, seconds: int = 600) -> types.StreamingPullRequest:
    return types.StreamingPullRequest(
        subscription=subscription, stream_ack_deadline_seconds=seconds, client_id="tests"
    )


class TestSubscribe:
    def test_acknowledged_messages_are_gone(self, broker: Clients) -> None:
        topic = broker.topic()
        subscription = broker.subscription(topic)
        inbox = Inbox(Message.ack)
        before = broker.publish(topic, *({"data": b"%d" % i} for i in range(50)))
        future = broker.subscriber.subscribe(subscription, inbox)
        assert {m.message_id for m in inbox.take(50)} == set(before)
        # The stream stays open: what comes later arrives too.
        after = broker.publish(topic, {"data": b"later", "attributes": {"k": "v"}})
        (later,) = inbox.take(1)
        assert [later.message_id] == after
        assert later.data == b"later"
        assert dict(later.attributes) == {"k": "v"}
        assert later.delivery_attempt is None
        future.cancel()
        assert future.result(timeout=TIMEOUT) is True
        assert broker.pull_now(subscription) == []

    def test_a_nacked_message_comes_again(self, broker: Clients) -> None:
        topic = broker.topic()
        subscription = broker.subscription(topic)
        seen: set[str] = set()
        lock = threading.Lock()

        def nack_once(message: Message) -> None:
            with lock:
                again = message.message_id in seen
                seen.add(message.message_id)
            if again:
                message.ack()
            else:
                message.nack()

        inbox = Inbox(nack_once)
        ids = broker.publish(topic, *({"data": b"%d" % i} for i in range(10)))
        future = broker.subscriber.subscribe(subscription, inbox)
        assert sorted(m.message_id for m in inbox.take(20)) == sorted(ids * 2)
        future.cancel()
        future.result(timeout=TIMEOUT)
        assert broker.pull_now(subscription) == []

    def test_keys_arrive_in_order(self, broker: Clients) -> None:
        topic = broker.topic()
        subscription = broker.subscription(topic, enable_message_ordering=True)
        inbox = Inbox(Message.ack)
        future = broker.subscriber.subscribe(subscription, inbox)
        for i in range(20):
            broker.publish(topic, *({"data": b"%d" % i, "ordering_key": key} for key in "abc"))
        messages = inbox.take(60)
        for key in "abc":
            of_key = [int(m.data) for m in messages if m.ordering_key == key]
            assert of_key == list(range(20))
        future.cancel()
        future.result(timeout=TIMEOUT)

    def test_two_subscribers_share_the_messages(self, broker: Clients) -> None:
        topic = broker.topic()
        subscription = broker.subscription(topic)
        inbox = Inbox(Message.ack)
        futures = [broker.subscriber.subscribe(subscription, inbox) for _ in range(2)]
        ids = broker.publish(topic, *({"data": b"%d" % i} for i in range(200)))
        assert sorted(m.message_id for m in inbox.take(200)) == sorted(ids)
        for future in futures:
            future.cancel()
            future.result(timeout=TIMEOUT)
        assert inbox.messages.empty()

    def test_a_subscription_that_is_not_there_ends_the_future(self, broker: Clients) -> None:
        future = broker.subscriber.subscribe(broker.fresh("subscriptions"), Inbox(Message.ack))
        with pytest.raises(NotFound):
            future.result(timeout=TIMEOUT)


class TestStream:
    def test_acknowledgements_in_the_stream(self, broker: Clients) -> None:
        topic = broker.topic()
        subscription = broker.subscription(topic)
        broker.publish(topic, *({"data": b"%d" % i} for i in range(4)))
        stream = Stream(broker, opening(subscription))
        received = stream.take(4)
        stream.send(
            types.StreamingPullRequest(
                ack_ids=[m.ack_id for m in received[:2]],
                modify_deadline_ack_ids=[m.ack_id for m in received[2:]],
                modify_deadline_seconds=[0, 600],
            )
        )
        (again,) = stream.take(1)
        assert again.message == received[2].message
        assert again.ack_id != received[2].ack_id
        stream.send(types.StreamingPullRequest(ack_ids=[again.ack_id, received[3].ack_id]))
        stream.half_close()
        assert stream.rest() == []
        assert broker.pull_now(subscription) == []

    def test_half_closing_ends_an_idle_stream_without_an_error(self, broker: Clients) -> None:
        stream = Stream(broker, opening(broker.subscription(broker.topic())))
        stream.half_close()
        assert stream.rest() == []

    @pytest.mark.parametrize(
        "fields",
        [
            {},
            {"stream_ack_deadline_seconds": 9},
            {"stream_ack_deadline_seconds": 601},
            {"stream_ack_deadline_seconds": 10, "modify_deadline_seconds": [10]},
        ],
    )
    def test_bad_first_requests(self, broker: Clients, fields: dict[str, object]) -> None:
        subscription = broker.subscription(broker.topic())
        request = types.StreamingPullRequest(subscription=subscription, **fields)
        stream = Stream(broker, request)
        with pytest.raises(InvalidArgument):
            stream.rest()
        stream.half_close()

    def test_a_first_request_without_subscription(self, broker: Clients) -> None:
        stream = Stream(broker, types.StreamingPullRequest(stream_ack_deadline_seconds=10))
        with pytest.raises(InvalidArgument):
            stream.rest()
        stream.half_close()

    def test_not_there(self, broker: Clients) -> None:
        stream = Stream(broker, opening(broker.fresh("subscriptions")))
        with pytest.raises(NotFound):
            stream.rest()
        stream.half_close()

    def test_what_comes_after_a_cancelled_stream_goes_to_others(self, broker: Clients) -> None:
        topic = broker.topic()
        subscription = broker.subscription(topic)
        broker.publish(topic, {"data": b"first"})
        stream = Stream(broker, opening(subscription, 10))
        broker.acknowledge(subscription, stream.take(1))
        stream.cancel()
        with pytest.raises(Cancelled):
            stream.rest()
        stream.half_close()
        broker.publish(topic, {"data": b"second"})
        # The broker may hear of the message before it hears of the cancellation; then the lease of
        # the stream has to end first.
        received: list[types.ReceivedMessage] = []
        while not received:
            received = broker.pull(subscription)
        assert [m.message.data for m in received] == [b"second"]

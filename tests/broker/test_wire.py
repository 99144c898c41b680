"""Responses put together by hand are what protobuf would have written."""

from __future__ import annotations

from google.pubsub_v1 import types
from hypothesis import given
from hypothesis import strategies as st

from pipeline.broker import wire
from pipeline.broker.state import Delivery, Message

PUBSUB_MESSAGES = st.builds(
    types.PubsubMessage.pb(),
    data=st.one_of(st.binary(max_size=300), st.just(b"x" * 20_000)),
    attributes=st.dictionaries(st.text(max_size=5), st.text(max_size=200), max_size=3),
    message_id=st.text(st.characters(categories=["Nd"]), max_size=20),
    ordering_key=st.text(max_size=5),
)
ACK_IDS = st.text(st.characters(codec="ascii"), max_size=200)


def delivery(ack_id: str, message: object) -> Delivery:
    encoded = wire.embedded_message(message.SerializeToString())  # type: ignore[attr-defined]
    return Delivery(ack_id, Message("1", "", encoded, len(encoded)), 1)


@given(st.lists(st.tuples(ACK_IDS, PUBSUB_MESSAGES), max_size=5))
def test_a_response_reads_back(pairs: list[tuple[str, object]]) -> None:
    encoded = wire.response(delivery(ack_id, message) for ack_id, message in pairs)
    expected = types.PullResponse.pb()(
        received_messages=[
            types.ReceivedMessage.pb()(ack_id=ack_id, message=message) for ack_id, message in pairs
        ]
    )
    assert types.PullResponse.pb().FromString(encoded) == expected
    assert types.StreamingPullResponse.pb().FromString(encoded).received_messages == list(
        expected.received_messages
    )


def test_the_tail_is_part_of_the_response() -> None:
    tail = types.StreamingPullResponse.pb()()
    tail.subscription_properties.message_ordering_enabled = True
    message = types.PubsubMessage.pb()(data=b"x")
    read = types.StreamingPullResponse.pb().FromString(
        wire.response([delivery("a", message)], tail.SerializeToString())
    )
    assert read.received_messages[0].message.data == b"x"
    assert read.subscription_properties.message_ordering_enabled


@given(PUBSUB_MESSAGES)
def test_the_overhead_is_an_upper_bound(message: object) -> None:
    ack_id = "0123456789abcdef" * 2 + "-" + "9" * 19
    one = delivery(ack_id, message)
    assert len(wire.response([one])) <= len(one.message.encoded) + wire.DELIVERY_OVERHEAD

"""What Pub/Sub takes; the limits themselves are the broker's too, which is asked."""

from __future__ import annotations

import pytest
from google.cloud.pubsub_v1 import types
from hypothesis import given
from hypothesis import strategies as st

from pipeline.broker.errors import InvalidArgumentError
from pipeline.broker.limits import Limits
from pipeline.sendable import MAX_REQUEST_BYTES, fault_of, request_bytes

TOPIC = "projects/test-project/topics/news"
TEXTS = st.text(max_size=40)


@given(st.binary(max_size=300), st.dictionaries(TEXTS, TEXTS, max_size=4), TEXTS)
def test_a_request_has_the_size_that_is_said(
    data: bytes, attributes: dict[str, str], ordering_key: str
) -> None:
    message = types.PubsubMessage(data=data, attributes=attributes, ordering_key=ordering_key)
    request = types.PublishRequest(topic=TOPIC, messages=[message])
    assert request_bytes(TOPIC, data, attributes, ordering_key) == request._pb.ByteSize()


@pytest.mark.parametrize("size", [0, 1, 127, 128, 16_383, 16_384, 2_097_151, 2_097_152])
def test_so_has_one_where_a_length_takes_a_byte_more(size: int) -> None:
    request = types.PublishRequest(topic=TOPIC, messages=[types.PubsubMessage(data=bytes(size))])
    assert request_bytes(TOPIC, bytes(size), {}) == request._pb.ByteSize()


@pytest.mark.parametrize(
    ("attributes", "ordering_key", "fault"),
    [
        ({f"a{n}": "" for n in range(100)}, "", None),
        ({f"a{n}": "" for n in range(101)}, "", "it has 101 attributes"),
        ({"n" * 256: "v" * 1_024}, "k" * 1_024, None),
        ({"ü" * 129: ""}, "", "a name of more than 256 bytes"),
        ({"source": "ü" * 513}, "", "'source' has 1026 bytes"),
        ({"": "x"}, "", "an attribute without a name"),
        ({"id": "x"}, "ü" * 513, "its ordering key"),
        ({}, "", "neither data nor attributes"),
    ],
)  # fmt: skip
def test_what_is_refused_is_what_the_broker_refuses(
    attributes: dict[str, str], ordering_key: str, fault: str | None
) -> None:
    found = fault_of(TOPIC, b"", attributes, ordering_key)
    if fault is None:
        assert found is None
        Limits().check_message(b"", attributes, ordering_key)
        return
    assert found is not None
    assert fault in found
    with pytest.raises(InvalidArgumentError):
        Limits().check_message(b"", attributes, ordering_key)


def test_names_of_googles() -> None:
    assert fault_of(TOPIC, b"", {"googclient_traceparent": "00"}) is None
    assert "'goog_x' begins with goog" in (fault_of(TOPIC, b"", {"goog_x": "y"}) or "")


def test_the_largest_message() -> None:
    beside = request_bytes(TOPIC, b"x" * MAX_REQUEST_BYTES, {"id": "7"}) - MAX_REQUEST_BYTES
    largest = b"x" * (MAX_REQUEST_BYTES - beside)
    assert fault_of(TOPIC, largest, {"id": "7"}) is None
    assert "has 10000001 bytes" in (fault_of(TOPIC, largest + b"x", {"id": "7"}) or "")

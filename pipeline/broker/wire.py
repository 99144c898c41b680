"""Pull responses put together from messages that were encoded once, when they were published.

Building a `PullResponse` out of objects copies and encodes each message again at every delivery.
The wire format needs neither: a message inside another is a tag, a length and its bytes. So a
published message is kept as the bytes of field 2 of `ReceivedMessage`, and a delivery puts its
ack_id in front.

    PullResponse / StreamingPullResponse
      1: ReceivedMessage ──► 1: ack_id   2: PubsubMessage (kept)

`delivery_attempt` is left out: Pub/Sub fills it only where a dead-letter policy is set, and this
broker refuses those.
"""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.broker.state import Delivery

__all__ = ["DELIVERY_OVERHEAD", "embedded_message", "response"]

DELIVERY_OVERHEAD = 64
"""Upper bound of the bytes a delivery adds around a kept message: two headers and an ack_id."""

_LENGTH_DELIMITED = 2
_RESPONSE_RECEIVED_MESSAGES = 1 << 3 | _LENGTH_DELIMITED
_RECEIVED_ACK_ID = 1 << 3 | _LENGTH_DELIMITED
_RECEIVED_MESSAGE = 2 << 3 | _LENGTH_DELIMITED


def embedded_message(message: bytes) -> bytes:
    """An encoded `PubsubMessage` as field 2 of a `ReceivedMessage`."""
    return b"%c%b%b" % (_RECEIVED_MESSAGE, _varint(len(message)), message)


def response(deliveries: Iterable[Delivery], tail: bytes = b"") -> bytes:
    """An encoded `PullResponse` or `StreamingPullResponse`; `tail` is more encoded fields of it."""
    parts: list[bytes] = []
    for delivery in deliveries:
        ack_id = delivery.ack_id.encode()
        head = b"%c%b%b" % (_RECEIVED_ACK_ID, _varint(len(ack_id)), ack_id)
        kept = delivery.message.encoded
        parts += (
            b"%c%b" % (_RESPONSE_RECEIVED_MESSAGES, _varint(len(head) + len(kept))),
            head,
            kept,
        )
    parts.append(tail)
    return b"".join(parts)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)

"""What Pub/Sub takes, so that one message that it would refuse does not take others along."""

from __future__ import annotations

from collections.abc import Mapping

MAX_REQUEST_BYTES = 10_000_000
MAX_ATTRIBUTES = 100
MAX_NAME_BYTES = 256
MAX_VALUE_BYTES = 1_024
MAX_ORDERING_KEY_BYTES = 1_024
"""Pub/Sub's own, from its page "Quotas and limits"."""

CLIENTS_NAMES = "googclient_"
"""What names begin with that Google's clients give: they are sent with a message to be traced."""


def fault_of(
    topic: str, data: bytes, attributes: Mapping[str, str], ordering_key: str = ""
) -> str | None:
    """Why Pub/Sub would not take such a message, in words; None where it would.

    >>> fault_of("projects/p/topics/t", b"{}", {"url": "https://example.com"})
    >>> fault_of("projects/p/topics/t", b"{}", {"url": "x" * 2_000})
    "the attribute 'url' has 2000 bytes, where Pub/Sub takes 1024"
    """
    if len(attributes) > MAX_ATTRIBUTES:
        return f"it has {len(attributes)} attributes, where Pub/Sub takes {MAX_ATTRIBUTES}"
    for name, value in attributes.items():
        if not name:
            return "it has an attribute without a name"
        if name.startswith("goog") and not name.startswith(CLIENTS_NAMES):
            return f"the name of the attribute {name[:80]!r} begins with goog, which is Google's"
        if len(name.encode()) > MAX_NAME_BYTES:
            return f"an attribute has a name of more than {MAX_NAME_BYTES} bytes"
        size = len(value.encode())
        if size > MAX_VALUE_BYTES:
            return f"the attribute {name!r} has {size} bytes, where Pub/Sub takes {MAX_VALUE_BYTES}"
    if len(ordering_key.encode()) > MAX_ORDERING_KEY_BYTES:
        return f"its ordering key has more than {MAX_ORDERING_KEY_BYTES} bytes"
    if not data and not attributes:
        return "it has neither data nor attributes"
    size = request_bytes(topic, data, attributes, ordering_key)
    if size > MAX_REQUEST_BYTES:
        return f"it has {size} bytes, where Pub/Sub takes {MAX_REQUEST_BYTES}"
    return None


def request_bytes(
    topic: str, data: bytes, attributes: Mapping[str, str], ordering_key: str = ""
) -> int:
    """How large a PublishRequest is that has this message alone.

    By the encoding of protocol buffers, in which fields that are empty are left out; those of the
    entry of a map are not. To build the request would copy the data.
    """
    entries = (_field(len(k.encode())) + _field(len(v.encode())) for k, v in attributes.items())
    message = sum(map(_field, entries))
    message += sum(_field(size) for size in (len(data), len(ordering_key.encode())) if size)
    return _field(len(topic.encode())) + _field(message)


def _field(size: int) -> int:
    """Bytes of a field whose content has `size` bytes and whose number is below 16."""
    return 1 + max(1, -(-size.bit_length() // 7)) + size

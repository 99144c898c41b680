"""What the broker refuses, one class a gRPC status.

The classes carry no gRPC: `service.py` alone turns them into statuses, so that the queue itself can
be tested without a network.
"""

from __future__ import annotations

__all__ = [
    "AlreadyExistsError",
    "BrokerError",
    "InvalidArgumentError",
    "NotFoundError",
    "ResourceExhaustedError",
    "UnavailableError",
    "UnsupportedError",
]


class BrokerError(Exception):
    """Base of every refusal; its text goes to the client as the status details."""


class NotFoundError(BrokerError):
    """A topic or subscription that is not there: NOT_FOUND."""


class AlreadyExistsError(BrokerError):
    """A topic or subscription that is there already: ALREADY_EXISTS."""


class InvalidArgumentError(BrokerError):
    """A request no Pub/Sub would take: INVALID_ARGUMENT."""


class UnsupportedError(BrokerError):
    """A request Pub/Sub would take and this broker does not: UNIMPLEMENTED."""


class ResourceExhaustedError(BrokerError):
    """A request that would pass one of the broker's own bounds: RESOURCE_EXHAUSTED."""


class UnavailableError(BrokerError):
    """The broker is stopping; the client should try again later: UNAVAILABLE."""

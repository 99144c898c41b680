"""Both brokers, each started once a session, and clients and fresh names for each test."""

from __future__ import annotations

import os
import uuid
import warnings
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from google.api_core.exceptions import NotFound
from google.cloud import pubsub_v1
from google.pubsub_v1 import types
from google.pubsub_v1.services.publisher import PublisherClient as PublisherStub

PROJECT = "projects/conformance-project"


@dataclass
class Clients:
    """The official clients against one broker, and shorthand for what nearly every test does."""

    name: str
    address: str
    publisher: pubsub_v1.PublisherClient
    subscriber: pubsub_v1.SubscriberClient
    subscriptions: list[str] = field(default_factory=list)

    def fresh(self, kind: str) -> str:
        """A name of that kind (topics, subscriptions) that nobody has used."""
        return f"{PROJECT}/{kind}/t{uuid.uuid4().hex}"

    def topic(self, **fields: object) -> str:
        name = self.fresh("topics")
        self.publisher.create_topic(request={"name": name, **fields})
        return name

    def subscription(self, topic: str, **fields: object) -> str:
        name = self.fresh("subscriptions")
        self.subscriber.create_subscription(request={"name": name, "topic": topic, **fields})
        self.subscriptions.append(name)
        return name

    def publish(self, topic: str, *messages: types.PubsubMessage | dict[str, object]) -> list[str]:
        """One publish request, past the official client's batching; the message ids."""
        reply = PublisherStub.publish(
            self.publisher, request={"topic": topic, "messages": list(messages)}, retry=None
        )
        return list(reply.message_ids)

    def pull(self, subscription: str, count: int = 100) -> list[types.ReceivedMessage]:
        """What one pull gives; empty when the broker has nothing."""
        request = {"subscription": subscription, "max_messages": count}
        return list(self.subscriber.pull(request=request, timeout=20).received_messages)

    def pull_now(self, subscription: str, count: int = 100) -> list[types.ReceivedMessage]:
        """The same without waiting."""
        request = {
            "subscription": subscription,
            "max_messages": count,
            "return_immediately": True,
        }
        with warnings.catch_warnings():
            # Deprecated for services that should wait; what a test asks for is what is there now.
            warnings.filterwarnings("ignore", "The return_immediately flag", DeprecationWarning)
            return list(self.subscriber.pull(request=request, timeout=20).received_messages)

    def pull_exactly(self, subscription: str, count: int) -> list[types.ReceivedMessage]:
        """Pulls until `count` messages are there: a pull may always give fewer than asked for."""
        received: list[types.ReceivedMessage] = []
        while len(received) < count:
            batch = self.pull(subscription, count - len(received))
            assert batch, f"only {len(received)} of {count} messages came"
            received += batch
        return received

    def acknowledge(self, subscription: str, received: list[types.ReceivedMessage]) -> None:
        self.subscriber.acknowledge(
            subscription=subscription, ack_ids=[message.ack_id for message in received]
        )

    def extend(
        self, subscription: str, received: list[types.ReceivedMessage], seconds: int
    ) -> None:
        self.subscriber.modify_ack_deadline(
            subscription=subscription,
            ack_ids=[message.ack_id for message in received],
            ack_deadline_seconds=seconds,
        )

    def nack(self, subscription: str, received: list[types.ReceivedMessage]) -> None:
        self.extend(subscription, received, 0)


@pytest.fixture(scope="session", params=["embedded", "google"])
def session_clients(request: pytest.FixtureRequest) -> Iterator[Clients]:
    address: str = request.getfixturevalue(f"{request.param}_address")
    before = os.environ.get("PUBSUB_EMULATOR_HOST")
    # The clients read it once, when they are made.
    os.environ["PUBSUB_EMULATOR_HOST"] = address
    try:
        publisher = pubsub_v1.PublisherClient(
            publisher_options=pubsub_v1.types.PublisherOptions(enable_message_ordering=True)
        )
        subscriber = pubsub_v1.SubscriberClient()
    finally:
        if before is None:
            del os.environ["PUBSUB_EMULATOR_HOST"]
        else:
            os.environ["PUBSUB_EMULATOR_HOST"] = before
    with subscriber:
        yield Clients(request.param, address, publisher, subscriber)
        publisher.stop()


@pytest.fixture
def broker(session_clients: Clients) -> Iterator[Clients]:
    """Clients whose subscriptions of this test are deleted after it, so that none piles up."""
    yield session_clients
    while session_clients.subscriptions:
        name = session_clients.subscriptions.pop()
        with suppress(NotFound):
            session_clients.subscriber.delete_subscription(subscription=name)

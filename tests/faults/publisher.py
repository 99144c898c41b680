"""Publishing with known ids, past the proxy: the publisher is not under test."""

from __future__ import annotations

import itertools
import uuid
from collections.abc import Mapping, Sequence

import grpc
from google.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport
from google.pubsub_v1.types import PubsubMessage

from pipeline.samples import SampleMessage, generate

PROJECT = "projects/test-project"
# Pub/Sub's least: what was in the hands of a killed process, and not extended, comes again soon.
ACK_DEADLINE_SECONDS = 10
# Pub/Sub takes 1,000 messages and 10 MB a request; samples have a few kB each.
MESSAGES_PER_REQUEST = 500
REQUEST_SECONDS = 30.0
ENDLESS = 10_000_000


class Samples:
    """Samples to publish, and what those that were taken must become.

    A sample has one copy at most, so that the sums are the same whichever of the two comes first;
    and a redelivery keeps the verdict that it had.
    """

    def __init__(self, seed: int) -> None:
        self._samples = generate(ENDLESS, seed)
        self.copies = 0
        self.unreadable = 0

    def take(self, count: int) -> list[SampleMessage]:
        """The next `count`."""
        samples = list(itertools.islice(self._samples, count))
        self.copies += sum(one.expected == "duplicate" for one in samples)
        self.unreadable += sum(one.expected == "dead_letter" for one in samples)
        return samples

    def problems(self, records: Mapping[str, int]) -> list[str]:
        """No fault makes a dead letter of what can be read, nor duplicates of both of a pair.

        Fewer duplicates there may be: a clock that jumps has an article forgotten before its copy.

        Args:
            records: how many there are of each kind at the end.
        """
        found = []
        if records["dead_letters"] != self.unreadable:
            found.append(f"{records['dead_letters']} dead letters, of {self.unreadable} unreadable")
        if records["duplicates"] > self.copies:
            found.append(f"{records['duplicates']} duplicates, of {self.copies} copies")
        return found


class Publisher:
    """A topic of its own with one subscription.

    Args:
        address: host:port of the broker, on which both are made.
    """

    def __init__(self, address: str) -> None:
        name = f"faults-{uuid.uuid4().hex[:10]}"
        self.topic = f"{PROJECT}/topics/{name}"
        self.subscription = f"{PROJECT}/subscriptions/{name}"
        self._connect(address)
        self._client.create_topic(name=self.topic, timeout=REQUEST_SECONDS)
        with grpc.insecure_channel(address) as channel:
            SubscriberClient(
                transport=SubscriberGrpcTransport(channel=channel)
            ).create_subscription(
                request={
                    "name": self.subscription,
                    "topic": self.topic,
                    "ack_deadline_seconds": ACK_DEADLINE_SECONDS,
                },
                timeout=REQUEST_SECONDS,
            )

    def publish(self, address: str, samples: Sequence[SampleMessage]) -> list[str]:
        """Publishes, and returns the ids the broker gave, in order.

        Args:
            address: where the broker is by now.
        """
        if address != self._address:
            self.close()
            self._connect(address)
        ids: list[str] = []
        for start in range(0, len(samples), MESSAGES_PER_REQUEST):
            messages = [
                PubsubMessage(data=one.data, attributes=dict(one.attributes))
                for one in samples[start : start + MESSAGES_PER_REQUEST]
            ]
            # No retry: one that had arrived would publish the message twice, under another id.
            reply = self._client.publish(
                topic=self.topic, messages=messages, retry=None, timeout=REQUEST_SECONDS
            )
            ids += reply.message_ids
        return ids

    def close(self) -> None:
        """Closes the connection."""
        self._channel.close()

    def _connect(self, address: str) -> None:
        # Not by PUBSUB_EMULATOR_HOST, which would hold for this whole process.
        self._address = address
        self._channel = grpc.insecure_channel(address)
        self._client = PublisherClient(transport=PublisherGrpcTransport(channel=self._channel))

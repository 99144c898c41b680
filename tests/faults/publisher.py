"""Publishing with known ids, past the proxy: the publisher is not under test."""

from __future__ import annotations

import uuid
from collections.abc import Sequence

import grpc
from google.pubsub_v1 import PublisherClient, SubscriberClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport
from google.pubsub_v1.types import PubsubMessage

from pipeline.samples import SampleMessage

PROJECT = "projects/test-project"
# Pub/Sub's least: what was in the hands of a killed process, and not extended, comes again soon.
ACK_DEADLINE_SECONDS = 10
# Pub/Sub takes 1,000 messages and 10 MB a request; samples have a few kB each.
MESSAGES_PER_REQUEST = 500
REQUEST_SECONDS = 30.0


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

"""Pulling from a subscription ahead of the pipeline, on a thread of its own."""

from __future__ import annotations

import collections
import datetime as dt
import logging
import os
import threading
import time
from dataclasses import dataclass
from typing import Any

import grpc
from google.api_core import exceptions
from google.cloud import pubsub_v1
from google.pubsub_v1 import types as pubsub_types
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport

from pipeline import failpoints
from pipeline.errors import Failed
from pipeline.leases import LeaseLedger
from pipeline.records import Message
from pipeline.sources.quota import Quota

logger = logging.getLogger(__name__)

PULL_SECONDS = 10.0
LAST_PULL_SECONDS = 1.0
RETRY_FIRST_SECONDS = 0.5
RETRY_MOST_SECONDS = 30.0
# Of messages pulled and not handed on: what two bundles take, never less than this.
LEAST_AHEAD = 100
# Room is looked for again at least this often while draining could be asked for.
WAIT_SECONDS = 0.5

# What trying again cannot mend; everything else the client raises may pass.
PERMANENT = (
    exceptions.NotFound,
    exceptions.PermissionDenied,
    exceptions.Unauthenticated,
    exceptions.InvalidArgument,
    exceptions.MethodNotImplemented,
)


class SourceError(Failed):
    """The subscription cannot be read; the message says why."""


@dataclass(frozen=True)
class Limits:
    """When the source holds back, and when it ends by itself.

    Args:
        pull_messages: messages asked for in one pull.
        max_unsettled_messages, max_unsettled_bytes: nothing is pulled while as much is unsettled.
        max_messages: end after so many; None for never.
        idle_timeout: end when nothing has come for so many seconds; None for never.
    """

    pull_messages: int = 1_000
    max_unsettled_messages: int = 50_000
    max_unsettled_bytes: int = 512_000_000
    max_messages: int | None = None
    idle_timeout: float | None = None


def subscriber_client() -> pubsub_v1.SubscriberClient:
    """A client that takes a message of Pub/Sub's full size from an emulator too.

    For an emulator the client opens a channel with gRPC's own bound of 4 MiB; a larger message
    could never be read, and would come again for ever.
    """
    emulator = os.environ.get("PUBSUB_EMULATOR_HOST")
    if not emulator:
        return pubsub_v1.SubscriberClient()
    options = [("grpc.max_receive_message_length", -1)]
    channel = grpc.insecure_channel(emulator, options=options)
    return pubsub_v1.SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))


class Puller:
    """Pulls ahead on a thread of its own, leasing all it pulls.

    Args:
        subscription: projects/P/subscriptions/S.
        limits: see `Limits`.
        leases: where the messages are noted; a message on its way already is not handed on again.
        quota: how many messages may still be taken.
    """

    def __init__(
        self, subscription: str, limits: Limits, leases: LeaseLedger, quota: Quota
    ) -> None:
        self._subscription = subscription
        self._limits = limits
        self._leases = leases
        self._quota = quota
        self._client = subscriber_client()
        self._ready: collections.deque[Message] = collections.deque()
        self._ahead = min(LEAST_AHEAD, limits.pull_messages)
        self._changed = threading.Condition()
        self._stopped = False
        self._error: BaseException | None = None
        self._unreachable: str | None = None
        self._last_message = time.monotonic()
        self._caught_up: dt.datetime | None = None
        self._pull: Any = None
        self._thread = threading.Thread(target=self._run, name="puller", daemon=True)
        self._thread.start()

    def next(self) -> Message | None:
        with self._changed:
            if self._error is not None:
                raise SourceError(str(self._error)) from self._error
            if not self._ready:
                return None
            if len(self._ready) == self._ahead:
                self._changed.notify_all()
            return self._ready.popleft()

    def handed_on(self, messages: int) -> None:
        """Learns what a bundle took: so much more than that waits here, and no more.

        Where entities are read a thousand messages are ten seconds of work, which another process
        could be doing.
        """
        with self._changed:
            wanted = max(LEAST_AHEAD, 2 * messages, self._ahead // 2)
            self._ahead = min(wanted, self._limits.pull_messages)
            self._changed.notify_all()

    def wait(self, seconds: float) -> None:
        with self._changed:
            self._changed.wait_for(
                lambda: self._ready or self._stopped or self._error is not None, seconds
            )

    def ended(self) -> bool:
        """Whether nothing will ever come any more.

        Raises:
            SourceError: the idle time-out has run out, and it was because the broker is away.
        """
        with self._changed:
            if not (self._ready or self._stopped) and self._idle():
                if self._unreachable is not None:
                    raise SourceError(
                        f"{self._subscription} could not be reached within the idle time-out: "
                        f"{self._unreachable}"
                    )
                self.stop()
            return self._stopped and not self._ready

    def stop(self) -> None:
        """Pulls no more, and gives back what was pulled and not handed on."""
        with self._changed:
            self._stopped = True
            unread = [message.key for message in self._ready]
            self._ready.clear()
            self._changed.notify_all()
        self._leases.give_back(unread)

    def join(self) -> None:
        """Waits for the thread, after `stop`."""
        # A pull under way may already have messages: cancelled, it would leave them leased to
        # nobody until their deadline.
        self._thread.join(LAST_PULL_SECONDS)
        if self._pull is not None:
            self._pull.cancel()
        self._thread.join(PULL_SECONDS)
        self._client.close()

    def oldest_possible(self) -> dt.datetime | None:
        """The earliest publish time that may still come; None where there is no telling."""
        return self._leases.oldest() or self._caught_up

    def _idle(self) -> bool:
        timeout = self._limits.idle_timeout
        return timeout is not None and time.monotonic() - self._last_message >= timeout

    def _run(self) -> None:
        try:
            while self._pull_once():
                pass
        except BaseException as error:  # noqa: BLE001 - the reader raises it
            with self._changed:
                self._error = error
                self._changed.notify_all()

    def _pull_once(self) -> bool:
        """One pull; False when there is to be no other."""
        if self._quota.used_up:
            # What was pulled is still handed on: this is an end, not a drain.
            with self._changed:
                self._stopped = True
                self._changed.notify_all()
        if self._stopped:
            return False
        if not self._wait_for_room():
            return True
        room = self._limits.max_unsettled_messages - self._leases.unsettled
        reserved = self._quota.reserve(min(self._ahead, room))
        if not reserved:
            # The rest has been promised to others, who may give some of it back.
            with self._changed:
                self._changed.wait_for(lambda: self._stopped, WAIT_SECONDS)
            return True
        taken, before = 0, dt.datetime.now(dt.timezone.utc)
        try:
            taken = self._receive(self._pull_messages(reserved), before)
        finally:
            self._quota.take(reserved, taken)
        return not self._stopped

    def _wait_for_room(self) -> bool:
        """Waits a little until another pull is due; whether it is.

        Not while too much is unsettled; nor more than one pull ahead of what is handed on, since
        other processes could have begun with it meanwhile.
        """
        with self._changed:
            if not self._changed.wait_for(
                lambda: self._stopped or len(self._ready) < self._ahead, WAIT_SECONDS
            ):
                # Nobody asked whether there was more: this is no idle time.
                self._last_message = time.monotonic()
                return False
        if not self._leases.wait_for_room(
            self._limits.max_unsettled_messages, self._limits.max_unsettled_bytes, WAIT_SECONDS
        ):
            self._last_message = time.monotonic()
            return False
        return True

    def _receive(self, received: list[Any], asked_at: dt.datetime) -> int:
        """Leases what one pull brought; how many were new."""
        with self._changed:
            taken = sum(self._take(one) for one in received)
            if received:
                self._last_message = time.monotonic()
            elif self._unreachable is None:
                self._caught_up = asked_at
            self._changed.notify_all()
            stopped = self._stopped
        if taken:
            failpoints.reach("after_pull")
        if stopped:
            self.stop()
        return taken

    def _take(self, received: Any) -> bool:
        raw = received.message
        publish_time = raw.publish_time.ToDatetime(tzinfo=dt.timezone.utc)
        message = Message(
            data=raw.data,
            message_id=raw.message_id,
            publish_time=publish_time,
            attributes=dict(raw.attributes),
            ordering_key=raw.ordering_key,
            delivery_attempt=received.delivery_attempt or None,
        )
        # The whole of it: of attributes alone there may be 100 KB.
        new = self._leases.take(message.key, received.ack_id, publish_time, raw.ByteSize())
        if new:
            self._ready.append(message)
        return new

    def _pull_messages(self, wanted: int) -> list[Any]:
        """The raw messages of one pull; none where there were none, or the broker is away."""
        # The transport's own call, unlike the client's, can be cancelled while it waits; and the
        # wrapper that proto-plus puts around each message costs more than the pull.
        request = pubsub_types.PullRequest(subscription=self._subscription, max_messages=wanted)
        retry = RETRY_FIRST_SECONDS
        while not self._stopped:
            try:
                self._pull = self._client.transport.pull.future(
                    request,
                    timeout=PULL_SECONDS,
                    metadata=[("x-goog-request-params", f"subscription={self._subscription}")],
                )
                response = self._pull.result()
            except (grpc.RpcError, grpc.FutureCancelledError) as problem:
                if self._stopped:
                    break
                error = exceptions.from_grpc_error(problem)
                if isinstance(error, PERMANENT):
                    raise error from problem
                if isinstance(error, exceptions.DeadlineExceeded):
                    self._unreachable = None
                    return []
                self._unreachable = error.message
                logger.warning(
                    "%s cannot be read, trying again in %.1f s: %s",
                    self._subscription,
                    retry,
                    error.message,
                )
                with self._changed:
                    self._changed.wait_for(lambda: self._stopped, retry)
                retry = min(2 * retry, RETRY_MOST_SECONDS)
                if self._limits.idle_timeout is not None and self._idle():
                    return []
            else:
                self._unreachable = None
                return list(pubsub_types.PullResponse.pb(response).received_messages)
        return []

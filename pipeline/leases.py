"""Leases: what Pub/Sub has handed out and not yet been told is done.

A message is this process's until its ack deadline. `LeaseLedger` keeps every deadline in the
future while the message is on its way to a durable file, and acknowledges when the pipeline says
that it is there. All calls to Pub/Sub but the first pull happen on one background thread, so
that a slow or dead broker never holds up the pipeline: what could not be acknowledged is tried
again, and what never could comes again and is recognised by the ledger.
"""

from __future__ import annotations

import datetime as dt
import heapq
import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Protocol

from google.api_core import exceptions, retry
from google.cloud import pubsub_v1

logger = logging.getLogger(__name__)

LEASE_SECONDS = 30
# Pub/Sub takes requests of up to 512 KiB for these calls, and its ack ids have about 180 bytes.
ACK_IDS_PER_REQUEST = 2_500
REQUEST_SECONDS = 30.0
# A run that cannot reach its broker at the start says so soon.
FIRST_CALL_SECONDS = 10.0
RETRY_SECONDS = 1.0
# Entries of settled messages that `oldest` may leave behind before they are thrown out.
STALE_TIMES = 10_000

# What trying again does not mend: the subscription is gone or forbidden, or (with exactly-once
# delivery) a lease ran out before. Such a message comes again, or nobody is left to be told.
PERMANENT = (
    exceptions.NotFound,
    exceptions.InvalidArgument,
    exceptions.FailedPrecondition,
    exceptions.PermissionDenied,
    exceptions.Unauthenticated,
)


class Acknowledger(Protocol):
    """The calls to a subscription that a lease needs; raises GoogleAPIError."""

    def acknowledge(self, ack_ids: list[str]) -> None: ...

    def modify_ack_deadline(self, ack_ids: list[str], seconds: int) -> None: ...


class SubscriptionClient:
    """`Acknowledger` over the official client.

    Its own retries are off: they would hold up the calls of all other messages for a minute.
    """

    def __init__(self, subscription: str) -> None:
        self._client = pubsub_v1.SubscriberClient()
        self._subscription = subscription

    def acknowledge(self, ack_ids: list[str]) -> None:
        self._client.acknowledge(
            subscription=self._subscription, ack_ids=ack_ids, retry=None, timeout=REQUEST_SECONDS
        )

    def modify_ack_deadline(self, ack_ids: list[str], seconds: int) -> None:
        self._client.modify_ack_deadline(
            subscription=self._subscription,
            ack_ids=ack_ids,
            ack_deadline_seconds=seconds,
            retry=None,
            timeout=REQUEST_SECONDS,
        )

    def ack_deadline_seconds(self) -> float:
        """The deadline of a message that was just pulled; Pub/Sub's least where we may not ask."""
        try:
            subscription = self._client.get_subscription(
                subscription=self._subscription,
                timeout=FIRST_CALL_SECONDS,
                retry=retry.Retry(timeout=FIRST_CALL_SECONDS),
            )
        except exceptions.PermissionDenied:
            return 10.0
        return float(subscription.ack_deadline_seconds)


@dataclass(slots=True)
class _Lease:
    publish_time: dt.datetime
    size: int
    # A redelivery brings another ack id; each is acknowledged.
    ack_ids: list[str] = field(default_factory=list)
    expires: float = 0.0


class LeaseLedger:
    """The unsettled messages of one subscription in this process.

    Args:
        acknowledger: how to reach the subscription.
        ack_deadline_seconds: the deadline a pulled message has before we extend it.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        acknowledger: Acknowledger,
        *,
        ack_deadline_seconds: float = 10.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._acknowledger = acknowledger
        self._ack_deadline = ack_deadline_seconds
        self._clock = clock
        self._changed = threading.Condition()
        self._leases: dict[str, _Lease] = {}
        self._by_time: list[tuple[dt.datetime, str]] = []
        self._bytes = 0
        self._to_acknowledge: list[str] = []
        self._to_return: list[str] = []
        self._redelivered = 0
        self._closing = False
        self._close_by = float("inf")
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="leases", daemon=True)
        self._thread.start()

    def take(self, key: str, ack_id: str, publish_time: dt.datetime, size: int) -> bool:
        """Notes a delivery; False if the message is on its way already: don't process it twice.

        Raises:
            RuntimeError: deadlines are not kept any more, through a fault of ours.
        """
        with self._changed:
            if self._error is not None:
                raise RuntimeError(
                    f"leases are not kept any more: {type(self._error).__name__}: {self._error}"
                ) from self._error
            lease = self._leases.get(key)
            new = lease is None
            if lease is None:
                lease = self._leases[key] = _Lease(publish_time, size)
                if len(self._by_time) > 2 * len(self._leases) + STALE_TIMES:
                    self._by_time = [entry for entry in self._by_time if entry[1] in self._leases]
                    heapq.heapify(self._by_time)
                heapq.heappush(self._by_time, (publish_time, key))
                self._bytes += size
            else:
                self._redelivered += 1
            lease.ack_ids.append(ack_id)
            lease.expires = self._clock() + self._ack_deadline
            if len(self._leases) == 1:
                self._changed.notify_all()
            return new

    def settle(self, keys: Iterable[str]) -> int:
        """Acknowledges messages that are durable; unknown keys are passed over.

        Returns: how many were unsettled here.
        """
        return self._end(keys, self._to_acknowledge)

    def abandon(self, keys: Iterable[str]) -> int:
        """Lets messages go that another process is at work on: no extension, no answer."""
        return self._end(keys, [])

    def give_back(self, keys: Iterable[str]) -> int:
        """Returns messages that nobody has begun to process, to be delivered again at once."""
        return self._end(keys, self._to_return)

    def _end(self, keys: Iterable[str], target: list[str]) -> int:
        with self._changed:
            ended = 0
            for key in keys:
                lease = self._leases.pop(key, None)
                if lease is not None:
                    self._bytes -= lease.size
                    target.extend(lease.ack_ids)
                    ended += 1
            if ended:
                self._changed.notify_all()
            return ended

    @property
    def unsettled(self) -> int:
        return len(self._leases)

    @property
    def unsettled_bytes(self) -> int:
        return self._bytes

    @property
    def redelivered(self) -> int:
        """How many deliveries were of messages on their way already."""
        return self._redelivered

    def oldest(self) -> dt.datetime | None:
        """The earliest publish time among the unsettled."""
        with self._changed:
            while self._by_time and self._by_time[0][1] not in self._leases:
                heapq.heappop(self._by_time)
            return self._by_time[0][0] if self._by_time else None

    def wait_for_room(self, messages: int, size: int, timeout: float) -> bool:
        """Waits until fewer than `messages` of `size` bytes in all are unsettled."""
        with self._changed:
            return self._changed.wait_for(
                lambda: len(self._leases) < messages and self._bytes < size, timeout
            )

    def close(self, timeout: float = REQUEST_SECONDS) -> bool:
        """Sends what is still to be said, and stops; False if the broker could not be told."""
        with self._changed:
            self._closing = True
            self._close_by = time.monotonic() + timeout
            self._changed.notify_all()
        self._thread.join(timeout)
        told = not self._to_acknowledge and self._error is None
        return told and not self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._keep()
        except BaseException as error:
            logger.exception("leases are not kept any more")
            with self._changed:
                self._error = error

    def _keep(self) -> None:
        """The background thread: extends, acknowledges, gives back."""
        while True:
            with self._changed:
                if not (self._to_acknowledge or self._to_return or self._closing):
                    self._changed.wait(self._until_due() if self._leases else None)
                acknowledge, self._to_acknowledge[:] = list(self._to_acknowledge), []
                give_back, self._to_return[:] = list(self._to_return), []
                extend = [] if self._closing else self._due()
                last = self._closing
            unextended = self._send(
                lambda ids: self._acknowledger.modify_ack_deadline(ids, LEASE_SECONDS), extend
            )
            unsent = self._send(self._acknowledger.acknowledge, acknowledge)
            self._send(lambda ids: self._acknowledger.modify_ack_deadline(ids, 0), give_back)
            with self._changed:
                self._to_acknowledge.extend(unsent)
                self._due_again(unextended)
                if last and (not self._to_acknowledge or time.monotonic() >= self._close_by):
                    return
                if unsent or unextended:
                    # What is said meanwhile would fail likewise; only an end does not wait.
                    until = (lambda: False) if last else (lambda: self._closing)
                    self._changed.wait_for(until, RETRY_SECONDS)

    def _until_due(self) -> float:
        """Seconds until some lease may need extending: well inside the shortest deadline."""
        return min(self._ack_deadline, LEASE_SECONDS) / 4

    def _due(self) -> list[str]:
        """Ack ids to extend now, taken to be extended."""
        now = self._clock()
        ids: list[str] = []
        for lease in self._leases.values():
            if lease.expires - now < LEASE_SECONDS / 2:
                ids += lease.ack_ids
                lease.expires = now + LEASE_SECONDS
        return ids

    def _due_again(self, ack_ids: list[str]) -> None:
        """Has the leases of `ack_ids`, which could not be extended, tried again at once."""
        if ack_ids:
            failed = set(ack_ids)
            for lease in self._leases.values():
                if not failed.isdisjoint(lease.ack_ids):
                    lease.expires = self._clock()

    def _send(self, call: Callable[[list[str]], None], ack_ids: list[str]) -> list[str]:
        """Calls for all `ack_ids`; returns those to be tried again."""
        unsent: list[str] = []
        for start in range(0, len(ack_ids), ACK_IDS_PER_REQUEST):
            part = ack_ids[start : start + ACK_IDS_PER_REQUEST]
            try:
                call(part)
            except PERMANENT as error:
                logger.warning("the subscription refuses %d ack ids: %s", len(part), error)
            except exceptions.GoogleAPIError as error:
                logger.warning("the subscription does not answer, trying again: %s", error)
                unsent += part
        return unsent


_open: dict[str, LeaseLedger] = {}
_open_lock = threading.Lock()


def leases_of(subscription: str) -> LeaseLedger:
    """The one lease ledger of this process for `subscription`, made on first use.

    Beam unpickles a DoFn for every bundle: what must live longer is looked up by name.

    Raises:
        GoogleAPIError: the subscription does not exist or cannot be reached.
    """
    with _open_lock:
        ledger = _open.get(subscription)
        if ledger is None:
            client = SubscriptionClient(subscription)
            ledger = _open[subscription] = LeaseLedger(
                client, ack_deadline_seconds=client.ack_deadline_seconds()
            )
        return ledger


def close_leases(subscription: str) -> bool:
    """Ends `leases_of(subscription)`; False if acknowledgements could not be sent."""
    with _open_lock:
        ledger = _open.pop(subscription, None)
    return ledger is None or ledger.close()

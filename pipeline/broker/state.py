"""One subscription's queue: what waits, what is leased, until when. No clock, no threads, no gRPC.

A message is *waiting*, *leased* or gone:

    publish ──► waiting ──pull──► leased ──acknowledge──► gone
                   ▲                 │
                   └── nack, deadline┘

Every method that depends on time is given `now` (seconds of any monotonic clock) and first returns
to the queue what has passed its deadline, so an ack_id is dead from its deadline on, whoever looks
first. Each operation costs O(1) a message, O(log n) where a deadline is set.

**Ordering.** With `ordered=True` the messages of one ordering key form a lane. A pull takes
messages from the front of a lane; no more of it go out until all of these are acknowledged or back.
When a message comes back, the later ones of its key that are leased come back with it and their
ack_ids are void, so they are delivered again behind it, in order. Messages acknowledged out of turn
stay gone.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

__all__ = ["Backlog", "Delivery", "Flow", "Message"]

# Stale heap items (acknowledged or extended leases) are dropped when they outnumber the live ones
# by this factor; the floor keeps small heaps from being rebuilt all the time.
_HEAP_SLACK = 2
_HEAP_FLOOR = 1_000


@dataclass(frozen=True, slots=True)
class Message:
    """A published message, shared by all subscriptions of its topic.

    Attributes:
        message_id: unique; grows with time.
        ordering_key: empty where there is none.
        encoded: what a delivery carries (see `wire.py`); opaque here.
        size: bytes it counts for in every limit.
    """

    message_id: str
    ordering_key: str
    encoded: bytes
    size: int


class Delivery(NamedTuple):
    """A message on its way to a consumer. `attempt` counts from 1."""

    ack_id: str
    message: Message
    attempt: int


@dataclass(slots=True, eq=False)
class Flow:
    """What one stream may hold unacknowledged; 0 or less means no bound."""

    max_messages: int = 0
    max_bytes: int = 0
    messages: int = 0
    bytes: int = 0

    def room(self, size: int) -> bool:
        """Whether one more message of `size` bytes may go out.

        One that alone is larger than `max_bytes` may, when nothing else is out: it would never be
        delivered otherwise.
        """
        if self.max_messages > 0 and self.messages >= self.max_messages:
            return False
        return self.max_bytes <= 0 or self.messages == 0 or self.bytes + size <= self.max_bytes


@dataclass(slots=True, eq=False)
class _Entry:
    seq: int
    message: Message
    lane: _Lane | None
    attempts: int = 0


@dataclass(slots=True, eq=False)
class _Lease:
    entry: _Entry
    deadline: float
    flow: Flow | None


@dataclass(slots=True, eq=False)
class _Lane:
    """The messages of one ordering key; both collections are in order of seq."""

    key: str
    waiting: deque[_Entry] = field(default_factory=deque)
    leased: dict[str, _Entry] = field(default_factory=dict)
    queued: bool = False


_Queue = deque[_Entry | _Lane]


class Backlog:
    """The messages of one subscription that are not acknowledged yet.

    Args:
        prefix: what this subscription's ack_ids begin with; unique among all there ever were, so
            that an ack_id never acknowledges a message it was not given for.
        ordered: whether ordering keys are honoured.
    """

    def __init__(self, prefix: str, *, ordered: bool = False) -> None:
        self._prefix = prefix
        self._ordered = ordered
        self._fresh: _Queue = deque()
        self._returned: _Queue = deque()
        self._returned_last = False
        self._lanes: dict[str, _Lane] = {}
        self._leases: dict[str, _Lease] = {}
        self._deadlines: list[tuple[float, int, str]] = []
        self._next_seq = 0
        self._next_lease = 0
        self._waiting = 0
        self._bytes = 0

    @property
    def waiting(self) -> int:
        """Messages that are not leased (some may be held back behind their ordering key)."""
        return self._waiting

    @property
    def leased(self) -> int:
        """Messages that were delivered and neither acknowledged nor returned."""
        return len(self._leases)

    @property
    def bytes(self) -> int:
        """Size of all messages, waiting and leased."""
        return self._bytes

    def publish(self, messages: Iterable[Message]) -> None:
        """Adds messages at the end of the queue."""
        for message in messages:
            lane = self._lane(message.ordering_key)
            entry = _Entry(self._next_seq, message, lane)
            self._next_seq += 1
            self._waiting += 1
            self._bytes += message.size
            if lane is None:
                self._fresh.append(entry)
            else:
                lane.waiting.append(entry)
                self._queue_lane(lane, self._fresh)

    def pull(
        self,
        now: float,
        *,
        ack_deadline: float,
        max_messages: int,
        max_bytes: int,
        flow: Flow | None = None,
    ) -> list[Delivery]:
        """Leases up to `max_messages` messages of `max_bytes` in all, until `now + ack_deadline`.

        The first message goes out whatever its size. Where `flow` is given the leases count in it
        until they end.
        """
        self.expire(now)
        deliveries: list[Delivery] = []
        size = 0
        deadline = now + ack_deadline

        def fits(entry: _Entry) -> bool:
            if len(deliveries) >= max_messages:
                return False
            if deliveries and size + entry.message.size > max_bytes:
                return False
            return flow is None or flow.room(entry.message.size)

        while queue := self._next_queue():
            head = queue[0]
            if isinstance(head, _Entry):
                if not fits(head):
                    break
                queue.popleft()
                deliveries.append(self._lease(head, deadline, flow))
                size += head.message.size
            else:
                if not fits(head.waiting[0]):
                    break
                queue.popleft()
                head.queued = False
                while head.waiting and fits(head.waiting[0]):
                    entry = head.waiting.popleft()
                    deliveries.append(self._lease(entry, deadline, flow))
                    size += entry.message.size
            self._returned_last = queue is self._returned
        return deliveries

    def acknowledge(self, now: float, ack_ids: Iterable[str]) -> int:
        """Ends leases for good; ids that are unknown or past their deadline do nothing.

        Returns how many messages are gone by it.
        """
        self.expire(now)
        count = 0
        for ack_id in ack_ids:
            lease = self._leases.pop(ack_id, None)
            if lease is None:
                continue
            count += 1
            self._bytes -= lease.entry.message.size
            self._release(lease)
            lane = lease.entry.lane
            if lane is not None:
                del lane.leased[ack_id]
                self._settle_lane(lane)
        self._trim_deadlines()
        return count

    def modify(self, now: float, ack_ids: Iterable[str], seconds: float) -> int:
        """Moves the deadlines of leases to `now + seconds`; 0 returns their messages to the queue.

        Ids that are unknown or past their deadline do nothing. Returns how many leases changed.
        """
        self.expire(now)
        count = 0
        for ack_id in ack_ids:
            lease = self._leases.get(ack_id)
            if lease is None:
                continue
            count += 1
            if seconds <= 0:
                self._return(ack_id)
            else:
                self._set_deadline(ack_id, lease, now + seconds)
        self._trim_deadlines()
        return count

    def expire(self, now: float) -> int:
        """Returns every message whose deadline is `now` or earlier; says how many leases ended."""
        before = len(self._leases)
        while self._deadlines and self._deadlines[0][0] <= now:
            deadline, _, ack_id = heapq.heappop(self._deadlines)
            lease = self._leases.get(ack_id)
            if lease is not None and lease.deadline == deadline:
                self._return(ack_id)
        return before - len(self._leases)

    def next_deadline(self) -> float | None:
        """When the next lease ends if nobody acts; None where nothing is leased."""
        while self._deadlines:
            deadline, _, ack_id = self._deadlines[0]
            lease = self._leases.get(ack_id)
            if lease is not None and lease.deadline == deadline:
                return deadline
            heapq.heappop(self._deadlines)
        return None

    def _next_queue(self) -> _Queue | None:
        # Turn and turn about: returned messages come soon, and one that is returned again and again
        # cannot keep the others from a consumer that pulls a single message at a time.
        if self._returned and not (self._returned_last and self._fresh):
            return self._returned
        return self._fresh or None

    def _lane(self, key: str) -> _Lane | None:
        if not self._ordered or not key:
            return None
        lane = self._lanes.get(key)
        if lane is None:
            lane = self._lanes[key] = _Lane(key)
        return lane

    def _queue_lane(self, lane: _Lane, queue: _Queue) -> None:
        if lane.waiting and not lane.leased and not lane.queued:
            lane.queued = True
            queue.append(lane)

    def _settle_lane(self, lane: _Lane) -> None:
        self._queue_lane(lane, self._fresh)
        if not lane.waiting and not lane.leased:
            del self._lanes[lane.key]

    def _lease(self, entry: _Entry, deadline: float, flow: Flow | None) -> Delivery:
        ack_id = f"{self._prefix}-{self._next_lease}"
        self._next_lease += 1
        entry.attempts += 1
        self._waiting -= 1
        lease = self._leases[ack_id] = _Lease(entry, deadline, flow)
        self._set_deadline(ack_id, lease, deadline)
        if flow is not None:
            flow.messages += 1
            flow.bytes += entry.message.size
        if entry.lane is not None:
            entry.lane.leased[ack_id] = entry
        return Delivery(ack_id, entry.message, entry.attempts)

    def _set_deadline(self, ack_id: str, lease: _Lease, deadline: float) -> None:
        lease.deadline = deadline
        heapq.heappush(self._deadlines, (deadline, lease.entry.seq, ack_id))

    def _return(self, ack_id: str) -> None:
        """Puts a leased message back, and with it the later leased ones of its ordering key."""
        lease = self._leases.pop(ack_id)
        self._release(lease)
        self._waiting += 1
        lane = lease.entry.lane
        if lane is None:
            self._returned.append(lease.entry)
            return
        seq = lease.entry.seq
        del lane.leased[ack_id]
        # Leases of a lane are taken in order of seq, so the dict is sorted by it already.
        later = [(other, entry) for other, entry in lane.leased.items() if entry.seq > seq]
        for other, entry in reversed(later):
            self._release(self._leases.pop(other))
            self._waiting += 1
            del lane.leased[other]
            lane.waiting.appendleft(entry)
        lane.waiting.appendleft(lease.entry)
        self._queue_lane(lane, self._returned)

    @staticmethod
    def _release(lease: _Lease) -> None:
        if lease.flow is not None:
            lease.flow.messages -= 1
            lease.flow.bytes -= lease.entry.message.size

    def _trim_deadlines(self) -> None:
        if len(self._deadlines) > _HEAP_SLACK * len(self._leases) + _HEAP_FLOOR:
            self._deadlines = [
                item
                for item in self._deadlines
                if (lease := self._leases.get(item[2])) is not None and lease.deadline == item[0]
            ]
            heapq.heapify(self._deadlines)

"""A broker whose clock can be put forward, so that nobody waits for leases of the dead."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from pipeline.broker import Broker
from pipeline.broker.core import Consumer, Core
from pipeline.broker.state import Delivery
from pipeline.samples import SampleMessage
from tests.endtoend.commands import Queue
from tests.waiting import eventually

# The client looks for its broker in the environment, which all threads share.
_environment = threading.RLock()


class _Clock:
    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


class _Core(Core):
    """Knows how many pulls wait for messages."""

    def __init__(self, clock: _Clock) -> None:
        super().__init__(clock=clock)
        self._pulls: set[object] = set()

    @property
    def pulls(self) -> int:
        return len(self._pulls)

    def take(
        self, consumer: Consumer, max_messages: int, *, wait: float | None
    ) -> list[Delivery] | None:
        pull = object()
        self._pulls.add(pull)
        try:
            return super().take(consumer, max_messages, wait=wait)
        finally:
            self._pulls.discard(pull)


@dataclass
class ClockedQueue(Queue):
    """A queue on an embedded broker of its own."""

    broker: Broker | None = None
    clock: _Clock | None = None
    core: _Core | None = None

    def publish(self, samples: Iterable[SampleMessage]) -> int:
        with _environment, pytest.MonkeyPatch.context() as patch:
            patch.setenv("PUBSUB_EMULATOR_HOST", self.address)
            return super().publish(samples)

    def create(self) -> ClockedQueue:
        with _environment, pytest.MonkeyPatch.context() as patch:
            patch.setenv("PUBSUB_EMULATOR_HOST", self.address)
            super().create()
        return self

    def end_leases(self) -> None:
        """Lets every lease run out now, of clients that are gone."""
        assert self.clock is not None
        assert self.core is not None
        # A pull whose client has just died would take the messages with it once more.
        core = self.core
        eventually(lambda: not core.pulls)
        self.clock.ahead += 600.0

    @property
    def backlog(self) -> tuple[int, int]:
        """(messages waiting, messages leased)"""
        assert self.broker is not None
        return self.broker.backlog(self.subscription)


@contextmanager
def clocked_queue() -> Iterator[ClockedQueue]:
    clock = _Clock()
    core = _Core(clock)
    with Broker(core=core) as broker:
        yield ClockedQueue(broker.address, broker=broker, clock=clock, core=core).create()

"""A broker whose clock can be put forward, so that nobody waits for leases of the dead."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest

from pipeline.broker import Broker
from pipeline.broker.core import Core
from pipeline.samples import SampleMessage
from tests.endtoend.commands import Queue

# The client looks for its broker in the environment, which all threads share.
_environment = threading.RLock()


class _Clock:
    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


@dataclass
class ClockedQueue(Queue):
    """A queue on an embedded broker of its own."""

    broker: Broker | None = None
    clock: _Clock | None = None

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
        """Lets every lease run out now."""
        assert self.clock is not None
        self.clock.ahead += 600.0

    @property
    def backlog(self) -> tuple[int, int]:
        """(messages waiting, messages leased)"""
        assert self.broker is not None
        return self.broker.backlog(self.subscription)


@contextmanager
def clocked_queue() -> Iterator[ClockedQueue]:
    clock = _Clock()
    with Broker(core=Core(clock=clock)) as broker:
        yield ClockedQueue(broker.address, broker=broker, clock=clock).create()

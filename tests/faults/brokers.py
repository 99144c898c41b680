"""The brokers under the faults, each behind a proxy, and what only a broker can do.

Google's emulator holds everything in memory and cannot be restarted without losing it, unlike the
service. So its restart is what a client sees of one: connections that break, and a while in which
there are none to be had. Ours is really stopped, and started again over what it knows.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

from pipeline.broker import Broker
from pipeline.broker.core import Core
from pipeline.leases import LEASE_SECONDS
from tests.brokers import google_emulator
from tests.faults.proxy import Proxy


class FaultyBroker(Protocol):
    """A broker behind a proxy."""

    proxy: Proxy

    @property
    def address(self) -> str:
        """host:port without the proxy, for the publisher: it is not under test."""
        ...

    def restart(self, seconds: float) -> None:
        """Away for so long, and there again with all messages and leases."""
        ...

    def expire_leases(self) -> None:
        """Returns when every lease there was has run out, but for those extended meanwhile."""
        ...

    def all_acknowledged(self, subscription: str) -> bool | None:
        """Whether nothing is left that could come again; None where there is no telling."""
        ...


class Embedded:
    """Our broker, in this process."""

    def __init__(self) -> None:
        self._ahead = 0.0
        self._core = Core(clock=lambda: time.monotonic() + self._ahead)
        self._broker = Broker(core=self._core).start()
        self.proxy = Proxy(self._broker.address)

    @property
    def address(self) -> str:
        return self._broker.address

    def restart(self, seconds: float) -> None:
        self._broker.stop(grace=0)
        time.sleep(seconds)
        self._broker = Broker(core=self._core).start()
        self.proxy.retarget(self._broker.address)

    def expire_leases(self) -> None:
        """At once: the clock that its deadlines go by is put forward."""
        self._ahead += LEASE_SECONDS + 1

    def all_acknowledged(self, subscription: str) -> bool:
        return self._broker.backlog(subscription) == (0, 0)

    def stop(self) -> None:
        self._broker.stop()


@dataclass
class Google:
    """Google's emulator, a process of its own."""

    address: str
    proxy: Proxy

    def restart(self, seconds: float) -> None:
        self.proxy.refuse()
        self.proxy.cut()
        time.sleep(seconds)
        self.proxy.heal()

    def expire_leases(self) -> None:
        # Deadlines are kept by its own clock, which nobody can put forward.
        time.sleep(LEASE_SECONDS + 1)

    def all_acknowledged(self, subscription: str) -> None:
        return None


@contextmanager
def embedded() -> Iterator[FaultyBroker]:
    """Yields our broker behind a proxy."""
    broker = Embedded()
    try:
        with broker.proxy:
            yield broker
    finally:
        broker.stop()


@contextmanager
def google() -> Iterator[FaultyBroker]:
    """Yields Google's emulator behind a proxy; EmulatorMissingError where it cannot run."""
    with google_emulator() as address, Proxy(address) as proxy:
        yield Google(address, proxy)


BROKERS = {"embedded": embedded, "google": google}

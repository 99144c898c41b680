"""The ledgers under the faults, and what only a ledger that is a server of its own can suffer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipeline.ledger.redis.owners import ALIVE_SECONDS
from tests.redis_server import RedisServer, redis_server

# What a log says of a Redis that was away when it was needed.
AWAY = "cannot be used just now"


class FaultyLedger(Protocol):
    """A ledger that the harness hands to every command."""

    @property
    def name(self) -> str:
        """As in the table."""
        ...

    @property
    def options(self) -> tuple[str, ...]:
        """Those by which `run` and `verify` find it."""
        ...

    @property
    def owned_seconds(self) -> float:
        """How long what a process was writing stays its own after it was killed."""
        ...

    def restart(self, seconds: float) -> None:
        """Its server is killed, away for so long, and there again with all that it had said."""
        ...

    def expire_owners(self) -> None:
        """Has every process taken for dead that does not say anew that it lives."""
        ...


class Sqlite:
    """A file in the output; the kernel tells at once that a process is dead."""

    name = "SQLite"
    options: tuple[str, ...] = ()
    owned_seconds = 0.0

    def restart(self, seconds: float) -> None:
        raise AssertionError("SQLite has no server")

    def expire_owners(self) -> None:
        """Nothing to do: a process that is stopped holds its lock, and is known to live."""


@dataclass(frozen=True)
class InRedis:
    """A Redis of its own, which syncs every command to disk."""

    server: RedisServer
    name = "Redis"
    owned_seconds = ALIVE_SECONDS

    @property
    def options(self) -> tuple[str, ...]:
        return ("--state", self.server.uri())

    def restart(self, seconds: float) -> None:
        self.server.kill()
        time.sleep(seconds)
        self.server.start()

    def expire_owners(self) -> None:
        for key in self.server.client.scan_iter(match="*alive:*"):
            self.server.client.delete(key)


@contextmanager
def sqlite(folder: Path) -> Iterator[FaultyLedger]:
    """Yields the ledger that a run makes by itself."""
    del folder
    yield Sqlite()


@contextmanager
def in_redis(folder: Path) -> Iterator[FaultyLedger]:
    """Yields a ledger in Redis, its files in `folder`; RedisMissingError where there is none."""
    with redis_server(folder / "redis") as server:
        yield InRedis(server)


LEDGERS: dict[str, Callable[[Path], AbstractContextManager[FaultyLedger]]] = {
    "sqlite": sqlite,
    "redis": in_redis,
}

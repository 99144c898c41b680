"""Which of the processes on a Redis ledger are alive: those whose heartbeat is not overdue.

No machine can see whether a process on another one runs, so a process says so itself, again and
again. One that was stopped for longer (SIGSTOP, a machine asleep) is taken for dead, and may wake
up: what keeps it from writing a file that its heir has given up is not here (`ending`).
"""

from __future__ import annotations

import logging
import threading
import uuid
from typing import Any

import redis
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

# How long after its last sign of life a process is taken for dead. Long enough for a pause of the
# network, short enough for messages that a dead process had in hand.
ALIVE_SECONDS = 30.0
BEATS = 3
# How long a process that is not alive may be away and still come back.
FORGET_SECONDS = 7 * 86_400


class RedisOwners:
    """The processes on one ledger.

    Args:
        prefix: of its keys.
        seconds: the life of a heartbeat.
    """

    def __init__(self, client: redis.Redis, prefix: bytes, seconds: float) -> None:
        self.name = uuid.uuid4().hex
        self._client: Any = client
        self._prefix = prefix + b"alive:"
        self._seconds = seconds
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def prefix(self) -> bytes:
        """In front of a name, the key of its heartbeat."""
        return self._prefix

    @property
    def milliseconds(self) -> int:
        return max(1, round(self._seconds * 1000))

    def begin(self) -> None:
        """Beats from now on; the first beat has been given by who calls."""
        self._thread = threading.Thread(target=self._beat, name="heartbeat", daemon=True)
        self._thread.start()

    def _beat(self) -> None:
        failing = False
        while not self._stop.wait(self._seconds / BEATS):
            try:
                self._client.set(self._prefix + self.name.encode(), b"1", px=self.milliseconds)
                failing = False
            except RedisError as error:
                # Whoever has work to do is told of it there.
                if not failing:
                    logger.warning("the ledger cannot be told that we are alive: %s", error)
                failing = True

    def alive(self, name: str) -> bool:
        if name == self.name:
            return True
        return bool(self._client.exists(self._prefix + name.encode()))

    def stop(self) -> None:
        """Beats no more; what was said last holds on."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def leave(self) -> None:
        """Says that we are no more.

        Raises:
            RedisError: nobody could be told; it will be known in a while.
        """
        self.stop()
        self._client.delete(self._prefix + self.name.encode())

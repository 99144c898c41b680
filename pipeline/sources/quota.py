"""How many messages a run may still take, shared by the readers of all its processes."""

from __future__ import annotations

import ctypes
import threading
from contextlib import AbstractContextManager
from multiprocessing.context import BaseContext
from typing import Any


class Quota:
    """A count of messages to take: reserved before a pull, then taken or given back.

    Args:
        messages: how many in all; None for no end.
        readers: how many share it.
        reserved, taken: where the counts are kept: each with a `value`.
        lock: what guards them.
    """

    def __init__(
        self,
        messages: int | None,
        readers: int,
        reserved: Any,
        taken: Any,
        lock: AbstractContextManager[Any],
    ) -> None:
        self._messages = messages
        self._readers = readers
        self._reserved = reserved
        self._taken = taken
        self._lock = lock

    @classmethod
    def local(cls, messages: int | None) -> Quota:
        """For one reader in this process."""
        return cls(messages, 1, ctypes.c_int64(0), ctypes.c_int64(0), threading.Lock())

    @classmethod
    def shared(cls, context: BaseContext, messages: int | None, readers: int) -> Quota:
        """For readers in several processes, to be handed to each when it is started."""
        reserved = context.Value(ctypes.c_int64, 0, lock=False)
        taken = context.Value(ctypes.c_int64, 0, lock=False)
        return cls(messages, readers, reserved, taken, context.Lock())

    def reserve(self, wanted: int) -> int:
        """Leave to pull so many messages, at most `wanted`; 0 where none is left just now.

        Of what is left a reader gets a part only, so that the last messages are shared out and
        no reader is idle while another works on a long queue of its own.
        """
        if self._messages is None:
            return wanted
        with self._lock:
            left = self._messages - self._taken.value - self._reserved.value
            granted: int = max(0, min(wanted, left, max(1, left // (2 * self._readers - 1))))
            self._reserved.value += granted
            return granted

    def take(self, reserved: int, taken: int) -> None:
        """Ends a reservation: `taken` of the `reserved` messages have been taken."""
        if self._messages is None:
            return
        with self._lock:
            self._reserved.value -= reserved
            self._taken.value += taken

    @property
    def used_up(self) -> bool:
        """Whether all messages have been taken."""
        if self._messages is None:
            return False
        with self._lock:
            return bool(self._taken.value >= self._messages)

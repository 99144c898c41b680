"""Which of the processes that opened a ledger are alive.

Each holds a file lock for as long as it lives, and the kernel lets go of it however the process
ends: no heartbeat, no time-out to tune, no process id that another one may have by now.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from pipeline.durable import make_folder


def owners_folder(database: Path) -> Path:
    """Where the locks for a database lie."""
    return database.with_name(f"{database.name}.owners")


class Owners:
    """The processes on one ledger; this one joins when it is made.

    Args:
        folder: where the locks lie; None for a ledger that no other process sees.
    """

    def __init__(self, folder: Path | None) -> None:
        self.name = uuid.uuid4().hex
        self._folder = folder
        self._handle = None if folder is None else self._join(folder)

    def _join(self, folder: Path) -> IO[str]:
        make_folder(folder)
        path = folder / self.name
        while True:
            handle = path.open("w")
            fcntl.flock(handle, fcntl.LOCK_EX)
            # A sweep may have taken the file for a dead one's between the two calls.
            if os.fstat(handle.fileno()).st_nlink:
                handle.write(f"{os.getpid()}\n")
                handle.flush()
                return handle
            handle.close()

    @contextlib.contextmanager
    def if_dead(self, name: str) -> Iterator[bool]:
        """Yields whether `name` is dead, holding its lock meanwhile so that one heir acts."""
        if name == self.name or self._folder is None:
            yield False
            return
        path = self._folder / name
        try:
            handle = path.open("r+")
        except FileNotFoundError:
            yield True
            return
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                yield False
                return
            yield True
            path.unlink(missing_ok=True)

    def others(self) -> list[str]:
        """The processes that are alive beside this one."""
        if self._folder is None:
            return []
        alive = []
        for path in self._folder.iterdir():
            if path.name != self.name:
                with self.if_dead(path.name) as dead:
                    if not dead:
                        alive.append(path.name)
        return alive

    def sweep(self) -> None:
        """Takes away the lock files of the dead."""
        if self._folder is not None:
            for path in self._folder.iterdir():
                with self.if_dead(path.name):
                    pass

    def leave(self) -> None:
        if self._handle is not None and self._folder is not None:
            (self._folder / self.name).unlink(missing_ok=True)
            self._handle.close()
            self._handle = None

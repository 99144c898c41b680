"""One process that holds a model, as its parent sees it. What it does is `model_worker`."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import struct
from multiprocessing import resource_tracker
from typing import Any

from pipeline.transforms import model_worker

END_SECONDS = 10.0
"""A process that was killed is gone in milliseconds, unless the machine has no time for it."""


class WorkerProcess:
    """A process, and our end of the pipe to it.

    Args:
        location: of the model, as `ModelInfo` has it.
        timeout: seconds for one request.
    """

    def __init__(self, location: str, timeout: float) -> None:
        context = multiprocessing.get_context("spawn")
        self.connection, theirs = context.Pipe()
        self._limit(timeout)
        self._process = context.Process(
            target=model_worker.run,
            args=(location, timeout, theirs),
            name="model-worker",
            daemon=True,
        )
        # Started with the first process it would let the signals through again.
        resource_tracker.ensure_running()
        # Inherited, the mask holds signals back until the process ignores them.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, model_worker.SIGNALS)
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            theirs.close()
        self.pid = self._process.pid or 0
        self.ready = False
        self.busy = False

    def _limit(self, timeout: float) -> None:
        """Neither end may block the other: a stopped process takes nothing from its pipe."""
        with socket.socket(fileno=os.dup(self.connection.fileno())) as pipe:
            # The timeout that `socket.setdefaulttimeout` may have set would make it non-blocking.
            pipe.setblocking(True)
            seconds = struct.pack("ll", int(timeout) + 1, 0)
            for option in (socket.SO_SNDTIMEO, socket.SO_RCVTIMEO):
                pipe.setsockopt(socket.SOL_SOCKET, option, seconds)

    @property
    def ended(self) -> bool:
        """Whether an idle worker is there no more: what comes from it can only be its end."""
        return self.ready and (self.connection.closed or self.connection.poll())

    def receive(self, timeout: float) -> Any:
        """What the worker says.

        Raises:
            TimeoutError, BlockingIOError: nothing, or not all of it, came in time.
            EOFError, OSError: it has ended.
        """
        if not self.connection.poll(max(0.0, timeout)):
            raise TimeoutError
        return self.connection.recv()

    def kill(self) -> None:
        self._process.kill()

    def end(self) -> str:
        """Waits for its end, and makes it come where it must; returns how it ended."""
        self._process.join(END_SECONDS)
        self._process.kill()
        self._process.join(END_SECONDS)
        self.connection.close()
        return how_it_ended(self._process.exitcode)


def how_it_ended(code: int | None) -> str:
    """A process's exit code in words, as they follow "ended by"."""
    if code is None or code >= 0:
        return f"exit code {code}"
    try:
        return f"signal {signal.Signals(-code).name}"
    except ValueError:
        # Real-time signals have no names.
        return f"signal {-code}"

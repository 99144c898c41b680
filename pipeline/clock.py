"""The time of day that never jumps, for what has to wait.

A machine's clock is set: by an operator, by a time server after a long sleep. A timer due in ten
seconds by that clock would then come an hour late, and its records with it. What is written into
records is the machine's own time, as everybody else's is.
"""

from __future__ import annotations

import time

_BEGAN_WALL = time.time()
_BEGAN = time.monotonic()


def steady_time() -> float:
    """Seconds since 1970 by the machine's clock as it was when the process started."""
    return _BEGAN_WALL + (time.monotonic() - _BEGAN)


class SteadyClock:
    """The same for Beam's local runner, whose real-time timers are due by it."""

    def time(self) -> float:
        return steady_time()

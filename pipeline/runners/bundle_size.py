"""How many records a bundle should have: about two seconds' work."""

from __future__ import annotations

import time
from collections.abc import Callable

# Small at first: who restarts a run waits for the first of them.
FIRST, LEAST, MOST = 100, 50, 5_000
TARGET_SECONDS = 2.0
GROWTH = 2.0


class BundleSize:
    """Learns from each bundle how many records the next should have.

    Beam's local runner has a fixed cost for every step of every bundle (it unpickles the `DoFn`
    and reads its signature), so small bundles are dear; but a bundle is also what draining, timers
    and back-pressure wait for, so one that takes a minute is worse.

    Args:
        clock: seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._size = FIRST
        self._handed_on: tuple[float, int] | None = None

    def next(self) -> int:
        """The size of the bundle to come; all before it has been worked on by now."""
        if self._handed_on is not None:
            began, records = self._handed_on
            self._handed_on = None
            self._size = resized(self._size, records, self._clock() - began)
        return self._size

    def handed_on(self, records: int) -> None:
        """Work on a bundle of so many records begins."""
        self._handed_on = (self._clock(), records) if records else None


def resized(size: int, records: int, seconds: float) -> int:
    """The size after `size`, where `records` took `seconds`.

    >>> resized(1000, 1000, 0.25), resized(1000, 1000, 10.0), resized(1000, 10, 0.001)
    (2000, 200, 1000)
    """
    ideal = records / max(seconds, 1e-6) * TARGET_SECONDS
    if records < size:
        # A bundle that was not full tells only that fewer would be better, never that more would.
        ideal = min(ideal, size)
    return int(max(LEAST, min(MOST, ideal, size * GROWTH)))

"""Trying again while what is in the way may pass: a full disk, a lock, a mount gone read-only.

Beam's local runner tries a bundle four times at once and gives up; a disk takes longer to be made
room on. While we wait, leases are extended and nothing more is pulled than `--max_unsettled_…`
allows, so that waiting costs nothing but time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from pipeline.errors import Failed

logger = logging.getLogger(__name__)

T = TypeVar("T")

FIRST_SECONDS, MOST_SECONDS, GROWTH = 0.5, 15.0, 2.0


class OutOfPatience(Failed):
    """What was in the way did not pass."""


class Patience:
    """How long a trouble may last, counted over all calls until one succeeds.

    Counted over calls, because Beam tries a bundle again whatever it failed with: the tries that
    follow an `OutOfPatience` must not wait as long once more.

    Args:
        passing: the exceptions that may pass; any other is raised at once.
        clock, wait: seconds, and how to spend them.
    """

    def __init__(
        self,
        passing: tuple[type[Exception], ...],
        *,
        clock: Callable[[], float] = time.monotonic,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._passing = passing
        self._clock = clock
        self._wait = wait
        self._lock = threading.Lock()
        self._failing_since: float | None = None

    def call(self, work: Callable[[], T], *, seconds: float, what: str) -> T:
        """What `work` returns, tried again with growing pauses until it succeeds.

        Args:
            seconds: how long `work` may go on failing.
            what: what fails, as the beginning of a line: "the records cannot be written".

        Raises:
            OutOfPatience: it failed for longer.
        """
        pause = FIRST_SECONDS
        while True:
            try:
                result = work()
            except self._passing as error:
                left = self._time_left(seconds)
                if left <= 0:
                    raise OutOfPatience(
                        f"{what}, for {seconds:g} s now: {error}. What is not written is not "
                        "acknowledged and comes again: mend it and start the run again"
                    ) from error
                pause = min(pause, left)
                logger.warning("%s, trying again in %.1f s: %s", what, pause, error)
                self._wait(pause)
                pause = min(GROWTH * pause, MOST_SECONDS)
            else:
                self._succeeded()
                return result

    def _time_left(self, seconds: float) -> float:
        with self._lock:
            now = self._clock()
            if self._failing_since is None:
                self._failing_since = now
            return self._failing_since + seconds - now

    def _succeeded(self) -> None:
        with self._lock:
            self._failing_since = None

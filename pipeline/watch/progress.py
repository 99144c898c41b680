"""One line on the terminal that says how far a run has come; a bar where it has an end."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, TextColumn
from rich.progress import Progress as Bar

from pipeline.watch.summary import Summary

logger = logging.getLogger(__name__)

REFRESH_SECONDS = 0.5
LOG_SECONDS = 30.0
# The time left is told by the speed of so long: what was written before is passed over quickly.
SPEED_SECONDS = 60.0


class Progress:
    """Shows counts and rate while entered: a line that changes, or log lines off a terminal.

    Args:
        summary: how far the run has come.
        shown: False for not at all.
        report: is handed the summary too, now and then.
    """

    def __init__(
        self,
        summary: Callable[[], Summary],
        *,
        shown: bool = True,
        report: Callable[[Summary], None] | None = None,
    ) -> None:
        self._summary = summary
        self._shown = shown
        self._report = report
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="progress", daemon=True)

    def __enter__(self) -> Progress:
        if self._shown or self._report is not None:
            self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        if self._thread.is_alive():
            self._thread.join()

    def _follow(self) -> None:
        started = logged = time.monotonic()
        on_terminal = self._shown and sys.stderr.isatty()
        left = TimeLeft()
        with _line() if on_terminal else contextlib.nullcontext() as show:
            while not self._ended.wait(REFRESH_SECONDS):
                summary, now = self._look(), time.monotonic()
                if summary is None:
                    continue
                if self._report is not None:
                    self._report(summary)
                left.note(now, summary.done)
                if show is not None:
                    show(describe(summary, now - started, left.seconds()), summary.done)
                elif self._shown and now - logged >= LOG_SECONDS:
                    logged = now
                    logger.info(describe(summary, now - started, left.seconds()))

    def _look(self) -> Summary | None:
        try:
            return self._summary()
        except RuntimeError:
            # Beam's local runner counts in a dict, which may grow while it is read.
            return None


@contextlib.contextmanager
def _line() -> Iterator[Callable[[str, float | None], None]]:
    """A line at the end of the terminal; yields what shows a text in it, and a share as a bar."""
    console = Console(stderr=True)
    text = TextColumn("{task.description}")
    bar = Bar(BarColumn(bar_width=20), text, console=console, transient=True)
    with contextlib.ExitStack() as shown:
        status = console.status("starting")
        status.start()
        shown.callback(status.stop)
        task = None

        def show(line: str, done: float | None) -> None:
            nonlocal task
            if done is None:
                status.update(line)
                return
            if task is None:
                status.stop()
                task = shown.enter_context(bar).add_task(line, total=1.0)
            bar.update(task, completed=done, description=line)

        yield show


class TimeLeft:
    """How long a run that has an end is still going to take, by its speed of late."""

    def __init__(self, window: float = SPEED_SECONDS) -> None:
        self._window = window
        self._noted: deque[tuple[float, float]] = deque()

    def note(self, now: float, done: float | None) -> None:
        """At `now`, in seconds, the share `done` was done; None where there is no end."""
        if done is None:
            return
        self._noted.append((now, done))
        while len(self._noted) > 2 and self._noted[1][0] <= now - self._window:
            self._noted.popleft()

    def seconds(self) -> float | None:
        """None where it cannot be told yet.

        >>> left = TimeLeft()
        >>> left.note(0.0, 0.0)
        >>> left.note(10.0, 0.2)
        >>> left.seconds()
        40.0
        """
        if len(self._noted) < 2:
            return None
        (began, first), (now, done) = self._noted[0], self._noted[-1]
        if done <= first or now <= began:
            return None
        return (1.0 - done) * (now - began) / (done - first)


def describe(summary: Summary, seconds: float, left: float | None = None) -> str:
    """The line.

    Args:
        seconds: since the beginning.
        left: to the end, where that can be told.

    >>> describe(Summary({"messages_received": 20, "articles_written": 10}), 2.0)
    '20 messages (10/s): 10 articles, 0 duplicates, 0 dead letters written'
    >>> describe(Summary({"messages_received": 20}, done=0.25), 2.0, 6.0)
    '25 %, 0:00:06 left, 20 messages (10/s): 0 articles, 0 duplicates, 0 dead letters written'
    """
    rate = summary.received / seconds if seconds > 0 else 0.0
    share = "" if summary.done is None else f"{summary.done:.0%}, ".replace("%", " %")
    rest = "" if left is None else f"{dt.timedelta(seconds=round(left))} left, "
    return (
        f"{share}{rest}{summary.received} messages ({rate:.0f}/s): {summary.articles} articles, "
        f"{summary.duplicates} duplicates, {summary.dead_letters} dead letters written"
    )

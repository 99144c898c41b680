"""One line on the terminal that says how far a run has come."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
from collections.abc import Callable

from rich.console import Console

from pipeline.watch.summary import Summary

logger = logging.getLogger(__name__)

REFRESH_SECONDS = 0.5
LOG_SECONDS = 30.0


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
        started = time.monotonic()
        on_terminal = self._shown and sys.stderr.isatty()
        console = Console(stderr=True)
        with console.status("starting") if on_terminal else contextlib.nullcontext() as status:
            logged = started
            while not self._ended.wait(REFRESH_SECONDS):
                summary, now = self._look(), time.monotonic()
                if summary is None:
                    continue
                if self._report is not None:
                    self._report(summary)
                if status is not None:
                    status.update(describe(summary, now - started))
                elif self._shown and now - logged >= LOG_SECONDS:
                    logged = now
                    logger.info(describe(summary, now - started))

    def _look(self) -> Summary | None:
        try:
            return self._summary()
        except RuntimeError:
            # Beam's local runner counts in a dict, which may grow while it is read.
            return None


def describe(summary: Summary, seconds: float) -> str:
    """The line.

    >>> describe(Summary({"messages_received": 20, "articles_written": 10}), 2.0)
    '20 messages (10/s): 10 articles, 0 duplicates, 0 dead letters written'
    """
    rate = summary.received / seconds if seconds > 0 else 0.0
    return (
        f"{summary.received} messages ({rate:.0f}/s): {summary.articles} articles, "
        f"{summary.duplicates} duplicates, {summary.dead_letters} dead letters written"
    )

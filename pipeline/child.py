"""A process of a run that has several. See `pipeline.processes`.

Beam is imported late here: what it says while it is, the log is to be ready for.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from multiprocessing.connection import Connection
from typing import Any

from pipeline import logs
from pipeline.errors import Failed, UsageError
from pipeline.sources.quota import Quota

logger = logging.getLogger(__name__)

DRAIN = "drain"
SUMMARY, USAGE, FAILED = "summary", "usage", "failed"
SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run(given: dict[str, Any], quota: Quota, parent: Connection) -> None:
    """What a process does: a whole run of its own.

    Args:
        given: the options.
        quota: shared with the other processes.
        parent: the pipe to the process that started this one. Sent over it are pairs of a word and
            what it is about: a summary, or the text of a usage error or a failure.
    """
    drain = threading.Event()
    # A terminal sends Ctrl-C to all; the parent decides what it means. SIGTERM may come to all,
    # as systemd does it, or to one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: drain.set())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    threading.Thread(target=_listen, args=(parent, drain), name="parent", daemon=True).start()
    logs.configure(given.get("log_format", "text"))
    from pipeline.options import ArticleOptions
    from pipeline.run import stream_here

    sending = threading.Lock()

    def send(kind: str, content: Any) -> None:
        with sending:
            parent.send((kind, content))

    try:
        summary = stream_here(
            # Without flags of its own it would take those of the program we run in.
            ArticleOptions([], **given),
            quota=quota,
            drain=drain,
            report=lambda summary: send(SUMMARY, summary),
        )
        send(SUMMARY, summary)
    except UsageError as error:
        send(USAGE, str(error))
    except Failed as error:
        send(FAILED, str(error))
    except Exception as error:
        logger.exception("a process of the run failed")
        send(FAILED, f"{type(error).__name__}: {error}")


def _listen(parent: Connection, drain: threading.Event) -> None:
    try:
        while parent.recv() == DRAIN:
            drain.set()
    except (EOFError, OSError):
        # The parent is gone without a word: so are we. What is not committed comes again.
        os._exit(1)

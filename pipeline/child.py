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
from pipeline.transforms.model_workers import load_early

logger = logging.getLogger(__name__)

GO, DRAIN = "go", "drain"
OPENED, SUMMARY, USAGE, FAILED = "opened", "summary", "usage", "failed"
SIGNALS = (signal.SIGINT, signal.SIGTERM)
WAIT_SECONDS = 0.1


def run(
    given: dict[str, Any], flags: list[str], quota: Quota, first: bool, parent: Connection
) -> None:
    """What a process does: a whole run of its own.

    Args:
        given: the options of ours.
        flags: Beam's own, as they stand on the command line.
        quota: shared with the other processes.
        first: whether it goes ahead; the others wait until they are told to go.
        parent: the pipe to the process that started this one. Sent over it are pairs of a word and
            what it is about: opened and nothing, a summary, or the text of a usage error or a
            failure.
    """
    drain, go = threading.Event(), threading.Event()
    if first:
        go.set()
    # A terminal sends Ctrl-C to all; the parent decides what it means. SIGTERM may come to all,
    # as systemd does it, or to one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda number, frame: drain.set())
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    threading.Thread(target=_listen, args=(parent, drain, go), name="parent", daemon=True).start()
    logs.configure(given.get("log_format", "text"))
    sending = threading.Lock()

    def send(kind: str, content: Any) -> None:
        with sending:
            parent.send((kind, content))

    try:
        # With a model to load, the cores are the first one's until it streams.
        if not given["no_entities"]:
            if not _told_to_go(go, drain):
                return
            load_early(given)
        from pipeline.options import options_of
        from pipeline.run import stream_here

        if not _told_to_go(go, drain):
            return
        summary = stream_here(
            options_of(given, flags),
            quota=quota,
            drain=drain,
            report=lambda summary: send(SUMMARY, summary),
            opened=lambda: send(OPENED, None),
            patient=not first,
        )
        send(SUMMARY, summary)
    except UsageError as error:
        send(USAGE, str(error))
    except Failed as error:
        send(FAILED, str(error))
    except Exception as error:
        logger.exception("a process of the run failed")
        send(FAILED, f"{type(error).__name__}: {error}")


def _told_to_go(go: threading.Event, drain: threading.Event) -> bool:
    """Waits until the process may go, True, or is to drain before it has begun, False."""
    while not go.wait(WAIT_SECONDS):
        if drain.is_set():
            return False
    return True


def _listen(parent: Connection, drain: threading.Event, go: threading.Event) -> None:
    told = {GO: go, DRAIN: drain}
    try:
        while True:
            told[parent.recv()].set()
    except (EOFError, OSError):
        # The parent is gone without a word: so are we. What is not committed comes again.
        os._exit(1)

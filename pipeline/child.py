"""A process of a run that has several. See `pipeline.processes`.

Beam is imported late here: what it says while it is, the log is to be ready for.
"""

from __future__ import annotations

import logging
import os
import signal
import threading
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any

from pipeline import logs
from pipeline.errors import Failed, UsageError
from pipeline.letters import EVERY, Wanted
from pipeline.sources.quota import Quota
from pipeline.transforms.model_workers import load_early

if TYPE_CHECKING:
    from pipeline.watch.summary import Summary

logger = logging.getLogger(__name__)

GO, DRAIN = "go", "drain"
OPENED, SUMMARY, USAGE, FAILED = "opened", "summary", "usage", "failed"
SIGNALS = (signal.SIGINT, signal.SIGTERM)
WAIT_SECONDS = 0.1


@dataclass(frozen=True)
class Part:
    """What a process of a run is to read.

    Args:
        number: of the process, from 0. The first goes ahead; the others wait until they are told.
        of: how many processes there are.
        quota: of a stream: how many messages are left to take, for all processes.
        files: of a backfill: all its files, each as the fields of an `InputFile` (which comes with
            Beam).
        letters: of a backfill: which dead letters to take.
    """

    number: int
    of: int
    quota: Quota | None = None
    files: tuple[tuple[Any, ...], ...] | None = None
    letters: Wanted = EVERY

    def run(self, given: dict[str, Any], flags: list[str], **watching: Any) -> Summary:
        """Reads it. Imports Beam.

        Args:
            given, flags: as for `run`.
            watching: drain, report and opened; see `pipeline.run.stream_here`.
        """
        from pipeline.options import options_of
        from pipeline.run import backfill_here, stream_here

        options = options_of(given, flags)
        patient = self.number > 0
        if self.files is None:
            return stream_here(options, quota=self.quota, patient=patient, **watching)
        from pipeline.sources.files import InputFile

        files = [InputFile(*fields) for fields in self.files]
        share = (self.number, self.of)
        return backfill_here(options, files, self.letters, share=share, patient=patient, **watching)


def run(given: dict[str, Any], flags: list[str], part: Part, parent: Connection) -> None:
    """What a process does: a whole run of its own.

    Args:
        given: the options of ours.
        flags: Beam's own, as they stand on the command line.
        part: what it reads.
        parent: the pipe to the process that started this one. Sent over it are pairs of a word and
            what it is about: opened and nothing, a summary, or the text of a usage error or a
            failure.
    """
    drain, go = threading.Event(), threading.Event()
    if part.number == 0:
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
        # Beside the first one's work.
        import pipeline.run  # noqa: F401

        if not _told_to_go(go, drain):
            return
        summary = part.run(
            given,
            flags,
            drain=drain,
            report=lambda summary: send(SUMMARY, summary),
            opened=lambda: send(OPENED, None),
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

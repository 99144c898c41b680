"""One run in several processes: as many local pipelines over one subscription and one output.

Beam's local runner has one thread, and Python one interpreter lock. The processes share nothing
but the ledger, which lets any number of them work side by side, and the count of messages left to
take. Each dies with the one that started it, however that ends: a pipe between them breaks then.

The first of them opens the output alone: what all would find missing is said once, and where there
is a model to load, the first record does not wait for all of them to load it.
"""

from __future__ import annotations

import dataclasses
import logging
import math
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnContext
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Any

from pipeline import child
from pipeline.errors import Failed, UsageError
from pipeline.letters import EVERY, Wanted
from pipeline.sources.quota import Quota
from pipeline.watch.progress import Progress, describe
from pipeline.watch.summary import Summary

if TYPE_CHECKING:
    from pipeline.sources.files import InputFile

logger = logging.getLogger(__name__)

MOST_AUTO = 8
# Each takes some 200 MB, and more with a model: a slip of the finger shall not stop the machine.
MOST_BY_CORE = 8
REPORT_SECONDS = 0.5
# How long the first process has the cores for itself where the others have a model to load: about
# what it takes from the first pull to the first record. Loading takes each core three seconds.
HEAD_START_SECONDS = 2.0


def count_of(asked: str) -> int:
    """How many processes `--processes` means: `auto` is one for each core we may use.

    Raises:
        UsageError: it is neither auto nor a whole number of at least 1, or there are too few cores
            for so many.
    """
    if asked == "auto":
        return min(MOST_AUTO, _cores())
    return _number(asked, "--processes", least=1)


def entity_workers_of(asked: str, processes: int) -> int:
    """How many workers for entities `--entity_workers` means to each of so many processes.

    `auto` shares out the cores.

    Raises:
        UsageError: it is neither auto nor a whole number of at least 0, or there are too few cores
            for so many.
    """
    if asked == "auto":
        return max(1, _cores() // processes)
    return _number(asked, "--entity_workers", least=0)


def _number(asked: str, option: str, *, least: int) -> int:
    most = MOST_BY_CORE * _cores()
    if not (asked.isascii() and asked.isdecimal()) or int(asked) < least:
        raise UsageError(f"{option} {asked} is neither auto nor a number of at least {least}")
    if int(asked) > most:
        raise UsageError(
            f"{option} {asked} is more than {most}, {MOST_BY_CORE} for each core of this machine"
        )
    return int(asked)


def _cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Processes:
    """The processes of one run.

    Args:
        options: of the run, each of ours by name; bounds on what is unsettled are shared out
            among the processes.
        flags: Beam's own, as they stand on the command line.
        count: how many.
        drain: when set, every process is asked to stop pulling and to finish what it has.
        files: of a backfill: what all of them read. Listed once, since each takes its share by
            their order, and a file that comes meanwhile would change that.
        letters: of a backfill: which dead letters to take, found out once as well.
    """

    def __init__(
        self,
        options: Mapping[str, Any],
        flags: Sequence[str],
        count: int,
        drain: threading.Event,
        files: Sequence[InputFile] | None = None,
        letters: Wanted = EVERY,
    ) -> None:
        context = multiprocessing.get_context("spawn")
        shared = ("max_unsettled_messages", "max_unsettled_bytes")
        given = {
            **options,
            "no_progress": True,
            **{name: max(1, options[name] // count) for name in shared},
        }
        self._drain = drain
        self._shown = not options["no_progress"]
        self._has_end = files is not None
        self._ends_by_itself = self._has_end or any(
            options[name] is not None for name in ("max_messages", "idle_timeout")
        )
        self._summaries: dict[Connection, Summary] = {}
        self._running: dict[Connection, BaseProcess] = {}
        self._failure: Failed | UsageError | None = None
        self._opened = False
        self._head_start = 0.0 if options["no_entities"] else HEAD_START_SECONDS
        self._go_at = math.inf
        # Kept: its lock goes with it, and a process that has yet to start could not open it.
        self._quota = Quota.shared(context, options["max_messages"], count)
        listed = None if files is None else tuple(dataclasses.astuple(file) for file in files)
        try:
            for number in range(count):
                part = child.Part(number, count, self._quota, listed, letters)
                self._start(context, (given, list(flags), part), number)
        except BaseException:
            self._abandon()
            raise

    def _start(self, context: SpawnContext, arguments: tuple[Any, ...], number: int) -> None:
        ours, theirs = context.Pipe()
        process = context.Process(
            target=child.run, args=(*arguments, theirs), name=f"pipeline-{number}"
        )
        # Inherited, the mask holds signals back until the process has its handlers.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, child.SIGNALS)
        try:
            process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        self._running[ours] = process
        self._summaries[ours] = Summary()

    def summary(self) -> Summary:
        """The sum over all processes so far."""
        return Summary.sum(list(self._summaries.values()))

    def wait(self, report: Callable[[Summary], None] = lambda summary: None) -> Summary:
        """Waits for the end of all.

        Args:
            report: is told how far the run has come, now and then and where it fails.

        Raises:
            Failed, UsageError: one of them failed or died; the others have been drained.
        """
        told = False
        began = time.monotonic()
        try:
            with Progress(self.summary, shown=self._shown, report=report):
                while self._running:
                    if self._drain.is_set() and not told:
                        told = True
                        self._tell(child.DRAIN)
                    if time.monotonic() >= self._go_at:
                        self._go_at = math.inf
                        self._tell(child.GO)
                    for connection in wait(list(self._running), timeout=REPORT_SECONDS):
                        assert isinstance(connection, Connection)
                        self._receive(connection)
        finally:
            self._abandon()
        if self._failure is not None:
            report(self.summary())
            if self._opened:
                logger.warning(describe(self.summary(), time.monotonic() - began))
            raise self._failure
        return self.summary()

    def _abandon(self) -> None:
        """Breaks every pipe that is left: the processes at their other ends end at once."""
        for connection in self._running:
            connection.close()

    def _tell(self, what: str) -> None:
        for connection in self._running:
            try:
                connection.send(what)
            except OSError as error:
                # It has just ended; what it had to say is still to be read.
                logger.debug("a process could not be told to %s: %s", what, error)

    def _receive(self, connection: Connection) -> None:
        try:
            kind, content = connection.recv()
        except (EOFError, OSError):
            self._ended(connection)
            return
        if kind == child.SUMMARY:
            self._summaries[connection] = content
        elif kind == child.OPENED:
            if not self._opened:
                self._go_at = time.monotonic() + self._head_start
            self._opened = True
        else:
            self._fail(UsageError(content) if kind == child.USAGE else Failed(content))

    def _ended(self, connection: Connection) -> None:
        process = self._running.pop(connection)
        process.join()
        connection.close()
        if process.exitcode == 0:
            if self._running and not (self._finished(connection) or self._drain.is_set()):
                logger.warning("a process of this run was stopped: stopping the others")
                self._drain.set()
        elif self._failure is None:
            code = process.exitcode or 0
            how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
            self._fail(
                Failed(
                    f"a process of this run was ended by {how}. The others were drained; what it "
                    "had in hand is not acknowledged and comes again: start the run again."
                )
            )

    def _finished(self, connection: Connection) -> bool:
        """Whether a process that ended has come to the end of its work, and was not stopped."""
        if self._has_end:
            return self._summaries[connection].done == 1.0
        return self._ends_by_itself

    def _fail(self, failure: Failed | UsageError) -> None:
        if self._failure is None:
            self._failure = failure
        self._drain.set()

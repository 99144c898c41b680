"""Starting a run: what can be said before Beam is there, and the processes that do the work.

Beam takes seconds to import, and so does spaCy. Whoever starts a run after a crash waits for both:
so neither is imported here, and one loads beside the other.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import os
import signal
import threading
import types
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.arguments import SUBSCRIPTION
from pipeline.errors import UsageError
from pipeline.ledger import MEMORY, database_path
from pipeline.option_list import defaults
from pipeline.processes import Processes, count_of, entity_workers_of
from pipeline.transforms.model_choice import choose_models
from pipeline.transforms.model_workers import load_early
from pipeline.watch.summary import Summary

logger = logging.getLogger(__name__)

# For what is said at the last moment, of a process that may hang for the disk it is said on.
LAST_WORDS_SECONDS = 5.0


def launch(
    given: Mapping[str, Any],
    flags: Sequence[str] = (),
    *,
    drain: threading.Event | None = None,
    report: Callable[[Summary], None] = lambda summary: None,
    cut_off: Callable[[str], None] = lambda text: None,
) -> Summary:
    """Streams until drained: by a signal, `--max_messages` or `--idle_timeout`.

    Args:
        given: options of ours, by name; the others have their defaults.
        flags: Beam's own, as they stand on the command line.
        drain: set by a signal, or by who else wants the run to end.
        report: is told how far the run has come, now and then and where it fails.
        cut_off: is told why, from a thread, where `--drain_timeout` is about to end the process.

    Raises:
        UsageError: an option cannot work.
        Failed: the work could not be done. What was not durable is not acknowledged.
    """
    options = {**defaults(), **given}
    check(options)
    options["run_id"] = options["run_id"] or new_run_id()
    count = shared_out(options)
    drain = drain or threading.Event()
    with draining(drain.set, options["drain_timeout"], cut_off):
        if count > 1:
            return Processes(options, flags, count, drain).wait(report)
        load_early(options)
        from pipeline.options import options_of
        from pipeline.run import stream_here

        shown = not options["no_progress"]
        return stream_here(options_of(options, flags), drain=drain, shown=shown, report=report)


def shared_out(options: dict[str, Any], most: int | None = None) -> int:
    """How many processes the options ask for; `entity_workers` becomes what each of them has.

    Args:
        most: as many as are of use; more are started only where a number was asked for.

    Raises:
        UsageError: --processes or --entity_workers is no number.
    """
    count = 1 if options["state"] == MEMORY else count_of(options["processes"])
    if most is not None and options["processes"] == "auto":
        count = min(count, most)
    options["entity_workers"] = str(entity_workers_of(options["entity_workers"], count))
    return count


def check(given: Mapping[str, Any]) -> None:
    """Looks the options over before anything is opened, so that what is wrong is said at once.

    Args:
        given: every option of ours, by name.

    Raises:
        UsageError: one of them is missing or wrong.
    """
    if not given["subscription"]:
        raise UsageError("--subscription projects/P/subscriptions/S is missing")
    if not SUBSCRIPTION.fullmatch(given["subscription"]):
        raise UsageError(
            f"--subscription {given['subscription']} is not of the form "
            "projects/PROJECT/subscriptions/NAME"
        )
    check_rest(given)


def check_rest(given: Mapping[str, Any]) -> None:
    """As `check`, for what is no matter of the source."""
    if not given["output"]:
        raise UsageError("--output DIR is missing: the folder that receives the records")
    if "://" in given["output"]:
        raise UsageError(
            f"--output {given['output']}: only a local folder can be written to so far"
        )
    path = Path(given["output"])
    there = next((one for one in (path, *path.parents) if one.exists()), path)
    if not there.is_dir():
        raise UsageError(f"--output {path}: {there} is a file, where a folder has to be")
    try:
        if given["state"]:
            database_path(given["state"])
        if not given["no_entities"]:
            choose_models(given["spacy_model"])
        if given["tag_rules"]:
            from pipeline.transforms.rule_file import read_rules

            read_rules(given["tag_rules"])
    except ValueError as error:
        raise UsageError(str(error)) from error


def new_run_id() -> str:
    """A name for a run: when it began, and a part that no other run has."""
    now = dt.datetime.now(dt.timezone.utc)
    return f"{now:%Y%m%dT%H%M%SZ}-{uuid.uuid4().hex[:8]}"


@contextlib.contextmanager
def draining(
    drain: Callable[[], None],
    timeout: float,
    cut_off: Callable[[str], None] = lambda text: None,
) -> Iterator[None]:
    """SIGTERM and SIGINT drain; the second of them ends the process at once.

    Args:
        drain: called at the first signal.
        timeout: seconds after it at which the process ends, drained or not.
        cut_off: is told why before that, and given `LAST_WORDS_SECONDS` for what it does.
    """

    begun, ended = threading.Event(), threading.Event()
    asked = False

    def watch() -> None:
        begun.wait()
        if not ended.wait(timeout):
            text = (
                f"not drained within {timeout:g} s (--drain_timeout): stopped; what is not written "
                "is not acknowledged and comes again"
            )
            logger.error(text)
            last_words = threading.Thread(target=cut_off, args=(text,), daemon=True)
            last_words.start()
            last_words.join(LAST_WORDS_SECONDS)
            # Whatever hangs would hang an orderly end too, which nothing needs.
            os._exit(1)

    def handle(number: int, frame: types.FrameType | None) -> None:
        nonlocal asked
        if asked:
            os._exit(128 + number)
        asked = True
        begun.set()
        logger.warning("%s: draining; once more to stop at once", signal.Signals(number).name)
        drain()

    # Started before any signal: a handler may interrupt whatever holds the lock that starting
    # a thread needs.
    threading.Thread(target=watch, name="drain", daemon=True).start()

    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        ended.set()
        begun.set()
        for number, old in before.items():
            signal.signal(number, old)

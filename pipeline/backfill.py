"""A backfill: from patterns of files to its summary, or only to a table of what there is to do.

Beam is imported here, for its file systems; what can be said without it says `check`.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import re
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pipeline.schemas as schemas
from pipeline.errors import UsageError
from pipeline.estimate import table
from pipeline.launch import check_rest, draining, new_run_id, shared_out
from pipeline.letters import Wanted, parsed_wanted
from pipeline.option_list import defaults
from pipeline.options import options_of
from pipeline.processes import Processes
from pipeline.replayed import Marks
from pipeline.sources.file_source import read_options
from pipeline.sources.files import InputFile, find_files
from pipeline.sources.files.opening import REMOTE
from pipeline.transforms.model_workers import load_early
from pipeline.watch.summary import Summary

logger = logging.getLogger(__name__)

LOCAL = "DirectRunner"
# Starting another process takes as long as reading some hundred articles.
BYTES_WORTH_A_PROCESS = 500_000
# Records of any output, by their place in it.
_LETTERS = re.compile(r"(?P<root>.+)/dead_letters/ingest_date=[^/]+/[^/]+\.avro$")
_NO_ARTICLES = re.compile(r"/(?:duplicates|dead_letters)/ingest_date=[^/]+/[^/]+$")


def check(given: Mapping[str, Any]) -> None:
    """Looks the options over before anything is opened, so that what is wrong is said at once.

    Raises:
        UsageError: one of them is missing or wrong.
    """
    if not given["input"]:
        raise UsageError("--input GLOB… is missing: the files to read")
    if given["reprocess"] and "entities" in given["reprocess"] and given["no_entities"]:
        raise UsageError("--reprocess entities and --no_entities exclude each other")
    _asked_for(given)
    check_rest(given)


def launch(
    given: Mapping[str, Any],
    flags: Sequence[str] = (),
    *,
    runner: str = LOCAL,
    drain: threading.Event | None = None,
    report: Callable[[Summary], None] = lambda summary: None,
    cut_off: Callable[[str], None] = lambda text: None,
) -> Summary:
    """Reads files to their end, or until a signal drains; the summary's `done` is 1 at their end.

    Args:
        given: options of ours, by name; the others have their defaults.
        flags: Beam's own, as they stand on the command line.
        runner: DirectRunner is this machine, with as many processes as the options say; another
            one is Beam's affair.
        drain, report, cut_off: as for `pipeline.launch.launch`.

    Raises:
        UsageError: an option cannot work.
        Failed: the work could not be done. Started again, it goes on from what is durable.
    """
    options = {**defaults(), **given}
    check(options)
    files = files_of(options)
    options["run_id"] = options["run_id"] or new_run_id()
    drain = drain or threading.Event()
    shown = not options["no_progress"]
    letters = letters_of(options, files)
    size = sum(file.size for file in files)
    logger.info("%d files, %d bytes", len(files), size)
    with draining(drain.set, options["drain_timeout"], cut_off):
        if runner != LOCAL:
            shared_out(options, 1)
            from pipeline.run import backfill_on

            chosen = options_of(options, [*flags, f"--runner={runner}"])
            return backfill_on(chosen, files, letters, drain=drain, shown=shown, report=report)
        count = shared_out(options, 1 + size // BYTES_WORTH_A_PROCESS)
        if count > 1:
            return Processes(options, flags, count, drain, files, letters).wait(report)
        load_early(options)
        from pipeline.run import backfill_here

        chosen = options_of(options, flags)
        return backfill_here(chosen, files, letters, drain=drain, shown=shown, report=report)


def files_of(options: Mapping[str, Any]) -> list[InputFile]:
    """The files that the options name.

    What a pattern meets of the output's own records on its way is left out: they grow with each
    run, and would be read again by the next. A pattern that points at them means them.

    Raises:
        UsageError: there are none, or they cannot be what is asked for.
    """
    own = _OwnRecords(options["output"], reprocess=bool(options["reprocess"]))
    files = find_files(options["input"], kind=options["kind"], wanted=own.wanted)
    if own.left_out:
        logger.info("left out %d files of records of the output itself", own.left_out)
    if options["reprocess"]:
        for file in files:
            if file.kind != "avro" or _NO_ARTICLES.search(file.path):
                raise UsageError(
                    f"--reprocess reads the articles/*.avro of an earlier output, and {file.path} "
                    "is none"
                )
    return files


def letters_of(
    options: Mapping[str, Any], files: Sequence[InputFile], *, keep: bool = True
) -> Wanted:
    """Which dead letters among `files` to take: those asked for that were not replayed before.

    Args:
        keep: whether to write down what was learned of the output, so that each of its files is
            read for that but once.

    Raises:
        UsageError: a time is none.
        Failed: a replay of these dead letters is at work.
    """
    wanted = _asked_for(options)
    if options["again"]:
        return wanted
    paths = [match["root"] for file in files if (match := _LETTERS.match(file.path))]
    roots = {Path(path).resolve() for path in paths if not REMOTE.match(path)}
    if any(map(REMOTE.match, paths)):
        logger.warning("which dead letters in a store were replayed is not known: all are taken")
    replayed: set[str] = set()
    for root in sorted(roots):
        own = root == Path(options["output"]).resolve()
        with Marks(root, keep=keep and own) as marks:
            for line in marks.learn():
                logger.warning("not looked at for what was replayed: %s", line)
            replayed |= marks.keys()
    return replace(wanted, replayed=frozenset(replayed))


def _asked_for(options: Mapping[str, Any]) -> Wanted:
    """Which dead letters the options ask for. Raises UsageError."""
    now = dt.datetime.now(dt.timezone.utc)
    stages, error_types = options["stage"], options["error_type"]
    return parsed_wanted(stages, error_types, options["since"], options["until"], now)


class _OwnRecords:
    """The records that are in the output already."""

    def __init__(self, output: str, *, reprocess: bool) -> None:
        self.left_out = 0
        self._output = output
        self._reprocess = reprocess
        self._folders = {
            os.path.join(os.path.realpath(output), kind, ""): kind for kind in schemas.KINDS
        }

    def wanted(self, base: str, path: str) -> bool:
        """Whether to read `path`, found by a pattern below `base`.

        Raises:
            UsageError: the pattern points at records that cannot be read into their own output.
        """
        folder = self._folder_of(path)
        if folder is None:
            return True
        kind = self._folders[folder]
        if self._folder_of(os.path.join(base, "")) is None:
            self.left_out += 1
            return False
        if self._reprocess and kind == "articles":
            raise UsageError(
                f"--output {self._output} holds the records to reprocess: their ids are written "
                "there already, and no id is written twice. Give another folder"
            )
        if kind != "dead_letters":
            raise UsageError(
                f"--input {path} is in {kind}/ of --output {self._output}: they would be "
                "duplicates of themselves. Give another folder"
            )
        return True

    def _folder_of(self, path: str) -> str | None:
        real = os.path.realpath(path) + ("/" if path.endswith("/") else "")
        return next((one for one in self._folders if real.startswith(one)), None)


def dry_run(given: Mapping[str, Any], flags: Sequence[str] = ()) -> None:
    """Prints what `launch` would read; writes nothing.

    Raises:
        UsageError: as `launch`.
    """
    options = {**defaults(), **given}
    check(options)
    files = files_of(options)
    chosen = options_of(options, flags)
    letters = letters_of(options, files, keep=False)
    for line in table(files, read_options(chosen, letters)):
        sys.stdout.write(f"{line}\n")


def goes_on(output: str) -> str:
    """What to say where a backfill was stopped before the end of its files."""
    return (
        f"stopped before the end: what is written is in {Path(output)}, and the same command goes "
        "on from there"
    )

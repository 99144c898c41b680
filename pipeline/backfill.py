"""A backfill: from patterns of files to its summary, or only to a table of what there is to do.

Beam is imported here, for its file systems; what can be said without it says `check`.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.errors import UsageError
from pipeline.estimate import table
from pipeline.launch import check_rest, draining, new_run_id, shared_out
from pipeline.option_list import defaults
from pipeline.options import options_of
from pipeline.processes import Processes
from pipeline.sources.file_source import read_options
from pipeline.sources.files import InputFile, find_files
from pipeline.transforms.model_workers import load_early
from pipeline.watch.summary import Summary

logger = logging.getLogger(__name__)

LOCAL = "DirectRunner"
# Starting another process takes as long as reading some hundred articles.
BYTES_WORTH_A_PROCESS = 500_000


def check(given: Mapping[str, Any]) -> None:
    """Looks the options over before anything is opened, so that what is wrong is said at once.

    Raises:
        UsageError: one of them is missing or wrong.
    """
    if not given["input"]:
        raise UsageError("--input GLOB… is missing: the files to read")
    if given["reprocess"] and "entities" in given["reprocess"] and given["no_entities"]:
        raise UsageError("--reprocess entities and --no_entities exclude each other")
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
    size = sum(file.size for file in files)
    logger.info("%d files, %d bytes", len(files), size)
    with draining(drain.set, options["drain_timeout"], cut_off):
        if runner != LOCAL:
            shared_out(options, 1)
            from pipeline.run import backfill_on

            chosen = options_of(options, [*flags, f"--runner={runner}"])
            return backfill_on(chosen, files, drain=drain, shown=shown, report=report)
        count = shared_out(options, 1 + size // BYTES_WORTH_A_PROCESS)
        if count > 1:
            return Processes(options, flags, count, drain, files).wait(report)
        load_early(options)
        from pipeline.run import backfill_here

        chosen = options_of(options, flags)
        return backfill_here(chosen, files, drain=drain, shown=shown, report=report)


def files_of(options: Mapping[str, Any]) -> list[InputFile]:
    """The files that the options name.

    Raises:
        UsageError: there are none, they cannot be what is asked for, or they are the output.
    """
    files = find_files(options["input"], kind=options["kind"])
    output = os.path.realpath(options["output"])
    if options["reprocess"]:
        for file in files:
            if file.kind != "avro":
                raise UsageError(
                    f"--reprocess reads the articles/*.avro of an earlier output, and {file.path} "
                    "is none"
                )
            if os.path.realpath(file.path).startswith(os.path.join(output, "")):
                raise UsageError(
                    f"--output {options['output']} holds the records to reprocess: their ids are "
                    "written there already, and no id is written twice. Give another folder"
                )
    articles = os.path.join(output, "articles", "")
    for file in files:
        if os.path.realpath(file.path).startswith(articles):
            raise UsageError(
                f"--input {file.path} is in articles/ of --output {options['output']}: they would "
                "be duplicates of themselves. Give another folder"
            )
    return files


def dry_run(given: Mapping[str, Any], flags: Sequence[str] = ()) -> None:
    """Prints what `launch` would read; writes nothing.

    Raises:
        UsageError: as `launch`.
    """
    options = {**defaults(), **given}
    check(options)
    files = files_of(options)
    chosen = options_of(options, flags)
    for line in table(files, read_options(chosen)):
        sys.stdout.write(f"{line}\n")


def goes_on(output: str) -> str:
    """What to say where a backfill was stopped before the end of its files."""
    return (
        f"stopped before the end: what is written is in {Path(output)}, and the same command goes "
        "on from there"
    )

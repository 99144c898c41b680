"""One run in one process, a stream or a backfill, from its options to its summary."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
from google.api_core import exceptions
from google.auth.exceptions import GoogleAuthError

from pipeline import graph
from pipeline.durable import make_folder
from pipeline.errors import Failed, UsageError
from pipeline.leases import close_leases, leases_of
from pipeline.ledger import Ledger, LedgerUnavailable, shown
from pipeline.ledger.handles import LedgerAt
from pipeline.letters import Wanted
from pipeline.options import ArticleOptions
from pipeline.patience import Patience
from pipeline.rebuild import refuse_behind, refuse_missing, standing
from pipeline.runners.direct import StreamingDirectRunner
from pipeline.sinks.files import sweep
from pipeline.sources.file_source import FileSource, ReadFiles, read_options
from pipeline.sources.files import InputFile
from pipeline.sources.pubsub import PubSubSource
from pipeline.sources.quota import Quota
from pipeline.transforms.language import detect
from pipeline.transforms.model_choice import choose_models
from pipeline.transforms.model_handler import open_model, workers_from
from pipeline.transforms.model_workers import close_workers
from pipeline.transforms.topics import topics
from pipeline.watch import counters
from pipeline.watch.progress import Progress, describe
from pipeline.watch.summary import Summary

logger = logging.getLogger(__name__)

# Python looks for cycles every 700 allocations; a bundle makes hundreds of thousands of objects
# and hardly a cycle. Measured: 5 % of the time without entities.
GC_ALLOCATIONS = 20_000


_patience = Patience((OSError, LedgerUnavailable))


def stream_here(
    options: ArticleOptions,
    *,
    drain: threading.Event,
    quota: Quota | None = None,
    shown: bool = False,
    report: Callable[[Summary], None] | None = None,
    opened: Callable[[], None] = lambda: None,
    patient: bool = False,
) -> Summary:
    """Streams in this process, until drained.

    Args:
        drain: when set, the run drains.
        quota: shared with other processes; by default `--max_messages` for this one alone.
        shown: whether to show progress.
        report: is told how far the run has come, now and then and where it fails.
        opened: called when output, ledger and subscription have been found in order.
        patient: whether to wait for a disk that is full already at the start, or a ledger that is
            locked: so does who joins a run that is under way.

    Raises:
        UsageError: an option cannot work.
        Failed: the work could not be done. What was not durable is not acknowledged.
    """
    source = PubSubSource.from_options(options, quota=quota, drain=drain)
    with _ready(build(options, source), options, patient=patient) as start:
        opened()
        return _follow(start, shown=shown, report=report)


def backfill_here(
    options: ArticleOptions,
    files: Sequence[InputFile],
    letters: Wanted,
    *,
    drain: threading.Event,
    share: tuple[int, int] = (0, 1),
    shown: bool = False,
    report: Callable[[Summary], None] | None = None,
    opened: Callable[[], None] = lambda: None,
    patient: bool = False,
) -> Summary:
    """Reads files in this process, to their end or until drained; `done` tells which.

    Args:
        files: what `find_files` found.
        letters: which of the dead letters in them to take.
        share: (k, n): of n processes that read the same files, this is number k.
        drain, shown, report, opened, patient: as for `stream_here`.

    Raises:
        UsageError: an option cannot work.
        Failed: the work could not be done. Started again, it goes on from what is durable.
    """
    source = FileSource(files, read_options(options, letters), share=share, drain=drain)
    with _ready(build(options, source), options, patient=patient) as start:
        opened()
        return _follow(start, lambda: source.position.done, shown=shown, report=report)


def backfill_on(
    options: ArticleOptions,
    files: Sequence[InputFile],
    letters: Wanted,
    *,
    drain: threading.Event,
    shown: bool = False,
    report: Callable[[Summary], None] | None = None,
) -> Summary:
    """Reads files on the engine that Beam's `--runner` names; see `backfill_here`.

    There is no draining: where it is asked for, the engine is told to stop as it is, and the same
    command goes on from what is written. What was written is counted by the ledger: Prism (2.77)
    reports no counter that first counts when its last bundle ends.
    """
    with _ready(build_batch(options, files, letters), options, patient=False) as start:
        ledger = LedgerAt.from_options(options).get()
        before = written_by(ledger)

        def start_to_be_stopped() -> Any:
            result = start()
            threading.Thread(
                target=_cancel_when, args=(drain, result), name="cancel", daemon=True
            ).start()
            return result

        try:
            summary = _follow(start_to_be_stopped, shown=shown, report=report)
        except Failed:
            if not drain.is_set():
                raise
            # What the engine says of its being stopped.
            summary = Summary()
        counted = recounted(summary, before, written_by(ledger))
    return dataclasses.replace(counted, done=0.0 if drain.is_set() else 1.0)


def _cancel_when(drain: threading.Event, result: Any) -> None:
    drain.wait()
    try:
        result.cancel()
    except Exception as error:  # noqa: BLE001 - it has ended meanwhile; what waits for it says how
        logger.debug("the engine could not be told to stop: %s", error)


def written_by(ledger: Ledger) -> dict[str, int]:
    """Records in committed files, by kind."""
    counts: dict[str, int] = {}
    for file in ledger.committed_files():
        kind = file.path.split("/", 1)[0]
        counts[kind] = counts.get(kind, 0) + file.records
    return counts


def recounted(summary: Summary, before: Mapping[str, int], after: Mapping[str, int]) -> Summary:
    """A summary that says what was written by the ledger, and takes the rest for written before.

    Args:
        before, after: `written_by` the ledger at the beginning and at the end.
    """
    names = {
        "articles": counters.ARTICLES_WRITTEN,
        "duplicates": counters.labelled(counters.DUPLICATES, kind="any"),
        "dead_letters": counters.labelled(counters.DEAD_LETTERS, stage="any", error_type="any"),
    }
    written = {
        name: after.get(kind, 0) - before.get(kind, 0)
        for kind, name in names.items()
        if after.get(kind, 0) > before.get(kind, 0)
    }
    received = max(summary.received, sum(written.values()))
    return dataclasses.replace(
        summary,
        counters={
            **written,
            counters.MESSAGES_RECEIVED: received,
            counters.MESSAGES_REDELIVERED: received - sum(written.values()),
        },
    )


@contextlib.contextmanager
def _ready(
    pipeline: beam.Pipeline, options: ArticleOptions, *, patient: bool
) -> Iterator[Callable[[], Any]]:
    """Opens what the pipeline needs and yields what starts it and gives its result."""
    with contextlib.ExitStack() as closing:
        closing.callback(close_workers)
        # Before the first lease begins to run.
        warm_up(options)
        closing.enter_context(_opened(options, patient=patient))
        yield pipeline.run


def _follow(
    start: Callable[[], Any],
    done: Callable[[], float | None] = lambda: None,
    *,
    shown: bool,
    report: Callable[[Summary], None] | None,
) -> Summary:
    """Starts a pipeline and waits for its end; see `stream_here`.

    Args:
        done: the share of the input that is read, where that has an end.
    """
    began = time.monotonic()
    result = start()

    def summary() -> Summary:
        return dataclasses.replace(Summary.of(result, began), done=done())

    with Progress(summary, shown=shown, report=report):
        try:
            result.wait_until_finish()
        except Exception as error:
            last = summary()
            logger.warning(describe(last, time.monotonic() - began))
            if report is not None:
                report(last)
            if isinstance(error, Failed):
                raise
            raise Failed(f"{type(error).__name__}: {error}") from error
    return dataclasses.replace(summary(), ended=time.monotonic())


def build(options: ArticleOptions, source: PubSubSource | FileSource) -> beam.Pipeline:
    """The pipeline, not yet running. Raises UsageError for a model or rules that cannot be."""
    pipeline = beam.Pipeline(runner=StreamingDirectRunner(), options=options)
    with _as_usage():
        if isinstance(source, PubSubSource):
            graph.stream(pipeline, source, options)
        else:
            graph.backfill(pipeline, beam.io.Read(source), options)
    return pipeline


def build_batch(
    options: ArticleOptions, files: Sequence[InputFile], letters: Wanted
) -> beam.Pipeline:
    """As `build`, for the engine that the options name."""
    with _as_usage():
        pipeline = beam.Pipeline(options=options)
        entries = ReadFiles(files, read_options(options, letters))
        graph.backfill(pipeline, entries, options, by_bundle=True)
    return pipeline


@contextlib.contextmanager
def _as_usage() -> Iterator[None]:
    try:
        yield
    except (ValueError, OverflowError) as error:
        raise UsageError(str(error)) from error


def warm_up(options: ArticleOptions) -> None:
    """Loads what is large, once a process, and tells the garbage collector that it stays.

    Raises:
        Failed: a model cannot be loaded.
    """
    if not options.no_entities:
        for choice in choose_models(options.spacy_model).choices:
            open_model(choice.model, workers_from(options), options.model_timeout)
    detect(None, "The first text makes the language detector load its model.")
    topics(None, "It makes the classifier of topics load its own.")
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS, *gc.get_threshold()[1:])


@contextlib.contextmanager
def _opened(options: ArticleOptions, *, patient: bool) -> Iterator[None]:
    """The ledger and the leases, open while the pipeline runs."""
    ledger_at = LedgerAt.from_options(options)
    root = Path(options.output)
    with contextlib.ExitStack() as closing:
        try:
            closing.callback(ledger_at.close)
            if patient:
                _patience.call(
                    lambda: _open(ledger_at, root),
                    seconds=options.storage_seconds,
                    what=f"the output {root} cannot be opened",
                )
            else:
                _open(ledger_at, root)
            if options.subscription:
                leases_of(options.subscription)
                closing.callback(_close_leases, options.subscription)
        except exceptions.GoogleAPIError as error:
            raise Failed(f"{options.subscription} cannot be read: {error}") from error
        except GoogleAuthError as error:
            raise Failed(
                f"{options.subscription} cannot be read, there being no credentials for it: run "
                "`gcloud auth application-default login`, or set PUBSUB_EMULATOR_HOST to the "
                f"address of a broker ({error})"
            ) from error
        except OSError as error:
            raise Failed(f"--output {options.output} cannot be written: {error}") from error
        yield


def _open(ledger_at: LedgerAt, root: Path) -> None:
    """Opens the ledger, where it belongs to the output, and ends what the dead left open."""
    make_folder(root)
    files = standing(root)
    refuse_missing(ledger_at.uri, root, files)
    others = ledger_at.get().other_outputs()
    if others:
        raise UsageError(
            f"the ledger {shown(ledger_at.uri)} belongs to the output {others[0]}: what is done "
            "there would be taken for done here. Give each output a ledger of its own"
        )
    refuse_behind(ledger_at.get(), ledger_at.uri, root, files)
    recover(ledger_at.get(), root)


def _close_leases(subscription: str) -> None:
    if not close_leases(subscription):
        logger.warning(
            "some acknowledgements could not be sent: those messages will come again, and be "
            "recognised as written"
        )


def recover(ledger: Ledger, root: Path) -> None:
    """Ends what processes that died have left open in the output `root`."""
    recovery = ledger.recover()
    for path in recovery.completed:
        logger.warning("completed the commit of %s, left open by a run that died", path)
    for path in recovery.dropped:
        logger.warning("dropped the intent for %s: it was never written", path)
    swept = sweep(root, ledger.alive)
    if swept:
        logger.warning("took away %d unfinished temporary files", swept)

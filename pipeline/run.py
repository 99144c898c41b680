"""One streaming run in one process, from its options to its summary."""

from __future__ import annotations

import contextlib
import dataclasses
import gc
import logging
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import apache_beam as beam
from google.api_core import exceptions
from google.auth.exceptions import GoogleAuthError

from pipeline import graph
from pipeline.durable import make_folder
from pipeline.errors import Failed, UsageError
from pipeline.leases import close_leases, leases_of
from pipeline.ledger import Ledger, LedgerUnavailable, shown
from pipeline.ledger.handles import LedgerAt
from pipeline.options import ArticleOptions
from pipeline.patience import Patience
from pipeline.rebuild import refuse_behind, refuse_missing, standing
from pipeline.runners.direct import StreamingDirectRunner
from pipeline.sinks.files import sweep
from pipeline.sources.pubsub import PubSubSource
from pipeline.sources.quota import Quota
from pipeline.transforms.language import detect
from pipeline.transforms.model_handler import open_model, workers_from
from pipeline.transforms.model_workers import close_workers
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
        report: is told how far the run has come, now and then.
        opened: called when output, ledger and subscription have been found in order.
        patient: whether to wait for a disk that is full already at the start, or a ledger that is
            locked: so does who joins a run that is under way.

    Raises:
        UsageError: an option cannot work.
        Failed: the work could not be done. What was not durable is not acknowledged.
    """
    source = PubSubSource.from_options(options, quota=quota, drain=drain)
    pipeline = build(options, source)
    with contextlib.ExitStack() as closing:
        closing.callback(close_workers)
        # Before the first lease begins to run.
        warm_up(options)
        closing.enter_context(_opened(options, patient=patient))
        opened()
        began = time.monotonic()
        result = pipeline.run()
        with Progress(lambda: Summary.of(result, began), shown=shown, report=report):
            try:
                result.wait_until_finish()
            except Exception as error:
                summary = Summary.of(result)
                logger.warning(describe(summary, time.monotonic() - began))
                if isinstance(error, Failed):
                    raise
                raise Failed(f"{type(error).__name__}: {error}") from error
    return dataclasses.replace(Summary.of(result, began), ended=time.monotonic())


def build(options: ArticleOptions, source: PubSubSource) -> beam.Pipeline:
    """The pipeline, not yet running. Raises UsageError for a model or rules that cannot be."""
    pipeline = beam.Pipeline(runner=StreamingDirectRunner(), options=options)
    try:
        graph.stream(pipeline, source, options)
    except (ValueError, OverflowError) as error:
        raise UsageError(str(error)) from error
    return pipeline


def warm_up(options: ArticleOptions) -> None:
    """Loads what is large, once a process, and tells the garbage collector that it stays.

    Raises:
        Failed: the model cannot be loaded.
    """
    if not options.no_entities:
        open_model(options.spacy_model, workers_from(options), options.model_timeout)
    detect(None, "The first text makes the language detector load its model.")
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

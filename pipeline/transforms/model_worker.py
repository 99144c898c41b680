"""A process that holds a model and reads articles with it. See `pipeline.transforms.model_workers`.

It imports neither Beam nor anything that does. It keeps nothing that would need to be put in order:
it may be killed at any moment.
"""

from __future__ import annotations

import contextlib
import ctypes
import faulthandler
import gc
import os
import signal
import traceback
from collections.abc import Iterator, Sequence
from multiprocessing.connection import Connection
from typing import Any

from pipeline.dead_letters import MAX_ERROR_MESSAGE_CHARS, MAX_TRACE_CHARS
from pipeline.transforms.linking import Found
from pipeline.transforms.spacy_model import Reading, SpacyModel, load_model

READY, FOUND, WORN, FAILED = "ready", "found", "worn", "failed"
SIGNALS = (signal.SIGINT, signal.SIGTERM)

START_SECONDS = 300.0
"""A transformer of half a gigabyte from a cold, slow disk; the model shipped takes two."""

GRACE_SECONDS = 5.0
"""How much later than its parent a worker gives itself up: so long the parent may be at it."""

MAPPED_BYTES = 32 << 20
KEPT_BYTES = 256 << 20
"""For `_keep_memory`: the most that every glibc takes, and what may lie idle in a worker."""

GC_ALLOCATIONS = 20_000
"""As in `pipeline.run`: Python would look for cycles every 700 allocations."""

Row = tuple[str, int, int, int | None, str]
"""A mention without its text, which the parent has: field, start, end, sentence, label."""


def run(location: str, timeout: float, parent: Connection) -> None:
    """What a worker does, until its parent goes.

    Args:
        location: of the model.
        timeout: seconds for one request.
        parent: the pipe. Sent over it are pairs of a word and what it is about: ready and nothing,
            when the model is loaded; found and rows for each article, or worn and the same where
            another process should go on; failed and the exception's class, text and traceback.
            What comes over it are pairs of articles and `Reading`.
    """
    # Ctrl-C of a terminal and systemd's SIGTERM come to every process of a run, which then drains
    # and needs us to its end: that is when the pipe breaks.
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, SIGNALS)
    _keep_memory()
    # Numpy's matrix library would start a thread for each core, in each of as many workers.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # For what faulthandler would say: the parent has said it, or nobody is there to read it.
    with open(os.devnull, "w") as nowhere:
        try:
            with _limited(START_SECONDS, nowhere.fileno()):
                model, answer = _load(location)
            parent.send(answer)
            while model is not None:
                articles, reading = parent.recv()
                with _limited(timeout, nowhere.fileno()):
                    answer = _read(model, articles, reading)
                parent.send(answer)
        except (EOFError, OSError):
            # The pipe broke: the parent has gone, or has no more use for us. The model's own errors
            # are answers and never come here.
            return


def _keep_memory() -> None:
    """Has the C library keep what a batch gives back, for the next.

    A model takes and gives back arrays of megabytes all the time. By default glibc hands them to
    the system each time, which clears every page before we have it again: 10 to 40 % of all the
    time that reading took. Another C library than glibc is left as it is.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError):
        return
    trim_threshold, mmap_threshold = -1, -3
    mallopt(mmap_threshold, MAPPED_BYTES)
    mallopt(trim_threshold, KEPT_BYTES)


def _use_numpys_products() -> None:
    """Has what is loaded from now on multiply matrices as numpy does.

    thinc has BLIS for it, without threads and the same everywhere; numpy's wheels have OpenBLAS,
    which takes a third less of the time for matrices of the size that entity models have (0.3.30
    and BLIS 1.3, of the whole reading 8 to 15 %). Where thinc has something better, as on a GPU or
    Apple's processors, that stays.
    """
    from thinc.api import NumpyOps, get_current_ops, set_current_ops

    if type(get_current_ops()) is NumpyOps:
        set_current_ops(NumpyOps(use_blis=False))


def _load(location: str) -> tuple[SpacyModel | None, tuple[str, Any]]:
    try:
        _use_numpys_products()
        model = load_model(location)
    except Exception as error:  # noqa: BLE001 - the parent says it
        return None, (FAILED, _told(error))
    # What stays for good is no work for the garbage collector.
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_ALLOCATIONS, *gc.get_threshold()[1:])
    return model, (READY, None)


def _read(
    model: SpacyModel, articles: Sequence[tuple[str | None, str]], reading: Reading
) -> tuple[str, Any]:
    try:
        rows = [list(map(_row, found)) for found in model.find(articles, reading)]
        return WORN if model.worn(reading) else FOUND, rows
    except Exception as error:  # noqa: BLE001 - the parent makes a dead letter of it
        return FAILED, _told(error)


def _row(found: Found) -> Row:
    mention = found.mention
    return mention.field, mention.start, mention.end, mention.sentence, found.label


def _told(error: Exception) -> tuple[str, str, str]:
    """The exception's class, text and traceback, no longer than a dead letter holds."""
    kind = type(error)
    trace = "".join(traceback.format_exception(error))[-MAX_TRACE_CHARS:]
    texts = (
        f"{kind.__module__}.{kind.__qualname__}",
        str(error)[:MAX_ERROR_MESSAGE_CHARS] or kind.__name__,
        trace,
    )
    # An exception may quote lone surrogates, which no record can hold.
    name, text, trace = (each.encode("utf-8", "backslashreplace").decode() for each in texts)
    return name, text, trace


@contextlib.contextmanager
def _limited(seconds: float, file: int) -> Iterator[None]:
    """Ends this process where what is done takes longer and the parent is not there to end it.

    By a thread of C, which needs no interpreter lock: what hangs may hold that.

    Args:
        file: a descriptor for what faulthandler says.
    """
    faulthandler.dump_traceback_later(seconds + GRACE_SECONDS, exit=True, file=file)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()

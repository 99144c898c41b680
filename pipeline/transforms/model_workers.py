"""Processes that read articles with a model, so that no article can end or hang the pipeline.

     batch ─► part ─► pipe ─► worker (spaCy and the model, see `model_worker`)
         └──► part ─► pipe ─► worker

A worker that dies, or gives no answer in time, is killed and replaced; one that says it is worn
goes on until another has loaded the model. What it was reading is known
to the pool alone; the caller gets an exception for these articles, and the mentions of all others.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from multiprocessing.util import Finalize
from typing import Any

from pipeline.errors import Failed
from pipeline.records import Mention
from pipeline.transforms import model_worker
from pipeline.transforms.linking import Found
from pipeline.transforms.model_choice import choose_models
from pipeline.transforms.spacy_model import Reading
from pipeline.transforms.worker_process import END_SECONDS, WorkerProcess

_LOGGER = logging.getLogger(__name__)

TIMEOUT_SECONDS = 60.0
"""For one answer: of a batch, or of one article of up to a million characters (10 s were seen)."""

STARTS = 3
"""Tries to start a worker that dies before it is ready: it may have been killed from outside."""

Texts = tuple[str | None, str]
"""Title and body of an article."""


class WorkerError(Exception):
    """A worker could not read what it was given; `error_type` is the dead letter's."""

    error_type = "model_failed"


class ModelFailed(WorkerError):
    """The model raised.

    Args:
        exception_class, text, trace: of what it raised.
    """

    def __init__(self, exception_class: str, text: str, trace: str) -> None:
        super().__init__(text)
        self.exception_class = exception_class
        self.trace = trace


class ModelCrashed(WorkerError):
    """The worker's process ended; the text says how."""

    error_type = "model_crashed"


class ModelTimeout(WorkerError):
    """The worker gave no answer in time."""

    error_type = "model_timeout"


Outcome = list[Found] | WorkerError


class ModelWorkers:
    """So many processes with one model; started and ready when this is made.

    One batch is read at a time, by all of them side by side.

    Args:
        location: of the model, as `ModelInfo` has it.
        count: how many processes.
        timeout: seconds for one answer; who gives none is killed.

    Raises:
        Failed: the model cannot be loaded, or its process dies when it is.
    """

    def __init__(self, location: str, count: int, timeout: float = TIMEOUT_SECONDS) -> None:
        self._location = location
        self._timeout = timeout
        self._reading = threading.Lock()
        self._changing = threading.Lock()
        self._closed = False
        self._workers: list[WorkerProcess] = []
        self._successors: dict[int, WorkerProcess] = {}
        try:
            # All are started before one is waited for.
            for place in range(count):
                self._start(place)
            for place in range(count):
                self._ready(place)
        except BaseException:
            self.close()
            raise

    @property
    def pids(self) -> list[int]:
        """The process ids of the workers as they are now."""
        return [worker.pid for worker in self._workers]

    def find(self, articles: Sequence[Texts], reading: Reading) -> list[Outcome]:
        """The mentions in each (title, body), or why they are not known.

        A batch that a worker died of is tried once more: the death may have come from outside. One
        article alone is tried once. All articles that were read together share one exception.

        Raises:
            Failed: a worker could not be replaced, or the pool was closed.
        """
        lengths = [len(title or "") + len(body) for title, body in articles]
        parts = [articles[start:end] for start, end in divide(lengths, len(self._workers))]
        with self._reading:
            outcomes = self._side_by_side(parts, reading)
            again = [
                place
                for place, outcome in enumerate(outcomes)
                if isinstance(outcome, ModelCrashed) and len(parts[place]) > 1
            ]
            second = self._side_by_side([parts[place] for place in again], reading)
        for place, outcome in zip(again, second, strict=True):
            outcomes[place] = outcome
        found: list[Outcome] = []
        for part, outcome in zip(parts, outcomes, strict=True):
            found.extend([outcome] * len(part) if isinstance(outcome, WorkerError) else outcome)
        return found

    def close(self) -> None:
        """Ends all workers. A batch that is being read fails."""
        with self._changing:
            self._closed = True
            every = [*self._workers, *self._successors.values()]
        for worker in every:
            worker.kill()
        # Who reads sees a pipe break, and lets the lock go.
        if self._reading.acquire(timeout=END_SECONDS):
            self._reading.release()
        for worker in every:
            worker.end()

    def _side_by_side(
        self, parts: Sequence[Sequence[Texts]], reading: Reading
    ) -> list[list[list[Found]] | WorkerError]:
        deadlines = [self._send(place, part, reading) for place, part in enumerate(parts)]
        return [
            self._receive(place, part, deadline)
            for place, (part, deadline) in enumerate(zip(parts, deadlines, strict=True))
        ]

    def _send(self, place: int, part: Sequence[Texts], reading: Reading) -> float:
        """Gives a part to the worker at `place`; returns the time until which it may take."""
        self._relieve(place)
        worker = self._workers[place]
        if worker.busy:
            # With a batch that was given up: its answer must not be taken for that of this one.
            worker.kill()
        if worker.busy or worker.ended:
            how = worker.end()
            _LOGGER.warning("idle model worker %d was ended by %s: replaced", worker.pid, how)
            self._start(place)
        worker = self._ready(place)
        worker.busy = True
        deadline = time.monotonic() + self._timeout
        try:
            worker.connection.send((part, reading))
        except OSError as error:
            # Dead, or it takes nothing: the answer that does not come says which.
            _LOGGER.debug("a batch could not be given to a model worker: %s", error)
        return deadline

    def _receive(
        self, place: int, part: Sequence[Texts], deadline: float
    ) -> list[list[Found]] | WorkerError:
        worker = self._workers[place]
        error: WorkerError
        try:
            kind, content = worker.receive(deadline - time.monotonic())
        except (TimeoutError, BlockingIOError):
            worker.kill()
            worker.end()
            error = ModelTimeout(f"the model gave no answer within {self._timeout:g} s")
            what = f"gave no answer within {self._timeout:g} s (--model_timeout) and was killed"
        except (EOFError, OSError):
            how = worker.end()
            error = ModelCrashed(f"the process of the model was ended by {how}")
            what = f"was ended by {how}"
        else:
            worker.busy = False
            if kind == model_worker.FAILED:
                return ModelFailed(*content)
            if kind == model_worker.WORN:
                self._renew(place)
            return [list(_found(texts, rows)) for texts, rows in zip(part, content, strict=True)]
        _LOGGER.warning(
            "model worker %d %s with %d articles in hand: replaced", worker.pid, what, len(part)
        )
        self._start(place)
        return error

    def _start(self, place: int) -> None:
        with self._changing:
            if self._closed:
                raise Failed("the model workers were closed while they were at work")
            try:
                worker = WorkerProcess(self._location, self._timeout)
            except OSError as error:
                # No memory or no process to be had, which is no fault of any article.
                raise Failed(f"a process for the model cannot be started: {error}") from error
            self._workers[place : place + 1] = [worker]

    def _renew(self, place: int) -> None:
        """Begins to start the process that is to take the place over."""
        with self._changing:
            if self._closed or place in self._successors:
                return
            try:
                self._successors[place] = WorkerProcess(self._location, self._timeout)
            except OSError as error:
                # What is worn goes on, and asks again after its next part.
                _LOGGER.debug("a model worker could not be renewed: %s", error)

    def _relieve(self, place: int) -> None:
        """Lets a successor that has loaded its model, or failed to, take the place over."""
        with self._changing:
            successor = self._successors.get(place)
            if self._closed or successor is None or not successor.connection.poll():
                return
            del self._successors[place]
            worn, self._workers[place] = self._workers[place], successor
        worn.kill()
        worn.end()
        _LOGGER.debug("model worker %d took over from %d", successor.pid, worn.pid)

    def _ready(self, place: int) -> WorkerProcess:
        """The worker at `place`, when it has its model."""
        how = ""
        for _ in range(STARTS):
            worker = self._workers[place]
            if worker.ready:
                return worker
            try:
                kind, content = worker.receive(model_worker.START_SECONDS)
            except TimeoutError:
                worker.kill()
                raise Failed(
                    f"the model {self._location} was not loaded within "
                    f"{model_worker.START_SECONDS:g} s"
                ) from None
            except (EOFError, OSError):
                how = worker.end()
                _LOGGER.warning("model worker %d was ended by %s at its start", worker.pid, how)
                self._start(place)
                continue
            if kind == model_worker.FAILED:
                exception_class, text, _ = content
                raise Failed(cannot_be_loaded(self._location, exception_class, text))
            worker.ready = True
            return worker
        raise Failed(
            f"the process that loads the model {self._location} was ended by {how} {STARTS} times: "
            "is there enough memory? --entity_workers 0 would load it into this one"
        )


def divide(lengths: Sequence[int], count: int) -> list[tuple[int, int]]:
    """At most `count` ranges that cover all, in order, none empty, of about the same total length.

    >>> divide([10, 10, 10, 30], 2)
    [(0, 3), (3, 4)]
    """
    total = sum(lengths) or 1
    ranges: list[tuple[int, int]] = []
    last, before = -1, 0
    for index, length in enumerate(lengths):
        # An article goes where its middle falls.
        part = min(count - 1, (2 * before + length) * count // (2 * total))
        before += length
        if part == last:
            ranges[-1] = (ranges[-1][0], index + 1)
        else:
            ranges.append((index, index + 1))
        last = part
    return ranges


def cannot_be_loaded(model: str, exception_class: str, text: str) -> str:
    """One line for a model that is there and raises when it is loaded."""
    what = exception_class.removeprefix("builtins.")
    return f"the model {model} cannot be loaded: {what}: {' '.join(text.split())}"


def _found(texts: Texts, rows: Sequence[model_worker.Row]) -> Iterator[Found]:
    title, body = texts
    for field, start, end, sentence, label in rows:
        text = body if field == "body" else title or ""
        yield Found(Mention(field, start, end, text[start:end], sentence), label)


_pools: dict[tuple[str, int, float], ModelWorkers] = {}
_opening = threading.Lock()


def workers_of(location: str, count: int, timeout: float = TIMEOUT_SECONDS) -> ModelWorkers:
    """The pool of this process, started on first use; arguments and errors as for `ModelWorkers`.

    Beam unpickles a handler for every bundle: what holds processes must live outside it.
    """
    with _opening:
        key = location, count, timeout
        if key not in _pools:
            _pools[key] = ModelWorkers(*key)
        return _pools[key]


def load_early(options: Mapping[str, Any]) -> None:
    """Begins to start the pools that a run with these options will ask for, in the background.

    What is wrong with the model is said when the run asks for it.
    """
    count = int(options["entity_workers"])
    if options["no_entities"] or not count:
        return

    def load() -> None:
        try:
            for choice in choose_models(options["spacy_model"]).choices:
                workers_of(choice.info.location, count, options["model_timeout"])
        except (ValueError, OSError, Failed) as error:
            _LOGGER.debug("the model workers could not be started early: %s", error)

    threading.Thread(target=load, name="load-early", daemon=True).start()


def close_workers() -> None:
    """Ends every pool of this process."""
    with _opening:
        pools = list(_pools.values())
        _pools.clear()
    for pool in pools:
        pool.close()


# At the end of this process multiprocessing waits for every process that it started.
Finalize(None, close_workers, exitpriority=10)

"""A spaCy pipeline as a model of Beam's `RunInference`, in this process or in its workers."""

from __future__ import annotations

import dataclasses
import functools
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from apache_beam.ml.inference.base import ModelHandler, PredictionResult

from pipeline.dead_letters import dead_letter
from pipeline.errors import Failed
from pipeline.options import ArticleOptions
from pipeline.records import DeadLetter, Draft
from pipeline.transforms.linking import Found
from pipeline.transforms.model_workers import (
    TIMEOUT_SECONDS,
    ModelFailed,
    ModelWorkers,
    WorkerError,
    cannot_be_loaded,
    workers_of,
)
from pipeline.transforms.spacy_model import Reading, SpacyModel, check_model, load_model
from pipeline.watch.metrics import BATCH_SIZE, NAMESPACE, observe

_LOGGER = logging.getLogger(__name__)

BATCH_ARTICLES = 64
BATCH_CHARACTERS = 50_000
"""What one process reads together is full at so many articles or characters.

Measured with the model shipped: half as much takes as long, 200,000 characters 10 % longer and
400,000 half as long again, when what it works on no longer fits the processor's caches.
"""

STAGE = "entities"

Model = SpacyModel | ModelWorkers


def open_model(
    model: str | None = None, workers: int = 0, timeout: float = TIMEOUT_SECONDS
) -> Model:
    """The model, opened once in a process and kept.

    Args:
        model: an installed spaCy package or a folder; None is the one shipped.
        workers: how many processes read; 0 loads the model into this one.
        timeout: seconds that a worker has for one answer.

    Raises:
        ModelNotFound: as `check_model`.
        Failed: the model is there and cannot be loaded.
    """
    info = check_model(model)
    if workers:
        return workers_of(info.location, workers, timeout)
    try:
        return load_model(model)
    except Exception as error:
        raise Failed(cannot_be_loaded(info.location, type(error).__name__, str(error))) from error


def workers_from(options: ArticleOptions) -> int:
    """How many workers `--entity_workers` means to one pipeline.

    `auto` is what a run makes a number of when it knows how many pipelines share the machine; where
    nobody has done so, as on Flink and Dataflow, there are none.
    """
    return 0 if options.entity_workers == "auto" else int(options.entity_workers)


def weigh(draft: Draft, batch_articles: int, batch_characters: int) -> int:
    """How much of a batch of `batch_characters` the article fills: at most `batch_articles` fit.

    Never more than a whole batch, because `BatchElements` gives out an empty one before an element
    that is larger than its target.
    """
    return min(max(characters(draft), -(-batch_characters // batch_articles)), batch_characters)


def characters(draft: Draft) -> int:
    return len(draft.article.title or "") + len(draft.article.body)


class SpacyModelHandler(ModelHandler[Draft, PredictionResult, Model]):
    """Reads batches of articles with a spaCy pipeline.

    The inference of a `PredictionResult` is the list of `Found`, or the `DeadLetter` of an article
    that the model cannot read: when a batch fails, its articles are tried one by one, each up to
    `max_attempts` times. Its error_type is that of the last try: model_failed where the model
    raised; with workers also model_crashed, where it ended its process, and model_timeout, where no
    answer came.

    The handler is pickled with the graph and holds the model's name only, so that each machine
    finds the model where it has it.

    Args:
        model: an installed spaCy package or a folder; None is the model shipped.
        max_attempts: tries of one article.
        reading: labels left out and limits of the texts.
        batch_articles, batch_characters: a batch is full at so many.
        workers: processes that hold the model; 0 has it in this one, which then a model that
            crashes ends, and one that hangs stops.
        timeout: seconds that a worker has for one answer.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        max_attempts: int = 3,
        reading: Reading | None = None,
        batch_articles: int = BATCH_ARTICLES,
        batch_characters: int = BATCH_CHARACTERS,
        workers: int = 0,
        timeout: float = TIMEOUT_SECONDS,
    ) -> None:
        # A batch is shared out among the workers.
        batch_articles *= max(1, workers)
        batch_characters *= max(1, workers)
        # With one fixed size BatchElements has nothing to find out, and the first batch is as good
        # as any: on DirectRunner it would start again from 1 in every bundle.
        super().__init__(
            min_batch_size=batch_characters,
            max_batch_size=batch_characters,
            element_size_fn=functools.partial(
                weigh, batch_articles=batch_articles, batch_characters=batch_characters
            ),
        )
        self.model = model
        self._max_attempts = max_attempts
        self._reading = reading or Reading()
        self._workers = workers
        self._timeout = timeout

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.model!r})"

    def load_model(self) -> Model:
        return open_model(self.model, self._workers, self._timeout)

    def run_inference(
        self,
        batch: Sequence[Draft],
        model: Model,
        inference_args: Mapping[str, Any] | None = None,
    ) -> list[PredictionResult]:
        """One result for each article, in order; the example is the very draft that came in.

        Raises:
            Failed: the model's workers cannot be started any more, or were closed meanwhile.
        """
        observe(BATCH_SIZE, len(batch))
        results = []
        for draft, outcome in zip(batch, self._read(batch, model), strict=True):
            failed = isinstance(outcome, Exception)
            results.append(
                PredictionResult(draft, self._alone(draft, model) if failed else outcome)
            )
        return results

    def _alone(self, draft: Draft, model: Model) -> list[Found] | DeadLetter:
        attempts = 0
        while True:
            attempts += 1
            (outcome,) = self._read([draft], model)
            if not isinstance(outcome, Exception):
                return outcome
            if attempts >= self._max_attempts:
                return _given_up(draft, outcome, attempts)

    def _read(self, batch: Sequence[Draft], model: Model) -> Sequence[list[Found] | Exception]:
        """What is found in each article, or why it is not known; one try."""
        outcomes: Sequence[list[Found] | Exception]
        try:
            outcomes = model.find([_texts(draft) for draft in batch], self._reading)
        except Failed:
            raise
        except Exception as error:  # noqa: BLE001 - each article is tried again or given up
            outcomes = [error] * len(batch)
        failed = [each for each in outcomes if isinstance(each, Exception)]
        if failed and len(batch) > 1:
            _LOGGER.warning(
                "%d of a batch of %d articles could not be read together (%s): one by one",
                len(failed),
                len(batch),
                _kind(failed[0]),
            )
        return outcomes

    def get_num_bytes(self, batch: Sequence[Draft]) -> int:
        """The characters of the batch. Beam's default pickles the batch only to measure it."""
        return sum(map(characters, batch))

    def get_metrics_namespace(self) -> str:
        return NAMESPACE


def _texts(draft: Draft) -> tuple[str | None, str]:
    return draft.article.title, draft.article.body


def _kind(error: Exception) -> str:
    """What went wrong in one word: an exception's text may quote the article."""
    if isinstance(error, ModelFailed):
        return error.exception_class
    return error.error_type if isinstance(error, WorkerError) else type(error).__name__


def _given_up(draft: Draft, error: Exception, attempts: int) -> DeadLetter:
    error_type = error.error_type if isinstance(error, WorkerError) else "model_failed"
    _LOGGER.warning(
        "the article of message %s is given up after %d attempts (%s): a dead letter, %s",
        draft.message.message_id,
        attempts,
        _kind(error),
        error_type,
    )
    letter = dead_letter(draft.message, STAGE, error, error_type=error_type, attempts=attempts)
    if isinstance(error, ModelFailed):
        return dataclasses.replace(
            letter, exception_class=error.exception_class, stack_trace=error.trace
        )
    return letter

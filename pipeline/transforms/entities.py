"""Named entities of each article, by a spaCy model.

drafts ─► RunInference (batches) ─► LinkMentions ─► articles
                                         └────────► dead_letters
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import cast

import apache_beam as beam
from apache_beam.ml.inference.base import PredictionResult, RunInference

from pipeline.dead_letters import dead_letter
from pipeline.options import ArticleOptions
from pipeline.records import Article, DeadLetter, Draft
from pipeline.transforms.linking import Found, link
from pipeline.transforms.model_handler import (
    STAGE,
    SpacyModelHandler,
    workers_from,
)
from pipeline.transforms.spacy_model import check_model


class ExtractEntities(beam.PTransform[beam.PCollection[Draft], beam.pvalue.DoOutputsTuple]):
    """Sets `article.entities`, and which model they are from in `article.processing`.

    In: `Draft`s. Out: `articles`, the same drafts, each once, with entities (an empty tuple where
    none were found); `dead_letters`, stage "entities", error_type model_failed, model_crashed or
    model_timeout, for those the model cannot read. Articles are batched inside a bundle, never
    across, and come out at the end of their window.

    Counted: `batch_size`, and RunInference's own (num_inferences,
    inference_batch_latency_micro_secs, model_byte_size, load_model_latency_milli_secs …).

    Args:
        handler: reads the articles; it says which model, in what processes, by what limits.

    Raises:
        ModelNotFound: when constructed, so before a pipeline starts; one line that says what to do.
    """

    def __init__(self, handler: SpacyModelHandler) -> None:
        super().__init__()
        self._info = check_model(handler.model)
        self._handler = handler

    @classmethod
    def from_options(cls, options: ArticleOptions) -> ExtractEntities:
        """`--spacy_model`, `--max_attempts`, `--entity_workers` and `--model_timeout`."""
        return cls(
            SpacyModelHandler(
                options.spacy_model,
                max_attempts=options.max_attempts,
                workers=workers_from(options),
                timeout=options.model_timeout,
            )
        )

    def expand(self, drafts: beam.PCollection[Draft]) -> beam.pvalue.DoOutputsTuple:
        identifier = f"{self._info.name}-{self._info.version}"
        outputs: beam.pvalue.DoOutputsTuple = (
            drafts
            | "Read" >> RunInference(self._handler, model_identifier=identifier)
            | "LinkMentions"
            >> beam.ParDo(LinkMentions(self._info.name, self._info.version)).with_outputs(
                "dead_letters", main="articles"
            )
        )
        return outputs


class LinkMentions(beam.DoFn):
    """What RunInference gave for an article: mentions become entities, a dead letter goes aside."""

    def __init__(self, model_name: str, model_version: str) -> None:
        self._model_name = model_name
        self._model_version = model_version

    def process(
        self, element: PredictionResult
    ) -> Iterator[Draft | beam.pvalue.TaggedOutput[str, DeadLetter]]:
        draft = cast(Draft, element.example)
        result = cast(list[Found] | DeadLetter, element.inference)
        if not isinstance(result, DeadLetter):
            try:
                article = with_entities(
                    draft.article, result, self._model_name, self._model_version
                )
            except Exception as error:  # noqa: BLE001 - becomes a dead letter
                result = dead_letter(draft.message, STAGE, error)
            else:
                yield Draft(draft.message, article)
                return
        yield beam.pvalue.TaggedOutput("dead_letters", result)


def with_entities(
    article: Article, found: list[Found], model_name: str, model_version: str
) -> Article:
    """The article with the entities that `found` makes, and the model they are from."""
    return dataclasses.replace(
        article,
        entities=link(found, article.title, article.body),
        processing=dataclasses.replace(
            article.processing, model_name=model_name, model_version=model_version
        ),
    )

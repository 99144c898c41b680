"""Named entities of each article, by the spaCy model for its language.

drafts ─► ByLanguage ─┬─► RunInference (batches) ─► LinkMentions ─┬─► articles
                      ├─► the same, for each further model ───────┤
                      └─► no model for the language ──────────────┘      (and dead_letters)
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

import apache_beam as beam
from apache_beam.ml.inference.base import PredictionResult, RunInference

from pipeline.dead_letters import dead_letter
from pipeline.options import ArticleOptions
from pipeline.records import Article, DeadLetter, Draft
from pipeline.transforms.linking import Found, link
from pipeline.transforms.model_choice import ANY, Choice, Models, choose_models, primary
from pipeline.transforms.model_handler import (
    STAGE,
    SpacyModelHandler,
    characters,
    workers_from,
)

NO_MODEL = "entities: no model for {language}; give one with --spacy_model {language}=NAME"

_UNREAD = "unread"


class Extracted(NamedTuple):
    """The two ends of `ExtractEntities`."""

    articles: beam.PCollection[Draft]
    dead_letters: beam.PCollection[DeadLetter]


class ExtractEntities(beam.PTransform[beam.PCollection[Draft], Extracted]):
    """Sets `article.entities`, and which model they are from in `article.processing`.

    In: `Draft`s with their language. Out: `articles`, the same drafts, each once, with entities (an
    empty tuple where none were found); an article in a language that there is no model for has
    null, and a warning that says so. `dead_letters`, stage "entities", error_type model_failed,
    model_crashed or model_timeout, for those the model cannot read. Articles are batched by model
    inside a bundle, never across, and come out at the end of their window.

    Counted: `batch_size`, and RunInference's own (num_inferences,
    inference_batch_latency_micro_secs, model_byte_size, load_model_latency_milli_secs …).

    Args:
        models: which model reads which language; `choose_models` finds them, so that one that is
            missing is known before a pipeline starts.
        handler: gives what reads with a model, as it was given: in what processes, by what limits.
    """

    def __init__(
        self, models: Models, handler: Callable[[str | None], SpacyModelHandler] = SpacyModelHandler
    ) -> None:
        super().__init__()
        self._models = models
        self._handler = handler

    @classmethod
    def from_options(cls, options: ArticleOptions) -> ExtractEntities:
        """`--spacy_model`, `--max_attempts`, `--entity_workers` and `--model_timeout`.

        Raises:
            ValueError: one line that says which model is missing, or what is wrong.
        """
        handler = functools.partial(
            SpacyModelHandler,
            max_attempts=options.max_attempts,
            workers=workers_from(options),
            timeout=options.model_timeout,
        )
        return cls(choose_models(options.spacy_model), handler)

    def expand(self, drafts: beam.PCollection[Draft]) -> Extracted:
        first, *others = map(_label, self._models.choices)
        routed = drafts | "ByLanguage" >> beam.ParDo(_ByLanguage(self._models)).with_outputs(
            *others, _UNREAD, main=first
        )
        read = [
            routed[label] | label >> _Read(self._handler(choice.model), choice)
            for label, choice in zip((first, *others), self._models.choices, strict=True)
        ]
        articles = (*(each.articles for each in read), routed[_UNREAD])
        letters = tuple(each.dead_letters for each in read)
        return Extracted(
            articles | "Articles" >> beam.Flatten(),
            letters[0] if len(letters) == 1 else letters | "DeadLetters" >> beam.Flatten(),
        )


class _ByLanguage(beam.DoFn):
    """Each draft to the output of its model."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._labels = tuple(map(_label, models.choices))

    def process(self, draft: Draft) -> Iterator[Draft | beam.pvalue.TaggedOutput[str, Draft]]:
        article = draft.article
        place = self._models.place(article.language, characters(draft))
        if place is None:
            unread = Draft(draft.message, without_entities(article))
            yield beam.pvalue.TaggedOutput(_UNREAD, unread)
        elif place:
            yield beam.pvalue.TaggedOutput(self._labels[place], draft)
        else:
            yield draft


def _label(choice: Choice) -> str:
    """What a model's output and step are called: no two read the same language."""
    return "Read " + "+".join("others" if each == ANY else each for each in choice.languages)


class _Read(beam.PTransform[beam.PCollection[Draft], Any]):
    """Entities of drafts by one model: `articles` and `dead_letters`."""

    def __init__(self, handler: SpacyModelHandler, choice: Choice) -> None:
        super().__init__()
        self._handler = handler
        self._info = choice.info

    def expand(self, drafts: beam.PCollection[Draft]) -> Any:
        name, version = self._info.name, self._info.version
        return (
            drafts
            | "Read" >> RunInference(self._handler, model_identifier=f"{name}-{version}")
            | "LinkMentions"
            >> beam.ParDo(LinkMentions(name, version)).with_outputs("dead_letters", main="articles")
        )


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


def without_entities(article: Article) -> Article:
    """The article with a warning that there is no model for its language; entities stay null."""
    assert article.language is not None
    warning = NO_MODEL.format(language=primary(article.language.code))
    processing = article.processing
    return dataclasses.replace(
        article,
        processing=dataclasses.replace(processing, warnings=(*processing.warnings, warning)),
    )

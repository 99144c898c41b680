"""Renew: a record that was written before is made ready to have some of its fields made anew."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

import apache_beam as beam
from apache_beam.pvalue import PCollection

from pipeline.options import ArticleOptions
from pipeline.records import Article, Draft
from pipeline.transforms.entities import NO_MODEL
from pipeline.transforms.topics import PUBLISHER
from pipeline.version import __version__

ENTITIES = "entities"
TAGS = "tags"
_NO_MODEL = NO_MODEL.split("{", 1)[0]


class Renew(beam.PTransform[PCollection[Draft], PCollection[Draft]]):
    """Takes what is to be made anew out of each record.

    In: PCollection[Draft]. Out: the same drafts, for `ExtractEntities` and `Tag`.

    Args:
        fields: entities, tags, or both.
        run_id: the name of this run, kept in every record.
    """

    def __init__(self, fields: Collection[str], run_id: str) -> None:
        super().__init__()
        self._fields = frozenset(fields)
        self._run_id = run_id

    @classmethod
    def from_options(cls, options: ArticleOptions) -> Renew:
        return cls(options.reprocess or (), options.run_id or "")

    def expand(self, drafts: PCollection[Draft]) -> PCollection[Draft]:
        ready: PCollection[Draft] = drafts | "Ready" >> beam.Map(_ready, self._fields, self._run_id)
        return ready


def _ready(draft: Draft, fields: frozenset[str], run_id: str) -> Draft:
    return Draft(draft.message, ready(draft.article, fields, run_id))


def ready(article: Article, fields: Collection[str], run_id: str) -> Article:
    """The article without what is to be made anew, and of this run and version of the pipeline.

    Of its tags the publisher's own stay: they came with the article, and cannot be made.
    """
    processing = dataclasses.replace(
        article.processing, pipeline_version=__version__, run_id=run_id
    )
    if ENTITIES in fields:
        warnings = tuple(one for one in processing.warnings if not one.startswith(_NO_MODEL))
        processing = dataclasses.replace(
            processing, model_name=None, model_version=None, warnings=warnings
        )
        article = dataclasses.replace(article, entities=None)
    if TAGS in fields:
        given = tuple(tag for tag in article.tags or () if tag.source == PUBLISHER)
        article = dataclasses.replace(article, tags=given)
    return dataclasses.replace(article, processing=processing)

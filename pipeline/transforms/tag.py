"""Topics, countries, keywords and the user's own rules, for every article."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PCollection, TaggedOutput

from pipeline.dead_letters import dead_letter
from pipeline.options import ArticleOptions
from pipeline.records import Article, Draft
from pipeline.records import Tag as TagRecord
from pipeline.transforms.keywords import SCHEME as KEYWORD
from pipeline.transforms.keywords import code, keywords
from pipeline.transforms.media_topics import SCHEME as TOPIC
from pipeline.transforms.model_choice import ENGLISH, primary
from pipeline.transforms.places import countries
from pipeline.transforms.rule_file import read_rules
from pipeline.transforms.rules import Rule, apply_rules
from pipeline.transforms.topics import topics

STAGE = "tag"


class Tag(beam.PTransform[PCollection[Draft], Any]):
    """Gives each article its tags.

    Takes a PCollection of `Draft`, with its entities where they were computed. Gives two:
    `.articles` of `Draft`, each with `tags` (a tuple, empty if there are none), and
    `.dead_letters` of `DeadLetter`; each draft is in exactly one. No state, no timers, no order;
    window and timestamp of an element are kept.

    Args:
        rules: the user's own, as `read_rules` reads them.
    """

    def __init__(self, rules: tuple[Rule, ...] = ()) -> None:
        super().__init__()
        self._rules = rules

    @classmethod
    def from_options(cls, options: ArticleOptions) -> Tag:
        """`--tag_rules`.

        Raises:
            RuleError: (a ValueError) the file is no list of rules: which file, which line, why.
        """
        return cls(read_rules(options.tag_rules) if options.tag_rules else ())

    def expand(self, drafts: PCollection[Draft]) -> Any:
        return drafts | "TagArticles" >> beam.ParDo(_TagFn(self._rules)).with_outputs(
            "dead_letters", main="articles"
        )


class _TagFn(beam.DoFn):
    """`tag` on every article; what it raises becomes a dead letter."""

    def __init__(self, rules: tuple[Rule, ...]) -> None:
        self._rules = rules

    def process(self, draft: Draft) -> Iterator[Any]:
        try:
            article = tag(draft.article, self._rules)
        except Exception as error:  # noqa: BLE001 - one bad article must not stop its bundle
            yield TaggedOutput("dead_letters", dead_letter(draft.message, STAGE, error))
            return
        yield Draft(draft.message, article)


def tag(article: Article, rules: tuple[Rule, ...] = ()) -> Article:
    """The article with its tags: topics, countries, keywords, and what the rules give.

    The publisher's own, which decode has put there, go before ours. Where there are topics among
    them, the classifier is not asked: whoever filed the article knows better. It is not asked about
    an article in another language than English either, which it has not learned.
    """
    given = article.tags or ()
    found = dataclasses.replace(
        article,
        tags=(
            *(_topics_of(article, given)),
            *_countries_of(article),
            *_keywords_of(article, given),
        ),
    )
    matched = apply_rules(found, rules) if rules else ()
    # A copy costs as much as many rules, and most articles match none.
    return dataclasses.replace(found, tags=(*(found.tags or ()), *matched)) if matched else found


def _topics_of(article: Article, given: tuple[TagRecord, ...]) -> tuple[TagRecord, ...]:
    published = tuple(one for one in given if one.scheme == TOPIC)
    if published or not _may_be_english(article):
        return published
    return topics(article.title, article.body)


def _may_be_english(article: Article) -> bool:
    """Whether its language is English, or there is too little text to tell."""
    return article.language is None or primary(article.language.code) == ENGLISH


def _countries_of(article: Article) -> tuple[TagRecord, ...]:
    """The names are English ones: in another language they are some of those in the article, and
    which of them the story is about cannot be told."""
    found = countries(article.title, article.body, article.entities, dateline=article.dateline)
    if _may_be_english(article):
        return found
    return tuple(dataclasses.replace(one, primary=None) for one in found)


def _keywords_of(article: Article, given: tuple[TagRecord, ...]) -> tuple[TagRecord, ...]:
    published = tuple(one for one in given if one.scheme == KEYWORD)
    # "Interest rates" says what our "interest rate" would; a name keeps its plural.
    said = {form for one in published for form in (one.code, code(one.name))}
    own = keywords(
        article.title,
        article.body,
        article.entities,
        language=article.language.code if article.language else None,
        publisher=article.source.name,
    )
    return (*published, *(one for one in own if one.code not in said))

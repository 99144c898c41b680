"""Language, countries and the user's own rules, for every article."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import PCollection, TaggedOutput

from pipeline.dead_letters import dead_letter
from pipeline.options import ArticleOptions
from pipeline.records import Article, Draft
from pipeline.transforms.language import detect
from pipeline.transforms.places import countries
from pipeline.transforms.rule_file import read_rules
from pipeline.transforms.rules import Rule, apply_rules

STAGE = "tag"


class Tag(beam.PTransform[PCollection[Draft], Any]):
    """Gives each article its language and its tags.

    Takes a PCollection of `Draft`. Gives two: `.articles` of `Draft`, each with `language` (null
    where there is too little text) and `tags` (a tuple, empty if there are none), and
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
    """The article with its language, and with tags: countries, the surest first, then rules.

    A language it had before stays where the text is too short to tell.
    """
    language = detect(article.title, article.body) or article.language
    places = countries(article.title, article.body, article.entities)
    found = dataclasses.replace(article, language=language, tags=places)
    matched = apply_rules(found, rules) if rules else ()
    # A copy costs as much as many rules, and most articles match none.
    return dataclasses.replace(found, tags=(*places, *matched)) if matched else found

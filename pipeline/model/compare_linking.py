"""The part of ``make eval-ner`` on linking: mentions to entities, as the pipeline does it.

Articles of our own with their entities by hand (``linking_gold``). Linking is scored alone, on the
annotated mentions, and end to end, on those that a model finds; beside it what joins nothing but
equal text.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

from pipeline.model import clusters
from pipeline.model.corpus import Span
from pipeline.model.linking_gold import LinkedArticle
from pipeline.records import Entity, Mention
from pipeline.transforms.linking import Found, link

Predict = Callable[[Sequence[str]], Sequence[Sequence[Span]]]
"""Texts to the names a model finds in each, in our labels."""

GIVEN = "annotated"


def report(
    heading: str, articles: Sequence[LinkedArticle], models: Mapping[str, Predict]
) -> Iterator[str]:
    """Yield the lines on ``articles``: a table, and the wrong joins of linking one by one."""
    yield f"## {heading}"
    entities = [entity for article in articles for entity in article.entities]
    yield (
        f"{len(articles)} articles, {sum(e.count for e in entities)} mentions of "
        f"{len(entities)} entities."
    )
    yield ""
    yield (
        "| mentions | joined by | B-cubed: P | R | F1 | 95 % | pairs: P | R | F1 "
        "| names right: P | R | mixed | split |"
    )
    yield "|---|---|" + "---|" * 11
    mentions = {GIVEN: [annotated(article) for article in articles]}
    mentions |= {name: predicted(articles, predict) for name, predict in models.items()}
    joins: list[str] = []
    for name, found in mentions.items():
        for joiner, join in (("equal text", _by_equal_text), ("linking", _by_linking)):
            scores = [
                clusters.score(join(each, article), article.entities)
                for each, article in zip(found, articles, strict=True)
            ]
            yield _row(name, joiner, scores)
            if join is _by_linking:
                joins += [
                    f"- {name}, {article.name}: {' = '.join(names)}"
                    for each, article in zip(scores, articles, strict=True)
                    for names in each.wrong_joins
                ]
    yield ""
    yield f"Wrong joins by linking: {len(joins)}{':' if joins else '.'}"
    yield from joins
    yield ""


def annotated(article: LinkedArticle) -> list[Found]:
    """Return the mentions by hand, with the labels by hand."""
    return [
        Found(mention, entity.label) for entity in article.entities for mention in entity.mentions
    ]


def predicted(articles: Sequence[LinkedArticle], predict: Predict) -> list[list[Found]]:
    """Return the mentions that ``predict`` finds in each article."""
    texts = [text for article in articles for text in (article.title, article.body)]
    spans = iter(predict(texts))
    return [
        [
            Found(Mention(field, span.start, span.end, text[span.start : span.end]), span.label)
            for field, text in (("title", article.title), ("body", article.body))
            for span in next(spans)
        ]
        for article in articles
    ]


def _by_equal_text(found: Sequence[Found], article: LinkedArticle) -> Sequence[Entity]:
    return clusters.by_equal_text((each.mention, each.label) for each in found)


def _by_linking(found: Sequence[Found], article: LinkedArticle) -> Sequence[Entity]:
    return link(found, article.title, article.body)


def _row(name: str, joiner: str, scores: Sequence[clusters.Score]) -> str:
    total = sum(scores, clusters.Score())
    low, high = clusters.interval(scores)
    cells = [
        *(total.bcubed.precision, total.bcubed.recall, total.bcubed.f1),
        *(total.pairs.precision, total.pairs.recall, total.pairs.f1),
        *(total.names.precision, total.names.recall),
    ]
    shown = [f"{cell * 100:.1f}" for cell in cells]
    shown.insert(3, f"{low * 100:.1f}–{high * 100:.1f}")
    return (
        "| "
        + " | ".join([name, joiner, *shown, str(len(total.wrong_joins)), str(total.split)])
        + " |"
    )

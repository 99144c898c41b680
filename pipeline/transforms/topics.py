"""Topics of an article, as IPTC Media Topics: the publisher's own, else the classifier's."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.model.topic_model import NAME, shipped
from pipeline.records import Tag
from pipeline.transforms.keywords import SCHEME as KEYWORD_SCHEME
from pipeline.transforms.media_topics import SCHEME, read_code, vocabulary
from pipeline.transforms.text import normalise

# A publisher's list that is longer is an index of its site.
MAX_PUBLISHED = 50
PUBLISHER = "publisher"

# Topics of each level; more than three is none.
MOST = 3


def topics(title: str | None, body: str, *, most: int = MOST) -> tuple[Tag, ...]:
    """The topics that the classifier gives, the surest first; empty where none is sure enough.

    It has learned from English news alone: ask it about no other.

    Args:
        most: topics of the top level, and as many of those below them.
    """
    given = shipped().give(title, body, most=most)
    return tuple(
        Tag(
            *(SCHEME, topic.code, vocabulary()[topic.code].name, topic.score),
            source=NAME,
            version=shipped().version,
            primary=place == 0,
            evidence=topic.evidence,
        )
        for place, topic in enumerate(given)
    )


def published(codes: Iterable[tuple[str, float | None]]) -> tuple[Tag, ...]:
    """The publisher's topics: those that are in the vocabulary, each once, as it has them.

    Args:
        codes: each as it came (`medtop:…`, the concept's address, eight digits), with the weight
            that came with it, 0 to 1.
    """
    found: dict[str, Tag] = {}
    for text, score in codes:
        code = read_code(text)
        if code is None or code in found:
            continue
        if len(found) == MAX_PUBLISHED:
            break
        name = vocabulary()[code].name
        found[code] = Tag(SCHEME, code, name, score, PUBLISHER, primary=not found)
    return tuple(found.values())


def publisher_keywords(words: Iterable[str]) -> tuple[Tag, ...]:
    """The publisher's keywords as tags."""
    found: dict[str, Tag] = {}
    for word in words:
        code = normalise(word)
        found.setdefault(code, Tag(KEYWORD_SCHEME, code, word, source=PUBLISHER))
    return tuple(found.values())

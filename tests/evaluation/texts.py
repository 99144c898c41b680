"""The texts of the evaluation: free news articles and press releases, read from their files."""

from __future__ import annotations

import datetime as dt
import gzip
import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path

from pipeline.errors import UsageError
from tests.evaluation.edits import Pool
from tests.evaluation.sentences import paragraphs
from tests.evaluation.truth import Shingles, similar_pairs

DATA = Path("../shared/data/text")
WIKINEWS = "wikinews_articles.jsonl.gz"
RELEASES = "press_releases_2024_2026.jsonl.gz"

FEWEST_WORDS = 200
"""A text of so many is full-length news."""

LEAST_ALIKE = 0.3
"""Bases of that exact Jaccard similarity and more are near-duplicates of each other already."""

POOL_TEXTS = 300
HEADLINE_CHARACTERS = (20, 110)
SENTENCE_WORDS = (8, 40)

# What the two archives put around each text.
_WRAPPING = re.compile(r"__NOTOC__|\s*---\s*Original/Source Press Release.*\Z|[\s*]+\Z", re.S)


class MissingDataError(UsageError):
    """A file of texts is not there; the message says where it should be."""


@dataclass(frozen=True, slots=True)
class Text:
    """An article or release, as its archive has it."""

    id: str
    title: str
    text: str
    date: dt.date | None
    categories: frozenset[str]


@dataclass(frozen=True, slots=True)
class Texts:
    """Everything read, in the order of the files."""

    wikinews: Sequence[Text]
    releases: Sequence[Text]

    def by_id(self) -> dict[str, Text]:
        return {text.id: text for text in chain(self.wikinews, self.releases)}


def read(folder: Path) -> Texts:
    """Reads both files of `folder`.

    Raises:
        MissingDataError: one is not there.
    """
    return Texts(_read(folder / WIKINEWS), _read(folder / RELEASES))


def _read(path: Path) -> list[Text]:
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            rows = [json.loads(line) for line in lines]
    except FileNotFoundError as error:
        raise MissingDataError(f"{path} is not there: name its folder with --data") from error
    return [
        Text(
            row["id"],
            row["title"],
            row["text"],
            dt.date.fromisoformat(row["date"][:10]) if row.get("date") else None,
            frozenset(row.get("wikinews_categories") or ()),
        )
        for row in rows
    ]


def bases(texts: Texts, count: int, rng: random.Random) -> tuple[list[Text], Pool]:
    """Full-length texts of which none is like another, and what edits take from others.

    Half are articles and half releases; without what the archives have put around them.
    """
    chosen, others = [], []
    for every in (texts.wikinews, texts.releases):
        full = [bare for bare in map(_bare, every) if len(bare.text.split()) >= FEWEST_WORDS]
        rng.shuffle(full)
        # Some of them have to go; the pool comes from the other end.
        chosen.append(_unlike(full[: 2 * count])[: count // 2])
        others += full[-POOL_TEXTS // 2 :]
    return list(chain.from_iterable(chosen)), _pool(others)


def _bare(text: Text) -> Text:
    return replace(text, text=_WRAPPING.sub("", text.text).strip())


def _unlike(texts: Sequence[Text]) -> list[Text]:
    shingles = Shingles()
    alike = similar_pairs([shingles.of(text.text) for text in texts], LEAST_ALIKE)
    later = {second for _, second in alike}
    return [text for number, text in enumerate(texts) if number not in later]


def _pool(texts: Sequence[Text]) -> Pool:
    shortest, longest = SENTENCE_WORDS
    return Pool(
        words=[word for text in texts for word in text.text.split()],
        headlines=[
            text.title
            for text in texts
            if HEADLINE_CHARACTERS[0] <= len(text.title) <= HEADLINE_CHARACTERS[1]
        ],
        sentences=[
            sentence
            for text in texts
            for sentence in chain.from_iterable(paragraphs(text.text))
            if shortest <= len(sentence.split()) <= longest and sentence.endswith(".")
        ],
    )

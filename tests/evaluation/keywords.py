"""Keywords beside YAKE and plain tf-idf, on phrases that a reader gave: ``table`` makes the page.

`keywords_gold.jsonl` has the phrases for 40 Wikinews articles, `keywords_dev.jsonl` those for 15
others and 10 press releases; both were written from the articles before any output was seen (of a
long one its first 1,900 or 1,150 characters were read). The weights of
`pipeline.transforms.keywords` were chosen on the second, and its table of words is counted without
either. A phrase of the archive's headline block, or a synonym, is as wrong as any other here: the
figures compare arms, and say little of how good a single one is.
"""

from __future__ import annotations

import importlib
import importlib.util
import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.records import Entity
from pipeline.transforms.keyword_words import WEAK, look_up
from pipeline.transforms.keywords import keywords
from pipeline.transforms.linking import link
from pipeline.transforms.spacy_model import Reading, load_model
from tests.evaluation import figures, texts

FOLDER = Path(__file__).parent
PARTS = {"test": FOLDER / "keywords_gold.jsonl", "development": FOLDER / "keywords_dev.jsonl"}
MOST = 10
RESAMPLES = 1_000

_PUNCTUATION = re.compile(r"[^\w\s]+")
_WORD = re.compile(r"[^\W\d_][\w'’-]*")


@dataclass(frozen=True, slots=True)
class Case:
    """An article with the phrases a reader gave it."""

    title: str
    body: str
    entities: tuple[Entity, ...]
    wanted: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """Of one article: phrases given and wanted, and how far they agree.

    Attributes:
        right: phrases that are the same (without case, punctuation and plurals).
        like_wanted: of all given, each one's likeness to the wanted phrase it is most like (Dice's
            coefficient of their words).
        like_given: of all wanted, the same the other way round.
    """

    given: int
    wanted: int
    right: int
    like_wanted: float
    like_given: float


Arm = Callable[[Case], Sequence[str]]


def table(data: Path) -> str:
    """The page of figures; `data` is the folder with the texts.

    Raises:
        texts.MissingDataError: a file of texts is not there.
    """
    return "\n".join(_lines(data))


def _lines(data: Path) -> Iterator[str]:
    known = texts.read(data).by_id()
    for part, path in PARTS.items():
        cases = read(path, known)
        yield f"## Keywords, {part} part: {len(cases)} articles\n"
        if not part.startswith("dev"):
            yield f"At most {MOST} phrases an article; F1 with its 95 % interval over articles.\n"
        yield from figures.table(
            ["", "phrases", "P@10", "R", "F1", "partial P", "R", "F1", "ms an article"],
            (_row(name, arm, cases) for name, arm in arms().items()),
        )
    if "YAKE" not in arms():
        yield "YAKE is not installed (pip install yake).\n"


def read(path: Path, known: dict[str, texts.Text]) -> list[Case]:
    """The cases of a file of phrases, their entities found by the shipped model."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    articles = [(known[row["id"]].title, known[row["id"]].text) for row in rows]
    found = load_model().find(articles, Reading())
    return [
        Case(title, body, link(mentions, title, body), tuple(row["keywords"]))
        for row, (title, body), mentions in zip(rows, articles, found, strict=True)
    ]


def arms() -> dict[str, Arm]:
    """What is compared; YAKE where it is installed."""
    compared: dict[str, Arm] = {
        "keywords": lambda case: _names(case, case.entities),
        "keywords without entities": lambda case: _names(case, ()),
        "tf-idf of single words": _tf_idf,
    }
    if importlib.util.find_spec("yake"):
        extractor = importlib.import_module("yake").KeywordExtractor(
            lan="en", n=3, dedupLim=0.7, top=MOST
        )
        compared["YAKE"] = lambda case: [
            phrase for phrase, _ in extractor.extract_keywords(f"{case.title}. {case.body}")
        ]
    return compared


def _names(case: Case, entities: Sequence[Entity]) -> list[str]:
    tags = keywords(case.title, case.body, entities, language="en", most=MOST)
    return [tag.name for tag in tags]


def _tf_idf(case: Case) -> list[str]:
    """Single words by how often they occur and how rare they are, without function words."""
    counts: Counter[str] = Counter()
    for token in _WORD.findall(f"{case.title} . {case.body}"):
        word = look_up(token)
        if word.rarity and word.key not in WEAK:
            counts[word.key] += 1
    return sorted(counts, key=lambda key: (-counts[key] * look_up(key).rarity, key))[:MOST]


def _row(name: str, arm: Arm, cases: Sequence[Case]) -> list[str]:
    # The first time reads tables.
    for case in cases:
        arm(case)
    began = time.process_time()
    given = [arm(case) for case in cases]
    took = time.process_time() - began
    counts = [compare(some, case.wanted) for some, case in zip(given, cases, strict=True)]
    precision, recall, f1, *partial = scores(counts)
    low, high = _interval(counts)
    return [
        name,
        f"{sum(each.given for each in counts) / len(counts):.1f}",
        f"{precision * 100:.1f}",
        f"{recall * 100:.1f}",
        f"{f1 * 100:.1f} ({low * 100:.1f}–{high * 100:.1f})",
        *(f"{value * 100:.1f}" for value in partial),
        f"{took / len(cases) * 1000:.2f}",
    ]


def compare(given: Sequence[str], wanted: Sequence[str]) -> Counts:
    """How the phrases given for an article agree with those wanted; the same one counts once."""
    ours, theirs = ({_levelled(phrase): None for phrase in each} for each in (given, wanted))
    return Counts(
        len(ours),
        len(theirs),
        len(ours.keys() & theirs.keys()),
        sum(max((_dice(one, other) for other in theirs), default=0.0) for one in ours),
        sum(max((_dice(one, other) for other in ours), default=0.0) for one in theirs),
    )


def scores(counts: Sequence[Counts]) -> tuple[float, float, float, float, float, float]:
    """Precision, recall and F1 of all articles together, exact and then by words in common."""
    given = sum(each.given for each in counts) or 1
    wanted = sum(each.wanted for each in counts) or 1
    right = sum(each.right for each in counts)
    exact = right / given, right / wanted
    partial = (
        sum(each.like_wanted for each in counts) / given,
        sum(each.like_given for each in counts) / wanted,
    )
    return (*exact, _f1(*exact), *partial, _f1(*partial))


def _interval(counts: Sequence[Counts]) -> tuple[float, float]:
    rng = random.Random(0)
    drawn = sorted(scores(rng.choices(counts, k=len(counts)))[2] for _ in range(RESAMPLES))
    return drawn[round(0.025 * RESAMPLES)], drawn[round(0.975 * RESAMPLES) - 1]


def _f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision else 0.0


def _dice(one: tuple[str, ...], other: tuple[str, ...]) -> float:
    ours, theirs = set(one), set(other)
    return 2 * len(ours & theirs) / (len(ours) + len(theirs)) if ours or theirs else 0.0


def _levelled(phrase: str) -> tuple[str, ...]:
    """The words of a phrase without case, punctuation, "the" and plurals, by rules of its own."""
    words = _PUNCTUATION.sub(" ", phrase.lower().replace(".", "")).split()
    return tuple(_singular(word) for word in words if word != "the")


def _singular(word: str) -> str:
    if len(word) < 4 or not word.endswith("s") or word.endswith("ss"):
        return word
    return word[:-3] + "y" if word.endswith("ies") else word[:-1]

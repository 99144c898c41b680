"""What the topic classifier learns from, as texts with known and unknown labels.

huffpost  headlines, each with the topic of its section in the newspaper; others count as absent.
wikinews  articles with a category, "Politics and conflicts" or "Economy and business", or with the
          topic of a weak keyword rule; what else they are about is unknown. They are learned from,
          and lightly; "Politics and conflicts" is not: half of it is about wars and crimes.
gold      Wikinews articles read by hand (`gold/topics_train_*.jsonl`), with all their topics.
iptc      names and definitions of all concepts of the vocabulary, under the topic at the top.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

GOLD = Path(__file__).resolve().parent / "gold"
TOP = tuple(f"medtop:{number:02}000000" for number in range(1, 18))
POLITICS = TOP[10]

# Sections of HuffPost that are of one topic of the second level.
SECTIONS = {
    "medtop:20000002": ("ENTERTAINMENT", "ARTS", "ARTS & CULTURE", "CULTURE & ARTS"),
    "medtop:20000045": ("MEDIA",),
    "medtop:20000756": ("TECH",),
    "medtop:20000780": ("PARENTING", "PARENTS", "WEDDINGS", "DIVORCE"),
    "medtop:20000538": ("TRAVEL",),
    "medtop:20000565": ("HOME & LIVING", "FOOD & DRINK", "TASTE"),
}
PARENTS = {
    "medtop:20000002": TOP[0],
    "medtop:20000045": TOP[0],
    "medtop:20000756": TOP[12],
    "medtop:20000780": TOP[13],
    "medtop:20000538": TOP[9],
    "medtop:20000565": TOP[9],
}
CODES = (*TOP, *SECTIONS)

# Chosen by cross-validation over the rows read by hand (MODEL_CARD in topics/).
GOLD_WEIGHT = 10.0
WIKINEWS_WEIGHT = 0.3

_PREFIX_CHARS = 50
_NOT_PLAIN = re.compile(r"[^a-z0-9]")


@dataclass(frozen=True)
class Row:
    """A text to learn from or to be scored on.

    Attributes:
        text: title and body, in one.
        topics: codes that it is known to have, the main one first.
        unknown: codes of which nobody knows whether it has them.
        weight: how much it counts in learning.
        source: huffpost, wikinews, gold or iptc.
    """

    text: str
    topics: tuple[str, ...]
    unknown: frozenset[str]
    weight: float
    source: str


def training_rows(data: Path) -> tuple[list[Row], list[Row]]:
    """The rows that need no reading by hand, and those read by hand; no text is in both.

    Args:
        data: the folder with `topics/` and `text/`.

    Raises:
        OSError: a file is missing.
    """
    read = list(gold_rows(data))
    known = {_key(row.text) for row in read}
    path = data / "topics" / "topic_train.jsonl.gz"
    rows = [row for row in topic_rows(path) if _key(row.text) not in known]
    return [*rows, *vocabulary_rows(data / "topics")], read


def topic_rows(path: Path) -> Iterator[Row]:
    """The rows of `topic_train.jsonl.gz` or `topic_test.jsonl.gz`."""
    for row in _json_lines(path):
        code = f"medtop:{row['iptc']}000000"
        section = str(row["how"]).removeprefix("mapped from HuffPost ")
        if row["source"] == "huffpost":
            second = tuple(one for one, names in SECTIONS.items() if section in names)
            yield Row(row["text"], (code, *second), frozenset(), 1.0, "huffpost")
        else:
            others = frozenset(CODES) - {code}
            weight = WIKINEWS_WEIGHT if code != POLITICS else 0.0
            yield Row(row["text"], (code,), others, weight, "wikinews")


def gold_rows(data: Path) -> Iterator[Row]:
    """Wikinews articles with all their topics, as read by hand."""
    texts = wikinews(data)
    for path in sorted(GOLD.glob("topics_train_*.jsonl")):
        for line in path.read_text("utf-8").splitlines():
            label = json.loads(line)
            yield Row(
                texts[label["id"]],
                tuple(f"medtop:{number}000000" for number in label["topics"]),
                frozenset(SECTIONS),
                GOLD_WEIGHT,
                "gold",
            )


def wikinews(data: Path) -> dict[str, str]:
    """Title and text of every Wikinews article, by its id."""
    rows = _json_lines(data / "text" / "wikinews_articles.jsonl.gz")
    return {row["id"]: f"{row['title']}\n{row['text']}" for row in rows}


def vocabulary_rows(folder: Path) -> Iterator[Row]:
    """Name and definition of every concept in use, under the topic at its top."""
    (path,) = folder.glob("iptc_mediatopics_*.json.gz")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        concepts = {_code(one["uri"]): one for one in json.load(file)["conceptSet"]}
    for code, concept in concepts.items():
        top = code
        while broader := concepts[top].get("broader"):
            top = _code(broader[0])
        name = concept["prefLabel"].get("en-US", "")
        definition = concept.get("definition", {}).get("en-US", "")
        if "retired" not in concept and top in TOP:
            yield Row(f"{name}. {definition}", (top,), frozenset(SECTIONS), 1.0, "iptc")


def _code(address: str) -> str:
    return "medtop:" + address.rsplit("/", 1)[-1]


def _json_lines(path: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for line in file:
            yield json.loads(line)


def _key(text: str) -> str:
    """By what a text is known again however it was cut into words."""
    return _NOT_PLAIN.sub("", text.lower())[:_PREFIX_CHARS]

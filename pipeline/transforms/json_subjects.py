"""What a publisher says that its article is about: subjects with codes, and keywords."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pipeline.transforms import aliases
from pipeline.transforms.text import clean, one_line

# Keywords that are kept; a longer one is a sentence.
MAX_KEYWORDS = 20
MAX_KEYWORD_CHARS = 100

SUBJECTS = ("subjects", "subject", "about", "topics", "mediatopics")
CODES = ("code", "uri", "qcode", "termcode", "identifier", "@id", "id", "url")
KEYWORDS = ("keywords", "keyword")


def subjects(item: dict[str, Any]) -> tuple[tuple[str, float | None], ...]:
    """The codes under an article's subjects, as they came, each with its weight from 0 to 1.

    ninjs has `subjects` of objects with `uri` or `code` and a `relevance` up to 100, schema.org
    `about` with `termCode` or `@id`; a list of bare codes is read, too. What code it is, and of
    which vocabulary, is for others to say.

    Args:
        item: the article under folded names.
    """
    return tuple(_subjects(item))


def _subjects(item: dict[str, Any]) -> Iterator[tuple[str, float | None]]:
    for name in SUBJECTS:
        for entry in aliases.items(item.get(name)):
            if isinstance(entry, str):
                yield entry, None
            elif isinstance(entry, dict):
                folded = aliases.folded(entry)
                weight = _weight(folded.get("relevance"))
                yield from (
                    (folded[key], weight) for key in CODES if isinstance(folded.get(key), str)
                )


def _weight(relevance: object) -> float | None:
    """ninjs has it from 0 to 100."""
    if isinstance(relevance, bool) or not isinstance(relevance, int | float):
        return None
    return round(float(relevance) / 100, 4) if 0 <= relevance <= 100 else None


def keywords(item: dict[str, Any], warnings: list[str]) -> tuple[str, ...]:
    """The publisher's keywords, each once whatever its case; a text is parted at its commas."""
    found: dict[str, str] = {}
    for name in KEYWORDS:
        for entry in aliases.items(item.get(name)):
            if isinstance(entry, dict):
                entry = next((entry[key] for key in ("name", "@value", "value") if key in entry), 0)
            if not isinstance(entry, str):
                continue
            # A subject's code among the keywords is none for people to read.
            for part in entry[: aliases.MAX_ITEMS * MAX_KEYWORD_CHARS].split(","):
                word = one_line(clean(part, "keywords", warnings))
                if word and len(word) <= MAX_KEYWORD_CHARS and ":" not in word:
                    found.setdefault(word.casefold(), word)
    return tuple(found.values())[:MAX_KEYWORDS]

"""Paragraphs and sentences of a text, by simple rules.

Most of the texts edited here have lost their paragraphs, and get new ones of a few sentences.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

PARAGRAPH_SENTENCES = 3
"""A text without paragraphs gets one for each so many sentences."""

_SENTENCE_END = re.compile(r"[.!?]['\"’”)\]]*\s+(?=['\"‘“(\[]?[A-Z0-9])")
_NO_END = re.compile(
    r"(?:^|[\s(])(?:[A-Z]|[A-Z]\.[A-Z]|Mr|Mrs|Ms|Dr|Sen|Rep|Gov|Gen|Lt|Col|Sgt|Prof|St|vs|No|Inc|"
    r"Corp|Co|Ltd|Jan|Feb|Mar|Apr|Aug|Sept?|Oct|Nov|Dec)\.$"
)


def sentences(paragraph: str) -> list[str]:
    """The sentences of a paragraph, in which no word is lost.

    >>> sentences("Mr. Doe of the U.S. Army spoke. “Nobody knew.” It rained!")
    ['Mr. Doe of the U.S. Army spoke.', '“Nobody knew.”', 'It rained!']
    """
    found, start = [], 0
    for end in _SENTENCE_END.finditer(paragraph):
        sentence = paragraph[start : end.end()].strip()
        if not _NO_END.search(sentence):
            found.append(sentence)
            start = end.end()
    rest = paragraph[start:].strip()
    return [*found, rest] if rest else found


def paragraphs(text: str) -> list[list[str]]:
    """The paragraphs of a text, each a list of sentences."""
    parts = [part for part in (sentences(p) for p in re.split(r"\n\s*\n", text)) if part]
    if len(parts) > 1:
        return parts
    (every,) = parts or [[]]
    return [
        every[start : start + PARAGRAPH_SENTENCES]
        for start in range(0, len(every), PARAGRAPH_SENTENCES)
    ]


def joined(parts: Sequence[Sequence[str]]) -> str:
    return "\n\n".join(" ".join(part) for part in parts if part)

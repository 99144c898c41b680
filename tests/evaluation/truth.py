"""What is true of two texts: exact Jaccard similarity over their three-word shingles.

The words are those that `pipeline.similarity` compares, without boilerplate, letters and digits
alone; but they are made here by other code, and counted, not estimated.
"""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from collections.abc import Sequence

from pipeline.similarity.boilerplate import without_boilerplate

SHINGLE_WORDS = 3

ShingleSet = frozenset[int]


def words(text: str) -> list[str]:
    """The words of a text in one form.

    >>> words("“It’s OVER — at  last,” he said.")
    ['its', 'over', 'at', 'last', 'he', 'said']
    """
    plain = unicodedata.normalize("NFKC", without_boilerplate(text))
    bare = ("".join(filter(str.isalnum, word.casefold())) for word in plain.split())
    return [word for word in bare if word]


def shingles(text_words: Sequence[str]) -> set[str]:
    """Every run of three words."""
    last = max(1, len(text_words) - SHINGLE_WORDS + 1)
    return {" ".join(text_words[n : n + SHINGLE_WORDS]) for n in range(last)}


class Shingles:
    """Numbers for shingles: the same for the same, and for no other."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def of(self, text: str) -> ShingleSet:
        numbers = self._numbers
        return frozenset(numbers.setdefault(one, len(numbers)) for one in shingles(words(text)))


def jaccard(one: ShingleSet, other: ShingleSet) -> float:
    common = len(one & other)
    return common / (len(one) + len(other) - common)


def containment(one: ShingleSet, other: ShingleSet) -> float:
    """What both have, of those of the one with fewer."""
    return len(one & other) / min(len(one), len(other))


def similar_pairs(texts: Sequence[ShingleSet], least: float) -> dict[tuple[int, int], float]:
    """The Jaccard similarity of every pair that has `least` or more, by places (first, second).

    All pairs with a shingle in common are looked at, so none is missed; `least` is above 0.
    """
    holders: dict[int, list[int]] = defaultdict(list)
    found = {}
    for second, one in enumerate(texts):
        common: Counter[int] = Counter()
        for shingle in one:
            known = holders[shingle]
            common.update(known)
            known.append(second)
        for first, count in common.items():
            alike = count / (len(one) + len(texts[first]) - count)
            if alike >= least:
                found[first, second] = alike
    return found

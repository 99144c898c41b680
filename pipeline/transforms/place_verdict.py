"""What a name found may be, and the words on both sides of it."""

from __future__ import annotations

from enum import Enum

# How far to look for the word before a name.
MAX_WORD_CHARS = 16
MAX_HALF_CHARS = 40
_CLOSERS = frozenset(",.;:)")


class Verdict(Enum):
    """SURE: the country, even where the name is a weak one. STRONG: the country, unless the name
    is a weak one. WEAK: only with support. NO: not here. OTHER: not here, but something else that
    has the name (a person, a bird, a town in Ohio); elsewhere in the article it is in doubt.
    """

    SURE = 1
    STRONG = 2
    WEAK = 3
    NO = 4
    OTHER = 5


def word_before(text: str, start: int) -> str:
    """The word that ends one space before `start`, else nothing.

    >>> word_before("met Michael Jordan", 12)
    'Michael'
    """
    if start < 2 or text[start - 1] != " ":
        return ""
    return text[text.rfind(" ", max(0, start - MAX_WORD_CHARS), start - 1) + 1 : start - 1]


def second_half(text: str, start: int) -> bool:
    """Whether a capitalised word and a comma stand before `start`: `Reading, Pa.`"""
    if start < 3 or text[start - 2 : start] != ", ":
        return False
    space = text.rfind(" ", max(0, start - MAX_HALF_CHARS), start - 2)
    return text[space + 1].isupper()


def closed(text: str, end: int) -> bool:
    """Whether a place of two halves (`Valencia, Venezuela`) ends at `end`, and no list goes on."""
    if end >= len(text):
        return True
    if text[end] not in _CLOSERS:
        return False
    if text[end] != ",":
        return True
    # `Moscow, Idaho, and works there` is no list; `London, Ontario, and Paris` is.
    after = text[end + 1 : end + 6]
    for word in (" and ", " or "):
        if after.startswith(word):
            return not text[end + 1 + len(word) : end + 2 + len(word)].isupper()
    return not after[1:2].isupper()


def word_after(text: str, end: int) -> str:
    """The word that begins one space after `end`, else nothing."""
    if text[end : end + 1] != " ":
        return ""
    stop = end + 1
    limit = min(len(text), end + 1 + MAX_WORD_CHARS)
    while stop < limit and text[stop].isalpha():
        stop += 1
    return text[end + 1 : stop]

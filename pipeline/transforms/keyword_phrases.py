"""The phrases of an article that may be keywords: how often each occurs, and how early.

A text is read once, as runs of words that nothing interrupts: no function word, verb, number or
punctuation. A name that was found (an entity) is one word of a run, however it is written. Every
piece of a run that could stand alone is a phrase: up to four words, the last of them a noun; a name
by itself; a place or people with the words that follow it ("Iraqi civilians").
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.records import Entity
from pipeline.transforms.keyword_words import (
    BREAK,
    KEPT_WORDS,
    MOST_LETTERS,
    NOUN,
    Word,
    look_up,
    name_words,
)
from pipeline.transforms.name_words import GROUP_LABELS, PLACE_LABELS

NAME, PLACE = NOUN + 1, NOUN + 2
"""What an entity does in a phrase: it is one by itself, or may also begin one."""

Key = tuple[str, ...]
"""A phrase: the keys of its words. That of the fourth entity is `#3`, which no word can have."""

PHRASE_WORDS = 4

TITLE_WEIGHT = 4.0
FIRST_WEIGHT = 3.0
HALF_AFTER = 20
"""An occurrence in the title counts 4; in the body 3 at its beginning and then less, towards 1: 2
after 20 runs (about 70 words). Chosen on the development part, as are those in `keywords`."""

HEADLINE_WORDS = 5
"""A model takes a headline, or a part of one in capitals, for a name. Where a name stands in the
title alone and has so many words, or all of the title is in capitals, its words are read one by
one."""

LONGER_WORD = 5
"""Shorter ones ("with", "from") have small letters in many a headline in capitals."""

# Classes that follow each other share no character, so that no text makes it slow.
_TOKEN = re.compile(
    r"(?:https?://|www\.)\S+|(?:[^\W\d_]\.){2,}|[^\W\d_]\w*(?:[-.&]\w+|['’](?!s\b)\w+)*|[\d_]\S*|\n|[^\s\w]"
)
# Where a share is traded: "(NYSE American: MCRP)".
_TICKER = re.compile(r"\([A-Z][A-Za-z ]{1,20}: ?[A-Z.]{1,8}\)")

NAME_CHARACTERS = 100
"""What is longer is no name: the model takes "Bank of Bank of …" for one, of any length."""

# "ATHENS - Firefighters", "Pickup - https://example.com"
_JOINED = re.compile(r" [-\u2013\u2014]+ |://")

_Run = tuple[list[Word], list[str]]
"""Words in a row, and how they are written."""


@dataclass(frozen=True, slots=True)
class Phrases:
    """What was read of an article.

    Attributes:
        entities: those whose names are words of the runs.
        weights: of each phrase, what its occurrences count together.
        repeated: phrases that occur more than once.
        in_title: phrases of the title.
    """

    entities: Sequence[Entity]
    weights: Mapping[Key, float]
    repeated: frozenset[Key]
    in_title: frozenset[Key]
    _body_runs: Sequence[_Run]
    _title_runs: Sequence[_Run]

    def entity(self, key: Key) -> Entity | None:
        """The entity that a phrase is; None for words, and for words after a name."""
        return self._entity(key[0]) if len(key) == 1 else None

    def body_words(self) -> frozenset[str]:
        """The keys of all words in runs of the body."""
        return frozenset(word[0] for words, _ in self._body_runs for word in words)

    def words(self, key: Key) -> list[Word]:
        """The words of a phrase, those of a name in it one by one."""
        found: list[Word] = []
        for part in key:
            entity = self._entity(part)
            found.extend(name_words(entity.name) if entity else (look_up(part),))
        return found

    def _entity(self, part: str) -> Entity | None:
        return self.entities[int(part[1:])] if part[0] == "#" else None

    def forms(self, keys: Iterable[Key]) -> dict[Key, tuple[list[str], list[str]]]:
        """How each of these phrases is written, wherever it is: in the body, and in the title."""
        forms: dict[Key, tuple[list[str], list[str]]] = {key: ([], []) for key in keys}
        by_first: dict[str, list[Key]] = {}
        for key in forms:
            by_first.setdefault(key[0], []).append(key)
        for field, runs in enumerate((self._body_runs, self._title_runs)):
            for words, written in runs:
                for at, word in enumerate(words):
                    for key in by_first.get(word[0], ()):
                        end = at + len(key)
                        if len(key) == 1 or tuple(each.key for each in words[at:end]) == key:
                            forms[key][field].append(" ".join(written[at:end]))
        return forms


def read_phrases(
    title: str, body: str, entities: Iterable[Entity], *, with_words: bool = True
) -> Phrases:
    """The phrases of an article; its entities alone where `with_words` is false.

    Takes time in proportion to the text. Mentions that reach past the end of the text, or overlap
    an earlier one, are left out.
    """
    least_words = 2 if _in_capitals(title) else HEADLINE_WORDS
    kept = tuple(
        each for each in entities if not (_is_no_name(each.name) or _is_headline(each, least_words))
    )
    units = [_unit(number, entity) for number, entity in enumerate(kept)]
    # For where the model has missed a name of one word that it found elsewhere.
    short = {
        mention.text: unit
        for unit, entity in zip(units, kept, strict=True)
        for mention in entity.mentions
        if 1 < len(mention.text) <= MOST_LETTERS and " " not in mention.text
    }
    body_runs, title_runs = (
        _runs(text, _marks(text, field, kept, units), short, with_words)
        for field, text in (("body", body), ("title", title))
    )
    weights: dict[Key, float] = {}
    repeated: set[Key] = set()
    for number, (words, _) in enumerate(body_runs):
        weight = 1 + (FIRST_WEIGHT - 1) * HALF_AFTER / (HALF_AFTER + number)
        for key in _pieces(words):
            if key in weights:
                weights[key] += weight
                repeated.add(key)
            else:
                weights[key] = weight
    in_title = [key for words, _ in title_runs for key in _pieces(words)]
    for key in in_title:
        if key in weights:
            weights[key] += TITLE_WEIGHT
            repeated.add(key)
        else:
            weights[key] = TITLE_WEIGHT
    return Phrases(kept, weights, frozenset(repeated), frozenset(in_title), body_runs, title_runs)


def _in_capitals(title: str) -> bool:
    """Whether every longer word of a headline begins with a capital."""
    return not any(len(word) >= LONGER_WORD and word[0].islower() for word in title.split())


def _is_no_name(name: str) -> bool:
    """Whether the model took more than a name for one: a dateline with it, an address, a page."""
    return len(name) > NAME_CHARACTERS or _JOINED.search(name) is not None


def _is_headline(entity: Entity, least_words: int) -> bool:
    return entity.name.count(" ") + 1 >= least_words and all(
        mention.field == "title" for mention in entity.mentions
    )


def _unit(number: int, entity: Entity) -> Word:
    """An entity as a word: as rare as its words are on average."""
    rarities = [word.rarity for word in name_words(entity.name) if word.rarity]
    may_begin = entity.label in PLACE_LABELS or entity.label in GROUP_LABELS
    rarity = sum(rarities) / len(rarities) if rarities else 1.0
    return Word(f"#{number}", PLACE if may_begin else NAME, rarity)


def _marks(
    text: str, field: str, entities: Sequence[Entity], units: Sequence[Word]
) -> list[tuple[int, int, Word | None]]:
    """Where names stand, in order; without a word: what is to be left out."""
    marks: list[tuple[int, int, Word | None]] = [
        (mention.start, mention.end, unit)
        for entity, unit in zip(entities, units, strict=True)
        for mention in entity.mentions
        if mention.field == field and mention.end <= len(text)
    ]
    if "(" in text:
        marks.extend((*found.span(), None) for found in _TICKER.finditer(text))
    marks.sort(key=lambda mark: mark[:2])
    marks.append((len(text), len(text), None))
    return marks


def _runs(
    text: str,
    marks: Iterable[tuple[int, int, Word | None]],
    short: Mapping[str, Word],
    with_words: bool,
) -> list[_Run]:
    """The runs of a text, in order."""
    runs: list[_Run] = []
    words: list[Word] = []
    written: list[str] = []
    at = 0
    for start, end, name in marks:
        if start < at:
            continue
        for token in _TOKEN.findall(text[at:start]):
            word = short.get(token)
            if word is None and with_words and len(token) <= MOST_LETTERS:
                word = _word(token)
            if word is not None:
                words.append(word)
                written.append(token)
            elif words:
                runs.append((words, written))
                words, written = [], []
        at = end
        if name is not None:
            words.append(name)
            written.append(text[start:end])
        elif words:
            runs.append((words, written))
            words, written = [], []
    return runs


@functools.lru_cache(KEPT_WORDS)
def _word(token: str) -> Word | None:
    """What a token is in a run; None: its end."""
    if not token[0].isalpha() or "://" in token or token.startswith("www."):
        return None
    word = look_up(token)
    return None if word.kind == BREAK else word


def _pieces(words: Sequence[Word]) -> list[Key]:
    """Every phrase in a run.

    >>> look = lambda text: [look_up(word) for word in text.split()]
    >>> [" ".join(key) for key in _pieces(look("structural fuel tanks"))]
    ['structural fuel', 'structural fuel tank', 'fuel', 'fuel tank', 'tank']
    """
    last = len(words)
    if last == 1:
        key, kind, _ = words[0]
        return [(key,)] if kind >= NOUN else []
    pieces: list[Key] = []
    for at, (key, kind, _) in enumerate(words):
        phrase: Key = (key,)
        if kind >= NOUN:
            pieces.append(phrase)
            if kind == NAME:
                continue
        for part, part_kind, _ in words[at + 1 : at + PHRASE_WORDS]:
            if part_kind > NOUN:
                break
            phrase = (*phrase, part)
            if part_kind == NOUN:
                pieces.append(phrase)
    return pieces

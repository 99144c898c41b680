"""The sequence of sample messages: articles in every form, copies and unreadable ones among them.

Messages come in decks of 100, shuffled: 90 articles, 7 copies (one of each kind) and 3 unreadable
ones (kinds in turn). So the mix is the same for any number of messages, and `generate(n)` begins
like `generate(m)` for every m > n.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from random import Random

from pipeline.samples import duplicates, malformed, stories
from pipeline.samples.duplicates import Original
from pipeline.samples.forms import FORMS, Form, encoded
from pipeline.samples.message import Expected, SampleMessage, Story

DECK: dict[str, int] = {
    "json_schema_org": 23,
    "json_aliases": 16,
    "json_ninjs": 14,
    "html": 12,
    "text_dated": 9,
    "text_titled": 8,
    "json_schema_org+gzip": 3,
    "json_ninjs+zstd": 2,
    "html+gzip": 1,
    "text_dated+gzip": 1,
    "text_titled+zstd": 1,
}
"""How many articles of a deck take which form, and which compression after the plus sign."""
UNREADABLE = 3
SPARE_FORM = "json_aliases"
"""What takes the place of a copy where there is nothing yet to copy."""
LANGUAGES = ("de", "fr", "es") * 2
"""Languages of six stories in a deck; the rest is English."""
DECK_SIZE = sum(DECK.values()) + len(duplicates.KINDS) + UNREADABLE
MAX_ORIGINALS = 400
"""How many stories wait to be copied; beyond it one of them, by chance, makes room."""


def generate(n: int, seed: int = 0) -> Iterator[SampleMessage]:
    """`n` messages, the same ones for the same seed.

    About 7 % are duplicates, each of its own earlier original, and 3 % unreadable. Compressed
    payloads depend on the versions of zlib and zstd; what is inside does not.

    Raises:
        ValueError: `n` is negative.
    """
    if n < 0:
        raise ValueError(f"n must be 0 or more, not {n}")
    return _generate(n, seed)


def _generate(n: int, seed: int) -> Iterator[SampleMessage]:
    rng = Random(seed)
    prefix = hashlib.blake2b(str(seed).encode(), digest_size=3).hexdigest()
    originals: list[Original] = []
    unreadable = list(malformed.KINDS)
    made_unreadable = 0
    deck: list[str] = []
    languages: list[str] = []
    for index in range(n):
        if not deck:
            deck, languages = _shuffled_deck(rng)
        card, language = deck.pop(), languages.pop()
        token = f"{prefix}-{index:06d}"
        if card == "malformed":
            kind = unreadable[made_unreadable % len(unreadable)]
            made_unreadable += 1
            form = malformed.KINDS[kind](stories.story(rng, token, language), rng)
            yield _message(form, "dead_letter", f"malformed_{kind}")
            continue
        if card in duplicates.KINDS:
            original = _taken(originals, card, rng)
            if original is not None:
                form = duplicates.KINDS[card](original, rng)
                yield _message(form, "duplicate", f"duplicate_{card}")
                continue
            card = SPARE_FORM
        original = _original(stories.story(rng, token, language), card, rng)
        _remember(originals, original, rng)
        yield _message(original.message, "article", card)


def _shuffled_deck(rng: Random) -> tuple[list[str], list[str]]:
    deck = [form for form, count in DECK.items() for _ in range(count)]
    deck += [*duplicates.KINDS, *["malformed"] * UNREADABLE]
    languages = [*LANGUAGES, *["en"] * (len(deck) - len(LANGUAGES))]
    rng.shuffle(deck)
    rng.shuffle(languages)
    return deck, languages


def _original(story: Story, card: str, rng: Random) -> Original:
    form, _, encoding = card.partition("+")
    message = FORMS[form](story, rng)
    if encoding:
        message = encoded(message, encoding)
    return Original(story, form, encoding or None, message)


def _remember(originals: list[Original], original: Original, rng: Random) -> None:
    if len(originals) < MAX_ORIGINALS:
        originals.append(original)
    else:
        originals[rng.randrange(MAX_ORIGINALS)] = original


def _taken(originals: list[Original], kind: str, rng: Random) -> Original | None:
    """An original for a copy of this kind, or None.

    It leaves the list: an original has one copy at most, so that whichever of the two is seen
    first, the counts are the same.
    """
    fitting = [at for at, one in enumerate(originals) if duplicates.eligible(kind, one)]
    return originals.pop(rng.choice(fitting)) if fitting else None


def _message(form: Form, expected: Expected, kind: str) -> SampleMessage:
    return SampleMessage(form.data, form.attributes, expected, kind)

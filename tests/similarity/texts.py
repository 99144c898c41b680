"""News of no meaning, as long as wanted, and what makes a copy of it."""

from __future__ import annotations

from random import Random

SYLLABLES = [c + v for c in "bdfgklmnprstvz" for v in "aeiou"]
NAMES = 0.08
NUMBERS = 0.03


def words(rng: Random, count: int) -> list[str]:
    """Words of a story: some are names, some are numbers, most are neither."""
    return [_word(rng) for _ in range(count)]


def _word(rng: Random) -> str:
    word = "".join(rng.choices(SYLLABLES, k=rng.randint(1, 3)))
    draw = rng.random()
    if draw < NAMES:
        return word.capitalize() + "son"
    return str(rng.randint(2, 90_000)) if draw < NAMES + NUMBERS else word


def story(seed: int, count: int = 300) -> str:
    """The same text for the same seed."""
    parts = words(Random(seed), count)
    lines = [" ".join(parts[at : at + 12]) + "." for at in range(0, count, 12)]
    return "\n\n".join(" ".join(lines[at : at + 4]) for at in range(0, len(lines), 4))


def changed(text: str, share: float, seed: int = 0) -> str:
    """`text` with that share of its words, but no name or number, replaced."""
    rng = Random(seed)
    plain = str.islower
    return " ".join(
        "zz" + _word(rng).lower() if plain(word) and rng.random() < share else word
        for word in text.split(" ")
    )


def template(seed: int, count: int = 300, facts: int = 40) -> str:
    """Boilerplate that is always the same, with names and numbers that are not."""
    rng = Random(seed)
    parts = [word.lower() for word in words(Random(0), count) if word.isalpha()]
    step = len(parts) // facts
    for at in range(0, len(parts), step):
        parts[at] = f"{rng.randint(100, 9_999_999)}"
    return " ".join(parts)

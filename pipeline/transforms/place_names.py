"""The tables of names as an index to scan text with: `countries.txt`, `cities.txt`,
`no_places.txt`, and what pycountry adds."""

from __future__ import annotations

import functools
import hashlib
import importlib.resources
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass

import pycountry

TABLE, CITIES, NO_PLACES = "countries.txt", "cities.txt", "no_places.txt"

NAME, DEMONYM, CAPITAL = "name", "demonym", "capital"
CITY, REGION = "city", "region"
# What the columns hold, after the code.
_COLUMNS = {TABLE: (NAME, DEMONYM, CAPITAL), CITIES: (CITY, REGION, DEMONYM)}

# The first word of a name, as far as it is ASCII (`S` of `São Tomé`): both the table and the text
# are cut so. The other initials are those that names have (`Åland`, `Éire`, `Łódź`).
WORD = re.compile(r"[A-ZÅÉÎÖŁ]\w*", re.ASCII)

# A search for one of them costs about 0.1 us in an article, a place to look at about 0.3.
MAX_NEEDLES = 6

# Shorter names are words or initials in upper case (`NIGER` is a name, `FIJ` is not).
MIN_UPPER_LETTERS = 4

_NO_PLURAL = ("s", "ese", "ish", "ch", "x", "z", "man", "men", "women", "Hellenic", "Icelandic")


@dataclass(frozen=True, slots=True)
class Sense:
    """What a name may stand for.

    Attributes:
        code: the ISO 3166-1 alpha-2 code.
        kind: `NAME`, `DEMONYM`, `CAPITAL`, `CITY` or `REGION`.
        weak: it counts only where something else names the same country.
        after_comma: it counts only as the second half of a place (Reading, Pa.).
        rivals: codes that take the name where they are named otherwise and this one is not.
    """

    code: str
    kind: str
    weak: bool = False
    after_comma: bool = False
    rivals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """A name as it stands in text; no senses: a longer name that is no country.

    Attributes:
        surface: the name, however it is written: `TURKEY` is `Turkey`.
    """

    text: str
    senses: tuple[Sense, ...]
    surface: str


@dataclass(frozen=True, slots=True)
class Table:
    """Attributes:
    words: the first words of all names.
    index: first word -> the entries that begin with it, the longest first.
    needles: first word -> what to search for: each of its entries begins with one of these, and
        none of these with another.
    names: code -> the usual English name.
    version: changes with the table.
    """

    words: frozenset[str]
    index: dict[str, tuple[Entry, ...]]
    needles: dict[str, tuple[str, ...]]
    names: dict[str, str]
    version: str


@functools.cache
def table() -> Table:
    """The table of this installation; loaded once a process, in about 100 ms."""
    folder = importlib.resources.files("pipeline.transforms")
    return build(*(folder.joinpath(name).read_text("utf-8") for name in (TABLE, CITIES, NO_PLACES)))


def build(source: str, cities: str = "", no_places: str = "") -> Table:
    """The index over the lines of the three files, each as its own head describes it.

    Raises:
        ValueError: a line is not as it should be (file and line number inside), or a name is both
            a place and none.
    """
    senses: dict[str, tuple[Sense, ...]] = {}
    names: dict[str, str] = {}
    for name, number, (code, *columns) in (*_lines(TABLE, source), *_lines(CITIES, cities)):
        again = name == TABLE and code in names
        if len(columns) != 3 or not re.fullmatch("[A-Z]{2}", code) or again:
            raise ValueError(f"{name}, line {number}: not a code and three columns, parted by |")
        if name == TABLE:
            names[code] = _split(columns[0])[0].removesuffix("?")
        for text, sense, derived in _entries(code, columns, _COLUMNS[name]):
            others = senses.get(text, ())
            if all(other.code != code for other in others):
                senses[text] = (*others, sense)
            elif not derived:
                raise ValueError(f"{name}, line {number}: {text} stands for {code} already")
    for text, sense in _pycountry_names():
        senses.setdefault(text, (sense,))
    for _, number, (column, *_rest) in _lines(NO_PLACES, no_places):
        for text in _split(column):
            if senses.get(text):
                raise ValueError(f"{NO_PLACES}, line {number}: {text} is a place in another file")
            senses[text] = ()
    surfaces = {text: text for text in senses}
    for text in list(senses):
        if sum(map(str.isalpha, text)) >= MIN_UPPER_LETTERS:
            senses.setdefault(text.upper(), senses[text])
            surfaces.setdefault(text.upper(), text)
    version = hashlib.sha256("".join((source, cities, no_places)).encode()).hexdigest()[:8]
    index = _index(senses, surfaces)
    needles = {word: _needles(word, entries) for word, entries in index.items()}
    return Table(frozenset(index), index, needles, names, version)


def _lines(name: str, source: str) -> Iterator[tuple[str, int, list[str]]]:
    """File, line number and columns of every line that says something."""
    for number, line in enumerate(source.splitlines(), start=1):
        if line.strip() and not line.startswith("#"):
            yield name, number, [column.strip() for column in line.split("|")]


def _split(column: str) -> list[str]:
    return [item.strip() for item in column.split(";") if item.strip()]


def _entries(
    code: str, columns: list[str], kinds: tuple[str, ...]
) -> Iterator[tuple[str, Sense, bool]]:
    """Each form of each name; whether it is one that a rule made."""
    for kind, column in zip(kinds, columns, strict=True):
        for item in _split(column):
            text, *rivals = item.split("~")
            sense = Sense(code, kind, text.endswith("?"), text.startswith(","), tuple(rivals))
            for form in _forms(text.strip("?,"), kind):
                yield form, sense, form != text.strip("?,")


def _forms(text: str, kind: str) -> Iterator[str]:
    saint = text.startswith("Saint ")
    for form in (text, "St" + text[5:], "St." + text[5:]) if saint else (text,):
        yield form
        if kind == DEMONYM and not form.endswith(_NO_PLURAL):
            yield form + "s"


def _pycountry_names() -> Iterator[tuple[str, Sense]]:
    for country in pycountry.countries:
        for attribute in ("name", "common_name", "official_name"):
            text = getattr(country, attribute, "").removeprefix("the ")
            # `Korea, Republic of` is an order for catalogues that no article uses.
            if text and "," not in text and "(" not in text:
                yield text, Sense(country.alpha_2, NAME)


def _index(
    senses: dict[str, tuple[Sense, ...]], surfaces: dict[str, str]
) -> dict[str, tuple[Entry, ...]]:
    index: dict[str, list[Entry]] = {}
    for text, meaning in senses.items():
        first = WORD.match(text)
        if first is None:
            raise ValueError(f"{text!r} begins with no capital letter")
        index.setdefault(first.group(), []).append(Entry(text, meaning, surfaces[text]))
    return {
        word: tuple(sorted(entries, key=lambda entry: -len(entry.text)))
        for word, entries in index.items()
    }


def _needles(word: str, entries: tuple[Entry, ...]) -> tuple[str, ...]:
    """What to search for where a text has `word`: what all its names begin with (`The Hague`, not
    `The`, which every text has; `United `), or, where that is little, the shortest of them."""
    texts = [entry.text for entry in entries]
    # The texts between two that begin alike begin like both.
    common = _common_start(min(texts), max(texts))
    if len(common) > len(word):
        return (common,)
    shortest = [text for text in texts if not any(text != o and text.startswith(o) for o in texts)]
    return tuple(shortest) if len(shortest) <= MAX_NEEDLES else (common,)


def _common_start(one: str, other: str) -> str:
    return "".join(
        a
        for a, _ in itertools.takewhile(
            lambda pair: pair[0] == pair[1], zip(one, other, strict=False)
        )
    )

"""The ways to write a name: what of a mention is compared, and what it could be short for."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from pipeline.records import Mention
from pipeline.transforms import name_words as words

MAX_NAME_WORDS = 10
"""A longer form is joined with its own repetitions only: work stays bounded on any input."""

MAX_ACRONYM = 10
"""Letters of an acronym, as in "UNESCO"; what is longer is a word in capitals."""

_POSSESSIVE = re.compile(r"(?:['’]s|['’])$", re.IGNORECASE)
_THE = re.compile(r"^the (?=\S)", re.IGNORECASE)
_DOTTED = re.compile(r"(?:[A-Z]\.)+[A-Z]?")
_INITIALS = re.compile(r"(?:[^\W\d_]\.)+[^\W\d_]?|[^\W\d_]")
_BEFORE = re.compile(r"(?:^|\W)(\w+)\.?\s+$")
_BEFORE_CHARACTERS = 12
_QUOTES = "\"'“”‘’«» "
_ALIKE = str.maketrans({"’": "'", "‘": "'", "\u2010": "-", "\u2011": "-", "–": "-", "\u00ad": ""})


@dataclass(slots=True, eq=False)
class Form:
    """A way to write a name under one label: `key` is compared, `name` is shown.

    `courtesy` is set where the article has both a man and a woman of the name ("Mr.", "Mrs.").
    """

    key: str
    name: str
    label: str
    words: tuple[str, ...]
    mentions: list[Mention]
    courtesy: str = ""


def surface(text: str) -> str:
    """The form of a mention that is compared: without quotes, possessive and a leading "the".

    >>> surface("the United\\nNations’s")
    'United Nations'
    """
    plain = " ".join(unicodedata.normalize("NFC", text).split())
    bare = _THE.sub("", _POSSESSIVE.sub("", plain.strip(_QUOTES))).strip(_QUOTES)
    return bare or plain


def without_titles(text: str) -> str:
    """The name of a person without "Mr.", "President" and the like before it.

    >>> without_titles("Prime Minister Keir Starmer"), without_titles("President")
    ('Keir Starmer', 'President')
    """
    parts = text.split(" ")
    while len(parts) > 1 and parts[0].rstrip(".").casefold() in words.TITLES:
        del parts[0]
    return " ".join(parts)


def form_of(text: str, label: str) -> Form:
    """The form of a mention's `surface`, still without mentions.

    >>> form_of("Mr. J. K. O’Hara, Jr.", "PERSON").key, form_of("U.N.", "ORG").key
    ("JK O'Hara Jr", 'UN')
    """
    if label in words.PERSON_LABELS:
        name = without_titles(text)
        key = _person_key(name)
        return Form(key, name, label, tuple(key.casefold().split()), [])
    key = text.translate(_ALIKE)
    key = key.replace(".", "") if _DOTTED.fullmatch(key) else key
    return Form(key, text, label, tuple(key.replace(",", " ").split()), [])


def _person_key(name: str) -> str:
    """The name with its initials together and undotted, and a capital at the start."""
    parts: list[str] = []
    open_run = False
    for part in name.translate(_ALIKE).replace(",", " ").split():
        bare = part.rstrip(".")
        if _INITIALS.fullmatch(part):
            letters = part.replace(".", "")
            if open_run:
                parts[-1] += letters
            else:
                parts.append(letters)
            open_run = True
            continue
        parts.append(bare if bare.casefold() in words.GENERATIONS else part)
        open_run = False
    key = " ".join(parts) or name
    return key[:1].upper() + key[1:]


def core(parts: tuple[str, ...]) -> tuple[str, ...]:
    """A person's name without "Jr." and the like at its end."""
    if len(parts) > 1 and parts[-1].rstrip(".") in words.GENERATIONS:
        return parts[:-1]
    return parts


def courtesy(mention: Mention, text: str) -> str:
    """ "m" or "f" by the "Mr." or "Mrs." in or before a mention; empty where there is none.

    Args:
        text: of the field that the mention is in.
    """
    first = mention.text.partition(" ")[0]
    before = _BEFORE.search(text, max(0, mention.start - _BEFORE_CHARACTERS), mention.start)
    for word in (first, before[1] if before else ""):
        kind = words.COURTESIES.get(word.rstrip(".").casefold())
        if kind is not None:
            return kind
    return ""


def is_acronym(key: str) -> bool:
    """Whether a form could stand for the initials of another.

    >>> [is_acronym(key) for key in ("UN", "DoE", "G20", "AT&T", "Un", "U", "World Bank")]
    [True, True, True, True, False, False, False]
    """
    if not 2 <= len(key) <= MAX_ACRONYM or not key.replace("&", "").replace("-", "").isalnum():
        return False
    ends = key[0].isupper() and (key[-1].isupper() or key[-1].isdigit())
    return ends and sum(sign.isupper() or sign.isdigit() for sign in key) > 1


def initials(name: str) -> set[str]:
    """The acronyms that a name of two words or more could have, in capitals.

    >>> sorted(initials("Department of Energy"))
    ['DE', 'DOE']
    >>> sorted(initials("Department of Health and Human Services"))
    ['DHHS', 'DOHAHS', 'HHS']
    """
    parts = name.replace("-", " ").split()
    if not 1 < len(parts) <= MAX_NAME_WORDS:
        return set()
    every = "".join(part[0] for part in parts).upper()
    capital = "".join(part[0] for part in parts if part[0].isupper())
    found = {letters for letters in (every, capital) if len(letters) > 1}
    if parts[0].casefold() in words.UNSPOKEN_HEADS and len(capital) > 3:
        found.add(capital[1:])
    return found

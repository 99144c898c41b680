"""Who wrote it and where: bylines and datelines."""

from __future__ import annotations

import re
from collections.abc import Iterable

from pipeline.transforms.text import one_line

# Well above the longest byline of a collective; the rest of a longer list is dropped.
MAX_AUTHORS = 50
MAX_NAME_CHARS = 200
MAX_BYLINE_CHARS = 5_000
# A dateline is read from the start of the body alone.
MAX_DATELINE_CHARS = 120

_BY = re.compile(r"^(?:written |reporting |story )?by:? ", re.I)
_CREDIT = re.compile(r"^(?:additional |edited |editing |compiled |photos? )", re.I)
_BETWEEN = re.compile(r"[;|\n]")
_NAMES = re.compile(r",\s+and\s+|\s+and\s+|\s*&\s*|,\s+", re.I)
_SUFFIX = re.compile(r"(?:jr|sr|ii|iii|iv|ph\.?d|m\.?d|esq)\.?", re.I)


def authors(bylines: Iterable[str]) -> tuple[str, ...]:
    """The names in `bylines`, each once, in order.

    >>> authors(["By Ana Ruiz, Bo Li and Cy Jones Jr."])
    ('Ana Ruiz', 'Bo Li', 'Cy Jones Jr.')
    >>> authors(["Smith, John"])
    ('Smith, John',)
    """
    names: dict[str, None] = {}
    for byline in bylines:
        for name in _split(byline[:MAX_BYLINE_CHARS]):
            if name and len(name) <= MAX_NAME_CHARS and "://" not in name:
                names[name] = None
        if len(names) >= MAX_AUTHORS:
            break
    return tuple(names)[:MAX_AUTHORS]


def _split(byline: str) -> list[str]:
    names: list[str] = []
    for part in _BETWEEN.split(byline.strip()):
        part = one_line(part)
        if _CREDIT.match(part):
            continue
        part = _BY.sub("", part)
        pieces = _NAMES.split(part)
        if len(pieces) == 2 and not any(" " in piece.strip() for piece in pieces):
            # "Smith, John": one name, family name first, and not two of one word each.
            names.append(part.strip(" ,."))
            continue
        for piece in pieces:
            if names and _SUFFIX.fullmatch(piece):
                names[-1] = f"{names[-1]}, {piece}"
            else:
                names.append(piece.strip(" ,"))
    return names


# "LONDON (Reuters) - ", "PARIS, Jan 3 — ", "KYIV, Ukraine (AP) — ",
# "NEW YORK, Jan. 3, 2025 /PRNewswire/ -- ". The place is in capitals; at least one of agency, date
# and a long dash must follow, so that "NATO - which ..." is left alone.
_DATELINE = re.compile(
    r"(?P<where>(?P<city>[^\W\d_]{2,}(?:[ .'’/-]{1,2}[^\W\d_]+){0,5}\.?)"
    r"(?:, [A-Z][A-Za-z.]+(?: [A-Z][A-Za-z.]+){0,2}(?! ?\d))?"
    r"(?P<date>,? (?:[A-Z][a-z]{2,8}\.? \d{1,2}|\d{1,2} [A-Z][a-z]{2,8}\.?)(?:,? \d{4})?)?)"
    r"(?P<agency> \([^()\n]{2,30}\)| /[^/\n]{2,30}/)?"
    r"(?: ?(?P<dash>—|--)|(?: –| -)) ?"
)
_NO_PLACE_TEXT = (
    "BREAKING EXCLUSIVE UPDATE UPDATED WATCH LIVE OPINION ANALYSIS CORRECTED CORRECTION VIDEO "
    "PHOTOS REVIEW PREVIEW EXPLAINER FACTBOX TIMELINE NOTE EDITORIAL INTERVIEW"
)
_NO_PLACE = frozenset(_NO_PLACE_TEXT.split())


def dateline(body: str) -> str | None:
    """The place, and the date where given, in front of `body`; None where there is none for sure.

    >>> dateline("PARIS, Jan 3 (Reuters) - The minister said on Friday")
    'PARIS, Jan 3'
    """
    # Both of its first characters are in the name of the place; most bodies end here.
    if body[1:2].islower():
        return None
    match = _DATELINE.match(body[:MAX_DATELINE_CHARS])
    if not match:
        return None
    city = match["city"]
    if not city.isupper() or city.split()[0].strip(".") in _NO_PLACE:
        return None
    if not (match["date"] or match["agency"] or match["dash"]):
        return None
    return match["where"].strip()

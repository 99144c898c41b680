"""What an agency or a portal puts around a story, taken off before stories are compared.

By rules on the first and last part of a text, never on the whole: what a rule takes for a credit in
the middle of a story could be the story. The record keeps all of it.
"""

from __future__ import annotations

import html
import re

HEAD_CHARACTERS = 400
TAIL_CHARACTERS = 1_200
"""Where datelines and credits stand; a publisher's terms of use seldom take more."""

KEPT_SHARE = 0.5
"""Where less than this would be left, the text is nothing but such lines and is compared whole."""

# No quantifier in here may run over what another one could take as well: texts are hostile.
_TAG = re.compile(r"</?[a-zA-Z!][^<>]{0,500}>")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#x[0-9a-fA-F]{1,6}|[a-zA-Z]{2,31});")

_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)[a-z]{0,6}\.?"
_DAY = r"\d{1,2}(?:st|nd|rd|th)?"
_YEAR = r"(?:,?\s{1,3}\d{4})?"
_DATE = rf"(?:{_MONTH}\s{{1,3}}{_DAY}{_YEAR}|{_DAY}\s{{1,3}}{_MONTH}{_YEAR}|\d{{4}}-\d\d-\d\d)"
_PLACE = r"[^\W\d_a-z][\w.'’-]*"
_PLACES = rf"{_PLACE}(?:(?:[ ,/]{{1,3}}|\s(?:de|da|do|del|la|of|and|upon)\s){_PLACE}){{0,7}}"
_AGENCY = r"(?:\([^()\n]{2,40}\)|/[^/\n]{2,40}/)"
_DASH = r"(?:--|[-–—])"
_DATELINE = re.compile(
    # LONDON, Jan 5 (Reuters) - · (AP) — · PARIS, France /PRNewswire/ -- · LIMA, Sep 9. (EFE).-
    rf"(?:(?:{_PLACES})?[ ,]{{0,3}}(?:{_DATE})?[ ,.]{{0,3}}{_AGENCY}[ ,.]{{0,3}}"
    rf"(?:{_DATE}[ ,]{{0,3}})?{_DASH}\s"
    # LONDON--(BUSINESS WIRE)--
    rf"|{_PLACES}{_DASH}{{1,2}}{_AGENCY}{_DASH}{{1,2}}"
    # DELHI, Jan 5 (PTI) · MOSCOW, January 5. /TASS/.
    rf"|{_PLACES}[ ,]{{1,3}}{_DATE}[ ,.]{{0,3}}{_AGENCY}\.?[ ,]{{0,3}}{_DASH}?\s"
    # KYIV, 5 January 2025 - · WASHINGTON —
    rf"|{_PLACES}[ ,]{{1,3}}{_DATE}[ ,]{{0,3}}{_DASH}\s"
    rf"|[A-Z][A-Z.'’-]+(?:[ ,]{{1,3}}[A-Z][A-Z.'’-]+){{0,4}}[ ,]{{0,3}}(?:--|[–—]|\s-)\s"
    # Friday, May 3, 2019, on a line of its own · date 2025-01-21
    rf"|(?:(?:Mon|Tues|Wednes|Thurs|Fri|Satur|Sun)day,? )?{_DATE} ?\n"
    rf"|date[ ]\d{{4}}-\d\d-\d\d\s)"
)
_LEADING_LINE = re.compile(
    r"(?:By [^\n.]{2,80}|[^\n]{0,60}(?:\bUpdated?|Published|Posted|Last modified)\b[^\n]{0,80}"
    r"|(?:UPDATE|RPT|CORRECTED|WRAPUP|BREAKING|EXCLUSIVE|REFILE)\b[^\n]{0,120})\n"
)

_CREDITS = (
    r"\(?(?:Additional )?(?:reporting|writing|editing|compiled|translated) by\b",
    r"(?:copyright|\(c\)|©|&copy;)\s",
    r"all rights reserved\b",
    r"this (?:material|story|article|report|content|press release|release) (?:may not|was|has been|"
    r"is|originally|first)\b[^\n]{0,60}\b(?:published|broadcast|rewritten|redistributed|produced|"
    r"distributed|appeared|republished|provided|issued)",
    r"our standards:",
    r"the post\b[^\n]{0,200}\bappeared first on\b",
    r"(?:read|see|watch|listen|click|tap)\b[^\n]{0,20}\b(?:more|also|here|next|below)\b",
    r"(?:sign|subscribe|join|follow|like|download|share)\b[^\n]{0,40}\b(?:up|newsletters?|us|app|"
    r"facebook|twitter|instagram|whatsapp|channel)\b",
    r"(?:source|via|photo|image|picture|file photo|related|advertisement|view source version)\b\s*"
    r"(?:[:|]|$)",
    r"(?:the )?(?:associated press|reuters|afp|bloomberg|pa media|dpa|xinhua)\b[^\n]{0,80}"
    r"\bcontributed\b",
    r"with (?:inputs|files|reporting|agency inputs) from\b",
)
_CREDIT = re.compile(rf"(?:{'|'.join(_CREDITS)})", re.I)
# A credit begins at a line or a sentence.
_STARTS = re.compile(r"\n\s*|(?<=[.!?)])\s+")


def without_boilerplate(text: str) -> str:
    """`text` without tags, datelines, bylines and credits.

    >>> text = "It rained on Monday in all of the city, and the streets were under water."
    >>> without_boilerplate(f"LONDON, Jan 5 (Reuters) - {text} (Reporting by A B; Editing by C D)")
    'It rained on Monday in all of the city, and the streets were under water.'
    """
    if "<" in text:
        text = _TAG.sub(" ", text)
    if "&" in text:
        text = _ENTITY.sub(lambda entity: html.unescape(entity[0]), text)
    stripped = _without_tail(_without_head(text))
    return stripped if len(stripped) >= KEPT_SHARE * len(text) else text


def _without_head(text: str) -> str:
    start = 0
    while start < HEAD_CHARACTERS:
        begin = start + len(text[start:]) - len(text[start:].lstrip())
        end = begin + HEAD_CHARACTERS
        found = _DATELINE.match(text, begin, end) or _LEADING_LINE.match(text, begin, end)
        if found is None:
            break
        start = found.end()
    return text[start:]


def _without_tail(text: str) -> str:
    # Pieces from the end, as long as each is a credit: what stands before the first that is none
    # stays, also where it looks like one.
    end, first = len(text), max(0, len(text) - TAIL_CHARACTERS)
    while end > first:
        start = _last_start(text, first, end)
        if start is None or (not _CREDIT.match(text, start, end) and text[start:end].strip()):
            break
        end = start
    return text[:end].rstrip() if end < len(text) else text


def _last_start(text: str, first: int, end: int) -> int | None:
    """Where the last line or sentence before `end` begins; None where none does after `first`."""
    for width in (300, TAIL_CHARACTERS):
        look = max(first, end - width)
        # What begins at the end is nothing.
        starts = [found.end() for found in _STARTS.finditer(text, look, end) if found.end() < end]
        if starts:
            return starts[-1]
        if look == first:
            break
    return 0 if first == 0 else None

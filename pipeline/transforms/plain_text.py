"""An article from plain text, with or without the date header."""

from __future__ import annotations

import re

from pipeline.dead_letters import Unreadable
from pipeline.transforms.fields import Fields
from pipeline.transforms.text import clean, one_line, paragraphs

# A headline is seldom longer than 100 characters; a first paragraph seldom shorter than 120.
MAX_TITLE_CHARS = 120

# " date 2025-01-21 Russian President ...": the word in lower case, or with a colon, so that a
# sentence that begins with "Date" is left alone.
_HEADER = re.compile(
    r"\s*(?:date|[Dd]ate:|DATE:)[ \t]{1,20}"
    r"(\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,9})?)?(?:Z|[+-]\d{2}:?\d{2})?)?)"
    r"(?=\s|$)"
)
_ENDS_A_SENTENCE = (".", "…", ":", ";", ",", "-", "–", "—")
_CLOSING = "\"'”’»)]"
_BYLINE = re.compile(r"by\s", re.I)
# "DALLAS, TX -- May 7, 2026", "Friday, 21 March 2025": a dateline that stands alone.
_ENDS_IN_A_DATE = re.compile(r"(?:\d, ?|[A-Za-z]{3,9}\.? )\d{4}$")
_MONTH = re.compile(r"\b(?:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)", re.I)


def read(text: str, warnings: list[str]) -> Fields:
    """The fields of the article in `text`.

    - A date header (` date 2025-01-21 `) gives the date and is taken off the body.
    - The first paragraph is the title, and is taken off the body, where it is one line of at most
      MAX_TITLE_CHARS characters that does not end like a sentence (a full stop, or a sign that
      more comes), is no byline and no dateline, and has more text after a blank line.
    - Everything else is the body, its paragraphs as they are.

    Raises:
        Unreadable: no_body.
    """
    text = clean(text, "body", warnings)
    published = None
    header = _HEADER.match(text)
    if header:
        published = header[1]
        text = text[header.end() :]
    body = paragraphs(text) if text.strip() else ""
    if not body:
        raise Unreadable("no_body", "the message has no text")
    title, body = _split_title(body)
    return Fields(body=body, title=title, published=published)


def _split_title(body: str) -> tuple[str | None, str]:
    first, blank, rest = body.partition("\n\n")
    if not blank or "\n" in first or len(first) > MAX_TITLE_CHARS:
        return None, body
    bare = first.strip().rstrip(_CLOSING)
    if not bare or bare.endswith(_ENDS_A_SENTENCE) or _BYLINE.match(bare):
        return None, body
    if _ENDS_IN_A_DATE.search(bare) and _MONTH.search(bare):
        return None, body
    if not any(char.isalpha() for char in bare):
        return None, body
    return one_line(first), rest

"""What a payload says about its article, in whatever form it came."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(slots=True)
class Fields:
    """What one reader (JSON, plain text, HTML) found; `decode` makes the article of it.

    Texts are clean (`text.clean`); `body` has its paragraphs parted by blank lines and is not
    empty. Dates are as they came: text or a number, which `dates.read` understands. `urls` has
    every address offered, best first.
    """

    body: str = ""
    title: str | None = None
    description: str | None = None
    authors: tuple[str, ...] = ()
    published: object = None
    modified: object = None
    urls: tuple[str, ...] = ()
    source_name: str | None = None
    publisher_id: str | None = None
    dateline: str | None = None
    genres: tuple[str, ...] = ()
    subjects: tuple[tuple[str, float | None], ...] = ()
    keywords: tuple[str, ...] = ()

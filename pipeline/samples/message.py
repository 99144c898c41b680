"""What the samples are made of: the story, and the message that carries it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Expected = Literal["article", "duplicate", "dead_letter"]


@dataclass(frozen=True, slots=True)
class SampleMessage:
    """One message to publish, and what the pipeline must make of it.

    Attributes:
        data: the payload.
        attributes: the message's attributes.
        expected: the output it must end in. Where a queue hands out a duplicate before its
            original the two change places; the counts stay.
        kind: what it is an example of: a form (`html`, `json_ninjs+zstd`), `duplicate_…` or
            `malformed_…`.
    """

    data: bytes
    attributes: Mapping[str, str]
    expected: Expected
    kind: str


@dataclass(frozen=True, slots=True)
class Outlet:
    """An invented publisher."""

    name: str
    domain: str


@dataclass(frozen=True, slots=True)
class Story:
    """An article before it takes a form.

    Attributes:
        token: unique among the stories of a seed; part of id and URL.
        article_id: the publisher's id; None where the publisher gives none.
        paragraphs: the body; each paragraph one line.
    """

    token: str
    article_id: str | None
    url: str
    outlet: Outlet
    title: str
    paragraphs: tuple[str, ...]
    language: str
    section: str
    author: str
    place: str
    published_at: dt.datetime

    @property
    def body(self) -> str:
        return "\n\n".join(self.paragraphs)

    @property
    def description(self) -> str:
        """The first sentence or two, as publishers use it for a teaser."""
        return self.paragraphs[0]

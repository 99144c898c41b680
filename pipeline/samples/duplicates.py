"""Copies of earlier messages that the pipeline must recognise, one function a kind.

Each copy agrees with its original in exactly what its kind names, or in more: the same id of the
same source, the same address once tracking is taken off, the same text once case, white space
and compatibility characters are, or nearly the same text.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from pipeline.samples import stories
from pipeline.samples.forms import ADDRESSED, ENCODINGS, FORMS, JSON_FORMS, Form, encoded
from pipeline.samples.message import Story

NBSP = "\u00a0"
TRACKING = (
    "utm_source=newsletter&utm_medium=email",
    "utm_source=social&utm_campaign=morning#comments",
    "fbclid=IwAR0sample",
    "gclid=sample42&utm_term=news",
)
CORRECTION = {
    "en": "Correction: an earlier version of this report misspelled the name of a street.",
    "de": "Korrektur: In einer früheren Fassung war der Name einer Straße falsch geschrieben.",
    "fr": "Correction : une version antérieure de cet article donnait un nom de rue erroné.",
    "es": "Corrección: una versión anterior de este texto daba mal el nombre de una calle.",
}


AGENCIES = ("North Wire", "Harbour Press", "Continental News")


@dataclass(frozen=True, slots=True)
class Original:
    """A message that went out as an article: its story, how it was written, and the result."""

    story: Story
    form: str
    encoding: str | None
    message: Form


def same_message(original: Original, rng: Random) -> Form:
    """The same bytes and attributes, sent again."""
    del rng
    return original.message


def same_id(original: Original, rng: Random) -> Form:
    """A corrected version: the publisher's id stays, text and address are new."""
    story = original.story
    corrected = dataclasses.replace(
        story,
        url=f"{story.url}-corrected",
        paragraphs=(*story.paragraphs, CORRECTION[story.language]),
    )
    return FORMS[original.form](corrected, rng)


def same_url(original: Original, rng: Random) -> Form:
    """The same page reached through a campaign link, without an id, and changed since."""
    story = original.story
    tracked = dataclasses.replace(
        story,
        article_id=None,
        url=f"{story.url}?{rng.choice(TRACKING)}",
        paragraphs=(*story.paragraphs, CORRECTION[story.language]),
    )
    return FORMS[original.form](tracked, rng)


def same_text(original: Original, rng: Random) -> Form:
    """Another outlet prints the text: other id and address, other case and white space."""
    lead, *rest = original.story.paragraphs
    text = (_shouted(lead), *(_respaced(paragraph, rng) for paragraph in rest))
    title = f" {original.story.title.upper()}  "
    return _elsewhere(original.story, f"{original.story.token}-r", title, text, rng)


def wire_copy(original: Original, rng: Random) -> Form:
    """Another outlet prints it as an agency sends it: with a dateline and a credit, and cut."""
    story = original.story
    lead, *rest = story.paragraphs
    agency = rng.choice(AGENCIES)
    date = f"{story.published_at:%b} {story.published_at.day}"
    text = (
        f"{story.place.upper()}, {date} ({agency}) - {lead}",
        *rest[:-1],
        _cut(rest[-1]) if rest else "",
        f"Copyright {story.published_at.year} {agency}. All rights reserved.",
    )
    return _elsewhere(story, f"{story.token}-w", f"{story.place}: {story.title}", text, rng)


def _elsewhere(story: Story, token: str, title: str, text: tuple[str, ...], rng: Random) -> Form:
    """This text of a story under the id and address of another outlet, as JSON."""
    outlet = rng.choice([o for o in stories.outlets(story.language) if o != story.outlet])
    reprinted = dataclasses.replace(
        story,
        token=token,
        article_id=f"urn:newsml:{outlet.domain}:{story.published_at:%Y%m%d}:{token}",
        url=stories.url(outlet, "reprint", story.published_at, story.title, token),
        outlet=outlet,
        title=title,
        paragraphs=tuple(filter(None, text)),
    )
    return FORMS[rng.choice(JSON_FORMS)](reprinted, rng)


def other_form(original: Original, rng: Random) -> Form:
    """The same article in another form, at the same address."""
    form = rng.choice([name for name in ADDRESSED if name != original.form])
    copy = FORMS[form](original.story, rng)
    return dataclasses.replace(copy, attributes=copy.attributes | {"url": original.story.url})


def recompressed(original: Original, rng: Random) -> Form:
    """The same document under another content encoding."""
    return encoded(original.message, rng.choice(list(ENCODINGS)))


def _shouted(text: str) -> str:
    """The first words in capitals, as some papers set a lead."""
    words = text.split(" ")
    return " ".join([word.upper() for word in words[:3]] + words[3:])


def _respaced(text: str, rng: Random) -> str:
    """The same words, some parted by more or other white space."""
    words = text.split(" ")
    at = rng.randrange(1, len(words))
    return " ".join(words[:at]) + rng.choice((NBSP, "  ", "\n", " \t")) + " ".join(words[at:])


def _cut(text: str) -> str:
    """All but the last sentence, where there is more than one."""
    return text[: text.rfind(". ", 0, -2) + 1]


def eligible(kind: str, original: Original) -> bool:
    """Whether `original` can have a copy of this kind."""
    if kind == "recompressed":
        return original.encoding is None
    if kind == "same_url":
        return original.encoding is None and original.form in (*JSON_FORMS, "html")
    if kind == "other_form":
        return original.form in ADDRESSED
    return kind == "same_message" or original.form in JSON_FORMS


KINDS: dict[str, Callable[[Original, Random], Form]] = {
    "same_message": same_message,
    "same_id": same_id,
    "same_url": same_url,
    "same_text": same_text,
    "wire_copy": wire_copy,
    "other_form": other_form,
    "recompressed": recompressed,
}

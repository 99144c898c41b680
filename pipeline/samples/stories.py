"""Makes stories: a subject, a place, some people, and sentences drawn from the templates."""

from __future__ import annotations

import datetime as dt
import functools
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from pipeline.samples import prose
from pipeline.samples.message import Outlet, Story
from pipeline.samples.prose import Subject, Template

FIRST_DAY = dt.datetime(2025, 2, 1, tzinfo=dt.timezone.utc)
"""The offices named in the prose were held by those people on every day of the span."""
DAYS = 600

PROSE = {"en": "english.txt", "de": "german.txt", "fr": "french.txt", "es": "spanish.txt"}
NAME_GROUPS = {"de": "german", "fr": "french", "es": "iberian"}
COUNTED = ("two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "twelve")
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = ("January", "March", "April", "June", "July", "September", "October", "December")

# How many sentences of each part a story has, least and most: 150 to 600 words altogether.
LENGTHS = {"detail": (5, 11), "quote": (2, 4), "background": (2, 5), "outlook": (1, 3)}
LENGTHS_ABROAD = {"detail": (5, 7), "quote": (2, 3), "background": (2, 3), "outlook": (1, 2)}

NUMBERS: dict[str, Callable[[Random], str]] = {
    "few": lambda rng: COUNTED[int(rng.random() * len(COUNTED))],
    "few_n": lambda rng: str(2 + int(rng.random() * 8)),
    "tens": lambda rng: str(11 + int(rng.random() * 88)),
    "hundreds": lambda rng: str(110 + int(rng.random() * 880)),
    "thousands": lambda rng: f"{1_100 + 10 * int(rng.random() * 9_500):,}",
    "thousands_n": lambda rng: str(1_100 + 10 * int(rng.random() * 9_500)),
    "millions": lambda rng: str(11 + int(rng.random() * 900)),
    "share": lambda rng: str(38 + int(rng.random() * 29)),
    "pct": lambda rng: f"{0.3 + rng.random() * 14:.1f}",
    "year": lambda rng: str(1968 + int(rng.random() * 55)),
    "day": lambda rng: WEEKDAYS[int(rng.random() * 7)],
    "month": lambda rng: MONTHS[int(rng.random() * len(MONTHS))],
}


@dataclass(frozen=True, slots=True)
class Place:
    country: str
    demonym: str
    names: str
    cities: tuple[str, ...]


@functools.cache
def places() -> tuple[Place, ...]:
    """Countries with their cities, the capital first."""
    rows = (line.split(" | ") for line in prose.lines("places.txt"))
    return tuple(
        Place(country, demonym, group, tuple(cities.split(", ")))
        for country, demonym, group, cities in rows
    )


@functools.cache
def names() -> dict[str, tuple[list[str], list[str]]]:
    """Given names and surnames by name group."""
    groups = {}
    for line in prose.lines("names.txt"):
        group, people = line.split(": ")
        given, surnames = people.split(" | ")
        groups[group] = (given.split(), surnames.split())
    return groups


@functools.cache
def outlets(language: str) -> tuple[Outlet, ...]:
    """The publishers that write in `language`."""
    rows = (line.split(" | ") for line in prose.lines("outlets.txt"))
    return tuple(Outlet(name, domain) for code, name, domain in rows if code == language)


def story(rng: Random, token: str, language: str) -> Story:
    """A new story; `token` must be unique among those of its seed."""
    subject = rng.choice(prose.subjects(PROSE[language]))
    published_at = FIRST_DAY + dt.timedelta(
        days=int(rng.random() * DAYS), minutes=int(rng.random() * 1_440)
    )
    here, there = rng.sample(places(), 2)
    writer = _Writer(rng, subject, _cast(rng, language, here, there, published_at))
    title = writer.sentence(rng.choice(subject.parts["headline"]), introduce=False)
    paragraphs = writer.paragraphs(LENGTHS if language == "en" else LENGTHS_ABROAD)
    outlet = rng.choice(outlets(language))
    slots = writer.slots
    return Story(
        token=token,
        article_id=f"urn:newsml:{outlet.domain}:{published_at:%Y%m%d}:{token}",
        url=url(outlet, subject.name, published_at, title, token),
        outlet=outlet,
        title=title,
        paragraphs=paragraphs,
        language=language,
        section=subject.name.capitalize(),
        author=_person(rng, NAME_GROUPS.get(language, "english"))[0],
        place=slots.get("city") or slots.get("stadt") or slots.get("ville") or slots["ciudad"],
        published_at=published_at,
    )


def url(outlet: Outlet, section: str, day: dt.datetime, title: str, token: str) -> str:
    """The address of a story, as publishers build them."""
    return f"https://www.{outlet.domain}/{section}/{day:%Y/%m/%d}/{slug(title)}-{token}"


def slug(title: str) -> str:
    """
    >>> slug("Zürich: Rat stimmt über Brücke ab")
    'zurich-rat-stimmt-uber-brucke-ab'
    """
    plain = unicodedata.normalize("NFKD", title).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")


def _cast(
    rng: Random, language: str, here: Place, there: Place, day: dt.datetime
) -> dict[str, str]:
    """The slots that are the same in the whole story: people, places, today."""
    group = NAME_GROUPS.get(language, here.names)
    slots = {}
    taken: set[str] = set()
    for letter in "abc":
        full, surname = _person(rng, group)
        while surname in taken:
            full, surname = _person(rng, group)
        taken.add(surname)
        slots[letter], slots[f"surname_{letter}"] = full, surname
    if language == "en":
        city, city2 = rng.sample(here.cities, 2)
        slots |= {
            "country": here.country,
            "demonym": here.demonym,
            "capital": here.cities[0],
            "city": city,
            "city2": city2,
            "country2": there.country,
            "demonym2": there.demonym,
            "capital2": there.cities[0],
            "today": WEEKDAYS[day.weekday()],
        }
    return slots


def _person(rng: Random, group: str) -> tuple[str, str]:
    given, surnames = names()[group]
    surname = rng.choice(surnames)
    return f"{rng.choice(given)} {surname}", surname


class _Writer:
    """Fills templates for one story."""

    def __init__(self, rng: Random, subject: Subject, slots: dict[str, str]) -> None:
        self.slots = slots
        self._rng = rng
        self._subject = subject
        self._introduced: set[str] = set()

    def sentence(self, template: Template, *, introduce: bool = True) -> str:
        """The template with its slots filled.

        A person is named in full at first, by surname from then on; a headline (`introduce`
        false) uses the surname and does not count.
        """
        text = self._filled(template, introduce)
        return text[0].upper() + text[1:]

    def paragraphs(self, lengths: dict[str, tuple[int, int]]) -> tuple[str, ...]:
        """The body: lead, then details, voices and background in turn, and an outlook."""
        rng, parts = self._rng, self._subject.parts
        drawn = {
            part: self._drawn(part, least + int(rng.random() * (most - least + 1)))
            for part, (least, most) in lengths.items()
        }
        details, quotes, background = drawn["detail"], drawn["quote"], drawn["background"]
        plan = [[rng.choice(parts["lead"]), *_take(details, int(rng.random() * 2))]]
        while details or quotes or background:
            plan.append(_take(details, 1 + int(rng.random() * 3)))
            plan.append(_take(quotes, 1) + _take(details, int(rng.random() * 2)))
            plan.append(_take(background, 1 + int(rng.random() * 2)))
        plan.append(drawn["outlook"])
        return tuple(
            " ".join(self.sentence(template) for template in group) for group in plan if group
        )

    def _drawn(self, part: str, count: int) -> list[Template]:
        """`count` templates of a part, most of them the subject's own, in random order."""
        rng, own = self._rng, self._subject.parts[part]
        common = self._subject.common[part]
        borrowed = min(len(common), count, max(int(rng.random() * 3), count - len(own)))
        drawn = rng.sample(common, borrowed) + rng.sample(own, min(len(own), count - borrowed))
        rng.shuffle(drawn)
        return drawn

    def _filled(self, template: Template, introduce: bool) -> str:
        out = []
        for literal, slot in template:
            out.append(literal)
            if slot:
                out.append(self._value(slot, introduce))
        return "".join(out)

    def _value(self, slot: str, introduce: bool) -> str:
        if slot in ("A", "B", "C"):
            person = slot.lower()
            if introduce and person not in self._introduced:
                self._introduced.add(person)
                return self.slots[person]
            return self.slots[f"surname_{person}"]
        known = self.slots.get(slot)
        if known is not None:
            if introduce:
                self._introduced.add(slot)
            return known
        number = NUMBERS.get(slot)
        if number is not None and slot not in self._subject.each:
            return number(self._rng)
        if slot in self._subject.picks:
            chosen = self._filled(self._rng.choice(self._subject.picks[slot]), introduce)
            self.slots[slot] = chosen
            return chosen
        return self._filled(self._rng.choice(self._subject.each[slot]), introduce)


def _take(templates: list[Template], count: int) -> list[Template]:
    """The last `count` templates, taken off the list."""
    taken = templates[len(templates) - count :] if count <= len(templates) else list(templates)
    del templates[len(templates) - len(taken) :]
    return taken

"""Countries an article names: by name, by demonym, by town, by state or province.

One pass over the capitalised words finds the candidates in the tables (`place_names`), the longest
first, so that South Korea is not Korea and the New York Times not New York (`place_hits`); the
words around each say whether it is one (`place_context`, `place_towns`); then what the article
names as a whole settles what is open. Which country the story is about says `place_story`.

The score is `1 - 2 ** -evidence`: one mention of the name in the body gives 0.5, each further one
halves the doubt; the title counts `TITLE_WEIGHT` times. It never falls with more mentions.

Written for English. Left out on purpose: Kosovo (no code in ISO 3166-1), Jerusalem, Crimea and
Kashmir (claimed by more than one). A house or title that stands for a government (the Kremlin, the
Pope) names no country by itself; a capital does (`Ankara summoned the envoy`).
"""

from __future__ import annotations

import bisect
import functools
import itertools
import re
from collections import Counter
from collections.abc import Iterable

from pipeline.records import Entity, Tag
from pipeline.transforms.place_context import AS_WORDS, doubtful_word
from pipeline.transforms.place_georgia import georgia
from pipeline.transforms.place_hits import BODY, DATELINE, TITLE, Hit, Naming, find, in_dateline
from pipeline.transforms.place_names import (
    CAPITAL,
    CITY,
    DEMONYM,
    NAME,
    REGION,
    Sense,
    table,
)
from pipeline.transforms.place_story import OWN_NEWS, WIRE_TOWNS, story_country
from pipeline.transforms.place_verdict import Verdict, closed
from pipeline.transforms.place_words import BORNE

SCHEME = "iso3166"
SOURCE = "places"
# The version of the rules here and in the modules beside it; the tables' own is added to it.
RULES_VERSION = "2"

WEIGHTS = {NAME: 1.0, DEMONYM: 0.8, CAPITAL: 0.6, CITY: 0.6, REGION: 0.6}
TITLE_WEIGHT = 3.0
# What an article names only after so many characters is in passing; it bounds the work, too.
MAX_CHARS = 100_000
MAX_EVIDENCE = 5

# `(Reporting by A in Nairobi; editing by B in London)` is about the agency.
_CREDITS = re.compile(r"[(\n] {0,2}(?:Additional )?[Rr]eporting (?:and \w+ )?by ")
CREDITS_CHARS = 600
# `PARIS -`, `KYIV, Ukraine (AP) -`: looser than decode's, which must not take a sentence for one.
_DATELINE = re.compile(
    r"[ \n]{0,4}[A-Z][^a-z\n]{1,38}(?:, [A-Z][A-Za-z. ]{1,30})?(?: \([^()\n]{2,30}\))? ?"
    r"(?:\u2014|\u2013|--|-) "
)
_PERSON_LABELS = frozenset({"PERSON", "PER"})
# The second half of a place: `Valencia, Venezuela`.
_HALVES = frozenset({NAME, REGION})

Spans = tuple[list[int], list[int]]
Texts = tuple[str, str, str]


def countries(
    title: str | None,
    body: str,
    entities: Iterable[Entity] | None = None,
    *,
    dateline: str | None = None,
    max_chars: int = MAX_CHARS,
) -> tuple[Tag, ...]:
    """The country tags of an article: the one the story is about first, then the surest.

    Each has `count` (how many names counted), `evidence` (at most `MAX_EVIDENCE` of them, the most
    frequent first) and `primary`: True for at most one, the country the story is about. Empty if
    the article names none. A dateline counts for a country that is named otherwise; where no
    country is, it counts by itself, unless it is a town that agencies write from about everywhere.

    Args:
        entities: what the model found, or None. A name that is a part of a person's is dropped.
        dateline: where it was filed, if that is known; it may stand in front of `body`, too.
        max_chars: of the body; what stands after them is not read.

    >>> [tag.code for tag in countries("Chad votes", "Michael Jordan was in Tbilisi, Georgia.")]
    ['TD', 'GE']
    """
    names = table()
    texts, dateline_end = _texts(title or "", body[:max_chars], dateline or "")
    hits = [hit for field, text in enumerate(texts) if text for hit in find(text, names, field)]
    if not hits:
        return ()
    if entities is not None:
        _veto_persons(hits, entities)
    _second_halves(hits, texts)
    _doubt(hits, texts)
    namings = _settle(hits, texts, dateline_end)
    by_country: dict[str, list[Naming]] = {}
    for naming in namings:
        by_country.setdefault(naming.code, []).append(naming)
    primary = story_country(namings, texts, dateline_end)
    tags = [
        Tag(
            scheme=SCHEME,
            code=code,
            name=names.names[code],
            score=_score(mine),
            source=SOURCE,
            version=_version(),
            count=len(mine),
            primary=code == primary,
            evidence=_evidence(mine, texts),
        )
        for code, mine in by_country.items()
    ]
    return tuple(sorted(tags, key=lambda tag: (not tag.primary, -(tag.score or 0), tag.code)))


@functools.cache
def _version() -> str:
    return f"{RULES_VERSION}-{table().version}"


def _texts(title: str, body: str, dateline: str) -> tuple[Texts, int]:
    """Title, body and dateline as they are read, and where in the body its dateline ends."""
    title, body, dateline = _plain(title), _plain(without_credits(body)), _plain(dateline)
    if dateline and body.startswith(dateline):
        return (title, body, ""), len(dateline)
    return (title, body, dateline), dateline_end(body)


def without_credits(body: str) -> str:
    """`body` up to who reported and edited it."""
    tail = max(0, len(body) - CREDITS_CHARS)
    # The plain search is ten times as fast as the expression, and nearly always says no.
    if "eporting " in body[tail:] and (credits := _CREDITS.search(body, tail)):
        return body[: credits.start()]
    return body


def dateline_end(body: str) -> int:
    """Where the dateline that `body` begins with ends; 0 if it has none."""
    # Both of its first characters are in the name of the place; most bodies end here.
    match = None if body[1:2].islower() else _DATELINE.match(body[:120])
    return match.end() if match else 0


def _plain(text: str) -> str:
    """`text` with the same length, where spaces and apostrophes have one form each."""
    return text.replace("\n", " ").replace("\u00a0", " ").replace("\u2019", "'")


def _veto_persons(hits: list[Hit], entities: Iterable[Entity]) -> None:
    """A name inside a longer person's name, or one that people bear and the model took so."""
    spans = {TITLE: _spans(entities, "title"), BODY: _spans(entities, "body")}
    for hit in hits:
        if hit.field == DATELINE:
            continue
        starts, ends = spans[hit.field]
        at = bisect.bisect_right(starts, hit.start) - 1
        if at < 0 or hit.end > ends[at] or hit.entry.senses[0].kind == DEMONYM:
            continue
        whole = starts[at] == hit.start and hit.end == ends[at]
        if whole and hit.entry.senses[0].kind in (CITY, REGION):
            # The model takes a town for a person now and then, and there is nobody's other name.
            hit.verdict = Verdict.WEAK if hit.verdict is Verdict.STRONG else hit.verdict
        elif hit.entry.surface in BORNE:
            hit.verdict = Verdict.OTHER
        elif " " not in hit.entry.surface and not whole:
            hit.verdict = Verdict.NO


def _spans(entities: Iterable[Entity], field: str) -> Spans:
    """Starts and ends of the persons' names in `field`, sorted."""
    pairs = sorted(
        (mention.start, mention.end)
        for entity in entities
        if entity.label in _PERSON_LABELS
        for mention in entity.mentions
        # "China's Xi Jinping" is no name: the model joined two.
        if mention.field == field and "'s " not in mention.text.replace("\u2019", "'")
    )
    return [start for start, _ in pairs], [end for _, end in pairs]


def _second_halves(hits: list[Hit], texts: Texts) -> None:
    """A town with another country's or province's name behind it is there: `Valencia, Venezuela`,
    `London, Ontario`. A list (`London, Paris`, `London, France and Germany`) is none."""
    for left, right in itertools.pairwise(hits):
        if left.field != right.field or right.start - left.end != 2:
            continue
        text = texts[left.field]
        if text[left.end : right.start] != ", " or right.entry.senses[0].kind not in _HALVES:
            continue
        if left.entry.senses[0].kind not in (CITY, CAPITAL):
            continue
        codes = {sense.code for sense in right.entry.senses}
        if codes.isdisjoint(sense.code for sense in left.entry.senses) and closed(text, right.end):
            left.verdict = Verdict.OTHER


def _doubt(hits: list[Hit], texts: Texts) -> None:
    """Where one mention was a person (or a bird), the same name elsewhere needs support."""
    doubted = {hit.entry.surface for hit in hits if hit.verdict is Verdict.OTHER}
    words = AS_WORDS.keys() & {hit.entry.surface for hit in hits}
    doubted.update(name for name in words if doubtful_word(name, texts))
    if not doubted:
        return
    for hit in hits:
        if hit.verdict is Verdict.STRONG and hit.entry.surface in doubted:
            hit.verdict = Verdict.WEAK


def _settle(hits: list[Hit], texts: Texts, dateline_end: int) -> list[Naming]:
    """What each hit names, of the countries that are really named."""
    filed = [hit for hit in hits if in_dateline(hit, dateline_end)]
    if not filed:
        return _named(hits, texts)
    namings = _named([hit for hit in hits if not in_dateline(hit, dateline_end)], texts)
    filings = _named(filed, texts)
    if namings:
        codes = {naming.code for naming in namings}
        return namings + [filing for filing in filings if filing.code in codes]
    wired = any(hit.entry.surface in WIRE_TOWNS - OWN_NEWS for hit in filed)
    return [] if wired else filings


def _named(hits: list[Hit], texts: Texts) -> list[Naming]:
    sure: list[Naming] = []
    weak: list[Naming] = []
    contested: list[tuple[Sense, Naming]] = []
    georgian: list[Hit] = []
    for hit in hits:
        if hit.verdict in (Verdict.NO, Verdict.OTHER):
            continue
        for sense in hit.entry.senses:
            naming = Naming(sense.code, sense.kind, hit)
            if sense.code == "GE" and hit.entry.surface.startswith("Georgia"):
                georgian.append(hit)
            elif hit.verdict is not Verdict.SURE and (sense.weak or hit.verdict is Verdict.WEAK):
                weak.append(naming)
            elif sense.rivals:
                contested.append((sense, naming))
            else:
                sure.append(naming)
    named = {naming.code for naming in sure}
    # What is of the state is called Georgia, not Georgian; its people have the name in common.
    adjective = any(hit.entry.surface == "Georgian" for hit in georgian)
    others = adjective or bool(named - {"US", "GE"})
    if georgian and (code := georgia(texts, others=others)):
        for hit in georgian:
            naming = Naming(code, hit.entry.senses[0].kind, hit)
            (weak if hit.verdict is Verdict.WEAK else sure).append(naming)
            named.add(code)
    for sense, naming in contested:
        if sense.code in named or named.isdisjoint(sense.rivals):
            sure.append(naming)
    named = {naming.code for naming in sure}
    return sure + [naming for naming in weak if naming.code in named]


def _score(namings: list[Naming]) -> float:
    evidence = sum(
        WEIGHTS[naming.kind] * (TITLE_WEIGHT if naming.hit.field == TITLE else 1.0)
        for naming in namings
    )
    return round(1 - 2.0**-evidence, 4)


def _evidence(namings: list[Naming], texts: Texts) -> tuple[str, ...]:
    """How the article names a country, the most frequent first; `RUSSIA` is `Russia` again."""
    times = Counter(naming.hit.entry.surface for naming in namings)
    first: dict[str, str] = {}
    for naming in namings:
        hit = naming.hit
        first.setdefault(hit.entry.surface, texts[hit.field][hit.start : hit.end])
    return tuple(first[surface] for surface, _ in times.most_common(MAX_EVIDENCE))

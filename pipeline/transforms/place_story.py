"""Which country a story is about.

Three shares are taken of the names that count: of those in the title, of those in the lead (the
first `LEAD_CHARS` of the body), and of all. The mean of the three (of those zones that name any)
is a country's part of the story; the one with the largest part is it, if it leads the next by
`MARGIN`, and if it is in the title or the lead, or named `MIN_NAMINGS` times. Otherwise the article
is open, and none is.

In the shares a place where something is (`in Kenya`) weighs more than a name, and what somebody is
(`a French tourist`) less. A dateline is no part of the title or the lead: where it is not one of
the towns that agencies write from about everywhere (`WIRE_TOWNS`), it adds a little to its
country; where it is, nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pipeline.transforms.place_hits import TITLE, Naming, in_dateline
from pipeline.transforms.place_names import DEMONYM
from pipeline.transforms.place_words import words

# About three sentences, and what news puts the who and where in.
LEAD_CHARS = 400
# All from 0.1 to 0.5 part the 15 stories of tests/evaluation/countries_dev.jsonl; below, one of two
# sides alike wins. Of 702 articles of Wikinews with two countries and more it leaves 21 % open, and
# each 0.1 more another 7 %.
MARGIN = 0.15
MIN_NAMINGS = 3

DEMONYM_WEIGHT = 0.6
LOCATIVE_WEIGHT = 1.5
# Added to the mean, not a share: a story's own country overtakes it with one name in the lead.
DATELINE_BONUS = 0.15

WIRE_TOWNS = words(
    "London New_York New_York_City Washington Paris Brussels Geneva Hong_Kong Singapore Dubai "
    "Tokyo Beijing Moscow Berlin Frankfurt Rome Vienna Nairobi Johannesburg Sydney New_Delhi "
    "Bangkok Cairo Istanbul Mexico_City Los_Angeles"
)

# Of these, what news from there is mostly about by itself.
OWN_NEWS = frozenset({"Washington"})

_LOCATIVE = re.compile(
    r"\b(?:[Ii]n|[Nn]ear|[Oo]utside|[Aa]cross|[Oo]ff|[Ii]nside|[Aa]round|[Tt]hroughout)(?: the)?"
    r"(?: (?:north|south|east|west|central)\w*)? $"
)
_LOCATIVE_CHARS = 32


def story_country(
    namings: Sequence[Naming], texts: Sequence[str], dateline_end: int = 0
) -> str | None:
    """The code of the country the story is about; None where that is open.

    Args:
        namings: all names that count, in any order.
        texts: title, body and dateline, as `Hit.field` numbers them.
        dateline_end: where in the body its dateline ends; 0 if it has none.
    """
    lead_end = dateline_end + LEAD_CHARS
    zones: tuple[dict[str, float], ...] = ({}, {}, {})
    title, lead, whole = zones
    bonus: dict[str, float] = {}
    times: dict[str, int] = {}
    for naming in namings:
        hit, code = naming.hit, naming.code
        if in_dateline(hit, dateline_end):
            # Set, not added: `KYIV, Ukraine` is one place.
            if hit.entry.surface not in WIRE_TOWNS:
                bonus[code] = DATELINE_BONUS
            continue
        weight = DEMONYM_WEIGHT if naming.kind == DEMONYM else 1.0
        early = hit.field == TITLE or hit.start < lead_end
        if early:
            before = texts[hit.field][max(0, hit.start - _LOCATIVE_CHARS) : hit.start]
            if naming.kind != DEMONYM and _LOCATIVE.search(before):
                weight = LOCATIVE_WEIGHT
            zone = title if hit.field == TITLE else lead
            zone[code] = zone.get(code, 0.0) + weight
        whole[code] = whole.get(code, 0.0) + weight
        times[code] = times.get(code, 0) + 1
    parts = dict(bonus)
    named = [zone for zone in zones if zone]
    for zone in named:
        total = sum(zone.values()) * len(named)
        for code, weight in zone.items():
            parts[code] = parts.get(code, 0.0) + weight / total
    ranked = sorted(parts.items(), key=lambda item: -item[1])
    if not ranked or (len(ranked) > 1 and ranked[0][1] - ranked[1][1] < MARGIN):
        return None
    first = ranked[0][0]
    prominent = first in title or first in lead or first in bonus
    return first if prominent or times.get(first, 0) >= MIN_NAMINGS else None

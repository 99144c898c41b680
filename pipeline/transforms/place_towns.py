"""What towns and states are the first or last word of: clubs, papers, universities, people.

A club or a paper that carries a town's name is no mention of the town (`Bayern Munich`, `Chicago
Tribune`): what it does happens anywhere. Where an article says `Munich` and means the club, no
rule can tell, and it counts; the country is right then, too.
"""

from __future__ import annotations

from pipeline.transforms.place_verdict import Verdict, closed, second_half, word_after, word_before
from pipeline.transforms.place_words import (
    CARRIERS,
    CLUBS,
    CLUBS_BEFORE,
    CLUBS_OF_TWO,
    FOLLOWERS,
    GIVEN_PLACES,
    OF,
    OF_THE_STATE,
    PAPERS,
    words,
)

_LONGEST_OF = max(map(len, OF))
_ROADS = words("Street St Avenue Ave Road Boulevard")
_FIRST_WORDS = PAPERS | CLUBS | _ROADS | {"University"}
# Surnames that are towns: a name in front of one that none of the lists knows leaves a doubt ...
_SURNAMES = words(
    "Houston Phoenix Denver Cleveland Dallas Montana Bergen Raleigh Austin Orlando Sheffield "
    "Charleston Dayton Bristol Boston Memphis"
)
# ... unless it is one of these.
_LEADERS = words(
    "In At From Near Outside Around Across For To Of Since While When As And But After Before The "
    "Greater North South East West Northern Southern Eastern Western Downtown Central Inside Into "
    "Port Fort Metropolitan Metro Old New University Although Both Like Unlike Visit Monday "
    "Tuesday Wednesday Thursday Friday Saturday Sunday January February March April May June July "
    "August September October November December Mayor City Hall Airport Police St. Mount Lake "
    "University Museum Festival Fashion Center Centre Hospital School College Inc Corp Opera "
    "Symphony Women"
)
# States that people bear the name of: `Yakima, Washington`, whoever else the article names.
_SECOND_HALVES = words("Washington Virginia Montana Indiana")
# Capitals that people and other towns bear the name of, but that are the capital where something
# is in them.
_WHERE = words("Sofia Wellington Santiago Nassau")
_LOCATIVE = words("in at from near to of around across outside the The In At From Near with and")
# States that have a `State University` by their name write `New York State` for themselves.
_STATES_BY_THAT_NAME = words("New_York Washington")


def judge_town(text: str, start: int, end: int, *, title: bool) -> Verdict | None:
    """What the name of a town or state at `text[start:end]` is; None: nothing speaks against it.

    Args:
        title: the text is a headline, where capitals say little.
    """
    if part_of_another(text, start, end):
        return Verdict.NO
    surface = text[start:end]
    if surface in _SECOND_HALVES and second_half(text, start) and closed(text, end):
        return Verdict.SURE
    if surface.isupper():
        surface = surface.capitalize()
    if surface in _WHERE and word_before(text, start) in ("in", "In"):
        return Verdict.SURE
    if surface in GIVEN_PLACES and given(text, start, end):
        return Verdict.WEAK
    if surface in _SURNAMES and not title:
        before = word_before(text, start)
        # The first word of a sentence has its capital from there (`Fleeing Houston, families`).
        first = text[max(0, start - len(before) - 3) : start - len(before) - 1].strip()
        named = len(before) > 2 and before.istitle() and before.isalpha()
        if named and before not in _LEADERS and first.isalnum():
            return Verdict.WEAK
    return None


def part_of_another(text: str, start: int, end: int) -> bool:
    """Whether the name is part of that of a club, a paper, a road, a university, an airline."""
    if text[end : end + 1] == " ":
        after = word_after(text, end)
        if after[:1].isupper():
            if after in _FIRST_WORDS or (after.isupper() and after.capitalize() in _FIRST_WORDS):
                return True
            if after == "State" and _university(text, start, end):
                return True
            if text.startswith((*CLUBS_OF_TWO, *CARRIERS), end):
                return True
        elif text.startswith(CLUBS_OF_TWO, end):
            return True
    if start < 2 or text[start - 1] != " ":
        return False
    return word_before(text, start) in CLUBS_BEFORE or text[
        max(0, start - _LONGEST_OF) : start
    ].endswith(OF)


def _university(text: str, start: int, end: int) -> bool:
    """`Ohio State`: the university and its clubs, but for `Ohio State Police`."""
    if text[start:end] in _STATES_BY_THAT_NAME:
        return word_after(text, end + len(" State")) == "University"
    return word_after(text, end + len(" State")) not in OF_THE_STATE


def given(text: str, start: int, end: int) -> bool:
    """Whether the name stands as a given name does: a capitalised word after it that goes with no
    place, and none before it that does."""
    after = word_after(text, end)
    if not after[:1].isupper() or after in FOLLOWERS or after.capitalize() in FOLLOWERS:
        return False
    return word_before(text, start) not in _LOCATIVE

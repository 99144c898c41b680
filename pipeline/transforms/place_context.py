"""What the words around a country's name tell: a person, a bird, a language, a town in Ohio."""

from __future__ import annotations

import re

from pipeline.transforms.place_names import DEMONYM, NAME
from pipeline.transforms.place_towns import given, judge_town
from pipeline.transforms.place_verdict import Verdict, word_after, word_before
from pipeline.transforms.place_words import (
    BORNE,
    CARRIERS,
    FOLLOWERS,
    GIVEN_COUNTRIES,
    GIVEN_NAMES,
    GIVEN_PLACES,
    HONORIFICS,
    PARTICLES,
    SAID,
    STATE,
    STREETS,
    words,
)

# Names with a rule of their own in `_judge_special`.
_SPECIAL = GIVEN_COUNTRIES | {"Turkey"}
# Countries that are surnames, too.
_AFTER_GIVEN = GIVEN_COUNTRIES | {"England", "Ireland", "Holland", "Wales", "Scotland"}

# `Paris, Texas` is a town; `Mexico, Texas and California` is a list, and in `In Paris, Georgia's
# president` two places have nothing to do with each other.
_TOWN = re.compile(rf", (?:{STATE})(?!\w|'s)(?!,? (?:and|or) )")

_LANGUAGE_AFTER = (
    *("-language", "-speaking", "-speaker", " language", " speaker", "-born "),
    *(" translation", " lessons", " dictionary"),
)
# `speaks Spanish or Portuguese`, but not `learned American ways`.
_LANGUAGE_BEFORE = re.compile(
    r"\b(?:[Ss]pe[ae]\w*|[Ss]pok\w+|fluent in|learn\w*|stud(?:y|ied|ies)|taught|teach\w*|"
    r"translated (?:in)?to|translated from)(?: [A-Z]\w+,?(?: or| and)?){0,3} $"
)
_SPEECH_CHARS = 48
_AFTER_LANGUAGE = words(
    "or and as but at in with to when while because fluently well instead only from than if for"
)
_CALLED = frozenset({"called", "named", "nicknamed"})
_DETERMINERS = words(
    "the a an your my our his her their its this that these those it them up off out "
    "any each every all until silver shoes nails furniture floors"
)
_POLISHED = words("nail nails shoe furniture floor metal silver")
_TURKEY_AFTER = words(
    "dinner dinners sandwich sandwiches breast breasts day hunt hunting hunter hunters leg legs "
    "meat farm farms farmer farmers burger burgers trot shoot brine neck necks giblets stuffing "
    "gravy soup bacon prices producers flock flocks recipe recipes giveaway drive vulture chili "
    "roast wings carcass bowling"
)
_TURKEY_BEFORE = words(
    "thanksgiving roast roasted wild christmas frozen cold smoked cooked fried ground holiday "
    "butterball stuffed ocellated presidential pardoned"
)
# Words that are countries with a capital, and what goes with them where they are none: where an
# article has it, the country needs support.
AS_WORDS = {
    "Turkey": re.compile(r"\bturkeys?\b|\b[Cc]ranberr|\bThanksgiving\b|\bgravy\b"),
    "Polish": re.compile(r"\bpolish(?:ed|es|ing)?\b"),
    "China": re.compile(r"(?<![\w./@#-])china\b(?!\.)"),
    "Chad": re.compile(r"\bchads?\b"),
    "Cologne": re.compile(r"\bcolognes?\b"),
}
# One of these is in all that an expression finds. To look for them first is ten times as fast as
# the expression, and nearly always says no.
_MARKS = {"Turkey": ("turkey", "ranberr", "Thanksgiving", "gravy")}
# A style of building, and of what is in it.
_GEORGIAN_AFTER = words(
    "architecture brick building buildings cottage cottages crescent door doors doorway era "
    "façade facade facades farmhouse fireplace fireplaces furniture hall home homes house houses "
    "interiors manor mansion mansions period porch property proportions rectory sash "
    "silver splendour square stone style terrace terraces townhouse townhouses vicarage villa "
    "villas window windows"
)
# `Lebanon County`, `Turkey Creek`: places that are called after a country.
_OF_A_TOWN = (" County", " Parish", " Creek", " Township", " Grove")
_UPPER_WORD = re.compile(r"[A-Z]+\b")


def judge(text: str, start: int, end: int, kind: str, *, title: bool) -> Verdict:
    """What the name at `text[start:end]` is, by the words next to it.

    Args:
        kind: of its first sense (NAME, DEMONYM, CAPITAL, CITY, REGION).
        title: the text is a headline, where capitals say little.
    """
    surface = text[start:end]
    if text.startswith(CARRIERS, end):
        return Verdict.NO
    if kind == DEMONYM:
        verdict = _judge_demonym(text, start, end)
        if verdict is not Verdict.STRONG or surface not in BORNE:
            return verdict
    if surface == "US":
        return _judge_us(text, start, end)
    town = kind not in (NAME, DEMONYM)
    if " " in surface:
        if not town:
            return Verdict.STRONG
        return judge_town(text, start, end, title=title) or _town(text, end)
    if start and text[start - 1] == " " and _is_borne(text, start, surface):
        return Verdict.OTHER
    if text[end + 1 : end + 2].isupper() and word_after(text, end) in STREETS and not town:
        return Verdict.NO
    if surface.isupper():
        surface = surface.capitalize()
    if town:
        return judge_town(text, start, end, title=title) or _town(text, end)
    if text.startswith("Air ", start - 4) or text.startswith(_OF_A_TOWN, end):
        return Verdict.NO
    if surface in _SPECIAL:
        special = _judge_special(text, start, end, surface, title=title)
        if special is not None:
            return special
    elif surface in GIVEN_PLACES and not title and given(text, start, end):
        return Verdict.WEAK
    return _town(text, end)


def _is_borne(text: str, start: int, surface: str) -> bool:
    """Whether what stands before a name says that a person has it."""
    before = word_before(text, start)
    # Names, titles and initials have a capital; most words before a country's name have none.
    if before[:1].isupper() and (
        before in GIVEN_NAMES or before in HONORIFICS or _initial(text, start, before)
    ):
        return True
    # Two countries do not stand side by side: `Chad Jordan` is a man.
    if before in GIVEN_COUNTRIES and surface in _AFTER_GIVEN:
        return True
    # `a cow called Florence`
    if before in _CALLED and surface in BORNE:
        return True
    return before in PARTICLES and surface == "Lima"


def _judge_special(text: str, start: int, end: int, surface: str, *, title: bool) -> Verdict | None:
    """What only the names in `_SPECIAL` may be; None: nothing of that kind."""
    before = word_before(text, start)
    if surface == "Turkey":
        return Verdict.OTHER if _is_bird(before, word_after(text, end)) else None
    return _judge_given(text, start, end, before, title=title)


def _town(text: str, end: int) -> Verdict:
    if text.startswith(", ", end) and _TOWN.match(text, end):
        return Verdict.OTHER
    return Verdict.STRONG


def _initial(text: str, start: int, before: str) -> bool:
    """`Michael B. Jordan`; but not the `S.` of `U.S.`, which stands after a full stop."""
    return len(before) == 2 and before[1] == "." and before[0].isupper() and start > 4


def _is_bird(before: str, after: str) -> bool:
    return after.lower() in _TURKEY_AFTER or before.lower() in _TURKEY_BEFORE


def _judge_demonym(text: str, start: int, end: int) -> Verdict:
    if text[end : end + 1] in ("-", " ") and text.startswith(_LANGUAGE_AFTER, end):
        return Verdict.STRONG if text.startswith("-born", end) else Verdict.NO
    if text.startswith("in ", start - 3) and text[end : end + 1] in ".,;:)" and start >= 3:
        return Verdict.NO
    if _LANGUAGE_BEFORE.search(text, max(0, start - _SPEECH_CHARS), start) and (
        not text[end : end + 1].isspace() or word_after(text, end) in _AFTER_LANGUAGE
    ):
        return Verdict.NO
    surface = text[start:end].capitalize()
    if surface == "Georgian" and word_after(text, end) in _GEORGIAN_AFTER:
        return Verdict.NO
    if surface == "Polish":
        before, after = word_before(text, start).lower(), word_after(text, end).lower()
        if after in _DETERMINERS or before in _POLISHED:
            return Verdict.OTHER
    return Verdict.STRONG


def _judge_us(text: str, start: int, end: int) -> Verdict:
    """`US` the country against `us` in capitals, and against `US$`."""
    if text.startswith("$", end):
        return Verdict.NO
    before, after = word_before(text, start), word_after(text, end)
    shouted = len(before) > 1 and before.isupper() and before != "THE"
    if shouted and (not after or _UPPER_WORD.match(after)):
        return Verdict.WEAK
    return Verdict.STRONG


def _judge_given(text: str, start: int, end: int, before: str, *, title: bool) -> Verdict:
    after = word_after(text, end)
    # "said Chad", 'Justin "JJ" Jordan', "Chad and Lauren Townsend", "Chad, 42, said"
    closed = text[end : end + 1] in (".", ",", '"', "\u201d")
    if (before in SAID and closed) or before.endswith(('"', "\u201d")):
        return Verdict.OTHER
    if text.startswith(", ", end) and text[end + 2 : end + 3].isdigit():
        return Verdict.OTHER
    if after == "and" and word_after(text, end + len(" and")) in GIVEN_NAMES:
        return Verdict.OTHER
    if not after[:1].isupper() or after in FOLLOWERS or before == "in":
        return Verdict.STRONG
    surface = text[start:end]
    # After Georgia too many offices and firms stand for doubt about the rest.
    if title or surface.isupper() or surface == "Georgia":
        return Verdict.WEAK
    return Verdict.OTHER


def doubtful_word(surface: str, texts: tuple[str, ...]) -> bool:
    """Whether one of `texts` has `surface` as a common word, too (turkey, china, polish), or what
    goes with that."""
    word = AS_WORDS.get(surface)
    if word is None:
        return False
    marks = _MARKS.get(surface, (surface.lower(),))
    return any(
        any(mark in text for mark in marks) and word.search(text) is not None for text in texts
    )

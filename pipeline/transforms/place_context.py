"""What the words around a country's name tell: a person, a bird, a language, a town in Ohio.

The word lists are of our own writing. They hold what news really has, and nothing that is a
common word too (Will, Mark, Grant, May): a wrong veto loses a country.
"""

from __future__ import annotations

import re
from enum import Enum

from pipeline.transforms.place_names import CAPITAL, DEMONYM

# How far to look for the word before a name.
MAX_WORD_CHARS = 16


class Verdict(Enum):
    """SURE: the country, even where the name is a weak one. STRONG: the country, unless the name
    is a weak one. WEAK: only with support. NO: not here. PERSON (or bird): not here, and the same
    name elsewhere in the article is in doubt.
    """

    SURE = 1
    STRONG = 2
    WEAK = 3
    NO = 4
    PERSON = 5


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


GIVEN_NAMES = _words(
    "Aaron Adam Alan Albert Alex Alexander Alice Amy Andrew Angela Ann Anna Anne Anthony Arthur "
    "Barbara Ben Benjamin Beth Betty Bob Brad Brenda Brian Bruce Carl Carol Caroline Catherine "
    "Charles Charlie Chris Christopher Cindy Claire Colin Craig Cynthia Dan Daniel Dave David Dawn "
    "Deborah Denise Dennis Diana Diane Don Donald Doug Douglas Ed Eddie Edward Eleanor Elizabeth "
    "Ellen Emily Emma Eric Ethan Evan Frank Fred Gary Gavin George Gerald Gordon Greg Gregory "
    "Hannah Harold Harry Heather Helen Henry Howard Ian Irvine Irving Jack Jacob Jake James Jamie "
    "Jane Janet Jason Jeff Jeffrey Jennifer Jenny Jeremy Jerry Jesse Jessica Jill Jim Jimmy Joan "
    "Joe John Johnny Jon Jonathan Joseph Josh Joshua Joyce Juan Judith Judy Julia Julian Julie "
    "Karen Kate Katherine Kathleen Kathryn Kathy Keith Kelly Ken Kenneth Kevin Kim Kyle Larry "
    "Laura Lauren Lee Linda Lisa Liz Louis Lucy Luke Lynn Lynne Margaret Maria Marie Martin Mary "
    "Matt Matthew Megan Melissa Michael Michelle Mike Nancy Natalie Neil Nicholas Nicole Nigel "
    "Oliver Olivia Pamela Patricia Patrick Paul Paula Peter Phil Philip Rachel Ralph Ray Rebecca "
    "Richard Rick Robert Robin Roger Ron Ronald Rose Roy Russell Ruth Ryan Sam Samantha Samuel "
    "Sandra Sara Sarah Scott Sharon Shaun Simon Stephanie Stephen Steve Steven Stuart Susan Ted "
    "Teresa Terry Thomas Tim Timothy Tina Todd Tom Tony Tyler Vernon Vincent Walter Wayne Wendy "
    "William Zach"
)
HONORIFICS = _words(
    "Mr Mr. Mrs Mrs. Ms Ms. Miss Dr Dr. Prof. Sen. Rep. Sgt. Capt. Lt. Sir Dame Baroness"
)
# Names that people bear, too: doubt about one mention is doubt about the rest.
BORNE = _words(
    "Jordan Chad Georgia Israel Cuba Kenya India Holland Ireland England Scotland Wales Paris "
    "London Berlin French German Montserrat Jersey Sofia Victoria Hamilton Wellington Washington "
    "Kingston Stanley Lima Vienna Brazil Malta Chile Poland Spain Rome Hague Douglas"
)
_PARTICLES = frozenset({"de", "De", "da", "Da"})
_SAID = frozenset({"said", "says", "added", "named"})
_STREETS = _words("Street St Avenue Ave Road Boulevard Drive Lane Court Terrace")
# Given names rather than countries where another capitalised word follows ...
GIVEN_COUNTRIES = frozenset({"Jordan", "Chad"})
# ... unless it is one of these.
FOLLOWERS = _words(
    "Valley River Rift Basin Army Armed King Queen Prince Princess Crown President Prime Foreign "
    "Minister Government Parliament Royal Airport Embassy Football National Arab Petroleum Times "
    "Civil Red Ministry Central Monday Tuesday Wednesday Thursday Friday Saturday Sunday January "
    "February March April May June July August September October November December"
)
# Names with a rule of their own in `_judge_special`.
_SPECIAL = GIVEN_COUNTRIES | {"Turkey", "Washington"}

# An underscore stands for a space.
_STATES = _words(
    "Alabama Alaska Arizona Arkansas California Colorado Connecticut Delaware Florida Georgia "
    "Hawaii Idaho Illinois Indiana Iowa Kansas Kentucky Louisiana Maine Maryland Massachusetts "
    "Michigan Minnesota Mississippi Missouri Montana Nebraska Nevada Ohio Oklahoma Oregon "
    "Pennsylvania Tennessee Texas Utah Vermont Virginia Wisconsin Wyoming New_Hampshire "
    "New_Jersey New_Mexico New_York North_Carolina North_Dakota "
    "Rhode_Island South_Carolina South_Dakota West_Virginia "
    "Ala. Ariz. Ark. Calif. Colo. Conn. Del. Fla. Ga. Ill. Ind. Kan. Ky. La. Md. Mass. Mich. Minn. "
    "Miss. Mo. Mont. Neb. Nev. N.H. N.J. N.M. N.Y. N.C. N.D. Okla. Ore. Pa. R.I. S.C. S.D. Tenn. "
    "Tex. Vt. Va. W.Va. Wis. Wyo."
)
# `Paris, Texas` is a town, `Mexico, Texas and California` a list.
_STATE = "|".join(re.escape(s.replace("_", " ")) for s in sorted(_STATES, key=len, reverse=True))
_TOWN = re.compile(rf", (?:{_STATE})(?!\w)(?!,? (?:and|or) )")

_LANGUAGE_AFTER = (
    *("-language", "-speaking", "-speaker", " language", " speaker", "-born "),
    *(" translation", " lessons", " dictionary"),
)
_DETERMINERS = _words(
    "the a an your my our his her their its this that these those it them up off out "
    "any each every all until silver shoes nails furniture floors"
)
_POLISHED = _words("nail nails shoe furniture floor metal silver")
_TURKEY_AFTER = _words(
    "dinner dinners sandwich sandwiches breast breasts day hunt hunting hunter hunters leg legs "
    "meat farm farms farmer farmers burger burgers trot stuffing gravy soup bacon prices producers "
    "flock flocks recipe recipes giveaway drive vulture chili roast wings carcass bowling"
)
_TURKEY_BEFORE = _words(
    "thanksgiving roast roasted wild christmas frozen cold smoked cooked fried ground holiday "
    "butterball stuffed ocellated presidential pardoned"
)
# Words in lower case that are countries with a capital: where an article has the word, the
# country needs support.
AS_WORDS = {
    "Turkey": re.compile(r"\bturkeys?\b"),
    "Polish": re.compile(r"\bpolish(?:ed|es|ing)?\b"),
    "China": re.compile(r"(?<![\w./@#-])china\b(?!\.)"),
    "Chad": re.compile(r"\bchads?\b"),
}
_DATELINE = re.compile(
    r" ?(?:\(|[-\u2013\u2014]|, (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec))"
)
_UPPER_WORD = re.compile(r"[A-Z]+\b")

_GEORGIA_COUNTRY = re.compile(
    r"Tbilisi|Batumi|Kutaisi|Abkhazia|South Ossetia|Georgian Dream|Saakashvili|Ivanishvili|"
    r"Kobakhidze|Zourabichvili|Kavelashvili|Caucasus|\w{3,}(?:shvili|adze)\b"
)
_GEORGIA_STATE = re.compile(
    r"Atlanta|Savannah|Augusta|Fulton County|DeKalb|Kemp\b|Raffensperger|Ossoff|Warnock|"
    r"\bGa\.|Bulldogs|state of Georgia|Georgia (?:Tech|State|Power|Southern|Gov)|"
    r"University of Georgia|Peach State|Fani Willis|Macon\b"
)
_MILD_STATE = re.compile(
    rf"Republican|Democrat|\bGOP\b|\b[Gg]overnor|\bGov\.|\b[Cc]ounty\b|[Ss]heriff|"
    rf"\b[Ss]tate (?:[Ss]enat|[Ll]awmaker|[Hh]ouse|[Ll]egislat)|"
    rf"{'|'.join(re.escape(s) for s in _STATES if s.isalpha() and s != 'Georgia')}"
)
_MILD_COUNTRY = re.compile(
    r"\b[Pp]arliament|\b[Pp]rime [Mm]inister|\b[Ff]oreign [Mm]inist|European Union|\bEU\b|\bNATO\b|"
    r"Black Sea|\b[Ll]ari\b|Eurovision|UEFA|Six Nations"
)


def word_before(text: str, start: int) -> str:
    """The word that ends one space before `start`, else nothing.

    >>> word_before("met Michael Jordan", 12)
    'Michael'
    """
    if start < 2 or text[start - 1] != " ":
        return ""
    return text[text.rfind(" ", max(0, start - MAX_WORD_CHARS), start - 1) + 1 : start - 1]


def word_after(text: str, end: int) -> str:
    """The word that begins one space after `end`, else nothing."""
    if text[end : end + 1] != " ":
        return ""
    stop = end + 1
    limit = min(len(text), end + 1 + MAX_WORD_CHARS)
    while stop < limit and text[stop].isalpha():
        stop += 1
    return text[end + 1 : stop]


def judge(text: str, start: int, end: int, kind: str, *, title: bool) -> Verdict:
    """What the name at `text[start:end]` is, by the words next to it.

    Args:
        kind: of its first sense (NAME, DEMONYM, CAPITAL).
        title: the text is a headline, where capitals say little.
    """
    surface = text[start:end]
    if kind == DEMONYM:
        verdict = _judge_demonym(text, start, end)
        if verdict is not Verdict.STRONG or surface not in BORNE:
            return verdict
    if surface == "US":
        return _judge_us(text, start, end)
    if " " in surface:
        return _town(text, end) if kind == CAPITAL else Verdict.STRONG
    before = word_before(text, start)
    # Names, titles and initials have a capital; most words before a country's name have none.
    if before[:1].isupper() and (
        before in GIVEN_NAMES or before in HONORIFICS or _initial(text, start, before)
    ):
        return Verdict.PERSON
    if before in _PARTICLES and surface == "Lima":
        return Verdict.PERSON
    if text[end + 1 : end + 2].isupper() and word_after(text, end) in _STREETS:
        return Verdict.NO
    if surface.isupper():
        surface = surface.capitalize()
    if surface in _SPECIAL:
        special = _judge_special(text, start, end, surface, before, title=title)
        if special is not None:
            return special
    return _town(text, end)


def _judge_special(
    text: str, start: int, end: int, surface: str, before: str, *, title: bool
) -> Verdict | None:
    """What only the names in `_SPECIAL` may be; None: nothing of that kind."""
    if surface == "Turkey" and _is_bird(before, word_after(text, end)):
        return Verdict.PERSON
    if surface in GIVEN_COUNTRIES:
        return _judge_given(text, start, end, before, title=title)
    if surface == "Washington" and text[start + 1].isupper() and _DATELINE.match(text, end):
        return Verdict.SURE
    return None


def _town(text: str, end: int) -> Verdict:
    return Verdict.NO if text.startswith(", ", end) and _TOWN.match(text, end) else Verdict.STRONG


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
    if text[start:end].capitalize() == "Polish":
        before, after = word_before(text, start).lower(), word_after(text, end).lower()
        if after in _DETERMINERS or before in _POLISHED:
            return Verdict.PERSON
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
    # "said Chad", 'Justin "JJ" Jordan', "Chad and Lauren Townsend"
    closed = text[end : end + 1] in (".", ",", '"', "\u201d")
    if (before in _SAID and closed) or before.endswith(('"', "\u201d")):
        return Verdict.PERSON
    if after == "and" and word_after(text, end + len(" and")) in GIVEN_NAMES:
        return Verdict.PERSON
    if not after[:1].isupper() or after in FOLLOWERS or before == "in":
        return Verdict.STRONG
    if title or text[start:end].isupper():
        return Verdict.WEAK
    return Verdict.PERSON


def doubtful_word(surface: str, texts: tuple[str, ...]) -> bool:
    """Whether one of `texts` has `surface` as a common word, too (turkey, china, polish)."""
    word = AS_WORDS.get(surface)
    if word is None:
        return False
    # The plain search is ten times as fast as the expression, and nearly always says no.
    return any(surface.lower() in text and word.search(text) for text in texts)


def georgia(texts: tuple[str, ...], *, others: bool) -> bool:
    """Whether the Georgia of an article is the country rather than the US state.

    Args:
        others: the article names another country that is not the United States.

    Names that belong to one of the two decide; then words that go with one of them (a county,
    another state; a parliament, the EU); then the company of other countries. Nothing of the
    kind: no.
    """
    for country, state in ((_GEORGIA_COUNTRY, _GEORGIA_STATE), (_MILD_COUNTRY, _MILD_STATE)):
        for_country = any(country.search(text) for text in texts)
        for_state = any(state.search(text) for text in texts)
        if for_country != for_state:
            return for_country
        if for_country and country is _GEORGIA_COUNTRY:
            return True
    return others

"""Keywords of an article: the five to ten phrases and names that say what it is about.

A phrase weighs the more, the more often and the earlier it occurs, the rarer its words are in other
news (`keyword_words`), and the more words it has; what occurs only inside a longer phrase counts
for that. Then the weightiest are taken, one after another, but none that says what one before has
said: another form of it, a part of it, or most of its words.

Words are weighed for English alone, since only English has a table. In any other language, and
where none was told, the keywords are names: those that a model for that language has found, if one
was given. Words of a language without its function words known would be "nach" and "sowie".
"""

from __future__ import annotations

import functools
import heapq
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pipeline.records import Entity, Tag
from pipeline.transforms.keyword_phrases import Key, Phrases, read_phrases
from pipeline.transforms.keyword_words import WEAK, name_words, singular
from pipeline.transforms.name_words import GROUP_LABELS, PERSON_LABELS, PLACE_LABELS
from pipeline.transforms.place_names import DEMONYM, table
from pipeline.transforms.places import dateline_end, without_credits
from pipeline.transforms.text import normalise, one_line

SCHEME = "keyword"
SOURCE = "keywords"
# The version of the rules and of the table.
VERSION = "1"

MOST = 10
FEWEST = 5
"""Phrases beyond the fifth must have `LEAST_SHARE` of the first one's weight."""

LEAST_SHARE = 0.15
LEAST_SHARE_OF_FEW = 0.05
"""The first five must have so much of it."""

BODY_CHARACTERS = 50_000
TITLE_CHARACTERS = 1_000
"""So much is read; an article of 8,000 words has said by then what it is about."""

CONSIDERED = 200
"""So many of the weightiest phrases are looked at; those passed over mostly repeat one taken."""

SHOWN_FORMS = 5

LEAST_LETTERS = 2
"""A name of fewer is a time, a number, a bullet."""

TOO_MUCH_IN_COMMON = 0.6
"""Of two phrases with more than this share of the shorter one's words in common one is taken."""


class Weights(NamedTuple):
    """What makes a phrase weigh how much; chosen on the development part of the evaluation.

    Attributes:
        often: the exponent of how often it occurs.
        rare: that of how rare its words are on average.
        long: that of how many words it has, of which three count.
        word: the factor for a single word that is no name.
        place, person, name: the factors for names.
        once: the factor for a name that occurs once, and not in the title.
        weak: the factor for rarity where the first or last word says little ("world
            affairs").
    """

    often: float = 0.8
    rare: float = 0.7
    long: float = 0.35
    word: float = 0.5
    place: float = 0.8
    person: float = 0.85
    name: float = 1.2
    once: float = 0.7
    weak: float = 0.6


WEIGHTS = Weights()

# Named as where it was written, or by whom it was sent out; a name of several words with _ between
# them. In the title they are what it is about.
_SENDERS = """
    abc_news accesswire afp agence_france-presse al_jazeera ani ansa ap associated_press bbc
    bbc_news bloomberg bloomberg_news business_wire businesswire cbs cbs_news cision cnn
    deutsche_presse-agentur dpa efe ein_presswire financial_times fox_news guardian ians interfax
    itar-tass jiji_press kyodo kyodo_news los_angeles_times marketwired msnbc nbc nbc_news
    new_york_times press_trust_of_india pti reuters ria_novosti sky_news tass
    united_press_international upi usa_today wall_street_journal washington_post wikinews xinhua
    yonhap
"""
_ENDINGS_OF_SENDERS = ("newswire", "mediawire", "pressrelease")
# After the name of a town in a dateline.
_STATES = frozenset(
    "al ak az ar ca co ct de fl ga hi id il in ia ks ky la me md ma mi mn ms mo mt ne nv nh nj nm "
    "ny nc nd oh ok or pa ri sc sd tn tx ut vt va wa wv wi wy dc".upper().split()
)


class _Candidate(NamedTuple):
    weight: float
    key: Key


class _Taken(NamedTuple):
    """A phrase that was taken, with its words, and the entity that it is."""

    candidate: _Candidate
    words: frozenset[str]
    entity: Entity | None


def keywords(
    title: str | None,
    body: str,
    entities: Iterable[Entity] | None,
    *,
    language: str | None,
    publisher: str | None = None,
    most: int = MOST,
    fewest: int = FEWEST,
    least_share: float = LEAST_SHARE,
    body_characters: int = BODY_CHARACTERS,
    title_characters: int = TITLE_CHARACTERS,
    weights: Weights = WEIGHTS,
) -> tuple[Tag, ...]:
    """The keywords of an article, the weightiest first; fewer for a short one, none for an empty.

    Each has as `name` the form that is most frequent in the article (of an entity its full name),
    as `code` that form in lower case with its last word in the singular, as `score` its weight as
    a share of the first one's, as `count` its occurrences in what was read, and as `evidence` its
    forms, the most frequent first.

    Args:
        entities: as `linking` gives them, or None.
        language: a BCP 47 code; anything but English (`en`, `en-GB`) leaves names alone.
        publisher: whoever sent the article: its name is no keyword unless the title has it.
        most, fewest, least_share: at most so many; beyond the fewest only those of that share.
        body_characters, title_characters: what lies beyond is not read.
    """
    english = language is not None and language.partition("-")[0].lower() == "en"
    filed = dateline_end(body)
    known = tuple(
        entity
        for entity in entities or ()
        # Where a story was filed is no more what it is about than who wrote it.
        if not all(m.field == "body" and m.end <= filed for m in entity.mentions)
    )
    if not english and not known:
        return ()
    phrases = read_phrases(
        (title or "")[:title_characters],
        without_credits(body)[:body_characters],
        known,
        with_words=english,
    )
    senders = _senders() | {_sender(publisher)} if publisher else _senders()
    wanted = (
        candidate
        for candidate in _weighed(phrases, weights)
        if not _is_unwanted(candidate.key, phrases, senders)
    )
    taken = _choose(phrases, wanted, most, fewest, least_share)
    return _tags(phrases, taken)


def _weighed(phrases: Phrases, weights: Weights) -> list[_Candidate]:
    """The weightiest phrases, in order."""
    worthy, inside = _worthy(phrases)
    candidates = []
    for key in worthy:
        own = phrases.weights[key] - inside.get(key, 0.0)
        factor = _factor(phrases, key, weights) if own > 0 else 0.0
        if factor:
            candidates.append(_Candidate(factor * own**weights.often, key))
    # Of equal weight the order must not hang on the order of a set.
    return heapq.nsmallest(CONSIDERED, candidates, key=lambda each: (-each.weight, each.key))


def _worthy(phrases: Phrases) -> tuple[list[Key], dict[Key, float]]:
    """Phrases that may be keywords, and what part of a phrase's weight is that of a longer one.

    Of several words only those that occur again or stand in the title, where each of their words
    occurs in the body (else it is more likely a part of the headline than a phrase). A single word
    that occurs once, and not in the title, only where there is little else.
    """
    in_body = phrases.body_words()
    worthy: list[Key] = []
    once: list[Key] = []
    inside: dict[Key, float] = {}
    for key, weight in phrases.weights.items():
        if len(key) == 1:
            lasting = key in phrases.repeated or key in phrases.in_title or key[0][0] == "#"
            (worthy if lasting else once).append(key)
            continue
        if key not in phrases.repeated and not (
            key in phrases.in_title and in_body.issuperset(key)
        ):
            continue
        if len(set(key)) < len(key):
            continue
        worthy.append(key)
        for start in range(len(key)):
            for end in range(start + 1, len(key) + 1):
                part = key[start:end]
                if len(part) < len(key) and inside.get(part, 0.0) < weight:
                    inside[part] = weight
    return (worthy if len(worthy) >= MOST else worthy + once), inside


def _is_unwanted(key: Key, phrases: Phrases, senders: frozenset[Key]) -> bool:
    """Whether a phrase says nothing of what the article is about."""
    entity = phrases.entity(key)
    if entity is None:
        return key in senders and key not in phrases.in_title
    name = normalise(entity.name)
    if entity.label in GROUP_LABELS and name in _demonyms():
        # The country is the tag; with what follows ("Iraqi civilians") it is a phrase.
        return True
    if entity.name in _STATES or sum(map(str.isalpha, name)) < LEAST_LETTERS:
        return True
    if key in phrases.in_title:
        return False
    return name.endswith(_ENDINGS_OF_SENDERS) or _sender(name) in senders


@functools.cache
def _senders() -> frozenset[Key]:
    return frozenset(_sender(name.replace("_", " ")) for name in _SENDERS.split())


def _sender(name: str) -> Key:
    """A name as the phrase it is where no model has seen that it is one."""
    words = tuple(word.key for word in name_words(name))
    return words[1:] if words[:1] == ("the",) else words


@functools.cache
def _demonyms() -> frozenset[str]:
    """Words for the people of a country that mean nothing else, as `normalise` leaves them."""
    return frozenset(
        normalise(entry.text)
        for entries in table().index.values()
        for entry in entries
        if entry.senses and all(sense.kind == DEMONYM for sense in entry.senses)
    )


def _factor(phrases: Phrases, key: Key, weights: Weights) -> float:
    """What an occurrence of a phrase weighs; 0 where it can be no keyword."""
    entity = phrases.entity(key)
    words = phrases.words(key)
    rarities = [word.rarity for word in words if word.rarity]
    if not rarities:
        return 0.0
    rarity = sum(rarities) / len(rarities)
    if entity is not None:
        factor = weights.name
        if entity.label in PERSON_LABELS:
            factor = weights.person
        elif entity.label in PLACE_LABELS:
            factor = weights.place
        if key not in phrases.repeated and key not in phrases.in_title:
            factor *= weights.once
    else:
        if all(part in WEAK for part in key):
            return 0.0
        if key[0] in WEAK or key[-1] in WEAK:
            rarity *= weights.weak
        factor = weights.word if len(key) == 1 else 1.0
        if len(key) == 1 and key not in phrases.repeated:
            factor *= weights.weak
    return factor * float(rarity**weights.rare) * float(min(len(words), 3) ** weights.long)


def _choose(
    phrases: Phrases,
    candidates: Iterable[_Candidate],
    most: int,
    fewest: int,
    least_share: float,
) -> list[_Taken]:
    """The weightiest that do not repeat each other."""
    taken: list[_Taken] = []
    for candidate in candidates:
        if len(taken) >= most:
            break
        if taken:
            share = candidate.weight / taken[0].candidate.weight
            if share < (LEAST_SHARE_OF_FEW if len(taken) < fewest else least_share):
                break
        words = frozenset(word.key for word in phrases.words(candidate.key))
        new = _Taken(candidate, words, phrases.entity(candidate.key))
        if not any(_repeats(new, other) for other in taken):
            taken.append(new)
    return taken


def _repeats(new: _Taken, other: _Taken) -> bool:
    """Whether `new` says what `other`, which weighs more, has said."""
    common = new.words & other.words
    if not common:
        return False
    if new.words == other.words:
        return True
    shorter = min(len(new.words), len(other.words))
    if new.entity is not None and other.entity is not None:
        # China and China Airlines are two; Putin and Vladimir Putin, where linking left them, one.
        labels = {new.entity.label, other.entity.label}
        if len(common) < shorter:
            return False
        return len(labels) == 1 or bool(labels & PERSON_LABELS) or not labels & PLACE_LABELS
    if new.entity is not None or other.entity is not None:
        name, phrase = (new, other) if new.entity is not None else (other, new)
        if len(name.words) < len(phrase.words) and name.words < phrase.words:
            # "Iraqi civilians" beside Iraq.
            return False
    return len(common) == shorter or len(common) / shorter > TOO_MUCH_IN_COMMON


def _tags(phrases: Phrases, taken: Sequence[_Taken]) -> tuple[Tag, ...]:
    forms = phrases.forms(each.candidate.key for each in taken)
    # By code: letters of another kind may make the same one.
    tags: dict[str, Tag] = {}
    for candidate, _, entity in taken:
        in_body, in_title = forms[candidate.key]
        # A headline may have its words in capitals.
        usual = Counter(in_body or in_title)
        written = in_body + in_title
        by_number = Counter(written) if in_body and in_title else usual
        name = entity.name if entity else max(usual, key=lambda form: _usual(usual, form))
        name = one_line(name)
        shown = dict.fromkeys(one_line(form) for form, _ in by_number.most_common()[:SHOWN_FORMS])
        key = code(name, entity)
        tag = Tag(
            SCHEME,
            key,
            name,
            round(candidate.weight / taken[0].candidate.weight, 4),
            SOURCE,
            VERSION,
            count=len(written),
            evidence=tuple(shown),
        )
        tags.setdefault(key, tag)
    return tuple(tags.values())


def _usual(forms: Counter[str], form: str) -> tuple[int, bool]:
    """How usual a form is; of two as frequent the one without capitals begins no sentence."""
    return forms[form], form.islower()


def code(name: str, entity: Entity | None = None) -> str:
    """What the name is in every article that has it.

    >>> code("Stock  markets")
    'stock market'
    """
    usual = normalise(name)
    if entity is not None:
        return usual
    before, space, last = usual.rpartition(" ")
    return f"{before}{space}{singular(last)}"

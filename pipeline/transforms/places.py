"""Countries an article names: by name, by demonym, by capital.

One pass over the capitalised words finds the candidates in the table (`place_names`), the longest
first, so that South Korea is not Korea and Papua New Guinea not Guinea; the words around each say
whether it is one (`place_context`); then what the article names as a whole settles what is open.

The score is `1 - 2 ** -evidence`: one mention of the name in the body gives 0.5, each further one
halves the doubt; the title counts `TITLE_WEIGHT` times. It never falls with more mentions.

Left out on purpose: Kosovo (no code in ISO 3166-1), Jerusalem and Crimea (claimed by more than
one), towns that are no capital, US states.
"""

from __future__ import annotations

import bisect
import functools
import itertools
from collections.abc import Iterable
from dataclasses import dataclass

from pipeline.records import Entity, Tag
from pipeline.transforms.place_context import (
    AS_WORDS,
    BORNE,
    Verdict,
    doubtful_word,
    georgia,
    judge,
)
from pipeline.transforms.place_names import (
    CAPITAL,
    DEMONYM,
    NAME,
    WORD,
    Entry,
    Sense,
    Table,
    table,
)

SCHEME = "iso3166"
SOURCE = "places"
# The version of the rules here and in place_context; the table's own is added to it.
RULES_VERSION = "1"

WEIGHTS = {NAME: 1.0, DEMONYM: 0.8, CAPITAL: 0.6}
TITLE_WEIGHT = 3.0
# What an article names only after so many characters is in passing; it bounds the work, too.
MAX_CHARS = 100_000

# Between two capitals that stand for their governments: `Moscow and Washington`.
_JOINERS = frozenset({" and ", " or ", ", ", "-", "\u2013", " - ", "/"})
_PERSON_LABELS = frozenset({"PERSON", "PER"})

Spans = tuple[list[int], list[int]]


@dataclass(slots=True)
class Hit:
    """A name found; `verdict` is settled step by step."""

    entry: Entry
    start: int
    end: int
    title: bool
    verdict: Verdict


def countries(
    title: str | None,
    body: str,
    entities: Iterable[Entity] | None = None,
    *,
    max_chars: int = MAX_CHARS,
) -> tuple[Tag, ...]:
    """The country tags of an article, the surest first; empty if it names none.

    Args:
        entities: what the model found, or None. A name that is a part of a person's is dropped.
        max_chars: of the body; what stands after them is not read.

    >>> [tag.code for tag in countries("Chad votes", "Michael Jordan was in Tbilisi, Georgia.")]
    ['TD', 'GE']
    """
    names = table()
    texts = (_plain(title or ""), _plain(body[:max_chars]))
    hits = _find(texts[0], names, title=True) + _find(texts[1], names, title=False)
    if not hits:
        return ()
    if entities is not None:
        _veto_persons(hits, entities)
    surfaces = {hit.entry.surface for hit in hits}
    if "Washington" in surfaces:
        _join_capitals(hits, texts)
    _doubt(hits, surfaces, texts)
    evidence = _weigh(hits, texts)
    version = _version()
    tags = [
        Tag(SCHEME, code, names.names[code], round(1 - 2**-weight, 4), SOURCE, version)
        for code, weight in evidence.items()
    ]
    return tuple(sorted(tags, key=lambda tag: (-(tag.score or 0), tag.code)))


@functools.cache
def _version() -> str:
    return f"{RULES_VERSION}-{table().version}"


def _plain(text: str) -> str:
    """`text` with the same length, where spaces and apostrophes have one form each."""
    return text.replace("\n", " ").replace("\u00a0", " ").replace("\u2019", "'")


def _find(text: str, names: Table, *, title: bool) -> list[Hit]:
    """The names in `text` in their order, each with a first verdict."""
    # Most capitalised words begin no name: which do is settled once a word, not once a mention.
    starts = []
    for word in names.words.intersection(WORD.findall(text)):
        for needle in names.needles[word]:
            start = text.find(needle)
            while start >= 0:
                starts.append((start, word))
                start = text.find(needle, start + len(needle))
    starts.sort()
    hits = []
    done = 0
    for start, word in starts:
        if start < done or (start and _in_word(text[start - 1])):
            continue
        for entry in names.index[word]:
            if not text.startswith(entry.text, start):
                continue
            end = start + len(entry.text)
            if _in_word(text[end : end + 1]):
                continue
            done = end
            if entry.senses:
                verdict = judge(text, start, end, entry.senses[0].kind, title=title)
                hits.append(Hit(entry, start, end, title, verdict))
            break
    return hits


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_"


def _veto_persons(hits: list[Hit], entities: Iterable[Entity]) -> None:
    """A name inside a longer person's name, or one that people bear and the model took so."""
    spans = {True: _spans(entities, "title"), False: _spans(entities, "body")}
    for hit in hits:
        starts, ends = spans[hit.title]
        at = bisect.bisect_right(starts, hit.start) - 1
        if at < 0 or hit.end > ends[at] or hit.entry.senses[0].kind == DEMONYM:
            continue
        if hit.entry.surface in BORNE:
            hit.verdict = Verdict.PERSON
        elif " " not in hit.entry.surface and (starts[at] < hit.start or hit.end < ends[at]):
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


def _join_capitals(hits: list[Hit], texts: tuple[str, str]) -> None:
    """`Washington` beside another capital is the government, and names its country."""
    for left, right in itertools.pairwise(hits):
        if left.title != right.title or not (_is_seat(left) and _is_seat(right)):
            continue
        if texts[0 if left.title else 1][left.end : right.start] in _JOINERS:
            for hit in (left, right):
                if hit.entry.surface == "Washington":
                    hit.verdict = Verdict.SURE


def _is_seat(hit: Hit) -> bool:
    return hit.entry.senses[0].kind == CAPITAL and hit.verdict in (
        Verdict.STRONG,
        Verdict.SURE,
    )


def _doubt(hits: list[Hit], surfaces: set[str], texts: tuple[str, str]) -> None:
    """Where one mention was a person (or a bird), the same name elsewhere needs support."""
    doubted = {hit.entry.surface for hit in hits if hit.verdict is Verdict.PERSON}
    doubted.update(name for name in surfaces & AS_WORDS.keys() if doubtful_word(name, texts))
    if not doubted:
        return
    for hit in hits:
        if hit.verdict is Verdict.STRONG and hit.entry.surface in doubted:
            hit.verdict = Verdict.WEAK


def _weigh(hits: list[Hit], texts: tuple[str, str]) -> dict[str, float]:
    """The evidence for each country that is really named."""
    sure: dict[str, float] = {}
    weak: dict[str, float] = {}
    contested: list[tuple[Sense, float]] = []
    georgian = 0.0
    for hit in hits:
        if hit.verdict in (Verdict.NO, Verdict.PERSON):
            continue
        for sense in hit.entry.senses:
            weight = WEIGHTS[sense.kind] * (TITLE_WEIGHT if hit.title else 1.0)
            if sense.code == "GE" and sense.kind != CAPITAL:
                georgian += weight
            elif sense.rivals:
                contested.append((sense, weight))
            else:
                sure_here = hit.verdict is Verdict.SURE
                kept = (
                    sure if sure_here or not (sense.weak or hit.verdict is Verdict.WEAK) else weak
                )
                kept[sense.code] = kept.get(sense.code, 0.0) + weight
    if georgian and georgia(texts, others=bool(sure.keys() - {"US", "GE"})):
        sure["GE"] = sure.get("GE", 0.0) + georgian
    named = frozenset(sure)
    for sense, weight in contested:
        if sense.code in named or named.isdisjoint(sense.rivals):
            sure[sense.code] = sure.get(sense.code, 0.0) + weight
    for code in sure.keys() & weak.keys():
        sure[code] += weak[code]
    return sure

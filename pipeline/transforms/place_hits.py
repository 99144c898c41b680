"""The names an article has, each as a hit with a first verdict."""

from __future__ import annotations

from dataclasses import dataclass

from pipeline.transforms.place_context import judge
from pipeline.transforms.place_names import WORD, Entry, Table
from pipeline.transforms.place_verdict import Verdict, second_half

# Which text of an article a hit is in.
TITLE, BODY, DATELINE = 0, 1, 2


@dataclass(slots=True)
class Hit:
    """A name found at `[start:end]` of the text `field`; `verdict` is settled step by step."""

    entry: Entry
    start: int
    end: int
    field: int
    verdict: Verdict


@dataclass(frozen=True, slots=True)
class Naming:
    """A hit that counts, and the country and kind of name it counts for."""

    code: str
    kind: str
    hit: Hit


def in_dateline(hit: Hit, dateline_end: int) -> bool:
    """Whether a hit is in the dateline: one by itself, or the first `dateline_end` characters of
    the body."""
    return hit.field == DATELINE or (hit.field == BODY and hit.end <= dateline_end)


def find(text: str, names: Table, field: int) -> list[Hit]:
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
            if entry.senses and entry.senses[0].after_comma and not second_half(text, start):
                continue
            done = end
            if entry.senses:
                verdict = judge(text, start, end, entry.senses[0].kind, title=field == TITLE)
                hits.append(Hit(entry, start, end, field, verdict))
            break
    return hits


def _in_word(character: str) -> bool:
    return character.isalnum() or character == "_"

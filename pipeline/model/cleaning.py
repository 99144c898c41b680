"""Repairs of training labels where the corpora contradict themselves or plain knowledge.

For training only: what is scored keeps the labels of its corpus. The contradictions are above all
in the Groningen Meaning Bank: a president's surname standing alone is an organisation in nearly all
of its spans there, the full name a person.
"""

import dataclasses
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence

from pipeline.model.corpus import Chunk, Span

POSSESSIVES = ("'s ", "’s ", " 's ")
CONNECTORS = frozenset({"of", "and", "for", "to", "in", "the", "&", "on"})


@dataclasses.dataclass(frozen=True)
class CleaningRules:
    """What ``clean`` holds to be certain, and when it distrusts a label.

    ``fixed`` maps whole names to the only label they may carry. A label is distrusted, and the span
    becomes missing, when the name occurs ``min_count`` times and the label's share there is below
    ``min_share``; when names ending in the same word (``min_word_count`` of them) nearly never
    carry it (``min_word_share``: "Labor Party" as a place); when the first word nearly always
    begins a person (``min_person_share``); and when a single word called an organisation or place
    ends at least ``min_full_names`` full names of persons, and these are at least
    ``full_name_ratio`` times as many as its own spans.
    """

    fixed: Mapping[str, str] = dataclasses.field(default_factory=dict)
    min_count: int = 8
    min_share: float = 0.34
    min_word_count: int = 25
    min_word_share: float = 0.05
    min_person_share: float = 0.85
    min_full_names: int = 5
    full_name_ratio: float = 0.5


@dataclasses.dataclass(frozen=True)
class Statistics:
    """How often names, and words at either end of longer names, carry each label."""

    names: Mapping[str, Counter[str]]
    first_words: Mapping[str, Counter[str]]
    last_words: Mapping[str, Counter[str]]

    @classmethod
    def of(cls, chunks: Iterable[Chunk]) -> "Statistics":
        """Count over all spans of ``chunks``."""
        names: defaultdict[str, Counter[str]] = defaultdict(Counter)
        first: defaultdict[str, Counter[str]] = defaultdict(Counter)
        last: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for chunk in chunks:
            for span in chunk.spans:
                name = chunk.text[span.start : span.end]
                names[name][span.label] += 1
                words = name.split()
                if len(words) > 1:
                    first[words[0]][span.label] += 1
                    last[words[-1]][span.label] += 1
        return cls(dict(names), dict(first), dict(last))


def clean(chunks: Sequence[Chunk], rules: CleaningRules) -> list[Chunk]:
    """Return the chunks with repaired labels, in the same order and with the same texts.

    A possessive at the head of a name is cut off ("'s Foreign Ministry") and a place before one
    becomes a name of its own ("Ukraine's Supreme Court"); names in ``rules.fixed`` get that label;
    a single word that ends a person's full name in the same chunk is that person; distrusted labels
    become missing.
    """
    statistics = Statistics.of(chunks)
    parted = [
        dataclasses.replace(
            chunk,
            spans=tuple(
                part
                for span in chunk.spans
                for part in _part_possessive(chunk.text, span, statistics.names)
            ),
        )
        for chunk in chunks
    ]
    statistics = Statistics.of(parted)
    return [_repair(chunk, statistics, rules) for chunk in parted]


def _part_possessive(
    text: str, span: Span, counts: Mapping[str, Counter[str]], min_share: float = 0.6
) -> Iterator[Span]:
    name = text[span.start : span.end]
    for mark in POSSESSIVES:
        owner, found, owned = name.partition(mark)
        if not found or span.label != "ORG" or not owned.strip():
            continue
        owned_span = Span(span.end - len(owned), span.end, "ORG")
        owners = counts.get(owner, Counter())
        if not owner:
            yield owned_span
            return
        if owners["LOC"] and owners["LOC"] >= min_share * sum(owners.values()):
            yield Span(span.start, span.start + len(owner), "LOC")
            yield owned_span
            return
    yield span


def _repair(chunk: Chunk, statistics: Statistics, rules: CleaningRules) -> Chunk:
    surnames = {
        words[-1]
        for span in chunk.spans
        if span.label == "PERSON" and len(words := chunk.text[span.start : span.end].split()) > 1
    }
    spans: list[Span] = []
    missing = list(chunk.missing)
    for span in chunk.spans:
        name = chunk.text[span.start : span.end]
        if name in rules.fixed:
            spans.append(dataclasses.replace(span, label=rules.fixed[name]))
        elif name in surnames:
            spans.append(dataclasses.replace(span, label="PERSON"))
        elif _is_distrusted(name, span.label, statistics, rules):
            missing.append((span.start, span.end))
        else:
            spans.append(span)
    return dataclasses.replace(chunk, spans=tuple(spans), missing=tuple(sorted(missing)))


def _is_distrusted(name: str, label: str, statistics: Statistics, rules: CleaningRules) -> bool:
    counts = statistics.names[name]
    total = sum(counts.values())
    if total >= rules.min_count and counts[label] < rules.min_share * total:
        return True
    words = name.split()
    if len(words) == 1:
        full_names = statistics.last_words.get(name, Counter())["PERSON"]
        return (
            label in ("LOC", "ORG")
            and full_names >= rules.min_full_names
            and full_names >= rules.full_name_ratio * counts[label]
        )
    if label == "MISC" or CONNECTORS & set(words):
        return False
    last, first = statistics.last_words[words[-1]], statistics.first_words[words[0]]
    if sum(last.values()) >= rules.min_word_count:
        return last[label] < rules.min_word_share * sum(last.values())
    return (
        label in ("LOC", "ORG")
        and len(words) <= 3
        and sum(first.values()) >= rules.min_word_count
        and first["PERSON"] > rules.min_person_share * sum(first.values())
    )

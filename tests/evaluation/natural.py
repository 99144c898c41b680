"""Pairs as they are found: labelled by reading, and different articles on one subject."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.errors import UsageError
from pipeline.similarity.likeness import likeness, same_facts
from tests.evaluation import arms, truth
from tests.evaluation.arms import Signed, Signer
from tests.evaluation.figures import Bars, Score, Share, table
from tests.evaluation.texts import Text

PAIRS = Path(__file__).with_name("natural_pairs.jsonl")

BANDS = (0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""Exact similarity from which a row of the table by similarity goes on."""

SUBJECT_DAYS = 7
RARE_SHARE = 0.01
RARE_IN_COMMON = 4
"""Two articles are on one subject where a week at most is between them, and they have a category
and so many words in common that few articles have: names, mostly."""

SAME_STORY = 0.5
"""Two of that exact Jaccard similarity are likely to be the same story, and were left out of it
where nobody has read them."""


@dataclass(frozen=True, slots=True)
class Pair:
    """Two texts that somebody has read.

    Args:
        same: whether both tell the same, so that one of them is enough.
        jaccard: as it was when they were chosen.
        part: "dev", by which rules and thresholds were chosen, or "test".
        doubtful: whether one could say otherwise.
    """

    a: str
    b: str
    same: bool
    reason: str
    jaccard: float
    part: str
    doubtful: bool = False


def read_pairs(path: Path = PAIRS) -> list[Pair]:
    """Reads the labelled pairs.

    Raises:
        UsageError: a line is no pair.
    """
    pairs = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            pairs.append(Pair(**json.loads(line)))
        except (TypeError, ValueError) as error:
            raise UsageError(f"{path.name}, line {number}, is no labelled pair: {error}") from error
    return pairs


Decide = Callable[[Signed, Signed], bool]


@dataclass(frozen=True, slots=True)
class Case:
    """A pair, its texts, and their exact similarity."""

    pair: Pair
    one: Signed
    other: Signed
    exact: float


ARMS: Mapping[str, Callable[[Case], bool]] = {
    "ours": lambda case: arms.by_verdict(case.one, case.other),
    "ours, Jaccard alone": lambda case: arms.by_jaccard(case.one, case.other),
    "exact Jaccard": lambda case: case.exact >= arms.THRESHOLD,
    "datasketch": lambda case: arms.by_datasketch(case.one, case.other),
    "datasketch, candidates": lambda case: arms.datasketch_candidates(case.one, case.other),
    "exact hash": lambda case: arms.by_hash(case.one, case.other),
}


def cases(pairs: Sequence[Pair], texts: Mapping[str, Text], signer: Signer) -> list[Case]:
    wanted = {name for pair in pairs for name in (pair.a, pair.b)}
    numbers = truth.Shingles()
    sets = {name: numbers.of(texts[name].text) for name in wanted}
    signed = {name: signer.sign(name, texts[name].text) for name in wanted}
    return [
        Case(pair, signed[pair.a], signed[pair.b], truth.jaccard(sets[pair.a], sets[pair.b]))
        for pair in pairs
    ]


def report(every: Sequence[Case]) -> Iterator[str]:
    """Yields the lines on labelled pairs, by part."""
    for part in ("dev", "test"):
        chosen = [case for case in every if case.pair.part == part]
        same = sum(case.pair.same for case in chosen)
        yield f"### {part} part: {len(chosen)} pairs, {same} of them the same story"
        yield ""
        yield from table(
            ("set apart by", "precision", "recall", "F1", "of different stories"),
            [
                *(_row(name, decide, chosen) for name, decide in ARMS.items()),
                _row(
                    "ours, doubtful pairs left out",
                    ARMS["ours"],
                    [case for case in chosen if not case.pair.doubtful],
                ),
            ],
        )
        yield from table(
            ("exact Jaccard", "different", "set apart", "by Jaccard", "same", "set apart"),
            _by_similarity(chosen),
        )


def _row(name: str, decide: Callable[[Case], bool], chosen: Sequence[Case]) -> list[str]:
    score = Score([(case.pair.same, decide(case)) for case in chosen])
    wrong = [answer for same, answer in score.answers if not same]
    return [name, *score.cells(), str(Share(sum(wrong), len(wrong)))]


def _by_similarity(chosen: Sequence[Case]) -> Iterator[list[str]]:
    for low, high in zip(BANDS, (*BANDS[1:], 2.0), strict=True):
        here = [case for case in chosen if low <= case.exact < high]
        different = [case for case in here if not case.pair.same]
        same = [case for case in here if case.pair.same]
        yield [
            f"{low:.1f}–{min(high, 1.0):.1f}",
            f"{len(different)}",
            Share(sum(map(ARMS["ours"], different)), len(different)).short(),
            Share(sum(map(ARMS["exact Jaccard"], different)), len(different)).short(),
            f"{len(same)}",
            Share(sum(map(ARMS["ours"], same)), len(same)).short(),
        ]


def mistakes(every: Sequence[Case]) -> Iterator[str]:
    """Yields a line for each labelled pair that ours takes for what it is not."""
    for case in every:
        if case.pair.same == ARMS["ours"](case):
            continue
        what = "missed" if case.pair.same else "wrong"
        yield f"{case.pair.part} {what}: {numbers(case.one, case.other, case.exact)}"
        yield f"    {case.pair.reason}"


def numbers(one: Signed, other: Signed, exact: float) -> str:
    """What a decision rests on, for whoever wants to know why."""
    names = f"{one.id} {other.id} exact {exact:.3f}"
    if one.signature is None or other.signature is None:
        return f"{names}, too short to be signed"
    alike = likeness(one.signature, other.signature)
    facts = "agree" if same_facts(one.signature, other.signature) else "differ"
    found = "" if arms.candidates(one, other) else ", share no band"
    return (
        f"{names} jaccard {alike.jaccard:.3f} containment {alike.containment:.3f}"
        f" cut {alike.cut:.2f} facts {facts}{found}"
    )


# Different articles on one subject


@dataclass(frozen=True, slots=True)
class OneSubject:
    """What was found among articles on one subject.

    Args:
        wrong: lines on those that were set apart.
        left_out: pairs so alike that they may be one story.
    """

    share: Share
    wrong: Sequence[str]
    left_out: int


def one_subject(articles: Sequence[Text], same: set[frozenset[str]], signer: Signer) -> OneSubject:
    """Asks of every pair of different articles on one subject whether one is set apart.

    Args:
        same: ids of pairs known to be one story.
    """
    numbered = truth.Shingles()
    sets = {text.id: numbered.of(text.text) for text in articles}
    signed = {text.id: signer.sign(text.id, text.text, peers=False) for text in articles}
    hits, total, left_out, wrong = 0, 0, 0, []
    for one, other in _on_one_subject(articles):
        exact = truth.jaccard(sets[one.id], sets[other.id])
        if frozenset((one.id, other.id)) in same or exact >= SAME_STORY:
            left_out += 1
            continue
        total += 1
        if arms.by_verdict(signed[one.id], signed[other.id]):
            hits += 1
            wrong.append(numbers(signed[one.id], signed[other.id], exact))
    return OneSubject(Share(hits, total), wrong, left_out)


def _on_one_subject(articles: Sequence[Text]) -> Iterator[tuple[Text, Text]]:
    words = {text.id: set(truth.words(text.text)) for text in articles}
    known = Counter(word for every in words.values() for word in every)
    most = RARE_SHARE * len(words)
    rare = {name: {w for w in every if known[w] <= most} for name, every in words.items()}
    dated = sorted(
        ((text.date, text) for text in articles if text.date is not None),
        key=lambda each: (each[0], each[1].id),
    )
    for place, (day, one) in enumerate(dated):
        for later, other in dated[place + 1 :]:
            if (later - day).days > SUBJECT_DAYS:
                break
            if one.categories.isdisjoint(other.categories):
                continue
            if len(rare[one.id] & rare[other.id]) >= RARE_IN_COMMON:
                yield one, other


def report_one_subject(found: OneSubject, bars: Bars) -> Iterator[str]:
    """Yields the lines on different articles on one subject."""
    bar = bars.most("different articles on one subject", 0.01, found.share.value, str(found.share))
    yield (
        f"{found.share.total} pairs of Wikinews articles with at most {SUBJECT_DAYS} days between "
        f"them, a category and {RARE_IN_COMMON} rare words in common. {found.left_out} more were "
        f"left out: labelled as one story, or of a Jaccard similarity of {SAME_STORY} and more."
    )
    yield ""
    yield from table(
        ("pairs", "set apart, %", "bar"), [[f"{found.share.total}", str(found.share), bar]]
    )

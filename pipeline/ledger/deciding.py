"""The verdicts of a batch, given what a ledger knows: the same for every kind of ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from pipeline.ledger import Candidate
from pipeline.ledger.marks import KIND_NAMES, mark_of

Find = Callable[[Candidate], tuple[str, float] | None]
"""The key of the canonical article of a near-duplicate, and how alike they are."""


@dataclass(frozen=True, slots=True)
class Decision:
    """What a candidate is.

    Args:
        kind: of duplicate; None for a first copy.
        canonical: key of the article it is a copy of; its own where it is none.
        similarity: 1 for exact kinds.
    """

    candidate: Candidate
    kind: str | None
    canonical: str
    similarity: float = 1.0

    def row(self) -> tuple[str, str, str, str | None, str, float]:
        """(key, message_id, article_id, kind, canonical, similarity)"""
        asked = self.candidate
        ids = asked.key, asked.message_id, asked.article_id
        return *ids, self.kind, self.canonical, self.similarity


@dataclass(frozen=True, slots=True)
class Decided:
    """What a batch comes to.

    Args:
        decisions: one for each `Message.key`, in order.
        marks: (mark, key of the article that bears it, microseconds) to remember.
    """

    decisions: list[Decision]
    marks: list[tuple[bytes, str, int]]


def decide(
    fresh: Iterable[Candidate],
    owners: dict[bytes, tuple[str, int]],
    stamp: int,
    *,
    near: Find = lambda candidate: None,
    stays: Callable[[Candidate, int], None] = lambda candidate, place: None,
    separate: bool = True,
) -> Decided:
    """Decides about candidates that have no verdict yet, in order; earlier ones count for later.

    Args:
        owners: (key of the first copy, microseconds) by mark; is added to.
        stamp: microseconds, now.
        near: asked for a candidate that bears no known mark.
        stays: told of every candidate that stays an article, with its place among `fresh`.
        separate: whether near-duplicates are copies and no more.
    """
    decisions: dict[str, Decision] = {}
    marks: list[tuple[bytes, str, int]] = []
    for place, candidate in enumerate(fresh):
        if candidate.key in decisions:
            continue
        mine = [mark_of(kind, digest) for kind, digest in candidate.marks]
        decision = _exact(candidate, mine, owners) or _near(candidate, near(candidate))
        decisions[candidate.key] = decision
        first = decision.canonical
        if decision.kind is None or (decision.kind == "near" and not separate):
            first = candidate.key
            stays(candidate, place)
        for mark in mine:
            if mark not in owners:
                owners[mark] = (first, stamp + place)
                marks.append((mark, first, stamp + place))
    return Decided(list(decisions.values()), marks)


def _exact(
    candidate: Candidate, marks: list[bytes], owners: Mapping[bytes, tuple[str, int]]
) -> Decision | None:
    """By the mark whose first copy came earliest; of two the stronger one."""
    hits = [(owners[mark][1], rank, mark) for rank, mark in enumerate(marks) if mark in owners]
    if not hits:
        return None
    _, _, mark = min(hits)
    return Decision(candidate, KIND_NAMES[mark[:1]], owners[mark][0])


def _near(candidate: Candidate, found: tuple[str, float] | None) -> Decision:
    if found is None:
        return Decision(candidate, None, candidate.key)
    canonical, similarity = found
    return Decision(candidate, "near", canonical, similarity)

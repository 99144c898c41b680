"""Near-duplicates among the articles that a ledger knows: what any index of them must answer, and
which of the articles found is the canonical one.

What is compared is always a text that comes with one that stands in articles/, never with another
copy: so whatever is set apart is as like the article that stays as the record says, and a chain of
small changes does not lead from one story to another.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from pipeline.ledger import Candidate, NearRule
from pipeline.ledger.deciding import Decided, decide
from pipeline.similarity.likeness import similarity
from pipeline.similarity.signature import Signature


@dataclass(frozen=True, slots=True)
class Neighbour:
    """An article in an index.

    Args:
        number: its place in the order in which articles came.
        key: `Message.key`.
        signature: of its text; the bands may be left out.
    """

    number: int
    key: str
    signature: Signature


class Index(Protocol):
    """What a ledger has of signatures."""

    def sharing(self, bands: Sequence[int]) -> Iterable[tuple[int, int]]:
        """(band, number) of each article that has one of these bands."""
        ...

    def neighbours(self, numbers: Iterable[int]) -> Iterable[Neighbour]:
        """The articles of these numbers that may be canonical ones: neither forgotten nor ended as
        dead letters, nor signed by another version."""
        ...


MOST_IN_BAND = 256
"""A band that so many articles share is no one's: of a template, or of a publisher's last lines.
More are not entered into it; the bands that hold what is theirs alone find them."""

MOST_COMPARED = 32
"""With so many an article is compared, those that share the most bands with it."""


PURGE_LEAST = 100
"""At least so many articles that are too old an index forgets with a batch that brings fewer."""


class Search:
    """The near-duplicates of one batch: among what the index has, and in the batch itself.

    Args:
        candidates: who may ask.
    """

    def __init__(self, index: Index, candidates: Iterable[Candidate], rule: NearRule) -> None:
        self._rule = rule
        self._numbers: dict[int, list[int]] = defaultdict(list)
        asking = [c.signature for c in candidates if c.signature is not None]
        for band, number in index.sharing(sorted({b for one in asking for b in one.bands})):
            self._numbers[band].append(number)
        wanted = {number for one in asking for number in self._nearest(one)}
        self._known = {one.number: one for one in index.neighbours(wanted)}
        self.new: list[tuple[Neighbour, list[int]]] = []
        """What was added, for the index, each with the bands that have room for it."""

    def decide(
        self,
        fresh: Iterable[Candidate],
        owners: dict[bytes, tuple[str, int]],
        stamp: int,
        first: int,
    ) -> Decided:
        """As `pipeline.ledger.deciding.decide`, with near-duplicates.

        Args:
            first: the next number to be given.
        """
        return decide(
            fresh,
            owners,
            stamp,
            near=self.canonical,
            stays=lambda candidate, place: self.add(candidate, first + place),
            separate=self._rule.separate,
        )

    def canonical(self, candidate: Candidate) -> tuple[str, float] | None:
        """(key of the earliest article that tells the same, how alike they are), if there is one.

        Of the batch those count that were added before.
        """
        mine = candidate.signature
        if mine is None:
            return None
        for number in sorted(self._nearest(mine)):
            other = self._known.get(number)
            if other is None or other.key == candidate.key:
                continue
            alike = similarity(mine, other.signature, self._rule.threshold)
            if alike is not None:
                return other.key, alike
        return None

    def _nearest(self, signature: Signature) -> list[int]:
        shared = Counter(
            number for band in signature.bands for number in self._numbers.get(band, ())
        )
        return [number for number, _ in shared.most_common(MOST_COMPARED)]

    def add(self, candidate: Candidate, number: int) -> None:
        """Takes in an article of the batch: the next ones may be copies of it."""
        signature = candidate.signature
        if signature is None:
            return
        one = self._known[number] = Neighbour(number, candidate.key, signature)
        room = [b for b in signature.bands if len(self._numbers.get(b, ())) < MOST_IN_BAND]
        for band in room:
            self._numbers[band].append(number)
        self.new.append((one, room))

"""How well the entities of articles were told apart: B-cubed, pairs, names, wrong joins.

A mention is its place (field, start, end): one that was found with other borders than annotated is
missed and another one is wrong. Labels count for names only.
"""

import dataclasses
import itertools
import random
from collections import Counter
from collections.abc import Iterable, Sequence

from pipeline.records import Entity, Mention

Place = tuple[str, int, int]


@dataclasses.dataclass(frozen=True)
class Share:
    """Two sums of one kind of thing: ``precision`` is right of given, ``recall`` of wanted.

    What is right may differ seen from either side, as it does for B-cubed.
    """

    right_given: float = 0.0
    given: int = 0
    right_wanted: float = 0.0
    wanted: int = 0

    def __add__(self, other: "Share") -> "Share":
        return Share(
            self.right_given + other.right_given,
            self.given + other.given,
            self.right_wanted + other.right_wanted,
            self.wanted + other.wanted,
        )

    @property
    def precision(self) -> float:
        """Share of what was given that is right; 0 where nothing was."""
        return self.right_given / self.given if self.given else 0.0

    @property
    def recall(self) -> float:
        """Share of what was wanted that was given; 0 where nothing was."""
        return self.right_wanted / self.wanted if self.wanted else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


@dataclasses.dataclass(frozen=True)
class Score:
    """The figures of one article, or the sum of several.

    ``bcubed`` counts mentions: one that was found is right by the share of its entity that belongs
    to it. ``pairs`` counts two mentions of one entity. ``names`` counts entities: right is one with
    name and label as annotated and a mention in common. ``wrong_joins`` are, for each entity that
    mixes some, the names of those; ``split`` counts annotated entities that lie in several.
    """

    bcubed: Share = Share()
    pairs: Share = Share()
    names: Share = Share()
    wrong_joins: tuple[tuple[str, ...], ...] = ()
    split: int = 0

    def __add__(self, other: "Score") -> "Score":
        return Score(
            self.bcubed + other.bcubed,
            self.pairs + other.pairs,
            self.names + other.names,
            self.wrong_joins + other.wrong_joins,
            self.split + other.split,
        )


def score(given: Sequence[Entity], wanted: Sequence[Entity]) -> Score:
    """Return how the entities ``given`` for an article compare with those annotated.

    In both each mention is in exactly one entity.
    """
    given_at = _by_place(given)
    wanted_at = _by_place(wanted)
    common = Counter((given_at[p], wanted_at[p]) for p in given_at.keys() & wanted_at.keys())
    bcubed = Share(
        sum(n * n / given[one].count for (one, _), n in common.items()),
        len(given_at),
        sum(n * n / wanted[other].count for (_, other), n in common.items()),
        len(wanted_at),
    )
    right_pairs = sum(_pairs(n) for n in common.values())
    pairs = Share(
        right_pairs,
        sum(_pairs(entity.count) for entity in given),
        right_pairs,
        sum(_pairs(entity.count) for entity in wanted),
    )
    right_names = sum(
        (given[one].name, given[one].label) == (wanted[other].name, wanted[other].label)
        for one, other in common
    )
    names = Share(right_names, len(given), right_names, len(wanted))
    mixed = [
        tuple(wanted[other].name for _, other in group)
        for _, group in itertools.groupby(sorted(common), key=lambda pair: pair[0])
    ]
    spread = Counter(other for _, other in common)
    return Score(
        bcubed,
        pairs,
        names,
        tuple(each for each in mixed if len(each) > 1),
        sum(n > 1 for n in spread.values()),
    )


def _by_place(entities: Sequence[Entity]) -> dict[Place, int]:
    """Place of each mention -> number of its entity."""
    return {
        (each.field, each.start, each.end): number
        for number, entity in enumerate(entities)
        for each in entity.mentions
    }


def _pairs(count: int) -> int:
    return count * (count - 1) // 2


def interval(
    scores: Sequence[Score], *, rounds: int = 1000, seed: int = 0, confidence: float = 0.95
) -> tuple[float, float]:
    """Return a bootstrap interval of the B-cubed F1, articles drawn with replacement."""
    rng = random.Random(seed)
    drawn = sorted(
        sum((each.bcubed for each in rng.choices(scores, k=len(scores))), Share()).f1
        for _ in range(rounds)
    )
    cut = int(rounds * (1 - confidence) / 2)
    return drawn[cut], drawn[-1 - cut]


def by_equal_text(found: Iterable[tuple[Mention, str]]) -> list[Entity]:
    """Return the entities where equal text and label is all that joins: what linking must beat."""
    gathered: dict[tuple[str, str], list[Mention]] = {}
    for mention, label in found:
        gathered.setdefault((mention.text, label), []).append(mention)
    return [
        Entity(text, label, len(mentions), None, tuple(mentions))
        for (text, label), mentions in gathered.items()
    ]

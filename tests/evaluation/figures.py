"""Shares with their intervals, tables, and the bars that figures must reach."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

Z = 1.959964
"""Of the normal distribution, for 95 %."""

RESAMPLES = 1_000


@dataclass(frozen=True, slots=True)
class Share:
    """So many of so many."""

    hits: int
    total: int

    @property
    def value(self) -> float:
        return self.hits / self.total if self.total else 0.0

    def interval(self) -> tuple[float, float]:
        """Wilson's 95 % interval (Wilson 1927).

        >>> [round(end, 3) for end in Share(97, 100).interval()]
        [0.915, 0.99]
        """
        n = self.total
        if not n:
            return 0.0, 1.0
        middle = self.value + Z * Z / (2 * n)
        spread = Z * math.sqrt(self.value * (1 - self.value) / n + Z * Z / (4 * n * n))
        # Of 0 and of n hits an end is 0 or 1, but for rounding.
        low, high = (middle - spread) / (1 + Z * Z / n), (middle + spread) / (1 + Z * Z / n)
        return max(0.0, low), min(1.0, high)

    def __str__(self) -> str:
        if not self.total:
            return "–"
        low, high = self.interval()
        return f"{self.value * 100:.1f} ({low * 100:.1f}–{high * 100:.1f})"

    def short(self) -> str:
        return f"{self.value * 100:.1f}" if self.total else "–"


@dataclass(frozen=True, slots=True)
class Score:
    """How answers agree with the truth.

    Args:
        answers: (truth, answer) for each case.
    """

    answers: Sequence[tuple[bool, bool]]

    @property
    def precision(self) -> Share:
        return Share(self._count(True, True), self._count(True, True) + self._count(False, True))

    @property
    def recall(self) -> Share:
        return Share(self._count(True, True), self._count(True, True) + self._count(True, False))

    @property
    def f1(self) -> float:
        return _f1(Counter(self.answers))

    def f1_interval(self) -> tuple[float, float]:
        """The 95 % interval by bootstrap over the cases, the same in every run."""
        rng = random.Random(0)
        drawn = sorted(
            _f1(Counter(rng.choices(self.answers, k=len(self.answers)))) for _ in range(RESAMPLES)
        )
        return drawn[round(0.025 * RESAMPLES)], drawn[round(0.975 * RESAMPLES) - 1]

    def cells(self) -> list[str]:
        """Precision, recall, F1 and its interval, in per cent."""
        low, high = self.f1_interval()
        return [
            str(self.precision),
            str(self.recall),
            f"{self.f1 * 100:.1f} ({low * 100:.1f}–{high * 100:.1f})",
        ]

    def _count(self, truth: bool, answer: bool) -> int:
        return self.answers.count((truth, answer))


def _f1(counts: Counter[tuple[bool, bool]]) -> float:
    hits = counts[True, True]
    wrong = counts[True, False] + counts[False, True]
    return 2 * hits / (2 * hits + wrong) if hits else 0.0


@dataclass(slots=True)
class Bars:
    """What the issue asks for, and whether the figures reach it."""

    rows: list[list[str]] = field(default_factory=list)

    def least(self, what: str, bar: float, value: float, shown: str = "") -> str:
        """Notes a figure that must be at least `bar`; returns what to print beside it."""
        return self._note(what, "at least", bar, value, shown, reached=value >= bar)

    def most(self, what: str, bar: float, value: float, shown: str = "") -> str:
        """Notes a figure that must be at most `bar`; returns what to print beside it."""
        return self._note(what, "at most", bar, value, shown, reached=value <= bar)

    def _note(
        self, what: str, side: str, bar: float, value: float, shown: str, *, reached: bool
    ) -> str:
        said = "reached" if reached else "not reached"
        asked = f"{side} {_number(bar)}"
        self.rows.append([what, asked, shown or _number(value), said])
        return f"{asked}: {said}"


def _number(value: float) -> str:
    return f"{value * 100:g} %" if value <= 1 else f"{value:,.0f}"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """The lines of a Markdown table and an empty one."""
    yield f"| {' | '.join(head)} |"
    yield f"|{'---|' * len(head)}"
    for row in rows:
        yield f"| {' | '.join(row)} |"
    yield ""

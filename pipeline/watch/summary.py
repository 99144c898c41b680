"""What a run did, from its counters, and whether it adds up."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pipeline.watch import counters

_LABELLED = re.compile(r"(?P<name>\w+)(\{(?P<labels>.*)\})?")


@dataclass(frozen=True)
class Summary:
    """What a run, or a process of it, has done so far.

    Args:
        counters: each by its full name, labels and all.
        began, ended: when it began to pull and when it was at its end, by `time.monotonic`, which
            the processes of a machine have in common.
        done: the share of its input that is read, where that has an end.
    """

    counters: Mapping[str, int] = field(default_factory=dict)
    began: float | None = None
    ended: float | None = None
    done: float | None = None

    @classmethod
    def of(cls, result: Any, began: float | None = None) -> Summary:
        """From a Beam `PipelineResult` that began when it says."""
        # Late: the parent of all processes only adds up, and starts without Beam.
        from apache_beam.metrics import MetricsFilter

        found: dict[str, int] = {}
        query = result.metrics().query(MetricsFilter().with_namespace(counters.NAMESPACE))
        for counter in query["counters"]:
            name = counter.key.metric.name
            found[name] = found.get(name, 0) + (counter.committed or counter.attempted or 0)
        return cls(found, began)

    @classmethod
    def sum(cls, parts: Iterable[Summary]) -> Summary:
        """All `parts` as one: counters added up, from the first beginning to the last end.

        Of the input each part reads as much; those that have not said anything have read nothing.
        """
        total = Counter[str]()
        began: list[float] = []
        ended: list[float] = []
        shares: list[float | None] = []
        for part in parts:
            shares.append(part.done)
            total.update(part.counters)
            began += [] if part.began is None else [part.began]
            ended += [] if part.ended is None else [part.ended]
        done = None
        if any(share is not None for share in shares):
            done = sum(share or 0.0 for share in shares) / len(shares)
        return cls(dict(total), min(began, default=None), max(ended, default=None), done)

    @property
    def seconds(self) -> float | None:
        """How long it took; None while it runs."""
        return None if self.began is None or self.ended is None else self.ended - self.began

    def total(self, name: str) -> int:
        """A counter over all its labels."""
        return sum(n for key, n in self.counters.items() if split(key)[0] == name)

    @property
    def received(self) -> int:
        return self.total(counters.MESSAGES_RECEIVED)

    @property
    def redelivered(self) -> int:
        return self.total(counters.MESSAGES_REDELIVERED)

    @property
    def articles(self) -> int:
        return self.total(counters.ARTICLES_WRITTEN)

    @property
    def duplicates(self) -> int:
        return self.total(counters.DUPLICATES)

    @property
    def dead_letters(self) -> int:
        return self.total(counters.DEAD_LETTERS)

    @property
    def settled(self) -> int:
        return self.total(counters.MESSAGES_SETTLED)

    @property
    def accounted(self) -> int:
        return self.articles + self.duplicates + self.dead_letters + self.redelivered

    @property
    def adds_up(self) -> bool:
        """Whether every message received has come to exactly one end."""
        return self.received == self.accounted


def split(key: str) -> tuple[str, str]:
    """The name and the labels of a counter.

    >>> split("duplicates{kind=url}"), split("messages_settled")
    (('duplicates', 'kind=url'), ('messages_settled', ''))
    """
    match = _LABELLED.fullmatch(key)
    if match is None:
        return key, ""
    return match["name"], match["labels"] or ""

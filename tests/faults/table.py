"""What the faults came to, as a table."""

from __future__ import annotations

import statistics
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.faults.audit import Finding

NOTE = """\
lost     ids in no record at the end, by the fault whose portion of messages they were in;
         the sum also has those published before and after all faults
twice    ids in more than one record, by the fault after which the second was first seen
torn     files that could not be read, likewise; the sum also has temporary names left at the end
seconds  from the start of the process after the fault to its first file; where the process goes
         on, from the end of the fault to a file with a message that was published after it.
         Faults that struck again before there was one share the figure"""


@dataclass
class Row:
    """One kind of fault."""

    times: int = 0
    lost: int = 0
    twice: int = 0
    torn: int = 0
    seconds: list[float] = field(default_factory=list)


@dataclass
class Result:
    """What a run of the harness came to.

    Args:
        broker, ledger: their names.
        seed: what all chance came from.
        messages: how many were published.
        copies: how many of them were copies of another.
        rows: by name of the fault, in the order of the table.
        finding: the judge's last word.
        problems: what else is wrong: an exit code, a drain without end, what `verify` says.
        seconds: how long all took.
    """

    broker: str
    ledger: str
    seed: int
    messages: int
    copies: int
    rows: dict[str, Row]
    finding: Finding
    problems: list[str]
    seconds: float

    @property
    def sound(self) -> bool:
        return self.finding.sound and not self.problems

    def summary(self) -> str:
        """One line."""
        times = sum(row.times for row in self.rows.values())
        return (
            f"{self.broker} broker, {self.ledger} ledger, seed {self.seed}: "
            f"{times} faults, {self.messages} messages, {len(self.finding.lost)} lost, "
            f"{len(self.finding.twice)} twice, {len(self.finding.torn)} torn, "
            f"{self.finding.records['duplicates']} of {self.copies} copies set apart, "
            f"{self.seconds:.0f} s"
        )

    def table(self) -> str:
        """The table, with what is wrong beneath it."""
        found = self.finding
        width = max(map(len, self.rows), default=0)
        lines = [
            f"{self.broker} broker, {self.ledger} ledger, seed {self.seed}, "
            f"{self.messages} messages",
            f"{'fault':{width}}  times   lost  twice   torn   seconds to recover",
            f"{'':{width}}                                median  worst",
        ]
        for name, row in self.rows.items():
            lines.append(
                f"{name:{width}}{row.times:7}{row.lost:7}{row.twice:7}{row.torn:7}"
                f"{_seconds(row.seconds)}"
            )
        every = [second for row in self.rows.values() for second in row.seconds]
        times = sum(row.times for row in self.rows.values())
        lines.append(
            f"{'in all':{width}}{times:7}{len(found.lost):7}{len(found.twice):7}"
            f"{len(found.torn):7}{_seconds(every)}"
        )
        lines += _list("never published", found.strangers)
        lines += _list("duplicates of no article", found.dangling)
        lines += _list("lost", found.lost)
        lines += _list("twice", found.twice)
        lines += _list("torn", found.torn)
        lines += [f"PROBLEM: {problem}" for problem in self.problems]
        return "\n".join(lines)


def _seconds(values: list[float]) -> str:
    if not values:
        return f"{'-':>9}{'-':>7}"
    return f"{statistics.median(values):9.1f}{max(values):7.1f}"


def _list(what: str, names: Iterable[str], most: int = 20) -> list[str]:
    found = list(names)
    if not found:
        return []
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return [f"{what}: {', '.join(found[:most])}{more}"]

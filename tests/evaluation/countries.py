"""Countries: precision, recall and F1 on sentences and stories written by hand (COUNTRIES.md)."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from pipeline.records import Tag
from pipeline.transforms.places import countries
from tests.evaluation.figures import table

FOLDER = Path(__file__).parent
PARTS = ("dev", "test")
BAR = 0.95


class Case(NamedTuple):
    """A sentence or a story, with the countries it names and the one that it is about."""

    name: str
    kind: str
    title: str | None
    dateline: str | None
    text: str
    codes: frozenset[str]
    primary: str | None
    trap: str | None


class Counted(NamedTuple):
    """Countries given and right, given and wrong, missed; and the cases that are right whole."""

    right: int = 0
    wrong: int = 0
    missed: int = 0
    whole: int = 0
    cases: int = 0

    def plus(self, case: Case, given: frozenset[str]) -> Counted:
        return Counted(
            self.right + len(given & case.codes),
            self.wrong + len(given - case.codes),
            self.missed + len(case.codes - given),
            self.whole + (given == case.codes),
            self.cases + 1,
        )

    @property
    def f1(self) -> float:
        total = 2 * self.right + self.wrong + self.missed
        return 2 * self.right / total if total else 1.0


def cases(part: str) -> Iterator[Case]:
    """The cases of a part, `dev` or `test`."""
    for line in (FOLDER / f"countries_{part}.jsonl").read_text("utf-8").splitlines():
        case = json.loads(line)
        yield Case(
            *(case["id"], case["kind"], case["title"], case.get("dateline"), case["text"]),
            frozenset(case["countries"]),
            case.get("primary"),
            case["trap"] if case.get("trap") else None,
        )


def given(case: Case) -> tuple[Tag, ...]:
    """The tags of a case."""
    return countries(case.title, case.text, dateline=case.dateline)


def scores(part: str) -> tuple[Counted, dict[str, Counted], tuple[int, int]]:
    """Over all, by trap (with `no trap` and `stories`), and of how many stories the country that
    they are about is right, of how many."""
    total = Counted()
    by_trap: defaultdict[str, Counted] = defaultdict(Counted)
    right = stories = 0
    for case in cases(part):
        tags = given(case)
        codes = frozenset(tag.code for tag in tags)
        total = total.plus(case, codes)
        group = "stories" if case.kind == "story" else case.trap or "no trap"
        by_trap[group] = by_trap[group].plus(case, codes)
        if case.kind == "story":
            stories += 1
            right += next((tag.code for tag in tags if tag.primary), None) == case.primary
    return total, dict(by_trap), (right, stories)


def report(*, mistakes: bool) -> Iterator[str]:
    """Yields every line.

    Args:
        mistakes: tells the cases of the part for development that are wrong.
    """
    lines = []
    for part in PARTS:
        total, by_trap, (right, stories) = scores(part)
        for name, counted in [("all", total), *sorted(by_trap.items(), key=_by_size)]:
            lines.append(
                (
                    *(part, name, str(counted.cases), f"{100 * counted.f1:.1f}"),
                    *(str(counted.wrong), str(counted.missed), str(counted.whole)),
                )
            )
        lines.append((part, "primary, of the stories", str(stories), "", "", "", str(right)))
    yield from table(("countries", "", "cases", "F1", "wrong", "missed", "whole right"), lines)
    if mistakes:
        for case in cases("dev"):
            codes = frozenset(tag.code for tag in given(case))
            if codes != case.codes:
                yield f"{case.name}: {sorted(codes)} for {sorted(case.codes)}"


def _by_size(item: tuple[str, Counted]) -> tuple[int, str]:
    return -item[1].cases, item[0]

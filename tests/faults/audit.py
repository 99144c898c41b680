"""The independent judge: reads an output with fastavro alone and says what is wrong with it.

It shares no code with the pipeline (a test sees to that): what it knows of an output is
`OUTPUT/KIND/*/NAME.avro`, the three kinds, and three fields of the records.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import fastavro

KINDS = ("articles", "duplicates", "dead_letters")
ENDING = ".avro"


@dataclass
class Finding:
    """What is wrong with an output; every list names the ids, or the files, in question.

    Args:
        records: how many were read, by kind.
        lost: ids that were published and stand in no record.
        twice: ids that stand in more than one record, over all kinds.
        strangers: ids of records that were never published.
        torn: files that cannot be read to their end, or hold nothing, and what has no business
            there, such as a temporary name that was left.
        dangling: ids of duplicates whose canonical article stands in no file of articles.
    """

    records: dict[str, int] = field(default_factory=lambda: dict.fromkeys(KINDS, 0))
    lost: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)
    dangling: list[str] = field(default_factory=list)

    @property
    def sound(self) -> bool:
        return not (self.lost or self.twice or self.strangers or self.torn or self.dangling)


class _Row(NamedTuple):
    message_id: str
    canonical_message_id: str | None


class Judge:
    """Reads an output bit by bit, while it grows; each file once.

    Args:
        root: the output.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        self._seen: set[Path] = set()
        self._count: Counter[str] = Counter()
        self._articles: set[str] = set()
        self._canonical: dict[str, str] = {}
        self._records = dict.fromkeys(KINDS, 0)
        self._torn: list[str] = []

    def look(self) -> Finding:
        """What the files that came since the last look have brought to light: twice and torn.

        Temporary names are passed over: a run may be writing.
        """
        twice: list[str] = []
        torn: list[str] = []
        for kind, path in _files(self._root):
            if path in self._seen or _is_temporary(path):
                continue
            self._seen.add(path)
            name = path.relative_to(self._root).as_posix()
            try:
                rows = _read(kind, path)
            except Exception as error:  # noqa: BLE001 - whatever it is, the file is torn
                torn.append(f"{name}: {type(error).__name__}: {error}")
                continue
            if not rows:
                torn.append(f"{name}: it holds no record")
            self._records[kind] += len(rows)
            for row in rows:
                self._count[row.message_id] += 1
                if self._count[row.message_id] == 2:
                    twice.append(row.message_id)
                if kind == "articles":
                    self._articles.add(row.message_id)
                if row.canonical_message_id is not None:
                    self._canonical[row.message_id] = row.canonical_message_id
        self._torn += torn
        return Finding(dict(self._records), twice=twice, torn=torn)

    def has_seen(self, message_id: str) -> bool:
        """Whether some record has this id."""
        return message_id in self._count

    def judge(self, published: Iterable[str]) -> Finding:
        """What is wrong in all, when no run is under way any more.

        Args:
            published: message ids as the broker gave them, in the order of publishing.
        """
        self.look()
        known = dict.fromkeys(published)
        left = [path for _, path in _files(self._root) if _is_temporary(path)]
        return Finding(
            dict(self._records),
            lost=[one for one in known if one not in self._count],
            twice=[one for one, times in self._count.items() if times > 1],
            strangers=[one for one in self._count if one not in known],
            torn=self._torn
            + [f"{path.relative_to(self._root).as_posix()}: left over" for path in sorted(left)],
            dangling=[
                one for one, canonical in self._canonical.items() if canonical not in self._articles
            ],
        )


def judge(root: Path, published: Iterable[str]) -> Finding:
    """The last word on the output `root`: everything read afresh. See `Judge.judge`."""
    return Judge(root).judge(published)


def _files(root: Path) -> Iterator[tuple[str, Path]]:
    """(kind, path) of all that lies where files belong, whatever its name."""
    for kind in KINDS:
        for folder, _, names in os.walk(root / kind):
            for name in sorted(names):
                yield kind, Path(folder, name)


def _is_temporary(path: Path) -> bool:
    return path.name.startswith(".") or path.suffix != ENDING


def _read(kind: str, path: Path) -> list[_Row]:
    """Every record of a file. Raises whatever a file that is not whole makes fastavro raise."""
    rows = []
    with path.open("rb") as file:
        for record in fastavro.reader(file):
            assert isinstance(record, dict)
            canonical = record["canonical_message_id"] if kind == "duplicates" else None
            rows.append(_Row(record["message_id"], canonical))
    return rows

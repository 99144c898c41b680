"""The index of signatures in SQLite.

Numbers grow with time, so that what is oldest is what comes first, and old entries are forgotten a
few at a time, each with its rows of `bands`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence

from pipeline.ledger import Candidate, NearRule
from pipeline.ledger.database import Database
from pipeline.ledger.deciding import Decided, decide
from pipeline.ledger.neighbours import Neighbour, Search
from pipeline.similarity.signature import BANDS, Signature, unpack

_BANDS = struct.Struct(f"<{BANDS}I")
# At least so many are forgotten with a batch that brings fewer.
PURGE_LEAST = 100


def packed(signature: Signature) -> tuple[bytes, bytes]:
    """Bands and signature as they stand in the table."""
    return _BANDS.pack(*signature.bands), signature.pack()


def bands_of(stored: bytes) -> tuple[int, ...]:
    """The bands that `packed` made bytes of."""
    return _BANDS.unpack(stored)


def decide_near(
    database: Database,
    fresh: Sequence[Candidate],
    owners: dict[bytes, tuple[str, int]],
    stamp: int,
    oldest: int,
    rule: NearRule,
) -> Decided:
    """As `decide`, with near-duplicates; within a transaction.

    Args:
        oldest: microseconds; who came before is forgotten.
    """
    index = SqliteIndex(database, oldest)
    index.purge(len(fresh))
    search = Search(index, fresh, rule)
    first = index.next_number()
    decided = decide(
        fresh,
        owners,
        stamp,
        near=search.canonical,
        stays=lambda candidate, place: search.add(candidate, first + place),
        separate=rule.separate,
    )
    index.add(search.new, stamp)
    return decided


class SqliteIndex:
    """See `pipeline.ledger.neighbours.Index`. To be used within a transaction.

    Args:
        oldest: microseconds; who came before is forgotten.
    """

    def __init__(self, database: Database, oldest: int) -> None:
        self._db = database
        self._oldest = oldest

    def sharing(self, bands: Sequence[int]) -> Iterator[tuple[int, int]]:
        rows = self._db.select("SELECT band, number FROM bands WHERE band IN ({})", bands)
        yield from ((band, number) for band, number in rows)

    def neighbours(self, numbers: Iterable[int]) -> Iterator[Neighbour]:
        for number, key, stored, seen_at, kind, committed_at in self._db.select(
            "SELECT s.number, s.key, s.signature, s.seen_at, f.kind, f.committed_at"
            " FROM signatures s LEFT JOIN messages m ON m.key = s.key"
            " LEFT JOIN files f ON f.file_id = m.file_id WHERE s.number IN ({})",
            numbers,
        ):
            if seen_at < self._oldest or (kind == "dead_letters" and committed_at is not None):
                continue
            signature = unpack(stored)
            if signature is not None:
                yield Neighbour(number, key, signature)

    def next_number(self) -> int:
        (last,) = self._db.execute("SELECT max(number) FROM signatures").fetchone()
        return (last or 0) + 1

    def add(self, new: Sequence[tuple[Neighbour, Sequence[int]]], seen_at: int) -> None:
        """Takes in articles, each under the bands given."""
        self._db.executemany(
            "INSERT INTO signatures VALUES (?, ?, ?, ?, ?)",
            ((one.number, one.key, seen_at, *packed(one.signature)) for one, _ in new),
        )
        # In the order of the table: neighbours in it are written together.
        self._db.executemany(
            "INSERT OR IGNORE INTO bands VALUES (?, ?)",
            sorted([(band, one.number) for one, bands in new for band in bands]),
        )

    def purge(self, arrived: int) -> None:
        """Forgets some of what is too old: more than `arrived`, so that it catches up."""
        rows = self._db.execute(
            "SELECT number, seen_at, bands FROM signatures ORDER BY number LIMIT ?",
            (2 * arrived + PURGE_LEAST,),
        ).fetchall()
        old = [(number, bands) for number, seen_at, bands in rows if seen_at < self._oldest]
        self._db.executemany(
            "DELETE FROM bands WHERE band = ? AND number = ?",
            sorted((band, number) for number, bands in old for band in bands_of(bands)),
        )
        self._db.executemany(
            "DELETE FROM signatures WHERE number = ?", ((number,) for number, _ in old)
        )

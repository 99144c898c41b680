"""The index of signatures in SQLite.

Numbers grow with time, so that what is oldest comes first and is forgotten a few at a time.

The 16 bands of an article belong into 16 places, a page each, of which all would be written with
every batch, and again to forget them. So new ones go into a small table first. A sweep goes round
over the large one, a part of it with each batch, in proportion to what the batch brings: it takes
in what is new there, and takes out what is forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from pipeline.ledger import Candidate, NearRule
from pipeline.ledger.database import Database
from pipeline.ledger.deciding import Decided
from pipeline.ledger.neighbours import PURGE_LEAST, Neighbour, Search
from pipeline.similarity.signature import unpack

# With so many articles the sweep comes round once: about as many have their bands in the small
# table.
ROUND = 25_000
# Of a band, which has 32 bits.
ALL_BANDS = 1 << 32

# Each for the bands from one up to, and without, another.
_FORGET_NEW = "DELETE FROM new_bands WHERE band >= ? AND band < ? AND number < ?"
_FORGET = "DELETE FROM bands WHERE band >= ? AND band < ? AND number < ?"
_TAKE_IN = (
    "INSERT OR IGNORE INTO bands SELECT band, number FROM new_bands WHERE band >= ? AND band < ?"
)
_TAKEN_IN = "DELETE FROM new_bands WHERE band >= ? AND band < ?"


def decide_near(
    database: Database,
    fresh: Sequence[Candidate],
    owners: dict[bytes, tuple[str, int]],
    stamp: int,
    oldest: int,
    rule: NearRule,
) -> Decided:
    """As `Search.decide`; within a transaction.

    Args:
        oldest: microseconds; who came before is forgotten.
    """
    index = SqliteIndex(database, oldest)
    first = index.next_number()
    index.purge(first, len(fresh))
    search = Search(index, fresh, rule)
    decided = search.decide(fresh, owners, stamp, first)
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
        for table in ("bands", "new_bands"):
            query = f"SELECT band, number FROM {table} WHERE band IN ({{}})"  # noqa: S608 - ours
            yield from ((band, number) for band, number in self._db.select(query, bands))

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
            "INSERT INTO signatures VALUES (?, ?, ?, ?)",
            ((one.number, one.key, seen_at, one.signature.pack()) for one, _ in new),
        )
        # In the order of the table: neighbours in it are written together.
        self._db.executemany(
            "INSERT OR IGNORE INTO new_bands VALUES (?, ?)",
            sorted([(band, one.number) for one, bands in new for band in bands]),
        )

    def purge(self, first: int, arrived: int) -> None:
        """Forgets some of what is too old: more than `arrived`, so that it catches up.

        Args:
            first: the next number to be given.
        """
        rows = self._db.execute(
            "SELECT number, seen_at FROM signatures ORDER BY number LIMIT ?",
            (2 * arrived + PURGE_LEAST,),
        ).fetchall()
        old = {number for number, seen_at in rows if seen_at < self._oldest}
        self._db.executemany(
            "DELETE FROM signatures WHERE number = ?", ((number,) for number in old)
        )
        # Of a backlog only the rows that were read are gone: what follows them is not known.
        follows = max(old) + 1 if old else first
        least = next((number for number, _ in rows if number not in old), follows)
        for start, end in parts(first, arrived):
            # Where nothing was ever forgotten, nothing has to be looked through.
            if least > 1:
                self._db.execute(_FORGET_NEW, (start, end, least))
                self._db.execute(_FORGET, (start, end, least))
            self._db.execute(_TAKE_IN, (start, end))
            self._db.execute(_TAKEN_IN, (start, end))


def parts(first: int, arrived: int) -> list[tuple[int, int]]:
    """The bands that the sweep comes by with the articles from number `first` on, as ranges.

    >>> parts(0, 12_500), parts(12_500, 12_500), parts(7, 0)
    ([(0, 2147483648)], [(2147483648, 4294967296), (0, 0)], [])
    """
    if arrived >= ROUND:
        return [(0, ALL_BANDS)]
    start, end = (number % ROUND * ALL_BANDS // ROUND for number in (first, first + arrived))
    if start <= end:
        return [(start, end)] if start < end else []
    return [(start, ALL_BANDS), (0, end)] if arrived else []

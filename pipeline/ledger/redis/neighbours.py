"""The index of signatures in Redis.

    s and number // 512   number: microseconds, 8 · digest of its key, 16 · bands · signature
    b and 18 bits         the rest of a band, 2: numbers, 4 each
    info                  number: the last given · low: the last forgotten

Numbers grow with time, so that what is oldest comes first, and is forgotten a few at a time.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Sequence

from pipeline.ledger import Candidate, NearRule
from pipeline.ledger.deciding import Decided
from pipeline.ledger.neighbours import MOST_IN_BAND, PURGE_LEAST, Neighbour, Search
from pipeline.ledger.redis import scripts
from pipeline.ledger.redis.rows import token_of
from pipeline.ledger.redis.scripts import Command
from pipeline.ledger.redis.space import Transaction
from pipeline.ledger.redis.view import View
from pipeline.similarity.signature import BANDS, unpack

# Signatures that are asked for at a time: half a megabyte.
PAGE = 200

_BAND = struct.Struct("<I")
_BANDS = struct.Struct(f"<{BANDS}I")
_HEAD = struct.Struct(">Q16s")
_HEADER = _HEAD.size + _BANDS.size


def set_signature(
    number: int, digest: bytes, seen_at: int, signature: bytes, bands: Sequence[int]
) -> Iterator[Command]:
    """The commands that take in an article under these bands, where they have room.

    Args:
        signature: as packed.
    """
    place, field = _place(number)
    head = _HEAD.pack(max(0, seen_at), digest)
    # To free one twice, or one that it never had, is no matter.
    every = (*bands, *(*bands[:1], 0) * BANDS)[:BANDS]
    yield [b"HSET", place, field, head + _BANDS.pack(*every) + signature]
    yield [b"B", field, b"%d" % MOST_IN_BAND, *map(_BAND.pack, bands)]


def _place(number: int) -> tuple[bytes, bytes]:
    """The key, without the space in front, and the field of an article."""
    return b"s" + (number >> 9).to_bytes(4, "big"), number.to_bytes(4, "big")


def decide_near(
    transaction: Transaction,
    view: View,
    fresh: Sequence[Candidate],
    owners: dict[bytes, tuple[str, int]],
    stamp: int,
    oldest: int,
    rule: NearRule,
) -> tuple[Decided, list[Command]]:
    """As `Search.decide`; and the commands that bring the index up to date.

    Args:
        oldest: microseconds; who came before is forgotten.
    """
    index = RedisIndex(transaction, view, oldest)
    commands = index.purge(len(fresh))
    search = Search(index, fresh, rule)
    decided = search.decide(fresh, owners, stamp, transaction.number + 1)
    for one, bands in search.new:
        digest = one.key.encode("latin-1")
        commands += set_signature(one.number, digest, stamp, one.signature.pack(), bands)
    if search.new:
        commands.append([b"HSET", b"info", b"number", b"%d" % search.new[-1][0].number])
    return decided, commands


class RedisIndex:
    """See `pipeline.ledger.neighbours.Index`. Its keys are those of `View`, as tokens.

    Args:
        oldest: microseconds; who came before is forgotten.
    """

    def __init__(self, transaction: Transaction, view: View, oldest: int) -> None:
        self._space = transaction.space
        self._view = view
        self._oldest = oldest

    def sharing(self, bands: Sequence[int]) -> Iterator[tuple[int, int]]:
        arguments = (self._space.space, b"".join(map(_BAND.pack, bands)), _BAND.size)
        told = self._space.again("SHARING", [], arguments)
        for band, numbers in zip(bands, scripts.values(told), strict=True):
            if numbers:
                yield from ((band, number) for (number,) in struct.iter_unpack(">I", numbers))

    def neighbours(self, numbers: Iterable[int]) -> Iterator[Neighbour]:
        wanted = sorted(numbers)
        for start in range(0, len(wanted), PAGE):
            yield from self._neighbours(wanted[start : start + PAGE])

    def _neighbours(self, numbers: Sequence[int]) -> Iterator[Neighbour]:
        pipeline = self._space.client.pipeline(transaction=False)
        for number in numbers:
            place, field = _place(number)
            pipeline.hget(self._space.space + place, field)
        found = []
        for number, stored in zip(numbers, pipeline.execute(), strict=True):
            if stored is not None:
                seen_at, digest = _HEAD.unpack_from(stored)
                if seen_at >= self._oldest:
                    found.append((number, digest, stored[_HEADER:]))
        self._view.load(digest for _, digest, _ in found)
        self._view.load_files()
        for number, digest, stored in found:
            signature = unpack(stored) if self._view.may_be_canonical(digest) else None
            if signature is not None:
                yield Neighbour(number, token_of(digest), signature)

    def purge(self, arrived: int) -> list[Command]:
        """Forgets some of what is too old: more than `arrived`, so that it catches up."""
        most = 2 * arrived + PURGE_LEAST
        arguments = (self._space.space, self._oldest, most, _HEAD.size + 1, _HEADER)
        low, told = self._space.again("OLD", [], arguments)
        commands: list[Command] = []
        for one in scripts.values(told):
            assert one is not None
            field, bands = one[:4], one[4:]
            commands.append([b"HDEL", _place(int.from_bytes(field, "big"))[0], field])
            parts = [bands[at : at + _BAND.size] for at in range(0, len(bands), _BAND.size)]
            commands.append([b"b", field, *parts])
        commands.append([b"HSET", b"info", b"low", b"%d" % low])
        return commands

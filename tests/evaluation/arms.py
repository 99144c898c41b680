"""Who is compared: this project's near-duplicates, datasketch's MinHashLSH, and an exact hash."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from datasketch import MinHash, MinHashLSH

from pipeline.ledger import Candidate, NearRule, Verdict
from pipeline.ledger.sqlite import SqliteLedger
from pipeline.similarity.likeness import likeness, similarity
from pipeline.similarity.signature import Signature, sign
from pipeline.transforms.identity import content_hash
from tests.evaluation.truth import shingles, words

THRESHOLD = 0.8
"""The default of --near_duplicate_threshold."""

PERMUTATIONS = 128
"""datasketch's default."""

BATCH = 500
NOW = dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)
TTL = dt.timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Signed:
    """A text as each of the three sees it.

    Args:
        minhash: None where datasketch is not asked.
    """

    id: str
    signature: Signature | None
    digest: bytes
    minhash: MinHash | None = None

    def candidate(self, key: str) -> Candidate:
        """As `pipeline.transforms.deduplicate.candidate` asks for it.

        Under another id and URL, as another outlet's copy has.
        """
        return Candidate(key, key, self.id, (("content", self.digest),), self.signature)


class Signer:
    """Signs texts for all three."""

    def __init__(self) -> None:
        self._empty = MinHash(num_perm=PERMUTATIONS)

    def sign(self, name: str, text: str, *, peers: bool = True) -> Signed:
        digest = bytes.fromhex(content_hash(text))
        return Signed(name, sign(text), digest, self.minhash(words(text)) if peers else None)

    def minhash(self, text_words: Sequence[str]) -> MinHash:
        """As `MinHash.bulk` does it, which makes the permutations once."""
        minhash = self._empty.copy()
        minhash.update_batch([shingle.encode() for shingle in shingles(text_words)])
        return minhash


# Pairs


def candidates(one: Signed, other: Signed) -> bool:
    """Whether the index would have the two compared."""
    if one.signature is None or other.signature is None:
        return False
    return not set(one.signature.bands).isdisjoint(other.signature.bands)


def by_jaccard(one: Signed, other: Signed) -> bool:
    """Whether ours takes the two for similar, by the estimate alone."""
    if one.signature is None or other.signature is None or not candidates(one, other):
        return False
    return likeness(one.signature, other.signature).jaccard >= THRESHOLD


def by_verdict(one: Signed, other: Signed) -> bool:
    """Whether ours takes the one that comes later for a copy: what the ledger does, for a pair."""
    if one.digest == other.digest:
        return True
    if one.signature is None or other.signature is None or not candidates(one, other):
        return False
    return similarity(one.signature, other.signature, THRESHOLD) is not None


def by_hash(one: Signed, other: Signed) -> bool:
    return one.digest == other.digest


def by_datasketch(one: Signed, other: Signed) -> bool:
    """Whether MinHashLSH finds the one by the other, and their estimate confirms it."""
    return datasketch_candidates(one, other) and confirmed(one, other)


def datasketch_candidates(one: Signed, other: Signed) -> bool:
    index = lsh()
    index.insert(0, one.minhash)
    return bool(index.query(other.minhash))


def confirmed(one: Signed, other: Signed) -> bool:
    assert one.minhash is not None
    assert other.minhash is not None
    return float(one.minhash.jaccard(other.minhash)) >= THRESHOLD


def lsh() -> MinHashLSH:
    return MinHashLSH(threshold=THRESHOLD, num_perm=PERMUTATIONS)


# Collections: the pairs (first, second) of places that each calls similar

Pairs = set[tuple[int, int]]


def our_pairs(texts: Sequence[Signed]) -> Pairs:
    """By our bands, and confirmed by the estimate alone."""
    holders: dict[int, list[int]] = {}
    found = set()
    for second, one in enumerate(texts):
        if one.signature is None:
            continue
        firsts: set[int] = set()
        for band in one.signature.bands:
            known = holders.setdefault(band, [])
            firsts.update(known)
            known.append(second)
        found |= {(first, second) for first in firsts if by_jaccard(texts[first], one)}
    return found


def datasketch_pairs(texts: Sequence[Signed]) -> tuple[Pairs, Pairs]:
    """MinHashLSH's candidates, and those that the estimate confirms."""
    index = lsh()
    found = set()
    for second, one in enumerate(texts):
        found |= {(first, second) for first in index.query(one.minhash)}
        index.insert(second, one.minhash)
    return found, {pair for pair in found if confirmed(texts[pair[0]], texts[pair[1]])}


def hash_pairs(texts: Sequence[Signed]) -> Pairs:
    known: dict[bytes, list[int]] = {}
    found = set()
    for second, one in enumerate(texts):
        same = known.setdefault(one.digest, [])
        found |= {(first, second) for first in same}
        same.append(second)
    return found


# The ledger


def verdicts(*rounds: Sequence[Signed]) -> list[list[Verdict]]:
    """What a ledger on disk says of texts that come in this order, by round."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        ledger = SqliteLedger(root / "ledger.sqlite3", root)
        try:
            return [
                list(_asked(ledger, [text.candidate(f"{n}/{place}") for place, text in which]))
                for n, which in enumerate(map(enumerate, rounds))
            ]
        finally:
            ledger.close()


def _asked(ledger: SqliteLedger, asking: Sequence[Candidate]) -> Iterator[Verdict]:
    for batch in batches(asking):
        yield from ledger.verdicts(batch, now=NOW, ttl=TTL, near=NearRule(THRESHOLD))


def batches(asking: Sequence[Candidate]) -> Iterable[Sequence[Candidate]]:
    return (asking[start : start + BATCH] for start in range(0, len(asking), BATCH))

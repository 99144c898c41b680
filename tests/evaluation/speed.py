"""Articles a second on one core: ours with its index on disk, and datasketch's MinHashLSH."""

from __future__ import annotations

import hashlib
import multiprocessing
import random
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from datasketch import MinHash

from pipeline.ledger import Candidate, NearRule
from pipeline.ledger.sqlite import SqliteLedger
from pipeline.similarity.signature import Signature, sign
from pipeline.transforms.identity import content_hash
from tests.evaluation import arms, truth
from tests.evaluation.figures import Bars, table
from tests.evaluation.sentences import joined, paragraphs
from tests.evaluation.texts import Text

WORDS = 500
ARTICLES = 5_000
MARKS = ("id", "url")

LEAST_RATIO = 10
LEAST_RATE = 3_000


OURS = "ours, signature and verdicts"
PEER = "datasketch, MinHash and LSH"
LOOPED = "the same, MinHash.update for each shingle"
LEGACY = "the same, scheme of datasketch 1"


@dataclass(frozen=True, slots=True)
class Taken:
    """What was done with so many articles, and the seconds of processor time it took."""

    what: str
    articles: int
    seconds: float

    @property
    def each(self) -> float:
        return self.seconds / self.articles


def recombined(texts: Sequence[Text], rng: random.Random, count: int) -> list[str]:
    """Up to `count` texts of `WORDS` words, of real paragraphs, each of which is used once.

    So new words come up as often as they do in a stream.
    """
    parts = [
        " ".join(part)
        for text in texts
        for part in paragraphs(text.text)
        if len(" ".join(part).split()) >= 20
    ]
    parts = list(dict.fromkeys(parts))
    rng.shuffle(parts)
    rest = iter(parts)
    made: list[str] = []
    while len(made) < count:
        chosen, length = [], 0
        for part in rest:
            words = part.split()[: WORDS - length]
            chosen.append([" ".join(words)])
            length += len(words)
            if length == WORDS:
                break
        if length < WORDS:
            break
        made.append(joined(chosen))
    return made


def measure(texts: Sequence[str]) -> list[Taken]:
    """Measures in a process of its own, which has seen no word before."""
    # Not forked: that would hand on what this process knows.
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure, (list(texts),))


def _measure(texts: list[str]) -> list[Taken]:
    many = len(texts)
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        signatures = [sign(text) for text in texts]
        signed = time.process_time() - began
        exact = _asked(Path(folder) / "exact", _candidates(texts, [None] * many), None)
        near = NearRule(arms.THRESHOLD)
        verdicts = _asked(Path(folder) / "near", _candidates(texts, signatures), near)
    minhash, lsh = _datasketch(texts, MinHash(num_perm=arms.PERMUTATIONS))
    some = texts[: len(texts) // 10]
    looped = sum(_datasketch(some, MinHash(num_perm=arms.PERMUTATIONS), looped=True))
    legacy = sum(_datasketch(some, MinHash(num_perm=arms.PERMUTATIONS, scheme="legacy")))
    return [
        Taken("ours, signature alone", many, signed),
        Taken("ours, verdicts alone", many, verdicts),
        Taken("ours, verdicts on exact copies alone", many, exact),
        Taken(OURS, many, signed + verdicts),
        Taken("datasketch, MinHash alone (update_batch)", many, minhash),
        Taken("datasketch, LSH alone, in memory", many, lsh),
        Taken(PEER, many, minhash + lsh),
        Taken(LOOPED, len(some), looped),
        Taken(LEGACY, len(some), legacy),
    ]


def _datasketch(
    texts: Sequence[str], empty: MinHash, *, looped: bool = False
) -> tuple[float, float]:
    """Seconds for MinHash and for LSH.

    Args:
        empty: copied, as `MinHash.bulk` does, which makes the permutations once.
        looped: as datasketch's documentation has it, a call for each shingle.
    """
    began = time.process_time()
    minhashes = []
    for text in texts:
        minhash = empty.copy()
        shingles = [shingle.encode() for shingle in truth.shingles(plain_words(text))]
        if looped:
            for shingle in shingles:
                minhash.update(shingle)
        else:
            minhash.update_batch(shingles)
        minhashes.append(minhash)
    hashed = time.process_time()
    index = arms.lsh()
    for number, one in enumerate(minhashes):
        index.query(one)
        index.insert(number, one)
    return hashed - began, time.process_time() - hashed


def plain_words(text: str) -> list[str]:
    """The cheapest words there are, so that datasketch is measured and not our normalising."""
    return text.lower().split()


def _candidates(texts: Sequence[str], signatures: Sequence[Signature | None]) -> list[Candidate]:
    """As a stream's articles have them: an id, a URL and a content of their own."""
    return [
        Candidate(
            f"{number}@2026-01-01T00:00:00Z",
            f"{number}",
            f"urn:article:{number}",
            (
                *((kind, hashlib.sha256(f"{kind}{number}".encode()).digest()) for kind in MARKS),
                ("content", bytes.fromhex(content_hash(text))),
            ),
            signature,
        )
        for number, (text, signature) in enumerate(zip(texts, signatures, strict=True))
    ]


def _asked(folder: Path, candidates: Sequence[Candidate], near: NearRule | None) -> float:
    folder.mkdir()
    ledger = SqliteLedger(folder / "ledger.sqlite3", folder)
    try:
        began = time.process_time()
        for batch in arms.batches(candidates):
            ledger.verdicts(batch, now=arms.NOW, ttl=arms.TTL, near=near)
        return time.process_time() - began
    finally:
        ledger.close()


def report(taken: Sequence[Taken], bars: Bars) -> Iterator[str]:
    """Yields the lines on speed."""
    each = {one.what: one.each for one in taken}
    rate, ratio = 1 / each[OURS], each[PEER] / each[OURS]
    yield (
        f"{taken[0].articles} articles of {WORDS} words, one after the other, processor time of "
        "one core. Ours with the whole ledger on disk: the index of near-duplicates, the marks of "
        "exact copies, and verdicts."
    )
    yield ""
    yield from table(
        ("", "articles/s", "ms an article"),
        [[one.what, f"{1 / one.each:,.0f}", f"{one.each * 1e3:.3f}"] for one in taken],
    )
    yield f"Ours: {bars.least('articles/s of 500 words, one core', LEAST_RATE, rate)}."
    times = f"{ratio:.1f} times"
    said = bars.least("times datasketch's articles/s", LEAST_RATIO, ratio, times)
    yield (
        f"Ratio: {times}, {said}. With MinHash.update for each shingle, as datasketch's "
        f"documentation has it, {each[LOOPED] / each[OURS]:.1f} times; with the scheme of its "
        f"version 1, {each[LEGACY] / each[OURS]:.1f} times."
    )
    yield ""

"""A stream of a million articles through the ledger, with near-duplicates: it levels off.

The first part has a TTL that covers a fifth of the stream, so that from then on as many articles
are forgotten as come. The second has none, and compares the look-up at 10,000 known articles with
the look-up at the end.

Texts are short and drawn by lot, for they are not what is measured; their signatures are made as
ever in the first part, and drawn by lot themselves in the second. What the ledger keeps of a
message for good (ARCHITECTURE.md, decision 2) grows with the stream, so the tables that
near-duplicates and marks have are told apart from it.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import hashlib
import itertools
import os
import random
import sqlite3
import statistics
import string
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.ledger import Candidate, NearRule
from pipeline.ledger.database import Database
from pipeline.ledger.neighbours import Search
from pipeline.ledger.sqlite import SqliteLedger
from pipeline.ledger.sqlite_neighbours import SqliteIndex
from pipeline.similarity.signature import Signature, sign

TIMES = 50
"""Articles for each message of the other benchmarks: a million at the default."""

LOOKS = 10
COVERED = 0.2
BATCH = 500
WORDS = 100
VOCABULARY = 50_000
NAMES = 0.1
COPIES = 0.05
CHANGED_WORDS = 2
"""Of a copy: 2 of 100 words take along 6 of 98 shingles, which leaves a similarity of 0.88."""

RECENT = 5_000
"""The articles of which copies are made."""

RULE = NearRule(0.8)
FEW = 10_000
MOST_SECONDS = 0.050
MOST_RATIO = 2.0
LOOKUPS = 20
"""Batches that are looked up to measure it alone; each on a connection of its own first, so that
no page is in memory but what the system keeps."""

START = dt.datetime(2026, 1, 1, tzinfo=dt.timezone.utc)
SECOND = dt.timedelta(seconds=1)
FOREVER = dt.timedelta(days=3650)
SHORT_LIVED = ("bands", "signatures", "marks", "marks_by_age")
"""Tables of what is forgotten."""


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen after so many articles, of the calls since the look before.

    Args:
        rate: articles/s, with making and signing them.
        index: MB in the tables of what is forgotten; None where SQLite cannot tell.
        calls: seconds of each call.
    """

    articles: int
    rate: float
    resident: float
    ledger: float
    index: float | None
    calls: Sequence[float]


def main(messages: int) -> None:
    articles = max(TIMES * messages, 2 * LOOKS * BATCH)
    # In processes of their own, without what the other benchmarks import and hold.
    for part in ("with_ttl", "without_ttl"):
        call = f"from tests.benchmarks.near import {part}; {part}({articles})"
        subprocess.run([sys.executable, "-c", call], check=True)


def with_ttl(articles: int) -> None:
    """Streams so many through and prints the table and the chart."""
    ttl = COVERED * articles * SECOND
    print(f"\nnear: {articles:,} articles of {WORDS} words, a TTL of {COVERED * articles:,.0f}")
    print(
        f"{'articles':>10}{'articles/s':>12}{'RSS MB':>9}{'ledger MB':>11}{'index MB':>10}"
        f"{'ms a look-up':>14}{'slowest':>9}{'slowest call, ms':>18}"
    )
    looks = []
    with tempfile.TemporaryDirectory() as folder:
        for look in _streamed(Path(folder), written(0), articles, articles // LOOKS, ttl):
            each = [call / BATCH * 1e3 for call in look.calls]
            index = "–" if look.index is None else f"{look.index:.0f}"
            print(
                f"{look.articles:10,}{look.rate:12.0f}{look.resident:9.1f}{look.ledger:11.0f}"
                f"{index:>10}{statistics.median(each):14.3f}{max(each):9.3f}"
                f"{max(look.calls) * 1e3:18.0f}",
                flush=True,
            )
            looks.append(look)
    slowest = max(max(look.calls) for look in looks) / BATCH
    said = "reached" if slowest <= MOST_SECONDS else "not reached"
    print(
        f"a look-up is its part of a call for {BATCH}; the slowest took {slowest * 1e3:.2f} ms, "
        f"at most {MOST_SECONDS * 1e3:.0f}: {said}\n"
    )
    for line in chart(looks):
        print(line)


def without_ttl(articles: int) -> None:
    """Compares look-ups while the index is small with those at the end, and prints the table."""
    print(f"\nnear: {articles:,} articles that are never forgotten")
    print(f"{'known':>10}{'ledger MB':>11}{'ms a look-up alone':>20}{'ms with all of a call':>23}")
    few = min(FEW, articles // LOOKS)
    measured = {}
    with tempfile.TemporaryDirectory() as folder:
        for look in _streamed(Path(folder), invented(0), articles, few, FOREVER):
            if look.articles not in (few, articles // few * few):
                continue
            alone = statistics.median(_looked_up(Path(folder), look.articles)) / BATCH
            measured[look.articles] = alone
            call = statistics.median(look.calls) / BATCH
            print(
                f"{look.articles:10,}{look.ledger:11.0f}{alone * 1e3:20.3f}{call * 1e3:23.3f}",
                flush=True,
            )
    ratio = measured[max(measured)] / measured[min(measured)]
    said = "reached" if ratio <= MOST_RATIO else "not reached"
    print(f"ratio of look-ups alone: {ratio:.2f}, at most {MOST_RATIO:g}: {said}")


def _streamed(
    folder: Path,
    stream: Iterator[list[Candidate]],
    articles: int,
    every: int,
    ttl: dt.timedelta,
) -> Iterator[Look]:
    """Streams through a new ledger, a second after a second, and looks after each `every`."""
    path = folder / "ledger.sqlite3"
    ledger = SqliteLedger(path, folder)
    calls: list[float] = []
    done, began = 0, time.perf_counter()
    try:
        while done + BATCH <= articles:
            batch = next(stream)
            started = time.perf_counter()
            ledger.verdicts(batch, now=START + done * SECOND, ttl=ttl, near=RULE)
            calls.append(time.perf_counter() - started)
            done += BATCH
            if done % every < BATCH:
                rate = len(calls) * BATCH / (time.perf_counter() - began)
                held = _resident()
                yield Look(done, rate, held, _megabytes(folder), _index_megabytes(path), calls)
                calls, began = [], time.perf_counter()
    finally:
        ledger.close()


def _looked_up(folder: Path, known: int) -> Iterator[float]:
    """Seconds that look-ups for a batch take, nothing else: index, signatures, comparing."""
    batches = list(itertools.islice(written(known), LOOKUPS))
    database = Database(folder / "ledger.sqlite3", "", read_only=True)
    try:
        for batch in batches:
            with database.reading():
                started = time.perf_counter()
                search = Search(SqliteIndex(database, 0), batch, RULE)
                for one in batch:
                    search.canonical(one)
                yield time.perf_counter() - started
    finally:
        database.close()


# The stream


def written(seed: int) -> Iterator[list[Candidate]]:
    """Batches without end of articles whose texts are signed; some are near copies of the last."""
    rng = np.random.default_rng(seed)
    words = _vocabulary(random.Random(0))
    weights = np.cumsum(1 / np.arange(1, VOCABULARY + 1))
    weights /= weights[-1]
    recent: deque[list[str]] = deque(maxlen=RECENT)
    for start in itertools.count(step=BATCH):
        drawn = np.searchsorted(weights, rng.random((BATCH, WORDS))).tolist()
        batch = []
        for number, places in enumerate(drawn, start):
            text = [words[place] for place in places]
            if recent and rng.random() < COPIES:
                changed = text[:CHANGED_WORDS]
                text = list(recent[rng.integers(len(recent))])
                for place, word in zip(
                    rng.integers(WORDS, size=CHANGED_WORDS), changed, strict=True
                ):
                    text[place] = word.lower()
            else:
                recent.append(text)
            batch.append(_candidate(f"{seed}-{number}", sign(" ".join(text))))
        yield batch


def invented(seed: int) -> Iterator[list[Candidate]]:
    """The same with signatures drawn by lot, of the size of the others: where only size counts."""
    rng = np.random.default_rng(seed)
    (first, *_), *_ = itertools.islice(written(seed), 1)
    model = first.signature
    assert model is not None
    for start in itertools.count(step=BATCH):
        bands = rng.integers(-(2**63), 2**63, (BATCH, len(model.bands))).tolist()
        sketches = np.sort(rng.integers(2**24, size=(BATCH, len(model.sketch))).astype(np.uint32))
        yield [
            _candidate(
                f"{seed}-{number}",
                dataclasses.replace(model, bands=tuple(bands[place]), sketch=sketches[place]),
            )
            for place, number in enumerate(range(start, start + BATCH))
        ]


def _candidate(name: str, signature: Signature | None) -> Candidate:
    """An article with the marks of any, which are all its own."""
    marks = tuple(
        (kind, hashlib.sha256(f"{kind}{name}".encode()).digest())
        for kind in ("id", "url", "content")
    )
    key = f"{name}@2026-01-01T00:00:00Z"
    return Candidate(key, name, f"urn:article:{name}", marks, signature)


def _vocabulary(rng: random.Random) -> list[str]:
    words: dict[str, None] = {}
    while len(words) < VOCABULARY:
        word = "".join(rng.choices(string.ascii_lowercase, k=rng.randint(2, 10)))
        words[word.capitalize() if rng.random() < NAMES else word] = None
    return list(words)


# Sizes


def _resident() -> float:
    """Megabytes that this process has.

    Not by `memory.resident`: who imports that has Beam in memory as well.
    """
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _megabytes(folder: Path) -> float:
    """The database with what stands beside it."""
    return sum(file.stat().st_size for file in folder.glob("ledger.sqlite3*")) / 1e6


def _index_megabytes(path: Path) -> float | None:
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as database:
        try:
            rows = database.execute(
                "SELECT name, sum(pgsize) FROM dbstat WHERE aggregate = TRUE GROUP BY name"
            ).fetchall()
        except sqlite3.OperationalError as error:
            # A part of SQLite that not every build has.
            if "dbstat" not in str(error):
                raise
            return None
    return float(sum(size for name, size in rows if name in SHORT_LIVED)) / 1e6


def chart(looks: Sequence[Look]) -> Iterator[str]:
    """The lines of a chart for the README: memory, and the tables of what is forgotten."""
    sizes = [look.ledger if look.index is None else look.index for look in looks]
    held = [look.resident for look in looks]
    most = 100 * (int(max(*sizes, *held) / 100) + 1)
    thousands = ", ".join(f"{look.articles / 1_000:g}" for look in looks)
    yield "```mermaid"
    yield "xychart-beta"
    yield '    title "MB by thousands of articles: index on disk (upper), memory (lower)"'
    yield f"    x-axis [{thousands}]"
    yield f'    y-axis "MB" 0 --> {most}'
    for line in (sizes, held):
        yield f"    line [{', '.join(f'{value:.0f}' for value in line)}]"
    yield "```"

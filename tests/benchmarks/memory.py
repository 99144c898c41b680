"""Short articles without end through one worker: what it holds, and the process that sends them.

All are different, and a third of their words are in no dictionary: spaCy keeps each word that it
meets, unless it is told when to forget.
"""

from __future__ import annotations

import contextlib
import os
import random
import string
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from pipeline.transforms.model_handler import BATCH_ARTICLES
from pipeline.transforms.model_workers import ModelWorkers
from pipeline.transforms.spacy_model import Reading, check_model
from tests.benchmarks.streaming import plain_text

# Ten times what the other benchmarks have of messages.
TIMES = 10
WORDS = 50
INVENTED = 1 / 3
FIRST_LOOK = 0.1
LOOKS = 10


def main(messages: int) -> None:
    # Workers import what the program is that starts them: `python -c` is none.
    call = f"from tests.benchmarks.memory import read; read({max(TIMES * messages, LOOKS)})"
    subprocess.run([sys.executable, "-c", call], check=True)


def read(articles: int) -> None:
    """Reads so many and prints the table."""
    rng = random.Random(0)
    known = [word for one in plain_text(200) for word in one.data.decode().split()]
    pool = ModelWorkers(check_model().location, 1)
    print(f"\nmemory: {articles} articles of {WORDS} words through one worker")
    print(f"{'articles':>12}{'articles/s':>12}{'worker MB':>12}{'sender MB':>12}{'ratio':>8}")
    try:
        first, done, began = 0.0, 0, time.perf_counter()
        for look in range(1, LOOKS + 1):
            while done < look * articles * FIRST_LOOK:
                batch = [article(rng, known) for _ in range(BATCH_ARTICLES)]
                for outcome in pool.find([(None, text) for text in batch], Reading()):
                    assert isinstance(outcome, list), outcome
                done += len(batch)
            (worker,) = pool.pids
            held = resident(worker)
            first = first or held
            rate = done / (time.perf_counter() - began)
            print(
                f"{done:12}{rate:12.0f}{held:12.1f}{resident(os.getpid()):12.1f}"
                f"{held / first:8.2f}",
                flush=True,
            )
    finally:
        pool.close()


def article(rng: random.Random, known: list[str]) -> str:
    """A text of `WORDS` words, some of `known` and some that nobody has seen before."""
    words = [_invented(rng) if rng.random() < INVENTED else rng.choice(known) for _ in range(WORDS)]
    return " ".join(words) + "."


def _invented(rng: random.Random) -> str:
    letters = "".join(rng.choices(string.ascii_lowercase, k=rng.randint(3, 12)))
    return letters.capitalize() if rng.random() < INVENTED else letters


def resident(pid: int) -> float:
    """The memory that a process has, in megabytes."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def proportional(pid: int) -> float:
    """The memory that a process and all below it have, in megabytes; what several share once."""
    kilobytes = 0
    for one in _tree(pid):
        # One may end meanwhile.
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            text = Path(f"/proc/{one}/smaps_rollup").read_text()
            kilobytes += int(text.split("\nPss:")[1].split()[0])
    return kilobytes * 1024 / 1e6


def _tree(pid: int) -> Iterator[int]:
    yield pid
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield from _tree(int(child))

"""A backfill of JSON Lines: its memory, and its speed beside a bare loop and a stock pipeline.

The bare loop reads the same file and calls `nlp.pipe` with the same model, in as many processes as
cores. The stock pipeline is what one writes with Beam alone: ReadFromText, `nlp(text)` for each
element, WriteToAvro, on Beam's local runner as it is.

The memory is that of all processes of a backfill together, each page once (proportional set size).
"""

from __future__ import annotations

import gc
import gzip
import itertools
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pipeline.samples.stories import story
from pipeline.transforms.model_handler import BATCH_ARTICLES
from pipeline.transforms.spacy_model import load_model
from tests.benchmarks.memory import proportional
from tests.benchmarks.side_by_side import Barrier, timed

ROUNDS = 3
# Articles by message asked for: memory is about many.
MANY, SOME, FEW = 5, 1 / 2, 1 / 20
# At the very end there may be no process left to look at.
LOOKS = [*(tenth / 10 for tenth in range(1, 10)), 0.99]
LOOK_SECONDS = 0.1


def main(messages: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _memory(Path(folder), MANY * messages)
        _speed(Path(folder), max(1, int(SOME * messages)), max(1, int(FEW * messages)))


def _memory(folder: Path, articles: int) -> None:
    cores = len(os.sched_getaffinity(0))
    file = made(folder / "many.jsonl.gz", articles)
    size = file.stat().st_size / 1e6
    print(f"\nbackfill: {articles} articles in one .jsonl.gz of {size:.0f} MB, default options")
    print(f"{'articles':>12}{'articles/s':>12}{'MB':>9}{'ratio':>8}", flush=True)
    whole = float(_called(f"remember({str(file)!r}, {articles})")[-1])
    loop = float(_called(f"bare({str(file)!r}, {cores})")[-1])
    print(f"{'':42}{'seconds':>24}{'articles/s':>12}")
    _row("bare nlp.pipe over the lines", [loop], articles)
    _row("backfill, default options", [whole], articles)
    print(f"{'ratio to the bare loop':66}{loop / whole:12.2f}", flush=True)


def _speed(folder: Path, articles: int, few: int) -> None:
    cores = len(os.sched_getaffinity(0))
    file = made(folder / "some.jsonl.gz", articles)
    short = made(folder / "few.jsonl.gz", few)
    print(f"\nbackfill: {articles} articles with entities, {cores} cores, {ROUNDS} rounds in turns")
    print(f"{'':42}{'seconds':>24}{'articles/s':>12}")
    loop, whole, stocks = [], [], []
    for _ in range(ROUNDS):
        loop.append(float(_called(f"bare({str(file)!r}, {cores})")[-1]))
        whole.append(float(_called(f"backfill({str(file)!r})")[-1]))
        stocks.append(float(_called(f"stock({str(short)!r})")[-1]))
    _row("bare nlp.pipe over the lines", loop, articles)
    _row("backfill, default options", whole, articles)
    _row(f"stock Beam pipeline ({few} articles)", stocks, few)
    ratios = [one / other for one, other in zip(loop, whole, strict=True)]
    print(
        f"{'ratio to the bare loop':42}{' '.join(f'{one:.2f}' for one in ratios):>24}"
        f"{statistics.median(loop) / statistics.median(whole):12.2f}"
    )
    rate = (few / statistics.median(stocks)) / (articles / statistics.median(whole))
    print(f"{'ratio to the stock pipeline':66}{1 / rate:12.2f}", flush=True)


def _row(what: str, seconds: list[float], articles: int) -> None:
    each = " ".join(f"{one:.1f}" for one in seconds)
    print(f"{what:42}{each:>24}{articles / statistics.median(seconds):12.0f}", flush=True)


def made(path: Path, articles: int) -> Path:
    """A file of so many different articles."""
    rng = random.Random(0)
    with gzip.open(path, "wt", compresslevel=1, encoding="utf-8") as file:
        for number in range(articles):
            one = story(rng, f"{number:06d}", "en")
            line = {"title": one.title, "body": "\n\n".join(one.paragraphs), "url": one.url}
            file.write(json.dumps(line) + "\n")
    return path


def _called(call: str) -> list[str]:
    """What a function of this module prints, called in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", f"from tests.benchmarks.backfill import *; {call}"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    *shown, last = done.stdout.splitlines()
    for line in shown:
        print(line, flush=True)
    return [last]


def launched(file: str, **options: Any) -> Any:
    """`backfill` into a new folder, and its summary."""
    from pipeline import logs
    from pipeline.backfill import launch

    logs.configure()
    with tempfile.TemporaryDirectory() as folder:
        output = str(Path(folder) / "output")
        return launch({"input": [file], "output": output, "no_progress": True, **options})


def backfill(file: str) -> None:
    """Prints the seconds of a backfill with default options, from first line to last record."""
    summary = launched(file)
    assert summary.adds_up
    print(summary.seconds)


def remember(file: str, articles: int) -> None:
    """As `backfill`; and before, what all its processes held each time that a tenth was done."""
    from pipeline import backfill as module
    from pipeline.watch.summary import Summary

    held: list[tuple[int, float, float]] = []
    done, ended, began = [0], threading.Event(), time.monotonic()

    def report(summary: Summary) -> None:
        done[0] = summary.received

    def look() -> None:
        while not ended.wait(LOOK_SECONDS):
            if len(held) < len(LOOKS) and done[0] >= LOOKS[len(held)] * articles:
                held.append((done[0], time.monotonic() - began, proportional(os.getpid())))

    thread = threading.Thread(target=look)
    thread.start()
    with tempfile.TemporaryDirectory() as folder:
        options = {"input": [file], "output": folder, "no_progress": True}
        summary = module.launch(options, report=report)
    ended.set()
    thread.join()
    assert summary.articles == articles, summary
    for number, seconds, memory in held:
        print(f"{number:12}{number / seconds:12.0f}{memory:9.0f}{memory / held[0][2]:8.2f}")
    print(summary.seconds)


def bare(file: str, processes: int) -> None:
    """`nlp.pipe` over every n-th line, each process with the model loaded before the clock."""
    timed(_loop, processes, file)


def _loop(place: int, processes: int, barrier: Barrier, file: str) -> None:
    nlp = load_model()._nlp
    list(nlp.pipe(itertools.islice(_texts(file, 0, 1), 10)))
    # Else the loop looks at the model each time it looks for garbage; the pipeline does not.
    gc.collect()
    gc.freeze()
    barrier.wait()
    for doc in nlp.pipe(_texts(file, place, processes), batch_size=BATCH_ARTICLES):
        _ = doc.ents
    barrier.wait()


def _texts(file: str, place: int, processes: int) -> Iterator[str]:
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for number, line in enumerate(lines):
            if number % processes == place:
                article = json.loads(line)
                yield from (article["title"], article["body"])


def stock(file: str) -> None:
    """Prints the seconds of the stock pipeline, the model loaded before the clock."""
    import apache_beam as beam
    from apache_beam.runners.portability.fn_api_runner import FnApiRunner

    nlp = load_model()._nlp

    def read(line: str) -> dict[str, Any]:
        article = json.loads(line)
        names = [ent.text for key in ("title", "body") for ent in nlp(article[key]).ents]
        return {**article, "entities": names}

    fields = [{"name": name, "type": "string"} for name in ("title", "body", "url")]
    names = {"name": "entities", "type": {"type": "array", "items": "string"}}
    schema = {"name": "Article", "type": "record", "fields": [*fields, names]}
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        with beam.Pipeline(runner=FnApiRunner()) as pipeline:
            _ = (
                pipeline
                | beam.io.ReadFromText(file)
                | beam.Map(read)
                | beam.io.WriteToAvro(str(Path(folder) / "articles"), schema)
            )
        print(time.perf_counter() - began)

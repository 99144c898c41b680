"""The whole pipeline with entities, beside a bare loop of `nlp.pipe` over the same texts.

Both use all cores, each in processes of its own, in turns: the other load of a machine then falls
on both. Then where the time of one pipeline goes.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import functools
import gc
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from pipeline.records import Message
from pipeline.sender import Sending, publish
from pipeline.transforms.decode import decode
from pipeline.transforms.limits import Limits
from pipeline.transforms.model_handler import BATCH_ARTICLES
from pipeline.transforms.spacy_model import load_model
from tests.benchmarks.side_by_side import Barrier, timed
from tests.benchmarks.streaming import SUBSCRIPTION, TOPIC, broker_process, plain_text

ROUNDS = 3
# A message with entities takes so many times what one without does.
COST = 2
# spaCy's own default, and what the pipeline gives it; the ratio is to the faster of the two.
BATCHES = (1_000, BATCH_ARTICLES)

T = TypeVar("T")


def main(messages: int) -> None:
    articles = max(messages // COST, 1)
    cores = len(os.sched_getaffinity(0))
    print(f"\nentities: {articles} articles, {cores} cores, {ROUNDS} rounds in turns")
    print(f"{'':42}{'seconds':>24}{'articles/s':>12}")
    loops: dict[int, list[float]] = {batch: [] for batch in BATCHES}
    whole: list[float] = []
    with broker_process() as address:
        os.environ["PUBSUB_EMULATOR_HOST"] = address
        for number in range(ROUNDS):
            for batch, seconds in loops.items():
                seconds.append(_timed(f"bare({articles}, {batch}, {cores})"))
            whole.append(
                _timed(f"pipeline({_published(f'round{number}', articles)!r}, {articles})")
            )
        for batch, seconds in loops.items():
            _row(f"bare nlp.pipe, batches of {batch} texts", seconds, articles)
        _row("whole pipeline, default options", whole, articles)
        best = min(loops.values(), key=statistics.median)
        ratios = [one / other for one, other in zip(best, whole, strict=True)]
        print(
            f"{'ratio to the faster loop':42}"
            f"{' '.join(f'{ratio:.2f}' for ratio in ratios):>24}"
            f"{statistics.median(best) / statistics.median(whole):12.2f}",
            flush=True,
        )
        _timed(f"parts({_published('parts', articles)!r}, {articles})", shown=True)


def _published(name: str, articles: int) -> str:
    """The subscription of which `articles` messages wait."""
    topic, subscription = f"{TOPIC}-{name}", SUBSCRIPTION.format(name)
    publish(topic, [], sending=Sending(create=True, subscription=subscription))
    publish(topic, plain_text(articles))
    return subscription


def _row(what: str, seconds: list[float], articles: int) -> None:
    each = " ".join(f"{one:.1f}" for one in seconds)
    print(f"{what:42}{each:>24}{articles / statistics.median(seconds):12.0f}", flush=True)


def _timed(call: str, *, shown: bool = False) -> float:
    """What a function of this module prints last, called in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-c", f"from tests.benchmarks.entities import *; {call}"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    if shown:
        print(done.stdout, end="", flush=True)
        return 0.0
    return float(done.stdout.splitlines()[-1])


def bare(articles: int, batch: int, processes: int) -> None:
    """`nlp.pipe` with the shipped model, each process over its share, loaded before the clock."""
    timed(_loop, processes, articles, batch)


def _loop(place: int, processes: int, barrier: Barrier, articles: int, batch: int) -> None:
    mine = texts(articles)[place::processes]
    nlp = load_model()._nlp
    for _ in nlp.pipe(mine[:10]):
        pass
    gc.collect()
    gc.freeze()
    barrier.wait()
    for doc in nlp.pipe(mine, batch_size=batch):
        _ = doc.ents
    barrier.wait()


def texts(articles: int) -> list[str]:
    """Titles and bodies as the pipeline reads them."""
    now = dt.datetime.now(dt.timezone.utc)
    read = []
    for number, sample in enumerate(plain_text(articles)):
        message = Message(sample.data, str(number), attributes=dict(sample.attributes))
        article = decode(message, Limits(), run_id="", now=now)
        read += [text for text in (article.title, article.body) if text]
    return read


def pipeline(subscription: str, articles: int, **options: Any) -> float:
    """`run` with default options, from first pull to last acknowledgement."""
    from pipeline import logs
    from pipeline.launch import launch

    logs.configure()
    with tempfile.TemporaryDirectory() as folder:
        summary = launch(
            {
                "subscription": subscription,
                "output": str(Path(folder) / "output"),
                "max_messages": articles,
                "no_progress": True,
                **options,
            }
        )
    assert summary.settled == articles, summary
    assert summary.seconds is not None
    print(summary.seconds, flush=True)
    return summary.seconds


class Parts:
    """Seconds by part, each without the parts that are called inside it."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        self._inside = [0.0]

    @contextlib.contextmanager
    def of(self, part: str) -> Iterator[None]:
        began = time.perf_counter()
        self._inside.append(0.0)
        try:
            yield
        finally:
            took = time.perf_counter() - began
            self.seconds[part] += took - self._inside.pop()
            self._inside[-1] += took

    def watch(self, owner: Any, name: str, part: str) -> None:
        """Counts every call of `owner.name` for `part`."""
        setattr(owner, name, self._watched(getattr(owner, name), part))

    def _watched(self, call: Callable[..., T], part: str) -> Callable[..., T]:
        @functools.wraps(call)
        def watched(*args: Any, **kwargs: Any) -> T:
            with self.of(part):
                return call(*args, **kwargs)

        return watched


def parts(subscription: str, articles: int) -> None:
    """Prints where the time of one pipeline with one worker goes.

    All that is watched is called by the runner's thread alone, one after the other.
    """
    from pipeline.ledger.sqlite import SqliteLedger
    from pipeline.sinks import avro
    from pipeline.sources.puller import Puller
    from pipeline.transforms import decode as decoding
    from pipeline.transforms import entities, tag
    from pipeline.transforms.model_handler import SpacyModelHandler

    found = Parts()
    for owner, name, part in (
        (decoding, "decode", "decode"),
        (SqliteLedger, "verdicts", "ledger"),
        (SqliteLedger, "begin", "ledger"),
        (SqliteLedger, "commit", "ledger"),
        (SpacyModelHandler, "run_inference", "entities"),
        (entities, "with_entities", "link"),
        (tag, "tag", "tags"),
        (avro, "encode", "sink"),
        (avro, "write_file", "sink"),
        (Puller, "wait", "waiting for messages"),
    ):
        found.watch(owner, name, part)
    total = pipeline(subscription, articles, processes="1", entity_workers="1")
    found.seconds["runner, and the rest"] = total - sum(found.seconds.values())
    print(f"one pipeline with one worker, {articles / total:.0f} articles/s, by part:")
    for part, seconds in sorted(found.seconds.items(), key=lambda item: -item[1]):
        print(
            f"  {part:40}{seconds:9.2f} s{seconds / articles * 1e3:9.3f} ms{seconds / total:8.1%}"
        )

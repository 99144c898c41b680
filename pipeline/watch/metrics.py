"""Counting, in Beam metrics of one namespace, so that each runner reports them its own way."""

from __future__ import annotations

from apache_beam.metrics import Metrics

from pipeline.watch.counters import ARTICLES_DECODED as ARTICLES_DECODED
from pipeline.watch.counters import ARTICLES_WRITTEN as ARTICLES_WRITTEN
from pipeline.watch.counters import BATCH_SIZE as BATCH_SIZE
from pipeline.watch.counters import DEAD_LETTERS as DEAD_LETTERS
from pipeline.watch.counters import DUPLICATES as DUPLICATES
from pipeline.watch.counters import FILES_COMMITTED as FILES_COMMITTED
from pipeline.watch.counters import LATENCY as LATENCY
from pipeline.watch.counters import MESSAGE_BYTES as MESSAGE_BYTES
from pipeline.watch.counters import MESSAGES_RECEIVED as MESSAGES_RECEIVED
from pipeline.watch.counters import MESSAGES_REDELIVERED as MESSAGES_REDELIVERED
from pipeline.watch.counters import MESSAGES_SETTLED as MESSAGES_SETTLED
from pipeline.watch.counters import NAMESPACE as NAMESPACE
from pipeline.watch.counters import labelled as labelled


def count(name: str, n: int = 1, **labels: str) -> None:
    """Adds `n` to a counter. `labels` tell kinds apart: `count(DUPLICATES, kind="url")`."""
    Metrics.counter(NAMESPACE, labelled(name, **labels)).inc(n)


def observe(name: str, value: int) -> None:
    """Adds one value to a distribution."""
    Metrics.distribution(NAMESPACE, name).update(value)

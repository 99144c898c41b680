"""The demo: a broker, sample articles, a streaming run, and what came of it."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import uuid
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from pipeline.broker import Broker
from pipeline.launch import launch
from pipeline.samples import SampleMessage, generate, load
from pipeline.sender import Outgoing, Sending, publish
from pipeline.watch import inspect
from pipeline.watch.summary import Summary

EMULATOR = "PUBSUB_EMULATOR_HOST"
PROJECT = "demo-project"
SHOWN = 3
# Nothing more for so long would be a fault of the broker: the demo ends then, and says so.
IDLE_SECONDS = 60.0


def demo(output: str | None, articles: int | None, console: Console) -> Summary:
    """Publishes samples, streams them into `output`, and shows what was written.

    Args:
        output: the folder; by default a new one under ./output.
        articles: how many messages; by default the samples that ship with the package.

    Raises:
        Failed: the work could not be done.
    """
    output = output or f"output/demo-{dt.datetime.now():%Y%m%d-%H%M%S}"
    samples = load() if articles is None else list(generate(articles))
    with _broker(console):
        name = uuid.uuid4().hex[:8]
        topic = f"projects/{PROJECT}/topics/articles-{name}"
        subscription = f"projects/{PROJECT}/subscriptions/articles-{name}"
        _publish(topic, subscription, samples)
        console.print(f"published {len(samples)} messages to {topic}")
        summary = launch(
            {
                "subscription": subscription,
                "output": output,
                "max_messages": len(samples),
                "idle_timeout": IDLE_SECONDS,
            }
        )
    tell(summary, Path(output), console)
    return summary


def _publish(topic: str, subscription: str, samples: list[SampleMessage]) -> None:
    messages = (
        Outgoing(sample.data, sample.attributes, f"sample {number}")
        for number, sample in enumerate(samples, 1)
    )
    publish(topic, messages, sending=Sending(create=True, subscription=subscription))


@contextlib.contextmanager
def _broker(console: Console) -> Iterator[None]:
    """The emulator that the environment names, or else the embedded broker."""
    if EMULATOR in os.environ:
        console.print(f"using the Pub/Sub emulator at {os.environ[EMULATOR]}")
        yield
        return
    with Broker() as broker:
        os.environ[EMULATOR] = broker.address
        console.print(f"embedded broker at {broker.address}")
        try:
            yield
        finally:
            del os.environ[EMULATOR]


def tell(summary: Summary, root: Path, console: Console) -> None:
    """Prints the sum, where the files lie, and three records to look at."""
    console.print()
    console.print(
        f"[bold]{summary.received} messages: {summary.articles} articles, "
        f"{summary.duplicates} duplicates, {summary.dead_letters} dead letters"
        f"{f', {summary.redelivered} redelivered' if summary.redelivered else ''}[/bold]"
    )
    inspect.overview(root, console)
    console.print()
    for path in sorted(root.glob("*/*/part-*.avro")):
        console.print(str(path), soft_wrap=True, highlight=False)
    # The model that ships reads English; what it makes of other languages is no example.
    inspect.show(root, "articles", SHOWN, console, language="en")
    console.print()
    console.print(f"more: python -m pipeline inspect {root}", soft_wrap=True, highlight=False)
    console.print(f"audit: python -m pipeline verify {root}", soft_wrap=True, highlight=False)

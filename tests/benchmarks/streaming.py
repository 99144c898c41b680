"""The whole pipeline without entities, beside Beam's own reader that only hands on.

Both run on Beam's local runner against the same broker process and the same messages, one after
the other, each in a process of its own: a ratio holds where a figure of a shared machine doesn't.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from pipeline.samples import generate
from pipeline.samples.forms import text_dated
from pipeline.samples.stories import story
from pipeline.sender import Outgoing, Sending, publish
from tests.brokers import EmulatorMissingError, google_emulator

TOPIC = "projects/bench-project/topics/bench"
SUBSCRIPTION = "projects/bench-project/subscriptions/{}"


def main(messages: int) -> None:
    brokers = {"embedded broker": broker_process, "Google's emulator": google_emulator}
    for name, broker in brokers.items():
        try:
            for form, samples in (("plain text, dated", plain_text), ("all forms", all_forms)):
                with broker() as address:
                    _compare(f"{name}, {form}", address, list(samples(messages)))
        except EmulatorMissingError as error:
            print(f"{name}: left out, {error}")


def plain_text(messages: int) -> Iterator[Outgoing]:
    """Articles in the form of ../shared/samples: plain text with the date in front."""
    rng = random.Random(0)
    for number in range(messages):
        form = text_dated(story(rng, f"{number:06d}", "en"), rng)
        yield Outgoing(form.data, form.attributes, f"{number}")


def all_forms(messages: int) -> Iterator[Outgoing]:
    """What `publish --generate` sends: JSON, text, HTML, compressed, duplicates, malformed."""
    for sample in generate(messages):
        yield Outgoing(sample.data, sample.attributes, sample.kind)


@contextmanager
def broker_process() -> Iterator[str]:
    """Yields host:port of `python -m pipeline broker` in a process of its own."""
    command = [sys.executable, "-m", "pipeline", "broker", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().rpartition("=")[2].strip()
        finally:
            process.terminate()


def _compare(name: str, address: str, samples: list[Outgoing]) -> None:
    os.environ["PUBSUB_EMULATOR_HOST"] = address
    messages = len(samples)
    for reader in ("stock", "ours"):
        subscription = SUBSCRIPTION.format(reader)
        publish(TOPIC, [], sending=Sending(create=True, subscription=subscription))
    publish(TOPIC, samples)
    size = sum(len(one.data) for one in samples) / messages
    print(f"\n{name}: {messages} messages of {size:.0f} bytes on average")
    print(f"{'':42}{'seconds':>9}{'messages/s':>12}{'ratio':>8}")
    stock = _timed("stock", messages)
    _row("stock ReadFromPubSub, handing on", messages, stock, stock)
    _row("whole pipeline, --no_entities", messages, _timed("ours", messages), stock)


def _row(what: str, messages: int, seconds: float, base: float) -> None:
    print(f"{what:42}{seconds:9.1f}{messages / seconds:12.0f}{base / seconds:8.2f}", flush=True)


def _timed(reader: str, messages: int) -> float:
    """Seconds that a reader took, without the start of its process."""
    call = f"{reader}({SUBSCRIPTION.format(reader)!r}, {messages})"
    done = subprocess.run(
        [sys.executable, "-c", f"from tests.benchmarks.readers import *; {call}"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    return float(done.stdout.splitlines()[-1])

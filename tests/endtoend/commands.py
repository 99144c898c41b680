"""Running the commands as a user does, and reading what they leave."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fastavro
from google.cloud import pubsub_v1

from pipeline.samples import SampleMessage
from pipeline.sender import Outgoing, Sending, publish

KINDS = ("articles", "duplicates", "dead_letters")
PROJECT = "projects/test-project"


@dataclass
class Queue:
    """A topic with one subscription on the broker at `address`."""

    address: str
    name: str = field(default_factory=lambda: f"t{uuid.uuid4().hex[:10]}")

    @property
    def topic(self) -> str:
        return f"{PROJECT}/topics/{self.name}"

    @property
    def subscription(self) -> str:
        return f"{PROJECT}/subscriptions/{self.name}"

    def create(self) -> Queue:
        """Makes both. The deadline is Pub/Sub's least: what a killed run had comes again soon."""
        self.publish([])
        with pubsub_v1.SubscriberClient() as subscriber:
            subscriber.create_subscription(
                name=self.subscription, topic=self.topic, ack_deadline_seconds=10
            )
        return self

    def publish(self, samples: Iterable[SampleMessage]) -> int:
        messages = (Outgoing(one.data, one.attributes, one.kind) for one in samples)
        return publish(self.topic, messages, sending=Sending(create=True))

    def environment(self, **more: str) -> dict[str, str]:
        return {**os.environ, "PUBSUB_EMULATOR_HOST": self.address, **more}

    def command(self, *arguments: str | Path) -> list[str]:
        return [sys.executable, "-m", "pipeline", *map(str, arguments)]

    def run(
        self,
        *arguments: str | Path,
        timeout: float = 240,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """A command to its end, with its output."""
        return subprocess.run(
            self.command(*arguments),
            env=self.environment(**(environment or {})),
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def start(
        self,
        *arguments: str | Path,
        log: Path,
        environment: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[str]:
        """A command that runs on, what it says going to the end of `log`."""
        with log.open("a") as file:
            return subprocess.Popen(
                self.command(*arguments),
                env=self.environment(**(environment or {})),
                stdout=file,
                stderr=subprocess.STDOUT,
                text=True,
            )


def records(output: Path, kind: str) -> list[dict[str, Any]]:
    """Every record of a kind, read with fastavro alone."""
    found: list[dict[str, Any]] = []
    for path in sorted((output / kind).glob("*/*.avro")):
        with path.open("rb") as file:
            found += fastavro.reader(file)  # type: ignore[arg-type]
    return found


def message_ids(output: Path) -> list[str]:
    """The message id of every record of every kind."""
    return [record["message_id"] for kind in KINDS for record in records(output, kind)]


def counts(output: Path) -> dict[str, int]:
    return {kind: len(records(output, kind)) for kind in KINDS}


def expected(samples: Iterable[SampleMessage]) -> dict[str, int]:
    """What the samples say they must become."""
    of = {"article": "articles", "duplicate": "duplicates", "dead_letter": "dead_letters"}
    sums = dict.fromkeys(KINDS, 0)
    for sample in samples:
        sums[of[sample.expected]] += 1
    return sums


def said(done: subprocess.CompletedProcess[str]) -> str:
    """The last line of a command that did its work."""
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]

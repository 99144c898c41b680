"""A sink ten times slower than the queue: memory stays bounded, and no lease runs out.

The whole `run` command on the embedded broker, with few messages queued and with ten times as many.
The sink is slowed down by a failpoint, to a tenth of the rate at which the same messages go
through without it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from pipeline import failpoints
from pipeline.broker import Broker
from pipeline.broker.state import Backlog
from pipeline.sender import Sending, publish
from tests.benchmarks.streaming import plain_text
from tests.endtoend.commands import Queue

SLOWER = 10
ROLL_RECORDS = 500
TIMES = 10


@dataclass(frozen=True)
class Taken:
    """What one run took: seconds of work, the most memory in MB, leases that ran out meanwhile."""

    seconds: float
    megabytes: float
    expired: int


def main(messages: int) -> None:
    fast = _run(messages, sleep=0.0)
    rate = messages / fast.seconds
    sleep = SLOWER * ROLL_RECORDS / rate - ROLL_RECORDS / rate
    print(f"\nsink slowed down from {rate:.0f} to about {rate / SLOWER:.0f} messages/s")
    print(
        f"{'messages queued':>16}{'messages/s':>12}{'most MB':>9}{'ratio':>7}{'expired leases':>16}"
    )
    first = None
    for queued in (messages, TIMES * messages):
        taken = _run(queued, sleep)
        first = first or taken.megabytes
        print(
            f"{queued:16}{queued / taken.seconds:12.0f}{taken.megabytes:9.0f}"
            f"{taken.megabytes / first:7.2f}{taken.expired:16}",
            flush=True,
        )


def _run(messages: int, sleep: float) -> Taken:
    expired = 0
    plain = Backlog.expire

    def counting(backlog: Backlog, now: float) -> int:
        nonlocal expired
        ended = plain(backlog, now)
        expired += ended
        return ended

    Backlog.expire = counting  # type: ignore[method-assign]
    try:
        with Broker() as broker, tempfile.TemporaryDirectory() as folder:
            os.environ["PUBSUB_EMULATOR_HOST"] = broker.address
            queue = Queue(broker.address).create()
            publish(queue.topic, plain_text(messages), sending=Sending())
            seconds, megabytes = _watched(queue, Path(folder), messages, sleep)
    finally:
        Backlog.expire = plain  # type: ignore[method-assign]
    return Taken(seconds, megabytes, expired)


def _watched(queue: Queue, folder: Path, messages: int, sleep: float) -> tuple[float, float]:
    """Seconds from the first file to the end of the run, and the most memory it had, in MB."""
    command = queue.command(
        *("run", "--subscription", queue.subscription, "--output", folder / "output"),
        *("--no_entities", "--processes", "1", "--roll_records", str(ROLL_RECORDS)),
        *("--max_messages", str(messages)),
    )
    environment = queue.environment()
    if sleep:
        environment[failpoints.VARIABLE] = f"before_write=sleep:{sleep:.3f}"
    began, most = None, 0.0
    with subprocess.Popen(command, env=environment, stdout=sys.stderr, stderr=sys.stderr) as run:
        while run.poll() is None:
            if began is None and list(folder.glob("output/*/*/*.avro")):
                began = time.monotonic()
            most = max(most, _megabytes(run.pid))
            time.sleep(0.2)
        if run.returncode != 0:
            raise RuntimeError(f"the run ended with {run.returncode}")
    return time.monotonic() - (began or 0.0), most


def _megabytes(pid: int) -> float:
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0.0
    rss = next((line for line in status.splitlines() if line.startswith("VmRSS")), "VmRSS: 0 kB")
    return int(rss.split()[1]) / 1_000

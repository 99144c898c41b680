"""Draining that cannot end is ended."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

from pipeline import failpoints
from pipeline.samples import generate
from tests.endtoend.commands import counts, expected, message_ids
from tests.faults.clocks import ClockedQueue
from tests.pids import alive, spawned
from tests.waiting import eventually

SAMPLES = list(generate(200, seed=52))


def test_a_drain_that_hangs(queue: ClockedQueue, tmp_path: Path) -> None:
    """The disk hangs: the run ends with exit 1 when --drain_timeout is over; nothing is lost."""
    queue.publish(SAMPLES)
    output, log = tmp_path / "output", tmp_path / "log"
    run = (
        *("run", "--subscription", queue.subscription, "--output", output, "--no_entities"),
        *("--processes", "2", "--roll_records", "20"),
    )
    stuck = {failpoints.VARIABLE: "before_write=sleep:3600"}
    process = queue.start(*run, "--drain_timeout", "1", log=log, environment=stuck)
    try:
        # Its folder is made just before a file is written.
        eventually(lambda: list(output.glob("*/ingest_date=*")), 120, log.read_text)
        workers = spawned(process.pid)
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 1, log.read_text()
    finally:
        process.kill()
    # Those that have yet to see that they are alone extend their leases.
    eventually(lambda: not any(map(alive, workers)), 120, log.read_text)
    assert "not drained within 1 s (--drain_timeout)" in log.read_text()
    queue.end_leases()
    done = queue.run(*run, "--idle_timeout", "3")
    assert done.returncode == 0, done.stderr
    assert set(Counter(message_ids(output)).values()) == {1}, done.stderr
    assert counts(output) == expected(SAMPLES)
    assert queue.backlog == (0, 0)


def test_the_second_signal_loses_nothing(queue: ClockedQueue, tmp_path: Path) -> None:
    queue.publish(SAMPLES)
    output, log = tmp_path / "output", tmp_path / "log"
    run = (
        *("run", "--subscription", queue.subscription, "--output", output, "--no_entities"),
        *("--processes", "1", "--roll_records", "20"),
    )
    slow = {failpoints.VARIABLE: "before_write=sleep:1"}
    process = queue.start(*run, log=log, environment=slow)
    try:
        eventually(lambda: list(output.glob("*/*/part-*.avro")), 120, log.read_text)
        process.send_signal(signal.SIGTERM)
        eventually(lambda: "draining" in log.read_text(), 30, log.read_text)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 128 + signal.SIGTERM, log.read_text()
    finally:
        process.kill()
    queue.end_leases()
    done = queue.run(*run, "--idle_timeout", "3")
    assert done.returncode == 0, done.stderr
    assert set(Counter(message_ids(output)).values()) == {1}
    assert counts(output) == expected(SAMPLES)

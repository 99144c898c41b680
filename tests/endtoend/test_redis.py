"""Runs that share an output and a ledger in Redis, as on two machines."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.leases import LEASE_SECONDS
from pipeline.samples import generate
from tests.endtoend.commands import Queue, counts, expected, message_ids
from tests.redis_server import RedisMissingError, RedisServer, redis_server
from tests.waiting import eventually

MESSAGES = 8_000
# Until the leases of one that was killed have run out, and its heartbeat.
PATIENCE = ("--idle_timeout", str(LEASE_SECONDS + 5))


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    try:
        with redis_server(tmp_path / "redis") as one:
            yield one
    except RedisMissingError as missing:
        pytest.skip(str(missing))


def files(output: Path) -> int:
    return sum(1 for _ in output.glob("*/*/part-*.avro"))


def test_one_is_killed_and_redis_too(queue: Queue, tmp_path: Path, server: RedisServer) -> None:
    output, logs = tmp_path / "output", [tmp_path / "log-0", tmp_path / "log-1"]
    samples = list(generate(MESSAGES, seed=31))
    queue.publish(samples)
    state = ("--state", server.uri())
    run = (
        *("run", "--subscription", queue.subscription, "--output", output, "--no_entities"),
        *("--roll_records", "200", "--processes", "1", *state),
    )
    doomed = queue.start(
        *run, log=logs[0], environment={"ARTICLE_PIPELINE_FAILPOINTS": "after_write=kill@4"}
    )
    other = queue.start(*run, *PATIENCE, log=logs[1])
    try:
        assert doomed.wait(120) == -signal.SIGKILL, logs[0].read_text()
        before = files(output)
        server.restart()
        eventually(
            lambda: files(output) > before or other.poll() is not None, 120, logs[1].read_text
        )
        assert other.wait(240) == 0, logs[1].read_text()
    finally:
        for process in (doomed, other):
            process.kill()
            process.wait()
    # The other has ended what the dead one left open, and taken what it had.
    ids = message_ids(output)
    assert len(ids) == len(set(ids)) == MESSAGES
    assert counts(output)["dead_letters"] == expected(samples)["dead_letters"]
    audit = queue.run("verify", output, *state)
    assert audit.returncode == 0, audit.stdout
    assert "sound" in audit.stdout
    assert not list(output.glob("*/*/.part-*"))

    # Once more from the files alone.
    server.client.flushall()
    refused = queue.run(*run)
    assert refused.returncode == 1
    assert "--rebuild_ledger --state redis://" in refused.stderr
    rebuilt = queue.run("verify", output, "--rebuild_ledger", *state)
    assert rebuilt.returncode == 0, rebuilt.stdout + rebuilt.stderr


def test_two_processes_of_one_run(queue: Queue, tmp_path: Path, server: RedisServer) -> None:
    samples = list(generate(1_500, seed=32))
    queue.publish(samples)
    ran = queue.run(
        *("run", "--subscription", queue.subscription, "--output", tmp_path / "out"),
        *("--no_entities", "--processes", "2", "--max_messages", "1500", "--idle_timeout", "60"),
        *("--state", server.uri("?prefix=mine")),
    )
    assert ran.returncode == 0, ran.stderr
    assert counts(tmp_path / "out") == expected(samples)
    audit = queue.run("verify", tmp_path / "out", "--state", server.uri("?prefix=mine"))
    assert audit.returncode == 0, audit.stdout


def test_a_redis_that_is_not_fit_is_said_in_a_line(queue: Queue, tmp_path: Path) -> None:
    ran = queue.run(
        *("run", "--subscription", queue.subscription, "--output", tmp_path, "--no_entities"),
        *("--processes", "1", "--state", "redis://:s3cr3t@127.0.0.1:1"),
    )
    assert ran.returncode == 1
    (line,) = [line for line in ran.stderr.splitlines() if line.startswith("run: ")]
    assert "the ledger redis://127.0.0.1:1/0 cannot be used just now" in line
    assert "s3cr3t" not in ran.stderr

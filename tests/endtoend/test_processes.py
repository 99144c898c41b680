"""A run in several processes: shared work, and what happens when one of them goes."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.leases import LEASE_SECONDS
from pipeline.processes import count_of
from pipeline.samples import generate
from tests.endtoend.commands import Queue, counts, expected, message_ids
from tests.pids import alive, children
from tests.waiting import eventually

MESSAGES = 12_000


def options(queue: Queue, output: Path) -> tuple[str | Path, ...]:
    return (
        *("run", "--subscription", queue.subscription, "--output", output, "--no_entities"),
        *("--processes", "2", "--roll_records", "200"),
    )


def files(output: Path) -> int:
    return sum(1 for _ in output.glob("*/*/*.avro"))


def finish(queue: Queue, output: Path, idle_seconds: int) -> None:
    """Runs to the end what a broken run left, and checks that all is there once.

    Args:
        idle_seconds: more than the longest time in which nothing comes: where a process was
            killed, until its leases have run out.
    """
    done = queue.run(*options(queue, output), "--idle_timeout", str(idle_seconds))
    assert done.returncode == 0, done.stderr
    ids = message_ids(output)
    assert len(ids) == len(set(ids)) == MESSAGES
    audit = queue.run("verify", output)
    assert audit.returncode == 0, audit.stdout


def start(queue: Queue, output: Path, log: Path) -> subprocess.Popen[str]:
    """A run of two processes at work: it has written files of its own."""
    before = files(output)
    process = queue.start(*options(queue, output), log=log)
    eventually(
        lambda: files(output) >= before + 2 or process.poll() is not None, 120, log.read_text
    )
    assert process.poll() is None, log.read_text()
    return process


def test_the_work_is_shared(queue: Queue, tmp_path: Path) -> None:
    samples = list(generate(3_000, seed=20))
    queue.publish(samples)
    ran = queue.run(*options(queue, tmp_path), "--max_messages", "3000", "--idle_timeout", "60")
    assert ran.returncode == 0, ran.stderr
    assert ran.stderr.count("running on StreamingDirectRunner") == 2
    assert counts(tmp_path) == expected(samples)
    assert len(set(message_ids(tmp_path))) == 3_000
    assert "3000 messages" in ran.stdout


def test_kill_9_of_a_process_and_then_of_the_parent_of_all(queue: Queue, tmp_path: Path) -> None:
    """A process that dies ends the run; one whose parent dies ends itself. Nothing is lost."""
    output, log = tmp_path / "output", tmp_path / "log"
    queue.publish(generate(MESSAGES, seed=21))
    run = start(queue, output, log)
    os.kill(children(run.pid)[0], signal.SIGKILL)
    assert run.wait(120) == 1
    assert "ended by signal SIGKILL" in log.read_text()
    run = start(queue, output, log)
    pids = children(run.pid)
    assert len(pids) == 2
    run.kill()
    run.wait()
    eventually(lambda: not any(alive(pid) for pid in pids))
    finish(queue, output, idle_seconds=LEASE_SECONDS + 5)


def test_sigterm_drains_all(queue: Queue, tmp_path: Path) -> None:
    output, log = tmp_path / "output", tmp_path / "log"
    queue.publish(generate(MESSAGES, seed=22))
    run = start(queue, output, log)
    run.terminate()
    assert run.wait(120) == 0, log.read_text()
    assert queue.run("verify", output).returncode == 0
    finish(queue, output, idle_seconds=15)


def test_sigterm_to_all_while_they_start(queue: Queue, tmp_path: Path) -> None:
    """As systemd stops a service: every process of it gets the signal."""
    log = tmp_path / "log"
    run = queue.start(*options(queue, tmp_path / "output"), log=log)
    eventually(lambda: len(children(run.pid)) == 2 or run.poll() is not None, 60, log.read_text)
    for pid in (*children(run.pid), run.pid):
        os.kill(pid, signal.SIGTERM)
    assert run.wait(120) == 0, log.read_text()


def test_what_a_process_would_find_missing_is_said_once(queue: Queue, tmp_path: Path) -> None:
    ran = queue.run(
        *("run", "--subscription", f"{queue.subscription}-not", "--output", tmp_path),
        *("--processes", "2"),
    )
    assert ran.returncode == 1
    assert ran.stderr.count("\n") == 1
    assert f"{queue.subscription}-not cannot be read" in ran.stderr


@pytest.mark.parametrize("asked", ["0", "-1", "many", "1.5", ""])
def test_a_count_that_is_none(asked: str) -> None:
    with pytest.raises(UsageError, match="--processes"):
        count_of(asked)


def test_auto_is_a_core_each() -> None:
    assert 1 <= count_of("auto") <= 8
    assert count_of("3") == 3

"""Scheduled runs: what they say at their end, and two of them at once."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest

from pipeline.leases import LEASE_SECONDS
from pipeline.samples import generate
from tests.endtoend.commands import Queue, counts, expected, message_ids, records
from tests.pids import children
from tests.waiting import eventually


def options(queue: Queue, output: Path, file: Path | str) -> tuple[str | Path, ...]:
    return (
        *("run", "--subscription", queue.subscription, "--output", output, "--no_entities"),
        *("--summary_json", file, "--overlap", "fail", "--processes", "2"),
    )


def read(file: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(file.read_text()) if file.exists() else {}
    return found


def start(queue: Queue, output: Path, file: Path, log: Path) -> subprocess.Popen[str]:
    """A run of two processes that has written something."""
    run = queue.start(*options(queue, output, file), "--roll_records", "50", log=log)
    eventually(
        lambda: list(output.glob("*/*/*.avro")) or run.poll() is not None, 120, log.read_text
    )
    assert run.poll() is None, log.read_text()
    return run


@pytest.mark.parametrize("processes", ["1", "2"])
def test_the_summary_is_what_the_records_say(queue: Queue, tmp_path: Path, processes: str) -> None:
    samples = list(generate(300, seed=90))
    queue.publish(samples)
    ran = queue.run(
        *options(queue, tmp_path, "-"),
        *("--processes", processes, "--max_messages", "300", "--idle_timeout", "60"),
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    assert counts(tmp_path) == expected(samples)
    dead: dict[str, dict[str, int]] = {}
    for record in records(tmp_path, "dead_letters"):
        of_stage = dead.setdefault(record["stage"], {})
        of_stage[record["error_type"]] = of_stage.get(record["error_type"], 0) + 1
    kinds = [record["kind"] for record in records(tmp_path, "duplicates")]
    assert found["dead_letters"] == dead
    assert found["duplicates"] == {kind: kinds.count(kind) for kind in set(kinds)}
    assert found["articles"] == len(records(tmp_path, "articles"))
    assert (found["received"], found["redelivered"], found["adds_up"]) == (300, 0, True)
    assert (found["outcome"], found["exit_code"], found["error"]) == ("done", 0, None)
    (run_id,) = {r["processing"]["run_id"] for r in records(tmp_path, "articles")}
    assert found["run_id"] == run_id


def test_the_last_line_is_the_summary_also_where_both_outputs_are_one(
    queue: Queue, tmp_path: Path
) -> None:
    """As Airflow reads them."""
    queue.publish(generate(20, seed=91))
    command = queue.command(
        *options(queue, tmp_path, "-"), "--max_messages", "20", "--idle_timeout", "60"
    )
    ran = subprocess.run(
        command,
        env=queue.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=240,
    )
    assert ran.returncode == 0, ran.stdout
    assert json.loads(ran.stdout.splitlines()[-1])["received"] == 20


def test_two_at_once_and_a_kill(queue: Queue, tmp_path: Path) -> None:
    """The second leaves the first alone; one after a kill -9 does the rest."""
    output, log = tmp_path / "output", tmp_path / "log"
    first, second = tmp_path / "first.json", tmp_path / "second.json"
    samples = list(generate(3_000, seed=92))
    queue.publish(samples)
    run = start(queue, output, first, log)
    assert (read(first)["outcome"], read(first)["exit_code"]) == ("running", None)
    lock = output / "_state" / "run.lock"
    for pid in children(run.pid):
        held = {
            os.readlink(file) for file in Path(f"/proc/{pid}/fd").iterdir() if file.is_symlink()
        }
        assert str(lock) not in held
    for overlap, code in (("skip", 0), ("fail", 75)):
        other = queue.run(*options(queue, output, second), "--overlap", overlap)
        assert (other.returncode, other.stdout) == (code, ""), other.stderr
        assert other.stderr.startswith(
            f"run: another run of this schedule is under way (pid {run.pid}, "
        )
        assert other.stderr.count("\n") == 1
        assert (read(second)["outcome"], read(second)["exit_code"]) == ("skipped", code)
    run.kill()
    run.wait()
    # The kernel has let go of the lock, whatever the processes of the run still do.
    done = queue.run(*options(queue, output, first), "--idle_timeout", str(LEASE_SECONDS + 5))
    assert done.returncode == 0, done.stderr
    assert counts(output) == expected(samples)
    assert len(set(message_ids(output))) == 3_000
    assert (read(first)["outcome"], read(first)["exit_code"]) == ("done", 0)


def test_a_drained_run_says_so(queue: Queue, tmp_path: Path) -> None:
    output, log, file = tmp_path / "output", tmp_path / "log", tmp_path / "run.json"
    queue.publish(generate(2_000, seed=93))
    run = start(queue, output, file, log)
    run.terminate()
    assert run.wait(120) == 0, log.read_text()
    assert (read(file)["outcome"], read(file)["exit_code"]) == ("drained", 0)
    assert read(file)["adds_up"]
    assert read(file)["articles"] == len(records(output, "articles"))


def test_a_failed_run_says_what_it_did(queue: Queue, tmp_path: Path) -> None:
    """A process that is killed: the others drain, and their counts are there."""
    output, log, file = tmp_path / "output", tmp_path / "log", tmp_path / "run.json"
    queue.publish(generate(2_000, seed=94))
    run = start(queue, output, file, log)
    os.kill(children(run.pid)[0], signal.SIGKILL)
    assert run.wait(120) == 1
    found = read(file)
    assert (found["outcome"], found["exit_code"]) == ("failed", 1)
    assert found["error"] in " ".join(log.read_text().split())
    assert "ended by signal SIGKILL" in found["error"]
    assert found["ended"] is not None


def test_what_is_not_there_is_said_too(queue: Queue, tmp_path: Path) -> None:
    file = tmp_path / "run.json"
    ran = queue.run(
        *options(queue, tmp_path / "output", file), "--subscription", f"{queue.subscription}-not"
    )
    assert (ran.returncode, ran.stderr.count("\n")) == (1, 1)
    assert read(file)["exit_code"] == 1
    assert f"run: {read(file)['error']}\n" == ran.stderr

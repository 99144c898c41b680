"""kill -9 in the middle of a run, again and again: nothing lost, nothing twice.

The deep harness, with named points and other faults, is to come in tests/faults/.
"""

from __future__ import annotations

import os
import random
import subprocess
from collections import Counter
from contextlib import suppress
from pathlib import Path

import fastavro

from pipeline.leases import LEASE_SECONDS
from pipeline.samples import generate
from tests.endtoend.commands import Queue, counts, expected, message_ids
from tests.waiting import eventually

MESSAGES = 20_000
KILLS = 3


def test_kill_9_at_random_points(queue: Queue, tmp_path: Path) -> None:
    seed = int(os.environ.get("KILL_SEED", random.SystemRandom().randrange(1 << 32)))
    chance = random.Random(seed)
    samples = list(generate(MESSAGES, seed=13))
    queue.publish(samples)
    output, log = tmp_path / "output", tmp_path / "log"
    options = (
        *("run", "--subscription", queue.subscription, "--output", output, "--no_entities"),
        # Small files: many commits, so that a random moment often falls into one.
        *("--roll_records", "200"),
    )
    for _ in range(KILLS):
        process = queue.start(*options, log=log)
        # At a random number of files more, and a random moment after the last of them.
        _wait_for_files(output, _files(output) + chance.randrange(1, 20), process, log)
        with suppress(subprocess.TimeoutExpired):
            process.wait(chance.random())
        assert process.poll() is None, log.read_text()
        process.kill()
        process.wait()
    # The dead have leases on what they pulled; the last run waits until those have run out.
    done = queue.run(*options, "--idle_timeout", str(LEASE_SECONDS + 5), timeout=300)
    assert done.returncode == 0, done.stderr
    ids = Counter(message_ids(output))
    lost, twice = MESSAGES - len(ids), sum(n - 1 for n in ids.values())
    print(f"seed {seed}: {KILLS} kills, {MESSAGES} messages, {lost} lost, {twice} twice")
    assert (lost, twice) == (0, 0), f"seed {seed}"
    for path in output.glob("*/*/*.avro"):
        with path.open("rb") as file:
            assert sum(1 for _ in fastavro.reader(file)) > 0
    assert not list(output.glob("*/*/.*")), "a temporary file was left"
    assert counts(output)["dead_letters"] == expected(samples)["dead_letters"]
    audit = queue.run("verify", output)
    assert audit.returncode == 0, audit.stdout


def _files(output: Path) -> int:
    return sum(1 for _ in output.glob("*/*/*.avro"))


def _wait_for_files(output: Path, count: int, process: subprocess.Popen[str], log: Path) -> None:
    eventually(lambda: _files(output) >= count or process.poll() is not None, 180, log.read_text)

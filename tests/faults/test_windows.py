"""SIGKILL in each window of the commit protocol, and what the next run makes of it.

The broker's clock is put forward after the kill, so that nobody waits for leases to run out.
"""

from __future__ import annotations

import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from pipeline import failpoints
from pipeline.samples import generate
from tests.endtoend.commands import Queue, counts, expected, message_ids
from tests.faults.clocks import clocked_queue

MESSAGES = 150
SAMPLES = list(generate(MESSAGES, seed=77))
# Of a window that is passed more than once, the second time: what was before it is settled.
WINDOWS = {
    "after_pull": "kill@2",
    "after_verdicts": "kill@2",
    "after_intent": "kill@2",
    "before_write": "kill@2",
    "after_write": "kill@2",
    "after_rename": "kill@2",
    "after_commit": "kill@2",
    "after_settle": "kill@2",
}
AT_ONCE = 3


@dataclass
class Outcome:
    """Two runs: one that was killed, one that came after it."""

    killed: subprocess.CompletedProcess[str]
    left: dict[str, int]
    resumed: subprocess.CompletedProcess[str]
    output: Path
    queue: Queue
    backlog: tuple[int, int]


def killed_and_resumed(folder: Path, window: str) -> Outcome:
    with clocked_queue() as queue:
        queue.publish(SAMPLES)
        output = folder / window
        run = (
            *("run", "--subscription", queue.subscription, "--output", output, "--no_entities"),
            *("--processes", "1", "--pull_messages", "60", "--roll_records", "25"),
            *("--idle_timeout", "2"),
        )
        strike = {failpoints.VARIABLE: f"{window}={WINDOWS[window]}"}
        killed = queue.run(*run, environment=strike)
        left = {
            "files": len(list(output.glob("*/*/part-*.avro"))),
            "temporary": len(list(output.glob("*/*/.part-*.tmp"))),
            "records": len(message_ids(output)),
        }
        queue.end_leases()
        resumed = queue.run(*run)
        return Outcome(killed, left, resumed, output, queue, queue.backlog)


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Future[Outcome]]]:
    folder = tmp_path_factory.mktemp("windows")
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {window: pool.submit(killed_and_resumed, folder, window) for window in WINDOWS}


def outcome_of(outcomes: dict[str, Future[Outcome]], window: str) -> Outcome:
    """The outcome, after what must hold for every window."""
    outcome = outcomes[window].result(timeout=300)
    assert outcome.killed.returncode == -signal.SIGKILL, outcome.killed.stderr
    assert outcome.resumed.returncode == 0, outcome.resumed.stderr
    ids = Counter(message_ids(outcome.output))
    lost, twice = MESSAGES - len(ids), sum(n - 1 for n in ids.values())
    assert (lost, twice) == (0, 0), f"{lost} lost, {twice} twice"
    # Each where it belongs: a redelivery is no duplicate of itself.
    assert counts(outcome.output) == expected(SAMPLES)
    assert not list(outcome.output.glob("*/*/.*")), "a temporary file was left"
    assert outcome.backlog == (0, 0), "messages are left on the queue"
    audit = outcome.queue.run("verify", outcome.output)
    assert audit.returncode == 0, audit.stdout
    return outcome


def test_after_pull(outcomes: dict[str, Future[Outcome]]) -> None:
    """Leased to the dead: nothing was acknowledged by pulling, all of it comes again."""
    outcome_of(outcomes, "after_pull")


def test_after_verdicts(outcomes: dict[str, Future[Outcome]]) -> None:
    """Judged and not written: the same verdicts again, no article a duplicate of itself."""
    outcome_of(outcomes, "after_verdicts")


def test_after_intent(outcomes: dict[str, Future[Outcome]]) -> None:
    """Announced and not there: the intent is dropped, its messages are written when they come."""
    outcome = outcome_of(outcomes, "after_intent")
    assert "dropped the intent" in outcome.resumed.stderr


def test_before_write(outcomes: dict[str, Future[Outcome]]) -> None:
    """As after the intent, with the file's folder made."""
    outcome = outcome_of(outcomes, "before_write")
    assert "dropped the intent" in outcome.resumed.stderr


def test_after_write_before_rename(outcomes: dict[str, Future[Outcome]]) -> None:
    """Whole, but under its temporary name: taken away, written anew."""
    outcome = outcome_of(outcomes, "after_write")
    assert outcome.left["temporary"] == 1
    assert "dropped the intent" in outcome.resumed.stderr
    assert "took away 1 unfinished temporary file" in outcome.resumed.stderr


def test_after_rename_before_commit(outcomes: dict[str, Future[Outcome]]) -> None:
    """There, and not committed: the next run commits it and writes none of it again."""
    outcome = outcome_of(outcomes, "after_rename")
    assert outcome.left["files"] == 2
    assert "completed the commit" in outcome.resumed.stderr


def test_after_commit_before_settle(outcomes: dict[str, Future[Outcome]]) -> None:
    """Committed, and the queue not told: it comes again, is recognised, acknowledged."""
    outcome = outcome_of(outcomes, "after_commit")
    assert outcome.left["records"] > 25
    redelivered = int(outcome.resumed.stdout.split(" redelivered")[0].rsplit(" ", 1)[1])
    assert redelivered >= 25, outcome.resumed.stdout


def test_after_settle(outcomes: dict[str, Future[Outcome]]) -> None:
    """Told to settle, which happens in the background: told or not, it is written once."""
    outcome_of(outcomes, "after_settle")


def test_every_window_has_its_test() -> None:
    assert set(WINDOWS) == failpoints.NAMES

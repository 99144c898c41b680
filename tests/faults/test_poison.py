"""Whole runs whose model crashes, hangs and raises on articles, or is killed from outside."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from pipeline.leases import LEASE_SECONDS
from pipeline.samples import SampleMessage
from tests.endtoend.commands import Queue, counts, message_ids, records
from tests.pids import alive, spawned
from tests.transforms.poison import NAME, installed, poisonous_model
from tests.waiting import eventually

GOOD = 200
ROOT = Path(__file__).parents[2]
POISON = {
    "POISON-KILLED": "model_crashed",
    "POISON-LOCKS": "model_timeout",
    "POISON-RAISES": "model_failed",
}
KILLS = 6


@pytest.fixture
def model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The poisonous model, and what the run's workers need to find its component."""
    site = installed(tmp_path / "site")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(ROOT), str(site)]))
    return poisonous_model(tmp_path / "model")


def article(number: int, body: str) -> SampleMessage:
    # Words of its own, so that none is a duplicate of another.
    text = f"Article {number}. {body} He said so at {number * 7919 % 1009}.\n\nThe end."
    return SampleMessage(text.encode(), {"content_type": "text/plain"}, "article", "text")


def options(queue: Queue, output: Path, model: Path) -> tuple[str | Path, ...]:
    return (
        *("run", "--subscription", queue.subscription, "--output", output),
        *("--spacy_model", model, "--roll_records", "50", "--roll_seconds", "1"),
    )


def audited(queue: Queue, output: Path, messages: int) -> None:
    ids = message_ids(output)
    lost, twice = messages - len(set(ids)), len(ids) - len(set(ids))
    assert (lost, twice) == (0, 0)
    audit = queue.run("verify", output)
    assert audit.returncode == 0, audit.stdout


def named(output: Path) -> list[str]:
    """What each article's first entity is called."""
    return [each["entities"][0]["name"] for each in records(output, "articles")]


def test_poison_harms_nobody_else(queue: Queue, tmp_path: Path, model: Path) -> None:
    output = tmp_path / "output"
    samples = [article(number, f"It was {NAME}.") for number in range(GOOD)]
    for number, marker in enumerate(POISON, 1):
        samples.insert(number * 40, article(GOOD + number, f"It was {NAME}. {marker} it is."))
    queue.publish(samples)
    ran = queue.run(
        *options(queue, output, model),
        *("--max_messages", str(len(samples)), "--idle_timeout", "120"),
        *("--processes", "2", "--model_timeout", "5", "--max_attempts", "2"),
    )
    assert ran.returncode == 0, ran.stderr
    assert counts(output) == {"articles": GOOD, "duplicates": 0, "dead_letters": len(POISON)}
    assert named(output) == [NAME] * GOOD
    for letter in records(output, "dead_letters"):
        (marker,) = (each for each in POISON if each.encode() in letter["payload"])
        assert (letter["stage"], letter["error_type"]) == ("entities", POISON[marker])
        assert letter["attempts"] == 2
    assert NAME not in ran.stderr
    audited(queue, output, len(samples))


def test_workers_killed_at_random_moments(
    queue: Queue, tmp_path: Path, model: Path, record_property: Callable[[str, object], None]
) -> None:
    """While they load, while they are idle, while they read: the run goes on, and loses nothing."""
    seed = int(os.environ.get("KILL_SEED", random.SystemRandom().randrange(1 << 32)))
    chance = random.Random(seed)
    output, log = tmp_path / "output", tmp_path / "log"
    run = queue.start(
        *options(queue, output, model), "--processes", "1", "--entity_workers", "2", log=log
    )
    messages = 0

    def complete() -> bool:
        return counts(output)["articles"] == messages or run.poll() is not None

    try:
        eventually(lambda: len(spawned(run.pid)) == 2 or run.poll() is not None, 120, log.read_text)
        for kill in range(KILLS):
            if kill % 2:
                # A worker that is killed three times while it loads would end the run.
                eventually(complete, 120, log.read_text)
            queue.publish(
                article(messages + number, f"It was {NAME}. " * 300) for number in range(GOOD)
            )
            messages += GOOD
            with suppress(subprocess.TimeoutExpired):
                run.wait(chance.random() * 3)
            assert run.poll() is None, log.read_text()
            os.kill(chance.choice(spawned(run.pid)), signal.SIGKILL)
        eventually(complete, 240, log.read_text)
        workers = spawned(run.pid)
        run.terminate()
        assert run.wait(120) == 0, log.read_text()
    finally:
        run.kill()
        run.wait()
    replaced = log.read_text().count("was ended by signal SIGKILL")
    record_property("said", f"seed {seed}: {KILLS} kills, {replaced} seen, {messages} messages")
    assert 0 < replaced <= KILLS, f"seed {seed}"
    assert named(output) == [NAME] * messages, f"seed {seed}"
    assert counts(output) == {"articles": messages, "duplicates": 0, "dead_letters": 0}
    audited(queue, output, messages)
    assert not any(map(alive, workers))


def test_a_run_that_is_killed_takes_its_workers_along(
    queue: Queue, tmp_path: Path, model: Path
) -> None:
    """kill -9 of the run while a worker hangs; what it had comes again, and is written once."""
    output, log, begun = tmp_path / "output", tmp_path / "log", tmp_path / "begun"
    queue.publish([article(1, f"ONCE={begun} {NAME}")])
    run = queue.start(
        *options(queue, output, model), "--processes", "2", "--model_timeout", "10", log=log
    )
    eventually(lambda: begun.exists() or run.poll() is not None, 120, log.read_text)
    # The second process has its model a little later than the first.
    eventually(lambda: len(spawned(run.pid)) == 4 or run.poll() is not None, 120, log.read_text)
    pids = spawned(run.pid)
    assert len(pids) == 4, log.read_text()
    run.kill()
    run.wait()
    eventually(lambda: not any(map(alive, pids)), 120)
    started = time.monotonic()
    ran = queue.run(
        *options(queue, output, model),
        *("--max_messages", "1", "--idle_timeout", str(LEASE_SECONDS + 10)),
    )
    assert ran.returncode == 0, f"{ran.stderr} after {time.monotonic() - started:.0f} s"
    assert named(output) == [NAME]
    audited(queue, output, 1)

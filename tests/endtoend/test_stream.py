"""The whole road, with the commands a user gives."""

from __future__ import annotations

import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from pipeline.samples import SampleMessage, generate
from tests.endtoend.commands import Queue, counts, expected, message_ids, records
from tests.waiting import eventually

BACKLOG = 8_000


def test_the_sample_article(queue: Queue, tmp_path: Path, sample_path: Path) -> None:
    sent = queue.run("publish", "--topic", queue.topic, sample_path)
    assert sent.returncode == 0, sent.stderr
    ran = queue.run(
        *("run", "--subscription", queue.subscription, "--output", tmp_path),
        *("--max_messages", "1", "--idle_timeout", "60"),
    )
    assert ran.returncode == 0, ran.stderr
    (article,) = records(tmp_path, "articles")
    assert article["published_at"].date().isoformat() == "2025-01-21"
    assert article["published_precision"] == "day"
    original = sample_path.read_text(encoding="utf-8").removeprefix(" date 2025-01-21 ")
    assert article["body"].split("\n\n") == [p.strip() for p in original.split("\n\n")]
    labels = {entity["name"]: entity["label"] for entity in article["entities"]}
    for person in ("Vladimir Putin", "Xi Jinping", "Donald Trump"):
        assert labels.get(person) == "PERSON"
    for place in ("China", "Russia", "Ukraine"):
        assert labels.get(place) == "LOC"
    assert any("Security Council" in name and label == "ORG" for name, label in labels.items()), (
        labels
    )
    for entity in article["entities"]:
        assert entity["count"] == len(entity["mentions"])
        for mention in entity["mentions"]:
            text = article[mention["field"]]
            assert text[mention["start"] : mention["end"]] == mention["text"]
    countries = {tag["code"] for tag in article["tags"] if tag["scheme"] == "iso3166"}
    assert countries == {"RU", "CN", "US", "UA"}
    assert article["language"]["code"] == "en"
    assert queue.run("verify", tmp_path).returncode == 0


@pytest.mark.parametrize("model", ["entities", "no_entities"])
def test_every_sample_ends_where_it_says(queue: Queue, tmp_path: Path, model: str) -> None:
    samples = list(generate(300, seed=5))
    queue.publish(samples)
    ran = queue.run(
        *("run", "--subscription", queue.subscription, "--output", tmp_path),
        *("--max_messages", "300", "--idle_timeout", "60"),
        *(["--no_entities"] if model == "no_entities" else []),
    )
    assert ran.returncode == 0, ran.stderr
    assert counts(tmp_path) == expected(samples)
    assert len(set(message_ids(tmp_path))) == 300
    articles = records(tmp_path, "articles")
    english = [model == "entities" and a["language"]["code"] == "en" for a in articles]
    assert [a["entities"] is not None for a in articles] == english
    assert model == "no_entities" or 0 < sum(english) < len(articles)
    dead = records(tmp_path, "dead_letters")
    malformed = Counter(s.data for s in samples if s.expected == "dead_letter")
    assert Counter(d["payload"] for d in dead) == malformed


def test_a_backlog_comes_out_whole(either_queue: Queue, tmp_path: Path) -> None:
    """Nothing is late, however long it has lain there and however much there is."""
    queue = either_queue
    samples = list(generate(BACKLOG, seed=7))
    queue.publish(samples)
    ran = queue.run(
        *("run", "--subscription", queue.subscription, "--output", tmp_path),
        *("--max_messages", str(BACKLOG), "--idle_timeout", "60", "--no_entities"),
    )
    assert ran.returncode == 0, ran.stderr
    assert counts(tmp_path) == expected(samples)
    assert len(set(message_ids(tmp_path))) == BACKLOG
    audit = queue.run("verify", tmp_path)
    assert audit.returncode == 0, audit.stdout


def test_metadata_reaches_the_record(queue: Queue, tmp_path: Path) -> None:
    text = tmp_path / "a.txt"
    text.write_text("Prague agreed with Vienna on Monday about the trains between the two.")
    sent = queue.run(
        *("publish", "--topic", queue.topic, "--attribute", "desk=world", text),
    )
    assert sent.returncode == 0, sent.stderr
    output = tmp_path / "output"
    ran = queue.run(
        *("run", "--subscription", queue.subscription, "--output", output),
        *("--max_messages", "1", "--idle_timeout", "60", "--no_entities"),
    )
    assert ran.returncode == 0, ran.stderr
    (article,) = records(output, "articles")
    assert article["attributes"]["desk"] == "world"
    assert article["message_id"]
    assert article["publish_time"] is not None
    assert article["processing"]["run_id"]


def test_sigterm_drains(queue: Queue, tmp_path: Path) -> None:
    """What was pulled is written and acknowledged; the process ends well."""
    queue.publish(generate(500, seed=9))
    output, log = tmp_path / "output", tmp_path / "log"
    process = queue.start(
        *("run", "--subscription", queue.subscription, "--output", output, "--no_entities"),
        *("--roll_seconds", "600"),
        log=log,
    )
    try:
        eventually(lambda: "running on" in log.read_text(), 60, log.read_text)
        # With rolling put off, only draining writes: that nothing is there shows it has not.
        eventually(lambda: (output / "_state").exists(), 60, log.read_text)
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) == 0, log.read_text()
    finally:
        process.kill()
    written = len(message_ids(output)) if output.exists() else 0
    if written < 500:
        again = queue.run(
            *("run", "--subscription", queue.subscription, "--output", output, "--no_entities"),
            *("--max_messages", str(500 - written), "--idle_timeout", "70"),
        )
        assert again.returncode == 0, again.stderr
    ids = message_ids(output)
    assert len(ids) == len(set(ids)) == 500
    assert queue.run("verify", output).returncode == 0


def test_a_second_signal_ends_at_once(queue: Queue, tmp_path: Path) -> None:
    queue.publish(generate(200, seed=10))
    output, log = tmp_path / "output", tmp_path / "log"
    process = queue.start("run", "--subscription", queue.subscription, "--output", output, log=log)
    eventually(lambda: "running on" in log.read_text(), 60, log.read_text)
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) in (0, 128 + signal.SIGINT, 128 + signal.SIGTERM)


def test_demo(tmp_path: Path, queue: Queue) -> None:
    """The demo as `make run` has it, in an environment without a broker."""
    environment = queue.environment()
    del environment["PUBSUB_EMULATOR_HOST"]
    ran = subprocess.run(
        queue.command("demo", "--output", tmp_path / "demo"),
        env=environment,
        capture_output=True,
        text=True,
        timeout=240,
        cwd=tmp_path,
    )
    assert ran.returncode == 0, ran.stderr
    assert "300 messages: 270 articles, 21 duplicates, 9 dead letters" in ran.stdout
    assert counts(tmp_path / "demo") == {"articles": 270, "duplicates": 21, "dead_letters": 9}
    for path in (tmp_path / "demo").glob("*/*/*.avro"):
        assert str(path) in ran.stdout
    shown = queue.run("inspect", tmp_path / "demo", "--json", "--dead_letters")
    assert shown.stdout.count("\n") == 9
    assert queue.run("verify", tmp_path / "demo").returncode == 0


def test_the_largest_message_comes_through(either_queue: Queue, tmp_path: Path) -> None:
    """Also from an emulator, whose channel takes 4 MiB unless told otherwise."""
    queue = either_queue
    text = b"Prague agreed with Vienna on Monday about the trains between the two. " * 130_000
    queue.publish([SampleMessage(text, {"content_type": "text/plain"}, "dead_letter", "large")])
    ran = queue.run(
        *("run", "--subscription", queue.subscription, "--output", tmp_path),
        *("--max_messages", "1", "--idle_timeout", "60", "--no_entities"),
    )
    assert ran.returncode == 0, ran.stderr
    (dead,) = records(tmp_path, "dead_letters")
    assert dead["error_type"] == "too_large"
    assert dead["payload"] == text

"""Dead letters back to their topic, and what becomes of them there."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

from google.cloud import pubsub_v1

from pipeline.records import DeadLetter, from_avro
from pipeline.replay import UNCONFIRMED_MESSAGES
from pipeline.replayed import BATCH
from pipeline.samples import SampleMessage
from tests.articles import dead_letter
from tests.endtoend.commands import Queue, counts, message_ids, records
from tests.waiting import eventually
from tests.watch.outputs import encoded, write

TEXT = "Prague agreed with Vienna on Monday about the trains between the two."
HEADLINE = "Prague and Vienna agree on trains"


def mislabelled(number: int) -> SampleMessage:
    """An article whose content type is wrong."""
    body = {"headline": f"{HEADLINE} {number}", "body": f"{TEXT} It is agreement {number}."}
    attributes = {"content_type": "application/pdf", "id": f"trains-{number}", "desk": "world"}
    return SampleMessage(json.dumps(body).encode(), attributes, "dead_letter", "mislabelled")


HOPELESS = SampleMessage(
    b'{"headline": "Prague and', {"content_type": "application/json"}, "dead_letter", "cut off"
)


def run(queue: Queue, output: Path, messages: int) -> None:
    ran = queue.run(
        *("run", "--subscription", queue.subscription, "--output", output, "--no_entities"),
        *("--max_messages", str(messages), "--idle_timeout", "60", "--near_duplicates", "off"),
    )
    assert ran.returncode == 0, ran.stderr


def replay(queue: Queue, output: Path, *options: str) -> str:
    """What the command says it did."""
    ran = queue.run("replay", output, "--topic", queue.topic, *options)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout.strip()


def key(record: dict[str, Any]) -> str:
    return from_avro(DeadLetter, record).key


def test_what_is_mended_becomes_an_article_and_the_rest_is_offered_anew(
    either_queue: Queue, tmp_path: Path
) -> None:
    queue = either_queue
    samples = [mislabelled(n) for n in range(5)]
    queue.publish([*samples, HOPELESS])
    run(queue, tmp_path, 6)
    assert counts(tmp_path) == {"articles": 0, "duplicates": 0, "dead_letters": 6}
    first = {key(letter): letter for letter in records(tmp_path, "dead_letters")}

    said = replay(queue, tmp_path, "--attribute", "content_type=application/json")
    assert said == "6 dead letters: 6 replayed, 0 replayed before, 0 could not be sent"
    # Before anything is written of them, the marks alone know.
    assert replay(queue, tmp_path, "--dry_run").startswith("6 dead letters: 0 would be replayed")
    run(queue, tmp_path, 6)

    articles = records(tmp_path, "articles")
    assert len(articles) == 5
    for article in articles:
        letter = first[article["attributes"]["replayed_from"]]
        assert article["attributes"] == {
            **letter["attributes"],
            "content_type": "application/json",
            "replayed_from": key(letter),
        }
        assert article["title"] == json.loads(letter["payload"])["headline"]
    (failed,) = [one for one in records(tmp_path, "dead_letters") if key(one) not in first]
    assert failed["payload"] == HOPELESS.data
    again = first[failed["attributes"]["replayed_from"]]
    assert again["payload"] == HOPELESS.data

    # What failed again has a key of its own; only that is offered, and says where it comes from.
    said = replay(queue, tmp_path)
    assert said == "7 dead letters: 1 replayed, 6 replayed before, 0 could not be sent"
    run(queue, tmp_path, 1)
    newest = [one for one in records(tmp_path, "dead_letters") if key(one) not in first]
    (last,) = [one for one in newest if key(one) != key(failed)]
    assert last["attributes"] == {"content_type": "application/json", "replayed_from": key(failed)}

    # The marks are in the records too, but for what is on its way.
    (tmp_path / "_state" / "replayed.sqlite").unlink()
    said = replay(queue, tmp_path, "--dry_run")
    assert said.endswith(
        "8 dead letters: 1 would be replayed, 7 replayed before, 0 could not be sent"
    )
    ids = message_ids(tmp_path)
    assert len(set(ids)) == len(ids) == 13
    audit = queue.run("verify", tmp_path)
    assert audit.returncode == 0, audit.stdout


def test_a_second_copy_makes_no_second_article(queue: Queue, tmp_path: Path) -> None:
    """As after a replay that was killed between a receipt and its mark."""
    queue.publish([mislabelled(1)])
    run(queue, tmp_path, 1)
    mend = ("--attribute", "content_type=application/json")
    replay(queue, tmp_path, *mend)
    replay(queue, tmp_path, *mend, "--again")
    run(queue, tmp_path, 2)
    assert counts(tmp_path) == {"articles": 1, "duplicates": 1, "dead_letters": 1}


def test_a_replay_that_is_killed_loses_nothing(queue: Queue, tmp_path: Path) -> None:
    letters = [dead_letter(f"l{n}", payload=b"x" * 4_000) for n in range(20_000)]
    output, log = tmp_path / "output", tmp_path / "log"
    write(output, "dead_letters", [encoded(one) for one in letters])
    came: Counter[str] = Counter()

    with pubsub_v1.SubscriberClient() as subscriber:

        def pull() -> int:
            reply = subscriber.pull(subscription=queue.subscription, max_messages=1_000, timeout=20)
            got = list(reply.received_messages)
            came.update(one.message.attributes["replayed_from"] for one in got)
            if got:
                ack_ids = [one.ack_id for one in got]
                subscriber.acknowledge(subscription=queue.subscription, ack_ids=ack_ids)
            return len(came)

        for messages in (1, 8_000):
            process = queue.start("replay", output, "--topic", queue.topic, log=log)
            try:
                eventually(lambda least=messages: pull() >= least, 120, log.read_text)
            finally:
                process.kill()
                process.wait()
        replay(queue, output)
        eventually(lambda: pull() == len(letters), 120, lambda: f"{len(came)} came")
        assert set(came) == {one.key for one in letters}
        # Two of three were killed; both may have had as much in flight as there is room for.
        twice = came.total() - len(letters)
        assert twice <= 2 * (UNCONFIRMED_MESSAGES + BATCH)
    assert replay(queue, output).startswith("20000 dead letters: 0 replayed, 20000 replayed before")

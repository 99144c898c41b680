"""`replay` against brokers; its road through a run is in tests/endtoend."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from google.api_core import exceptions as api_errors
from google.cloud import pubsub_v1
from hypothesis import given
from hypothesis import strategies as st

from pipeline import cli, sender
from pipeline.broker import Limits
from pipeline.cli import main
from pipeline.records import DeadLetter
from pipeline.replay import MAX_SAID, mended
from pipeline.replayed import NAME, Marks
from pipeline.sender import Sending, create_missing
from pipeline.sinks.files import Form
from tests.articles import NOON, article, dead_letter
from tests.brokers import embedded_broker
from tests.endtoend.commands import Queue
from tests.waiting import eventually
from tests.watch.outputs import encoded, write

Captured = pytest.CaptureFixture[str]
HOUR = dt.timedelta(hours=1)
TOPIC = "projects/test-project/topics/news"

# The one way to ask whether nothing waits that does not wait itself.
pytestmark = pytest.mark.filterwarnings("ignore:The return_immediately flag")


@pytest.fixture
def queue(embedded_address: str, monkeypatch: pytest.MonkeyPatch) -> Queue:
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", embedded_address)
    return Queue(embedded_address).create()


@pytest.fixture(params=["embedded", "google"])
def either_queue(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Queue:
    address = request.getfixturevalue(f"{request.param}_address")
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", address)
    return Queue(address).create()


def letters(root: Path, *some: DeadLetter, form: Form | None = None) -> list[str]:
    """An output with a file of these dead letters more; returns their keys."""
    write(root, "dead_letters", [encoded(one) for one in some], form=form)
    return [one.key for one in some]


def numbered(count: int, **fields: Any) -> list[DeadLetter]:
    return [dead_letter(f"l{n}", payload=b"%d" % n, **fields) for n in range(count)]


def command(root: Path, topic: str | Queue, *more: str) -> int:
    name = topic.topic if isinstance(topic, Queue) else topic
    return main(["replay", str(root), "--topic", name, *more])


def arrived(queue: Queue, count: int) -> list[pubsub_v1.types.PubsubMessage]:
    """The messages that wait in the subscription, `count` of them and no more."""
    messages: list[pubsub_v1.types.PubsubMessage] = []

    def pull(*, at_once: bool) -> bool:
        reply = subscriber.pull(
            subscription=queue.subscription,
            max_messages=1000,
            timeout=20,
            return_immediately=at_once,
        )
        got = list(reply.received_messages)
        messages.extend(one.message for one in got)
        if got:
            ack_ids = [one.ack_id for one in got]
            subscriber.acknowledge(subscription=queue.subscription, ack_ids=ack_ids)
        return len(messages) >= count

    with pubsub_v1.SubscriberClient() as subscriber:
        if count:
            eventually(lambda: pull(at_once=False), explain=lambda: f"{len(messages)} of {count}")
        pull(at_once=True)
    assert len(messages) == count
    return messages


def said_by(messages: list[pubsub_v1.types.PubsubMessage]) -> set[str]:
    return {message.attributes["replayed_from"] for message in messages}


class TestSending:
    @pytest.mark.parametrize("pairs", [False, True])
    def test_payload_attributes_and_ordering_key_come_back(
        self, either_queue: Queue, tmp_path: Path, capsys: Captured, pairs: bool
    ) -> None:
        payload = b"\x00\xff not UTF-8"
        originals: list[tuple[Mapping[str, str], str]] = [
            ({"url": "https://example.com/ä", "replayed_from": "an earlier one"}, ""),
            # Names that the client's method has for itself.
            ({"topic": "harbours", "data": "x", "self": "y", "timeout": "3"}, ""),
            ({"desk": "world"}, "Köln"),
            ({}, ""),
        ]
        keys = letters(
            tmp_path,
            *(
                dead_letter(f"l{n}", payload=payload, attributes=own, ordering_key=ordering or None)
                for n, (own, ordering) in enumerate(originals)
            ),
            form=Form("deflate", pairs),
        )
        assert command(tmp_path, either_queue) == 0
        assert capsys.readouterr().out == (
            "4 dead letters: 4 replayed, 0 replayed before, 0 could not be sent\n"
        )
        found = {m.attributes["replayed_from"]: m for m in arrived(either_queue, 4)}
        assert set(found) == set(keys)
        for key, (own, ordering) in zip(keys, originals, strict=True):
            assert found[key].data == payload
            assert dict(found[key].attributes) == {**own, "replayed_from": key}
            assert found[key].ordering_key == ordering

    def test_once_and_again(self, queue: Queue, tmp_path: Path, capsys: Captured) -> None:
        first = letters(tmp_path, *numbered(3))
        assert command(tmp_path, queue) == 0
        second = letters(tmp_path, dead_letter("later"))
        assert command(tmp_path, queue) == 0
        assert said_by(arrived(queue, 4)) == {*first, *second}
        assert command(tmp_path, queue) == 0
        arrived(queue, 0)
        assert command(tmp_path, queue, "--again") == 0
        assert said_by(arrived(queue, 4)) == {*first, *second}
        assert [line.partition(": ")[2] for line in capsys.readouterr().out.splitlines()] == [
            "3 replayed, 0 replayed before, 0 could not be sent",
            "1 replayed, 3 replayed before, 0 could not be sent",
            "0 replayed, 4 replayed before, 0 could not be sent",
            "4 replayed, 0 replayed before, 0 could not be sent",
        ]

    def test_what_a_backfill_took_is_not_offered(
        self, queue: Queue, tmp_path: Path, capsys: Captured
    ) -> None:
        keys = letters(tmp_path, *numbered(2))
        again = article("file-1", attributes={"replayed_from": keys[0]})
        write(tmp_path, "articles", [encoded(again)])
        assert command(tmp_path, queue) == 0
        assert said_by(arrived(queue, 1)) == {keys[1]}
        assert "1 replayed, 1 replayed before" in capsys.readouterr().out

    def test_what_is_mended(self, queue: Queue, tmp_path: Path) -> None:
        own = {"Content-Type": "text/plain", "content_encoding": "gzip", "id": "7"}
        (key,) = letters(tmp_path, dead_letter("l1", attributes=own))
        mend = ("--attribute", "content_type=text/html", "--attribute", "content_encoding=")
        assert command(tmp_path, queue, *mend) == 0
        (message,) = arrived(queue, 1)
        assert dict(message.attributes) == {
            "content_type": "text/html",
            "content_encoding": "",
            "id": "7",
            "replayed_from": key,
        }

    def test_what_pubsub_would_not_take_stays_and_the_rest_goes(
        self, queue: Queue, tmp_path: Path, capsys: Captured
    ) -> None:
        huge = dead_letter("huge", payload=b"x" * 9_999_990)
        wide = dead_letter("wide\x1b[2J", attributes={"note": "x" * 1_025})
        letters(tmp_path, huge)
        (key, _) = letters(tmp_path, dead_letter("l1"), wide)
        for before in (0, 1):
            assert command(tmp_path, queue) == 1
            out, err = capsys.readouterr()
            assert out == (
                f"3 dead letters: {1 - before} replayed, {before} replayed before, "
                "2 could not be sent\n"
            )
            assert f"dead letter {huge.key} cannot be sent: it has 10000" in err
            assert "wide\N{REPLACEMENT CHARACTER}[2J@" in err
            assert "'note' has 1025 bytes, where Pub/Sub takes 1024" in err
            assert f"article-pipeline backfill --input {tmp_path / 'dead_letters'}" in err
        assert said_by(arrived(queue, 1)) == {key}

    def test_what_is_said_has_an_end(self, queue: Queue, tmp_path: Path, capsys: Captured) -> None:
        letters(tmp_path, *numbered(MAX_SAID + 5, attributes={"note": "x" * 1_025}))
        assert command(tmp_path, queue) == 1
        err = capsys.readouterr().err
        assert err.count("cannot be sent: the attribute") == MAX_SAID
        assert "\nand 5 more cannot be sent\n" in err

    def test_a_damaged_file_does_not_keep_the_others(
        self, queue: Queue, tmp_path: Path, capsys: Captured
    ) -> None:
        damaged = write(tmp_path, "dead_letters", [encoded(dead_letter("lost"))])
        damaged.write_bytes(damaged.read_bytes()[:-3])
        (key,) = letters(tmp_path, dead_letter("l1"))
        assert command(tmp_path, queue) == 1
        assert said_by(arrived(queue, 1)) == {key}
        out, err = capsys.readouterr()
        assert out.startswith("1 dead letter: 1 replayed")
        assert err.count(f"{damaged.relative_to(tmp_path)} cannot be read") == 1
        assert f"run verify on {tmp_path}" in err

    def test_nothing_to_replay(self, tmp_path: Path, capsys: Captured) -> None:
        """Without a broker, and without a trace."""
        (tmp_path / "articles").mkdir()
        assert command(tmp_path, TOPIC) == 0
        assert capsys.readouterr().out.startswith("0 dead letters: 0 replayed")
        assert [path.name for path in tmp_path.iterdir()] == ["articles"]


class TestChoosing:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        some = [("decode", "no_body"), ("decode", "bomb"), ("entities", "model_failed")]
        letters(
            tmp_path,
            *(
                dead_letter(f"l{n}", stage=stage, error_type=error, failed_at=NOON + n * HOUR)
                for n, (stage, error) in enumerate(some)
            ),
        )
        return tmp_path

    @pytest.mark.parametrize(
        ("options", "which"),
        [
            ([], "012"),
            (["--stage", "decode"], "01"),
            (["--stage", "decode", "--stage", "entities"], "012"),
            (["--stage", "write"], ""),
            (["--error_type", "bomb", "--error_type", "model_failed"], "12"),
            (["--stage", "decode", "--error_type", "model_failed"], ""),
            (["--since", "2026-11-24T13:00"], "12"),
            (["--since", "2026-11-24T13:00+01:00"], "012"),
            (["--until", "2026-11-24T13:00Z"], "0"),
            (["--since", "2026-11-24", "--until", "2026-11-25"], "012"),
            (["--until", "2026-11-24"], ""),
            (["--limit", "2"], "01"),
        ],
    )
    def test_what_is_sent(self, queue: Queue, root: Path, options: list[str], which: str) -> None:
        assert command(root, queue, *options) == 0
        assert {key[1] for key in said_by(arrived(queue, len(which)))} == set(which)

    def test_the_rest_of_a_limit_comes_later(
        self, queue: Queue, root: Path, capsys: Captured
    ) -> None:
        for _ in range(3):
            assert command(root, queue, "--limit", "2") == 0
        arrived(queue, 3)
        assert [line.partition(": ")[2] for line in capsys.readouterr().out.splitlines()] == [
            "2 replayed, 0 replayed before, 0 could not be sent, 1 left by --limit",
            "1 replayed, 2 replayed before, 0 could not be sent",
            "0 replayed, 3 replayed before, 0 could not be sent",
        ]

    def test_a_dry_run(self, queue: Queue, root: Path, capsys: Captured) -> None:
        before = sorted(root.rglob("*"))
        assert command(root, queue, "--dry_run") == 0
        assert capsys.readouterr().out == (
            "decode/bomb: 1\ndecode/no_body: 1\nentities/model_failed: 1\n"
            "3 dead letters: 3 would be replayed, 0 replayed before, 0 could not be sent\n"
        )
        assert sorted(root.rglob("*")) == before
        arrived(queue, 0)


class TestFailures:
    def test_nobody_who_receives(self, queue: Queue, tmp_path: Path, capsys: Captured) -> None:
        letters(tmp_path, dead_letter("l1"))
        unread = f"{queue.topic}-unread"
        assert command(tmp_path, unread) == 1
        assert f"replay: there is no topic {unread}; create it" in capsys.readouterr().err
        create_missing(unread, None)
        assert command(tmp_path, unread) == 1
        assert "would be lost; create one first" in capsys.readouterr().err
        assert not (tmp_path / NAME).exists()
        create_missing(unread, f"{queue.subscription}-late")
        assert command(tmp_path, unread) == 0

    def test_whether_somebody_does_may_be_a_secret(
        self, queue: Queue, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def forbidden(*arguments: object, **more: object) -> None:
            raise api_errors.PermissionDenied("not yours")

        monkeypatch.setattr(pubsub_v1.PublisherClient, "list_topic_subscriptions", forbidden)
        letters(tmp_path, dead_letter("l1"))
        assert command(tmp_path, queue) == 0
        arrived(queue, 1)

    def test_nobody_answers(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
    ) -> None:
        with embedded_broker() as address:
            pass  # Nobody listens on its port any more.
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", address)
        letters(tmp_path, dead_letter("l1"))
        assert command(tmp_path, TOPIC, "--timeout", "1") == 1
        err = capsys.readouterr().err
        assert err.count("\n") == 1
        assert address in err

    def test_no_credentials(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
    ) -> None:
        monkeypatch.delenv("PUBSUB_EMULATOR_HOST", raising=False)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
        letters(tmp_path, dead_letter("l1"))
        assert command(tmp_path, TOPIC) == 1
        assert "no Google Cloud credentials" in capsys.readouterr().err

    def test_what_arrived_before_a_failure_is_marked(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured
    ) -> None:
        with embedded_broker(Limits(backlog_bytes=8_000)) as address:
            monkeypatch.setenv("PUBSUB_EMULATOR_HOST", address)
            queue = Queue(address).create()
            keys = letters(tmp_path, *(dead_letter(f"l{n}", payload=b"x" * 900) for n in range(20)))
            monkeypatch.setattr("pipeline.replay.Sending", one_by_one)
            assert command(tmp_path, queue, "--timeout", "1") == 1
            err = capsys.readouterr().err
            assert err.startswith("replay: dead letter l")
            there = said_by(arrived(queue, said_sent(err)))
            assert 0 < len(there) < 20
            with Marks(tmp_path) as marks:
                assert {key for key in keys if key in marks} == there
            # The rest comes as there is room for it, and nothing twice.
            while command(tmp_path, queue, "--timeout", "1") != 0:
                new = said_by(arrived(queue, said_sent(capsys.readouterr().err)))
                assert new
                assert not new & there
                there |= new
            arrived(queue, 20 - len(there))

    @pytest.mark.parametrize(
        ("options", "what"),
        [
            (["--since", "yesterday"], "'yesterday' is neither a date or time"),
            (["--since", "99999999w"], "is neither"),
            (["--until", ""], None),
            (["--since", "1h", "--until", "2h"], "--since must be before --until"),
            (["--stage", "foo"], "invalid choice: 'foo'"),
            (["--limit", "0"], "must be at least 1"),
            (["--attribute", "x"], "KEY=VALUE"),
            (["--attribute", "data=x"], "'data' cannot be sent"),
            (["--attribute", "replayed_from=x"], "says which dead letter a message was"),
            (["--frobnicate"], "unknown argument --frobnicate"),
        ],
    )
    def test_bad_usage_is_one_line_and_2(
        self, tmp_path: Path, capsys: Captured, options: list[str], what: str | None
    ) -> None:
        (tmp_path / "dead_letters").mkdir()
        try:
            code = command(tmp_path, TOPIC, *options)
        except SystemExit as ending:
            code = ending.code if isinstance(ending.code, int) else -1
        out, err = capsys.readouterr()
        if what is None:
            assert (code, err) == (0, "")
            return
        assert (code, out, err.count("\n")) == (2, "", 1)
        assert what in err

    @pytest.mark.parametrize(
        ("arguments", "what"),
        [
            (["replay"], "required: OUTPUT, --topic"),
            (["replay", "no/such/folder", "--topic", TOPIC], "holds no records"),
            (["replay", ".", "--topic", "news"], "projects/PROJECT/topics/TOPIC"),
        ],
    )
    def test_an_output_and_a_topic(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured,
        arguments: list[str], what: str,
    ) -> None:  # fmt: skip
        (tmp_path / "dead_letters").mkdir()
        monkeypatch.chdir(tmp_path)
        try:
            code = main(arguments)
        except SystemExit as ending:
            code = ending.code if isinstance(ending.code, int) else -1
        assert code == 2
        assert what in capsys.readouterr().err


def said_sent(err: str) -> int:
    """How many messages a replay that failed says to have sent."""
    return int(err.rpartition("(")[2].partition(" messages were sent)")[0])


def one_by_one(**given: Any) -> Sending:
    return Sending(**{**given, "batch_messages": 1})


class TestReceipts:
    def test_come_for_each_message_that_arrived(self, queue: Queue) -> None:
        origins: list[str] = []
        messages = (
            sender.Outgoing(b"x", {"topic": "y"} if n % 3 else {}, f"m{n}") for n in range(30)
        )
        sender.publish(queue.topic, messages, sending=Sending(receipt=origins.append))
        assert origins == [f"m{n}" for n in range(30)]

    def test_a_message_alone_that_fails_is_named(self, queue: Queue) -> None:
        alone = sender.Outgoing(b"x", {"topic": "y"}, "mine")
        with pytest.raises(sender.PublishError, match=r"^mine: there is no topic"):
            sender.publish(f"{queue.topic}-none", [alone])


def test_the_command_is_there() -> None:
    assert "replay" not in cli.NOT_YET


NAMES = st.text("abAB-_", min_size=1, max_size=4)


@given(st.dictionaries(NAMES, st.text(max_size=3)), st.dictionaries(NAMES, st.text(max_size=3)))
def test_mending(attributes: dict[str, str], instead: dict[str, str]) -> None:
    result = mended(attributes, instead, "key")
    assert result["replayed_from"] == "key"
    assert instead.items() <= result.items()
    for name, value in attributes.items():
        alike = {other.lower().replace("-", "_") for other in instead}
        if name.lower().replace("-", "_") not in alike:
            assert result[name] == value
    assert len(result) <= len(attributes) + len(instead) + 1
    assert mended(result, {}, "next") == {**result, "replayed_from": "next"}

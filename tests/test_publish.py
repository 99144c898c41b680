"""`publish` end to end, against the embedded broker."""

from __future__ import annotations

import gzip
import inspect
import itertools
import os
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from backports import zstd
from google.cloud import pubsub_v1
from hypothesis import given
from hypothesis import strategies as st

from pipeline import sender
from pipeline.broker import Limits
from pipeline.cli import main
from pipeline.publish import parsed_attributes, publish_files, publish_generated
from pipeline.samples import generate
from pipeline.sender import Outgoing, PublishError, Sending, UsageError, full_subscription
from tests.brokers import embedded_broker

PROJECT = "projects/publish-tests"


@pytest.fixture(scope="module")
def broker() -> Iterator[str]:
    with embedded_broker() as address:
        yield address


@pytest.fixture
def topic(broker: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a topic that does not exist yet."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", broker)
    return f"{PROJECT}/topics/t{uuid.uuid4().hex}"


def creating(topic: str) -> Sending:
    """With a subscription named like the topic."""
    return Sending(create=True, subscription=topic.rpartition("/")[2])


def received(topic: str, count: int) -> list[pubsub_v1.types.PubsubMessage]:
    """The first `count` messages that the subscription of `creating` gives, in its order."""
    subscription = topic.replace("/topics/", "/subscriptions/")
    messages: list[pubsub_v1.types.PubsubMessage] = []
    with pubsub_v1.SubscriberClient() as subscriber:
        while len(messages) < count:
            reply = subscriber.pull(subscription=subscription, max_messages=1000, timeout=20)
            got = list(reply.received_messages)
            assert got, f"{len(messages)} of {count} messages came"
            messages += [one.message for one in got]
            subscriber.acknowledge(subscription=subscription, ack_ids=[one.ack_id for one in got])
    return messages


def command(*arguments: str) -> int:
    return main(["publish", *arguments])


class TestFiles:
    def test_bytes_arrive_untouched_with_what_the_name_tells(
        self, topic: str, tmp_path: Path
    ) -> None:
        files = {
            "a.json": (b'{"title": "x"}', "application/json", None),
            "b.html": (b"<p>x</p>", "text/html", None),
            "c.HTM": (b"<p>y</p>", "text/html", None),
            "d.txt": (" date 2025-01-21 Zürich".encode(), "text/plain", None),
            "e.json.gz": (gzip.compress(b"{}"), "application/json", "gzip"),
            "f.html.zst": (zstd.compress(b"<p>z</p>"), "text/html", "zstd"),
            "g": (b"\x00\xff raw", None, None),
            "h.gz": (gzip.compress(b"text"), None, "gzip"),
        }
        for name, (data, _, _) in files.items():
            (tmp_path / name).write_bytes(data)
        paths = [tmp_path / name for name in files]
        assert publish_files(topic, paths, sending=creating(topic)) == len(files)
        for message, (name, (data, kind, encoding)) in zip(
            received(topic, len(files)), files.items(), strict=True
        ):
            known = {"source_file": name, "content_type": kind, "content_encoding": encoding}
            assert message.data == data
            assert dict(message.attributes) == {k: v for k, v in known.items() if v is not None}

    @pytest.mark.parametrize(
        ("name", "pack"),
        [("n.jsonl", bytes), ("n.jsonl.gz", gzip.compress), ("n.jsonl.zst", zstd.compress)],
    )
    def test_json_lines_become_one_message_each(
        self, topic: str, tmp_path: Path, name: str, pack: Callable[[bytes], bytes]
    ) -> None:
        path = tmp_path / name
        path.write_bytes(pack(b'{"n": 1}\r\n\n  \n{"n": 2}\n{"n": 3}'))
        assert publish_files(topic, [path], sending=creating(topic)) == 3
        messages = received(topic, 3)
        assert [message.data for message in messages] == [b'{"n": 1}', b'{"n": 2}', b'{"n": 3}']
        for message in messages:
            assert dict(message.attributes) == {
                "content_type": "application/json",
                "source_file": name,
            }

    def test_the_callers_attributes_go_first(self, topic: str, tmp_path: Path) -> None:
        path = tmp_path / "a.json"
        path.write_text("{}")
        publish_files(
            topic,
            [str(path)],
            attributes={"source": "Test", "source_file": "other"},
            content_type="text/plain",
            sending=creating(topic),
        )
        (message,) = received(topic, 1)
        assert dict(message.attributes) == {
            "content_type": "text/plain",
            "source": "Test",
            "source_file": "other",
        }

    def test_a_missing_file_is_named_before_anything_is_sent(
        self, topic: str, tmp_path: Path
    ) -> None:
        good = tmp_path / "a.json"
        good.write_text("{}")
        with pytest.raises(UsageError, match=r"gone\.json: no such file"):
            publish_files(topic, [good, tmp_path / "gone.json"], sending=creating(topic))
        with pytest.raises(PublishError, match="there is no topic"):
            publish_files(topic, [good])

    @pytest.mark.parametrize(
        ("name", "data", "reason"),
        [
            ("a.json", b"", r"a\.json: the file is empty"),
            ("a.json", b"x" * 101, r"a\.json: larger than the 100 bytes"),
            ("a.jsonl", b"{}\n" + b"x" * 101, r"a\.jsonl:2: longer than the 100 bytes"),
            ("a.jsonl.gz", b"no gzip", r"a\.jsonl\.gz: cannot be read"),
            ("a.jsonl.gz", gzip.compress(b"{}\n" * 9)[:-9], r"a\.jsonl\.gz: cannot be read"),
            ("a.jsonl.zst", b"no zstd", r"a\.jsonl\.zst: cannot be read"),
        ],
    )
    def test_what_cannot_be_read_is_named(
        self, topic: str, tmp_path: Path, name: str, data: bytes, reason: str
    ) -> None:
        (tmp_path / name).write_bytes(data)
        with pytest.raises(PublishError, match=reason) as raised:
            publish_files(topic, [tmp_path / name], max_message_bytes=100, sending=creating(topic))
        # What was read before the fault was sent, and is said to have been.
        before = int(str(raised.value).rpartition("(")[2].partition(" messages were sent)")[0])
        assert len(received(topic, before)) == before
        assert before >= name.endswith(".jsonl")

    def test_a_message_larger_than_pubsub_takes_is_named(self, topic: str) -> None:
        huge = Outgoing(b"x" * 10_000_001, {}, "huge.json")
        with pytest.raises(PublishError, match=r"huge\.json: .*10,?000,?000"):
            sender.publish(topic, [huge], sending=creating(topic))


class TestGenerated:
    def test_every_message_arrives_as_generated_in_nearly_the_same_order(self, topic: str) -> None:
        steps: list[int] = []
        how = Sending(create=True, subscription=topic.rpartition("/")[2], progress=steps.append)
        assert publish_generated(topic, 700, 5, attributes={"batch": "x"}, sending=how) == 700
        assert steps == list(range(1, 701))
        sent = [(m.data, sorted({**m.attributes, "batch": "x"}.items())) for m in generate(700, 5)]
        got = [(m.data, sorted(m.attributes.items())) for m in received(topic, 700)]
        assert sorted(got) == sorted(sent)
        # Requests run side by side, so that a whole request may change places with the next.
        places = [sent.index(one) for one in got]
        assert sum(b == a + 1 for a, b in itertools.pairwise(places)) > 600

    def test_what_waits_for_a_receipt_is_bounded(self, topic: str) -> None:
        waiting = confirmed = 0

        def counted() -> Iterator[Outgoing]:
            nonlocal waiting
            for number in range(300):
                waiting = max(waiting, number - confirmed)
                yield Outgoing(b"%d" % number, {}, str(number))

        def progress(count: int) -> None:
            nonlocal confirmed
            confirmed = count

        how = Sending(create=True, unconfirmed_messages=20, batch_messages=7, progress=progress)
        assert sender.publish(topic, counted(), sending=how) == 300
        assert waiting <= 20


class TestFailures:
    def test_a_missing_topic_says_what_to_do(
        self, topic: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert command("--topic", topic, "--generate", "3") == 1
        err = capsys.readouterr().err
        assert err.count("\n") == 1
        assert f"there is no topic {topic}; create it with --create" in err
        assert "generated message 1" in err

    def test_create_twice_and_a_subscription_elsewhere(
        self, topic: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        name = topic.rpartition("/")[2]
        arguments = ("--generate", "1", "--create", "--subscription", name)
        assert command("--topic", topic, *arguments) == 0
        assert command("--topic", topic, *arguments) == 0
        assert capsys.readouterr().out == f"1 message published to {topic}\n" * 2
        assert command("--topic", f"{topic}-other", *arguments) == 1
        assert f"exists already, on {topic};" in capsys.readouterr().err

    def test_nobody_answers(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with embedded_broker() as address:
            pass  # Nobody listens on its port any more.
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", address)
        topic = f"{PROJECT}/topics/nobody"
        for more in ((), ("--create",)):
            assert command("--topic", topic, "--generate", "3", "--timeout", "1", *more) == 1
            err = capsys.readouterr().err
            assert err.count("\n") == 1
            assert address in err or "no receipt within 1 s" in err

    def test_a_full_broker_is_not_called_unreachable(self, monkeypatch: pytest.MonkeyPatch) -> None:
        with embedded_broker(Limits(backlog_bytes=2_000)) as address:
            monkeypatch.setenv("PUBSUB_EMULATOR_HOST", address)
            how = Sending(create=True, subscription="full", timeout=1.0, batch_messages=1)
            big = (Outgoing(b"x" * 900, {}, f"file {n}") for n in range(9))
            with pytest.raises(PublishError, match=r"^file \d") as raised:
                sender.publish(f"{PROJECT}/topics/full", big, sending=how)
            assert "cannot be reached" not in str(raised.value)

    def test_no_credentials_and_no_broker(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        monkeypatch.delenv("PUBSUB_EMULATOR_HOST", raising=False)
        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
        assert command("--topic", f"{PROJECT}/topics/news", "--generate", "1") == 1
        assert "no Google Cloud credentials" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("arguments", "reason"),
        [
            (["--topic", "news", "--generate", "1"], "projects/PROJECT/topics/TOPIC"),
            (["--topic", f"{PROJECT}/subscriptions/news", "--generate", "1"], "topics/TOPIC"),
            (["--topic", f"{PROJECT}/topics/news"], "either files to send or --generate"),
            (["--topic", f"{PROJECT}/topics/news", "f", "--generate", "1"], "either files"),
            (["--topic", f"{PROJECT}/topics/news", os.devnull], f"{os.devnull}: not a file"),
            (
                ["--topic", f"{PROJECT}/topics/news", "--generate", "1", "--attribute", "x"],
                "KEY=VALUE",
            ),
            (
                ["--topic", f"{PROJECT}/topics/news", "--generate", "1", "--attribute", "data=1"],
                "'data' cannot be sent",
            ),
            (
                ["--topic", f"{PROJECT}/topics/news", "--generate", "1", "--subscription", "s"],
                "needs --create",
            ),
            (
                [
                    "--topic",
                    "projects/p/topics/n",
                    "--generate=1",
                    "--create",
                    "--subscription=a/b",
                ],
                "bare name or projects/",
            ),
            (
                ["--topic", f"{PROJECT}/topics/n", "--generate", "1", "--content_type", "text/x"],
                "--content_type is for files",
            ),
        ],
    )
    def test_bad_usage_is_one_line_and_2(
        self, arguments: list[str], reason: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert command(*arguments) == 2
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err.startswith("publish: ")
        assert captured.err.count("\n") == 1
        assert reason in captured.err

    def test_every_reserved_name_is_one_that_the_client_would_take_for_itself(self) -> None:
        parameters = inspect.signature(pubsub_v1.PublisherClient.publish).parameters.values()
        named = {one.name for one in parameters if one.kind is not one.VAR_KEYWORD}
        assert named == sender.RESERVED_ATTRIBUTES


@given(st.dictionaries(st.text(min_size=1).filter(lambda key: "=" not in key), st.text()))
def test_attributes_are_read_back_as_written(attributes: dict[str, str]) -> None:
    assert parsed_attributes([f"{k}={v}" for k, v in attributes.items()]) == attributes


def test_a_full_subscription_name_stays() -> None:
    name = "projects/other-one/subscriptions/desk"
    assert full_subscription(f"{PROJECT}/topics/news", name) == name

"""Starting, stopping, and the command's loop."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import threading

import grpc
import pytest
from google.cloud import pubsub_v1

from pipeline.broker import Broker
from pipeline.broker.core import Core, SubscriptionConfig, TopicConfig
from pipeline.broker.errors import NotFoundError, UnavailableError
from pipeline.broker.state import Message

TIMEOUT = 30.0


class TestBroker:
    def test_the_official_client_finds_it_by_the_environment(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        topic = "projects/some-project/topics/news"
        name = "projects/some-project/subscriptions/reader"
        with Broker() as broker:
            assert re.fullmatch(r"127\.0\.0\.1:[1-9][0-9]*", broker.address)
            monkeypatch.setenv("PUBSUB_EMULATOR_HOST", broker.address)
            publisher = pubsub_v1.PublisherClient()
            with pubsub_v1.SubscriberClient() as subscriber:
                publisher.create_topic(name=topic)
                subscriber.create_subscription(name=name, topic=topic)
                message_id = publisher.publish(topic, b"x", a="b").result(timeout=TIMEOUT)
                assert broker.backlog(name) == (1, 0)
                reply = subscriber.pull(subscription=name, max_messages=1)
                assert reply.received_messages[0].message.message_id == message_id
                assert broker.backlog(name) == (0, 1)
            publisher.stop()

    def test_a_port_in_use(self) -> None:
        with Broker() as broker:
            port = int(broker.address.rpartition(":")[2])
            with pytest.raises(OSError, match=rf"127\.0\.0\.1:{port}.*choose another") as caught:
                Broker(port=port).start()
            assert caught.value.errno == errno.EADDRINUSE
        with Broker(port=port):
            pass

    def test_an_address_of_another_machine(self) -> None:
        with pytest.raises(OSError, match=r"cannot listen on 192\.0\.2\.1:1"):
            Broker("192.0.2.1", 1).start()

    def test_started_twice(self) -> None:
        with Broker() as broker, pytest.raises(RuntimeError, match="started already"):
            broker.start()

    def test_stopped_without_a_start_and_twice(self) -> None:
        broker = Broker()
        broker.stop()
        with Broker() as started:
            started.stop()

    def test_backlog_of_a_subscription_that_is_not_there(self) -> None:
        with Broker() as broker, pytest.raises(NotFoundError):
            broker.backlog("projects/some-project/subscriptions/nobody")

    def test_another_goes_on_with_what_it_knew(self) -> None:
        topic = "projects/some-project/topics/news"
        name = "projects/some-project/subscriptions/reader"
        core = Core()
        core.create_topic(TopicConfig(topic))
        core.create_subscription(SubscriptionConfig(name, topic))
        core.publish(topic, [Message("1", "", b"", 1), Message("2", "", b"", 1)])
        with Broker(core=core):
            taken = core.take(core.consumer(name), 1, wait=TIMEOUT)
            assert taken is not None
        with pytest.raises(UnavailableError):
            core.take(core.consumer(name), 1, wait=TIMEOUT)
        with Broker(core=core) as second:
            assert second.backlog(name) == (1, 1)
            more = core.take(core.consumer(name), 2, wait=TIMEOUT)
            assert more is not None
            assert [one.message.message_id for one in (*taken, *more)] == ["1", "2"]
            core.acknowledge(name, [one.ack_id for one in (*taken, *more)])
            assert second.backlog(name) == (0, 0)

    def test_no_worker_is_left_behind(self) -> None:
        def workers() -> set[threading.Thread]:
            return {t for t in threading.enumerate() if t.name.startswith("broker")}

        before = workers()
        with Broker() as broker, grpc.insecure_channel(broker.address) as channel:
            grpc.channel_ready_future(channel).result(TIMEOUT)
            call = channel.unary_unary("/google.pubsub.v1.Publisher/Nothing")
            with pytest.raises(grpc.RpcError, match=r"google\.pubsub\.v1\.Publisher/Nothing"):
                call(b"", timeout=TIMEOUT)
            assert workers() > before
        assert workers() <= before


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_serve_says_where_it_listens_and_ends_on_a_signal(number: signal.Signals) -> None:
    code = "from pipeline.broker import serve; serve(port=0)"
    # The Google libraries warn on standard error of a Python that is near its end of life.
    with subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert re.fullmatch(
            r"listening on (127\.0\.0\.1:\d+); export PUBSUB_EMULATOR_HOST=\1\n", line
        )
        os.kill(process.pid, number)
        out, err = process.communicate(timeout=TIMEOUT)
    assert (process.returncode, out, err) == (0, "", "")

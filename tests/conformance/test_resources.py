"""Topics and subscriptions: create, get, list, delete, and what is refused."""

from __future__ import annotations

import uuid
from itertools import chain

import pytest
from google.api_core.exceptions import (
    AlreadyExists,
    InvalidArgument,
    MethodNotImplemented,
    NotFound,
)
from google.pubsub_v1 import types

from tests.conformance.conftest import PROJECT, Clients

BAD_IDS = ["ab", "1abc", "googabc", "a b c", "a/b/c", "é-topic", "a" * 256]


class TestTopics:
    def test_create_gives_back_what_get_gives(self, broker: Clients) -> None:
        name = broker.fresh("topics")
        created = broker.publisher.create_topic(request={"name": name, "labels": {"team": "news"}})
        assert created.name == name
        assert dict(created.labels) == {"team": "news"}
        assert broker.publisher.get_topic(topic=name) == created

    def test_a_second_one_of_the_name_is_refused(self, broker: Clients) -> None:
        topic = broker.topic()
        with pytest.raises(AlreadyExists):
            broker.publisher.create_topic(name=topic)

    def test_one_that_is_not_there(self, broker: Clients) -> None:
        name = broker.fresh("topics")
        with pytest.raises(NotFound):
            broker.publisher.get_topic(topic=name)
        with pytest.raises(NotFound):
            broker.publisher.delete_topic(topic=name)
        with pytest.raises(NotFound):
            broker.publish(name, {"data": b"x"})

    @pytest.mark.parametrize("bad", ["bad", *(f"{PROJECT}/topics/{i}" for i in BAD_IDS)])
    def test_bad_names_are_refused(self, broker: Clients, bad: str) -> None:
        with pytest.raises(InvalidArgument):
            broker.publisher.create_topic(name=bad)

    def test_list_is_by_project_and_in_pages(self, broker: Clients) -> None:
        project = f"projects/p{uuid.uuid4().hex[:20]}"
        names = [f"{project}/topics/topic-{i}" for i in range(5)]
        for name in names:
            broker.publisher.create_topic(name=name)
        pager = broker.publisher.list_topics(request={"project": project, "page_size": 2})
        pages = [[topic.name for topic in page.topics] for page in pager.pages]
        assert [len(page) for page in pages] == [2, 2, 1]
        assert sorted(chain.from_iterable(pages)) == names

    def test_deleted_one_is_gone_and_its_subscriptions_stay(self, broker: Clients) -> None:
        topic = broker.topic()
        subscription = broker.subscription(topic)
        broker.publish(topic, {"data": b"kept"})
        broker.publisher.delete_topic(topic=topic)
        with pytest.raises(NotFound):
            broker.publisher.get_topic(topic=topic)
        found = broker.subscriber.get_subscription(subscription=subscription)
        assert found.topic == "_deleted-topic_"
        assert [m.message.data for m in broker.pull_exactly(subscription, 1)] == [b"kept"]

        broker.publisher.create_topic(name=topic)
        broker.publish(topic, {"data": b"not for the old subscription"})
        assert broker.pull_now(subscription) == []
        assert list(broker.publisher.list_topic_subscriptions(topic=topic)) == []


class TestSubscriptions:
    def test_create_fills_in_the_defaults(self, broker: Clients) -> None:
        topic, name = broker.topic(), broker.fresh("subscriptions")
        created = broker.subscriber.create_subscription(name=name, topic=topic)
        broker.subscriptions.append(name)
        assert created.name == name
        assert created.topic == topic
        assert created.ack_deadline_seconds == 10
        assert created.message_retention_duration.total_seconds() == 604_800
        assert "push_config" in created
        assert created.push_config == types.PushConfig()
        assert broker.subscriber.get_subscription(subscription=name) == created

    def test_create_keeps_what_was_asked_for(self, broker: Clients) -> None:
        topic = broker.topic()
        name = broker.subscription(
            topic, ack_deadline_seconds=600, enable_message_ordering=True, labels={"a": "b"}
        )
        found = broker.subscriber.get_subscription(subscription=name)
        assert found.ack_deadline_seconds == 600
        assert found.enable_message_ordering
        assert dict(found.labels) == {"a": "b"}

    def test_a_second_one_of_the_name_is_refused(self, broker: Clients) -> None:
        topic = broker.topic()
        name = broker.subscription(topic)
        with pytest.raises(AlreadyExists):
            broker.subscriber.create_subscription(name=name, topic=topic)

    @pytest.mark.parametrize("seconds", [-1, 601])
    def test_ack_deadline_out_of_range(self, broker: Clients, seconds: int) -> None:
        with pytest.raises(InvalidArgument):
            broker.subscription(broker.topic(), ack_deadline_seconds=seconds)

    @pytest.mark.parametrize("bad", ["bad", *(f"{PROJECT}/subscriptions/{i}" for i in BAD_IDS)])
    def test_bad_names_are_refused(self, broker: Clients, bad: str) -> None:
        with pytest.raises(InvalidArgument):
            broker.subscriber.create_subscription(name=bad, topic=broker.topic())

    def test_topic_that_is_not_there(self, broker: Clients) -> None:
        with pytest.raises(NotFound):
            broker.subscription(broker.fresh("topics"))

    def test_one_that_is_not_there(self, broker: Clients) -> None:
        name = broker.fresh("subscriptions")
        with pytest.raises(NotFound):
            broker.subscriber.get_subscription(subscription=name)
        with pytest.raises(NotFound):
            broker.subscriber.delete_subscription(subscription=name)
        with pytest.raises(NotFound):
            broker.pull(name)
        with pytest.raises(NotFound):
            broker.subscriber.acknowledge(subscription=name, ack_ids=["x"])
        with pytest.raises(NotFound):
            broker.subscriber.modify_ack_deadline(
                subscription=name, ack_ids=["x"], ack_deadline_seconds=10
            )

    def test_lists_in_pages(self, broker: Clients) -> None:
        project = f"projects/p{uuid.uuid4().hex[:20]}"
        topic, other = f"{project}/topics/one", f"{project}/topics/two"
        for name in (topic, other):
            broker.publisher.create_topic(name=name)
        names = [f"{project}/subscriptions/sub-{i}" for i in range(5)]
        for name in names:
            broker.subscriber.create_subscription(name=name, topic=topic)
        last = f"{project}/subscriptions/sub-5"
        broker.subscriber.create_subscription(name=last, topic=other)
        broker.subscriptions += [*names, last]

        by_project = broker.subscriber.list_subscriptions(
            request={"project": project, "page_size": 4}
        )
        pages = [[found.name for found in page.subscriptions] for page in by_project.pages]
        assert [len(page) for page in pages] == [4, 2]
        assert sorted(chain.from_iterable(pages)) == [*names, last]

        by_topic = broker.publisher.list_topic_subscriptions(
            request={"topic": topic, "page_size": 2}
        )
        parts = [list(page.subscriptions) for page in by_topic.pages]
        assert [len(part) for part in parts] == [2, 2, 1]
        assert sorted(chain.from_iterable(parts)) == names

    def test_deleted_one_is_gone(self, broker: Clients) -> None:
        topic = broker.topic()
        name = broker.subscription(topic)
        broker.subscriber.delete_subscription(subscription=name)
        with pytest.raises(NotFound):
            broker.subscriber.get_subscription(subscription=name)
        assert list(broker.publisher.list_topic_subscriptions(topic=topic)) == []


def test_what_neither_does_names_the_method(broker: Clients) -> None:
    with pytest.raises(MethodNotImplemented, match="Publisher/DetachSubscription"):
        broker.publisher.detach_subscription(
            request={"subscription": broker.fresh("subscriptions")}
        )

"""The queue of one subscription, alone: examples, and a model it is compared with."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from pipeline.broker.state import Backlog, Delivery, Flow, Message

NO_BOUND = 10**9


def message(number: int, key: str = "", size: int = 1) -> Message:
    return Message(str(number), key, b"", size)


def pull(
    backlog: Backlog, now: float = 0, count: int = NO_BOUND, **fields: object
) -> list[Delivery]:
    arguments = {"ack_deadline": 10, "max_messages": count, "max_bytes": NO_BOUND, **fields}
    return backlog.pull(now, **arguments)  # type: ignore[arg-type]


def numbers(deliveries: list[Delivery]) -> list[int]:
    return [int(delivery.message.message_id) for delivery in deliveries]


def filled(count: int, key: str = "", *, ordered: bool = False, size: int = 1) -> Backlog:
    backlog = Backlog("p", ordered=ordered)
    backlog.publish(message(i, key, size) for i in range(count))
    return backlog


class TestLeases:
    def test_messages_come_in_the_order_they_were_published(self) -> None:
        backlog = filled(5)
        assert numbers(pull(backlog, count=2)) == [0, 1]
        assert numbers(pull(backlog)) == [2, 3, 4]
        assert pull(backlog) == []
        assert (backlog.waiting, backlog.leased) == (0, 5)

    def test_a_lease_ends_at_its_deadline_not_before(self) -> None:
        backlog = filled(1)
        (first,) = pull(backlog, 0)
        assert backlog.next_deadline() == 10
        assert pull(backlog, 9.999) == []
        (second,) = pull(backlog, 10)
        assert (first.attempt, second.attempt) == (1, 2)
        assert first.ack_id != second.ack_id

    def test_an_acknowledgement_after_the_deadline_does_nothing(self) -> None:
        backlog = filled(1)
        (first,) = pull(backlog, 0)
        assert backlog.acknowledge(10, [first.ack_id]) == 0
        (second,) = pull(backlog, 10)
        assert backlog.acknowledge(11, [first.ack_id]) == 0
        assert backlog.acknowledge(11, [second.ack_id, second.ack_id, "unknown"]) == 1
        assert (backlog.waiting, backlog.leased, backlog.bytes) == (0, 0, 0)
        assert backlog.next_deadline() is None

    def test_an_extension_counts_from_now_and_may_shorten(self) -> None:
        backlog = filled(2)
        long, short = pull(backlog, 0, ack_deadline=100)
        backlog.modify(5, [short.ack_id], 10)
        assert backlog.next_deadline() == 15
        assert numbers(pull(backlog, 15)) == [1]
        backlog.modify(20, [long.ack_id], 600)
        assert numbers(pull(backlog, 100)) == [1]
        assert backlog.expire(620) == 2

    def test_a_nacked_message_comes_before_the_backlog(self) -> None:
        backlog = filled(1000)
        first = pull(backlog, count=3)
        backlog.modify(0, [first[1].ack_id], 0)
        assert numbers(pull(backlog, count=2)) == [1, 3]

    def test_a_message_nacked_for_ever_does_not_keep_the_others_back(self) -> None:
        backlog = filled(10)
        seen = set()
        for _ in range(20):
            (delivery,) = pull(backlog, count=1)
            seen.add(int(delivery.message.message_id))
            if delivery.message.message_id == "0":
                backlog.modify(0, [delivery.ack_id], 0)
            else:
                backlog.acknowledge(0, [delivery.ack_id])
        assert seen == set(range(10))

    def test_deadlines_moved_again_and_again_take_no_room(self) -> None:
        backlog = filled(10)
        ids = [delivery.ack_id for delivery in pull(backlog)]
        for now in range(2000):
            backlog.modify(now, ids, 600)
        assert len(backlog._deadlines) < 2000
        assert backlog.next_deadline() == 1999 + 600
        assert backlog.leased == 10


class TestBounds:
    def test_bytes_of_a_response(self) -> None:
        backlog = filled(5, size=40)
        assert numbers(pull(backlog, max_bytes=100)) == [0, 1]

    def test_a_message_over_the_bound_goes_alone(self) -> None:
        backlog = filled(2, size=500)
        assert numbers(pull(backlog, max_bytes=100)) == [0]
        assert numbers(pull(backlog, max_bytes=100)) == [1]

    @pytest.mark.parametrize("ending", ["acknowledge", "nack", "deadline"])
    def test_flow_counts_until_the_lease_ends(self, ending: str) -> None:
        backlog = filled(5)
        flow = Flow(max_messages=2)
        first = pull(backlog, 0, flow=flow)
        assert numbers(first) == [0, 1]
        assert pull(backlog, 0, flow=flow) == []
        if ending == "acknowledge":
            backlog.acknowledge(0, [first[0].ack_id])
        elif ending == "nack":
            backlog.modify(0, [first[0].ack_id], 0)
        else:
            backlog.modify(0, [first[0].ack_id], 5)
            backlog.expire(5)
        assert (flow.messages, flow.bytes) == (1, 1)
        assert len(pull(backlog, 5, flow=flow)) == 1

    def test_flow_in_bytes(self) -> None:
        backlog = filled(4, size=60)
        flow = Flow(max_bytes=130)
        assert numbers(pull(backlog, flow=flow)) == [0, 1]
        huge = Flow(max_bytes=10)
        assert numbers(pull(backlog, flow=huge)) == [2]
        assert pull(backlog, flow=huge) == []


class TestOrdering:
    def test_a_key_waits_for_what_is_out(self) -> None:
        backlog = filled(4, "k", ordered=True)
        first = pull(backlog, count=2)
        assert numbers(first) == [0, 1]
        assert pull(backlog) == []
        backlog.acknowledge(0, [first[1].ack_id])
        assert pull(backlog) == []
        backlog.acknowledge(0, [first[0].ack_id])
        assert numbers(pull(backlog)) == [2, 3]

    def test_a_returned_message_brings_the_later_ones_back(self) -> None:
        backlog = filled(5, "k", ordered=True)
        first = pull(backlog, count=4)
        backlog.acknowledge(0, [first[0].ack_id])
        backlog.modify(0, [first[1].ack_id], 0)
        assert backlog.acknowledge(0, [delivery.ack_id for delivery in first]) == 0
        assert numbers(pull(backlog)) == [1, 2, 3, 4]

    def test_acknowledged_out_of_turn_stays_gone(self) -> None:
        backlog = filled(4, "k", ordered=True)
        first = pull(backlog)
        backlog.acknowledge(0, [first[2].ack_id])
        backlog.modify(0, [first[1].ack_id], 0)
        assert pull(backlog) == []  # 0 is still out
        backlog.acknowledge(0, [first[0].ack_id])
        assert numbers(pull(backlog)) == [1, 3]

    def test_keys_mean_nothing_without_ordering(self) -> None:
        backlog = filled(4, "k")
        assert numbers(pull(backlog, count=2)) == [0, 1]
        assert numbers(pull(backlog)) == [2, 3]

    def test_nothing_is_kept_of_a_key_that_is_done(self) -> None:
        backlog = Backlog("p", ordered=True)
        for number in range(100):
            backlog.publish([message(number, f"key-{number}")])
            backlog.acknowledge(0, [delivery.ack_id for delivery in pull(backlog)])
        assert backlog._lanes == {}


@dataclass
class Known:
    """What the model knows of a message that is not acknowledged."""

    number: int
    key: str
    attempts: int = 0
    ack_id: str | None = None
    deadline: float = 0


class BacklogMachine(RuleBasedStateMachine):
    """Any sequence of operations, compared with a model that looks at every message each time."""

    @initialize(ordered=st.booleans())
    def begin(self, ordered: bool) -> None:
        self.ordered = ordered
        self.backlog = Backlog("p", ordered=ordered)
        self.now = 0.0
        self.known: dict[int, Known] = {}
        self.published = 0
        self.ever: list[str] = []

    def end_lease(self, known: Known) -> None:
        known.ack_id = None
        if self.ordered and known.key:
            for other in self.known.values():
                if other.key == known.key and other.number > known.number:
                    other.ack_id = None

    def expire(self) -> None:
        due = [k for k in self.known.values() if k.ack_id is not None and k.deadline <= self.now]
        for known in due:
            if known.ack_id is not None:
                self.end_lease(known)

    def leased(self, ack_id: str) -> Known | None:
        return next((k for k in self.known.values() if k.ack_id == ack_id), None)

    def free(self) -> set[int]:
        held = {k.key for k in self.known.values() if self.ordered and k.key and k.ack_id}
        return {k.number for k in self.known.values() if not k.ack_id and k.key not in held}

    @rule(keys=st.lists(st.sampled_from(["", "a", "b"]), min_size=1, max_size=8))
    def publish(self, keys: list[str]) -> None:
        messages = []
        for key in keys:
            self.known[self.published] = Known(self.published, key)
            messages.append(message(self.published, key))
            self.published += 1
        self.backlog.publish(messages)

    @rule(count=st.integers(1, 10), seconds=st.sampled_from([1, 5, 60]))
    def pull(self, count: int, seconds: int) -> None:
        self.expire()
        free = self.free()
        deliveries = pull(self.backlog, self.now, count, ack_deadline=seconds)
        got = numbers(deliveries)
        assert len(got) == len(set(got)) == min(count, len(free))
        assert set(got) <= free
        for key in ("a", "b") if self.ordered else ():
            of_key = [n for n in got if self.known[n].key == key]
            before = sorted(n for n in free if self.known[n].key == key)
            assert of_key == before[: len(of_key)]
        new = [
            d
            for d in deliveries
            if d.attempt == 1 and not (self.ordered and d.message.ordering_key)
        ]
        assert numbers(new) == sorted(numbers(new))
        for delivery in deliveries:
            known = self.known[int(delivery.message.message_id)]
            known.attempts += 1
            known.ack_id, known.deadline = delivery.ack_id, self.now + seconds
            assert delivery.attempt == known.attempts
            assert delivery.ack_id not in self.ever
            self.ever.append(delivery.ack_id)

    @precondition(lambda self: self.ever)
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        ack_ids = data.draw(st.lists(st.sampled_from(self.ever), max_size=5))
        self.expire()
        gone = 0
        for ack_id in ack_ids:
            known = self.leased(ack_id)
            if known is not None:
                del self.known[known.number]
                gone += 1
        assert self.backlog.acknowledge(self.now, ack_ids) == gone

    @precondition(lambda self: self.ever)
    @rule(data=st.data(), seconds=st.sampled_from([0, 3, 600]))
    def modify(self, data: st.DataObject, seconds: int) -> None:
        ack_ids = data.draw(st.lists(st.sampled_from(self.ever), max_size=5))
        self.expire()
        changed = 0
        for ack_id in ack_ids:
            known = self.leased(ack_id)
            if known is None:
                continue
            changed += 1
            if seconds == 0:
                self.end_lease(known)
            else:
                known.deadline = self.now + seconds
        assert self.backlog.modify(self.now, ack_ids, seconds) == changed

    @rule(seconds=st.sampled_from([0.5, 1.0, 10.0, 700.0]))
    def advance(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def counts_agree(self) -> None:
        self.expire()
        self.backlog.expire(self.now)
        leased = [k for k in self.known.values() if k.ack_id is not None]
        assert self.backlog.leased == len(leased)
        assert self.backlog.waiting == len(self.known) - len(leased)
        assert self.backlog.bytes == len(self.known)
        deadline = min((k.deadline for k in leased), default=None)
        assert self.backlog.next_deadline() == deadline

    def teardown(self) -> None:
        """Nothing is lost: a patient consumer gets every message that is left, keys in order."""
        if not hasattr(self, "backlog"):
            return
        self.now += 10_000
        rest: list[Delivery] = []
        while batch := pull(self.backlog, self.now, 3):
            rest += batch
            self.backlog.acknowledge(self.now, [delivery.ack_id for delivery in batch])
        assert sorted(numbers(rest)) == sorted(self.known)
        for key in ("a", "b") if self.ordered else ():
            of_key = [int(d.message.message_id) for d in rest if d.message.ordering_key == key]
            assert of_key == sorted(of_key)
        assert (self.backlog.waiting, self.backlog.leased, self.backlog.bytes) == (0, 0, 0)


TestBacklogMachine = BacklogMachine.TestCase
TestBacklogMachine.settings = settings(max_examples=150, stateful_step_count=40)

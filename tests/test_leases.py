from __future__ import annotations

import datetime as dt
import logging
import threading
from collections.abc import Iterator

import pytest
from google.api_core import exceptions

from pipeline import leases as module
from pipeline.leases import ACK_IDS_PER_REQUEST, LEASE_SECONDS, LeaseLedger
from tests.waiting import eventually

NOON = dt.datetime(2026, 11, 24, 12, tzinfo=dt.timezone.utc)
SECOND = dt.timedelta(seconds=1)


class Subscription:
    """An `Acknowledger` that writes down what it is told, and fails when it is told to."""

    def __init__(self) -> None:
        self.acknowledged: list[str] = []
        self.extended: list[str] = []
        self.returned: list[str] = []
        self.requests: list[int] = []
        self.failure: BaseException | None = None
        self.failures = 0
        self.open = threading.Event()
        self.open.set()

    def _request(self, ack_ids: list[str]) -> None:
        self.open.wait(30)
        self.requests.append(len(ack_ids))
        if self.failure is not None:
            self.failures += 1
            raise self.failure

    def acknowledge(self, ack_ids: list[str]) -> None:
        self._request(ack_ids)
        self.acknowledged += ack_ids

    def modify_ack_deadline(self, ack_ids: list[str], seconds: int) -> None:
        self._request(ack_ids)
        assert seconds in (0, LEASE_SECONDS)
        (self.extended if seconds else self.returned).extend(ack_ids)


class Clock:
    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def subscription() -> Subscription:
    return Subscription()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "RETRY_SECONDS", 0.02)


@pytest.fixture
def leases(subscription: Subscription, clock: Clock) -> Iterator[LeaseLedger]:
    # The thread looks for what is due four times in a deadline of real time.
    ledger = LeaseLedger(subscription, ack_deadline_seconds=0.2, clock=clock)
    yield ledger
    subscription.failure = None
    subscription.open.set()
    ledger.close()


def take(leases: LeaseLedger, key: str, time: dt.datetime = NOON, size: int = 10) -> bool:
    return leases.take(key, f"ack of {key}", time, size)


class TestSettling:
    def test_a_settled_message_is_acknowledged(
        self, leases: LeaseLedger, subscription: Subscription
    ) -> None:
        assert take(leases, "a")
        assert take(leases, "b")
        assert leases.settle(["a"]) == 1
        eventually(lambda: subscription.acknowledged == ["ack of a"])
        assert leases.unsettled == 1

    def test_nothing_is_acknowledged_before(
        self, leases: LeaseLedger, subscription: Subscription
    ) -> None:
        take(leases, "a")
        eventually(lambda: subscription.extended)
        assert subscription.acknowledged == []

    def test_unknown_and_settled_messages_are_passed_over(
        self, leases: LeaseLedger, subscription: Subscription
    ) -> None:
        take(leases, "a")
        assert leases.settle(["a", "a", "never seen"]) == 1
        assert leases.settle(["a"]) == 0
        leases.close()
        assert subscription.acknowledged == ["ack of a"]

    def test_a_redelivery_on_its_way_is_not_processed_again_and_both_are_acknowledged(
        self, leases: LeaseLedger, subscription: Subscription
    ) -> None:
        assert leases.take("a", "first", NOON, 10)
        assert not leases.take("a", "second", NOON, 10)
        assert (leases.unsettled, leases.unsettled_bytes, leases.redelivered) == (1, 10, 1)
        leases.settle(["a"])
        eventually(lambda: subscription.acknowledged == ["first", "second"])

    def test_a_redelivery_of_what_is_settled_but_not_acknowledged_yet_is_settled_again(
        self, leases: LeaseLedger, subscription: Subscription
    ) -> None:
        """It goes through the pipeline once more; the ledger recognises it there."""
        subscription.failure = exceptions.ServiceUnavailable("away")
        leases.take("a", "first", NOON, 10)
        leases.settle(["a"])
        assert leases.take("a", "second", NOON, 10)
        assert leases.settle(["a"]) == 1
        subscription.failure = None
        eventually(lambda: sorted(subscription.acknowledged) == ["first", "second"])

    def test_abandoned_messages_get_no_answer(
        self, leases: LeaseLedger, subscription: Subscription
    ) -> None:
        take(leases, "a")
        assert leases.abandon(["a"]) == 1
        assert leases.unsettled == 0
        assert leases.close()
        assert subscription.acknowledged == subscription.returned == []

    def test_messages_are_given_back(self, leases: LeaseLedger, subscription: Subscription) -> None:
        take(leases, "a")
        assert leases.give_back(["a"]) == 1
        eventually(lambda: subscription.returned == ["ack of a"])
        assert take(leases, "a"), "what was given back may come again"


class TestExtending:
    def test_long_before_the_deadline(
        self, leases: LeaseLedger, subscription: Subscription
    ) -> None:
        """The clock stands still: nothing has run out yet."""
        take(leases, "a")
        eventually(lambda: subscription.extended == ["ack of a"])

    def test_again_and_again_while_unsettled(
        self, leases: LeaseLedger, subscription: Subscription, clock: Clock
    ) -> None:
        take(leases, "a")
        for times in range(1, 5):
            eventually(lambda times=times: len(subscription.extended) == times)
            clock.now += LEASE_SECONDS * 0.6

    def test_not_once_it_is_settled(
        self, leases: LeaseLedger, subscription: Subscription, clock: Clock
    ) -> None:
        take(leases, "a")
        take(leases, "b")
        eventually(lambda: len(subscription.extended) == 2)
        leases.settle(["a"])
        clock.now += LEASE_SECONDS
        eventually(lambda: subscription.extended[2:] == ["ack of b"])

    def test_a_failure_is_tried_again_before_the_lease_would_be_due(
        self, leases: LeaseLedger, subscription: Subscription
    ) -> None:
        subscription.failure = exceptions.ServiceUnavailable("away")
        take(leases, "a")
        eventually(lambda: subscription.failures >= 2)
        subscription.failure = None
        eventually(lambda: subscription.extended == ["ack of a"])

    def test_every_delivery_of_a_message_is_extended(
        self, leases: LeaseLedger, subscription: Subscription
    ) -> None:
        leases.take("a", "first", NOON, 10)
        leases.take("a", "second", NOON, 10)
        eventually(lambda: {"first", "second"} <= set(subscription.extended))


class TestFailing:
    def test_what_could_not_be_acknowledged_is_tried_again(
        self, leases: LeaseLedger, subscription: Subscription
    ) -> None:
        subscription.failure = exceptions.ServiceUnavailable("away")
        take(leases, "a")
        leases.settle(["a"])
        eventually(lambda: subscription.failures >= 3)
        subscription.failure = None
        eventually(lambda: subscription.acknowledged == ["ack of a"])

    @pytest.mark.parametrize(
        "refusal", [exceptions.NotFound("gone"), exceptions.InvalidArgument("ran out")]
    )
    def test_what_is_refused_for_good_is_not(
        self, leases: LeaseLedger, subscription: Subscription, refusal: Exception
    ) -> None:
        subscription.failure = refusal
        take(leases, "a")
        leases.settle(["a"])
        eventually(lambda: subscription.failures)
        subscription.failure = None
        take(leases, "b")
        leases.settle(["b"])
        assert leases.close()
        assert subscription.acknowledged == ["ack of b"]

    def test_a_fault_of_ours_is_not_silent(
        self,
        leases: LeaseLedger,
        subscription: Subscription,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """A thread that dies unseen would let every deadline run out and acknowledge nothing."""
        caplog.set_level(logging.CRITICAL)
        subscription.failure = ZeroDivisionError("a fault of ours")
        take(leases, "a")
        leases.settle(["a"])
        eventually(lambda: not leases._thread.is_alive())
        with pytest.raises(RuntimeError, match="a fault of ours"):
            take(leases, "b")
        assert not leases.close()

    def test_a_dead_broker_holds_nobody_up(
        self, leases: LeaseLedger, subscription: Subscription
    ) -> None:
        subscription.open.clear()
        take(leases, "a")
        leases.settle(["a"])
        assert take(leases, "b")
        assert leases.settle(["b"]) == 1
        assert leases.oldest() is None


class TestClosing:
    def test_says_what_is_still_to_be_said(
        self, leases: LeaseLedger, subscription: Subscription
    ) -> None:
        for n in range(100):
            take(leases, f"{n}")
        leases.settle(f"{n}" for n in range(50))
        leases.give_back(f"{n}" for n in range(50, 60))
        assert leases.close()
        assert sorted(subscription.acknowledged) == sorted(f"ack of {n}" for n in range(50))
        assert len(subscription.returned) == 10

    def test_with_the_broker_away_it_gives_up_and_says_so(self, subscription: Subscription) -> None:
        leases = LeaseLedger(subscription)
        subscription.failure = exceptions.ServiceUnavailable("away")
        take(leases, "a")
        leases.settle(["a"])
        assert not leases.close(timeout=0.1)
        eventually(lambda: not leases._thread.is_alive())

    def test_unsettled_messages_are_not_extended_any_more(
        self, leases: LeaseLedger, subscription: Subscription, clock: Clock
    ) -> None:
        take(leases, "a")
        eventually(lambda: subscription.extended)
        clock.now += LEASE_SECONDS
        before = len(subscription.extended)
        assert leases.close()
        assert len(subscription.extended) <= before + 1


class TestLooking:
    def test_oldest_is_the_earliest_unsettled(self, leases: LeaseLedger) -> None:
        assert leases.oldest() is None
        for n in (3, 1, 2):
            take(leases, f"{n}", NOON + n * SECOND)
        assert leases.oldest() == NOON + SECOND
        leases.settle(["1", "3"])
        assert leases.oldest() == NOON + 2 * SECOND
        leases.settle(["2"])
        assert leases.oldest() is None

    def test_requests_are_bounded(self, leases: LeaseLedger, subscription: Subscription) -> None:
        count = 2 * ACK_IDS_PER_REQUEST + 1
        for n in range(count):
            take(leases, f"{n}")
        leases.settle(f"{n}" for n in range(count))
        assert leases.close()
        assert len(subscription.acknowledged) == count
        assert max(subscription.requests) == ACK_IDS_PER_REQUEST

    def test_an_old_message_that_stays_does_not_keep_all_later_ones_in_memory(
        self, leases: LeaseLedger, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "STALE_TIMES", 100)
        take(leases, "stays")
        for n in range(10_000):
            take(leases, f"{n}", NOON + n * SECOND)
            leases.settle([f"{n}"])
            assert leases.oldest() == NOON
        assert len(leases._by_time) < 200

    def test_room_is_waited_for(self, leases: LeaseLedger) -> None:
        assert leases.wait_for_room(1, 1, timeout=0)
        take(leases, "a", size=10)
        assert not leases.wait_for_room(1, 100, timeout=0)
        assert not leases.wait_for_room(2, 10, timeout=0)
        assert leases.wait_for_room(2, 11, timeout=0)
        found: list[bool] = []
        waiting = threading.Thread(target=lambda: found.append(leases.wait_for_room(1, 100, 30)))
        waiting.start()
        leases.settle(["a"])
        waiting.join(30)
        assert found == [True]

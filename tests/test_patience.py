"""Trying again, for as long as it may take and no longer."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import Failed
from pipeline.patience import MOST_SECONDS, OutOfPatience, Patience


class Spent:
    """A clock that goes on only while somebody waits."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waits: list[float] = []

    def clock(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.waits.append(seconds)


def patience_of(spent: Spent) -> Patience:
    return Patience((OSError,), clock=spent.clock, wait=spent.wait)


def failing(times: int, error: Exception | None = None) -> Callable[[], str]:
    left = [times]

    def work() -> str:
        if left[0]:
            left[0] -= 1
            raise error or OSError(28, "No space left on device")
        return "done"

    return work


def test_what_succeeds_waits_for_nothing() -> None:
    spent = Spent()
    assert patience_of(spent).call(failing(0), seconds=60, what="it fails") == "done"
    assert spent.waits == []


def test_pauses_grow() -> None:
    spent = Spent()
    assert patience_of(spent).call(failing(4), seconds=60, what="it fails") == "done"
    assert spent.waits == [0.5, 1.0, 2.0, 4.0]


def test_the_end_of_it_says_what_to_do() -> None:
    spent = Spent()
    with pytest.raises(
        OutOfPatience, match=r"^records cannot be written, for 60 s now: .*No space left"
    ):
        patience_of(spent).call(failing(1_000), seconds=60, what="records cannot be written")
    assert spent.now == 60
    assert issubclass(OutOfPatience, Failed)


def test_a_second_call_does_not_wait_as_long_again() -> None:
    """Beam tries a bundle four times, whatever it failed with."""
    spent = Spent()
    patience = patience_of(spent)
    for _ in range(4):
        with pytest.raises(OutOfPatience):
            patience.call(failing(1_000), seconds=60, what="it fails")
    assert spent.now == 60
    assert patience.call(failing(0), seconds=60, what="it fails") == "done"
    assert patience.call(failing(3), seconds=60, what="it fails") == "done"
    assert spent.now == 60 + 3.5


def test_what_does_not_pass_is_raised_at_once() -> None:
    spent = Spent()
    with pytest.raises(KeyError):
        patience_of(spent).call(failing(1, KeyError("x")), seconds=60, what="it fails")
    assert spent.waits == []


@given(st.integers(0, 200), st.floats(0.1, 500))
def test_never_longer_than_asked_and_never_given_up_before(failures: int, seconds: float) -> None:
    spent = Spent()
    try:
        patience_of(spent).call(failing(failures), seconds=seconds, what="it fails")
    except OutOfPatience:
        assert spent.now == pytest.approx(seconds)
    assert spent.now <= seconds * 1.000_001
    assert all(0 < pause <= MOST_SECONDS for pause in spent.waits)

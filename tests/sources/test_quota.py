"""The count of messages that a run may still take."""

from __future__ import annotations

import multiprocessing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sources.quota import Quota


def test_without_an_end_all_is_granted() -> None:
    quota = Quota.local(None)
    assert quota.reserve(1_000) == 1_000
    quota.take(1_000, 1_000)
    assert not quota.used_up


def test_one_reader_gets_all_that_is_left() -> None:
    quota = Quota.local(25)
    assert quota.reserve(10) == 10
    quota.take(10, 10)
    assert quota.reserve(100) == 15
    assert quota.reserve(100) == 0
    assert not quota.used_up
    quota.take(15, 5)
    assert quota.reserve(100) == 10
    quota.take(10, 10)
    assert quota.used_up


def test_what_is_left_is_shared_out() -> None:
    context = multiprocessing.get_context("spawn")
    quota = Quota.shared(context, 300, 2)
    assert quota.reserve(1_000) == 100
    assert quota.reserve(1_000) == 66


@given(
    st.integers(1, 1_000),
    st.integers(1, 4),
    st.lists(st.tuples(st.integers(1, 400), st.floats(0, 1)), max_size=60),
)
def test_never_more_than_asked_for(
    messages: int, readers: int, pulls: list[tuple[int, float]]
) -> None:
    """However pulls turn out, as many are taken as there are, and no more."""
    context = multiprocessing.get_context("spawn")
    quota = Quota.shared(context, messages, readers)
    taken = 0
    for wanted, share in pulls:
        reserved = quota.reserve(wanted)
        assert 0 <= reserved <= wanted
        got = int(reserved * share)
        quota.take(reserved, got)
        taken += got
        assert taken <= messages
    while not quota.used_up:
        reserved = quota.reserve(50)
        assert reserved > 0
        quota.take(reserved, reserved)
        taken += reserved
    assert taken == messages


def _take_all(quota: Quota, results: multiprocessing.Queue[int]) -> None:
    taken = 0
    while not quota.used_up:
        reserved = quota.reserve(7)
        quota.take(reserved, reserved)
        taken += reserved
    results.put(taken)


@pytest.mark.parametrize("readers", [3])
def test_processes_share_it(readers: int) -> None:
    context = multiprocessing.get_context("spawn")
    quota = Quota.shared(context, 2_000, readers)
    results: multiprocessing.Queue[int] = context.Queue()
    processes = [context.Process(target=_take_all, args=(quota, results)) for _ in range(readers)]
    for process in processes:
        process.start()
    assert sum(results.get(timeout=60) for _ in processes) == 2_000
    for process in processes:
        process.join()

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pipeline.runners.bundle_size import (
    FIRST,
    GROWTH,
    LEAST,
    MOST,
    TARGET_SECONDS,
    BundleSize,
    resized,
)

sizes = st.integers(LEAST, MOST)
durations = st.floats(0, 1e6)


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def settled(seconds_for: float, fixed: float = 0.0, bundles: int = 30) -> int:
    """The size after so many full bundles of records that take `seconds_for` each."""
    clock = Clock()
    size = BundleSize(clock)
    for _ in range(bundles):
        records = size.next()
        size.handed_on(records)
        clock.now += fixed + records * seconds_for
    return size.next()


@given(sizes, st.integers(1, MOST), durations)
def test_the_size_stays_in_bounds_and_grows_no_faster_than_it_may(
    size: int, records: int, seconds: float
) -> None:
    after = resized(size, records, seconds)
    assert LEAST <= after <= MOST
    assert after <= max(LEAST, size * GROWTH)


@given(sizes, st.integers(1, MOST), durations)
def test_a_bundle_that_was_not_full_never_says_that_more_would_be_better(
    size: int, records: int, seconds: float
) -> None:
    if records < size:
        assert resized(size, records, seconds) <= size


@given(sizes, durations, durations)
def test_slower_bundles_never_make_larger_ones(size: int, one: float, other: float) -> None:
    fast, slow = sorted((one, other))
    assert resized(size, size, slow) <= resized(size, size, fast)


def test_it_begins_with_the_first_size() -> None:
    assert BundleSize().next() == FIRST


@given(st.floats(TARGET_SECONDS / MOST, TARGET_SECONDS / LEAST))
def test_it_comes_to_a_second_of_work(seconds_for: float) -> None:
    size = settled(seconds_for)
    assert abs(size * seconds_for - TARGET_SECONDS) <= seconds_for + 0.01


def test_fast_work_gets_the_largest_and_slow_the_smallest() -> None:
    assert settled(1e-6) == MOST
    assert settled(10.0) == LEAST


def test_a_fixed_cost_counts_too() -> None:
    assert settled(0.001, fixed=0.5) * 0.001 + 0.5 <= TARGET_SECONDS + 0.01


def test_waiting_for_messages_is_not_work() -> None:
    clock = Clock()
    size = BundleSize(clock)
    for _ in range(5):
        size.handed_on(0)
        clock.now += 60
        assert size.next() == FIRST


def test_a_bundle_is_counted_once() -> None:
    clock = Clock()
    size = BundleSize(clock)
    size.handed_on(FIRST)
    clock.now += TARGET_SECONDS * 2
    assert size.next() == FIRST // 2
    clock.now += 1000
    assert size.next() == FIRST // 2

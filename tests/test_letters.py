"""Which dead letters are taken."""

from __future__ import annotations

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import UsageError
from pipeline.letters import EVERY, Wanted, parsed_time
from tests.articles import NOON, dead_letter

HOUR = dt.timedelta(hours=1)


@given(st.datetimes())
def test_a_time_is_read_as_written(time: dt.datetime) -> None:
    assert parsed_time(time.isoformat(), NOON) == time.replace(tzinfo=dt.timezone.utc)
    utc = f"{time.isoformat()}Z"
    assert parsed_time(utc, NOON) == time.replace(tzinfo=dt.timezone.utc)


@given(st.text(max_size=30))
def test_any_other_text_is_a_usage_error(text: str) -> None:
    try:
        time = parsed_time(text, NOON)
    except UsageError:
        return
    assert time.tzinfo is dt.timezone.utc


@given(st.integers(0, 10_000), st.sampled_from("smhdw"))
def test_a_span_goes_back_from_now(number: int, unit: str) -> None:
    seconds = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}[unit]
    assert NOON - parsed_time(f"{number}{unit}", NOON) == dt.timedelta(seconds=number * seconds)


@given(st.integers(-3, 3), st.integers(-3, 3))
def test_since_is_in_and_until_is_out(since: int, until: int) -> None:
    wanted = Wanted(since=NOON + since * HOUR, until=NOON + until * HOUR)
    for hour in range(-3, 4):
        letter = dead_letter("l", failed_at=NOON + hour * HOUR)
        assert wanted.takes(letter) == (since <= hour < until)


def test_what_was_replayed_is_left_alone() -> None:
    one, other = dead_letter("a"), dead_letter("b")
    wanted = Wanted(replayed=frozenset({one.key}))
    assert not wanted.takes(one)
    assert wanted.takes(other)
    assert EVERY.takes(one)

"""Publishers' dates."""

from __future__ import annotations

import datetime as dt
import re

import pytest
from dateutil.parser import isoparse
from hypothesis import given
from hypothesis import strategies as st

from pipeline.transforms import dates

UTC = dt.timezone.utc
NOW = dt.datetime(2026, 1, 1, tzinfo=UTC)


def read(value: object) -> tuple[dates.Instant | None, list[str]]:
    warnings: list[str] = []
    return dates.read(value, name="it", now=NOW, warnings=warnings), warnings


@pytest.mark.parametrize(
    ("value", "expected", "precision"),
    [
        ("2025-01-21", (2025, 1, 21), "day"),
        ("20250121", (2025, 1, 21), "day"),
        (20250121, (2025, 1, 21), "day"),
        ("2025/01/21", (2025, 1, 21), "day"),
        ("2025-01-21T10:30Z", (2025, 1, 21, 10, 30), "minute"),
        ("2025-01-21T10:30:45Z", (2025, 1, 21, 10, 30, 45), "second"),
        ("2025-01-21 10:30:45 UTC", (2025, 1, 21, 10, 30, 45), "second"),
        ("2025-01-21t10:30:45.123456789z", (2025, 1, 21, 10, 30, 45, 123456), "second"),
        ("2025-01-21T10:30:45+02:00", (2025, 1, 21, 8, 30, 45), "second"),
        ("2025-01-21T10:30:45 -0530", (2025, 1, 21, 16, 0, 45), "second"),
        ("20250121T103045Z", (2025, 1, 21, 10, 30, 45), "second"),
        ("Tue, 21 Jan 2025 10:30:45 GMT", (2025, 1, 21, 10, 30, 45), "second"),
        ("Tue, 21 Jan 2025 10:30:45 -0500 (EST)", (2025, 1, 21, 15, 30, 45), "second"),
        ("21 Jan 2025 10:30 EST", (2025, 1, 21, 15, 30), "minute"),
        ("January 21, 2025", (2025, 1, 21), "day"),
        (1737455445, (2025, 1, 21, 10, 30, 45), "second"),
        ("1737455445", (2025, 1, 21, 10, 30, 45), "second"),
        (1737455445000, (2025, 1, 21, 10, 30, 45), "second"),
        (1737455445.5, (2025, 1, 21, 10, 30, 45, 500000), "second"),
    ],
)
def test_forms(value: object, expected: tuple[int, ...], precision: str) -> None:
    instant, warnings = read(value)
    assert instant == (dt.datetime(*expected, tzinfo=UTC), precision)  # type: ignore[arg-type, misc]
    assert warnings == []


def test_time_without_zone_is_utc_with_a_warning() -> None:
    instant, warnings = read("2025-01-21T10:30:45")
    assert instant is not None
    assert instant.at == dt.datetime(2025, 1, 21, 10, 30, 45, tzinfo=UTC)
    assert warnings == ["it has no time zone and was taken as UTC"]


@pytest.mark.parametrize(
    ("value", "year"), [("1492-10-12", 1492), ("0001-01-01T00:00:00Z", 1), ("2026-01-04", 2026)]
)
def test_implausible_ones_are_kept_with_a_warning(value: str, year: int) -> None:
    instant, warnings = read(value)
    assert instant is not None
    assert instant.at.year == year
    assert warnings[0].startswith("it is implausible")


@pytest.mark.parametrize(
    "value",
    [
        *("yesterday", "2025-13-01", "2025-01", "January 2025", "10:30", "01/02/2025"),
        *("1" * 60, "9" * 9_000, "0001-01-01T00:00:00+12:00", "٢٠٢٥-٠١-٢١"),
        *(0, 2025, True, float("nan"), 1e300, [], {}),
    ],
)
def test_unreadable_ones_are_left_out_with_a_warning(value: object) -> None:
    instant, warnings = read(value)
    assert instant is None
    assert warnings == ["it is not a date that can be read and was left out"]


def test_nothing_is_no_date() -> None:
    assert read(None) == read("") == (None, [])


@given(st.datetimes(timezones=st.timezones() | st.just(UTC), min_value=dt.datetime(1900, 1, 2)))
def test_iso_round_trip(at: dt.datetime) -> None:
    at = at.replace(year=min(at.year, 9998))
    at = dt.datetime.fromisoformat(at.isoformat()[:19] + "+00:00")
    instant, _ = read(at.isoformat())
    assert instant == (at, "second")


PIECES = "Jan 21 2025 2025-01-21 10:30 10:30:45 GMT EST +99:99 Z T ( ) , . : - am PM 99999"
WORDS = st.sampled_from(re.split(" ", PIECES))


@given(st.lists(WORDS, max_size=8).map(" ".join) | st.text(max_size=70) | st.integers())
def test_nothing_else_is_raised(value: object) -> None:
    instant, _ = read(value)
    assert instant is None or instant.at.tzinfo is UTC


@given(
    st.from_regex(
        r"20[0-3]\d-[01]\d-[0-3]\d(T[0-2]\d:[0-6]\d(:[0-6]\d)?(Z|[+-][0-2]\d:[0-6]\d)?)?",
        fullmatch=True,
    )
)
def test_quick_and_thorough_reading_agree(value: str) -> None:
    day, _, rest = value.partition("T")
    try:
        thorough = isoparse(f"{day}T{rest}" if rest else day)
    except ValueError:
        assert read(value)[0] is None
        return
    instant = read(value)[0]
    assert instant is not None
    assert instant.at == (thorough if thorough.tzinfo else thorough.replace(tzinfo=UTC))

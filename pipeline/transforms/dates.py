"""Publishers' dates: ISO 8601, RFC 2822, dates in words, and seconds since 1970."""

from __future__ import annotations

import datetime as dt
import math
import re
from typing import NamedTuple

from dateutil import parser as dateutil_parser  # type: ignore[import-untyped]

from pipeline.transforms.text import warn

SECOND, MINUTE, DAY = "second", "minute", "day"

# The longest real one is around 45: "Wednesday, 24 September 2025 10:30:45 -0400 (EDT)".
MAX_DATE_CHARS = 64
# No newspaper is older than 1605, no newspaper archive sold as data much older than this.
EARLIEST_PLAUSIBLE_YEAR = 1800
# Embargoed pieces and clocks that are wrong by a time zone or two stay below this.
MAX_FUTURE = dt.timedelta(days=2)

NAIVE = "{name} has no time zone and was taken as UTC"
UNREADABLE = "{name} is not a date that can be read and was left out"
IMPLAUSIBLE = "{name} is implausible: {why}"


class Instant(NamedTuple):
    """A moment in UTC, and how exactly it is known (second, minute, day)."""

    at: dt.datetime
    precision: str


def read(value: object, *, name: str, now: dt.datetime, warnings: list[str]) -> Instant | None:
    """The moment that `value`, text or a number, stands for; None where there is none.

    A day is its first moment in UTC. A date that cannot be read is left out, and one that is
    implausible is kept, each with a warning that calls it `name`.
    """
    if value is None or value == "":
        return None
    try:
        at, precision = _read_text(value) if isinstance(value, str) else _read_number(value)
        if at.tzinfo is None:
            if precision != DAY:
                warn(warnings, NAIVE.format(name=name))
            at = at.replace(tzinfo=dt.timezone.utc)
        at = at.astimezone(dt.timezone.utc)
    except (ValueError, TypeError, OverflowError, ArithmeticError, LookupError, AttributeError):
        # All of these come out of dateutil, for texts that are not dates.
        warn(warnings, UNREADABLE.format(name=name))
        return None
    if at.year < EARLIEST_PLAUSIBLE_YEAR:
        warn(warnings, IMPLAUSIBLE.format(name=name, why=f"before {EARLIEST_PLAUSIBLE_YEAR}"))
    elif at - now > MAX_FUTURE:
        why = f"more than {MAX_FUTURE.days} days in the future"
        warn(warnings, IMPLAUSIBLE.format(name=name, why=why))
    return Instant(at, precision)


_ISO = re.compile(
    r"(\d{4}[-/]\d{2}[-/]\d{2}|[12]\d{7})"
    r"(?:[T ](\d{2}(?::?\d{2}(?::?\d{2}(?:[.,]\d{1,12})?)?)?)"
    r" ?(Z|UTC|GMT|[+-]\d{2}(?::?\d{2})?)?)?",
    re.I,
)
# Without hour 24, which dateutil takes for the next midnight and Python before 3.13 for an error.
_PLAIN_TIME = re.compile(r"(?:[01]\d|2[0-3]):\d{2}(?::\d{2})?")
_PLAIN_OFFSET = re.compile(r"[+-]\d{2}:[0-5]\d")
_NUMBER = re.compile(r"-?\d{1,20}(?:\.\d{1,9})?")
_WORDS = re.compile(r"[A-Za-z0-9 ,.:+()-]+")
_MONTH = re.compile(r"jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec", re.I)
_YEAR = re.compile(r"(?<!\d)\d{4}(?!\d)")
_HAS_SECONDS = re.compile(r"\d:\d\d:\d\d")
_HAS_TIME = re.compile(r"\d:\d\d|\d ?[ap]\.?m\b", re.I)

# RFC 2822, 4.3, and UTC; what other abbreviations mean depends on who uses them.
_ZONES = {
    **dict.fromkeys(("UTC", "GMT", "UT", "Z"), 0),
    **dict.fromkeys(("EDT",), -4),
    **dict.fromkeys(("EST", "CDT"), -5),
    **dict.fromkeys(("CST", "MDT"), -6),
    **dict.fromkeys(("MST", "PDT"), -7),
    **dict.fromkeys(("PST",), -8),
}


def _read_text(value: str) -> tuple[dt.datetime, str]:
    text = value[: 2 * MAX_DATE_CHARS].strip()
    text = " ".join(text.split())
    if len(text) > MAX_DATE_CHARS or not text.isascii():
        raise ValueError("too long, or not ASCII")
    iso = _ISO.fullmatch(text)
    if iso:
        return _read_iso(*iso.groups())
    if _NUMBER.fullmatch(text):
        return _read_number(float(text))
    return _read_words(text)


def _read_iso(day: str, time: str | None, zone: str | None) -> tuple[dt.datetime, str]:
    day = day.replace("/", "-")
    if time is None:
        return _iso_day(day), DAY
    if zone and zone.upper() in ("Z", "UTC", "GMT"):
        zone = "Z"
    seconds = len(time.replace(":", "")) > 4
    return _iso_time(day, time, zone or ""), SECOND if seconds else MINUTE


def _iso_day(day: str) -> dt.datetime:
    # Python's own parser is five times as fast, and before 3.11 knows this form alone.
    if len(day) == len("2025-01-21"):
        return dt.datetime.fromisoformat(day)
    at: dt.datetime = dateutil_parser.isoparse(day)
    return at


def _iso_time(day: str, time: str, zone: str) -> dt.datetime:
    if len(day) == len("2025-01-21") and _PLAIN_TIME.fullmatch(time):
        offset = "+00:00" if zone == "Z" else zone
        if not offset or _PLAIN_OFFSET.fullmatch(offset):
            return dt.datetime.fromisoformat(f"{day}T{time}{offset}")
    at: dt.datetime = dateutil_parser.isoparse(f"{day}T{time.replace(':', '')}{zone}")
    return at


def _read_words(text: str) -> tuple[dt.datetime, str]:
    """RFC 2822 and the like: "Tue, 21 Jan 2025 10:30:45 GMT", "January 21, 2025"."""
    if not (_WORDS.fullmatch(text) and _MONTH.search(text) and _YEAR.search(text)):
        raise ValueError("no month in words, or no year")
    # dateutil fills what is missing from a default; what depends on it was not in the text.
    first, second = (
        dateutil_parser.parse(text, default=default, tzinfos=_zone)
        for default in (dt.datetime(2001, 1, 1), dt.datetime(2002, 2, 2))
    )
    if first.date() != second.date():
        raise ValueError("the day, the month or the year is missing")
    if _HAS_SECONDS.search(text):
        return first, SECOND
    return first, MINUTE if _HAS_TIME.search(text) else DAY


def _zone(name: str | None, offset: int | None) -> dt.tzinfo | None:
    if offset is not None:
        return dt.timezone(dt.timedelta(seconds=offset))
    hours = _ZONES.get((name or "").upper())
    return None if hours is None else dt.timezone(dt.timedelta(hours=hours))


def _read_number(value: object) -> tuple[dt.datetime, str]:
    """Seconds since 1970, or milli- or microseconds, told apart by their size."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError("not a number")
    # The first second that is taken as one is in 1973: below lie counts, years and zeros that mean
    # "not set". A number of eight digits that begins with a year is a day.
    if isinstance(value, int) and 1800_01_01 <= value <= 2100_00_00:
        return _read_iso(str(value), None, None)
    number = float(value)
    if not math.isfinite(number) or not 1e8 <= abs(number) < 1e17:
        raise ValueError("not a time since 1970")
    while abs(number) >= 1e11:
        number /= 1000
    epoch = dt.datetime(1970, 1, 1, tzinfo=dt.timezone.utc)
    return epoch + dt.timedelta(seconds=number), SECOND

"""Which dead letters to take, for a replay and for a backfill that reads them."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.errors import UsageError

if TYPE_CHECKING:
    from pipeline.records import DeadLetter

_SPAN = re.compile(r"(\d{1,9})([smhdw])")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@dataclass(frozen=True)
class Wanted:
    """Which dead letters to take; what is empty or None holds nothing back.

    Attributes:
        since: failed then or later.
        until: failed before.
        replayed: the keys of those that were taken before, and are left alone.
    """

    stages: frozenset[str] = frozenset()
    error_types: frozenset[str] = frozenset()
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    replayed: frozenset[str] = frozenset()

    def takes(self, letter: DeadLetter) -> bool:
        return (
            (not self.stages or letter.stage in self.stages)
            and (not self.error_types or letter.error_type in self.error_types)
            and (self.since is None or letter.failed_at >= self.since)
            and (self.until is None or letter.failed_at < self.until)
            and letter.key not in self.replayed
        )


EVERY = Wanted()


def parsed_wanted(
    stages: Iterable[str] | None,
    error_types: Iterable[str] | None,
    since: str | None,
    until: str | None,
    now: dt.datetime,
) -> Wanted:
    """What `--stage`, `--error_type`, `--since` and `--until` ask for.

    Raises:
        UsageError: a time is none, or they are the wrong way round.
    """
    wanted = Wanted(
        frozenset(stages or ()),
        frozenset(error_types or ()),
        parsed_time(since, now) if since else None,
        parsed_time(until, now) if until else None,
    )
    if wanted.since and wanted.until and wanted.since >= wanted.until:
        raise UsageError("--since must be before --until")
    return wanted


def parsed_time(text: str, now: dt.datetime) -> dt.datetime:
    """A time as `--since` takes it.

    >>> now = dt.datetime(2026, 11, 24, 12, tzinfo=dt.timezone.utc)
    >>> parsed_time("36h", now).isoformat()
    '2026-11-23T00:00:00+00:00'
    >>> parsed_time("2026-11-23", now).isoformat()
    '2026-11-23T00:00:00+00:00'
    >>> parsed_time("2026-11-23T08:00+01:00", now).isoformat()
    '2026-11-23T07:00:00+00:00'

    Raises:
        UsageError: it is none.
    """
    span = _SPAN.fullmatch(text.strip())
    try:
        if span:
            return now - dt.timedelta(**{_UNITS[span[2]]: int(span[1])})
        # Python 3.10 knows no Z.
        time = dt.datetime.fromisoformat(re.sub("[zZ]$", "+00:00", text.strip()))
        if time.tzinfo is None:
            return time.replace(tzinfo=dt.timezone.utc)
        return time.astimezone(dt.timezone.utc)
    except (ValueError, OverflowError) as error:
        raise UsageError(
            f"{text!r} is neither a date or time (2026-11-24, 2026-11-24T08:00Z) nor a span (24h, "
            "7d)"
        ) from error

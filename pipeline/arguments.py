"""Types of command-line arguments; free of Beam, which takes seconds to import."""

from __future__ import annotations

import argparse
import math
import re

SUBSCRIPTION = re.compile(r"projects/[^/\s]+/subscriptions/[^/\s]+")
REPROCESSED = ("entities", "tags")
SCHEDULE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,63}")


def positive_int(text: str) -> int:
    """A whole number of at least 1, for argparse."""
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, not {text}")
    return value


def positive_float(text: str) -> float:
    """A number above 0, for argparse."""
    value = float(text)
    if not 0 < value < math.inf:
        raise argparse.ArgumentTypeError(f"must be above 0 and finite, not {text}")
    return value


def schedule_name(text: str) -> str:
    """The name of a schedule, which names a file, for argparse."""
    if not SCHEDULE.fullmatch(text):
        raise argparse.ArgumentTypeError(
            f"must be up to 64 letters, digits, '.', '_' and '-', the first no '.', not {text!r}"
        )
    return text


def columns(text: str) -> dict[str, str]:
    """Pairs of a field and a column, for argparse.

    >>> columns("title=headline,body=text")
    {'title': 'headline', 'body': 'text'}
    """
    pairs = [pair.split("=", 1) for pair in text.split(",")]
    if not all(len(pair) == 2 and all(part.strip() for part in pair) for pair in pairs):
        raise argparse.ArgumentTypeError(f"must be FIELD=COLUMN,FIELD=COLUMN…, not {text!r}")
    found = {field.strip(): column.strip() for field, column in pairs}
    if len(found) < len(pairs):
        raise argparse.ArgumentTypeError(f"names a field twice: {text!r}")
    return found


def fields_of_records(text: str) -> list[str]:
    """What `--reprocess` makes anew, for argparse.

    >>> fields_of_records("tags,entities")
    ['entities', 'tags']
    """
    asked = {part.strip() for part in text.split(",")}
    if not asked <= set(REPROCESSED):
        raise argparse.ArgumentTypeError(f"must be entities, tags or entities,tags, not {text!r}")
    return [name for name in REPROCESSED if name in asked]


def share(text: str) -> float:
    """A number above 0 and up to 1, for argparse."""
    value = float(text)
    if not 0 < value <= 1:
        raise argparse.ArgumentTypeError(f"must be above 0 and at most 1, not {text}")
    return value


def port(text: str) -> int:
    """The number of a TCP port, 0 for any, for argparse."""
    value = int(text)
    if not 0 <= value <= 65_535:
        raise argparse.ArgumentTypeError(f"must be from 0 to 65535, not {text}")
    return value


# argparse names the type in "invalid int value: 'x'".
positive_int.__name__ = port.__name__ = "int"
positive_float.__name__ = share.__name__ = "float"

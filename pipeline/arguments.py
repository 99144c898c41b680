"""Types of command-line arguments; free of Beam, which takes seconds to import."""

from __future__ import annotations

import argparse
import math
import re

SUBSCRIPTION = re.compile(r"projects/[^/\s]+/subscriptions/[^/\s]+")


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

"""Named moments at which a test may strike; nothing happens at them unless the environment says so.

`ARTICLE_PIPELINE_FAILPOINTS` holds `name=action` pairs, separated by commas:

    after_intent=kill           SIGKILL to this process, the first time it comes there
    after_intent=kill@3         … the third time
    before_write=sleep:0.5      half a second, every time: a slow disk
    before_write=fail:28@2      OSError with errno 28 (ENOSPC), the second time only

The variable is for tests. It is read once, when the process starts; what it says is logged, so that
no production run can be under it unnoticed.
"""

from __future__ import annotations

import logging
import os
import re
import signal
import threading
import time
from dataclasses import dataclass

logger = logging.getLogger(__name__)

VARIABLE = "ARTICLE_PIPELINE_FAILPOINTS"
NAMES = frozenset(
    {
        "after_pull",
        "after_verdicts",
        "after_intent",
        "before_write",
        "after_write",
        "after_rename",
        "after_commit",
        "after_settle",
    }
)
_PAIR = re.compile(r"(\w+)=(kill|sleep:[\d.]+|fail:\d+)(?:@(\d+))?")


@dataclass
class _Point:
    action: str
    argument: float
    # Strike at this visit only; 0 for every visit.
    visit: int
    visits: int = 0


def parse(text: str) -> dict[str, _Point]:
    """The points that `text` sets.

    Raises:
        ValueError: it is not of the form above, or names no failpoint.
    """
    points = {}
    for pair in filter(None, text.split(",")):
        match = _PAIR.fullmatch(pair.strip())
        if match is None or match[1] not in NAMES:
            raise ValueError(
                f"{VARIABLE}: {pair!r} is not NAME=ACTION with a name of "
                f"{', '.join(sorted(NAMES))} and kill, sleep:SECONDS or fail:ERRNO"
            )
        action, _, argument = match[2].partition(":")
        visit = int(match[3] or (1 if action == "kill" else 0))
        points[match[1]] = _Point(action, float(argument or 0), visit)
    return points


_points = parse(os.environ.get(VARIABLE, ""))
_lock = threading.Lock()
if _points:
    logger.warning("%s is set: this run is made to fail", VARIABLE)


def reach(name: str) -> None:
    """Says that the process has come to the moment `name`."""
    if _points:
        _strike(name)


def _strike(name: str) -> None:
    point = _points.get(name)
    if point is None:
        return
    with _lock:
        point.visits += 1
        if point.visit and point.visits != point.visit:
            return
    if point.action == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif point.action == "sleep":
        time.sleep(point.argument)
    else:
        number = int(point.argument)
        raise OSError(number, os.strerror(number), f"failpoint {name}")

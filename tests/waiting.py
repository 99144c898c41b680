"""Waiting for what another thread or process brings about."""

from __future__ import annotations

import time
from collections.abc import Callable

PATIENCE_SECONDS = 30.0


def eventually(
    condition: Callable[[], object],
    patience: float = PATIENCE_SECONDS,
    explain: Callable[[], str] = lambda: "what was waited for did not come about",
) -> None:
    """Returns as soon as `condition` holds; fails where it does not within `patience` seconds."""
    end = time.monotonic() + patience
    while not condition():
        assert time.monotonic() < end, explain()
        time.sleep(0.005)

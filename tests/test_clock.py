"""A clock that what waits can rely on."""

from __future__ import annotations

import time

import pytest

from pipeline.clock import SteadyClock, steady_time


def test_begins_as_the_machines_clock() -> None:
    assert abs(steady_time() - time.time()) < 600


def test_does_not_follow_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = SteadyClock().time()
    monkeypatch.setattr(time, "time", lambda: 0.0)
    assert SteadyClock().time() >= before

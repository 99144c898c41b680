from __future__ import annotations

import logging
import threading

import pytest

from pipeline.watch import progress
from pipeline.watch.progress import Progress, TimeLeft, describe
from pipeline.watch.summary import Summary
from tests.waiting import eventually

SOME = Summary({"messages_received": 20, "articles_written": 10})


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "REFRESH_SECONDS", 0.001)
    monkeypatch.setattr(progress, "LOG_SECONDS", 0.01)


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate()]


def test_off_a_terminal_it_logs(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, progress.__name__)
    with Progress(lambda: SOME):
        eventually(lambda: len(caplog.records) >= 2)
    assert "20 messages" in caplog.records[0].getMessage()
    assert "progress" not in threads()


def test_what_is_not_shown_is_not_asked_for() -> None:
    def never() -> Summary:
        raise AssertionError("asked")

    with Progress(never, shown=False):
        assert "progress" not in threads()


def test_it_reports_though_it_shows_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, progress.__name__)
    reported: list[Summary] = []
    with Progress(lambda: SOME, shown=False, report=reported.append):
        eventually(lambda: len(reported) >= 20)
    assert reported[0] == SOME
    assert caplog.records == []


def test_it_ends_where_the_run_fails() -> None:
    with pytest.raises(RuntimeError, match="the run"), Progress(lambda: SOME):
        raise RuntimeError("the run")
    assert "progress" not in threads()


def test_the_time_left_is_told_by_the_speed_of_late() -> None:
    """What was written before is passed over quickly; it says nothing about the rest."""
    left = TimeLeft(window=10.0)
    for now, done in ((0.0, 0.0), (1.0, 0.5), (2.0, 0.51), (7.0, 0.56), (12.0, 0.61)):
        left.note(now, done)
    assert left.seconds() == pytest.approx(39.0)


@pytest.mark.parametrize(
    "noted", [[], [(0.0, 0.1)], [(0.0, 0.1), (9.0, 0.1)], [(0.0, None), (9.0, None)]]
)
def test_a_time_that_cannot_be_told(noted: list[tuple[float, float | None]]) -> None:
    left = TimeLeft()
    for now, done in noted:
        left.note(now, done)
    assert left.seconds() is None


def test_what_has_an_end_has_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress.sys.stderr, "isatty", lambda: True, raising=False)
    summaries = iter([SOME, *(Summary(done=share / 100) for share in range(1, 100))])
    last = Summary(done=1.0)
    asked: list[Summary] = []

    def look() -> Summary:
        asked.append(next(summaries, last))
        return asked[-1]

    with Progress(look):
        eventually(lambda: len(asked) > 100)
    assert "progress" not in threads()


@pytest.mark.parametrize(("seconds", "rate"), [(0.0, "(0/s)"), (2.0, "(10/s)"), (1e9, "(0/s)")])
def test_the_rate(seconds: float, rate: str) -> None:
    assert rate in describe(SOME, seconds)

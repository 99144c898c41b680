"""The failpoints: set by the environment, silent without it."""

from __future__ import annotations

import errno
import signal
import subprocess
import sys

import pytest

from pipeline import failpoints


def visit(monkeypatch: pytest.MonkeyPatch, text: str, name: str, times: int) -> list[int | None]:
    """The errno that each visit to `name` raised, None for none."""
    monkeypatch.setattr(failpoints, "_points", failpoints.parse(text))
    seen: list[int | None] = []
    for _ in range(times):
        try:
            failpoints.reach(name)
            seen.append(None)
        except OSError as error:
            seen.append(error.errno)
    return seen


def test_at_one_visit_only(monkeypatch: pytest.MonkeyPatch) -> None:
    assert visit(monkeypatch, "before_write=fail:28@2", "before_write", 3) == [
        None,
        errno.ENOSPC,
        None,
    ]


def test_at_every_visit(monkeypatch: pytest.MonkeyPatch) -> None:
    assert visit(monkeypatch, "before_write=fail:5", "before_write", 2) == [5, 5]
    assert visit(monkeypatch, "before_write=fail:5", "after_write", 2) == [None, None]


@pytest.mark.parametrize(
    "text", ["nowhere=kill", "after_pull", "after_pull=stop", "after_pull=kill@x", "=kill"]
)
def test_what_is_no_failpoint(text: str) -> None:
    with pytest.raises(ValueError, match=failpoints.VARIABLE):
        failpoints.parse(text)


def test_kill_and_a_word_in_the_log() -> None:
    program = (
        "import logging; logging.basicConfig()\n"
        "from pipeline import failpoints\n"
        "failpoints.reach('after_pull'); print('first', flush=True)\n"
        "failpoints.reach('after_pull'); print('second', flush=True)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env={failpoints.VARIABLE: "after_pull=kill@2"},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == -signal.SIGKILL
    assert ended.stdout == "first\n"
    assert "made to fail" in ended.stderr

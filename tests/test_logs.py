from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from pipeline import logs

Captured = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Logging is put back as it was."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    levels = {name: logging.getLogger(name).level for name in logs.QUIET}
    # Those of pytest are kept from being closed by `basicConfig`.
    root.handlers = []
    yield
    root.handlers, root.level = handlers, level
    for name, own in levels.items():
        logging.getLogger(name).setLevel(own)


def entries(capsys: Captured) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def test_text(capsys: Captured) -> None:
    logs.configure()
    logging.getLogger("pipeline.x").warning("took away %d files", 3)
    assert capsys.readouterr().err.endswith(" WARNING took away 3 files\n")


def test_json(capsys: Captured) -> None:
    logs.configure("json")
    logging.getLogger("pipeline.x").info('two\nlines, "quoted", Москва, %s', 3)
    (entry,) = entries(capsys)
    assert entry.pop("time").endswith("+00:00")
    assert entry == {
        "level": "INFO",
        "logger": "pipeline.x",
        "message": 'two\nlines, "quoted", Москва, 3',
    }


def test_a_traceback_is_inside_the_object(capsys: Captured) -> None:
    logs.configure("json")
    try:
        raise ValueError("why")
    except ValueError:
        logging.getLogger("pipeline.x").exception("it failed")
    (entry,) = entries(capsys)
    assert entry["message"] == "it failed"
    assert entry["traceback"].startswith("Traceback")
    assert entry["traceback"].endswith("ValueError: why")


def test_a_stack_is_inside_the_object(capsys: Captured) -> None:
    logs.configure("json")
    logging.getLogger("pipeline.x").info("here", stack_info=True)
    (entry,) = entries(capsys)
    assert "test_a_stack_is_inside" in entry["stack"]


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_noise_is_left_out(capsys: Captured, log_format: str) -> None:
    logs.configure(log_format)
    logging.warning("apitools not found; something or other")
    logging.getLogger("trafilatura.core").error("discarding data: a text of an article")
    logging.getLogger("apache_beam.runners.direct.executor").error("Giving up after 4 attempts")
    logging.getLogger("apache_beam.x").info("of no interest")
    assert capsys.readouterr().err == ""


def test_what_matters_of_others_is_not(capsys: Captured) -> None:
    logs.configure("json")
    logging.getLogger("apache_beam.x").warning("one")
    logging.getLogger("spacy.x").warning("two")
    logging.warning("three")
    logging.getLogger("pipeline.x").warning("apitools not found")
    assert [entry["message"] for entry in entries(capsys)] == [
        "one", "two", "three", "apitools not found",
    ]  # fmt: skip


def test_configuring_again_replaces(capsys: Captured) -> None:
    logs.configure()
    logs.configure("json")
    logging.getLogger("pipeline.x").info("once")
    assert len(entries(capsys)) == 1

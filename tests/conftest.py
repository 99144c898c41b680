"""Fixtures that tests of several folders share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from _pytest.terminal import TerminalReporter
from hypothesis import settings

from pipeline.compressed import GZIP_MAGIC
from tests.brokers import EmulatorMissingError, embedded_broker, google_emulator
from tests.redis_server import RedisMissingError, RedisServer, redis_server

# What takes how long is measured in tests/benchmarks; a busy machine is no error.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

SHARED_SAMPLE = (
    Path(__file__).resolve().parents[2] / "shared" / "samples" / "article_putin_xi_2025-01-21.txt"
)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """A name that does not hang on the second in which gzip data were made.

    Each process collects the tests by itself, and they must find the same ones.
    """
    if isinstance(val, bytes) and val.startswith(GZIP_MAGIC):
        return f"{argname}-gzip-{len(val)}"
    return None


@pytest.fixture(scope="session")
def sample_path() -> Path:
    """A real article in the form they arrive in; it is not ours to ship."""
    if not SHARED_SAMPLE.exists():
        pytest.skip(f"the sample article is not at ../shared/samples/{SHARED_SAMPLE.name}")
    return SHARED_SAMPLE


@pytest.fixture(scope="session")
def sample_body(sample_path: Path) -> str:
    """Its text without the date in front."""
    return sample_path.read_text(encoding="utf-8").removeprefix(" date 2025-01-21 ")


@pytest.fixture(scope="session")
def embedded_address() -> Iterator[str]:
    """An embedded broker of the session."""
    with embedded_broker() as address:
        yield address


@pytest.fixture(scope="session")
def google_address() -> Iterator[str]:
    """Google's emulator; its tests are skipped, with the reason, where it cannot run."""
    try:
        with google_emulator() as address:
            yield address
    except EmulatorMissingError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def redis_running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    """A Redis of the session; its tests are skipped, with the reason, where there is none."""
    try:
        with redis_server(tmp_path_factory.mktemp("redis")) as server:
            yield server
    except RedisMissingError as missing:
        pytest.skip(str(missing))


def pytest_terminal_summary(terminalreporter: TerminalReporter) -> None:
    """What tests have to say whether they fail or not: `record_property("said", …)`.

    Printed by a test it would be lost where tests run in several processes.
    """
    for reports in terminalreporter.stats.values():
        for report in reports:
            for name, value in getattr(report, "user_properties", ()):
                if name == "said" and report.when == "call":
                    terminalreporter.write_line(f"{report.nodeid}: {value}")

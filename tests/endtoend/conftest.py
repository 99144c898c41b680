"""The brokers of the end-to-end tests, one of each for the session."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.brokers import EmulatorMissingError, embedded_broker, google_emulator
from tests.endtoend.commands import Queue


@pytest.fixture(scope="session")
def embedded_address() -> Iterator[str]:
    with embedded_broker() as address:
        yield address


@pytest.fixture(scope="session")
def google_address() -> Iterator[str]:
    try:
        with google_emulator() as address:
            yield address
    except EmulatorMissingError as error:
        pytest.skip(str(error))


@pytest.fixture
def queue(embedded_address: str, monkeypatch: pytest.MonkeyPatch) -> Queue:
    """A new topic and subscription on the embedded broker."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", embedded_address)
    return Queue(embedded_address).create()


@pytest.fixture(params=["embedded", "google"])
def either_queue(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Queue:
    """A new topic and subscription on each broker in turn."""
    address = request.getfixturevalue(f"{request.param}_address")
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", address)
    return Queue(address).create()

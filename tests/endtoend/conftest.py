"""The brokers of the end-to-end tests, one of each for the session."""

from __future__ import annotations

import pytest

from tests.endtoend.commands import Queue


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

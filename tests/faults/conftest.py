"""The queue of the end-to-end tests, for faults too."""

from __future__ import annotations

import pytest

from tests.endtoend.commands import Queue


@pytest.fixture
def queue(embedded_address: str, monkeypatch: pytest.MonkeyPatch) -> Queue:
    """A new topic and subscription on the embedded broker."""
    monkeypatch.setenv("PUBSUB_EMULATOR_HOST", embedded_address)
    return Queue(embedded_address).create()

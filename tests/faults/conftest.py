"""The queue of the faults: on a broker of its own, whose leases can be ended at will."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.faults.clocks import ClockedQueue, clocked_queue


@pytest.fixture
def queue() -> Iterator[ClockedQueue]:
    """A new topic and subscription on the embedded broker."""
    with clocked_queue() as queue:
        yield queue

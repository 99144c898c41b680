"""What the harness notices of a run."""

from __future__ import annotations

from pathlib import Path

from tests.faults.brokers import BROKERS
from tests.faults.harness import Scene
from tests.faults.ledgers import LEDGERS
from tests.faults.table import Row


def test_a_file_that_ends_a_wait_is_seen(tmp_path: Path) -> None:
    """The last of a run came between two looks, and with it the last acknowledgement."""
    with BROKERS["embedded"]() as broker, LEDGERS["sqlite"](tmp_path) as ledger:
        scene = Scene(broker, ledger, tmp_path, seed=1, messages=100, faults=1)
        scene.rows["SIGTERM"] = row = Row()
        scene.recovers_from_now("SIGTERM")

        def last_one_arrives() -> bool:
            path = scene.output / "articles" / "date=2026-11-24" / "one.avro"
            path.parent.mkdir(parents=True)
            path.touch()
            return True

        scene.wait_until(last_one_arrives, "the last acknowledgement")
        assert len(row.seconds) == 1

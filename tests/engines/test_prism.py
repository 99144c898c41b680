"""A backfill on Prism, Beam's portable local runner: the same graph, the same records."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.backfill import OPTIONS, Backfill, comparable, corpus, differences, verified

PATIENCE_SECONDS = 240.0


@pytest.fixture(scope="module")
def prism() -> str:
    """The binary: `go install github.com/apache/beam/sdks/v2/go/cmd/prism@v2.77.0` makes it."""
    found = os.environ.get("PRISM_BINARY") or shutil.which("prism")
    if not found or not Path(found).is_file():
        pytest.skip("there is no prism: neither PRISM_BINARY nor PATH names one")
    return found


def test_a_backfill_on_prism_gives_the_same_messages(prism: str, tmp_path: Path) -> None:
    entries = corpus(tmp_path / "in", 300, 5)
    here = Backfill((tmp_path / "in",), tmp_path / "here")
    assert here.run() == 0, here.log
    there = tmp_path / "there"
    command = (
        *(sys.executable, "-m", "pipeline", "backfill", "--input", str(tmp_path / "in")),
        *("--output", str(there), *OPTIONS),
        *("--runner", "PrismRunner", "--prism_location", prism),
    )
    for written, redelivered in ((entries, 0), (0, entries)):
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
        assert done.returncode == 0, done.stderr
        assert done.stdout.endswith(f" {redelivered} redelivered\n")
        assert written in (0, len(comparable(there)))
    # Prism reads files in an order of its own, so that another copy may be the canonical one.
    assert differences(here.output, there, content=False) == []
    assert verified(there) == ""

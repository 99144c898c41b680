"""Where the ledgers of these tests lie."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def database(root: Path) -> Path:
    return root / "_state" / "ledger.sqlite3"

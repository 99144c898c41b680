"""Fixtures that tests of several folders share."""

from __future__ import annotations

from pathlib import Path

import pytest

SHARED_SAMPLE = (
    Path(__file__).resolve().parents[2] / "shared" / "samples" / "article_putin_xi_2025-01-21.txt"
)


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

"""NFKC as Python has it, but for what nobody writes."""

from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.nfkc import nfkc
from pipeline.transforms.text import normalise


@given(st.text() | st.text("ae\u0301\u0315\u0327\u00bd\ufb01 😀—"))
def test_is_nfkc(text: str) -> None:
    assert nfkc(text) == unicodedata.normalize("NFKC", text)


@pytest.mark.parametrize("text", ["—" * 1_000, "😀" * 1_000, "“" * 40 + "\ufb01"])
def test_long_runs_of_signs_stay_what_they_are(text: str) -> None:
    assert nfkc(text) == unicodedata.normalize("NFKC", text)


@pytest.mark.parametrize("marks", ["\u0315\u0300", "\u0315\uff9e"])
@pytest.mark.parametrize("read", [nfkc, normalise])
def test_marks_without_end_take_no_time(read: object, marks: str) -> None:
    """In order as Unicode has it, a million of them would take ten minutes."""
    assert callable(read)
    began = time.process_time()
    read("a" + marks * 500_000)
    assert time.process_time() - began < 30

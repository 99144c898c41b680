"""Signatures: the same for ever, whatever the text, and no larger than said."""

from __future__ import annotations

import hashlib
import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pipeline.similarity import signature as module
from pipeline.similarity.likeness import likeness, similarity
from pipeline.similarity.signature import (
    BANDS,
    FACTS,
    FEWEST_CHARACTERS,
    LEAD_WORDS,
    ROWS,
    SKETCH,
    VERSION,
    Signature,
    sign,
    unpack,
)
from tests.similarity.texts import changed, story

CHINESE = "国务院总理在北京主持召开会议研究部署下一阶段经济工作。" * 4
WORDS = st.lists(st.text(min_size=1, max_size=12), min_size=31, max_size=80).map(" ".join)


def signed(text: str) -> Signature:
    found = sign(text)
    assert found is not None
    return found


def same(one: Signature, other: Signature) -> bool:
    return one.bands == other.bands and one.pack() == other.pack()


class TestStable:
    """What is stored must be found again by every later version and on every machine."""

    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            (story(1), "24b09263bdce92bb"),
            (story(2, 2_000), "0d832b2c5b439d83"),
            ("The council voted to reopen the pool in May, said Ann Lee.", "27a26b6a9bdbcff1"),
            (CHINESE, "0075b9d39cb0a4ab"),
        ],
        ids=["words", "long", "short", "chinese"],
    )
    def test_never_changes(self, text: str, expected: str) -> None:
        """Where this fails on purpose, VERSION has to be counted up."""
        found = signed(text)
        digest = hashlib.sha256(repr(found.bands).encode() + found.pack()).hexdigest()
        assert (VERSION, digest[:16]) == (1, expected)

    def test_another_version_is_not_read(self) -> None:
        stored = signed(story(1)).pack()
        assert unpack(bytes([VERSION + 1]) + stored[1:]) is None


class TestAnyText:
    @given(st.text() | WORDS)
    @example("\ud800" * 50)
    @example("İ" * 200)
    @example("\u0345" * 100)
    @example("1 " * 100)
    @example("A" * 100_000)
    @example("a" + "\u0315\u0300" * 90_000)
    @example("<" * 5_000 + "&" * 5_000 + "\n" * 5_000)
    def test_has_a_signature_or_is_short(self, text: str) -> None:
        found = sign(text)
        if found is None:
            assert sum(map(str.isalnum, text.casefold())) < 20 * FEWEST_CHARACTERS
            return
        assert len(found.bands) == BANDS
        assert all(0 <= band < 2**32 for band in found.bands)
        assert 1 <= len(found.sketch) <= min(SKETCH, found.shingles)
        assert len(found.facts) <= FACTS
        assert set(found.lead) <= set(found.facts)
        for values in (found.sketch, found.facts, found.lead):
            assert (np.diff(values.astype(np.int64)) > 0).all()
        back = unpack(found.pack(), found.bands)
        assert back is not None
        assert same(back, found)
        assert back.shingles == found.shingles
        assert similarity(found, back, 1.0) == 1.0

    @given(WORDS, st.sampled_from([" ", "  ", "\n\n", "\t", "\u00a0", "\r\n"]))
    def test_spacing_and_case_are_nothing(self, text: str, space: str) -> None:
        one, other = sign(text), sign(space.join(text.upper().lower().split()))
        if text.isascii():
            assert (one is None) == (other is None)
            assert one is None or other is None or one.bands == other.bands

    def test_is_bounded(self) -> None:
        found = signed(" ".join(f"word{n}" for n in range(100_000)))
        assert len(found.pack()) <= 11 + 3 * (SKETCH + FACTS + LEAD_WORDS)


class TestUnits:
    def test_too_short_for_any(self) -> None:
        assert sign("More follows.") is None
        assert sign("") is None

    def test_few_words_go_by_characters(self) -> None:
        one = signed("The council of Leeds voted to reopen the swimming pool in May, it said.")
        other = signed("The council of Leeds voted to re-open the swimming pool in May, it says.")
        assert likeness(one, other).jaccard > 0.6
        unlike = signed("Shares of the company fell by a tenth after the bank cut its forecast.")
        assert likeness(one, unlike).jaccard < 0.1

    def test_scripts_without_spaces_go_by_characters(self) -> None:
        one, other = signed(CHINESE), signed(CHINESE.replace("北京", "上海"))
        assert 0.5 < likeness(one, other).jaccard < 1

    def test_characters_and_words_have_no_band_in_common(self) -> None:
        text = story(1, 30)
        one, other = signed(text), signed(text.replace(" ", ""))
        assert not set(one.bands) & set(other.bands)


class TestBands:
    @pytest.mark.parametrize("jaccard", [0.3, 0.5, 0.65, 0.8])
    def test_are_shared_as_often_as_calculated(self, jaccard: float) -> None:
        """Over pairs of sets of a known similarity, not of texts, whose shingles overlap."""
        trials, size = 1_500, 300
        rng = np.random.default_rng(7)
        hits = 0
        for _ in range(trials):
            common = round(2 * size * jaccard / (1 + jaccard))
            every = rng.integers(0, 2**64, size=2 * size - common, dtype=np.uint64)
            one, other = every[:size], every[size - common :]
            hits += bool(set(module._bands(one)) & set(module._bands(other)))
        expected = 1 - (1 - jaccard**ROWS) ** BANDS
        error = math.sqrt(expected * (1 - expected) / trials)
        assert abs(hits / trials - expected) < 4 * error + 0.005

    def test_of_unrelated_texts_are_their_own(self) -> None:
        seen: set[int] = set()
        for seed in range(300):
            bands = set(signed(story(seed)).bands)
            assert not bands & seen
            seen |= bands

    def test_of_a_copy_are_shared(self) -> None:
        for seed in range(50):
            one, other = signed(story(seed)), signed(changed(story(seed), 0.03))
            assert set(one.bands) & set(other.bands)

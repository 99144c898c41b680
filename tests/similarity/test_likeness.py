"""What two signatures say of each other, beside what their texts say themselves."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.similarity.likeness import likeness, same_facts, similarity
from pipeline.similarity.signature import FACTS, SKETCH, Signature, sign
from tests.similarity.texts import changed, story, template


def shingles(text: str) -> set[tuple[str, ...]]:
    words = [word.strip(".").lower() for word in text.split()]
    return set(zip(words, words[1:], words[2:], strict=False))


def of(text: str) -> Signature:
    found = sign(text)
    assert found is not None
    return found


class TestLikeness:
    @given(st.integers(0, 10_000), st.floats(0, 0.5), st.integers(40, 400))
    def test_is_exact_for_texts_that_are_kept_whole(
        self, seed: int, share: float, count: int
    ) -> None:
        one = story(seed, count)
        other = changed(one, share, seed)
        mine, theirs = shingles(one), shingles(other)
        if max(len(mine), len(theirs)) <= SKETCH:
            exact = len(mine & theirs) / len(mine | theirs)
            # By one shingle in a few hundred, where two happen to share 24 bits.
            assert likeness(of(one), of(other)).jaccard == pytest.approx(exact, abs=0.02)

    @pytest.mark.parametrize("share", [0.02, 0.05, 0.1, 0.3])
    def test_is_near_for_long_ones(self, share: float) -> None:
        for seed in range(20):
            one = story(seed, 4_000)
            other = changed(one, share, seed)
            mine, theirs = shingles(one), shingles(other)
            exact = len(mine & theirs) / len(mine | theirs)
            assert likeness(of(one), of(other)).jaccard == pytest.approx(exact, abs=0.09)

    def test_sees_what_a_cut_copy_was_cut_from(self) -> None:
        for count in (300, 3_000):
            one = story(5, count)
            other = " ".join(one.split(" ")[: len(one.split(" ")) // 2])
            found = likeness(of(one), of(other))
            assert found.containment > 0.9
            assert found.cut == pytest.approx(0.5, abs=0.05)
            assert found.jaccard == pytest.approx(0.5, abs=0.06)

    @given(st.integers(0, 100), st.integers(0, 100))
    def test_has_no_direction(self, one: int, other: int) -> None:
        a, b = of(story(one)), of(changed(story(other), 0.1))
        assert likeness(a, b) == likeness(b, a)
        assert similarity(a, b, 0.5) == similarity(b, a, 0.5)


class TestSimilarity:
    def test_of_a_copy(self) -> None:
        for seed in range(30):
            one, other = of(story(seed)), of(changed(story(seed), 0.03, seed))
            found = similarity(one, other, 0.8)
            assert found is not None
            assert found >= 0.8

    def test_of_a_copy_cut_off_is_its_containment(self) -> None:
        one = story(1)
        other = one[: round(len(one) * 0.6)]
        found = similarity(of(one), of(other), 0.8)
        assert found == likeness(of(one), of(other)).containment > 0.9

    def test_a_line_of_a_long_story_is_no_copy_of_it(self) -> None:
        one = story(1, 1_000)
        assert similarity(of(one), of(one[:1_500]), 0.8) is None

    def test_of_a_template_about_another_event(self) -> None:
        for seed in range(30):
            one, other = of(template(seed)), of(template(seed + 1))
            assert likeness(one, other).jaccard > 0.35
            assert similarity(one, other, 0.35) is None
            assert similarity(one, of(template(seed)), 0.35) == 1.0

    def test_below_the_threshold(self) -> None:
        one, other = of(story(1)), of(changed(story(1), 0.1))
        alike = likeness(one, other)
        assert 0.5 < alike.jaccard < 0.7
        assert similarity(one, other, alike.jaccard) == alike.jaccard
        # Each contains more of the other than that, and that alone does not make it a copy.
        assert alike.containment > alike.jaccard + 0.02
        assert similarity(one, other, alike.containment) is None


class TestSameFacts:
    def test_of_texts_in_capitals(self) -> None:
        """Which have no names to tell apart: numbers do."""
        one = story(1)
        for other in (one.upper(), one.lower()):
            assert same_facts(of(one), of(other))
            assert same_facts(of(other), of(one))

    def test_a_new_lead_before_the_old_text(self) -> None:
        one = story(1)
        other = "Ministers Lanson, Borson, Nudson and 41 others met Tedson on 7 May.\n\n" + one
        assert same_facts(of(one), of(other))
        assert similarity(of(one), of(other), 0.8) is not None

    def test_a_number_corrected(self) -> None:
        text = story(2)
        number = next(word for word in text.split() if word.isdigit())
        assert same_facts(of(text), of(text.replace(number, "4711")))

    def test_of_long_texts_with_more_names_than_are_kept(self) -> None:
        one = story(1, 6_000)
        assert len(of(one).facts) == FACTS
        assert same_facts(of(one), of(changed(one, 0.02)))
        assert same_facts(of(one), of(one[: len(one) * 2 // 3]))
        assert not same_facts(of(one), of(story(2, 6_000)))

"""The figures of linking, against small examples worked by hand."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.clusters import Score, Share, by_equal_text, interval, score
from pipeline.records import Entity, Mention


def entities(*groups: str) -> list[Entity]:
    """Entities named by their first letter; a letter is a mention and its place."""
    return [
        Entity(
            group[0],
            "PERSON",
            len(group),
            None,
            tuple(Mention("body", ord(sign), ord(sign) + 1, sign) for sign in group),
        )
        for group in groups
    ]


class TestScore:
    def test_all_right(self) -> None:
        result = score(entities("abc", "d"), entities("abc", "d"))
        assert result.bcubed.f1 == result.pairs.f1 == result.names.f1 == 1
        assert (result.wrong_joins, result.split) == ((), 0)

    def test_joined_wrongly(self) -> None:
        result = score(entities("abcd"), entities("abc", "d"))
        # a, b, c: 3 of 4 belong there; d: 1 of 4.
        assert result.bcubed.precision == pytest.approx((3 * 3 / 4 + 1 / 4) / 4)
        assert result.bcubed.recall == 1
        assert (result.pairs.precision, result.pairs.recall) == (3 / 6, 1)
        assert result.wrong_joins == (("a", "d"),)
        assert result.names == Share(1, 1, 1, 2)

    def test_split(self) -> None:
        result = score(entities("ab", "c", "d"), entities("abc", "d"))
        assert result.bcubed.precision == 1
        assert result.bcubed.recall == pytest.approx((2 * 2 / 3 + 1 / 3 + 1) / 4)
        assert (result.pairs.precision, result.pairs.recall) == (1, 1 / 3)
        assert result.split == 1

    def test_mentions_that_are_missed_or_made_up(self) -> None:
        result = score(entities("abx"), entities("abc"))
        assert result.bcubed.precision == pytest.approx(2 * 2 / 3 / 3)
        assert result.bcubed.recall == pytest.approx(2 * 2 / 3 / 3)
        assert (result.pairs.precision, result.pairs.recall) == (1 / 3, 1 / 3)
        assert result.wrong_joins == ()

    def test_names_need_the_label_and_a_mention_in_common(self) -> None:
        (wanted,) = entities("ab")
        other = Entity("a", "ORG", 2, None, wanted.mentions)
        assert score([other], [wanted]).names.right_given == 0
        elsewhere = Entity("a", "PERSON", 1, None, (Mention("title", 97, 98, "a"),))
        assert score([elsewhere], [wanted]).names.right_given == 0

    def test_nothing_given(self) -> None:
        result = score([], entities("ab"))
        assert result.bcubed.f1 == result.pairs.precision == result.names.recall == 0

    @given(st.lists(st.integers(0, 4), max_size=12), st.lists(st.integers(0, 4), max_size=12))
    def test_either_way_round(self, one: list[int], other: list[int]) -> None:
        """What is precision from one side is recall from the other."""

        def grouped(numbers: list[int]) -> list[Entity]:
            letters = "abcdefghijkl"
            groups = dict.fromkeys(numbers, "")
            for n, sign in zip(numbers, letters, strict=False):
                groups[n] += sign
            return entities(*groups.values())

        there, back = score(grouped(one), grouped(other)), score(grouped(other), grouped(one))
        for share, mirrored in ((there.bcubed, back.bcubed), (there.pairs, back.pairs)):
            assert share.precision == pytest.approx(mirrored.recall)
            assert 0 <= share.f1 <= 1
        assert there.split == len(back.wrong_joins)


def test_sums_and_interval() -> None:
    good = score(entities("ab"), entities("ab"))
    bad = score(entities("a", "b"), entities("ab"))
    total = good + bad
    assert total.bcubed.recall == 0.75
    assert (total.split, total.names.wanted) == (1, 2)
    assert interval([good, good]) == (1.0, 1.0)
    low, high = interval([good, bad] * 4)
    assert bad.bcubed.f1 <= low < total.bcubed.f1 < high <= 1
    assert interval([good, bad]) == interval([good, bad])
    assert Score() + good == good


def test_equal_text_joins_under_one_label_alone() -> None:
    def at(start: int) -> Mention:
        return Mention("body", start, start + 4, "Oslo")

    found = [(at(0), "LOC"), (at(5), "ORG"), (at(10), "LOC")]
    assert [(e.name, e.label, e.count) for e in by_equal_text(found)] == [
        ("Oslo", "LOC", 2),
        ("Oslo", "ORG", 1),
    ]

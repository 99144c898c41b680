from __future__ import annotations

import json

import pytest

from tests.evaluation.keywords import MOST, PARTS, Case, arms, compare, scores


def test_the_same_phrase_in_another_form_is_right() -> None:
    counts = compare(["The Stock Markets", "U.S. Army"], ["stock market", "us army", "Paris"])
    assert (counts.given, counts.wanted, counts.right) == (2, 3, 2)
    assert scores([counts])[:2] == (1.0, 2 / 3)


def test_words_in_common_count_in_part() -> None:
    counts = compare(["fuel tank"], ["fuel"])
    assert counts.right == 0
    assert counts.like_wanted == counts.like_given == pytest.approx(2 / 3)


def test_a_phrase_given_twice_counts_once() -> None:
    assert compare(["Paris", "paris"], ["Paris"]).given == 1


def test_nothing_given_scores_nothing() -> None:
    assert scores([compare([], ["Paris"])]) == (0.0,) * 6


def test_articles_are_summed() -> None:
    precision, recall, f1, *_ = scores([compare(["a", "b"], ["a"]), compare(["c"], ["d", "e"])])
    assert (precision, recall, f1) == pytest.approx((1 / 3, 1 / 3, 1 / 3))


@pytest.mark.parametrize("part", PARTS)
def test_every_article_has_phrases_each_once(part: str) -> None:
    rows = [json.loads(line) for line in PARTS[part].read_text(encoding="utf-8").splitlines()]
    assert len({row["id"] for row in rows}) == len(rows)
    for row in rows:
        assert 5 <= len(set(row["keywords"])) == len(row["keywords"]) <= MOST


def test_no_article_is_in_both_parts() -> None:
    ids = [
        json.loads(line)["id"]
        for path in PARTS.values()
        for line in path.read_text(encoding="utf-8").splitlines()
    ]
    assert len(ids) == len(set(ids))


def test_every_arm_gives_phrases() -> None:
    case = Case("Volcano erupts", "The volcano erupted. Ash of the volcano fell.", (), ("volcano",))
    for arm in arms().values():
        assert "volcano" in [phrase.lower() for phrase in arm(case)]
        assert len(arm(case)) <= MOST

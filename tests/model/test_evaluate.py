import random

import pytest

from pipeline.model import evaluate
from pipeline.model.corpus import Chunk, Span
from pipeline.model.evaluate import ALL, Counts

ANNA, OSLO = Span(0, 4, "PERSON"), Span(15, 19, "LOC")
CHUNK = Chunk("gmb", "Anna met Bo in Oslo", (ANNA, OSLO), ((9, 11),))


def test_right_wrong_and_missed_by_label() -> None:
    counts = evaluate.count(CHUNK, [ANNA, Span(15, 19, "ORG")])
    assert counts == {
        "PERSON": Counts(right=1),
        "LOC": Counts(missed=1),
        "ORG": Counts(wrong=1),
    }


def test_a_name_on_a_piece_without_a_label_is_ignored() -> None:
    assert evaluate.count(CHUNK, [ANNA, OSLO, Span(9, 11, "PERSON"), Span(9, 14, "ORG")]) == {
        "PERSON": Counts(right=1),
        "LOC": Counts(right=1),
    }


def test_precision_recall_and_f1() -> None:
    counts = Counts(right=6, wrong=2, missed=4)
    assert counts.precision == 0.75
    assert counts.recall == 0.6
    assert counts.f1 == pytest.approx(2 / 3)
    assert Counts(wrong=3).f1 == Counts().precision == Counts().recall == 0.0


def test_parts_of_a_corpus_count_as_one_and_each_corpus_once() -> None:
    chunks = [
        Chunk("crossner_ai", "Oslo", ()),
        Chunk("crossner_music", "Oslo", ()),
        Chunk("gmb", "Oslo", ()),
    ]
    counts = [{"LOC": Counts(right=1)}, {"LOC": Counts(missed=1)}, {"ORG": Counts(right=4)}]
    cells = evaluate.total(chunks, counts)
    assert cells["crossner", ALL] == Counts(right=1, missed=1)
    assert cells[ALL, ALL] == Counts(right=5, missed=1)
    assert cells[ALL, "LOC"] == Counts(right=1, missed=1)
    assert evaluate.mean_f1(cells) == pytest.approx((2 / 3 + 1) / 2)


def test_intervals_hold_the_score_and_repeat() -> None:
    chunks = [Chunk("gmb", str(n), ()) for n in range(60)]
    counts = [{"LOC": Counts(right=3, missed=n % 2)} for n in range(60)]
    intervals = evaluate.bootstrap(chunks, counts, rounds=300)
    low, high = intervals["gmb", ALL]
    assert low < evaluate.total(chunks, counts)["gmb", ALL].f1 < high
    assert intervals == evaluate.bootstrap(chunks, counts, rounds=300)


def test_figures_tell_borders_from_types() -> None:
    figures = evaluate.figures([CHUNK], lambda texts: [[ANNA, Span(15, 19, "ORG")]], rounds=50)
    assert figures["boundary_f1"] == 1.0
    assert figures["names"] == 2
    assert figures["by_label"]["PERSON"]["f1"] == 1.0  # type: ignore[index]
    assert figures["by_corpus"]["gmb"]["recall"] == 0.5  # type: ignore[index]


def test_no_texts_give_figures_without_rows() -> None:
    figures = evaluate.figures([], lambda texts: [])
    assert (figures["texts"], figures["by_label"]) == (0, {})


def test_chunks_of_one_document_are_drawn_together() -> None:
    chunks = [Chunk("gmb", str(n), ()) for n in range(60)]
    counts = [{"LOC": Counts(right=3, missed=3 * (n % 2))} for n in range(60)]
    alone = evaluate.bootstrap(chunks, counts, rounds=300)["gmb", ALL]
    alternating = [str(n % 2) for n in range(60)]
    together = evaluate.bootstrap(chunks, counts, rounds=300, documents=alternating)["gmb", ALL]
    assert together[0] < alone[0] < alone[1] < together[1] == 1.0


def test_a_difference_is_known_better_than_either_score() -> None:
    rng = random.Random(0)
    hard = [rng.randint(0, 6) for _ in range(80)]
    ours = [{"LOC": Counts(right=6 - n, missed=n)} for n in hard]
    theirs = [{"LOC": Counts(right=max(0, 5 - n), missed=min(6, n + 1))} for n in hard]
    gap, low, high = evaluate.difference(ours, theirs, rounds=300)
    assert 0 < low < gap < high < 0.3
    same = evaluate.difference(ours, ours, rounds=50, documents=[str(n % 7) for n in range(80)])
    assert same == (0.0, 0.0, 0.0)

"""Edits change what they say and keep the rest; the same seed gives the same copy."""

from __future__ import annotations

import html
import random
import re
from collections import Counter
from collections.abc import Callable
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.similarity.signature import sign
from tests.evaluation import edits
from tests.evaluation.figures import Bars, Score, Share
from tests.evaluation.sentences import joined, paragraphs, sentences
from tests.evaluation.truth import Shingles, jaccard, similar_pairs, words

POOL = edits.Pool(
    words=["of", "the", "Ministry", "said", "14", "workers", "were", "moved", "to", "Ankara"],
    headlines=["Ferry runs aground off Corsica", "Bank cuts its forecast again"],
    sentences=["The ferry had left Nice an hour before.", "Nobody was hurt in the fire."],
)
KINDS = edits.kinds(POOL)

WORDS = st.sampled_from(
    ["The", "council", "of", "Leeds", "31", "12", "pool", "“soon”", "Smith’s", "&", "U.S.", "$4.5"]
)
SENTENCES = st.lists(WORDS, min_size=3, max_size=8).map(lambda w: "A " + " ".join(w) + ".")
PARAGRAPHS = st.lists(SENTENCES, min_size=1, max_size=4).map(" ".join)
TEXTS = st.lists(PARAGRAPHS, min_size=1, max_size=4).map("\n\n".join)
SEEDS = st.integers(0, 2**32)

names = pytest.mark.parametrize("name", sorted(KINDS))


def copied(name: str, text: str, seed: int) -> str:
    return KINDS[name].edit(text, random.Random(seed))


@names
@given(text=TEXTS, seed=SEEDS)
def test_the_same_seed_gives_the_same_copy(name: str, text: str, seed: int) -> None:
    assert copied(name, text, seed) == copied(name, text, seed)


@names
def test_another_seed_gives_another_copy(name: str) -> None:
    text = "\n\n".join(
        f"The council of Leeds voted {n} times to reopen “its pool”. It rained & rained in May. "
        f"Nobody swam - not one. Ms. Smith’s ducks came {n + 40} days later."
        for n in range(8)
    )
    assert len({copied(name, text, seed) for seed in range(20)}) > 1


@pytest.mark.parametrize(
    "name", ["agency_header", "boilerplate", "dateline_changed", "byline", "new_headline"]
)
@given(text=TEXTS, seed=SEEDS)
def test_what_stands_around_a_story_leaves_it_whole(name: str, text: str, seed: int) -> None:
    # A line may have come between two paragraphs, and a dateline right before the first word.
    left = Counter(re.findall(r"\w+", copied(name, text, seed)))
    assert not Counter(re.findall(r"\w+", text)) - left


@given(text=TEXTS, seed=SEEDS)
def test_a_dateline_takes_the_place_of_the_one_before(text: str, seed: int) -> None:
    rng = random.Random(seed)
    first = edits.dated(text, rng)
    second = edits.dateline_changed(first, rng)
    assert first.endswith(text)
    assert second.endswith(text)
    assert edits.dated(text, random.Random(seed)) == first


def test_an_agency_with_a_dateline_gets_another_one() -> None:
    text = "LONDON, Jan 5, 2024 (Reuters) - It rained."
    assert edits.dated(text, random.Random(0)) == text
    changed = {edits.dateline_changed(text, random.Random(seed)) for seed in range(30)}
    assert len(changed) > 20
    assert all(one.endswith("It rained.") and "Jan 5, 2024" not in one for one in changed)


@given(text=TEXTS, seed=SEEDS)
def test_typos_are_of_one_letter_and_in_3_percent_of_the_words(text: str, seed: int) -> None:
    before, after = text.split(), copied("typos_3pct", text, seed).split()
    assert len(before) == len(after)
    changed = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    assert len(changed) == max(1, round(0.03 * sum(bool(re.search(r"\w\w", w)) for w in before)))
    assert all(abs(len(a) - len(b)) <= 1 for a, b in changed)


@given(text=TEXTS, seed=SEEDS)
def test_a_bad_scan_has_3_percent_of_other_letters(text: str, seed: int) -> None:
    after = copied("typos_3pct_chars", text, seed)
    assert len(after) == len(text)
    changed = sum(a != b for a, b in zip(text, after, strict=True))
    assert changed == round(0.03 * sum(map(str.isalnum, text)))


@given(text=TEXTS, seed=SEEDS)
def test_case_and_spacing_keep_every_word(text: str, seed: int) -> None:
    assert copied("case_and_spacing", text, seed).casefold().split() == text.casefold().split()


@given(text=TEXTS, seed=SEEDS)
def test_typography_entities_and_tags_keep_letters_and_digits(text: str, seed: int) -> None:
    after = html.unescape(re.sub(r"<[^>]+>", " ", copied("quotes_and_dashes", text, seed)))
    assert "".join(filter(str.isalnum, after)) == "".join(filter(str.isalnum, text))


@given(text=TEXTS, seed=SEEDS)
def test_a_fifth_of_the_sentences_is_dropped_and_the_rest_in_order(text: str, seed: int) -> None:
    before = list(chain.from_iterable(paragraphs(text)))
    after = copied("fifth_of_sentences_dropped", text, seed)
    kept = [word for sentence in before for word in sentence.split()]
    rest = iter(kept)
    assert all(word in rest for word in after.split())
    dropped = len(kept) - len(after.split())
    lengths = sorted(len(sentence.split()) for sentence in before)
    many = round(0.2 * len(before))
    assert sum(lengths[:many]) <= dropped <= sum(lengths[len(lengths) - many :])


@pytest.mark.parametrize(("name", "share"), [("cut_to_70", 0.7), ("cut_to_50", 0.5)])
@given(text=TEXTS, seed=SEEDS)
def test_a_cut_keeps_the_beginning(name: str, share: float, text: str, seed: int) -> None:
    many = max(1, round(share * len(text.split())))
    after = copied(name, text, seed)
    start = " ".join(text.split()[:many])
    assert " ".join(after.split()).startswith(start)
    # At a cut stands at most "Read more".
    assert len(after.split()) <= many + 2


@pytest.mark.parametrize("name", ["sentences_reordered", "paragraphs_rotated"])
@given(text=TEXTS, seed=SEEDS)
def test_another_order_keeps_every_word(name: str, text: str, seed: int) -> None:
    assert Counter(copied(name, text, seed).split()) == Counter(text.split())


@pytest.mark.parametrize("percent", [10, 20, 30, 40, 50])
@given(text=TEXTS, seed=SEEDS)
def test_no_more_than_the_share_of_words_is_changed(percent: int, text: str, seed: int) -> None:
    before, after = text.split(), copied(f"words_changed_{percent}", text, seed).split()
    changed = [b for a, b in zip(before, after, strict=True) if a != b]
    assert len(changed) <= round(percent / 100 * len(before))
    assert set(changed) <= set(POOL.words)


@given(text=TEXTS, seed=SEEDS)
def test_a_correction_changes_one_word_and_says_so(text: str, seed: int) -> None:
    after = copied("correction", text, seed)
    gone = Counter(text.split()) - Counter(after.split())
    assert gone.total() <= 1
    assert re.search("correct|update|editor|misstated", after, re.I)


@given(text=TEXTS, seed=SEEDS)
def test_an_update_adds_a_lead_and_a_quotation(text: str, seed: int) -> None:
    before, after = paragraphs(text), paragraphs(copied("updated", text, seed))
    assert not Counter(text.split()) - Counter(joined(after).split())
    assert joined(before) not in joined(after[:1])
    assert len(joined(after).split()) > len(text.split()) + 10


@given(text=TEXTS)
def test_no_word_is_lost_between_sentences(text: str) -> None:
    assert joined(paragraphs(text)).split() == text.split()
    assert " ".join(sentences(text)).split() == text.split()


@given(text=st.text())
def test_any_text_has_paragraphs(text: str) -> None:
    assert joined(paragraphs(text)).split() == text.split()


# What the figures rest on

SETS = st.lists(st.frozensets(st.integers(0, 30), min_size=1), min_size=2, max_size=8)


@given(texts=SETS, least=st.floats(0.05, 1.0))
def test_every_similar_pair_is_found(texts: list[frozenset[int]], least: float) -> None:
    expected = {
        (first, second): jaccard(texts[first], texts[second])
        for second in range(len(texts))
        for first in range(second)
        if jaccard(texts[first], texts[second]) >= least
    }
    assert similar_pairs(texts, least) == expected


@pytest.mark.parametrize("change", [str.upper, str.lower, lambda text: text.replace(" ", "\n")])
def test_truth_and_signature_count_the_same_shingles(change: Callable[[str], str]) -> None:
    text = "The café’s owner - Ms. O'Neill - sold 1,200 cakes on Friday, and “none” on Monday. "
    text += "Nobody in the U.S. knew why; her brother, who lives in Lyon, was asked at 4.30 p.m. "
    signature = sign(change(text * 2))
    assert signature is not None
    assert len(Shingles().of(change(text * 2))) == signature.shingles
    assert words(change(text)) == words(text)


def test_shares_scores_and_bars_add_up() -> None:
    score = Score([(True, True)] * 8 + [(True, False)] * 2 + [(False, True)] + [(False, False)])
    assert (score.precision, score.recall) == (Share(8, 9), Share(8, 10))
    assert score.f1 == pytest.approx(16 / 19)
    low, high = score.f1_interval()
    assert 0.5 < low < score.f1 < high <= 1
    assert Share(0, 50).interval()[0] == 0
    bars = Bars()
    assert bars.least("kept", 0.97, 0.98) == "at least 97 %: reached"
    assert bars.most("wrong", 0.01, 0.02) == "at most 1 %: not reached"
    assert [row[-1] for row in bars.rows] == ["reached", "not reached"]

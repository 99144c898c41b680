import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model import augment
from pipeline.model.corpus import LABELS, Chunk, Span
from pipeline.model.templates import Generator, invented

WORDS = st.text("abcXYZäßİ.'", min_size=1, max_size=6)


@st.composite
def chunks(draw: st.DrawFn) -> Chunk:
    """Words with single spaces between them; each word is plain, a span or a missing piece."""
    text, spans, missing = "", [], []
    for word in draw(st.lists(WORDS, max_size=12)):
        text += " " if text else ""
        kind = draw(st.sampled_from(["plain", "missing", *LABELS]))
        if kind in LABELS:
            spans.append(Span(len(text), len(text) + len(word), kind))
        elif kind == "missing":
            missing.append((len(text), len(text) + len(word)))
        text += word
    return Chunk("gmb", text, tuple(spans), tuple(missing))


def pieces(chunk: Chunk) -> list[str]:
    return [chunk.text[start:end] for start, end in chunk.missing]


def names(chunk: Chunk) -> list[str]:
    return [chunk.text[span.start : span.end] for span in chunk.spans]


def labels(chunk: Chunk) -> list[str]:
    return [span.label for span in chunk.spans]


POOLS = {(label, True): [f"{label}-new", "x"] for label in LABELS}


@given(chunks(), st.randoms(use_true_random=False))
def test_replaced_names_come_from_the_pool_and_all_else_stays(
    chunk: Chunk, rng: random.Random
) -> None:
    new = augment.replace_names(chunk, POOLS, rng)
    assert labels(new) == labels(chunk)
    assert pieces(new) == pieces(chunk)
    for old_name, name, label in zip(names(chunk), names(new), labels(chunk), strict=True):
        assert name in (old_name, *POOLS[label, True])
    assert _without_names(new) == _without_names(chunk)


def _without_names(chunk: Chunk) -> str:
    text = chunk.text
    for span in reversed(chunk.spans):
        text = text[: span.start] + "|" + text[span.end :]
    return text


def test_a_name_that_comes_back_gets_the_same_new_name() -> None:
    chunk = Chunk("gmb", "Bo saw Bo", (Span(0, 2, "PERSON"), Span(7, 9, "PERSON")))
    pools = {("PERSON", True): [f"Name{n}" for n in range(1000)]}
    seen = {augment.replace_names(chunk, pools, random.Random(seed)).text for seed in range(20)}
    assert all(text.split(" saw ")[0] == text.split(" saw ")[1] for text in seen)
    assert len(seen) > 5


@given(chunks(), st.randoms(use_true_random=False))
def test_case_changes_keep_every_offset(chunk: Chunk, rng: random.Random) -> None:
    new = augment.change_case(chunk, rng)
    assert (new.spans, new.missing) == (chunk.spans, chunk.missing)
    assert len(new.text) == len(chunk.text)
    assert [name.casefold() for name in names(new)] == [n.casefold() for n in names(chunk)]


@given(chunks(), st.randoms(use_true_random=False))
def test_paragraphs_change_white_space_alone(chunk: Chunk, rng: random.Random) -> None:
    new = augment.part_paragraphs(chunk, rng)
    assert new.text.split() == chunk.text.split()
    assert names(new) == names(chunk)
    assert pieces(new) == pieces(chunk)


def test_paragraphs_are_parted_between_sentences() -> None:
    chunk = Chunk("gmb", "It rained. " * 30 + "Ana left.", (Span(330, 333, "PERSON"),))
    new = augment.part_paragraphs(chunk, random.Random(0))
    assert "rained.\n\nIt" in new.text
    assert names(new) == ["Ana"]


@given(chunks())
def test_curled_quotes_keep_every_offset(chunk: Chunk) -> None:
    new = augment.curl_quotes(chunk)
    assert (new.spans, new.missing) == (chunk.spans, chunk.missing)
    assert len(new.text) == len(chunk.text)
    assert not set(new.text) & set("\"'")


def test_quotes_curl_the_way_they_are_printed() -> None:
    text = "\"It's done,\" said 'Big Al' O'Neil (\"the boss\") of Players' Union."
    new = augment.curl_quotes(Chunk("gmb", text, ()))
    assert new.text == "“It’s done,” said ‘Big Al’ O’Neil (“the boss”) of Players’ Union."


@given(chunks(), st.randoms(use_true_random=False))
def test_a_dateline_goes_before_the_text(chunk: Chunk, rng: random.Random) -> None:
    new = augment.add_dateline(chunk, POOLS, rng)
    assert new.text.endswith(chunk.text)
    if new == chunk:
        return
    assert labels(new) == ["LOC", "ORG", *labels(chunk)]
    assert names(new)[2:] == names(chunk)
    assert pieces(new) == pieces(chunk)
    assert new.text.startswith(names(new)[0])
    assert f"({names(new)[1]})" in new.text


def test_invented_words_are_capitalised_words() -> None:
    rng = random.Random(0)
    names_seen = {invented(("Kipchoge", "Lukashenko", "O'Brien", "Sun"), rng) for _ in range(200)}
    assert len(names_seen) > 8
    assert all(name[0].isupper() and " " not in name for name in names_seen)


@pytest.mark.parametrize("edits", [[(1, 3, "x")], [(0, 5, ""), (4, 6, "")], [(3, 6, "x")]], ids=str)
def test_edits_that_cut_a_name_or_each_other_are_refused(edits: list[tuple[int, int, str]]) -> None:
    chunk = Chunk("gmb", "In Oslo now", (Span(2, 5, "LOC"),))
    with pytest.raises(ValueError, match=r"cuts the span|overlap"):
        augment.substitute(chunk, edits)


@given(st.integers(0, 2**32))
def test_generated_chunks_are_well_formed_and_repeatable(seed: int) -> None:
    chunk = Generator({}).chunk(random.Random(seed))
    assert chunk == Generator({}).chunk(random.Random(seed))
    assert "{" not in chunk.text
    previous_end = 0
    for span in chunk.spans:
        assert previous_end <= span.start < span.end <= len(chunk.text)
        previous_end = span.end
    assert all(name.strip() == name for name in names(chunk))

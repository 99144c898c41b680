"""The prose: complete, without gaps in it, and never the same twice."""

from __future__ import annotations

import itertools
import re
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.samples import prose, stories
from pipeline.samples.prose import ANY, PARTS
from pipeline.samples.stories import LENGTHS, PROSE, story

LANGUAGES = sorted(PROSE)
CAST = {"a", "b", "c", "A", "B", "C"}
PLACES = {"country", "demonym", "capital", "city", "city2", "country2", "demonym2", "capital2"}


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_slot_of_every_template_has_something_to_fill_it(language: str) -> None:
    for subject in prose.subjects(PROSE[language]):
        known = CAST | set(stories.NUMBERS) | set(subject.picks) | set(subject.each)
        if language == "en":
            known |= PLACES | {"today"}
        lists = [*subject.picks.values(), *subject.each.values()]
        parts = [*subject.parts.values(), *subject.common.values()]
        for template in itertools.chain(*lists, *parts):
            assert {slot for _, slot in template if slot} <= known, template


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_subject_has_enough_sentences_for_the_longest_story(language: str) -> None:
    lengths = LENGTHS if language == "en" else stories.LENGTHS_ABROAD
    for subject in prose.subjects(PROSE[language]):
        assert set(subject.parts) == set(PARTS)
        for part, (_, most) in lengths.items():
            assert len(subject.parts[part]) + len(subject.common[part]) >= most
        for templates in subject.parts.values():
            assert len(set(templates)) == len(templates)


def test_english_covers_many_subjects() -> None:
    names = {subject.name for subject in prose.subjects(PROSE["en"])}
    wanted = {"politics", "economy", "sport", "science", "weather", "courts", "technology"}
    assert names >= wanted | {"culture", "health"}
    assert ANY not in names


@given(seed=st.integers(), language=st.sampled_from(LANGUAGES))
def test_a_story_is_whole(seed: int, language: str) -> None:
    made = story(Random(seed), "t-1", language)
    assert made == story(Random(seed), "t-1", language)
    assert len(made.body.split()) in (range(140, 601) if language == "en" else range(100, 401))
    assert len(made.paragraphs) >= 4
    for text in (made.title, *made.paragraphs):
        assert text == text.strip()
        assert not re.search(r"[{}]|  |\n|\.\.|the the ", text), text
        assert language != "en" or not re.search(r"\b[Aa] [aeio]", text), text
    assert made.url.startswith(f"https://www.{made.outlet.domain}/")
    assert made.url.endswith("-t-1")
    assert made.article_id is not None
    assert made.article_id.endswith(":t-1")
    assert made.published_at.tzinfo is not None


@given(seed=st.integers())
def test_a_person_is_named_in_full_before_by_surname(seed: int) -> None:
    """Checked on the cast, which the slots of a writer show."""
    rng = Random(seed)
    subject = rng.choice(prose.subjects(PROSE["en"]))
    here, there = rng.sample(stories.places(), 2)
    slots = stories._cast(rng, "en", here, there, stories.FIRST_DAY)
    body = "\n".join(stories._Writer(rng, subject, slots).paragraphs(LENGTHS))
    for letter in "abc":
        full, surname = slots[letter], slots[f"surname_{letter}"]
        at = re.search(rf"\b{re.escape(surname)}\b", body)
        if at:
            assert body[: at.end()].endswith(full)


def shingles(text: str) -> set[tuple[str, ...]]:
    words = text.casefold().split()
    return set(zip(words, words[1:], words[2:], strict=False))


@pytest.mark.parametrize("language", LANGUAGES)
def test_no_two_stories_are_near_duplicates_by_accident(language: str) -> None:
    """So that the counts still hold once near-duplicates are looked for, at 0.8."""
    count = 300 if language == "en" else 150
    rng = Random(17)
    made = [shingles(story(rng, f"t-{i}", language).body) for i in range(count)]
    common = ((len(a & b), len(a) + len(b)) for a, b in itertools.combinations(made, 2))
    assert max(shared / (total - shared) for shared, total in common) < 0.7


@pytest.mark.parametrize("line", ["[politics verse]", "[politics headline]\nOnly a headline"])
def test_a_prose_file_with_a_fault_is_refused(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prose, "lines", lambda name: line.splitlines())
    with pytest.raises(ValueError, match=r"\[politics"):
        prose.subjects.__wrapped__("faulty.txt")

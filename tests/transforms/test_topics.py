from __future__ import annotations

import dataclasses
import gzip
import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model.topic_model import FILE, FOLDER, MAX_CHARS, load, shipped, terms
from pipeline.records import Tag
from pipeline.transforms.json_subjects import MAX_KEYWORDS, keywords, subjects
from pipeline.transforms.media_topics import (
    Concept,
    codes_by_name,
    lineage,
    read_code,
    vocabulary,
)
from pipeline.transforms.topics import MAX_PUBLISHED, published, topics

# One story each, of our own writing.
STORIES = {
    "medtop:15000000": (
        "Striker scores twice as home side win cup final",
        "The striker scored twice in the second half and the goalkeeper saved a penalty as the "
        "team won the league cup. The coach praised his players after the match.",
    ),
    "medtop:02000000": (
        "Man charged with murder after shooting",
        "Police arrested a man who was charged with murder. Prosecutors told the court that the "
        "suspect had shot the victim; the judge denied bail.",
    ),
    "medtop:07000000": (
        "Hospitals report more patients with flu",
        "Doctors said the virus spreads fast and urged people to get a vaccine. Hospitals treat "
        "more patients with symptoms of the disease, the health ministry said.",
    ),
    "medtop:11000000": (
        "Parliament votes on budget before election",
        "The prime minister told parliament that the government would call an election if the "
        "opposition voted against the bill. Senators of both parties debated the law.",
    ),
    "medtop:04000000": (
        "Bank reports higher quarterly profit",
        "The company said revenue rose in the third quarter and shares gained. Investors expect "
        "the central bank to raise interest rates as inflation slows the economy.",
    ),
}


class TestTopics:
    @pytest.mark.parametrize("code", STORIES)
    def test_plain_stories(self, code: str) -> None:
        found = topics(*STORIES[code])
        assert found[0].code == code
        assert [one.primary for one in found] == [True] + [False] * (len(found) - 1)
        top = [one.score for one in found if lineage(one.code) == (one.code,)]
        assert top == sorted(top, key=lambda score: -(score or 0))

    def test_the_evidence_stands_in_the_article(self) -> None:
        for title, body in STORIES.values():
            words = set(terms(title)) | set(terms(body))
            for one in topics(title, body):
                assert one.evidence
                assert set(one.evidence) <= words

    def test_a_topic_of_the_second_level_comes_with_the_one_above(self) -> None:
        title = "How to plan your wedding: a guide for brides and grooms"
        body = "Married couples on their wedding, divorce, parenting and raising kids. " * 3
        scores = {one.code: one.score or 0 for one in topics(title, body)}
        assert scores["medtop:14000000"] >= scores["medtop:20000780"] > 0

    def test_without_the_one_above_it_is_not_given(self) -> None:
        model = dataclasses.replace(shipped(), thresholds=shipped().thresholds.copy())
        model.thresholds[model.codes.index("medtop:14000000")] = 1.1
        body = "Married couples on their wedding, divorce, parenting and raising kids. " * 3
        assert "medtop:20000780" in [one.code for one in topics(None, body)]
        assert "medtop:20000780" not in [one.code for one in model.give(None, body)]

    @pytest.mark.parametrize("text", ["", " ", "zxqv bnmk", "🙂" * 50, "1 2 3", "\ud800"])
    def test_of_nothing_nothing(self, text: str) -> None:
        assert topics(None, text) == ()

    @given(st.one_of(st.none(), st.text()), st.text())
    def test_never_raises(self, title: str | None, body: str) -> None:
        for one in topics(title, body):
            assert one.code in vocabulary()
            assert one.score is not None
            assert 0 < one.score <= 1

    @given(
        st.lists(
            st.sampled_from(
                [
                    *("the", "a", "of", "12", "x", "Parliament", "votes", "climate", "change"),
                    *("zxqv", "New", "York's", "U.S.", "2026", "prime", "minister", "interest"),
                ]
            )
            | st.text(max_size=50)
        )
    )
    def test_the_vector_has_the_terms(self, words: list[str]) -> None:
        model = shipped()
        text = " ".join(words)
        rows, values = model.vector(None, text)
        found = {model._terms[row] for row in rows}
        assert found == set(terms(text)) & set(model.index)
        assert len(found) == len(rows)
        assert not len(rows) or np.isclose((values**2).sum(), 1)

    def test_what_stands_late_does_not_count(self) -> None:
        title, body = STORIES["medtop:15000000"]
        filler = body + " " * MAX_CHARS
        assert topics(title, filler + STORIES["medtop:02000000"][1] * 9) == topics(title, filler)

    def test_the_model_is_small_and_survives_saving(self, tmp_path: Path) -> None:
        assert (FOLDER / FILE).stat().st_size < 10_000_000
        model = shipped()
        model.save(tmp_path / FILE)
        again = load(tmp_path / FILE)
        assert again.version == model.version
        assert list(again.index) == list(model.index)
        assert np.array_equal(again.weights, model.weights)
        for title, body in STORIES.values():
            assert again.give(title, body) == model.give(title, body)

    def test_no_pickle_is_read(self, tmp_path: Path) -> None:
        path = tmp_path / "topics.npz"
        np.savez(path, terms=np.array([{"a": 1}], dtype=object))
        with pytest.raises(ValueError, match="allow_pickle"):
            load(path)

    def test_every_code_of_the_model_is_in_use(self) -> None:
        for place, code in enumerate(shipped().codes):
            assert not vocabulary()[code].retired
            parent = int(shipped().parents[place])
            assert lineage(code)[1:] == (() if parent < 0 else (shipped().codes[parent],))


class TestPublished:
    def test_what_is_in_the_vocabulary_as_it_came(self) -> None:
        found = published(
            [
                ("http://cv.iptc.org/newscodes/mediatopic/20000574", 0.8),
                ("MEDTOP:11000000", None),
                ("medtop:20000574", 0.1),
                ("medtop:99999999", None),
                ("politics", None),
            ]
        )
        assert found == (
            Tag(
                *("iptc-mediatopic", "medtop:20000574", "election", 0.8, "publisher"),
                primary=True,
            ),
            Tag(
                *("iptc-mediatopic", "medtop:11000000", "politics", None, "publisher"),
                primary=False,
            ),
        )

    def test_a_retired_code_stays(self) -> None:
        retired = next(one for one in vocabulary().values() if one.retired)
        assert [one.code for one in published([(retired.code, None)])] == [retired.code]

    def test_a_whole_vocabulary_is_cut(self) -> None:
        assert len(published([(code, None) for code in vocabulary()])) == MAX_PUBLISHED

    @given(st.lists(st.tuples(st.text(), st.none())))
    def test_any_text_is_no_code(self, codes: list[tuple[str, None]]) -> None:
        assert all(one.code in vocabulary() for one in published(codes))


class TestSubjects:
    def test_ninjs_and_schema_org(self) -> None:
        item = {
            "subjects": [
                {"uri": "http://cv.iptc.org/newscodes/mediatopic/20000574", "relevance": 80},
                {"code": "medtop:11000000", "relevance": 800},
                {"name": "no code"},
                7,
            ],
            "about": {"@type": "DefinedTerm", "termCode": "medtop:15000000"},
            "topics": ["medtop:04000000"],
        }
        assert subjects(item) == (
            ("http://cv.iptc.org/newscodes/mediatopic/20000574", 0.8),
            ("medtop:11000000", None),
            ("medtop:15000000", None),
            ("medtop:04000000", None),
        )

    def test_keywords_of_every_form(self) -> None:
        item = {"keywords": "Elections, Peru,,  snap  poll , peru, medtop:11000000"}
        assert keywords(item, []) == ("Elections", "Peru", "snap poll")
        item2 = {"keywords": ["Peru", {"name": "Lima"}, {"x": 1}, 7, "x" * 101]}
        assert keywords(item2, []) == ("Peru", "Lima")
        assert len(keywords({"keywords": ",".join(map(str, range(99)))}, [])) == MAX_KEYWORDS

    @given(
        st.dictionaries(
            st.sampled_from(["subjects", "about", "keywords", "topics"]),
            st.recursive(
                st.none() | st.text() | st.integers() | st.floats() | st.booleans(),
                lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
                max_leaves=10,
            ),
        )
    )
    def test_never_raises(self, item: dict[str, object]) -> None:
        published(subjects(item))
        keywords(item, [])


class TestVocabulary:
    def test_the_top_level(self) -> None:
        top = [one for one in vocabulary().values() if one.broader is None]
        assert [one.code for one in top] == [f"medtop:{n:02}000000" for n in range(1, 18)]
        assert vocabulary()["medtop:15000000"] == Concept("medtop:15000000", "sport", None)

    def test_every_concept_leads_to_the_top(self) -> None:
        for code in vocabulary():
            assert vocabulary()[lineage(code)[-1]].broader is None

    def test_codes_by_name_and_by_themselves(self) -> None:
        assert codes_by_name()["sport"] == read_code("15000000") == "medtop:15000000"


def test_terms_of_a_long_text_are_bounded() -> None:
    text = "x" * 1_000_000
    assert terms(text) == [text[:40]]


def test_the_file_is_compressed() -> None:
    """Weights of eight bits, most of them 0."""
    data = (FOLDER / FILE).read_bytes()
    out = io.BytesIO()
    with gzip.GzipFile(fileobj=out, mode="w") as file:
        file.write(data)
    assert len(out.getvalue()) > 0.9 * len(data)

"""Which country a story is about, and what a tag says of the names it was given for."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.transforms.places import MAX_EVIDENCE, countries

# The longest of the texts below takes a tenth of a second; one that takes time by the square of
# its length would take minutes.
PATIENCE_SECONDS = 10


def primary(title: str | None, body: str, dateline: str | None = None) -> str | None:
    tags = countries(title, body, dateline=dateline)
    first = [tag.code for tag in tags if tag.primary]
    assert len(first) <= 1
    assert all(tag.primary is not None for tag in tags)
    assert not first or tags[0].primary
    return first[0] if first else None


class TestPrimary:
    @pytest.mark.parametrize(
        ("title", "body", "dateline", "expected"),
        [
            ("Peru votes", "Peru votes. Chile watches.", None, "PE"),
            (None, "A quake shook northern Chile, and a French tourist was hurt.", None, "CL"),
            (
                "France and Germany sign",
                "France and Germany signed in Paris and Berlin.",
                None,
                None,
            ),
            ("Brazil draw with Ghana", "Brazil and Ghana drew.", None, None),
            ("Kenya's tea turns purple", "Kenyan growers plant it, brokers said.", "LONDON", "KE"),
            ("Tea turns purple", "LONDON (Reuters) - Kenyan growers plant it.", None, "KE"),
            ("Tea turns purple", "Growers plant it. A British firm buys.", "NAIROBI, Kenya", "GB"),
            ("Georgia passes tax bill", "Lawmakers in Georgia voted.", "ATLANTA", "US"),
            ("Georgia protests grow", "Police cleared Georgia's parliament.", "TBILISI", "GE"),
            (None, "Nothing here names one.", None, None),
            (None, "Nothing here names one.", "PARIS", None),
        ],
    )
    def test_story(
        self, title: str | None, body: str, dateline: str | None, expected: str | None
    ) -> None:
        assert primary(title, body, dateline) == expected

    def test_in_passing_is_not_what_it_is_about(self) -> None:
        assert primary("Nap well", f"{'People who nap score better. ' * 30} Peru agrees.") is None

    def test_often_is(self) -> None:
        body = f"{'People who nap score better. ' * 30} Peru agrees. Peruvians nap. Peru sleeps."
        assert primary("Nap well", body) == "PE"

    @given(st.lists(st.sampled_from(["Peru", "Chile", "in Chad", "Lima", "French"]), max_size=12))
    def test_two_alike_are_none(self, words: list[str]) -> None:
        """A country that has all places of another, and the other way round, never wins."""
        text = " met ".join(words)
        mirrored = f"{text}. {text.replace('Peru', 'Mali').replace('Lima', 'Bamako')}."
        codes = {tag.code for tag in countries(None, text)}
        if "PE" in codes:
            assert primary(None, mirrored.replace("Chile", "x").replace("French", "x")) in (
                None,
                "TD",
            )


class TestDateline:
    def test_it_counts_for_a_country_that_is_named(self) -> None:
        body = "KYIV, Ukraine (AP) - Ukraine's army withdrew."
        (tag,) = countries(None, body)
        assert (tag.count, tag.evidence) == (3, ("Ukraine", "KYIV"))
        (tag,) = countries(None, "Ukraine's army withdrew.", dateline="KYIV, Ukraine")
        assert tag.count == 3

    def test_it_names_a_country_where_the_story_names_none(self) -> None:
        assert primary(None, "KYIV, Ukraine (AP) - Sirens sounded.") == "UA"
        assert [tag.code for tag in countries(None, "Sirens.", dateline="Dakar")] == ["SN"]

    @pytest.mark.parametrize("dateline", ["LONDON", "NEW YORK", "PARIS, France", "Hong Kong"])
    def test_but_not_where_agencies_write_from_about_everywhere(self, dateline: str) -> None:
        assert countries(None, "Oil prices rose.", dateline=dateline) == ()
        assert countries(None, f"{dateline.upper()} (Reuters) - Oil prices rose.") == ()

    def test_it_may_stand_in_front_of_the_body_too(self) -> None:
        body = "PARIS, Jan 3 (Reuters) - Mali's army withdrew."
        assert [tag.code for tag in countries(None, body, dateline="PARIS, Jan 3")] == ["ML"]

    def test_credits_are_no_story(self) -> None:
        body = "Peru votes.\n\n(Reporting by A B in Nairobi; editing by C D in London)"
        assert [tag.code for tag in countries(None, body)] == ["PE"]


class TestEvidence:
    def test_it_is_the_words_of_the_article_the_most_frequent_first(self) -> None:
        (tag,) = countries("RUSSIA VOTES", "Moscow said so. Russians voted. Russia waits. Moscow.")
        assert tag.count == 5
        assert tag.evidence == ("RUSSIA", "Moscow", "Russians")

    def test_it_is_bounded(self) -> None:
        towns = "Chicago. Boston. Houston. Denver. Seattle. Miami. Miami."
        (tag,) = countries(None, towns)
        assert tag.count == 7
        assert len(tag.evidence) == MAX_EVIDENCE
        assert tag.evidence[0] == "Miami"

    def test_what_did_not_count_is_no_evidence(self) -> None:
        (tag,) = countries(None, "The New York Times saw Chicago; Chicago Bulls fans cheered.")
        assert (tag.count, tag.evidence) == (1, ("Chicago",))

    @given(st.lists(st.sampled_from(["Peru", "PERU", "Lima", "Peruvians", "Cusco", "x"])))
    def test_each_form_stands_in_the_article(self, words: list[str]) -> None:
        body = ". ".join(words)
        for tag in countries(None, body):
            assert tag.count == len([word for word in words if word != "x"])
            assert 1 <= len(tag.evidence) <= MAX_EVIDENCE
            assert all(form in body for form in tag.evidence)


@pytest.mark.parametrize(
    "text",
    [
        "Georgia " + "a" * 99_000,
        "Georgia " + "shvili" * 16_000,
        "in Aaaa, Georgia " * 6_000,
        "Paris, Texas and " * 6_000,
        "New " * 25_000,
        "speaks " + "French, " * 12_000,
        ", Pa. " * 16_000,
        "IN NEW YORK " * 8_000,
        "A" * 60 + "(" * 60 + " - " + "\u0130" * 50_000,
    ],
    ids=lambda text: text[:20],
)
def test_time_grows_with_the_length_alone(text: str) -> None:
    began = time.perf_counter()
    countries(text[:200], text)
    assert time.perf_counter() - began < PATIENCE_SECONDS

"""Mentions to entities: what is joined, what never is, and that no mention is lost or changed."""

from __future__ import annotations

import doctest
import re
import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.records import Entity, Mention
from pipeline.transforms import linking
from pipeline.transforms.linking import Found, link, settle_labels, surface, without_titles

MARKED = re.compile(r"\[([^|\]]+)\|([A-Z]+)\]")


def read(marked: str, field: str = "body") -> tuple[str, list[Found]]:
    """The text and mentions of `[Vladimir Putin|PERSON] met …`."""
    text, found, last = "", [], 0
    for mark in MARKED.finditer(marked):
        text += marked[last : mark.start()]
        start = len(text)
        text += mark[1]
        found.append(Found(Mention(field, start, len(text), mark[1]), mark[2]))
        last = mark.end()
    return text + marked[last:], found


def entities(body: str, title: str = "") -> tuple[Entity, ...]:
    body_text, in_body = read(body)
    title_text, in_title = read(title, "title")
    return link(in_body + in_title, title_text or None, body_text)


def shown(body: str, title: str = "") -> list[tuple[str, str, int]]:
    return [(entity.name, entity.label, entity.count) for entity in entities(body, title)]


def test_doctests() -> None:
    assert doctest.testmod(linking).failed == 0


class TestSurface:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("Russia's", "Russia"),
            ("Russia’s", "Russia"),
            ("United States’", "United States"),
            ("the United Nations", "United Nations"),
            ("The  Hague\n", "Hague"),
            ("“Le Monde”", "Le Monde"),
            ("Vladimir\r\nPutin", "Vladimir Putin"),
            ("Beyonce\u0301", "Beyonc\u00e9"),
            ("the", "the"),
            ("'s", "s"),
            ("'", "'"),
            ("Theo", "Theo"),
        ],
    )
    def test_form(self, text: str, expected: str) -> None:
        assert surface(text) == expected

    @given(st.text())
    def test_is_never_empty_for_a_mention(self, text: str) -> None:
        assert bool(surface(text)) == bool(text.split())

    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("Mr. Putin", "Putin"),
            ("Sen. Bernie Sanders", "Bernie Sanders"),
            ("Vice President J.D. Vance", "J.D. Vance"),
            ("President", "President"),
            ("Pope Francis", "Pope Francis"),
            ("Deanna Troi", "Deanna Troi"),
        ],
    )
    def test_titles(self, name: str, expected: str) -> None:
        assert without_titles(name) == expected


class TestJoined:
    def test_same_name_in_all_its_forms(self) -> None:
        assert shown("[Mr. Putin|PERSON], [Putin's|PERSON] and [PUTIN|PERSON] [Putin|PERSON]") == [
            ("Putin", "PERSON", 4)
        ]

    def test_bare_surname_with_full_name(self) -> None:
        assert shown("[Vladimir Putin|PERSON] said … [Putin|PERSON]") == [
            ("Vladimir Putin", "PERSON", 2)
        ]

    def test_headline_before_full_name(self) -> None:
        (entity,) = entities("[Vladimir Putin|PERSON] said …", "[PUTIN|PERSON] calls")
        assert entity.name == "Vladimir Putin"
        assert [mention.field for mention in entity.mentions] == ["title", "body"]

    def test_family_name_first(self) -> None:
        assert shown("[Xi Jinping|PERSON]. [Xi|PERSON]") == [("Xi Jinping", "PERSON", 2)]

    def test_surname_of_several_words(self) -> None:
        assert shown("[Ursula von der Leyen|PERSON] [von der Leyen|PERSON] [Leyen|PERSON]") == [
            ("Ursula von der Leyen", "PERSON", 3)
        ]

    def test_middle_name(self) -> None:
        assert shown("[Donald J. Trump|PERSON], [Donald Trump|PERSON], [Trump|PERSON]") == [
            ("Donald J. Trump", "PERSON", 3)
        ]

    def test_surname_of_a_junior(self) -> None:
        assert shown("[Robert F. Kennedy Jr.|PERSON]. [Kennedy|PERSON]") == [
            ("Robert F. Kennedy Jr.", "PERSON", 2)
        ]

    @pytest.mark.parametrize("acronym", ["UN", "U.N.", "U.N"])
    def test_initials(self, acronym: str) -> None:
        assert shown(f"the [United Nations|ORG] … [{acronym}|ORG]") == [
            ("United Nations", "ORG", 2)
        ]

    def test_initials_with_small_words(self) -> None:
        assert shown("[Department of Energy|ORG] … [DoE|ORG]") == [
            ("Department of Energy", "ORG", 2)
        ]

    def test_brackets_where_initials_do_not_fit(self) -> None:
        assert shown("[Ministry of Internal Affairs|ORG] ([MVD|ORG]) … [MVD|ORG]") == [
            ("Ministry of Internal Affairs", "ORG", 3)
        ]

    def test_brackets_the_other_way_round(self) -> None:
        assert shown("[MSF|ORG] ([Doctors Without Borders|ORG])") == [
            ("Doctors Without Borders", "ORG", 2)
        ]

    def test_brackets_go_before_initials(self) -> None:
        assert shown(
            "[Central Intelligence Agency|ORG], the [Culinary Institute|ORG] ([CIA|ORG]). [CIA|ORG]"
        ) == [("Central Intelligence Agency", "ORG", 1), ("Culinary Institute", "ORG", 3)]


class TestNotJoined:
    def test_two_people_of_the_name(self) -> None:
        assert shown("[Bill Clinton|PERSON] and [Hillary Clinton|PERSON]. [Clinton|PERSON]") == [
            ("Bill Clinton", "PERSON", 1),
            ("Hillary Clinton", "PERSON", 1),
            ("Clinton", "PERSON", 1),
        ]

    def test_father_and_son(self) -> None:
        names = [name for name, *_ in shown("[Donald Trump Jr.|PERSON] [Donald Trump|PERSON]")]
        assert names == ["Donald Trump Jr.", "Donald Trump"]

    def test_two_with_middle_names(self) -> None:
        assert len(shown("[George W. Bush|PERSON] [George H. W. Bush|PERSON]")) == 2
        body = "[George W. Bush|PERSON] [George H. W. Bush|PERSON] [George Bush|PERSON]"
        assert len(shown(body)) == 3

    def test_two_with_the_initials(self) -> None:
        body = "[World Health Organization|ORG] [World Heritage Office|ORG] [WHO|ORG]"
        assert len(shown(body)) == 3

    def test_two_ways_to_write_what_stands_in_capitals(self) -> None:
        assert len(shown("[McDonald|PERSON] [Mcdonald|PERSON] [MCDONALD|PERSON]")) == 3

    def test_across_labels(self) -> None:
        assert len(shown("[United Nations|ORG] [UN|MISC]")) == 2

    def test_initials_of_people(self) -> None:
        assert len(shown("[Barbara Cole|PERSON] [BC|PERSON]")) == 2


class TestLabels:
    def test_majority(self) -> None:
        body = "[Hamas|ORG] [Hamas|NORP] [Hamas|ORG]"
        assert shown(body) == [("Hamas", "ORG", 3)]

    def test_tie_stays(self) -> None:
        assert shown("[Hamas|ORG] [Hamas|NORP]") == [("Hamas", "ORG", 1), ("Hamas", "NORP", 1)]

    def test_surname_taken_for_an_organisation(self) -> None:
        body = "[Vladimir Putin|PERSON] [Putin|ORG] [Putin|ORG] [Putin's|LOC]"
        assert shown(body) == [("Vladimir Putin", "PERSON", 4)]

    def test_family_name_first(self) -> None:
        assert shown("[Xi Jinping|PERSON] [Xi|ORG]") == [("Xi Jinping", "PERSON", 2)]

    def test_first_name_keeps_its_label(self) -> None:
        assert len(shown("[Chelsea Clinton|PERSON] [Chelsea|ORG]")) == 2

    def test_surname_in_a_longer_name_of_another_label(self) -> None:
        body = "[Henry Ford|PERSON] [Ford|ORG] [Ford Motor Company|ORG]"
        assert ("Ford", "ORG", 1) in shown(body)

    def test_two_people_end_in_it(self) -> None:
        body = "[Bill Clinton|PERSON] [Hillary Clinton|PERSON] [Clinton|ORG]"
        assert ("Clinton", "ORG", 1) in shown(body)

    def test_two_spellings_of_one_person_end_in_it(self) -> None:
        body = "[Donald J. Trump|PERSON] [Donald Trump|PERSON] [Trump|ORG]"
        assert shown(body) == [("Donald J. Trump", "PERSON", 3)]

    def test_place_that_is_a_surname(self) -> None:
        body = "[Denzel Washington|PERSON] flew to [Washington|LOC]"
        assert ("Washington", "LOC", 1) in shown(body)

    def test_label_of_the_model_for_persons(self) -> None:
        assert shown("[Angela Merkel|PER] [Merkel|ORG]") == [("Angela Merkel", "PER", 2)]


class TestEntities:
    def test_order_and_salience(self) -> None:
        found = entities("[Kyiv|LOC] … [Moscow|LOC]", "[Moscow|LOC]")
        assert [entity.name for entity in found] == ["Moscow", "Kyiv"]
        assert [mention.field for mention in found[0].mentions] == ["title", "body"]
        assert sum(entity.salience or 0 for entity in found) == pytest.approx(1)
        # 3 in the title and 2 - 7/13 in the body, against 2 at the body's start.
        assert found[0].salience == pytest.approx((5 - 7 / 13) / (7 - 7 / 13))

    def test_earlier_weighs_more(self) -> None:
        first, second = entities("[Kyiv|LOC] … [Moscow|LOC]")
        assert (first.salience or 0) > (second.salience or 0)

    def test_nothing_found(self) -> None:
        assert link([], None, "") == ()


WORDS = [
    "Putin",
    "Vladimir",
    "Xi",
    "Jinping",
    "Jr.",
    "J.",
    "UN",
    "U.N.",
    "United",
    "Nations",
    "the",
]
WORDS += ["TRUMP", "Trump", "Donald", "Mr.", "President", "of", "Washington", "WHO", "'s", "-", "’"]
LABELS = ["PERSON", "ORG", "LOC", "PER", "MISC"]


@st.composite
def articles(draw: st.DrawFn) -> tuple[list[Found], str, str]:
    """Mentions of a few words or of anything, gaps between them, in title and body, shuffled."""
    anything = st.text(min_size=1, max_size=8).map(str.strip).filter(bool)
    name = st.lists(st.sampled_from(WORDS), min_size=1, max_size=12).map(" ".join) | anything
    gap = st.sampled_from([" ", " (", ") ", "", "\n\n", " … "])
    found: list[Found] = []
    texts = {"title": "", "body": ""}
    for field in texts:
        for text, before, label in draw(
            st.lists(st.tuples(name, gap, st.sampled_from(LABELS)), max_size=14)
        ):
            start = len(texts[field]) + len(before)
            texts[field] += before + text
            found.append(Found(Mention(field, start, start + len(text), text), label))
        texts[field] += draw(st.sampled_from(["", ")", "."]))
    return draw(st.permutations(found)), texts["title"], texts["body"]


class TestProperties:
    @settings(max_examples=300, deadline=None)
    @given(articles())
    def test_mentions_are_neither_lost_nor_doubled(
        self, article: tuple[list[Found], str, str]
    ) -> None:
        found, title, body = article
        linked = link(found, title, body)
        assert Counter(m for e in linked for m in e.mentions) == Counter(f.mention for f in found)
        for entity in linked:
            assert entity.count == len(entity.mentions) > 0
            assert entity.name
            assert 0 < (entity.salience or 0) <= 1
            places = [(m.field != "title", m.start) for m in entity.mentions]
            assert places == sorted(places)
        firsts = [(e.mentions[0].field != "title", e.mentions[0].start) for e in linked]
        assert firsts == sorted(firsts)
        assert not linked or sum(e.salience or 0 for e in linked) == pytest.approx(1)

    @settings(max_examples=300, deadline=None)
    @given(articles())
    def test_labels_change_by_the_two_rules_only(
        self, article: tuple[list[Found], str, str]
    ) -> None:
        found, _, _ = article
        surfaces = [surface(each.mention.text) for each in found]
        labels = [each.label for each in found]
        for text, old, new in zip(surfaces, labels, settle_labels(surfaces, labels), strict=True):
            if old == new:
                continue
            counts = Counter(lab for tex, lab in zip(surfaces, labels, strict=True) if tex == text)
            by_majority = counts[new] > max(
                (n for lab, n in counts.items() if lab != new), default=0
            )
            by_surname = new in ("PERSON", "PER") and any(
                lab in ("PERSON", "PER")
                and text.casefold() in surface(each.mention.text).casefold()
                and text != surface(each.mention.text)
                for each, lab in zip(found, settle_labels(surfaces, labels), strict=True)
            )
            assert by_majority or by_surname

    @settings(max_examples=200, deadline=None)
    @given(articles())
    def test_the_order_mentions_come_in_does_not_matter(
        self, article: tuple[list[Found], str, str]
    ) -> None:
        found, title, body = article
        assert link(found, title, body) == link(found[::-1], title, body)

    @settings(max_examples=200, deadline=None)
    @given(articles())
    def test_two_full_names_that_fit_leave_the_bare_one_alone(
        self, article: tuple[list[Found], str, str]
    ) -> None:
        found, title, _ = article
        names = ["Anna Quux", "Berta Quux", "Quux"]
        body = " ".join(names)
        start = 0
        mine = [f for f in found if f.mention.field == "title"]
        for name in names:
            mine.append(Found(Mention("body", start, start + len(name), name), "PERSON"))
            start += len(name) + 1
        linked = link(mine, title, body)
        ours = [e for e in linked if any("Quux" in m.text for m in e.mentions)]
        assert [e.name for e in ours] == names


def test_work_grows_with_the_text_and_not_faster() -> None:
    """100,000 mentions, as a hostile article of a million characters has them."""
    names = [f"A{i % 5000} B{i % 700} C{i % 300}" for i in range(50_000)]
    names += [f"C{i % 300}" for i in range(50_000)]
    found, start = [], 0
    for i, name in enumerate(names):
        label = ("PERSON", "ORG")[i % 2]
        found.append(Found(Mention("body", start, start + len(name), name), label))
        start += len(name) + 1
    begun = time.process_time()
    linked = link(found, None, " ".join(names))
    assert sum(entity.count for entity in linked) == len(names)
    assert time.process_time() - begun < 20

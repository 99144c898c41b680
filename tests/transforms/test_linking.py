"""Mentions to entities: what is joined, what never is, and that no mention is lost or changed."""

from __future__ import annotations

import re
import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.records import Entity, Mention
from pipeline.transforms.linking import Found, link
from pipeline.transforms.name_forms import surface, without_titles
from pipeline.transforms.name_labels import settle_labels

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

    @pytest.mark.parametrize(
        "between", [" (", " (the ", ' ("', " (“", "\n(", " (or the "], ids=repr
    )
    @pytest.mark.parametrize("after", [")", '")', ", or", "; see"])
    def test_brackets_with_more_in_them(self, between: str, after: str) -> None:
        body = f"[Danish Weather Service|ORG]{between}[DMI|ORG]{after}. [DMI|ORG]"
        assert shown(body) == [("Danish Weather Service", "ORG", 3)]

    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("J. K. Rowling", "J.K. Rowling"),
            ("JD Vance", "J.D. Vance"),
            ("Robert Kennedy Jr.", "Robert Kennedy, Jr"),
            ("Sean O'Brien", "Sean O’Brien"),
            ("Jan-Peter Lang", "Jan\u2011Peter Lang"),
            ("V. Putin", "Vladimir Putin"),
            ("Al-Kazemi", "al-Kazemi"),
            ("Von der Leyen", "von der Leyen"),
            ("Rashidi", "Khalid al-Rashidi"),
            ("Zoe\u0301 Roux", "Zo\u00e9 Roux"),
        ],
    )
    def test_spellings_of_a_person(self, one: str, other: str) -> None:
        assert len(shown(f"[{one}|PERSON] … [{other}|PERSON]")) == 1
        assert len(shown(f"[{other}|PERSON] … [{one}|PERSON]")) == 1

    @pytest.mark.parametrize(
        ("short", "full"),
        [
            ("Leeds", "Leeds United"),
            ("Boston", "Boston Celtics"),
            ("Celtics", "Boston Celtics"),
            ("Ford", "Ford Motor Company"),
            ("Ford", "Ford Motor Co."),
            ("TBC", "TBC Bank"),
            ("Commission", "European Commission"),
            ("News Corp", "News Corporation"),
            ("Apple", "Apple Inc."),
            ("HHS", "Department of Health and Human Services"),
            ("G7", "Group 7"),
        ],
    )
    def test_short_names_of_organisations(self, short: str, full: str) -> None:
        assert shown(f"[{short}|ORG] … [{full}|ORG]") == [(full, "ORG", 2)]

    def test_short_name_of_a_short_name(self) -> None:
        body = "[Ford|ORG] [Ford Motor|ORG] [Ford Motor Company|ORG] [Ford Motor Co|ORG]"
        assert shown(body) == [("Ford Motor Company", "ORG", 4)]

    def test_people_in_the_plural(self) -> None:
        assert shown("[Americans|NORP] … [American|NORP]") == [("American", "NORP", 2)]
        assert len(shown("[News|ORG] … [New|ORG]")) == 2

    def test_countries_with_two_names(self) -> None:
        body = "[Britain|LOC] [UK|LOC] [United Kingdom|LOC] [U.S.|LOC] [America|LOC]"
        assert shown(body) == [("United Kingdom", "LOC", 3), ("America", "LOC", 2)]


class TestNotJoined:
    @pytest.mark.parametrize(
        "man", ["[Mr. Fillon|PERSON]", "Mr. [Fillon|PERSON]", "[Herr Fillon|PERSON]"]
    )
    @pytest.mark.parametrize("woman", ["[Mrs Fillon|PERSON]", "(Ms.\n[Fillon|PERSON])"])
    def test_husband_and_wife(self, man: str, woman: str) -> None:
        assert shown(f"[Jean Fillon|PERSON]: {man}, {woman}, [Fillon|PERSON]") == [
            ("Jean Fillon", "PERSON", 1),
            ("Fillon", "PERSON", 1),
            ("Fillon", "PERSON", 1),
            ("Fillon", "PERSON", 1),
        ]

    def test_one_courtesy_alone_tells_nobody_apart(self) -> None:
        body = "[Ann Fillon|PERSON]: Ms. [Fillon|PERSON], Ms. [Fillon|PERSON], [Fillon|PERSON]"
        assert shown(body) == [("Ann Fillon", "PERSON", 4)]

    @pytest.mark.parametrize(
        "names",
        [
            ["Manchester", "Manchester United", "Manchester City"],
            ["Manchester", "Manchester United", "Manchester Evening News"],
            ["United", "Leeds United", "Manchester United"],
            ["Rangers", "Texas Rangers", "New York Rangers"],
            ["Commission", "European Commission", "Federal Trade Commission"],
            ["Google", "Google DeepMind"],
            ["BBC", "BBC News"],
            ["Forces", "Iraqi Forces"],
            ["Senate", "Texas Senate"],
            ["Supreme Court", "Illinois Supreme Court"],
            ["Foreign Ministry", "Russian Foreign Ministry"],
            ["Democrats", "Liberal Democrats"],
            ["Inc", "Apple Inc"],
            ["Princess", "Carnival Princess"],
        ],
    )
    def test_parts_of_organisations(self, names: list[str]) -> None:
        body = " … ".join(f"[{name}|ORG]" for name in names)
        assert len(shown(body)) == len(names)

    def test_initial_that_two_have(self) -> None:
        body = "[V. Putin|PERSON] [Vladimir Putin|PERSON] [Viktor Putin|PERSON]"
        assert len(shown(body)) == 3

    def test_full_name_at_the_end_of_a_longer_one(self) -> None:
        body = "[George Bush|PERSON] [George W. Bush|PERSON] [Prescott George Bush|PERSON]"
        assert [(name, count) for name, _, count in shown(body)] == [
            ("George W. Bush", 2),
            ("Prescott George Bush", 1),
        ]

    def test_acronym_that_is_also_a_short_name(self) -> None:
        body = "[Tbilisi Business Centre|ORG] ([TBC|ORG]) [TBC Bank|ORG]"
        assert [(name, count) for name, _, count in shown(body)] == [
            ("Tbilisi Business Centre", 2),
            ("TBC Bank", 1),
        ]

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

    @pytest.mark.parametrize("label", ["MISC", "LOC", "PERSON"])
    def test_across_labels(self, label: str) -> None:
        assert len(shown(f"[United Nations|ORG] … [UN|{label}]")) == 2
        assert len(shown(f"[Danish Weather Service|{label}] ([DWS|ORG])")) == 2
        assert len(shown(f"[New York|{label}] ([AP|ORG])")) == 2

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
        body = "[Henry Ford|PERSON] [Ford|ORG] [Ford Foundation|ORG]"
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

    @pytest.mark.parametrize("count", [1, 3])
    def test_person_and_city_of_one_name(self, count: int) -> None:
        """Whichever comes more often, neither takes the other's label."""
        body = "[Denzel Washington|PERSON] [Washington|PERSON] " + "[Washington|LOC] " * count
        assert shown(body) == [("Denzel Washington", "PERSON", 2), ("Washington", "LOC", count)]
        body = "[Denzel Washington|PERSON] [Washington|LOC] " + "[Washington|PERSON] " * count
        assert ("Washington", "LOC", 1) in shown(body)

    def test_team_and_town_of_one_name(self) -> None:
        body = "[Leeds United|ORG] [Leeds|ORG] [Leeds|ORG] [Leeds|LOC]"
        assert shown(body) == [("Leeds United", "ORG", 3), ("Leeds", "LOC", 1)]
        body = "[Leeds United|ORG] [Leeds|LOC] [Leeds|LOC] [Leeds|ORG]"
        assert shown(body) == [("Leeds United", "ORG", 2), ("Leeds", "LOC", 2)]

    def test_surname_that_is_a_company(self) -> None:
        body = "[Henry Ford|PERSON] [Ford|ORG] [Ford|ORG]"
        assert shown(body) == [("Henry Ford", "PERSON", 1), ("Ford", "ORG", 2)]

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
    @settings(max_examples=300)
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

    @settings(max_examples=300)
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

    @settings(max_examples=200)
    @given(articles())
    def test_the_order_mentions_come_in_does_not_matter(
        self, article: tuple[list[Found], str, str]
    ) -> None:
        found, title, body = article
        assert link(found, title, body) == link(found[::-1], title, body)

    @settings(max_examples=200)
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


def test_many_ways_to_write_one_name() -> None:
    """32,000 spellings of one surname and as many full names that fit each: no square of that."""
    letters = "abcdefghijklmno"
    spellings = [
        "".join(c.upper() if n >> i & 1 else c for i, c in enumerate(letters))
        for n in range(2 ** len(letters))
    ]
    names = ["Anna Q. " + letters, *(f"Anna {each}" for each in spellings), *spellings]
    found, start = [], 0
    for name in names:
        found.append(Found(Mention("body", start, start + len(name), name), "PERSON"))
        start += len(name) + 1
    begun = time.process_time()
    (entity,) = link(found, None, " ".join(names))
    assert entity.count == len(names)
    assert time.process_time() - begun < 20


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

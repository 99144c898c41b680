from __future__ import annotations

import re
import time
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.model import train_keywords
from pipeline.records import Entity, Mention, Tag
from pipeline.transforms.keyword_phrases import read_phrases
from pipeline.transforms.keyword_words import (
    BREAK,
    MODIFIER,
    MOST_LETTERS,
    NOUN,
    look_up,
    singular,
)
from pipeline.transforms.keywords import (
    BODY_CHARACTERS,
    FEWEST,
    LEAST_SHARE,
    MOST,
    SCHEME,
    SOURCE,
    VERSION,
    keywords,
)

TITLE = "Investigators discover hole in fuel tank of burnt-out China Airlines jet"
BODY = (
    "Investigators have discovered a hole in the fuel tank of the China Airlines jet that caught "
    "fire and exploded on August 20 on the island of Okinawa, Japan.\n\nJapanese investigators say "
    'that a structural bolt had pierced the fuel tank of the Boeing 737-800. "We spotted a hole '
    'in a fuel tank," Reuters quoted the transport ministry on Monday. "We suspect that oil leaked '
    'from this hole." Boeing refused to comment. Taiwan-based China Airlines said that the plane '
    "had been inspected last year. The chief executive of China Airlines flew to Okinawa and "
    "consoled passengers, and the airline is offering compensation to passengers. In 2006 Boeing "
    "had warned airlines of bolts piercing fuel tanks, Reuters said. People in China read it on "
    "Tuesday."
)
NAMES = {
    "China Airlines": "ORG",
    "Okinawa": "LOC",
    "Japan": "LOC",
    "Japanese": "NORP",
    "Boeing": "ORG",
    "Reuters": "ORG",
    "Taiwan": "LOC",
    "China": "LOC",
}


def entities(
    title: str | None,
    body: str,
    names: Mapping[str, str],
    forms: Mapping[str, tuple[str, ...]] | None = None,
) -> tuple[Entity, ...]:
    """Entities as linking would give them, wherever their names or `forms` stand; longest first."""
    taken: list[tuple[str, int, int]] = []
    found = []
    for name in sorted(names, key=len, reverse=True):
        mentions = []
        for form in (name, *(forms or {}).get(name, ())):
            for field, text in (("title", title or ""), ("body", body)):
                for match in re.finditer(rf"\b{re.escape(form)}\b", text):
                    span = (field, *match.span())
                    if not any(f == field and span[1] < e and s < span[2] for f, s, e in taken):
                        taken.append(span)
                        mentions.append(Mention(*span, form))
        found.append(Entity(name, names[name], len(mentions), None, tuple(mentions)))
    return tuple(found)


def english(title: str | None, body: str, names: Mapping[str, str] | None = None) -> list[Tag]:
    return list(keywords(title, body, entities(title, body, names or {}), language="en"))


def names_of(tags: list[Tag]) -> list[str]:
    return [tag.name for tag in tags]


class TestArticle:
    def test_says_what_the_article_is_about(self) -> None:
        tags = english(TITLE, BODY, NAMES)
        assert FEWEST <= len(tags) <= MOST
        assert {"China Airlines", "fuel tank", "hole"} <= set(names_of(tags)[:5])
        assert "Okinawa" in names_of(tags)

    def test_every_tag_is_complete(self) -> None:
        tags = english(TITLE, BODY, NAMES)
        assert tags[0].score == 1
        for tag in tags:
            assert (tag.scheme, tag.source, tag.version) == (SCHEME, SOURCE, VERSION)
            assert tag.primary is None
            assert tag.evidence
            assert all(form in f"{TITLE}\n{BODY}" for form in tag.evidence)

    def test_count_and_forms_are_those_of_the_article(self) -> None:
        (tank,) = (tag for tag in english(TITLE, BODY, NAMES) if tag.code == "fuel tank")
        assert tank.count == 5
        assert tank.evidence == ("fuel tank", "fuel tanks")

    def test_leaves_out_what_says_nothing(self) -> None:
        codes = {tag.code for tag in english(TITLE, BODY, NAMES)}
        assert not codes & {"reuters", "monday", "tuesday", "august", "2006", "people", "year"}
        assert not codes & {"said", "news", "japanese"}

    def test_an_agency_in_the_title_is_what_it_is_about(self) -> None:
        title = "Reuters to cut 300 jobs"
        body = "The agency Reuters will cut 300 jobs. Unions of Reuters workers protested."
        assert "Reuters" in names_of(english(title, body, {"Reuters": "ORG"}))
        assert "Reuters" in names_of(english(title, body))
        assert "Reuters" not in names_of(english("Jobs to go", body, {"Reuters": "ORG"}))
        assert "Reuters" not in names_of(english("Jobs to go", body))

    def test_the_publisher_is_none_unless_the_title_has_it(self) -> None:
        body = "Farmers told the Daily Planet of the drought. It is bad, the Daily Planet says."
        found = entities(None, body, {"Daily Planet": "ORG"})
        with_it = keywords("Drought", body, found, language="en")
        without = keywords("Drought", body, found, language="en", publisher="The Daily Planet")
        assert "daily planet" in {tag.code for tag in with_it}
        assert "daily planet" not in {tag.code for tag in without}

    def test_title_and_beginning_count_more(self) -> None:
        filler = "There it was, and so it went on. " * 60
        one = "The orchard burned. The orchard smoked."
        other = "The glacier melted. The glacier cracked."
        assert english(None, f"{one} {filler} {other}")[0].code == "orchard"
        assert english(None, f"{other} {filler} {one}")[0].code == "glacier"
        assert english("A glacier", f"{one} {filler} {other}")[0].code == "glacier"

    def test_rare_words_count_more(self) -> None:
        tags = english(None, "The election and the cannabis. The election, the cannabis.")
        assert names_of(tags)[0] == "cannabis"

    def test_of_a_short_text_there_are_few(self) -> None:
        assert 1 <= len(english("Volcano erupts", "A volcano erupted in Iceland.")) <= 3

    @pytest.mark.parametrize("text", ["", " ", "\n\n", "...", "123 456", "the of and", "\ud800"])
    def test_of_nothing_there_are_none(self, text: str) -> None:
        assert english(text, text) == []
        assert english(None, text) == []


class TestSaysItOnce:
    def test_singular_and_plural_are_one(self) -> None:
        tags = english(None, "Remittances fell. A remittance is money. Remittances help families.")
        assert [tag.code for tag in tags].count("remittance") == 1
        (tag,) = (tag for tag in tags if tag.code == "remittance")
        assert (tag.name, tag.count) == ("Remittances", 3)

    def test_a_part_of_a_phrase_counts_for_the_phrase(self) -> None:
        body = "A stun gun was used. Stun guns are dangerous. Police want every stun gun."
        codes = [tag.code for tag in english(None, body)]
        assert codes[0] == "stun gun"
        assert not {"stun", "gun"} & set(codes)

    def test_a_person_is_one_however_named(self) -> None:
        body = "Vladimir Putin spoke. Putin was clear. The crowd heard Putin in the rain."
        found = entities(None, body, {"Vladimir Putin": "PERSON"}, {"Vladimir Putin": ("Putin",)})
        tags = keywords("Putin speaks", body, found, language="en")
        (putin,) = (tag for tag in tags if "putin" in tag.code)
        assert (putin.name, putin.code) == ("Vladimir Putin", "vladimir putin")
        assert putin.evidence == ("Putin", "Vladimir Putin")
        # The model saw nothing in the title; the name is known all the same.
        assert putin.count == 4

    def test_a_name_that_linking_left_apart_is_one(self) -> None:
        body = "Gerry Galloway spoke. Mr. Galloway left. Galloway denied it. Gerry Galloway sued."
        found = entities(None, body, {"Gerry Galloway": "PERSON", "Galloway": "ORG"})
        tags = keywords(None, body, found, language="en")
        assert sum("galloway" in tag.code for tag in tags) == 1

    def test_letters_of_another_kind_are_the_same_code(self) -> None:
        assert [tag.code for tag in english(None, "𝕋00%T00")] == ["t00"]

    def test_a_name_with_two_labels_is_one(self) -> None:
        body = "Galway rose. Galway fell. Galway stood."
        whole = entities(None, body, {"Galway": "LOC"})[0]
        found = tuple(
            Entity("Galway", label, len(some), None, some)
            for label, some in (("LOC", whole.mentions[:2]), ("ORG", whole.mentions[2:]))
        )
        assert len(keywords(None, body, found, language="de")) == 1

    def test_a_country_beside_what_is_named_after_it(self) -> None:
        body = "China Airlines flies. China Airlines rose. In China it rained; China is wet."
        tags = english("China Airlines and China", body, {"China Airlines": "ORG", "China": "LOC"})
        assert {"China Airlines", "China"} <= set(names_of(tags))

    def test_a_people_with_what_follows(self) -> None:
        body = "Two Iraqi civilians died. The Iraqi civilians were at home in Iraq. Iraq mourned."
        tags = english(None, body, {"Iraqi": "NORP", "Iraq": "LOC"})
        assert {"Iraqi civilians", "Iraq"} <= set(names_of(tags))
        assert "Iraqi" not in names_of(tags)

    def test_two_phrases_with_most_words_in_common_are_one(self) -> None:
        body = (
            "The collective bargaining agreement ends. A bargaining agreement extension is near. "
            "This collective bargaining agreement and that bargaining agreement extension."
        )
        codes = [tag.code for tag in english(None, body)]
        assert sum("bargaining" in code for code in codes) == 1

    def test_a_word_said_again_and_again_is_no_phrase(self) -> None:
        assert [tag.code for tag in english(None, "spam " * 5_000)] == ["spam"]


class TestForm:
    def test_reading_form_is_the_most_frequent_of_the_body(self) -> None:
        body = "A fuel tank broke. The Fuel Tank was old. Every fuel tank is checked."
        tags = english("FUEL TANK BREAKS", body)
        assert (tags[0].name, tags[0].code, tags[0].count) == ("fuel tank", "fuel tank", 4)

    def test_code_has_single_spaces_and_one_apostrophe(self) -> None:
        body = "The world’s  people’s\u00a0republic. It was Côte  d’Ivoire, said Côte  d’Ivoire."
        found = entities(None, body, {"Côte  d’Ivoire": "LOC"})
        (tag,) = (t for t in keywords(None, body, found, language="en") if t.code[0] == "c")
        assert (tag.code, tag.name) == ("côte d'ivoire", "Côte d’Ivoire")

    def test_an_abbreviation_keeps_its_last_point(self) -> None:
        body = "The U.S. sanctions hurt. Lifting U.S. sanctions is near, he said of U.S. sanctions."
        assert english(None, body)[0].name == "U.S. sanctions"

    def test_no_phrase_goes_across_punctuation_or_lines(self) -> None:
        body = "It has fuel, tanks and fuel. Tanks: fuel\ntanks (fuel) tanks - fuel / tanks"
        assert all(" " not in tag.code for tag in english(None, body))

    def test_addresses_and_tickers_are_left_out(self) -> None:
        body = (
            "Micropolis (NYSE American: MCRP) grows. See https://example.com/grows?utm=robots and "
            "www.robots.example. Micropolis (NYSE American: MCRP) said https://example.com/grows"
        )
        text = " ".join(tag.code for tag in english(None, body, {"NYSE American": "ORG"}))
        assert "micropolis" in text
        assert not re.search("nyse|mcrp|http|www|utm|example", text)

    def test_a_headline_in_capitals_taken_for_a_name_is_read_word_by_word(self) -> None:
        title = "France Invokes Emergency Law In Paris Riots"
        body = "The emergency law is old. France used the emergency law in the riots."
        found = entities(title, body, {title: "MISC"})
        tags = list(keywords(title, body, found, language="en"))
        assert title not in names_of(tags)
        assert "emergency law" in names_of(tags)


class TestLanguage:
    GERMAN = "Der Bundestag beschloss die Reform. Die Reform des Bundestag gilt auch in Bayern."

    @pytest.mark.parametrize("language", ["de", "zh", "enm", None])
    def test_without_a_table_or_a_model_there_are_none(self, language: str | None) -> None:
        assert keywords("Reform beschlossen", self.GERMAN, (), language=language) == ()
        assert keywords("Reform beschlossen", self.GERMAN, None, language=language) == ()

    def test_names_of_a_model_for_that_language_are_keywords(self) -> None:
        found = entities(None, self.GERMAN, {"Bundestag": "ORG", "Bayern": "LOC"})
        tags = keywords("Reform", self.GERMAN, found, language="de")
        assert [tag.name for tag in tags] == ["Bundestag", "Bayern"]
        assert tags[0].count == 2

    def test_english_of_any_country_is_english(self) -> None:
        assert keywords(TITLE, BODY, (), language="en-GB") == keywords(
            TITLE, BODY, (), language="en"
        )


class TestLimits:
    def test_most_and_share(self) -> None:
        found = entities(TITLE, BODY, NAMES)
        every = keywords(TITLE, BODY, found, language="en", most=50, least_share=0)
        assert len(every) > MOST
        assert keywords(TITLE, BODY, found, language="en", most=3, least_share=0) == every[:3]
        assert keywords(TITLE, BODY, found, language="en", most=0) == ()
        usual = keywords(TITLE, BODY, found, language="en")
        assert all(tag.score is not None and tag.score >= LEAST_SHARE for tag in usual[FEWEST:])

    def test_what_lies_beyond_is_not_read(self) -> None:
        body = "A glacier, the glacier. " + "x " * BODY_CHARACTERS + "The orchard, an orchard."
        names = names_of(english(None, body))
        assert "glacier" in names
        assert "orchard" not in names
        found = entities(None, "A quiet town. " + "x " * 50 + "Oslo", {"Oslo": "LOC"})
        text = "A quiet town. " + "x " * 50 + "Oslo"
        assert keywords(None, text, found, language="de", body_characters=50) == ()


HOSTILE = {
    "one word": "spam " * 200_000,
    "two words": "spam eggs " * 100_000,
    "no spaces": "a" * 1_000_000,
    "new words": " ".join(f"w{chr(97 + n % 26)}{n:x}" for n in range(150_000)),
    "capitals": "BREAKING NEWS MARKETS CRASH " * 36_000,
    "emoji": "\U0001f600\ufe0f\u200d" * 300_000,
    "hyphens": "a-" * 500_000,
    "apostrophes": "a'" * 500_000,
    "brackets": "(A" * 500_000,
    "tickers": "(A A: " * 160_000,
    "marks": "e\u0301" * 500_000,
    "addresses": "https://" * 125_000,
    "numbers": "1,2" * 300_000,
    "lines": "\n" * 1_000_000,
    "a table": "| Team | Points |\n| Oslo | 3 |\n" * 30_000,
    "right to left": "\u202eالنقابات " * 100_000,
    "nul": "\x00 spam " * 100_000,
    "lone surrogates": "\ud800 word " * 100_000,
}


class TestHostile:
    @pytest.mark.parametrize("text", HOSTILE.values(), ids=list(HOSTILE))
    def test_a_million_characters(self, text: str) -> None:
        tags = keywords(text, text, (), language="en")
        assert len(tags) <= MOST
        assert all(len(tag.name) <= 4 * (MOST_LETTERS + 1) for tag in tags)

    @pytest.mark.parametrize("text", HOSTILE.values(), ids=list(HOSTILE))
    def test_takes_time_in_proportion(self, text: str) -> None:
        def seconds(characters: int) -> float:
            began = time.process_time()
            keywords(None, text, (), language="en", body_characters=characters)
            return time.process_time() - began

        seconds(25_000)
        # Sixteen times the text: quadratic would be 256 times the time.
        assert seconds(400_000) < 160 * max(seconds(25_000), 0.003)

    def test_names_without_end(self) -> None:
        body = " ".join(f"Name{n}" for n in range(6_000))
        found = tuple(
            Entity(match[0], "PERSON", 1, None, (Mention("body", *match.span(), match[0]),))
            for match in re.finditer(r"\S+", body)
        )
        assert len(keywords(None, body, found, language="en")) == MOST

    def test_mentions_that_do_not_fit_the_text_are_left_out(self) -> None:
        mentions = (Mention("body", 500, 510, "Oslo"), Mention("title", 0, 4, "Oslo"))
        found = (Entity("Oslo", "LOC", 2, None, mentions), Entity("", "ORG", 0, None, ()))
        tags = keywords(None, "A glacier. The glacier.", found, language="en")
        assert [tag.name for tag in tags] == ["glacier"]

    def test_overlapping_mentions_are_read_once(self) -> None:
        text = "Bank of America fell. Bank of America rose."
        found = (
            *entities(None, text, {"Bank of America": "ORG"}),
            *entities(None, text, {"America": "LOC"}),
        )
        tags = keywords(None, text, found, language="en")
        assert [(tag.name, tag.count) for tag in tags] == [("Bank of America", 2)]


WORDS = st.sampled_from(
    (
        *("the", "of", "said", "and", ".", ",", "\n", "(", ")", "-", "’s", "2006", "Monday", "#1"),
        *("Putin", "Vladimir Putin", "Iraqi", "Reuters", "É", "AI"),
        *("fuel", "tanks", "tank", "civilians", "policies"),
    )
)
TEXTS = st.lists(WORDS, max_size=60).map(" ".join) | st.text(
    st.characters(exclude_categories=()), max_size=200
)
LABELLED = {"Vladimir Putin": "PERSON", "Iraqi": "NORP", "Reuters": "ORG", "É": "LOC"}


class TestAnyText:
    @given(TEXTS, TEXTS)
    def test_tags_are_sound(self, title: str, body: str) -> None:
        found = entities(title, body, LABELLED)
        tags = keywords(title, body, found, language="en")
        codes = [tag.code for tag in tags]
        scores = [tag.score or 0.0 for tag in tags]
        assert len(set(codes)) == len(codes) <= MOST
        assert scores == sorted(scores, reverse=True)
        assert all(0 < score <= 1 for score in scores)
        for tag in tags:
            assert tag.code
            assert tag.code == " ".join(tag.code.split())
            assert tag.count
            assert any(char.isalpha() for char in tag.name)
        assert tags == keywords(title, body, found, language="en")

    @given(TEXTS)
    def test_phrases_count_what_is_there(self, body: str) -> None:
        phrases = read_phrases("", body, entities(None, body, LABELLED))
        for key, (in_body, in_title) in phrases.forms(phrases.weights).items():
            assert in_body
            assert not in_title
            assert (len(in_body) > 1) == (key in phrases.repeated)

    @given(st.text(st.characters(exclude_categories=()), max_size=60))
    def test_any_word(self, token: str) -> None:
        word = look_up(token)
        assert word.kind in (BREAK, MODIFIER, NOUN)
        assert word.rarity >= 0
        assert len(word.key) <= 2 * MOST_LETTERS
        assert singular(singular(word.key)) is not None


class TestWords:
    @pytest.mark.parametrize(
        ("plural", "one"),
        [
            *(("markets", "market"), ("policies", "policy"), ("taxes", "tax"), ("dogs", "dog")),
            *(("fishermen", "fisherman"), ("children", "child"), ("homeowners", "homeowner")),
            *(("crises", "crisis"), ("classes", "class"), ("cameras", "camera")),
            *(
                (each, each)
                for each in (
                    "politics",
                    "news",
                    "series",
                    "virus",
                    "crisis",
                    "texas",
                    "bus",
                    "glass",
                )
            ),
        ],
    )
    def test_singular(self, plural: str, one: str) -> None:
        assert singular(plural) == one

    @pytest.mark.parametrize(
        ("word", "kind"),
        [
            *(
                (each, BREAK)
                for each in ("said", "the", "Monday", "quickly", "announced", "killed", "resigns")
            ),
            *((each, BREAK) for each in ("hundred", "June", "year", "don't", "x")),
            *((each, MODIFIER) for each in ("political", "new", "unhelpful", "multi-state")),
            *((each, NOUN) for each in ("supply", "assembly", "government", "blockchain", "Elon")),
        ],
    )
    def test_kind(self, word: str, kind: int) -> None:
        assert look_up(word).kind == kind

    def test_rarity(self) -> None:
        assert look_up("government").rarity < look_up("earthquake").rarity
        assert look_up("earthquake").rarity < look_up("blockchain").rarity
        assert look_up("blockchain").rarity == look_up("qwertyuiop").rarity


class TestTraining:
    def test_counts_articles_and_tells_kinds(self) -> None:
        places = "He will foo the bar of it. They would foo a bar. She can foo the nice bar now. "
        table = train_keywords.table(
            [("A bar", places * 2), ("No", "the bar, and a nice bar"), ("Bar", "the nice bar")]
        )
        lines = [line for line in table.splitlines() if not line.startswith("#")]
        assert lines == ["bar 3 n", "nice 3 m", "the 3 ?"]
        assert "# articles 3" in table

    def test_a_verb_is_neither(self) -> None:
        articles = [("", "They would foo it. He will foo the bar.")] * 3
        assert "foo 3 o" in train_keywords.table(articles).splitlines()

    def test_says_where_the_articles_should_be(
        self, tmp_path: object, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert train_keywords.main(["--data", str(tmp_path)]) == 2
        assert "--data" in capsys.readouterr().out

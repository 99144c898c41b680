from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.testing.util import assert_that
from hypothesis import given
from hypothesis import strategies as st

from pipeline.options import ArticleOptions
from pipeline.records import Article, DeadLetter, Draft, Language, Message, Processing, to_avro
from pipeline.transforms import tag as tag_module
from pipeline.transforms.language import detect
from pipeline.transforms.rule_file import RuleError, parse_rules, read_rules
from pipeline.transforms.tag import Tag, tag
from pipeline.transforms.topics import published, publisher_keywords

DATA = Path(__file__).parent / "data"
NOW = dt.datetime(2025, 1, 21, tzinfo=dt.timezone.utc)
RULES = parse_rules(b"- {name: calls, any: [call]}")


def article(body: str, title: str | None = None, **more: Any) -> Article:
    return Article(
        *("m", "a", "h", NOW, None, title, body, "text/plain", 1, Processing("0", "r")),
        **{"language": detect(title, body), **more},
    )


def codes(found: Article, *schemes: str) -> list[str]:
    return [one.code for one in found.tags or () if one.scheme in schemes or not schemes]


def draft(message_id: str, body: str) -> Draft:
    return Draft(Message(body.encode(), message_id), article(body))


class TestTag:
    def test_the_sample(self, sample_body: str) -> None:
        found = tag(article(sample_body), read_rules(str(DATA / "rules.yaml")))
        assert codes(found, "iptc-mediatopic")[0] in ("medtop:11000000", "medtop:16000000")
        assert set(codes(found, "iso3166")[:4]) == {"RU", "CN", "US", "UA"}
        assert 5 <= len(codes(found, "keyword")) <= 10
        assert codes(found, "rule") == ["conflict"]
        order = ["iptc-mediatopic", "iso3166", "keyword", "rule"]
        schemes = [one.scheme for one in found.tags or ()]
        assert schemes == sorted(schemes, key=order.index)

    def test_every_tag_says_by_what_it_was_given(self, sample_body: str) -> None:
        for one in tag(article(sample_body), read_rules(str(DATA / "rules.yaml"))).tags or ():
            assert one.name
            assert one.source
            assert one.version
            assert one.evidence
            assert one.scheme == "rule" or (one.score and 0 < one.score <= 1)

    def test_nothing_found_is_empty_not_null(self) -> None:
        assert tag(article("")).tags == ()

    def test_rules_see_all_other_tags_of_this_article(self) -> None:
        conditions = "language: en}, {country: PE}, {topic: politics}, {keyword: farmers"
        rules = parse_rules(f"- {{name: x, all: [{{{conditions}}}]}}".encode())
        body = (
            "The president of Peru told the farmers that the election to parliament would go on. "
            "Farmers had asked the government and the president for a new law."
        )
        found = tag(article(body, "President of Peru meets farmers"), rules)
        assert codes(found, "rule") == ["x"], found.tags

    def test_the_publishers_topics_stand_and_no_others_are_added(self) -> None:
        given = (
            *published([("medtop:20000574", 0.8)]),
            *publisher_keywords(["Snap Election", "Matches"]),
        )
        body = "The team won the match in the last minute, said the coach. " * 5
        found = tag(article(body, "Team wins the cup final", tags=given))
        assert codes(found, "iptc-mediatopic") == ["medtop:20000574"]
        keywords = codes(found, "keyword")
        assert keywords[:2] == ["snap election", "matches"]
        assert "match" in codes(tag(article(body)), "keyword")
        assert "match" not in keywords
        assert len(keywords) == len(set(keywords)) > 2

    def test_another_language_gets_no_topics_of_the_english_classifier(self) -> None:
        body = "Das Parlament hat am Donnerstag über die Wahl des Präsidenten debattiert. " * 3
        found = article(body)
        assert found.language is not None
        assert found.language.code == "de"
        assert codes(tag(found), "iptc-mediatopic") == []
        abroad = tag(article("O presidente visitou ontem Lisboa e Portugal com ministros. " * 3))
        assert codes(abroad, "iso3166") == ["PT"]
        assert [one.primary for one in abroad.tags or () if one.scheme == "iso3166"] == [None]
        as_english = dataclasses.replace(found, body="Parliament debates the election. " * 5)
        as_english = dataclasses.replace(as_english, language=Language("en-GB", 1.0))
        assert codes(tag(as_english), "iptc-mediatopic")

    def test_the_rest_of_the_article_is_untouched(self, sample_body: str) -> None:
        before = article(sample_body, "Title")
        after = tag(before, RULES)
        assert dataclasses.replace(after, tags=None) == before

    @given(st.one_of(st.none(), st.text()), st.text())
    def test_never_raises(self, title: str | None, body: str) -> None:
        assert to_avro(tag(article(body, title), RULES))["tags"] is not None


class TestTransform:
    def test_every_draft_comes_out_in_order_of_nothing(self) -> None:
        drafts = [draft("1", "Peru votes."), draft("2", ""), draft("3", "A call from Chile.")]

        def check(out: list[Draft]) -> None:
            found = {d.message.message_id: codes(d.article, "iso3166", "rule") for d in out}
            assert found == {"1": ["PE"], "2": [], "3": ["CL", "calls"]}

        def none(out: list[DeadLetter]) -> None:
            assert out == []

        with TestPipeline(runner="BundleBasedDirectRunner") as pipeline:
            result = pipeline | beam.Create(drafts) | Tag(RULES)
            assert_that(result.articles, check, label="articles")
            assert_that(result.dead_letters, none, label="dead letters")

    def test_one_article_that_fails_is_a_dead_letter_and_its_neighbours_are_not(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def failing(title: str | None, body: str, *more: object, **named: object) -> tuple[()]:
            if body == "BAD":
                raise ZeroDivisionError("told to fail")
            return ()

        monkeypatch.setattr(tag_module, "countries", failing)
        fn = tag_module._TagFn(())
        out = [
            element
            for one in (draft("1", "Peru."), draft("2", "BAD"), draft("3", "Chile."))
            for element in fn.process(one)
        ]
        assert [type(element).__name__ for element in out] == ["Draft", "TaggedOutput", "Draft"]
        letter = out[1].value
        assert out[1].tag == "dead_letters"
        assert (letter.message_id, letter.stage, letter.payload) == ("2", "tag", b"BAD")
        assert letter.exception_class == "builtins.ZeroDivisionError"
        assert letter.stack_trace


class TestOptions:
    def test_without_rules(self) -> None:
        assert Tag.from_options(ArticleOptions([]))._rules == ()

    def test_with_a_file(self) -> None:
        options = ArticleOptions([f"--tag_rules={DATA / 'rules.yaml'}"])
        assert len(Tag.from_options(options)._rules) == 4

    def test_a_bad_file_is_told_at_construction(self, tmp_path: Path) -> None:
        path = tmp_path / "rules.yaml"
        path.write_text("- name: x\n  anny: [a]\n")
        with pytest.raises(RuleError, match=r"rules\.yaml, line 2: .*did you mean 'any'"):
            Tag.from_options(ArticleOptions([f"--tag_rules={path}"]))
        assert issubclass(RuleError, ValueError)

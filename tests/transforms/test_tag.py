from __future__ import annotations

import dataclasses
import datetime as dt
from pathlib import Path

import apache_beam as beam
import pytest
from apache_beam.testing.test_pipeline import TestPipeline
from apache_beam.testing.util import assert_that
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.options import ArticleOptions
from pipeline.records import Article, DeadLetter, Draft, Language, Message, Processing, to_avro
from pipeline.transforms import tag as tag_module
from pipeline.transforms.rule_file import RuleError, parse_rules, read_rules
from pipeline.transforms.tag import Tag, tag

# The first example in a process loads the tables and the detector.
UNHURRIED = settings(deadline=None)

DATA = Path(__file__).parent / "data"
NOW = dt.datetime(2025, 1, 21, tzinfo=dt.timezone.utc)
RULES = parse_rules(b"- {name: calls, any: [call]}")


def article(body: str, title: str | None = None) -> Article:
    return Article(
        *("m", "a", "h", NOW, None, title, body, "text/plain", 1, Processing("0", "r")),
    )


def draft(message_id: str, body: str) -> Draft:
    return Draft(Message(body.encode(), message_id), article(body))


class TestTag:
    def test_the_sample(self, sample_body: str) -> None:
        found = tag(article(sample_body), read_rules(str(DATA / "rules.yaml")))
        assert found.language is not None
        assert found.language.code == "en"
        assert found.tags is not None
        codes = [(one.scheme, one.code) for one in found.tags]
        assert set(codes[:4]) == {("iso3166", code) for code in ("RU", "CN", "US", "UA")}
        assert codes[4:] == [("rule", "conflict")]

    def test_nothing_found_is_empty_not_null(self) -> None:
        found = tag(article(""))
        assert found.tags == ()
        assert found.language is None

    def test_a_language_known_before_stays_where_there_is_no_text(self) -> None:
        known = dataclasses.replace(article("OK"), language=Language("de", 1.0))
        assert tag(known).language == Language("de", 1.0)

    def test_rules_see_language_and_countries_of_this_article(self) -> None:
        rules = parse_rules(b"- {name: x, all: [language: en, country: PE]}")
        body = "The president of Peru met the farmers of the valley on Monday."
        assert [one.code for one in tag(article(body), rules).tags or ()] == ["PE", "x"]

    def test_the_rest_of_the_article_is_untouched(self, sample_body: str) -> None:
        before = article(sample_body, "Title")
        after = tag(before, RULES)
        assert dataclasses.replace(after, language=None, tags=None) == before

    @UNHURRIED
    @given(st.one_of(st.none(), st.text()), st.text())
    def test_never_raises(self, title: str | None, body: str) -> None:
        assert to_avro(tag(article(body, title), RULES))["tags"] is not None


class TestTransform:
    def test_every_draft_comes_out_in_order_of_nothing(self) -> None:
        drafts = [draft("1", "Peru votes."), draft("2", ""), draft("3", "A call from Chile.")]

        def check(out: list[Draft]) -> None:
            found = {d.message.message_id: [one.code for one in d.article.tags or ()] for d in out}
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
        def failing(title: str | None, body: str) -> None:
            if body == "BAD":
                raise ZeroDivisionError("told to fail")

        monkeypatch.setattr(tag_module, "detect", failing)
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

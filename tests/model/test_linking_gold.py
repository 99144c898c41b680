"""The articles linked by hand: that they read well, and keep to the rules a program can check."""

from __future__ import annotations

import pathlib
import re
import unicodedata

import pytest

from pipeline.model.corpus import CorpusError
from pipeline.model.linking_gold import LinkedArticle, parse_article, read_linked

SENTENCE_END = re.compile(r"(?<!\bMrs)(?<!\b[MDJS][rst])(?<!\b[A-Z])[.!?][”’]?(?:\s|$)")
"""Not after "Mr", "St" and the like, or an initial."""


@pytest.fixture(scope="module", params=["dev", "test"])
def part(request: pytest.FixtureRequest) -> list[LinkedArticle]:
    return read_linked(request.param)


class TestFiles:
    def test_mentions_are_words_of_their_field(self, part: list[LinkedArticle]) -> None:
        for article in part:
            fields = {"title": article.title, "body": article.body}
            for mention in (m for e in article.entities for m in e.mentions):
                text = fields[mention.field]
                assert text[mention.start : mention.end] == mention.text == mention.text.strip()
                around = text[: mention.start][-1:] + text[mention.end :][:1]
                assert not around.isalnum(), (article.name, mention)

    def test_mentions_keep_to_the_guide(self, part: list[LinkedArticle]) -> None:
        for article in part:
            for mention in (m for e in article.entities for m in e.mentions):
                text = mention.text
                assert not re.match("(?i)the |(President|Mr|Mrs|Ms|Dr|Senator|Sir)[. ]", text)
                assert not text.lower().endswith(("'s", "’s")), (article.name, text)

    def test_no_two_entities_differ_in_spelling_alone(self, part: list[LinkedArticle]) -> None:
        for article in part:
            keys = [
                (unicodedata.normalize("NFC", e.name).casefold(), e.label) for e in article.entities
            ]
            assert len(keys) == len(set(keys)), article.name

    def test_they_are_short_news_articles(self, part: list[LinkedArticle]) -> None:
        for article in part:
            assert 6 <= len(SENTENCE_END.findall(article.body)) <= 14, article.name
            assert not SENTENCE_END.search(article.title)


def test_there_are_enough_and_none_is_in_both_parts() -> None:
    dev, test = read_linked("dev"), read_linked("test")
    assert len(dev) >= 15
    assert len(test) >= 15
    assert len({article.body for article in dev + test}) == len(dev) + len(test) >= 30


def test_the_guide_has_the_counts() -> None:
    guide = pathlib.Path(__file__).parents[2] / "pipeline" / "model" / "gold" / "LINKING.md"
    rows = guide.read_text(encoding="utf-8")
    for name in ("dev", "test"):
        articles = read_linked("dev" if name == "dev" else "test")
        entities = [entity for article in articles for entity in article.entities]
        mentions = sum(entity.count for entity in entities)
        assert f"| linking_{name}.txt | {len(articles)} | {mentions} | {len(entities)} |" in rows


class TestReading:
    def test_fields_entities_and_escapes(self) -> None:
        article = parse_article(
            "1 x\n[PUTIN|PERSON|Vladimir Putin] 😀\n\n"
            "[Zoe\\u0301|PERSON] met\n\n[Vladimir Putin|PERSON].\n\n",
            "here",
        )
        assert (article.name, article.title) == ("1 x", "PUTIN 😀")
        assert article.body == "Zoe\u0301 met\n\nVladimir Putin."
        putin, zoe = article.entities
        assert (putin.name, putin.label, putin.count) == ("Vladimir Putin", "PERSON", 2)
        assert [(m.field, m.start, m.end) for m in putin.mentions] == [
            ("title", 0, 5),
            ("body", 10, 24),
        ]
        assert zoe.mentions[0].text == "Zoe\u0301"

    @pytest.mark.parametrize(
        ("text", "says"),
        [
            ("1 x\ntitle", "title, a blank line and the body"),
            ("1 x\ntitle\nbody", "title, a blank line and the body"),
            ("1 x\n\nbody", "title, a blank line and the body"),
            ("1 x\nt\n\n[Oslo|GPE] won", "label 'GPE'"),
            ("1 x\nt\n\n[Oslo won", "a bracket is open"),
            ("1 x\nt\n\n[Oslo] won", "a bracket is open"),
            ("1 x\nt\n\n[Oslo|LOC|a|b] won", "a bracket is open"),
            ("1 x\nt\n\n[Putin|PERSON|Vladimir Putin]", "no mention of the PERSON is"),
        ],
    )
    def test_a_bad_article_is_told_by_its_place(self, text: str, says: str) -> None:
        with pytest.raises(CorpusError, match=f"here: 1 x: .*{re.escape(says)}"):
            parse_article(text, "here")

    def test_absent_file(self, tmp_path: pathlib.Path) -> None:
        with pytest.raises(CorpusError, match="in a checkout only"):
            read_linked("dev", tmp_path)

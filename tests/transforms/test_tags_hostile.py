"""What nobody writes, and a hostile sender may: every tagger at once, over a whole article."""

from __future__ import annotations

import datetime as dt
import time

import pytest

from pipeline.records import Article, Language, Processing
from pipeline.transforms.place_names import table
from pipeline.transforms.rule_file import parse_rules
from pipeline.transforms.tag import tag

NOW = dt.datetime(2025, 1, 21, tzinfo=dt.timezone.utc)
RULES = parse_rules(
    rb"- {name: all, any: [oil embargo, {regex: '(a|b)*c.{0,100}d'}, {regex: '(?s).*'}]}"
)
CHARACTERS = 1_000_000
# As decode cuts it.
TITLE_CHARACTERS = 1_000

# What one article may take. The slowest takes half a second on an idle machine; what goes up with
# the square of the text takes hours.
PATIENCE_SECONDS = 60

PIECES = {
    "one letter": "A",
    "one word": "word ",
    "capitalised words": "Aaa ",
    "a country": "Georgia ",
    "a country in capitals": "GEORGIA ",
    "a country that is a word": "Turkey turkey ",
    "a town": "New York ",
    "a paper": "New York Times ",
    "the beginning of many names": "United ",
    "a man called after countries": "Chad Jordan ",
    "a place in two halves": "Georgia in Rome, Aaaa",
    "commas": ", ",
    "quotes": "\u2019s ",
    "possessives": "it's ",
    "hyphens": "a-",
    "abbreviations": "a.",
    "brackets": "(A: ",
    "credits": "(Reporting and ",
    "addresses": "http://",
    "newlines": "\n",
    "spaces": "\u00a0",
    "combining marks": "a\u0301",
    "emoji": "\U0001f468\u200d",
    "ideographs": "\u4e2d\u6587",
    "letters that grow": "\u0130 ",
    "half characters": "\ud800",
    "nothing": "\0",
}


def article(text: str, language: str = "en") -> Article:
    return Article(
        *("m", "a", "h", NOW, None, text[:TITLE_CHARACTERS], text[:CHARACTERS], "text/plain", 1),
        Processing("0", "r"),
        language=Language(language, 1.0),
    )


def check(text: str) -> None:
    began = time.monotonic()
    found = tag(article(text), RULES).tags
    assert time.monotonic() - began < PATIENCE_SECONDS
    assert found is not None
    for one in found:
        for part in (one.code, one.name, one.source, *one.evidence):
            part.encode()
            assert len(part) <= 200
        assert len(one.evidence) <= 5
        assert one.score is None or 0 < one.score <= 1


class TestTag:
    @pytest.mark.parametrize("piece", PIECES.values(), ids=PIECES)
    def test_a_million_characters_of_one_kind(self, piece: str) -> None:
        check(piece * (CHARACTERS // len(piece) + 1))

    def test_every_name_that_the_tables_have(self) -> None:
        names = [entry.text for entries in table().index.values() for entry in entries]
        check(", ".join(names) * 5)

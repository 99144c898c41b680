"""Random Unicode through the model that ships, linking and Avro: offsets, counts, labels, names."""

from __future__ import annotations

import dataclasses
import io
from collections import Counter

import fastavro
import pipeline.schemas as schemas
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from pipeline.records import Article, Entity, Mention, from_avro, to_avro
from pipeline.transforms.entities import with_entities
from pipeline.transforms.linking import Found, link
from pipeline.transforms.name_forms import surface, without_titles
from pipeline.transforms.name_labels import settle_labels
from pipeline.transforms.spacy_model import Reading, SpacyModel, load_model
from pipeline.transforms.text import clean
from tests.transforms.models import draft

NAMES = [
    "Vladimir Putin", "Mr. Putin", "PUTIN", "Putin’s", "United Nations (U.N.)", "the U.N.'s",
    "Zoe\u0301 Kru\u0308ger", "Ann 👩‍👩‍👧 Lee", "Khalid al-Rashidi", "São Paulo", "Владимир Путин",
    "习近平", "محمد بن سلمان", "🇺🇦 Kyiv", "Leeds United", "Americans", "Vladimir\r\nPutin",
    "New\r\n\r\nYork", "Washington,", "J. K. Rowling", "\u200bMoscow\u200b", "İstanbul", "ﬃ GmbH",
]  # fmt: skip
GLUE = [
    "said.", "in", "met", "(", ")", "\r\n", "\r", "\n\n", "\u2028", "\u2029", "\u00a0", "\u200d",
    "\ufeff", "😀" * 90, "e\u0301" * 30, "\u0301", "\x00", "\x07", "“", "”", "…", "x" * 101,
    "😀" * 3000, "a's" * 400, "\ufdd0", "\U0010ffff", "\ue000",
]  # fmt: skip
PIECE = st.sampled_from(NAMES) | st.sampled_from(GLUE) | st.text(max_size=12)
BROKEN = st.text(st.characters(exclude_categories=()), max_size=6)
"""Any code point at all, half of a surrogate pair too."""


def texts(piece: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.tuples(st.sampled_from([" ", "", "\r\n"]), st.lists(piece, max_size=30)).map(
        lambda parts: parts[0].join(parts[1])
    )


@pytest.fixture(scope="module")
def shipped() -> SpacyModel:
    return load_model()


def check_mentions(found: list[Found], title: str | None, body: str) -> None:
    """Each mention is where it says it is, and none lies over another."""
    fields = {"title": title or "", "body": body}
    for field, text in fields.items():
        end, sentence = 0, 0
        for mention in (each.mention for each in found if each.mention.field == field):
            assert text[mention.start : mention.end] == mention.text
            assert mention.text == mention.text.strip() != ""
            assert end <= mention.start < mention.end <= len(text)
            assert mention.sentence is not None
            assert mention.sentence >= sentence
            end, sentence = mention.end, mention.sentence
    assert sum(each.mention.field in fields for each in found) == len(found)


def check_entities(entities: tuple[Entity, ...], found: list[Found]) -> None:
    """Each mention is in one entity, which has its label, and is called as one of its mentions."""
    assert Counter(m for e in entities for m in e.mentions) == Counter(f.mention for f in found)
    surfaces = [surface(each.mention.text) for each in found]
    labels = settle_labels(surfaces, [each.label for each in found])
    label_of = {each.mention: label for each, label in zip(found, labels, strict=True)}
    for entity in entities:
        assert entity.count == len(entity.mentions) > 0
        assert {label_of[mention] for mention in entity.mentions} == {entity.label}
        assert entity.name in {
            name
            for mention in entity.mentions
            for name in (surface(mention.text), without_titles(surface(mention.text)))
        }
        assert 0 < (entity.salience or 0) <= 1
        places = [(m.field != "title", m.start) for m in entity.mentions]
        assert places == sorted(places), "the first mention is the first position"
    assert not entities or sum(e.salience or 0 for e in entities) == pytest.approx(1)


def through_avro(article: Article) -> Article:
    schema = schemas.load("articles")
    encoded = io.BytesIO()
    fastavro.schemaless_writer(encoded, schema, to_avro(article))
    encoded.seek(0)
    return from_avro(Article, fastavro.schemaless_reader(encoded, schema, None))  # type: ignore[arg-type]


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
@given(st.none() | texts(PIECE), texts(PIECE))
@example(
    "PUTIN\r\nin 🇺🇦", "Vladimir\r\nPutin\x00 met Zoe\u0301 Kru\u0308ger 😀. Putin’s\u0301 U.N."
)
@example(None, "😀" * 50_000 + " Vladimir Putin " + "\u0301" * 50_000 + " Kyiv")
def test_random_text_through_model_linking_and_record(
    shipped: SpacyModel, title: str | None, body: str
) -> None:
    (found,) = shipped.find([(title, body)], Reading())
    check_mentions(found, title, body)
    article = with_entities(draft(body, title).article, found, "en_articles_sm", "1")
    assert article.entities is not None
    check_entities(article.entities, found)
    assert through_avro(article) == dataclasses.replace(
        article, ingested_at=through_avro(article).ingested_at
    )


@settings(max_examples=200, suppress_health_check=[HealthCheck.too_slow])
@given(texts(PIECE | BROKEN), st.integers(12, 200))
@example("Kyiv \ud83d Vladimir \ude00Putin", 12)
def test_cleaned_text_in_parts(shipped: SpacyModel, raw: str, limit: int) -> None:
    """As decode leaves it, and read in parts: no code point is lost between them."""
    body = clean(raw, "body", [])
    (found,) = shipped.find([(None, body)], Reading(document_characters=limit))
    check_mentions(found, None, body)
    check_entities(link(found, None, body), found)


@settings(max_examples=400)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(NAMES) | BROKEN.filter(bool),
            st.sampled_from([" ", "", " (", "Mrs. ", "Mr. "]),
            st.sampled_from(["PERSON", "ORG", "LOC", "NORP", "MISC", "GPE", ""]),
            st.sampled_from(["title", "body"]),
        ),
        max_size=25,
    )
)
def test_linking_of_any_code_points(named: list[tuple[str, str, str, str]]) -> None:
    """Whatever a model may call a mention: white space, half a surrogate pair, nothing but NUL."""
    fields = {"title": "", "body": ""}
    found = []
    for text, before, label, field in named:
        start = len(fields[field]) + len(before)
        fields[field] += before + text
        found.append(Found(Mention(field, start, start + len(text), text), label))
    found.sort(key=lambda each: (each.mention.field != "title", each.mention.start))
    check_entities(link(found, fields["title"], fields["body"]), found)

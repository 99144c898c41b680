"""Articles from JSON."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pipeline.dead_letters import Unreadable
from pipeline.transforms import json_article
from pipeline.transforms.fields import Fields
from pipeline.transforms.limits import Limits


def read(item: Any) -> Fields:
    return json_article.read(json.dumps(item), Limits(), [])


def test_schema_org() -> None:
    fields = read(
        {
            "@context": "https://schema.org",
            "@type": "NewsArticle",
            "headline": "A  title",
            "articleBody": "One.\r\n\r\n\r\nTwo.",
            "datePublished": "2025-01-21",
            "dateModified": {"@type": "DateTime", "@value": "2025-01-22"},
            "author": [{"@type": "Person", "name": "Ana Ruiz"}, "Bo Li"],
            "publisher": {"@type": "Organization", "name": "The Site"},
            "mainEntityOfPage": {"@id": "https://e.org/1"},
            "description": "What it is about",
            "genre": ["news", "analysis"],
            "identifier": {"@type": "PropertyValue", "value": "id-1"},
            "inLanguage": "en",
        }
    )
    assert fields == Fields(
        body="One.\n\nTwo.",
        title="A title",
        description="What it is about",
        authors=("Ana Ruiz", "Bo Li"),
        published="2025-01-21",
        modified="2025-01-22",
        urls=("https://e.org/1",),
        source_name="The Site",
        publisher_id="id-1",
        genres=("news", "analysis"),
    )


def test_ninjs_3() -> None:
    fields = read(
        {
            "uri": "urn:x:1",
            "headlines": [{"role": "short", "value": "Short"}, {"role": "main", "value": "Main"}],
            "bodies": [
                {"role": "main", "contenttype": "text/html", "value": "<p>One.</p><p>Two.</p>"},
                {"role": "caption", "contenttype": "text/plain", "value": "Caption"},
            ],
            "descriptions": [{"value": "About"}],
            "firstcreated": "2025-01-20T00:00:00Z",
            "versioncreated": "2025-01-21T00:00:00Z",
            "by": "Ana Ruiz",
            "located": "London",
            "infosources": [{"name": "The Agency"}],
            "genres": [{"name": "Feature"}],
        }
    )
    assert fields.title == "Main"
    assert fields.body == "One.\n\nTwo."
    assert (fields.published, fields.modified) == ("2025-01-20T00:00:00Z", "2025-01-21T00:00:00Z")
    assert (fields.authors, fields.dateline) == (("Ana Ruiz",), "London")
    assert (fields.source_name, fields.publisher_id) == ("The Agency", "urn:x:1")
    assert (fields.genres, fields.description, fields.urls) == (("Feature",), "About", ())


def test_ninjs_1() -> None:
    fields = read(
        {
            "uri": "https://e.org/1",
            "versioncreated": "2025-01-21T00:00:00Z",
            "byline": "By Ana Ruiz and Bo Li",
            "headline": "Main",
            "body_text": "One.",
            "body_xhtml": "<p>Other.</p>",
            "people": [{"name": "Cy Jones", "rel": "author"}],
        }
    )
    assert (fields.body, fields.authors) == ("One.", ("Ana Ruiz", "Bo Li"))
    assert (fields.published, fields.modified) == ("2025-01-21T00:00:00Z", None)
    assert fields.urls == ("https://e.org/1",)


def test_people_are_authors_by_role() -> None:
    people = [{"name": "Ana", "roles": [{"name": "author"}]}, {"name": "Bo", "roles": ["subject"]}]
    assert read({"body": "x", "people": people}).authors == ("Ana",)


@pytest.mark.parametrize(
    "name", ["articleBody", "body_text", "body", "text", "content", "ArticleBody", "article_body"]
)
def test_aliases_of_body(name: str) -> None:
    assert read({"title": "t", name: "One."}).body == "One."


@pytest.mark.parametrize(
    "value",
    [
        "<p>One &amp; <b>two</b>.</p><p>Three.</p>",
        ["One & two.", "Three."],
        [{"text": "One & two."}, {"text": "Three."}],
        {"html": "<p>One &amp; two.</p><p>Three.</p>"},
        {"value": "One & two.\n\nThree."},
        {"contenttype": "text/html", "value": "One &amp; two.<br><br>Three."},
    ],
)
def test_forms_of_body(value: Any) -> None:
    assert read({"body": value}).body == "One & two.\n\nThree."


def test_where_the_article_may_stand() -> None:
    article = {"@type": ["NewsArticle"], "body": "x"}
    page = {"@type": "WebPage", "text": "not this"}
    for root in (
        [article],
        [article, page],
        {"article": article},
        {"@graph": [page, {"@type": "schema:NewsArticle", "body": "x"}]},
    ):
        assert read(root).body == "x"


def test_references_in_a_graph_are_followed() -> None:
    graph = [
        {
            "@type": "NewsArticle",
            "articleBody": "x",
            "author": {"@id": "#a"},
            "publisher": {"@id": "#p"},
        },
        {"@id": "#a", "@type": "Person", "name": "Ana Ruiz"},
        {"@id": "#p", "@type": "Organization", "name": "The Site"},
    ]
    fields = read({"@graph": graph})
    assert (fields.authors, fields.source_name) == (("Ana Ruiz",), "The Site")


@pytest.mark.parametrize(
    "root", [[], [1], 1, "x", None, {"@graph": []}, [{"body": "x"}, {"body": "y"}]]
)
def test_not_one_article(root: Any) -> None:
    with pytest.raises(Unreadable) as caught:
        read(root)
    assert caught.value.error_type == "invalid_json"


def test_what_is_not_text_is_left_out_with_a_warning() -> None:
    warnings: list[str] = []
    text = json.dumps({"headline": 5, "body": "x", "author": 7, "publisher": [None], "id": True})
    fields = json_article.read(text, Limits(), warnings)
    assert fields == Fields(body="x")
    assert "the title is not text and was left out" in warnings


def test_depth_is_exact() -> None:
    def nested(depth: int) -> str:
        return '{"body": "[[[[x", "a": ' + "[" * (depth - 1) + "]" * (depth - 1) + "}"

    limits = Limits(max_json_depth=5)
    assert json_article.read(nested(5), limits, []).body
    with pytest.raises(Unreadable, match="max_json_depth=5"):
        json_article.read(nested(6), limits, [])


def test_values_are_bounded() -> None:
    with pytest.raises(Unreadable) as caught:
        json_article.read('{"body": "x", "a": [1,2,3]}', Limits(max_json_values=4), [])
    assert caught.value.error_type == "too_large"

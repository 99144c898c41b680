"""News pages."""

from __future__ import annotations

import json
import logging

import pytest
import trafilatura

from pipeline.dead_letters import Unreadable
from pipeline.transforms import html_article
from pipeline.transforms.fields import Fields
from pipeline.transforms.limits import Limits

PARAGRAPHS = [
    f"Paragraph {n} of this story says that the minister met the president on Tuesday, and that "
    "both of them agreed to go on talking about the price of wheat."
    for n in range(4)
]


def page(*head: str, body: str = "") -> str:
    story = "".join(f"<p>{p}</p>" for p in PARAGRAPHS)
    return (
        f"<html><head><title>Minister meets president</title>{''.join(head)}</head>"
        f"<body><nav><a href='/'>Home</a></nav><article>{story}{body}</article>"
        "<footer>Copyright</footer></body></html>"
    )


def json_ld(item: object) -> str:
    return f'<script type="application/ld+json">{json.dumps(item)}</script>'


def read(text: str, warnings: list[str] | None = None) -> Fields:
    return html_article.read(text, None, Limits(), [] if warnings is None else warnings)


def test_body_is_the_story_alone() -> None:
    fields = read(page())
    assert fields.body == "\n\n".join(PARAGRAPHS)
    assert fields.title == "Minister meets president"


def test_json_ld_goes_before_the_page() -> None:
    said = {
        "@type": "NewsArticle",
        "headline": "From JSON-LD",
        "datePublished": "2025-01-21T10:30:45+02:00",
        "dateModified": "2025-01-22T10:30:45+02:00",
        "author": [{"name": "Ana Ruiz"}, {"name": "Bo Li"}],
        "publisher": {"name": "The Site"},
    }
    crumbs = {"@type": "BreadcrumbList", "itemListElement": []}
    fields = read(page(json_ld(crumbs), json_ld(said)))
    assert fields.title == "From JSON-LD"
    assert fields.authors == ("Ana Ruiz", "Bo Li")
    assert fields.published == "2025-01-21T10:30:45+02:00"
    assert fields.modified == "2025-01-22T10:30:45+02:00"
    assert fields.source_name == "The Site"


def test_broken_json_ld_is_left_out_with_a_warning() -> None:
    warnings: list[str] = []
    fields = read(page('<script type="application/ld+json">{"headline": </script>'), warnings)
    assert fields.body == "\n\n".join(PARAGRAPHS)
    assert warnings == ["a block of JSON-LD in the page could not be read and was left out"]


def test_a_day_in_the_page_stays_a_day() -> None:
    meta = '<meta property="article:published_time" content="2025-01-21">'
    assert read(page(meta)).published == "2025-01-21"


def test_items_of_a_list_stay_together() -> None:
    fields = read(page(body="<ul><li>wheat and coal</li><li>steel and oil</li></ul>"))
    assert fields.body.endswith("\n- wheat and coal\n- steel and oil")


@pytest.mark.parametrize("text", ["<!-- nothing -->", "<html></html>", "<p> </p>"])
def test_nothing_found(text: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read(text)
    assert caught.value.error_type == "no_body"


def test_a_part_of_a_page_is_read_too() -> None:
    assert read("<p>Only this paragraph is here.</p>").body == "Only this paragraph is here."


def test_too_deep_is_not_cut_off_in_silence() -> None:
    with pytest.raises(Unreadable, match="deeper than 255"):
        read("<div>" * 300 + "the end")


def test_no_text_of_articles_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        read(page('<script type="application/ld+json">{"secret": </script>'))
        with pytest.raises(Unreadable):
            read("<html></html>")
    assert caplog.records == []


STORY = "".join(f"<p>{p}</p>" for p in PARAGRAPHS)
MENU = "<nav>" + "".join(f"<a href='/{n}'>Section {n}</a> " for n in range(30)) + "</nav>"
COMMENTS = "".join(f"<div class='comments'><p>Reader {n} disagrees.</p></div>" for n in range(9))
TEASERS = "".join(f"<div class='teaser'><h3>More {n}</h3><p>And so on.</p></div>" for n in range(9))
DATE = "<meta property='article:published_time' content='2025-01-21T10:30:45+02:00'>"
LONGER = "".join(f"<p>Sentence {n}, with a comma, says that it goes on.</p>" for n in range(90))
PAGES = {
    "article": page(),
    "menu": page(body=MENU),
    "comments": page(body=COMMENTS),
    "divs": f"<html><body>{MENU}<div><div>{STORY}</div></div></body></html>",
    "lines": f"<html><body><div class='story'>{'<br><br>'.join(PARAGRAPHS)}</div></body></html>",
    "table": f"<html><body><table><tr><td>{MENU}</td><td>{STORY}</td></tr></table></body></html>",
    "figure": f"<html><body><main><figure><div>{STORY}</div></figure></main></body></html>",
    "teasers": f"<html><body><div class='teaser'>{STORY}</div>{TEASERS}</body></html>",
    "short": f"<html><body><article><p>{PARAGRAPHS[0]}</p></article>{MENU}</body></html>",
    "elsewhere": f"<html><body><article>{STORY}</article><div>{LONGER}</div></body></html>",
    "forum": page(json_ld({"@type": "DiscussionForumPosting"}), body=COMMENTS),
    "described": page(
        DATE,
        "<meta name='author' content='Ana Ruiz'><meta name='description' content='In short'>",
        "<meta property='og:site_name' content='the site'>",
        "<link rel='canonical' href='https://www.example.org/news/1'>",
    ),
    "by_json_ld": page(DATE, json_ld({"@type": "WebPage", "name": "x"})),
    "byline": page(body="<p class='byline'>By <a rel='author'>Bo Li</a></p>"),
}


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("url", [None, "https://www.example.org/2025/01/21/wheat"])
def test_what_is_left_out_for_speed_changes_nothing(name: str, url: str | None) -> None:
    tree = html_article.parse(PAGES[name])
    whole = trafilatura.bare_extraction(
        tree,
        url=url,
        with_metadata=True,
        include_comments=False,
        date_extraction_params=dict(html_article._DATE_PARAMETERS),
    )
    assert html_article._text(tree, name == "forum") == whole.text
    found = html_article._metadata(tree, url, Fields(), [])
    for field in ("title", "author", "date", "description", "sitename", "url"):
        assert getattr(found, field) == getattr(whole, field), field


def test_the_comparison_is_left_out_where_its_outcome_is_known_and_only_there() -> None:
    compared = {
        n for n, p in PAGES.items() if html_article._own_text(html_article.parse(p)) is None
    }
    assert compared == {"figure", "teasers", "short", "elsewhere"}


def test_nothing_is_looked_for_that_the_publisher_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def asked(*_: object) -> None:
        raise AssertionError("the page was searched")

    for name in ("examine_meta", "extract_author", "extract_url"):
        monkeypatch.setattr(html_article.metadata, name, asked)
    said = {
        "@type": "NewsArticle",
        "headline": "Wheat",
        "description": "In short",
        "datePublished": "2025-01-21",
        "author": {"name": "Ana Ruiz"},
        "publisher": {"name": "The Site"},
        "url": "https://www.example.org/news/1",
    }
    assert read(page(json_ld(said))).source_name == "The Site"


def test_json_ld_that_trafilatura_stumbles_over_is_a_warning(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def broken(*_: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr(html_article.metadata, "extract_meta_json", broken)
    warnings: list[str] = []
    assert read(page(), warnings).body == "\n\n".join(PARAGRAPHS)
    assert warnings == ["a block of JSON-LD in the page could not be searched"]

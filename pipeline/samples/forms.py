"""Turns a story into a message, in every form the pipeline reads.

A form is a function `(story, rng) -> Form`; `FORMS` names them. Forms in `ADDRESSED` always say the
story's URL in a way the pipeline must find, those in `IDENTIFIED` its id.
"""

from __future__ import annotations

import html
import json
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import Any

from backports import zstd

from pipeline.samples.message import Story

JSON = "application/json"
TEXT = "text/plain"
HTML = "text/html"


@dataclass(frozen=True, slots=True)
class Form:
    """A payload before compression, and the attributes it travels with."""

    data: bytes
    attributes: dict[str, str]


def schema_org(story: Story, rng: Random) -> Form:
    """JSON with the names of schema.org's NewsArticle."""
    document: dict[str, Any] = {
        "@context": "https://schema.org",
        "@type": "NewsArticle",
        "identifier": story.article_id,
        "headline": story.title,
        "description": story.description,
        "articleBody": story.body,
        "articleSection": story.section,
        "datePublished": story.published_at.isoformat(),
        "url": story.url,
        "author": [{"@type": "Person", "name": story.author}],
        "publisher": {"@type": "NewsMediaOrganization", "name": story.outlet.name},
        "inLanguage": story.language,
    }
    return _json(story, document, rng)


def ninjs(story: Story, rng: Random) -> Form:
    """JSON with the names of IPTC's ninjs, as news agencies send it."""
    document: dict[str, Any] = {
        "uri": story.article_id,
        "type": "text",
        "versioncreated": story.published_at.isoformat(),
        "language": story.language,
        "url": story.url,
        "headline": story.title,
        "description_text": story.description,
        "body_text": story.body,
        "byline": f"By {story.author}",
        "located": story.place,
        "infosources": [{"name": story.outlet.name}],
        "wordcount": len(story.body.split()),
        "urgency": rng.randint(3, 6),
    }
    return _json(story, document, rng)


def aliases(story: Story, rng: Random) -> Form:
    """JSON as a scraper or a small publisher writes it, under one of several usual names."""
    document: dict[str, Any] = {
        "id": story.article_id,
        "url": story.url,
        "title": story.title,
        rng.choice(("body", "text", "content")): story.body,
        "published_at": story.published_at.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "author": story.author,
        "source": story.outlet.name,
        "language": story.language,
    }
    return _json(story, document, rng)


def text_dated(story: Story, rng: Random) -> Form:
    """Plain text that opens with ` date 2025-01-21 `; no title, no address."""
    text = f" date {story.published_at:%Y-%m-%d} {story.body}\n"
    attributes = {} if rng.random() < 0.3 else {"content_type": TEXT}
    if rng.random() < 0.5:
        attributes["source"] = story.outlet.name
    return Form(text.encode(), attributes)


def text_titled(story: Story, rng: Random) -> Form:
    """Plain text under its title; the attributes say the rest."""
    del rng
    attributes = {
        "content_type": f"{TEXT}; charset=utf-8",
        "url": story.url,
        "source": story.outlet.name,
        "published_at": story.published_at.isoformat(),
    }
    if story.article_id is not None:
        attributes["id"] = story.article_id
    return Form(f"{story.title}\n\n{story.body}\n".encode(), attributes)


def page(story: Story, rng: Random) -> Form:
    """A web page: the article among navigation, advertisements and a footer."""
    title, outlet = html.escape(story.title), html.escape(story.outlet.name)
    canonical = html.escape(story.url.partition("?")[0])
    paragraphs = [f"<p>{html.escape(text, quote=False)}</p>" for text in story.paragraphs]
    paragraphs.insert(rng.randint(1, len(paragraphs)), rng.choice(ADVERTISEMENTS))
    text = PAGE.format(
        language=story.language,
        title=title,
        outlet=outlet,
        canonical=canonical,
        published=story.published_at.isoformat(),
        day=f"{story.published_at:%d %B %Y}",
        author=html.escape(story.author),
        section=story.section,
        paragraphs="\n        ".join(paragraphs),
        teaser=rng.choice(TEASERS),
        year=story.published_at.year,
    )
    attributes = {"url": story.url, "source": story.outlet.name}
    if rng.random() < 0.8:
        attributes["content_type"] = f"{HTML}; charset=utf-8"
    return Form(text.encode(), attributes)


def _json(story: Story, document: dict[str, Any], rng: Random) -> Form:
    known = {name: value for name, value in document.items() if value is not None}
    indent = 2 if rng.random() < 0.2 else None
    attributes = {"source": story.outlet.name}
    if rng.random() < 0.9:
        attributes["content_type"] = JSON
    if rng.random() < 0.3:
        attributes["url"] = story.url
    if rng.random() < 0.3 and story.article_id is not None:
        attributes["id"] = story.article_id
    if rng.random() < 0.3:
        attributes["published_at"] = story.published_at.isoformat()
    return Form(json.dumps(known, ensure_ascii=False, indent=indent).encode(), attributes)


FORMS: dict[str, Callable[[Story, Random], Form]] = {
    "json_schema_org": schema_org,
    "json_ninjs": ninjs,
    "json_aliases": aliases,
    "text_dated": text_dated,
    "text_titled": text_titled,
    "html": page,
}
JSON_FORMS = ("json_schema_org", "json_ninjs", "json_aliases")
ADDRESSED = (*JSON_FORMS, "text_titled", "html")
IDENTIFIED = (*JSON_FORMS, "text_titled")


def gzipped(data: bytes) -> bytes:
    """`data` as gzip without name and time, so that equal input gives equal output."""
    packer = zlib.compressobj(6, zlib.DEFLATED, 31)
    return packer.compress(data) + packer.flush()


ENCODINGS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzipped, "zstd": zstd.compress}


def encoded(form: Form, encoding: str) -> Form:
    """The form compressed, its attribute `content_encoding` set."""
    return Form(ENCODINGS[encoding](form.data), form.attributes | {"content_encoding": encoding})


ADVERTISEMENTS = (
    '<aside class="ad">Advertisement: comfortable shoes for long walks</aside>',
    '<div class="advert"><a href="/offers">Subscribe now, first month free</a></div>',
    '<aside class="newsletter">Get our newsletter every morning</aside>',
)
TEASERS = (
    "Ten recipes for a rainy evening",
    "Crossword of the day",
    "How we checked our sources last year",
    "Pictures of the week",
)
PAGE = """<!DOCTYPE html>
<html lang="{language}">
  <head>
    <meta charset="utf-8">
    <title>{title} | {outlet}</title>
    <link rel="canonical" href="{canonical}">
    <meta property="og:title" content="{title}">
    <meta property="og:site_name" content="{outlet}">
    <meta property="og:type" content="article">
    <meta property="article:published_time" content="{published}">
    <script>window.analytics = {{"page": "article"}};</script>
    <style>nav ul {{ display: flex; }}</style>
  </head>
  <body>
    <header>
      <nav><ul><li><a href="/">Home</a></li><li><a href="/world">World</a></li>
      <li><a href="/sport">Sport</a></li><li><a href="/login">Sign in</a></li></ul></nav>
      <div class="cookie-banner">We use cookies. <button>Accept all</button></div>
    </header>
    <main>
      <article>
        <h1>{title}</h1>
        <p class="byline">By <span rel="author">{author}</span>, {section}</p>
        <time datetime="{published}">{day}</time>
        {paragraphs}
      </article>
    </main>
    <aside class="related"><h2>Most read</h2><ul><li><a href="/more">{teaser}</a></li></ul></aside>
    <footer><p>Copyright {year} {outlet}. All rights reserved.</p>
    <a href="/imprint">Imprint</a> <a href="/privacy">Privacy</a></footer>
  </body>
</html>
"""

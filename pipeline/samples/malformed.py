"""Messages nobody can read, one function a kind: each must become a dead letter.

They are built from a story, so that they look like an accident and not like noise.
"""

from __future__ import annotations

import dataclasses
import functools
import json
from collections.abc import Callable
from random import Random

from pipeline.samples.forms import JSON, Form, encoded, gzipped, schema_org
from pipeline.samples.message import Story

BOMB_BYTES = 4_000_000
"""Expands about a thousandfold, five times the ratio the pipeline allows, and costs it little."""


def broken_json(story: Story, rng: Random) -> Form:
    """JSON cut off in the middle."""
    data = schema_org(story, rng).data
    return Form(data[: len(data) * 3 // 5], {"content_type": JSON, "source": story.outlet.name})


def empty_body(story: Story, rng: Random) -> Form:
    """A JSON article whose body is blank."""
    del rng
    return _document({"headline": story.title, "articleBody": " \n ", "inLanguage": story.language})


def empty_message(story: Story, rng: Random) -> Form:
    """Attributes, and no data at all."""
    del rng
    return Form(b"", {"content_type": JSON, "source": story.outlet.name})


def broken_gzip(story: Story, rng: Random) -> Form:
    """Gzip that ends too early."""
    whole = encoded(schema_org(story, rng), "gzip")
    return Form(whole.data[: len(whole.data) // 2], whole.attributes)


def invalid_utf8(story: Story, rng: Random) -> Form:
    """JSON with bytes that no UTF-8 has; 0x81 and 0x8d are in no Windows code page either."""
    data = schema_org(story, rng).data
    at = data.index(b'"articleBody": "') + len(b'"articleBody": "')
    junk = b"\xff\xc0\x81 \x8d\xfe "
    return Form(data[:at] + junk + data[at:], {"content_type": JSON})


def unknown_type(story: Story, rng: Random) -> Form:
    """A content type that the pipeline does not read."""
    del rng
    data = f"%PDF-1.7\n% {story.title}\n1 0 obj\n<< /Type /Catalog >>\nendobj\n%%EOF\n".encode()
    return Form(data, {"content_type": "application/pdf", "source": story.outlet.name})


def json_array(story: Story, rng: Random) -> Form:
    """A list of two articles where one is due."""
    other = dataclasses.replace(story, token=f"{story.token}-b", url=f"{story.url}-b")
    data = b"[" + schema_org(story, rng).data + b", " + schema_org(other, rng).data + b"]"
    return Form(data, {"content_type": JSON, "source": story.outlet.name})


def page_without_text(story: Story, rng: Random) -> Form:
    """A page that a script would have to fill."""
    del rng
    data = (
        f'<!DOCTYPE html>\n<html lang="{story.language}"><head><title>{story.outlet.name}</title>'
        '<script>load("/app.js")</script></head>\n<body><div id="app"></div></body></html>\n'
    )
    return Form(data.encode(), {"content_type": "text/html; charset=utf-8"})


def bomb(story: Story, rng: Random) -> Form:
    """Gzip that expands about a thousandfold."""
    del rng
    attributes = {"content_type": JSON, "content_encoding": "gzip", "source": story.outlet.name}
    return Form(_bomb(), attributes)


@functools.cache
def _bomb() -> bytes:
    return gzipped(b'{"headline": "Padding", "body": "x' + b" " * BOMB_BYTES + b'"}')


def _document(document: dict[str, str]) -> Form:
    return Form(json.dumps(document, ensure_ascii=False).encode(), {"content_type": JSON})


KINDS: dict[str, Callable[[Story, Random], Form]] = {
    "broken_json": broken_json,
    "empty_body": empty_body,
    "broken_gzip": broken_gzip,
    "invalid_utf8": invalid_utf8,
    "unknown_type": unknown_type,
    "json_array": json_array,
    "page_without_text": page_without_text,
    "bomb": bomb,
    "empty_message": empty_message,
}

"""HTML as plain text with its paragraphs, and the one HTML parser of the pipeline.

This is for bodies that a publisher sends as HTML inside JSON: all of it is the article. A whole
page, with its menus and teasers, goes through trafilatura instead (`html_article`).
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from typing import Any

from lxml import etree, html  # type: ignore[import-untyped]

from pipeline.dead_letters import Unreadable
from pipeline.transforms.limits import Limits
from pipeline.transforms.text import paragraphs

_TAG = re.compile(
    r"</?(?:p|br|div|span|a|b|i|u|em|strong|h[1-6]|ul|ol|li|blockquote|figure|figcaption|img|table"
    r"|tr|td|th|section|article|html|body|script|style|sup|sub|hr)(?:\s[^<>]*|/)?>",
    re.I,
)
_BLOCKS_TEXT = (
    "address article aside blockquote body dd details div dl dt fieldset figcaption figure footer "
    "form h1 h2 h3 h4 h5 h6 header hr li main nav ol p pre section table tbody td th tr ul"
)
_BLOCKS = frozenset(_BLOCKS_TEXT.split())
_SKIPPED_TEXT = (
    "script style template noscript iframe object embed svg math canvas audio video head button "
    "select textarea"
)
_SKIPPED = frozenset(_SKIPPED_TEXT.split())
# So short a text cannot have what `check` looks for, or not so much of it that it takes long.
HARMLESS_CHARS = 8_000
# lxml.html chooses among them for each element in Python, for the sake of forms.
_ELEMENT_CLASSES = etree.ElementDefaultClassLookup(
    element=html.HtmlElement, comment=html.HtmlComment, pi=html.HtmlProcessingInstruction
)
_SPACE = re.compile(r"[ \t\r\n\f]+")
# Without huge_tree libxml2 stops at 256 levels, and drops what follows.
_TOO_DEEP = "Excessive depth"


def looks_like_html(text: str) -> bool:
    """Whether a tag that news texts use stands in `text`.

    >>> looks_like_html("a < b, <b>bold</b>"), looks_like_html("a < b and b > c")
    (True, False)
    """
    return "<" in text and _TAG.search(text) is not None


def check(text: str, limits: Limits) -> None:
    """Goes through `text` without building a tree, to see whether that may be done.

    Raises:
        Unreadable: too_large (elements, attributes of one element, nesting).
    """
    if len(text) <= HARMLESS_CHARS:
        return
    parser = etree.HTMLParser(encoding="utf-8", target=_Measure(limits))
    with contextlib.suppress(etree.ParserError, etree.XMLSyntaxError):
        etree.HTML(text.encode("utf-8", "replace"), parser=parser)


class _Measure:
    """A parser target that counts, and raises at the first element too many."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._elements = self._depth = self._nesting = 0

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        limits = self._limits
        self._elements += 1
        self._depth += 1
        self._nesting += self._depth
        if self._elements > limits.max_html_elements:
            raise _too_large(f"has more than {limits.max_html_elements} elements")
        if len(attributes) > limits.max_html_attributes:
            raise _too_large(f"has an element with {len(attributes)} attributes")
        if self._nesting > limits.max_html_nesting:
            raise _too_large("has too many elements too deep inside each other")

    def end(self, tag: str) -> None:
        self._depth -= 1

    def close(self) -> None:
        return None


def _too_large(what: str) -> Unreadable:
    return Unreadable("too_large", f"the HTML {what}")


def parse(text: str) -> Any:
    """The tree of `text`, or None where there is nothing in it.

    No entities are expanded but HTML's own, nothing is fetched, and libxml2's bounds hold.

    Raises:
        Unreadable: too_large, where it is nested so deeply that libxml2 would drop a part.
    """
    parser = etree.HTMLParser(
        encoding="utf-8", remove_comments=True, remove_pis=True, no_network=True, huge_tree=False
    )
    parser.set_element_class_lookup(_ELEMENT_CLASSES)
    try:
        tree = html.document_fromstring(text.encode("utf-8", "replace"), parser=parser)
    except (etree.ParserError, etree.XMLSyntaxError):
        # "Document is empty": comments alone, or nothing.
        tree = None
    if any(_TOO_DEEP in error.message for error in parser.error_log):
        raise _too_large("is nested deeper than 255 elements")
    return tree


def html_to_text(fragment: str) -> str:
    """All text of `fragment`; block elements become paragraphs, `br` a line end.

    >>> html_to_text("<p>One <b>two</b></p><p>three<br>four &amp; five</p>")
    'One two\\n\\nthree\\nfour & five'
    """
    tree = parse(f"<div>{fragment}</div>")
    if tree is None:
        return ""
    out: list[str] = []
    walk = etree.iterwalk(tree, events=("start", "end"))
    for event, element in walk:
        tag = element.tag
        if event == "start":
            if tag in _SKIPPED:
                walk.skip_subtree()
                continue
            if tag in _BLOCKS:
                out.append("\n\n")
            elif tag == "br":
                out.append("\n")
            if element.text:
                out.append(_SPACE.sub(" ", element.text))
        else:
            if tag in _BLOCKS:
                out.append("\n\n")
            if element.tail:
                out.append(_SPACE.sub(" ", element.tail))
    text = "\n".join(line.strip(" ") for line in "".join(out).split("\n"))
    return paragraphs(text) if text.strip() else ""

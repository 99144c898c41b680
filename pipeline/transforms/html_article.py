"""An article from a news page, by trafilatura."""

from __future__ import annotations

import copy
import functools
import logging
import re
from typing import Any

import trafilatura
from htmldate import find_date
from lxml import etree  # type: ignore[import-untyped]
from trafilatura import metadata
from trafilatura.external import SANITIZED_XPATH
from trafilatura.htmlprocessing import convert_tags, prune_unwanted_nodes, tree_cleaning
from trafilatura.main_extractor import extract_content
from trafilatura.settings import Extractor
from trafilatura.xml import xmltotxt
from trafilatura.xpaths import RAW_TREE_PRUNE_XPATH, REMOVE_COMMENTS_AND_LISTS_XPATH

from pipeline.dead_letters import Unreadable
from pipeline.transforms import bounded_json, byline, identity, json_article
from pipeline.transforms.fields import Fields
from pipeline.transforms.html_text import check, parse
from pipeline.transforms.limits import Limits
from pipeline.transforms.text import clean, one_line, paragraphs, warn

# They log addresses and pieces of pages; what matters of it is a warning or a dead letter here.
for _name in ("trafilatura", "htmldate", "courlan"):
    logging.getLogger(_name).setLevel(logging.CRITICAL)

# Scripts of a page that are looked at for JSON-LD, and how long that may be; pages have one to
# five blocks of it, of a few thousand characters, and some put the whole text in one.
MAX_SCRIPTS = 200
MAX_JSON_LD_CHARS = 200_000

# Without the extensive search, which takes any number in the text for a date. With the time, where
# the page has one: midnight without a zone is what htmldate makes of a day.
_DATE_PARAMETERS: dict[str, Any] = {
    "extensive_search": False,
    "original_date": True,
    "outputformat": "%Y-%m-%dT%H:%M:%S%z",
}
_A_DAY = re.compile(r"(\d{4}-\d{2}-\d{2})T00:00:00(?![+-])")
# Trafilatura gives each block a line; items of a list and rows of a table stay together.
_NEW_BLOCK = re.compile(r"\n+(?!- |\|)")
_MODIFIED = etree.XPath("string(//meta[@property='article:modified_time']/@content)")

# Trafilatura compares its own result with readability's and takes that where it is more than twice
# as long (`_prefer_readability` in its external.py).
MUCH_LONGER = 2
# And tries again with other settings where its result is a smaller part of the page than this
# (ESCALATION_PAGE_SHARE in core.py).
SMALL_PART = 0.2
_PARAGRAPH_TEXT = etree.XPath("boolean(.//p//text())")
_LINK_TEXTS = etree.XPath("//a//text()", smart_strings=False)
_UNCLEAN = etree.XPath(f"boolean({SANITIZED_XPATH})")


def read(text: str, url: str | None, limits: Limits, warnings: list[str]) -> Fields:
    """The fields of the article in the page `text`, whose address is `url` where it is known.

    What the publisher says about the article in JSON-LD goes before what trafilatura finds in the
    rest of the page; the body is always trafilatura's.

    Raises:
        Unreadable: no_body, too_large.
    """
    text = clean(text, "page", warnings)
    check(text, limits)
    tree = parse(text)
    if tree is None:
        raise _no_body()
    said = _take_json_ld(tree, limits, warnings)
    modified = said.modified or _MODIFIED(tree)
    found = _metadata(tree, url, said, warnings)
    body = clean(_text(tree, "DiscussionForumPosting" in text), "body", warnings).strip()
    title = said.title or _line(found.title, "title", warnings)
    body = _without_title(_blocks(body), title)
    if not body:
        raise _no_body()
    return Fields(
        body=body,
        title=title,
        description=said.description or _line(found.description, "description", warnings),
        authors=said.authors or byline.authors([clean(found.author or "", "authors", warnings)]),
        published=said.published or _A_DAY.sub(r"\1", found.date or ""),
        modified=modified,
        urls=(*said.urls, *([found.url] if found.url else [])),
        source_name=said.source_name or _line(found.sitename, "source", warnings),
        publisher_id=said.publisher_id,
        dateline=said.dateline,
        genres=said.genres,
        subjects=said.subjects,
        keywords=said.keywords,
    )


# --- the body -----------------------------------------------------------------------------------


def _text(tree: Any, is_forum: bool) -> str:
    """What trafilatura finds to be the text of the page `tree`; "" where it finds none.

    Trafilatura compares its own result with what readability and justext find, which takes longer
    than its own, and most often keeps its own. Here the first step is taken by itself, and all of
    trafilatura where the comparison might end otherwise.
    """
    own = None if is_forum else _own_text(tree)
    if own is not None:
        return own
    document: Any = trafilatura.bare_extraction(tree, options=_extractor())
    return (document.text or "") if document is not None else ""


def _own_text(tree: Any) -> str | None:
    """What trafilatura's own extractor finds, where no other can go before it; else None.

    These are the steps of `trafilatura_sequence` (core.py) up to the comparison.
    """
    options = _extractor()
    tree = copy.copy(tree)
    head = tree.find("head")
    if head is not None:
        tree.remove(head)
    for expressions in (RAW_TREE_PRUNE_XPATH, REMOVE_COMMENTS_AND_LISTS_XPATH):
        tree = prune_unwanted_nodes(tree, expressions)
    page_length, link_length = _lengths(tree)
    if page_length < options.min_extracted_size:
        return None
    try:
        tree = convert_tags(tree_cleaning(tree, options), options)
        body, text = extract_content(tree, options)
    except (TypeError, ValueError):
        # What trafilatura itself takes for a page without a text; it may have another way.
        return None
    if not _stands(body, len(text), page_length, link_length):
        return None
    own: str = xmltotxt(body, False)
    return own


def _stands(body: Any, length: int, page_length: int, link_length: int) -> bool:
    """Whether `compare_extraction` (trafilatura's external.py) would keep `body`.

    It takes another's text where that is MUCH_LONGER, and no text is longer than the page, links
    left out: what is so much longer for its links is a menu. It takes another's where the own one
    is short; where it has more tables than paragraphs, or no paragraph; and where it has elements
    that no text has. The step after it is for texts that are a SMALL_PART of the page.
    """
    return (
        length >= _extractor().min_extracted_size
        and page_length - link_length <= MUCH_LONGER * length
        and length >= SMALL_PART * page_length
        and bool(_PARAGRAPH_TEXT(body))
        and len(body.findall(".//table")) <= len(body.findall(".//p"))
        and not _UNCLEAN(body)
    )


def _lengths(tree: Any) -> tuple[int, int]:
    """The characters of the page's text, and those of its links; white space collapsed."""
    scripts = sum(len(one_line(e.text or "")) for e in tree.iter("script", "style"))
    links = len(one_line("".join(_LINK_TEXTS(tree))))
    return len(one_line(tree.text_content())) - scripts, links


@functools.cache
def _extractor() -> Extractor:
    """Trafilatura's options; it takes longer to make them than to parse a page."""
    return Extractor(output_format="python", comments=False, formatting=False, tables=True)


# --- what the page says of itself ---------------------------------------------------------------


def _metadata(tree: Any, url: str | None, said: Fields, warnings: list[str]) -> Any:
    """Trafilatura's document with the metadata that `said` lacks.

    `metadata.extract_metadata` finds all of it and the categories, tags and licence besides, which
    no record has; it takes as long as the body. This is the same with what nobody asks for left
    out.
    """
    known = said.title and said.authors and said.published and said.source_name
    address = url or next(filter(identity.canonical_url, said.urls), None)
    if known and address and said.description:
        return metadata.Document()
    found = metadata.examine_meta(tree)
    if found.author and " " not in found.author:
        found.author = None
    try:
        found = metadata.extract_meta_json(tree, found)
    except Exception:  # noqa: BLE001 - trafilatura expects whatever kind, and goes on without it
        warn(warnings, "a block of JSON-LD in the page could not be searched")
    if not said.title and not found.title:
        found.title = metadata.extract_title(tree)
    if not said.authors and not found.author:
        found.author = metadata.extract_author(tree)
    if not found.url and not (address and said.published and (said.source_name or found.sitename)):
        found.url = metadata.extract_url(tree, url)
    if not said.published:
        found.date = find_date(tree, url=found.url, **_DATE_PARAMETERS)
    if not said.source_name:
        found.sitename = _site_name(tree, found)
    found.clean_and_trim()
    return found


def _site_name(tree: Any, found: Any) -> str | None:
    name: str | None = found.sitename or metadata.extract_sitename(tree)
    if name:
        name = name.lstrip("@")
        return name.title() if name and "." not in name and not name[0].isupper() else name
    host = metadata.META_URL.match(found.url) if found.url else None
    return host[1] if host else None


def _no_body() -> Unreadable:
    return Unreadable("no_body", "no article was found in the page")


def _line(value: str | None, field: str, warnings: list[str]) -> str | None:
    return one_line(clean(value or "", field, warnings)) or None


def _blocks(text: str) -> str:
    """The blocks of trafilatura's text, parted by blank lines."""
    if not text:
        return ""
    if "\n- " in text or "\n|" in text:
        return paragraphs(_NEW_BLOCK.sub("\n\n", text))
    return paragraphs(text.replace("\n", "\n\n"))


def _without_title(body: str, title: str | None) -> str:
    """`body` without a first paragraph that is the title."""
    first, _, rest = body.partition("\n\n")
    return rest if title and one_line(first).casefold() == title.casefold() else body


def _take_json_ld(tree: Any, limits: Limits, warnings: list[str]) -> Fields:
    """What the page's JSON-LD says about the article; empty fields where it says nothing.

    Every other script is taken out of `tree`, and so is JSON-LD that is too long or broken:
    trafilatura goes through that with expressions that took more than five minutes for 6 MB.
    """
    said = None
    for number, script in enumerate(tree.xpath("//script")):
        text = script.text or ""
        root = None
        if (
            script.get("type") == "application/ld+json"
            and number < MAX_SCRIPTS
            and len(text) <= MAX_JSON_LD_CHARS
        ):
            try:
                root = bounded_json.loads(text, limits)
            except Unreadable:
                warn(warnings, "a block of JSON-LD in the page could not be read and was left out")
        if root is None:
            script.drop_tree()
            continue
        item = json_article.declared_article(root) if said is None else None
        if item is not None:
            said = json_article.fields_of(item, json_article.nodes_by_id(root), warnings)
    return said or Fields()

"""The names under which publishers send the parts of an article, best first.

schema.org NewsArticle, ninjs 1 to 3, and what news services call them. Names are compared folded:
in lower case, without `_` and `-`, so that `datePublished`, `date_published` and `DatePublished`
are one.
"""

from __future__ import annotations

import functools
from typing import Any

# Longer names are none of ours, and are not worth a place in the cache.
MAX_CACHED_NAME_CHARS = 64

# Items of a list that are looked at for authors, genres, subjects and addresses.
MAX_ITEMS = 200

TITLE = ("headline", "headlines", "title", "name")
BODY = (
    "articlebody",
    "bodytext",
    "bodies",
    "body",
    "text",
    "fulltext",
    "articletext",
    "content",
    "bodyhtml",
    "bodyxhtml",
    "contenthtml",
    "html",
    "story",
)
# What stands under these is HTML, whether it looks like it or not.
HTML_BODY = frozenset(("bodyhtml", "bodyxhtml", "contenthtml", "html"))
DESCRIPTION = (
    "description",
    "descriptions",
    "descriptiontext",
    "abstract",
    "summary",
    "standfirst",
    "excerpt",
    "dek",
    "lead",
)
AUTHORS = ("author", "authors", "byline", "by", "creator", "creators")
PUBLISHED = (
    "datepublished",
    "publishedat",
    "published",
    "publishdate",
    "publicationdate",
    "pubdate",
    "firstpublished",
    "firstcreated",
    "versioncreated",
    "contentcreated",
    "datecreated",
    "createdat",
    "date",
    "timestamp",
)
MODIFIED = ("datemodified", "modifiedat", "updatedat", "lastmodified", "modified", "updated")
# In ninjs this is a date of publication too, the only one where firstcreated is missing.
VERSION_CREATED = "versioncreated"
URLS = ("url", "canonicalurl", "mainentityofpage", "link", "weburl", "permalink", "uri", "@id")
ID_URLS = frozenset(("uri", "@id"))
SOURCE = (
    "publisher",
    "source",
    "sourcename",
    "provider",
    "sourceorganization",
    "infosources",
    "publication",
    "sitename",
    "copyrightholder",
)
ID = ("identifier", "uri", "id", "guid", "articleid", "uuid")
DATELINE = ("dateline", "located")
GENRES = ("genre", "genres")
PEOPLE = "people"
# Objects that do nothing but hold the article.
WRAPPERS = ("article", "newsitem", "item", "data")

# Where the text of an object stands: language-tagged values of JSON-LD, ninjs's {role, value},
# persons and organisations, identifiers (PropertyValue).
TEXT_KEYS = ("@value", "value", "name", "text", "html", "content", "body", "#text", "title")
URL_KEYS = ("@id", "url", "href", "value")
AUTHOR_ROLES = frozenset(("author", "writer", "reporter", "byline", "journalist"))
# Of several headlines or bodies in ninjs, the one that is the article's own.
MAIN_ROLES = frozenset(("main", "headline", "title", "body", "article", "long", "full"))

# schema.org's Article and what is derived from it end in these, and ninjs says `text`.
ARTICLE_TYPES = ("article", "blogposting", "report", "newsitem")


def fold(name: str) -> str:
    """`name` without what publishers differ in.

    >>> fold("schema:Date_Published")
    'datepublished'
    """
    return _fold(name) if len(name) <= MAX_CACHED_NAME_CHARS else _fold.__wrapped__(name)


@functools.lru_cache(maxsize=4_096)
def _fold(name: str) -> str:
    return name.rpartition("schema:")[2].lower().replace("_", "").replace("-", "")


def folded(item: dict[str, Any]) -> dict[str, Any]:
    """`item` under folded names; of two that fold alike the first counts."""
    out: dict[str, Any] = {}
    for name, value in item.items():
        out.setdefault(fold(name), value)
    return out


def items(value: Any) -> list[Any]:
    """What is in a list, as far as it is looked at; anything else is its one item."""
    if isinstance(value, list):
        return value[:MAX_ITEMS]
    return [] if value is None else [value]


def is_article(item: dict[str, Any]) -> bool:
    """Whether the object says that it is an article."""
    kind = item.get("@type", item.get("type"))
    kinds = kind if isinstance(kind, list) else [kind]
    return any(isinstance(k, str) and k.lower().endswith(ARTICLE_TYPES) for k in kinds)

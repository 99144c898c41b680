"""An article from JSON: schema.org NewsArticle, ninjs, and the usual aliases."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from pipeline.dead_letters import Unreadable
from pipeline.transforms import aliases, bounded_json, byline, json_subjects
from pipeline.transforms.fields import Fields
from pipeline.transforms.html_text import HARMLESS_CHARS, check, html_to_text, looks_like_html
from pipeline.transforms.limits import Limits
from pipeline.transforms.text import clean, one_line, paragraphs, warn

# How deep a text may lie in objects and lists under its name: {"body": [{"value": "..."}]} is 2.
MAX_WRAPPING = 4
# Parts of a body that comes as a list; each may be HTML, and has a parser's cost then.
MAX_BODY_PARTS = 10_000


def read(text: str, limits: Limits, warnings: list[str]) -> Fields:
    """The fields of the article in `text`.

    Raises:
        Unreadable: invalid_json (no JSON, or not one article), no_body, too_large.
    """
    root = bounded_json.loads(text, limits)
    item = article_of(root)
    fields = fields_of(item, nodes_by_id(root), warnings)
    fields.body = body(item, limits, warnings)
    if not fields.body:
        raise Unreadable(
            "no_body", "the JSON has no text under articleBody, body_text, body, text or content"
        )
    return fields


# --- which object is the article ----------------------------------------------------------------


def article_of(root: Any) -> dict[str, Any]:
    """The one article in `root`, under folded names.

    `root` may be the article, an object that holds it (`{"article": {...}}`), a list with one
    article in it, or JSON-LD with a `@graph`.

    Raises:
        Unreadable: invalid_json, where there is none or more than one.
    """
    if isinstance(root, dict):
        item = aliases.folded(root)
        if isinstance(item.get("@graph"), list):
            return _only(item["@graph"])
        if not any(name in item for name in aliases.BODY):
            inner = [item[name] for name in aliases.WRAPPERS if isinstance(item.get(name), dict)]
            if len(inner) == 1:
                return aliases.folded(inner[0])
        return item
    if isinstance(root, list):
        return _only(root)
    raise Unreadable("invalid_json", "the message is JSON but not an object")


def _only(values: list[Any]) -> dict[str, Any]:
    items = [aliases.folded(value) for value in values if isinstance(value, dict)]
    found = [item for item in items if aliases.is_article(item)]
    if not found:
        found = [item for item in items if any(name in item for name in aliases.BODY)]
    if not found:
        raise Unreadable("invalid_json", "no object in the JSON is an article")
    if len(found) > 1:
        raise Unreadable(
            "invalid_json",
            f"the JSON holds {len(found)} articles; publish one message for each of them",
        )
    return found[0]


def declared_article(root: Any) -> dict[str, Any] | None:
    """The one article in `root` that says by its type that it is one; else None."""
    try:
        item = article_of(root)
    except Unreadable:
        # Breadcrumbs, organisations, search boxes: a page's JSON-LD need not be of an article.
        return None
    return item if aliases.is_article(item) else None


def nodes_by_id(root: Any) -> dict[str, dict[str, Any]]:
    """The objects of a JSON-LD `@graph` by their `@id`: others refer to them by it."""
    graph = root.get("@graph") if isinstance(root, dict) else None
    nodes = graph if isinstance(graph, list) else ()
    return {
        node["@id"]: node
        for node in nodes
        if isinstance(node, dict) and isinstance(node.get("@id"), str)
    }


# --- its fields ---------------------------------------------------------------------------------


def fields_of(
    item: dict[str, Any], nodes: dict[str, dict[str, Any]], warnings: list[str]
) -> Fields:
    """Everything but the body of an article under folded names."""

    def line(names: Iterable[str], field: str) -> str | None:
        value = first_text(item, names, nodes)
        if value is None:
            if any(item.get(name) not in (None, "", [], {}) for name in names):
                warn(warnings, f"the {field} is not text and was left out")
            return None
        # Longer ones are cut by decode anyway, and would have to be checked first.
        if len(value) <= HARMLESS_CHARS and looks_like_html(value):
            value = html_to_text(value)
        return one_line(clean(value, field, warnings)) or None

    published = next((n for n in aliases.PUBLISHED if _has_value(item, n)), None)
    modified = next((n for n in aliases.MODIFIED if _has_value(item, n)), None)
    if modified is None and published != aliases.VERSION_CREATED:
        modified = aliases.VERSION_CREATED
    return Fields(
        title=line(aliases.TITLE, "title"),
        description=line(aliases.DESCRIPTION, "description"),
        authors=_authors(item, nodes, warnings),
        published=_scalar(item.get(published)) if published else None,
        modified=_scalar(item[modified]) if modified in item else None,
        urls=tuple(_urls(item)),
        source_name=line(aliases.SOURCE, "source"),
        publisher_id=_identifier(item, warnings),
        dateline=line(aliases.DATELINE, "dateline"),
        genres=_genres(item, nodes, warnings),
        subjects=json_subjects.subjects(item),
        keywords=json_subjects.keywords(item, warnings),
    )


def _has_value(item: dict[str, Any], name: str) -> bool:
    return item.get(name) not in (None, "", [], {})


def _scalar(value: Any) -> str | int | float | None:
    """A date as it came: text or a number, out of `{"@value": ...}` where it is wrapped."""
    return value if isinstance(value, int | float) else text_of(value)


def first_text(
    item: dict[str, Any], names: Iterable[str], nodes: dict[str, dict[str, Any]]
) -> str | None:
    """The first text under one of `names` that is not blank."""
    for name in names:
        value = item.get(name)
        if value is None:
            continue
        text = text_of(_resolved(value, nodes))
        if text is not None:
            return text
    return None


def text_of(value: Any, depth: int = MAX_WRAPPING) -> str | None:
    """The text in `value`: itself, or what an object or the best item of a list holds."""
    if isinstance(value, str):
        return value if value.strip() else None
    if depth == 0:
        return None
    if isinstance(value, dict):
        for key in aliases.TEXT_KEYS:
            text = text_of(value.get(key), depth - 1) if key in value else None
            if text is not None:
                return text
    elif isinstance(value, list):
        for inner in sorted(value[: aliases.MAX_ITEMS], key=_rank):
            text = text_of(inner, depth - 1)
            if text is not None:
                return text
    return None


def _rank(value: Any) -> int:
    """0 for the main one of several headlines or bodies, 1 where nothing is said."""
    role = value.get("role") if isinstance(value, dict) else None
    if not isinstance(role, str):
        return 1
    return 0 if role.lower() in aliases.MAIN_ROLES else 2


def _resolved(value: Any, nodes: dict[str, dict[str, Any]]) -> Any:
    """`value`, or what it refers to: `{"@id": "#jane"}` stands for the node of that id."""
    if nodes and isinstance(value, dict):
        reference = value.get("@id")
        if isinstance(reference, str) and not any(key in value for key in aliases.TEXT_KEYS):
            return nodes.get(reference, value)
    return value


def _authors(
    item: dict[str, Any], nodes: dict[str, dict[str, Any]], warnings: list[str]
) -> tuple[str, ...]:
    for alias in aliases.AUTHORS:
        names = byline.authors(_names(item.get(alias), nodes, warnings))
        if names:
            return names
    people = [person for person in aliases.items(item.get(aliases.PEOPLE)) if _is_author(person)]
    return byline.authors(_names(people, nodes, warnings))


def _names(value: Any, nodes: dict[str, dict[str, Any]], warnings: list[str]) -> Iterator[str]:
    for entry in aliases.items(value):
        person = _resolved(entry, nodes)
        name = text_of(person)
        if name is None and isinstance(person, dict):
            parts = (text_of(person.get("givenName")), text_of(person.get("familyName")))
            name = " ".join(part for part in parts if part)
        if name:
            yield clean(name, "authors", warnings)


def _is_author(person: Any) -> bool:
    if not isinstance(person, dict):
        return False
    roles = [text_of(role) for role in aliases.items(person.get("roles", person.get("rel")))]
    return any(role and role.lower() in aliases.AUTHOR_ROLES for role in roles)


def _genres(
    item: dict[str, Any], nodes: dict[str, dict[str, Any]], warnings: list[str]
) -> tuple[str, ...]:
    found: dict[str, None] = {}
    for alias in aliases.GENRES:
        for entry in aliases.items(item.get(alias)):
            name = text_of(_resolved(entry, nodes))
            if name:
                found[one_line(clean(name, "genres", warnings))] = None
    return tuple(name for name in found if name)


def _urls(item: dict[str, Any]) -> Iterator[str]:
    for alias in aliases.URLS:
        for value in aliases.items(item.get(alias)):
            if isinstance(value, dict):
                value = next((value[key] for key in aliases.URL_KEYS if key in value), None)
            # An identifier need not be an address; one that is counts after all the others.
            if isinstance(value, str) and (alias not in aliases.ID_URLS or "://" in value):
                yield value.strip()


def _identifier(item: dict[str, Any], warnings: list[str]) -> str | None:
    for alias in aliases.ID:
        value = item.get(alias)
        if isinstance(value, dict):
            value = value.get("value", value.get("@value"))
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        text = text_of(value)
        if text:
            return one_line(clean(text, "id", warnings)) or None
    return None


# --- its body -----------------------------------------------------------------------------------


def body(item: dict[str, Any], limits: Limits, warnings: list[str]) -> str:
    """The first body under one of its names that is not empty, as clean text; else ""."""
    for alias in aliases.BODY:
        value = item.get(alias)
        if value is None:
            continue
        if alias == "bodies" and isinstance(value, list):
            pieces = [_best_body(value)]
        else:
            pieces = value if isinstance(value, list) else [value]
        if len(pieces) > MAX_BODY_PARTS:
            raise Unreadable("too_large", f"the body has more than {MAX_BODY_PARTS} parts")
        texts = [_body_text(piece, alias, limits, warnings) for piece in pieces]
        text = "\n\n".join(text for text in texts if text)
        if text:
            return text
    return ""


def _best_body(bodies: list[Any]) -> Any:
    """Of several bodies in ninjs the main one, as plain text where it is offered so."""
    ranked = sorted(bodies[: aliases.MAX_ITEMS], key=lambda entry: (_rank(entry), _is_html(entry)))
    return next((entry for entry in ranked if text_of(entry) is not None), None)


def _is_html(value: Any) -> bool:
    if not isinstance(value, dict):
        return False
    kind = value.get("contenttype", value.get("contentType", value.get("content_type")))
    return (isinstance(kind, str) and "html" in kind.lower()) or (
        "html" in value and not any(key in value for key in ("value", "text"))
    )


def _body_text(value: Any, alias: str, limits: Limits, warnings: list[str]) -> str:
    text = text_of(value)
    if text is None:
        return ""
    text = clean(text, "body", warnings)
    if alias in aliases.HTML_BODY or _is_html(value) or looks_like_html(text):
        if len(text) > limits.max_html_bytes:
            raise Unreadable(
                "too_large",
                f"the body is HTML of {len(text)} characters, more than "
                f"--max_html_bytes={limits.max_html_bytes}",
            )
        check(text, limits)
        text = clean(html_to_text(text), "body", warnings)
    return paragraphs(text) if text.strip() else ""

"""Articles of our own, linked by hand: ``gold/linking_dev.txt`` and ``linking_test.txt``.

An article is a line ``=== NUMBER subject``, a line that is its title, a blank line, and paragraphs
parted by blank lines. A mention stands in brackets, ``[Vladimir Putin|PERSON]``; where it is not
what its entity is called, with that name, ``[Putin|PERSON|Vladimir Putin]``. ``\\u0301`` is the
character of that number, for signs that an editor would hide or change. The rules are in
``gold/LINKING.md``.

The files lie in a checkout and not in an installed package: they are for scoring.
"""

import dataclasses
import pathlib
import re
from collections.abc import Iterator
from typing import Literal

from pipeline.model.corpus import LABELS, CorpusError
from pipeline.model.gold import gold_folder
from pipeline.records import Entity, Mention

_HEAD = re.compile(r"^=== ", re.MULTILINE)
_MENTION = re.compile(r"\[([^\[\]|]+)\|([A-Z]+)(?:\|([^\[\]|]+))?\]")
_ESCAPE = re.compile(r"\\u([0-9a-f]{4})")


@dataclasses.dataclass(frozen=True)
class LinkedArticle:
    """An article and its entities, by their first mention; ``salience`` is None."""

    name: str
    title: str
    body: str
    entities: tuple[Entity, ...]


def read_linked(
    part: Literal["dev", "test"], folder: pathlib.Path | None = None
) -> list[LinkedArticle]:
    """Return the articles of a part, in the order of the file.

    Raises CorpusError when the file is absent or an article cannot be read.
    """
    path = (folder or gold_folder()) / f"linking_{part}.txt"
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise CorpusError(f"{path}: not there; it is in a checkout only") from error
    return [parse_article(each, str(path)) for each in _HEAD.split(text)[1:]]


def parse_article(text: str, place: str) -> LinkedArticle:
    """Return the article that ``text`` holds: what follows ``=== `` up to the next.

    ``place`` goes into the message of a CorpusError, which is raised where the article has no title
    or body, a bracket is left open, a label is unknown, or no mention is what its entity is called.
    """
    name, _, rest = text.partition("\n")
    title, _, body = rest.partition("\n\n")
    place = f"{place}: {name.strip()}"
    if not title.strip() or "\n" in title or not body.strip():
        raise CorpusError(f"{place}: expected a line with the title, a blank line and the body")
    title, in_title = _plain(title.strip(), "title", place)
    body, in_body = _plain(body.strip(), "body", place)
    gathered: dict[tuple[str, str], list[Mention]] = {}
    for mention, key in (*in_title, *in_body):
        gathered.setdefault(key, []).append(mention)
    for (called, label), mentions in gathered.items():
        if called not in {each.text for each in mentions}:
            raise CorpusError(f"{place}: no mention of the {label} is {called!r}")
    entities = tuple(
        Entity(called, label, len(mentions), None, tuple(mentions))
        for (called, label), mentions in gathered.items()
    )
    return LinkedArticle(name.strip(), title, body, entities)


def _plain(
    marked: str, field: str, place: str
) -> tuple[str, list[tuple[Mention, tuple[str, str]]]]:
    """The text without marks, and each mention with the (name, label) of its entity."""
    text = ""
    mentions = []
    for piece in _pieces(marked):
        if isinstance(piece, str):
            if any(sign in piece for sign in "[]|"):
                raise CorpusError(f"{place}: a bracket is open or a label missing in {piece!r}")
            text += _unescaped(piece)
            continue
        surface, label, called = piece[1], piece[2], piece[3] or piece[1]
        if label not in LABELS:
            raise CorpusError(f"{place}: label {label!r}, expected one of {', '.join(LABELS)}")
        surface = _unescaped(surface)
        mention = Mention(field, len(text), len(text) + len(surface), surface)
        mentions.append((mention, (_unescaped(called), label)))
        text += surface
    return text, mentions


def _pieces(marked: str) -> Iterator[str | re.Match[str]]:
    last = 0
    for mark in _MENTION.finditer(marked):
        yield marked[last : mark.start()]
        yield mark
        last = mark.end()
    yield marked[last:]


def _unescaped(text: str) -> str:
    return _ESCAPE.sub(lambda escape: chr(int(escape[1], 16)), text)

r"""The user's own tags: rules over what an article says and what the pipeline found in it.

A rules file (`--tag_rules FILE`) is YAML: a list of rules, or a mapping with that list under
`rules`:

    rules:
      - name: energy-sanctions     # required, unique; letters, digits and . _ : / -
        tag: energy                # the tag's code; default: the name
        label: Energy sanctions    # the tag in words; default: the name
        score: 0.9                 # 0 to 1; default: none (a rule says yes or no)
        field: any                 # where phrases and expressions look: title, body or any
        any:                       # at least one of these
          - oil embargo            # a phrase: whole words, whatever their case
          - regex: '\bLNG\b'       # RE2 syntax, case-sensitive; (?i) in front to ignore case
          - entity: Gazprom        # an entity's name, or one mention of it, whatever its case
        all:                       # each of these
          - country: [RU, UA]      # a country tag, ISO 3166-1; of several values one is enough
          - language: en           # the detected language, BCP 47: en is en-GB, too
        none:                      # not one of these
          - source: example.com    # the domain (and what is under it), or the publisher's name
          - {phrase: opinion, field: title}

An article gets the rule's tag where `all`, `any` and `none` are satisfied; a rule has at least
one of `any` and `all`. Where entities were not computed (`--no_entities`), no `entity:` condition
holds. Expressions are RE2's: no backreferences, no look-around, and time linear in the text
whatever the expression; their `\b` and `\w` know ASCII alone (`\pL` is any letter).
"""

from __future__ import annotations

import functools
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import re2

from pipeline.records import Article, Tag
from pipeline.transforms.places import SCHEME as COUNTRY_SCHEME

SCHEME = "rule"
FIELDS = ("title", "body", "any")

# Kinds of conditions; phrases and expressions are TEXT once they are read.
TEXT, ENTITY, COUNTRY, LANGUAGE, SOURCE = "text", "entity", "country", "language", "source"

# For one compiled expression. Where a text needs more, RE2 goes on slower, in linear time still.
MAX_REGEX_BYTES = 32_000_000

_EDGE = r"[^\pL\pM\pN_]"
_GAP = r"(?:[\pZ\t]+|[\pZ\t]*\r?\n[\pZ\t]*)"
# Scripts that part no words with spaces: a phrase in them has no edge to look for.
_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN")


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition; it holds where one of `values` fits.

    Attributes:
        kind: TEXT (values are RE2 expressions), ENTITY, COUNTRY, LANGUAGE or SOURCE (values in
            the form they are compared in: case-folded, country codes in upper case).
        field: where TEXT looks: title, body or any.
    """

    kind: str
    values: tuple[str, ...]
    field: str = "any"


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule, as plain data: it is pickled with the transform.

    Attributes:
        tag: the code its tag gets.
        label: the tag in words.
        version: of the file it is from, a hash.
    """

    name: str
    tag: str
    label: str
    score: float | None = None
    any: tuple[Condition, ...] = ()
    all: tuple[Condition, ...] = ()
    none: tuple[Condition, ...] = ()
    version: str | None = None


class _Subject:
    """An article as conditions look at it; each view is made when the first one asks."""

    def __init__(self, article: Article) -> None:
        self._article = article

    @functools.cached_property
    def title(self) -> bytes:
        return (self._article.title or "").encode("utf-8", "replace")

    @functools.cached_property
    def body(self) -> bytes:
        return self._article.body.encode("utf-8", "replace")

    @functools.cached_property
    def names(self) -> frozenset[str]:
        """Case-folded names and mentions of the entities."""
        entities = self._article.entities or ()
        names = {entity.name.casefold() for entity in entities}
        names.update(m.text.casefold() for entity in entities for m in entity.mentions)
        return frozenset(names)

    @functools.cached_property
    def countries(self) -> frozenset[str]:
        tags = self._article.tags or ()
        return frozenset(tag.code for tag in tags if tag.scheme == COUNTRY_SCHEME)

    @functools.cached_property
    def language(self) -> str:
        language = self._article.language
        return language.code.casefold() if language else ""

    @functools.cached_property
    def source(self) -> tuple[str, str]:
        source = self._article.source
        return (source.name or "").casefold(), (source.domain or "").casefold()

    def holds(self, condition: Condition) -> bool:
        values = condition.values
        if condition.kind == TEXT:
            texts = [getattr(self, f) for f in ("title", "body") if condition.field in (f, "any")]
            return any(compiled(value).search(text) for value in values for text in texts)
        if condition.kind == ENTITY:
            return not self.names.isdisjoint(values)
        if condition.kind == COUNTRY:
            return not self.countries.isdisjoint(values)
        if condition.kind == LANGUAGE:
            return any(f"{self.language}-".startswith(f"{value}-") for value in values)
        name, domain = self.source
        return any(value in (name, domain) or domain.endswith(f".{value}") for value in values)


def apply_rules(article: Article, rules: Iterable[Rule]) -> tuple[Tag, ...]:
    """The tags that `rules` give an article whose language and country tags are set."""
    subject = _Subject(article)
    return tuple(
        Tag(SCHEME, rule.tag, rule.label, rule.score, f"{SCHEME}:{rule.name}", rule.version)
        for rule in rules
        if all(subject.holds(condition) for condition in rule.all)
        and (not rule.any or any(subject.holds(condition) for condition in rule.any))
        and not any(subject.holds(condition) for condition in rule.none)
    )


@functools.cache
def compiled(expression: str) -> Any:
    """The RE2 expression, compiled for UTF-8 bytes; once a process.

    Raises:
        re2.error: RE2 does not take it; its argument (bytes) says why.
    """
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = MAX_REGEX_BYTES
    return re2.compile(expression.encode("utf-8", "replace"), options)


def phrases(texts: Iterable[str]) -> tuple[str, ...]:
    r"""Expressions that find one of `texts` as whole words, whatever their case.

    White space in a phrase stands for any white space, but not for a paragraph's end.

    >>> [bool(compiled(e).search(b"An OIL\nembargo, say")) for e in phrases(["oil embargo"])]
    [True]
    >>> [bool(compiled(e).search(b"spoil embargoes")) for e in phrases(["oil embargo"])]
    [False]
    """
    groups: dict[tuple[str, str], list[str]] = {}
    for text in texts:
        words = text.split()
        before = "" if _unspaced(text.strip()[:1]) else f"(?:^|{_EDGE})"
        after = "" if _unspaced(text.strip()[-1:]) else f"(?:$|{_EDGE})"
        body = _GAP.join(re2.escape(word) for word in words)
        groups.setdefault((before, after), []).append(body)
    return tuple(
        f"(?i){before}(?:{'|'.join(bodies)}){after}" for (before, after), bodies in groups.items()
    )


def _unspaced(character: str) -> bool:
    return unicodedata.name(character, "").startswith(_UNSPACED)

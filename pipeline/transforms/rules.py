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
          - topic: medtop:20000256 # an IPTC Media Topic (or its name), or one that is a part of it
          - keyword: natural gas   # a keyword tag, whatever its case
          - primary_country: QA    # the country that the story is about
        all:                       # each of these
          - country: [RU, UA]      # a country tag, ISO 3166-1; of several values one is enough
          - language: en           # the detected language, BCP 47: en is en-GB, too
        none:                      # not one of these
          - source: example.com    # the domain (and what is under it), or the publisher's name
          - {phrase: opinion, field: title}

An article gets the rule's tag where `all`, `any` and `none` are satisfied; a rule has at least
one of `any` and `all`. The tag's `evidence` is what satisfied them. Where entities were not
computed (`--no_entities`), no `entity:` condition holds. Expressions are RE2's: no backreferences,
no look-around, and time linear in the text whatever the expression; their `\b` and `\w` know ASCII
alone (`\pL` is any letter).
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import re2

from pipeline.records import Article, Tag
from pipeline.transforms.keywords import SCHEME as KEYWORD_SCHEME
from pipeline.transforms.media_topics import SCHEME as TOPIC_SCHEME
from pipeline.transforms.media_topics import lineage
from pipeline.transforms.places import SCHEME as COUNTRY_SCHEME

SCHEME = "rule"
FIELDS = ("title", "body", "any")

# Kinds of conditions; phrases and expressions are TEXT once they are read.
TEXT, ENTITY, LANGUAGE, SOURCE = "text", "entity", "language", "source"
COUNTRY, PRIMARY_COUNTRY, TOPIC, KEYWORD = "country", "primary_country", "topic", "keyword"

# Of what satisfied a condition; a phrase is shorter, an expression need not be.
MAX_EVIDENCE_CHARS = 100
# Of a title or a body, so much is searched: an article of 16,000 words is none.
MAX_SEARCHED_CHARS = 100_000

# For one compiled expression. Where a text needs more, RE2 goes on slower, in linear time still.
MAX_REGEX_BYTES = 32_000_000

_EDGE = r"[^\pL\pM\pN_]"
_GAP = r"(?:[\pZ\t]+|[\pZ\t]*\r?\n[\pZ\t]*)"
# Typesetters write either; a phrase with one finds both.
_APOSTROPHE = "['\u2018\u2019\u02bc]"
# Scripts that part no words with spaces: a phrase in them has no edge to look for.
_UNSPACED = ("CJK", "HIRAGANA", "KATAKANA", "THAI", "LAO", "KHMER", "MYANMAR", "TIBETAN")


@dataclass(frozen=True, slots=True)
class Condition:
    """One condition; it holds where one of `values` fits.

    Attributes:
        kind: TEXT (values are RE2 expressions), or any other (values in the form they are compared
            in: case-folded, country codes in upper case, topics with their prefix).
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
        return (self._article.title or "")[:MAX_SEARCHED_CHARS].encode("utf-8", "replace")

    @functools.cached_property
    def body(self) -> bytes:
        return self._article.body[:MAX_SEARCHED_CHARS].encode("utf-8", "replace")

    @functools.cached_property
    def names(self) -> frozenset[str]:
        """Case-folded names and mentions of the entities."""
        entities = self._article.entities or ()
        names = {entity.name.casefold() for entity in entities}
        names.update(m.text.casefold() for entity in entities for m in entity.mentions)
        return frozenset(names)

    def codes(self, scheme: str) -> list[str]:
        return [tag.code for tag in self._article.tags or () if tag.scheme == scheme]

    @functools.cached_property
    def countries(self) -> frozenset[str]:
        return frozenset(self.codes(COUNTRY_SCHEME))

    @functools.cached_property
    def primary_country(self) -> frozenset[str]:
        tags = self._article.tags or ()
        return frozenset(t.code for t in tags if t.scheme == COUNTRY_SCHEME and t.primary)

    @functools.cached_property
    def topics(self) -> frozenset[str]:
        """The topics of the article, and all that they are a part of."""
        return frozenset(code for own in self.codes(TOPIC_SCHEME) for code in lineage(own))

    @functools.cached_property
    def keywords(self) -> frozenset[str]:
        """Case-folded codes, reading forms and other forms of the keywords."""
        own = [tag for tag in self._article.tags or () if tag.scheme == KEYWORD_SCHEME]
        forms = (form for tag in own for form in (tag.code, tag.name, *tag.evidence))
        return frozenset(form.casefold() for form in forms)

    @functools.cached_property
    def language(self) -> str:
        language = self._article.language
        return language.code.casefold() if language else ""

    @functools.cached_property
    def source(self) -> tuple[str, str]:
        source = self._article.source
        return (source.name or "").casefold(), (source.domain or "").casefold()

    def evidence(self, condition: Condition) -> str | None:
        """What satisfies the condition; None where nothing does."""
        values = condition.values
        if condition.kind == TEXT:
            return self._text_evidence(condition)
        if condition.kind == LANGUAGE:
            own = self.language
            return own if any(f"{own}-".startswith(f"{value}-") for value in values) else None
        if condition.kind == SOURCE:
            name, domain = self.source
            return next(
                (
                    value
                    for value in values
                    if value in (name, domain) or domain.endswith(f".{value}")
                ),
                None,
            )
        has: frozenset[str] = getattr(self, _SETS[condition.kind])
        return next((value for value in values if value in has), None)

    def _text_evidence(self, condition: Condition) -> str | None:
        for field in ("title", "body"):
            if condition.field not in (field, "any"):
                continue
            text = getattr(self, field)
            for value in condition.values:
                match = compiled(value).search(text)
                if match is not None:
                    return _shown(match.group())
        return None


_SETS = {
    ENTITY: "names",
    COUNTRY: "countries",
    PRIMARY_COUNTRY: "primary_country",
    TOPIC: "topics",
    KEYWORD: "keywords",
}


def _shown(found: bytes) -> str:
    """What an expression found, on one line; a phrase's has its edges with it."""
    text = " ".join(found[: 4 * MAX_EVIDENCE_CHARS].decode("utf-8", "replace").split())
    while text and not (text[0].isalnum() and text[-1].isalnum()):
        # An expression may well look for signs alone.
        shorter = text[not text[0].isalnum() : len(text) - (not text[-1].isalnum())]
        if not any(map(str.isalnum, shorter)):
            break
        text = shorter
    return text[:MAX_EVIDENCE_CHARS]


def apply_rules(article: Article, rules: Iterable[Rule]) -> tuple[Tag, ...]:
    """The tags that `rules` give an article whose language and other tags are set."""
    subject = _Subject(article)
    return tuple(
        Tag(
            *(SCHEME, rule.tag, rule.label, rule.score, f"{SCHEME}:{rule.name}", rule.version),
            evidence=evidence,
        )
        for rule in rules
        if (evidence := _satisfied(rule, subject)) is not None
    )


def _satisfied(rule: Rule, subject: _Subject) -> tuple[str, ...] | None:
    """By what the rule holds, a piece for each condition that had to; None where it does not."""
    found: list[str] = []
    for condition in rule.all:
        evidence = subject.evidence(condition)
        if evidence is None:
            return None
        found.append(evidence)
    if rule.any:
        evidence = next((e for one in rule.any if (e := subject.evidence(one)) is not None), None)
        if evidence is None:
            return None
        found.append(evidence)
    if any(subject.evidence(condition) is not None for condition in rule.none):
        return None
    return tuple(dict.fromkeys(filter(None, found)))


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
        body = _GAP.join(
            _APOSTROPHE.join(map(re2.escape, re.split(_APOSTROPHE, word))) for word in words
        )
        groups.setdefault((before, after), []).append(body)
    return tuple(
        f"(?i){before}(?:{'|'.join(bodies)}){after}" for (before, after), bodies in groups.items()
    )


def _unspaced(character: str) -> bool:
    return unicodedata.name(character, "").startswith(_UNSPACED)

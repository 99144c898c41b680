"""Mentions of one article to its entities: which mentions mean the same, and what they are called.

`link` takes the mentions a model found and gives each to exactly one entity. It knows the article
alone: no list of known people, no look-ups, and where two readings fit it joins nothing.

What is done, in this order (forms are compared after `surface`):

1. One form, one label (`name_labels`). A form that the model labelled differently in different
   places takes the label it has most often; a tie stays as it is, and so does a label that another
   name in the article speaks for ("Washington" beside "Denzel Washington", "Leeds" beside "Leeds
   United"). A bare surname with another label takes the one of the full name, when exactly one full
   name of a person in the article ends in it and it is no part of a longer name with another label,
   and no place or company known to be called so. These are the only changes of label.
2. Joining inside a label (`name_joins`): the same form · the form in capitals · `Donald Trump`,
   `D. Trump` and `Donald J. Trump` · a bare surname and the one full name it fits, before or after
   it (a headline comes first) · an acronym and the name before or after it in brackets, or the one
   name with those initials · a company with and without its legal form, a team with and without
   "United". A surname with "Mr." here and "Mrs." there is two people's, and joined with neither.
3. The fullest form becomes the entity's name; `salience` weighs it against the article's others.
"""

from __future__ import annotations

import dataclasses
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pipeline.records import Entity, Mention
from pipeline.transforms import name_words as words
from pipeline.transforms.name_forms import Form, courtesy, form_of, is_acronym, surface
from pipeline.transforms.name_joins import join
from pipeline.transforms.name_labels import settle_labels

TITLE_WEIGHT = 3.0
"""What a mention in the title counts for; in the body it is 2 at the start, falling to 1."""

_OPENED = re.compile(r"\s\((?:or |the )*[\"“'‘]?")
_CLOSED = re.compile(r"[\"”'’]?[),;]")
_OPENING_CHARACTERS = 12


@dataclass(frozen=True, slots=True)
class Found:
    """A mention, and the label the model gave it."""

    mention: Mention
    label: str


def link(found: Sequence[Found], title: str | None, body: str) -> tuple[Entity, ...]:
    """The entities of an article, by their first mention; every mention is in exactly one.

    Args:
        found: mentions in `title` and `body`, in any order, each span once.
    """
    if not found:
        return ()
    ordered = sorted(found, key=lambda item: _position(item.mention))
    texts = {text: surface(text) for text in {item.mention.text for item in ordered}}
    surfaces = [texts[item.mention.text] for item in ordered]
    labels = settle_labels(surfaces, [item.label for item in ordered])
    fields = {"title": title or "", "body": body}
    places = _forms([item.mention for item in ordered], surfaces, labels, fields)
    every = list(dict.fromkeys(places))
    groups = join(every, _bracketed(places, ordered, fields))
    gathered: dict[int, list[Form]] = defaultdict(list)
    for index, form in enumerate(every):
        gathered[groups.root(index)].append(form)
    return _entities(gathered.values(), len(body))


def _forms(
    mentions: Sequence[Mention],
    surfaces: Sequence[str],
    labels: Sequence[str],
    fields: Mapping[str, str],
) -> list[Form]:
    """The form of each mention; mentions written alike under one label share it.

    Not so where both "Mr." and "Mrs." stand before one name: those with either, and those without,
    are forms apart.
    """
    shared: dict[str, dict[str, Form]] = defaultdict(dict)
    drafts: dict[tuple[str, str], Form] = {}
    forms = []
    for mention, pair in zip(mentions, zip(surfaces, labels, strict=True), strict=True):
        form = drafts.get(pair)
        if form is None:
            form = form_of(*pair)
            form = drafts[pair] = shared[form.label].setdefault(form.key, form)
        form.mentions.append(mention)
        forms.append(form)
    apart: dict[Mention, Form] = {}
    for label in words.PERSON_LABELS & shared.keys():
        for form in shared[label].values():
            if len(form.mentions) > 1:
                apart.update(_told_apart(form, fields))
    if not apart:
        return forms
    return [apart.get(mention, form) for mention, form in zip(mentions, forms, strict=True)]


def _told_apart(form: Form, fields: Mapping[str, str]) -> Mapping[Mention, Form]:
    """The form that each mention of `form` has; empty where they are one person's."""
    said = {mention: courtesy(mention, fields[mention.field]) for mention in form.mentions}
    if not {"m", "f"} <= set(said.values()):
        return {}
    kinds = {kind: dataclasses.replace(form, mentions=[], courtesy=kind) for kind in said.values()}
    for mention, kind in said.items():
        kinds[kind].mentions.append(mention)
    return {mention: kinds[kind] for mention, kind in said.items()}


def _bracketed(
    places: Sequence[Form], found: Sequence[Found], fields: Mapping[str, str]
) -> list[tuple[Form, Form]]:
    """The (acronym, name) of one label that stand as `name (acronym)` or `acronym (name)`."""
    pairs = []
    for i in range(1, len(found)):
        before, after = found[i - 1].mention, found[i].mention
        if before.field != after.field or after.start - before.end > _OPENING_CHARACTERS:
            continue
        text = fields[before.field]
        if not _OPENED.fullmatch(text, before.end, after.start):
            continue
        if not _CLOSED.match(text, after.end):
            continue
        one, other = places[i - 1], places[i]
        if one.label != other.label:
            continue
        if is_acronym(one.key):
            one, other = other, one
        if is_acronym(other.key) and len(one.words) > 1:
            pairs.append((other, one))
    return pairs


def _position(mention: Mention) -> tuple[bool, int, int]:
    return mention.field != "title", mention.start, mention.end


def _fullness(form: Form) -> tuple[int, bool, int]:
    """What the greatest of is an entity's name: many words, not in capitals, long.

    Of peoples the shortest: "American" before "Americans".
    """
    sign = -1 if form.label in words.GROUP_LABELS else 1
    return len(form.words), not form.key.isupper(), sign * len(form.name)


def _entities(gathered: Iterable[Sequence[Form]], body_length: int) -> tuple[Entity, ...]:
    """One entity for each group of forms. `salience` is its share of the article's weights.

    The weight of an entity is the sum over its mentions: `TITLE_WEIGHT` in the title, in the body
    2 at the start falling in a line to 1 at the end.
    """
    drafts = []
    for forms in gathered:
        mentions = sorted((m for form in forms for m in form.mentions), key=_position)
        fullest = max(forms, key=_fullness)
        weight = sum(
            TITLE_WEIGHT if m.field == "title" else 2 - m.start / max(body_length, 1)
            for m in mentions
        )
        drafts.append((mentions, fullest, weight))
    drafts.sort(key=lambda draft: _position(draft[0][0]))
    total = sum(weight for _, _, weight in drafts)
    return tuple(
        Entity(
            name=form.name,
            label=form.label,
            count=len(mentions),
            salience=weight / total,
            mentions=tuple(mentions),
        )
        for mentions, form, weight in drafts
    )

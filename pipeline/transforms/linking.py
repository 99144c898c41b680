"""Mentions of one article to its entities: which mentions mean the same, and what they are called.

`link` takes the mentions a model found and gives each to exactly one entity. It knows the article
alone: no list of known people, no look-ups, and where two readings fit it joins nothing.

What is done, in this order (forms are compared after `surface`):

1. One form, one label (`settle_labels`). A form that the model labelled differently in different
   places takes the label it has most often; a tie stays as it is. A bare surname with another
   label takes the one of the full name, when exactly one full name of a person in the article ends
   in it and it is no part of a longer name with another label. These are the only changes of label.
2. Joining inside a label (`join`): the same form · the form in capitals · `Donald Trump` and
   `Donald J. Trump` · a bare surname and the one full name it fits, before or after it (a headline
   comes first) · an acronym and the name before or after it in brackets, or the one name with those
   initials.
3. The fullest form becomes the entity's name; `salience` weighs it against the article's others.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.records import Entity, Mention
from pipeline.transforms import name_words as words

TITLE_WEIGHT = 3.0
"""What a mention in the title counts for; in the body it is 2 at the start, falling to 1."""

MAX_NAME_WORDS = 10
"""A longer form is joined with its own repetitions only: work stays bounded on any input."""

MAX_SURNAME_WORDS = 3
"""As in "von der Leyen": how long a form is looked for inside the longer names of others."""

_POSSESSIVE = re.compile(r"(?:['’]s|['’])$", re.IGNORECASE)
_THE = re.compile(r"^the (?=\S)", re.IGNORECASE)
_DOTTED = re.compile(r"(?:[A-Z]\.)+[A-Z]?")
_ACRONYM = re.compile(r"[A-Z][A-Za-z]{0,6}[A-Z]")
_QUOTES = "\"'“”‘’«» "


@dataclass(frozen=True, slots=True)
class Found:
    """A mention, and the label the model gave it."""

    mention: Mention
    label: str


@dataclass(slots=True)
class _Form:
    """A way to write a name under one label: `key` is compared, `name` is shown."""

    key: str
    name: str
    label: str
    words: tuple[str, ...]
    mentions: list[Mention]


class _Groups:
    """Which forms mean the same: a forest of indices (union-find)."""

    def __init__(self, size: int) -> None:
        self._parents = list(range(size))

    def root(self, index: int) -> int:
        while self._parents[index] != index:
            self._parents[index] = self._parents[self._parents[index]]
            index = self._parents[index]
        return index

    def join(self, index: int, other: int) -> None:
        self._parents[self.root(index)] = self.root(other)

    def join_if_one(self, index: int, candidates: Collection[int]) -> None:
        """Joins `index` with the candidates where they all mean one and the same."""
        if not candidates:
            return
        roots = {self.root(candidate) for candidate in candidates} - {self.root(index)}
        if len(roots) == 1:
            self.join(index, roots.pop())


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
    by_surface: dict[tuple[str, str], _Form] = {}
    forms: dict[tuple[str, str], _Form] = {}
    places: list[_Form] = []
    for item, pair in zip(ordered, zip(surfaces, labels, strict=True), strict=True):
        form = by_surface.get(pair)
        if form is None:
            form = _form(*pair)
            form = by_surface[pair] = forms.setdefault((form.key, form.label), form)
        form.mentions.append(item.mention)
        places.append(form)
    every = list(forms.values())
    groups = join(every, _bracketed(places, ordered, {"title": title or "", "body": body}))
    gathered: dict[int, list[_Form]] = defaultdict(list)
    for index, form in enumerate(every):
        gathered[groups.root(index)].append(form)
    return _entities(gathered.values(), len(body))


def surface(text: str) -> str:
    """The form of a mention that is compared: without quotes, possessive and a leading "the".

    >>> surface("the United\\nNations’s")
    'United Nations'
    """
    plain = " ".join(unicodedata.normalize("NFC", text).split())
    bare = _THE.sub("", _POSSESSIVE.sub("", plain.strip(_QUOTES))).strip(_QUOTES)
    return bare or plain


def without_titles(text: str) -> str:
    """The name of a person without "Mr.", "President" and the like before it.

    >>> without_titles("Prime Minister Keir Starmer"), without_titles("President")
    ('Keir Starmer', 'President')
    """
    parts = text.split(" ")
    while len(parts) > 1 and parts[0].rstrip(".").casefold() in words.TITLES:
        del parts[0]
    return " ".join(parts)


def settle_labels(surfaces: Sequence[str], labels: Sequence[str]) -> list[str]:
    """The label of each mention after step 1 of the module's docstring, in the order given."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for text, label in zip(surfaces, labels, strict=True):
        counts[text][label] += 1
    majority: dict[str, str] = {}
    for text, by_label in counts.items():
        (first, most), *others = by_label.most_common(2)
        if others and most > others[0][1]:
            majority[text] = first
    settled = [majority.get(text, label) for text, label in zip(surfaces, labels, strict=True)]
    corrected = _surname_labels(surfaces, settled)
    return [corrected.get(pair, pair[1]) for pair in zip(surfaces, settled, strict=True)]


def _surname_labels(
    surfaces: Sequence[str], labels: Sequence[str]
) -> Mapping[tuple[str, str], str]:
    """The (surface, label) of bare surnames that a model took for something else, and its label."""
    pairs = dict.fromkeys(zip(surfaces, labels, strict=True))
    full_names: dict[str, set[tuple[str, str]]] = defaultdict(set)
    parts_of_others: set[str] = set()
    for text, label in pairs:
        if label not in words.PERSON_LABELS:
            parts_of_others.update(_parts(text.casefold().split(" ")[: MAX_NAME_WORDS + 1]))
            continue
        parts = _split(without_titles(text).casefold())
        core = _core(parts)
        if not 1 < len(core) <= MAX_NAME_WORDS:
            continue
        # "Donald J. Trump" and "Donald Trump" are one candidate, "Donald Trump Jr." is another.
        name = " ".join(core[:1] + parts[len(core) - 1 :])
        for start in range(1, len(core)):
            full_names[" ".join(core[start:])].add((name, label))
        if core[0] in words.FAMILY_NAMES_FIRST:
            full_names[core[0]].add((name, label))
    corrected = {}
    for text, label in pairs:
        bare = text.casefold()
        if label in words.PERSON_LABELS or bare in parts_of_others:
            continue
        if label in words.PLACE_LABELS and bare in words.SURNAMES_THAT_ARE_PLACES:
            continue
        candidates = full_names.get(bare, set())
        if len(candidates) == 1:
            corrected[text, label] = next(iter(candidates))[1]
    return corrected


def _parts(name: Sequence[str]) -> Iterator[str]:
    """The runs of up to `MAX_SURNAME_WORDS` words in a longer name."""
    for length in range(1, min(MAX_SURNAME_WORDS + 1, len(name))):
        for start in range(len(name) - length + 1):
            yield " ".join(name[start : start + length])


def join(forms: Sequence[_Form], bracketed: Iterable[tuple[_Form, _Form]]) -> _Groups:
    """Which of `forms` mean the same: step 2 of the module's docstring.

    Args:
        forms: distinct by (key, label).
        bracketed: (acronym, name) that stand as `name (acronym)` or `acronym (name)`.
    """
    groups = _Groups(len(forms))
    by_label: dict[str, list[int]] = defaultdict(list)
    for index, form in enumerate(forms):
        by_label[form.label].append(index)
    numbers = {(form.key, form.label): index for index, form in enumerate(forms)}
    defined: dict[int, list[int]] = defaultdict(list)
    for acronym, name in bracketed:
        defined[numbers[acronym.key, acronym.label]].append(numbers[name.key, name.label])
    for label, indices in by_label.items():
        _join_capitals(forms, indices, groups)
        if label in words.PERSON_LABELS:
            _join_persons(forms, indices, groups)
        else:
            _join_acronyms(forms, indices, groups, defined)
    return groups


def _join_capitals(forms: Sequence[_Form], indices: Sequence[int], groups: _Groups) -> None:
    """`VLADIMIR PUTIN` with `Vladimir Putin`, where it is written one other way only."""
    folded: dict[str, list[int]] = defaultdict(list)
    for index in indices:
        folded[forms[index].key.casefold()].append(index)
    for same in folded.values():
        capitals = [index for index in same if forms[index].key.isupper()]
        others = [index for index in same if not forms[index].key.isupper()]
        for index in capitals:
            groups.join_if_one(index, others)


def _join_persons(forms: Sequence[_Form], indices: Sequence[int], groups: _Groups) -> None:
    """`Donald Trump` with `Donald J. Trump`, then `Trump` with the one full name it fits."""
    names = [i for i in indices if 1 < len(forms[i].words) <= MAX_NAME_WORDS]
    by_ends: dict[tuple[str, ...], list[int]] = defaultdict(list)
    wholes: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for index in names:
        parts = forms[index].words
        core = _core(parts)
        # Two forms without middle names differ in case alone there: left to _join_capitals.
        if len(core) > 2:
            by_ends[core[:1] + parts[len(core) - 1 :]].append(index)
    for index in names:
        parts = forms[index].words
        if len(_core(parts)) == 2:
            groups.join_if_one(index, by_ends.get(parts, ()))
    for index in names:
        core = _core(forms[index].words)
        for start in range(1, len(core)):
            wholes[core[start:]].append(index)
        if len(core) > 1:
            wholes[core[:1]].append(index)
    # Longer forms first: "von der Leyen" must have its full name before "Leyen" looks for one.
    for index in sorted(indices, key=lambda i: -len(forms[i].words)):
        groups.join_if_one(index, wholes.get(forms[index].words, ()))


def _join_acronyms(
    forms: Sequence[_Form],
    indices: Sequence[int],
    groups: _Groups,
    defined: Mapping[int, Sequence[int]],
) -> None:
    """`UN` with `United Nations`; what stands in brackets goes before the initials."""
    by_initials: dict[str, set[int]] = defaultdict(set)
    for index in indices:
        for letters in initials(forms[index].name):
            by_initials[letters].add(index)
    for index in indices:
        if _ACRONYM.fullmatch(forms[index].key):
            spelled_out = by_initials.get(forms[index].key.upper(), set())
            groups.join_if_one(index, defined.get(index) or spelled_out)


def initials(name: str) -> set[str]:
    """The acronyms that a name of two words or more could have, in capitals.

    >>> sorted(initials("Department of Energy"))
    ['DE', 'DOE']
    """
    parts = name.replace("-", " ").split()
    if not 1 < len(parts) <= MAX_NAME_WORDS:
        return set()
    every = "".join(part[0] for part in parts).upper()
    capital = "".join(part[0] for part in parts if part[0].isupper())
    return {letters for letters in (every, capital) if len(letters) > 1}


def _bracketed(
    places: Sequence[_Form], found: Sequence[Found], texts: Mapping[str, str]
) -> list[tuple[_Form, _Form]]:
    """The (acronym, name) of one label that stand as `name (acronym)` or `acronym (name)`."""
    pairs = []
    for i in range(1, len(found)):
        before, after = found[i - 1].mention, found[i].mention
        if before.field != after.field or after.start - before.end != 2:
            continue
        text = texts[before.field]
        if text[before.end : after.start] != " (" or text[after.end : after.end + 1] != ")":
            continue
        one, other = places[i - 1], places[i]
        if one.label != other.label:
            continue
        if _ACRONYM.fullmatch(one.key):
            one, other = other, one
        if _ACRONYM.fullmatch(other.key) and len(one.words) > 1:
            pairs.append((other, one))
    return pairs


def _form(text: str, label: str) -> _Form:
    if label in words.PERSON_LABELS:
        name = key = without_titles(text)
        parts = _split(name.casefold())
    else:
        name = text
        key = text.replace(".", "") if _DOTTED.fullmatch(text) else text
        parts = _split(key)
    return _Form(key, name, label, parts, [])


def _split(name: str) -> tuple[str, ...]:
    return tuple(name.replace(",", " ").split())


def _core(parts: tuple[str, ...]) -> tuple[str, ...]:
    """A person's name without "Jr." and the like at its end."""
    if len(parts) > 1 and parts[-1].rstrip(".") in words.GENERATIONS:
        return parts[:-1]
    return parts


def _position(mention: Mention) -> tuple[bool, int, int]:
    return mention.field != "title", mention.start, mention.end


def _entities(gathered: Iterable[Sequence[_Form]], body_length: int) -> tuple[Entity, ...]:
    """One entity for each group of forms. `salience` is its share of the article's weights.

    The weight of an entity is the sum over its mentions: `TITLE_WEIGHT` in the title, in the body
    2 at the start falling in a line to 1 at the end.
    """
    drafts = []
    for forms in gathered:
        mentions = sorted((m for form in forms for m in form.mentions), key=_position)
        fullest = max(forms, key=lambda f: (len(f.words), not f.key.isupper(), len(f.name)))
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

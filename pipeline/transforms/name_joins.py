"""Which forms of names mean the same: step 2 of `linking`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from pipeline.transforms import name_words as words
from pipeline.transforms.name_forms import MAX_NAME_WORDS, Form, core, initials, is_acronym


class Groups:
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

    def join_if_one(self, index: int, candidates: list[int]) -> None:
        """Joins `index` with the candidates where they all mean one and the same.

        `candidates` is shortened to what decided: a hostile article has as many ways to write a
        name as it has candidates for it, and would ask for each.
        """
        roots: dict[int, None] = {}
        looked_at = 0
        for candidate in candidates:
            looked_at += 1
            roots[self.root(candidate)] = None
            if len(roots) > 1:
                break
        if looked_at > len(roots):
            candidates[:looked_at] = roots
        if len(roots) == 1:
            self.join(index, next(iter(roots)))


def join(forms: Sequence[Form], bracketed: Iterable[tuple[Form, Form]]) -> Groups:
    """Which of `forms` mean the same: step 2 of the docstring of `linking`.

    Args:
        forms: distinct by (key, label, courtesy).
        bracketed: (acronym, name) that stand as `name (acronym)` or `acronym (name)`.
    """
    groups = Groups(len(forms))
    by_label: dict[str, list[int]] = defaultdict(list)
    for index, form in enumerate(forms):
        by_label[form.label].append(index)
    numbers = {form: index for index, form in enumerate(forms)}
    defined: dict[int, list[int]] = defaultdict(list)
    for acronym, name in bracketed:
        defined[numbers[acronym]].append(numbers[name])
    for label, indices in by_label.items():
        if label in words.PERSON_LABELS:
            told_apart = {forms[index].words for index in indices if forms[index].courtesy}
            indices = [index for index in indices if forms[index].words not in told_apart]
            _join_capitals(forms, indices, groups)
            _join_persons(forms, indices, groups)
            continue
        _join_capitals(forms, indices, groups)
        _join_plurals(forms, indices, groups)
        if label in words.ORGANISATION_LABELS:
            _join_legal_forms(forms, indices, groups)
        if label in words.PLACE_LABELS:
            _join_same_places(forms, indices, groups)
        asked = _join_acronyms(forms, indices, groups, defined)
        if label in words.ORGANISATION_LABELS:
            # "TBC" that stands for another name's initials is not TBC Bank as well.
            _join_short_names(forms, sorted(set(indices) - asked), groups)
    return groups


def _join_capitals(forms: Sequence[Form], indices: Sequence[int], groups: Groups) -> None:
    """`VLADIMIR PUTIN` with `Vladimir Putin`, where it is written one other way only."""
    folded: dict[str, list[int]] = defaultdict(list)
    for index in indices:
        folded[forms[index].key.casefold()].append(index)
    for same in folded.values():
        capitals = [index for index in same if forms[index].key.isupper()]
        others = [index for index in same if not forms[index].key.isupper()]
        for index in capitals:
            groups.join_if_one(index, others)


def _join_persons(forms: Sequence[Form], indices: Sequence[int], groups: Groups) -> None:
    """`Donald Trump` with `Donald J. Trump`, then `Trump` with the one full name it fits."""
    names = [i for i in indices if 1 < len(forms[i].words) <= MAX_NAME_WORDS]
    by_ends: dict[tuple[str, ...], list[int]] = defaultdict(list)
    by_initial: dict[tuple[str, ...], list[int]] = defaultdict(list)
    wholes: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for index in names:
        parts = forms[index].words
        whole = core(parts)
        # Two forms without middle names differ in case alone there: left to _join_capitals.
        if len(whole) > 2:
            by_ends[whole[:1] + parts[len(whole) - 1 :]].append(index)
        if len(whole[0]) > 1:
            initial = (whole[0][0], *parts[1:])
            by_initial[initial].append(index)
    asked: set[int] = set()
    for index in names:
        parts = forms[index].words
        if len(core(parts)) == 2 and parts in by_ends:
            groups.join_if_one(index, by_ends[parts])
            asked.add(index)
    for index in names:
        parts = forms[index].words
        if len(parts[0]) == 1 and parts in by_initial:
            groups.join_if_one(index, by_initial[parts])
            asked.add(index)
    for index in names:
        whole = core(forms[index].words)
        for start in range(1, len(whole)):
            wholes[whole[start:]].append(index)
        if len(whole) > 1:
            wholes[whole[:1]].append(index)
            article, _, rest = whole[-1].partition("-")
            if article in words.ARTICLES_OF_SURNAMES and rest:
                wholes[(rest,)].append(index)
    # Longer forms first: "von der Leyen" must have its full name before "Leyen" looks for one.
    # One that had candidates already, or "George Bush" would be George W. and Prescott George Bush.
    for index in sorted(set(indices) - asked, key=lambda i: (-len(forms[i].words), i)):
        groups.join_if_one(index, wholes.get(forms[index].words, []))


def _join_plurals(forms: Sequence[Form], indices: Sequence[int], groups: Groups) -> None:
    """`Americans` with `American`: of peoples and adherents alone."""
    singulars = {
        forms[index].key: index for index in indices if forms[index].label in words.GROUP_LABELS
    }
    for key, index in singulars.items():
        if key.endswith("s") and key[:-1] in singulars:
            groups.join(index, singulars[key[:-1]])


def _join_legal_forms(forms: Sequence[Form], indices: Sequence[int], groups: Groups) -> None:
    """`News Corp` with `News Corporation`: what differs in the legal form alone."""
    by_rest: dict[tuple[str, ...], int] = {}
    for index in indices:
        parts = forms[index].words
        rest = parts
        while len(rest) > 1 and rest[-1].rstrip(".").casefold() in words.LEGAL_FORMS:
            rest = rest[:-1]
        groups.join(index, by_rest.setdefault(rest, index))


def _join_same_places(forms: Sequence[Form], indices: Sequence[int], groups: Groups) -> None:
    """`Britain` with `UK`: the few countries that news calls by two names side by side."""
    known: dict[str, int] = {}
    for index in indices:
        same = words.SAME_PLACES.get(forms[index].key.casefold())
        if same is not None:
            groups.join(index, known.setdefault(same, index))


def _join_acronyms(
    forms: Sequence[Form],
    indices: Sequence[int],
    groups: Groups,
    defined: Mapping[int, list[int]],
) -> set[int]:
    """`UN` with `United Nations`; what stands in brackets goes before the initials.

    Returns the acronyms that had candidates, joined or not.
    """
    by_initials: dict[str, list[int]] = defaultdict(list)
    for index in indices:
        for letters in initials(forms[index].name):
            by_initials[letters].append(index)
    asked = set()
    for index in indices:
        if not is_acronym(forms[index].key):
            continue
        candidates = defined.get(index) or by_initials.get(forms[index].key.upper())
        if candidates:
            groups.join_if_one(index, candidates)
            asked.add(index)
    return asked


def _join_short_names(forms: Sequence[Form], indices: Sequence[int], groups: Groups) -> None:
    """`Leeds` with `Leeds United`, `Lakers` with `Los Angeles Lakers`.

    Every longer name that begins or ends so is a candidate, but one is joined only where the words
    left out say no more than what kind of thing it is: `Google` is not `Google DeepMind`.
    """
    longer: dict[tuple[str, ...], list[int]] = defaultdict(list)
    short_for: set[tuple[str, ...]] = set()
    for index in indices:
        parts = forms[index].words
        if len(parts) > MAX_NAME_WORDS:
            continue
        for cut in range(1, len(parts)):
            head, tail = parts[:cut], parts[cut:]
            longer[head].append(index)
            longer[tail].append(index)
            if _adds_nothing(tail):
                short_for.add(head)
            if _is_nickname(tail) or " ".join(tail).casefold() in words.BODIES:
                short_for.add(tail)
    for index in sorted(indices, key=lambda i: -len(forms[i].words)):
        if forms[index].words in short_for:
            groups.join_if_one(index, longer[forms[index].words])


def _adds_nothing(tail: Collection[str]) -> bool:
    return _is_nickname(tail) or all(p.rstrip(".").casefold() in words.KINDS for p in tail)


def _is_nickname(tail: Collection[str]) -> bool:
    """Whether it is what a team is called beside its town: one word, a plural ("Celtics")."""
    if len(tail) != 1:
        return False
    (word,) = tail
    named = word[0].isupper() and not word.isupper() and word.isalpha() and len(word) > 3
    plural = word[-1] == "s" and word[-2] != "s"
    return named and plural and word.casefold() not in words.PLURALS_OF_MANY

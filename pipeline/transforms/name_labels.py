"""The labels of names, made to agree over an article: step 1 of `linking`."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence

from pipeline.transforms import name_words as words
from pipeline.transforms.name_forms import MAX_NAME_WORDS, core, without_titles

MAX_SURNAME_WORDS = 3
"""As in "von der Leyen": how long a form is looked for inside the longer names of others."""

Pair = tuple[str, str]
"""A surface and its label."""


def settle_labels(surfaces: Sequence[str], labels: Sequence[str]) -> list[str]:
    """The label of each mention after step 1 of `linking`, in the order given."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for text, label in zip(surfaces, labels, strict=True):
        counts[text][label] += 1
    changed: dict[Pair, str] = {}
    for text, by_label in counts.items():
        if len(by_label) == 1:
            continue
        (first, most), (_, next_most), *_ = by_label.most_common(2)
        if most > next_most:
            changed.update(((text, label), first) for label in by_label if label != first)
    if changed:
        for pair in _supported(dict.fromkeys(zip(surfaces, labels, strict=True))):
            changed.pop(pair, None)
    pairs = list(zip(surfaces, labels, strict=True))
    settled = [changed.get(pair, pair[1]) for pair in pairs]
    corrected = _surname_labels(surfaces, settled)
    return [corrected.get(pair, pair[1]) for pair in zip(surfaces, settled, strict=True)]


def _supported(pairs: Mapping[Pair, None]) -> set[Pair]:
    """Those that another name in the article speaks for, so that they are no slip of the model.

    A surname of a full name ("Washington" beside "Denzel Washington"), the beginning or end of an
    organisation's ("Leeds" beside "Leeds United"), and the place that gave either its name.
    """
    persons: set[str] = set()
    organisations: set[str] = set()
    for text, label in pairs:
        parts = text.casefold().split(" ")
        if not 1 < len(parts) <= MAX_NAME_WORDS:
            continue
        if label in words.PERSON_LABELS:
            whole = core(tuple(without_titles(text).casefold().replace(",", " ").split()))
            persons.update(" ".join(whole[start:]) for start in range(1, len(whole)))
        elif label in words.ORGANISATION_LABELS:
            for cut in range(1, len(parts)):
                organisations.update((" ".join(parts[:cut]), " ".join(parts[cut:])))
    supported = set()
    for text, label in pairs:
        bare = text.casefold()
        if label in words.PERSON_LABELS:
            stays = bare in persons
        elif label in words.ORGANISATION_LABELS:
            stays = bare in organisations
        elif label in words.PLACE_LABELS:
            stays = bare in organisations or bare in words.SURNAMES_THAT_ARE_PLACES
        else:
            stays = False
        if stays:
            supported.add((text, label))
    return supported


def _surname_labels(surfaces: Sequence[str], labels: Sequence[str]) -> Mapping[Pair, str]:
    """The (surface, label) of bare surnames that a model took for something else, and its label."""
    pairs = dict.fromkeys(zip(surfaces, labels, strict=True))
    full_names: dict[str, set[Pair]] = defaultdict(set)
    parts_of_others: set[str] = set()
    for text, label in pairs:
        if label not in words.PERSON_LABELS:
            parts_of_others.update(_parts(text.casefold().split(" ")[: MAX_NAME_WORDS + 1]))
            continue
        parts = tuple(without_titles(text).casefold().replace(",", " ").split())
        whole = core(parts)
        if not 1 < len(whole) <= MAX_NAME_WORDS:
            continue
        # "Donald J. Trump" and "Donald Trump" are one candidate, "Donald Trump Jr." is another.
        name = " ".join(whole[:1] + parts[len(whole) - 1 :])
        for start in range(1, len(whole)):
            full_names[" ".join(whole[start:])].add((name, label))
        if whole[0] in words.FAMILY_NAMES_FIRST:
            full_names[whole[0]].add((name, label))
    corrected = {}
    for text, label in pairs:
        bare = text.casefold()
        if label in words.PERSON_LABELS or bare in parts_of_others:
            continue
        if label in words.PLACE_LABELS and bare in words.SURNAMES_THAT_ARE_PLACES:
            continue
        if label in words.ORGANISATION_LABELS and bare in words.SURNAMES_THAT_ARE_COMPANIES:
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

"""Reads the prose the samples are made of: `english.txt` and its sisters.

A prose file is lines of text with `{slot}`s:

    # a comment
    pick crop: wheat | maize        a list; one item is chosen for the whole story
    each day: Monday | Tuesday      a list; chosen anew at every use
    [economy config]                lists below hold for this subject alone
    [economy lead]                  below: one template a line

Parts of a subject are headline, lead, detail, quote, background and outlook. The subject `any`
holds templates that fit every other one; a story borrows a few.
"""

from __future__ import annotations

import functools
import importlib.resources
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

Template = tuple[tuple[str, str], ...]
"""Literals and the slots after them; the last slot is empty."""

PARTS = ("headline", "lead", "detail", "quote", "background", "outlook")
ANY = "any"

_SLOT = re.compile(r"\{(\w+)\}")
_HEADING = re.compile(r"\[(\w+) (\w+)\]")
_LIST = re.compile(r"(pick|each) (\w+): (.+)")


@dataclass(frozen=True)
class Subject:
    """The templates of one subject, by part, those of any subject, and the lists they draw on."""

    name: str
    parts: Mapping[str, list[Template]]
    common: Mapping[str, list[Template]]
    picks: Mapping[str, list[Template]]
    each: Mapping[str, list[Template]]


@dataclass
class _Section:
    parts: dict[str, list[Template]] = field(default_factory=dict)
    lists: dict[str, dict[str, list[Template]]] = field(
        default_factory=lambda: {"pick": {}, "each": {}}
    )


def compiled(text: str) -> Template:
    """`text` cut at its slots.

    >>> compiled("The {crop} of {year}.")
    (('The ', 'crop'), (' of ', 'year'), ('.', ''))
    """
    pieces = _SLOT.split(text)
    return tuple(zip(pieces[::2], [*pieces[1::2], ""], strict=True))


def lines(name: str) -> list[str]:
    """The lines of a data file beside this module, without comments and blank ones."""
    text = importlib.resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line.strip() and not line.startswith("#")]


@functools.cache
def subjects(name: str) -> tuple[Subject, ...]:
    """The subjects of a prose file, each with the common templates and shared lists.

    Raises:
        ValueError: a heading names no part, or a subject lacks one.
    """
    shared = _Section()
    sections: dict[str, _Section] = {ANY: _Section()}
    section, part = shared, "config"
    for line in lines(name):
        if heading := _HEADING.fullmatch(line):
            section, part = sections.setdefault(heading[1], _Section()), heading[2]
            if part not in (*PARTS, "config"):
                raise ValueError(f"{name}: [{heading[1]} {part}]: a part is one of {PARTS}")
        elif declared := _LIST.fullmatch(line):
            items = [compiled(item.strip()) for item in declared[3].split("|")]
            section.lists[declared[1]][declared[2]] = items
        else:
            section.parts.setdefault(part, []).append(compiled(line))
    common = sections.pop(ANY)
    return tuple(_merged(name, key, own, common, shared) for key, own in sections.items())


def _merged(name: str, key: str, own: _Section, common: _Section, shared: _Section) -> Subject:
    for part in PARTS:
        if part not in own.parts:
            raise ValueError(f"{name}: the subject {key} has no [{key} {part}]")
    return Subject(
        key,
        own.parts,
        {part: common.parts.get(part, []) for part in PARTS},
        shared.lists["pick"] | own.lists["pick"],
        shared.lists["each"] | own.lists["each"],
    )

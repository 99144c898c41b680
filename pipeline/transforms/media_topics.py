"""The vocabulary IPTC Media Topics: codes, names, what is part of what."""

from __future__ import annotations

import functools
import importlib.resources
import re
from dataclasses import dataclass

SCHEME = "iptc-mediatopic"
TABLE = "mediatopics.txt"
PREFIX = "medtop:"

# A qcode (`medtop:04000000`), the concept's address, or the bare number.
_CODE = re.compile(
    r"(?:medtop:|https?://cv\.iptc\.org/newscodes/mediatopic/)?(\d{8})/?", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Concept:
    """One topic.

    Attributes:
        code: with its prefix, `medtop:04000000`.
        name: in American English, as IPTC gives it.
        broader: the code of what it is a part of; None for the 17 at the top.
        retired: IPTC has given it up; older articles carry it.
    """

    code: str
    name: str
    broader: str | None
    retired: bool = False


@functools.cache
def vocabulary() -> dict[str, Concept]:
    """Every concept by its code.

    Raises:
        ValueError: a line of the table is not as its head describes it; line number inside.
    """
    source = importlib.resources.files("pipeline.transforms").joinpath(TABLE).read_text("utf-8")
    found = {}
    for number, line in enumerate(source.splitlines(), start=1):
        if line.startswith("#"):
            continue
        columns = [column.strip() for column in line.split("|")]
        if len(columns) not in (3, 4) or not re.fullmatch(r"\d{8}", columns[0]):
            raise ValueError(f"{TABLE}, line {number}: not `code | broader | name`")
        code, broader, name = columns[:3]
        found[PREFIX + code] = Concept(
            PREFIX + code, name, None if broader == "-" else PREFIX + broader, len(columns) == 4
        )
    return found


def read_code(text: str) -> str | None:
    """The code that `text` stands for, if it is one of the vocabulary.

    >>> read_code("http://cv.iptc.org/newscodes/mediatopic/15000000")
    'medtop:15000000'
    >>> read_code("subj:15000000") is None
    True
    """
    match = _CODE.fullmatch(text.strip())
    code = PREFIX + match.group(1) if match else ""
    return code if code in vocabulary() else None


@functools.cache
def lineage(code: str) -> tuple[str, ...]:
    """The code and everything it is a part of, the narrowest first.

    >>> lineage("medtop:20000756")
    ('medtop:20000756', 'medtop:13000000')
    """
    concept: Concept | None = vocabulary().get(code)
    found = [code]
    while concept is not None and concept.broader and concept.broader not in found:
        found.append(concept.broader)
        concept = vocabulary().get(concept.broader)
    return tuple(found)


@functools.cache
def codes_by_name() -> dict[str, str]:
    """Codes in use by their names, case-folded."""
    return {
        concept.name.casefold(): concept.code
        for concept in vocabulary().values()
        if not concept.retired
    }

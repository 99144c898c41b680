"""Changes to a training chunk that keep its labels true: names, case, quotes, paragraphs and so on.

All functions are pure: a chunk and a random generator go in, a new chunk comes out.
"""

import dataclasses
import itertools
import random
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from pipeline.model import gazetteer
from pipeline.model.corpus import Chunk, Span

SENTENCE_GAP = re.compile(r'(?<=[.!?"]) (?=[A-Z"])')
OPENING_QUOTE = re.compile(r'(?:(?<=^)|(?<=[\s(\[—-]))"(?=\S)')
OPENING_APOSTROPHE = re.compile(r"(?:(?<=^)|(?<=[\s(\[“—-]))'(?=\w{2})(?!s\b)")
MONTHS = gazetteer.listed("Jan|Feb|March|April|May|June|July|Aug|Sept|Oct|Nov|Dec")
NamePools = Mapping[tuple[str, bool], Sequence[str]]
"""(label, is it a single word) -> names to draw from, sorted so that a seed gives the same draw."""


@dataclasses.dataclass(frozen=True)
class Rates:
    """How often a chunk is changed; the first two are those of the recipe in the data's README."""

    names: float = 0.30
    case: float = 0.08
    paragraphs: float = 0.15
    quotes: float = 0.20
    datelines: float = 0.04


def name_pools(chunks: Iterable[Chunk], corpora: Sequence[str]) -> NamePools:
    """Collect the names of ``corpora``; the last words of longer persons are bare names."""
    pools: defaultdict[tuple[str, bool], set[str]] = defaultdict(set)
    for chunk in chunks:
        if chunk.corpus.partition("_")[0] not in corpora:
            continue
        for span in chunk.spans:
            words = chunk.text[span.start : span.end].split(" ")
            if not all(word[:1].isupper() for word in words):
                continue
            pools[span.label, len(words) == 1].add(" ".join(words))
            if span.label == "PERSON" and 2 <= len(words) <= 3 and words[-1].isalpha():
                pools["PERSON", True].add(words[-1])
    return {kind: sorted(names) for kind, names in pools.items()}


def substitute(chunk: Chunk, edits: Iterable[tuple[int, int, str]]) -> Chunk:
    """Return the chunk with pieces of its text replaced and every offset moved along.

    ``edits`` are (start, end, new text), apart from each other. An edit may cover exactly a span or
    lie outside or inside spans; one that has a span's border inside it is a ValueError.
    """
    ordered = sorted(edits)
    if any(first[1] > second[0] for first, second in itertools.pairwise(ordered)):
        raise ValueError("edits overlap")
    for start, end, _ in ordered:
        for span_start, span_end in [(s.start, s.end) for s in chunk.spans] + list(chunk.missing):
            if start < span_start < end or start < span_end < end:
                raise ValueError(f"edit {start}-{end} cuts the span {span_start}-{span_end}")

    def moved(offset: int) -> int:
        return offset + sum(
            len(new) - (end - start) for start, end, new in ordered if end <= offset
        )

    pieces: list[str] = []
    position = 0
    for start, end, new in ordered:
        pieces += [chunk.text[position:start], new]
        position = end
    pieces.append(chunk.text[position:])
    return Chunk(
        chunk.corpus,
        "".join(pieces),
        tuple(Span(moved(s.start), moved(s.end), s.label) for s in chunk.spans),
        tuple((moved(start), moved(end)) for start, end in chunk.missing),
    )


def replace_names(chunk: Chunk, pools: NamePools, rng: random.Random) -> Chunk:
    """Replace about half the names by others of their label and length class (one word or more).

    A name that comes back in the chunk gets the same new name each time.
    """
    chosen: dict[tuple[str, str], str] = {}
    edits: list[tuple[int, int, str]] = []
    for span in chunk.spans:
        old = chunk.text[span.start : span.end]
        pool = pools.get((span.label, " " not in old), ())
        if (span.label, old) not in chosen:
            chosen[span.label, old] = rng.choice(pool) if pool and rng.random() < 0.5 else old
        edits.append((span.start, span.end, chosen[span.label, old]))
    return substitute(chunk, edits)


def change_case(chunk: Chunk, rng: random.Random) -> Chunk:
    """Return the chunk in capitals, in small letters or with capital initials.

    Unchanged where the new form would have another length, since offsets would then be wrong.
    """
    change = rng.choice((str.upper, str.lower, _capital_initials))
    text = change(chunk.text)
    if any(len(change(character)) != 1 for character in chunk.text):
        return chunk
    return dataclasses.replace(chunk, text=text)


def _capital_initials(text: str) -> str:
    return re.sub(r"\b[a-z]", lambda found: found.group().upper(), text)


def part_paragraphs(chunk: Chunk, rng: random.Random) -> Chunk:
    """Turn some gaps between sentences into blank lines, as articles have them."""
    edits = [
        (gap.start(), gap.end(), "\n\n")
        for gap in SENTENCE_GAP.finditer(chunk.text)
        if rng.random() < 0.6
        and not any(s.start < gap.end() and gap.start() < s.end for s in chunk.spans)
        and not any(start < gap.end() and gap.start() < end for start, end in chunk.missing)
    ]
    return substitute(chunk, edits)


def curl_quotes(chunk: Chunk) -> Chunk:
    """Return the chunk with typographic quotation marks and apostrophes, as most sites print."""
    text = OPENING_QUOTE.sub("“", chunk.text).replace('"', "”")
    return dataclasses.replace(chunk, text=OPENING_APOSTROPHE.sub("‘", text).replace("'", "’"))


def add_dateline(chunk: Chunk, pools: NamePools, rng: random.Random) -> Chunk:
    """Put "PARIS, May 3 (Reuters) - " or the like before the text; unchanged without places."""
    places = pools.get(("LOC", True), ())
    if not places or not chunk.text[:1].isupper():
        return chunk
    place, agency = rng.choice(places), rng.choice(gazetteer.AGENCIES)
    day = rng.choice(("", f", {rng.choice(MONTHS)} {rng.randint(1, 28)}"))
    if rng.random() < 0.6:
        place = place.upper()
    pieces = [place, f"{day} (", agency, f") {rng.choice('-–—')} "]
    agency_start = len(pieces[0]) + len(pieces[1])
    added = (Span(0, len(place), "LOC"), Span(agency_start, agency_start + len(agency), "ORG"))
    moved = substitute(chunk, [(0, 0, "".join(pieces))])
    return dataclasses.replace(moved, spans=added + moved.spans)


def augment(chunk: Chunk, pools: NamePools, rates: Rates, rng: random.Random) -> Chunk:
    """Return the chunk with each kind of change applied at its rate."""
    if rng.random() < rates.names:
        chunk = replace_names(chunk, pools, rng)
    if rng.random() < rates.paragraphs:
        chunk = part_paragraphs(chunk, rng)
    if rng.random() < rates.case:
        chunk = change_case(chunk, rng)
    if rng.random() < rates.datelines:
        chunk = add_dateline(chunk, pools, rng)
    if rng.random() < rates.quotes:
        chunk = curl_quotes(chunk)
    return chunk

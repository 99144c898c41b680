"""The entity corpora: reading them, and the part that is held out.

A line of ``train.jsonl.gz`` or ``dev.jsonl.gz`` is a JSON array
``[corpus, text, [[start, end, label], ...], [[start, end], ...]]``; the last list marks spans whose
label is missing, to be trained as unknown and ignored when scoring. Offsets count code points.
"""

import dataclasses
import gzip
import hashlib
import json
import pathlib
from collections.abc import Iterable, Iterator, Sequence

LABELS = ("LOC", "MISC", "NORP", "ORG", "PERSON")
HELD_OUT_PERCENT = 4.0
MAX_LINE_CHARACTERS = 1_000_000
POSSESSIVES = ("'s ", "’s ", " 's ")


class CorpusError(ValueError):
    """A corpus file is absent or a line of it cannot be used; the message names the place."""


@dataclasses.dataclass(frozen=True)
class Span:
    """A labelled piece of a text, ``start`` inside and ``end`` outside, in code points."""

    start: int
    end: int
    label: str


@dataclasses.dataclass(frozen=True)
class Chunk:
    """A few sentences of one corpus with their entities.

    ``spans`` are sorted and don't overlap. ``missing`` are pieces whose label nobody knows.
    """

    corpus: str
    text: str
    spans: tuple[Span, ...]
    missing: tuple[tuple[int, int], ...] = ()


def parse_line(line: str, place: str) -> Chunk:
    """Return the chunk that one JSON line holds.

    ``place`` (file and line number) goes into the message of a CorpusError, which is raised when
    the line is not of the documented form, a label is unknown, or spans overlap or leave the text.
    Of a missing piece that overlaps a labelled span, the part outside is kept.
    """
    if len(line) > MAX_LINE_CHARACTERS:
        raise CorpusError(f"{place}: line longer than {MAX_LINE_CHARACTERS} characters")
    try:
        corpus, text, raw_spans, raw_missing = json.loads(line)
        spans = tuple(
            sorted(
                (Span(int(start), int(end), str(label)) for start, end, label in raw_spans),
                key=lambda span: span.start,
            )
        )
        missing = tuple((int(start), int(end)) for start, end in raw_missing)
    except (ValueError, TypeError) as error:
        raise CorpusError(
            f"{place}: expected [corpus, text, [[start, end, label], ...], [[start, end], ...]]"
        ) from error
    if not isinstance(corpus, str) or not isinstance(text, str):
        raise CorpusError(f"{place}: corpus and text must be strings")
    previous_end = 0
    for span in spans:
        if span.label not in LABELS:
            raise CorpusError(f"{place}: label {span.label!r}, expected one of {', '.join(LABELS)}")
        if not previous_end <= span.start < span.end <= len(text):
            raise CorpusError(f"{place}: span {span.start}-{span.end} overlaps or leaves the text")
        previous_end = span.end
    if any(not 0 <= start < end <= len(text) for start, end in missing):
        raise CorpusError(f"{place}: a missing span leaves the text")
    return Chunk(corpus, text, spans, tuple(_outside(missing, spans)))


def _outside(
    missing: Iterable[tuple[int, int]], spans: Sequence[Span]
) -> Iterator[tuple[int, int]]:
    """Yield what the labelled spans leave of the missing pieces."""
    for start, end in sorted(missing):
        for span in spans:
            if span.end <= start or end <= span.start:
                continue
            if start < span.start:
                yield start, span.start
            start = span.end
        if start < end:
            yield start, end


def read_chunks(path: pathlib.Path) -> list[Chunk]:
    """Return the chunks of one gzipped JSON Lines file, in its order.

    Raises CorpusError when the file is absent or a line cannot be used.
    """
    try:
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            return [parse_line(line, f"{path}:{n}") for n, line in enumerate(lines, 1)]
    except (FileNotFoundError, gzip.BadGzipFile) as error:
        raise CorpusError(
            f"{path}: not there or not a gzip file; give its folder with --data"
        ) from error


def family(corpus: str) -> str:
    """Return the corpus a part belongs to: ``crossner`` for ``crossner_music``."""
    return corpus.partition("_")[0]


def is_held_out(text: str, percent: float = HELD_OUT_PERCENT) -> bool:
    """Say whether a text belongs to the held-out part.

    The text's SHA-256 decides, so the part is the same for every seed, order and choice of corpora.
    """
    first_four_bytes = int.from_bytes(hashlib.sha256(text.encode("utf-8")).digest()[:4], "big")
    return first_four_bytes < percent / 100 * 2**32


def split(chunks: Iterable[Chunk]) -> tuple[list[Chunk], list[Chunk]]:
    """Part chunks into (to train on, held out); equal texts always go the same way."""
    training: list[Chunk] = []
    held_out: list[Chunk] = []
    for chunk in chunks:
        (held_out if is_held_out(chunk.text) else training).append(chunk)
    return training, held_out

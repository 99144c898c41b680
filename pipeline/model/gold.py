"""Wikinews sentences annotated by hand: ``gold/wikinews_train.jsonl`` and ``wikinews_test.jsonl``.

A line is a JSON object: ``article`` (an id of ``gold/articles.tsv``), ``sentence`` (its number in
the article, -1 for the title), ``text``, and ``spans``, a list of [start, end, label] as in the
entity corpora. No article is in both parts. The guidelines are in ``gold/GUIDE.md``.

The files lie in a checkout and not in an installed package: they are for training and scoring.
"""

import dataclasses
import itertools
import json
import pathlib
from collections.abc import Iterable, Sequence
from typing import Literal

from pipeline.model.corpus import Chunk, CorpusError, Span, parse_line

CORPUS = "wikinews"
TITLE = -1
CHUNK_SENTENCES = 4
"""Sentences of a training chunk: the other corpora were cut into chunks of 4 to 6."""


@dataclasses.dataclass(frozen=True)
class GoldSentence:
    """One annotated sentence or title as a chunk of its own."""

    article: str
    number: int
    chunk: Chunk


def gold_folder() -> pathlib.Path:
    """Return the folder of the annotated files; it is not there in an installed package."""
    return pathlib.Path(__file__).resolve().parent / "gold"


def read_gold(
    part: Literal["train", "test"], folder: pathlib.Path | None = None
) -> list[GoldSentence]:
    """Return the annotated sentences of a part, in the order of the file.

    Raises CorpusError when the file is absent or a line cannot be used.
    """
    path = (folder or gold_folder()) / f"wikinews_{part}.jsonl"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise CorpusError(
            f"{path}: not there; it is in a checkout only (or give --without {CORPUS})"
        ) from error
    return [_parse(line, f"{path}:{number}") for number, line in enumerate(lines, 1)]


def _parse(line: str, place: str) -> GoldSentence:
    try:
        row = json.loads(line)
        article, number = str(row["article"]), int(row["sentence"])
        array = json.dumps([CORPUS, row["text"], row["spans"], []])
    except (ValueError, TypeError, KeyError) as error:
        raise CorpusError(f"{place}: expected article, sentence, text and spans") from error
    return GoldSentence(article, number, parse_line(array, place))


def training_chunks(sentences: Iterable[GoldSentence]) -> list[Chunk]:
    """Join the sentences of an article by ``CHUNK_SENTENCES``; a title is a chunk of its own."""
    chunks: list[Chunk] = []
    for _, rows in itertools.groupby(sentences, key=lambda each: each.article):
        article = list(rows)
        body = [each.chunk for each in article if each.number != TITLE]
        chunks += [each.chunk for each in article if each.number == TITLE]
        chunks += [
            joined(body[start : start + CHUNK_SENTENCES])
            for start in range(0, len(body), CHUNK_SENTENCES)
        ]
    return chunks


def joined(chunks: Sequence[Chunk]) -> Chunk:
    """Return one chunk of the texts with a space between them; at least one is needed."""
    text = ""
    spans: list[Span] = []
    for chunk in chunks:
        text += " " if text else ""
        spans += [Span(s.start + len(text), s.end + len(text), s.label) for s in chunk.spans]
        text += chunk.text
    return Chunk(chunks[0].corpus, text, tuple(spans))

"""Precision, recall and F1 by label and corpus, with bootstrap intervals.

A predicted name that touches a piece with a missing label is ignored: nobody knows whether it is
right. A name counts as found only with both borders and the label as in the corpus.
"""

import dataclasses
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

from pipeline.model.corpus import Chunk, Span, family

ALL = "all"
Cells = Mapping[tuple[str, str], "Counts"]
"""(corpus or ALL, label or ALL) -> counts."""


@dataclasses.dataclass(frozen=True)
class Counts:
    """Names right, predicted wrongly, and not found."""

    right: int = 0
    wrong: int = 0
    missed: int = 0

    def __add__(self, other: "Counts") -> "Counts":
        return Counts(
            self.right + other.right, self.wrong + other.wrong, self.missed + other.missed
        )

    @property
    def precision(self) -> float:
        """Share of the predicted names that are right; 0 where none was predicted."""
        return self.right / (self.right + self.wrong) if self.right else 0.0

    @property
    def recall(self) -> float:
        """Share of the names that were found; 0 where there are none."""
        return self.right / (self.right + self.missed) if self.right else 0.0

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall."""
        return 2 * self.right / (2 * self.right + self.wrong + self.missed) if self.right else 0.0


def count(chunk: Chunk, predicted: Iterable[Span]) -> dict[str, Counts]:
    """Return counts by label for one chunk; labels that neither side uses are absent."""
    gold = set(chunk.spans)
    known = {
        span
        for span in predicted
        if span in gold
        or not any(start < span.end and span.start < end for start, end in chunk.missing)
    }
    counts: dict[str, Counts] = {}
    for label in {span.label for span in gold | known}:
        gold_here = {span for span in gold if span.label == label}
        known_here = {span for span in known if span.label == label}
        right = len(gold_here & known_here)
        counts[label] = Counts(right, len(known_here) - right, len(gold_here) - right)
    return counts


def total(
    chunks: Sequence[Chunk], counts: Sequence[Mapping[str, Counts]]
) -> dict[tuple[str, str], Counts]:
    """Sum counts over chunks, by corpus and label and over all of either."""
    cells: defaultdict[tuple[str, str], Counts] = defaultdict(Counts)
    for chunk, by_label in zip(chunks, counts, strict=True):
        for label, value in by_label.items():
            for corpus in (family(chunk.corpus), ALL):
                for cell in ((corpus, label), (corpus, ALL)):
                    cells[cell] += value
    return dict(cells)


def mean_f1(cells: Cells) -> float:
    """Return the mean of the corpora's F1, each corpus counting once, large or small."""
    scores = [counts.f1 for (corpus, label), counts in cells.items() if label == ALL != corpus]
    return sum(scores) / len(scores) if scores else 0.0


def boundary_f1(chunks: Sequence[Chunk], predictions: Sequence[Sequence[Span]]) -> float:
    """Return F1 when only the borders of a name have to be right."""
    counts = Counts()
    for chunk, spans in zip(chunks, predictions, strict=True):
        bare = [dataclasses.replace(span, label="") for span in spans]
        gold = tuple(dataclasses.replace(span, label="") for span in chunk.spans)
        for value in count(dataclasses.replace(chunk, spans=gold), bare).values():
            counts += value
    return counts.f1


def bootstrap(
    chunks: Sequence[Chunk],
    counts: Sequence[Mapping[str, Counts]],
    *,
    rounds: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
    documents: Sequence[str] | None = None,
) -> dict[tuple[str, str], tuple[float, float]]:
    """Return an interval of F1 for each cell of ``total``, drawing documents with replacement.

    ``documents`` says which document each chunk is from. Without it each chunk is drawn by itself,
    and the intervals are somewhat too narrow where a document has more than one.
    """
    if documents is not None:
        chunks, counts = _by_document(chunks, counts, documents)
    rng = random.Random(seed)
    rows: defaultdict[tuple[str, str], list[Counts]] = defaultdict(list)
    for chunk, by_label in zip(chunks, counts, strict=True):
        whole = sum(by_label.values(), Counts())
        for corpus in (family(chunk.corpus), ALL):
            rows[corpus, ALL].append(whole)
            if corpus == ALL:
                for label in {label for each in counts for label in each}:
                    rows[ALL, label].append(by_label.get(label, Counts()))
    cut = int(rounds * (1 - confidence) / 2)
    intervals: dict[tuple[str, str], tuple[float, float]] = {}
    for cell, values in sorted(rows.items()):
        scores = sorted(_f1_of_draw(values, rng) for _ in range(rounds))
        intervals[cell] = (scores[cut], scores[-1 - cut])
    return intervals


def _by_document(
    chunks: Sequence[Chunk], counts: Sequence[Mapping[str, Counts]], documents: Sequence[str]
) -> tuple[list[Chunk], list[Mapping[str, Counts]]]:
    """Return one chunk and the summed counts of each document."""
    first: dict[str, Chunk] = {}
    sums: defaultdict[str, defaultdict[str, Counts]] = defaultdict(lambda: defaultdict(Counts))
    for chunk, by_label, document in zip(chunks, counts, documents, strict=True):
        first.setdefault(document, chunk)
        for label, value in by_label.items():
            sums[document][label] += value
    return list(first.values()), [sums[document] for document in first]


def _f1_of_draw(values: Sequence[Counts], rng: random.Random) -> float:
    right = other = 0
    for value in rng.choices(values, k=len(values)):
        right += value.right
        other += value.wrong + value.missed
    return 2 * right / (2 * right + other) if right else 0.0


def difference(
    ours: Sequence[Mapping[str, Counts]],
    theirs: Sequence[Mapping[str, Counts]],
    *,
    documents: Sequence[str] | None = None,
    rounds: int = 1000,
    seed: int = 0,
    confidence: float = 0.95,
) -> tuple[float, float, float]:
    """Return by how much F1 of ``ours`` is above that of ``theirs``, and an interval of it.

    Both are counts of the same chunks; what is drawn is drawn for both, so that the difference is
    known better than either score. ``documents`` as in ``bootstrap``.
    """
    names = documents if documents is not None else [str(n) for n in range(len(ours))]
    sums: defaultdict[str, list[Counts]] = defaultdict(lambda: [Counts(), Counts()])
    for name, *pair in zip(names, ours, theirs, strict=True):
        for side, by_label in enumerate(pair):
            sums[name][side] += sum(by_label.values(), Counts())
    rows = list(sums.values())
    rng = random.Random(seed)
    drawn = sorted(_f1_gap(rng.choices(rows, k=len(rows))) for _ in range(rounds))
    cut = int(rounds * (1 - confidence) / 2)
    return _f1_gap(rows), drawn[cut], drawn[-1 - cut]


def _f1_gap(rows: Sequence[Sequence[Counts]]) -> float:
    ours, theirs = (sum((row[side] for row in rows), Counts()) for side in (0, 1))
    return ours.f1 - theirs.f1


Predict = Callable[[Sequence[str]], Sequence[Sequence[Span]]]


def figures(
    chunks: Sequence[Chunk],
    predict: Predict,
    *,
    rounds: int = 1000,
    documents: Sequence[str] | None = None,
) -> dict[str, object]:
    """Return ``figures_of`` what ``predict`` finds in the chunks."""
    predictions = predict([chunk.text for chunk in chunks])
    return figures_of(chunks, predictions, rounds=rounds, documents=documents)


def figures_of(
    chunks: Sequence[Chunk],
    predictions: Sequence[Sequence[Span]],
    *,
    rounds: int = 1000,
    documents: Sequence[str] | None = None,
) -> dict[str, object]:
    """Return the scores of predictions on chunks as JSON-ready data, intervals included.

    ``documents`` as in ``bootstrap``.
    """
    counts = [count(chunk, spans) for chunk, spans in zip(chunks, predictions, strict=True)]
    cells = total(chunks, counts)
    intervals = bootstrap(chunks, counts, rounds=rounds, documents=documents)
    return {
        "texts": len(chunks),
        "names": sum(len(chunk.spans) for chunk in chunks),
        "mean_f1_of_corpora": round(mean_f1(cells), 4),
        "boundary_f1": round(boundary_f1(chunks, predictions), 4),
        "by_label": {
            label: _row(cells[ALL, label], intervals.get((ALL, label)))
            for corpus, label in sorted(cells)
            if corpus == ALL
        },
        "by_corpus": {
            corpus: _row(cells[corpus, ALL], intervals.get((corpus, ALL)))
            for corpus, label in sorted(cells)
            if label == ALL != corpus
        },
    }


def _row(counts: Counts, interval: tuple[float, float] | None) -> dict[str, object]:
    row: dict[str, object] = {
        "precision": round(counts.precision, 4),
        "recall": round(counts.recall, 4),
        "f1": round(counts.f1, 4),
        "names": counts.right + counts.missed,
    }
    if interval:
        row["f1_interval_95"] = [round(end, 4) for end in interval]
    return row

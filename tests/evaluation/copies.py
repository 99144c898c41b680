"""Edited copies: what is set apart, by kind of edit, and how estimates agree with the truth."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.ledger import Verdict
from tests.evaluation import arms, truth
from tests.evaluation.arms import Signed, Signer
from tests.evaluation.edits import Kind
from tests.evaluation.figures import Bars, Score, Share, table
from tests.evaluation.natural import numbers
from tests.evaluation.texts import Text

BARS = {
    **dict.fromkeys(
        ("agency_header", "boilerplate", "dateline_changed", "typos_3pct", "case_and_spacing"), 0.97
    ),
    **dict.fromkeys(("fifth_of_sentences_dropped", "cut_to_70", "sentences_reordered"), 0.90),
}
LEAST_RECALL, LEAST_PRECISION = 0.97, 0.98


@dataclass(frozen=True, slots=True)
class Copies:
    """The copies of one kind.

    Args:
        originals: what was copied, one for each copy.
        exact: Jaccard similarity of each with its original.
        verdicts: on the copies, after the originals.
        false: originals that were set apart themselves.
        found: originals that datasketch finds and confirms, by copy.
    """

    name: str
    originals: Sequence[Signed]
    copies: Sequence[Signed]
    exact: Sequence[float]
    verdicts: Sequence[Verdict]
    false: int
    found: Sequence[set[int]]

    def own(self) -> list[bool]:
        """Whether each copy was set apart as one of its original."""
        return [
            verdict.kind is not None and verdict.canonical_id == original.id
            for verdict, original in zip(self.verdicts, self.originals, strict=True)
        ]


class Copier:
    """Makes copies and asks everyone about them.

    Args:
        seed: of every edit, together with its kind and the id of the text.
    """

    def __init__(self, bases: Sequence[Text], signer: Signer, seed: int) -> None:
        self._bases = bases
        self._signer = signer
        self._seed = seed
        self._plain = [signer.sign(text.id, text.text) for text in bases]

    def copied(self, kind: Kind) -> Copies:
        originals, signed = [text.text for text in self._bases], self._plain
        if kind.original is not None:
            originals = [
                kind.original(text.text, self._rng("original", text)) for text in self._bases
            ]
            signed = self._signed(originals)
        edited = [
            kind.edit(text, self._rng(kind.name, base))
            for text, base in zip(originals, self._bases, strict=True)
        ]
        copies = self._signed(edited)
        shingles = truth.Shingles()
        first, second = arms.verdicts(signed, copies)
        return Copies(
            kind.name,
            signed,
            copies,
            [
                truth.jaccard(shingles.of(one), shingles.of(other))
                for one, other in zip(originals, edited, strict=True)
            ],
            second,
            sum(verdict.kind is not None for verdict in first),
            _found(signed, copies),
        )

    def mixed(self, kinds: Mapping[str, Kind], each: int) -> list[Text]:
        """The bases, and of each so many copies of kinds drawn by lot."""
        texts = list(self._bases)
        for base in self._bases:
            rng = self._rng("mixed", base)
            for name in rng.sample(sorted(kinds), each):
                edited = kinds[name].edit(base.text, rng)
                texts.append(Text(f"{base.id} {name}", "", edited, None, frozenset()))
        return texts

    def _signed(self, texts: Sequence[str]) -> list[Signed]:
        return [
            self._signer.sign(base.id, text) for base, text in zip(self._bases, texts, strict=True)
        ]

    def _rng(self, what: str, text: Text) -> random.Random:
        return random.Random(f"{self._seed} {what} {text.id}")


def _found(originals: Sequence[Signed], copies: Sequence[Signed]) -> list[set[int]]:
    index = arms.lsh()
    for place, original in enumerate(originals):
        index.insert(place, original.minhash)
    return [
        {place for place in index.query(copy.minhash) if arms.confirmed(originals[place], copy)}
        for copy in copies
    ]


def report(every: Sequence[Copies], bars: Bars) -> Iterator[str]:
    """Yields the lines on copies: verdicts first, then estimates."""
    yield from table(
        (
            *("edit", "copies", "set apart, %", "as another's", "bar"),
            *("exact Jaccard ≥ 0.8", "datasketch", "exact hash"),
        ),
        (_verdict_row(copies, bars) for copies in every),
    )
    false, total = (sum(c.false for c in every), sum(len(c.originals) for c in every))
    yield f"Of the originals, none of which is like another, were set apart: {Share(false, total)}."
    yield ""
    yield from table(
        ("edit", "similar", "ours: P", "R", "F1", "datasketch: P", "R", "F1"),
        (_estimate_row(copies) for copies in every),
    )


def _verdict_row(copies: Copies, bars: Bars) -> list[str]:
    own = copies.own()
    apart = Share(sum(own), len(own))
    others = sum(verdict.kind is not None for verdict in copies.verdicts) - apart.hits
    bar = ""
    if copies.name in BARS:
        bar = bars.least(copies.name, BARS[copies.name], apart.value, str(apart))
    pairs = list(zip(copies.originals, copies.copies, strict=True))
    peers = (
        sum(exact >= arms.THRESHOLD for exact in copies.exact),
        sum(place in found for place, found in enumerate(copies.found)),
        sum(arms.by_hash(*pair) for pair in pairs),
    )
    shares = [Share(hits, len(own)).short() for hits in peers]
    return [copies.name, f"{len(own)}", str(apart), f"{others}", bar, *shares]


def _estimate_row(copies: Copies) -> list[str]:
    similar = [exact >= arms.THRESHOLD for exact in copies.exact]
    pairs = zip(copies.originals, copies.copies, strict=True)
    ours = Score(list(zip(similar, (arms.by_jaccard(*pair) for pair in pairs), strict=True)))
    found = [place in found for place, found in enumerate(copies.found)]
    theirs = Score(list(zip(similar, found, strict=True)))
    return [copies.name, f"{sum(similar)}", *_brief(ours), *_brief(theirs)]


def _brief(score: Score) -> list[str]:
    f1 = f"{score.f1 * 100:.1f}" if score.recall.total else "–"
    return [score.precision.short(), score.recall.short(), f1]


def missed(every: Sequence[Copies], most: int) -> Iterator[str]:
    """Yields lines on up to `most` copies of each kind with a bar that were not set apart."""
    for copies in every:
        places = [place for place, own in enumerate(copies.own()) if not own]
        for place in places[:most] if copies.name in BARS else ():
            one, other = copies.originals[place], copies.copies[place]
            yield f"{copies.name} missed: {numbers(one, other, copies.exact[place])}"


# Estimates on a collection


def report_mixed(texts: Sequence[Text], signer: Signer, bars: Bars) -> Iterator[str]:
    """Yields the lines on all pairs of a collection, by exact similarity."""
    shingles = truth.Shingles()
    similar = set(truth.similar_pairs([shingles.of(text.text) for text in texts], arms.THRESHOLD))
    signed = [signer.sign(text.id, text.text) for text in texts]
    candidates, confirmed = arms.datasketch_pairs(signed)
    yield (
        f"{len(texts)} texts, {len(texts) * (len(texts) - 1) // 2:,} pairs, {len(similar)} of them "
        f"of an exact Jaccard similarity of {arms.THRESHOLD} and more: what the estimates find."
    )
    yield ""
    ours = _collected(similar, arms.our_pairs(signed))
    rows: Sequence[tuple[str, Callable[[], Score]]] = (
        ("ours, Jaccard alone", lambda: ours),
        ("datasketch", lambda: _collected(similar, confirmed)),
        ("datasketch, candidates", lambda: _collected(similar, candidates)),
        ("exact hash", lambda: _collected(similar, arms.hash_pairs(signed))),
    )
    yield from table(
        ("", "precision", "recall", "F1"), ([name, *score().cells()] for name, score in rows)
    )
    recall, precision = ours.recall, ours.precision
    yield f"Recall: {bars.least('recall', LEAST_RECALL, recall.value, str(recall))}."
    said = bars.least("precision", LEAST_PRECISION, precision.value, str(precision))
    yield f"Precision: {said}."
    yield ""


def _collected(similar: arms.Pairs, found: arms.Pairs) -> Score:
    """Of the pairs that are similar or called so; the others, nearly all, say nothing."""
    return Score([(pair in similar, pair in found) for pair in sorted(similar | found)])

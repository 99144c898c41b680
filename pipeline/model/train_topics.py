"""Trains the topic classifier: `python -m pipeline.model.train_topics --data ../shared/data`.

One logistic regression for each topic over the same tf-idf vectors. What its probabilities are
worth, and from which on a topic is given, is settled on predictions for texts that the model had
not seen: the rows are cut into folds, each is predicted by a model of the others, and only then
is the model that ships learned from all of them. The test file is not opened here.

Needs scikit-learn, which the pipeline itself does not: `pip install article-pipeline[dev]`.
"""

from __future__ import annotations

import argparse
import hashlib
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from pipeline.model.topic_data import CODES, PARENTS, TOP, Row, training_rows
from pipeline.model.topic_model import FILE, FOLDER, MAX_CHARS, TopicModel, probable, terms

# All chosen by cross-validation over the rows read by hand; `topics/MODEL_CARD.md` has figures.
MIN_ROWS = 2
INVERSE_PENALTY = 5.0
# 1 would have a rare topic count as much as a frequent one, 0 as its rows do.
BALANCE = 0.5
FOLDS = 4
SEED = 0
MOST = 3
# A topic of the second level adds little where it is right, and annoys where it is wrong.
SECOND_LEVEL_PRECISION = 0.8

Floats = NDArray[np.float64]


class Learned(NamedTuple):
    """float64[V, K] and float64[K]."""

    weights: Floats
    bias: Floats


class Labels(NamedTuple):
    """int8[N, K]: whether a row has a topic; float64[N, K]: how much that counts, 0: unknown."""

    has: NDArray[np.int8]
    weight: Floats


def labels(rows: Sequence[Row]) -> Labels:
    """What is known of each row, by topic."""
    has = np.zeros((len(rows), len(CODES)), dtype=np.int8)
    weight = np.zeros((len(rows), len(CODES)))
    for at, row in enumerate(rows):
        for topic, code in enumerate(CODES):
            has[at, topic] = code in row.topics
            weight[at, topic] = 0.0 if code in row.unknown else row.weight
    return Labels(has, weight)


def learn(vectors: Any, known: Labels) -> Learned:
    """A logistic regression for each topic over `vectors`, sparse[N, V]."""

    def one(topic: int) -> tuple[Floats, float]:
        rows = known.weight[:, topic] > 0
        has, weight = known.has[rows, topic], known.weight[rows, topic].copy()
        ratio = weight[has == 0].sum() / weight[has == 1].sum()
        weight[has == 1] *= ratio**BALANCE
        model = LogisticRegression(C=INVERSE_PENALTY, solver="liblinear", random_state=SEED)
        model.fit(vectors[rows], has, sample_weight=weight)
        return model.coef_[0], float(model.intercept_[0])

    with ThreadPoolExecutor() as threads:
        learned = list(threads.map(one, range(len(CODES))))
    return Learned(np.array([w for w, _ in learned]).T, np.array([b for _, b in learned]))


def unseen_sums(vectors: Any, known: Labels, folds: NDArray[np.int64]) -> Floats:
    """float64[N, K]: what a model of the other folds makes of each row."""
    sums = np.zeros(known.weight.shape)
    for fold in range(FOLDS):
        inside = folds == fold
        learned = learn(vectors[~inside], Labels(known.has[~inside], known.weight[~inside]))
        sums[inside] = vectors[inside] @ learned.weights + learned.bias
        print(f"fold {fold + 1} of {FOLDS}", file=sys.stderr)
    return sums


def calibrate(sums: Floats, lengths: Floats, known: Labels) -> Floats:
    """float64[3, K]: what to multiply a sum by, and the logarithm of a length, and what to add, to
    have Platt's sigmoid make a probability of it.

    Args:
        lengths: float64[N], logarithms of the numbers of known terms.
    """
    sigmoids = np.zeros((3, len(CODES)))
    for topic in range(len(CODES)):
        rows = known.weight[:, topic] > 0
        sigmoid = LogisticRegression(C=1e6, max_iter=1_000)
        sigmoid.fit(
            np.stack([sums[rows, topic], lengths[rows]], axis=1),
            known.has[rows, topic],
            sample_weight=known.weight[rows, topic],
        )
        sigmoids[:2, topic], sigmoids[2, topic] = sigmoid.coef_[0], sigmoid.intercept_[0]
    return sigmoids


def thresholds(probabilities: Floats, known: Labels) -> Floats:
    """float64[K]: from which probability on a topic is given.

    One for all of the top level, where the sum of micro- and macro-F1 is best; for one below it
    the least with `SECOND_LEVEL_PRECISION`.
    """
    level = len(TOP)
    top = Labels(known.has[:, :level], known.weight[:, :level])
    candidates = np.arange(0.1, 0.7, 0.01)
    scores = [sum(f1(probabilities[:, :level], top, one)) for one in candidates]
    found = np.full(len(CODES), candidates[int(np.argmax(scores))])
    for topic in range(level, len(CODES)):
        rows = known.weight[:, topic] > 0
        order = np.argsort(-probabilities[rows, topic])
        right = np.cumsum(known.has[rows, topic][order])
        precision = right / np.arange(1, len(right) + 1)
        last = np.flatnonzero(precision >= SECOND_LEVEL_PRECISION)[-1]
        found[topic] = probabilities[rows, topic][order][last]
    return found


def f1(probabilities: Floats, known: Labels, threshold: float) -> tuple[float, float]:
    """Micro- and macro-F1, weighted, of what is given from `threshold` on, `MOST` topics a row."""
    ranks = np.argsort(np.argsort(-probabilities, axis=1), axis=1)
    given = (probabilities >= threshold) & (ranks < MOST)
    right = (known.weight * (given & (known.has == 1))).sum(axis=0)
    wrong = (known.weight * (given & (known.has == 0))).sum(axis=0)
    missed = (known.weight * (~given & (known.has == 1))).sum(axis=0)
    micro = 2 * right.sum() / (2 * right + wrong + missed).sum()
    return float(micro), float((2 * right / (2 * right + wrong + missed)).mean())


def train(data: Path) -> TopicModel:
    """The model learned from the rows in `data`; says on stderr how far it is.

    Raises:
        OSError: a file is missing there.
    """
    rows, read = training_rows(data)
    rows = [row for row in [*rows, *read] if row.weight]
    print(f"{len(rows):,} rows, {len(read)} of them read by hand", file=sys.stderr)
    tfidf = TfidfVectorizer(
        analyzer=lambda row: terms(row.text[:MAX_CHARS]), min_df=MIN_ROWS, sublinear_tf=True
    )
    vectors = sp.csr_matrix(tfidf.fit_transform(rows))
    known = labels(rows)
    folds = np.random.default_rng(SEED).integers(0, FOLDS, len(rows))
    sums = unseen_sums(vectors, known, folds)
    lengths = np.log1p(np.diff(vectors.indptr)).astype(np.float64)
    sigmoids = calibrate(sums, lengths, known)
    probabilities = probable(sums, lengths[:, None], sigmoids)
    limits = thresholds(probabilities, known)
    learned = learn(vectors, known)
    return pack(tfidf, learned, sigmoids, limits)


def pack(tfidf: TfidfVectorizer, learned: Learned, sigmoids: Floats, limits: Floats) -> TopicModel:
    """The weights in eight bits, the terms that have none left out."""
    scales = np.abs(learned.weights).max(axis=0) / 127
    weights = np.round(learned.weights / scales).astype(np.int8)
    kept = np.flatnonzero(weights.any(axis=1))
    names = [str(name) for name in tfidf.get_feature_names_out()]
    digest = hashlib.sha256(weights[kept].tobytes() + limits.tobytes()).hexdigest()
    return TopicModel(
        version=f"1-{digest[:8]}",
        codes=CODES,
        parents=np.array([CODES.index(PARENTS[code]) if code in PARENTS else -1 for code in CODES]),
        index={names[term]: row for row, term in enumerate(kept)},
        idf=tfidf.idf_[kept].astype(np.float32),
        weights=weights[kept],
        scales=scales.astype(np.float32),
        bias=learned.bias.astype(np.float32),
        sigmoids=sigmoids.astype(np.float32),
        thresholds=limits.astype(np.float32),
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Trains and writes the model."""
    parser = argparse.ArgumentParser(description="Train the topic classifier.")
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--output", type=Path, default=FOLDER / FILE)
    options = parser.parse_args(arguments)
    model = train(options.data)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    model.save(options.output)
    size = options.output.stat().st_size
    print(
        f"{options.output}: version {model.version}, {len(model.index):,} terms, "
        f"{size / 1e6:.1f} MB, topics from {model.thresholds[0]:.2f} on"
    )


if __name__ == "__main__":
    main()

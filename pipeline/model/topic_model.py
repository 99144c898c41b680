"""The topic classifier that ships with the package: one linear model for each topic.

An article becomes a vector of its words and pairs of neighbouring words, weighed by tf-idf
(1 + log tf, length 1; Salton & Buckley 1988). Each topic has weights over them, learned as a
logistic regression of its own, and a sigmoid that makes a
probability of the sum (Platt 1999). As the weights are all there is, what made a topic can be said:
the terms that added most.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FOLDER = Path(__file__).resolve().parent / "topics"
FILE = "topics.npz"
NAME = "topics_linear"

# News says in its first paragraphs what it is about. Of 500 words that is more than all.
MAX_CHARS = 4_000
# Of a word that is longer, so many characters count; words of news have fewer.
MAX_WORD_CHARS = 40

_WORD = re.compile(r"[^\W_]+")
# In the place of a row, which is never below 0.
_UNKNOWN, _STOP = -1, -2
_STOP_WORDS = """
a about after again all also am an and any are as at be because been before being but by can could
did do does doing down during each few for from further had has have having he her here hers him his
how if in into is it its itself just me more most my no nor not of off on once only or other our out
over own re said same say says she should so some such than that the their them then there these
they this those through to too under until up very was we were what when where which while who whom
why will with would you your yours ll ve don didn isn wasn doesn aren couldn wouldn mr mrs ms
monday tuesday wednesday thursday friday saturday sunday january february march april may june july
august september october november december year years day days week weeks month months today
yesterday tomorrow
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())


def terms(text: str) -> list[str]:
    """The words that count, in lower case, and the pairs of those that follow each other.

    >>> terms("Shares of Acme's rivals fell.")
    ['shares', 'acme', 'rivals', 'fell', 'shares acme', 'acme rivals', 'rivals fell']
    """
    words = [
        word[:MAX_WORD_CHARS]
        for word in _WORD.findall(text.lower())
        if len(word) > 1 and word not in STOP_WORDS and not word.isdigit()
    ]
    return words + [f"{one} {two}" for one, two in itertools.pairwise(words)]


@dataclass(frozen=True)
class Given:
    """A topic given to an article.

    Attributes:
        code: of the topic, `medtop:…`.
        score: its probability, 0 to 1.
        evidence: the terms that spoke most for it, the strongest first.
    """

    code: str
    score: float
    evidence: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class TopicModel:
    """The weights.

    Attributes:
        version: changes with them.
        codes: of the topics, K.
        parents: for each the position of the topic it is a part of; -1 for the top level.
        index: term -> its row.
        idf: float32[V].
        weights: int8[V, K].
        scales: float32[K]; a weight is its int8 times this.
        bias: float32[K].
        sigmoids: float32[3, K]; see `probable`.
        thresholds: float32[K]; a topic is given from this probability on.
    """

    version: str
    codes: tuple[str, ...]
    parents: NDArray[np.int64]
    index: dict[str, int]
    idf: NDArray[np.float32]
    weights: NDArray[np.int8]
    scales: NDArray[np.float32]
    bias: NDArray[np.float32]
    sigmoids: NDArray[np.float32]
    thresholds: NDArray[np.float32]

    def vector(
        self, title: str | None, body: str, *, max_chars: int = MAX_CHARS
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """The rows of the terms of an article, and how much each counts; empty where none is known.

        Args:
            max_chars: of title and body each; what stands after them is not read.
        """
        found = Counter(self._rows((title or "")[:max_chars]))
        found.update(self._rows(body[:max_chars]))
        rows = np.fromiter(found.keys(), np.int64, len(found))
        counts = np.fromiter(found.values(), np.float32, len(found))[rows >= 0]
        rows = rows[rows >= 0]
        values = (1 + np.log(counts)) * self.idf[rows]
        length = float(np.sqrt((values**2).sum()))
        return rows, values / length if length else values

    def _rows(self, text: str) -> list[int]:
        """The rows of `terms(text)`, below 0 where there is none.

        No text is made of every pair, which would take as long as all the rest.
        """
        words, pairs = self._words, self._pairs
        found = []
        for word in _WORD.findall(text.lower()):
            row = words.get(word)
            if row is None:
                if len(word) < 2 or word.isdigit():
                    continue
                row = words.get(word[:MAX_WORD_CHARS], _UNKNOWN)
            elif row == _STOP:
                continue
            found.append(row)
        found += [pairs.get(pair, _UNKNOWN) for pair in itertools.pairwise(found)]
        return found

    @functools.cached_property
    def _words(self) -> dict[str, int]:
        """Rows of words; a word that is in pairs alone has a number below all rows instead."""
        words = dict.fromkeys(STOP_WORDS, _STOP)
        words |= {term: row for term, row in self.index.items() if " " not in term}
        for term in self.index:
            for word in term.split(" "):
                words.setdefault(word, -3 - len(words))
        return words

    @functools.cached_property
    def _pairs(self) -> dict[tuple[int, int], int]:
        words = self._words
        parts = ((term.partition(" "), row) for term, row in self.index.items())
        return {(words[one], words[two]): row for (one, space, two), row in parts if space}

    def probabilities(
        self, rows: NDArray[np.int64], values: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """float64[K], by topic; each by itself, so that they need not add up to 1."""
        sums = (values @ self.weights[rows].astype(np.float32)) * self.scales + self.bias
        return probable(sums, np.log1p(len(rows)), self.sigmoids)

    def give(
        self, title: str | None, body: str, *, most: int = 3, evidence: int = 3
    ) -> tuple[Given, ...]:
        """The topics of an article, the surest first; none where none is sure enough.

        A topic of the second level is given with the one it is a part of, never without.

        Args:
            most: topics of each level.
            evidence: terms named for each topic.
        """
        rows, values = self.vector(title, body)
        if not len(rows):
            return ()
        probabilities = self.probabilities(rows, values)
        sure = probabilities >= self.thresholds
        top = self.parents < 0
        chosen = _surest(probabilities, sure & top, most)
        below = _surest(probabilities, sure & np.isin(self.parents, chosen), most)
        for topic in below:
            # What is of a part is of the whole: a sum of its own may say less.
            parent = self.parents[topic]
            probabilities[parent] = max(probabilities[parent], probabilities[topic])
        chosen = _surest(probabilities, np.isin(np.arange(len(sure)), chosen), most) + below
        return tuple(
            Given(
                self.codes[topic],
                round(float(probabilities[topic]), 4),
                self._evidence(rows, values, topic, evidence),
            )
            for topic in chosen
        )

    def _evidence(
        self, rows: NDArray[np.int64], values: NDArray[np.float32], topic: int, most: int
    ) -> tuple[str, ...]:
        added = values * self.weights[rows, topic]
        best = [int(place) for place in np.argsort(-added, kind="stable")[:most]]
        return tuple(self._terms[rows[place]] for place in best if added[place] > 0)

    @functools.cached_property
    def _terms(self) -> list[str]:
        return list(self.index)

    def save(self, path: Path) -> None:
        """Writes the model to a file; the same model is the same bytes but for the time in it."""
        np.savez_compressed(
            path,
            version=np.array(self.version),
            codes=np.array(self.codes),
            terms=np.frombuffer("\n".join(self.index).encode(), dtype=np.uint8),
            idf=self.idf.astype(np.float16),
            **{name: getattr(self, name) for name in _ARRAYS},
        )


_ARRAYS = ("parents", "weights", "scales", "bias", "sigmoids", "thresholds")


def probable(sums: NDArray[Any], length: Any, sigmoids: NDArray[Any]) -> NDArray[np.float64]:
    """Probabilities of sums, both [..., K], by a sigmoid for each topic.

    A long text spreads its vector over more terms, and its sums are smaller for it.

    Args:
        length: the logarithm of 1 + the number of known terms, a number or [..., 1].
        sigmoids: [3, K]: factor of the sum, factor of the length, and what is added.
    """
    by_sum, by_length, added = sigmoids
    result: NDArray[np.float64] = 1 / (1 + np.exp(-(by_sum * sums + by_length * length + added)))
    return result


def _surest(probabilities: NDArray[np.float64], among: NDArray[Any], most: int) -> list[int]:
    order = np.argsort(-probabilities, kind="stable")
    return [int(topic) for topic in order if among[topic]][:most]


def load(path: Path) -> TopicModel:
    """The model in a file.

    Raises:
        OSError: it cannot be read.
        ValueError, KeyError: it is no such file.
    """
    with np.load(path, allow_pickle=False) as file:
        words = file["terms"].tobytes().decode().split("\n")
        return TopicModel(
            version=str(file["version"]),
            codes=tuple(str(code) for code in file["codes"]),
            index={term: row for row, term in enumerate(words)},
            idf=file["idf"].astype(np.float32),
            **{name: file[name] for name in _ARRAYS},
        )


@functools.cache
def shipped() -> TopicModel:
    """The model of this installation; loaded once a process."""
    return load(FOLDER / FILE)

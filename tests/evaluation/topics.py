"""Topics: the shipped classifier beside a keyword lexicon, the commonest topic, and others.

Corpora: the held-out part of what it learned from (one topic a text, the newspaper's section), and
two that were read by hand for this, all topics of each text: press releases of 2024 to 2026, a
kind and a time that it has never seen, and Wikinews articles that it has not seen.
"""

from __future__ import annotations

import gzip
import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from pipeline.model.topic_data import (
    PARENTS,
    TOP,
    Row,
    topic_rows,
    training_rows,
    wikinews,
)
from pipeline.model.topic_model import MAX_CHARS, shipped
from pipeline.transforms.media_topics import lineage, vocabulary
from tests.evaluation.figures import table

LABELS = Path(__file__).parent
# A topic with fewer texts says nothing of its own.
LEAST_TEXTS = 3
HASHES = 2**17
TEXTCAT_EPOCHS = 5
TEXTCAT_DEV = 0.05


class Text(NamedTuple):
    """A text and the topics it is known to have, of the top level, the main one first."""

    title: str | None
    body: str
    topics: tuple[str, ...]


Arm = Callable[[Sequence[Text]], list[tuple[str, ...]]]


class Score(NamedTuple):
    """Of one arm on one corpus; F1 of sets of topics of the top level.

    Args:
        micro, macro: over all, and the mean over the topics with `LEAST_TEXTS` texts or more.
        first: how often the surest topic is the main one.
        covered: how often there is any.
    """

    micro: float
    macro: float
    first: float
    covered: float


def corpora(data: Path) -> dict[str, list[Text]]:
    """The corpora by name."""
    rows = list(topic_rows(data / "topics" / "topic_test.jsonl.gz"))
    held_out = {
        source: [Text(None, row.text, row.topics[:1]) for row in rows if row.source == source]
        for source in ("huffpost", "wikinews")
    }
    texts = wikinews(data)
    with gzip.open(data / "text" / "press_releases_2024_2026.jsonl.gz", "rt") as file:
        texts |= {row["id"]: f"{row['title']}\n{row['text']}" for row in map(json.loads, file)}
    return {
        "held-out part": [*held_out["huffpost"], *held_out["wikinews"]],
        "its headlines": held_out["huffpost"],
        "press releases": labelled("topics_second_1.jsonl", texts),
        "Wikinews": labelled("topics_second_2.jsonl", texts),
    }


def labelled(name: str, texts: dict[str, str]) -> list[Text]:
    """The texts that `tests/evaluation/NAME` has topics for."""
    found = []
    for line in (LABELS / name).read_text("utf-8").splitlines():
        label = json.loads(line)
        title, _, body = texts[label["id"]].partition("\n")
        found.append(Text(title, body, tuple(f"medtop:{one}000000" for one in label["topics"])))
    return found


def classifier(texts: Sequence[Text]) -> list[tuple[str, ...]]:
    """What the shipped model gives."""
    model = shipped()
    return [
        tuple(one.code for one in model.give(text.title, text.body) if one.code in TOP)
        for text in texts
    ]


def lexicon(texts: Sequence[Text]) -> list[tuple[str, ...]]:
    """The topics whose concepts' names stand in the text most often: the best, and any half as
    frequent."""
    words: dict[str, Counter[str]] = {}
    for concept in vocabulary().values():
        top = lineage(concept.code)[-1]
        for name in {concept.name.lower(), *re.findall(r"\w{5,}", concept.name.lower())}:
            words.setdefault(name, Counter())[top] += 1
    names = "|".join(map(re.escape, sorted(words, key=len, reverse=True)))
    expression = re.compile(rf"\b(?:{names})s?\b")
    given = []
    for text in joined(texts):
        found: Counter[str] = Counter()
        for match in expression.findall(text.lower()):
            meanings = words.get(match) or words.get(match.removesuffix("s")) or Counter()
            for code, count in meanings.items():
                found[code] += count / meanings.total()
        best = max(found.values(), default=0)
        given.append(tuple(code for code, count in found.most_common(2) if count >= best / 2))
    return given


def majority_of(corpus: Sequence[Text]) -> Arm:
    """Always the commonest topic of the corpus itself: more than one could know beforehand."""
    (code, _), *_ = Counter(text.topics[0] for text in corpus if text.topics).most_common(1)
    return lambda texts: [(code,)] * len(texts)


def hashed(rows: Sequence[Row]) -> Arm:
    """A support vector machine over hashed words and pairs: one topic a text, always."""
    known = [row for row in rows if row.topics]
    model = make_pipeline(
        HashingVectorizer(n_features=HASHES, ngram_range=(1, 2), alternate_sign=False, norm=None),
        TfidfTransformer(sublinear_tf=True),
        LinearSVC(C=0.3, class_weight="balanced"),
    )
    model.fit([row.text for row in known], [row.topics[0] for row in known])
    return lambda texts: [
        (str(code),)
        for code in model.predict([f"{t.title or ''}\n{t.body}"[:4_000] for t in texts])
    ]


def joined(texts: Sequence[Text]) -> list[str]:
    """Title and body in one, as much of them as the shipped model reads."""
    return [f"{text.title or ''}\n{text.body}"[:MAX_CHARS] for text in texts]


def textcat(rows: Sequence[Row], architecture: str) -> Arm:
    """spaCy's text classifier, for several topics a text; `TEXTCAT_EPOCHS` over the rows.

    Rows read by hand are there as often as they weigh for ours. From which score on a topic is
    given is chosen on a part of the rows that is not learned from.
    """
    import spacy
    from spacy.training import Example
    from spacy.util import fix_random_seed, minibatch

    fix_random_seed(0)
    nlp = spacy.blank("en")
    model = TEXTCATS[architecture]
    nlp.add_pipe("textcat_multilabel", config={"model": model})
    random = np.random.default_rng(0)
    kept = [row for row in rows if row.weight and random.random() >= TEXTCAT_DEV]
    learned = set(kept)
    dev = [row for row in rows if row.weight and row not in learned]
    examples = [
        Example.from_dict(
            nlp.make_doc(row.text[:1_000]),
            {"cats": {code: float(code in row.topics) for code in TOP}},
        )
        for row in kept
        for _ in range(max(1, round(row.weight)))
    ]
    optimizer = nlp.initialize(lambda: examples[:2_000])
    for _ in range(TEXTCAT_EPOCHS):
        random.shuffle(examples)  # type: ignore[arg-type]
        for batch in minibatch(examples, 64):
            nlp.update(batch, sgd=optimizer, drop=0.2)

    def scores(texts: Sequence[Text]) -> list[list[tuple[str, float]]]:
        docs = nlp.pipe(joined(texts), batch_size=64)
        return [sorted(doc.cats.items(), key=lambda item: -item[1])[:3] for doc in docs]

    def given(ranked: list[list[tuple[str, float]]], least: float) -> list[tuple[str, ...]]:
        return [tuple(code for code, score in one if score >= least) for one in ranked]

    known = [Text(None, row.text, tuple(c for c in row.topics if c in TOP)) for row in dev]
    ranked = scores(known)
    least = max(
        np.arange(0.05, 0.6, 0.05), key=lambda one: sum(score(known, given(ranked, one))[:2])
    )
    return lambda texts: given(scores(texts), float(least))


TEXTCATS: dict[str, dict[str, object]] = {
    "words": {
        "@architectures": "spacy.TextCatBOW.v3",
        "exclusive_classes": False,
        "ngram_size": 2,
        "length": HASHES,
        "no_output_layer": False,
    },
    "network": {
        "@architectures": "spacy.TextCatReduce.v1",
        "exclusive_classes": False,
        "use_reduce_first": False,
        "use_reduce_last": False,
        "use_reduce_max": True,
        "use_reduce_mean": True,
        "tok2vec": {
            "@architectures": "spacy.HashEmbedCNN.v2",
            "pretrained_vectors": None,
            "width": 64,
            "depth": 2,
            "embed_size": 4_000,
            "window_size": 1,
            "maxout_pieces": 3,
            "subword_features": True,
        },
    },
}


def score(texts: Sequence[Text], given: Sequence[tuple[str, ...]]) -> Score:
    """How well `given` fits the topics of `texts`."""
    right, wrong, missed = counts(texts, given)
    enough = [code for code in TOP if sum(code in text.topics for text in texts) >= LEAST_TEXTS]
    macro = sum(f1(right[code], wrong[code], missed[code]) for code in enough) / len(enough)
    first = sum(
        bool(codes) and codes[0] == text.topics[0]
        for text, codes in zip(texts, given, strict=True)
        if text.topics
    )
    return Score(
        f1(right.total(), wrong.total(), missed.total()),
        macro,
        first / len(texts),
        sum(map(bool, given)) / len(texts),
    )


def counts(
    texts: Sequence[Text], given: Sequence[tuple[str, ...]]
) -> tuple[Counter[str], Counter[str], Counter[str]]:
    """By topic: given and right, given and wrong, missed."""
    right: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    missed: Counter[str] = Counter()
    for text, codes in zip(texts, given, strict=True):
        right.update(set(codes) & set(text.topics))
        wrong.update(set(codes) - set(text.topics))
        missed.update(set(text.topics) - set(codes))
    return right, wrong, missed


def f1(right: int, wrong: int, missed: int) -> float:
    """0 where nothing is right."""
    return 2 * right / (2 * right + wrong + missed) if right else 0.0


def report(data: Path, *, peers: bool, textcats: bool) -> Iterator[str]:
    """Yields every line of the tables.

    Args:
        peers: trains a support vector machine over hashed words (20 s).
        textcats: trains spaCy's text classifiers (many minutes).
    """
    sets = corpora(data)
    arms: dict[str, Arm] = {"shipped": classifier, "lexicon": lexicon}
    rows, read = training_rows(data) if peers or textcats else ([], [])
    if peers:
        arms["hashed words, SVM"] = hashed([*rows, *read])
    if textcats:
        arms |= {f"spaCy, {one}": textcat([*rows, *read], one) for one in TEXTCATS}
    lines = []
    for name, texts in sets.items():
        for arm_name, arm in {**arms, "the commonest": majority_of(texts)}.items():
            began = time.perf_counter()
            scored = score(texts, arm(texts))
            rate = len(texts) / (time.perf_counter() - began)
            lines.append(
                (
                    *(f"{name} ({len(texts):,})", arm_name),
                    *(f"{100 * value:.1f}" for value in scored),
                    f"{rate:,.0f}" if arm_name != "the commonest" else "",
                )
            )
    head = ("topics, on", "by", "micro F1", "macro F1", "first right", "with any", "texts/s")
    yield from table(head, lines)
    yield from by_topic(sets)
    yield from second_level(data)


def by_topic(sets: dict[str, list[Text]]) -> Iterator[str]:
    """F1 of the shipped model by topic and corpus, with the texts that have it."""
    found = {name: counts(texts, classifier(texts)) for name, texts in sets.items()}
    lines = []
    for code in TOP:
        cells = [code, vocabulary()[code].name]
        for right, wrong, missed in found.values():
            texts = right[code] + missed[code]
            value = f1(right[code], wrong[code], missed[code])
            cells.append(f"{100 * value:.0f} ({texts})" if texts >= LEAST_TEXTS else f"- ({texts})")
        lines.append(tuple(cells))
    yield from table(("topic", "name", *(f"F1 {name} (texts)" for name in sets)), lines)


def second_level(data: Path) -> Iterator[str]:
    """Precision and recall of the second level, on the held-out texts of sections of one topic."""
    rows = [
        row
        for row in topic_rows(data / "topics" / "topic_test.jsonl.gz")
        if row.source == "huffpost"
    ]
    given = [{one.code for one in shipped().give(None, row.text)} for row in rows]
    lines = []
    for code in PARENTS:
        has = [code in row.topics for row in rows]
        got = [code in codes for codes in given]
        both = sum(a and b for a, b in zip(has, got, strict=True))
        lines.append(
            (
                *(code, vocabulary()[code].name, str(sum(has))),
                f"{100 * both / max(1, sum(got)):.0f}",
                f"{100 * both / max(1, sum(has)):.0f}",
            )
        )
    yield from table(("second level", "name", "texts", "precision", "recall"), lines)

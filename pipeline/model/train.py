"""Train the shipped model: ``python -m pipeline.model.train --data DIR --output DIR``.

The same data, options, seed and library versions give the same weights on one thread. Training ends
after a fixed number of steps, never by the clock. The dev part chooses the checkpoint; the held-out
part (see ``corpus.is_held_out``) is scored once, at the end: never trained on, never chosen by.
"""

import argparse
import dataclasses
import json
import pathlib
import random
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence

import spacy
from spacy.language import Language
from thinc.api import Adam, fix_random_seed, use_ops

from pipeline.model import DEFAULT_MODEL_NAME, default_model_path, evaluate, gazetteer, gold
from pipeline.model.augment import Rates, name_pools
from pipeline.model.cleaning import CleaningRules, clean
from pipeline.model.corpus import LABELS, Chunk, CorpusError, Span, family, read_chunks, split
from pipeline.model.examples import draw_batches, draw_chunks, to_example

VERSION = "1.1.0"
POOL_CORPORA = ("crossner", "ewt", "gum", "re3d", "redocred", "wikigold", "wikinews")
"""Corpora that lend names: not btc, whose names are often user names, nor gmb, whose labels err."""
LICENCE = (
    "Weights: as the training data allow; see MODEL_CARD.md for sources, licences and attribution. "
    "No licence was found for the annotations of the Groningen Meaning Bank (gmb)."
)


@dataclasses.dataclass(frozen=True)
class Recipe:
    """Everything that decides the weights, beside the data and the library versions."""

    seed: int = 0
    max_steps: int = 6_000
    batch_words: int = 1_500
    evaluate_every: int = 1_500
    generated_share: float = 0.15
    learn_rate: float = 0.0015
    warmup_steps: int = 250
    dropout: float = 0.1
    width: int = 96
    depth: int = 4
    rows: tuple[int, int, int, int] = (14_000, 2_500, 6_000, 2_500)
    rates: Rates = dataclasses.field(default_factory=Rates)


def blank_pipeline(recipe: Recipe) -> Language:
    """Return an untrained pipeline: a sentencizer, and the recogniser with its token vectors."""
    nlp = spacy.blank("en")
    nlp.add_pipe("sentencizer")
    tok2vec = {
        "@architectures": "spacy.Tok2Vec.v2",
        "embed": {
            "@architectures": "spacy.MultiHashEmbed.v2",
            "width": recipe.width,
            "attrs": ["NORM", "PREFIX", "SUFFIX", "SHAPE"],
            "rows": list(recipe.rows),
            "include_static_vectors": False,
        },
        "encode": {
            "@architectures": "spacy.MaxoutWindowEncoder.v2",
            "width": recipe.width,
            "depth": recipe.depth,
            "window_size": 1,
            "maxout_pieces": 3,
        },
    }
    nlp.add_pipe("ner", config={"model": {"tok2vec": tok2vec}})
    return nlp


def with_weights(recipe: Recipe, weights: bytes) -> Language:
    """Return a pipeline with trained weights and a new vocabulary.

    The vocabulary used in training holds every word of the training texts; it is left behind.
    """
    nlp = blank_pipeline(recipe)
    nlp.from_bytes(weights, exclude=["vocab"])
    return nlp


def learn_rate(step: int, recipe: Recipe) -> float:
    """Return the rate of a step: up in a line over the warm-up, then down to a hundredth."""
    if step < recipe.warmup_steps:
        return recipe.learn_rate * (step + 1) / recipe.warmup_steps
    rest = max(1, recipe.max_steps - recipe.warmup_steps)
    return recipe.learn_rate * max(0.01, 1 - (step - recipe.warmup_steps) / rest)


def predictor(nlp: Language) -> evaluate.Predict:
    """Return a function from texts to the spans that ``nlp`` finds."""

    def predict(texts: Sequence[str]) -> list[list[Span]]:
        return [
            [Span(entity.start_char, entity.end_char, entity.label_) for entity in doc.ents]
            for doc in nlp.pipe(texts, batch_size=64)
        ]

    return predict


def train(
    recipe: Recipe,
    chunks: Sequence[Chunk],
    dev: Sequence[Chunk],
    report: Callable[[str], None] = lambda line: None,
    tick: Callable[[int], None] = lambda step: None,
) -> bytes:
    """Return the weights of the step, among those scored, with the best mean F1 on ``dev``.

    ``chunks`` are cleaned training chunks without held-out ones; at least one. Weights are running
    averages over the steps; ``with_weights`` reads them. ``report`` gets a line at each scored
    step, ``tick`` the number of each step.
    """
    fix_random_seed(recipe.seed)
    rng = random.Random(recipe.seed)
    nlp = blank_pipeline(recipe)
    for label in LABELS:
        nlp.get_pipe("ner").add_label(label)  # type: ignore[attr-defined]
    pools = name_pools(chunks, POOL_CORPORA)
    first = [to_example(nlp, chunk) for chunk in chunks[:100]]
    optimizer = Adam(
        recipe.learn_rate, L2=0.01, grad_clip=1.0, use_averages=True, L2_is_weight_decay=True
    )
    nlp.initialize(lambda: first, sgd=optimizer)
    drawn = draw_chunks(chunks, pools, recipe.rates, recipe.generated_share, rng)
    batches = draw_batches(nlp, drawn, recipe.batch_words)
    best_score, best_weights = -1.0, b""
    losses: dict[str, float] = {}
    words, started = 0, time.monotonic()
    for step in range(1, recipe.max_steps + 1):
        optimizer.learn_rate = learn_rate(step - 1, recipe)
        batch = next(batches)
        nlp.update(batch, sgd=optimizer, drop=recipe.dropout, losses=losses)
        words += sum(len(example.reference) for example in batch)
        tick(step)
        if step % recipe.evaluate_every and step != recipe.max_steps:
            continue
        with nlp.use_params(optimizer.averages):
            cells = scores(dev, predictor(nlp))
            score = evaluate.mean_f1(cells)
            if score > best_score:
                best_score, best_weights = score, nlp.to_bytes(exclude=["vocab"])
        speed = words / (time.monotonic() - started)
        report(
            f"step {step}/{recipe.max_steps} words {words:,} ({speed:,.0f}/s) "
            f"loss {losses['ner']:,.0f} dev mean {score:.4f} {by_corpus(cells)}"
        )
        losses.clear()
    return best_weights


def scores(chunks: Sequence[Chunk], predict: evaluate.Predict) -> evaluate.Cells:
    """Return the counts of ``predict`` on chunks, by corpus and label."""
    predictions = predict([chunk.text for chunk in chunks])
    counts = [evaluate.count(c, spans) for c, spans in zip(chunks, predictions, strict=True)]
    return evaluate.total(chunks, counts)


def by_corpus(cells: evaluate.Cells) -> str:
    """Return the F1 of each corpus in one line."""
    return " ".join(
        f"{corpus} {counts.f1:.3f}"
        for (corpus, label), counts in sorted(cells.items())
        if label == evaluate.ALL
    )


def measure_speed(nlp: Language, texts: Sequence[str]) -> float:
    """Return tokens per second of ``nlp.pipe`` in this process, after one pass to warm up."""
    for _ in nlp.pipe(texts[:64]):
        pass
    started = time.perf_counter()
    words = sum(len(doc) for doc in nlp.pipe(texts, batch_size=64))
    return words / (time.perf_counter() - started)


def describe(
    nlp: Language, recipe: Recipe, performance: Mapping[str, object], corpora: Sequence[str]
) -> None:
    """Fill in what ``meta.json`` says of the model."""
    nlp.meta.update(
        {
            # spaCy puts the language before the name: en + articles_sm.
            "name": DEFAULT_MODEL_NAME.removeprefix("en_"),
            "version": VERSION,
            "description": "Names in English news: PERSON, ORG, LOC, NORP, MISC. No vectors.",
            "author": "article-pipeline",
            "license": LICENCE,
            "spacy_version": ">=3.8.0,<3.9.0",
            "sources": [{"name": corpus} for corpus in corpora],
            "performance": dict(performance),
            "recipe": dataclasses.asdict(recipe),
        }
    )


def save(nlp: Language, output: pathlib.Path) -> None:
    """Write the pipeline to ``output``: under another name first, then renamed into place."""
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent, prefix=f".{output.name}-") as scratch:
        nlp.to_disk(pathlib.Path(scratch, "new"))
        if output.exists():
            output.rename(pathlib.Path(scratch, "old"))
        pathlib.Path(scratch, "new").rename(output)


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    recipe = Recipe()
    result = argparse.ArgumentParser(
        prog="python -m pipeline.model.train",
        description="Train the entity model and score it on a part held out.",
        epilog="example: OMP_NUM_THREADS=1 python -m pipeline.model.train "
        "--data ../shared/data/ner --output /tmp/model --max_steps 2000 --without gmb",
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    add = result.add_argument
    path = pathlib.Path
    add("--data", type=path, required=True, help="folder of train.jsonl.gz and dev.jsonl.gz")
    add("--output", type=path, default=default_model_path(), help="folder to write or replace")
    add("--seed", type=int, default=recipe.seed, help="same seed, same weights")
    add("--max_steps", type=int, default=recipe.max_steps, help="training steps")
    add("--batch_words", type=int, default=recipe.batch_words, help="words of a step, at least")
    add("--evaluate_every", type=int, default=recipe.evaluate_every, help="steps between scores")
    add(
        "--generated_share",
        type=float,
        default=recipe.generated_share,
        help="share of texts that are generated from templates",
    )
    add(
        "--without",
        action="append",
        default=[],
        metavar="CORPUS",
        help="leave a corpus out of training, e.g. gmb; may be repeated",
    )
    add("--raw_labels", action="store_true", help="train on the labels without repairs")
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """Train, score the held-out part once, write the model.

    Returns 0, or 2 with one line on stderr where options or data cannot be used.
    """
    options = parser().parse_args(argv)
    if min(options.max_steps, options.batch_words, options.evaluate_every) < 1:
        print("--max_steps, --batch_words and --evaluate_every must be at least 1", file=sys.stderr)
        return 2
    recipe = Recipe(
        seed=options.seed,
        max_steps=options.max_steps,
        batch_words=options.batch_words,
        evaluate_every=options.evaluate_every,
        generated_share=options.generated_share,
    )
    try:
        training, held_out = split(read_chunks(options.data / "train.jsonl.gz"))
        dev = read_chunks(options.data / "dev.jsonl.gz")
        by_hand: list[Chunk] = []
        if gold.CORPUS not in options.without:
            by_hand = gold.training_chunks(gold.read_gold("train"))
    except CorpusError as error:
        print(error, file=sys.stderr)
        return 2
    known = {family(chunk.corpus) for chunk in training} | {chunk.corpus for chunk in training}
    known.add(gold.CORPUS)
    if unknown := set(options.without) - known:
        print(f"--without: {min(unknown)} is none of {', '.join(sorted(known))}", file=sys.stderr)
        return 2
    in_dev = {chunk.text for chunk in dev}
    left_out = set(options.without)
    training = [
        chunk
        for chunk in training
        if chunk.text not in in_dev and not {chunk.corpus, family(chunk.corpus)} & left_out
    ]
    held_out = [chunk for chunk in held_out if chunk.text not in in_dev]
    if not training or not dev:
        print("nothing to train on or to choose by; drop a --without", file=sys.stderr)
        return 2
    if not options.raw_labels:
        training = clean(training, CleaningRules(gazetteer.fixed_labels()))
    training += by_hand
    report(f"training on {len(training)} texts, dev {len(dev)}, held out {len(held_out)}")
    with use_ops("numpy"):
        weights = train(recipe, training, dev, report, lambda step: tick(step, recipe.max_steps))
        nlp = with_weights(recipe, weights)
        results = evaluate.figures(held_out, predictor(nlp))
        results["words_per_second"] = round(measure_speed(nlp, [chunk.text for chunk in dev]))
        nlp = with_weights(recipe, weights)
    describe(nlp, recipe, results, sorted({family(chunk.corpus) for chunk in training}))
    save(nlp, options.output)
    print(json.dumps(results, indent=1))
    return 0


def report(line: str) -> None:
    """Print a line of progress, over the step counter where there is one."""
    print(f"\r{line}" if sys.stderr.isatty() else line, file=sys.stderr, flush=True)


def tick(step: int, steps: int) -> None:
    """Show the number of the step on a terminal; nothing elsewhere."""
    if sys.stderr.isatty() and step % 10 == 0:
        print(f"\rstep {step}/{steps}", end="", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

"""Score entity models side by side: ``python -m pipeline.model.compare [--models NAME…]``.

Two parts are scored: the Wikinews test part annotated by hand, which lies beside this file, and the
held-out part of the entity corpora, which is left out where the corpora are not there. Then the
linking of mentions, on articles of our own (``compare_linking``). Every figure but the speed is the
same in each run.
"""

import argparse
import dataclasses
import functools
import pathlib
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

import spacy
from spacy.language import Language
from thinc.api import use_ops

from pipeline.model import compare_linking, default_model_path, evaluate
from pipeline.model.corpus import LABELS, Chunk, CorpusError, Span, read_chunks, split
from pipeline.model.gold import GoldSentence, read_gold
from pipeline.model.linking_gold import read_linked

OUR_LABELS: Mapping[str, str] = {
    **{label: label for label in LABELS},
    **dict.fromkeys(("PER",), "PERSON"),
    **dict.fromkeys(("GPE", "FAC"), "LOC"),
    **dict.fromkeys(("EVENT", "WORK_OF_ART", "LAW", "PRODUCT", "LANGUAGE"), "MISC"),
}
"""Other schemes' labels to ours (OntoNotes, WikiNER); a label that is not here is left out."""

UNUSED = ("tagger", "morphologizer", "attribute_ruler", "lemmatizer", "parser")
"""Components that others' pipelines have and entities do not need; they would cost them speed."""

SPEED_ROUNDS = 3
SPEED_WORDS = 30_000
"""Words of one measurement, at least; the best of the rounds counts: a busy machine only slows."""


LINKING = (
    "Linking, test part: our own articles, written before linking was changed by the other part",
    "Linking, development part: our own articles that linking was changed by",
)


class ModelNotUsable(ValueError):
    """A model cannot be loaded; the message is one line that says what to do."""


@dataclasses.dataclass(frozen=True)
class Part:
    """Texts to score. ``documents`` says which text is of which document, for the intervals."""

    name: str
    chunks: Sequence[Chunk]
    documents: Sequence[str] | None = None


def gold_part(sentences: Sequence[GoldSentence]) -> Part:
    """Return the annotated sentences as texts of their own; intervals draw whole articles."""
    articles = [each.article for each in sentences]
    name = f"Wikinews test part, annotated by hand ({len(set(articles))} articles)"
    return Part(name, [each.chunk for each in sentences], articles)


def held_out_part(data: pathlib.Path) -> Part:
    """Return the part of the training corpora that training leaves out.

    Raises CorpusError when the corpora are not in ``data``.
    """
    _, held_out = split(read_chunks(data / "train.jsonl.gz"))
    in_dev = {chunk.text for chunk in read_chunks(data / "dev.jsonl.gz")}
    return Part("Held-out part of the corpora", [c for c in held_out if c.text not in in_dev])


def load(model: str) -> Language:
    """Return a pipeline by package name or folder, without the parts that entities do not need.

    Raises ModelNotUsable with one line.
    """
    try:
        return spacy.load(model, exclude=UNUSED)
    except OSError as error:
        raise ModelNotUsable(
            f"{model}: no spaCy model of that name or folder; install it, "
            f"for instance with `python -m spacy download {model}`"
        ) from error


def predict(nlp: Language, texts: Sequence[str]) -> list[list[Span]]:
    """Return the names ``nlp`` finds, in our labels.

    Dates, numbers and the like are left out, and of each name what our guidelines leave outside: a
    leading "the" and a possessive, which other schemes take in.
    """
    return [list(_names(doc.text, doc.ents)) for doc in nlp.pipe(texts, batch_size=64)]


def _names(text: str, entities: Sequence[spacy.tokens.Span]) -> Iterator[Span]:
    for entity in entities:
        label = OUR_LABELS.get(entity.label_)
        if label is None:
            continue
        start, end = entity.start_char, entity.end_char
        if text[start:end].lower().startswith("the "):
            start += len("the ")
        for mark in ("'s", "’s"):
            end -= len(mark) * text[start:end].endswith(mark)
        if start < end:
            yield Span(start, end, label)


def words_per_second(nlp: Language, texts: Sequence[str]) -> float:
    """Return words per second of ``nlp.pipe`` in this process: the best of ``SPEED_ROUNDS``."""
    words = sum(len(doc) for doc in nlp.pipe(texts, batch_size=64))
    many = list(texts) * max(1, -(-SPEED_WORDS // max(1, words)))
    best = 0.0
    for _ in range(SPEED_ROUNDS):
        started = time.perf_counter()
        words = sum(len(doc) for doc in nlp.pipe(many, batch_size=64))
        best = max(best, words / (time.perf_counter() - started))
    return best


def table(
    rows: Mapping[str, Mapping[str, Mapping[str, object]]], head: str, models: Iterable[str]
) -> Iterator[str]:
    """Yield the lines of a Markdown table, the models side by side in their order.

    ``rows`` is row name -> model -> row of ``evaluate.figures``. Numbers are per cent.
    """
    models = tuple(models)
    yield f"| {head} | names |" + "".join(f" {m}: P | R | F1 | 95 % |" for m in models)
    yield "|---|---|" + "---|---|---|---|" * len(models)
    for name, by_model in rows.items():
        counts = max(int(str(row["names"])) for row in by_model.values())
        yield f"| {name} | {counts} |" + "".join(_cells(by_model.get(m, {})) for m in models)


def _cells(row: Mapping[str, object]) -> str:
    if not row:
        return " – | – | – | – |"
    numbers = "".join(
        f" {float(str(row[key])) * 100:.1f} |" for key in ("precision", "recall", "f1")
    )
    interval = row.get("f1_interval_95")
    if not isinstance(interval, list):
        return f"{numbers} – |"
    return f"{numbers} {interval[0] * 100:.1f}–{interval[1] * 100:.1f} |"


def report(part: Part, models: Mapping[str, Language]) -> Iterator[str]:
    """Yield the lines that compare ``models`` on a part."""
    texts = [chunk.text for chunk in part.chunks]
    by_label: dict[str, dict[str, Mapping[str, object]]] = {}
    by_corpus: dict[str, dict[str, Mapping[str, object]]] = {}
    borders: dict[str, object] = {}
    counts: dict[str, list[dict[str, evaluate.Counts]]] = {}
    for name, nlp in models.items():
        predicted = predict(nlp, texts)
        counts[name] = [
            evaluate.count(chunk, spans)
            for chunk, spans in zip(part.chunks, predicted, strict=True)
        ]
        found = evaluate.figures_of(part.chunks, predicted, documents=part.documents)
        for rows, kind in ((by_label, "by_label"), (by_corpus, "by_corpus")):
            for key, row in found[kind].items():  # type: ignore[attr-defined]
                rows.setdefault(key, {})[name] = row
        borders[name] = found["boundary_f1"]
    yield f"## {part.name}"
    alone = ", ".join(f"{name} {float(str(f1)) * 100:.1f}" for name, f1 in borders.items())
    yield f"{len(texts)} texts. Borders alone, F1: {alone}."
    first, *others = counts
    for other in others:
        gap, low, high = evaluate.difference(counts[first], counts[other], documents=part.documents)
        yield (
            f"{first} is {gap * 100:+.1f} points of F1 from {other} "
            f"(95 %: {low * 100:+.1f} to {high * 100:+.1f})."
        )
    yield ""
    labels = sorted(label for label in by_label if label != evaluate.ALL)
    yield from table({key: by_label[key] for key in (*labels, evaluate.ALL)}, "label", models)
    yield ""
    if len(by_corpus) > 1:
        yield from table(by_corpus, "corpus", models)
        yield ""


def parser() -> argparse.ArgumentParser:
    """Return the command line."""
    result = argparse.ArgumentParser(
        prog="python -m pipeline.model.compare",
        description="Score the shipped entity model, and others beside it, on data never trained "
        "on: by label and corpus, with 95 %% bootstrap intervals, and words per second.",
        epilog="example: python -m pipeline.model.compare --models en_core_web_sm",
    )
    add = result.add_argument
    add("--models", nargs="*", default=[], help="installed spaCy packages or folders")
    add(
        "--data",
        type=pathlib.Path,
        default=pathlib.Path("../shared/data/ner"),
        help="folder of train.jsonl.gz and dev.jsonl.gz (default: %(default)s)",
    )
    return result


def main(argv: Sequence[str] | None = None) -> int:
    """Print the tables. Returns 0, or 2 with one line on stderr where a model cannot be loaded."""
    options = parser().parse_args(argv)
    with use_ops("numpy"):
        try:
            models = {"shipped": load(str(default_model_path()))}
            for name in options.models:
                nlp = load(name)
                short = pathlib.Path(name).name
                # Two versions of one model lie in folders of one name.
                models[f"{short} {nlp.meta['version']}" if short in models else short] = nlp
            gold = gold_part(read_gold("test"))
            linked = read_linked("test"), read_linked("dev")
        except (ModelNotUsable, CorpusError) as error:
            print(error, file=sys.stderr)
            return 2
        for line in report(gold, models):
            print(line)
        try:
            held_out = held_out_part(options.data)
        except CorpusError:
            print(f"## Held-out part of the corpora\nLeft out: no corpora in {options.data}.\n")
        else:
            for line in report(held_out, models):
                print(line)
        finders = {name: functools.partial(predict, nlp) for name, nlp in models.items()}
        for heading, articles in zip(LINKING, linked, strict=True):
            for line in compare_linking.report(heading, articles, finders):
                print(line)
        print("## Speed in one process on one core\n\n| model | version | words/s |\n|---|---|---|")
        for name, nlp in models.items():
            speed = words_per_second(nlp, [chunk.text for chunk in gold.chunks])
            print(f"| {name} | {nlp.meta['version']} | {speed:,.0f} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())

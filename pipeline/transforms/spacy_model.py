"""A spaCy pipeline as a model of Beam's `RunInference`: finding it, loading it, reading articles.

spaCy is imported when a model is loaded and not before: it takes about a second, and commands that
read no article must not pay it.
"""

from __future__ import annotations

import functools
import importlib.util
import json
import logging
import pathlib
import re
import threading
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from apache_beam.ml.inference.base import ModelHandler, PredictionResult

from pipeline.dead_letters import dead_letter
from pipeline.model import default_model_path
from pipeline.records import DeadLetter, Draft, Mention
from pipeline.transforms.linking import Found
from pipeline.watch.metrics import BATCH_SIZE, NAMESPACE, observe

if TYPE_CHECKING:
    from spacy.language import Language
    from spacy.tokens import Doc

_LOGGER = logging.getLogger(__name__)

NOT_NAMES = frozenset({"DATE", "TIME", "PERCENT", "MONEY", "QUANTITY", "ORDINAL", "CARDINAL"})
"""Labels left out of records: spaCy's own English models also mark numbers and dates."""

DOCUMENT_CHARACTERS = 100_000
"""The model reads a longer text in parts: what it needs of memory grows with the text."""

WORD_CHARACTERS = 100
"""A longer run without whitespace is hidden from the model.

spaCy's tokenizer takes quadratic time over a run of signs: 12 s were seen for 10,000 emoji in a
row, which for a million would be a day. In runs of up to 100 a million take about 10 s.
"""

BATCH_ARTICLES = 64
BATCH_CHARACTERS = 200_000
"""A batch is full at so many articles or characters; larger ones are no faster (12 MB model)."""

STAGE = "entities"

# Found in spaCy's own pipelines and of no use to entities; rulers may match on what they set.
_UNUSED = frozenset({"tagger", "morphologizer", "attribute_ruler", "lemmatizer"})
_NEED_NOTHING = _UNUSED | {
    "tok2vec", "transformer", "curated_transformer", "ner", "beam_ner", "parser", "senter",
    "sentencizer",
}  # fmt: skip
_LONG_RUN = r"(?<!\S)\S{%d,}"
_PARAGRAPH_BREAK = re.compile(r"\r?\n[^\S\n]*\n|\u2029")
_ENDS = (
    re.compile(r"\n\s*\n"),
    re.compile(r"[.!?…]['\"”’)\]]*\s+"),
    re.compile(r"\s+"),
)


class ModelNotFound(ValueError):
    """There is no model of that name, or what is there is no spaCy pipeline."""


@dataclass(frozen=True, slots=True)
class ModelInfo:
    """Which model it is. `location` is what `spacy.load` takes, and holds for this machine only."""

    name: str
    version: str
    location: str


@dataclass(frozen=True, slots=True)
class Reading:
    """How texts are read: the labels left out and the limits, as the constants above say."""

    ignored_labels: frozenset[str] = NOT_NAMES
    document_characters: int = DOCUMENT_CHARACTERS
    word_characters: int = WORD_CHARACTERS


def check_model(model: str | None = None) -> ModelInfo:
    """Says which model `model` is, from its `meta.json`: nothing is loaded or fetched.

    Args:
        model: the name of an installed spaCy package or a folder; None is the one shipped.

    Raises:
        ModelNotFound: with one line that says what to do.
    """
    if model is None:
        folder = default_model_path()
        if not folder.is_dir():
            raise ModelNotFound(
                "the model that ships with this package is missing: install the package again, "
                "train it with `python -m pipeline.model.train`, or choose one with --spacy_model"
            )
        return _describe(folder, str(folder))
    path = pathlib.Path(model)
    if path.exists():
        if not (path / "config.cfg").is_file():
            raise ModelNotFound(
                f"{model} is not a spaCy model: a model is a folder with meta.json and config.cfg"
            )
        return _describe(path, str(path.resolve()))
    if not model.isidentifier():
        raise ModelNotFound(f"there is no spaCy model at {model}: give a folder or a package name")
    spec = importlib.util.find_spec(model)
    if spec is None or spec.origin is None:
        raise ModelNotFound(
            f"the spaCy model {model} is not installed: run `python -m spacy download {model}`, "
            "or install its wheel with pip"
        )
    package = pathlib.Path(spec.origin).parent
    if not (package / "meta.json").is_file():
        raise ModelNotFound(f"the package {model} is installed but is not a spaCy model")
    return _describe(package, model)


def _describe(folder: pathlib.Path, location: str) -> ModelInfo:
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        name, version = f"{meta['lang']}_{meta['name']}", str(meta["version"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelNotFound(
            f"{folder} is not a spaCy model: meta.json with lang, name and version is needed "
            f"({type(error).__name__})"
        ) from error
    return ModelInfo(name, version, location)


def load_model(model: str | None = None) -> SpacyModel:
    """The model, loaded once in a process and kept.

    Beam's DirectRunner sets a DoFn up for every bundle, and Beam's own cache keeps a model only as
    long as a DoFn holds it.

    Raises:
        ModelNotFound: as `check_model`.
    """
    return _loaded(check_model(model).location)


@functools.cache
def _loaded(location: str) -> SpacyModel:
    import spacy

    return SpacyModel(_prepared(spacy.load(location)))


def _prepared(nlp: Language) -> Language:
    """`nlp` without the components that entities do not need, and with sentences."""
    factories = {nlp.get_pipe_meta(name).factory for name in nlp.pipe_names}
    if factories <= _NEED_NOTHING:
        for name in list(nlp.pipe_names):
            if nlp.get_pipe_meta(name).factory in _UNUSED:
                nlp.disable_pipe(name)
        if "parser" in nlp.pipe_names and "senter" in nlp.disabled:
            nlp.disable_pipe("parser")
            nlp.enable_pipe("senter")
    assigned = {each for name in nlp.pipe_names for each in nlp.get_pipe_meta(name).assigns}
    if not assigned & {"doc.sents", "token.is_sent_start"}:
        nlp.add_pipe("sentencizer")
    if "doc.ents" not in assigned:
        _LOGGER.warning("no component of the model says that it finds entities")
    return nlp


class SpacyModel:
    """A loaded pipeline.

    spaCy's vocabulary is not made for threads and memory zones cannot be nested, so that one batch
    is read at a time; Flink and Dataflow share a model between threads.
    """

    def __init__(self, nlp: Language) -> None:
        self._nlp = nlp
        self._lock = threading.Lock()
        # Languages without spaces have tokenizers of their own, and long runs by nature.
        self._by_spaces = type(nlp.tokenizer).__module__ == "spacy.tokenizer"

    def find(
        self, articles: Sequence[tuple[str | None, str]], reading: Reading
    ) -> list[list[Found]]:
        """The mentions in each (title, body), in text order, title first.

        Raises:
            Exception: whatever a component of the pipeline raises; nothing is known of any article
                of the batch then.
        """
        found: list[list[Found]] = [[] for _ in articles]
        limit = min(reading.document_characters, self._nlp.max_length)
        parts = [
            (number, name, text, start, end)
            for number, (title, body) in enumerate(articles)
            for name, text in (("title", title), ("body", body))
            if text and not text.isspace()
            for start, end in split(text, limit)
        ]
        texts = [self._readable(text[start:end], reading) for _, _, text, start, end in parts]
        sentences = 0
        # Words met on the way are forgotten at the end of the zone; without it a stream's
        # vocabulary grows without end. No Doc may leave it.
        with self._lock, self._nlp.memory_zone():
            for part, doc in zip(parts, self._nlp.pipe(texts), strict=True):
                number, name, text, start, _ = part
                if start == 0:
                    sentences = 0
                starts = [sent.start for sent in doc.sents]
                found[number].extend(
                    _mentions(doc, starts, name, text, start, sentences, reading.ignored_labels)
                )
                sentences += len(starts)
                if starts and doc[starts[-1] :].text.isspace():
                    # The whitespace between two parts is the next sentence's, not one of its own.
                    sentences -= 1
        return found

    def _readable(self, text: str, reading: Reading) -> str:
        """`text` with over-long runs blanked out: the length, and so all offsets, stay."""
        if not self._by_spaces:
            return text
        return _long_run(reading.word_characters).sub(lambda run: " " * len(run[0]), text)


@functools.cache
def _long_run(word_characters: int) -> re.Pattern[str]:
    return re.compile(_LONG_RUN % (word_characters + 1))


def _mentions(
    doc: Doc,
    sentence_starts: Sequence[int],
    name: str,
    text: str,
    offset: int,
    sentences_before: int,
    ignored_labels: frozenset[str],
) -> Iterator[Found]:
    for entity in doc.ents:
        label = entity.label_
        if not label or label in ignored_labels:
            continue
        span = trim(text, offset + entity.start_char, offset + entity.end_char)
        if span is None:
            continue
        start, end = span
        sentence = sentences_before + bisect_right(sentence_starts, entity.start) - 1
        yield Found(Mention(name, start, end, text[start:end], sentence), label)


def trim(text: str, start: int, end: int) -> tuple[int, int] | None:
    """The span without whitespace around it and without what follows a blank line in it.

    None where nothing is left.
    """
    while start < end and text[start].isspace():
        start += 1
    paragraph = _PARAGRAPH_BREAK.search(text, start, end)
    if paragraph is not None:
        end = paragraph.start()
    while start < end and text[end - 1].isspace():
        end -= 1
    return (start, end) if start < end else None


def split(text: str, limit: int) -> Iterator[tuple[int, int]]:
    """Spans that cover `text` without a gap, none longer than `limit`.

    It is cut after a paragraph, else after a sentence, else after a word, else anywhere; never in
    the first half of a part, so that parts are few.
    """
    start = 0
    while len(text) - start > limit:
        cut = start + limit
        for pattern in _ENDS:
            ends = [each.end() for each in pattern.finditer(text, start + limit // 2, cut)]
            if ends:
                cut = ends[-1]
                break
        yield start, cut
        start = cut
    if start < len(text):
        yield start, len(text)


def weigh(draft: Draft, batch_articles: int, batch_characters: int) -> int:
    """How much of a batch of `batch_characters` the article fills: at most `batch_articles` fit.

    Never more than a whole batch, because `BatchElements` gives out an empty one before an element
    that is larger than its target.
    """
    return min(max(characters(draft), -(-batch_characters // batch_articles)), batch_characters)


def characters(draft: Draft) -> int:
    return len(draft.article.title or "") + len(draft.article.body)


class SpacyModelHandler(ModelHandler[Draft, PredictionResult, SpacyModel]):
    """Reads batches of articles with a spaCy pipeline.

    The inference of a `PredictionResult` is the list of `Found`, or the `DeadLetter` of an article
    that the model cannot read: when a batch fails, its articles are tried one by one, each up to
    `max_attempts` times.

    The handler is pickled with the graph and holds the model's name only, so that each worker finds
    the model where it has it.
    """

    def __init__(
        self,
        model: str | None = None,
        *,
        max_attempts: int = 3,
        reading: Reading | None = None,
        batch_articles: int = BATCH_ARTICLES,
        batch_characters: int = BATCH_CHARACTERS,
    ) -> None:
        # With one fixed size BatchElements has nothing to find out, and the first batch is as good
        # as any: on DirectRunner it would start again from 1 in every bundle.
        super().__init__(
            min_batch_size=batch_characters,
            max_batch_size=batch_characters,
            element_size_fn=functools.partial(
                weigh, batch_articles=batch_articles, batch_characters=batch_characters
            ),
        )
        self._model = model
        self._max_attempts = max_attempts
        self._reading = reading or Reading()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._model!r})"

    def load_model(self) -> SpacyModel:
        return load_model(self._model)

    def run_inference(
        self,
        batch: Sequence[Draft],
        model: SpacyModel,
        inference_args: Mapping[str, Any] | None = None,
    ) -> list[PredictionResult]:
        """One result for each article, in order; the example is the very draft that came in."""
        observe(BATCH_SIZE, len(batch))
        inferences: Sequence[list[Found] | DeadLetter]
        try:
            inferences = model.find([_texts(draft) for draft in batch], self._reading)
        except Exception as error:  # noqa: BLE001 - each article is tried again or given up below
            _LOGGER.info("a batch of %d failed (%s): one by one", len(batch), type(error).__name__)
            inferences = [self._alone(draft, model) for draft in batch]
        return [
            PredictionResult(draft, inference)
            for draft, inference in zip(batch, inferences, strict=True)
        ]

    def _alone(self, draft: Draft, model: SpacyModel) -> list[Found] | DeadLetter:
        attempts = 0
        while True:
            attempts += 1
            try:
                return model.find([_texts(draft)], self._reading)[0]
            except Exception as error:  # noqa: BLE001 - becomes a dead letter
                if attempts >= self._max_attempts:
                    return dead_letter(
                        draft.message,
                        STAGE,
                        error,
                        error_type="model_failed",
                        attempts=attempts,
                    )

    def get_num_bytes(self, batch: Sequence[Draft]) -> int:
        """The characters of the batch. Beam's default pickles the batch only to measure it."""
        return sum(map(characters, batch))

    def get_metrics_namespace(self) -> str:
        return NAMESPACE


def _texts(draft: Draft) -> tuple[str | None, str]:
    return draft.article.title, draft.article.body

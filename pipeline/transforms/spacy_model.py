"""A spaCy pipeline: finding it, loading it, reading articles with it.

spaCy is imported when a model is loaded and not before: it takes about a second, and commands that
read no article must not pay it. Beam is never imported: a model worker has no use for it.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import json
import logging
import pathlib
import re
import threading
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pipeline.model import default_model_path
from pipeline.records import Mention
from pipeline.transforms.linking import Found

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

KEPT_WORDS = 50_000
"""So many words, the first that it meets, a model keeps: what is common comes first.

All later ones are forgotten after their batch. Were all forgotten, "the" would be looked into anew
for every batch: a fifth of the time that reading takes.
"""

VOCABULARY_WORDS = 1_000_000
"""A vocabulary that has met so many words has had its day.

`memory_zone` forgets words, but in preshed 3.0 the cell of a word that was forgotten counts as
filled, and where enough are filled a table doubles: 30 bytes for every new word of every batch.
"""

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
    """Which model it is, and the language that it is made for, by spaCy's code ("xx": many).

    `location` is what `spacy.load` takes, and holds for this machine only.
    """

    name: str
    version: str
    location: str
    language: str


@dataclass(frozen=True, slots=True)
class Reading:
    """How texts are read: the labels left out and the limits, as the constants above say."""

    ignored_labels: frozenset[str] = NOT_NAMES
    document_characters: int = DOCUMENT_CHARACTERS
    word_characters: int = WORD_CHARACTERS
    kept_words: int = KEPT_WORDS
    vocabulary_words: int = VOCABULARY_WORDS


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
    if _exists(path):
        if not (path / "config.cfg").is_file():
            raise ModelNotFound(
                f"{model!r} is not a spaCy model: a model is a folder with meta.json and config.cfg"
            )
        return _describe(path, str(path.resolve()))
    if not model.isidentifier():
        raise ModelNotFound(
            f"there is no spaCy model at {model!r}: give a folder or a package name"
        )
    try:
        spec = importlib.util.find_spec(model)
    except ValueError:
        # Something like `__main__`, which is there and came from nowhere.
        spec = None
    if spec is None or spec.origin is None:
        raise ModelNotFound(
            f"the spaCy model {model} is not installed: run `python -m spacy download {model}`, "
            "or install its wheel with pip"
        )
    package = pathlib.Path(spec.origin).parent
    if not (package / "meta.json").is_file():
        raise ModelNotFound(f"the package {model} is installed but is not a spaCy model")
    return _describe(package, model)


def _exists(path: pathlib.Path) -> bool:
    """False too for what cannot be a path: too long, or with a zero in it."""
    try:
        return path.exists()
    except (OSError, ValueError):
        return False


def _describe(folder: pathlib.Path, location: str) -> ModelInfo:
    try:
        meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
        language, version = str(meta["lang"]), str(meta["version"])
        name = f"{language}_{meta['name']}"
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelNotFound(
            f"{str(folder)!r} is not a spaCy model: meta.json with lang, name and version is "
            f"needed ({type(error).__name__})"
        ) from error
    return ModelInfo(name, version, location, language)


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
        with self._lock, self._zone(reading):
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

    def _zone(self, reading: Reading) -> contextlib.AbstractContextManager[object]:
        """Where a batch is read; no `Doc` may leave it.

        Words met on the way are forgotten at its end, once enough are known: without that a
        stream's vocabulary grows without end.
        """
        if len(self._nlp.vocab) < reading.kept_words:
            return contextlib.nullcontext()
        return self._nlp.memory_zone()

    def worn(self, reading: Reading) -> bool:
        """Whether the model should be loaded anew, in another process, for what it holds."""
        # spaCy counts the words it met, not those it has.
        return len(self._nlp.vocab) >= reading.vocabulary_words

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

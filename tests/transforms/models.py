"""Small spaCy models for tests: they find what they are told to find."""

from __future__ import annotations

import datetime as dt
import pathlib
from collections.abc import Iterable, Mapping
from typing import Any

import spacy
from spacy.language import Language
from spacy.tokens import Doc

from pipeline.records import Article, Draft, Message, Processing
from pipeline.records import Language as RecordLanguage
from pipeline.transforms.linking import Found

FAILS = "FAILS-ALWAYS"
FAILS_ONCE = "FAILS-ONCE"
failures: list[str] = []


@Language.component("fails_on_words")
def fails_on_words(doc: Doc) -> Doc:
    """Raises on a text with `FAILS`, and the first two times on one with `FAILS_ONCE`."""
    if FAILS in doc.text:
        raise RuntimeError("told to fail")
    if FAILS_ONCE in doc.text:
        failures.append(doc.text)
        if len(failures) <= 2:
            raise RuntimeError("told to fail now and then")
    return doc


def save_model(
    folder: pathlib.Path,
    names: Mapping[str, Iterable[str | list[dict[str, Any]]]],
    *,
    fails: bool = False,
    language: str = "en",
) -> pathlib.Path:
    """A model for `language` in `folder` that finds `names`: label to phrases or token patterns."""
    nlp = spacy.blank(language)
    if fails:
        nlp.add_pipe("fails_on_words")
    ruler: Any = nlp.add_pipe("entity_ruler")
    ruler.add_patterns(
        [{"label": label, "pattern": each} for label, some in names.items() for each in some]
    )
    nlp.meta["name"] = "told"
    nlp.meta["version"] = "1.2.3"
    nlp.to_disk(folder)
    return folder


def draft(
    body: str,
    title: str | None = None,
    message_id: str = "1",
    language: RecordLanguage | None = None,
) -> Draft:
    message = Message(body.encode("utf-8", "surrogatepass"), message_id)
    return Draft(
        message,
        Article(
            message_id=message_id,
            article_id=f"a{message_id}",
            content_hash="",
            ingested_at=dt.datetime(2025, 1, 21, tzinfo=dt.timezone.utc),
            publish_time=None,
            title=title,
            body=body,
            body_content_type="text/plain",
            word_count=len(body.split()),
            language=language,
            processing=Processing("0", "test", warnings=("kept",)),
        ),
    )


def texts_of(found: list[Found]) -> list[str]:
    return [each.mention.text for each in found]

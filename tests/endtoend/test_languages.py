"""Articles in several languages through the whole graph and through a run."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner

from pipeline import graph
from pipeline.ledger.handles import LedgerAt
from pipeline.options import options_of
from pipeline.records import Draft, Message
from pipeline.samples import SampleMessage
from tests.endtoend.commands import Queue, records
from tests.transforms.models import save_model
from tests.transforms.test_language import LEADS

TEXTS = {
    "english": f"{LEADS['en']} Vladimir Putin met Xi Jinping in Moscow on Tuesday.",
    "german": f"{LEADS['de']} Angela Merkel sprach in Berlin mit Abgeordneten.",
    "french": f"{LEADS['fr']} Emmanuel Macron a parlé à Paris devant les députés.",
    "short": "Putin!",
}
NO_FRENCH = "entities: no model for fr; give one with --spacy_model fr=NAME"
ends: dict[str, list[Any]] = defaultdict(list)


def end(element: Any, name: str) -> None:
    ends[name].append(element)


@pytest.fixture(scope="module")
def german(tmp_path_factory: pytest.TempPathFactory) -> str:
    names = {"PER": ["Angela Merkel"], "LOC": ["Berlin"]}
    return str(save_model(tmp_path_factory.mktemp("model") / "de", names, language="de"))


def through(tmp_path: Path, **given: Any) -> dict[str, Draft]:
    """What becomes of `TEXTS` in this process, by name."""
    ends.clear()
    state = {"output": str(tmp_path), "state": "memory://", "entity_workers": "0"}
    options = options_of({**state, **given})
    messages = [Message(text.encode(), name) for name, text in TEXTS.items()]
    try:
        with beam.Pipeline(runner=BundleBasedDirectRunner(), options=options) as pipeline:
            outputs = graph.articles(pipeline | beam.Create(messages), options)
            _ = outputs.articles | "A" >> beam.Map(end, "articles")
            _ = outputs.dead_letters | "L" >> beam.Map(end, "dead_letters")
    finally:
        LedgerAt.from_options(options).close()
    assert not ends["dead_letters"]
    found = {draft.message.message_id: draft for draft in ends["articles"]}
    assert len(found) == len(ends["articles"]) == len(TEXTS)
    return found


def entities(draft: Draft) -> list[str] | None:
    found = draft.article.entities
    return None if found is None else [each.name for each in found]


class TestGraph:
    def test_each_by_its_model(self, tmp_path: Path, german: str) -> None:
        found = through(tmp_path, spacy_model=[f"de={german}"])
        assert {"Vladimir Putin", "Xi Jinping", "Moscow"} <= set(entities(found["english"]) or ())
        assert entities(found["german"]) == ["Angela Merkel", "Berlin"]
        assert entities(found["french"]) is None
        assert entities(found["short"]) is not None
        articles = {name: draft.article for name, draft in found.items()}
        codes = {name: each.language and each.language.code for name, each in articles.items()}
        assert codes == {"english": "en", "german": "de", "french": "fr", "short": None}
        models = {name: each.processing.model_name for name, each in articles.items()}
        shipped = models["english"]
        assert shipped is not None
        assert models == {"english": shipped, "german": "de_told", "french": None, "short": shipped}
        warned = {name for name, each in articles.items() if NO_FRENCH in each.processing.warnings}
        assert warned == {"french"}
        assert all(each.tags is not None for each in articles.values())

    def test_language_is_told_without_entities_too(self, tmp_path: Path) -> None:
        found = through(tmp_path, no_entities=True)
        assert {name for name, each in found.items() if each.article.language} == {
            *("english", "german", "french")
        }
        assert not any(each.article.processing.warnings for each in found.values())


class TestRun:
    def test_in_several_processes(self, queue: Queue, tmp_path: Path, german: str) -> None:
        """The models go with the options to each of them, and from there to its workers."""
        texts = [f"{TEXTS['german']} ({i})" for i in range(20)] + list(TEXTS.values())
        queue.publish(SampleMessage(text.encode(), {}, "article", "text") for text in texts)
        ran = queue.run(
            *("run", "--subscription", queue.subscription, "--output", tmp_path),
            *("--max_messages", str(len(texts)), "--idle_timeout", "60", "--processes", "2"),
            *("--spacy_model", f"de={german}", "--near_duplicates", "off"),
        )
        assert ran.returncode == 0, ran.stderr
        articles = records(tmp_path, "articles")
        assert len(articles) == len(texts)
        by_code = defaultdict(set)
        for each in articles:
            code = (each["language"] or {}).get("code")
            by_code[code].add(each["processing"]["model_name"])
        assert by_code["de"] == {"de_told"}
        assert by_code["fr"] == {None}
        assert by_code["en"] == by_code[None] != {"de_told"}

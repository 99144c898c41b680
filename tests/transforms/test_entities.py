"""ExtractEntities in pipelines: both ends, batches, one model for many bundles, the sample."""

from __future__ import annotations

import dataclasses
import functools
import os
import pathlib
import pickle
from collections import defaultdict
from typing import Any

import apache_beam as beam
import pytest
import spacy
from apache_beam.options.pipeline_options import PipelineOptions, StandardOptions
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner
from apache_beam.testing.test_stream import TestStream as Stream
from apache_beam.testing.util import assert_that, equal_to

from pipeline.model import default_model_path
from pipeline.options import ArticleOptions
from pipeline.records import Draft, Language
from pipeline.transforms import model_handler, spacy_model
from pipeline.transforms.entities import ExtractEntities, with_entities
from pipeline.transforms.linking import link
from pipeline.transforms.model_choice import choose_models
from pipeline.transforms.model_handler import SpacyModelHandler
from pipeline.transforms.model_workers import close_workers
from pipeline.transforms.spacy_model import ModelNotFound, Reading, load_model
from pipeline.watch.metrics import BATCH_SIZE, NAMESPACE
from tests.transforms.models import FAILS, draft, save_model
from tests.transforms.poison import LOADS, installed, poisonous_model

NAMES = {"PERSON": ["Vladimir Putin"], "ORG": ["Putin"], "LOC": ["Kyiv"]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(save_model(tmp_path_factory.mktemp("model") / "m", NAMES, fails=True))


def entities(given: str | list[str], **handling: Any) -> ExtractEntities:
    """What reads with the models that `given` means to `--spacy_model`."""
    return ExtractEntities(choose_models(given), functools.partial(SpacyModelHandler, **handling))


def names(drafted: Draft) -> tuple[str, list[tuple[str, str, int]]]:
    entities = drafted.article.entities
    assert entities is not None
    return drafted.message.message_id, [(e.name, e.label, e.count) for e in entities]


def run(
    drafts: list[Draft], transform: ExtractEntities, bundles: int = 1
) -> tuple[list[Any], list[Any], Any]:
    """Runs `drafts` in so many bundles; returns articles, dead letters and the result."""
    collected.clear()
    options = PipelineOptions([])
    options.view_as(StandardOptions).streaming = bundles > 1
    pipeline = beam.Pipeline(runner=BundleBasedDirectRunner(), options=options)
    source: Any = beam.Create(drafts)
    if bundles > 1:
        source = Stream()
        for i in range(bundles):
            source = source.add_elements(drafts[i::bundles]).advance_watermark_to(i)
        source = source.advance_watermark_to_infinity()
    results = pipeline | source | transform
    _ = results.articles | "A" >> beam.Map(collect, "articles")
    _ = results.dead_letters | "D" >> beam.Map(collect, "dead_letters")
    result = pipeline.run()
    result.wait_until_finish()
    return collected["articles"], collected["dead_letters"], result


collected: dict[str, list[Any]] = defaultdict(list)


def collect(element: Any, name: str) -> None:
    """Named by its module when Beam pickles it, so that it fills this process's `collected`."""
    collected[name].append(element)


def distribution(result: Any, name: str) -> Any:
    found = result.metrics().query(
        beam.metrics.MetricsFilter().with_namespace(NAMESPACE).with_name(name)
    )
    (each,) = found["distributions"]
    return each.committed


def counters(result: Any) -> dict[str, int]:
    found = result.metrics().query(beam.metrics.MetricsFilter().with_namespace(NAMESPACE))
    return {each.key.metric.name: each.committed for each in found["counters"]}


class TestExtractEntities:
    def test_both_ends(self, folder: str) -> None:
        drafts = [
            draft("Vladimir Putin is in Kyiv. Putin said so.", "Putin in Kyiv", "1"),
            draft(f"{FAILS} in Kyiv", None, "2"),
            draft("Nothing to see.", None, "3"),
        ]
        articles, dead, _ = run(drafts, entities(folder))
        assert dict(map(names, articles)) == {
            "1": [("Vladimir Putin", "PERSON", 3), ("Kyiv", "LOC", 2)],
            "3": [],
        }
        (letter,) = dead
        assert (letter.message_id, letter.stage, letter.error_type) == (
            "2",
            "entities",
            "model_failed",
        )
        assert letter.attempts == 3
        processing = next(a for a in articles if a.message.message_id == "1").article.processing
        assert (processing.model_name, processing.model_version) == ("en_told", "1.2.3")
        assert processing.warnings == ("kept",)

    def test_everything_else_is_left_as_it_was(self, folder: str) -> None:
        before = draft("Kyiv", "A title")
        (after,), _, _ = run([before], entities(folder))
        assert after.message == before.message
        assert with_entities(before.article, [], "m", "1").entities == ()
        for name in ("title", "body", "article_id", "ingested_at", "tags", "attributes"):
            assert getattr(after.article, name) == getattr(before.article, name)

    def test_good_batches_from_the_start(self, folder: str) -> None:
        drafts = [draft("Kyiv " * 20, None, str(i)) for i in range(100)]
        articles, _, result = run(drafts, entities(folder, batch_articles=20))
        assert len(articles) == 100
        sizes = distribution(result, BATCH_SIZE)
        assert (sizes.count, sizes.min, sizes.max) == (5, 20, 20)

    def test_batches_are_bounded_by_characters(self, folder: str) -> None:
        lengths = [10, 2_000, 300, 300, 300, 5_000, 10, 10]
        drafts = [draft("x " * (n // 2), None, str(i)) for i, n in enumerate(lengths)]
        articles, _, result = run(
            drafts,
            entities(folder, batch_articles=100, batch_characters=1_000),
        )
        assert sorted(names(each)[0] for each in articles) == [str(i) for i in range(8)]
        sizes = distribution(result, BATCH_SIZE)
        # [10] [2000] [300 300 300] [5000] [10 10]; never an empty one.
        assert (sizes.count, sizes.min, sizes.max) == (5, 1, 3)

    def test_one_model_for_many_bundles(self, folder: str, monkeypatch: pytest.MonkeyPatch) -> None:
        loads = []
        load = spacy.load
        monkeypatch.setattr(spacy, "load", lambda path: loads.append(path) or load(path))
        # Beam's own runner keeps the metrics of a step's first bundle only.
        batches = []
        monkeypatch.setattr(model_handler, "observe", lambda name, value: batches.append(value))
        spacy_model._loaded.cache_clear()
        drafts = [draft("Kyiv", None, str(i)) for i in range(30)]
        articles, _, _ = run(drafts, entities(folder), bundles=6)
        assert len(articles) == 30
        assert batches == [5] * 6
        assert loads == [folder]

    @pytest.mark.parametrize("workers", [0, 2])
    def test_a_process_loads_its_model_once(
        self, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, workers: int
    ) -> None:
        """Over two runs of many bundles each; a pool's pipeline never loads it."""
        loads = tmp_path / "loads"
        monkeypatch.setenv(LOADS, str(loads))
        monkeypatch.syspath_prepend(str(installed(tmp_path / "site")))
        folder = str(poisonous_model(tmp_path / "m", "tells_when_loaded"))
        loads.unlink()
        drafts = [draft("Vladimir Putin", None, str(i)) for i in range(30)]
        try:
            for _ in range(2):
                articles, _, _ = run(drafts, entities(folder, workers=workers), bundles=6)
                assert [len(each.article.entities) for each in articles] == [1] * 30
        finally:
            close_workers()
        pids = loads.read_text(encoding="utf-8").split()
        assert len(pids) == len(set(pids)) == max(1, workers)
        assert (str(os.getpid()) in pids) == (not workers)

    def test_the_model_is_one_however_it_is_named(self, folder: str) -> None:
        assert load_model() is load_model(None) is load_model(str(default_model_path()))

    @pytest.mark.parametrize("runner", ["FnApiRunner", "BundleBasedDirectRunner"])
    def test_other_runners_serialise_it(self, folder: str, runner: str) -> None:
        with beam.Pipeline(runner=runner) as pipeline:
            results = (
                pipeline
                | beam.Create([draft("Vladimir Putin", None, "1"), draft(FAILS, None, "2")])
                | entities(folder)
            )
            assert_that(
                results.articles | beam.Map(names),
                equal_to([("1", [("Vladimir Putin", "PERSON", 1)])]),
                label="articles",
            )
            assert_that(
                results.dead_letters | "ids" >> beam.Map(lambda letter: letter.message_id),
                equal_to(["2"]),
                label="dead letters",
            )

    def test_linking_that_fails_is_a_dead_letter(
        self, folder: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: object) -> None:
            raise ZeroDivisionError("a fault of ours")

        monkeypatch.setattr("pipeline.transforms.entities.link", broken)
        articles, (letter,), _ = run([draft("Kyiv")], entities(folder))
        assert not articles
        assert (letter.stage, letter.error_type) == ("entities", "unexpected")

    def test_missing_model_says_so_before_anything_runs(self) -> None:
        with pytest.raises(ModelNotFound):
            ExtractEntities.from_options(ArticleOptions(["--spacy_model", "en_core_web_nope"]))

    def test_options(self, folder: str) -> None:
        options = ArticleOptions(["--spacy_model", folder, "--max_attempts", "1"])
        transform = ExtractEntities.from_options(options)
        _, (letter,), _ = run([draft(FAILS)], transform)
        assert letter.attempts == 1

    def test_reading_reaches_the_model(self, folder: str) -> None:
        reading = Reading(ignored_labels=frozenset({"LOC"}))
        (article,), _, _ = run(
            [draft("Vladimir Putin in Kyiv")],
            entities(folder, reading=reading),
        )
        assert names(article)[1] == [("Vladimir Putin", "PERSON", 1)]


GERMAN = Language("de", 0.99)
FRENCH = Language("fr", 0.99)
UNSURE = Language("de", 0.7)


@pytest.fixture(scope="module")
def german(tmp_path_factory: pytest.TempPathFactory) -> str:
    found = {"PER": ["Angela Merkel", "Merkel"], "LOC": ["Kyjiw"]}
    return str(save_model(tmp_path_factory.mktemp("model") / "de", found, language="de"))


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> str:
    found = {"LOC": ["Kiev"]}
    return str(save_model(tmp_path_factory.mktemp("model") / "xx", found, language="xx"))


class TestLanguages:
    def test_each_article_by_the_model_for_its_language(
        self, folder: str, german: str, many: str
    ) -> None:
        drafts = [
            draft("Kyiv, Kyjiw, Kiev", None, "en", Language("en", 0.99)),
            draft("Kyiv, Kyjiw, Kiev", None, "de", GERMAN),
            draft("Kyiv, Kyjiw, Kiev", None, "fr", FRENCH),
            draft("Kyiv, Kyjiw, Kiev", None, "unsure", UNSURE),
            draft("Kyiv, Kyjiw, Kiev", None, "short"),
        ]
        articles, dead, _ = run(drafts, entities([folder, f"de={german}", f"*={many}"]))
        assert not dead
        assert dict(map(names, articles)) == {
            "en": [("Kyiv", "LOC", 1)],
            "de": [("Kyjiw", "LOC", 1)],
            "fr": [("Kiev", "LOC", 1)],
            "unsure": [("Kyiv", "LOC", 1)],
            "short": [("Kyiv", "LOC", 1)],
        }
        models = {each.message.message_id: each.article.processing.model_name for each in articles}
        assert models == {
            **dict.fromkeys(("en", "unsure", "short"), "en_told"),
            "de": "de_told",
            "fr": "xx_told",
        }
        assert {each.article.processing.warnings for each in articles} == {("kept",)}

    def test_without_a_model_it_says_so(self, folder: str) -> None:
        before = draft("Angela Merkel in Kyiv", "Kyiv", "1", Language("de-AT", 0.99))
        (after,), dead, _ = run([before], entities(folder))
        assert not dead
        assert after.message == before.message
        article = after.article
        assert article.entities is None
        assert article.processing.model_name is article.processing.model_version is None
        assert article.processing.warnings == (
            "kept",
            "entities: no model for de; give one with --spacy_model de=NAME",
        )
        processing = before.article.processing
        assert dataclasses.replace(article, processing=processing) == before.article

    def test_others_do_not_break_up_the_batches(
        self, folder: str, german: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        sizes: list[int] = []
        monkeypatch.setattr(model_handler, "observe", lambda name, value: sizes.append(value))
        languages = (None, GERMAN, FRENCH, None)
        drafts = [draft("Kyiv Kyjiw", None, str(i), languages[i % 4]) for i in range(80)]
        given = [folder, f"de={german}"]
        articles, _, _ = run(drafts, entities(given, batch_articles=20))
        assert len(articles) == 80
        assert sizes == [20, 20, 20]

    def test_mentions_are_the_text_whatever_the_language(self, german: str) -> None:
        body = "„Merkel“ – so Angela Merkel’s Büro 😀 – reist nach Kyjiw. MERKEL, Merkels, Merkel."
        (after,), _, _ = run([draft(body, "Merkel in Kyjiw", "1", GERMAN)], entities(german))
        assert names(after)[1] == [("Angela Merkel", "PER", 4), ("Kyjiw", "LOC", 2)]
        fields = {"title": after.article.title, "body": body}
        for mention in (each for entity in after.article.entities for each in entity.mentions):
            assert fields[mention.field][mention.start : mention.end] == mention.text

    def test_dead_letters_come_from_every_model(self, folder: str, tmp_path: pathlib.Path) -> None:
        failing = str(save_model(tmp_path / "de", {}, fails=True, language="de"))
        drafts = [draft(FAILS, None, "1"), draft(FAILS, None, "2", GERMAN), draft("x", None, "3")]
        articles, dead, _ = run(drafts, entities([folder, f"de={failing}"]))
        assert [each.message.message_id for each in articles] == ["3"]
        assert sorted(each.message_id for each in dead) == ["1", "2"]

    @pytest.mark.parametrize("workers", [0, 1])
    def test_a_process_loads_one_model_once(
        self, tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch, workers: int
    ) -> None:
        """With workers each model has processes of its own; this one then loads none."""
        loads = tmp_path / "loads"
        monkeypatch.setenv(LOADS, str(loads))
        monkeypatch.syspath_prepend(str(installed(tmp_path / "site")))
        given = [
            f"{language}={poisonous_model(tmp_path / language, 'tells_when_loaded')}"
            for language in ("en", "de", "fr")
        ]
        given.append(f"es={tmp_path / 'fr'}")
        loads.unlink()
        languages = (None, GERMAN, FRENCH, Language("es", 0.99))
        drafts = [draft("Vladimir Putin", None, str(i), languages[i % 4]) for i in range(40)]
        try:
            articles, _, _ = run(drafts, entities(given, workers=workers), bundles=5)
        finally:
            close_workers()
        assert [len(each.article.entities) for each in articles] == [1] * 40
        pids = loads.read_text(encoding="utf-8").split()
        assert len(pids) == 3
        assert len(set(pids)) == (3 if workers else 1)
        assert (str(os.getpid()) in pids) == (not workers)

    def test_it_is_pickled_as_names(self, folder: str, german: str) -> None:
        """Each machine finds the models where it has them."""
        load_model(folder)
        models = choose_models([folder, f"de={german}"])
        handlers = [SpacyModelHandler(choice.model) for choice in models.choices]
        assert all(len(pickle.dumps(each)) < 1_500 for each in handlers)

    @pytest.mark.parametrize("runner", ["FnApiRunner", "BundleBasedDirectRunner"])
    def test_other_runners_serialise_it(self, folder: str, german: str, runner: str) -> None:
        with beam.Pipeline(runner=runner) as pipeline:
            results = (
                pipeline
                | beam.Create(
                    [
                        draft("Kyiv", None, "1"),
                        draft("Kyjiw", None, "2", GERMAN),
                        draft("Kiev", None, "3", FRENCH),
                    ]
                )
                | entities([folder, f"de={german}"])
            )
            assert_that(
                results.articles
                | beam.Map(lambda each: (each.message.message_id, each.article.entities is None)),
                equal_to([("1", False), ("2", False), ("3", True)]),
            )


class TestShippedModel:
    """What the model that comes with the package gives for the sample article."""

    def test_sample(self, sample_body: str) -> None:
        title, body = None, sample_body
        (found,) = load_model().find([(title, body)], Reading())
        entities = link(found, title, body)
        labels = {entity.name: entity.label for entity in entities}
        for name in ("Vladimir Putin", "Xi Jinping", "Donald Trump"):
            assert labels[name] == "PERSON"
        for name in ("China", "Russia", "Ukraine"):
            assert labels[name] == "LOC"
        assert labels["Security Council"] == "ORG"
        counts = {entity.name: entity.count for entity in entities}
        assert counts["Vladimir Putin"] >= 10
        assert not {"Putin", "Xi", "Trump"} & set(labels)

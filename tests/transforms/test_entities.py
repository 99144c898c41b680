"""ExtractEntities in pipelines: both ends, batches, one model for many bundles, the sample."""

from __future__ import annotations

import os
import pathlib
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
from pipeline.records import Draft
from pipeline.transforms import model_handler, spacy_model
from pipeline.transforms.entities import ExtractEntities, with_entities
from pipeline.transforms.linking import link
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
        articles, dead, _ = run(drafts, ExtractEntities(SpacyModelHandler(folder)))
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
        (after,), _, _ = run([before], ExtractEntities(SpacyModelHandler(folder)))
        assert after.message == before.message
        assert with_entities(before.article, [], "m", "1").entities == ()
        for name in ("title", "body", "article_id", "ingested_at", "tags", "attributes"):
            assert getattr(after.article, name) == getattr(before.article, name)

    def test_good_batches_from_the_start(self, folder: str) -> None:
        drafts = [draft("Kyiv " * 20, None, str(i)) for i in range(100)]
        articles, _, result = run(
            drafts, ExtractEntities(SpacyModelHandler(folder, batch_articles=20))
        )
        assert len(articles) == 100
        sizes = distribution(result, BATCH_SIZE)
        assert (sizes.count, sizes.min, sizes.max) == (5, 20, 20)

    def test_batches_are_bounded_by_characters(self, folder: str) -> None:
        lengths = [10, 2_000, 300, 300, 300, 5_000, 10, 10]
        drafts = [draft("x " * (n // 2), None, str(i)) for i, n in enumerate(lengths)]
        articles, _, result = run(
            drafts,
            ExtractEntities(SpacyModelHandler(folder, batch_articles=100, batch_characters=1_000)),
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
        articles, _, _ = run(drafts, ExtractEntities(SpacyModelHandler(folder)), bundles=6)
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
                handler = SpacyModelHandler(folder, workers=workers)
                articles, _, _ = run(drafts, ExtractEntities(handler), bundles=6)
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
                | ExtractEntities(SpacyModelHandler(folder))
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
        articles, (letter,), _ = run([draft("Kyiv")], ExtractEntities(SpacyModelHandler(folder)))
        assert not articles
        assert (letter.stage, letter.error_type) == ("entities", "unexpected")

    def test_missing_model_says_so_before_anything_runs(self) -> None:
        with pytest.raises(ModelNotFound):
            ExtractEntities(SpacyModelHandler("en_core_web_nope"))

    def test_options(self, folder: str) -> None:
        options = ArticleOptions(["--spacy_model", folder, "--max_attempts", "1"])
        transform = ExtractEntities.from_options(options)
        _, (letter,), _ = run([draft(FAILS)], transform)
        assert letter.attempts == 1

    def test_reading_reaches_the_model(self, folder: str) -> None:
        reading = Reading(ignored_labels=frozenset({"LOC"}))
        (article,), _, _ = run(
            [draft("Vladimir Putin in Kyiv")],
            ExtractEntities(SpacyModelHandler(folder, reading=reading)),
        )
        assert names(article)[1] == [("Vladimir Putin", "PERSON", 1)]


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

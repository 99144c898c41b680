from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.io.unbounded_source import UnboundedCountingSource
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pvalue import TaggedOutput
from apache_beam.utils.timestamp import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ledger import NearRule, Verdict
from pipeline.ledger.handles import LedgerAt
from pipeline.options import ArticleOptions
from pipeline.records import Article, Draft, DuplicateDraft, Source
from pipeline.runners.direct import StreamingDirectRunner
from pipeline.similarity.signature import VERSION
from pipeline.transforms import deduplicate
from pipeline.transforms.deduplicate import (
    Deduplicate,
    duplicate_of,
    is_front_page,
    marks_of,
    near_rule,
)
from pipeline.watch import metrics
from tests.articles import NOON, article, draft, message
from tests.similarity.texts import changed, story

TEXT = st.text(st.characters(), max_size=5)
SEEN: list[tuple[str, Any]] = []


def see(name: str, element: Any) -> None:
    SEEN.append((name, element))


def seen(name: str) -> list[Any]:
    return [element for end, element in SEEN if end == name]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[LedgerAt]:
    at = LedgerAt("memory://", str(tmp_path))
    yield at
    at.close()


def kinds(one: Article) -> list[str]:
    return [kind for kind, _ in marks_of(one)]


class TestMarks:
    def test_strongest_first(self) -> None:
        one = article("m", article_id="7", url="u", canonical_url="https://example.org/a")
        assert kinds(one) == ["id", "url", "content"]

    def test_an_id_that_is_the_address_or_the_content_is_no_mark_of_its_own(self) -> None:
        assert kinds(article("m")) == ["content"]
        url = "https://example.org/a"
        assert kinds(article("m", article_id=url, canonical_url=url)) == ["url", "content"]

    @pytest.mark.parametrize("url", ["https://example.org/", "https://example.org"])
    def test_a_front_page_is_no_mark(self, url: str) -> None:
        assert is_front_page(url)
        assert kinds(article("m", article_id=url, canonical_url=url)) == ["content"]

    @pytest.mark.parametrize("url", ["https://example.org/a", "https://example.org/?p=1"])
    def test_a_page_is(self, url: str) -> None:
        assert not is_front_page(url)

    def test_the_same_number_of_two_publishers_is_not_the_same_id(self) -> None:
        marks = {
            marks_of(article("m", article_id="7", source=source))[0]
            for source in (Source("A", "a.example"), Source("A", "b.example"), Source("B"))
        }
        assert len(marks) == 3

    def test_a_publisher_is_known_in_any_case(self) -> None:
        one, other = (article("m", article_id="7", source=Source(n)) for n in ("Wire", "WIRE"))
        assert marks_of(one) == marks_of(other)

    @given(st.tuples(TEXT, TEXT), st.tuples(TEXT, TEXT))
    def test_publisher_and_id_do_not_run_into_each_other(
        self, one: tuple[str, str], other: tuple[str, str]
    ) -> None:
        def mark(name: str, article_id: str) -> tuple[str, bytes]:
            return marks_of(article("m", article_id=f"id {article_id}", source=Source(name)))[0]

        same = (one[0].casefold(), one[1]) == (other[0].casefold(), other[1])
        if "\0" not in "".join((*one, *other)):
            assert (mark(*one) == mark(*other)) is same


def test_a_duplicate_holds_the_whole_article_and_names_its_canonical_one() -> None:
    one = article("m", "The whole body.")
    verdict = Verdict(kind="url", canonical_id="c", canonical_message_id="cm")
    record = duplicate_of(one, verdict, NOON)
    assert record.article is one
    assert (record.message_id, record.article_id) == ("m", one.article_id)
    assert (record.canonical_id, record.canonical_message_id) == ("c", "cm")
    assert (record.kind, record.similarity, record.detected_at) == ("url", 1.0, NOON)


def to_draft(n: int) -> Draft:
    """Three copies of each story."""
    return draft(f"{n}", f"story {n // 3}")


def run(ledger: LedgerAt, count: int = 3_000) -> Any:
    SEEN.clear()
    with beam.Pipeline(runner=StreamingDirectRunner(), options=PipelineOptions([])) as pipeline:
        ends = (
            pipeline
            | beam.io.Read(UnboundedCountingSource(count))
            | beam.Map(to_draft)
            | Deduplicate(ledger, dt.timedelta(days=7), storage_seconds=0.1)
        )
        for name in (deduplicate.ARTICLES, deduplicate.DUPLICATES, deduplicate.REDELIVERED):
            _ = ends[name] | name >> beam.Map(lambda element, name=name: see(name, element))
    return pipeline.result


def count_of(result: Any, name: str) -> int:
    counters = result.metrics().query()["counters"]
    return sum(c.committed for c in counters if c.key.metric.name == name)


class TestPipeline:
    def test_first_copies_and_duplicates_part(self, ledger: LedgerAt) -> None:
        run(ledger)
        firsts, copies = seen("articles"), seen("duplicates")
        assert [d.message.message_id for d in firsts] == [f"{n}" for n in range(0, 3_000, 3)]
        assert all(isinstance(d, DuplicateDraft) for d in copies)
        for copy in copies:
            number = int(copy.message.message_id)
            assert copy.duplicate.kind == "content"
            assert copy.duplicate.canonical_message_id == f"{number - number % 3}"
        assert len(copies) == 2_000
        assert seen("redelivered") == []

    def test_what_comes_again_goes_the_same_way(self, ledger: LedgerAt) -> None:
        run(ledger)
        before = [(name, element.message) for name, element in SEEN]
        run(ledger)
        again = [(name, element.message) for name, element in SEEN]
        assert sorted(again, key=str) == sorted(before, key=str)

    def test_what_is_committed_is_only_settled(self, ledger: LedgerAt) -> None:
        run(ledger, 30)
        keys = [message(f"{n}").key for n in range(20)]
        intent = ledger.get().begin("articles", [(key, key) for key in keys], "".join)
        ledger.get().commit(intent)
        result = run(ledger, 30)
        assert sorted(key for done in seen("redelivered") for key in done) == sorted(keys)
        assert count_of(result, metrics.MESSAGES_REDELIVERED) == 20
        written = {d.message.message_id for d in seen("articles") + seen("duplicates")}
        assert written == {f"{n}" for n in range(20, 30)}

    def test_batches_are_bounded(self, ledger: LedgerAt, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(deduplicate, "MAX_BATCH", 7)
        result = run(ledger, 300)
        (sizes,) = (
            d.committed
            for d in result.metrics().query()["distributions"]
            if d.key.metric.name == metrics.BATCH_SIZE
        )
        assert sizes.max <= 7
        assert sizes.sum == 300
        assert len(seen("articles")) == 100


def near_draft(n: int) -> Draft:
    """Three near copies of each story; no two are the same."""
    return draft(f"{n}", changed(story(n // 3), 0.01 * (n % 3), n))


def run_near(ledger: LedgerAt, rule: NearRule | None, count: int = 30) -> None:
    SEEN.clear()
    with beam.Pipeline(runner=StreamingDirectRunner(), options=PipelineOptions([])) as pipeline:
        ends = (
            pipeline
            | beam.io.Read(UnboundedCountingSource(count))
            | beam.Map(near_draft)
            | Deduplicate(ledger, dt.timedelta(days=7), rule, storage_seconds=0.1)
        )
        for name in (deduplicate.ARTICLES, deduplicate.DUPLICATES):
            _ = ends[name] | name >> beam.Map(lambda element, name=name: see(name, element))


class TestNear:
    def test_separate_puts_whole_records_aside(self, ledger: LedgerAt) -> None:
        run_near(ledger, near_rule("separate", 0.8))
        assert [d.message.message_id for d in seen("articles")] == [f"{n}" for n in range(0, 30, 3)]
        assert all(d.article.near_duplicate is None for d in seen("articles"))
        for copy in seen("duplicates"):
            number = int(copy.message.message_id)
            said = copy.duplicate
            assert said.article == near_draft(number).article
            assert (said.kind, said.signature_version) == ("near", str(VERSION))
            assert said.canonical_message_id == f"{number - number % 3}"
            assert said.cluster_id == said.canonical_id
            assert 0.8 <= said.similarity < 1
        assert len(seen("duplicates")) == 20

    def test_annotate_keeps_the_article_and_says_so_in_it(self, ledger: LedgerAt) -> None:
        run_near(ledger, near_rule("annotate", 0.8))
        assert seen("duplicates") == []
        ids = {d.message.message_id: d.article.article_id for d in seen("articles")}
        assert set(ids) == {f"{n}" for n in range(30)}
        for kept in seen("articles"):
            number = int(kept.message.message_id)
            like = kept.article.near_duplicate
            if number % 3 == 0:
                assert like is None
                continue
            assert (like.kind, like.canonical_id) == ("near", ids[f"{number - number % 3}"])
            assert like.cluster_id == like.canonical_id
            assert 0.8 <= like.similarity < 1

    def test_what_comes_again_is_annotated_again(self, ledger: LedgerAt) -> None:
        run_near(ledger, near_rule("annotate", 0.8))
        before = [element.article.near_duplicate for _, element in SEEN]
        run_near(ledger, near_rule("annotate", 0.8))
        assert [element.article.near_duplicate for _, element in SEEN] == before

    def test_off_sees_none(self, ledger: LedgerAt) -> None:
        assert near_rule("off", 0.8) is None
        run_near(ledger, None)
        assert len(seen("articles")) == 30


class TestOptions:
    def test_near_duplicates_are_set_apart_unless_told_otherwise(self, tmp_path: Path) -> None:
        options = ArticleOptions(["--output", str(tmp_path)])
        rule = near_rule(options.near_duplicates, options.near_duplicate_threshold)
        assert rule == NearRule(0.8, separate=True)

    def test_the_ledger_lies_under_the_output(self, tmp_path: Path) -> None:
        options = ArticleOptions(["--output", str(tmp_path)])
        at = LedgerAt.from_options(options)
        assert at.uri == f"sqlite:///{tmp_path.resolve()}/_state/ledger.sqlite3"
        at.get()
        assert (tmp_path / "_state" / "ledger.sqlite3").exists()
        assert at.get() is LedgerAt.from_options(options).get()
        at.close()

    @pytest.mark.parametrize("state", ["redis://x/y", "sqlite://x", "sqlite:///", "ledger.db"])
    def test_a_state_of_no_known_kind_is_said_before_anything_runs(
        self, tmp_path: Path, state: str
    ) -> None:
        options = ArticleOptions(["--output", str(tmp_path), "--state", state])
        with pytest.raises(ValueError, match="--state"):
            Deduplicate.from_options(options)


def test_a_clock_that_jumps_makes_nothing_forgotten(
    ledger: LedgerAt, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten years ahead while the run is under way: the copies are still known for what they are."""
    run(ledger, 30)

    class Ahead(dt.datetime):
        @classmethod
        def now(cls, tz: dt.tzinfo | None = None) -> dt.datetime:
            return dt.datetime.now(tz) + dt.timedelta(days=3_650)

    jumped = SimpleNamespace(datetime=Ahead, timezone=dt.timezone, timedelta=dt.timedelta)
    monkeypatch.setattr(deduplicate, "dt", jumped)
    copy = draft("later", "story 0")
    asked = deduplicate._AskLedger(ledger, dt.timedelta(days=7), None, 1.0)
    asked.start_bundle()
    assert not list(asked.process(copy, Timestamp(0)))
    (out,) = asked.finish_bundle()
    assert isinstance(out, TaggedOutput)
    assert out.tag == deduplicate.DUPLICATES
    # What the record says is the machine's own time, as everybody's is.
    assert out.value.value.duplicate.detected_at.year > dt.datetime.now().year + 8

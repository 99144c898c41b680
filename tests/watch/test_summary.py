from __future__ import annotations

import apache_beam as beam
from hypothesis import given
from hypothesis import strategies as st

from pipeline.watch import metrics
from pipeline.watch.summary import Summary, split

word = st.from_regex(r"[a-z_]+", fullmatch=True)
counters = st.dictionaries(word, st.integers(0, 10**6), max_size=5)
moment = st.none() | st.floats(0, 1e6)
part_done = st.none() | st.floats(0, 1)
summaries = st.builds(Summary, counters, moment, moment, part_done)


def test_of_nothing_adds_up() -> None:
    assert Summary().adds_up
    assert Summary().seconds is None


def test_the_sum() -> None:
    summary = Summary(
        {
            "messages_received": 10,
            "articles_written": 4,
            "duplicates{kind=url}": 2,
            "duplicates{kind=id}": 1,
            "dead_letters{stage=decode,error_type=bomb}": 2,
            "messages_redelivered": 1,
            "messages_settled": 10,
        },
        began=1.0,
        ended=3.5,
    )
    assert (summary.articles, summary.duplicates, summary.dead_letters) == (4, 3, 2)
    assert (summary.received, summary.redelivered, summary.settled) == (10, 1, 10)
    assert summary.accounted == 10
    assert summary.adds_up
    assert summary.seconds == 2.5


def test_one_too_few_or_too_many_does_not_add_up() -> None:
    for articles in (0, 2):
        assert not Summary({"messages_received": 1, "articles_written": articles}).adds_up


def test_what_was_decoded_or_settled_is_no_end() -> None:
    summary = Summary({"messages_received": 1, "articles_decoded": 1, "messages_settled": 1})
    assert not summary.adds_up


@given(st.lists(summaries, max_size=4))
def test_parts_sum_up(parts: list[Summary]) -> None:
    whole = Summary.sum(parts)
    for name in {name for part in parts for name in part.counters}:
        assert whole.total(name) == sum(part.total(name) for part in parts)
    assert whole.began == min((p.began for p in parts if p.began is not None), default=None)
    assert whole.ended == max((p.ended for p in parts if p.ended is not None), default=None)


@given(word, st.dictionaries(word, word, max_size=3))
def test_labels_come_back(name: str, labels: dict[str, str]) -> None:
    found, text = split(metrics.labelled(name, **labels))
    assert found == name
    assert text == ",".join(f"{key}={value}" for key, value in labels.items())


@given(st.text())
def test_a_counter_of_any_name_is_split(key: str) -> None:
    name, labels = split(key)
    assert key == (f"{name}{{{labels}}}" if labels else name) or key == f"{name}{{}}"


class _Count(beam.DoFn):
    def process(self, n: int) -> None:
        metrics.count(metrics.MESSAGES_RECEIVED)
        metrics.count(metrics.DUPLICATES, n, kind="url")
        metrics.observe(metrics.BATCH_SIZE, n)
        beam.metrics.Metrics.counter("another", metrics.MESSAGES_RECEIVED).inc()


def test_from_a_pipeline() -> None:
    pipeline = beam.Pipeline(runner="BundleBasedDirectRunner")
    _ = pipeline | beam.Create([1, 2]) | beam.ParDo(_Count())
    result = pipeline.run()
    result.wait_until_finish()
    summary = Summary.of(result, began=7.0)
    assert summary == Summary({"messages_received": 2, "duplicates{kind=url}": 3}, 7.0)


def test_of_their_input_the_parts_have_read_the_mean() -> None:
    """One that has said nothing yet has read nothing."""
    assert Summary.sum([Summary(done=1.0), Summary(done=0.5), Summary()]).done == 0.5
    assert Summary.sum([Summary(), Summary()]).done is None

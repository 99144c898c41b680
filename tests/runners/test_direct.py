from __future__ import annotations

import itertools
import resource
import threading
import time
from collections.abc import Iterator
from typing import Any

import apache_beam as beam
import pytest
from apache_beam.coders import VarIntCoder
from apache_beam.io.unbounded_source import (
    CheckpointMark,
    UnboundedCountingSource,
    UnboundedReader,
    UnboundedSource,
)
from apache_beam.metrics import Metrics
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.transforms.timeutil import TimeDomain
from apache_beam.transforms.userstate import (
    BagStateSpec,
    ReadModifyWriteStateSpec,
    TimerSpec,
    on_timer,
)
from apache_beam.transforms.window import GlobalWindow
from apache_beam.utils.timestamp import MAX_TIMESTAMP, MIN_TIMESTAMP, Timestamp

from pipeline.runners.direct import StreamingDirectRunner, StreamingResult

# What the DoFns of the test that runs have seen: they are pickled, this module is not.
SEEN: list[Any] = []
ATTEMPTS: list[int] = []
EVENTS: list[str] = []


@pytest.fixture(autouse=True)
def fresh() -> None:
    for record in (SEEN, ATTEMPTS, EVENTS):
        record.clear()


def see(element: Any) -> None:
    SEEN.append(element)


def new_pipeline() -> beam.Pipeline:
    return beam.Pipeline(runner=StreamingDirectRunner(), options=PipelineOptions([]))


def counters(result: Any) -> dict[str, int]:
    query = result.metrics().query()
    return {counter.key.metric.name: counter.committed for counter in query["counters"]}


class Count(beam.DoFn):
    def process(self, element: int) -> Iterator[int]:
        Metrics.counter("test", "elements").inc()
        Metrics.distribution("test", "values").update(element)
        yield element

    def finish_bundle(self) -> None:
        Metrics.counter("test", "bundles").inc()


class TestReading:
    def test_all_records_come_once(self) -> None:
        with new_pipeline() as pipeline:
            _ = pipeline | beam.io.Read(UnboundedCountingSource(5_500)) | beam.Map(see)
        assert sorted(SEEN) == list(range(5_500))

    def test_a_source_without_records_ends(self) -> None:
        with new_pipeline() as pipeline:
            _ = pipeline | beam.io.Read(UnboundedCountingSource(0)) | beam.Map(see)
        assert SEEN == []

    def test_two_sources_at_once(self) -> None:
        with new_pipeline() as pipeline:
            reads = [
                pipeline | f"Read{n}" >> beam.io.Read(UnboundedCountingSource(n))
                for n in (1_500, 300)
            ]
            _ = reads | beam.Flatten() | beam.Map(see)
        assert sorted(SEEN) == sorted([*range(1_500), *range(300)])

    def test_elements_carry_the_times_of_their_records(self) -> None:
        with new_pipeline() as pipeline:
            _ = (
                pipeline
                | beam.io.Read(UnboundedCountingSource(3))
                | beam.Map(lambda _, at=beam.DoFn.TimestampParam: at)
                | beam.Map(see)
            )
        assert [b - a for a, b in itertools.pairwise(SEEN)] == [1, 1]


class TestCounting:
    def test_every_bundle_counts(self) -> None:
        """Beam's own executor would report the first bundle of a step alone."""
        pipeline = new_pipeline()
        _ = pipeline | beam.io.Read(UnboundedCountingSource(5_500)) | beam.ParDo(Count())
        result = pipeline.run()
        result.wait_until_finish()
        found = counters(result)
        assert found["elements"] == 5_500
        assert found["bundles"] > 2
        (values,) = result.metrics().query()["distributions"]
        assert (values.committed.count, values.committed.max) == (5_500, 5_499)

    def test_an_attempt_that_fails_does_not_count(self) -> None:
        pipeline = new_pipeline()
        _ = pipeline | beam.io.Read(UnboundedCountingSource(2_500)) | beam.ParDo(FailTwice())
        result = pipeline.run()
        result.wait_until_finish()
        assert len(ATTEMPTS) == 3
        assert counters(result)["elements"] == 2_500

    def test_nor_does_it_leave_state_behind(self) -> None:
        pipeline = new_pipeline()
        _ = (
            pipeline
            | beam.io.Read(UnboundedCountingSource(2_500))
            | beam.Map(lambda n: ("key", n)).with_output_types(tuple[str, int])
            | beam.ParDo(GatherAndFailOnce())
            | beam.Map(see)
        )
        pipeline.run().wait_until_finish()
        assert ATTEMPTS
        assert sorted(n for batch in SEEN for n in batch) == list(range(2_500))


class FailTwice(beam.DoFn):
    """Fails in the middle of the bundle that holds 1,700, twice."""

    def process(self, element: int) -> None:
        Metrics.counter("test", "elements").inc()
        if element == 1_700:
            ATTEMPTS.append(element)
            if len(ATTEMPTS) <= 2:
                raise ValueError("an attempt that fails")


class GatherAndFailOnce(beam.DoFn):
    BAG = BagStateSpec("bag", VarIntCoder())
    END = TimerSpec("end", TimeDomain.WATERMARK)

    def process(
        self,
        element: tuple[str, int],
        bag: Any = beam.DoFn.StateParam(BAG),
        end: Any = beam.DoFn.TimerParam(END),
    ) -> None:
        bag.add(element[1])
        end.set(GlobalWindow().max_timestamp())
        if element[1] == 1_700 and not ATTEMPTS:
            ATTEMPTS.append(1)
            raise ValueError("an attempt that fails")

    @on_timer(END)
    def on_end(self, bag: Any = beam.DoFn.StateParam(BAG)) -> Iterator[list[int]]:
        yield list(bag.read())


class Gather(beam.DoFn):
    """By ten, what is left at the end; and what a timer of real time finds."""

    BAG = BagStateSpec("bag", VarIntCoder())
    COUNT = ReadModifyWriteStateSpec("count", VarIntCoder())
    SOON = TimerSpec("soon", TimeDomain.REAL_TIME)
    END = TimerSpec("end", TimeDomain.WATERMARK)

    def process(
        self,
        element: tuple[str, int],
        bag: Any = beam.DoFn.StateParam(BAG),
        count: Any = beam.DoFn.StateParam(COUNT),
        soon: Any = beam.DoFn.TimerParam(SOON),
        end: Any = beam.DoFn.TimerParam(END),
    ) -> Iterator[tuple[str, list[int]]]:
        bag.add(element[1])
        count.write((count.read() or 0) + 1)
        soon.set(Timestamp.now() + 0.05)
        end.set(GlobalWindow().max_timestamp())
        if count.read() == 10:
            yield "full", list(bag.read())
            bag.clear()
            count.clear()
            soon.clear()

    @on_timer(SOON)
    def on_soon(
        self,
        bag: Any = beam.DoFn.StateParam(BAG),
        count: Any = beam.DoFn.StateParam(COUNT),
    ) -> Iterator[tuple[str, list[int]]]:
        yield "soon", list(bag.read())
        bag.clear()
        count.clear()

    @on_timer(END)
    def on_end(self, bag: Any = beam.DoFn.StateParam(BAG)) -> Iterator[tuple[str, list[int]]]:
        yield "end", list(bag.read())
        bag.clear()


class TestState:
    def test_what_is_left_comes_at_the_end(self) -> None:
        with new_pipeline() as pipeline:
            _ = (
                pipeline
                | beam.io.Read(UnboundedCountingSource(25))
                | beam.Map(lambda n: ("key", n)).with_output_types(tuple[str, int])
                | beam.ParDo(Gather())
                | beam.Map(see)
            )
        assert sorted(n for _, batch in SEEN for n in batch) == list(range(25))
        assert [how for how, _ in SEEN][:2] == ["full", "full"]

    def test_timers_of_real_time_fire_while_nothing_comes(self) -> None:
        source = Script([1, 2, 3], then="wait")
        with running(source) as (pipeline, events):
            _ = (
                pipeline
                | beam.io.Read(source)
                | beam.Map(lambda n: ("key", n)).with_output_types(tuple[str, int])
                | beam.ParDo(Gather())
                | beam.Map(see)
            )
            result = pipeline.run()
            for _ in range(3_000):
                if SEEN:
                    break
                time.sleep(0.01)
            events.set()
            result.wait_until_finish()
        assert [how for how, batch in SEEN if batch] == ["soon"]


class Script(UnboundedSource):
    """Hands out `records`; `then` it ends, waits until told, or fails."""

    def __init__(self, records: list[int], then: str) -> None:
        self.records = records
        self.then = then
        self.ended = threading.Event()

    def __getstate__(self) -> dict[str, Any]:
        # Beam pickles a source it may send away; the reader it makes here is of this one.
        return {"records": self.records, "then": self.then}

    def split(self, desired_num_splits: int, options: Any = None) -> list[Script]:
        return [self]

    def create_reader(self, options: Any, checkpoint_mark: Any) -> ScriptReader:
        return ScriptReader(self)


class ScriptReader(UnboundedReader):
    def __init__(self, source: Script) -> None:
        self._source = source
        self._left = list(source.records)
        self._current: int | None = None

    def start(self) -> bool:
        return self.advance()

    def advance(self) -> bool:
        if not self._left:
            if self._source.then == "fail":
                raise OSError("the queue is on fire")
            return False
        self._current = self._left.pop(0)
        return True

    def wait(self, seconds: float) -> None:
        EVENTS.append("wait")
        self._source.ended.wait(seconds)

    def get_current(self) -> int | None:
        return self._current

    def get_current_timestamp(self) -> Timestamp:
        return Timestamp(0)

    def get_watermark(self) -> Timestamp:
        over = self._source.then == "end" or self._source.ended.is_set()
        return MAX_TIMESTAMP if over and not self._left else MIN_TIMESTAMP

    def get_checkpoint_mark(self) -> CheckpointMark:
        EVENTS.append("mark")
        return CheckpointMark()

    def close(self) -> None:
        EVENTS.append("close")


class running:
    """A pipeline over a source that waits; the source ends however the block does."""

    def __init__(self, source: Script) -> None:
        self._source = source

    def __enter__(self) -> tuple[beam.Pipeline, threading.Event]:
        return new_pipeline(), self._source.ended

    def __exit__(self, *exc: object) -> None:
        self._source.ended.set()


class TestReaders:
    def test_are_closed_at_the_end(self) -> None:
        with new_pipeline() as pipeline:
            _ = pipeline | beam.io.Read(Script([1], then="end")) | beam.Map(see)
        assert EVENTS[-1] == "close"
        assert EVENTS.count("close") == 1

    def test_an_error_in_one_surfaces_and_it_is_closed(self) -> None:
        pipeline = new_pipeline()
        _ = pipeline | beam.io.Read(Script([1], then="fail")) | beam.Map(see)
        with pytest.raises(OSError, match="on fire"):
            pipeline.run().wait_until_finish()
        assert EVENTS.count("close") == 1

    def test_an_error_in_a_step_surfaces_and_they_are_closed(self) -> None:
        source = Script([1], then="wait")
        with running(source) as (pipeline, _):
            _ = pipeline | beam.io.Read(source) | beam.Map(lambda n: n // 0)
            with pytest.raises(ZeroDivisionError):
                pipeline.run().wait_until_finish()
        assert EVENTS.count("close") == 1

    def test_are_asked_for_a_mark_after_each_bundle(self) -> None:
        """A reader gathers what a mark would hold: without end, if nobody asks for it."""
        with new_pipeline() as pipeline:
            _ = pipeline | beam.io.Read(Script(list(range(5_000)), then="end")) | beam.Map(see)
        assert len(SEEN) == 5_000
        assert EVENTS.count("mark") >= 2

    def test_cancel_stops_and_closes(self) -> None:
        source = Script([1], then="wait")
        with running(source) as (pipeline, _):
            _ = pipeline | beam.io.Read(source) | beam.Map(see)
            result = pipeline.run()
            assert isinstance(result, StreamingResult)
            result.cancel()
        assert EVENTS.count("close") <= 1
        assert result.state == "CANCELLED"

    def test_an_idle_pipeline_waits_instead_of_asking(self) -> None:
        source = Script([1], then="wait")
        with running(source) as (pipeline, ended):
            _ = pipeline | beam.io.Read(source) | beam.Map(see)
            result = pipeline.run()
            while "wait" not in EVENTS:
                time.sleep(0.01)
            before, waits = cpu_seconds(), EVENTS.count("wait")
            ended.wait(2.0)
            busy, waited = cpu_seconds() - before, EVENTS.count("wait") - waits
            ended.set()
            result.wait_until_finish()
        assert waited <= 2.0 / 0.1 + 5
        assert busy < 0.5


def cpu_seconds() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime

"""Beam's local runner, able to read an `UnboundedSource`.

`BundleBasedDirectRunner` streams, but knows no unbounded source but its own Pub/Sub reader, which
acknowledges before processing and counts a backlog as late. This subclass replaces the read by a
primitive that drives the source's reader: as many records at a time as `BundleSize` says, its
watermark as the output's, no more records once the reader has ended. Nothing else in the project
touches `apache_beam.runners.direct`.

Two facts of that runner shape the rest of the pipeline: a bundle goes through a whole step before
the next step begins, and the source is asked for more only when nothing else is to be done.
"""

from __future__ import annotations

import logging
import sys
from typing import Any, NamedTuple, Protocol, runtime_checkable

from apache_beam import pvalue
from apache_beam.io.unbounded_source import (
    ReadFromUnboundedSource,
    UnboundedReader,
    UnboundedSource,
)
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions, StandardOptions
from apache_beam.options.value_provider import RuntimeValueProvider
from apache_beam.pipeline import AppliedPTransform, Pipeline, PTransformOverride
from apache_beam.runners.common import DoFnRunner
from apache_beam.runners.direct.bundle_factory import BundleFactory
from apache_beam.runners.direct.consumer_tracking_pipeline_visitor import (
    ConsumerTrackingPipelineVisitor,
)
from apache_beam.runners.direct.direct_runner import (
    BundleBasedDirectRunner,
    DirectPipelineResult,
    _get_transform_overrides,
)
from apache_beam.runners.direct.evaluation_context import EvaluationContext
from apache_beam.runners.direct.executor import Executor
from apache_beam.runners.direct.transform_evaluator import (
    TransformEvaluatorRegistry,
    _TransformEvaluator,
)
from apache_beam.runners.direct.util import TransformResult
from apache_beam.runners.runner import PipelineState
from apache_beam.runners.worker import statesampler
from apache_beam.transforms import PTransform
from apache_beam.transforms.core import Windowing
from apache_beam.transforms.window import GlobalWindows
from apache_beam.utils.timestamp import MAX_TIMESTAMP

from pipeline.clock import SteadyClock
from pipeline.errors import Failed
from pipeline.runners.bundle_size import BundleSize

logger = logging.getLogger(__name__)

IDLE_WAIT_SECONDS = 0.1


def _tells_news(record: logging.LogRecord) -> bool:
    """False for what Beam logs about a `Failed`: eight tracebacks, and that it gives up.

    Such an error says all there is to say in one line, and reaches our caller.
    """
    arguments = record.args if isinstance(record.args, tuple) else ()
    return not any(isinstance(one, Failed) for one in (sys.exc_info()[1], *arguments))


@runtime_checkable
class WaitingReader(Protocol):
    """A reader that can wait for data, so that an idle pipeline takes no processor time."""

    def wait(self, seconds: float) -> None: ...


class StreamingDirectRunner(BundleBasedDirectRunner):
    """Runs a streaming pipeline with unbounded sources in this process."""

    @staticmethod
    def is_fnapi_compatible() -> bool:
        """True, so that Beam leaves the pipeline as it is.

        It would otherwise send it through its portable form and back first, to see that it can:
        the copy's source is not the one our caller drains, and its read is not known for one.
        """
        return True

    def run_pipeline(self, pipeline: Pipeline, options: PipelineOptions) -> StreamingResult:
        """As in the parent class, with our read and its evaluator.

        The steps are the parent's (Beam 2.77): it makes the registry of evaluators itself and has
        no place to hand in another.
        """
        options.view_as(StandardOptions).streaming = True
        pipeline.replace_all([_ReadOverride(), *_get_transform_overrides(options)])
        visitor = ConsumerTrackingPipelineVisitor()
        pipeline.visit(visitor)
        context = _Context(
            options,
            BundleFactory(stacked=options.view_as(DirectOptions).direct_runner_use_stacked_bundle),
            visitor.root_transforms,
            visitor.value_to_consumers,
            visitor.step_names,
            visitor.views,
            SteadyClock(),
        )
        registry = _Registry(context)
        executor = Executor(visitor.value_to_consumers, registry, context)
        RuntimeValueProvider.set_runtime_options({})
        for module in (Executor.__module__, DoFnRunner.__module__):
            logging.getLogger(module).addFilter(_tells_news)
        logger.info("running on StreamingDirectRunner, in this process")
        executor.start(visitor.root_transforms)
        return StreamingResult(executor, context, registry)


class StreamingResult(DirectPipelineResult):
    """The parent's result, closing every reader when the pipeline ends, however it ends."""

    def __init__(self, executor: Executor, context: EvaluationContext, registry: _Registry) -> None:
        super().__init__(executor, context)  # type: ignore[no-untyped-call]
        self._registry = registry

    def wait_until_finish(self, duration: int | None = None) -> str:
        try:
            return str(super().wait_until_finish(duration))  # type: ignore[no-untyped-call]
        finally:
            self._registry.close_readers()

    def cancel(self) -> None:
        """Stops at once: what is under way is neither finished nor settled."""
        self._state = PipelineState.CANCELLED
        self._executor.shutdown()
        self._registry.close_readers()


class _ReadOverride(PTransformOverride):
    def matches(self, applied: AppliedPTransform) -> bool:
        return isinstance(applied.transform, ReadFromUnboundedSource)

    def get_replacement_transform_for_applied_ptransform(
        self, applied: AppliedPTransform
    ) -> _DirectRead:
        assert isinstance(applied.transform, ReadFromUnboundedSource)
        return _DirectRead(applied.transform._source)


class _DirectRead(PTransform[pvalue.PBegin, pvalue.PCollection[Any]]):
    """The read as a primitive of this runner."""

    def __init__(self, source: UnboundedSource) -> None:
        super().__init__()
        self.source = source

    def get_windowing(self, inputs: Any) -> Windowing:
        return Windowing(GlobalWindows())

    def expand(self, pbegin: pvalue.PBegin) -> pvalue.PCollection[Any]:
        assert pbegin.pipeline is not None
        return pvalue.PCollection(pbegin.pipeline, is_bounded=False)

    def _infer_output_coder(self, input_type: Any = None, input_coder: Any = None) -> Any:
        return self.source.default_output_coder()


class _Context(EvaluationContext):
    """Counts every bundle.

    The parent's executor makes a container of metrics for each bundle, but its state sampler
    keeps the first one it was given for a step, so that all bundles count into that one and only
    the first is read (`StateSampler.scoped_state`, Beam 2.77).
    """

    def handle_result(self, completed_bundle: Any, completed_timers: Any, result: Any) -> Any:
        metrics = _metrics_of(result.transform)
        result.logical_metric_updates = metrics.get_cumulative()
        metrics.reset()
        return super().handle_result(completed_bundle, completed_timers, result)


def _metrics_of(applied: AppliedPTransform) -> Any:
    """The container that a step really counts into, on the executor's thread."""
    tracker = statesampler.get_current_tracker()
    return tracker.scoped_state(applied.full_label, "process").metrics_container


class _Registry(TransformEvaluatorRegistry):
    """Evaluators by transform; keeps the readers, since an evaluator lives for one bundle."""

    def __init__(self, context: EvaluationContext) -> None:
        super().__init__(context)
        self._evaluators[_DirectRead] = _DirectReadEvaluator
        self._readers: dict[AppliedPTransform, _Reading] = {}
        self._serially: dict[AppliedPTransform, bool] = {}

    def get_evaluator(self, applied: AppliedPTransform, bundle: Any, side_inputs: Any) -> Any:
        # Called once an attempt: what an attempt that failed has counted must not count.
        _metrics_of(applied).reset()
        evaluator = super().get_evaluator(  # type: ignore[no-untyped-call]
            applied, bundle, side_inputs
        )
        if isinstance(evaluator, _DirectReadEvaluator):
            evaluator.readers = self._readers
        return evaluator

    def should_execute_serially(self, applied: AppliedPTransform) -> bool:
        # Asked for every bundle, and answered by reading the signature of every method anew.
        serially = self._serially.get(applied)
        if serially is None:
            serially = bool(super().should_execute_serially(applied))  # type: ignore[no-untyped-call]
            self._serially[applied] = serially
        return serially

    def close_readers(self) -> None:
        while self._readers:
            self._readers.popitem()[1].reader.close()


class _Reading(NamedTuple):
    reader: UnboundedReader
    size: BundleSize


class _DirectReadEvaluator(_TransformEvaluator):
    """One bundle of one reader."""

    readers: dict[AppliedPTransform, _Reading]

    def finish_bundle(self) -> TransformResult:
        (output,) = self._outputs
        bundle = self._evaluation_context.create_bundle(output)
        (reader, size), more = self._reading()
        if not more and isinstance(reader, WaitingReader):
            reader.wait(IDLE_WAIT_SECONDS)
            more = reader.advance()
        records = 0
        most = size.next()
        while more:
            bundle.output(
                GlobalWindows.windowed_value(
                    reader.get_current(), timestamp=reader.get_current_timestamp()
                )
            )
            records += 1
            more = records < most and reader.advance()
        size.handed_on(records)
        # Nobody resumes from it here, but a reader gathers what it is to hold until it is asked.
        reader.get_checkpoint_mark()
        watermark = reader.get_watermark()
        if watermark >= MAX_TIMESTAMP:
            return TransformResult(self, [bundle], [], None, {None: MAX_TIMESTAMP})
        # An unprocessed bundle is how a root asks to be called again.
        again = self._evaluation_context.create_bundle(pvalue.PBegin(output.pipeline))
        return TransformResult(self, [bundle], [again], None, {None: watermark})

    def _transform(self) -> _DirectRead:
        transform = self._applied_ptransform.transform
        assert isinstance(transform, _DirectRead)
        return transform

    def _reading(self) -> tuple[_Reading, bool]:
        """The reader, and whether it stands at a record."""
        reading = self.readers.get(self._applied_ptransform)
        if reading is not None:
            return reading, bool(reading.reader.advance())
        reader = self._transform().source.create_reader(
            self._evaluation_context.pipeline_options, None
        )
        reading = self.readers[self._applied_ptransform] = _Reading(reader, BundleSize())
        return reading, bool(reader.start())

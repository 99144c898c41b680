"""The two readers that `streaming` compares; each runs in a process of its own."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.runners.direct.direct_runner import BundleBasedDirectRunner

from pipeline import logs
from pipeline.launch import launch

_handed_on = 0


def stock(subscription: str, messages: int) -> None:
    """Beam's `ReadFromPubSub` on its local runner, counting what it hands on."""
    pipeline = beam.Pipeline(BundleBasedDirectRunner(), PipelineOptions(streaming=True))
    _ = (
        pipeline
        | beam.io.ReadFromPubSub(subscription=subscription, with_attributes=True)
        | beam.Map(_hand_on)
    )
    started = time.perf_counter()
    pipeline.run()
    while _handed_on < messages:
        time.sleep(0.01)
    _report(time.perf_counter() - started)
    # It has no way to stop.
    os._exit(0)


def _hand_on(message: object) -> None:
    global _handed_on
    _handed_on += 1


def ours(subscription: str, messages: int) -> None:
    """The pipeline as `run --no_entities` has it, from first pull to last acknowledgement."""
    logs.configure()
    with tempfile.TemporaryDirectory() as folder:
        summary = launch(
            {
                "subscription": subscription,
                "output": str(Path(folder) / "output"),
                "max_messages": messages,
                "no_entities": True,
                "no_progress": True,
            }
        )
    assert summary.settled == messages, summary
    assert summary.seconds is not None
    _report(summary.seconds)


def _report(seconds: float) -> None:
    print(seconds, flush=True)

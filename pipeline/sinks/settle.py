"""Settle: the last step, where the queue is told."""

from __future__ import annotations

import apache_beam as beam
from apache_beam.pvalue import PCollection

from pipeline import failpoints
from pipeline.leases import leases_of
from pipeline.sinks.avro import Settlement
from pipeline.watch import metrics


class Settle(beam.PTransform[PCollection[Settlement], PCollection[None]]):
    """Acknowledges messages whose records are durable, and lets go of those of others.

    Args:
        subscription: projects/P/subscriptions/S, whose leases this process holds.

    In: PCollection[Settlement]. Out: nothing.
    Counted: messages_settled.
    """

    def __init__(self, subscription: str) -> None:
        super().__init__()
        self._subscription = subscription

    def expand(self, settlements: PCollection[Settlement]) -> PCollection[None]:
        nothing: PCollection[None] = settlements | "Acknowledge" >> beam.ParDo(
            _Acknowledge(self._subscription)
        )
        return nothing


class CountSettled(beam.PTransform[PCollection[Settlement], PCollection[None]]):
    """What `Settle` is to a queue, for messages that nobody waits to hear of.

    In: PCollection[Settlement]. Out: nothing.
    Counted: messages_settled.
    """

    def expand(self, settlements: PCollection[Settlement]) -> PCollection[None]:
        nothing: PCollection[None] = settlements | "Count" >> beam.Map(_count)
        return nothing


def _count(settlement: Settlement) -> None:
    if settlement.durable:
        metrics.count(metrics.MESSAGES_SETTLED, len(settlement.keys))
        failpoints.reach("after_settle")


class _Acknowledge(beam.DoFn):
    def __init__(self, subscription: str) -> None:
        self._subscription = subscription

    def process(self, settlement: Settlement) -> None:
        leases = leases_of(self._subscription)
        if settlement.durable:
            metrics.count(metrics.MESSAGES_SETTLED, leases.settle(settlement.keys))
            failpoints.reach("after_settle")
        else:
            leases.abandon(settlement.keys)

"""Reading a Pub/Sub subscription without losing what was read.

Beam's own reader acknowledges before processing on its local runner. This one is an
`UnboundedSource` that only leases: on the local runner `Settle` acknowledges what is durable;
on an engine with checkpoints, the checkpoint mark does so once the checkpoint is complete.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterable
from typing import Any

from apache_beam.coders import Coder
from apache_beam.io.unbounded_source import CheckpointMark, UnboundedReader, UnboundedSource
from apache_beam.utils.timestamp import MAX_TIMESTAMP, MIN_TIMESTAMP, Timestamp

from pipeline.leases import leases_of
from pipeline.options import ArticleOptions
from pipeline.records import Message
from pipeline.sources.puller import Limits, Puller
from pipeline.sources.quota import Quota


class Mark(CheckpointMark):
    """The messages read since the last mark. Pub/Sub has no position to resume from."""

    def __init__(self, subscription: str, keys: tuple[str, ...]) -> None:
        self.subscription = subscription
        self.keys = keys

    def finalize_checkpoint(self) -> None:
        leases_of(self.subscription).settle(self.keys)


class MarkCoder(Coder):
    def encode(self, value: Mark) -> bytes:
        return json.dumps([value.subscription, value.keys]).encode()

    def decode(self, encoded: bytes) -> Mark:
        subscription, keys = json.loads(encoded)
        return Mark(subscription, tuple(keys))

    def is_deterministic(self) -> bool:
        return True


class PubSubSource(UnboundedSource):
    """Messages of one subscription, as `Message`, timed by when they were published.

    Args:
        subscription: projects/P/subscriptions/S.
        limits: see `Limits`.
        quota: shared with the readers of other processes; by default `limits.max_messages` alone.

    `drain` asks the reader of this process to end: it gives back what it has not handed on,
    and reports the end of the stream.
    """

    def __init__(
        self,
        subscription: str,
        limits: Limits | None = None,
        *,
        quota: Quota | None = None,
        drain: threading.Event | None = None,
    ) -> None:
        self.subscription = subscription
        self.limits = limits or Limits()
        self.quota = quota or Quota.local(self.limits.max_messages)
        self.drain = drain or threading.Event()

    @classmethod
    def from_options(
        cls,
        options: ArticleOptions,
        *,
        quota: Quota | None = None,
        drain: threading.Event | None = None,
    ) -> PubSubSource:
        return cls(
            options.subscription,
            Limits(
                pull_messages=options.pull_messages,
                max_unsettled_messages=options.max_unsettled_messages,
                max_unsettled_bytes=options.max_unsettled_bytes,
                max_messages=options.max_messages,
                idle_timeout=options.idle_timeout,
            ),
            quota=quota,
            drain=drain,
        )

    def __getstate__(self) -> dict[str, Any]:
        return {"subscription": self.subscription, "limits": self.limits}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]

    def split(self, desired_num_splits: int, options: Any = None) -> Iterable[PubSubSource]:
        return [self]

    def create_reader(self, options: Any, checkpoint_mark: CheckpointMark | None) -> PubSubReader:
        return PubSubReader(self)

    def get_checkpoint_mark_coder(self) -> Coder:
        return MarkCoder()


class PubSubReader(UnboundedReader):
    """Hands on what a background thread pulls."""

    def __init__(self, source: PubSubSource) -> None:
        self._subscription = source.subscription
        self._drain = source.drain
        self._puller = Puller(
            source.subscription, source.limits, leases_of(source.subscription), source.quota
        )
        self._current: Message | None = None
        self._since_mark: list[str] = []
        self._watermark = MIN_TIMESTAMP
        self._ended = False

    def start(self) -> bool:
        return self.advance()

    def advance(self) -> bool:
        """Raises SourceError where the subscription cannot be read."""
        if self._drain.is_set():
            self._puller.stop()
        self._current = self._puller.next()
        if self._current is None:
            self._ended = self._puller.ended()
            return False
        self._since_mark.append(self._current.key)
        return True

    def wait(self, seconds: float) -> None:
        """Waits until there may be something to read, at most so long."""
        if not self._drain.is_set():
            self._puller.wait(seconds)

    def get_current(self) -> Message:
        assert self._current is not None
        return self._current

    def get_current_timestamp(self) -> Timestamp:
        assert self._current is not None
        assert self._current.publish_time is not None
        return Timestamp.from_utc_datetime(self._current.publish_time)

    def get_watermark(self) -> Timestamp:
        """Never past an unsettled message, so that nothing is late, however old a backlog is."""
        if self._ended:
            return MAX_TIMESTAMP
        bound = self._puller.oldest_possible()
        if bound is not None:
            self._watermark = max(self._watermark, Timestamp.from_utc_datetime(bound))
        return self._watermark

    def get_checkpoint_mark(self) -> Mark:
        keys, self._since_mark = tuple(self._since_mark), []
        if keys:
            self._puller.handed_on(len(keys))
        return Mark(self._subscription, keys)

    def close(self) -> None:
        self._puller.stop()
        self._puller.join()

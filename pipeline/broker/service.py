"""The gRPC methods of `google.pubsub.v1.Publisher` and `Subscriber`.

Requests are the raw protobuf classes under the proto-plus types of google-cloud-pubsub; proto-plus
itself stays out: it costs several times what the queue does. A request that asks for something this
broker does not do is refused by the name of the field or method, never half obeyed.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import grpc
from google.pubsub_v1 import types

from pipeline.broker import wire
from pipeline.broker.core import Consumer, Core, SubscriptionConfig, TopicConfig
from pipeline.broker.errors import (
    AlreadyExistsError,
    BrokerError,
    InvalidArgumentError,
    NotFoundError,
    ResourceExhaustedError,
    UnavailableError,
    UnsupportedError,
)
from pipeline.broker.state import Flow, Message

__all__ = ["PubsubService"]

if TYPE_CHECKING:
    _GenericRpcHandler = grpc.GenericRpcHandler[Any, Any]
else:
    _GenericRpcHandler = grpc.GenericRpcHandler  # generic in the stubs only

_EMPTY = b""  # google.protobuf.Empty, encoded

_STATUS: dict[type[BrokerError], grpc.StatusCode] = {
    AlreadyExistsError: grpc.StatusCode.ALREADY_EXISTS,
    InvalidArgumentError: grpc.StatusCode.INVALID_ARGUMENT,
    NotFoundError: grpc.StatusCode.NOT_FOUND,
    ResourceExhaustedError: grpc.StatusCode.RESOURCE_EXHAUSTED,
    UnavailableError: grpc.StatusCode.UNAVAILABLE,
    UnsupportedError: grpc.StatusCode.UNIMPLEMENTED,
}

_TOPIC_FIELDS = frozenset({"name", "labels"})
_SUBSCRIPTION_FIELDS = frozenset(
    {"name", "topic", "ack_deadline_seconds", "labels", "enable_message_ordering"}
)
# Clients send these with nothing in them; an empty push_config is a pull subscription, and an empty
# expiration_policy one that never expires, which is how all of them are here.
_FIELDS_ALLOWED_EMPTY = frozenset({"push_config", "expiration_policy"})

# Seven days: what Pub/Sub fills in. Here messages stay for as long as the broker runs.
_RETENTION_SECONDS = 604_800

# What this broker gives out (a UUID and a number); others are told apart as Pub/Sub does, which
# ignores an ack_id that is over and refuses one it cannot have given.
_ACK_ID = re.compile(r"[0-9a-f]{32}-[0-9]{1,20}")

# Seconds, or half of what is left: how long before its client gives up an empty pull is answered.
_DEADLINE_MARGIN = 1.0

_Handler = Callable[[Any, Any], Any]


class PubsubService(_GenericRpcHandler):
    """Serves a `Core`; a method it does not know answers UNIMPLEMENTED with the method's name."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._limits = core.limits
        publisher, subscriber = "/google.pubsub.v1.Publisher/", "/google.pubsub.v1.Subscriber/"
        self._methods: dict[str, Any] = {
            publisher + "CreateTopic": _unary(self._create_topic, types.Topic),
            publisher + "GetTopic": _unary(self._get_topic, types.GetTopicRequest),
            publisher + "ListTopics": _unary(self._list_topics, types.ListTopicsRequest),
            publisher + "DeleteTopic": _unary(self._delete_topic, types.DeleteTopicRequest),
            publisher + "ListTopicSubscriptions": _unary(
                self._list_topic_subscriptions, types.ListTopicSubscriptionsRequest
            ),
            publisher + "Publish": _unary(self._publish, types.PublishRequest),
            subscriber + "CreateSubscription": _unary(
                self._create_subscription, types.Subscription
            ),
            subscriber + "GetSubscription": _unary(
                self._get_subscription, types.GetSubscriptionRequest
            ),
            subscriber + "ListSubscriptions": _unary(
                self._list_subscriptions, types.ListSubscriptionsRequest
            ),
            subscriber + "DeleteSubscription": _unary(
                self._delete_subscription, types.DeleteSubscriptionRequest
            ),
            subscriber + "Pull": _unary(self._pull, types.PullRequest),
            subscriber + "Acknowledge": _unary(self._acknowledge, types.AcknowledgeRequest),
            subscriber + "ModifyAckDeadline": _unary(
                self._modify_ack_deadline, types.ModifyAckDeadlineRequest
            ),
            subscriber + "StreamingPull": grpc.stream_stream_rpc_method_handler(
                _refusing_stream(self._streaming_pull),
                request_deserializer=_raw(types.StreamingPullRequest).FromString,
            ),
        }

    def service(self, handler_call_details: Any) -> Any:
        """The handler of a call (gRPC asks for one by method)."""
        method: str = handler_call_details.method
        handler = self._methods.get(method)
        if handler is not None:
            return handler

        def refuse(_request: bytes, context: Any) -> None:
            name = method.removeprefix("/")
            context.abort(
                grpc.StatusCode.UNIMPLEMENTED, f"{name} is not part of the embedded broker"
            )

        return grpc.unary_unary_rpc_method_handler(refuse)

    # Publisher

    def _create_topic(self, request: Any, _context: Any) -> Any:
        _refuse_unknown_fields(request, _TOPIC_FIELDS)
        return _topic(self._core.create_topic(TopicConfig(request.name, dict(request.labels))))

    def _get_topic(self, request: Any, _context: Any) -> Any:
        return _topic(self._core.topic(request.topic))

    def _list_topics(self, request: Any, _context: Any) -> Any:
        topics = {config.name: config for config in self._core.topics(request.project)}
        names, token = self._page(list(topics), request)
        return _raw(types.ListTopicsResponse)(
            topics=[_topic(topics[name]) for name in names], next_page_token=token
        )

    def _delete_topic(self, request: Any, _context: Any) -> Any:
        self._core.delete_topic(request.topic)
        return _EMPTY

    def _list_topic_subscriptions(self, request: Any, _context: Any) -> Any:
        names, token = self._page(self._core.topic_subscriptions(request.topic), request)
        return _raw(types.ListTopicSubscriptionsResponse)(
            subscriptions=names, next_page_token=token
        )

    def _publish(self, request: Any, _context: Any) -> Any:
        # The topic first: a client with a wrong name should hear of that, not of its messages.
        self._core.topic(request.topic)
        limits = self._limits
        limits.check_publish(len(request.messages), request.ByteSize())
        for message in request.messages:
            limits.check_message(message.data, message.attributes, message.ordering_key)
        first, now = self._core.reserve_message_ids(len(request.messages))
        ids = [str(number) for number in range(first, first + len(request.messages))]
        seconds, nanos = divmod(now, 1_000_000_000)
        kept = []
        for message_id, message in zip(ids, request.messages, strict=True):
            message.message_id = message_id
            message.publish_time.seconds = seconds
            message.publish_time.nanos = nanos
            encoded = wire.embedded_message(message.SerializeToString())
            kept.append(
                Message(
                    message_id,
                    message.ordering_key,
                    encoded,
                    len(encoded) + wire.DELIVERY_OVERHEAD,
                )
            )
        self._core.publish(request.topic, kept)
        return _raw(types.PublishResponse)(message_ids=ids)

    # Subscriber

    def _create_subscription(self, request: Any, _context: Any) -> Any:
        _refuse_unknown_fields(request, _SUBSCRIPTION_FIELDS)
        return _subscription(
            self._core.create_subscription(
                SubscriptionConfig(
                    request.name,
                    request.topic,
                    request.ack_deadline_seconds,
                    request.enable_message_ordering,
                    dict(request.labels),
                )
            )
        )

    def _get_subscription(self, request: Any, _context: Any) -> Any:
        return _subscription(self._core.subscription(request.subscription))

    def _list_subscriptions(self, request: Any, _context: Any) -> Any:
        found = {config.name: config for config in self._core.subscriptions(request.project)}
        names, token = self._page(list(found), request)
        return _raw(types.ListSubscriptionsResponse)(
            subscriptions=[_subscription(found[name]) for name in names], next_page_token=token
        )

    def _delete_subscription(self, request: Any, _context: Any) -> Any:
        self._core.delete_subscription(request.subscription)
        return _EMPTY

    def _pull(self, request: Any, context: Any) -> bytes:
        if request.max_messages <= 0:
            raise InvalidArgumentError(f"max_messages is {request.max_messages}; it must be > 0")
        consumer = self._core.consumer(request.subscription)
        wait = 0.0 if request.return_immediately else self._limits.pull_wait
        remaining = context.time_remaining()
        if remaining is not None:
            wait = max(0.0, min(wait, remaining - min(_DEADLINE_MARGIN, remaining / 2)))
        if not context.add_callback(lambda: self._core.cancel(consumer)):
            return b""
        return wire.response(self._core.take(consumer, request.max_messages, wait=wait) or ())

    def _acknowledge(self, request: Any, _context: Any) -> Any:
        self._core.subscription(request.subscription)
        _check_ack_ids(request.ack_ids)
        self._core.acknowledge(request.subscription, request.ack_ids)
        return _EMPTY

    def _modify_ack_deadline(self, request: Any, _context: Any) -> Any:
        self._core.subscription(request.subscription)
        _check_ack_ids(request.ack_ids)
        self._core.modify_ack_deadline(
            request.subscription, request.ack_ids, request.ack_deadline_seconds
        )
        return _EMPTY

    def _streaming_pull(self, requests: Iterator[Any], context: Any) -> Iterator[bytes]:
        first = next(requests, None)
        if first is None:
            return
        if not first.subscription:
            raise InvalidArgumentError("the first request of a stream must set subscription")
        self._limits.check_ack_deadline(
            first.stream_ack_deadline_seconds, "stream_ack_deadline_seconds"
        )
        consumer = self._core.consumer(
            first.subscription,
            ack_deadline=first.stream_ack_deadline_seconds,
            flow=Flow(first.max_outstanding_messages, first.max_outstanding_bytes),
        )
        if not context.add_callback(lambda: self._core.cancel(consumer)):
            return
        self._apply(consumer, first)
        reader = threading.Thread(
            target=self._read_stream,
            args=(consumer, requests),
            name="broker-stream-requests",
            daemon=True,
        )
        reader.start()
        tail = b""
        if consumer.config.ordered:
            properties = _raw(types.StreamingPullResponse)()
            properties.subscription_properties.message_ordering_enabled = True
            tail = properties.SerializeToString()
        while batch := self._core.take(consumer, self._limits.pull_messages, wait=None):
            yield wire.response(batch, tail)

    def _read_stream(self, consumer: Consumer, requests: Iterator[Any]) -> None:
        """Applies a stream's later requests until its client half-closes, cancels or errs."""
        try:
            for request in requests:
                if request.subscription:
                    raise InvalidArgumentError(
                        "only the first request of a stream may set subscription"
                    )
                seconds = request.stream_ack_deadline_seconds
                if seconds:
                    self._limits.check_ack_deadline(seconds, "stream_ack_deadline_seconds")
                    consumer.ack_deadline = seconds
                self._apply(consumer, request)
        except BrokerError as error:
            self._core.fail(consumer, error)
        except grpc.RpcError:
            # How gRPC ends the requests of a call that was cancelled; the response side knows.
            self._core.cancel(consumer)
        else:
            self._core.cancel(consumer)

    def _apply(self, consumer: Consumer, request: Any) -> None:
        name = consumer.config.name
        if request.ack_ids:
            _check_ack_ids(request.ack_ids)
            self._core.acknowledge(name, request.ack_ids)
        if len(request.modify_deadline_ack_ids) != len(request.modify_deadline_seconds):
            raise InvalidArgumentError(
                f"{len(request.modify_deadline_ack_ids)} modify_deadline_ack_ids with "
                f"{len(request.modify_deadline_seconds)} modify_deadline_seconds; "
                "there must be as many"
            )
        by_seconds: dict[int, list[str]] = {}
        for ack_id, seconds in zip(
            request.modify_deadline_ack_ids, request.modify_deadline_seconds, strict=True
        ):
            by_seconds.setdefault(seconds, []).append(ack_id)
        for seconds, ack_ids in by_seconds.items():
            _check_ack_ids(ack_ids)
            self._core.modify_ack_deadline(name, ack_ids, seconds)

    def _page(self, names: Sequence[str], request: Any) -> tuple[list[str], str]:
        """One page of sorted names after the token (the last name of the page before)."""
        if request.page_size < 0:
            raise InvalidArgumentError(f"page_size is {request.page_size}; it must not be negative")
        size = min(request.page_size or self._limits.page_size, self._limits.page_size)
        rest = [name for name in names if name > request.page_token]
        return rest[:size], rest[size - 1] if len(rest) > size else ""


def _raw(wrapper: Any) -> Any:
    """The protobuf class under a proto-plus one."""
    return wrapper.pb()


def _unary(method: _Handler, request_type: Any) -> Any:
    return grpc.unary_unary_rpc_method_handler(
        _refusing(method),
        request_deserializer=_raw(request_type).FromString,
        response_serializer=_encode,
    )


def _encode(response: Any) -> bytes:
    encoded: bytes = response if isinstance(response, bytes) else response.SerializeToString()
    return encoded


def _refusing(method: _Handler) -> _Handler:
    """`method` with its BrokerErrors turned into statuses."""

    def call(request: Any, context: Any) -> Any:
        try:
            return method(request, context)
        except BrokerError as error:
            return context.abort(_STATUS[type(error)], str(error))

    return call


def _refusing_stream(method: Callable[[Any, Any], Iterable[bytes]]) -> _Handler:
    def call(requests: Any, context: Any) -> Iterator[bytes]:
        try:
            yield from method(requests, context)
        except BrokerError as error:
            context.abort(_STATUS[type(error)], str(error))

    return call


def _refuse_unknown_fields(request: Any, known: frozenset[str]) -> None:
    for descriptor, value in request.ListFields():
        name = descriptor.name
        if name in known:
            continue
        if name in _FIELDS_ALLOWED_EMPTY and value.ByteSize() == 0:
            continue
        if name == "message_retention_duration" and value.seconds == _RETENTION_SECONDS:
            continue
        raise UnsupportedError(
            f"{request.DESCRIPTOR.name}.{name} is not part of the embedded broker; leave it out"
        )


def _check_ack_ids(ack_ids: Sequence[str]) -> None:
    if not ack_ids:
        raise InvalidArgumentError("the request has no ack_ids")
    for ack_id in ack_ids:
        if not _ACK_ID.fullmatch(ack_id):
            raise InvalidArgumentError(f"invalid ack_id {ack_id[:100]!r}")


def _topic(config: TopicConfig) -> Any:
    return _raw(types.Topic)(name=config.name, labels=config.labels)


def _subscription(config: SubscriptionConfig) -> Any:
    message = _raw(types.Subscription)(
        name=config.name,
        topic=config.topic,
        ack_deadline_seconds=config.ack_deadline_seconds,
        enable_message_ordering=config.ordered,
        labels=config.labels,
    )
    message.push_config.SetInParent()
    message.message_retention_duration.seconds = _RETENTION_SECONDS
    return message

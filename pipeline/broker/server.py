"""The broker as a server: `Broker` for use inside a process, `serve` for a command."""

from __future__ import annotations

import signal
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from types import FrameType, TracebackType
from typing import Any

import grpc

from pipeline.broker.core import Core
from pipeline.broker.limits import Limits
from pipeline.broker.service import PubsubService

__all__ = ["Broker", "serve"]

DEFAULT_HOST = "127.0.0.1"
"""Loopback: the broker knows no users and no encryption."""

STOP_GRACE = 2.0
"""Seconds that calls under way get to finish when the broker stops."""

# A request over Pub/Sub's limit should get INVALID_ARGUMENT that says so, which the official client
# does not repeat, not gRPC's RESOURCE_EXHAUSTED, which it repeats for ten minutes. So gRPC's own
# limit stands well above it.
_RECEIVE_FACTOR = 2


class Broker:
    """An in-memory Pub/Sub on a port of this machine; a context manager that starts and stops it.

    Args:
        host: the address to listen on.
        port: the port; 0 takes a free one, see `address`.
        limits: the broker's bounds.
        core: what it knows, from a broker that was stopped: messages and leases as they were left.
            It has its own bounds.
    """

    def __init__(
        self,
        host: str = DEFAULT_HOST,
        port: int = 0,
        *,
        limits: Limits | None = None,
        core: Core | None = None,
    ) -> None:
        self._host = host
        self._port = port
        self._core = core or Core(limits)
        self._server: Any = None
        self._workers: ThreadPoolExecutor | None = None

    @property
    def address(self) -> str:
        """`host:port`, the value for PUBSUB_EMULATOR_HOST."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"{host}:{self._port}"

    def start(self) -> Broker:
        """Listens and returns at once. Raises OSError where the address cannot be had."""
        if self._server is not None:
            raise RuntimeError("this broker was started already; make a new one")
        self._core.open()
        limits = self._core.limits
        self._workers = ThreadPoolExecutor(limits.concurrent_calls, thread_name_prefix="broker")
        self._server = grpc.server(
            self._workers,
            handlers=[PubsubService(self._core)],
            # Beyond it RESOURCE_EXHAUSTED at once; without it calls would wait for a thread unseen.
            maximum_concurrent_rpcs=limits.concurrent_calls,
            options=(
                ("grpc.max_receive_message_length", _RECEIVE_FACTOR * limits.publish_bytes),
                ("grpc.max_send_message_length", -1),
                # Otherwise a second broker would share the port and take half of the calls.
                ("grpc.so_reuseport", 0),
            ),
        )
        try:
            self._port = self._server.add_insecure_port(self.address)
        except RuntimeError as error:
            self._workers.shutdown(wait=False)
            raise _bind_error(self._host, self._port) from error
        self._server.start()
        return self

    def stop(self, grace: float = STOP_GRACE) -> None:
        """Takes no more calls, ends the waiting ones, and gives the others `grace` seconds."""
        self._core.close()
        if self._server is not None:
            self._server.stop(grace).wait()
        if self._workers is not None:
            self._workers.shutdown(wait=True)

    def backlog(self, subscription: str) -> tuple[int, int]:
        """(messages waiting, messages leased) of `projects/P/subscriptions/S`.

        Raises `pipeline.broker.errors.NotFoundError` where there is no such subscription.
        """
        return self._core.backlog(subscription)

    def __enter__(self) -> Broker:
        return self.start()

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()


def serve(host: str = DEFAULT_HOST, port: int = 8085, *, limits: Limits | None = None) -> None:
    """Runs a broker until SIGTERM or SIGINT; call it from the main thread.

    Prints one line once it listens. Raises OSError where the address cannot be had.
    """
    stop = threading.Event()

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        stop.set()

    before = {
        number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)
    }
    try:
        with Broker(host, port, limits=limits) as broker:
            address = broker.address
            print(f"listening on {address}; export PUBSUB_EMULATOR_HOST={address}", flush=True)
            stop.wait()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _bind_error(host: str, port: int) -> OSError:
    """Why gRPC could not listen: it does not say, so the address is tried once more by hand."""
    advice = "stop what uses it or choose another --port"
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.socket(family) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            probe.listen()
    except OSError as error:
        return OSError(
            error.errno, f"cannot listen on {host}:{port}: {error.strerror or error}; {advice}"
        )
    return OSError(f"cannot listen on {host}:{port}; {advice}")

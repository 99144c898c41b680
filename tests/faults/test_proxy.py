"""The proxy, between two plain sockets."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from tests.faults.proxy import Proxy
from tests.waiting import eventually

PATIENCE = 30.0
# What a byte would have needed a fraction of, were nothing in its way.
NOTICED = 0.3


@pytest.fixture
def echo() -> Iterator[str]:
    """host:port of a server that sends everything back."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=_serve, args=(server,), daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


def _serve(server: socket.socket) -> None:
    while True:
        try:
            connection, _ = server.accept()
        except OSError:
            return
        threading.Thread(target=_echo, args=(connection,), daemon=True).start()


def _echo(connection: socket.socket) -> None:
    with connection:
        try:
            while data := connection.recv(65536):
                connection.sendall(data)
        except OSError:
            return


@pytest.fixture
def proxy(echo: str) -> Iterator[Proxy]:
    with Proxy(echo) as proxy:
        yield proxy


def connect(proxy: Proxy) -> socket.socket:
    host, _, port = proxy.address.rpartition(":")
    return socket.create_connection((host, int(port)), timeout=PATIENCE)


def said_back(connection: socket.socket, data: bytes = b"x") -> bytes:
    connection.sendall(data)
    back = b""
    while len(back) < len(data):
        back += connection.recv(65536)
    return back


def test_passes_everything_on(proxy: Proxy) -> None:
    data = bytes(range(256)) * 4_000
    with connect(proxy) as connection:
        threading.Thread(target=connection.sendall, args=(data,), daemon=True).start()
        back = b""
        while len(back) < len(data):
            back += connection.recv(65536)
        assert back == data
        connection.shutdown(socket.SHUT_WR)
        assert connection.recv(1) == b""


def test_refuses_new_connections_and_keeps_the_others(proxy: Proxy) -> None:
    with connect(proxy) as old:
        assert said_back(old) == b"x"
        proxy.refuse()
        with pytest.raises(ConnectionResetError), connect(proxy) as refused:
            refused.recv(1)
        assert said_back(old) == b"x"
        proxy.heal()
        with connect(proxy) as new:
            assert said_back(new) == b"x"
        assert proxy.accepted == 3


def test_cuts_all_connections(proxy: Proxy) -> None:
    with connect(proxy) as one, connect(proxy) as two:
        assert said_back(one) == said_back(two) == b"x"
        proxy.cut()
        for connection in (one, two):
            with pytest.raises(ConnectionResetError):
                connection.recv(1)
    with connect(proxy) as new:
        assert said_back(new) == b"x"


def test_a_target_that_is_not_there_looks_like_a_broken_connection(proxy: Proxy) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        nobody = f"127.0.0.1:{closed.getsockname()[1]}"
    proxy.retarget(nobody)
    with pytest.raises(ConnectionResetError), connect(proxy) as connection:
        connection.recv(1)


def test_stalls_without_losing_what_it_holds(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        assert said_back(connection) == b"x"
        proxy.stall()
        connection.sendall(b"held")
        connection.settimeout(NOTICED)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.settimeout(PATIENCE)
        proxy.heal()
        assert connection.recv(10) == b"held"


def test_a_connection_that_is_stalled_can_be_cut(proxy: Proxy) -> None:
    with connect(proxy) as connection:
        assert said_back(connection) == b"x"
        proxy.stall()
        connection.sendall(b"held")
        proxy.cut()
        with pytest.raises(ConnectionResetError):
            connection.recv(1)


def test_delays(proxy: Proxy) -> None:
    proxy.delay(NOTICED)
    with connect(proxy) as connection:
        began = time.monotonic()
        assert said_back(connection) == b"x"
        assert time.monotonic() - began >= 2 * NOTICED


def test_throttles(proxy: Proxy) -> None:
    proxy.throttle(100_000)
    with connect(proxy) as connection:
        began = time.monotonic()
        for _ in range(5):
            assert said_back(connection, b"y" * 10_000) == b"y" * 10_000
        assert time.monotonic() - began >= 4 * 0.1


def test_the_end_of_it_ends_its_connections(echo: str) -> None:
    with Proxy(echo) as proxy:
        connection = connect(proxy)
        assert said_back(connection) == b"x"
    with connection, pytest.raises(ConnectionResetError):
        connection.recv(1)
    eventually(lambda: not [t for t in threading.enumerate() if t.name == "proxy"])

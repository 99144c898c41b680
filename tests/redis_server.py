"""A real redis-server for tests, on a free port, that can be killed and started again."""

from __future__ import annotations

import contextlib
import shutil
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, RedisError
from redis.retry import Retry

from tests.waiting import eventually

BINARY = shutil.which("redis-server")
DURABLE = ("--appendonly", "yes", "--appendfsync", "always")


class RedisMissingError(Exception):
    """There is no redis-server on this machine."""


class RedisServer:
    """One server; its data are in `folder`.

    Args:
        settings: of the server, as on its command line.
    """

    def __init__(self, folder: Path, *settings: str) -> None:
        if BINARY is None:
            raise RedisMissingError("there is no redis-server: `apt-get install redis-server`")
        self.folder = folder
        self.settings = settings or DURABLE
        folder.mkdir(parents=True, exist_ok=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port: int = probe.getsockname()[1]
        self.client = redis.Redis(port=self.port, retry=Retry(NoBackoff(), 0))
        self.start()

    def uri(self, query: str = "", db: int = 0) -> str:
        return f"redis://127.0.0.1:{self.port}/{db}{query}"

    def start(self) -> None:
        with (self.folder / "log").open("a") as log:
            self._process = subprocess.Popen(
                [
                    *(str(BINARY), "--port", str(self.port), "--bind", "127.0.0.1"),
                    *("--dir", str(self.folder), "--save", "", *self.settings),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        eventually(self._answers, explain=lambda: (self.folder / "log").read_text())

    def _answers(self) -> bool:
        try:
            return bool(self.client.ping())
        except AuthenticationError:
            return True
        except RedisError:
            return False

    def kill(self) -> None:
        """SIGKILL."""
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()

    def restart(self) -> None:
        self.kill()
        self.start()

    def freeze(self, stopped: bool) -> None:
        """Stops it, or lets it go on."""
        self._process.send_signal(signal.SIGSTOP if stopped else signal.SIGCONT)

    def end(self) -> None:
        self.client.close()
        self._process.kill()
        self._process.wait()


@contextlib.contextmanager
def redis_server(folder: Path, *settings: str) -> Iterator[RedisServer]:
    """Raises RedisMissingError where there is none."""
    server = RedisServer(folder, *settings)
    try:
        yield server
    finally:
        server.end()

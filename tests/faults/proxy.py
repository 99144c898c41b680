"""A TCP proxy between the pipeline and its broker, which can spoil the way between them.

    pipeline ──► Proxy ──► broker

It knows nothing of what goes through it. All switches may be thrown from any thread, while
connections are open, and hold for both directions:

    with Proxy(broker_address) as proxy:
        proxy.delay(0.2)    # everything takes 0.2 s longer from now on
        proxy.heal()        # … and no longer
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType

CHUNK_BYTES = 64 * 1024
# What a direction holds while it is slow or stalled; beyond it the sender is held back by TCP.
HELD_CHUNKS = 64
# l_onoff, l_linger: closing sends RST instead of FIN and drops what is unsent (socket(7)).
RESET = struct.pack("ii", 1, 0)
START_SECONDS = 30.0


class Proxy:
    """Listens on a free port of this machine, from `with` to its end.

    Args:
        target: host:port that connections are passed on to; `retarget` changes it for new ones.
    """

    def __init__(self, target: str) -> None:
        self._target = target
        self._refusing = False
        self._delay = 0.0
        self._bytes_per_second = float("inf")
        self._connections: set[tuple[asyncio.StreamWriter, ...]] = set()
        self._steps: set[asyncio.Task[None]] = set()
        self._accepted = 0
        self._port = 0
        self._loop = asyncio.new_event_loop()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._listening = threading.Event()
        self._over = asyncio.Event()

    @property
    def address(self) -> str:
        """host:port to connect to."""
        return f"127.0.0.1:{self._port}"

    @property
    def accepted(self) -> int:
        """How many connections there have been, refused ones too."""
        return self._accepted

    def retarget(self, target: str) -> None:
        """Passes new connections on to `target` from now on."""
        self._do(lambda: setattr(self, "_target", target))

    def refuse(self) -> None:
        """Resets every new connection at once. The port stays ours, unlike with a closed one."""
        self._do(lambda: setattr(self, "_refusing", True))

    def cut(self) -> None:
        """Resets every connection there is; new ones are as welcome as before."""
        self._do(self._reset_all)

    def delay(self, seconds: float) -> None:
        """Passes everything on so much later."""
        self._do(lambda: setattr(self, "_delay", seconds))

    def throttle(self, bytes_per_second: float) -> None:
        """Passes on no more than so many bytes a second, in each direction of a connection."""
        self._do(lambda: setattr(self, "_bytes_per_second", bytes_per_second))

    def stall(self) -> None:
        """Accepts and passes nothing on. What is held goes on its way when healed."""
        self._do(self._flowing.clear)

    def heal(self) -> None:
        """Takes every fault back."""
        self._do(self._heal)

    def _do(self, switch: Callable[[], None]) -> None:
        """Throws a switch on the proxy's own thread, and waits until it is thrown."""
        thrown = threading.Event()

        def throw() -> None:
            try:
                switch()
            finally:
                thrown.set()

        self._loop.call_soon_threadsafe(throw)
        thrown.wait()

    def _heal(self) -> None:
        self._refusing = False
        self._delay = 0.0
        self._bytes_per_second = float("inf")
        self._flowing.set()

    def _reset_all(self) -> None:
        for writers in list(self._connections):
            for writer in writers:
                _reset(writer)

    def __enter__(self) -> Proxy:
        self._thread.start()
        if not self._listening.wait(START_SECONDS):
            raise RuntimeError("the proxy does not listen")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._do(self._over.set)
        self._thread.join()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self._port = server.sockets[0].getsockname()[1]
        self._listening.set()
        await self._over.wait()
        server.close()
        self._heal()
        self._reset_all()
        # The tasks of `_connected` end with these; asyncio complains where they are cancelled.
        for task in self._steps:
            task.cancel()
        await asyncio.gather(
            *(asyncio.all_tasks() - {asyncio.current_task()}), return_exceptions=True
        )

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._accepted += 1
        if self._refusing:
            _reset(writer)
            return
        host, _, port = self._target.rpartition(":")
        try:
            there, back = await asyncio.open_connection(host, int(port))
        except OSError:
            # Nobody is at the target: to the client that is a connection that broke.
            _reset(writer)
            return
        ends = (writer, back)
        self._connections.add(ends)
        up: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(HELD_CHUNKS)
        down: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(HELD_CHUNKS)
        steps = (
            *(self._read(reader, up), self._deliver(up, back)),
            *(self._read(there, down), self._deliver(down, writer)),
        )
        tasks = [asyncio.create_task(step) for step in steps]
        self._steps.update(tasks)
        try:
            # It ends when both directions have, or when an end of it breaks (OSError).
            await asyncio.wait(tasks, return_when=asyncio.FIRST_EXCEPTION)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self._steps.difference_update(tasks)
            self._connections.discard(ends)
            for end in ends:
                _reset(end)

    async def _read(
        self, reader: asyncio.StreamReader, held: asyncio.Queue[tuple[float, bytes]]
    ) -> None:
        """One direction's near end, until its sender closes; nothing stands for the close."""
        data = b"-"
        while data:
            data = await reader.read(CHUNK_BYTES)
            await held.put((self._loop.time(), data))

    async def _deliver(
        self, held: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter
    ) -> None:
        """Its far end."""
        while True:
            came, data = await held.get()
            await asyncio.sleep(max(0.0, came + self._delay - self._loop.time()))
            await self._flowing.wait()
            if not data:
                writer.write_eof()
                return
            writer.write(data)
            await writer.drain()
            await asyncio.sleep(len(data) / self._bytes_per_second)


def _reset(writer: asyncio.StreamWriter) -> None:
    connection = writer.get_extra_info("socket")
    with contextlib.suppress(OSError):
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
    writer.transport.abort()

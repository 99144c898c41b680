"""The bytes of a stored file, expanded as they are read."""

from __future__ import annotations

import bz2
import io
import logging
import os
import re
import zlib
from collections.abc import Callable
from types import TracebackType
from typing import Any, BinaryIO, Protocol

from apache_beam.io.filesystem import CompressionTypes
from apache_beam.io.filesystems import FileSystems
from google.api_core.exceptions import RetryError

from pipeline.compressed import GZIP_MAGIC, ZstdError, gzip_decoder, starts_zstd, zstd_decoder
from pipeline.sources.files.entries import Broken

GZIP, ZSTD, BZIP2 = "gzip", "zstd", "bzip2"
ENDINGS = {
    ".gz": GZIP,
    ".gzip": GZIP,
    ".zst": ZSTD,
    ".zstd": ZSTD,
    ".bz2": BZIP2,
}
_BZIP2_MAGIC = b"BZh"
# Of every block in a bzip2 stream, and of its end; a text may well begin with "BZh".
_BZIP2_BLOCKS = (b"1AY&SY", b"\x17rE8P\x90")
_MAGIC_BYTES = 10

# How much is asked of the file at a time: a request to a store costs as much as so many bytes.
CHUNK_BYTES = 256 * 1024
# How much a decompressor may give at a time.
PIECE_BYTES = 1024 * 1024


REMOTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
"""How the address of a file begins that is not on this machine."""

_LOG = logging.getLogger(__name__)


class Stopped(Exception):
    """The data go on; whoever reads them shall not."""


def store_is_gone(error: Exception | None) -> bool:
    """Whether a store does not answer: no fault of the file, and every other would fare the same.

    Google's library has then tried again for two minutes.
    """
    return isinstance(error, (RetryError, ConnectionError, TimeoutError))


class Data(Protocol):
    """The bytes of a file, to be read in any portions; never more than asked for."""

    def read(self, size: int, /) -> bytes: ...

    def readline(self, size: int, /) -> bytes: ...

    def peek(self, size: int, /) -> bytes: ...


def compression_of(head: bytes) -> str | None:
    """How the data with these first bytes are compressed; None where they are not."""
    if head.startswith(GZIP_MAGIC):
        return GZIP
    if starts_zstd(head):
        return ZSTD
    if head.startswith(_BZIP2_MAGIC) and head[4:10] in _BZIP2_BLOCKS:
        return BZIP2
    return None


def open_stored(path: str) -> BinaryIO:
    """The file as it is stored.

    Raises:
        Broken: there is a pipe or a device now; opening one might never end.
        OSError, or what its file system raises.
    """
    if os.path.exists(path) and not os.path.isfile(path):
        raise Broken("unreadable_file", "it is no ordinary file any more")
    opened: BinaryIO = FileSystems.open(path, compression_type=CompressionTypes.UNCOMPRESSED)
    return opened


class Stored:
    """A stored file, expanded where it is compressed; to be used in a `with`.

    Entering raises what opening the file raises. Reading does not raise: the data end where they
    cannot be read any more, and `failure` then says why they do. Nothing that could be expanded
    before is lost so.

    Args:
        path: as FileSystems knows it.
        size: what it is said to have; data that end before are cut off.
        compression: gzip, zstd or bzip2; None: as its first bytes say.
        stopped: asked now and then; once it says so the data end, and not only between entries: a
            file may have none for a long time.

    Attributes:
        path: as given.
        data: the bytes.
        failure: why they ended too early: a `Broken`, or what the store raised.
    """

    def __init__(
        self,
        path: str,
        size: int,
        compression: str | None,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self.path = path
        self._size = size
        self._compression = compression
        self._stopped = stopped

    def __enter__(self) -> Stored:
        opened = open_stored(self.path)
        self._raw = _Expanding(opened, self._size, self._compression, self._stopped)
        self.data: Data = io.BufferedReader(self._raw, CHUNK_BYTES)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._raw.close()

    @property
    def failure(self) -> Exception | None:
        return self._raw.failure

    @property
    def position(self) -> int:
        """Bytes of the stored file read so far."""
        return self._raw.position

    @property
    def compressed(self) -> bool:
        """Whether the stored bytes are others than the data. Known once some have been read."""
        return self._raw.compression is not None


class _Expanding(io.RawIOBase):
    def __init__(
        self,
        file: BinaryIO,
        size: int,
        compression: str | None,
        stopped: Callable[[], bool],
    ) -> None:
        self.position = 0
        self.failure: Exception | None = None
        self.compression = compression
        self._file = file
        self._size = size
        self._stopped = stopped
        self._started = False
        self._ended = False
        self._decoder: Any = None
        self._members = 0
        self._input = b""
        self._output = memoryview(b"")

    def readable(self) -> bool:
        return True

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()

    def readinto(self, buffer: Any, /) -> int:
        if not self._output and self.failure is None:
            try:
                self._output = memoryview(self._piece())
            except Exception as error:  # noqa: BLE001 - kept in `failure`, which becomes an entry
                self.failure = error
                if not isinstance(error, (Broken, Stopped)):
                    _LOG.warning("reading failed: %s: %s", type(error).__name__, error)
        size = min(len(buffer), len(self._output))
        buffer[:size] = self._output[:size]
        self._output = self._output[size:]
        return size

    def _piece(self) -> bytes:
        """The next expanded bytes, at least one; b"" at the end.

        Raises:
            Broken: torn_file, where compressed data end too early, are damaged or are followed by
                something else; unreadable_file, where they are not compressed so.
            Stopped: somebody wants the reading to end.
        """
        if self._stopped():
            raise Stopped("the reading was stopped here")
        if not self._started:
            self._fill(_MAGIC_BYTES)
            self.compression = self.compression or compression_of(self._input)
            self._started = True
        if self.compression is None:
            data, self._input = self._input or self._stored(), b""
            return data
        while True:
            if self._decoder is None:
                if not self._next_member(self.compression):
                    return b""
                self._decoder = _decoder(self.compression)
            elif self._decoder.needs_input:
                self._input = self._stored()
                if not self._input:
                    raise Broken("torn_file", f"the {self.compression} data end too early")
            try:
                piece = self._decoder.decompress(self._input, PIECE_BYTES)
            except (zlib.error, ZstdError, OSError, EOFError, ValueError) as error:
                raise Broken(
                    "torn_file", f"the {self.compression} data are damaged: {error}"
                ) from error
            self._input = b""
            if self._decoder.eof:
                self._input = self._decoder.unused_data
                self._decoder = None
                self._members += 1
            if piece:
                return bytes(piece)

    def _next_member(self, compression: str) -> bool:
        """Whether there is another member at the start of the input; zeros are padding.

        Raises:
            Broken: there is something else.
        """
        self._fill(_MAGIC_BYTES)
        while self._members and self._input and not self._input.strip(b"\0"):
            self._input = self._stored()
            self._fill(_MAGIC_BYTES)
        if compression_of(self._input) == compression:
            return True
        if self._members:
            if self._input:
                raise Broken("torn_file", f"what follows the {compression} data is none of them")
            return False
        if not self._input:
            raise Broken("torn_file", f"the file is empty, where {compression} has a header")
        if len(self._input) < _MAGIC_BYTES:
            raise Broken("torn_file", f"the file ends within the header of {compression}")
        raise Broken("unreadable_file", f"the file does not begin as {compression} does")

    def _fill(self, size: int) -> None:
        while len(self._input) < size and (chunk := self._stored()):
            self._input += chunk

    def _stored(self) -> bytes:
        """The next bytes of the file; b"" at its end. Raises Broken where it ends too early."""
        if self._ended:
            # Asking a store beyond the end is a request as any other.
            return b""
        chunk = self._file.read(CHUNK_BYTES)
        self.position += len(chunk)
        self._ended = not chunk
        if self._ended and self.position < self._size:
            raise Broken("torn_file", f"it ended after {self.position} of {self._size} bytes")
        return chunk


class _Gzip:
    """zlib's decompressor with the interface of those of bz2 and zstd."""

    def __init__(self) -> None:
        self._inner = gzip_decoder()
        self.needs_input = True

    def decompress(self, data: bytes, most: int) -> bytes:
        piece = self._inner.decompress(self._inner.unconsumed_tail + data, most)
        # A full piece may leave output inside zlib with no input left.
        self.needs_input = not self._inner.unconsumed_tail and len(piece) < most
        return piece

    @property
    def eof(self) -> bool:
        return self._inner.eof

    @property
    def unused_data(self) -> bytes:
        return self._inner.unused_data


def _decoder(compression: str) -> Any:
    if compression == GZIP:
        return _Gzip()
    if compression == BZIP2:
        return bz2.BZ2Decompressor()
    return zstd_decoder()

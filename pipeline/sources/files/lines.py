"""Lines of bounded length, and JSON Lines."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterator
from typing import NamedTuple

from pipeline.sources.files.entries import JSON, KEPT_BYTES, Broken, Entry, Maker, ReadOptions
from pipeline.sources.files.opening import CHUNK_BYTES, Data, Stored

_UTF16_BOMS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


class Line(NamedTuple):
    """A line of a file.

    Attributes:
        number: from 1.
        data: its bytes with the end of the line; the first of them where it is too long.
        too_long: whether it was cut.
    """

    number: int
    data: bytes
    too_long: bool


def lines(file: Data, most: int) -> Iterator[Line]:
    """Every line of `file`; one of more than `most` bytes is cut to `KEPT_BYTES`.

    Args:
        most: without the end of the line.
    """
    number = 0
    # Two more for the end of the line.
    while data := file.readline(most + 2):
        number += 1
        too_long = len(data.rstrip(b"\r\n") if len(data) > most else b"") > most
        if too_long:
            last = data
            data = data[:KEPT_BYTES]
            while last and not last.endswith(b"\n"):
                last = file.readline(CHUNK_BYTES)
        yield Line(number, data, too_long)


def as_utf8(file: Data) -> Data:
    """`file` without the mark of UTF-8, or in UTF-8 where its mark says UTF-16."""
    head = file.peek(3)[:3]
    if head.startswith(_UTF16_BOMS):
        return io.BufferedReader(_Utf8(file), CHUNK_BYTES)
    if head == codecs.BOM_UTF8:
        file.read(3)
    return file


class _Utf8(io.RawIOBase):
    """UTF-16 as UTF-8; what is no UTF-16 becomes what is no UTF-8, in the same line."""

    def __init__(self, file: Data) -> None:
        self._file = file
        self._decoder = codecs.getincrementaldecoder("utf-16")("surrogatepass")
        self._output = b""
        self._ended = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        while not self._output and not self._ended:
            chunk = self._file.read(CHUNK_BYTES)
            self._ended = not chunk
            try:
                text = self._decoder.decode(chunk, final=self._ended)
            except UnicodeDecodeError:
                # Half a character at the end.
                self._output = b"\xff"
            else:
                self._output = text.encode("utf-8", "surrogatepass")
        size = min(len(buffer), len(self._output))
        buffer[:size] = self._output[:size]
        self._output = self._output[size:]
        return size


def read_jsonl(stored: Stored, maker: Maker, options: ReadOptions) -> Iterator[Entry]:
    """One entry for each line that is not blank. What a line says is for decode to read."""
    most = options.max_message_bytes
    # A line is held back until the next: only then is it known to be whole.
    held: Line | None = None
    for line in lines(as_utf8(stored.data), most):
        if held is not None:
            yield from _entry(held, stored, maker, most)
        held = line
    if held is None:
        if stored.failure is not None and maker.mine():
            yield maker.failed("line 1", b"", stored.failure, stored.position)
    elif stored.failure is None:
        yield from _entry(held, stored, maker, most)
    else:
        torn = not held.data.endswith(b"\n") and not held.too_long
        if not torn:
            yield from _entry(held, stored, maker, most)
        if maker.mine():
            number, data = (held.number, held.data) if torn else (held.number + 1, b"")
            yield maker.failed(f"line {number}", data, stored.failure, stored.position)


def _entry(line: Line, stored: Stored, maker: Maker, most: int) -> Iterator[Entry]:
    data = line.data.strip(b" \t\r\n")
    if not data or not maker.mine():
        return
    where = f"line {line.number}"
    if line.too_long:
        error = too_long("the line", most)
        yield maker.broken(where, line.data, stored.position, error.error_type, error)
    else:
        yield maker.entry(where, data, stored.position, content_type=JSON)


def too_long(what: str, most: int) -> Broken:
    return Broken("too_large", f"{what} has more than --max_message_bytes={most}")

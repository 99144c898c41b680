"""The smallest parts of an Avro file (Avro 1.12, "Object Container Files"), read with bounds."""

from __future__ import annotations

from typing import Protocol

MAGIC = b"Obj\x01"
SYNC_BYTES = 16
# Of a schema: one that is deeper is made to do harm.
MAX_SCHEMA_DEPTH = 64


class Torn(ValueError):
    """The data end too early, or are no Avro."""


class TooLong(ValueError):
    """A length passes its limit, or is below zero."""


class Readable(Protocol):
    """Less than asked for is the end."""

    def read(self, size: int, /) -> bytes: ...


def exactly(file: Readable, size: int) -> bytes:
    """The next `size` bytes. Raises Torn where there are fewer."""
    data = file.read(size)
    if len(data) < size:
        raise cut_off()
    return data


def cut_off() -> Torn:
    """What is wrong with a file that ends too early."""
    return Torn("it ends before its end: it was cut off")


def long(file: Readable, first: bytes = b"") -> int:
    """A zigzag varint; `first` is its first byte where that has been read. Raises Torn."""
    value = 0
    for shift in range(0, 64, 7):
        byte = (first or exactly(file, 1))[0]
        first = b""
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1)
    raise Torn("a number in it has more than 64 bits")


def length(file: Readable, most: int) -> int:
    """A length of at most `most`. Raises Torn or TooLong."""
    found = long(file)
    if not 0 <= found <= most:
        raise TooLong(f"a length in it is {found}, where 0 to {most} is possible")
    return found


def header(file: Readable, most: int) -> dict[str, bytes]:
    """The map of a header, which follows `MAGIC`, with all its bytes within `most`.

    Raises:
        Torn, TooLong: (both ValueError) it is damaged, or larger.
    """
    found: dict[str, bytes] = {}
    room = most
    while entries := long(file):
        if entries < 0:
            entries = -entries
            long(file)
        for _ in range(entries):
            parts = []
            for _ in range(2):
                part = exactly(file, length(file, room))
                room -= len(part) + 1
                parts.append(part)
            found[parts[0].decode("ascii", "replace")] = parts[1]
    return found


def last(name: str) -> str:
    """The name of a type without its namespace."""
    return name.rpartition(".")[2]

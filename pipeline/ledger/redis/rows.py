"""What a Redis ledger keeps of a message, a mark and a file, byte by byte.

Memory is what a Redis costs, and a message stays known for good. So messages and marks stand in
65,536 hashes each, small enough for Redis to keep them as plain lists without pointers (up to
`hash-max-listpack-entries` fields, 512, of at most `hash-max-listpack-value` bytes, 64), under a
digest of 16 bytes: two of them choose the hash, the rest is the field.

    message  chunks that follow · what it is · file, 4 · rest
             `-` no verdict · `f` a first copy: its ids · `i` `u` `c` `n` a duplicate: the digest of
             its first copy, 16, and how alike they are, 8 (and its ids, where it stays an article)
    mark     digest of the first copy's key, 16 · microseconds, 8
    file     `o` open, `e` being ended by an heir, `c` committed · JSON

A first copy that is longer than 64 bytes goes on in fields of its own, whose names have one byte
more.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

from pipeline.ledger.marks import KINDS

CHUNK = 64
MOST_CHUNKS = 255
NO_FILE = bytes(4)
OPEN, ENDING, COMMITTED = b"o", b"e", b"c"

LETTERS = {**KINDS, "near": b"n"}
NAMES = {letter: kind for kind, letter in LETTERS.items()}
UNDECIDED, FIRST = b"-", b"f"

_HEAD = struct.Struct(">Bc4s")
_COPY = struct.Struct(">16sd")
_MARK = struct.Struct(">16sQ")
_SHA = "sha256:"
_HTTPS = "https://"


def digest_of(key: str) -> bytes:
    """The name of a message in the ledger. Of 10^9 messages two have the same with a probability
    of 10^-21."""
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def token_of(digest: bytes) -> str:
    """A digest in the place of a key, for what handles keys."""
    return digest.decode("latin-1")


def path_bytes(path: str) -> bytes:
    """A path as a field."""
    return path.encode("utf-8", "surrogatepass")


@dataclass(frozen=True, slots=True)
class Row:
    """A message.

    Args:
        letter: what it is, see above.
        file: the id of its file; NO_FILE where no intent holds it.
        canonical: digest of the first copy; of a duplicate.
        message_id, article_id: of what may be a first copy to others.
    """

    letter: bytes = UNDECIDED
    file: bytes = NO_FILE
    canonical: bytes = bytes(16)
    similarity: float = 1.0
    message_id: str = ""
    article_id: str = ""

    @property
    def kind(self) -> str | None:
        """Of duplicate; None for none."""
        return NAMES.get(self.letter)

    def pack(self) -> list[bytes]:
        """The chunks it is stored in."""
        if self.letter == UNDECIDED:
            rest = b""
        elif self.letter == FIRST:
            rest = _pack_ids(self.message_id, self.article_id)
        else:
            rest = _COPY.pack(self.canonical, self.similarity)
            if self.article_id:
                rest += _pack_ids(self.message_id, self.article_id)
        whole = _HEAD.pack(0, self.letter, self.file) + rest
        chunks = [whole[at : at + CHUNK] for at in range(0, len(whole), CHUNK)]
        if len(chunks) > MOST_CHUNKS:
            return [whole]
        return [bytes([len(chunks) - 1]) + chunks[0][1:], *chunks[1:]]


def unpack_row(stored: bytes) -> Row:
    """What `Row.pack` made, put together."""
    _, letter, file = _HEAD.unpack_from(stored)
    if letter == UNDECIDED:
        return Row(letter, file)
    if letter == FIRST:
        return Row(letter, file, bytes(16), 1.0, *_unpack_ids(stored[_HEAD.size :]))
    canonical, similarity = _COPY.unpack_from(stored, _HEAD.size)
    ids = stored[_HEAD.size + _COPY.size :]
    return Row(letter, file, canonical, similarity, *(_unpack_ids(ids) if ids else ()))


def _pack_ids(message_id: str, article_id: str) -> bytes:
    """The forms in which most ids come are kept short: numbers, SHA-256, https URLs."""
    form = 0
    number = int(message_id) if message_id.isascii() and message_id.isdecimal() else 0
    if 0 < number < 1 << 64 and str(number) == message_id:
        form, first = 4, number.to_bytes(8, "big")
    else:
        encoded = message_id.encode("utf-8", "surrogatepass")
        first = len(encoded).to_bytes(4, "big") + encoded
    sha = article_id.removeprefix(_SHA)
    if len(article_id) == 71 and article_id.startswith(_SHA) and _is_hex(sha):
        form, second = form + 1, bytes.fromhex(sha)
    elif article_id.startswith(_HTTPS):
        form, second = form + 2, article_id[len(_HTTPS) :].encode("utf-8", "surrogatepass")
    else:
        second = article_id.encode("utf-8", "surrogatepass")
    return bytes([form]) + first + second


def _is_hex(text: str) -> bool:
    return not text.strip("0123456789abcdef")


def _unpack_ids(packed: bytes) -> tuple[str, str]:
    form = packed[0]
    if form & 4:
        message_id, at = str(int.from_bytes(packed[1:9], "big")), 9
    else:
        at = 5 + int.from_bytes(packed[1:5], "big")
        message_id = packed[5:at].decode("utf-8", "surrogatepass")
    rest = packed[at:]
    if form & 1:
        return message_id, _SHA + rest.hex()
    article_id = rest.decode("utf-8", "surrogatepass")
    return message_id, (_HTTPS if form & 2 else "") + article_id


def set_row(digest: bytes, row: Row) -> list[bytes]:
    """The command that stores it."""
    first, *more = row.pack()
    field = digest[2:]
    command = [b"HSET", b"m" + digest[:2], field, first]
    for number, chunk in enumerate(more, 1):
        command += (field + bytes([number]), chunk)
    return command


def set_mark(mark: bytes, first: bytes, seen_at: int) -> list[bytes]:
    """The command that stores a mark, `first` being the digest of its first copy."""
    return [b"HSET", b"k" + mark[-2:], mark[:-2], _MARK.pack(first, max(0, seen_at))]


def unpack_mark(stored: bytes) -> tuple[bytes, int]:
    first, seen_at = _MARK.unpack(stored)
    return first, seen_at


@dataclass(frozen=True, slots=True)
class File:
    """A file that is announced or committed.

    Args:
        state: see above.
        owner: who announced it.
        committed_at: microseconds; None while it is open.
        heir: who is ending it; None for nobody.
    """

    state: bytes
    path: str
    kind: str
    owner: str
    records: int
    committed_at: int | None = None
    heir: str | None = None

    @property
    def responsible(self) -> str:
        """Whose life it depends on while it is not committed."""
        return self.heir or self.owner

    def pack(self) -> bytes:
        told = asdict(self)
        del told["state"]
        return self.state + json.dumps(told, separators=(",", ":")).encode()


def unpack_file(stored: bytes) -> File:
    told: dict[str, Any] = json.loads(stored[1:])
    return File(stored[:1], **told)


def pack_keys(keys: Iterable[str]) -> bytes:
    """The keys of a file's messages. Compressed: they are read by audits and heirs alone."""
    return zlib.compress(json.dumps(list(keys), separators=(",", ":")).encode(), 6)


def unpack_keys(stored: bytes) -> Iterator[str]:
    for key in json.loads(zlib.decompress(stored)):
        yield str(key)

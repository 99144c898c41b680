"""A new ledger in Redis, made of what the files of an output say.

What the files come to is worked out in SQLite, as for a ledger that is there (`rebuilding`), and
copied under a generation of its own, which no one reads. Then that generation takes the place of
the old one, in one step. Whoever worked with the old one is stopped at its next transaction.
"""

from __future__ import annotations

import contextlib
import sqlite3
import tempfile
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pipeline.durable import make_folder
from pipeline.errors import Failed, UsageError
from pipeline.ledger import LedgerError, remedy
from pipeline.ledger.rebuilding import Held, Rebuilding
from pipeline.ledger.redis import scripts
from pipeline.ledger.redis.neighbours import set_signature
from pipeline.ledger.redis.output import make_id
from pipeline.ledger.redis.owners import ALIVE_SECONDS, RedisOwners
from pipeline.ledger.redis.rows import (
    COMMITTED,
    FIRST,
    LETTERS,
    NO_FILE,
    UNDECIDED,
    File,
    Row,
    digest_of,
    pack_keys,
    path_bytes,
    set_mark,
    set_row,
)
from pipeline.ledger.redis.scripts import Command
from pipeline.ledger.redis.server import check_durable, connect, told
from pipeline.ledger.redis.space import VERSION, key_prefix
from pipeline.ledger.redis.uri import parse

# Commands in a script, and keys that are deleted at a time.
BATCH = 2_000


class RedisRebuilding:
    """See `pipeline.ledger.rebuilding.Rebuilding`.

    Args:
        uri: of the ledger.
        root: the output whose files it records.

    Raises:
        UsageError: the ledger is that of another output.
        Failed: a process is at work on the ledger.
        LedgerError: Redis failed, or would forget what it is told.
        OSError: the output cannot be written.
    """

    def __init__(self, uri: str, root: Path) -> None:
        self._at = parse(uri)
        self._root = root.resolve()
        self._output = make_id(self._root)
        self._prefix = key_prefix(self._at, self._output)
        self._connection = connect(self._at)
        self._client: Any = self._connection
        self._owners = RedisOwners(self._connection, self._prefix, ALIVE_SECONDS)
        self._new = uuid.uuid4().hex
        self._space = self._prefix + self._new.encode() + b":"
        self._finished = False
        # On the disk that has room for the output.
        folder = self._root / "_state"
        make_folder(folder)
        self._folder = tempfile.TemporaryDirectory(prefix="rebuilding-", dir=folder)
        self._closing = contextlib.ExitStack()
        self._closing.callback(self._client.close)
        self._closing.callback(self._folder.cleanup)
        try:
            with self._told():
                check_durable(self._connection, self._at)
                self._before = self._check_ours()
                self._check_alone()
                self._delete_stray(self._before)
            self._database = Path(self._folder.name) / "ledger.sqlite3"
            self._sqlite = Rebuilding(self._database, self._root)
            self._closing.callback(self._sqlite.close)
        except BaseException:
            self._closing.close()
            raise

    def _told(self) -> contextlib.AbstractContextManager[None]:
        return told(self._at, remedy(self._at.shown, self._root))

    def _key(self, name: str) -> bytes:
        return self._prefix + name.encode()

    def _check_ours(self) -> str:
        """The generation that is there, empty for none."""
        found = self._client.hmget(self._key("meta"), "generation", "output", "root")
        generation, output, root = ("" if one is None else one.decode() for one in found)
        # The folder of an output may have lost its id, with all that is in _state.
        if generation and output != self._output and root != str(self._root):
            raise UsageError(
                f"the ledger {self._at.shown} belongs to the output {root}: give another ?prefix="
            )
        return generation

    def _check_alone(self) -> None:
        owners = self._client.hkeys(self._key("owners"))
        others = sum(self._owners.alive(owner.decode()) for owner in owners)
        if others:
            raise Failed(
                f"{others} processes are at work on the ledger {self._at.shown}: stop the run, and "
                "give the command again; of those that were killed it is known in "
                f"{ALIVE_SECONDS:g} s"
            )

    def add(self, name: str, kind: str, held: Iterable[Held]) -> int:
        return self._sqlite.add(name, kind, held)

    def finish(self) -> str | None:
        """Puts the new ledger in place; returns what became of the old one, None for no old one.

        Raises:
            Failed: a process has begun to work on the old one meanwhile.
            LedgerError: SQLite or Redis failed.
            OSError: the disk did.
        """
        self._sqlite.finish()
        database = sqlite3.connect(self._database)
        try:
            with self._told():
                self._fill(_commands(database, self._owners.name))
                self._switch()
                self._finished = True
                self._delete_stray(self._new)
        finally:
            database.close()
        return "replaced" if self._before else None

    def _fill(self, commands: Iterable[Command]) -> None:
        fill = self._connection.register_script(scripts.FILL)
        batch: list[Command] = []
        for command in commands:
            batch.append(command)
            if len(batch) >= BATCH:
                fill(args=[self._space, scripts.packed(batch)])
                batch = []
        fill(args=[self._space, scripts.packed(batch)])

    def _switch(self) -> None:
        switch = self._connection.register_script(scripts.SWITCH)
        keys = [self._key(name) for name in ("meta", "owners", "lock", "roots")]
        answer: Any = switch(
            keys=keys,
            args=[
                *(self._before, self._new, self._output, str(self._root), VERSION),
                *(self._owners.name, self._owners.prefix),
            ],
        )
        if answer[0] == b"gone":
            raise LedgerError(
                f"the ledger {self._at.shown} was replaced meanwhile: "
                f"{remedy(self._at.shown, self._root)}"
            )
        if answer[0] == b"alive":
            self._check_alone()
            raise Failed(f"a process began to work on the ledger {self._at.shown}: stop the run")

    def _delete_stray(self, generation: str) -> None:
        """Takes away what belongs to no ledger but the one of `generation`, a few at a time."""
        found: list[bytes] = []
        pattern = self._prefix.replace(b"[", b"\\[") + b"?" * len(self._new) + b":*"
        kept = self._prefix + generation.encode() + b":"
        for key in self._client.scan_iter(match=pattern, count=BATCH):
            if not generation or not key.startswith(kept):
                found.append(key)
            if len(found) >= BATCH:
                self._client.unlink(*found)
                found = []
        if found:
            self._client.unlink(*found)

    def close(self) -> None:
        """Ends it; what is not finished leaves no trace."""
        try:
            if not self._finished:
                with self._told():
                    self._delete_stray(self._before)
        finally:
            self._closing.close()


def _commands(database: sqlite3.Connection, owner: str) -> Iterator[Command]:
    """What stores all that a ledger in SQLite has. Its files are all committed."""
    last = 0
    for file_id, path, kind, records, committed_at in database.execute(
        "SELECT file_id, path, kind, records, committed_at FROM files"
    ):
        last = max(last, file_id)
        ours = _file_id(file_id)
        file = File(COMMITTED, path, kind, owner, records, committed_at)
        yield [b"HSET", b"files", ours, file.pack()]
        yield [b"HSET", b"paths", path_bytes(path), ours]
    yield [b"HSET", b"info", b"files", b"%d" % last]
    yield from _messages(database)
    for mark, first, seen_at in database.execute("SELECT digest, owner, seen_at FROM marks"):
        yield set_mark(mark, digest_of(first), seen_at)
    yield from _signatures(database)


def _messages(database: sqlite3.Connection) -> Iterator[Command]:
    keys: list[str] = []
    last = None
    for key, message_id, article_id, kind, canonical, similarity, file_id in database.execute(
        "SELECT key, message_id, article_id, kind, canonical, similarity, file_id FROM messages"
        " ORDER BY file_id"
    ):
        if last is not None and file_id != last:
            yield [b"HSET", b"keys", _file_id(last), pack_keys(keys)]
            keys = []
        last = file_id
        keys.append(key)
        first = canonical == key
        letter = LETTERS[kind] if kind else FIRST if first else UNDECIDED
        yield set_row(
            digest_of(key),
            Row(
                letter,
                NO_FILE if file_id is None else _file_id(file_id),
                canonical=bytes(16) if canonical is None else digest_of(canonical),
                similarity=1.0 if similarity is None else similarity,
                message_id=message_id if first else "",
                article_id=(article_id or "") if first else "",
            ),
        )
    if last is not None:
        yield [b"HSET", b"keys", _file_id(last), pack_keys(keys)]


def _signatures(database: sqlite3.Connection) -> Iterator[Command]:
    # The database is ours, and goes when this is done.
    database.execute("CREATE INDEX bands_by_number ON bands (number)")
    last = 0
    for last, key, seen_at, signature in database.execute(
        "SELECT number, key, seen_at, signature FROM signatures ORDER BY number"
    ):
        rows = database.execute("SELECT band FROM bands WHERE number = ?", (last,))
        bands = [band for (band,) in rows]
        yield from set_signature(last, digest_of(key), seen_at, signature, bands)
    yield [b"HSET", b"info", b"number", b"%d" % last]


def _file_id(number: int) -> bytes:
    return number.to_bytes(4, "big")

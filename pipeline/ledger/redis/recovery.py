"""Ending what processes that died have left open; the argument is in `ending`."""

from __future__ import annotations

import dataclasses
import datetime as dt
from collections.abc import Iterable, Iterator, Sequence

from pipeline.ledger import Recovery
from pipeline.ledger.redis.ending import stands
from pipeline.ledger.redis.reading import RedisReader
from pipeline.ledger.redis.rows import (
    COMMITTED,
    ENDING,
    File,
    digest_of,
    path_bytes,
    unpack_keys,
)
from pipeline.ledger.redis.scripts import Command
from pipeline.ledger.redis.view import View
from pipeline.records import micros

# Of a script's command; Lua takes 8,000 at most.
MOST_PARTS = 1_000


class RedisRecovery(RedisReader):
    """The part of `pipeline.ledger.Ledger` by which an heir acts."""

    owner: str

    def recover(self) -> Recovery:
        done: list[str] = []
        gone: list[str] = []
        with self._space.lock:
            for owner in {owner for _, owner in self._open()}:
                recovery = self._recover_owner(owner)
                done += recovery.completed
                gone += recovery.dropped
            with self._space.told():
                self._space.forget_owners()
        return Recovery(tuple(done), tuple(gone))

    def _recover_owner(self, owner: str) -> Recovery:
        """Ends what a dead process left open; and what we have begun to end and could not."""
        if owner != self.owner and self.alive(owner):
            return Recovery()
        with self._space.transaction() as transaction:
            ids = [file_id for file_id, other in self._open() if other == owner]
            _, _, files, _ = self._space.read(files=ids)
            found = {i: file for i, file in zip(ids, files, strict=True) if file is not None}
            mine = {i: file for i, file in found.items() if file.responsible == owner}
            if owner == self.owner:
                mine = {i: file for i, file in mine.items() if file.state == ENDING}
            transaction.write(self._taken_over(mine))
        return self._finish(mine)

    def _taken_over(self, files: dict[bytes, File]) -> list[Command]:
        """Step 1 of `ending`."""
        commands: list[Command] = []
        for file_id, file in files.items():
            ending = dataclasses.replace(file, state=ENDING, heir=self.owner)
            commands.append([b"HSET", b"files", file_id, ending.pack()])
            commands.append([b"HSET", b"open", file_id, self.owner.encode()])
        return commands

    def _finish(self, files: dict[bytes, File]) -> Recovery:
        """The other steps."""
        if not files:
            return Recovery()
        standing = [
            stands(self._root, self._space.output, file.path, file.owner) for file in files.values()
        ]
        with self._space.told():
            keys = self._space.client.hmget(self._space.data("keys"), list(files))
        done: list[str] = []
        gone: list[str] = []
        commands: list[Command] = []
        with self._space.transaction() as transaction:
            _, _, now, _ = self._space.read(files=list(files))
            for file_id, there, file, stored in zip(files, standing, now, keys, strict=True):
                if file is None or file.state != ENDING or file.heir != self.owner:
                    continue
                if there:
                    commands += completed(file_id, file)
                    done.append(file.path)
                else:
                    commands += dropped(file_id, file, unpack_keys(stored))
                    gone.append(file.path)
            transaction.write(commands)
        return Recovery(tuple(done), tuple(gone))

    def _recover_claims(self, digests: Iterable[bytes]) -> None:
        """A process may have died since ours started, and its messages have come to us."""
        view = View(self._space)
        with self._space.told():
            view.load(digests)
            view.load_files()
        files = [file for file in view.files.values() if file and file.state != COMMITTED]
        owners = {file.responsible for file in files}
        if not any(file.state == ENDING for file in files):
            owners.discard(self.owner)
        for owner in owners:
            self._recover_owner(owner)


def completed(file_id: bytes, file: File) -> list[Command]:
    """The commands that commit a file."""
    now = micros(dt.datetime.now(dt.timezone.utc))
    done = dataclasses.replace(file, state=COMMITTED, committed_at=now, heir=None)
    return [[b"HSET", b"files", file_id, done.pack()], [b"HDEL", b"open", file_id]]


def dropped(file_id: bytes, file: File, keys: Iterable[str]) -> list[Command]:
    """The commands that make an intent as if it had never been; `keys` are of its messages."""
    return [
        *in_parts(b"f", file_id, list(map(digest_of, keys))),
        [b"HDEL", b"paths", path_bytes(file.path)],
        *([b"HDEL", where, file_id] for where in (b"files", b"keys", b"open")),
    ]


def in_parts(command: bytes, first: bytes, parts: Sequence[bytes]) -> Iterator[Command]:
    """`command first part…`, as often as all parts need."""
    for start in range(0, len(parts), MOST_PARTS):
        yield [command, first, *parts[start : start + MOST_PARTS]]

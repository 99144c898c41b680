"""The keys of a ledger in Redis, and transactions on them.

Everything stands under `article-pipeline:{NAME}:`, NAME being the prefix of the URI or the id of
the output (`output`); braces keep it in one slot of a cluster.

    meta     version, generation, seq, output, root        lock      owner of the transaction
    owners   owner: seq and time of its last write         alive:X   heartbeat of X
    roots    paths under which the output was opened       GENERATION:…  messages, marks, files

A transaction takes the lock, reads, and writes in one script. The lock only keeps writers from
being in each other's way: what they wrote is right whether it held or not, because the script
writes nothing unless `seq`, which each write counts up, is what it was when the reading began. So
a process that was stopped in the middle, for however long, changes nothing.

A Redis that lost its memory has another `generation`, or none. One that went back to an older
state, from a backup or a replica that lagged, may have gone on since: but the last write of ours is
not in it, which `owners` tells. Either ends the run: what it was told no longer holds.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from redis.exceptions import ConnectionError, RedisError

from pipeline.ledger import LedgerError, LedgerUnavailable, remedy
from pipeline.ledger.marks import MARK_BYTES
from pipeline.ledger.redis import scripts
from pipeline.ledger.redis.output import make_id, read_id
from pipeline.ledger.redis.owners import FORGET_SECONDS, RedisOwners
from pipeline.ledger.redis.rows import File, Row, path_bytes, unpack_file, unpack_mark, unpack_row
from pipeline.ledger.redis.scripts import Command
from pipeline.ledger.redis.server import check_durable, connect, logger, told
from pipeline.ledger.redis.uri import RedisAt

VERSION = 1
# How long others wait for a process that died in a transaction. A batch of 1,000 takes a tenth of
# a second; one that takes longer than this is told so and tried again.
LOCK_SECONDS = 10.0
FIRST_PAUSE, MOST_PAUSE = 0.002, 0.1


class RedisSpace:
    """An open connection to the ledger at `at`.

    Args:
        root: the output whose files it records.
        read_only: to look only; nothing is written to Redis or disk.
        busy_seconds: how long to wait for the transactions of others.
        alive_seconds: the life of a heartbeat.

    Raises:
        LedgerUnavailable: it cannot be reached just now.
        LedgerError: it is not there (to read), is that of another output or version, or would be
            lost with its Redis.
        OSError: the output cannot be written.
    """

    def __init__(
        self,
        at: RedisAt,
        root: Path,
        *,
        read_only: bool,
        busy_seconds: float,
        alive_seconds: float,
    ) -> None:
        self.at = at
        self.remedy = remedy(at.shown, root)
        self._busy_seconds = busy_seconds
        self.lock = threading.RLock()
        # What the last write of ours counted.
        self._confirmed = 0
        output = read_id(root) if read_only else make_id(root)
        if output is None:
            raise LedgerError(f"{root} has no ledger in {at.shown} yet: {self.remedy}")
        self.output = output
        self.prefix = key_prefix(at, output)
        self._connection = connect(at)
        self.client: Any = self._connection
        self.owners = RedisOwners(self._connection, self.prefix, alive_seconds)
        self._scripts = {
            name: self._connection.register_script(getattr(scripts, name))
            for name in (
                *("LOCK", "RELEASE", "READ", "WRITE", "OPEN", "JOIN", "LOOK", "FORGET"),
                *("SHARING", "OLD"),
            )
        }
        try:
            with self.told():
                self._open(root, read_only)
        except BaseException:
            self.owners.stop()
            self.client.close()
            raise

    def told(self) -> contextlib.AbstractContextManager[None]:
        return told(self.at, self.remedy)

    def _open(self, root: Path, read_only: bool) -> None:
        meta = self.key("meta")
        if read_only:
            found = self.client.hmget(meta, "generation", "version", "output", "root")
        else:
            check_durable(self._connection, self.at)
            mine = (uuid.uuid4().hex, VERSION, self.output, str(root.resolve()))
            found = self.run("OPEN", [meta], mine)
        if found[0] is None:
            raise LedgerError(f"the ledger {self.at.shown} is empty: {self.remedy}")
        generation, version, output, where = (one.decode() for one in found)
        if int(version) != VERSION:
            raise LedgerError(
                f"the ledger {self.at.shown} has version {version}, this pipeline knows {VERSION}: "
                "run the version of article-pipeline that made it"
            )
        if output != self.output:
            raise LedgerError(
                f"the ledger {self.at.shown} is that of another folder than {root}, which its "
                f"owner has as {where}: mount that one, or give another ?prefix="
            )
        self.generation: str = generation
        self.space: bytes = self.prefix + self.generation.encode() + b":"
        if not read_only:
            keys = [meta, self.key("owners"), self.owners.prefix + self.owners.name.encode()]
            self._confirmed = self.run(
                "JOIN",
                [*keys, self.key("roots")],
                (self.owners.name, self.owners.milliseconds, str(root.resolve())),
            )
            self.owners.begin()

    def key(self, name: str) -> bytes:
        return self.prefix + name.encode()

    def data(self, name: str) -> bytes:
        """A key of this generation."""
        return self.space + name.encode()

    def run(self, script: str, keys: list[bytes], arguments: Iterable[Any]) -> Any:
        return self._scripts[script](keys=keys, args=list(arguments))

    def again(self, script: str, keys: list[bytes], arguments: Iterable[Any]) -> Any:
        """For a script that may run twice: a connection that Redis closed meanwhile is no news."""
        arguments = list(arguments)
        try:
            return self.run(script, keys, arguments)
        except ConnectionError:
            return self.run(script, keys, arguments)

    # Transactions

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Reads, and at most one `write`, as if nobody else were there.

        Raises:
            LedgerUnavailable: it may succeed later; whether it has been done is not certain.
            LedgerError: the ledger is not what it was.
        """
        with self.lock, self.told():
            seq, files, number = self._take()
            transaction = Transaction(self, seq, int(files), int(number))
            try:
                yield transaction
            finally:
                if not transaction.ended:
                    self._let_go()

    def _take(self) -> list[bytes]:
        keys = [self.key("meta"), self.key("lock"), self.key("owners")]
        end = time.monotonic() + self._busy_seconds
        pause = FIRST_PAUSE
        while True:
            arguments = (self.owners.name, round(LOCK_SECONDS * 1000), self.generation)
            answer, *state = self.again("LOCK", keys, (*arguments, self._confirmed, self.space))
            self.check(answer)
            if answer == b"ok":
                return list(state)
            if time.monotonic() >= end:
                raise LedgerUnavailable(
                    f"the ledger {self.at.shown} cannot be used just now: others have held its "
                    f"lock for {self._busy_seconds:g} s"
                )
            time.sleep(pause * random.uniform(0.5, 1.5))
            pause = min(1.5 * pause, MOST_PAUSE)

    def _let_go(self) -> None:
        try:
            self.run("RELEASE", [self.key("lock")], [self.owners.name])
        except RedisError as error:
            # The caller tells what led here; the lock ends by itself.
            logger.debug("the lock of the ledger could not be released: %s", error)

    def check(self, answer: bytes) -> None:
        """Raises LedgerError where a script says that the ledger is not what it was."""
        if answer == b"gone":
            raise LedgerError(
                f"the ledger {self.at.shown} was deleted or replaced while it was in use: "
                f"{self.remedy}"
            )
        if answer == b"older":
            raise LedgerError(
                f"the ledger {self.at.shown} went back to an older state while it was in use: "
                f"{self.remedy}"
            )

    def write(self, seq: bytes, commands: Iterable[Command]) -> None:
        keys = [self.key("meta"), self.key("lock"), self.key("owners")]
        blob = scripts.packed(commands)
        answer, *state = self.run(
            "WRITE", keys, (self.owners.name, self.generation, seq, self.space, blob)
        )
        self.check(answer)
        if answer == b"lost":
            raise LedgerUnavailable(
                f"the ledger {self.at.shown} was not written: others have, since we took longer "
                f"than {LOCK_SECONDS:g} s"
            )
        self._confirmed = int(state[0])

    def read(
        self,
        rows: Iterable[bytes] = (),
        marks: Iterable[bytes] = (),
        files: Iterable[bytes] = (),
        paths: Iterable[str] = (),
    ) -> tuple[list[Row | None], list[tuple[bytes, int] | None], list[File | None], list[bytes]]:
        """What stands under these names, in order; None where nothing does.

        Returns:
            messages; (first copy, microseconds) of marks; files; ids of paths, empty for none.
        """
        told_ = self.again(
            "READ",
            [],
            (
                *(self.space, b"".join(rows), b"".join(marks), MARK_BYTES, b"".join(files)),
                scripts.lengths(path_bytes(path) for path in paths),
            ),
        )
        rows_, marks_, files_, paths_ = map(scripts.values, told_)
        return (
            [None if one is None else unpack_row(one) for one in rows_],
            [None if one is None else unpack_mark(one) for one in marks_],
            [None if one is None else unpack_file(one) for one in files_],
            [one or b"" for one in paths_],
        )

    def other_outputs(self, root: Path, roots: Iterable[str]) -> list[str]:
        """Of `roots` those that are there and a copy of `root`, not the same under another name."""
        return [
            other
            for other in sorted(roots)
            if other != str(root)
            and Path(other).is_dir()
            and read_id(Path(other)) == self.output
            and not (root.is_dir() and root.samefile(other))
        ]

    def forget_owners(self) -> None:
        """Forgets those who have been away for too long."""
        self.again("FORGET", [self.key("owners")], (self.owners.prefix, round(FORGET_SECONDS)))

    def close(self) -> None:
        try:
            self.owners.leave()
            self.client.hdel(self.key("owners"), self.owners.name)
        except RedisError as error:
            logger.warning(
                "the ledger %s could not be told that we leave, and finds out by itself: %s",
                *(self.at.shown, error),
            )
        self.client.close()

    def close_reading(self) -> None:
        self.client.close()


def exists(at: RedisAt, root: Path) -> bool:
    """Whether there is a ledger at `at` for the output `root`.

    Raises:
        LedgerUnavailable, LedgerError: Redis does not tell.
        OSError: the output cannot be read.
    """
    output = read_id(root)
    if output is None and at.prefix is None:
        return False
    client = connect(at)
    try:
        with told(at, remedy(at.shown, root)):
            return bool(client.exists(key_prefix(at, output or "") + b"meta"))
    finally:
        client.close()


class Transaction:
    """What is done while the lock is held.

    Args:
        seq: the count of writes when it began.
        files: the last id that was given to a file.
        number: the last number that was given to a signature.
    """

    def __init__(self, space: RedisSpace, seq: bytes, files: int, number: int) -> None:
        self.space = space
        self.files = files
        self.number = number
        self.ended = False
        self._seq = seq

    def write(self, commands: Iterable[Command]) -> None:
        """Writes and ends it: whole, or not at all."""
        self.space.write(self._seq, commands)
        self.ended = True


def key_prefix(at: RedisAt, output: str) -> bytes:
    """In front of every key of the ledger at `at` of the output with this id."""
    return f"article-pipeline:{{{at.prefix or output}}}:".encode()

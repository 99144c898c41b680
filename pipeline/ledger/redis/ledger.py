"""The ledger in Redis: for workers on many machines over one output that all of them see.

What it keeps and how is in `rows`, how several write at once in `space`, and what keeps
a file from being written twice, whoever is stopped, killed or taken for dead, in `ending`.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging
from collections.abc import Callable, Sequence
from pathlib import Path

from pipeline.ledger import (
    Candidate,
    Intent,
    IntentLost,
    LedgerError,
    NearRule,
    Verdict,
)
from pipeline.ledger.deciding import Decided, decide
from pipeline.ledger.marks import mark_of
from pipeline.ledger.redis.owners import ALIVE_SECONDS
from pipeline.ledger.redis.recovery import RedisRecovery, completed, in_parts
from pipeline.ledger.redis.rows import (
    COMMITTED,
    ENDING,
    FIRST,
    LETTERS,
    NO_FILE,
    OPEN,
    File,
    Row,
    digest_of,
    pack_keys,
    path_bytes,
    set_mark,
    set_row,
    token_of,
    unpack_file,
)
from pipeline.ledger.redis.scripts import Command
from pipeline.ledger.redis.space import RedisSpace, Transaction
from pipeline.ledger.redis.uri import parse
from pipeline.ledger.redis.view import View
from pipeline.records import micros

logger = logging.getLogger(__name__)

BUSY_SECONDS = 30.0
# Forgetting old marks goes along with every batch: so many marks are looked at for each that may
# come in, so that at most a third as many again are kept as are remembered.
SWEEP_RATIO, SWEEP_LEAST = 4, 64


class RedisLedger(RedisRecovery):
    """See `pipeline.ledger.Ledger`.

    Args:
        uri: see `pipeline.ledger.redis.uri`.
        root: the output whose files it records.
        read_only: to look only; nothing is written.
        busy_seconds: how long to wait for the transactions of others.
        alive_seconds: how long after its last sign of life a process is taken for dead.

    Raises:
        UsageError: the URI is none.
        LedgerUnavailable: it cannot be reached just now.
        LedgerError: it cannot be used.
        OSError: the output cannot be written.
    """

    def __init__(
        self,
        uri: str,
        root: Path,
        *,
        read_only: bool = False,
        busy_seconds: float = BUSY_SECONDS,
        alive_seconds: float = ALIVE_SECONDS,
    ) -> None:
        self._root = root.resolve()
        self._read_only = read_only
        # Paths of our open intents whose writer gave up.
        self._abandoned: set[str] = set()
        super().__init__(
            RedisSpace(
                parse(uri),
                self._root,
                read_only=read_only,
                busy_seconds=busy_seconds,
                alive_seconds=alive_seconds,
            ),
            self._root,
        )
        self.owner = self._space.owners.name

    # Verdicts

    def verdicts(
        self,
        candidates: Sequence[Candidate],
        *,
        now: dt.datetime,
        ttl: dt.timedelta,
        near: NearRule | None = None,
    ) -> list[Verdict]:
        stamp = micros(now)
        oldest = max(0, stamp - ttl // dt.timedelta(microseconds=1))
        digests = {c.key: digest_of(c.key) for c in candidates}
        marks = {mark_of(kind, digest) for c in candidates for kind, digest in c.marks}
        with self._space.transaction() as transaction:
            commands: list[Command] = []
            view = View(self._space)
            found = view.load(digests.values(), marks)
            view.load(
                {row.canonical for row in view.rows.values() if row and row.kind}
                | {first for first, _ in found.values()}
            )
            view.load_files()
            # What was known before the batch, for what it knows is as it stands then.
            fresh = [
                dataclasses.replace(c, key=token_of(digests[c.key]))
                for c in candidates
                if view.verdict(digests[c.key]) is None
            ]
            owners = {
                mark: (token_of(first), seen_at)
                for mark, (first, seen_at) in found.items()
                if seen_at >= oldest and view.may_be_canonical(first)
            }
            if near is None:
                decided = decide(fresh, owners, stamp)
            else:
                # Imports numpy, which who only looks at a ledger need not wait for.
                from pipeline.ledger.redis.neighbours import decide_near

                decided, commands = decide_near(
                    transaction, view, fresh, owners, stamp, oldest, near
                )
            commands += self._decided(view, decided, separate=near is None or near.separate)
            sweep = SWEEP_RATIO * sum(len(c.marks) for c in fresh) + SWEEP_LEAST
            commands.append([b"S", *(b"%d" % number for number in (oldest, sweep, sweep))])
            transaction.write(commands)
        return [view.told(digests[c.key]) for c in candidates]

    def _decided(self, view: View, decided: Decided, *, separate: bool) -> list[Command]:
        """The commands that store what was decided; `view` has it from then on."""
        commands: list[Command] = []
        for decision in decided.decisions:
            digest = _digest(decision.candidate.key)
            before = view.rows[digest]
            row = Row(
                FIRST if decision.kind is None else LETTERS[decision.kind],
                # A row may be there already: of a dead letter whose file was never finished.
                NO_FILE if before is None else before.file,
                canonical=_digest(decision.canonical),
                similarity=decision.similarity,
            )
            if decision.kind is None or (decision.kind == "near" and not separate):
                ids = decision.candidate.message_id, decision.candidate.article_id
                row = dataclasses.replace(row, message_id=ids[0], article_id=ids[1])
            view.rows[digest] = row
            commands.append(set_row(digest, row))
        commands += [set_mark(mark, _digest(first), at) for mark, first, at in decided.marks]
        return commands

    # Files

    def done(self, keys: Sequence[str]) -> set[str]:
        with self._space.lock:
            claims = self._claims({key: digest_of(key) for key in keys})
        return {k for k, claim in claims.items() if claim and claim.file.state == COMMITTED}

    def begin(
        self,
        kind: str,
        messages: Sequence[tuple[str, str]],
        name: Callable[[Sequence[str]], str],
    ) -> Intent:
        digests = {key: digest_of(key) for key, _ in messages}
        with self._space.lock:
            self._recover_claims(digests.values())
            while True:
                with self._space.transaction() as transaction:
                    claims = self._claims(digests)
                    intent, ours = self._granted(claims, name)
                    left = {path for path in ours if path != intent.path} & self._abandoned
                    if left:
                        # Not a retry of that file, and its writer is at work on it no more.
                        ids = {c.id: c.file for c in claims.values() if c and c.file.path in left}
                        transaction.write(self._taken_over(ids))
                    elif intent.granted:
                        self._announce(transaction, kind, intent, claims, digests)
                if not left:
                    self._abandoned.discard(intent.path)
                    return intent
                self._finish(ids)
                self._abandoned -= left

    def _claims(self, digests: dict[str, bytes]) -> dict[str, _Claim | None]:
        """By key, the file that holds a message or is about to."""
        view = View(self._space)
        view.load(digests.values())
        view.load_files()
        claims: dict[str, _Claim | None] = {}
        for key, digest in digests.items():
            row = view.rows[digest]
            file = None if row is None else view.files.get(row.file)
            claims[key] = None if row is None or file is None else _Claim(row.file, file)
        return claims

    def _granted(
        self, claims: dict[str, _Claim | None], name: Callable[[Sequence[str]], str]
    ) -> tuple[Intent, set[str]]:
        """What may be written of these messages, and the paths of our open intents with any."""
        committed: dict[str, None] = {}
        others, ours = set(), {}
        for key, claim in claims.items():
            if claim is None:
                continue
            if claim.file.state == COMMITTED:
                committed[key] = None
            elif claim.file.state == OPEN and claim.file.owner == self.owner:
                ours[key] = claim.file.path
            else:
                others.add(key)
        granted = tuple(key for key in claims if key not in others and key not in committed)
        path = name(granted) if granted else ""
        if any(claimed != path for claimed in ours.values()):
            # Not a retry of that file: another thread of this process is at work on it.
            others |= ours.keys()
            granted = tuple(key for key in granted if key not in ours)
            path = name(granted) if granted else ""
        elsewhere = tuple(key for key in claims if key in others)
        return Intent(path, granted, tuple(committed), elsewhere), set(ours.values())

    def _announce(
        self,
        transaction: Transaction,
        kind: str,
        intent: Intent,
        claims: dict[str, _Claim | None],
        digests: dict[str, bytes],
    ) -> None:
        _, _, _, (before,) = self._space.read(paths=[intent.path])
        retried = {c.id for c in claims.values() if c and c.file.path == intent.path}
        commands: list[Command] = []
        if before and before in retried:
            file_id = before
        else:
            file_id = (transaction.files + 1).to_bytes(4, "big")
            commands.append([b"HSET", b"info", b"files", b"%d" % (transaction.files + 1)])
            if before:
                # Of a damaged file, whose messages have come again.
                commands += [[b"HDEL", where, before] for where in (b"files", b"keys", b"open")]
        file = File(OPEN, intent.path, kind, self.owner, len(intent.granted))
        commands += [
            [b"HSET", b"files", file_id, file.pack()],
            [b"HSET", b"paths", path_bytes(intent.path), file_id],
            [b"HSET", b"open", file_id, self.owner.encode()],
            [b"HSET", b"keys", file_id, pack_keys(intent.granted)],
            *in_parts(b"F", file_id, [digests[key] for key in intent.granted]),
        ]
        transaction.write(commands)

    def abandon(self, intent: Intent) -> None:
        with self._space.lock:
            self._abandoned.add(intent.path)

    def holds(self, intent: Intent) -> None:
        with self._space.told():
            keys = [self._space.key("meta")]
            arguments = (self._space.generation, self._space.space, path_bytes(intent.path))
            answer, *stored = self._space.again("LOOK", keys, arguments)
        self._space.check(answer)
        file = unpack_file(stored[0]) if stored and stored[0] else None
        if file is None or file.state != OPEN or file.owner != self.owner:
            raise _lost(intent)

    def commit(self, intent: Intent) -> None:
        with self._space.transaction() as transaction:
            _, _, _, (file_id,) = self._space.read(paths=[intent.path])
            _, _, (file,), _ = self._space.read(files=[file_id or NO_FILE])
            if file is None or file.owner != self.owner or file.state == ENDING:
                raise _lost(intent)
            transaction.write([] if file.state == COMMITTED else completed(file_id, file))

    def close(self) -> None:
        if self._read_only:
            self._space.close_reading()
        else:
            self._space.close()


@dataclasses.dataclass(frozen=True, slots=True)
class _Claim:
    """The file that holds a message, or is about to."""

    id: bytes
    file: File


def _lost(intent: Intent) -> LedgerError:
    return IntentLost(
        f"the intent for {intent.path} is gone: another process took this one for dead. Its "
        "messages stay unacknowledged and come again."
    )


def _digest(token: str) -> bytes:
    return token.encode("latin-1")

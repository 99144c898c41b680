"""What a transaction on a Redis ledger has read."""

from __future__ import annotations

from collections.abc import Iterable

from pipeline.ledger import LedgerError, Verdict
from pipeline.ledger.redis.rows import COMMITTED, FIRST, NO_FILE, File, Row
from pipeline.ledger.redis.space import RedisSpace


class View:
    """Messages by digest and files by id, each read once; None where there is none."""

    def __init__(self, space: RedisSpace) -> None:
        self._space = space
        self.rows: dict[bytes, Row | None] = {}
        self.files: dict[bytes, File | None] = {}

    def load(
        self, digests: Iterable[bytes], marks: Iterable[bytes] = ()
    ) -> dict[bytes, tuple[bytes, int]]:
        """Reads messages; returns (digest of the first copy, microseconds) by mark."""
        wanted = list(dict.fromkeys(d for d in digests if d not in self.rows))
        asked = list(marks)
        rows, found, _, _ = self._space.read(wanted, asked)
        self.rows.update(zip(wanted, rows, strict=True))
        return {mark: one for mark, one in zip(asked, found, strict=True) if one is not None}

    def load_files(self) -> None:
        """Reads the files of all the messages."""
        ids = {row.file for row in self.rows.values() if row is not None} - {NO_FILE}
        wanted = list(ids - self.files.keys())
        if wanted:
            _, _, files, _ = self._space.read(files=wanted)
            self.files.update(zip(wanted, files, strict=True))

    def verdict(self, digest: bytes) -> Verdict | None:
        """What was told of a message, or would be told again; None where that is open."""
        row = self.rows.get(digest)
        if row is None:
            return None
        file = self.files.get(row.file)
        committed = file is not None and file.state == COMMITTED
        first = row if row.letter == FIRST else self.rows.get(row.canonical) if row.kind else None
        if not committed and (first is None or not _has_ids(first)):
            return None
        return Verdict(
            committed=committed,
            kind=row.kind,
            similarity=row.similarity,
            canonical_id="" if first is None else first.article_id,
            canonical_message_id="" if first is None else first.message_id,
        )

    def told(self, digest: bytes) -> Verdict:
        """The verdict on a message that has one.

        Raises:
            LedgerError: it has none.
        """
        verdict = self.verdict(digest)
        if verdict is None:
            raise LedgerError(
                f"the ledger {self._space.at.shown} is damaged (a message is a copy of one that is "
                f"not there): {self._space.remedy}"
            )
        return verdict

    def may_be_canonical(self, digest: bytes) -> bool:
        row = self.rows.get(digest)
        return row is not None and _has_ids(row) and not self.is_dead_letter(digest)

    def is_dead_letter(self, digest: bytes) -> bool:
        """Whether a message ended as one: then it is no one's first copy."""
        row = self.rows.get(digest)
        file = None if row is None else self.files.get(row.file)
        return file is not None and file.kind == "dead_letters" and file.state == COMMITTED


def _has_ids(row: Row) -> bool:
    return row.letter == FIRST or row.article_id != ""

"""What a ledger in Redis tells of files and their messages, to who only looks as well."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipeline.ledger import CommittedFile
from pipeline.ledger.redis.rows import COMMITTED, File, digest_of, unpack_file, unpack_keys
from pipeline.ledger.redis.space import RedisSpace

# What `committed_files` asks for at a time, and how many files `committed_messages` has in hand.
PAGE, FILES = 1_000, 20
# How much of what is wrong `damage` tells.
MOST_DAMAGE = 10


class RedisReader:
    """The part of `pipeline.ledger.Ledger` that changes nothing."""

    def __init__(self, space: RedisSpace, root: Path) -> None:
        self._space = space
        self._root = root

    def alive(self, owner: str) -> bool:
        with self._space.told():
            return self._space.owners.alive(owner)

    def _open(self) -> list[tuple[bytes, str]]:
        """(id, who is responsible) of every open intent."""
        with self._space.told():
            found = self._space.client.hgetall(self._space.data("open"))
        return [(file_id, owner.decode()) for file_id, owner in sorted(found.items())]

    def other_outputs(self) -> list[str]:
        with self._space.told():
            roots = self._space.client.smembers(self._space.key("roots"))
        return self._space.other_outputs(self._root, [root.decode() for root in roots])

    def _files(self) -> Iterator[tuple[bytes, File]]:
        with self._space.told():
            for file_id, stored in self._space.client.hscan_iter(
                self._space.data("files"), count=PAGE
            ):
                yield file_id, unpack_file(stored)

    def committed_files(self) -> list[CommittedFile]:
        found = {f.path: f.records for _, f in self._files() if f.state == COMMITTED}
        return [CommittedFile(path, records) for path, records in sorted(found.items())]

    def open_intents(self) -> list[str]:
        ids = [file_id for file_id, _ in self._open()]
        with self._space.told():
            _, _, files, _ = self._space.read(files=ids)
        return sorted(file.path for file in files if file is not None and file.state != COMMITTED)

    def committed_messages(self) -> Iterator[tuple[str, str]]:
        for _, path, keys in self._committed():
            yield from ((path, key) for key in keys)

    def _committed(self) -> Iterator[tuple[bytes, str, list[str]]]:
        """(id, path, keys of its messages) of every file committed by now, in their order."""
        files = sorted((i, f.path) for i, f in self._files() if f.state == COMMITTED)
        for start in range(0, len(files), FILES):
            page = files[start : start + FILES]
            with self._space.told():
                stored = self._space.client.hmget(self._space.data("keys"), [i for i, _ in page])
            for (file_id, path), keys in zip(page, stored, strict=True):
                yield file_id, path, [] if keys is None else list(unpack_keys(keys))

    def overtaken(self) -> bool:
        with self._space.told():
            now = self._space.client.hget(self._space.key("meta"), "generation")
        return bool(now != self._space.generation.encode())

    def damage(self) -> list[str]:
        found: list[str] = []
        for file_id, path, keys in self._committed():
            with self._space.told():
                rows, _, _, _ = self._space.read(rows=map(digest_of, keys))
            lost = sum(row is None or row.file != file_id for row in rows)
            if lost:
                found.append(f"{lost} of {len(rows)} messages of {path} are not known to be in it")
            if len(found) == MOST_DAMAGE:
                break
        return found

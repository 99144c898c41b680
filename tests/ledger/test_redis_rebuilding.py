"""`verify` and `verify --rebuild_ledger` with a ledger in Redis."""

from __future__ import annotations

import dataclasses
import shutil
import uuid
from pathlib import Path

import pytest

from pipeline.errors import Failed, UsageError
from pipeline.ledger import (
    LedgerError,
    NearRule,
    default_uri,
    ledger_exists,
    open_ledger,
    remedy,
    shown,
)
from pipeline.ledger.redis import rebuilding as module
from pipeline.ledger.redis.ledger import RedisLedger
from pipeline.rebuild import rebuild_ledger, refuse_behind, refuse_missing, standing
from pipeline.similarity.signature import sign
from pipeline.watch.verify import verify
from tests.ledger.helpers import NOW, WEEK, ask, begin, candidate
from tests.redis_server import RedisServer
from tests.similarity.texts import changed, story
from tests.watch.outputs import make_output, some, write


@pytest.fixture
def uri(redis_running: RedisServer) -> str:
    return redis_running.uri(f"?prefix={uuid.uuid4().hex}")


def keys(server: RedisServer, uri: str) -> list[bytes]:
    prefix = uri.partition("prefix=")[2]
    return sorted(server.client.scan_iter(f"*{prefix}*", count=10_000))


class TestVerify:
    def test_a_sound_output(self, uri: str, tmp_path: Path) -> None:
        make_output(tmp_path, state=uri)
        audit = verify(tmp_path, uri)
        assert (audit.sound, audit.notes) == (True, [])
        assert sum(audit.counts.values()) == 5

    def test_a_file_that_the_ledger_does_not_know(self, uri: str, tmp_path: Path) -> None:
        files = make_output(tmp_path, state=uri)
        copy = files["articles"].with_name("part-0.avro")
        shutil.copy(files["articles"], copy)
        name = copy.relative_to(tmp_path).as_posix()
        assert f"{name} is not in the ledger" in verify(tmp_path, uri).findings

    def test_messages_that_the_ledger_lost(
        self, uri: str, tmp_path: Path, redis_running: RedisServer
    ) -> None:
        make_output(tmp_path, state=uri)
        redis_running.client.delete(
            *(key for key in keys(redis_running, uri) if b":m" in key and b":meta" not in key)
        )
        audit = verify(tmp_path, uri)
        assert len(audit.findings) == 3
        assert "is damaged" in audit.findings[0]
        assert f"--rebuild_ledger --state '{shown(uri)}'" in audit.notes[0]

    def test_none_is_there(self, uri: str, tmp_path: Path) -> None:
        make_output(tmp_path)
        with pytest.raises(UsageError, match="there is no ledger"):
            verify(tmp_path, uri)


class TestRebuilding:
    def test_of_nothing_but_the_files(
        self, uri: str, tmp_path: Path, redis_running: RedisServer
    ) -> None:
        make_output(tmp_path, state=uri)
        before = keys(redis_running, uri)
        redis_running.client.delete(*before)
        with pytest.raises(LedgerError, match=r"is missing.*--rebuild_ledger --state 'redis://"):
            refuse_missing(uri, tmp_path, standing(tmp_path))
        rebuilt = rebuild_ledger(tmp_path, uri)
        assert (rebuilt.files, rebuilt.messages, rebuilt.kept) == (3, 5, None)
        refuse_missing(uri, tmp_path, standing(tmp_path))
        assert verify(tmp_path, uri).sound
        assert len(keys(redis_running, uri)) <= len(before) + 20

    def test_in_the_place_of_another(
        self, uri: str, tmp_path: Path, redis_running: RedisServer
    ) -> None:
        make_output(tmp_path, state=uri)
        old = open_ledger(uri, tmp_path)
        ask(old, candidate("pending", content="c"))
        old.close()
        again = [rebuild_ledger(tmp_path, uri) for _ in range(2)]
        assert [str(one).endswith("the old one is replaced") for one in again] == [True, True]
        assert verify(tmp_path, uri).sound
        generations = {key.split(b":")[2] for key in keys(redis_running, uri)}
        assert sum(len(one) == 32 for one in generations) == 1

    def test_it_knows_what_the_old_one_knew(self, uri: str, tmp_path: Path) -> None:
        records = some("articles", "a", "b")
        write(tmp_path, "articles", records, state=uri)
        rebuild_ledger(tmp_path, uri)
        ledger = open_ledger(uri, tmp_path)
        refuse_behind(ledger, uri, tmp_path, standing(tmp_path))
        assert begin(ledger, [records[0].key, "new"]).committed == (records[0].key,)
        (verdict,) = ask(ledger, dataclasses.replace(candidate("x"), key=records[1].key))
        assert verdict.committed
        assert verdict.canonical_message_id == "b"
        ledger.close()

    def test_while_a_run_is_at_work(self, uri: str, tmp_path: Path) -> None:
        make_output(tmp_path, state=uri)
        run = open_ledger(uri, tmp_path)
        with pytest.raises(Failed, match="1 processes are at work on the ledger"):
            rebuild_ledger(tmp_path, uri)
        run.close()
        rebuild_ledger(tmp_path, uri)

    def test_a_run_that_begins_meanwhile(
        self, uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, redis_running: RedisServer
    ) -> None:
        make_output(tmp_path, state=uri)
        runs: list[object] = []
        real = module.RedisRebuilding._switch

        def begin(rebuilding: module.RedisRebuilding) -> None:
            runs.append(open_ledger(uri, tmp_path))
            real(rebuilding)

        monkeypatch.setattr(module.RedisRebuilding, "_switch", begin)
        with pytest.raises(Failed, match="at work on the ledger"):
            rebuild_ledger(tmp_path, uri)
        runs[0].close()  # type: ignore[attr-defined]
        assert verify(tmp_path, uri).sound
        generations = {key.split(b":")[2] for key in keys(redis_running, uri)}
        assert sum(len(one) == 32 for one in generations) == 1
        assert [path.name for path in (tmp_path / "_state").iterdir()] == ["output_id"]

    def test_one_that_slept_meanwhile_is_stopped(self, uri: str, tmp_path: Path) -> None:
        make_output(tmp_path, state=uri)
        run = RedisLedger(uri, tmp_path)
        owners = run._space.owners
        owners.stop()
        run._space.client.delete(owners.prefix + owners.name.encode())
        rebuild_ledger(tmp_path, uri)
        with pytest.raises(LedgerError, match="deleted or replaced"):
            begin(run, ["a"])
        run.close()

    def test_not_in_the_place_of_another_outputs(self, uri: str, tmp_path: Path) -> None:
        make_output(tmp_path / "one", state=uri)
        make_output(tmp_path / "two")
        with pytest.raises(UsageError, match=f"belongs to the output {tmp_path}/one"):
            rebuild_ledger(tmp_path / "two", uri)

    def test_an_output_that_lost_its_id(self, uri: str, tmp_path: Path) -> None:
        make_output(tmp_path, state=uri)
        shutil.rmtree(tmp_path / "_state")
        rebuild_ledger(tmp_path, uri)
        assert verify(tmp_path, uri).sound

    def test_near_duplicates_are_known_again(
        self, uri: str, tmp_path: Path, redis_running: RedisServer
    ) -> None:
        from pipeline.sinks.avro import encode
        from tests.articles import draft

        body = story(1, 400)
        write(tmp_path, "articles", [encode(draft("a", body=body))[1]], state=uri)
        rebuild_ledger(tmp_path, uri)
        ledger = open_ledger(uri, tmp_path)
        new = dataclasses.replace(candidate("b"), signature=sign(changed(body, 0.01, 1)))
        (verdict,) = ledger.verdicts([new], now=NOW, ttl=10 * WEEK, near=NearRule(0.8))
        assert (verdict.kind, verdict.canonical_message_id) == ("near", "a")
        ledger.close()


def test_existence_and_remedy(redis_running: RedisServer, tmp_path: Path) -> None:
    uri = redis_running.uri()
    assert not ledger_exists(uri, tmp_path)
    make_output(tmp_path, state=uri)
    assert ledger_exists(uri, tmp_path)
    assert not ledger_exists(default_uri(tmp_path), tmp_path)
    assert remedy(shown(uri), tmp_path).endswith(f"--rebuild_ledger --state {uri}`")

"""Redis killed, restarted, emptied, put back to an older state, short of memory, or not fit."""

from __future__ import annotations

import contextlib
import logging
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.errors import UsageError
from pipeline.ledger import LedgerError, LedgerUnavailable, ledger_exists, open_ledger
from pipeline.ledger.redis import server as module
from pipeline.ledger.redis.ledger import RedisLedger
from pipeline.ledger.redis.space import RedisSpace
from tests.ledger.helpers import ask, begin, candidate, commit, write
from tests.redis_server import DURABLE, RedisMissingError, RedisServer, redis_server

SECRET = "s3cr3t-pass"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[RedisServer]:
    """A Redis of the test's own, to be hurt."""
    try:
        with redis_server(tmp_path / "redis") as one:
            yield one
    except RedisMissingError as missing:
        pytest.skip(str(missing))


@pytest.fixture
def opened(server: RedisServer, root: Path) -> Iterator[Callable[[], RedisLedger]]:
    ledgers: list[RedisLedger] = []

    def one() -> RedisLedger:
        ledgers.append(RedisLedger(server.uri(), root))
        return ledgers[-1]

    yield one
    for ledger in ledgers:
        ledger.close()


class TestKilled:
    def test_between_any_two_calls(
        self, server: RedisServer, root: Path, opened: Callable[[], RedisLedger]
    ) -> None:
        ledger = opened()
        a, b = candidate("a", content="c"), candidate("b", content="c")
        server.restart()
        before = ask(ledger, a, b)
        server.restart()
        intent = begin(ledger, ["a"])
        write(root, intent)
        server.restart()
        ledger.holds(intent)
        server.restart()
        ledger.commit(intent)
        server.restart()
        assert begin(ledger, ["a", "b"]).committed == ("a",)
        server.restart()
        assert ask(ledger, b) == before[1:]
        server.restart()
        assert [file.path for file in opened().committed_files()] == [intent.path]

    @pytest.mark.parametrize("heard", [False, True])
    def test_in_a_transaction(
        self,
        server: RedisServer,
        root: Path,
        opened: Callable[[], RedisLedger],
        monkeypatch: pytest.MonkeyPatch,
        heard: bool,
    ) -> None:
        """Before it heard the write, or after it and before it said so."""
        ledger, other = opened(), opened()
        real = RedisSpace.run

        def run(space: RedisSpace, script: str, keys: list[bytes], arguments: object) -> object:
            if script != "WRITE":
                return real(space, script, keys, arguments)  # type: ignore[arg-type]
            if heard:
                real(space, script, keys, arguments)  # type: ignore[arg-type]
            server.kill()
            answer = real(space, script, keys, arguments)  # type: ignore[arg-type]
            pytest.fail(f"a dead Redis said {answer}")

        def in_trouble(work: Callable[[], object]) -> None:
            with monkeypatch.context() as patch:
                patch.setattr(RedisSpace, "run", run)
                with pytest.raises(LedgerUnavailable):
                    work()
            server.start()

        a, b = candidate("a", content="c"), candidate("b", content="c")
        in_trouble(lambda: ask(ledger, a, b))
        assert [v.kind for v in ask(ledger, a, b)] == [None, "content"]
        assert [v.kind for v in ask(other, a, b)] == [None, "content"]
        in_trouble(lambda: begin(ledger, ["a"]))
        intent = begin(ledger, ["a"])
        assert intent.granted == ("a",)
        assert begin(other, ["a"]).elsewhere == ("a",)
        write(root, intent)
        in_trouble(lambda: ledger.commit(intent))
        ledger.commit(intent)
        assert begin(other, ["a"]).committed == ("a",)
        assert other.damage() == []

    def test_while_it_is_away(self, server: RedisServer, opened: Callable[[], RedisLedger]) -> None:
        ledger = opened()
        server.kill()
        for call in (
            lambda: ask(ledger, candidate("a", content="c")),
            lambda: begin(ledger, ["a"]),
            ledger.recover,
            ledger.committed_files,
            opened,
        ):
            with pytest.raises(LedgerUnavailable, match="cannot be used just now"):
                call()
        server.start()
        assert begin(ledger, ["a"]).granted == ("a",)

    def test_one_that_hangs(
        self, server: RedisServer, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(module, "ANSWER_SECONDS", 0.2)
        ledger = RedisLedger(server.uri(), root)
        server.freeze(True)
        with pytest.raises(LedgerUnavailable, match="cannot be used just now"):
            begin(ledger, ["a"])
        server.freeze(False)
        assert begin(ledger, ["a"]).granted == ("a",)
        ledger.close()


class TestLost:
    def test_one_that_was_emptied(
        self, server: RedisServer, opened: Callable[[], RedisLedger]
    ) -> None:
        ledger = opened()
        intent = begin(ledger, ["a"])
        server.client.flushall()
        for work in (
            lambda: ask(ledger, candidate("a", content="c")),
            lambda: begin(ledger, ["a"]),
            lambda: ledger.holds(intent),
            lambda: ledger.commit(intent),
        ):
            with pytest.raises(LedgerError, match=r"deleted or replaced.*--rebuild_ledger") as told:
                work()
            assert not isinstance(told.value, LedgerUnavailable)

    def test_one_that_was_emptied_and_begun_anew(
        self, server: RedisServer, opened: Callable[[], RedisLedger]
    ) -> None:
        ledger = opened()
        server.client.flushall()
        new = opened()
        assert begin(new, ["a"]).granted == ("a",)
        with pytest.raises(LedgerError, match="deleted or replaced"):
            begin(ledger, ["b"])

    def test_one_that_went_back_to_an_older_state(
        self, server: RedisServer, root: Path, opened: Callable[[], RedisLedger]
    ) -> None:
        ledger, other = opened(), opened()
        commit(ledger, root, ["a"])
        shutil.copytree(server.folder / "appendonlydir", server.folder / "backup")
        commit(ledger, root, ["b"])
        server.kill()
        shutil.rmtree(server.folder / "appendonlydir")
        (server.folder / "backup").rename(server.folder / "appendonlydir")
        server.start()
        # What other has been told is all there; it counts on, beyond where ledger was.
        for key in "cdefgh":
            assert commit(other, root, [key]).granted == (key,)
        with pytest.raises(LedgerError, match=r"older state.*--rebuild_ledger") as told:
            ask(ledger, candidate("b", content="c"))
        assert not isinstance(told.value, LedgerUnavailable)

    def test_keys_that_another_program_wrote(
        self, server: RedisServer, opened: Callable[[], RedisLedger]
    ) -> None:
        ledger = opened()
        server.client.set(ledger._space.data("files"), "x")
        with pytest.raises(LedgerError, match="is damaged"):
            commit(ledger, Path(), ["a"])

    def test_a_later_version(self, server: RedisServer, opened: Callable[[], RedisLedger]) -> None:
        server.client.hset(opened()._space.key("meta"), "version", 99)
        with pytest.raises(LedgerError, match="version 99"):
            opened()


class TestLock:
    @pytest.mark.parametrize("got_back", [False, True])
    def test_a_transaction_that_lost_it_writes_nothing(
        self, server: RedisServer, opened: Callable[[], RedisLedger], got_back: bool
    ) -> None:
        ledger, other = opened(), opened()
        lock = ledger._space.key("lock")

        def too_long() -> None:
            with ledger._space.transaction() as transaction:
                server.client.delete(lock)
                ask(other, candidate("b", content="c"))
                if got_back:
                    server.client.set(lock, ledger.owner)
                transaction.write([[b"HSET", b"info", b"files", b"99"]])

        with pytest.raises(LedgerUnavailable, match="others have"):
            too_long()
        assert server.client.hget(ledger._space.data("info"), "files") is None
        assert ask(ledger, candidate("a", content="c"))[0].kind == "content"

    def test_others_wait_for_it_and_say_so(self, server: RedisServer, root: Path) -> None:
        ledger = RedisLedger(server.uri(), root, busy_seconds=0.2)
        server.client.set(ledger._space.key("lock"), "another")
        with pytest.raises(LedgerUnavailable, match=r"held its lock for 0\.2 s"):
            begin(ledger, ["a"])
        server.client.pexpire(ledger._space.key("lock"), 1)
        assert begin(ledger, ["a"]).granted == ("a",)
        ledger.close()

    def test_what_fails_in_a_transaction_lets_it_go(
        self, server: RedisServer, opened: Callable[[], RedisLedger]
    ) -> None:
        ledger = opened()

        def fail(keys: object) -> str:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            ledger.begin("articles", [("a", "a")], fail)
        assert not server.client.exists(ledger._space.key("lock"))


class TestFit:
    """What a Redis must be set to."""

    @pytest.mark.parametrize(
        ("settings", "query", "told"),
        [
            (("--appendonly", "no"), "", "set `appendonly yes`"),
            (
                (*DURABLE, "--maxmemory-policy", "allkeys-lru"),
                "",
                "set `maxmemory-policy noeviction`",
            ),
            (
                ("--appendonly", "no", "--maxmemory-policy", "volatile-ttl"),
                "?volatile=allowed",
                "set `maxmemory-policy noeviction`",
            ),
            ((*DURABLE, "--requirepass", SECRET), "", "give user and password"),
        ],
    )
    def test_one_that_is_not_is_refused(
        self, tmp_path: Path, root: Path, settings: tuple[str, ...], query: str, told: str
    ) -> None:
        with started(tmp_path, *settings) as server:
            with pytest.raises(LedgerError, match=told) as error:
                RedisLedger(server.uri(query), root)
            assert not isinstance(error.value, LedgerUnavailable)

    @pytest.mark.parametrize(
        ("settings", "query", "told"),
        [
            (("--appendonly", "no"), "?volatile=allowed", "is lost with its Redis"),
            (("--appendonly", "yes", "--appendfsync", "everysec"), "", "the last second is lost"),
            ((*DURABLE, "--rename-command", "CONFIG", ""), "", "cannot be asked"),
        ],
    )
    def test_one_that_is_nearly_is_used_with_a_warning(
        self,
        tmp_path: Path,
        root: Path,
        caplog: pytest.LogCaptureFixture,
        settings: tuple[str, ...],
        query: str,
        told: str,
    ) -> None:
        with started(tmp_path, *settings) as server:
            ledger = RedisLedger(server.uri(query), root)
            assert begin(ledger, ["a"]).granted == ("a",)
            ledger.close()
        assert [told in record.message for record in caplog.records] == [True]

    def test_a_wrong_password_is_not_shown(
        self, tmp_path: Path, root: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.DEBUG)
        with started(tmp_path, *DURABLE, "--requirepass", "right") as server:
            uri = f"redis://:{SECRET}@127.0.0.1:{server.port}/0"
            with pytest.raises(LedgerError) as told:
                open_ledger(uri, root)
            right = RedisLedger(f"redis://:right@127.0.0.1:{server.port}/0", root)
            assert begin(right, ["a"]).granted == ("a",)
            right.close()
        assert SECRET not in f"{told.value!r} {caplog.text}"

    def test_a_replica_may_become_one_that_can_be_written(self, tmp_path: Path, root: Path) -> None:
        with (
            started(tmp_path, *DURABLE, "--replicaof", "127.0.0.1", "1") as server,
            pytest.raises(LedgerUnavailable),
        ):
            RedisLedger(server.uri(), root)

    def test_no_memory_left_is_waited_for_and_nothing_is_written_in_part(
        self, server: RedisServer, opened: Callable[[], RedisLedger]
    ) -> None:
        ledger = opened()
        ask(ledger, candidate("a", content="c"))
        server.client.config_set("maxmemory", 1)
        with pytest.raises(LedgerUnavailable, match="cannot be used just now"):
            ask(ledger, candidate("b", content="d"))
        server.client.config_set("maxmemory", 0)
        assert [v.kind for v in ask(ledger, candidate("c", content="d"))] == [None]

    def test_one_that_is_nowhere(self, root: Path) -> None:
        for work in (open_ledger, ledger_exists):
            root.mkdir(exist_ok=True)
            with pytest.raises(LedgerUnavailable, match=r"redis://127\.0\.0\.1:1/0.prefix=x"):
                work("redis://127.0.0.1:1?prefix=x", root)

    def test_an_output_that_cannot_be_written(self, root: Path) -> None:
        root.write_text("no folder")
        with pytest.raises(LedgerUnavailable, match="cannot be opened"):
            open_ledger("redis://127.0.0.1:1", root)

    def test_without_a_client(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        from pipeline.ledger.redis import uri as redis_uri

        monkeypatch.setattr(redis_uri.importlib.util, "find_spec", lambda name: None)
        with pytest.raises(UsageError, match=r"pip install 'article-pipeline\[redis\]'"):
            open_ledger("redis://localhost", root)


@contextlib.contextmanager
def started(folder: Path, *settings: str) -> Iterator[RedisServer]:
    """A Redis with other settings."""
    try:
        server = RedisServer(folder / "redis", *settings)
    except RedisMissingError as missing:
        pytest.skip(str(missing))
    try:
        yield server
    finally:
        server.end()

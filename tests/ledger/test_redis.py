"""The ledger in Redis keeps the same contract: the tests of the one in SQLite, run again."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.ledger import CommittedFile, LedgerError
from pipeline.ledger.redis import neighbours
from pipeline.ledger.redis.ledger import RedisLedger
from tests.ledger import test_interleavings, test_near, test_owners, test_sqlite, test_trouble
from tests.ledger.helpers import ask, begin, candidate, commit
from tests.redis_server import RedisServer
from tests.similarity.texts import story, template


@pytest.fixture(autouse=True)
def in_redis(redis_running: RedisServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """What those tests take for SQLite's is Redis'."""

    def opened(path: object, root: Path, **how: object) -> RedisLedger:
        root.mkdir(parents=True, exist_ok=True)
        return RedisLedger(redis_running.uri(), root, **how)

    for module in (test_sqlite, test_near, test_trouble):
        monkeypatch.setattr(module, "SqliteLedger", opened)


@pytest.fixture
def ledger(redis_running: RedisServer, root: Path) -> Iterator[RedisLedger]:
    opened = RedisLedger(redis_running.uri(), root)
    yield opened
    opened.close()


@pytest.fixture
def other(redis_running: RedisServer, root: Path, ledger: RedisLedger) -> Iterator[RedisLedger]:
    """A second process' ledger, as far as the ledger can tell."""
    opened = RedisLedger(redis_running.uri(), root)
    yield opened
    opened.close()


class TestVerdicts(test_sqlite.TestVerdicts):
    # Another way of forgetting, tested below.
    test_forgotten_marks_leave_the_database_a_few_at_a_time = None  # type: ignore[assignment]


class TestIntents(test_sqlite.TestIntents):
    pass


class TestCommit(test_sqlite.TestCommit):
    # Of SQLite alone.
    test_a_commit_that_sqlite_refuses_leaves_the_ledger_usable = None  # type: ignore[assignment]
    # In test_redis_heirs, with a heartbeat that ends.
    test_an_intent_that_was_taken_away_cannot_be_committed = None  # type: ignore[assignment]


class TestRecover(test_sqlite.TestRecover):
    pass


class TestAbandon(test_trouble.TestAbandon):
    @pytest.fixture
    def ledger(self, redis_running: RedisServer, root: Path) -> Iterator[RedisLedger]:
        opened = RedisLedger(redis_running.uri(), root)
        yield opened
        opened.close()


class TestNear(test_near.TestVerdicts):
    pass


class TestNearRaces:
    @settings(max_examples=40)
    @given(
        order=st.permutations(range(2 * test_near.COPIES)),
        cuts=st.sets(st.integers(1, 2 * test_near.COPIES - 1)),
        sides=st.lists(st.integers(0, 1), min_size=8, max_size=8),
    )
    def test_in_any_order_of_any_batches_one_copy_stays(
        self,
        order: list[int],
        cuts: set[int],
        sides: list[int],
        tmp_path_factory: pytest.TempPathFactory,
    ) -> None:
        of_sqlite = test_near.TestRaces.test_in_any_order_of_any_batches_one_copy_stays
        of_sqlite.hypothesis.inner_test(  # type: ignore[attr-defined]
            self, order=order, cuts=cuts, sides=sides, tmp_path_factory=tmp_path_factory
        )


class TestNearBounds:
    def counts(self, ledger: RedisLedger) -> tuple[int, int]:
        """Signatures, and entries of bands."""
        client, space = ledger._space.client, ledger._space.space
        kept = sum(client.hlen(key) for key in client.scan_iter(space + b"s*", count=10_000))
        numbers = [
            numbers
            for key in client.scan_iter(space + b"b*", count=10_000)
            for numbers in client.hvals(key)
        ]
        return kept, sum(map(len, numbers)) // 4

    def test_the_old_are_forgotten_and_leave_no_trace(self, ledger: RedisLedger) -> None:
        for day in range(40):
            now = test_near.NOW + day * test_sqlite.A_DAY
            batch = (test_near.of(f"{day}-{n}", story(1_000 * day + n, 60)) for n in range(20))
            verdicts = test_near.ask(ledger, *batch, now=now)
            assert [v.kind for v in verdicts] == [None] * 20
        kept, bands = self.counts(ledger)
        assert 7 * 20 <= kept <= 9 * 20
        assert bands == 16 * kept

    def test_what_was_forgotten_is_new(self, ledger: RedisLedger) -> None:
        test_near.TestBounds().test_what_was_forgotten_is_new(ledger)

    def test_a_flood_from_one_template_is_no_trouble(self, ledger: RedisLedger) -> None:
        most = neighbours.MOST_IN_BAND
        flood = [test_near.of(f"{n}", template(n, 200, facts=8)) for n in range(most + 300)]
        for start in range(0, len(flood), 50):
            test_near.ask(ledger, *flood[start : start + 50])
        client, space = ledger._space.client, ledger._space.space
        longest = max(
            len(numbers) // 4
            for key in client.scan_iter(space + b"b*", count=10_000)
            for numbers in client.hvals(key)
        )
        assert longest == most

    def test_what_another_version_signed_is_not_compared(self, ledger: RedisLedger) -> None:
        first, second, *_ = test_near.copies()
        test_near.ask(ledger, first)
        client = ledger._space.client
        (key,) = client.scan_iter(ledger._space.space + b"s*", count=10_000)
        ((field, stored),) = client.hgetall(key).items()
        at = neighbours._HEADER
        client.hset(key, field, stored[:at] + b"\x63" + stored[at + 1 :])
        (verdict,) = test_near.ask(ledger, second)
        assert verdict.kind is None


class TestRaces:
    of_equal_articles = staticmethod(
        test_sqlite.test_of_equal_articles_that_race_exactly_one_is_first
    )
    one_message = staticmethod(
        test_sqlite.test_one_message_delivered_to_two_processes_is_written_once
    )

    def test_of_equal_articles_exactly_one_is_first(
        self, ledger: RedisLedger, other: RedisLedger, root: Path
    ) -> None:
        self.of_equal_articles(ledger, other, root)

    def test_one_message_is_written_once(
        self, ledger: RedisLedger, other: RedisLedger, root: Path
    ) -> None:
        self.one_message(ledger, other, root)


CHILD = test_owners.CHILD.replace("pipeline.ledger.sqlite", "pipeline.ledger.redis.ledger").replace(
    'ledger = SqliteLedger(root / "ledger.sqlite3", root)', "ledger = RedisLedger({uri!r}, root)"
)


def test_processes_that_race_write_each_message_once(
    redis_running: RedisServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    child = CHILD.replace("SqliteLedger", "RedisLedger").format(uri=redis_running.uri())
    monkeypatch.setattr(test_owners, "CHILD", child)
    monkeypatch.setattr(
        test_owners, "SqliteLedger", lambda path, root: RedisLedger(redis_running.uri(), root)
    )
    test_owners.test_processes_that_race_write_each_message_once(tmp_path)


class TestLooking:
    def test_committed_messages_are_those_of_committed_files(
        self, ledger: RedisLedger, root: Path
    ) -> None:
        intent = commit(ledger, root, [f"{n}" for n in range(8)])
        begin(ledger, ["open"])
        ask(ledger, candidate("pending", content="c"))
        assert sorted(ledger.committed_messages()) == [(intent.path, f"{n}") for n in range(8)]
        assert ledger.damage() == []

    def test_to_look_changes_nothing(
        self, ledger: RedisLedger, root: Path, redis_running: RedisServer
    ) -> None:
        intent = commit(ledger, root, ["a"])
        keys = redis_running.client.keys("*")
        looking = RedisLedger(redis_running.uri(), root, read_only=True)
        assert looking.committed_files() == [CommittedFile(intent.path, 1)]
        assert looking.alive(ledger.owner)
        assert not looking.overtaken()
        looking.close()
        assert sorted(redis_running.client.keys("*")) == sorted(keys)

    def test_there_is_none_to_look_at(self, root: Path, redis_running: RedisServer) -> None:
        with pytest.raises(LedgerError, match="--rebuild_ledger"):
            RedisLedger(redis_running.uri(), root, read_only=True)
        assert not root.exists()

    def test_messages_that_were_taken_away(
        self, ledger: RedisLedger, root: Path, redis_running: RedisServer
    ) -> None:
        intent = commit(ledger, root, ["a", "b"])
        prefix = ledger._space.space.decode()
        gone = next(redis_running.client.scan_iter(f"{prefix}m*"))
        redis_running.client.delete(gone)
        (line,) = ledger.damage()
        assert line == f"1 of 2 messages of {intent.path} are not known to be in it"


class TestForgetting:
    def marks(self, ledger: RedisLedger) -> int:
        client = ledger._space.client
        return sum(
            client.hlen(key) for key in client.scan_iter(ledger._space.space + b"k*", count=10_000)
        )

    def test_old_marks_leave_with_the_batches_that_come(self, ledger: RedisLedger) -> None:
        ask(ledger, *(candidate(f"old {n}", content=f"old {n}") for n in range(100)))
        assert self.marks(ledger) == 100
        later = test_sqlite.NOW + 2 * test_sqlite.WEEK
        sizes = []
        for n in range(10):
            batch = [candidate(f"{n} {i}", content=f"{n} {i}") for i in range(2_000)]
            ask(ledger, *batch, now=later)
            sizes.append(self.marks(ledger))
        # Nine batches look at more than all the 65,536 places in which marks are.
        assert sizes[-1] == 20_000
        assert sizes == sorted(sizes)

    def test_what_is_young_stays(self, ledger: RedisLedger) -> None:
        for n in range(3):
            ask(ledger, *(candidate(f"{n} {i}", content=f"{n} {i}") for i in range(9_000)))
        assert self.marks(ledger) == 27_000


class TestOutputs:
    def test_two_on_one_redis_know_nothing_of_each_other(
        self, redis_running: RedisServer, tmp_path: Path
    ) -> None:
        one, two = (RedisLedger(redis_running.uri(), tmp_path / name) for name in ("one", "two"))
        commit(one, tmp_path / "one", ["a"])
        assert begin(two, ["a"]).granted == ("a",)
        assert two.other_outputs() == []
        one.close()
        two.close()

    def test_one_under_two_paths_is_one(self, redis_running: RedisServer, tmp_path: Path) -> None:
        (tmp_path / "two").symlink_to(tmp_path / "one")
        one, two = (RedisLedger(redis_running.uri(), tmp_path / name) for name in ("one", "two"))
        commit(one, tmp_path / "one", ["a"])
        assert begin(two, ["a"]).committed == ("a",)
        one.close()
        two.close()

    def test_another_folder_in_its_place_is_refused(
        self, redis_running: RedisServer, tmp_path: Path
    ) -> None:
        uri = redis_running.uri(f"?prefix={uuid.uuid4().hex}")
        RedisLedger(uri, tmp_path / "one").close()
        with pytest.raises(LedgerError, match=f"has as {tmp_path}/one: mount that one"):
            RedisLedger(uri, tmp_path / "two")

    def test_a_copy_is_told(self, redis_running: RedisServer, tmp_path: Path) -> None:
        import shutil

        one = RedisLedger(redis_running.uri(), tmp_path / "one")
        shutil.copytree(tmp_path / "one", tmp_path / "two")
        two = RedisLedger(redis_running.uri(), tmp_path / "two")
        assert two.other_outputs() == [str(tmp_path / "one")]
        one.close()
        two.close()


class Interleavings(test_interleavings.Interleavings):
    server: RedisServer

    def opened(self) -> RedisLedger:  # type: ignore[override]
        return RedisLedger(self.server.uri(), self.root)


def test_any_order_of_steps(redis_running: RedisServer) -> None:
    from hypothesis.stateful import run_state_machine_as_test

    Interleavings.server = redis_running
    run_state_machine_as_test(
        Interleavings,
        settings=settings(
            max_examples=30,
            stateful_step_count=25,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )

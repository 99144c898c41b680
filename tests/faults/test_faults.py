"""The short run of the harness: every fault once, on one broker or the other.

Of the failpoints only some, drawn by the seed: `test_windows.py` goes through them one by one.
FAULT_SEED repeats the faults of an earlier run. The deep run is `make faults`.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from pipeline.failpoints import NAMES
from tests.brokers import EmulatorMissingError
from tests.faults.audit import Finding
from tests.faults.brokers import BROKERS
from tests.faults.faults import Fault, all_faults, left_out, schedule
from tests.faults.harness import run
from tests.faults.ledgers import LEDGERS
from tests.faults.processes import Setting
from tests.faults.table import Result, Row
from tests.redis_server import RedisMissingError

# What the two brokers go about in different ways, and what matters most; the rest is on ours.
ON_GOOGLE = ("broker restart", "SIGKILL at random", "SIGKILL after_rename")
# What a ledger in Redis goes about in its own way.
ON_REDIS = ("SIGKILL after_rename", "machine stopped", "redis killed", "redis restart while down")
FAILPOINT_FAULTS = {f"SIGKILL {name}" for name in NAMES}
AT_FAILPOINTS = 1
MESSAGES_PER_FAULT = 60
# About a minute of two cores; seen to take four where nine others wanted them.
TIMEOUT_SECONDS = 900
SEED = int(os.environ.get("FAULT_SEED", random.SystemRandom().randrange(1 << 32)))


def strike(name: str, faults: list[Fault], folder: Path, state: str = "sqlite") -> Result:
    folder.mkdir()
    # By setting: a process that goes on serves the next fault too, and starting one takes longest.
    strikes = sorted(
        schedule(faults, len(faults), random.Random(SEED)),
        key=lambda fault: (fault.setting is not Fault.setting, bool(fault.exits)),
    )
    with BROKERS[name]() as broker, LEDGERS[state](folder) as ledger:
        return run(
            *(broker, ledger, folder),
            name=name,
            seed=SEED,
            messages=MESSAGES_PER_FAULT * len(faults),
            strikes=strikes,
        )


@pytest.fixture(scope="module", autouse=True)
def on_google(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Future[Result]]:
    """The run on Google's emulator, beside the other tests: for most of it, leases run out."""
    faults = [fault for fault in all_faults() if fault.name in ON_GOOGLE]
    folder = tmp_path_factory.mktemp("faults") / "google"
    with ThreadPoolExecutor(1) as thread:
        yield thread.submit(strike, "google", faults, folder)


@pytest.fixture(scope="module", autouse=True)
def on_redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Future[Result]]:
    """The run with a ledger in Redis, likewise: for most of it, what the dead had runs out."""
    faults = [fault for fault in all_faults("redis") if fault.name in ON_REDIS]
    folder = tmp_path_factory.mktemp("faults") / "redis"
    with ThreadPoolExecutor(1) as thread:
        yield thread.submit(strike, "embedded", faults, folder, "redis")


def check(result: Result, record_property: Callable[[str, object], None]) -> None:
    record_property("said", result.summary())
    assert result.sound, f"FAULT_SEED={SEED}\n{result.table()}"


@pytest.mark.timeout(TIMEOUT_SECONDS)
def test_nothing_is_lost_or_twice(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    faults = [fault for fault in all_faults() if fault.name not in ON_GOOGLE]
    named = [fault for fault in faults if fault.name in FAILPOINT_FAULTS]
    left_to_others = random.Random(SEED).sample(named, len(named) - AT_FAILPOINTS)
    faults = [fault for fault in faults if fault not in left_to_others]
    result = strike("embedded", faults, tmp_path / "embedded")
    assert all(row.times == 1 for row in result.rows.values())
    # Every one of them was recovered from.
    assert all(row.seconds for row in result.rows.values()), result.table()
    check(result, record_property)


@pytest.mark.timeout(TIMEOUT_SECONDS)
def test_nor_with_googles_emulator(
    on_google: Future[Result], record_property: Callable[[str, object], None]
) -> None:
    try:
        result = on_google.result()
    except EmulatorMissingError as missing:
        pytest.skip(str(missing))
    assert {name: row.times for name, row in result.rows.items()} == dict.fromkeys(ON_GOOGLE, 1)
    check(result, record_property)


@pytest.mark.timeout(TIMEOUT_SECONDS)
def test_nor_with_a_ledger_in_redis(
    on_redis: Future[Result], record_property: Callable[[str, object], None]
) -> None:
    try:
        result = on_redis.result()
    except RedisMissingError as missing:
        pytest.skip(str(missing))
    assert {name: row.times for name, row in result.rows.items()} == dict.fromkeys(ON_REDIS, 1)
    check(result, record_property)


def test_every_failpoint_is_a_fault() -> None:
    names = [fault.name for fault in all_faults("redis")]
    assert len(set(names)) == len(names)
    assert set(names) >= FAILPOINT_FAULTS


def test_a_fault_that_cannot_strike_here_says_why() -> None:
    clocks = [fault for fault in all_faults() if fault.name.startswith("clock")]
    assert bool(clocks) != bool(left_out("redis"))


def test_faults_of_redis_need_a_ledger_there() -> None:
    more = {fault.name for fault in all_faults("redis")} - {fault.name for fault in all_faults()}
    assert more == {"redis killed", "redis restart while down"}
    assert set(left_out()) - set(left_out("redis")) == {
        "faults of Redis: the ledger is SQLite (STATE=redis has them)"
    }


class TestSchedule:
    def test_has_every_fault_where_there_is_room(self) -> None:
        faults = all_faults()
        chosen = schedule(faults, 3 * len(faults), random.Random(1))
        assert len(chosen) == 3 * len(faults)
        assert set(chosen) == set(faults)

    def test_has_no_fault_twice_before_all_were_there(self) -> None:
        chosen = schedule(all_faults(), 5, random.Random(1))
        assert len(set(chosen)) == len(chosen) == 5

    def test_is_the_same_for_the_same_seed(self) -> None:
        one, two = (schedule(all_faults(), 40, random.Random(7)) for _ in range(2))
        assert [fault.name for fault in one] == [fault.name for fault in two]


class TestTable:
    def test_shows_what_is_wrong(self) -> None:
        row = Row(times=2, lost=1, twice=0, torn=0, seconds=[1.0, 3.0])
        result = Result(
            "embedded",
            "Redis",
            1,
            500,
            35,
            {"SIGTERM": row},
            Finding(lost=["7"]),
            ["verify: no"],
            9,
        )
        table = result.table()
        assert not result.sound
        assert table.startswith("embedded broker, Redis ledger, seed 1, 500 messages")
        assert table.splitlines()[3].split() == ["SIGTERM", "2", "1", "0", "0", "2.0", "3.0"]
        assert table.splitlines()[4].split() == ["in", "all", "2", "1", "0", "0", "2.0", "3.0"]
        assert "lost: 7" in table
        assert "PROBLEM: verify: no" in table

    def test_a_problem_alone_is_not_sound(self) -> None:
        assert Result("embedded", "SQLite", 1, 500, 35, {}, Finding(), [], 9).sound
        assert not Result(
            *("embedded", "SQLite", 1, 500, 35, {}, Finding(), ["it ended with 1"], 9)
        ).sound


def test_a_setting_is_in_the_environment(tmp_path: Path) -> None:
    setting = Setting(failpoints="after_pull=kill")
    environment = setting.environment("127.0.0.1:1", tmp_path)
    assert environment["ARTICLE_PIPELINE_FAILPOINTS"] == "after_pull=kill"
    assert environment["PUBSUB_EMULATOR_HOST"] == "127.0.0.1:1"
    assert "ARTICLE_PIPELINE_FAILPOINTS" not in Setting().environment("127.0.0.1:1", tmp_path)

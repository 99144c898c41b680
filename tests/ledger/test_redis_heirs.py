"""Writers that are taken for dead and wake up: no message in two files, none in none."""

from __future__ import annotations

import itertools
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline import failpoints
from pipeline.ledger import IntentLost, LedgerUnavailable
from pipeline.ledger.redis import ending
from pipeline.ledger.redis import recovery as module
from pipeline.ledger.redis.ledger import RedisLedger
from pipeline.sinks.avro import Encoded, Written, write_file
from pipeline.sinks.files import Form, sweep
from tests.endtoend.commands import message_ids
from tests.ledger.helpers import begin, commit
from tests.redis_server import RedisServer
from tests.waiting import eventually
from tests.watch.outputs import DAY, some

ROOT = Path(__file__).parents[2]
KEYS = ("a", "b", "c")
TRIES = 10


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "out"


@pytest.fixture
def opened(redis_running: RedisServer, root: Path) -> Iterator[Callable[[], RedisLedger]]:
    ledgers: list[RedisLedger] = []

    def one() -> RedisLedger:
        ledgers.append(RedisLedger(redis_running.uri(), root))
        return ledgers[-1]

    yield one
    for ledger in ledgers:
        ledger.close()


def stop_heart(ledger: RedisLedger) -> None:
    """As if its process had been stopped for longer than a heartbeat lives."""
    owners = ledger._space.owners
    owners.stop()
    ledger._space.client.delete(owners.prefix + owners.name.encode())


def write(root: Path, ledger: RedisLedger, records: list[Encoded]) -> Written:
    return write_file(root, ledger, Form("null"), f"articles/{DAY}", records)


def write_patiently(root: Path, ledger: RedisLedger, records: list[Encoded]) -> Written:
    """As `Patience` has it tried again."""
    for _ in range(TRIES):
        try:
            return write(root, ledger, records)
        except (OSError, LedgerUnavailable):
            continue
    pytest.fail(f"not written in {TRIES} tries")


def check(root: Path, ledger: RedisLedger) -> None:
    """Every message is in one file, and the ledger says in which."""
    assert sorted(message_ids(root)) == sorted(KEYS)
    assert ledger.open_intents() == []
    names = {path.relative_to(root).as_posix() for path in root.glob("articles/*/part-*.avro")}
    assert {file.path for file in ledger.committed_files()} == names
    keys = [key.partition("@")[0] for _, key in ledger.committed_messages()]
    assert sorted(keys) == sorted(KEYS)
    assert ledger.damage() == []


class Pause:
    """Runs `meanwhile` the first time that the writer comes to a point."""

    def __init__(self, meanwhile: Callable[[], None]) -> None:
        self._meanwhile = meanwhile
        self.paused = False

    def here(self) -> None:
        if not self.paused:
            self.paused = True
            self._meanwhile()


POINTS = ("after_intent", "before_write", "after_write", "holds", "after_rename", "after_commit")


@pytest.mark.parametrize("grouping", ["the same", "another", "none"])
@pytest.mark.parametrize("point", POINTS)
def test_a_writer_that_pauses_and_an_heir(
    root: Path,
    opened: Callable[[], RedisLedger],
    monkeypatch: pytest.MonkeyPatch,
    point: str,
    grouping: str,
) -> None:
    writer, heir = opened(), opened()
    records = some("articles", *KEYS)

    def meanwhile() -> None:
        stop_heart(writer)
        heir.recover()
        sweep(root, heir.alive)
        if grouping == "the same":
            write(root, heir, records)
        elif grouping == "another":
            write(root, heir, records[:1])
            write(root, heir, records[1:])

    pause = Pause(meanwhile)
    reach, holds = failpoints.reach, RedisLedger.holds
    if point == "holds":

        def held(ledger: RedisLedger, intent: object) -> None:
            holds(ledger, intent)  # type: ignore[arg-type]
            if ledger is writer:
                pause.here()

        monkeypatch.setattr(RedisLedger, "holds", held)
    else:

        def reached(name: str) -> None:
            reach(name)
            if name == point:
                pause.here()

        monkeypatch.setattr(failpoints, "reach", reached)
    written = write_patiently(root, writer, records)
    assert pause.paused
    assert sorted(written.durable) == sorted(record.key for record in records)
    check(root, heir)


class Turns:
    """Lets two threads go on from point to point, one at a time, in a given order."""

    def __init__(self, order: list[str]) -> None:
        self._order = order
        self._running: str | None = None
        self._changed = threading.Condition()

    def step(self, who: str) -> None:
        with self._changed:
            self._stand(who)
            free = self._changed.wait_for(
                lambda: self._running is None and self._order[:1] in ([], [who]), timeout=60
            )
            assert free
            del self._order[:1]
            self._running = who

    def finish(self, who: str) -> None:
        with self._changed:
            self._order[:] = [one for one in self._order if one != who]
            self._stand(who)

    def _stand(self, who: str) -> None:
        if self._running == who:
            self._running = None
        self._changed.notify_all()


# Both start, and come to four points each: see `pipeline.ledger.redis.ending`.
ORDERS = [
    ["w" if turn in places else "h" for turn in range(10)]
    for places in itertools.combinations(range(10), 5)
]


@pytest.mark.parametrize("part", range(6))
def test_every_order_of_the_steps_of_a_writer_and_an_heir(
    redis_running: RedisServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    part: int,
) -> None:
    real = (failpoints.reach, RedisLedger.holds, module.stands, ending.sync_folder)
    for number, order in list(enumerate(ORDERS))[part::6]:
        root = tmp_path / str(number)
        writer, heir = (RedisLedger(redis_running.uri(), root) for _ in range(2))
        _one_order(root, writer, heir, Turns(list(order)), monkeypatch, real)
        check(root, heir)
        writer.close()
        heir.close()


def _one_order(
    root: Path,
    writer: RedisLedger,
    heir: RedisLedger,
    turns: Turns,
    monkeypatch: pytest.MonkeyPatch,
    real: tuple[Callable[..., None], ...],
) -> None:
    reach, holds, stands, sync_folder = real
    records = some("articles", *KEYS)
    failures: list[BaseException] = []

    def at(who: str) -> None:
        if threading.current_thread().name == who:
            turns.step(who)

    def reached(name: str) -> None:
        reach(name)
        if name in ("before_write", "after_write", "after_rename"):
            at("w")

    def held(ledger: RedisLedger, intent: object) -> None:
        holds(ledger, intent)
        at("w")

    def standing(*args: object) -> object:
        at("h")
        found = stands(*args)  # type: ignore[func-returns-value]
        at("h")
        return found

    def synced(folder: Path) -> None:
        at("h")
        sync_folder(folder)

    monkeypatch.setattr(failpoints, "reach", reached)
    monkeypatch.setattr(RedisLedger, "holds", held)
    monkeypatch.setattr(module, "stands", standing)
    monkeypatch.setattr(ending, "sync_folder", synced)

    def work(who: str, do: Callable[[], object]) -> None:
        try:
            turns.step(who)
            do()
        except BaseException as error:
            failures.append(error)
            raise
        finally:
            turns.finish(who)

    def inherit() -> None:
        stop_heart(writer)
        heir.recover()
        turns.step("h")
        # In another grouping, so that none of its files can be one of the writer's.
        write_patiently(root, heir, records[:2])
        write_patiently(root, heir, records[2:])

    threads = [
        threading.Thread(
            target=work, args=("w", lambda: write_patiently(root, writer, records)), name="w"
        ),
        threading.Thread(target=work, args=("h", inherit), name="h"),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=120)
    assert not failures
    write_patiently(root, heir, records)


class TestHeirs:
    def test_a_lost_intent_cannot_be_committed(
        self, root: Path, opened: Callable[[], RedisLedger]
    ) -> None:
        writer, heir = opened(), opened()
        intent = begin(writer, ["a"])
        writer.holds(intent)
        stop_heart(writer)
        assert heir.recover().dropped == (intent.path,)
        for _ in range(2):
            with pytest.raises(IntentLost, match="come again"):
                writer.holds(intent)
            with pytest.raises(IntentLost, match="come again"):
                writer.commit(intent)
            begin(heir, ["a"])

    def test_an_heir_that_cannot_look_goes_on_later(
        self, root: Path, opened: Callable[[], RedisLedger], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        writer, heir = opened(), opened()
        begin(writer, ["a", "b"])
        stop_heart(writer)

        def fail(*args: object) -> bool:
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(module, "stands", fail)
        with pytest.raises(PermissionError):
            heir.recover()
        monkeypatch.undo()
        assert begin(heir, ["a", "c"]).granted == ("a", "c")

    def test_of_an_heir_that_dies_another_is_the_heir(
        self, root: Path, opened: Callable[[], RedisLedger], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        writer, first, second = opened(), opened(), opened()
        intent = begin(writer, ["a", "b"])
        stop_heart(writer)
        real = module.stands

        def meanwhile(*args: object) -> bool:
            monkeypatch.undo()
            found = real(*args)  # type: ignore[arg-type]
            # The first heir falls asleep here.
            stop_heart(first)
            assert second.recover().dropped == (intent.path,)
            assert commit(second, root, ["a", "b"]).path == intent.path
            return found

        monkeypatch.setattr(module, "stands", meanwhile)
        assert first.recover().dropped == ()
        assert begin(first, ["a", "b"]).committed == ("a", "b")

    def test_a_folder_that_is_not_there_tells_nothing(
        self, root: Path, opened: Callable[[], RedisLedger]
    ) -> None:
        """As when the output is a mount that went away."""
        writer, heir = opened(), opened()
        intent = commit(writer, root, ["a"])
        pending = begin(writer, ["b"])
        stop_heart(writer)
        away = root.rename(root.with_name("away"))
        root.mkdir()
        with pytest.raises(LedgerUnavailable, match="is it mounted"):
            heir.recover()
        root.rmdir()
        away.rename(root)
        assert heir.recover().dropped == (pending.path,)
        assert begin(heir, ["a"]).committed == ("a",)
        assert [file.path for file in heir.committed_files()] == [intent.path]

    def test_nor_does_one_that_goes_while_it_is_looked_at(
        self, root: Path, opened: Callable[[], RedisLedger], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        writer, heir = opened(), opened()
        intent = begin(writer, ["a"])
        write_file_of(root, intent.path)
        stop_heart(writer)
        away = root.with_name("away")
        monkeypatch.setattr(ending, "sync_folder", lambda folder: (root.rename(away), root.mkdir()))
        with pytest.raises(LedgerUnavailable, match="is it mounted"):
            heir.recover()
        monkeypatch.undo()
        root.rmdir()
        away.rename(root)
        assert heir.recover().completed == (intent.path,)


def write_file_of(root: Path, path: str) -> None:
    (root / path).parent.mkdir(parents=True)
    (root / path).touch()


CHILD = """
import sys
from pathlib import Path
from pipeline.ledger import IntentLost
from pipeline.ledger.redis.ledger import RedisLedger
from tests.ledger.helpers import begin, commit
root = Path(sys.argv[1])
ledger = RedisLedger(sys.argv[2], root, alive_seconds=float(sys.argv[3]))
intent = begin(ledger, ["a", "b"])
print(ledger.owner, flush=True)
sys.stdin.readline()
try:
    ledger.holds(intent)
except IntentLost:
    print("lost", begin(ledger, ["a", "b"]).committed, flush=True)
else:
    print("held", flush=True)
sys.stdin.readline()
"""


class TestStopped:
    """A real process, stopped by SIGSTOP or killed."""

    @pytest.fixture
    def child(self, redis_running: RedisServer, root: Path) -> Iterator[subprocess.Popen[str]]:
        root.mkdir()
        process = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(root), redis_running.uri(), "1"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        yield process
        process.kill()
        process.communicate()

    def said(self, child: subprocess.Popen[str]) -> str:
        assert child.stdout is not None
        return child.stdout.readline().strip()

    def go_on(self, child: subprocess.Popen[str]) -> None:
        assert child.stdin is not None
        child.stdin.write("\n")
        child.stdin.flush()

    def test_one_that_lives_is_left_alone(
        self, child: subprocess.Popen[str], opened: Callable[[], RedisLedger]
    ) -> None:
        owner = self.said(child)
        heir = opened()
        alive = heir._space.owners.prefix + owner.encode()
        # Its heartbeat goes on: more life is left than there was.
        left = heir._space.client.pttl(alive)
        eventually(lambda: heir._space.client.pttl(alive) > left)
        assert begin(heir, ["a", "b"]).elsewhere == ("a", "b")
        self.go_on(child)
        assert self.said(child) == "held"

    def test_one_that_is_stopped_loses_its_intent(
        self, child: subprocess.Popen[str], root: Path, opened: Callable[[], RedisLedger]
    ) -> None:
        owner = self.said(child)
        heir = opened()
        child.send_signal(signal.SIGSTOP)
        eventually(lambda: not heir.alive(owner))
        assert len(heir.recover().dropped) == 1
        commit(heir, root, ["a", "b"])
        child.send_signal(signal.SIGCONT)
        self.go_on(child)
        assert self.said(child) == "lost ('a', 'b')"

    def test_one_that_is_killed(
        self, child: subprocess.Popen[str], opened: Callable[[], RedisLedger]
    ) -> None:
        owner = self.said(child)
        child.kill()
        heir = opened()
        eventually(lambda: not heir.alive(owner))
        # Without `recover`: the messages have come to us.
        assert begin(heir, ["a", "c"]).granted == ("a", "c")
        assert begin(heir, ["b"]).granted == ("b",)

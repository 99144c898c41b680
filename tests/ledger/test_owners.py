from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.ledger.owners import Owners
from pipeline.ledger.sqlite import SqliteLedger
from tests.ledger.helpers import begin, commit

ROOT = Path(__file__).parents[2]

# Opens the ledger, runs the lines it is sent, and says "done" after each.
CHILD = """
import sys
from pathlib import Path
from pipeline.ledger.sqlite import SqliteLedger
from tests.ledger.helpers import ask, begin, candidate, commit, write
root = Path(sys.argv[1])
ledger = SqliteLedger(root / "ledger.sqlite3", root)
print(ledger.owner, flush=True)
for line in sys.stdin:
    exec(line)
    print("done", flush=True)
"""


class Child:
    """Another process on the same ledger."""

    def __init__(self, root: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", CHILD, str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def joined(self) -> str:
        """Its name in the ledger, once it is there."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def send(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def run(self, line: str) -> None:
        self.send(line)
        assert self.wait() == "done"

    def wait(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def children(root: Path, count: int = 1) -> Iterator[list[Child]]:
    made = [Child(root) for _ in range(count)]
    try:
        yield made
    finally:
        for child in made:
            child.end()


class TestOwners:
    def test_is_alive_until_it_leaves(self, tmp_path: Path) -> None:
        one, two = Owners(tmp_path), Owners(tmp_path)
        with one.if_dead(two.name) as dead:
            assert not dead
        two.leave()
        with one.if_dead(two.name) as dead:
            assert dead
        one.leave()
        assert list(tmp_path.iterdir()) == []

    def test_is_never_dead_to_itself(self, tmp_path: Path) -> None:
        one = Owners(tmp_path)
        with one.if_dead(one.name) as dead:
            assert not dead
        one.leave()

    def test_in_memory_there_is_nobody_else(self) -> None:
        one = Owners(None)
        with one.if_dead("anyone") as dead:
            assert not dead
        one.sweep()
        one.leave()

    def test_sweep_takes_only_the_dead(self, tmp_path: Path) -> None:
        one, two = Owners(tmp_path), Owners(tmp_path)
        (tmp_path / "dead").touch()
        one.sweep()
        assert {path.name for path in tmp_path.iterdir()} == {one.name, two.name}
        one.leave()
        two.leave()

    def test_one_heir_acts_at_a_time(self, tmp_path: Path) -> None:
        one, two = Owners(tmp_path), Owners(tmp_path)
        (tmp_path / "dead").touch()
        with one.if_dead("dead") as first, two.if_dead("dead") as second:
            assert (first, second) == (True, False)
        one.leave()
        two.leave()

    def test_joins_though_a_sweep_took_its_file(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real, swept = fcntl.flock, []

        def flock(handle: object, operation: int) -> None:
            if operation == fcntl.LOCK_EX and not swept:
                swept.extend(tmp_path.iterdir())
                swept[0].unlink()
            real(handle, operation)

        monkeypatch.setattr(fcntl, "flock", flock)
        one = Owners(tmp_path)
        monkeypatch.undo()
        two = Owners(tmp_path)
        assert swept
        assert (tmp_path / one.name).exists()
        with two.if_dead(one.name) as dead:
            assert not dead
        one.leave()
        two.leave()

    def test_many_join_and_sweep_at_once(self, tmp_path: Path) -> None:
        def join(_: int) -> Owners:
            owners = Owners(tmp_path)
            owners.sweep()
            return owners

        with ThreadPoolExecutor(8) as pool:
            all_owners = list(pool.map(join, range(64)))
        assert {path.name for path in tmp_path.iterdir()} == {o.name for o in all_owners}
        for owners in all_owners:
            owners.leave()

    def test_the_lock_does_not_pass_to_programs_it_starts(self, tmp_path: Path) -> None:
        one, two = Owners(tmp_path), Owners(tmp_path)
        child = subprocess.Popen(
            [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            close_fds=False,
        )
        assert child.stdout is not None
        child.stdout.readline()
        assert one._handle is not None
        os.close(one._handle.fileno())
        with two.if_dead(one.name) as dead:
            assert dead
        child.communicate()
        two.leave()


class TestKilled:
    """kill -9 of a real process that holds an intent."""

    def test_before_its_file_another_takes_over(self, tmp_path: Path) -> None:
        ledger = SqliteLedger(tmp_path / "ledger.sqlite3", tmp_path)
        with children(tmp_path) as [child]:
            owner = child.joined()
            child.run("intent = begin(ledger, ['a', 'b'])")
            assert ledger.alive(owner)
            assert begin(ledger, ["a", "b"]).elsewhere == ("a", "b")
            assert ledger.recover().dropped == ()
            child.kill()
            assert not ledger.alive(owner)
            assert commit(ledger, tmp_path, ["a", "b"]).granted == ("a", "b")
        ledger.close()

    def test_after_its_file_another_completes(self, tmp_path: Path) -> None:
        ledger = SqliteLedger(tmp_path / "ledger.sqlite3", tmp_path)
        with children(tmp_path) as [child]:
            child.joined()
            child.run("intent = begin(ledger, ['a', 'b']); write(root, intent)")
            child.kill()
            assert len(ledger.recover().completed) == 1
            assert begin(ledger, ["b", "a", "c"]).committed == ("b", "a")
        ledger.close()

    def test_in_the_middle_of_a_transaction_nothing_stays(self, tmp_path: Path) -> None:
        ledger = SqliteLedger(tmp_path / "ledger.sqlite3", tmp_path)
        with children(tmp_path) as [child]:
            child.joined()
            child.send(
                "ledger.begin('articles', [('a', 'a')],"
                " lambda keys: (print('inside', flush=True), sys.stdin.read()))"
            )
            assert child.wait() == "inside"
            child.kill()
            assert ledger.open_intents() == []
            assert begin(ledger, ["a"]).granted == ("a",)
        ledger.close()


def test_processes_that_race_write_each_message_once(tmp_path: Path) -> None:
    """Three processes open a new ledger at once, and get the same messages and the same stories."""
    with children(tmp_path, 3) as racers:
        for child in racers:
            child.joined()
        for number, child in enumerate(racers):
            child.send(
                "for n in range(0, 60, 6):"
                " commit(ledger, root, [f'same {i}' for i in range(n, n + 6)]);"
                f" batch = [candidate(f'{number} {{i}}', content=f'{{i}}')"
                " for i in range(n, n + 6)];"
                " verdicts = ask(ledger, *batch);"
                " commit(ledger, root, [c.key for c, v in zip(batch, verdicts) if not v.kind]);"
                " commit(ledger, root, [c.key for c, v in zip(batch, verdicts) if v.kind],"
                " 'duplicates')"
            )
        assert [child.wait() for child in racers] == ["done"] * 3
    ledger = SqliteLedger(tmp_path / "ledger.sqlite3", tmp_path)
    rows = list(ledger.committed_messages())
    in_files = [
        (str(path.relative_to(tmp_path)), key)
        for path in tmp_path.glob("*/*/part-*.avro")
        for key in path.read_text().split("\n")
    ]
    assert sorted(rows) == sorted(in_files)
    keys = [key for _, key in rows]
    assert len(keys) == len(set(keys)) == 60 + 3 * 60
    stories = [key for path, key in rows if path.startswith("articles") and "same" not in key]
    assert sorted(key.split()[1] for key in stories) == sorted(f"{i}" for i in range(60))
    ledger.close()

"""What disks, other processes and other hands do to a ledger."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from pipeline.ledger import (
    CommittedFile,
    LedgerError,
    LedgerUnavailable,
    default_uri,
    open_ledger,
    remedy,
)
from pipeline.ledger.sqlite import SqliteLedger
from tests.ledger.helpers import ask, begin, candidate, commit, write

# Holds the database for itself until its input ends.
HOLDER = """
import sqlite3, sys
held = sqlite3.connect(sys.argv[1], isolation_level=None)
held.execute("BEGIN EXCLUSIVE")
print("held", flush=True)
sys.stdin.read()
"""


@contextmanager
def opened(database: Path, root: Path, **how: float) -> Iterator[SqliteLedger]:
    ledger = SqliteLedger(database, root, **how)  # type: ignore[arg-type]
    try:
        yield ledger
    finally:
        ledger.close()


@contextmanager
def small_disk(folder: Path, size: str = "2m") -> Iterator[None]:
    """A disk of its own at `folder`; a skip where none can be mounted."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, timeout=30)
    except FileNotFoundError:
        pytest.skip("there is no `mount` here")
    if done.returncode:
        pytest.skip(f"a tmpfs cannot be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True, timeout=30)


def write_on(handle: int) -> None:
    while True:
        os.write(handle, bytes(4096))


def fill(disk: Path) -> Path:
    """Takes all room on `disk`; returns the file to delete."""
    filling = disk / "filling"
    handle = os.open(filling, os.O_CREAT | os.O_WRONLY)
    with pytest.raises(OSError, match="No space"):
        write_on(handle)
    os.close(handle)
    return filling


def read_only(folder: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True, timeout=30)


class TestMayPass:
    def test_a_lock_that_another_process_holds(self, database: Path, root: Path) -> None:
        with opened(database, root, busy_seconds=0.05) as ledger:
            intent = begin(ledger, ["a"])
            write(root, intent)
            holder = subprocess.Popen(
                [sys.executable, "-c", HOLDER, str(database)],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            try:
                assert holder.stdout is not None
                assert holder.stdout.readline() == "held\n"
                for _ in range(2):
                    with pytest.raises(LedgerUnavailable, match="locked"):
                        ask(ledger, candidate("b", content="c"))
                    with pytest.raises(LedgerUnavailable, match="locked"):
                        ledger.commit(intent)
            finally:
                holder.communicate()
            ledger.commit(intent)
            assert ledger.committed_files() == [CommittedFile(intent.path, 1)]
            assert ask(ledger, candidate("b", content="c"))[0].kind is None

    def test_a_full_disk(self, tmp_path: Path) -> None:
        disk = tmp_path / "disk"
        with small_disk(disk):
            with opened(disk / "ledger.sqlite3", tmp_path) as ledger:
                commit(ledger, tmp_path, ["a"])
                filling = fill(disk)
                keys = [f"{n}" for n in range(2_000)]
                for _ in range(2):
                    with pytest.raises(LedgerUnavailable, match=r"full|I/O"):
                        begin(ledger, keys)
                assert [file.records for file in ledger.committed_files()] == [1]
                filling.unlink()
                assert len(begin(ledger, keys).granted) == 2_000
            with opened(disk / "ledger.sqlite3", tmp_path) as ledger:
                assert ledger.damage() == []

    def test_opening_on_a_read_only_disk(self, tmp_path: Path) -> None:
        with small_disk(tmp_path / "disk"):
            read_only(tmp_path / "disk")
            with pytest.raises(LedgerUnavailable):
                open_ledger(f"sqlite:///{tmp_path}/disk/new/ledger.sqlite3", tmp_path)

    def test_a_rollback_that_fails_too(
        self, database: Path, root: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with opened(database, root) as ledger:
            execute = ledger._db.execute

            def refuse(statement: str, parameters: tuple[object, ...] = ()) -> sqlite3.Cursor:
                if statement in ("COMMIT", "ROLLBACK"):
                    raise sqlite3.OperationalError("disk I/O error")
                return execute(statement, parameters)

            monkeypatch.setattr(ledger._db, "execute", refuse)
            with pytest.raises(LedgerUnavailable, match="I/O"):
                begin(ledger, ["a"])
            monkeypatch.undo()
            assert ledger.open_intents() == []
            assert commit(ledger, root, ["a"]).granted == ("a",)


class TestOtherHands:
    """Files taken from under a ledger in use."""

    @pytest.mark.parametrize("side", ["", "-wal", "-shm"])
    def test_deleted(self, database: Path, root: Path, side: str) -> None:
        with opened(database, root) as ledger:
            intent = begin(ledger, ["a"])
            write(root, intent)
            Path(f"{database}{side}").unlink()
            with pytest.raises(LedgerError, match="was deleted or replaced") as caught:
                ledger.commit(intent)
            assert not isinstance(caught.value, LedgerUnavailable)
            assert f"`article-pipeline verify {root} --rebuild_ledger`" in str(caught.value)
            with pytest.raises(LedgerError, match="was deleted or replaced"):
                ledger.committed_files()

    def test_replaced(self, database: Path, root: Path, tmp_path: Path) -> None:
        with opened(database, root) as ledger:
            commit(ledger, root, ["a"])
            shutil.copy(database, tmp_path / "copy")
            (tmp_path / "copy").rename(database)
            with pytest.raises(LedgerError, match="was deleted or replaced"):
                begin(ledger, ["b"])

    def test_another_process_that_opens_and_closes_is_none(
        self, database: Path, root: Path
    ) -> None:
        with opened(database, root) as ledger:
            for n in range(3):
                with opened(database, root) as other:
                    commit(other, root, [f"{n}"])
                commit(ledger, root, [f"ours {n}"])
            assert len(ledger.committed_files()) == 6


class TestDamage:
    @pytest.fixture
    def sound(self, database: Path, root: Path) -> Path:
        with opened(database, root) as ledger:
            keys = [f"{n}" for n in range(2_000)]
            ask(ledger, *(candidate(key, content=key) for key in keys))
            commit(ledger, root, keys)
        return database

    @pytest.mark.parametrize(
        ("content", "at"),
        [(b"no header", 0), (b"\xff" * 4096, 100), (bytes(3000), 0)],
        ids=["header", "first page", "zeros"],
    )
    def test_is_told_with_its_remedy(
        self, sound: Path, root: Path, content: bytes, at: int
    ) -> None:
        with sound.open("r+b") as file:
            file.seek(at)
            file.write(content)
        with pytest.raises(LedgerError, match="is damaged") as caught:
            SqliteLedger(sound, root)
        assert remedy(sound, root) in str(caught.value)
        assert not isinstance(caught.value, LedgerUnavailable)

    @pytest.mark.parametrize("left", [0.1, 0.5, 0.95])
    def test_cut_off(self, sound: Path, root: Path, left: float) -> None:
        os.truncate(sound, int(sound.stat().st_size * left) // 4096 * 4096)
        with pytest.raises(LedgerError, match="is damaged"):
            SqliteLedger(sound, root)

    def test_deep_inside_is_found_by_looking(self, sound: Path, root: Path) -> None:
        with sound.open("r+b") as file:
            file.seek(sound.stat().st_size // 4096 // 2 * 4096)
            file.write(b"\xff" * 4096)
        with opened(sound, root, read_only=True) as ledger:
            assert ledger.damage()

    def test_tables_that_are_gone(self, sound: Path, root: Path) -> None:
        with sqlite3.connect(sound) as other:
            other.execute("DROP TABLE marks")
        other.close()
        with pytest.raises(LedgerError, match=r"is damaged \(no such table"):
            SqliteLedger(sound, root)

    def test_a_database_of_something_else(self, database: Path, root: Path) -> None:
        database.parent.mkdir(parents=True)
        with sqlite3.connect(database) as other:
            other.execute("CREATE TABLE songs (title)")
        other.close()
        with pytest.raises(LedgerError, match="no ledger: give another --state"):
            SqliteLedger(database, root)


class TestReadOnly:
    @pytest.fixture
    def before(self, database: Path, root: Path) -> Path:
        with opened(database, root) as ledger:
            commit(ledger, root, ["a"])
        return database

    def test_leaves_no_trace(self, before: Path, root: Path) -> None:
        def state() -> dict[str, bytes]:
            return {p.name: p.read_bytes() for p in before.parent.iterdir() if p.is_file()}

        was, names = state(), sorted(before.parent.iterdir())
        with opened(before, root, read_only=True) as ledger:
            assert len(ledger.committed_files()) == 1
            with pytest.raises(LedgerUnavailable, match="readonly"):
                begin(ledger, ["b"])
        assert state() == was
        assert sorted(before.parent.iterdir()) == names

    def test_sees_what_a_run_adds(self, before: Path, root: Path) -> None:
        with opened(before, root) as run, opened(before, root, read_only=True) as ledger:
            commit(run, root, ["b"])
            assert len(ledger.committed_files()) == 2
            assert not ledger.overtaken()

    def test_says_that_a_run_began(self, before: Path, root: Path) -> None:
        with opened(before, root, read_only=True) as ledger:
            assert not ledger.overtaken()
            with opened(before, root) as run:
                assert ledger.overtaken()
                commit(run, root, ["b"])
            assert ledger.overtaken()

    def test_makes_none(self, database: Path, root: Path) -> None:
        with pytest.raises(LedgerUnavailable):
            open_ledger(f"sqlite:///{database}", root, read_only=True)
        assert not root.exists()

    @pytest.mark.parametrize("wal", [False, True], ids=["closed", "of a run that died"])
    def test_on_a_read_only_disk(self, before: Path, root: Path, tmp_path: Path, wal: bool) -> None:
        disk = tmp_path / "disk"
        with small_disk(disk):
            with opened(before, root) as run:
                commit(run, root, ["b"])
                if wal:
                    shutil.copy(f"{before}-wal", disk)
                    shutil.copy(before, disk)
            if not wal:
                shutil.copy(before, disk)
            read_only(disk)
            with opened(disk / before.name, root, read_only=True) as ledger:
                assert len(ledger.committed_files()) == 2


class TestAbandon:
    """A writer failed; another grouping of its messages comes."""

    @pytest.fixture
    def ledger(self, database: Path, root: Path) -> Iterator[SqliteLedger]:
        with opened(database, root) as ledger:
            yield ledger

    def test_its_messages_may_go_into_another_file(self, ledger: SqliteLedger, root: Path) -> None:
        failed = begin(ledger, ["a", "b"])
        assert begin(ledger, ["b", "c"]).elsewhere == ("b",)
        ledger.abandon(failed)
        retry = commit(ledger, root, ["b", "d"])
        assert (retry.granted, retry.elsewhere) == (("b", "d"), ())
        assert failed.path not in ledger.open_intents()
        assert commit(ledger, root, ["a"]).granted == ("a",)

    def test_its_file_stands_after_all(self, ledger: SqliteLedger, root: Path) -> None:
        failed = begin(ledger, ["a", "b"])
        write(root, failed)
        ledger.abandon(failed)
        retry = begin(ledger, ["b", "c"])
        assert (retry.granted, retry.committed) == (("c",), ("b",))
        assert CommittedFile(failed.path, 2) in ledger.committed_files()

    def test_the_same_grouping_is_the_same_file(self, ledger: SqliteLedger, root: Path) -> None:
        failed = begin(ledger, ["a", "b"])
        write(root, failed)
        ledger.abandon(failed)
        retry = begin(ledger, ["a", "b"])
        assert retry == failed
        # It is at work again: nobody takes its messages away.
        assert begin(ledger, ["b", "c"]).elsewhere == ("b",)
        ledger.commit(retry)

    def test_others_of_the_process_are_not_robbed(self, ledger: SqliteLedger, root: Path) -> None:
        failed, at_work = begin(ledger, ["a", "b"]), begin(ledger, ["c"])
        ledger.abandon(failed)
        retry = begin(ledger, ["b", "c", "d"])
        assert (retry.granted, retry.elsewhere) == (("b", "d"), ("c",))
        write(root, at_work)
        ledger.commit(at_work)

    def test_one_that_was_committed_stays_so(self, ledger: SqliteLedger, root: Path) -> None:
        done = commit(ledger, root, ["a"])
        ledger.abandon(done)
        assert begin(ledger, ["a", "b"]).committed == ("a",)


def test_the_remedy_names_a_ledger_that_lies_elsewhere(tmp_path: Path) -> None:
    own = Path(default_uri(tmp_path / "my out").removeprefix("sqlite:///"))
    assert remedy(own, tmp_path / "my out").endswith(
        f"`article-pipeline verify '{tmp_path}/my out' --rebuild_ledger`"
    )
    assert remedy(Path("/x/y.db"), Path("out")).endswith(
        "`article-pipeline verify out --rebuild_ledger --state sqlite:////x/y.db`"
    )

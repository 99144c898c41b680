"""A disk that is full or read-only: waited for, then given up with a line that says so.

On a file system of its own, small and in memory; where none can be mounted the tests are skipped.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.samples import generate
from tests.endtoend.commands import Queue, counts, expected, message_ids
from tests.faults.clocks import ClockedQueue
from tests.waiting import eventually

MESSAGES = 600
SAMPLES = list(generate(MESSAGES, seed=51))
TRYING = "trying again in"


class Disk:
    """A mounted file system of `megabytes`."""

    def __init__(self, folder: Path, megabytes: int) -> None:
        self.folder = folder
        self._ballast = folder / "ballast"
        self._mount("-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder))

    def _mount(self, *arguments: str) -> None:
        subprocess.run(["mount", *arguments], check=True, capture_output=True)

    def fill(self) -> None:
        """Leaves no room at all."""
        with self._ballast.open("ab", buffering=0) as file:
            try:
                while True:
                    file.write(b"\0" * 4_096)
            except OSError:
                return

    def make_room(self) -> None:
        self._ballast.unlink()

    def read_only(self, on: bool) -> None:
        """What is on it may be open: the kernel waits for no one when a disk goes bad, mount does.

        So the ledger, which is open all the time, is to lie elsewhere.
        """

        def remounted() -> bool:
            try:
                self._mount("-o", f"remount,{'ro' if on else 'rw'}", str(self.folder))
            except subprocess.CalledProcessError:
                return False
            return True

        eventually(remounted)

    def unmount(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        disk = Disk(folder, megabytes=16)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system can be mounted here: {error}")
    yield disk
    disk.unmount()


def options(queue: Queue, disk: Disk, *more: str) -> tuple[str | Path, ...]:
    return (
        *("run", "--subscription", queue.subscription, "--output", disk.folder / "output"),
        *("--no_entities", "--roll_records", "50", "--pull_messages", "100", *more),
    )


def state(disk: Disk, trouble: str) -> tuple[str, ...]:
    """Where the ledger is: on the disk that fills, beside the one that goes read-only."""
    if trouble == "full":
        return ()
    return ("--state", f"sqlite:///{disk.folder.parent / 'ledger.sqlite3'}")


def start(queue: Queue, disk: Disk, log: Path, *more: str) -> subprocess.Popen[str]:
    """A run that has written files, and has more to write."""
    queue.publish(SAMPLES[: MESSAGES // 2])
    run = queue.start(*options(queue, disk, *more), log=log)
    output = disk.folder / "output"
    eventually(lambda: list(output.glob("*/*/*.avro")) or run.poll() is not None, 120)
    assert run.poll() is None, log.read_text()
    return run


def sound_and_whole(queue: Queue, disk: Disk, *state: str) -> None:
    output = disk.folder / "output"
    ids = message_ids(output)
    assert len(ids) == len(set(ids)) == MESSAGES
    assert counts(output) == expected(SAMPLES)
    audit = queue.run("verify", output, *state)
    assert audit.returncode == 0, audit.stdout
    assert not list(output.glob("*/*/.*")), "a temporary file was left"


@pytest.mark.parametrize(("trouble", "processes"), [("full", "2"), ("read-only", "1")])
def test_what_passes_is_waited_for(
    queue: Queue, disk: Disk, tmp_path: Path, trouble: str, processes: str
) -> None:
    log = tmp_path / "log"
    kept = state(disk, trouble)
    run = start(queue, disk, log, "--idle_timeout", "3", "--processes", processes, *kept)
    if trouble == "full":
        disk.fill()
    else:
        disk.read_only(True)
    queue.publish(SAMPLES[MESSAGES // 2 :])
    eventually(lambda: TRYING in log.read_text() or run.poll() is not None, 60, log.read_text)
    assert run.poll() is None, log.read_text()
    if trouble == "full":
        disk.make_room()
    else:
        disk.read_only(False)
    assert run.wait(120) == 0, log.read_text()
    sound_and_whole(queue, disk, *kept)


@pytest.mark.parametrize("trouble", ["full", "read-only"])
def test_what_stays_ends_the_run(
    queue: ClockedQueue, disk: Disk, tmp_path: Path, trouble: str
) -> None:
    """Exit 1 with one line at the end that says what to do; nothing lost once there is room."""
    log = tmp_path / "log"
    kept = state(disk, trouble)
    run = start(queue, disk, log, "--storage_seconds", "2", "--processes", "1", *kept)
    if trouble == "full":
        disk.fill()
    else:
        disk.read_only(True)
    queue.publish(SAMPLES[MESSAGES // 2 :])
    assert run.wait(120) == 1, log.read_text()
    said = log.read_text()
    last = said.splitlines()[-1]
    assert last.startswith("run: "), said
    assert "for 2 s now" in last
    assert "is not acknowledged and comes again: mend it and start the run again" in last
    assert "Traceback" not in said, said
    if trouble == "full":
        disk.make_room()
    else:
        disk.read_only(False)
    queue.end_leases()
    done = queue.run(*options(queue, disk, "--idle_timeout", "3", *kept))
    assert done.returncode == 0, done.stderr
    sound_and_whole(queue, disk, *kept)


def test_an_output_that_cannot_be_written_at_the_start(queue: Queue, disk: Disk) -> None:
    disk.read_only(True)
    ran = queue.run(*options(queue, disk))
    assert ran.returncode == 1
    assert ran.stderr.count("\n") == 1, ran.stderr
    assert os.strerror(30) in ran.stderr

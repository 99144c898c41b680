"""A run as a scheduler sees it: one at a time, an exit code, and one JSON object of what it did.

The lock is the kernel's (flock): it ends with the process, however that ends. Processes of a run do
not inherit it (PEP 446; they are spawned), so that it tells about the one that was started.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import fcntl
import json
import os
import platform
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pipeline.durable import make_folder, sync_folder, temporary_of
from pipeline.errors import BUSY, DONE, FAILED, USAGE, Failed, UsageError
from pipeline.launch import new_run_id
from pipeline.watch import counters
from pipeline.watch.summary import Summary, split

STDOUT = "-"
# More than a lock file of ours holds: what stands there is not ours then.
HOLDER_BYTES = 4_096

Ending = tuple[int, str, str | None]
"""Exit code, outcome (done, drained, skipped or failed), and what went wrong on one line."""


class Job:
    """One run of a command: what it did so far, and where that is to be said.

    Args:
        command: its name.
        options: of ours, by name: `output`, `run_id`, `schedule`, `overlap`, `summary_json`.

    Raises:
        UsageError: the file of `--summary_json` cannot be written.
    """

    def __init__(self, command: str, options: Mapping[str, Any]) -> None:
        self.options = {**options, "run_id": options["run_id"] or new_run_id()}
        self.drain = threading.Event()
        self._command = command
        self._name = options["schedule"] or command
        self._sink = _sink(options["summary_json"])
        self._summary = Summary()
        self._began = _now()
        self._clock = time.monotonic()
        # Taken by who has the last word, and never let go of.
        self._last_word = threading.Lock()

    def report(self, summary: Summary) -> None:
        """Takes note of how far the run has come."""
        self._summary = summary

    def cut_off(self, error: str) -> None:
        """Says that the process is about to end in the middle of its work, and why."""
        self._end(FAILED, "failed", error)

    def run(self, work: Callable[[Job], None], check: Callable[[], None] = lambda: None) -> int:
        """Does the work, unless another run of the schedule is under way; returns the exit code.

        Args:
            work: `options`, `drain`, `report` and `cut_off` are for it.
            check: raises what can be said before anything is made.

        Raises:
            What `work` and `check` raise.
            Failed: the lock or, at the end, the summary cannot be written.
        """
        with contextlib.ExitStack() as held:
            try:
                check()
                holder = held.enter_context(self._alone())
                if holder is None:
                    self._sink.begin(self._text(None, "running", None))
                    work(self)
                    ending: Ending = (DONE, "drained" if self.drain.is_set() else "done", None)
                else:
                    ending = self._stand_back(holder)
            except BaseException as error:
                # What went wrong first is the news.
                with contextlib.suppress(Failed, OSError):
                    self._end(*_ending_of(error))
                raise
            self._end(*ending)
            return ending[0]

    @contextlib.contextmanager
    def _alone(self) -> Iterator[str | None]:
        """Holds the lock of the schedule; yields who else does, or None."""
        if self.options["overlap"] == "allow":
            yield None
            return
        output = self.options["output"]
        if "://" in output:
            raise UsageError(f"--overlap {self.options['overlap']} needs a local --output")
        path = Path(output) / "_state" / f"{self._name}.lock"
        with contextlib.ExitStack() as held:
            try:
                holder = held.enter_context(locked(path))
            except OSError as error:
                raise Failed(f"--output {output} cannot be written: {error}") from error
            yield holder

    def _stand_back(self, holder: str) -> Ending:
        text = f"another run of this schedule is under way ({holder})"
        print(f"{self._command}: {text}", file=sys.stderr)
        return DONE if self.options["overlap"] == "skip" else BUSY, "skipped", text

    def _end(self, code: int, outcome: str, error: str | None) -> None:
        self._last_word.acquire()
        self._sink.end(self._text(code, outcome, error))

    def _text(self, code: int | None, outcome: str, error: str | None) -> str:
        ended = code is not None
        return json.dumps(
            {
                "command": self._command,
                "schedule": self._name,
                "run_id": self.options["run_id"],
                "pid": os.getpid(),
                "outcome": outcome,
                "exit_code": code,
                "began": self._began,
                "ended": _now() if ended else None,
                "seconds": round(time.monotonic() - self._clock, 3) if ended else None,
                **counts(self._summary),
                "error": error and " ".join(error.split()),
            }
        )


def run_job(
    command: str,
    options: Mapping[str, Any],
    work: Callable[[Job], None],
    check: Callable[[], None] = lambda: None,
) -> int:
    """Does the work of a command as its schedule wants it. See `Job`."""
    return Job(command, options).run(work, check)


def counts(summary: Summary) -> dict[str, Any]:
    """What a run did, as it stands in the JSON object.

    >>> given = {"messages_received": 3, "articles_written": 1, "duplicates{kind=url}": 1}
    >>> found = counts(Summary({**given, "dead_letters{stage=decode,error_type=bomb}": 1}))
    >>> found["received"], found["articles"], found["duplicates"], found["adds_up"]
    (3, 1, {'url': 1}, True)
    >>> found["dead_letters"]
    {'decode': {'bomb': 1}}
    """
    duplicates: dict[str, int] = {}
    dead_letters: dict[str, dict[str, int]] = {}
    for key, n in sorted(summary.counters.items()):
        name, text = split(key)
        labels = dict(label.split("=", 1) for label in text.split(",") if "=" in label)
        if name == counters.DUPLICATES:
            kind = labels.get("kind", "")
            duplicates[kind] = duplicates.get(kind, 0) + n
        elif name == counters.DEAD_LETTERS:
            of_stage = dead_letters.setdefault(labels.get("stage", ""), {})
            error_type = labels.get("error_type", "")
            of_stage[error_type] = of_stage.get(error_type, 0) + n
    return {
        "received": summary.received,
        "articles": summary.articles,
        "duplicates": duplicates,
        "dead_letters": dead_letters,
        "redelivered": summary.redelivered,
        "adds_up": summary.adds_up,
    }


@contextlib.contextmanager
def locked(path: Path) -> Iterator[str | None]:
    """Holds the lock at `path` while entered; yields None, or who else holds it.

    The file stays: were it taken away, two could each lock one of that name.

    Raises:
        OSError: the file cannot be made, or its file system has no locks.
    """
    make_folder(path.parent)
    # Open for writing: NFS gives an exclusive lock to no other.
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield _holder(handle)
            return
        os.ftruncate(handle, 0)
        me = {"pid": os.getpid(), "host": platform.node(), "since": _now()}
        os.pwrite(handle, json.dumps(me).encode(), 0)
        try:
            yield None
        finally:
            os.ftruncate(handle, 0)
            fcntl.flock(handle, fcntl.LOCK_UN)
    finally:
        os.close(handle)


def _holder(handle: int) -> str:
    """Who holds the lock, by what it wrote into the file; it may be about to."""
    try:
        found = json.loads(os.pread(handle, HOLDER_BYTES, 0))
        where = "" if found["host"] == platform.node() else f" on {found['host']}"
        return f"pid {found['pid']}{where}, since {found['since']}"
    except (ValueError, TypeError, KeyError):
        return "just begun"


def _ending_of(error: BaseException) -> Ending:
    if isinstance(error, UsageError):
        return USAGE, "failed", str(error)
    if isinstance(error, Failed):
        return FAILED, "failed", str(error)
    if isinstance(error, KeyboardInterrupt):
        return FAILED, "failed", "interrupted"
    return FAILED, "failed", f"{type(error).__name__}: {error}"


def _now() -> str:
    return dt.datetime.now(dt.timezone.utc).isoformat(timespec="milliseconds")


class _Nowhere:
    """Where summaries go that nobody asked for."""

    def begin(self, text: str) -> None:
        """Says that the run is under way, where that can be said over again."""

    def end(self, text: str) -> None:
        """Says how it ended."""


class _Stdout(_Nowhere):
    def end(self, text: str) -> None:
        print(text, flush=True)


class _File(_Nowhere):
    """A file that is replaced whole: who looks at it finds an old summary or a new one.

    What is no regular file (a pipe, /dev/null) is written to instead, as is one whose name cannot
    be given to another file (Kubernetes' /dev/termination-log).

    Raises:
        UsageError: it cannot be written.
    """

    def __init__(self, given: str) -> None:
        self._given = given
        # A link stays one.
        self._path = Path(given)
        self._in_place = False
        try:
            if not given or self._path.is_dir():
                raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
            self._in_place = self._path.exists() and not self._path.is_file()
            if not self._in_place:
                self._path = Path(os.path.realpath(given))
                self._try()
        except OSError as error:
            raise UsageError(
                f"--summary_json {given} cannot be written: {error.strerror}"
            ) from error

    def _try(self) -> None:
        """Finds out whether the file can be replaced, or else written to."""
        temporary = self._temporary()
        try:
            temporary.touch(exist_ok=False)
            temporary.unlink()
        except OSError:
            if not os.access(self._path, os.W_OK):
                raise
            self._in_place = True

    def _temporary(self) -> Path:
        return temporary_of(self._path, uuid.uuid4().hex)

    def begin(self, text: str) -> None:
        if not self._in_place:
            self._write(text)

    def end(self, text: str) -> None:
        self._write(text)

    def _write(self, text: str) -> None:
        try:
            if not self._in_place:
                self._in_place = not self._replace(text)
            if self._in_place:
                self._path.write_text(text + "\n", encoding="utf-8")
        except OSError as error:
            raise Failed(
                f"--summary_json {self._given} cannot be written: {error.strerror}"
            ) from error

    def _replace(self, text: str) -> bool:
        """Whether the file could be replaced; one that is a mount point cannot."""
        temporary = self._temporary()
        try:
            with temporary.open("x", encoding="utf-8") as file:
                file.write(text + "\n")
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._path)
        except OSError as error:
            temporary.unlink(missing_ok=True)
            if error.errno == errno.EBUSY:
                return False
            raise
        sync_folder(self._path.parent)
        return True


def _sink(given: str | None) -> _Nowhere:
    if given is None:
        return _Nowhere()
    return _Stdout() if given == STDOUT else _File(given)

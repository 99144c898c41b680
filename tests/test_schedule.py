"""What a scheduler sees of a run: the lock, the JSON object, the exit code."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

import pipeline.launch as launch_module
from pipeline import logs
from pipeline.cli import main
from pipeline.errors import BUSY, DONE, FAILED, USAGE, Failed, UsageError
from pipeline.option_list import defaults
from pipeline.schedule import Job, counts, locked, run_job
from pipeline.watch.summary import Summary
from tests.waiting import eventually

Captured = pytest.CaptureFixture[str]
SOUND = Summary(
    {
        "messages_received": 9,
        "articles_written": 2,
        "duplicates{kind=url}": 1,
        "duplicates{kind=near}": 2,
        "dead_letters{stage=decode,error_type=bomb}": 1,
        "dead_letters{stage=decode,error_type=no_body}": 1,
        "dead_letters{stage=entities,error_type=bomb}": 1,
        "messages_redelivered": 1,
    }
)
COUNTED = {
    "received": 9,
    "articles": 2,
    "duplicates": {"near": 2, "url": 1},
    "dead_letters": {"decode": {"bomb": 1, "no_body": 1}, "entities": {"bomb": 1}},
    "redelivered": 1,
    "adds_up": True,
}
# Holds the lock of its first argument until its standard input ends, or it is killed.
HOLDER = """
import sys
from pathlib import Path
from pipeline.schedule import locked
with locked(Path(sys.argv[1])) as other:
    print(other, flush=True)
    sys.stdin.read()
"""


def options(output: Path, **given: Any) -> dict[str, Any]:
    return {**defaults(), "output": str(output), **given}


def sound(job: Job) -> None:
    job.report(SOUND)


def read(path: Path) -> dict[str, Any]:
    """The object in a file that holds nothing else."""
    text = path.read_text(encoding="utf-8")
    assert text.endswith("\n")
    assert text.count("\n") == 1
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has the lock of the schedule "nightly"."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path / "_state" / "nightly.lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "None\n"
        yield process
        process.kill()


class TestSummary:
    def test_counts(self) -> None:
        assert counts(SOUND) == COUNTED
        assert counts(Summary({"messages_received": 1}))["adds_up"] is False

    def test_of_a_run_that_was_done(self, tmp_path: Path) -> None:
        file = tmp_path / "run.json"
        given = options(tmp_path, summary_json=str(file), run_id="r1")
        assert run_job("run", given, sound) == DONE
        found = read(file)
        assert {name: found.pop(name) for name in COUNTED} == COUNTED
        assert found.pop("began") <= found.pop("ended")
        assert found.pop("seconds") >= 0
        assert found == {
            "command": "run",
            "schedule": "run",
            "run_id": "r1",
            "pid": os.getpid(),
            "outcome": "done",
            "exit_code": 0,
            "error": None,
        }
        assert [path.name for path in tmp_path.iterdir()] == ["run.json"]

    def test_while_it_runs(self, tmp_path: Path) -> None:
        """What a run that is killed leaves behind."""
        file = tmp_path / "run.json"
        file.write_text("of the last run")
        seen: list[dict[str, Any]] = []
        run_job(
            "run", options(tmp_path, summary_json=str(file)), lambda job: seen.append(read(file))
        )
        assert (seen[0]["outcome"], seen[0]["exit_code"], seen[0]["ended"]) == (
            "running",
            None,
            None,
        )
        assert seen[0]["run_id"] == read(file)["run_id"]

    def test_it_counts_as_drained_where_a_signal_ended_it(self, tmp_path: Path) -> None:
        file = tmp_path / "run.json"
        run_job("run", options(tmp_path, summary_json=str(file)), lambda job: job.drain.set())
        assert (read(file)["outcome"], read(file)["exit_code"]) == ("drained", 0)

    @pytest.mark.parametrize(
        ("error", "code", "text"),
        [
            (Failed("the disk\nis full"), FAILED, "the disk is full"),
            (UsageError("--codec x"), USAGE, "--codec x"),
            (KeyboardInterrupt(), FAILED, "interrupted"),
            (ZeroDivisionError("a fault of ours"), FAILED, "ZeroDivisionError: a fault of ours"),
        ],
    )
    def test_of_a_run_that_failed(
        self, tmp_path: Path, error: BaseException, code: int, text: str
    ) -> None:
        file = tmp_path / "run.json"

        def work(job: Job) -> None:
            job.report(SOUND)
            raise error

        with pytest.raises(type(error)):
            run_job("run", options(tmp_path, summary_json=str(file), overlap="fail"), work)
        found = read(file)
        assert (found["outcome"], found["exit_code"], found["error"]) == ("failed", code, text)
        assert found["articles"] == 2

    def test_what_the_check_finds_is_said_too_and_nothing_made(self, tmp_path: Path) -> None:
        file, output = tmp_path / "run.json", tmp_path / "output"

        def check() -> None:
            raise UsageError("--output is wrong")

        with pytest.raises(UsageError):
            run_job("run", options(output, summary_json=str(file), overlap="fail"), sound, check)
        assert (read(file)["exit_code"], read(file)["error"]) == (USAGE, "--output is wrong")
        assert not output.exists()

    def test_who_cuts_a_run_off_has_the_last_word(self, tmp_path: Path) -> None:
        """Even where the work ends a moment later: the process is about to end."""
        file = tmp_path / "run.json"
        done: list[int] = []
        job = Job("run", options(tmp_path, summary_json=str(file)))
        work = threading.Thread(
            target=lambda: done.append(job.run(lambda job: job.cut_off("not drained"))), daemon=True
        )
        work.start()
        eventually(lambda: file.exists() and read(file)["error"] == "not drained")
        work.join(0.2)
        assert not done
        assert read(file)["exit_code"] == FAILED


class TestWhere:
    def test_on_standard_output_it_is_the_last_line(self, tmp_path: Path, capsys: Captured) -> None:
        def work(job: Job) -> None:
            print("9 messages")

        run_job("run", options(tmp_path, summary_json="-"), work)
        first, last = capsys.readouterr().out.splitlines()
        assert first == "9 messages"
        assert json.loads(last)["outcome"] == "done"

    def test_a_failure_is_said_there_too(self, tmp_path: Path, capsys: Captured) -> None:
        def work(job: Job) -> None:
            raise Failed("it failed")

        with pytest.raises(Failed, match="it failed"):
            run_job("run", options(tmp_path, summary_json="-"), work)
        (line,) = capsys.readouterr().out.splitlines()
        assert json.loads(line)["error"] == "it failed"

    @pytest.mark.parametrize("name", ["", "no/such/run.json", "file/run.json", "."])
    def test_what_cannot_be_written_is_said_before(self, tmp_path: Path, name: str) -> None:
        (tmp_path / "file").write_text("")
        given = str(tmp_path / name) if name else ""
        with pytest.raises(UsageError, match=r"--summary_json .* cannot be written: [A-Z]"):
            run_job("run", options(tmp_path, summary_json=given, overlap="fail"), pytest.fail)
        assert [path.name for path in tmp_path.iterdir()] == ["file"]

    def test_what_cannot_be_written_any_more(self, tmp_path: Path) -> None:
        folder = tmp_path / "folder"
        folder.mkdir()

        def work(job: Job) -> None:
            (folder / "run.json").unlink()
            folder.rmdir()

        given = options(tmp_path, summary_json=str(folder / "run.json"))
        with pytest.raises(Failed, match=r"run\.json cannot be written: No such file"):
            run_job("run", given, work)

    def test_that_does_not_hide_what_went_wrong_before(self, tmp_path: Path) -> None:
        folder = tmp_path / "folder"
        folder.mkdir()

        def work(job: Job) -> None:
            (folder / "run.json").unlink()
            folder.rmdir()
            raise ZeroDivisionError

        given = options(tmp_path, summary_json=str(folder / "run.json"))
        with pytest.raises(ZeroDivisionError):
            run_job("run", given, work)

    def test_a_link_stays_one(self, tmp_path: Path) -> None:
        (tmp_path / "there").mkdir()
        link = tmp_path / "run.json"
        link.symlink_to("there/real.json")
        run_job("run", options(tmp_path, summary_json=str(link)), sound)
        assert link.is_symlink()
        assert read(tmp_path / "there" / "real.json")["exit_code"] == 0

    def test_a_pipe_gets_the_end_alone(self, tmp_path: Path) -> None:
        pipe = tmp_path / "pipe"
        os.mkfifo(pipe)
        said: list[str] = []
        reader = threading.Thread(target=lambda: said.append(pipe.read_text()), daemon=True)
        reader.start()
        run_job("run", options(tmp_path, summary_json=str(pipe)), sound)
        reader.join(30)
        assert json.loads(said[0])["outcome"] == "done"
        assert pipe.is_fifo()

    def test_a_mount_point_is_written_to(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As /dev/termination-log is one, in a pod that runs as root."""
        file = tmp_path / "run.json"
        file.write_text("of the last run, and longer than what will stand there" * 100)
        inode = file.stat().st_ino

        def busy(*names: object) -> None:
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY))

        monkeypatch.setattr(Path, "replace", busy)
        run_job("run", options(tmp_path, summary_json=str(file)), sound)
        assert read(file)["outcome"] == "done"
        assert file.stat().st_ino == inode
        assert [path.name for path in tmp_path.iterdir()] == ["run.json"]

    def test_so_is_a_file_in_a_folder_that_is_not_ours(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As it is there for other users."""
        file = tmp_path / "run.json"
        file.write_text("")

        def denied(*arguments: object, **named: object) -> None:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

        monkeypatch.setattr(Path, "touch", denied)
        seen: list[str] = []
        given = options(tmp_path, summary_json=str(file))
        run_job("run", given, lambda job: seen.append(file.read_text()))
        assert seen == [""]
        assert read(file)["outcome"] == "done"

    def test_readers_never_see_a_part(self, tmp_path: Path) -> None:
        file = tmp_path / "run.json"
        given = options(tmp_path, summary_json=str(file))
        run_job("run", given, sound)
        ended = threading.Event()
        faults: list[Exception] = []

        def look() -> None:
            while not ended.is_set():
                try:
                    read(file)
                except Exception as error:
                    faults.append(error)
                    raise

        reader = threading.Thread(target=look)
        reader.start()
        for _ in range(50):
            run_job("run", given, sound)
        ended.set()
        reader.join()
        assert not faults


class TestOverlap:
    def test_the_second_leaves_the_first_alone(
        self, tmp_path: Path, capsys: Captured, holder: subprocess.Popen[str]
    ) -> None:
        file = tmp_path / "run.json"
        for overlap, code in (("skip", DONE), ("fail", BUSY)):
            given = options(tmp_path, schedule="nightly", overlap=overlap, summary_json=str(file))
            assert run_job("run", given, pytest.fail) == code
            found = read(file)
            line = f"another run of this schedule is under way (pid {holder.pid}, since 20"
            assert capsys.readouterr().err.startswith(f"run: {line}")
            assert found["error"].startswith(line)
            assert (found["outcome"], found["exit_code"]) == ("skipped", code)
            assert (found["received"], found["adds_up"]) == (0, True)
        assert BUSY == 75

    def test_others_do_not_mind(self, tmp_path: Path, holder: subprocess.Popen[str]) -> None:
        """Another schedule, another command, another output, and who allows it."""
        done: list[str] = []
        for given in (
            options(tmp_path, schedule="hourly", overlap="fail"),
            options(tmp_path, overlap="fail"),
            options(tmp_path / "other", schedule="nightly", overlap="fail"),
            options(tmp_path, schedule="nightly", overlap="allow"),
        ):
            assert run_job("run", given, lambda job: done.append(job.options["run_id"])) == DONE
        assert len(set(done)) == 4

    def test_the_lock_ends_with_its_process(
        self, tmp_path: Path, holder: subprocess.Popen[str]
    ) -> None:
        """kill -9: what it wrote into the file is left, and means nothing."""
        holder.kill()
        holder.wait()
        assert (tmp_path / "_state" / "nightly.lock").read_text()
        given = options(tmp_path, schedule="nightly", overlap="fail")
        assert run_job("run", given, sound) == DONE

    def test_it_ends_with_the_run(self, tmp_path: Path) -> None:
        def fails(job: Job) -> None:
            raise Failed("it failed")

        given = options(tmp_path, overlap="fail")
        for _ in range(2):
            with pytest.raises(Failed, match="it failed"):
                run_job("run", given, fails)
            assert run_job("run", given, sound) == DONE

    def test_it_is_held_until_all_is_said(self, tmp_path: Path) -> None:
        inside: list[int] = []
        given = options(tmp_path, overlap="fail")
        run_job("run", given, lambda job: inside.append(run_job("run", given, pytest.fail)))
        assert inside == [BUSY]

    def test_no_process_inherits_it(self, tmp_path: Path) -> None:
        path = tmp_path / "lock"
        with locked(path) as other:
            assert other is None
            child = subprocess.Popen(["sleep", "600"], close_fds=False)
        try:
            with locked(path) as other:
                assert other is None
            open_files = Path(f"/proc/{child.pid}/fd")
            if open_files.exists():
                assert str(path) not in {os.readlink(file) for file in open_files.iterdir()}
        finally:
            child.kill()
            child.wait()

    def test_one_at_a_time_of_many(self, tmp_path: Path) -> None:
        path, inside, most = tmp_path / "lock", [], []

        def work() -> None:
            for _ in range(200):
                with locked(path) as other:
                    if other is None:
                        inside.append(1)
                        most.append(len(inside))
                        time.sleep(0)
                        inside.pop()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert set(most) == {1}

    @pytest.mark.parametrize("content", ["", "{", "[]", "null", '{"pid": 3}'])
    def test_who_has_yet_to_say_who_it_is(self, tmp_path: Path, content: str) -> None:
        path = tmp_path / "lock"
        with locked(path):
            path.write_text(content)
            with locked(path) as other:
                assert other == "just begun"

    def test_a_holder_on_another_machine_is_named(self, tmp_path: Path) -> None:
        path = tmp_path / "lock"
        with locked(path):
            path.write_text('{"pid": 3, "host": "elsewhere", "since": "2026-01-01"}')
            with locked(path) as other:
                assert other == "pid 3 on elsewhere, since 2026-01-01"

    def test_an_output_that_cannot_be_written(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("not ours")
        with pytest.raises(Failed, match=r"--output .*file cannot be written"):
            run_job("run", options(tmp_path / "file", overlap="skip"), pytest.fail)
        assert (tmp_path / "file").read_text() == "not ours"

    def test_an_output_that_has_no_locks(self) -> None:
        given = {**defaults(), "output": "gs://bucket/x", "overlap": "skip"}
        with pytest.raises(UsageError, match="--overlap skip needs a local --output"):
            run_job("run", given, pytest.fail)


class TestCommand:
    """`run`, with a run that is not one."""

    @pytest.fixture(autouse=True)
    def launched(self, monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
        seen: list[dict[str, Any]] = []

        def launch(given: Mapping[str, Any], flags: Sequence[str], **hooks: Any) -> Summary:
            seen.append(dict(given))
            if given["run_id"] == "failed":
                hooks["report"](SOUND)
                raise Failed("it failed")
            if given["run_id"] == "wrong":
                return Summary({"messages_received": 1})
            return SOUND

        monkeypatch.setattr(launch_module, "launch", launch)
        monkeypatch.setattr(logs, "configure", lambda log_format="text": None)
        return seen

    def command(self, output: Path, *more: str) -> list[str]:
        return ["run", "--subscription", "projects/p/subscriptions/s", "--output", str(output),
                "--no_entities", *more]  # fmt: skip

    def test_done(self, tmp_path: Path, launched: list[Any], capsys: Captured) -> None:
        assert main(self.command(tmp_path, "--summary_json", "-", "--overlap", "fail")) == 0
        first, last = capsys.readouterr().out.splitlines()
        assert first.startswith("9 messages: 2 articles, 3 duplicates, 3 dead letters")
        assert {name: json.loads(last)[name] for name in COUNTED} == COUNTED
        assert json.loads(last)["run_id"] == launched[0]["run_id"]
        assert (tmp_path / "_state" / "run.lock").exists()

    def test_by_itself_it_leaves_nothing(self, tmp_path: Path) -> None:
        assert main(self.command(tmp_path)) == 0
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize(
        ("run_id", "error"), [("failed", "it failed"), ("wrong", "the sum is wrong: 1 messages")]
    )
    def test_failed(self, tmp_path: Path, capsys: Captured, run_id: str, error: str) -> None:
        file = tmp_path / "run.json"
        given = self.command(tmp_path, "--summary_json", str(file), "--run_id", run_id)
        assert main(given) == FAILED
        assert capsys.readouterr().err.startswith(f"run: {error}")
        assert read(file)["error"].startswith(error)
        assert read(file)["received"] == (9 if run_id == "failed" else 1)

    def test_busy(self, tmp_path: Path, capsys: Captured) -> None:
        with locked(tmp_path / "_state" / "x.lock"):
            for overlap, code in (("skip", 0), ("fail", 75)):
                given = self.command(tmp_path, "--overlap", overlap, "--schedule", "x")
                assert main(given) == code
                out, err = capsys.readouterr()
                assert (out, err.count("\n")) == ("", 1)
                assert "run: another run of this schedule is under way (pid" in err

    def test_usage(self, tmp_path: Path, capsys: Captured) -> None:
        assert main(self.command(tmp_path, "--summary_json", "no/such/folder/x.json")) == USAGE
        assert capsys.readouterr().err == (
            "run: --summary_json no/such/folder/x.json cannot be written: No such file or directory"
            " (see article-pipeline run --help)\n"
        )

    @pytest.mark.parametrize("name", ["", ".", "../x", "a/b", "a b", ".x", "x" * 65, "a\n"])
    def test_no_name_of_a_schedule(self, tmp_path: Path, capsys: Captured, name: str) -> None:
        with pytest.raises(SystemExit) as ending:
            main(self.command(tmp_path, "--schedule", name))
        assert ending.value.code == USAGE
        assert "argument --schedule" in capsys.readouterr().err

    def test_help_has_the_exit_codes(self, capsys: Captured) -> None:
        with pytest.raises(SystemExit):
            main(["run", "--help"])
        text = capsys.readouterr().out
        assert text.index("exit codes:") < text.index("75  --overlap fail")


def test_what_is_not_drained_in_time_says_so(tmp_path: Path) -> None:
    """The process is ended from a thread, whatever hangs; the summary is written before."""
    program = (
        "import signal, sys, threading\n"
        "from pipeline.launch import draining\n"
        "from pipeline.option_list import defaults\n"
        "from pipeline.schedule import run_job\n"
        "def work(job):\n"
        "    with draining(job.drain.set, 0.01, job.cut_off):\n"
        "        signal.raise_signal(signal.SIGTERM)\n"
        "        threading.Event().wait()\n"
        "run_job('run', {**defaults(), 'output': '.', 'summary_json': sys.argv[1]}, work)\n"
    )
    file = tmp_path / "run.json"
    ended = subprocess.run(
        [sys.executable, "-c", program, str(file)], capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == FAILED, ended.stderr
    found = read(file)
    assert (found["outcome"], found["exit_code"]) == ("failed", FAILED)
    assert found["error"].startswith("not drained within 0.01 s (--drain_timeout)")


def test_kill_9_leaves_that_it_ran(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys\n"
        "from pipeline.option_list import defaults\n"
        "from pipeline.schedule import run_job\n"
        "kill = lambda job: os.kill(os.getpid(), signal.SIGKILL)\n"
        "run_job('run', {**defaults(), 'output': '.', 'summary_json': sys.argv[1]}, kill)\n"
    )
    file = tmp_path / "run.json"
    ended = subprocess.run([sys.executable, "-c", program, str(file)], timeout=120)
    assert ended.returncode == -signal.SIGKILL
    assert (read(file)["outcome"], read(file)["exit_code"]) == ("running", None)

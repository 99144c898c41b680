"""Model workers: what they answer, and what is left of a batch when one dies, hangs or raises."""

from __future__ import annotations

import ctypes
import logging
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st
from thinc.api import NumpyOps, get_current_ops, set_current_ops, use_ops

from pipeline.errors import Failed, UsageError
from pipeline.processes import entity_workers_of
from pipeline.records import DeadLetter
from pipeline.transforms import model_worker, model_workers
from pipeline.transforms.model_handler import SpacyModelHandler, open_model
from pipeline.transforms.model_workers import (
    ModelCrashed,
    ModelFailed,
    ModelTimeout,
    ModelWorkers,
    close_workers,
    divide,
    workers_of,
)
from pipeline.transforms.spacy_model import Reading, check_model, load_model
from pipeline.transforms.worker_process import WorkerProcess, how_it_ended
from tests.pids import alive
from tests.transforms.models import draft
from tests.transforms.poison import NAME, installed, poisonous_model
from tests.waiting import eventually

ROOT = pathlib.Path(__file__).parents[2]
READING = Reading()
# What hangs is waited for so long; a text of three words takes a thousandth of it.
TIMEOUT = 5.0


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A folder by which workers find the components; multiprocessing hands `sys.path` on."""
    folder = str(installed(tmp_path_factory.mktemp("site")))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield folder


@pytest.fixture(scope="module")
def location(tmp_path_factory: pytest.TempPathFactory, site: str) -> str:
    return str(poisonous_model(tmp_path_factory.mktemp("model") / "m"))


@pytest.fixture
def pool(location: str) -> Iterator[ModelWorkers]:
    """One worker."""
    pool = ModelWorkers(location, 1)
    yield pool
    pool.close()


@pytest.fixture(scope="module")
def two(location: str) -> Iterator[ModelWorkers]:
    """Two workers, for tests that leave them well."""
    pool = ModelWorkers(location, 2)
    yield pool
    pool.close()


def many(count: int) -> list[tuple[str | None, str]]:
    """Articles of different lengths, each with its number of mentions."""
    return [(NAME if i % 3 else None, f"{NAME} said it. " * (i % 7)) for i in range(count)]


def read_one(pool: ModelWorkers, body: str = NAME) -> object:
    (outcome,) = pool.find([(None, body)], READING)
    return outcome


def well(pool: ModelWorkers) -> None:
    found = read_one(pool)
    assert isinstance(found, list)
    assert [each.mention.text for each in found] == [NAME]


class TestAnswers:
    def test_are_those_of_the_model(self, location: str, two: ModelWorkers) -> None:
        articles = many(100)
        articles += [
            (None, ""),
            ("😀 e\u0301", f"😀😀 {NAME}\r\n\r\n{NAME}"),
            (None, "x" * 500_000),
        ]
        assert two.find(articles, READING) == load_model(location).find(articles, READING)

    def test_of_nothing(self, two: ModelWorkers) -> None:
        assert two.find([], READING) == []

    def test_reading_goes_with_the_batch(self, two: ModelWorkers) -> None:
        reading = Reading(ignored_labels=frozenset({"PERSON"}))
        assert two.find([(None, NAME)] * 4, reading) == [[]] * 4

    def test_for_threads(self, location: str, two: ModelWorkers) -> None:
        batches = [many(n) for n in range(1, 30)]
        with ThreadPoolExecutor(4) as threads:
            answers = list(threads.map(lambda batch: two.find(batch, READING), batches))
        model = load_model(location)
        assert answers == [model.find(batch, READING) for batch in batches]

    def test_lone_surrogates(self, two: ModelWorkers) -> None:
        bad, good = two.find([(None, "Kyiv \ud800 Kyiv"), (None, NAME)], READING)
        assert isinstance(bad, ModelFailed)
        assert isinstance(good, list)

    def test_one_that_comes_late_is_not_taken_for_another(self, pool: ModelWorkers) -> None:
        """As when a batch is given up half-way: its answer still lies in the pipe."""
        worker = pool._workers[0]
        worker.connection.send(([(None, "nobody")], READING))
        worker.busy = True
        well(pool)
        assert pool.pids != [worker.pid]


class TestFailures:
    """Through the handler: one batch, poison among it, and what becomes of each article."""

    @pytest.mark.parametrize(
        ("markers", "error_type", "workers"),
        [
            (("KILLED", "QUITS", "SEGFAULT"), "model_crashed", 2),
            (("LOOPS", "LOCKS"), "model_timeout", 1),
            (("RAISES",), "model_failed", 2),
        ],
        ids=["crash", "hang", "raise"],
    )
    def test_neighbours_survive(
        self, location: str, caplog: pytest.LogCaptureFixture,
        markers: tuple[str, ...], error_type: str, workers: int,
    ) -> None:  # fmt: skip
        batch = []
        for marker in markers:
            batch += [draft(f"{NAME} here", message_id=f"good before {marker}")]
            batch += [draft(f"{NAME} POISON-{marker}", message_id=marker)]
        batch += [draft(f"{NAME} and {NAME}", message_id="last")]
        handler = SpacyModelHandler(
            location,
            workers=workers,
            timeout=TIMEOUT if error_type == "model_timeout" else 60,
            max_attempts=2,
        )
        try:
            model = handler.load_model()
            results = handler.run_inference(batch, model)
            assert isinstance(model, ModelWorkers)
            assert not any(isinstance(each, Exception) for each in model.find(many(9), READING))
        finally:
            close_workers()
        assert [result.example for result in results] == batch
        letters = {}
        for result in results:
            if isinstance(result.inference, DeadLetter):
                letters[result.inference.message_id] = result.inference
            else:
                assert {found.mention.text for found in result.inference} == {NAME}
        assert set(letters) == set(markers)
        for letter in letters.values():
            assert (letter.stage, letter.error_type) == ("entities", error_type)
            assert letter.attempts == 2
            assert NAME.encode() in letter.payload
        assert NAME not in caplog.text
        for marker in markers:
            assert f"the article of message {marker} is given up" in caplog.text

    def test_say_how_it_ended(self, pool: ModelWorkers) -> None:
        crashed = read_one(pool, "POISON-SEGFAULT")
        assert isinstance(crashed, ModelCrashed)
        assert str(crashed) == "the process of the model was ended by signal SIGSEGV"
        crashed = read_one(pool, "POISON-EXITS")
        assert str(crashed) == "the process of the model was ended by exit code 3"

    def test_of_the_model_keep_their_traceback(self, location: str) -> None:
        handler = SpacyModelHandler(location, workers=1, max_attempts=1)
        try:
            (result,) = handler.run_inference([draft("\ud800")], handler.load_model())
        finally:
            close_workers()
        letter = result.inference
        assert isinstance(letter, DeadLetter)
        assert letter.error_type == "model_failed"
        # spaCy cannot read a lone surrogate; how it says so may quote it.
        assert letter.exception_class == "builtins.UnicodeEncodeError"
        assert "spacy" in (letter.stack_trace or "")
        (letter.stack_trace or "").encode()

    def test_one_killed_while_idle_is_none(
        self, pool: ModelWorkers, caplog: pytest.LogCaptureFixture
    ) -> None:
        for _ in range(2):
            (pid,) = pool.pids
            os.kill(pid, signal.SIGKILL)
            # Its pipe breaks when the last of its threads has gone, a little after the first.
            eventually(lambda: pool._workers[0].ended)
            well(pool)
            assert pool.pids != [pid]
        assert caplog.text.count("was ended by signal SIGKILL: replaced") == 2

    def test_one_killed_at_work_is_none_of_the_batch(
        self, pool: ModelWorkers, tmp_path: pathlib.Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        """It is read once more, whole. The article hangs the first time, until the kill."""
        begun = tmp_path / "begun"
        batch = [*many(5), (None, f"ONCE={begun} {NAME}"), *many(5)]
        (pid,) = pool.pids
        pool._timeout = 600.0
        with ThreadPoolExecutor(1) as thread:
            reading = thread.submit(pool.find, batch, READING)
            eventually(begun.exists)
            os.kill(pid, signal.SIGKILL)
            found = reading.result(60)
        assert not any(isinstance(each, Exception) for each in found)
        assert len(found) == 11
        assert (
            caplog.text.count("was ended by signal SIGKILL with 11 articles in hand: replaced") == 1
        )

    def test_one_that_takes_nothing_is_replaced(self, location: str) -> None:
        """Stopped, it leaves what it is sent in the pipe: more than fits there."""
        pool = ModelWorkers(location, 1, 2.0)
        (pid,) = pool.pids
        os.kill(pid, signal.SIGSTOP)
        assert isinstance(read_one(pool, "x " * 4_000_000), ModelTimeout)
        assert not alive(pid)
        pool._timeout = 60.0
        well(pool)
        pool.close()

    def test_no_process_to_be_had_is_no_fault_of_an_article(
        self, pool: ModelWorkers, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> None:
            raise BlockingIOError(11, "Resource temporarily unavailable")

        with monkeypatch.context() as patch:
            patch.setattr(model_workers, "WorkerProcess", refuse)
            for _ in range(2):
                with pytest.raises(Failed, match="a process for the model cannot be started"):
                    read_one(pool, "POISON-KILLED")
        well(pool)

    def test_closing_ends_a_batch(self, location: str, tmp_path: pathlib.Path) -> None:
        pool = ModelWorkers(location, 2, 600.0)
        begun = tmp_path / "begun"
        with ThreadPoolExecutor(1) as thread:
            reading = thread.submit(read_one, pool, f"FIRST={begun} POISON-SLEEPS")
            eventually(begun.exists)
            pool.close()
            with pytest.raises(Failed, match="closed while they were at work"):
                reading.result(60)
        assert not any(map(alive, pool.pids))


class TestWorn:
    """A process whose vocabulary has grown too large."""

    WORN = Reading(vocabulary_words=0)

    def test_is_relieved_when_another_is_ready(
        self, pool: ModelWorkers, location: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        model = load_model(location)
        for _ in range(2):
            (pid,) = pool.pids
            assert pool.find(many(9), self.WORN) == model.find(many(9), READING)
            eventually(lambda: pool._successors[0].connection.poll())
            # One is enough.
            assert [each.pid for each in pool._successors.values()] != [pid]
            assert pool.find(many(9), READING) == model.find(many(9), READING)
            assert pool.pids != [pid]
            assert not alive(pid)
            assert not pool._successors
        assert not caplog.records

    def test_goes_on_until_then(self, pool: ModelWorkers) -> None:
        pool.find(many(2), self.WORN)
        os.kill(pool._successors[0].pid, signal.SIGSTOP)
        successors, pids = dict(pool._successors), pool.pids
        if not pool._successors[0].connection.poll():
            pool.find(many(2), self.WORN)
            assert (pool._successors, pool.pids) == (successors, pids)
        pool.close()
        assert not any(alive(each.pid) for each in successors.values())

    def test_successor_that_dies_is_replaced(self, pool: ModelWorkers) -> None:
        pool.find(many(2), self.WORN)
        os.kill(pool._successors[0].pid, signal.SIGKILL)
        eventually(lambda: pool._successors[0].connection.poll())
        well(pool)

    def test_no_process_to_be_had_is_no_fault(
        self, pool: ModelWorkers, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(*_: object) -> None:
            raise BlockingIOError(11, "Resource temporarily unavailable")

        monkeypatch.setattr(model_workers, "WorkerProcess", refuse)
        pids = pool.pids
        for _ in range(2):
            assert len(pool.find(many(2), self.WORN)) == 2
        assert pool.pids == pids

    def test_is_one_that_has_read_many_words(self, location: str) -> None:
        model = load_model(location)
        limit = Reading(vocabulary_words=20_000)
        assert not model.worn(limit)
        for batch in range(3):
            words = (f"w{batch}x{number}" for number in range(10_000))
            model.find([(None, " ".join(words))], limit)
        assert model.worn(limit)
        assert not model.worn(READING)


class TestStart:
    def test_signals_that_stop_a_run_pass_a_worker_by(self, location: str) -> None:
        """At its start too: systemd sends SIGTERM to every process of a service."""
        worker = WorkerProcess(location, 60)
        for number in (signal.SIGTERM, signal.SIGINT):
            os.kill(worker.pid, number)
        assert worker.receive(120) == ("ready", None)
        for number in (signal.SIGTERM, signal.SIGINT):
            os.kill(worker.pid, number)
        worker.connection.send(([(None, NAME)], READING))
        kind, _ = worker.receive(60)
        assert kind == "found"
        worker.kill()
        assert worker.end() == "signal SIGKILL"

    @pytest.mark.parametrize("workers", [0, 1])
    def test_a_model_that_cannot_be_loaded_is_one_line(
        self, tmp_path: pathlib.Path, location: str, workers: int
    ) -> None:
        folder = poisonous_model(tmp_path / "broken")
        config = folder / "config.cfg"
        config.write_text(config.read_text().replace('factory = "poison"', 'factory = "unheard"'))
        with pytest.raises(Failed, match=r"cannot be loaded: ValueError: .*unheard") as got:
            open_model(str(folder), workers)
        assert "\n" not in str(got.value)

    def test_a_worker_that_dies_while_it_loads(self, tmp_path: pathlib.Path, location: str) -> None:
        folder = poisonous_model(tmp_path / "dying", "dies_when_loaded")
        with pytest.raises(Failed, match="ended by exit code 5 3 times"):
            open_model(str(folder), 1)

    def test_one_killed_while_it_loads_is_replaced(self, location: str) -> None:
        pool = ModelWorkers(location, 1)
        pool._start(0)
        (pid,) = pool.pids
        os.kill(pid, signal.SIGKILL)
        well(pool)
        pool.close()

    def test_one_pool_by_what_it_is_for(self, location: str) -> None:
        try:
            with ThreadPoolExecutor(4) as threads:
                pools = set(threads.map(lambda _: workers_of(location, 1), range(8)))
            assert pools == {open_model(location, 1)}
            assert workers_of(location, 1, 7.0) not in pools
        finally:
            close_workers()
        assert not model_workers._pools


def program(site: str, text: str, *arguments: str) -> subprocess.Popen[str]:
    """A process that runs `text`, which may print."""
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(text), *arguments],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), site])},
        stdout=subprocess.PIPE,
        text=True,
    )


class TestEnd:
    def test_close_leaves_no_process(self, location: str) -> None:
        pool = ModelWorkers(location, 2)
        pids = pool.pids
        assert all(map(alive, pids))
        pool.close()
        assert not any(map(alive, pids))
        pool.close()

    def test_a_program_that_forgets_to_close_ends(self, location: str, site: str) -> None:
        text = """
            import sys
            from pipeline.transforms.model_workers import workers_of
            print(*workers_of(sys.argv[1], 2).pids)
        """
        with program(site, text, location) as process:
            said, _ = process.communicate(timeout=120)
        assert process.returncode == 0
        assert not any(alive(int(pid)) for pid in said.split())

    # A worker's own limit is 2 s; what makes it hang has no end.
    @pytest.mark.parametrize("article", ["", "POISON-SLEEPS", "POISON-LOCKS"])
    def test_a_worker_ends_with_its_parent(
        self, location: str, site: str, tmp_path: pathlib.Path, article: str
    ) -> None:
        """Idle, or while it hangs; kill -9 leaves the parent no word to say."""
        text = """
            import sys, time
            from pipeline.transforms.worker_process import WorkerProcess
            from pipeline.transforms.spacy_model import Reading
            worker = WorkerProcess(sys.argv[1], 2.0)
            worker.receive(120)
            if sys.argv[2]:
                worker.connection.send(([(None, sys.argv[2])], Reading()))
            print(worker.pid, flush=True)
            time.sleep(600)
        """
        begun = tmp_path / "begun"
        with program(site, text, location, article and f"FIRST={begun} {article}") as process:
            assert process.stdout is not None
            pid = int(process.stdout.readline())
            if article:
                eventually(lambda: begun.exists() or not alive(pid))
            process.kill()
        eventually(lambda: not alive(pid), 60)


class TestDivide:
    @given(st.lists(st.integers(0, 1_000), max_size=70), st.integers(1, 9))
    def test_covers_all_in_order_and_evenly(self, lengths: list[int], count: int) -> None:
        ranges = divide(lengths, count)
        assert len(ranges) <= count
        assert [i for start, end in ranges for i in range(start, end)] == list(range(len(lengths)))
        for start, end in ranges:
            assert start < end
            assert sum(lengths[start:end]) <= sum(lengths) / count + max(lengths)


class TestWords:
    @pytest.mark.parametrize(
        ("code", "words"),
        [(0, "exit code 0"), (3, "exit code 3"), (-9, "signal SIGKILL"), (-45, "signal 45")],
    )
    def test_how_it_ended(self, code: int, words: str) -> None:
        assert how_it_ended(code) == words

    @pytest.mark.parametrize("asked", ["-1", "many", "1.5", "", "²"])
    def test_a_count_that_is_none(self, asked: str) -> None:
        with pytest.raises(UsageError, match="--entity_workers"):
            entity_workers_of(asked, 1)

    def test_auto_shares_out_the_cores(self) -> None:
        assert entity_workers_of("auto", 10_000) == 1
        assert entity_workers_of("auto", 1) >= 1
        assert entity_workers_of("0", 1) == 0
        assert entity_workers_of("3", 2) == 3


class TestMemory:
    def test_is_kept_where_the_c_library_can(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked: list[tuple[int, int]] = []

        class Glibc:
            @staticmethod
            def mallopt(what: int, value: int) -> int:
                asked.append((what, value))
                return 1

        monkeypatch.setattr(ctypes, "CDLL", lambda _: Glibc)
        model_worker._keep_memory()
        # M_TRIM_THRESHOLD and M_MMAP_THRESHOLD of malloc.h.
        assert sorted(asked) == [
            (-3, model_worker.MAPPED_BYTES),
            (-1, model_worker.KEPT_BYTES),
        ]

    def test_is_no_matter_where_it_cannot(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(ctypes, "CDLL", lambda _: object())
        model_worker._keep_memory()


class TestProducts:
    def test_are_numpys_in_a_worker(self) -> None:
        with use_ops("numpy"):
            model_worker._use_numpys_products()
            ops = get_current_ops()
            assert isinstance(ops, NumpyOps)
            assert not ops.use_blis

    def test_of_something_faster_stay(self) -> None:
        class Faster(NumpyOps):
            pass

        with use_ops("numpy"):
            set_current_ops(faster := Faster())
            model_worker._use_numpys_products()
            assert get_current_ops() is faster

    def test_need_no_threads(self) -> None:
        """A library that starts one for each core does so when it is imported."""
        (pid,) = (pool := ModelWorkers(check_model().location, 1)).pids
        try:
            pool.find(many(9), READING)
            # One more waits in C for what hangs.
            assert len(list(pathlib.Path(f"/proc/{pid}/task").iterdir())) <= 2
        finally:
            pool.close()


def test_no_thread_is_left(location: str) -> None:
    before = threading.active_count()
    ModelWorkers(location, 1).close()
    assert threading.active_count() == before


def test_log_lines_are_one_each(pool: ModelWorkers, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    read_one(pool, "POISON-KILLED")
    (record,) = caplog.records
    assert record.levelname == "WARNING"
    assert "\n" not in record.getMessage()

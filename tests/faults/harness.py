"""A run under fire: publishes, strikes, restarts, drains, and has the output judged.

    publisher ──────────► broker ◄── proxy ◄── python -m pipeline run ──► output ◄── judge
                            ▲          ▲                 ▲   └──► ledger
                            └──────────┴───── faults ────┴───────────┘

Messages are published in portions, one before each fault, so that there is always something to
do: what a killed process had in hand is leased to nobody for up to LEASE_SECONDS, and the harness
does not wait for that but at the end. All chance comes from one seed; when things happen in the
pipeline does not, so that a seed repeats the faults and not each of their moments.
"""

from __future__ import annotations

import itertools
import random
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from pipeline.leases import LEASE_SECONDS
from tests.faults.audit import KINDS, Finding, Judge, judge
from tests.faults.brokers import FaultyBroker
from tests.faults.faults import DRAIN_SECONDS, PLAIN, Fault, all_faults
from tests.faults.ledgers import FaultyLedger
from tests.faults.processes import Run, Setting, start
from tests.faults.publisher import Publisher, Samples
from tests.faults.table import Result, Row

POLL_SECONDS = 0.05
# Nothing that is waited for takes a tenth of it on a machine that has two cores to itself.
PATIENCE_SECONDS = 180.0
# With nothing new for so long, and the time of a start, some more messages are published.
QUIET_SECONDS = 1.5
# Kept back for that, and for the time after the last fault; where it does not do, there are more.
RESERVE = 0.2
# Files of 50 records, and none that waits for long: a random moment often falls into a commit.
# Google's emulator gives 100 messages a pull at most; the other does as it does.
OPTIONS = (
    *("--no_entities", "--no_progress", "--roll_records", "50", "--roll_seconds", "1"),
    *("--pull_messages", "100"),
)
FIRST_GUESS_SECONDS = 3.0


class StuckError(Exception):
    """What was waited for did not come about. It becomes a problem of the result."""


def run(
    broker: FaultyBroker,
    ledger: FaultyLedger,
    folder: Path,
    *,
    name: str,
    seed: int,
    messages: int,
    strikes: Sequence[Fault],
    tell: Callable[[str], None] = lambda line: None,
) -> Result:
    """Has every fault of `strikes` strike a pipeline that works off `messages` messages.

    Args:
        broker, ledger: not used before.
        folder: for the output and the logs; empty.
        name: of the broker, for the table.
        seed: of the messages and of every random moment.
        tell: gets a line for each fault.
    """
    scene = Scene(broker, ledger, folder, seed, messages, len(strikes))
    began = time.monotonic()
    with scene.running():
        for number, fault in enumerate(strikes, start=1):
            try:
                scene.suffer(fault)
            except StuckError as stuck:
                scene.give_up(stuck)
            tell(
                f"{name} {number}/{len(strikes)} {time.monotonic() - began:6.1f} s  "
                f"{fault.name}, {scene.published} messages"
            )
        finding = scene.finish()
    rows = scene.rows
    for message_id in finding.lost:
        fault_name = scene.portion_of.get(message_id)
        if fault_name is not None:
            rows[fault_name].lost += 1
    order = [fault.name for fault in all_faults("redis")]
    ranked = sorted(rows, key=lambda one: (order.index(one) if one in order else len(order), one))
    return Result(
        *(name, ledger.name, seed, scene.published, scene.copies),
        {one: rows[one] for one in ranked},
        *(finding, scene.problems, time.monotonic() - began),
    )


class Scene:
    """What the faults act on; see `tests.faults.faults.Scene`."""

    def __init__(
        self,
        broker: FaultyBroker,
        ledger: FaultyLedger,
        folder: Path,
        seed: int,
        messages: int,
        faults: int,
    ) -> None:
        self.chance = random.Random(seed)
        self.broker, self.ledger = broker, ledger
        self.output = folder / "output"
        self.clock = folder / "clock"
        self.startup_seconds = FIRST_GUESS_SECONDS
        self.rows: dict[str, Row] = {}
        self.problems: list[str] = []
        self.ids: list[str] = []
        # By message id: the fault in whose portion it was published.
        self.portion_of: dict[str, str] = {}
        self._fault: str | None = None
        self._folder = folder
        self._messages = messages
        self._samples = Samples(seed)
        self._portion = max(1, int(messages * (1 - RESERVE)) // max(1, faults))
        self._publisher = Publisher(broker.address)
        self._judge = Judge(self.output)
        self._numbers = itertools.count(1)
        self._running: Run | None = None
        self._others: list[Run] = []
        # When the process last started, wrote something or was given more.
        self._last_change = time.monotonic()
        self._last_files = 0
        # Faults whose recovery is under way, since when, and how many files there were.
        self._recovering: list[str] = []
        self._since: float | None = None
        self._starting = False
        self._awaiting: Sequence[str] = ()
        self._files_before = 0

    # What a fault sees

    @property
    def process(self) -> subprocess.Popen[bytes]:
        assert self._running is not None
        return self._running.process

    def says(self, text: str) -> bool:
        assert self._running is not None
        return self._running.says(text)

    def wait_for_files(self, more: int, unless: Callable[[], object] = lambda: False) -> None:
        wanted = self._files() + more
        self.wait_until(
            lambda: self._files() >= wanted or self._ended() or unless(), f"{more} more files"
        )

    def wait_for_end(self) -> None:
        self.wait_until(self._ended, "the end of the process")

    def wait_until(
        self, condition: Callable[[], object], what: str, *, feeding: bool = True
    ) -> None:
        end = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            if time.monotonic() >= end:
                words = self._running.last_words() if self._running is not None else ""
                raise StuckError(
                    f"{self._fault}: {what} did not come about in {PATIENCE_SECONDS:g} s{words}"
                )
            quiet = time.monotonic() - self._last_change
            if feeding and quiet >= QUIET_SECONDS + self.startup_seconds:
                self._last_change = time.monotonic()
                self._publish(max(1, self._portion // 4))
            self._look()
            time.sleep(POLL_SECONDS)
        # A file that came since the last look, and with it what was waited for.
        self._look()

    def pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self._ended():
            self._look()
            time.sleep(min(POLL_SECONDS, left))

    def start_second(self) -> Run:
        self._others.append(self._start(PLAIN))
        return self._others[-1]

    def stop_second(self, second: Run, exits: tuple[int, ...]) -> None:
        self._drain(second, exits)

    # What happens to it

    def suffer(self, fault: Fault) -> None:
        """One fault, from a process that suits it to what the judge makes of the new files."""
        self._fault = fault.name
        row = self.rows.setdefault(fault.name, Row())
        self._publish(self._portion)
        self._run_with(fault.setting(self.chance))
        row.times += 1
        fault.strike(self)
        if fault.exits:
            self._expect_end(fault)
        elif self._running is not None and self._ended() and not self._excused(fault):
            self._note(f"{fault.name}: ended with {self.process.returncode}", self._running)
        if self._ended():
            self._recovering.append(fault.name)
            self._running = None
        else:
            # What it had in hand it may write with the way to the broker still broken.
            self.recovers_from_now(fault.name, self._publish(max(1, self._portion // 4)))
            self.wait_until(lambda: self._since is None or self._ended(), "what came after it")
            if self._ended() and self._excused(fault):
                self._running = None
        self._see()

    def finish(self) -> Finding:
        """Publishes what is left, works off everything that could still come, and has it judged."""
        self._stop()
        self._see()
        self._fault = None
        left = self._messages - self.published
        # Without a new message, nothing shows that the pipeline recovered from the last fault.
        self._publish(max(left, 1 if self._recovering else 0))
        # Nothing comes while leases of the dead last, and while what they were writing is theirs.
        idle_seconds = LEASE_SECONDS + self.ledger.owned_seconds + 5
        ends_by_itself = self.broker.all_acknowledged(self._publisher.subscription) is None
        self._running = self._start(
            PLAIN,
            *(("--idle_timeout", f"{idle_seconds:g}") if ends_by_itself else ()),
        )
        self._recover_from_now()
        try:
            self._work_off(ends_by_itself)
        except StuckError as stuck:
            self.give_up(stuck)
        self._running = None
        self._verify()
        finding = judge(self.output, self.ids)
        self.problems += self._samples.problems(finding.records)
        return finding

    def give_up(self, stuck: StuckError) -> None:
        """Notes what did not come about, and ends all that ran, for the next fault to go on."""
        self.problems.append(str(stuck))
        self.broker.proxy.heal()
        self._kill_all()

    def _work_off(self, ends_by_itself: bool) -> None:
        assert self._running is not None
        if ends_by_itself:
            self.wait_until(self._ended, "the end of the last run", feeding=False)
            self._expect(self._running, (0,), "the last run")
        else:
            # Sooner than by time, and more surely: nothing is left that could come again.
            # That may be so before it has begun: it knows no SIGTERM until it says that it runs.
            self.wait_until(
                lambda: (
                    self._ended()
                    or (
                        self.says("running on")
                        and self.broker.all_acknowledged(self._publisher.subscription)
                    )
                ),
                "the last acknowledgement",
                feeding=False,
            )
            self._drain(self._running)

    @contextmanager
    def running(self) -> Iterator[None]:
        """Whatever happens inside, no process is left."""
        self.clock.write_text("+0\n")
        try:
            yield
        finally:
            self._kill_all()
            self._publisher.close()

    def _kill_all(self) -> None:
        for one in (*self._others, *([self._running] if self._running else [])):
            one.kill()
        self._others, self._running = [], None

    @property
    def published(self) -> int:
        return len(self.ids)

    def _publish(self, count: int) -> list[str]:
        ids = self._publisher.publish(self.broker.address, self._samples.take(count))
        self.ids += ids
        if self._fault is not None:
            self.portion_of |= dict.fromkeys(ids, self._fault)
        return ids

    def _run_with(self, setting: Setting) -> None:
        """Has a process run with `setting`: the one that does, or a new one."""
        if self._running is not None and self._running.setting == setting and not setting.fresh:
            return
        self._stop()
        if setting.faked_clock:
            self.clock.write_text("+0\n")
        self._running = self._start(setting)
        self._recover_from_now(starting=True)

    def _start(self, setting: Setting, *more: str) -> Run:
        arguments = [
            *("run", "--subscription", self._publisher.subscription, "--output", str(self.output)),
            *("--processes", str(setting.processes), *OPTIONS, *self.ledger.options, *more),
        ]
        self._last_change = time.monotonic()
        return self._command(arguments, setting, f"run-{next(self._numbers):03d}.log")

    def _command(self, arguments: list[str], setting: Setting, log: str) -> Run:
        address = self.broker.proxy.address
        return start(arguments, setting, self._folder / log, address, self.clock)

    def _stop(self) -> None:
        if self._running is not None:
            self._drain(self._running)
            self._running = None

    def _drain(self, running: Run, exits: tuple[int, ...] = (0,)) -> None:
        if running.process.poll() is None:
            running.process.terminate()
        self._expect(running, exits, "a run that was to drain")

    def _excused(self, fault: Fault) -> bool:
        """Whether it ended as one may whom its ledger was taken from: with 1, and saying so."""
        return self.process.returncode == 1 and fault.excuse is not None and self.says(fault.excuse)

    def _expect_end(self, fault: Fault) -> None:
        assert self._running is not None
        self._expect(self._running, fault.exits, fault.name, within=fault.within)

    def _expect(
        self,
        running: Run,
        exits: tuple[int, ...],
        what: str,
        within: float = DRAIN_SECONDS,
    ) -> None:
        try:
            code = running.process.wait(within)
        except subprocess.TimeoutExpired:
            self._note(f"{what}: still running after {within:g} s", running)
            running.kill()
            return
        if code not in exits:
            wanted = " or ".join(map(str, exits))
            self._note(f"{what}: ended with {code} instead of {wanted}", running)

    def _note(self, problem: str, run: Run) -> None:
        self.problems.append(problem + run.last_words())

    @property
    def copies(self) -> int:
        return self._samples.copies

    def _verify(self) -> None:
        audit = self._command(
            ["verify", str(self.output), *self.ledger.options], PLAIN, "verify.log"
        )
        self._expect(audit, (0,), "verify", within=PATIENCE_SECONDS)

    # Watching it

    def _ended(self) -> bool:
        return self.process.poll() is not None

    def recovers_from_now(self, name: str, awaiting: Sequence[str] = ()) -> None:
        """The fault of this name is over; see `_recover_from_now`."""
        self._recovering.append(name)
        self._recover_from_now(awaiting=awaiting)

    def _recover_from_now(self, *, starting: bool = False, awaiting: Sequence[str] = ()) -> None:
        """Recovered is what has a new file, one with a message of `awaiting` where there are."""
        self._starting, self._awaiting = starting, awaiting
        self._since, self._files_before = time.monotonic(), self._files()

    def _look(self) -> None:
        """Notes a first new file after a fault, and whether anything happens at all."""
        files = self._files()
        if files != self._last_files:
            self._last_files, self._last_change = files, time.monotonic()
        if self._since is not None and files > self._files_before:
            self._see()
            if self._awaiting and not any(map(self._judge.has_seen, self._awaiting)):
                return
            seconds = time.monotonic() - self._since
            if self._starting:
                self.startup_seconds = seconds
            for name in self._recovering:
                self.rows[name].seconds.append(seconds)
            self._recovering, self._since = [], None

    def _see(self) -> None:
        """Has the judge look at new files; what is wrong with them is put to the latest fault."""
        found = self._judge.look()
        if self._fault is not None:
            self.rows[self._fault].twice += len(found.twice)
            self.rows[self._fault].torn += len(found.torn)

    def _files(self) -> int:
        return sum(1 for kind in KINDS for _ in (self.output / kind).glob("*/*.avro"))

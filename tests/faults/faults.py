"""Every fault, all of one shape: how the process must run, how it is struck, how it must end.

A fault strikes at a moment drawn from `scene.chance`. Where it must wait, it waits for what the
pipeline does (`scene.wait_for_files`), which keeps the pipeline busy meanwhile; a `scene.pause` is
the length of a fault or a random moment, never a wait.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pipeline.failpoints import NAMES
from tests.faults.brokers import FaultyBroker
from tests.faults.ledgers import AWAY, FaultyLedger
from tests.faults.processes import Run, Setting, fake_clock_library
from tests.pids import children

YEAR_SECONDS, DAY_SECONDS = 365 * 86_400, 86_400
# SIGTERM twice: the process's own exit, by the convention of shells.
STOPPED_AT_ONCE = 128 + signal.SIGTERM
PLAIN = Setting()
# Sinks slow enough for messages to be in flight when a fault strikes, and for a drain to last.
SLOW = Setting(failpoints="before_write=sleep:0.2")
VERY_SLOW = Setting(failpoints="before_write=sleep:2")
FAKED = Setting(faked_clock=True)
KILLED = (-signal.SIGKILL,)
# What the log says of a ledger that another process has locked for too long.
LOCKED = "database is locked"
# A process that drains writes what it has in hand; one that is to stop at once doesn't. Both have
# a machine that is busy with other things to do it on.
DRAIN_SECONDS, AT_ONCE_SECONDS = 60.0, 20.0


class Scene(Protocol):
    """What a fault may act on."""

    chance: random.Random
    broker: FaultyBroker
    ledger: FaultyLedger
    # The file by which a faked clock goes.
    clock: Path
    # What a start takes here, to the first file.
    startup_seconds: float

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The pipeline to strike."""
        ...

    def wait_for_files(self, more: int, unless: Callable[[], object] = lambda: False) -> None:
        """Until there are so many files more than now, or the process has ended, or `unless`."""
        ...

    def wait_for_end(self) -> None:
        """Until the process has ended, keeping it busy."""
        ...

    def wait_until(self, condition: Callable[[], object], what: str) -> None:
        """Until the condition holds, keeping the process busy."""
        ...

    def pause(self, seconds: float) -> None:
        """Lets time pass, or until the process has ended."""
        ...

    def says(self, text: str) -> bool:
        """Whether the process has logged this text."""
        ...

    def start_second(self) -> Run:
        """Starts another pipeline on the same subscription and output."""
        ...

    def stop_second(self, second: Run, exits: tuple[int, ...]) -> None:
        """Has it drain, where it still runs; notes a problem where it did not end so."""
        ...


@dataclass(frozen=True)
class Fault:
    """One kind of fault.

    Args:
        name: as in the table.
        strike: strikes; returns when the fault is over.
        exits: the exit codes with which the process must end; none where it must go on.
        setting: how the process to be struck must have been started.
        within: seconds in which it must have ended, counted from the end of `strike`.
        excuse: what its log says where one that must go on may end with 1 all the same.
    """

    name: str
    strike: Callable[[Scene], None]
    exits: tuple[int, ...] = ()
    setting: Callable[[random.Random], Setting] = lambda chance: PLAIN
    within: float = DRAIN_SECONDS
    excuse: str | None = None


def at_failpoint(name: str) -> Fault:
    """SIGKILL at a named moment, at one of its first three visits."""

    def setting(chance: random.Random) -> Setting:
        return Setting(failpoints=f"{name}=kill@{chance.randint(1, 3)}")

    return Fault(f"SIGKILL {name}", lambda scene: scene.wait_for_end(), KILLED, setting)


def kill_at_random(scene: Scene) -> None:
    scene.wait_for_files(scene.chance.randint(0, 4))
    scene.pause(scene.chance.uniform(0, 0.5))
    scene.process.kill()


def kill_while_starting(scene: Scene) -> None:
    scene.pause(scene.chance.uniform(0, scene.startup_seconds))
    scene.process.kill()


def kill_a_child(scene: Scene) -> None:
    scene.wait_for_files(scene.chance.randint(1, 3))
    scene.wait_until(lambda: len(children(scene.process.pid)) == 2, "two processes")
    os.kill(scene.chance.choice(children(scene.process.pid)), signal.SIGKILL)


def terminate(scene: Scene) -> None:
    scene.wait_for_files(scene.chance.randint(0, 3))
    scene.wait_until(lambda: scene.says("running on"), "the pipeline's start")
    scene.process.terminate()


def terminate_twice(scene: Scene) -> None:
    scene.wait_for_files(1)
    scene.process.terminate()
    scene.wait_until(lambda: scene.says("once more to stop at once"), "the first SIGTERM")
    scene.process.terminate()


def restart_broker(scene: Scene) -> None:
    scene.wait_for_files(scene.chance.randint(0, 2))
    scene.broker.restart(scene.chance.uniform(0, 3))


def cut(scene: Scene) -> None:
    for _ in range(scene.chance.randint(1, 4)):
        scene.broker.proxy.cut()
        scene.pause(scene.chance.uniform(0, 0.7))


def delay(scene: Scene) -> None:
    scene.broker.proxy.delay(scene.chance.uniform(0.1, 1))
    scene.wait_for_files(2)
    scene.broker.proxy.heal()


def throttle(scene: Scene) -> None:
    scene.broker.proxy.throttle(scene.chance.uniform(50_000, 200_000))
    scene.wait_for_files(2)
    scene.broker.proxy.heal()


def stall(scene: Scene) -> None:
    scene.wait_for_files(scene.chance.randint(0, 1))
    scene.broker.proxy.stall()
    scene.pause(scene.chance.uniform(0.5, 5))
    scene.broker.proxy.heal()


def second_pipeline(scene: Scene) -> None:
    second = scene.start_second()
    scene.pause(scene.chance.uniform(0.5, 1.5) * scene.startup_seconds)
    scene.wait_for_files(scene.chance.randint(1, 3))
    second.kill()


def redelivery_storm(scene: Scene) -> None:
    """No acknowledgement and no extension gets through until every lease has run out."""
    scene.wait_for_files(1)
    scene.broker.proxy.stall()
    scene.broker.expire_leases()
    scene.broker.proxy.heal()
    scene.wait_for_files(2)


def stopped_machine(scene: Scene) -> None:
    """It sleeps past its leases; another takes over; it wakes with what was its own in hand.

    Stopped inside a transaction of SQLite, it holds the ledger's lock, and nobody can take over:
    the other says so, and may end with 1. In Redis it is taken for dead, and what it was writing
    for dropped. Nothing may be lost or twice by it.
    """

    def locked_out() -> bool:
        return second.says(LOCKED)

    scene.wait_for_files(1)
    scene.process.send_signal(signal.SIGSTOP)
    try:
        scene.ledger.expire_owners()
        second = scene.start_second()
        scene.broker.expire_leases()
        scene.wait_for_files(2, unless=lambda: locked_out() or second.process.poll() is not None)
    finally:
        scene.process.send_signal(signal.SIGCONT)
    scene.wait_for_files(2)
    scene.stop_second(second, (0, 1) if locked_out() else (0,))


def kill_redis(scene: Scene) -> None:
    scene.wait_for_files(scene.chance.randint(0, 3))
    scene.pause(scene.chance.uniform(0, 0.5))
    scene.ledger.restart(scene.chance.uniform(0, 3))


def kill_redis_after_the_run(scene: Scene) -> None:
    """What the killed one had announced stands in what Redis reads from its disk."""
    scene.wait_for_files(scene.chance.randint(0, 3))
    scene.pause(scene.chance.uniform(0, 0.5))
    scene.process.kill()
    scene.process.wait()
    scene.ledger.restart(scene.chance.uniform(0, 1))


def clock_jump(seconds: int) -> Callable[[Scene], None]:
    def strike(scene: Scene) -> None:
        scene.wait_for_files(scene.chance.randint(1, 2))
        scene.clock.write_text(f"{seconds:+d}\n")

    return strike


def all_faults(ledger: str = "sqlite") -> list[Fault]:
    """Every fault that can strike here; see `left_out` for the others.

    Args:
        ledger: which one, of `LEDGERS`.
    """
    faults = [at_failpoint(name) for name in sorted(NAMES)]
    faults += [
        Fault("SIGKILL at random", kill_at_random, KILLED),
        Fault("SIGKILL while starting", kill_while_starting, KILLED, lambda _: Setting(fresh=True)),
        Fault("SIGKILL one of 2", kill_a_child, (1,), lambda _: Setting(processes=2)),
        Fault("SIGTERM", terminate, (0,)),
        Fault(
            *("SIGTERM twice", terminate_twice, (STOPPED_AT_ONCE,), lambda _: VERY_SLOW),
            within=AT_ONCE_SECONDS,
        ),
        Fault("broker restart", restart_broker),
        Fault("connections cut", cut),
        Fault("connections delayed", delay),
        Fault("connections throttled", throttle),
        Fault("connections stalled", stall),
        Fault("second pipeline killed", second_pipeline),
        Fault("redelivery storm", redelivery_storm, setting=lambda _: SLOW),
        Fault("machine stopped", stopped_machine, setting=lambda _: SLOW),
    ]
    if fake_clock_library() is not None:
        faults += [
            Fault("clock a year ahead", clock_jump(YEAR_SECONDS), setting=lambda _: FAKED),
            Fault("clock a day back", clock_jump(-DAY_SECONDS), setting=lambda _: FAKED),
        ]
    if ledger == "redis":
        faults += [
            Fault("redis killed", kill_redis, excuse=AWAY),
            Fault("redis restart while down", kill_redis_after_the_run, KILLED),
        ]
    return faults


def left_out(ledger: str = "sqlite") -> list[str]:
    """Faults that cannot strike here, each with the reason."""
    reasons = []
    if fake_clock_library() is None:
        reasons.append("clock jumps: libfaketime is not installed (Debian package faketime)")
    if ledger != "redis":
        reasons.append("faults of Redis: the ledger is SQLite (STATE=redis has them)")
    return reasons


def schedule(faults: Sequence[Fault], count: int, chance: random.Random) -> list[Fault]:
    """`count` faults in random order: each kind at least once where there is room for it."""
    once = chance.sample(faults, min(count, len(faults)))
    chosen = once + chance.choices(faults, k=count - len(once))
    chance.shuffle(chosen)
    return chosen

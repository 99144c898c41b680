"""The pipeline as a process of its own, started as a fault needs it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pipeline.failpoints import VARIABLE

# Where Debian's package and libfaketime's own `make install` put it.
FAKETIME_PLACES = (
    "usr/lib/*/faketime/libfaketimeMT.so.1",
    "usr/lib/faketime/libfaketimeMT.so.1",
    "usr/local/lib/faketime/libfaketimeMT.so.1",
)


@dataclass(frozen=True)
class Setting:
    """How a run is started.

    Args:
        failpoints: value of ARTICLE_PIPELINE_FAILPOINTS.
        processes: as in `--processes`.
        faked_clock: whether its wall clock goes by a file that says how far it is off.
        fresh: whether one that runs already will not do.
    """

    failpoints: str = ""
    processes: int = 1
    faked_clock: bool = False
    fresh: bool = False

    def environment(self, broker_address: str, clock: Path) -> dict[str, str]:
        """The environment of the process."""
        environment = {**os.environ, "PUBSUB_EMULATOR_HOST": broker_address}
        environment.pop(VARIABLE, None)
        if self.failpoints:
            environment[VARIABLE] = self.failpoints
        if self.faked_clock:
            environment |= {
                "LD_PRELOAD": str(fake_clock_library()),
                "FAKETIME_TIMESTAMP_FILE": str(clock),
                "FAKETIME_NO_CACHE": "1",
                # A monotonic clock does not jump, whatever becomes of the other.
                "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            }
        return environment


@cache
def fake_clock_library() -> Path | None:
    """libfaketime for programs with threads, where it is installed."""
    found = [path for place in FAKETIME_PLACES for path in Path("/").glob(place)]
    return found[0] if found else None


@dataclass(frozen=True)
class Run:
    """A command under way, or at its end.

    Args:
        process: it.
        setting: how it was started.
        log: all that it says.
    """

    process: subprocess.Popen[bytes]
    setting: Setting
    log: Path

    def says(self, text: str) -> bool:
        """Whether it has said this so far."""
        return text in self.log.read_text(errors="replace")

    def last_words(self, lines: int = 3) -> str:
        """The end of what it said, for a message about it."""
        said = self.log.read_text(errors="replace").splitlines()[-lines:]
        return f" ({self.log.name}: {' | '.join(said)})"

    def kill(self) -> None:
        """Ends it, where it has not ended, and waits until it has."""
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def start(arguments: list[str], setting: Setting, log: Path, broker: str, clock: Path) -> Run:
    """Starts `python -m pipeline`.

    Args:
        arguments: its command and options.
        broker: host:port of the broker.
        clock: the file by which a faked clock goes.
    """
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "pipeline", *arguments],
            env=setting.environment(broker, clock),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    return Run(process, setting, log)

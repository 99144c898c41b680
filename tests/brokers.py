"""Brokers for tests: ours inside the process, Google's emulator as a process of its own."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pipeline.broker import Broker, Limits

EMULATOR = Path("platform/pubsub-emulator/bin/cloud-pubsub-emulator")
USUAL_SDK_ROOTS = (Path("/usr/lib/google-cloud-sdk"), Path.home() / "google-cloud-sdk")
START_SECONDS = 60.0


class EmulatorMissingError(Exception):
    """Google's emulator cannot be run here; the text says what is missing."""


@contextmanager
def embedded_broker(limits: Limits | None = None) -> Iterator[str]:
    """Yields host:port of an embedded broker on a free port."""
    with Broker(limits=limits) as broker:
        yield broker.address


def find_emulator() -> Path:
    """The emulator's start script; EmulatorMissingError where it or Java is not there."""
    if shutil.which("java") is None:
        raise EmulatorMissingError("Google's emulator needs Java; there is no `java` on PATH")
    named = os.environ.get("PUBSUB_EMULATOR_BIN")
    if named:
        if not Path(named).is_file():
            raise EmulatorMissingError(f"PUBSUB_EMULATOR_BIN={named} is not a file")
        return Path(named)
    roots = list(USUAL_SDK_ROOTS)
    gcloud = shutil.which("gcloud")
    if gcloud:
        roots.insert(0, Path(gcloud).resolve().parent.parent)
    for root in roots:
        if (root / EMULATOR).is_file():
            return root / EMULATOR
    raise EmulatorMissingError(
        "Google's Pub/Sub emulator is not installed "
        "(gcloud components install pubsub-emulator, or set PUBSUB_EMULATOR_BIN)"
    )


@contextmanager
def google_emulator() -> Iterator[str]:
    """Yields host:port of Google's emulator; raises EmulatorMissingError where it cannot run."""
    script = find_emulator()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    with tempfile.TemporaryFile() as log:
        # A session of its own: the script starts Java as a child, and both must end together.
        process = subprocess.Popen(
            [str(script), "--host=127.0.0.1", f"--port={port}"],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        try:
            if not _wait_for_port(process, port):
                log.seek(0)
                tail = log.read()[-2000:].decode(errors="replace")
                raise RuntimeError(f"Google's emulator did not start:\n{tail}")
            yield f"127.0.0.1:{port}"
        finally:
            # The group outlives its leader where the script ends before Java.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def _wait_for_port(process: subprocess.Popen[bytes], port: int) -> bool:
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1):
                return True
        except OSError:
            time.sleep(0.1)
    return False

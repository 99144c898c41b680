"""Seconds from the start of a run to its first record, by how much its ledger knows."""

from __future__ import annotations

import datetime as dt
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from pipeline.broker import Broker
from pipeline.ledger import Candidate, default_uri, open_ledger
from pipeline.samples import generate
from tests.endtoend.commands import Queue

KNOWN = (0, 1_000_000)
BATCH = 1_000
FILE = 10_000


def main(messages: int) -> None:
    print("\nfrom the start of `run` to its first record (--roll_records 1)")
    print(f"{'ids in the ledger':>18}{'seconds, with entities':>24}{'without':>9}")
    for known in KNOWN:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder) / "output"
            root.mkdir()
            if known:
                _fill(root, known)
            seconds = [_first_record(root, more) for more in ((), ("--no_entities",))]
            print(f"{known:18}{seconds[0]:24.1f}{seconds[1]:9.1f}", flush=True)


def _fill(root: Path, known: int) -> None:
    """As many messages as that, each judged and committed, and the files they stand in."""
    ledger = open_ledger(default_uri(root), root)
    now = dt.datetime.now(dt.timezone.utc)
    for start in range(0, known, BATCH):
        ledger.verdicts(list(_candidates(start, start + BATCH)), now=now, ttl=dt.timedelta(days=7))
    for start in range(0, known, FILE):
        keys = [f"{n}@{n}" for n in range(start, start + FILE)]
        intent = ledger.begin(
            "articles",
            [(key, key.partition("@")[0]) for key in keys],
            lambda granted: f"articles/ingest_date=2026-01-01/part-{granted[0]}.avro",
        )
        path = root / intent.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
        ledger.commit(intent)
    ledger.close()


def _candidates(start: int, end: int) -> Iterator[Candidate]:
    for n in range(start, end):
        marks = tuple(
            (kind, hashlib.sha256(f"{kind}{n}".encode()).digest())
            for kind in ("id", "url", "content")
        )
        yield Candidate(f"{n}@{n}", f"{n}", f"urn:article:{n}", marks)


def _first_record(root: Path, more: tuple[str, ...]) -> float:
    with Broker() as broker:
        os.environ["PUBSUB_EMULATOR_HOST"] = broker.address
        queue = Queue(broker.address).create()
        queue.publish(generate(200, seed=len(more)))
        before = set(root.glob("*/*/*.avro"))
        began = time.monotonic()
        command = queue.command(
            *("run", "--subscription", queue.subscription, "--output", root),
            *("--roll_records", "1", *more),
        )
        run = subprocess.Popen(command, env=queue.environment(), stderr=subprocess.DEVNULL)
        try:
            while not set(root.glob("*/*/*.avro")) - before:
                if run.poll() is not None:
                    sys.exit(f"the run ended with {run.returncode}")
                time.sleep(0.02)
            return time.monotonic() - began
        finally:
            run.kill()
            run.wait()

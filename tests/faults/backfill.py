"""A backfill that is killed again and again, beside one that is left alone.

    python -m tests.faults.backfill --kills 10 --articles 10000

prints the seed, the kills and how many records were compared. Exit code 1 where the outputs differ.

Which of two copies is the canonical one depends on the order in which they come. One process
(`--processes 1`) reads in the order of the files, killed or not, and its output is the same record
for record. Several processes race: then the messages are the same, and each exactly once.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.samples import SampleMessage
from pipeline.samples.generate import generate
from tests.endtoend.commands import KINDS, records

# Nothing that is waited for takes a tenth of it on a machine that has two cores to itself.
PATIENCE_SECONDS = 600.0
LINES_IN_A_FILE = 400
# What is of the run and not of the input.
OF_THE_RUN = frozenset(("ingested_at", "detected_at", "failed_at", "processing", "stack_trace"))
# Where a process is killed by itself: nothing is between these and what they are named after.
MOMENTS = (
    *("after_verdicts", "after_intent", "before_write", "after_write"),
    *("after_rename", "after_commit", "after_settle"),
)
OPTIONS = (
    *("--no_entities", "--no_progress", "--roll_records", "50", "--roll_seconds", "1"),
    *("--log_format", "json"),
)


def corpus(folder: Path, articles: int, seed: int) -> int:
    """Writes sample articles as JSON Lines, texts and pages; returns how many entries they are."""
    folder.mkdir(parents=True)
    lines: list[bytes] = []
    documents = 0
    for number, sample in enumerate(generate(articles, seed)):
        line = _line(sample)
        if line is not None:
            lines.append(line)
        elif "content_encoding" not in sample.attributes:
            ending = "html" if "html" in sample.attributes.get("content_type", "") else "txt"
            (folder / f"{number:06d}.{ending}").write_bytes(sample.data)
            documents += 1
    for number, some in enumerate(_batches(lines, LINES_IN_A_FILE)):
        with gzip.open(folder / f"lines-{number:03d}.jsonl.gz", "wb", 1) as file:
            file.writelines(line + b"\n" for line in some)
    return len(lines) + documents


def _line(sample: SampleMessage) -> bytes | None:
    """A sample as a line, with its attributes as fields; one that cannot be read as it is."""
    if sample.kind.startswith("malformed"):
        return b"not " + json.dumps(sample.kind).encode()
    try:
        article = json.loads(sample.data)
    except ValueError:
        return None
    return json.dumps({**sample.attributes, **article}).encode()


def _batches(lines: list[bytes], size: int) -> Iterator[list[bytes]]:
    for start in range(0, len(lines), size):
        yield lines[start : start + size]


@dataclass
class Backfill:
    """One output, and the command that fills it."""

    inputs: tuple[Path, ...]
    output: Path
    options: tuple[str, ...] = (*OPTIONS, "--processes", "1")
    log: list[str] = field(default_factory=list)

    def start(self, failpoint: str = "") -> subprocess.Popen[str]:
        command = (
            *(sys.executable, "-m", "pipeline", "backfill", "--input", *map(str, self.inputs)),
            *("--output", str(self.output), *self.options),
        )
        return subprocess.Popen(
            command,
            env={**os.environ, "ARTICLE_PIPELINE_FAILPOINTS": failpoint},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, failpoint: str = "") -> int:
        """The command to its end; what it said goes to `log`."""
        process = self.start(failpoint)
        try:
            said, _ = process.communicate(timeout=PATIENCE_SECONDS)
        except BaseException:
            process.kill()
            process.wait()
            raise
        self.log.append(said)
        return process.returncode

    def kill_after(self, files: int, seconds: float) -> bool:
        """Starts it and kills it so long after it has added so many files; False if it was done."""
        process = self.start()
        try:
            wanted = len(self.files()) + files
            end = time.monotonic() + PATIENCE_SECONDS
            while len(self.files()) < wanted and process.poll() is None:
                assert time.monotonic() < end, "the backfill adds no file"
                time.sleep(0.01)
            time.sleep(seconds)
        finally:
            alive = process.poll() is None
            process.kill()
            self.log.append(process.communicate()[0])
        return alive

    def files(self) -> list[Path]:
        return [path for kind in KINDS for path in (self.output / kind).glob("*/*.avro")]


def strike(backfill: Backfill, chance: random.Random, *, seconds: float = 1.0) -> tuple[str, bool]:
    """Kills the backfill once, at a moment that chance chooses.

    Returns:
        Which moment; and whether it came, or the backfill was done before.

    Args:
        seconds: within so many after a file was added, where no named moment is chosen.
    """
    if chance.random() < 0.5:
        files, seconds = chance.randrange(3), chance.uniform(0, seconds)
        struck = backfill.kill_after(files, seconds)
        where = f"{seconds:.2f} s after {files} files"
    else:
        where = f"{chance.choice(MOMENTS)}=kill@{chance.randint(1, 3)}"
        struck = backfill.run(where) == -signal.SIGKILL
    return where, struck


def comparable(output: Path) -> dict[tuple[str, str], dict[str, Any]]:
    """Every record by kind and message, without what is of the run."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for kind in KINDS:
        for record in records(output, kind):
            key = kind, record["message_id"]
            assert key not in found, f"{key} stands there twice"
            found[key] = without(record)
    return found


def without(record: dict[str, Any]) -> dict[str, Any]:
    kept = {name: value for name, value in record.items() if name not in OF_THE_RUN}
    if "article" in kept:
        kept["article"] = without(kept["article"])
    return kept


def differences(one: Path, other: Path, *, content: bool = True) -> list[str]:
    """How two outputs differ, a line each.

    Args:
        content: whether records are compared; else only which messages there are.
    """
    first, second = comparable(one), comparable(other)
    if not content:
        ids = [{message_id for _, message_id in found} for found in (first, second)]
        return [f"{message_id} is in one of them only" for message_id in ids[0] ^ ids[1]]
    found = [f"{key} is in one of them only" for key in first.keys() ^ second.keys()]
    for key in sorted(first.keys() & second.keys()):
        if first[key] != second[key]:
            names = [name for name in first[key] if first[key][name] != second[key][name]]
            found.append(f"{key} differs in {', '.join(names)}")
    return found


def verified(output: Path) -> str:
    """What `verify` says of an output; empty where it is sound."""
    command = (sys.executable, "-m", "pipeline", "verify", str(output))
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def main(arguments: Iterable[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10, help="default: %(default)s")
    parser.add_argument("--articles", type=int, default=10_000, help="default: %(default)s")
    parser.add_argument("--processes", type=int, default=1, help="default: %(default)s")
    parser.add_argument("--seed", type=int, help="of all chance (default: a new one)")
    args = parser.parse_args(None if arguments is None else list(arguments))
    seed = random.SystemRandom().randrange(1 << 32) if args.seed is None else args.seed
    print(f"seed {seed}", flush=True)
    chance = random.Random(seed)
    folder = Path(tempfile.mkdtemp(prefix="backfill-faults-"))
    corpus(folder / "in", args.articles, seed)
    options = (*OPTIONS, "--processes", str(args.processes))
    quiet = Backfill((folder / "in",), folder / "quiet", options)
    struck = Backfill((folder / "in",), folder / "struck", options)
    if quiet.run() != 0:
        print(quiet.log[-1])
        return 1
    wrong = [line for line in (verified(quiet.output),) if line]
    compared = kills = 0
    while not wrong:
        where, killed = strike(struck, chance) if kills < args.kills else ("", False)
        kills += killed
        if killed:
            print(f"{kills}/{args.kills} {where}", flush=True)
            continue
        # Done: now or before the moment came. The kills that are left are for a new output.
        if struck.run() != 0:
            print(struck.log[-1])
            return 1
        wrong = differences(quiet.output, struck.output, content=args.processes == 1)
        wrong += [line for line in (verified(struck.output),) if line]
        compared += len(comparable(struck.output))
        if wrong or kills == args.kills:
            break
        shutil.rmtree(struck.output)
    for line in wrong[:20]:
        print(line)
    print(f"seed {seed}: {kills} kills, {compared} records compared, {len(wrong)} differ")
    if wrong:
        print(f"kept: {folder}")
        return 1
    shutil.rmtree(folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""`make faults`: a pipeline under fire, with a table of what it came to.

Exit code 1 where anything was lost, twice, torn or otherwise not as promised; the output and the
logs are kept then.
"""

from __future__ import annotations

import argparse
import random
import shutil
import sys
import tempfile
from pathlib import Path

from tests.brokers import EmulatorMissingError
from tests.faults import harness
from tests.faults.brokers import BROKERS
from tests.faults.faults import Fault, all_faults, left_out, schedule
from tests.faults.ledgers import LEDGERS
from tests.faults.table import NOTE, Result
from tests.redis_server import RedisMissingError


def main() -> int:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("--kills", type=int, default=100, help="faults (default: %(default)s)")
    parser.add_argument("--messages", type=int, default=20_000, help="default: %(default)s")
    parser.add_argument("--seed", type=int, help="of all chance (default: a new one)")
    parser.add_argument(
        "--brokers", default=",".join(BROKERS), help="by commas (default: %(default)s)"
    )
    parser.add_argument(
        "--state", default="sqlite", choices=LEDGERS, help="the ledger (default: %(default)s)"
    )
    parser.add_argument("--only", default="", metavar="TEXT", help="faults with TEXT in their name")
    args = parser.parse_args()
    names = args.brokers.split(",")
    if unknown := set(names) - BROKERS.keys():
        parser.error(f"--brokers: {', '.join(unknown)} is none of {', '.join(BROKERS)}")
    faults = [fault for fault in all_faults(args.state) if args.only in fault.name]
    if not faults:
        parser.error(f"--only {args.only}: no fault has that in its name")
    seed = random.SystemRandom().randrange(1 << 32) if args.seed is None else args.seed
    print(f"seed {seed}", flush=True)
    for reason in left_out(args.state):
        print(f"left out: {reason}", flush=True)
    results = []
    for name in names:
        # The same messages and faults for each broker.
        strikes = schedule(faults, args.kills, random.Random(seed))
        try:
            results.append(_run(name, args.state, seed, args.messages, strikes))
        except (EmulatorMissingError, RedisMissingError) as missing:
            print(f"{name} left out: {missing}")
    for result in results:
        print(f"\n{result.table()}\n")
    print(NOTE)
    for result in results:
        print(result.summary())
    return 0 if results and all(result.sound for result in results) else 1


def _run(name: str, state: str, seed: int, messages: int, strikes: list[Fault]) -> Result:
    folder = Path(tempfile.mkdtemp(prefix=f"faults-{name}-"))
    kept = True
    try:
        with BROKERS[name]() as broker, LEDGERS[state](folder) as ledger:
            result = harness.run(
                *(broker, ledger, folder),
                name=name,
                seed=seed,
                messages=messages,
                strikes=strikes,
                tell=lambda line: print(line, flush=True),
            )
        kept = not result.sound
        return result
    finally:
        if kept:
            print(f"output and logs are in {folder}", flush=True)
        else:
            shutil.rmtree(folder)


if __name__ == "__main__":
    sys.exit(main())

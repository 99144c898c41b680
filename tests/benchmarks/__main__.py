"""`python -m tests.benchmarks [NAME…] [--messages N]`: every benchmark, or those named."""

from __future__ import annotations

import argparse

from tests.benchmarks import backfill, backpressure, entities, memory, near, restart, streaming

BENCHMARKS = {
    "streaming": streaming.main,
    "entities": entities.main,
    "memory": memory.main,
    "backpressure": backpressure.main,
    "restart": restart.main,
    "near": near.main,
    "backfill": backfill.main,
}


def main() -> None:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *BENCHMARKS], metavar="NAME")
    parser.add_argument("--messages", type=int, default=20_000, help="default: %(default)s")
    args = parser.parse_args()
    for name in args.names or BENCHMARKS:
        BENCHMARKS[name](args.messages)


if __name__ == "__main__":
    main()

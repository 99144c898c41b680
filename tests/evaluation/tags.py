"""What `make eval-tags` prints: topics beside a lexicon, the commonest topic and other learners;
countries on sentences and stories written by hand; keywords beside other extractors.

Everything but the speed is the same in each run.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.evaluation import countries, keywords, topics

PARTS = ("topics", "countries", "keywords")


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(
        prog="python -m tests.evaluation.tags",
        description="Score topics, countries and keywords against what was read by hand.",
    )
    add = result.add_argument
    add(
        "--data",
        type=Path,
        default=Path("../shared/data"),
        help="folder with topics/ and text/ (default: %(default)s)",
    )
    add("--only", choices=PARTS, action="append", help="one part; may be given several times")
    add("--no_peers", action="store_true", help="train no other learner for topics (20 s)")
    add("--textcat", action="store_true", help="train spaCy's text classifiers too (half an hour)")
    add("--mistakes", action="store_true", help="tell what is wrong in the parts for development")
    return result


def report(options: argparse.Namespace) -> Iterator[str]:
    """Yields every line."""
    parts = options.only or PARTS
    if "topics" in parts:
        yield "## Topics\n"
        yield from topics.report(options.data, peers=not options.no_peers, textcats=options.textcat)
    if "countries" in parts:
        yield "## Countries\n"
        yield from countries.report(mistakes=options.mistakes)
    if "keywords" in parts:
        yield "## Keywords\n"
        yield keywords.table(options.data / "text")


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the tables. Returns 0, or 2 with one line on stderr where texts are missing."""
    options = parser().parse_args(argv)
    try:
        for line in report(options):
            print(line, flush=True)
    except FileNotFoundError as error:
        print(f"{error.filename} is missing: give --data the folder of the texts", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

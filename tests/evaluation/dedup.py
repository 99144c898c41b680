"""What `make eval-dedup` prints: near-duplicates by kind of edit, on pairs as they are found, and
against exact similarity, beside datasketch and an exact hash; and articles a second.

Everything but the speed is the same in each run with the same seed.
"""

from __future__ import annotations

import argparse
import random
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from pipeline.errors import UsageError
from tests.evaluation import copies, edits, natural, speed, texts
from tests.evaluation.arms import THRESHOLD, Signer
from tests.evaluation.figures import Bars, table

COPIES_EACH = 4
"""Of each base in the mixed collection."""

SHOWN = 8
"""Mistakes of each kind that --mistakes prints."""


def parser() -> argparse.ArgumentParser:
    result = argparse.ArgumentParser(
        prog="python -m tests.evaluation.dedup",
        description="Score near-duplicates by kind of edit, on labelled pairs and against exact "
        "Jaccard similarity, beside datasketch's MinHashLSH and an exact hash.",
    )
    add = result.add_argument
    add("--data", type=Path, default=texts.DATA, help="folder of the texts (default: %(default)s)")
    add("--bases", type=int, default=600, help="texts to edit (default: %(default)s)")
    add("--seed", type=int, default=0, help="of the sample and of every edit")
    add("--articles", type=int, default=speed.ARTICLES, help="to measure speed (0: leave it out)")
    add(
        "--mistakes",
        action="store_true",
        help="tell what was decided wrongly, and by which numbers",
    )
    return result


def report(read: texts.Texts, options: argparse.Namespace) -> Iterator[str]:
    """Yields every line."""
    bars, signer = Bars(), Signer()
    if options.articles:
        # First: so that the memory of the rest is not there yet.
        rng = random.Random(options.seed)
        made = speed.recombined([*read.wikinews, *read.releases], rng, options.articles)
        yield "## Speed\n"
        yield from speed.report(speed.measure(made), bars)

    bases, pool = texts.bases(read, options.bases, random.Random(options.seed))
    kinds = edits.kinds(pool)
    copier = copies.Copier(bases, signer, options.seed)
    yield f"## Edited copies of {len(bases)} full-length texts, threshold {THRESHOLD}\n"
    every = [copier.copied(kind) for kind in kinds.values()]
    yield from copies.report(every, bars)
    if options.mistakes:
        yield from copies.missed(every, SHOWN)
    del every

    pairs, by_id = natural.read_pairs(), read.by_id()
    found = {name: by_id[name] for pair in pairs for name in (pair.a, pair.b)}
    yield "## Estimates against exact similarity, over all pairs\n"
    mixed = [*copier.mixed(kinds, COPIES_EACH), *found.values()]
    yield from copies.report_mixed(mixed, signer, bars)

    yield "## Pairs as they are found, labelled by reading\n"
    cases = natural.cases(pairs, by_id, signer)
    yield from natural.report(cases)
    if options.mistakes:
        yield from natural.mistakes(cases)

    yield "## Different articles on one subject\n"
    same = {frozenset((pair.a, pair.b)) for pair in pairs if pair.same}
    subject = natural.one_subject(read.wikinews, same, signer)
    yield from natural.report_one_subject(subject, bars)
    if options.mistakes:
        yield from subject.wrong

    yield "## Bars\n"
    yield from table(("what", "bar", "figure", ""), bars.rows)


def main(argv: Sequence[str] | None = None) -> int:
    """Prints the tables. Returns 0, or 2 with one line on stderr where texts are missing."""
    options = parser().parse_args(argv)
    try:
        for line in report(texts.read(options.data), options):
            print(line, flush=True)
    except UsageError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())

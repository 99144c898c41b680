"""What files hold, without reading them all: about how many articles."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pipeline.option_list import MB
from pipeline.sources.files import ONE_ENTRY_KINDS, InputFile, ReadOptions, read_file
from pipeline.watch.output import printable

# Of each file so much is looked at, in bytes as stored and in entries ...
LOOK_BYTES = MB
LOOK_ENTRIES = 50_000
# ... and files one by one for so long; for the rest the density of those before has to do.
LOOK_SECONDS = 20.0
# What is smaller may be nothing at all, compressed.
MAYBE_EMPTY_BYTES = 100


@dataclass(frozen=True)
class Estimate:
    """How many entries a file has.

    Attributes:
        entries: None where nothing can be said.
        exact: whether they were counted.
    """

    entries: int | None
    exact: bool = False

    def __str__(self) -> str:
        if self.entries is None:
            return "?"
        return f"{'' if self.exact else '~'}{self.entries:,}"


def estimate(
    file: InputFile,
    options: ReadOptions,
    *,
    look_bytes: int = LOOK_BYTES,
    look_entries: int = LOOK_ENTRIES,
) -> Estimate:
    """How many entries a file has, by the density of its beginning.

    Args:
        look_bytes, look_entries: how much of it is read.
    """
    if file.kind in ONE_ENTRY_KINDS and file.size > MAYBE_EMPTY_BYTES:
        return Estimate(1, exact=True)
    entries = position = 0
    for entry in read_file(file, options):
        # It is read in large pieces: when the next one is, those before it have been worked off.
        if (entry.position != position and position >= look_bytes) or entries >= look_entries:
            break
        entries, position = entries + 1, entry.position
    else:
        return Estimate(entries, exact=True)
    if not position:
        return Estimate(None)
    return Estimate(max(entries, round(entries * file.size / position)))


def estimates(
    files: Sequence[InputFile],
    options: ReadOptions,
    *,
    seconds: float = LOOK_SECONDS,
    clock: Callable[[], float] = time.monotonic,
) -> list[Estimate]:
    """The estimate for each file; past `seconds` by what those of its kind before it were like."""
    end = clock() + seconds
    # (entries, bytes) by kind and compression.
    seen: defaultdict[tuple[str, str | None], tuple[int, int]]
    seen = defaultdict(lambda: (0, 0))
    found = []
    for file in files:
        entries, size = seen[file.kind, file.compression]
        if clock() < end or file.kind in ONE_ENTRY_KINDS:
            one = estimate(file, options)
        else:
            one = Estimate(round(entries * file.size / size) if size else None)
        if one.entries is not None:
            seen[file.kind, file.compression] = (entries + one.entries, size + file.size)
        found.append(one)
    return found


def table(files: Sequence[InputFile], options: ReadOptions) -> Iterator[str]:
    """The lines that list files: kind, compression, size, about how many articles, path; the sum.

    What is no article (another WARC record, a blank line) does not count; what is none but claims
    to be one does.
    """
    counted = estimates(files, options)
    known = [one.entries for one in counted if one.entries is not None]
    exact = all(one.exact for one in counted)
    total = Estimate(sum(known) if known else None, exact)
    rows = [("KIND", "PACKED", "BYTES", "ARTICLES", "FILE")]
    for file, one in zip(files, counted, strict=True):
        rows.append(
            (file.kind, file.compression or "-", f"{file.size:,}", str(one), printable(file.path))
        )
    size = sum(file.size for file in files)
    rows.append(("total", "", f"{size:,}", str(total), f"{len(files):,} files"))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for kind, packed, bytes_, articles, path in rows:
        yield (
            f"{kind:<{widths[0]}}  {packed:<{widths[1]}}  {bytes_:>{widths[2]}}  "
            f"{articles:>{widths[3]}}  {path}"
        )

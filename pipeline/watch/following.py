"""How far a walk over the files of an output has come."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

logger = logging.getLogger(__name__)

LOG_SECONDS = 30.0


def following(files: Sequence[tuple[str, Path]], doing: str) -> Iterator[tuple[str, Path]]:
    """Yields `files`, (kind, path), and shows how many are done: a bar; off a terminal, log lines.

    Args:
        doing: what is done to them, "rebuilding the ledger".
    """
    console = Console(stderr=True)
    logged = time.monotonic()
    with Progress(console=console, transient=True, disable=not sys.stderr.isatty()) as progress:
        task = progress.add_task(doing, total=len(files))
        for done, file in enumerate(files):
            if progress.disable and time.monotonic() - logged >= LOG_SECONDS:
                logged = time.monotonic()
                logger.info("%s: %d of %d files", doing, done, len(files))
            yield file
            progress.advance(task)

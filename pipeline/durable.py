"""Making names durable: a file's name is on disk once the folder that holds it is (fsync(2))."""

from __future__ import annotations

import os
from pathlib import Path


def sync_folder(folder: Path) -> None:
    """Puts the names in `folder` on disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folders(root: Path, path: str) -> None:
    """Puts the name of `root`/`path` on disk, and that of every folder between.

    Whether we made a folder or another process did that died then, nobody can tell.
    """
    for folder in Path(path).parents:
        sync_folder(root / folder)


def make_folder(folder: Path) -> None:
    """Makes `folder` and its parents; the name of each that was missing is on disk on return."""
    missing = []
    above = folder.absolute()
    while not above.exists():
        missing.append(above)
        above = above.parent
    folder.mkdir(parents=True, exist_ok=True)
    for made in reversed(missing):
        sync_folder(made.parent)


def temporary_of(final: Path, owner: str) -> Path:
    """The name under which `owner` writes what is to be `final`."""
    return final.with_name(f".{final.name}.{owner}.tmp")

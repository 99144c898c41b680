"""What became of a file whose writer is taken for dead, and may wake up.

An heir, and the writer it takes for dead:

    heir     1 the intent is its own, in Redis     2 takes the temporary file away
             3 looks for the file                  4 completes the intent, or drops it
    writer   a makes the temporary file            b asks whether the intent is its own
             c renames it                          d commits

If c comes before 2, the file stands at 3, and the intent is completed: it is committed once, by
whoever comes first. If c comes after 2, it fails, for what it would rename is gone; unless a came
after 2 as well: but then b came after 1, and the writer stopped there. So once an heir has found no
file, there will be none of that writer's, and its messages may go into another. A writer that finds
its intent taken, or its temporary file gone, asks the ledger anew what is to be written.

An heir can be taken for dead too, by another: then the intent is no longer its own at 4, and it
does nothing there. Ids of intents are never given again.
"""

from __future__ import annotations

import contextlib
from pathlib import Path

from pipeline.durable import sync_folder, sync_folders, temporary_of
from pipeline.ledger import LedgerUnavailable
from pipeline.ledger.redis.output import read_id


def stands(root: Path, output: str, path: str, owner: str) -> bool:
    """Steps 2 and 3: whether the file at `root`/`path` is there, its name durable from now on.

    Args:
        output: the id that the folder must have.
        owner: whose temporary file is to go.

    Raises:
        LedgerUnavailable: the folder is not the output, as when a mount is missing.
        OSError: it cannot be told; taking the file for missing would write its records again.
    """
    final = root / path
    _check(root, output)
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        temporary_of(final, owner).unlink()
    try:
        # On a network file system opening the folder fetches what others did in it.
        sync_folder(final.parent)
        final.stat()
    except (FileNotFoundError, NotADirectoryError):
        _check(root, output)
        return False
    sync_folders(root, path)
    return True


def _check(root: Path, output: str) -> None:
    found = read_id(root)
    if found != output:
        raise LedgerUnavailable(
            f"{root} is not the folder that the ledger belongs to, but "
            f"{'one without an id' if found is None else 'another'}: is it mounted?"
        )

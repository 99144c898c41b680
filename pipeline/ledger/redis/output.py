"""The id of an output: the same for all who see the same folder, under whatever path.

Workers on several machines share the output. Where one of them has another folder under that path,
as when a mount is missing, it would find none of the files the others wrote, and take their intents
for never carried out. So the folder itself says which output it is.
"""

from __future__ import annotations

import contextlib
import os
import uuid
from pathlib import Path

from pipeline.durable import make_folder, sync_folder

NAME = Path("_state") / "output_id"


def read_id(root: Path) -> str | None:
    """The id of the output `root`; None where it has none yet.

    Raises:
        OSError: it cannot be told.
    """
    try:
        text = (root / NAME).read_text(encoding="ascii", errors="replace").strip()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return text or None


def make_id(root: Path) -> str:
    """The id of the output `root`, made where it has none. Of many at once, one makes it.

    Raises:
        OSError: the folder cannot be written.
    """
    found = read_id(root)
    if found is not None:
        return found
    path = root / NAME
    make_folder(path.parent)
    temporary = path.with_name(f"{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        with temporary.open("w", encoding="ascii") as file:
            file.write(f"{uuid.uuid4().hex[:16]}\n")
            file.flush()
            os.fsync(file.fileno())
        # Unlike a rename it leaves alone what another made meanwhile; and there is never a moment
        # at which the name stands and the content does not.
        with contextlib.suppress(FileExistsError):
            os.link(temporary, path)
        sync_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)
    made = read_id(root)
    if made is None:
        raise OSError(f"{path} was taken away while it was made")
    return made

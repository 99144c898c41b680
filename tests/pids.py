"""What the system says of processes that tests started."""

from __future__ import annotations

from pathlib import Path


def alive(pid: int) -> bool:
    """Whether it runs; one that has ended and waits for its parent does not."""
    try:
        return "State:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def spawned(pid: int) -> list[int]:
    """The Python processes that multiprocessing started for `pid`, and those started for them."""
    found = []
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            parent = int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1])
            command = (folder / "cmdline").read_text()
        except (OSError, IndexError):
            # It has ended meanwhile.
            continue
        if parent == pid and "spawn_main" in command:
            found += [int(folder.name), *spawned(int(folder.name))]
    return found

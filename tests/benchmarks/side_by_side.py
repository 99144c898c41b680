"""The same loop in several processes, timed from when all are ready to when all are done."""

from __future__ import annotations

import multiprocessing
import multiprocessing.synchronize
import time
from collections.abc import Callable
from typing import Any

Barrier = multiprocessing.synchronize.Barrier


def timed(loop: Callable[..., None], processes: int, *arguments: Any) -> None:
    """Prints the seconds that `loop(place, processes, barrier, *arguments)` takes in all of them.

    Args:
        loop: waits at the barrier when it is ready, and again when it is done.
    """
    context = multiprocessing.get_context("spawn")
    barrier = context.Barrier(processes + 1)
    loops = [
        context.Process(target=loop, args=(place, processes, barrier, *arguments))
        for place in range(processes)
    ]
    for one in loops:
        one.start()
    barrier.wait()
    began = time.perf_counter()
    barrier.wait()
    print(time.perf_counter() - began)
    for one in loops:
        one.join()

"""Time and processors: SymPy can search for ever, and work can be shared."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from symplectic_codegen.errors import OutOfTimeError


@contextmanager
def time_limit(seconds: float, message: str = "") -> Iterator[None]:
    """Give up after `seconds`; without effect where there are no timers or outside the main thread.

    Args:
        seconds: the limit.
        message: what the error says.

    Raises:
        OutOfTimeError: the time is over.
    """
    if (
        not hasattr(signal, "setitimer")
        or threading.current_thread() is not threading.main_thread()
    ):
        yield
        return

    def give_up(signum: int, frame: object) -> None:
        raise OutOfTimeError(message or f"no answer after {seconds:g} s")

    previous = signal.signal(signal.SIGALRM, give_up)
    remaining, _ = signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        # A limit that was running before goes on, as if the inner one had taken no time.
        signal.setitimer(signal.ITIMER_REAL, remaining)
        signal.signal(signal.SIGALRM, previous)


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

"""Time and processors: SymPy can search for ever, and work can be shared."""

from __future__ import annotations

import os
import signal
import sys
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
    except OutOfTimeError:
        _forget_half_done_work()
        raise
    finally:
        # A limit that was running before goes on, as if the inner one had taken no time.
        signal.setitimer(signal.ITIMER_REAL, remaining)
        signal.signal(signal.SIGALRM, previous)


def _forget_half_done_work() -> None:
    """Clear SymPy's caches, in which what was interrupted stands as what has no answer.

    `manualintegrate` marks the integrals that it is working on, and takes a mark that it finds as a
    sign that it runs in a circle.
    """
    if (core := sys.modules.get("sympy.core.cache")) is not None:
        core.clear_cache()
    if (integrals := sys.modules.get("sympy.integrals.manualintegrate")) is not None:
        integrals._integral_cache.clear()
        integrals._parts_u_cache.clear()


def processors() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

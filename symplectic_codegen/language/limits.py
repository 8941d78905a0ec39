"""What a text may cost: whoever reads an expression from a stranger is safe in time and memory.

The counts are far above every Hamiltonian of the literature. Together they keep a parse under a
second and keep SymPy, which evaluates numbers as soon as it sees them, away from huge ones.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Final

MAX_TEXT: Final = 2000  # characters
MAX_NESTING: Final = 40  # parentheses, calls, signs and exponents inside each other
MAX_NODES: Final = 400  # numbers, names, operators and calls
MAX_NAME: Final = 40  # characters of an identifier
MAX_DIGITS: Final = 40  # digits of a literal
MAX_DECIMAL_EXPONENT: Final = 60  # 1e60 is the largest power of ten that can be written
MAX_POWER: Final = 64  # numeric exponents: at most this large,
MAX_ROOT: Final = 64  # with at most this denominator
MAX_EXP_FACTOR: Final = 1000  # numeric factors in the argument of exp
MAX_BITS: Final = 512  # numerator and denominator of every computed rational
MAX_MAGNITUDE: Final = 1e160  # every number, once evaluated
MAX_TERMS: Final = 20_000  # terms that multiplying everything out would give
MAX_WORK: Final = 1_000_000  # function calls that SymPy may make for one text


class WorkLimitReached(BaseException):
    """Raised out of SymPy; no `Exception`, so that no handler in there takes it for its own."""


@contextmanager
def limited_work(calls: int = MAX_WORK) -> Iterator[None]:
    """Stop what runs inside after so many calls and returns, counted by Python itself.

    Counting is reproducible where a clock is not, and works in every thread. Where a profiler
    already watches this thread it is left alone, and nothing is counted.

    >>> with limited_work(1000):
    ...     sorted([3, 1, 2])
    [1, 2, 3]
    """
    if sys.getprofile() is not None:
        yield
        return
    left = calls

    def count(_frame: FrameType, event: str, _argument: Any) -> None:
        nonlocal left
        left -= 1
        # Only where a C function is called: an exception in a generator that is being closed,
        # say, would be swallowed.
        if left < 0 and event == "c_call":
            raise WorkLimitReached

    sys.setprofile(count)
    try:
        yield
    finally:
        sys.setprofile(None)

"""Exact numbers as a user writes them, and the interval in which a hyperparameter may lie."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Final

import sympy as sp

from symplectic_codegen.errors import SpecError
from symplectic_codegen.language import limits
from symplectic_codegen.language.meaning import rational

_LITERAL: Final = r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
_NUMBER: Final = re.compile(rf"([+-]?)({_LITERAL})(?:/({_LITERAL}))?")
_BOUNDS: Final = re.compile(r"([\[(])([^,]*),([^,]*)([\])])")
_INFINITE: Final = ("oo", "inf", "infinity")


def parse_number(value: str | int | float | sp.Rational, where: str) -> sp.Rational:
    """An exact rational; a float is taken by its shortest decimal text.

    >>> parse_number("1e-3", "here"), parse_number("-1/3", "here"), parse_number(0.1, "here")
    (1/1000, -1/3, 1/10)

    Raises:
        SpecError: for everything else; the message begins with `where`.
    """
    text = (repr(value) if isinstance(value, float) else str(value)).strip()
    match = None if isinstance(value, bool) else _NUMBER.fullmatch(text)
    if match is None:
        shown = text if len(text) <= limits.MAX_NAME else text[: limits.MAX_NAME] + "..."
        raise SpecError(
            f"{where}: {shown!r} is not a number; write a decimal or a fraction, like 0.1, 1e-3 or "
            "1/3"
        )
    above, below = _literal(match[2], where), _literal(match[3] or "1", where)
    if below == 0:
        raise SpecError(f"{where}: {text!r} divides by zero")
    number = -above / below if match[1] == "-" else above / below
    if max(abs(int(number.p)), int(number.q)).bit_length() > limits.MAX_BITS:
        raise SpecError(f"{where}: this number has more than {limits.MAX_BITS} bits")
    return number


def _literal(text: str, where: str) -> sp.Rational:
    mantissa, _, exponent = text.lower().partition("e")
    digits = exponent.lstrip("+-").lstrip("0")
    # Wider than in a Hamiltonian, so that 1e-60 can also be read back as 1/1000...
    if (
        sum(x.isdigit() for x in mantissa) > limits.MAX_BITS // 3
        or len(digits) > 3
        or int(digits or 0) > limits.MAX_DECIMAL_EXPONENT
    ):
        raise SpecError(
            f"{where}: this number is too long; a decimal exponent is at most "
            f"{limits.MAX_DECIMAL_EXPONENT}"
        )
    return rational(text)


@dataclass(frozen=True)
class Bounds:
    """An interval; None is no bound.

    >>> unit = Bounds.parse("[0, 1)")
    >>> unit.contains(0.0), unit.contains(1.0), str(unit)
    (True, False, '[0, 1)')
    """

    lower: sp.Rational | None = sp.S.Zero
    upper: sp.Rational | None = None
    lower_closed: bool = True
    upper_closed: bool = False

    def __post_init__(self) -> None:
        if (self.lower is None and self.lower_closed) or (self.upper is None and self.upper_closed):
            raise SpecError(f"bounds {self}: infinity is never reached; write (-oo or oo)")
        if self.lower is None or self.upper is None:
            return
        closed = self.lower_closed and self.upper_closed
        if self.lower > self.upper or (self.lower == self.upper and not closed):
            raise SpecError(f"bounds {self}: there is no number between them")

    @classmethod
    def parse(cls, text: str, where: str = "bounds") -> Bounds:
        """Read ``[0, 1)``, ``(0, oo)``, ``(-oo, oo)``.

        Raises:
            SpecError: for everything else; the message begins with `where`.
        """
        match = _BOUNDS.fullmatch(text.strip())
        if match is None:
            raise SpecError(
                f"{where}: {text[:60]!r} is not an interval; write one like [0, 1) or (0, oo)"
            )
        opening, low, high, closing = match[1], match[2].strip(), match[3].strip(), match[4]
        lower = None if low.removeprefix("-") in _INFINITE and low[0] == "-" else low
        upper = None if high.removeprefix("+") in _INFINITE else high
        return cls(
            None if lower is None else parse_number(lower, where),
            None if upper is None else parse_number(upper, where),
            opening == "[",
            closing == "]",
        )

    def contains(self, x: float | sp.Rational) -> bool:
        """Whether `x` lies inside: exactly for a rational, by float comparison for a float."""
        if isinstance(x, sp.Rational):
            return self._contains(x, self.lower, self.upper)
        low, high = (None if b is None else float(b) for b in (self.lower, self.upper))
        return math.isfinite(x) and self._contains(x, low, high)

    def _contains(
        self, x: float | sp.Rational, low: float | sp.Rational | None, high: float | None
    ) -> bool:
        above = low is None or bool(x > low) or (self.lower_closed and bool(x == low))
        below = high is None or bool(x < high) or (self.upper_closed and bool(x == high))
        return above and below

    def __str__(self) -> str:
        opening, closing = "(["[self.lower_closed], ")]"[self.upper_closed]
        lower = "-oo" if self.lower is None else str(self.lower)
        upper = "oo" if self.upper is None else str(self.upper)
        return f"{opening}{lower}, {upper}{closing}"

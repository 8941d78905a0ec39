"""What the ladder runs on: losses with known gradients, and reproducible hyperparameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import sympy as sp

from symplectic_codegen.algebra.samples import reproducible_value
from symplectic_codegen.driver import Derivation
from symplectic_codegen.language.bounds import Bounds
from symplectic_codegen.validation.evaluation import Context

Vector = tuple[Any, ...]

STEPS = 50
EIGENVALUES = (Fraction(1, 4), Fraction(1), Fraction(5, 2))
# Few binary digits: they are exact in every type.
START_W = (Fraction(5, 4), Fraction(-13, 16), Fraction(43, 64))
DIMENSION = len(START_W)


@dataclass(frozen=True)
class Loss:
    """A loss on three weights, as functions of (w, mpmath context)."""

    name: str
    value: Callable[[Vector, Context], Any]
    gradient: Callable[[Vector, Context], Vector]


def _quadratic(w: Vector, mp: Context) -> Any:
    return mp.fsum(
        e.numerator * x * x / (2 * e.denominator) for e, x in zip(EIGENVALUES, w, strict=True)
    )


def _quadratic_gradient(w: Vector, mp: Context) -> Vector:
    return tuple(e.numerator * x / e.denominator for e, x in zip(EIGENVALUES, w, strict=True))


def _smooth(w: Vector, mp: Context) -> Any:
    return mp.fsum(mp.cosh(x) for x in w) + mp.fsum(w) ** 4 / 16


def _smooth_gradient(w: Vector, mp: Context) -> Vector:
    coupling = mp.fsum(w) ** 3 / 4
    return tuple(mp.sinh(x) + coupling for x in w)


QUADRATIC = Loss("a quadratic", _quadratic, _quadratic_gradient)
SMOOTH = Loss("sum cosh(w) + sum(w)**4/16", _smooth, _smooth_gradient)


def hyperparameters(derivation: Derivation, number: int, shrink: int = 0) -> dict[str, Fraction]:
    """Generic values of everything a user can set: no zeros and ones that could hide a factor.

    Args:
        number: of the point; each gives other values.
        shrink: how many factors 1/4 to put on what the step size is made of.

    >>> from symplectic_codegen.driver import derive
    >>> sorted(hyperparameters(derive("dot(X, X)/2 + L"), 0))
    ['U0', 'beta0', 'c', 'h', 'k', 'tau']
    """
    spec = derivation.spec
    eliminated = derivation.parameters.physical
    rows = [
        (p.name, p.default, p.bounds) for p in spec.hyperparameters if p.symbol not in eliminated
    ]
    rows += [(r.name, r.default, r.bounds) for r in spec.reparametrization]
    tau = sp.Symbol("tau", positive=True)
    step_like = {s.name for s in derivation.parameters.apply(tau).free_symbols}
    values = {}
    for name, default, bounds in rows:
        value = _generic(name, default, bounds, number)
        if shrink and default is None and name in step_like and not is_point(bounds):
            lower = Fraction(0) if bounds.lower is None else fraction(bounds.lower)
            value = lower + (value - lower) / 4**shrink
        values[name] = value
    return values


def is_point(bounds: Bounds) -> bool:
    """Whether there is one value only."""
    return bounds.lower is not None and bounds.lower == bounds.upper


def fraction(value: Any) -> Fraction:
    """A SymPy rational as a fraction.

    >>> fraction(sp.Rational(2, 3))
    Fraction(2, 3)
    """
    return Fraction(int(value.p), int(value.q))


def _generic(name: str, default: Any, bounds: Bounds, number: int) -> Fraction:
    """A value inside the bounds with 30 binary digits: exact in double precision."""
    if is_point(bounds):
        return fraction(bounds.lower)
    if name == "beta0" and default == 0:
        return Fraction(0)  # the engine puts an infinite initial temperature in exactly
    varied = _draw(name, number)
    lower = None if bounds.lower is None else fraction(bounds.lower)
    upper = None if bounds.upper is None else fraction(bounds.upper)
    if lower is not None and upper is not None:
        return _short(lower + (upper - lower) * (Fraction(1, 2) + varied / 4))
    if default is not None and default != 0:
        value = fraction(default) * (Fraction(3, 4) + varied / 4)
    else:
        value = (lower or Fraction(0)) + varied / 8
    if lower is not None and value <= lower:
        value = lower + varied / 8
    if upper is not None and value >= upper:
        value = upper - varied / 8
    return _short(value)


def _draw(name: str, number: int) -> Fraction:
    """In (1/4, 5/4), with 32 binary digits: too many for single precision."""
    coarse, fine = (fraction(reproducible_value(name, k + number)) for k in (101, 1101))
    return coarse + (fine - Fraction(1, 4)) / 2**16


def _short(value: Fraction) -> Fraction:
    scale = 2**30
    while abs(value * scale) < 2**24 and value != 0:  # small values keep their digits
        scale *= 2**10
    while abs(value * scale) >= 2**45:
        scale //= 2**5
    return Fraction(round(value * scale), scale)

"""Numbers for expressions: at reproducible points to many digits, and at points nice to read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import sympy as sp
from sympy.core.function import AppliedUndef

from symplectic_codegen.algebra.explicit import Coordinates, instantiate
from symplectic_codegen.algebra.notation import lowered, unicode_name
from symplectic_codegen.algebra.samples import reproducible_value
from symplectic_codegen.algebra.symbols import G, L, d
from symplectic_codegen.algebra.vector import HessianProduct, Total, components
from symplectic_codegen.arrangements.smooth import concrete

DIGITS: Final = 30  # of trusted values
_WORKING: Final = 50  # digits carried
_DIMENSION: Final = 3
_TOLERANCE: Final = sp.Rational(1, 10 ** (DIGITS - 2))


@dataclass(frozen=True)
class Counterexample:
    """A point at which a relation does not hold, with the values of both sides."""

    point: tuple[tuple[str, str], ...]
    left: str
    right: str

    def __str__(self) -> str:
        where = ", ".join(f"{name} = {value}" for name, value in self.point)
        return f"{self.left} against {self.right}" + (f" at {where}" if where else "")


class _Chosen:
    """A concrete loss and dimension, in which expressions are written out."""

    def __init__(self, dim: int, is_nice: bool) -> None:
        self.coordinates = Coordinates(dim)
        self.dim = dim
        self.is_nice = is_nice

    def loss(self, ws: Sequence[sp.Expr]) -> sp.Expr:
        if self.is_nice:
            return sp.Add(*(sp.Rational(i + 1, 2) * x**2 for i, x in enumerate(ws)))
        # A full, non-constant Hessian: generic enough to expose a wrong identity.
        total = sp.Add(*((i + 1) * x for i, x in enumerate(ws)))
        return total**3 / 7 + sp.Add(*(x**2 * (i + 2) for i, x in enumerate(ws))) + sp.Mul(*ws) / 3

    def opaque(self, name: str, arguments: Sequence[sp.Expr]) -> sp.Expr:
        """A polynomial in the place of an undefined function, other for every name."""
        if name == L.name or self.is_nice:
            return self.loss(arguments)
        total = sp.Add(*(reproducible_value(f"{name}{i}", 0) * a for i, a in enumerate(arguments)))
        return total + total**3 / 5 + sp.Add(*(a**2 * (i + 1) for i, a in enumerate(arguments)))

    def write(self, expr: sp.Expr) -> sp.Expr:
        written = self._summed(expr) if _is_symbolic(expr) else concrete(expr)
        while unknown := sorted(written.atoms(AppliedUndef), key=_by_depth):
            # The innermost first: what stands in the arguments of others changes their arguments.
            function = unknown[0]
            chosen = self.opaque(function.func.__name__, function.args)
            written = written.subs(function, chosen).doit()
        return written

    def _summed(self, expr: sp.Expr) -> sp.Expr:
        index = 0 if components(expr) else None
        loss = self.loss(self.coordinates.w)
        written = instantiate(expr, self.coordinates, index, loss=loss)
        return written.xreplace({d: sp.Integer(self.dim)})


def _by_depth(function: sp.Expr) -> tuple[int, Any]:
    inner = sum(argument.has(AppliedUndef) for argument in function.args)
    return inner, sp.default_sort_key(function)


def _is_symbolic(expr: sp.Expr) -> bool:
    """Whether `expr` is of symbolic dimension; on an explicit chart there is nothing to sum."""
    return bool(expr.has(Total, L, d, HessianProduct) or components(expr))


_GENERIC: Final = _Chosen(_DIMENSION, False)
_NICE: Final = _Chosen(2, True)


def value_at(expr: sp.Expr, number: int) -> sp.Expr | None:
    """The value of `expr` at the reproducible point `number`; None outside its domain.

    >>> from symplectic_codegen.algebra.symbols import beta
    >>> value_at(beta / beta, 0)
    1.0000000000000000000000000000000000000000000000000
    """
    written = _GENERIC.write(expr)
    point = {s: _generic_value(s, number) for s in written.free_symbols}
    return _number(written, point)


def trusted_text(expr: sp.Expr, number: int) -> str:
    """The value at a reproducible point as it is stored: `DIGITS` digits, or why there is none."""
    value = value_at(expr, number)
    return "undefined" if value is None else str(sp.N(value, DIGITS))


def differ(left: sp.Expr, right: sp.Expr) -> bool:
    """Whether two values differ by more than rounding."""
    return bool(abs(left - right) > _TOLERANCE * (1 + abs(left) + abs(right)))


def nice_points(
    left: sp.Expr, right: sp.Expr, example: Mapping[str, str]
) -> Iterator[tuple[sp.Expr, sp.Expr, Counterexample]]:
    """Both sides at points with small numbers, where they are defined: candidates to show.

    Args:
        example: values, by name, that are part of every point.
    """
    sides = [_NICE.write(left), _NICE.write(right)]
    free = set().union(*(side.free_symbols for side in sides))
    symbols = sorted(free, key=lambda s: str(s.name))
    for choice in range(6):
        point = {s: _nice_value(str(s.name), position, choice, s)
                 for position, s in enumerate(symbols)}  # fmt: skip
        point |= {s: sp.Rational(example[s.name]) for s in symbols if s.name in example}
        values = [_number(side, point) for side in sides]
        if values[0] is None or values[1] is None:
            continue
        shown = (_shown(side.xreplace(point)) for side in sides)
        where = (*_where(point), *_functions_shown(left, right))
        yield values[0], values[1], Counterexample(where, *shown)


def generic_point(left: sp.Expr, right: sp.Expr, number: int) -> Counterexample:
    """Both sides at a reproducible point."""
    sides = [_GENERIC.write(left), _GENERIC.write(right)]
    free = set().union(*(side.free_symbols for side in sides))
    point = {s: _generic_value(s, number) for s in sorted(free, key=lambda s: str(s.name))}
    values = [_number(side, point) for side in sides]
    return Counterexample(_where(point), *(str(sp.N(v, 8)) for v in values))


def _number(written: sp.Expr, point: Mapping[sp.Symbol, sp.Expr]) -> sp.Expr | None:
    value = sp.N(written.xreplace(dict(point)), _WORKING)
    return value if value.is_comparable and value.is_finite else None


def _generic_value(symbol: sp.Symbol, number: int) -> sp.Expr:
    name = str(symbol.name)
    if symbol.is_integer:
        return sp.Integer(1 + _digest(name, number)[3] % 5)
    value = reproducible_value(name, number)
    may_be_negative = symbol.is_nonnegative is None and _digest(name, number)[2] & 1
    return -value if may_be_negative else value


def _digest(name: str, number: int) -> bytes:
    return hashlib.sha256(f"{name}/{number}".encode()).digest()


_UNITS: Final = ("h", "k", "c")
_SMALL: Final = tuple(
    sp.Rational(*pq) for pq in ((2, 1), (3, 1), (1, 2), (5, 1), (1, 3), (4, 1), (7, 1))
)


def _nice_value(name: str, position: int, choice: int, symbol: sp.Symbol) -> sp.Expr:
    stem, number = name.rstrip("0123456789"), name[len(name.rstrip("0123456789")) :]
    if stem in ("i", "j") and number:
        # The arbitrary vectors behind X_i and X_j become unit vectors: entries 1 1, then 1 2.
        chosen = 1 if stem == "i" else 1 + choice % 2
        return sp.Integer(int(int(number) == chosen))
    if name in _UNITS:
        return sp.Integer(1 if choice < 2 else 2 + _UNITS.index(name))
    value = _SMALL[(position + choice // 2) % len(_SMALL)]
    if symbol.is_integer:
        return sp.Integer(1 + position % 3)
    may_be_negative = symbol.is_nonnegative is None and choice >= 4
    return -value if may_be_negative else value


def _where(point: Mapping[sp.Symbol, sp.Expr]) -> tuple[tuple[str, str], ...]:
    rows: dict[str, str] = {}
    for symbol, value in point.items():
        name = str(symbol.name)
        stem = name.rstrip("0123456789")
        if stem in ("i", "j") and stem != name:
            if value == 1:
                rows[stem] = name[len(stem) :]
            continue
        rows[_readable(name)] = _shown(value)
    return tuple(rows.items())


def _readable(name: str) -> str:
    if name.startswith("dH_"):
        return f"∂H/∂{_readable(name[3:])}"
    stem = name.rstrip("0123456789")
    parts = [unicode_name(part) for part in stem.split("_")]
    return "_".join(parts) + lowered(name[len(stem) :])


def _functions_shown(left: sp.Expr, right: sp.Expr) -> tuple[tuple[str, str], ...]:
    """The loss, and what stands in the place of undefined functions."""
    rows = []
    if any(e.has(L, G, HessianProduct) for e in (left, right)):
        rows.append(("L", "w₁²/2 + w₂²"))
    unknown = {f.func.__name__: f.args for e in (left, right) for f in e.atoms(AppliedUndef)}
    for name, arguments in sorted(unknown.items()):
        if all(argument.is_Symbol for argument in arguments):
            terms = [f"{_readable(str(a))}²" for a in arguments]
            weights = ["/2", "", "·3/2", "·2", "·5/2", "·3"]
            rows.append((name, " + ".join(t + w for t, w in zip(terms, weights, strict=False))))
    return tuple(rows)


def _shown(value: sp.Expr) -> str:
    if value.is_Rational and abs(value.q) < 1000 and abs(value.p) < 10**6:
        return str(value).replace("-", "−")
    number = sp.N(value, 6)
    return str(number if number.is_comparable else value).replace("-", "−")

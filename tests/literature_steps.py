"""One step of a catalogue entry, written out for two weights, for the tests on literature."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import sympy as sp

import symplectic_codegen as sc
from symplectic_codegen.algebra.memory import Memory
from symplectic_codegen.algebra.rational import is_zero_rational
from symplectic_codegen.algebra.symbols import Component, d
from symplectic_codegen.algebra.vector import Blocks, BlockTotal, Total
from symplectic_codegen.driver import derive

DIM = 2
Vector = tuple[sp.Expr, ...]


def vector(name: str) -> Vector:
    return tuple(sp.Symbol(f"{name}{i + 1}", real=True) for i in range(DIM))


def named(names: str) -> list[sp.Symbol]:
    """Positive symbols, as hyperparameters are."""
    return list(sp.symbols(names, positive=True, seq=True))


n = sp.Symbol("n", positive=True, integer=True)  # the number of the step
g, loss = vector("G"), sp.Symbol("L", real=True)


@dataclass(frozen=True)
class Step:
    """What one step makes of w, X and the memory M."""

    w: Vector
    X: Vector
    M: Vector | None
    scalars: Mapping[str, sp.Expr]


def step_of(name: str, **start: Vector) -> Step:
    """One step from the state `start` of w, X, M; of symbols where nothing is said."""
    update = derive(sc.catalog.load(name)).update
    state: dict[str, Vector] = {"w": vector("w"), "X": vector("X"), "M": vector("M"), **start}
    scalars: dict[sp.Symbol, sp.Expr] = {}

    def at(expr: sp.Expr, i: int) -> sp.Expr:
        summed = expr.replace(
            lambda e: isinstance(e, Total | BlockTotal | Blocks),
            lambda e: (
                e.args[0]
                if isinstance(e, Blocks)
                else sp.Add(*(at(e.args[0], j) for j in range(DIM)))
            ),
        )
        found = {c: state[_key(c)][i] if _key(c) in state else vector(c.name)[i]
                 for c in summed.free_symbols if isinstance(c, Component)}  # fmt: skip
        return summed.xreplace({d: sp.Integer(DIM), **found, **scalars})

    for assignment in update.inlined():
        target = assignment.target
        if isinstance(target, Component):
            state[_key(target)] = tuple(at(assignment.expr, i) for i in range(DIM))
        else:
            scalars[target] = at(assignment.expr, 0)
    has_memory = any(isinstance(a.target, Memory) for a in update.assignments)
    values = {str(s.name): e for s, e in scalars.items()}
    return Step(state["w"], state["X"], state["M"] if has_memory else None, values)


def _key(component: Component) -> str:
    return "M" if isinstance(component, Memory) else str(component.name)


def agree(ours: Vector | sp.Expr, theirs: Vector | sp.Expr) -> bool:
    """Whether two vectors are the same for all values of their symbols, exactly."""
    pairs = zip(ours, theirs, strict=True) if isinstance(ours, tuple) else [(ours, theirs)]
    return all(_is_zero(a - b) for a, b in pairs)


def _is_zero(expr: sp.Expr) -> bool:
    # Full factors of a large radicand can take for ever; common ones are enough.
    if is_zero_rational(expr):
        return True
    factored = _with_factored_roots(expr)
    return is_zero_rational(factored) or sp.simplify(factored) == 0


def _with_factored_roots(expr: sp.Expr) -> sp.Expr:
    return expr.replace(
        lambda e: e.is_Pow and e.exp.is_Rational and not e.exp.is_Integer,
        lambda e: sp.expand_power_base(_common_factors(e.base) ** e.exp),
    )


def _common_factors(radicand: sp.Expr) -> sp.Expr:
    """As one fraction without brackets, whose common factors stand outside."""
    above, below = sp.fraction(sp.together(radicand))
    return sp.factor_terms(sp.expand(above)) / below


def plus(*terms: Vector) -> Vector:
    return tuple(sp.Add(*entries) for entries in zip(*terms, strict=True))


def times(factor: sp.Expr, x: Vector) -> Vector:
    return tuple(factor * entry for entry in x)


def square(x: Vector) -> sp.Expr:
    return sp.Add(*(entry**2 for entry in x))

"""The equations of motion -h dz/dt = k {z, H} (paper, the "Hermosis equations of learning")."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import sympy as sp

from symplectic_codegen.algebra.display import Formula, Printable
from symplectic_codegen.algebra.forms import join_signs
from symplectic_codegen.algebra.symbols import U, X, Y, beta, h, k, w
from symplectic_codegen.geometry.phase_space import PhaseSpace


@dataclass(frozen=True)
class Equations(Printable):
    """Time derivatives of U, w, beta, X; those of w and X are component expressions."""

    U: sp.Expr
    w: sp.Expr
    beta: sp.Expr
    X: sp.Expr
    unit: ClassVar[sp.Expr] = k / h  # dz/dt = -(k/h) {z, H}

    @property
    def velocity(self) -> Mapping[sp.Symbol, sp.Expr]:
        """The vector field, by coordinate."""
        return {U: self.U, w: self.w, beta: self.beta, X: self.X}

    def formulas(self) -> tuple[Formula, ...]:
        """The four equations, the weights first."""
        return (
            Formula.equation("ẇ", r"\dot{\mathbf{w}}", self.w),
            Formula.equation("Ẋ", r"\dot{\mathbf{X}}", self.X),
            Formula.equation("β̇", r"\dot{\beta}", self.beta),
            Formula.equation("U̇", r"\dot{U}", self.U),
        )


def hamiltonian_on(space: PhaseSpace, H: sp.Expr) -> sp.Expr:
    """`H` in the coordinates of `space`: the entropic moments Y are replaced by the coupling."""
    return H.xreplace({Y: space.coupling}) if H.has(Y) else H


def equations_of_motion(space: PhaseSpace, H: sp.Expr) -> Equations:
    """The equations of motion of H on `space`.

    >>> from symplectic_codegen.algebra.vector import Total
    >>> equations_of_motion(PhaseSpace(), beta * Total(X**2) / (2 * k)).w
    -X/h
    """
    brackets = space.bracket_with_coordinates(hamiltonian_on(space, H))
    moves = {z: _tidy(-Equations.unit * join_signs(value)) for z, value in brackets.items()}
    return Equations(moves[U], moves[w], moves[beta], moves[X])


def _tidy(expr: sp.Expr) -> sp.Expr:
    return sp.Add(*(sp.factor_terms(term) for term in sp.Add.make_args(sp.expand_mul(expr))))

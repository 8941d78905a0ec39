"""The assignments of a program against the composed map of its flows."""

from __future__ import annotations

import pytest
import sympy as sp

from symplectic_codegen.algebra.symbols import START, G, X, beta, w
from symplectic_codegen.driver import derive

DECAYING = (
    "beta/(2*k)*dot(X, X) + beta*c**2/k*L + h*(gamma + lam)/k*beta*U + h*lam/k*beta*dot(X, w)"
)


@pytest.mark.parametrize("integrator", ["A D B", "A B D", "A D/2 B D/2", "lie-trotter"])
def test_the_stretch_of_a_dilation_is_never_lost(integrator: str) -> None:
    derivation = derive(DECAYING, integrator=integrator)
    state: dict[sp.Symbol, sp.Expr] = {w: w, X: X}
    for assignment in derivation.physical_update.inlined():
        state[assignment.target] = assignment.expr.xreplace(state)
    profile = derivation.temperature.profile()
    assert profile is not None
    at_start = profile.subs(sp.Symbol("t", nonnegative=True), START)
    # G is one frozen symbol in both; the map marks where it would be read further on.
    for z in (w, X):
        composed = derivation.scheme.map[z].subs(beta, at_start)
        assert sp.simplify(state[z] - composed) == 0
    assert state[X].has(G)

"""What is imposed on a loss with a symmetry, against losses that have it."""

from __future__ import annotations

import pytest
import sympy as sp

from symplectic_codegen.algebra.explicit import Coordinates, instantiate
from symplectic_codegen.algebra.samples import reproducible_value
from symplectic_codegen.algebra.symbols import Component, G, X, w
from symplectic_codegen.algebra.vector import HessianProduct, Total
from symplectic_codegen.errors import SymmetryError
from symplectic_codegen.symmetry.generators import (
    BLOCK,
    GENERATORS,
    P_AXIS,
    Q_AXIS,
    generator_named,
)
from symplectic_codegen.symmetry.witness import INVARIANT_LOSSES, witness

AT = Coordinates(3)
a, b, c = AT.w
# Not those that the engine looks at.
LOSSES = {
    "translation": (a - b) ** 3 + (b - c) ** 4 - (a - c) * (a - b),
    "scaling": (a**2 * b + b**2 * c - 2 * a * b * c) ** 2 / (a**2 + b**2 + c**2) ** 3,
    "rotation": (a**2 + b**2 + c**2) ** 3 - 2 * (a**2 + b**2 + c**2),
}
v = Component("v")
EXPRESSIONS = {
    "translation": Total(v * HessianProduct(sp.S.One)) + 3 * Total(G) + Total(X * G),
    "scaling": Total(w * HessianProduct(X)) * 2 + Total(w * G) * Total(v) + Total(G * G),
    "rotation": Total(v * HessianProduct(Q_AXIS)) - 2 * Total(v * HessianProduct(P_AXIS)),
}


def value(expr: sp.Expr, loss: sp.Expr) -> sp.Expr:
    explicit = instantiate(expr.xreplace({BLOCK: sp.S.One}), AT, loss=loss)
    names = sorted(explicit.free_symbols, key=lambda s: str(s.name))
    return explicit.subs({s: sp.Rational(i + 2, 2 * i + 3) for i, s in enumerate(names)})


@pytest.mark.parametrize("name", GENERATORS)
def test_the_identity_is_that_of_an_invariant_loss(name: str) -> None:
    generator = generator_named(name)
    assert sp.simplify(value(generator.invariance, LOSSES[name])) == 0
    assert all(
        sp.simplify(value(generator.invariance, LOSSES[other])) != 0
        for other in LOSSES
        if other != name
    )


@pytest.mark.parametrize("name", GENERATORS)
def test_imposing_changes_nothing_for_an_invariant_loss(name: str) -> None:
    generator, expr = generator_named(name), EXPRESSIONS[name]
    imposed = generator.impose(expr)
    assert imposed != expr
    # Values at one point, with equal numbers for equal names.
    names = {s for e in (expr, imposed) for s in instantiate(e, AT, loss=LOSSES[name]).free_symbols}
    point = {s: reproducible_value(str(s.name), 3) for s in names}
    before, after = (instantiate(e, AT, loss=LOSSES[name]).subs(point) for e in (expr, imposed))
    assert sp.simplify(before - after) == 0
    other = next(n for n in LOSSES if n != name)
    wrong = [instantiate(e, AT, loss=LOSSES[other]).subs(point) for e in (expr, imposed)]
    assert sp.simplify(wrong[0] - wrong[1]) != 0


@pytest.mark.parametrize("name", GENERATORS)
def test_the_losses_of_the_witness_have_their_symmetry(name: str) -> None:
    loss = INVARIANT_LOSSES[name](AT.w)
    assert sp.simplify(value(generator_named(name).invariance, loss)) == 0
    assert witness(generator_named(name).invariance, generator_named(name)) == ""
    assert "invariant loss" in witness(Total(w**2), generator_named(name))


def test_an_unknown_symmetry_is_named() -> None:
    with pytest.raises(SymmetryError, match="no symmetry is called 'shear': there are translation"):
        generator_named("shear")

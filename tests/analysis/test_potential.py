"""Curl test and kinetic energies, checked with explicit components and by differentiation."""

from __future__ import annotations

import pytest
import sympy as sp

from symplectic_codegen.algebra.explicit import Coordinates, instantiate
from symplectic_codegen.algebra.functions import elementary
from symplectic_codegen.algebra.samples import reproducible_value
from symplectic_codegen.algebra.symbols import Component, X, w
from symplectic_codegen.algebra.vector import Total
from symplectic_codegen.analysis.kinks import Piece, UnorderedError, pieces, restrict
from symplectic_codegen.analysis.potential import antiderivative, curl, potential
from symplectic_codegen.analysis.repair import repair
from symplectic_codegen.language.proposals import VelocityField

g = Component("g")
x = sp.Symbol("x", real=True)
b, delta = sp.symbols("b delta", positive=True)


def field(text: str) -> sp.Expr:
    return VelocityField.parse(text, ["g"]).expr


INTEGRABLE = [
    "X",
    "w + X",
    "sign(X)",
    "X/norm(X)",
    "X/(1 + b*dot(X, X))",
    "g*X/(1 + b*dot(X, g*X))",
    "X/sqrt(dot(X, X) + q**2)",
    "X/sqrt(X**2 + q**2)",
    "max(min(X, 1), -1)",
    "max(min(X, delta), -delta)",
    "X*min(1, 1/norm(X))",
    "X/(1 + min(b*dot(X, X), a))",
    "tanh(X)",
    "X*abs(X)",
    "sign(X)*abs(X)**(1/2)",
    "norm(X)**3*X",
    "sum(X)*X + dot(X, X)/2",
    "X*dot(w, X) + w*dot(X, X)/2",
    "lam*w + g*X",
    "X*norm(X)**(a - 2)*(norm(X)**a + 1)**(b/a - 1)",
    "sign(X)*norm1(X)",
    "exp(X)*sum(exp(X))",
    "X*cos(dot(X, X))",
    "sum(X) + 0*X",
    "X*cos(dot(X, X))*exp(sin(dot(X, X)))",
    "X/(sqrt(ema(X**2, nu)) + eps)",
]
ROTATING = [
    "g*X/(1 + b*dot(X, X))",
    "X*norm1(X)",
    "X*sum(X)",
    "X*dot(w, X)",
    "tanh(X)*norm(X)",
    "X/(sqrt(ema(X**2, nu)) + eps)/(1 + dot(X, X))",
    "g*X/(1 + min(b*dot(X, X), a))",
]


def values(symbols: set[sp.Basic], number: int) -> dict[sp.Basic, sp.Rational]:
    """A point with components of both signs."""
    return {
        s: reproducible_value(str(s), number) - (sp.Rational(3, 4) if str(s)[0] in "Xw" else 0)
        for s in symbols
    }


def explicit_curl(v: sp.Expr, number: int, i: int = 0, j: int = 1) -> sp.Expr:
    """dv_i/dX_j - dv_j/dX_i for d = 3, by SymPy's own differentiation."""
    at = Coordinates(3)
    vi, vj = (instantiate(v, at, index) for index in (i, j))
    value = sp.diff(vi, at.X[j]) - sp.diff(vj, at.X[i])
    return value.subs(values(value.free_symbols, number)).evalf(30)


@pytest.mark.parametrize("text", INTEGRABLE)
def test_a_kinetic_energy_and_its_gradient(text: str) -> None:
    v = field(text)
    assert curl(v).is_zero
    assert all(abs(explicit_curl(v, n)) < 1e-25 for n in range(3))
    T = potential(v)
    assert T is not None
    at = Coordinates(3)
    for number in range(3):
        for i in range(3):
            slope = sp.diff(instantiate(T, at), at.X[i]).doit() - instantiate(v, at, i)
            here = values(slope.free_symbols, number)
            assert abs(slope.subs(here).doit().evalf(30)) < 1e-20


@pytest.mark.parametrize("text", ROTATING)
def test_a_curl_with_its_value(text: str) -> None:
    found = curl(field(text))
    assert not found.is_zero
    assert found.value is not None
    assert found.claim.verdict.value == "proved"
    assert any(abs(explicit_curl(field(text), n)) > 1e-6 for n in range(3))


def test_the_point_of_a_curl_can_be_checked() -> None:
    v = field("g*X/(1 + b*dot(X, X))")
    found = curl(v)
    at = Coordinates(2)
    value = sp.diff(instantiate(v, at, 0), at.X[1]) - sp.diff(instantiate(v, at, 1), at.X[0])
    point = {s: dict(found.point)[str(s)] for s in value.free_symbols}
    assert abs(value.subs(point) - found.value) < 1e-5


def test_the_curl_of_vradam() -> None:
    """Catalogue 3.2: dv1/dX2 - dv2/dX1 = -2 b X1 X2 (g1 - g2)/(1 + b X**2)**2."""
    formula = curl(field("g*X/(1 + b*dot(X, X))")).formula()
    assert formula.text == "∂vᵢ/∂Xⱼ − ∂vⱼ/∂Xᵢ = −2·Xᵢ·Xⱼ·b·(gᵢ − gⱼ)/(1 + b·Σₖ Xₖ²)²"
    assert r"- \frac{2 b X_{i} X_{j} \left(g_{i} - g_{j}\right)}" in formula.latex


def test_a_cap_is_looked_at_where_it_does_not_act() -> None:
    found = curl(field("g*X/(1 + min(b*dot(X, X), a))"))
    assert "where Σᵢ Xᵢ² < a/b" in found.formula().text


def test_the_ablation_of_vradam() -> None:
    assert potential(field("X/(1 + b*dot(X, X))")) == sp.log(1 + b * Total(X**2)) / (2 * b)


REPAIRS = [
    ("g*X/(1 + b*dot(X, X))", "g*X/(1 + b*dot(X, g*X))"),
    ("tanh(X)*norm(X)", None),  # dot(X, X) becomes a sum of log(cosh(X)): any scale will do
    ("X*sum(X)", None),
    ("g*X/(1 + min(b*dot(X, X), a))", "g*X/(1 + min(b*dot(X, g*X), a))"),
    ("3*g*X/(1 + b*norm(X))", "3*g*X/(1 + b*sqrt(dot(X, g*X)))"),
]


@pytest.mark.parametrize(("text", "expected"), REPAIRS)
def test_repairs_have_no_curl(text: str, expected: str | None) -> None:
    found = repair(field(text))
    assert found is not None
    assert curl(found.velocity).is_zero
    assert potential(found.velocity) is not None
    if expected is not None:
        assert sp.simplify(found.velocity - field(expected)) == 0


def test_a_repair_with_equal_metric_is_the_old_velocity() -> None:
    text = "g*X/(1 + b*dot(X, X))"
    found = repair(field(text))
    assert found is not None
    rules = {g: sp.S.One}
    isotropic = found.velocity.replace(
        lambda e: isinstance(e, Total), lambda e: Total(e.body.xreplace(rules))
    )
    assert isotropic.xreplace(rules) == X / (1 + b * Total(X**2))


@pytest.mark.parametrize("text", ["X", "X*tanh(norm(X)*X)", "w*dot(X, X)"])
def test_no_repair_where_there_is_nothing_to_exchange(text: str) -> None:
    assert repair(field(text)) is None


KINKED = [
    sp.Abs(x),
    sp.sign(x),
    sp.Max(x, 0),
    sp.Max(sp.Min(x, delta), -delta),
    x * sp.Abs(x),
    sp.Min(x, 1) ** 2,
    sp.Max(x, 1) * sp.Min(x, 3),
]


@pytest.mark.parametrize("expr", KINKED)
def test_antiderivatives_of_kinks_are_continuous(expr: sp.Expr) -> None:
    found = antiderivative(expr, x)
    assert found is not None
    at = {delta: sp.Rational(7, 5)}
    F, f = (sp.lambdify(x, elementary(e.subs(at)), "math") for e in (found, expr))
    step = 1e-5
    for place in (-3.3, -1.4, -1.0, -0.4, 0.0, 0.6, 1.0, 1.4, 2.0, 3.0, 5.5):
        assert abs(F(place + 1e-12) - F(place - 1e-12)) < 1e-9
        middle = (F(place + step) - F(place)) / step
        assert abs(middle - f(place + step / 2)) < 1e-4


def test_pieces_of_parameters() -> None:
    found = pieces(sp.Max(sp.Min(x, delta), -delta), x)
    assert [(p.low, p.high) for p in found] == [(None, -delta), (-delta, delta), (delta, None)]
    assert restrict(sp.Abs(x - delta), x, Piece(delta, None)) == x - delta


def test_unordered_kinks_are_not_guessed() -> None:
    with pytest.raises(UnorderedError):
        pieces(sp.Max(x, delta) + sp.Max(x, b), x)
    assert antiderivative(sp.Max(x, delta) + sp.Max(x, b), x) is None


def test_no_closed_form_is_none() -> None:
    assert potential(X * sp.exp(sp.cos(Total(X**2)) + Total(X**2) ** sp.Rational(1, 3))) is None


def test_a_field_of_the_weights() -> None:
    assert curl(w * Total(w**2), w).is_zero
    assert not curl(w * Total(w), w).is_zero

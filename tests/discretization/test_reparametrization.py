"""User-facing names are solved for the physical parameters, or refused with the reason."""

from __future__ import annotations

import pytest
import sympy as sp

from symplectic_codegen.algebra.proof import Verdict
from symplectic_codegen.algebra.symbols import c, h, k, tau
from symplectic_codegen.discretization.reparametrization import ParameterMap, solve_parameters
from symplectic_codegen.errors import ReparametrizationError

gamma, m, delta = sp.symbols("gamma m delta", positive=True)
lr, momentum, zeta, dampening = sp.symbols("lr momentum zeta dampening", positive=True)
LR = (lr, tau / h)
MOMENTUM = (momentum, sp.exp(-gamma * tau))
ZETA = (zeta, c**2 / (h * gamma))

SOLVABLE = {
    "rate": ([LR], [tau, gamma]),
    "momentum": ([LR, MOMENTUM], [tau, gamma]),
    "average": ([LR, MOMENTUM, ZETA], [tau, gamma]),
    "torch": (
        [LR, MOMENTUM, (dampening, 1 - c**2 / h * (1 - sp.exp(-gamma * tau)) / gamma)],
        [tau, gamma],
    ),
    "order of names": ([ZETA, MOMENTUM, LR], [tau, gamma]),
    "half life": ([(m, sp.log(2) / gamma), LR], [tau, gamma]),
    "Cayley": ([(m, (1 - gamma * tau / 2) / (1 + gamma * tau / 2)), LR], [tau, gamma]),
    "implicit": ([(m, 1 / (1 + gamma * tau)), LR], [tau, gamma]),
    "square": ([(m, gamma**2)], [gamma]),
    "product and ratio": ([(m, gamma * tau), (delta, gamma / tau)], [tau, gamma]),
}


def solve(definitions: list[tuple[sp.Symbol, sp.Expr]], required: list[sp.Symbol]) -> ParameterMap:
    return solve_parameters(definitions, required, [c, h, k])


@pytest.mark.parametrize(("definitions", "required"), SOLVABLE.values(), ids=SOLVABLE)
def test_the_solution_gives_the_names_back(
    definitions: list[tuple[sp.Symbol, sp.Expr]], required: list[sp.Symbol]
) -> None:
    found = solve(definitions, required)
    assert found.claim.verdict is Verdict.PROVED
    names = {name for name, _ in definitions}
    values = {s: sp.Rational(3 + i, 11) for i, s in enumerate(sorted(names, key=str))}
    values |= {h: sp.Rational(5, 4), c: sp.Rational(2, 3), k: sp.Rational(7, 5), tau: sp.S.One}
    values |= {gamma: sp.S.One}
    for name, expr in definitions:
        back = found.apply(expr)
        assert not back.free_symbols & set(found.physical)
        # At a point, with numbers: not by the same simplifier that made the claim.
        assert abs(sp.N((back - name).xreplace(values), 40)) < sp.Float("1e-35")


def test_required_parameters_go_first() -> None:
    assert set(solve([LR], [tau]).physical) == {tau}
    assert set(solve([LR, MOMENTUM], [tau, gamma]).physical) == {tau, gamma}
    # With two physical unknowns used up, the third name takes the first of the optional ones.
    assert set(solve([LR, MOMENTUM, ZETA], [tau, gamma]).physical) == {tau, gamma, c}


def test_the_positive_root_is_taken() -> None:
    assert solve([(m, gamma**2)], [gamma]).physical == {gamma: sp.sqrt(m)}
    physical = solve([LR, MOMENTUM, ZETA], [tau, gamma]).physical
    point = {lr: sp.Rational(1, 10), momentum: sp.Rational(9, 10), zeta: sp.S.One, h: sp.S.One}
    assert all(value.xreplace(point) > 0 for value in physical.values())


def test_without_names_nothing_happens() -> None:
    found = solve([], [tau])
    assert found.physical == {}
    assert found.apply(tau + gamma) == tau + gamma


@pytest.mark.parametrize(
    ("definitions", "required", "words"),
    [
        ([LR, (m, tau / h)], [tau], "cannot be solved"),
        ([(m, sp.Symbol("q", positive=True))], [tau], "contains no parameter"),
        ([LR, MOMENTUM, (m, gamma), (delta, tau), ZETA, (zeta, c)], [tau, gamma], "6 names"),
        ([(m, tau + sp.exp(tau))], [tau], "closed form"),
        ([(m, gamma * (1 - gamma))], [gamma], "not unique"),
    ],
)
def test_refusals_say_why(
    definitions: list[tuple[sp.Symbol, sp.Expr]], required: list[sp.Symbol], words: str
) -> None:
    with pytest.raises(ReparametrizationError, match=words):
        solve_parameters(definitions, required, [c, h])


def test_an_ambiguous_map_lists_its_solutions() -> None:
    with pytest.raises(ReparametrizationError) as caught:
        solve_parameters([(m, gamma + 1 / gamma)], [gamma], [])
    assert "not unique" in str(caught.value)
    assert " or " in str(caught.value)

"""Thermal laws: kinds, closed forms, and every closed form against a numerical integration."""

from __future__ import annotations

import mpmath
import pytest
import sympy as sp

from symplectic_codegen.algebra.proof import Verdict
from symplectic_codegen.algebra.symbols import L, U, X, beta, beta0, t, w
from symplectic_codegen.algebra.vector import Total
from symplectic_codegen.mechanics.temperature import START, thermal_law

gamma, B, a = sp.symbols("gamma B a", positive=True)
r = sp.Symbol("r", real=True)

KINDS: dict[str, tuple[sp.Expr, str]] = {
    "zero": (sp.S.Zero, "constant"),
    "exponential": (gamma * beta, "exponential"),
    "heating": (-gamma * beta, "exponential"),
    "sign unknown": (r * beta, "exponential"),
    "Adam": (gamma * (beta + B), "shifted exponential"),
    "relaxing": (gamma * (B - beta), "shifted exponential"),
    "Nesterov": (gamma * beta ** sp.Rational(2, 3), "power law"),
    "square root": (gamma * sp.sqrt(beta), "power law"),
    "blow-up": (gamma * beta**2, "power law"),
    "inverse": (gamma / beta, "power law"),
    "decay": (-gamma * beta**3, "power law"),
    "linear": (gamma, "autonomous"),
    "Gompertz": (gamma * beta * sp.log(beta), "autonomous"),
    "shifted root": (gamma * sp.sqrt(beta + 1), "autonomous"),
    "fast": (gamma * sp.exp(beta), "autonomous"),
    "slow": (gamma * sp.exp(-beta), "autonomous"),
    "bistable": (gamma * beta * (beta - B), "autonomous"),
    "friction 1/t": (gamma * beta / (1 + t), "explicit time"),
    "growing friction": (gamma * beta * t, "explicit time"),
    "periodic": (gamma * beta * sp.cos(t), "explicit time"),
    "additive": (sp.sin(t), "explicit time"),
    "mixed power": (gamma * t * beta**2, "explicit time"),
}
# Laws with an elementary solution that are classified as feedback all the same.
MISSED = {
    "logistic": gamma * beta * (1 - beta / B),
    "symbolic power": gamma * beta**a,
    "shifted square": gamma * (beta + 1) ** 2,
    "Bernoulli": gamma * beta + B * beta**2,
}
VALUES = {
    gamma: sp.Rational(7, 10),
    B: sp.Rational(13, 10),
    r: -sp.Rational(2, 5),
    a: sp.Rational(1, 3),
}


def numerical(rate: sp.Expr, start: float, finish: float, initial: float) -> sp.Float:
    """beta at `finish` by Taylor integration of the law to 25 digits; no formula involved."""
    slope = sp.lambdify((t, beta), rate.subs(VALUES), "mpmath")
    with mpmath.workdps(25):
        solution = mpmath.odefun(
            lambda moment, b: [slope(moment, b[0])], mpmath.mpf(start), [mpmath.mpf(initial)]
        )
        return sp.Float(mpmath.nstr(solution(mpmath.mpf(finish))[0], 25), 25)


@pytest.mark.parametrize("name", KINDS)
def test_the_closed_form_is_what_numerical_integration_gives(name: str) -> None:
    rate, kind = KINDS[name]
    law = thermal_law(rate)
    assert law.kind == kind
    assert law.reason == ""
    assert law.claim.verdict is Verdict.PROVED
    profile, propagator = law.profile(), law.propagator
    assert profile is not None
    assert propagator is not None
    start, finish, initial = 0.25, 0.5, 0.875  # exact in binary; before any blow-up
    known = numerical(rate, start, finish, initial)
    point = {
        **VALUES,
        START: sp.Rational(start),
        t: sp.Rational(finish),
        beta: sp.Rational(initial),
    }
    assert abs(sp.N(propagator.xreplace(point), 30) - known) < sp.Float("1e-20")
    from_zero = {**VALUES, t: sp.Rational(finish), beta0: sp.Rational(initial)}
    known = numerical(rate, 0.0, finish, initial)
    assert abs(sp.N(profile.xreplace(from_zero), 30) - known) < sp.Float("1e-20")


@pytest.mark.parametrize("name", KINDS)
def test_propagators_compose(name: str) -> None:
    propagator = thermal_law(KINDS[name][0]).propagator
    assert propagator is not None
    middle = sp.Rational(1, 2)
    ends = {START: sp.Rational(1, 4), t: sp.Rational(3, 4), beta: sp.Rational(7, 8), **VALUES}
    first = sp.N(propagator.xreplace({**ends, t: middle}), 40)
    second = sp.N(propagator.xreplace({**ends, START: middle, beta: first}), 30)
    assert abs(second - sp.N(propagator.xreplace(ends), 30)) < sp.Float("1e-25")


@pytest.mark.parametrize("name", MISSED)
def test_laws_that_have_a_closed_form_are_solved(name: str) -> None:
    law = thermal_law(MISSED[name])
    assert law.propagator is not None, law.reason


@pytest.mark.parametrize("name", MISSED)
def test_a_law_without_a_verified_solution_says_so(name: str) -> None:
    law = thermal_law(MISSED[name])
    assert law.propagator is not None or "could not be verified" in law.reason


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        (gamma * beta * U, "depends on U"),
        (gamma * beta * sp.sin(U), "depends on U"),
        (gamma * beta * Total(X**2), "depends on the weights or momenta"),
        (gamma * Total(w**2), "depends on the weights or momenta"),
        (gamma * beta**2 + t, "no closed form"),
        (gamma * beta * sp.sin(beta), "no closed form"),
    ],
)
def test_feedback_is_named_with_its_reason(rate: sp.Expr, words: str) -> None:
    law = thermal_law(rate)
    assert law.kind == "feedback"
    assert law.propagator is None
    assert law.profile() is None
    assert words in law.reason
    assert law.claim.verdict is Verdict.ASSUMED


def test_a_rate_that_reads_the_loss_is_feedback() -> None:
    law = thermal_law(gamma * beta * L)
    assert law.kind == "feedback"
    assert "no closed form" not in law.reason


def test_the_blow_up_time_is_where_it_must_be() -> None:
    profile = thermal_law(gamma * beta**2).profile()
    assert profile is not None
    end = 1 / (gamma * beta0)
    assert sp.simplify(1 / profile - (1 / beta0 - gamma * t)) == 0
    assert profile.subs(t, end) == sp.zoo

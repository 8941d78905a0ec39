"""The modified Hamiltonian: in the free algebra, against closed facts, and as a flow."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import factorial

import numpy as np
import pytest
import sympy as sp
from scipy.integrate import solve_ivp

from symplectic_codegen.algebra.explicit import Coordinates, instantiate
from symplectic_codegen.algebra.symbols import L, X, beta, h, k, tau, w
from symplectic_codegen.analysis import bch
from symplectic_codegen.analysis.analyze import analyze
from symplectic_codegen.analysis.linear_step import linear_step
from symplectic_codegen.analysis.lyapunov import step_energy
from symplectic_codegen.analysis.modified import modified_hamiltonian
from symplectic_codegen.analysis.parameters import CURVATURE
from symplectic_codegen.driver import derive
from symplectic_codegen.errors import AnalysisError
from symplectic_codegen.geometry.explicit import (
    exterior_derivative,
    poisson_tensor,
    thermodynamic_chart,
)
from symplectic_codegen.language.hamiltonian import parse_loss
from symplectic_codegen.language.spec import Spec

one, half = sp.S.One, sp.S.Half
A, B = ("A",), ("B",)
LIE, STRANG = [(A, one), (B, one)], [(B, half), (A, one), (B, half)]

# The literature: Hairer, Lubich, Wanner, Geometric Numerical Integration, III.4 (BCH), and
# Goldberg's coefficients for degree 5, on Lyndon words.
KNOWN = {
    ("A",): one,
    ("B",): one,
    ("A", "B"): sp.Rational(1, 2),
    ("A", "A", "B"): sp.Rational(1, 12),
    ("A", "B", "B"): sp.Rational(1, 12),
    ("A", "A", "B", "B"): sp.Rational(1, 24),
}


def test_bch_through_degree_four() -> None:
    assert bch.lie_series(LIE, 4) == KNOWN


def test_degree_five_in_another_basis() -> None:
    """-1/720 [B,[B,[B,[B,A]]]] and its five companions (Dynkin), expanded in words."""

    def nested(word: str) -> dict[tuple[str, ...], int]:
        first, rest = word[0], word[1:]
        bracketing: object = rest[-1]
        for letter in reversed(rest[:-1]):
            bracketing = (letter, bracketing)
        return bch.expand((first, bracketing))  # type: ignore[arg-type]

    terms = {
        "BBBBA": (-1, 720),
        "AAAAB": (-1, 720),
        "ABBBA": (1, 360),
        "BAAAB": (1, 360),
        "BABAB": (1, 120),
        "ABABA": (1, 120),
    }
    expected: dict[tuple[str, ...], Fraction] = {}
    for word, coefficient in terms.items():
        for key, number in nested(word).items():
            expected[key] = expected.get(key, Fraction(0)) + number * Fraction(*coefficient)
    found: dict[tuple[str, ...], Fraction] = {}
    for word5, c in bch.of_degree(bch.lie_series(LIE, 5), 5).items():
        for key, number in bch.expand(bch.standard_bracketing(word5)).items():
            found[key] = found.get(key, Fraction(0)) + number * Fraction(int(c.p), int(c.q))
    assert {a: b for a, b in found.items() if b} == {a: b for a, b in expected.items() if b}


def test_a_symmetric_composition_has_no_odd_powers() -> None:
    assert {len(word) for word in bch.lie_series(STRANG, 6)} == {1, 3, 5}


@pytest.mark.parametrize("degree", [2, 4, 6])
def test_the_exponential_is_the_composition(degree: int) -> None:
    for factors in (
        LIE,
        STRANG,
        [(B, sp.Rational(1, 3)), (A, one), (("C",), one), (B, sp.Rational(2, 3))],
    ):
        series = bch.lie_series(factors, degree)
        assert bch.reproduces(series, factors, degree)
        broken = {word: c + int(len(word) == degree) for word, c in series.items()}
        assert broken == series or not bch.reproduces(broken, factors, degree)


def test_the_series_of_one_letter_is_its_sum() -> None:
    parts = [sp.Rational(1, 3), sp.Rational(1, 2), sp.Rational(1, 6)]
    assert bch.lie_series([(A, p) for p in parts], 4) == {("A",): one}


def test_parts_may_be_algebraic_and_symbolic() -> None:
    gamma = 1 / (2 - sp.cbrt(2))
    jump = [(letters, part * c) for c in (gamma, 1 - 2 * gamma, gamma) for letters, part in STRANG]
    assert {len(word) for word in bch.lie_series(jump, 4)} == {1}
    alpha = sp.Symbol("alpha", positive=True)
    mixed = bch.lie_series([(B, alpha), (A, one), (B, 1 - alpha)], 2)
    assert sp.simplify(mixed["A", "B"] - (1 - 2 * alpha) / 2) == 0


def test_lyndon_words_are_counted_right() -> None:
    """By Witt's formula: 2, 1, 2, 3, 6, 9 of two letters."""
    letters = "AB"
    counts = []
    for n in range(1, 7):
        words = [tuple(letters[i >> b & 1] for b in range(n)) for i in range(2**n)]
        counts.append(sum(bch.is_lyndon(word) for word in words))
    assert counts == [2, 1, 2, 3, 6, 9]


def test_what_is_no_lie_polynomial_is_refused() -> None:
    algebra = bch._Algebra(sp.QQ, 2)
    with pytest.raises(ValueError, match="no Lie polynomial"):
        bch._to_lyndon({("A", "A"): sp.QQ(1)}, algebra)


# Fact 23 of the notes on geometry: T + V -+ tau/2 T'V' + tau**2/12 (T''V'**2 + V''T'**2), and for
# the symmetric scheme V''T'**2 and T''V'**2 with 1/12 and -1/24, for functions of one variable.
T, V = sp.Function("T"), sp.Function("V")
q, p = sp.symbols("q p", real=True)


def in_one_dimension(integrator: str, kinetic: str, loss: str) -> tuple[sp.Expr, ...]:
    """The terms of H~ for d = 1, at constant temperature and with all units 1."""
    spec = Spec.from_expression(f"beta*{kinetic} + beta*L", integrator=integrator)
    found = modified_hamiltonian(derive(spec), 2, parse_loss(loss))
    at = {beta: 1, h: 1, k: 1, Coordinates(1).w[0]: q, Coordinates(1).X[0]: p}
    return tuple(instantiate(term, Coordinates(1)).subs(at) for term in found.terms)


@pytest.mark.parametrize(
    ("kinetic", "loss", "t", "v"),
    [
        ("sum(log(1 + X**2))", "sum(cos(w))", sp.log(1 + p**2), sp.cos(q)),
        ("sum(X**4)", "sum(w**3) + sum(exp(w))", p**4, q**3 + sp.exp(q)),
    ],
)
def test_closed_facts(kinetic: str, loss: str, t: sp.Expr, v: sp.Expr) -> None:
    t1, t2, v1, v2 = t.diff(p), t.diff(p, 2), v.diff(q), v.diff(q, 2)
    first, second = in_one_dimension("lie-trotter", kinetic, loss)[1:]
    # The momenta here run against the usual ones: p = -X turns the sign of T'V' alone.
    assert sp.simplify(first - t1 * v1 / 2) == 0
    assert sp.simplify(second - (t2 * v1**2 + v2 * t1**2) / 12) == 0
    first, second = in_one_dimension("strang-kick", kinetic, loss)[1:]
    assert first == 0
    assert sp.simplify(second - (v2 * t1**2 / 12 - t2 * v1**2 / 24)) == 0
    first, second = in_one_dimension("strang", kinetic, loss)[1:]
    assert first == 0
    assert sp.simplify(second - (t2 * v1**2 / 12 - v2 * t1**2 / 24)) == 0


INVARIANTS = {  # fact 22: exact invariants of the harmonic oscillator, with p = -X
    "lie-trotter": p**2 + q**2 - tau * p * q,
    "drift-first": p**2 + q**2 + tau * p * q,
    "strang-kick": p**2 + (1 - tau**2 / 4) * q**2,
    "strang": q**2 + (1 - tau**2 / 4) * p**2,
}


@pytest.mark.parametrize("integrator", INVARIANTS)
def test_exact_invariants_of_the_oscillator(integrator: str) -> None:
    spec = Spec.from_expression("beta*dot(X, X)/2 + beta*L", integrator=integrator)
    derivation = derive(spec)
    step = linear_step(derivation)
    assert step is not None
    units = {h: 1, k: 1, CURVATURE: 1}
    area = step_energy(step).area
    assert area is not None
    found = area.subs({X: -p, w: q}).subs(units)
    expected = INVARIANTS[integrator]
    if derivation.scheme.program.before:
        # The program stores what is half a drift, or a whole one, ahead of the trajectory.
        share = sp.Rational(1, 2) if integrator == "strang" else 1
        found = found.subs(q, q + share * tau * p)
    elif integrator == "strang-kick":
        # Stored are the momenta before the second half of the kick: X = X(trajectory) - tau/2 q.
        found = found.subs(p, p + tau * q / 2)
    ratio = sp.simplify(found / expected)
    assert not ratio.has(q, p)


@pytest.mark.parametrize("integrator", ["lie-trotter", "strang"])
def test_the_series_of_the_oscillator_is_the_logarithm_of_its_matrix(integrator: str) -> None:
    """tau H~ generates log M: the closed form of the logarithm, to order tau**6."""
    spec = Spec.from_expression("beta*dot(X, X)/2 + beta*L", integrator=integrator)
    found = modified_hamiltonian(derive(spec), 6, parse_loss("dot(w, w)/2"))
    at = {beta: 1, h: 1, k: 1, Coordinates(1).w[0]: q, Coordinates(1).X[0]: p}
    H = instantiate(found.expr, Coordinates(1)).subs(at)
    # dq/dt = -dH/dp, dp/dt = dH/dq as a matrix; its exponential is the step.
    F = sp.Matrix(
        [[H.diff(q).coeff(p), H.diff(q).coeff(q)], [-H.diff(p).coeff(p), -H.diff(p).coeff(q)]]
    )
    power, exponential = sp.eye(2), sp.eye(2)
    for n in range(1, 9):
        power = (power * F * tau).applyfunc(sp.expand)
        exponential += power / factorial(n)
    kick, drift = sp.Matrix([[1, tau], [0, 1]]), sp.Matrix([[1, 0], [-tau, 1]])
    half_drift = drift.subs(tau, tau / 2)
    step = drift * kick if integrator == "lie-trotter" else half_drift * kick * half_drift
    for entry in exponential - step:
        lowest = sp.Poly(sp.expand(entry), tau).terms()[-1][0][0] if sp.expand(entry) != 0 else 99
        assert lowest >= 8


GAMMA = 0.4
TEXT = "beta*(sum(log(1 + X**2))/2 + sqrt(1 + dot(X, X)) + L) + gamma*beta*U"
LOSS = "sum(w**4)/4 + sum(w)**3/6 + sum(cos(w))"


def kick_and_drift(z: np.ndarray, step: float) -> np.ndarray:
    """One step by hand: kick and cool with the gradient frozen, then drift, with U."""
    U, w, b, X = z[0], z[1:3], z[3], z[4:6]
    mu = np.exp(-GAMMA * step)
    loss = (w**4).sum() / 4 + w.sum() ** 3 / 6 + np.cos(w).sum()
    gradient = w**3 + w.sum() ** 2 / 2 - np.sin(w)
    gain = (1 - mu) / GAMMA
    U, X, b = mu * U - gain * loss, mu * X + gain * gradient, b / mu
    root = np.sqrt(1 + X @ X)
    slope = X / (1 + X**2) + X / root
    energy = np.log(1 + X**2).sum() / 2 + root
    return np.array([U + step * (X @ slope - energy), *(w - step * slope), b, *X])


def field_of(H: sp.Expr, step: float) -> Callable[[float, np.ndarray], list[float]]:
    """-h dz/dt = k {z, H} with the explicit Poisson tensor for two weights."""
    chart, theta = thermodynamic_chart(2)
    tensor = poisson_tensor(exterior_derivative(theta))
    explicit = instantiate(H, Coordinates(2)).subs(
        {h: 1, k: 1, tau: step, sp.Symbol("gamma", positive=True): GAMMA}
    )
    vector = tensor.hamiltonian_vector_field(explicit)
    velocity = [-vector[z] for z in chart.coordinates]
    function = sp.lambdify(chart.coordinates, velocity, "numpy", cse=True)
    return lambda _t, z: function(*z)


START = np.array([0.3, 0.9, -0.5, 1.2, 0.4, -0.7])


@pytest.mark.parametrize("order", [0, 1, 2, 3])
def test_the_flow_of_the_modified_hamiltonian_is_the_step(order: int) -> None:
    """Two weights, no quadratic anywhere: halving the step divides the error by 2**(order + 2)."""
    found = modified_hamiltonian(derive(TEXT), order, parse_loss(LOSS))
    assert found.order == order
    errors = []
    for step in (0.1, 0.05):
        solution = solve_ivp(
            field_of(found.expr, step), (0, step), START, "DOP853", rtol=1e-13, atol=1e-14
        )
        errors.append(np.abs(solution.y[:, -1] - kick_and_drift(START, step)).max())
    assert errors[1] > 1e-11  # there is an error to measure
    assert np.log2(errors[0] / errors[1]) == pytest.approx(order + 2, abs=0.25)


def test_a_long_orbit_keeps_the_modified_hamiltonian() -> None:
    found = modified_hamiltonian(derive(TEXT), 2, parse_loss(LOSS))
    step, z = 0.05, START
    values = {tau: step, h: 1, k: 1, sp.Symbol("gamma", positive=True): GAMMA}
    chart, _ = thermodynamic_chart(2)
    read = [
        sp.lambdify(chart.coordinates, instantiate(e, Coordinates(2)).subs(values), "numpy")
        for e in (found.terms[0], found.expr)
    ]
    rows = []
    for _ in range(300):
        rows.append([f(*z) for f in read])
        z = kick_and_drift(z, step)
    swing = np.ptp(np.array(rows), axis=0)
    assert swing[1] < swing[0] / 50


def test_an_opaque_loss_ends_at_its_third_derivatives() -> None:
    found = modified_hamiltonian(derive("beta*(dot(X, X)/2 + L) + gamma*beta*U"), 5)
    assert found.order == 2
    assert "third derivatives of the loss" in found.stopped
    assert str(found).endswith("go on")


def test_the_opaque_result_specialises_to_the_explicit_one() -> None:
    opaque = modified_hamiltonian(derive(TEXT), 2)
    explicit = modified_hamiltonian(derive(TEXT), 2, parse_loss(LOSS))
    at = Coordinates(2)
    loss = instantiate(parse_loss(LOSS), at)
    for a, b in zip(opaque.terms, explicit.terms, strict=True):
        difference = instantiate(a, at, loss=loss) - instantiate(b, at)
        point = {
            s: sp.Rational(i + 2, 7) for i, s in enumerate(sorted(difference.free_symbols, key=str))
        }
        assert abs(sp.N(difference.subs(point), 40)) < 1e-35


REFUSED = [
    ("beta*exp(t)*dot(X, X)/2 + beta*L", {}, "depends on t"),
    ("beta*dot(X, X)/2 + beta*L", {"friction": "X"}, "no piece of H generates"),
    ("beta*dot(X, X)/2 + beta*L", {"noise": "s"}, "no piece of H generates"),
]


@pytest.mark.parametrize(("text", "more", "reason"), REFUSED)
def test_refusals(text: str, more: dict[str, str], reason: str) -> None:
    with pytest.raises(AnalysisError, match=reason):
        modified_hamiltonian(derive(Spec.from_expression(text, more=more)), 1)


def test_a_readout_has_no_modified_hamiltonian() -> None:
    spec = Spec.from_expression("beta*dot(X, X)/2 + beta*L + gamma*beta*U", integrator="nesterov")
    with pytest.raises(AnalysisError, match="no piece of H generates"):
        modified_hamiltonian(derive(spec), 1)


def test_kinks_end_the_series() -> None:
    found = analyze("beta*norm1(X) + beta*L", order=3).modified
    assert found.order == 1
    assert "kinks" in found.stopped
    assert L in found.terms[0].free_symbols

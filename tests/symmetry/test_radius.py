"""The law of |w|^2: Tanaka and Kunin's, its limit without inertia, and where there is none."""

from __future__ import annotations

import pytest
import sympy as sp

import symplectic_codegen as sc
from symplectic_codegen.algebra.proof import Verdict
from symplectic_codegen.symmetry.noether import Noether
from symplectic_codegen.symmetry.radius import linear_map

# The Lagrangian e^{gamma t/m} (m |q'|^2/2 - f - lam |q|^2/2) of the paper, c^2 = h^2/m.
LAGRANGIAN = "beta/(2*k)*dot(X, X) + beta*h**2/(m*k)*(L + lam/2*dot(w, w)) + h*gam/(m*k)*beta*U"
m, gam, lam, h = sp.symbols("m gam lam h", positive=True)


def found(hamiltonian: str, **options: bool) -> Noether:
    return sc.derive(hamiltonian).noether("scaling", **options)


@pytest.mark.parametrize("block", [False, True])
def test_tanaka_and_kunins_law(block: bool) -> None:
    """m (r^2)'' + gamma (r^2)' + 2 lambda r^2 = 2 m |q'|^2."""
    law = found(LAGRANGIAN, block=block).radius
    assert law is not None
    assert [sp.simplify(e) for e in (law.speed, law.radius, law.source)] == [
        -gam / m,
        -2 * lam / m,
        2,
    ]
    assert all(claim.verdict is Verdict.PROVED for claim in law.claims())


def test_tanaka_and_kunins_implicit_rmsprop() -> None:
    """d(r^4)/dt = -4 lambda/gamma r^4 + 4 m/gamma^3 |g|^2, to first order in the decay."""
    law = found(LAGRANGIAN).overdamped
    assert law is not None
    assert sp.simplify(law.source - 4 * m / gam**3) == 0
    assert sp.simplify(sp.diff(law.decay, lam).subs(lam, 0) - 4 * lam.subs(lam, 1) / gam) == 0
    assert law.decay.subs(lam, 0) == 0


def test_the_decay_without_gradients_is_that_of_the_slow_root() -> None:
    """m s^2 + gamma s + lambda = 0: r^4 decays at -4 s, through first order in m."""
    law = found(LAGRANGIAN).overdamped
    assert law is not None
    root = (-gam + sp.sqrt(gam**2 - 4 * m * lam)) / (2 * m)
    series = sp.series(-4 * root, m, 0, 2).removeO()
    assert sp.simplify(law.decay - series) == 0


def test_decoupled_decay_shrinks_at_its_own_rate() -> None:
    """A dilation, as in AdamW: without gradients w decays at lam, whatever the friction."""
    law = found(
        "beta/(2*k)*dot(X, X) + beta*c**2/k*L + h/k*(gam + lam)*beta*U + h*lam/k*beta*dot(X, w)"
    )
    assert law.radius is not None
    assert law.overdamped is not None
    assert law.overdamped.growth == -2 * lam
    assert sp.simplify(law.overdamped.decay - 4 * lam) == 0
    assert all(claim.verdict is Verdict.PROVED for claim in law.radius.claims())


def test_the_law_of_a_moving_temperature_keeps_beta() -> None:
    law = sc.derive(sc.catalog.load("nesterov_flow")).noether("scaling")
    assert law.radius is not None
    assert {s.name for s in law.radius.speed.free_symbols} == {"beta", "beta0", "t0"}
    assert "do not move with time" in dict(law.refused)["limit without inertia"]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("adam", "no multiple of X"),
        ("relativistic", "the state decides"),
        ("nose_hoover", "needs more than R"),
        ("mirror_descent", "no multiple of X"),
    ],
)
def test_where_the_norm_has_no_law(name: str, reason: str) -> None:
    law = sc.derive(sc.catalog.load(name)).noether("scaling")
    assert law.radius is None
    assert reason in dict(law.refused)["law of the squared norm"]


def test_what_is_no_linear_map() -> None:
    from symplectic_codegen.algebra.symbols import X, w
    from symplectic_codegen.algebra.vector import Total

    assert linear_map(sp.sin(X)) is None
    assert linear_map(X * w) is None
    assert linear_map(X + 1) is None
    scaled = linear_map(X / Total(X**2) - w)
    assert scaled is not None
    assert scaled.momenta == 1 / Total(X**2)

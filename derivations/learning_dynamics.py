"""E. Hermosis, Learning Dynamics (2025): every displayed equation, every checkable sentence.

The text is that of version 0.1.0. Labels are its sections, ordinals count the claims in the order
of the text. The paper's units are: U an energy, S and k information, h an action, c an energy, so
that w, L and the metric are pure numbers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import sympy as sp

from symplectic_codegen.algebra.symbols import Y, beta
from symplectic_codegen.generation import load
from symplectic_codegen.geometry.explicit import push_forward_tensor
from symplectic_codegen.language.spec import Spec
from symplectic_codegen.verification.claims import (
    ARBITRARY,
    Case,
    Claim,
    Picture,
    Setting,
    Source,
    Verdict,
)
from symplectic_codegen.verification.pictures import Curve, Panel

Floats = npt.NDArray[np.float64]

CANONICAL = ARBITRARY.having(coupling="X")  # Y itself is the coordinate

QUADRATIC = "beta/(2*k)*dot(X, X) + beta*c**2/k*L"
COOLING = "h*gamma/k*beta*U"
CONSTANT = ARBITRARY.having(hamiltonian=QUADRATIC)
STANDARD = ARBITRARY.having(hamiltonian=f"{QUADRATIC} + {COOLING}")
RELATIVISTIC = ARBITRARY.having(
    hamiltonian=f"sqrt(dot(X, X) + k**2/beta**2) + beta*c**2/k*L + {COOLING}"
)
RELATIVISTIC_CONSTANT = ARBITRARY.having(
    hamiltonian="sqrt(dot(X, X) + k**2/beta**2) + beta*c**2/k*L"
)
DEGREE_ONE = ARBITRARY.having(
    hamiltonian=f"beta/k*(a*sqrt(dot(X, X) + q**2) + c**2*L) + {COOLING}",
    reparam=("eta = tau/h", "mu = exp(-gamma*tau)", "zeta = c**2/(h*gamma)"),
)
USER = STANDARD.having(reparam=("eta = tau/h", "mu = exp(-gamma*tau)", "zeta = c**2/(h*gamma)"))
ACCUMULATION = CONSTANT.having(reparam=("eta = tau/h", "zeta = tau*c**2/h"))

# The entropy of any model with two weights, and its change along a displacement (u_U, u_w).
WITH_ENTROPY = ARBITRARY.having(coupling="X", dim=2, opaque={"S": ("U", "w1", "w2")})


# One weight and any S; "on the surface" puts β = ∂S/∂U and Y = ∂S/∂w.
_SURFACE = "beta, partial(S, U), Y1, partial(S, w1)"
ANY_ENTROPY = ARBITRARY.having(coupling="X", dim=1, opaque={"S": ("U", "w1")})
ON_SURFACE = ANY_ENTROPY.having(
    hamiltonian="Y1**2/(2*m0) + a1*w1**2/2 + h*gamma/k*beta*U",
    where={
        "off_surface": f"at(rate(beta - partial(S, U)), {_SURFACE})",
        "off_surface_w": f"at(rate(Y1 - partial(S, w1)), {_SURFACE})",
        "H_on_surface": f"at(H, {_SURFACE})",
    },
)


def entropy_change() -> sp.Expr:
    """d/de S(U + e u_U, w + e u_w) at e = 0: the definition, not the chain rule."""
    e = sp.Symbol("e", real=True)
    names = ("U", "w1", "w2")
    at = [sp.Symbol(n, real=True) + e * sp.Symbol(f"u_{n}", real=True) for n in names]
    return sp.diff(sp.Function("S", real=True)(*at), e).subs(e, 0).doit()


_pushed = push_forward_tensor(2, inverse=Y / beta)
_kappa, _c, _h, _w0, _x0 = sp.symbols("kappa c h w0 x0", positive=True)
_frequency = sp.sqrt(_kappa) * _c / _h
_w_at = {
    # The exact motion for L = kappa w**2/2 at constant beta, from w0 and x0.
    "w_at": lambda s: (
        _w0 * sp.cos(_frequency * s) - _x0 / (_h * _frequency) * sp.sin(_frequency * s)
    )
}

CLAIMS = (
    # ------------------------------------------------------------------------------ introduction
    Claim(
        "introduction.1",
        sentence="algorithms like momentum-based Stochastic Gradient Descent or regularization "
        "techniques like Weight Decay emerge naturally as consequences of the proposed equations",
        states=("new(w_i) = w_i - eta*(mu*X_i + (1 - mu)*zeta*(G_i + lam*w_i))",),
        on=ARBITRARY.having(
            hamiltonian=f"{QUADRATIC} + decay/2*dot(w, w) + {COOLING}",
            reparam=USER.reparam,
        ),
        where={"lam": "k*decay/(beta0*c**2)"},
        example={"mu": "1/2"},
        verdict=Verdict.ASSUMING,
        assuming=Case(
            "the harmonic term carries the factor β/k, as the loss does: the paper's own λw²/2 "
            "does not (application.18, application.19)",
            on=ARBITRARY.having(
                hamiltonian=f"{QUADRATIC} + beta*c**2/k*lam0/2*dot(w, w) + {COOLING}",
                reparam=USER.reparam,
            ),
            where={"lam": "lam0"},
        ),
        reason="Momentum emerges; weight decay does so only if its potential is weighted by β.",
    ),
    # ------------------------------------------------------------------------------- equilibrium
    Claim(
        "equilibrium.1",
        printed=r"(U/c, w^1, ..., w^d) = (w^0, \mathbf{w}) \in \mathbb{R}^{d+1}",
        sentence="c is a constant such that w⁰ is dimensionless",
        defines=("w0 = U/c",),
        states=("d(w0) = d(U)/c",),
        where={"w0": "U/c"},
        remark="So c is an energy, and c² is the square of an energy, as the application says.",
    ),
    Claim(
        "equilibrium.2",
        printed=r"\frac{\partial S}{\partial U} > 0",
        defines=("partial(S, U) > 0",),
        verdict=Verdict.NOT_CHECKABLE,
        reason="A definition: it is what the paper calls equilibrium.",
    ),
    Claim(
        "equilibrium.3",
        printed=r"dS = \frac{\partial S}{\partial U} dU + \sum_j \frac{\partial S}{\partial w^j} "
        r"dw^j",
        states=("dS = partial(S, U)*d(U) + partial(S, w1)*d(w1) + partial(S, w2)*d(w2)",),
        on=WITH_ENTROPY.having(where={"dS": entropy_change()}),
    ),
    Claim(
        "equilibrium.4",
        printed=r"\beta = \frac{\partial S}{\partial U} \qquad Y_j = \frac{\partial S}{\partial "
        r"w^j} \qquad j = 1,...,d",
        defines=("beta = partial(S, U)", "Y_i = partial(S, w_i)"),
        verdict=Verdict.NOT_CHECKABLE,
        reason="Definitions. They fix the units: β is information/energy, Y is information.",
    ),
    Claim(
        "equilibrium.5",
        printed=r"T \equiv \frac{1}{\beta} > 0",
        states=("1/beta > 0",),
        remark="T is an energy here (Boltzmann's constant is in k).",
    ),
    Claim(
        "equilibrium.6",
        sentence="if (w_0, w) are coordinates of the state space, then (w_0, w, Y^0, Y) are "
        "coordinates of the phase space",
        states=("theta = Y0*d(w0) + sum(Y*d(w))",),
        on=CANONICAL,
        where={"w0": "U/c", "Y0": "c*beta"},
        remark="The indices are interchanged with respect to equilibrium.1 (w⁰ there). The "
        "conjugate of w⁰ = U/c is Y₀ = cβ, not β: β is the conjugate of U.",
    ),
    Claim(
        "equilibrium.7",
        printed=r"\omega = \beta dU + \sum_j Y_j dw^j \in \Omega",
        states=("theta = beta*d(U) + sum(Y*d(w))",),
        on=CANONICAL,
        remark="Ω stands for the phase space here, while a form is an element of the forms on it.",
    ),
    Claim(
        "equilibrium.8",
        printed=r"\omega = dS",
        sentence="the model is in an equilibrium state if there exists an entropy function S such "
        "that ω = dS",
        states=("Omega = 0",),
        on=CANONICAL,
        verdict=Verdict.ASSUMING,
        assuming=Case(
            "only on the surface β = ∂S/∂U, Y = ∂S/∂w (a Lagrangian submanifold), not on the "
            "phase space: there dω is the symplectic form, not zero, so that ω is no differential",
            states=("at(theta, beta, partial(S, U), Y1, partial(S, w1), Y2, partial(S, w2)) = dS",),
            on=WITH_ENTROPY.having(where={"dS": entropy_change()}),
        ),
        reason="ω = dS implies dω = 0, which fails everywhere on the phase space; the equation "
        "holds for the pull-back of ω to the surface of equilibrium states.",
    ),
    Claim(
        "equilibrium.9",
        printed=r"d\omega = d\beta \wedge dU + \sum_j dY_j \wedge dw^j",
        states=("Omega = wedge(beta, U) + sum(wedge(Y, w))",),
        on=CANONICAL,
    ),
    Claim(
        "equilibrium.10",
        sentence="The latter is known as the symplectic form and allows the phase space to be "
        "endowed with a Hamiltonian geometric structure.",
        states=("determinant = 1", "jacobiator(U, w_i, Y_j) = 0", "jacobiator(beta, w_i, Y_j) = 0"),
        on=CANONICAL,
        remark="The engine proves dΩ = 0, antisymmetry, Leibniz and Jacobi for all d.",
        survivors="The Jacobi sum of any three functions vanishes, and that is the claim.",
    ),
    # --------------------------------------------------------------------------------- evolution
    Claim(
        "evolution.1",
        sentence="Under this approximation the learning curve can be viewed as a succession of "
        "equilibrium states.",
        states=("off_surface = 0",),
        on=ON_SURFACE,
        verdict=Verdict.ASSUMING,
        assuming=Case(
            "H has one value on the whole surface β = ∂S/∂U, Y = ∂S/∂w (the Hamilton–Jacobi "
            "equation for S): the state leaves the surface at the rate at which H varies along it",
            (
                "off_surface = k/h*partial(H_on_surface, U)",
                "off_surface_w = k/h*partial(H_on_surface, w1)",
            ),
        ),
        steps=(
            Case(
                "for every H: β leaves ∂S/∂U at the rate k/h times the derivative of "
                "H(U, w, ∂S/∂U, ∂S/∂w) by U",
                (
                    "rate(beta - partial(S, U)) = k/h*(partial(H, U) + "
                    "partial(partial(S, U), U)*partial(H, beta) + "
                    "partial(partial(S, U), w1)*partial(H, Y1))",
                ),
                ANY_ENTROPY,
            ),
        ),
        reason="A Hamiltonian motion carries states of equilibrium to other states: β − ∂S/∂U does "
        "not stay zero, however slow the motion is, unless H is constant on the surface of "
        "equilibrium.",
        remark="No approximation is needed for the brackets that follow; they are those of dω.",
    ),
    Claim(
        "evolution.2",
        printed=r"\{U, \beta\} = 1 \qquad \{w^i, Y_j\} = \delta^i_j \qquad \text{with } "
        r"\delta^i_j = \begin{cases} 1 \quad i = j \\ 0 \quad i \neq j \end{cases}",
        states=("bracket(U, beta) = 1", "bracket(w_i, Y_j) = delta_ij"),
        on=CANONICAL,
    ),
    Claim(
        "evolution.3",
        printed=r"-h \frac{dw^i}{dt} = k\{w^i, H\} = k\frac{\partial H}{\partial Y_i} \qquad "
        r"-\frac{dY_i}{dt} = k\{Y_i, H\} = -k\frac{\partial H}{\partial w^i}",
        states=(
            "-h*rate(w_i) = k*bracket(w_i, H) = k*partial(H, Y_i)",
            "-rate(Y_i) = k*bracket(Y_i, H) = -k*partial(H, w_i)",
        ),
        correct=(
            "-h*rate(w_i) = k*bracket(w_i, H) = k*partial(H, Y_i)",
            "-h*rate(Y_i) = k*bracket(Y_i, H) = -k*partial(H, w_i)",
        ),
        on=CANONICAL,
        verdict=Verdict.CORRECTED,
        balanced=False,
        reason="The factor h is missing before dY/dt; the deformed equations have it.",
    ),
    Claim(
        "evolution.4",
        printed=r"-\frac{dU}{dt} = k\{U, H\} = k\frac{\partial H}{\partial \beta} \qquad "
        r"-h\frac{d\beta}{dt} = k\{\beta, H\} = -k\frac{\partial H}{\partial U}",
        states=(
            "-rate(U) = k*bracket(U, H) = k*partial(H, beta)",
            "-h*rate(beta) = k*bracket(beta, H) = -k*partial(H, U)",
        ),
        correct=(
            "-h*rate(U) = k*bracket(U, H) = k*partial(H, beta)",
            "-h*rate(beta) = k*bracket(beta, H) = -k*partial(H, U)",
        ),
        on=CANONICAL,
        verdict=Verdict.CORRECTED,
        balanced=False,
        reason="The factor h is missing before dU/dt.",
    ),
    Claim(
        "evolution.5",
        sentence="h is the unit of action and k is the unit of information, which are introduced "
        "to maintain consistent units",
        states=("-rate(U)/partial(H, beta) = k", "-rate(Y_i)/partial(H, w_i) = -k"),
        correct=("-h*rate(U)/partial(H, beta) = k", "-h*rate(Y_i)/partial(H, w_i) = -k"),
        on=CANONICAL,
        verdict=Verdict.CORRECTED,
        balanced=False,
        reason="Without h the two lines equate energy/time with energy², and information/time with "
        "information·energy.",
    ),
    Claim(
        "evolution.6",
        sentence="The problem with this formulation is that it leads to a dynamics in which the "
        "model evolves in closed orbits.",
        states=("cos(omega2*period) = 1",),
        where={"period": "2*pi/omega1", "omega1": "k/h*sqrt(a1/m0)", "omega2": "k/h*sqrt(a2/m0)"},
        example={"a1": "1", "a2": "2", "m0": "1"},
        verdict=Verdict.ASSUMING,
        assuming=Case(
            "one weight (or commensurate frequencies), a constant β and a confining loss",
            states=("cos(omega1*period) = 1",),
        ),
        steps=(
            Case(
                "H = Y²/2m + (a₁w₁² + a₂w₂²)/2 at constant β is a harmonic oscillator with the "
                "frequencies ω₁ and ω₂, so that from rest wⱼ(t) = wⱼ(0) cos(ωⱼt)",
                ("rate(rate(w1)) = -omega1**2*w1", "rate(rate(w2)) = -omega2**2*w2"),
                ARBITRARY.having(
                    coupling="X",
                    dim=2,
                    hamiltonian="(Y1**2 + Y2**2)/(2*m0) + (a1*w1**2 + a2*w2**2)/2",
                ),
            ),
        ),
        reason="With two weights and frequencies in the ratio √2 the orbit never closes: after one "
        "period of the first weight the second is at cos(2π√2) of its start.",
        pictures=("orbits",),
    ),
    Claim(
        "evolution.7",
        sentence="To address this, we introduce a coupling of the intensive parameters with the "
        "temperature. … The coupling deforms the symplectic structure that describes the geometry "
        "of the phase space.",
        states=("bracket(w_i, beta*X_j) != delta_ij",),
        verdict=Verdict.REFUTED,
        steps=(
            Case(
                "(U, w, β, βX) are canonical coordinates of the coupled space: it is the old space "
                "in other coordinates, with the same motion",
                (
                    "bracket(w_i, beta*X_j) = delta_ij",
                    "bracket(U, beta*X_i) = 0",
                    "bracket(beta, beta*X_i) = 0",
                    "bracket(beta*X_i, beta*X_j) = 0",
                    "bracket(U, beta) = 1",
                ),
            ),
            Case(
                "without ∂H/∂U the energy X²/2 + c²L is conserved in spite of the coupling",
                ("rate(dot(X, X)/2 + c**2*L) = 0",),
                CONSTANT,
            ),
        ),
        repair=Case(
            "what ends the orbits is cooling, a Hamiltonian that depends on U (β̇ = γβ)",
            ("rate(dot(X, X)/2 + c**2*L) = -gamma*dot(X, X)",),
            STANDARD,
        ),
        reason="Y = βX is a change of coordinates: the form is the old one. What damps the motion "
        "is the dependence of H on U, with or without the coupling.",
        pictures=("orbits",),
    ),
    Claim(
        "evolution.8",
        printed=r"Y_i = \beta X_i \qquad i = 1, ..., d",
        defines=("Y_i = beta*X_i",),
        states=("theta = beta*d(U) + sum(beta*X*d(w))",),
    ),
    Claim(
        "evolution.9",
        printed=r"dU = T dS - \sum_j X_j dw^j",
        states=("d(U) = T*dS - sum(X*d(w))",),
        where={"T": "1/beta", "dS": "theta"},
        remark="dS is ω on the surface of equilibrium states.",
    ),
    Claim(
        "evolution.10",
        printed=r"d\omega = d\beta \wedge (dU + \sum_j X_j dw^j) + \beta\sum_j dX_j \wedge dw^j",
        states=("Omega = wedge(beta, U) + sum(X*wedge(beta, w)) + beta*sum(wedge(X, w))",),
    ),
    Claim(
        "evolution.11",
        sentence="Which remains a non-degenerate symplectic form for β > 0",
        states=("determinant = beta**(2*d)", "determinant > 0"),
        balanced=None,  # a power of a unit with the exponent 2d
        remark="It is non-degenerate for β ≠ 0.",
    ),
    Claim(
        "evolution.12",
        sentence="The new non-negative Poisson brackets",
        states=("bracket(U, X_i) >= 0",),
        correct=("bracket(U, X_i) != 0", "bracket(w_i, X_j) != 0", "bracket(U, beta) != 0"),
        verdict=Verdict.CORRECTED,
        survivors="Turned round it is refuted as well: the bracket has both signs.",
        reason="Read: non-vanishing. {U, X} = −X/β is negative wherever X is positive.",
    ),
    Claim(
        "evolution.13",
        printed=r"\{U, \beta\} = 1 \qquad \{w^i, X_j\} = \delta^i_j \qquad \{U, X_i\} = "
        r"-\frac{1}{\beta} X_i",
        states=(
            "bracket(U, beta) = 1",
            "bracket(w_i, X_j) = delta_ij",
            "bracket(U, X_i) = -X_i/beta",
        ),
        correct=(
            "bracket(U, beta) = 1",
            "bracket(w_i, X_j) = delta_ij/beta",
            "bracket(U, X_i) = -X_i/beta",
        ),
        verdict=Verdict.CORRECTED,
        balanced=False,
        steps=(
            Case(
                "first route: Ω is inverted, here written out for two weights",
                (
                    "bracket(U, beta) = 1",
                    "bracket(w1, X1) = 1/beta",
                    "bracket(w1, X2) = 0",
                    "bracket(U, X1) = -X1/beta",
                    "bracket(X1, X2) = 0",
                ),
                ARBITRARY.having(dim=2),
            ),
            Case(
                "second route: the canonical brackets are pushed forward along X = Y/β",
                (
                    "pushed(U, beta) = 1",
                    "pushed(w1, X1) = 1/beta",
                    "pushed(w1, X2) = 0",
                    "pushed(U, X1) = -X1/beta",
                    "pushed(X1, X2) = 0",
                ),
                ARBITRARY.having(dim=2, functions={"pushed": _pushed.bracket}),
            ),
            Case(
                "third route, that of the appendix: Leibniz' rule on {w, βX} = δ and {U, βX} = 0, "
                "with {w, β} = 0 and {U, β} = 1",
                (
                    "delta_ij = bracket(w_i, beta*X_j)",
                    "bracket(w_i, beta*X_j) = beta*bracket(w_i, X_j) + X_j*bracket(w_i, beta)",
                    "bracket(w_i, beta) = 0",
                    "0 = bracket(U, beta*X_i)",
                    "bracket(U, beta*X_i) = bracket(U, beta)*X_i + beta*bracket(U, X_i)",
                ),
            ),
            Case(
                "the printed brackets are none: their Jacobi sum is not zero, but 1/β",
                ("jacobiator(U, w1, X1) = 1/beta",),
                ARBITRARY.having(
                    dim=2,
                    brackets=(("U", "beta", "1"), ("w", "X", "1"), ("U", "X", "-X/beta")),
                ),
            ),
        ),
        reason="{w, X} must be δ/β. As printed it fails the Jacobi identity, has the wrong unit, "
        "and contradicts the equations of motion that follow it.",
    ),
    Claim(
        "evolution.14",
        printed=r"-h\frac{dw^i}{dt} = \frac{k}{\beta} \frac{\partial H}{\partial X_i} \qquad "
        r"-h\frac{dX_i}{dt} = -\frac{k}{\beta} \frac{\partial H}{\partial w^i} + "
        r"\frac{k X_i}{\beta} \frac{\partial H}{\partial U}",
        states=(
            "-h*rate(w_i) = k/beta*partial(H, X_i)",
            "-h*rate(X_i) = -k/beta*partial(H, w_i) + k*X_i/beta*partial(H, U)",
        ),
    ),
    Claim(
        "evolution.15",
        printed=r"-h\frac{dU}{dt} = k \frac{\partial H}{\partial \beta} - \frac{k}{\beta} \sum_j "
        r"X_j \frac{\partial H}{\partial X_j} \qquad -h\frac{d\beta}{dt} = -k\frac{\partial H}"
        r"{\partial U}",
        states=(
            "-h*rate(U) = k*partial(H, beta) - k/beta*sum(X*partial(H, X))",
            "-h*rate(beta) = -k*partial(H, U)",
        ),
    ),
    Claim(
        "evolution.16",
        sentence="a more streamlined derivation based on the properties of Poisson brackets is "
        "provided in the Appendix",
        verdict=Verdict.NOT_CHECKABLE,
        reason="The text of version 0.1.0 has no appendix; the derivation is carried out in "
        "evolution.13 (third route).",
    ),
    # ------------------------------------------------------------------------------- integration
    Claim(
        "integration.1",
        printed=r"h\beta \frac{dX_i}{dt} + h\frac{d\beta}{dt} X_i = h \frac{d}{dt}(\beta X_i) = "
        r"k\frac{\partial H}{\partial w^i}",
        states=("h*beta*rate(X_i) + h*rate(beta)*X_i = h*rate(beta*X_i) = k*partial(H, w_i)",),
    ),
    Claim(
        "integration.2",
        printed=r"\beta(t) \mathbf{X}(t) = \beta(t-\tau) \mathbf{X}(t-\tau) - \int_{t-\tau}^{t} "
        r"\mathbf{F}(t') dt'",
        states=("beta(t)*X_i(t) = beta(t - tau)*X_i(t - tau) - integral(force_i, s, t - tau, t)",),
        on=STANDARD,
        where={"force": "-beta(s)*c**2/h*G"},
        steps=(
            Case(
                "for every H: the derivative of both sides by t",
                ("rate(beta*X_i) = -F_i",),
                ARBITRARY,
                {"F": "-k/h*partial(H, w)"},
            ),
        ),
        remark="Written out for a constant gradient, for which the step is exact.",
    ),
    Claim(
        "integration.3",
        printed=r"F_i = -\frac{k}{h}\frac{\partial H}{\partial w^i}",
        states=("F_i = -k/h*partial(H, w_i)",),
        where={"F": "-rate(beta*X)"},
        remark="F is taken from integration.2, as minus the rate of βX.",
    ),
    Claim(
        "integration.4",
        printed=r"\mathbf{w}(t) = \mathbf{w}(t-\tau) - \int_{t-\tau}^t \mathbf{v}(t')dt'",
        states=("w_i(t) = w_i(t - tau) - integral(X_i(t)/h, s, t - tau, t)",),
        on=STANDARD,
        steps=(
            Case(
                "for every H: the derivative of both sides by t",
                ("rate(w_i) = -v_i",),
                ARBITRARY,
                {"v": "k/(h*beta)*partial(H, X)"},
            ),
        ),
        remark="Written out for the drift of one step, during which X rests.",
    ),
    Claim(
        "integration.5",
        printed=r"v^i = \frac{k}{h\beta} \frac{\partial H}{\partial X_i}",
        states=("v_i = k/(h*beta)*partial(H, X_i)",),
        where={"v": "-rate(w)"},
    ),
    Claim(
        "integration.6",
        sentence="Large values of β slow down learning, while small values accelerate it.",
        states=("at(dot(v, v), beta, 2*beta) < dot(v, v)",),
        on=STANDARD,
        where={"v": "-rate(w)"},
        verdict=Verdict.ASSUMING,
        assuming=Case(
            "a kinetic energy of degree less than one in β at fixed X, such as the paper's "
            "relativistic one",
            on=RELATIVISTIC,
        ),
        steps=(
            Case(
                "in the paper's own Hamiltonian β drops out of the motion of (w, X): only the "
                "cooling rate γ = β̇/β is left",
                ("rate(w_i) = -X_i/h", "rate(X_i) = c**2/h*G_i - gamma*X_i"),
            ),
        ),
        survivors="β cancels, so that it does not matter what is put in its place, and the two "
        "sides are equal, so that neither is the smaller one.",
        reason="In H = βX²/2k + βc²L/k + E every term that moves (w, X) has the factor β, and it "
        "cancels: doubling β changes nothing. What slows down is cooling, β̇/β.",
    ),
    # ------------------------------------------------------------------------------- application
    Claim(
        "application.1",
        printed=r"V = \frac{\beta c^2}{k} L",
        sentence="c² with units of square energy is introduced just to ensure that L remains "
        "dimensionless",
        states=("V = beta*c**2/k*L",),
        where={"V": "H - beta/(2*k)*dot(X, X)"},
        on=CONSTANT,
        remark="V is an energy for a dimensionless L. That it resembles the gravitational "
        "potential (the same mass in front of inertia and force) is why the mass drops out.",
    ),
    Claim(
        "application.2",
        printed=r"K = \frac{1}{2} \sum_{ij} M^{ij} Y_i Y_j = \frac{\beta}{2k}\sum_{ij} g^{ij}X_i "
        r"X_j = \frac{\beta}{2k} \mathbf{X}^2",
        states=(
            "1/2*(M11*Y1**2 + 2*M12*Y1*Y2 + M22*Y2**2) = "
            "beta/(2*k)*(g11*X1**2 + 2*g12*X1*X2 + g22*X2**2)",
        ),
        on=ARBITRARY.having(dim=2),
        where={"Y1": "beta*X1", "Y2": "beta*X2"},
        verdict=Verdict.ASSUMING,
        assuming=Case(
            "the mass tensor depends on the temperature, M = g/(kβ): then M is no constant while g "
            "is",
            where={"M11": "g11/(k*beta)", "M12": "g12/(k*beta)", "M22": "g22/(k*beta)"},
        ),
        steps=(
            Case(
                "with a constant M the kinetic energy would go with β², and so would ∂K/∂β at "
                "fixed X, hence U̇",
                ("beta*partial(K, beta) = 2*K",),
                ARBITRARY.having(dim=2, where={"K": "m/2*(beta**2*X1**2 + beta**2*X2**2)"}),
            ),
        ),
        reason="Y = βX gives ½MYY = β²MXX/2, which is βgXX/2k only if M = g/(kβ).",
    ),
    Claim(
        "application.3",
        printed=r"H = \frac{\beta}{2k} \mathbf{X}^2 + \frac{\beta c^2}{k} L + E(U, \beta)",
        defines=("H = beta/(2*k)*dot(X, X) + beta*c**2/k*L + E",),
        verdict=Verdict.NOT_CHECKABLE,
        reason="A definition; every term is an energy.",
    ),
    Claim(
        "application.4",
        sentence="Where E is a function of the temperature, enabling us to specify an arbitrary "
        "thermal profile.",
        states=("rate(beta) != 0",),
        on=ARBITRARY.having(hamiltonian=QUADRATIC + " + e*log(beta)"),
        verdict=Verdict.ASSUMING,
        assuming=Case(
            "E depends on U too: E = (h/k) f(β, t) U gives β̇ = f(β, t), here a parabola",
            ("rate(beta) = rise + rise2*t",),
            ARBITRARY.having(hamiltonian=QUADRATIC + " + h/k*(rise + rise2*t)*U"),
        ),
        survivors="β is constant there, as c is.",
        reason="A function of the temperature alone, E(β), has ∂E/∂U = 0 and leaves β constant: "
        "the profile comes from the dependence on U.",
    ),
    Claim(
        "application.5",
        printed=r"v^i = \frac{k}{h\beta} \frac{\partial H}{\partial X_i} = \frac{1}{h} X^i \qquad "
        r"X^i = \sum_{ij} g^{ij}X_j",
        states=(
            "v1 = k/(h*beta)*partial(H, X1) = 1/h*raised1",
            "raised1 = g11*X1 + g12*X2 + g12*X1 + g22*X2",
        ),
        correct=(
            "v1 = k/(h*beta)*partial(H, X1) = 1/h*raised1",
            "raised1 = g11*X1 + g12*X2",
        ),
        corrected=r"X^i = \sum_{j} g^{ij} X_j",
        on=ARBITRARY.having(
            dim=2,
            hamiltonian="beta/(2*k)*(g11*X1**2 + 2*g12*X1*X2 + g22*X2**2) + beta*c**2/k*L",
            where={"v1": "-rate(w1)", "raised1": "h*v1"},
        ),
        verdict=Verdict.CORRECTED,
        reason="The sum runs over j alone; i is the free index.",
    ),
    Claim(
        "application.6",
        printed=r"\mathbf{w}(t) \approx \mathbf{w}(t-\tau) - \frac{\tau}{h} \mathbf{X}(t)",
        sentence="Applying an Euler discretization",
        states=("w_i(t) = w_i(t - tau) - tau/h*X_i(t)",),
        on=STANDARD,
        steps=(
            Case(
                "with the new momenta X(t) areas shrink by exactly e^(−γτ), for every loss",
                ("area(new(w_i), new(X_j)) = mu*delta_ij",),
                USER,
            ),
        ),
        remark="It is the symplectic Euler scheme, because the new momenta are used: the exact "
        "flow of the kinetic part. The explicit Euler method would have X(t − τ).",
        pictures=("area", "energy"),
    ),
    Claim(
        "application.7",
        printed=r"F_i = -\frac{\beta c^2}{h} \frac{\partial L}{\partial w^i}",
        states=("F_i = -beta*c**2/h*G_i",),
        on=STANDARD,
        where={"F": "-rate(beta*X)"},
    ),
    Claim(
        "application.8",
        printed=r"\mathbf{I}(t) = -\int_{t-\tau}^t\mathbf{F}(t') dt' = \frac{c^2}{h} \nabla L "
        r"\int_{t-\tau}^t \beta(t')dt'",
        states=(
            "integral(beta*c**2/h*kappa*w_at(s), s, 0, tau) = "
            "c**2/h*kappa*w_at(0)*integral(beta, s, 0, tau)",
        ),
        on=ARBITRARY.having(functions=_w_at),
        example={"kappa": "1", "beta": "1", "tau": "1", "w0": "1", "x0": "1", "h": "1", "c": "1"},
        verdict=Verdict.ASSUMING,
        assuming=Case(
            "the weights rest during the step, so that the gradient is frozen (the kick of the "
            "Lie–Trotter splitting); in general the error is of order τ²",
            (
                "beta(t)*X_i(t) - beta(t - tau)*X_i(t - tau) = "
                "c**2/h*G_i*integral(beta(s), s, t - tau, t)",
            ),
            STANDARD,
        ),
        steps=(
            Case(
                "L = κw²/2 at constant β is a harmonic oscillator of frequency c√κ/h, whose motion "
                "w_at is",
                ("rate(rate(w1)) = -kappa*c**2/h**2*w1",),
                ARBITRARY.having(dim=1, hamiltonian="beta/(2*k)*X1**2 + beta*c**2/k*kappa*w1**2/2"),
            ),
            Case(
                "the two sides differ by O(τ²)",
                ("taylor(integral(w_at(s), s, 0, tau) - tau*w_at(0), tau, 1) = 0",),
            ),
        ),
        survivors="The integrand is constant, so that its variable does not matter.",
        reason="∇L depends on w(t'), which moves during the step; it may be taken out of the "
        "integral only if it is frozen.",
    ),
    Claim(
        "application.9",
        printed=r"\mathbf{X}(t) = \frac{\beta(t-\tau)}{\beta(t)} \mathbf{X}(t-\tau) + \frac{c^2}{h}"
        r" \left( \frac{1}{\beta(t)} \int_{t-\tau}^t \beta(t') dt'\right ) \nabla L",
        states=(
            "X_i(t) = beta(t - tau)/beta(t)*X_i(t - tau) + "
            "c**2/h*(1/beta(t)*integral(beta(s), s, t - tau, t))*G_i",
        ),
        on=STANDARD,
        steps=(
            Case(
                "for a power law, β̇ = gβ²",
                on=ARBITRARY.having(hamiltonian=QUADRATIC + " + h/k*g*beta**2*U"),
            ),
            Case(
                "for a profile that is given in time, β̇ = a + bt",
                on=ARBITRARY.having(hamiltonian=QUADRATIC + " + h/k*(a + b*t)*U"),
            ),
            Case(
                "for linear cooling with a source, β̇ = γ(β + b)",
                on=ARBITRARY.having(hamiltonian=QUADRATIC + " + h*gamma/k*(beta + b)*U"),
            ),
        ),
        remark="With the frozen gradient of application.8. The bracket is τ times the average of "
        "the thermal mass over the step, divided by its last value.",
    ),
    Claim(
        "application.10",
        printed=r"\beta(t) = \beta",
        sentence="If we assume a constant temperature, that is, a constant thermal mass",
        states=("rate(beta) = 0", "beta(t) = beta0"),
        on=CONSTANT,
        survivors="β is constant there, as c is, and at every time.",
    ),
    Claim(
        "application.11",
        printed=r"\mathbf{I}(t) = \frac{\beta c^2}{h} \nabla L \int_{t-\tau}^t dt' = "
        r"\frac{\tau c^2}{h}\beta \nabla L",
        states=("I_i = beta0*c**2/h*G_i*integral(1, s, t - tau, t) = tau*c**2/h*beta0*G_i",),
        where={"I": "beta(t)*X(t) - beta(t - tau)*X(t - tau)"},
        on=CONSTANT,
        survivors="The integrand is constant, so that its variable does not matter.",
    ),
    Claim(
        "application.12",
        sentence="We obtain a constant momentum that depends on the step size",
        states=("X_i(t) = X_i(t - tau)",),
        correct=("X_i(t) - X_i(t - tau) = tau*c**2/h*G_i",),
        on=CONSTANT,
        verdict=Verdict.CORRECTED,
        reason="It is the impulse (the change of the momentum) that is proportional to the step, "
        "and it is constant only where the gradient is. The momentum grows.",
    ),
    Claim(
        "application.13",
        sentence="the update rule will be a historical accumulation of the loss function",
        states=("X_i(t) = X_i(t - tau) + tau*c**2/h*L",),
        correct=("X_i(t) = X_i(t - tau) + tau*c**2/h*G_i",),
        on=CONSTANT,
        verdict=Verdict.CORRECTED,
        reason="What is accumulated is the gradient of the loss.",
    ),
    Claim(
        "application.14",
        printed=r"\mathbf{X}(t) = \mathbf{X}(t-\tau) + \frac{\tau c^2}{h} \nabla L",
        states=("X_i(t) = X_i(t - tau) + tau*c**2/h*G_i",),
        on=CONSTANT,
    ),
    Claim(
        "application.15",
        printed=r"\begin{aligned} \mathbf{X}(t) = \mathbf{X}(t-\tau) + \zeta \nabla L \\ "
        r"\mathbf{w}(t) \approx \mathbf{w}(t-\tau) - \eta \mathbf{X}(t) \end{aligned}",
        states=("new(X_i) = X_i + zeta*G_i", "new(w_i) = w_i - eta*new(X_i)"),
        on=ACCUMULATION,
        remark="With η = τ/h and ζ = τc²/h.",
    ),
    Claim(
        "application.16",
        sentence="Under a suitable reparameterization, we recover the standard gradient descent or "
        "SGD update rule",
        states=("new(w_i) = w_i - eta*zeta*G_i",),
        on=ACCUMULATION,
        verdict=Verdict.REFUTED,
        steps=(
            Case(
                "areas in (w, X) are preserved, for every loss: no trajectories can come together "
                "in a minimum, while gradient descent converges for small η",
                ("area(new(w_i), new(X_j)) = delta_ij",),
            ),
        ),
        repair=Case(
            "the limit γτ → ∞ at a fixed impulse, where cooling forgets all but the last gradient "
            "(catalogue entry gradient_descent)",
            ("new(w_i) = w_i - lr*gain*G_i",),
            ARBITRARY.having(catalog="gradient_descent"),
            {"gain": sp.S.One},  # c**2/(h*gamma), an energy, is bound to 1 in that entry
        ),
        reason="The rule sums up all gradients and forgets none: it is momentum without friction "
        "(μ = 1), oscillates for ever around a minimum, and is not w ← w − η∇L.",
        pictures=("accumulation",),
    ),
    Claim(
        "application.17",
        printed=r"H = \frac{\beta}{2k} \mathbf{X}^2 + \frac{\lambda}{2} \mathbf{w}^2 + V",
        defines=("H = beta/(2*k)*dot(X, X) + lam/2*dot(w, w) + V",),
        verdict=Verdict.NOT_CHECKABLE,
        reason="A definition; λ is an energy, while the decay that is added to ∇L is a number.",
    ),
    Claim(
        "application.18",
        printed=r"F_i' = \lambda w_i",
        states=("added_i = lam*w_i",),
        correct=("added_i = -k/h*lam*w_i",),
        corrected=r"F_i' = -\frac{k}{h} \lambda w_i",
        on=ARBITRARY.having(hamiltonian=QUADRATIC + " + lam/2*dot(w, w)"),
        where={"added": "-rate(beta*X) + beta*c**2/h*G"},
        verdict=Verdict.CORRECTED,
        balanced=False,
        reason="By the paper's own definition F = −(k/h)∂H/∂w the term is −(k/h)λw: sign and "
        "factor are missing.",
    ),
    Claim(
        "application.19",
        sentence="The generalized force now includes a term consistent with that used in gradient "
        "descent with weight decay, which proposes adding a term λw to the loss gradient.",
        states=("rate(decay) = 0",),
        on=ARBITRARY.having(hamiltonian=f"{QUADRATIC} + lam/2*dot(w, w) + {COOLING}"),
        where={"decay": "k*lam/(beta*c**2)"},
        verdict=Verdict.ASSUMING,
        assuming=Case(
            "a constant temperature",
            on=ARBITRARY.having(hamiltonian=QUADRATIC + " + lam/2*dot(w, w)"),
        ),
        steps=(
            Case(
                "what is added to the gradient is kλ/(βc²) w",
                ("rate(X_i) = c**2/h*(G_i + decay*w_i) - gamma*X_i",),
            ),
            Case(
                "so that under cooling it fades as 1/β, that is e^(−γt)",
                ("rate(decay) = -gamma*decay",),
            ),
        ),
        repair=Case(
            "the factor β/k in front, as for the loss: H = … + βλw²/2k (catalogue entry "
            "weight_decay; the printed one is fading_weight_decay)",
            ("rate(X_i) = c**2/h*(G_i + lam2/c**2*w_i) - gamma*X_i",),
            ARBITRARY.having(hamiltonian=f"{QUADRATIC} + beta/k*lam2/2*dot(w, w) + {COOLING}"),
        ),
        survivors="Under the assumption the coefficient is a constant, as h is.",
        reason="The loss is weighted by β and the harmonic term is not: relative to the loss it "
        "fades while the system cools, and the regularisation switches itself off.",
    ),
    Claim(
        "application.20",
        printed=r"\beta(t) = \beta e^{\gamma t}",
        states=("beta(t) = beta0*exp(gamma*t)", "rate(beta) = gamma*beta"),
        on=STANDARD,
        remark="It follows from E = (hγ/k)βU. On the right, β stands for its value at time 0.",
    ),
    Claim(
        "application.21",
        printed=r"\mathbf{I}(t) = \frac{\beta c^2}{h} \nabla L \int_{t-\tau}^t e^{\gamma t'} dt' = "
        r"\frac{c^2}{h} \frac{1-e^{-\gamma \tau}}{\gamma} \beta e^{\gamma t}",
        states=(
            "I_i = beta0*c**2/h*G_i*integral(exp(gamma*s), s, t - tau, t) = "
            "c**2/h*(1 - exp(-gamma*tau))/gamma*beta0*exp(gamma*t)",
        ),
        correct=(
            "I_i = beta0*c**2/h*G_i*integral(exp(gamma*s), s, t - tau, t) = "
            "c**2/h*(1 - exp(-gamma*tau))/gamma*beta0*exp(gamma*t)*G_i",
        ),
        corrected=r"\mathbf{I}(t) = \frac{c^2}{h} \frac{1-e^{-\gamma \tau}}{\gamma} \beta "
        r"e^{\gamma t} \nabla L",
        where={"I": "beta(t)*X(t) - beta(t - tau)*X(t - tau)"},
        on=STANDARD,
        verdict=Verdict.CORRECTED,
        reason="The factor ∇L is lost in the last expression; the integral itself is right.",
    ),
    Claim(
        "application.22",
        printed=r"\mathbf{X}(t) = e^{-\gamma \tau} \mathbf{X}(t-\tau) + \frac{1-e^{-\gamma \tau}}"
        r"{\gamma} \frac{c^2}{h} \nabla L",
        states=("X_i(t) = exp(-gamma*tau)*X_i(t - tau) + (1 - exp(-gamma*tau))/gamma*c**2/h*G_i",),
        on=STANDARD,
    ),
    Claim(
        "application.23",
        sentence="the momentum will be an exponential moving average of the loss gradient",
        states=("X_i(t) = exp(-gamma*tau)*X_i(t - tau) + (1 - exp(-gamma*tau))*G_i",),
        correct=(
            "X_i(t) = exp(-gamma*tau)*X_i(t - tau) + (1 - exp(-gamma*tau))*(c**2/(h*gamma)*G_i)",
        ),
        on=STANDARD,
        verdict=Verdict.CORRECTED,
        balanced=False,
        reason="It is the average of ζ∇L with ζ = c²/(hγ), which is ∇L itself only for c² = hγ "
        "(and an energy, while ∇L is a number).",
    ),
    Claim(
        "application.24",
        printed=r"\begin{aligned} \mathbf{X}(t) = \mu \mathbf{X}(t-\tau) + (1-\mu) \zeta \nabla L "
        r"\\ \mathbf{w}(t) = \mathbf{w}(t-\tau) - \eta \mathbf{X}(t) \end{aligned}",
        states=("new(X_i) = mu*X_i + (1 - mu)*zeta*G_i", "new(w_i) = w_i - eta*new(X_i)"),
        on=USER,
        remark="With μ = e^(−γτ), ζ = c²/(hγ), η = τ/h. The second line is printed with ≈ in "
        "application.15.",
    ),
    Claim(
        "application.25",
        sentence="the system reduces to the gradient descent algorithm with momentum and friction",
        states=("new(w_i) - w_i = mu*step_i - eps*G_i",),
        where={"step": "-eta*X", "eps": "eta*(1 - mu)*zeta"},
        on=USER,
        remark="Polyak's heavy ball, v ← μv − ε∇L and w ← w + v, with v = −ηX and ε = η(1 − μ)ζ.",
    ),
    Claim(
        "application.26",
        printed=r"H = \sqrt{\mathbf{X}^2 + \frac{k^2}{\beta^2}} + V + E(U, \beta)",
        defines=("H = sqrt(dot(X, X) + k**2/beta**2) + V + E",),
        verdict=Verdict.NOT_CHECKABLE,
        reason="A definition; every term is an energy. Unlike all other terms the kinetic one has "
        "no factor β (see application.35).",
    ),
    Claim(
        "application.27",
        printed=r"\sqrt{\mathbf{X}^2+\frac{k^2}{\beta^2}} = \frac{k^2}{\beta^2} "
        r"\sqrt{\frac{\beta^2}{k^2}\mathbf{X}^2 + 1} \approx \frac{k}{\beta} + \frac{\beta}{2k}"
        r"\mathbf{X}^2 - \frac{\beta^3 (\mathbf{X}^2)^2}{8k^3} + \cdots",
        states=(
            "sqrt(r + k**2/beta**2) = k**2/beta**2*sqrt(beta**2/k**2*r + 1)",
            "taylor(sqrt(r + k**2/beta**2), r, 2) = k/beta + beta/(2*k)*r - beta**3*r**2/(8*k**3)",
        ),
        correct=(
            "sqrt(r + k**2/beta**2) = k/beta*sqrt(beta**2/k**2*r + 1)",
            "taylor(sqrt(r + k**2/beta**2), r, 2) = k/beta + beta/(2*k)*r - beta**3*r**2/(8*k**3)",
        ),
        corrected=r"\sqrt{\mathbf{X}^2+\frac{k^2}{\beta^2}} = \frac{k}{\beta} "
        r"\sqrt{\frac{\beta^2}{k^2}\mathbf{X}^2 + 1}",
        verdict=Verdict.CORRECTED,
        balanced=False,
        remark="r stands for X².",
        reason="The factor before the second root is k/β, not its square. The series is right.",
    ),
    Claim(
        "application.28",
        sentence="This Hamiltonian is a generalization of the previous one, since for small "
        "momenta |X| ≪ k/β the kinetic energy can be approximated",
        states=("limit((sqrt(r + k**2/beta**2) - k/beta)/(beta/(2*k)*r), r, 0) = 1",),
        steps=(
            Case(
                "at a fixed momentum, however, the ratio of the two kinetic energies goes to zero "
                "as the system cools",
                ("limit((sqrt(r + k**2/beta**2) - k/beta)/(beta/(2*k)*r), beta, oo) = 0",),
            ),
        ),
        remark="Under cooling k/β → 0, so that no momentum stays small: the quadratic Hamiltonian "
        "is the limit only at constant temperature. Of degree one, the generalisation lasts.",
    ),
    Claim(
        "application.29",
        sentence="The first term, kT, corresponds to a rest energy",
        states=("at(sqrt(r + k**2/beta**2), r, 0) = k*T",),
        where={"T": "1/beta"},
        steps=(
            Case(
                "it is no constant: it contributes k²/(hβ²) to U̇ at rest",
                ("at(rate(U), square, 0) = k**2/(h*beta**2) - c**2*L/h - gamma*U",),
                RELATIVISTIC,
                {"square": "dot(X, X)"},
            ),
        ),
    ),
    Claim(
        "application.30",
        sentence="recent work on physics-inspired optimizers has shown that retaining higher-order "
        "terms in the series can enhance optimization",
        verdict=Verdict.NOT_CHECKABLE,
        reason="An empirical statement about experiments.",
    ),
    Claim(
        "application.31",
        printed=r"v^i = \frac{k}{h\beta} \frac{\partial H}{\partial X_i} = \frac{k}{h\beta} "
        r"\frac{X^i}{\sqrt{\mathbf{X}^2 + k^2/\beta^2}} = \frac{1}{h} "
        r"\frac{X^i}{\sqrt{\beta^2\mathbf{X}^2/k^2 + 1}}",
        states=(
            "v_i = k/(h*beta)*partial(H, X_i) = "
            "k/(h*beta)*X_i/sqrt(dot(X, X) + k**2/beta**2) = "
            "1/h*X_i/sqrt(beta**2*dot(X, X)/k**2 + 1)",
        ),
        where={"v": "-rate(w)"},
        on=RELATIVISTIC,
    ),
    Claim(
        "application.32",
        printed=r"\mathbf{w}(t) = \mathbf{w}(t-\tau) - \eta \frac{\mathbf{X}}"
        r"{\sqrt{\mathbf{X}^2 + k^2/\beta^2}}",
        states=("w_i(t) = w_i(t - tau) - eta*X_i(t)/sqrt(norm2 + k**2/beta0**2)",),
        where={"eta": "k*tau/(h*beta0)", "norm2": "sum(X(t)*X(t))"},
        on=RELATIVISTIC_CONSTANT,
        remark="η is a pure number here, kτ/(hβ), while the η of application.15 is τ/h.",
    ),
    Claim(
        "application.33",
        sentence="If we consider β(t) = β to be constant, we recover the relativistic gradient "
        "descent",
        states=("X_i(t) = mu*X_i(t - tau) + eps*G_i",),
        where={"eps": "tau*c**2/h"},
        example={"mu": "1/2"},
        on=RELATIVISTIC_CONSTANT,
        verdict=Verdict.REFUTED,
        repair=Case(
            "a kinetic energy of degree one in β, with exponential cooling (catalogue entry "
            "relativistic_degree_one): both lines of the method of França et al.",
            (
                "new(X_i) = mu*X_i + (1 - mu)*zeta*G_i",
                "new(w_i) = w_i - eta*a*new(X_i)/sqrt(sum(new(X)*new(X)) + q**2)",
            ),
            DEGREE_ONE,
        ),
        reason="The method of França et al. has friction, p ← μp − ε∇f with μ = e^(−γτ) < 1. "
        "Constant β means μ = 1; friction needs cooling, and under cooling the printed kinetic "
        "energy stops the motion (application.34).",
        remark="The weights move as printed (application.32); the momenta do not.",
    ),
    Claim(
        "application.34",
        sentence="However, considering β(t) = βe^(γt), we observe that v → 0 rapidly and the "
        "system ceases to learn.",
        states=(
            "dot(v, v) < (k/(h*beta))**2",
            "limit(k/(h*beta(t)), t, oo) = 0",
            "integral(k/(h*beta(s)), s, t, oo) = k/(h*gamma*beta(t))",
        ),
        on=RELATIVISTIC,
        where={"v": "-rate(w)"},
        survivors="The limit is zero, with any constant in front.",
        remark="The speed is below k/(hβ), whatever the loss; from time t on the weights move by "
        "less than k/(hγβ(t)) altogether.",
        pictures=("stopping",),
    ),
    Claim(
        "application.35",
        sentence="This is not an error in the theory; rather, it is due to the fact that we are "
        "working under a classical approximation in which the potential is considered decoupled "
        "from the metric tensor.",
        states=("limit(dot(v, v), beta, oo) = 0",),
        on=DEGREE_ONE,
        where={"v": "-rate(w)"},
        verdict=Verdict.REFUTED,
        repair=Case(
            "it is due to the missing factor β in the kinetic term: of degree one in β, and with "
            "the same decoupled potential, the speed does not depend on β at all",
            ("v_i = a/h*X_i/sqrt(dot(X, X) + q**2)", "partial(v_i, beta) = 0"),
        ),
        survivors="The speed does not depend on β, so that its limit is itself, whatever β or the "
        "limit are replaced by; w, v_j and c do not depend on β either.",
        reason="The potential of relativistic_degree_one is just as decoupled from the metric, and "
        "the system goes on learning. The cause is that √(X² + k²/β²) is not of degree one in β.",
        pictures=("stopping",),
    ),
    Claim(
        "application.36",
        sentence="by embedding the potential into the metric tensor, one recovers adaptive "
        "momentum-based optimizers such as Adam and, as a specific case, the RMSProp optimizer. "
        "Verifying this correspondence explicitly … remains as future work.",
        states=(
            "new(X_i) = beta1*(1 - beta1**(n - 1))/(1 - beta1**n)*X_i + "
            "(1 - beta1)/(1 - beta1**n)*G_i",
            "new(w_i) = w_i - step_i",
        ),
        on=ARBITRARY.having(catalog="adam"),
        where={
            "second": "beta2*(1 - beta2**(n - 1))/(1 - beta2**n)*memory + "
            "(1 - beta2)/(1 - beta2**n)*G**2",
            "step": "lr*new(X)/(sqrt(second) + eps)",
        },
        balanced=None,
        remark="Verified: the engine derives Adam, both bias corrections included. But the metric "
        "is a memory of squared gradients, a state of its own; no H(w, X, β, U, t) has it, so that "
        "the whole is Hamiltonian only at a given memory.",
    ),
    # -------------------------------------------------------------------------------- conclusion
    Claim(
        "conclusion.1",
        sentence="a Hamiltonian framework can recover the majority of current optimization "
        "algorithms",
        verdict=Verdict.NOT_CHECKABLE,
        reason="No list of current algorithms is given to count against. The catalogue of this "
        "engine derives those that it names; Nesterov's method (another point for the gradient), "
        "VRAdam (a velocity with curl) and every adaptive metric are not Hamiltonian as they are.",
    ),
    Claim(
        "conclusion.2",
        sentence="The loss function acts as a metric distance between system configurations.",
        states=("(w1 - w3)**2/2 <= (w1 - w2)**2/2 + (w2 - w3)**2/2",),
        on=ARBITRARY.having(dim=3),
        example={"w1": "0", "w2": "1", "w3": "2"},
        verdict=Verdict.REFUTED,
        repair=Case(
            "√(2L), the distance itself, obeys it",
            ("abs(w1 - w3) <= abs(w1 - w2) + abs(w2 - w3)",),
        ),
        survivors="Turned round the inequality is refuted as well, by a w₂ far away.",
        reason="A loss is a function of one configuration; read as a distance to the best one, "
        "L = (w − w*)²/2 breaks the triangle inequality.",
    ),
    Claim(
        "conclusion.3",
        sentence="Temperature dictates the effective mass, weighting the importance of these "
        "distances.",
        states=("Y_i = -h*beta*rate(w_i)", "rate(Y_i) = beta*c**2/h*G_i"),
        on=STANDARD,
        remark="The canonical momentum Y is mass hβ times velocity. But the same β multiplies the "
        "force, so that the mass drops out of the motion (integration.6).",
    ),
    Claim(
        "conclusion.4",
        sentence="Phase space convergence is guaranteed by the evolution of internal energy.",
        states=("rate(U) <= 0",),
        on=STANDARD,
        example={"L": "0", "U": "0", "gamma": "1"},
        verdict=Verdict.REFUTED,
        steps=(
            Case(
                "U changes at a rate of either sign",
                ("rate(U) = dot(X, X)/(2*h) - c**2*L/h - gamma*U",),
            ),
            Case(
                "at constant β, U evolves as well, and nothing converges: X²/2 + c²L is conserved",
                ("rate(dot(X, X)/2 + c**2*L) = 0",),
                CONSTANT,
            ),
        ),
        repair=Case(
            "what falls, for γ > 0, is X²/2 + c²L: it is bounded below with the loss, so that the "
            "momenta die out",
            ("rate(dot(X, X)/2 + c**2*L) = -gamma*dot(X, X)",),
        ),
        survivors="Turned round it is refuted as well: the rate has both signs.",
        reason="U is no Lyapunov function: its rate has both signs. What guarantees convergence is "
        "cooling, β̇ > 0, through X²/2 + c²L.",
        pictures=("internal_energy",),
    ),
    Claim(
        "conclusion.5",
        sentence="potentially leading to more stable and faster convergence in complex loss "
        "landscapes",
        verdict=Verdict.NOT_CHECKABLE,
        reason="A hope, not an assertion.",
    ),
)

# ---------------------------------------------------------------------------------------- pictures
# Every trajectory is that of a generated optimizer, on the loss that the caption names.


def _trajectory(
    setting: Setting,
    start: Sequence[float],
    steps: int,
    gradient: Callable[[Floats], Floats],
    loss: Callable[[Floats], float] = lambda w: 0.0,
    momenta: Sequence[float] | None = None,
    *,
    rates: Mapping[str, float],
) -> list[tuple[Floats, Floats, float]]:
    """(w, X, U) before the first step and after each one."""
    assert setting.hamiltonian is not None
    spec = Spec.from_expression(setting.hamiltonian, reparams=setting.reparam)
    optimizer = load(spec.replace(with_energy=setting.with_energy), target="numpy")
    w = np.array(start, dtype=np.float64)
    run: Any = optimizer([w], **rates)
    state = run.state_dict()
    if momenta is not None:
        state["buffers"]["X"] = [np.array(momenta, dtype=np.float64)]
        run.load_state_dict(state)
    path = [(w.copy(), run.state_dict()["buffers"]["X"][0].copy(), 0.0)]
    for _ in range(steps):
        if setting.with_energy:
            run.step([gradient(w)], loss=loss(w))
        else:
            run.step([gradient(w)])
        state = run.state_dict()
        path.append((w.copy(), state["buffers"]["X"][0].copy(), state["scalars"].get("U", 0.0)))
    return path


def _curve(x: Iterable[float], y: Iterable[float], label: str = "", closed: bool = False) -> Curve:
    return Curve(tuple(map(float, x)), tuple(map(float, y)), label, closed)


def draw_orbits() -> tuple[Panel, ...]:
    """w₁ against w₂ on (w₁² + 2w₂²)/2, without and with cooling."""
    slopes = np.array([1.0, 2.0])
    panels = []
    for title, setting, rates in (
        ("constant β: the orbit never closes", CONSTANT, {"tau": 0.05}),
        ("cooling, β̇ = γβ: it ends in the minimum", STANDARD, {"tau": 0.05, "gamma": 0.12}),
    ):
        path = _trajectory(setting, (1.0, 1.0), 900, lambda w: slopes * w, rates=rates)
        w = np.array([p[0] for p in path])
        panels.append(Panel(title, "w₁", "w₂", (_curve(w[:, 0], w[:, 1]),)))
    return tuple(panels)


def draw_accumulation() -> tuple[Panel, ...]:
    """|w| by step on w²/2: the rule of the text, gradient descent, momentum."""
    curves = [_curve(range(81), [0.91**n for n in range(81)], "gradient descent")]
    for label, setting, rates in (
        ('the paper\'s "SGD"', CONSTANT, {"tau": 0.3}),
        ("momentum", STANDARD, {"tau": 0.3, "gamma": 1.2}),
    ):
        path = _trajectory(setting, (1.0,), 80, lambda w: w, rates=rates)
        curves.append(_curve(range(81), [max(abs(p[0][0]), 1e-6) for p in path], label))
    return (Panel("distance to the minimum of w²/2", "step", "|w|", tuple(curves), log_y=True),)


def draw_internal_energy() -> tuple[Panel, ...]:
    """U(t) and X²/2 + c²L on (w² − 1)²/4, under cooling."""
    setting = STANDARD.having(with_energy=True)
    path = _trajectory(
        setting,
        (1.8,),
        300,
        lambda w: w * (w**2 - 1),
        lambda w: float((w[0] ** 2 - 1) ** 2 / 4),
        rates={"tau": 0.05, "gamma": 0.3},
    )
    time = [0.05 * n for n in range(301)]
    energy = [p[1][0] ** 2 / 2 + (p[0][0] ** 2 - 1) ** 2 / 4 for p in path]
    return (
        Panel(
            "internal energy: no Lyapunov function", "t", "U", (_curve(time, [p[2] for p in path]),)
        ),
        Panel("what does fall", "t", "X²/2 + c²L", (_curve(time, energy),)),
    )


def draw_area() -> tuple[Panel, ...]:
    """An ensemble in (w, X) carried along by the step, on the loss 1 − cos w."""
    angles = np.linspace(0, 2 * np.pi, 121)
    w, x = 1.2 + 0.45 * np.cos(angles), 0.45 * np.sin(angles)
    rates = {"tau": 0.2, "gamma": 0.25}
    path = _trajectory(STANDARD, tuple(w), 32, np.sin, momenta=tuple(x), rates=rates)
    curves = []
    first = _area(path[0][0], path[0][1])
    for n in (0, 8, 16, 32):
        now = _area(path[n][0], path[n][1]) / first
        curves.append(_curve(path[n][0], path[n][1], f"{n} steps: area × {now:.4f}", closed=True))
    return (Panel("areas shrink by e^(−γτ) per step (0.9512)", "w", "X", tuple(curves)),)


def _area(x: Floats, y: Floats) -> float:
    return float(abs(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1])) / 2)


def draw_energy() -> tuple[Panel, ...]:
    """X²/2 + L on 1 − cos w at constant β: the scheme of the text and the explicit Euler method."""
    steps, tau = 400, 0.1
    path = _trajectory(CONSTANT, (1.0,), steps, np.sin, rates={"tau": tau})
    paper = [p[1][0] ** 2 / 2 + 1 - math.cos(p[0][0]) for p in path]
    w, x, euler = 1.0, 0.0, []
    for _ in range(steps + 1):
        euler.append(x * x / 2 + 1 - math.cos(w))
        w, x = w - tau * x, x + tau * math.sin(w)
    curves = (
        _curve(range(steps + 1), paper, "with the new momenta (the paper)"),
        _curve(range(steps + 1), [min(e, 2.0) for e in euler], "explicit Euler"),
    )
    return (Panel("conserved energy at constant β", "step", "X²/2 + c²L", curves),)


def draw_stopping() -> tuple[Panel, ...]:
    """w(t) on w²/2 from w = 10 with a bounded speed, under cooling."""
    curves = []
    degree_one = ARBITRARY.having(hamiltonian=f"beta/k*(sqrt(dot(X, X) + 1) + c**2*L) + {COOLING}")
    for label, setting in (("as printed", RELATIVISTIC), ("of degree one in β", degree_one)):
        rates = {"tau": 0.1, "gamma": 0.3}
        path = _trajectory(setting, (10.0,), 400, lambda w: w, rates=rates)
        curves.append(_curve([0.1 * n for n in range(401)], [p[0][0] for p in path], label))
    return (Panel("relativistic kinetic energy under cooling", "t", "w", tuple(curves)),)


PICTURES = (
    Picture(
        "orbits",
        "The weights on the loss (w₁² + 2w₂²)/2, frequencies in the ratio √2. Both runs are in the "
        "coordinates (U, w, β, X) with the coupling Y = βX: the coupling alone closes nothing and "
        "damps nothing, cooling does.",
        draw_orbits,
    ),
    Picture(
        "accumulation",
        "The rule of application.15 (η = 0.3, ζ = 0.3) oscillates for ever; gradient descent with "
        "the same ηζ and momentum with μ = e^(−γτ) = 0.70 converge.",
        draw_accumulation,
    ),
    Picture(
        "internal_energy",
        "On the loss (w² − 1)²/4 from w = 1.8 at rest, γ = 0.3: U falls and rises, while "
        "X²/2 + c²L falls as long as anything moves.",
        draw_internal_energy,
    ),
    Picture(
        "area",
        "An ensemble of 120 states under the paper's step (γ = 0.25, τ = 0.2, loss 1 − cos w). "
        "Whatever its shape, its area is multiplied by e^(−γτ) in every step.",
        draw_area,
    ),
    Picture(
        "energy",
        "Loss 1 − cos w, τ = 0.1, no cooling. With the new momenta in the drift the step is "
        "symplectic and the energy stays near its value; the explicit Euler method gains energy "
        "(cut at 2).",
        draw_energy,
    ),
    Picture(
        "stopping",
        "Loss w²/2, γ = 0.3. With √(X² + k²/β²) the speed limit k/(hβ) falls as the system cools "
        "and the weights stop on the way; with β√(X² + q²)/k they arrive.",
        draw_stopping,
    ),
)

SOURCE = Source(
    name="learning_dynamics",
    title="Learning Dynamics",
    reference="E. Hermosis, Learning Dynamics, version 0.1.0 (2025), doi:10.5281/zenodo.18071681",
    notes="Transcribed from the text of version 0.1.0.",
    claims=CLAIMS,
    pictures=PICTURES,
    quoted=True,
    errata=True,
    dimensions={
        "U": "energy",
        "S": "information",
        "beta": "information/energy",
        "beta0": "information/energy",
        "b": "information/energy",
        "w": "1",
        "w0": "1",
        "X": "energy",
        "x0": "energy",
        "Y": "information",
        "L": "1",
        "G": "1",
        "H": "energy",
        "V": "energy",
        "E": "energy",
        "e": "energy",
        "h": "energy*time",
        "k": "information",
        "c": "energy",
        "t": "time",
        "tau": "time",
        "gamma": "1/time",
        "lam": "energy",
        "lam0": "1",
        "decay": "energy",
        "lam2": "energy**2",
        "theta": "information",
        "dS": "information",
        "Omega": "information",
        "determinant": "1",
        "g11": "1",
        "g12": "1",
        "g22": "1",
        "M11": "energy/information**2",
        "M12": "energy/information**2",
        "M22": "energy/information**2",
        "m": "energy/information**2",
        "w_at": "1",
        "eta": "1/energy",
        "lr": "1/energy",
        "m0": "information**2/energy",
        "rise": "information/(energy*time)",
        "rise2": "information/(energy*time**2)",
        "a1": "energy",
        "a2": "energy",
        "mu": "1",
        "zeta": "energy",
        "gain": "energy",
        "kappa": "1",
        "r": "energy**2",
        "q": "energy",
        "a": "energy",
    },
)

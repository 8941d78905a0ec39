"""Seeded separable Hamiltonians, and an integration of their motion that shares no code."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import sympy as sp
from scipy.integrate import solve_ivp

from symplectic_codegen.algebra.explicit import Coordinates, instantiate
from symplectic_codegen.algebra.symbols import U, beta, h, k, t
from symplectic_codegen.geometry.explicit import (
    exterior_derivative,
    poisson_tensor,
    thermodynamic_chart,
)

KINETIC = (
    "beta/(2*k)*dot(X, X)",
    "dot(X, X)/2",
    "beta**2*dot(X, X)/3",
    "sqrt(dot(X, X) + k**2/beta**2)",
    "beta*s*sqrt(dot(X, X) + s**2)",
    "beta*sum(sqrt(X**2 + s**2))",
    "sum(sqrt(X**2 + k**2/beta**2))",
    "beta*log(1 + dot(X, X))/2",
    "beta*sum(log(1 + X**2))",
    "beta*(dot(X, X) + 1)**(3/4)",
    "beta*sum((1 + X**4)**(1/2))",
    "beta*sum(cosh(X))",
    "beta*(dot(X, X)/2 + s*sum(X**4)/4)",
    "beta*(1 + t)*dot(X, X)/2",
    "beta*exp(-t/3)*sum(cosh(X))",
    "norm(X)**3*beta/3",
    "dot(Y, Y)/(2*beta)",
    "sum(sqrt(Y**2 + beta**2))",
    "beta*sum(X*atan(X))",
    "beta*sum(X*erf(X) + exp(-X**2)/sqrt(3))",
)
POTENTIAL = (
    "beta*c**2/k*L",
    "L",
    "beta**2*L",
    "sqrt(beta)*L",
    "beta*L + lam/2*dot(w, w)",
    "beta*(L + lam/2*dot(w, w))",
    "beta*L + lam*beta*sum(cos(w))",
    "beta*(1 + t)*L",
    "beta*exp(-t)*L + lam*dot(w, w)",
    "(beta + b)*L",
    "beta*L/(1 + t)",
    "beta*t**2*L + beta*L",
    "beta*L + lam*sum(log(1 + w**2))",
    "beta*L + lam*sum(sqrt(1 + w**2)) + lam*beta**2*dot(w, w)",
)
THERMAL = (
    "",
    "gamma*beta*U",
    "h*gamma/k*beta*U",
    "gamma*(beta + b)*U",
    "gamma*beta**(2/3)*U",
    "gamma*beta**2*U",
    "gamma*sqrt(beta)*U",
    "gamma*beta/(1 + t)*U",
    "gamma*U",
    "gamma*beta*(1 - beta/9)*U",
    "gamma*beta*U + gamma*beta**3",
    "gamma*beta*t*U",
    "gamma*U/(1 + t)",
    "gamma*exp(-t)*beta*U",
    "-gamma*beta*U",
    "gamma*beta*U + gamma*beta*log(beta)",
)

VALUES: Mapping[str, float] = {
    "U0": 0.0,
    "gamma": 0.7,
    "s": 1.3,
    "lam": 0.6,
    "b": 0.8,
    "h": 1.1,
    "k": 0.9,
    "c": 1.2,
    "beta0": 1.4,
}


def hamiltonian_text(seed: int) -> str:
    """A kinetic, a potential and a thermal term, drawn independently."""
    draw = random.Random(seed)
    parts = (draw.choice(KINETIC), draw.choice(POTENTIAL), draw.choice(THERMAL))
    return " + ".join(part for part in parts if part).replace("+ -", "- ")


def loss_of(w1: sp.Expr, w2: sp.Expr) -> sp.Expr:
    """Not quadratic, bounded force, no symmetry between the weights."""
    return sp.cos(w1 + w2 / 2) + w1**2 / 3 + w1 * w2 / 5 + w2**2 / 2


@dataclass(frozen=True)
class Motion:
    """The motion of H for two weights and the loss of `loss_of`, from X = 0 and U = 0."""

    right_hand_side: Callable[..., list[float]]
    loss: Callable[[float, float], float]
    gradient: Callable[[float, float], list[float]]

    def at(
        self,
        time: float,
        w0: np.ndarray,
        beta0: float,
        X0: tuple[float, float] = (0.0, 0.0),
        U0: float = 0.0,
        start: float = 0.0,
    ) -> np.ndarray:
        """(U, w1, w2, beta, X1, X2) at `time`."""
        state = [U0, *w0, beta0, *X0]
        solution = solve_ivp(
            lambda moment, z: self.right_hand_side(moment, *z),
            (start, time),
            state,
            method="DOP853",
            rtol=1e-12,
            atol=1e-13,
        )
        assert solution.success, solution.message
        return np.asarray(solution.y[:, -1])


def motion(H: sp.Expr, values: Mapping[str, float], coupling: sp.Expr | None = None) -> Motion:
    """-h dz/dt = k {z, H} with the explicit Poisson tensor: no symbolic d anywhere."""
    chart, theta = thermodynamic_chart(2, coupling)
    tensor = poisson_tensor(exterior_derivative(theta))
    w1, w2 = Coordinates(2).w
    loss = loss_of(w1, w2)
    explicit = instantiate(H, Coordinates(2), loss=loss)
    field = tensor.hamiltonian_vector_field(explicit)
    numbers = {
        s: sp.Float(values[s.name], 30)
        for s in (explicit.free_symbols | {h, k})
        if s.name in values
    }
    velocity = [(-k / h * field[z]).subs(numbers) for z in chart.coordinates]
    assert chart.coordinates[0] == U
    assert chart.coordinates[3] == beta
    return Motion(
        sp.lambdify((t, *chart.coordinates), velocity, "numpy"),
        sp.lambdify((w1, w2), loss, "math"),
        sp.lambdify((w1, w2), [sp.diff(loss, w1), sp.diff(loss, w2)], "math"),
    )

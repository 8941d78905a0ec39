"""Seeded separable Hamiltonians, and an integration of their motion that shares no code."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import sympy as sp
from scipy.integrate import solve_ivp

from symplectic_codegen.algebra.explicit import Coordinates, instantiate
from symplectic_codegen.algebra.memory import Memory
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

# What a step may consist of beyond three separable parts: kinetic energies that depend on the place
# or on a memory of the gradients, feedback, a dilation, friction.
RICHER_KINETIC = (
    "beta/(2*k)*dot(X, X)",
    "beta*sum(sqrt(X**2 + s**2))",
    "beta*log(1 + dot(X, X))/2",
    "beta/2*sum(X**2/(s + sqrt(ema(G**2, lam))))",
    "beta/2*sum(X**2*exp(w/3))",
    "beta/2*sum(X**2/(1 + w**2))",
    "beta*sum(X**2*w)/4",
)
FEEDBACK = (
    "",
    "beta*U**2/(2*s)",
    "beta*U**2/(2*s) + beta*log(beta)*lam",
    "gamma*beta*U",
    "gamma*beta*sqrt(1 + U**2)",
    "gamma*beta*log(1 + U**2)",
)
DILATION = ("", "lam*beta*dot(X, w)", "h*lam/k*beta*dot(X, w)", "-lam*beta*dot(X, w)")
FRICTION = (None, "b*X", "b*X/sqrt(1 + dot(X, X))", "b*X*sqrt(s + X**2)", "b*X/(1 + w**2)")

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


def richer_hamiltonian(seed: int) -> tuple[str, str | None]:
    """A Hamiltonian with parts that are not separable, and friction beside it."""
    draw = random.Random(seed)
    parts = [draw.choice(some) for some in (RICHER_KINETIC, POTENTIAL[:6], FEEDBACK, DILATION)]
    text = " + ".join(part for part in parts if part).replace("+ -", "- ")
    return text, draw.choice(FRICTION)


def loss_of(w1: sp.Expr, w2: sp.Expr) -> sp.Expr:
    """Not quadratic, bounded force, no symmetry between the weights."""
    return sp.cos(w1 + w2 / 2) + w1**2 / 3 + w1 * w2 / 5 + w2**2 / 2


@dataclass(frozen=True)
class Motion:
    """The motion of H for two weights and the loss of `loss_of`, from X = 0 and U = 0."""

    right_hand_side: Callable[..., list[float]]
    memories: int  # states beyond the phase space
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
        """(U, w1, w2, beta, X1, X2) and the memories at `time`."""
        state = [U0, *w0, beta0, *X0, *[0.0] * self.memories]
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


def motion(
    H: sp.Expr,
    values: Mapping[str, float],
    coupling: sp.Expr | None = None,
    friction: sp.Expr | None = None,
) -> Motion:
    """-h dz/dt = k {z, H} with the explicit Poisson tensor: no symbolic d anywhere.

    Friction is taken from dX/dt; a memory s of G**2 at the rate nu has ds/dt = nu (G**2 - s).
    """
    at = Coordinates(2)
    chart, theta = thermodynamic_chart(2, coupling)
    tensor = poisson_tensor(exterior_derivative(theta))
    loss = loss_of(*at.w)
    explicit = instantiate(H, at, loss=loss)
    field = tensor.hamiltonian_vector_field(explicit)
    velocity = {z: -k / h * field[z] for z in chart.coordinates}
    for i, x in enumerate(at.X if friction is not None else ()):
        velocity[x] -= instantiate(friction, at, i, loss=loss)
    for memory in sorted(H.atoms(Memory), key=str):
        for i in range(2):
            place = instantiate(memory, at, i)
            source = instantiate(memory.source, at, i, loss=loss)
            velocity[place] = memory.rate * (source - place)
    free = {s for v in velocity.values() for s in v.free_symbols}
    numbers = {s: sp.Float(values[s.name], 30) for s in free if s.name in values}
    assert chart.coordinates[0] == U
    assert chart.coordinates[3] == beta
    return Motion(
        sp.lambdify((t, *velocity), [v.subs(numbers) for v in velocity.values()], "numpy"),
        len(velocity) - len(chart.coordinates),
        sp.lambdify(at.w, loss, "math"),
        sp.lambdify(at.w, [sp.diff(loss, q) for q in at.w], "math"),
    )

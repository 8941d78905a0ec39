"""The symbols of the thermodynamic phase space; one place for each.

Scalars are ordinary SymPy symbols. A vector (w, X, Y, the loss gradient G) is stood for by its
*generic component*, a `Component`: the expression ``X**2`` reads "the vector whose i-th entry is
X_i squared". Sums over components are `symplectic_codegen.algebra.vector.Total`.
"""

from __future__ import annotations

from typing import Any

import sympy as sp


class Component(sp.Symbol):
    """The generic component of a vector of symbolic dimension d.

    >>> Component("X", real=True).is_real
    True
    """

    __slots__ = ()

    def __new__(cls, name: str, **assumptions: Any) -> Component:
        assumptions.setdefault("real", True)
        return super().__new__(cls, name, **assumptions)


U = sp.Symbol("U", real=True)  # internal energy
beta = sp.Symbol("beta", positive=True)  # thermal parameter, 1/temperature
t = sp.Symbol("t", nonnegative=True)  # learning time
tau = sp.Symbol("tau", positive=True)  # one step of it
h = sp.Symbol("h", positive=True)  # unit of action
k = sp.Symbol("k", positive=True)  # unit of information
c = sp.Symbol("c", positive=True)  # c**2 is a unit of energy squared
L = sp.Symbol("L", real=True)  # the loss at w; its w-derivative is G
L0 = sp.Symbol("L0", real=True)  # the loss before the first step: a constant of the run
d = sp.Symbol("d", positive=True, integer=True)  # number of weights
START = sp.Symbol("s", nonnegative=True)  # time at the start of a step
beta0 = sp.Symbol("beta0", positive=True)  # thermal parameter at t = 0
U0 = sp.Symbol("U0", real=True)  # internal energy at t = 0

w = Component("w")  # weights
X = Component("X")  # energy moments
Y = Component("Y")  # entropic moments: the canonical momentum of w
G = Component("G")  # gradient of the loss at w

SCALARS: tuple[sp.Symbol, ...] = (U, beta, t, tau, h, k, c, L, L0, d, beta0, U0)
VECTORS: tuple[Component, ...] = (w, X, Y, G)
UNITS: tuple[sp.Symbol, ...] = (h, k, c)

"""The stationary variance under additive gradient noise, exact at every step size.

With gradients G = lambda w + xi, where the errors xi are independent with variance sigma**2, the
step is z -> M z + b xi + s eta, with the noise s eta of the rule itself if it has any, and the
covariance S of z = (X, w) settles where S = M S M^T + sigma**2 b b^T + s s^T.
"""

from __future__ import annotations

from dataclasses import dataclass

import sympy as sp

from symplectic_codegen.algebra.display import Formula, Printable
from symplectic_codegen.analysis.linear_step import LinearStep, single_call
from symplectic_codegen.analysis.linearisation import solve_linear
from symplectic_codegen.analysis.parameters import NOISE
from symplectic_codegen.errors import AnalysisError


@dataclass(frozen=True)
class Fluctuation(Printable):
    """The stationary covariance on a quadratic, in the stable region.

    Args:
        weights: Var w.
        momenta: Var X.
        mixed: Cov(X, w).
    """

    weights: sp.Expr
    momenta: sp.Expr
    mixed: sp.Expr

    def formulas(self) -> tuple[Formula, ...]:
        """The three entries."""
        return (
            Formula.equation("Var w", r"\operatorname{Var} w", self.weights),
            Formula.equation("Var X", r"\operatorname{Var} X", self.momenta),
            Formula.equation("Cov(X, w)", r"\operatorname{Cov}(X, w)", self.mixed),
        )


def fluctuation(step: LinearStep) -> Fluctuation:
    """The stationary covariance of a constant step.

    Raises:
        AnalysisError: the noise accumulates for ever.

    >>> from symplectic_codegen import catalog
    >>> from symplectic_codegen.analysis.linear_step import linear_step
    >>> from symplectic_codegen.driver import derive
    >>> print(fluctuation(linear_step(derive(catalog.load("gradient_descent")))).formulas()[0])
    Var w = lr·σ²/((2 − λ·lr)·λ)
    """
    single_call(step)
    M, b, own = step.matrix, step.noise, step.shaking
    xx, xw, ww = sp.symbols("xx xw ww")
    S = sp.Matrix([[xx, xw], [xw, ww]])
    defect = M * S * M.T + NOISE**2 * b * b.T + own * own.T - S
    solution = solve_linear([defect[0, 0], defect[0, 1], defect[1, 1]], [xx, xw, ww])
    if solution is None:
        raise AnalysisError("there is no stationary state: nothing damps what the noise puts in")
    momenta, mixed, weights = solution
    return Fluctuation(weights, momenta, mixed)

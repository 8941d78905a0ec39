"""Rung 1b: trajectories on quadratics in closed form.

On L = lambda/2 w**2 a rule that is linear in z = (X, w) is a matrix per eigenvalue: z -> M z. By
Cayley and Hamilton M**2 = T M - D, with T the trace and D the determinant, hence by induction

    M**N = s_N M - D s_(N-1),    s_(N+1) = T s_N - D s_(N-1),    s_0 = 0, s_1 = 1,

and s_N = (r1**N - r2**N)/(r1 - r2) with the roots r1, r2 of r**2 - T r + D, or N r1**(N-1) where
they meet. The same number is the polynomial sum over j of (-D)**j binom(N-1-j, j) T**(N-1-2j):
in rational hyperparameters the whole trajectory is known without any rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from math import comb
from typing import Any

import sympy as sp

from symplectic_codegen.algebra.symbols import START, Component
from symplectic_codegen.analysis.linear_step import LinearStep, linear_step
from symplectic_codegen.analysis.parameters import CURVATURE, reading_of
from symplectic_codegen.rule.interpreter import (
    EXACT,
    MPMATH,
    Elementwise,
    initial_state,
    interpret,
)
from symplectic_codegen.validation.evaluation import MP, TIME, name_of, rational, value_of
from symplectic_codegen.validation.identity import difference, needed_parameters
from symplectic_codegen.validation.problem import EIGENVALUES, START_W
from symplectic_codegen.validation.report import Rung, judged
from symplectic_codegen.validation.trajectory import AGREEMENT, Trajectory

NAME = "closed form on a quadratic"
Pair = tuple[Any, Any]
Matrix = tuple[tuple[Any, Any], tuple[Any, Any]]


def chebyshev(T: Any, D: Any, N: int, one: Any) -> Any:
    """s_N as a polynomial in trace and determinant.

    >>> [chebyshev(3, 1, N, 1) for N in range(5)]
    [0, 1, 3, 8, 21]
    """
    total = 0 * one
    for j in range((N + 1) // 2):
        total += (-1) ** j * comb(N - 1 - j, j) * D**j * T ** (N - 1 - 2 * j)
    return total


def check_closed_form(trajectory: Trajectory) -> Rung:
    """The rule and the 50-digit trajectory follow the closed form, exactly where possible.

    Args:
        trajectory: on the quadratic.
    """
    step = linear_step(trajectory.derivation)
    if step is None:
        return Rung(
            NAME,
            "not applicable",
            "the rule is not linear in (X, w), so its trajectory on a quadratic is no matrix "
            "power; the 50-digit trajectory is the oracle",
        )
    exact = _is_rational_step(step.matrix)
    numbers, one = (EXACT, Fraction(1)) if exact else (MPMATH, MP.mpf(1))
    predicted = _predict(step, trajectory, one)
    followed = _follow(trajectory, numbers)
    errors = [
        difference(
            {"w": tuple(_real(pair[1]) for pair in row)},
            {"w": tuple(_real(x) for x in weights)},
        )
        for row, weights in zip(predicted, followed, strict=True)
    ]
    is_equal = [tuple(p[1] for p in row) for row in predicted] == followed
    against = max(
        difference(
            {"w": tuple(_real(p[1]) for p in row), "X": tuple(_real(p[0]) for p in row)}, state
        )
        for row, state in zip(predicted, trajectory.states[1:], strict=True)
    )
    what, agrees = _kind(step, trajectory, predicted)
    bound = rational(AGREEMENT, MP)
    ok = agrees and against <= bound and (is_equal if exact else max(errors) <= bound)
    how = (
        f"exact rationals, {'error 0' if is_equal else f'error {MP.nstr(max(errors), 2)}'}"
        if exact
        else f"error {MP.nstr(max(errors), 2)}, bound 1e-40"
    )
    return judged(
        NAME,
        ok,
        f"{what}: {how}; 50-digit trajectory within {MP.nstr(against, 2)}; "
        f"{trajectory.steps} steps, {len(EIGENVALUES)} eigenvalues",
    )


def _kind(
    step: LinearStep, trajectory: Trajectory, predicted: list[list[Pair]]
) -> tuple[str, bool]:
    """What was compared with; for a power, whether the formula in the roots gives the same."""
    if not step.is_constant:
        return "product of matrices, no closed form", True
    N = trajectory.steps
    worst = MP.mpf(0)
    for eigenvalue, start, pair in zip(EIGENVALUES, START_W, predicted[-1], strict=True):
        M = _at(step.matrix, trajectory, eigenvalue, 1, MP.mpf(1))
        T, D = M[0][0] + M[1][1], M[0][0] * M[1][1] - M[0][1] * M[1][0]
        s, s_before = _in_roots(T, D, N), _in_roots(T, D, N - 1)
        z = (
            s * M[0][1] * rational(start, MP),
            (s * M[1][1] - D * s_before) * rational(start, MP),
        )
        worst = max(worst, *(abs(a - _real(b)) for a, b in zip(z, pair, strict=True)))
    return (
        "M**N = s_N M - det(M) s_(N-1), s_N = (r1**N - r2**N)/(r1 - r2)",
        bool(worst <= rational(AGREEMENT, MP)),
    )


def _in_roots(T: Any, D: Any, N: int) -> Any:
    """s_N from the eigenvalues."""
    root = MP.sqrt(T * T - 4 * D)  # complex where the motion oscillates
    if abs(root) < MP.mpf(10) ** -20:
        # Divided difference of nearly equal roots: the Taylor series of the polynomial instead.
        return chebyshev(T, D, N, MP.mpf(1))
    r1, r2 = (T + root) / 2, (T - root) / 2
    return (r1**N - r2**N) / root


def _predict(step: LinearStep, trajectory: Trajectory, one: Any) -> list[list[Pair]]:
    """(X, w) of each eigenvalue after each step, by power or by product."""
    rows: list[list[Pair]] = []
    zs: list[Pair] = [(0 * one, one * _in(start, one)) for start in START_W]
    starts = list(zs)
    for number in range(1, trajectory.steps + 1):
        row = []
        for i, eigenvalue in enumerate(EIGENVALUES):
            M = _at(step.matrix, trajectory, eigenvalue, number, one)
            if step.is_constant:
                T, D = M[0][0] + M[1][1], M[0][0] * M[1][1] - M[0][1] * M[1][0]
                s, last = (chebyshev(T, D, m, one) for m in (number, number - 1))
                X0, w0 = starts[i]
                z = (
                    (s * M[0][0] - D * last) * X0 + s * M[0][1] * w0,
                    s * M[1][0] * X0 + (s * M[1][1] - D * last) * w0,
                )
            else:
                X0, w0 = zs[i]
                z = (M[0][0] * X0 + M[0][1] * w0, M[1][0] * X0 + M[1][1] * w0)
            row.append(z)
        zs = row
        rows.append(row)
    return rows


def _follow(trajectory: Trajectory, numbers: Elementwise) -> list[tuple[Any, ...]]:
    """The weights after each step of the rule itself."""
    rule = trajectory.rule
    used = needed_parameters(rule, trajectory.point)
    weights = numbers.vector(START_W)
    state = initial_state(rule, used, len(START_W), numbers)
    curvature = numbers.vector(EIGENVALUES)
    rows = []
    for _ in range(trajectory.steps):
        G = tuple(a * b for a, b in zip(curvature, weights, strict=True))
        # With the energy: the value of the loss, in the same arithmetic.
        loss = sum((a * b for a, b in zip(G, weights, strict=True)), numbers.scalar(0)) / 2
        state, weights = interpret(rule, used, state, weights, G, loss, numbers)
        rows.append(weights)
    return rows


def _in(value: Fraction, one: Any) -> Any:
    return value if isinstance(one, Fraction) else rational(value, MP)


def _real(value: Any) -> Any:
    return rational(value, MP) if isinstance(value, Fraction) else value


def _at(
    matrix: sp.Matrix, trajectory: Trajectory, eigenvalue: Fraction, number: int, one: Any
) -> Matrix:
    """The matrix at a point."""
    renamed = reading_of(trajectory.derivation).renamed
    if isinstance(one, Fraction):
        env: dict[str, Any] = {**trajectory.point, "n": Fraction(number)}
        env |= {name_of(new): env[name_of(old)] for old, new in renamed.items()}
        env[name_of(CURVATURE)] = eigenvalue
        read: Callable[[sp.Expr], Any] = lambda e: fraction_of(e, env)  # noqa: E731
    else:
        env = {**trajectory.parameters, "n": MP.mpf(number)}
        env |= {name_of(new): env[name_of(old)] for old, new in renamed.items()}
        env[TIME] = (number - 1) * trajectory.step_size
        env[name_of(CURVATURE)] = rational(eigenvalue, MP)
        read = lambda e: value_of(e, env, MP)  # noqa: E731
    (a, b), (c, d) = matrix.tolist()
    return (read(a), read(b)), (read(c), read(d))


def _is_rational_step(matrix: sp.Matrix) -> bool:
    """Whether fractions are enough: the four operations, whole powers, and powers by n."""
    for node in sp.preorder_traversal(matrix):
        if isinstance(node, Component) or node in (START,):
            return False
        if isinstance(node, sp.Pow):
            whole = node.exp.is_Integer or node.exp.is_integer
            if not whole:
                return False
        elif isinstance(node, sp.Function):
            return False
    return True


def fraction_of(expr: sp.Expr, env: Mapping[str, Fraction]) -> Fraction:
    """The exact value of a rational expression.

    >>> x = sp.Symbol("x")
    >>> fraction_of((1 - x**3) / (1 - x), {"x": Fraction(1, 2)})
    Fraction(7, 4)
    """
    if isinstance(expr, sp.Symbol):
        return env[name_of(expr)]
    if expr.is_Rational:
        return Fraction(int(expr.p), int(expr.q))
    args = [fraction_of(a, env) for a in expr.args]
    if expr.is_Pow:
        base, exponent = args
        if exponent.denominator != 1:
            raise ValueError(f"{expr} is not rational")
        return Fraction(base**exponent.numerator)
    if expr.is_Add:
        return sum(args, Fraction(0))
    if expr.is_Mul:
        result = Fraction(1)
        for value in args:
            result *= value
        return result
    raise ValueError(f"{expr} is not rational")

"""What the discrete step conserves: H and modified Hamiltonians along an orbit, as a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import mpmath
import sympy as sp

from symplectic_codegen.algebra.explicit import Coordinates, instantiate
from symplectic_codegen.algebra.functions import elementary
from symplectic_codegen.algebra.symbols import L0, START, U, X, beta, tau, w
from symplectic_codegen.analysis.analyze import Analysis
from symplectic_codegen.analysis.modified import modified_hamiltonian
from symplectic_codegen.errors import AnalysisError
from symplectic_codegen.geometry.phase_space import COORDINATES

_WEIGHTS = (sp.Integer(1), sp.Rational(-3, 5))  # where the orbit starts
_MOMENTA = (sp.Rational(1, 5), sp.Rational(1, 10))  # of a velocity that has no value at rest
_STEPS = 400
_DIGITS = 60  # beta may grow by many orders of magnitude, and H is a difference of such terms
_STEP, _RATE, _OTHER = sp.Rational(1, 5), sp.Rational(1, 10), sp.Rational(1, 2)  # generic values
_PALETTE = ("#222222", "#30638e", "#edae49", "#d1495b", "#00798c", "#8f2d56")

Point = list[Any]  # (U, w1, w2, beta, X1, X2), as high-precision numbers


def draw_energies(analysis: Analysis, figure: Any) -> str:
    """|H - H(0)| and the same for modified Hamiltonians along an orbit of the discrete step."""
    derivation, loss = analysis.derivation, analysis.loss
    if loss is None:
        raise AnalysisError(
            'the orbit needs a loss: give one in w, as in --loss "sum(log(cosh(w)))"'
        )
    modified = modified_hamiltonian(derivation, analysis.order, loss)
    if derivation.scheme.fields:
        raise AnalysisError("memory fields are driven by the gradient: no energy is kept")
    coordinates = Coordinates(len(_WEIGHTS))
    written = instantiate(loss, coordinates)
    values = _values(analysis, written, coordinates)
    step, energies = _functions(analysis, modified.terms, written, values, coordinates)
    with mpmath.workdps(_DIGITS):
        rows = _follow(step, energies)
    axes = figure.subplots()
    for n, first in enumerate(rows[0]):
        column = [float(abs(row[n] - first)) for row in rows]
        name = "$H$" if n == 0 else rf"$\tilde H$ through $\tau^{{{n}}}$"
        shown = [value if value > 0 else float("nan") for value in column]
        axes.plot(shown, color=_PALETTE[n % len(_PALETTE)], linewidth=1.1, label=name)
    axes.set_yscale("log")
    axes.set_xlim(0, len(rows))
    axes.set_xlabel(rf"step of $\tau = {float(values[tau]):g}$")
    axes.set_ylabel("distance from its first value")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=9, frameon=False)
    return f"{derivation.spec.title}: what a step conserves"


def _follow(step: Callable[[Point], Point], energies: Callable[[Point], Point]) -> list[Point]:
    """The energies before each step, from rest where the velocity has a value there."""
    for momenta in ((0, 0), _MOMENTA):
        try:
            z = [mpmath.mpf(0), *map(_number, _WEIGHTS), mpmath.mpf(1), *map(_number, momenta)]
            energies(z)
            energies(step(z))
            break
        except ZeroDivisionError:
            continue
    rows = []
    for _ in range(_STEPS):
        try:
            rows.append(energies(z))
            z = step(z)
        except (ZeroDivisionError, OverflowError, ValueError):
            raise AnalysisError("the orbit leaves the domain of H: give a smaller step") from None
        if not all(mpmath.isfinite(e) and not isinstance(e, mpmath.mpc) for e in (*z, *rows[-1])):
            raise AnalysisError("the orbit leaves the numbers: give a smaller step by --set")
    return rows


def _number(value: Any) -> Any:
    return mpmath.mpf(sp.Rational(value).p) / sp.Rational(value).q


def _functions(
    analysis: Analysis,
    terms: tuple[sp.Expr, ...],
    loss: sp.Expr,
    values: Mapping[sp.Symbol, sp.Expr],
    coordinates: Coordinates,
) -> tuple[Callable[[Point], Point], Callable[[Point], Point]]:
    """The discrete step and the partial sums of H~, as functions of a point."""
    order = [U, *coordinates.w, beta, *coordinates.X]
    numbers = {s: v for s, v in values.items() if s not in order} | {START: sp.S.Zero}

    def written(z: sp.Symbol, expr: sp.Expr) -> list[sp.Expr]:
        indices = range(coordinates.dim) if z in (w, X) else [None]
        entries = [instantiate(expr, coordinates, i, loss=loss) for i in indices]
        return [elementary(e).xreplace(numbers) for e in entries]

    flows = []
    for flow in analysis.derivation.scheme.flows:
        image = [e for z in COORDINATES for e in written(z, flow.updates.get(z, z))]
        flows.append(sp.lambdify(order, image, "mpmath"))
    sums = [sp.Add(*(tau**n * t for n, t in enumerate(terms[: m + 1]))) for m in range(len(terms))]
    read = sp.lambdify(order, [written(U, e)[0] for e in sums], "mpmath")

    def step(z: Point) -> Point:
        for move in flows:
            z = move(*z)
        return z

    return step, lambda z: list(read(*z))


def _values(
    analysis: Analysis, loss: sp.Expr, coordinates: Coordinates
) -> dict[sp.Symbol, sp.Expr]:
    """Numbers for physical parameters: from user-facing defaults where these say, else generic.

    Raises:
        AnalysisError: the spec takes a limit in which one of them has no value.
    """
    derivation = analysis.derivation
    spec, physical = derivation.spec, derivation.parameters.physical
    given = {sp.Symbol(r.name, positive=True): r.default for r in spec.reparametrization}
    given = {s: _STEP if value is None else value for s, value in given.items()}
    generic = {tau.name: _STEP, "gamma": _RATE}
    own = {
        p.symbol: generic.get(p.name, _OTHER) if p.default is None else p.default
        for p in spec.hyperparameters
    }
    result = {s: physical[s].subs(given).subs(own) if s in physical else own[s] for s in own}
    if any(v.has(sp.zoo, sp.oo, sp.nan) for v in result.values()):
        raise AnalysisError("the spec takes a limit in which the motion has no finite parameters")
    start = dict(zip(coordinates.w, _WEIGHTS, strict=True))
    others = (loss.free_symbols | derivation.hamiltonian.free_symbols | {tau}) - set(result)
    rest = {s: sp.S.One for s in others if s not in (*COORDINATES, *coordinates.w)}
    result |= {s: value for s, value in rest.items() if not isinstance(s, sp.Dummy)}
    result[L0] = loss.xreplace({**start, **result})
    return {s: sp.N(value, _DIGITS) for s, value in result.items()}

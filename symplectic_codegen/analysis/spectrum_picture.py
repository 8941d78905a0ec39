"""The eigenvalues of a step on the quadratic, as pictures: where it is stable, and their paths."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sympy as sp

from symplectic_codegen.algebra.notation import to_latex
from symplectic_codegen.analysis.analyze import Analysis
from symplectic_codegen.analysis.parameters import CURVATURE, reading_of
from symplectic_codegen.errors import AnalysisError

GREY, INK, ACCENT = "#d9d9d9", "#222222", "#d1495b"
_PALETTE = ("#30638e", "#00798c", "#edae49", ACCENT)
_CONDITIONS = (10, 100)  # ratios of the ends of a spectrum that are marked
_LEVELS = (0.3, 0.5, 0.7, 0.8, 0.9, 0.95)  # rates with a contour
_DAMPINGS = (0.5, 0.8, 0.9, 0.95)  # of the range of the damping, for the paths of eigenvalues
_OUTSIDE = 1.3  # modulus up to which eigenvalues are shown
_MARGIN = 1e-9  # rounding of a spectral radius of one


@dataclass(frozen=True)
class _Plane:
    """Trace and determinant at curvature one, as functions of a step size and a damping.

    Args:
        size: the hyperparameter that is varied as the step size.
        damping: the one that sets the determinant; None if there is none.
        fixed: the numbers of all others.
        power: p, where only size**p times the curvature enters; None if there is no such power.
    """

    size: sp.Symbol
    damping: sp.Symbol | None
    fixed: Mapping[sp.Symbol, sp.Expr]
    power: sp.Rational | None
    trace: Callable[..., Any]
    determinant: Callable[..., Any]

    def radius(self, size: Any, damping: Any) -> Any:
        """The spectral radius."""
        T, D = self.trace(size, damping), self.determinant(size, damping)
        root = np.sqrt(np.asarray(T, dtype=complex) ** 2 - 4 * D)
        return np.maximum(np.abs(T + root), np.abs(T - root)) / 2

    @property
    def label(self) -> str:
        """The axis of step sizes, with what the others are set to."""
        name, notes = to_latex(self.size), [_equation(s, v) for s, v in self.fixed.items()]
        if self.power is None:
            notes.insert(0, r"$\lambda = 1$")
        else:
            power = 1 / self.power
            raised = "" if power == 1 else f"^{{{to_latex(power)}}}"
            name = rf"{name}\,\lambda{raised}"
        return f"${name}$" + (f"   ({', '.join(notes)})" if notes else "")


def draw_stability(analysis: Analysis, figure: Any) -> str:
    """The rate over step size and damping, the exact edges, and the best choice for two spectra."""
    plane, axes = _plane(analysis), figure.subplots()
    axes.set_xlabel(plane.label)
    if plane.damping is None:
        _draw_rate(plane, axes)
        return analysis.derivation.spec.title
    low, high = _range(analysis, plane.damping)
    ys = np.linspace(low, high, 400)
    xs = _reach(plane, ys)
    grid = np.meshgrid(xs, ys)
    rho = plane.radius(*grid)
    stable = np.where(rho < 1 + _MARGIN, rho, np.nan)
    axes.set_facecolor(GREY)
    axes.set_xscale("log")
    mesh = axes.pcolormesh(xs, ys, stable, cmap="viridis_r", vmin=0, vmax=1, rasterized=True)
    axes.contour(xs, ys, stable, levels=_LEVELS, colors="white", linewidths=0.5, alpha=0.8)
    axes.contour(xs, ys, rho, levels=[1.0 + _MARGIN], colors=INK, linewidths=1.4)
    gap = plane.trace(*grid) ** 2 - 4 * plane.determinant(*grid)
    axes.contour(xs, ys, gap, levels=[0.0], colors=ACCENT, linewidths=1.2, linestyles="--")
    if plane.power is not None and analysis.step.gain is not None:
        _mark_spectra(plane, ys, axes)
    axes.set_xlim(xs[0], xs[-1])
    axes.set_ylim(low, high)
    axes.set_ylabel(f"${to_latex(plane.damping)}$")
    bar = figure.colorbar(mesh, ax=axes, label="factor per step (spectral radius)")
    bar.ax.hlines(_LEVELS, 0, 1, colors="white", linewidth=0.8)
    axes.plot([], [], color=INK, label="edge of stability")
    axes.plot([], [], color=ACCENT, linestyle="--", label="critical damping")
    axes.legend(loc="lower left", fontsize=8, framealpha=0.9)
    return analysis.derivation.spec.title


def draw_eigenvalues(analysis: Analysis, figure: Any) -> str:
    """The two eigenvalues in the complex plane as the step size grows, for some dampings."""
    plane, axes = _plane(analysis), figure.subplots()
    circle = np.exp(1j * np.linspace(0, 2 * np.pi, 400))
    axes.plot(circle.real, circle.imag, color=INK, linewidth=1)
    axes.axhline(0, color=GREY, linewidth=0.8, zorder=0)
    axes.axvline(0, color=GREY, linewidth=0.8, zorder=0)
    dampings: list[float] = [0.0]
    if plane.damping is not None:
        low, high = _range(analysis, plane.damping)
        dampings = [low + (high - low) * part for part in _DAMPINGS]
    for color, damping in zip(_PALETTE, dampings, strict=False):
        xs = np.linspace(0, _first(plane, damping, _OUTSIDE), 20001)
        T, D = plane.trace(xs, damping), plane.determinant(xs, damping)
        root = np.sqrt((T**2 - 4 * D).astype(complex))
        inside = plane.radius(xs, damping) <= _OUTSIDE
        for side in (1, -1):
            path = ((T + side * root) / 2)[inside]
            axes.plot(path.real, path.imag, color=color, linewidth=1.6)
        if plane.damping is not None:
            axes.plot([], [], color=color, label=f"${to_latex(plane.damping)} = {damping:.2g}$")
    axes.set_aspect("equal")
    axes.set_xlim(-_OUTSIDE - 0.05, _OUTSIDE + 0.05)
    axes.set_ylim(-1.1, 1.1)
    axes.set_xlabel("real part")
    axes.set_ylabel("imaginary part")
    if plane.damping is not None:
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8, frameon=False)
    return f"{analysis.derivation.spec.title}: eigenvalues as {plane.size.name} grows"


def _draw_rate(plane: _Plane, axes: Any) -> None:
    """One hyperparameter: the rate as a curve."""
    xs = np.linspace(0, _first(plane, 0.0, _OUTSIDE), 2001)[1:]
    rho = plane.radius(xs, 0.0)
    unstable = rho > 1 + _MARGIN
    axes.fill_between(xs, 0, _OUTSIDE, where=unstable, color=GREY, linewidth=0, label="unstable")
    axes.plot(xs, rho, color=INK)
    axes.axhline(1, color=ACCENT, linestyle="--", linewidth=1)
    axes.set_xlim(0, xs[-1])
    axes.set_ylim(0, _OUTSIDE)
    axes.set_ylabel("factor per step (spectral radius)")
    axes.legend(loc="upper left", fontsize=8)


def _mark_spectra(plane: _Plane, ys: Any, axes: Any) -> None:
    """For a spectrum [m, M]: where its ends lie at the best choice, on the two critical curves."""
    ones = np.ones_like(ys)
    root = np.sqrt(np.clip(plane.determinant(ones, ys), 0, None))
    # The trace is 1 + D - B size**power there.
    gain = 1 + root**2 - plane.trace(ones, ys)
    assert plane.power is not None
    for kappa in _CONDITIONS:
        best = (np.sqrt(kappa) - 1) / (np.sqrt(kappa) + 1)
        index = int(np.argmin(np.abs(root - best)))
        if abs(root[index] - best) > 0.02:
            continue
        y = ys[index]
        sides = ((1 - best) ** 2, (1 + best) ** 2)
        ends = [(side / gain[index]) ** (1 / float(plane.power)) for side in sides]
        axes.plot(ends, [y, y], color="white", linewidth=2.6, solid_capstyle="round")
        axes.plot(ends, [y, y], color=ACCENT, linewidth=1.4, marker="o", markersize=4)
        axes.annotate(
            rf"best for $\lambda_{{\max}}/\lambda_{{\min}} = {kappa}$: {best:.3f} per step",
            (np.sqrt(ends[0] * ends[1]), y),
            textcoords="offset points",
            xytext=(0, 5),
            ha="center",
            fontsize=7.5,
            color=INK,
            bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.75},
        )


def _plane(analysis: Analysis) -> _Plane:
    step = analysis.step
    if step.calls > 1:
        raise AnalysisError("a step with several gradients has too long a matrix for a picture")
    sizes, others = analysis.choices
    slope = sp.diff(step.trace, CURVATURE)
    moved = [s for s in (*sizes, *others) if slope.has(s)]
    at_rest = step.determinant.subs(CURVATURE, 0)
    damping = next((s for s in (*others, *sizes) if at_rest.has(s)), None)
    size = next((s for s in moved if s != damping), None)
    if size is None:
        raise AnalysisError("no hyperparameter sets the step size: there is nothing to vary")
    both = (step.trace, step.determinant)
    free = step.matrix.free_symbols - {damping, size, CURVATURE}
    fixed = _defaults(analysis, free)
    unit = {CURVATURE: sp.S.One, **fixed}
    varied = (size, sp.Dummy() if damping is None else damping)
    trace, determinant = (_numeric(e.xreplace(unit), varied) for e in both)
    return _Plane(size, damping, fixed, _power(both, size), trace, determinant)


def _power(invariants: tuple[sp.Expr, ...], size: sp.Symbol) -> sp.Rational | None:
    """p, where the invariants of the matrix depend on size**p times the curvature alone."""
    _, factor = sp.diff(invariants[0], CURVATURE).as_independent(size, as_Add=False)
    base, power = factor.as_base_exp()
    if base != size or not power.is_Rational:
        return None
    scaled = {CURVATURE: CURVATURE / size**power}
    is_free = all(not sp.simplify(e.xreplace(scaled)).has(size) for e in invariants)
    return power if is_free else None


def _defaults(analysis: Analysis, symbols: set[sp.Symbol]) -> dict[sp.Symbol, sp.Expr]:
    """Defaults of the spec for what is not varied; one where there is none."""
    spec, name = analysis.derivation.spec, reading_of(analysis.derivation).name
    known = {name(p.symbol): p.default for p in spec.hyperparameters}
    known |= {name(sp.Symbol(r.name, positive=True)): r.default for r in spec.reparametrization}
    return {
        s: known[s] if known.get(s) is not None else sp.S.One
        for s in sorted(symbols, key=lambda s: str(s.name))
    }


def _equation(symbol: sp.Symbol, value: sp.Expr) -> str:
    return f"${to_latex(symbol)} = {float(value):g}$"


def _range(analysis: Analysis, symbol: sp.Symbol) -> tuple[float, float]:
    bounds = analysis.domain.bounds.get(symbol)
    low = 0.0 if bounds is None or bounds.lower is None else float(bounds.lower)
    high = low + 3.0 if bounds is None or bounds.upper is None else float(bounds.upper)
    margin = 1e-3 * (high - low)
    # A share may be zero; a rate is divided by.
    is_share = bounds is not None and bounds.upper == 1
    return (low if low == 0 and is_share else low + margin), high - margin


def _reach(plane: _Plane, ys: Any) -> Any:
    """Step sizes from well inside the overdamped to beyond the edge of stability."""
    edges = [_first(plane, y, 1 + _MARGIN) for y in ys[len(ys) // 2 :: 8]]
    return np.logspace(np.log10(min(edges) / 300), np.log10(2 * np.quantile(edges, 0.9)), 500)


def _first(plane: _Plane, damping: float, radius: float) -> float:
    """The smallest step size beyond which the spectral radius stays above `radius`."""
    xs = np.geomspace(1e-9, 1e9, 20001)
    inside = np.flatnonzero(plane.radius(xs, damping) <= radius)
    if len(inside) in (0, len(xs)):
        raise AnalysisError("no step size is at the edge of stability: there is nothing to draw")
    return float(xs[min(inside[-1] + 1, len(xs) - 1)])


def _numeric(expr: sp.Expr, symbols: tuple[sp.Symbol, ...]) -> Callable[..., Any]:
    function = sp.lambdify(symbols, expr, "numpy")

    def evaluate(*args: Any) -> Any:
        arrays = np.broadcast_arrays(*(np.asarray(a, dtype=float) for a in args))
        return np.broadcast_to(np.asarray(function(*arrays), dtype=float), arrays[0].shape)

    return evaluate

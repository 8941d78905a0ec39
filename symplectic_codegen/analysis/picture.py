"""Pictures of an analysis. Matplotlib is an optional extra, imported when a picture is drawn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
import sympy as sp

from symplectic_codegen.algebra.explicit import Coordinates, instantiate
from symplectic_codegen.algebra.notation import to_latex
from symplectic_codegen.algebra.symbols import START, U, X, beta, tau, w
from symplectic_codegen.analysis.analyze import Analysis
from symplectic_codegen.analysis.linear_step import LinearStep
from symplectic_codegen.analysis.modified import modified_hamiltonian
from symplectic_codegen.analysis.parameters import CURVATURE, reading_of
from symplectic_codegen.errors import AnalysisError, OutputError, SpecError
from symplectic_codegen.geometry.phase_space import COORDINATES
from symplectic_codegen.language.bounds import Bounds

PICTURES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "stability": "rate of contraction over step size and damping",
        "eigenvalues": "paths of the eigenvalues as the curvature grows",
        "energy": "drift of H and of modified Hamiltonians along an orbit",
    }
)
SUFFIXES: Final = (".png", ".svg", ".pdf")
_DIMENSION = 2  # weights of the orbit in the picture of energies
_CONDITIONS = (10, 100)  # ratios of the ends of a spectrum that are marked
_GREY, _INK, _ACCENT = "#d9d9d9", "#222222", "#d1495b"


def draw(analysis: Analysis, kind: str, path: Path) -> None:
    """Draw one of `PICTURES` into a file; the suffix says in which format.

    Raises:
        SpecError: the kind or the suffix is unknown.
        AnalysisError: there is nothing to draw for this rule.
        OutputError: Matplotlib is not installed, or the file cannot be written.
    """
    if kind not in PICTURES:
        raise SpecError(f"there is no picture {kind!r}; there are {', '.join(PICTURES)}")
    if path.suffix.lower() not in SUFFIXES:
        raise SpecError(f"{path.name}: a picture ends in one of {', '.join(SUFFIXES)}")
    try:
        from matplotlib import rc_context
        from matplotlib.figure import Figure
    except ImportError:
        raise OutputError(
            "a picture needs Matplotlib: pip install 'symplectic-codegen[report]'"
        ) from None
    settings: dict[Any, Any] = {
        "svg.hashsalt": "symplectic-codegen",
        "font.size": 10,
        "axes.titlesize": 11,
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with rc_context(settings):
        figure = Figure(figsize=(7.2, 4.8), layout="constrained")
        painters = {"stability": _stability, "eigenvalues": _eigenvalues, "energy": _energy}
        painters[kind](analysis, figure)
        # No date: the same analysis gives the same file.
        metadata = {"Date": None} if path.suffix.lower() == ".svg" else None
        try:
            figure.savefig(path, dpi=160, metadata=metadata)
        except OSError as error:
            raise OutputError(f"cannot write {path}: {error.strerror or error}") from None


def _stability(analysis: Analysis, figure: Any) -> None:
    """The rate over gain and damping, the exact edges, and the best choice for two spectra."""
    step, axes = analysis.step, figure.subplots()
    if step.gain is None:
        raise AnalysisError("the trace is not linear in the curvature: there is no such picture")
    damping, size = _axes(analysis)
    title = analysis.derivation.spec.title
    if damping is None:
        _rate_over_step(analysis, step, size, axes)
        axes.set_title(title)
        return
    at = _values(analysis, step.matrix.free_symbols - {damping, size, CURVATURE})
    unit = {CURVATURE: sp.S.One} | at
    T, D = (_numeric(e.xreplace(unit), (size, damping)) for e in (step.trace, step.determinant))
    B = _numeric(step.gain.xreplace(unit), (size, damping))
    shift = float(step.shift.xreplace(unit))
    low, high = _range(analysis, damping)
    ys = np.linspace(low, high, 400)
    xs = _reach(B, T, D, ys)
    grid_x, grid_y = np.meshgrid(xs, ys)
    trace, det = T(grid_x, grid_y), D(grid_x, grid_y)
    rho = _spectral_radius(trace, det)
    stable = np.where(rho < 1, rho, np.nan)
    axes.set_facecolor(_GREY)
    axes.set_xscale("log")
    mesh = axes.pcolormesh(xs, ys, stable, cmap="viridis_r", vmin=0, vmax=1, rasterized=True)
    levels = [0.3, 0.5, 0.7, 0.8, 0.9, 0.95]
    axes.contour(xs, ys, stable, levels=levels, colors="white", linewidths=0.5, alpha=0.8)
    axes.contour(xs, ys, rho, levels=[1.0], colors=_INK, linewidths=1.4)
    axes.contour(
        xs, ys, trace**2 - 4 * det, levels=[0.0], colors=_ACCENT, linewidths=1.2, linestyles="--"
    )
    _mark_spectra(axes, B, D, ys, shift)
    axes.set_xlim(xs[0], xs[-1])
    axes.set_ylim(low, high)
    axes.set_xlabel(f"${to_latex(size)}\\,\\lambda$" + _given(at))
    axes.set_ylabel(f"${to_latex(damping)}$")
    axes.set_title(title)
    bar = figure.colorbar(mesh, ax=axes, label="factor per step (spectral radius)")
    bar.ax.hlines(levels, 0, 1, colors="white", linewidth=0.8)
    axes.plot([], [], color=_INK, label="edge of stability")
    axes.plot([], [], color=_ACCENT, linestyle="--", label="critical damping")
    axes.legend(loc="lower left", fontsize=8, framealpha=0.9)


def _mark_spectra(axes: Any, B: Any, D: Any, ys: Any, shift: float) -> None:
    """For a spectrum [m, M]: where its ends lie at the best choice, on the two critical curves."""
    root = np.sqrt(np.clip(D(np.ones_like(ys), ys), 0, None))
    for kappa in _CONDITIONS:
        best = (np.sqrt(kappa) - 1) / (np.sqrt(kappa) + 1)
        index = int(np.argmin(np.abs(root - best)))
        if abs(root[index] - best) > 0.02:
            continue
        y = ys[index]
        # B is linear in the step size: its slope gives the place of each end.
        slope = float(B(1.0, y)) * (1 + shift)
        ends = [(1 - best) ** 2 / slope, (1 + best) ** 2 / slope]
        axes.plot(ends, [y, y], color="white", linewidth=2.6, solid_capstyle="round")
        axes.plot(ends, [y, y], color=_ACCENT, linewidth=1.4, marker="o", markersize=4)
        axes.annotate(
            rf"best for $\lambda_{{\max}}/\lambda_{{\min}} = {kappa}$: {best:.3f} per step",
            (np.sqrt(ends[0] * ends[1]), y),
            textcoords="offset points",
            xytext=(0, 5),
            ha="center",
            fontsize=7.5,
            color=_INK,
            bbox={"boxstyle": "round,pad=0.15", "fc": "white", "ec": "none", "alpha": 0.75},
        )


def _rate_over_step(analysis: Analysis, step: LinearStep, size: sp.Symbol, axes: Any) -> None:
    """One hyperparameter: the rate as a curve."""
    at = _values(analysis, step.matrix.free_symbols - {size, CURVATURE})
    unit = {CURVATURE: sp.S.One} | at
    T, D = (_numeric(e.xreplace(unit), (size,)) for e in (step.trace, step.determinant))
    xs = np.linspace(0, 1, 2001)[1:]
    scale = 1.0
    while _spectral_radius(T(xs * scale), D(xs * scale))[-1] < 1.3 and scale < 1e9:
        scale *= 1.25
    xs = xs * scale
    rho = _spectral_radius(T(xs), D(xs))
    axes.fill_between(xs, 0, 1.3, where=rho >= 1, color=_GREY, linewidth=0, label="unstable")
    axes.plot(xs, rho, color=_INK)
    axes.axhline(1, color=_ACCENT, linestyle="--", linewidth=1)
    axes.set_xlim(0, xs[-1])
    axes.set_ylim(0, 1.3)
    axes.set_xlabel(f"${to_latex(size)}\\,\\lambda$" + _given(at))
    axes.set_ylabel("contraction per step (spectral radius)")
    axes.legend(loc="upper left", fontsize=8)


def _eigenvalues(analysis: Analysis, figure: Any) -> None:
    """The two eigenvalues in the complex plane as step size times curvature grows."""
    step, axes = analysis.step, figure.subplots()
    damping, size = _axes(analysis)
    varied = (0.5, 0.8, 0.9, 0.95) if damping is not None else (None,)
    circle = np.exp(1j * np.linspace(0, 2 * np.pi, 400))
    axes.plot(circle.real, circle.imag, color=_INK, linewidth=1)
    axes.axhline(0, color=_GREY, linewidth=0.8, zorder=0)
    axes.axvline(0, color=_GREY, linewidth=0.8, zorder=0)
    low, high = _range(analysis, damping) if damping is not None else (0.0, 1.0)
    palette = ("#30638e", "#00798c", "#edae49", "#d1495b")
    at = _values(analysis, step.matrix.free_symbols - {damping, size, CURVATURE})
    for color, part in zip(palette, varied, strict=False):
        chosen = dict(at)
        if damping is not None and part is not None:
            chosen[damping] = sp.Float(low + (high - low) * part)
        unit = {CURVATURE: sp.S.One} | chosen
        T, D = (_numeric(e.xreplace(unit), (size,)) for e in (step.trace, step.determinant))
        # The trace falls evenly from 1 + D to where an eigenvalue leaves the picture.
        start, det = T(np.zeros(1))[0], D(np.zeros(1))[0]
        slope = start - T(np.ones(1))[0]
        xs = np.linspace(0, (start + 1.3 + det / 1.3) / slope, 20001)
        trace, det = T(xs), D(xs)
        root = np.sqrt((trace**2 - 4 * det).astype(complex))
        ends = np.stack([(trace + root) / 2, (trace - root) / 2])
        inside = np.abs(ends).max(axis=0) <= 1.3
        label = None
        if damping is not None and part is not None:
            label = f"${to_latex(damping)} = {low + (high - low) * part:.2g}$"
        for number, path in enumerate(ends):
            kept = path[inside]
            axes.plot(
                kept.real,
                kept.imag,
                color=color,
                linewidth=1.6,
                label=label if number == 0 else None,
            )
    axes.set_aspect("equal")
    axes.set_xlim(-1.35, 1.35)
    axes.set_ylim(-1.1, 1.1)
    axes.set_xlabel("real part")
    axes.set_ylabel("imaginary part")
    axes.set_title(
        f"{analysis.derivation.spec.title}: eigenvalues as ${to_latex(size)}\\,\\lambda$ grows"
    )
    if damping is not None:
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=8, frameon=False)


def _energy(analysis: Analysis, figure: Any) -> None:
    """|H - H(0)| and the same for modified Hamiltonians along an orbit of the discrete step."""
    loss = analysis.loss
    if loss is None:
        raise AnalysisError(
            'the orbit needs a loss: give one in w, as in --loss "sum(log(cosh(w)))"'
        )
    derivation, axes = analysis.derivation, figure.subplots()
    modified = modified_hamiltonian(derivation, analysis.order, loss)
    if derivation.scheme.fields:
        raise AnalysisError("memory fields are driven by the gradient: no energy is kept")
    coordinates = Coordinates(_DIMENSION)
    explicit_loss = instantiate(loss, coordinates)
    symbols = {*loss.free_symbols, *derivation.hamiltonian.free_symbols, tau}
    values = _physical_values(analysis, symbols)
    step, energies = _orbit_functions(analysis, modified.terms, explicit_loss, values, coordinates)
    z = np.array([0.0, 1.0, -0.6, float(values.get(beta, 1.0)), 0.2, 0.1])
    rows = []
    steps = 400
    for _ in range(steps):
        rows.append(energies(z))
        z = step(z)
        if not np.all(np.isfinite(z)):
            raise AnalysisError("the orbit leaves the numbers: give a smaller step by --set")
    table = np.abs(np.array(rows) - rows[0])
    size = float(values[tau])
    # The time of a step is the same for all: what is shown is the order of each correction.
    palette = (_INK, "#30638e", "#edae49", _ACCENT, "#00798c", "#8f2d56")
    for n, column in enumerate(table.T):
        name = "$H$" if n == 0 else rf"$\tilde H$ through $\tau^{{{n}}}$"
        shown = np.where(column > 0, column, np.nan)
        axes.plot(
            np.arange(steps), shown, color=palette[n % len(palette)], linewidth=1.1, label=name
        )
    axes.set_yscale("log")
    axes.set_xlim(0, steps)
    axes.set_xlabel(f"step of $\\tau = {size:g}$")
    axes.set_ylabel("distance from its first value")
    axes.set_title(f"{derivation.spec.title}: what a step conserves")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), fontsize=9, frameon=False)


def _orbit_functions(
    analysis: Analysis,
    terms: tuple[sp.Expr, ...],
    loss: sp.Expr,
    values: Mapping[sp.Symbol, sp.Expr],
    coordinates: Coordinates,
) -> tuple[Callable[[Any], Any], Callable[[Any], Any]]:
    """The discrete step on (U, w, beta, X) and the partial sums of H~, as numerical functions."""
    order = [U, *coordinates.w, beta, *coordinates.X]
    numbers = {s: v for s, v in values.items() if s not in order} | {START: sp.S.Zero}

    def written(z: sp.Symbol, expr: sp.Expr) -> list[sp.Expr]:
        indices = range(coordinates.dim) if z in (w, X) else [None]
        return [instantiate(expr, coordinates, i, loss=loss).xreplace(numbers) for i in indices]

    flows = []
    for flow in analysis.derivation.scheme.flows:
        image = [e for z in COORDINATES for e in written(z, flow.updates.get(z, z))]
        flows.append(sp.lambdify(order, image, "numpy"))
    sums = [sp.Add(*(tau**n * t for n, t in enumerate(terms[: m + 1]))) for m in range(len(terms))]
    read = sp.lambdify(order, [written(U, e)[0] for e in sums], "numpy")

    def step(z: Any) -> Any:
        for move in flows:
            z = np.array(move(*z), dtype=float)
        return z

    return step, lambda z: np.array(read(*z), dtype=float)


def _physical_values(analysis: Analysis, symbols: set[sp.Symbol]) -> dict[sp.Symbol, sp.Expr]:
    """Numbers for physical parameters: from user-facing defaults where these say, else generic."""
    derivation = analysis.derivation
    spec = derivation.spec
    named = {sp.Symbol(r.name, positive=True): r for r in spec.reparametrization}
    generic = {tau.name: Fraction(1, 5), "gamma": Fraction(1, 10)}
    given = {s: r.default if r.default is not None else sp.Rational(1, 5) for s, r in named.items()}
    result: dict[sp.Symbol, sp.Expr] = {}
    for p in spec.hyperparameters:
        if p.symbol in derivation.parameters.physical:
            value = derivation.parameters.physical[p.symbol].subs(given)
            value = value.subs({q.symbol: q.default for q in spec.hyperparameters if q.default})
        else:
            value = p.default
            if value is None:
                value = sp.Rational(generic.get(p.name, Fraction(1, 2)))
        result[p.symbol] = sp.N(value, 30)
    for symbol in symbols - set(result):
        if not isinstance(symbol, sp.Dummy) and symbol not in (U, beta, w, X):
            result[symbol] = sp.Float(1, 30)
    return result


def _axes(analysis: Analysis) -> tuple[sp.Symbol | None, sp.Symbol]:
    """The hyperparameter that damps, if there is one, and one that sets the step size."""
    step = analysis.step
    sizes, others = analysis.choices
    damping = next((s for s in (*others, *sizes) if step.determinant.has(s)), None)
    gain = step.gain if step.gain is not None else sp.diff(step.trace, CURVATURE)
    size = next((s for s in (*sizes, *others) if gain.has(s) and s != damping), None)
    if size is None:
        raise AnalysisError("no hyperparameter sets the step size: there is nothing to vary")
    return damping, size


def _values(analysis: Analysis, symbols: set[sp.Symbol]) -> dict[sp.Symbol, sp.Expr]:
    """Defaults of the spec for what is not varied; one where there is none."""
    spec, name = analysis.derivation.spec, reading_of(analysis.derivation).name
    known = {name(p.symbol): p.default for p in spec.hyperparameters}
    known |= {name(sp.Symbol(r.name, positive=True)): r.default for r in spec.reparametrization}
    return {
        s: known[s] if known.get(s) is not None else sp.S.One
        for s in sorted(symbols, key=lambda s: str(s.name))
    }


def _given(at: Mapping[sp.Symbol, sp.Expr]) -> str:
    """What the other hyperparameters are set to."""
    text = ", ".join(f"${to_latex(s)} = {float(v):g}$" for s, v in at.items())
    return f"   ({text})" if text else ""


def _range(analysis: Analysis, symbol: sp.Symbol) -> tuple[float, float]:
    bounds = analysis.domain.bounds.get(symbol)
    low = 0.0 if bounds is None or bounds.lower is None else float(bounds.lower)
    high = low + 3.0 if bounds is None or bounds.upper is None else float(bounds.upper)
    margin = 1e-3 * (high - low)
    return (low if low == 0 and _is_unit(bounds) else low + margin), high - margin


def _is_unit(bounds: Bounds | None) -> bool:
    """Whether this is a share, for which zero is a value like others (a rate is divided by)."""
    return bounds is not None and bounds.upper == 1


def _reach(B: Any, T: Any, D: Any, ys: Any) -> Any:
    """Step sizes from well inside the overdamped to beyond the edge of stability."""
    middle = ys[len(ys) // 2 :]
    slope = np.asarray(B(np.ones_like(middle), middle), dtype=float)
    edge = 2 * (1 + D(np.ones_like(middle), middle)) / slope
    return np.logspace(np.log10(edge.min() / 300), np.log10(np.quantile(edge, 0.9) * 2), 500)


def _numeric(expr: sp.Expr, symbols: tuple[sp.Symbol, ...]) -> Callable[..., Any]:
    function = sp.lambdify(symbols, expr, "numpy")

    def evaluate(*args: Any) -> Any:
        arrays = np.broadcast_arrays(*(np.asarray(a, dtype=float) for a in args))
        return np.broadcast_to(np.asarray(function(*arrays), dtype=float), arrays[0].shape)

    return evaluate


def _spectral_radius(T: Any, D: Any) -> Any:
    root = np.sqrt(np.asarray(T, dtype=complex) ** 2 - 4 * D)
    return np.maximum(np.abs(T + root), np.abs(T - root)) / 2

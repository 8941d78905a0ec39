"""Particles on a line, from their energies to compiled code, against what theory says.

Four things are measured and drawn: the energy over many steps; the frequencies of small waves
against the derived dispersion relation; a kink of the sine-Gordon and one of the phi^4 equation,
which keep their shapes; a breather, which keeps its period. The systems are the specs in
examples/lattices. Then the PyPI package `amangkurat`, if it is installed, solves the breather
from the same start in the same run.

    python examples/lattice.py [--picture lattice.png]

Needs Numba, and Matplotlib for the picture.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import time
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from symplectic_codegen.lattices import Lattice

FOLDER = Path(__file__).parent / "lattices"
SPEED = 0.4  # of kinks, in units of that of light
OMEGA = 0.6  # of the breather
PERIODS = 4


def lattice(name: str) -> Lattice:
    """One of the specs."""
    path = FOLDER / f"{name}.toml"
    return Lattice.from_toml(path.read_text(encoding="utf-8"), path.name)


@dataclass(frozen=True)
class Curve:
    """What a picture shows: points, and the line that they should be on."""

    x: np.ndarray
    measured: np.ndarray
    theory: np.ndarray

    @property
    def error(self) -> float:
        """The largest deviation."""
        return float(np.abs(self.measured - self.theory).max())


def dispersion(size: int = 128, steps: int = 400, tau: float = 0.5) -> Curve:
    """Frequencies of a ring of particles, all modes at once, against the derived relation."""
    made = lattice("klein_gordon")
    rng = np.random.default_rng(1)
    system = made.load()(rng.normal(size=size), rng.normal(size=size), tau=tau)
    series = [np.fft.rfft(system.q)]
    for _ in range(steps):
        system.step()
        series.append(np.fft.rfft(system.q))
    a = np.array(series)
    # A mode has a(t+1) + a(t-1) = 2 cos(ω τ) a(t): the least-squares solution over all steps.
    pairs = (np.conj(a[1:-1]) * (a[2:] + a[:-2])).real.sum(0) / (2 * (np.abs(a[1:-1]) ** 2).sum(0))
    theta = 2 * np.pi * np.arange(size // 2 + 1) / size
    relation = made.dispersion
    assert relation is not None
    values = {"tau": tau, "m": system.m, "kappa": system.kappa, "m0": system.m0}
    symbols = {s.name: s for s in relation.free_symbols}
    fixed = relation.subs({symbols[name]: value for name, value in values.items()})
    cosines = np.array([float(fixed.subs(symbols["theta"], x)) for x in theta])
    return Curve(theta, np.arccos(pairs) / tau, np.arccos(cosines) / tau)


def energy(size: int = 1000, blocks: int = 200, tau: float = 0.05) -> Curve:
    """The relative error of the energy of a phi^4 chain over many steps."""
    rng = np.random.default_rng(2)
    system = lattice("phi4").load()(rng.normal(size=size), rng.normal(size=size), tau=tau, dx=0.5)
    start = system.energy()
    values = [0.0]
    for _ in range(blocks):
        system.step(100)
        values.append(system.energy() / start - 1)
    time_ = tau * 100 * np.arange(blocks + 1)
    return Curve(time_, np.array(values), np.zeros(blocks + 1))


def kink(name: str, dx: float = 0.02, duration: float = 20.0) -> Curve:
    """A moving kink after a while, against the same kink moved by speed times time."""
    x = np.arange(-20.0, 20.0 + dx / 2, dx)
    gamma = 1 / np.sqrt(1 - SPEED**2)

    def shape(s: np.ndarray) -> np.ndarray:
        return 4 * np.arctan(np.exp(s)) if name == "sine_gordon" else np.tanh(s / np.sqrt(2))

    def slope(s: np.ndarray) -> np.ndarray:
        if name == "sine_gordon":
            return 2 / np.cosh(s)
        return 1 / (np.sqrt(2) * np.cosh(s / np.sqrt(2)) ** 2)

    start = -SPEED * duration / 2
    s = gamma * (x - start)
    tau = 0.98 * dx
    steps = round(duration / tau)
    system = lattice(name).load()(shape(s), -SPEED * gamma * slope(s), tau=tau, dx=dx)
    system.step(steps)
    return Curve(x, system.q, shape(gamma * (x - start - SPEED * tau * steps)))


def breather(x: np.ndarray, t: float | np.ndarray) -> np.ndarray:
    """The exact breather of the sine-Gordon equation."""
    eps = np.sqrt(1 - OMEGA**2)
    return 4 * np.arctan(eps / OMEGA * np.cos(OMEGA * t) / np.cosh(eps * x))


def line(length: float, size: int) -> np.ndarray:
    """Places from -length/2 to length/2."""
    return np.linspace(-length / 2, length / 2, size)


def breather_center(length: float = 60.0, size: int = 2049) -> Curve:
    """The middle of a breather over some periods."""
    x = line(length, size)
    dx = float(x[1] - x[0])
    tau = 0.98 * dx
    system = lattice("sine_gordon").load()(breather(x, 0.0), tau=tau, dx=dx)
    steps = round(PERIODS * 2 * np.pi / OMEGA / tau)
    middle = [system.q[size // 2]]
    for _ in range(steps):
        system.step()
        middle.append(system.q[size // 2])
    t = tau * np.arange(steps + 1)
    return Curve(t, np.array(middle), breather(np.zeros(1), t))


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    who: str
    points: int
    error: float
    seconds: float


def ours(length: float, size: int, duration: float) -> Row:
    """The breather with the generated kernel; the error is the largest one at the end."""
    x = line(length, size)
    dx = float(x[1] - x[0])
    steps = int(np.ceil(duration / (0.98 * dx)))
    tau = duration / steps
    kind = lattice("sine_gordon").load()
    kind(breather(x, 0.0), tau=tau, dx=dx).step(2)  # compiles
    system = kind(breather(x, 0.0), tau=tau, dx=dx)
    begin = time.perf_counter()
    system.step(steps)
    seconds = time.perf_counter() - begin
    return Row("generated", size, float(np.abs(system.q - breather(x, duration)).max()), seconds)


def theirs(length: float, size: int, duration: float, dt: float) -> Row | None:
    """The same start with amangkurat (spectral in space); None if it is not installed."""
    if find_spec("amangkurat") is None:
        return None
    from amangkurat import KGSolver

    solver = KGSolver(size, -length / 2, length / 2, verbose=False, adaptive_dt=False)
    start = breather(solver.x, 0.0)
    with contextlib.redirect_stdout(io.StringIO()):
        solver.solve(start, 0 * start, dt, 3 * dt, "sine_gordon", n_snapshots=1)  # compiles
        begin = time.perf_counter()
        found: dict[str, Any] = solver.solve(start, 0 * start, dt, duration, "sine_gordon", 1)
        seconds = time.perf_counter() - begin
    # It stops at a time of its own: the exact solution is taken there.
    exact = breather(solver.x, found["t"][-1])
    return Row("amangkurat", size, float(np.abs(found["phi"][-1] - exact).max()), seconds)


def table(length: float = 60.0) -> list[Row]:
    """Errors and times of the same breather, over the same time."""
    duration = PERIODS * 2 * np.pi / OMEGA
    rows: list[Row | None] = [ours(length, size, duration) for size in (1025, 4097, 16385)]
    rows += [theirs(length, 512, duration, dt) for dt in (0.018, 0.0045)]
    return [row for row in rows if row is not None]


def picture(path: Path, curves: dict[str, Curve]) -> None:
    """Draw what was measured over what theory says."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 3, figsize=(13, 7), layout="constrained")
    labels = {
        "dispersion": ("wave number θ", "frequency ω"),
        "energy": ("time", "relative error of the energy"),
        "sine-Gordon kink": ("x", "q"),
        "phi^4 kink": ("x", "q"),
        "breather, its middle": ("time", "q"),
    }
    for axis, (name, curve) in zip(axes.flat, curves.items(), strict=False):
        axis.plot(curve.x, curve.theory, color="0.6", lw=3, label="theory")
        axis.plot(curve.x, curve.measured, "C0--", lw=1.2, label="generated code")
        axis.set(title=f"{name}: largest deviation {curve.error:.1e}")
        axis.set(xlabel=labels[name][0], ylabel=labels[name][1])
        axis.legend()
    curve = curves["dispersion"]
    axes.flat[5].plot(curve.x, curve.measured - curve.theory)
    axes.flat[5].set(title="dispersion: measured minus derived", xlabel="wave number θ")
    figure.savefig(path, dpi=110)


def main() -> None:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--picture", type=Path, help="where to draw, as in lattice.png")
    arguments = parser.parse_args()
    curves = {
        "dispersion": dispersion(),
        "energy": energy(),
        "sine-Gordon kink": kink("sine_gordon"),
        "phi^4 kink": kink("phi4"),
        "breather, its middle": breather_center(),
    }
    print("largest deviation from theory")
    for name, curve in curves.items():
        print(f"  {name:22s} {curve.error:.2e}")
    errors = curves["energy"].measured
    quarter = len(errors) // 4
    drift = abs(errors[-quarter:].mean() - errors[:quarter].mean())
    print(f"  {'drift of the energy':22s} {drift:.2e} (last quarter against the first)")
    rows = table()
    print(f"\nsine-Gordon breather, {PERIODS} periods, both compiled before the clock starts")
    print(f"  {'':12s} {'points':>7s} {'error':>10s} {'seconds':>9s}")
    for row in rows:
        print(f"  {row.who:12s} {row.points:7d} {row.error:10.2e} {row.seconds:9.4f}")
    if not any(row.who == "amangkurat" for row in rows):
        print("  (pip install amangkurat to compare with it)")
    if arguments.picture:
        picture(arguments.picture, curves)
        print(f"\n{arguments.picture}")


if __name__ == "__main__":
    main()

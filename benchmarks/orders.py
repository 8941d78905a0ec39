"""The order of each composition, proved and measured, on problems that nothing makes linear.

    python benchmarks/orders.py           # print the table
    python benchmarks/orders.py --write   # and put it into docs/analysis.md

A cell has the order that is proved and, behind it, the one that is measured: the flows of one step
are applied one after the other, each with the gradient where the weights then are; the error
against an integration of the explicit equations of motion, which shares no code with the engine, is
compared between steps of tau and of tau/2. Two weights; the loss is not quadratic, and neither is
the kinetic energy, but for the first.
"""

from __future__ import annotations

import argparse
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import sympy as sp
from scipy.integrate import solve_ivp

from symplectic_codegen.algebra.explicit import Coordinates, instantiate
from symplectic_codegen.algebra.proof import Verdict
from symplectic_codegen.algebra.symbols import U, X, beta, h, k, t, tau, w
from symplectic_codegen.discretization.flows import Flow
from symplectic_codegen.discretization.scheme import Scheme
from symplectic_codegen.driver import derive
from symplectic_codegen.errors import SymplecticCodegenError
from symplectic_codegen.geometry.explicit import (
    exterior_derivative,
    poisson_tensor,
    thermodynamic_chart,
)
from symplectic_codegen.language.spec import Spec
from symplectic_codegen.mechanics.temperature import START

PAGE = Path(__file__).resolve().parents[1] / "docs" / "analysis.md"
BEGIN, END = "<!-- orders: begin -->\n", "<!-- orders: end -->\n"
COOLED = "beta*c**2/k*L + h*gamma/k*beta*U"
PROBLEMS = {
    "quadratic": f"beta/(2*k)*dot(X, X) + {COOLED}",
    "relativistic": f"beta/k*sqrt(1 + dot(X, X)) + {COOLED}",
    "elementwise, β²U": "beta/k*sum(sqrt(1 + X**2)) + beta*c**2/k*L + h*gamma/k*beta**2*U",
    "logarithm, c²(t)": "beta*log(1 + dot(X, X)) + (1 + t)*beta*L + gamma*beta*U",
}
INTEGRATORS = (
    "lie-trotter",
    "drift-first",
    "strang",
    "strang-kick",
    "conformal-leapfrog",
    "nesterov",
    "triple-jump",
    "suzuki",
    "B/3 A B(2/3)",
)
COMPOSITIONS = tuple((name, "exact") for name in INTEGRATORS) + tuple(
    ("conformal-leapfrog", cooling) for cooling in ("implicit", "cayley", "explicit")
)
TIME = 0.5
COUNTS = (8, 16)
WEIGHTS = slice(1, 3)
VALUES = {"gamma": 0.7, "h": 1.1, "k": 0.9, "c": 1.2}
STARTING = np.array([0.1, 0.9, -0.6, 1.4, 0.5, -0.3])  # U, w1, w2, beta, X1, X2
State = np.ndarray


@dataclass(frozen=True)
class Order:
    """What is proved of a composition on a problem, and what halving the step says."""

    proved: int
    measured: float

    def __str__(self) -> str:
        return f"{self.proved}: {self.measured:.2f}"


def loss_of(w1: sp.Expr, w2: sp.Expr) -> sp.Expr:
    """Not quadratic, no symmetry between the weights."""
    return sp.cos(w1 + w2 / 2) + w1**2 / 3 + w1 * w2 / 5 + w2**2 / 2


@cache
def reference(problem: str) -> State:
    """Where the motion leads, by the explicit Poisson tensor and an adaptive integrator."""
    chart, theta = thermodynamic_chart(2)
    tensor = poisson_tensor(exterior_derivative(theta))
    H = derive(problem).hamiltonian
    explicit = instantiate(H, Coordinates(2), loss=loss_of(*Coordinates(2).w))
    field = tensor.hamiltonian_vector_field(explicit)
    velocity = [_numbers(-k / h * field[z]) for z in chart.coordinates]
    right = sp.lambdify((t, *chart.coordinates), velocity, "numpy")
    solution = solve_ivp(
        lambda moment, z: right(moment, *z), (0, TIME), STARTING, "DOP853", rtol=1e-13, atol=1e-14
    )
    return np.asarray(solution.y[:, -1])


def _numbers(expr: sp.Expr) -> sp.Expr:
    return expr.subs({s: VALUES[s.name] for s in expr.free_symbols if s.name in VALUES})


def as_function(flow: Flow) -> Callable[[float, float, State, State], State]:
    """The flow: a function of the step, its start, the state, and the weights read at."""
    at = Coordinates(2)
    read = sp.symbols("read1 read2", real=True)
    loss = loss_of(*read)
    slopes = {sp.diff(at.L, q): sp.diff(loss, r) for q, r in zip(at.w, read, strict=True)}
    seen = {at.L: loss, **slopes}

    def written(z: sp.Symbol, index: int | None = None) -> sp.Expr:
        explicit = instantiate(_numbers(flow.updates.get(z, z)), at, index)
        return explicit.doit().xreplace(seen)

    rows = [written(U), written(w, 0), written(w, 1), written(beta), written(X, 0), written(X, 1)]
    chart, _ = thermodynamic_chart(2)
    function = sp.lambdify((tau, START, chart.coordinates, read), rows, "numpy")
    return lambda length, start, z, place: np.array(function(length, start, z, place))


def stepper(step: Scheme) -> Callable[[float, float, State], State]:
    """One step, each gradient read where the composition says."""
    moves = [(as_function(m.flow), [as_function(f) for f in m.ahead]) for m in step.moves]

    def advance(length: float, start: float, z: State) -> State:
        for move, ahead in moves:
            place = z
            for flow in ahead:
                place = flow(length, start, place, place[WEIGHTS])
            z = move(length, start, z, place[WEIGHTS])
        return z

    return advance


def measured(step: Scheme, problem: str) -> float:
    """log2 of the ratio of the errors at a step and at half of it."""
    advance, errors = stepper(step), []
    for count in COUNTS:
        z, length = STARTING, TIME / count
        for i in range(count):
            z = advance(length, i * length, z)
        errors.append(float(np.abs(z - reference(problem)).max()))
    return math.log2(errors[-2] / errors[-1])


def order(text: str, integrator: str, cooling: str) -> Order | None:
    """The order of a composition for a Hamiltonian; None if it is refused for it."""
    spec = Spec.from_expression(text, integrator=integrator, more={"cooling": cooling})
    try:
        step = derive(spec.replace(with_energy=True)).scheme
    except SymplecticCodegenError:
        return None
    claim = step.check_order()
    found = re.match(r"order (\d)", claim.statement)
    if found is None or claim.verdict is not Verdict.PROVED:
        raise AssertionError(f"{integrator}, {cooling}: {claim}")
    return Order(int(found.group(1)), measured(step, text))


def title(integrator: str, cooling: str) -> str:
    """What a composition is called in the table."""
    return integrator if cooling == "exact" else f"{integrator}, {cooling} cooling"


def row(integrator: str, cooling: str) -> str:
    """A line of the table: one composition on every problem."""
    found = [order(text, integrator, cooling) for text in PROBLEMS.values()]
    cells = ["refused" if item is None else str(item) for item in found]
    return f"| {' | '.join([title(integrator, cooling), *cells])} |"


def table() -> str:
    head = [f"| composition | {' | '.join(PROBLEMS)} |", "|---|" + "---:|" * len(PROBLEMS)]
    return "\n".join([*head, *(row(*item) for item in COMPOSITIONS)]) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--write", action="store_true", help="put the table into docs/analysis.md")
    arguments = parser.parse_args()
    text = table()
    print(text, end="")
    if arguments.write:
        page = PAGE.read_text(encoding="utf-8")
        before, _, rest = page.partition(BEGIN)
        _, _, after = rest.partition(END)
        PAGE.write_text(before + BEGIN + text + END + after, encoding="utf-8")


if __name__ == "__main__":
    main()

"""Particles on a chain or graph: forces from the arrangement, the step from the engine's flows.

The force on a particle is what comes back to it through the wiring. An edge contributes the same
whatever the other edges are (`check_forces`), so two particles and an edge give all of it. A step
is a composition of flows that was derived for a Hamiltonian with an arbitrary potential; it becomes
*sweeps* over the particles, each of which reads the force once, at the places it starts from.

A step may begin or end in the middle of something: half a kick, half a drift. Many steps are then
run as  opening, body, …, body, closing,  with  body = opening⁻¹ · step · opening  and  closing =
opening⁻¹: the inner halves meet and become one, and a step needs one force.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import sympy as sp

from symplectic_codegen.algebra.proof import Claim, vanishes
from symplectic_codegen.algebra.symbols import START, G, L, U, X, beta, c, h, k, tau, w
from symplectic_codegen.algebra.vector import Total, components, outer_totals
from symplectic_codegen.arrangements.laws import zero
from symplectic_codegen.arrangements.particles import graph, particle
from symplectic_codegen.arrangements.semantics import backward, configuration
from symplectic_codegen.arrangements.smooth import smooth
from symplectic_codegen.discretization.flows import Flow
from symplectic_codegen.discretization.scheme import Scheme
from symplectic_codegen.errors import NotSeparableError
from symplectic_codegen.language.lattice import LEFT, RIGHT, WEIGHT, LatticeSpec, P, Q

__all__ = [
    "FORCE",
    "OTHER",
    "Forces",
    "Program",
    "Sweep",
    "check_forces",
    "composed",
    "dispersion",
    "element_map",
    "forces_of",
    "is_linear",
    "overdamped",
    "program_of",
]

FORCE = sp.Symbol("force", real=True)  # ∂U/∂q of a particle: what its momentum loses per time
OTHER = sp.Symbol("other", real=True)  # where the particle at the other end of an edge is
_UNITS = {h: sp.S.One, k: sp.S.One, c: sp.S.One}


@dataclass(frozen=True)
class Forces:
    """∂U/∂q of a particle, in parts.

    Args:
        onsite: of the particle itself, in `Q`.
        outward: of an edge of which it is the left end, in `Q`, `OTHER` and `WEIGHT`.
        inward: of an edge of which it is the right end.
    """

    onsite: sp.Expr
    outward: sp.Expr
    inward: sp.Expr

    @property
    def is_symmetric(self) -> bool:
        """Whether both ends of an edge feel the same, so that directions do not matter."""
        return vanishes(self.outward - self.inward)


def forces_of(onsite: sp.Expr, pair: sp.Expr) -> Forces:
    """The forces, from the backward pass of two particles and an edge.

    Args:
        onsite: the energy of a particle, in `Q`.
        pair: the energy of an edge, in `LEFT`, `RIGHT` and `WEIGHT`.

    >>> forces_of(Q**2 / 2, (RIGHT - LEFT)**2 / 2)
    Forces(onsite=q, outward=-other + q, inward=-other + q)
    """
    here, there = Q.name, OTHER.name
    alone = backward(graph([particle(here, sp.S.One, _of(onsite, Q))], {})).parameters[0]

    def edge(ends: tuple[int, int]) -> sp.Expr:
        parts = [particle(name, sp.S.One) for name in (here, there)]
        return backward(graph(parts, {ends: _of(pair, LEFT, RIGHT)})).parameters[0]

    return Forces(*(sp.factor_terms(e) for e in (alone, edge((0, 1)), edge((1, 0)))))


def check_forces() -> Claim:
    """For arbitrary energies: the force of a vertex is the sum over its edges and its own.

    >>> check_forces().verdict.value
    'proved'
    """
    V, W = smooth("V"), smooth("W")
    names = [Q.name, "a", "b", "e", "f"]
    parts = [particle(name, sp.S.One, V) for name in names]
    # Two edges out, two in, and one between others, each with a weight of its own.
    ends = [(0, 1), (0, 2), (3, 0), (4, 0), (1, 3)]
    weights = {e: sp.Symbol(f"weight{e[0]}{e[1]}", real=True) for e in ends}

    def energy(ends: tuple[int, int]) -> Callable[[sp.Expr, sp.Expr], sp.Expr]:
        return lambda x, y: W(x, y, weights[ends])

    whole = backward(graph(parts, {e: energy(e) for e in ends})).parameters[0]
    forces = forces_of(V(Q), W(LEFT, RIGHT, WEIGHT))
    total = forces.onsite
    for a, b in ends[:4]:
        other = sp.Symbol(names[b if a == 0 else a], real=True)
        one = forces.outward if a == 0 else forces.inward
        total += one.xreplace({OTHER: other, WEIGHT: weights[a, b]})
    return zero(
        "the force on a vertex is its own and one for each edge, whatever the other edges are",
        [whole - total],
        "exact; arbitrary energies; a vertex with two edges out, two in, and an edge it has no "
        "part in",
    )


@dataclass(frozen=True)
class Sweep:
    """New place and momentum of each particle, in `Q`, `P` and `FORCE`, which is taken at `Q`."""

    q: sp.Expr
    p: sp.Expr

    @property
    def moves(self) -> bool:
        """Whether places change."""
        return bool(self.q != Q)

    @property
    def reads_force(self) -> bool:
        """Whether the force is needed."""
        return bool(self.q.has(FORCE) or self.p.has(FORCE))


@dataclass(frozen=True)
class Program:
    """opening, then the body once for each step, then closing."""

    opening: tuple[Sweep, ...]
    body: tuple[Sweep, ...]
    closing: tuple[Sweep, ...]

    @property
    def sweeps(self) -> tuple[Sweep, ...]:
        """All of them, in order."""
        return (*self.opening, *self.body, *self.closing)


def program_of(scheme: Scheme) -> Program:
    """The sweeps of many steps of a composition.

    Raises:
        NotSeparableError: the composition reads ahead, is no composition of flows, or changes with
            time or temperature; the message says what to choose.
    """
    if scheme.integrator.readouts or any(move.is_lagged for move in scheme.moves):
        raise NotSeparableError(
            f"the integrator '{scheme.integrator.name}' reads a state that is not kept; for "
            "particles choose lie-trotter, strang-kick or another composition of A, B, C, K"
        )
    steps = [element_map(flow) for flow in scheme.flows]
    first = next((i for i, s in enumerate(steps) if s.reads_force), None)
    if first is None:
        raise NotSeparableError("the composition has no kick: no particle would feel a force")
    last = max((i for i, s in enumerate(steps) if s.moves), default=-1) + 1
    if first > 0:
        opening, body = steps[:first], steps[first:] + steps[:first]
        closing = [_inverse(s) for s in reversed(opening)]
    elif any(s.reads_force for s in steps[last:]):
        closing, body = steps[last:], steps[last:] + steps[:last]
        opening = [_inverse(s) for s in reversed(closing)]
    else:
        opening, body, closing = [], steps, []
    return Program(_sweeps(opening), _sweeps(body), _sweeps(closing))


def overdamped(spec: LatticeSpec) -> Program:
    """Φ_conf of the particles: places move along ♯ of the force, the step being in ♯.

    Raises:
        NotSeparableError: the kinetic energy is not quadratic, so there is no sharp map.
    """
    sharp = sp.diff(spec.expression("kinetic"), P, 2)
    if sharp.has(P) or sharp == 0:
        raise NotSeparableError(
            'semantics = "configuration" takes the inverse mass from the kinetic energy, which '
            f"must be quadratic in p; {spec.expression('kinetic')} is not"
        )
    slope = sp.Symbol("slope", real=True)
    machine = configuration(graph([particle(Q.name, tau * sharp, lambda q: slope * q)], {}))
    return Program((), (Sweep(machine.next[Q].xreplace({slope: FORCE}), P),), ())


def dispersion(spec: LatticeSpec, program: Program, theta: sp.Symbol) -> sp.Expr:
    """What a step does to small waves: half the trace of its matrix, cos(ω τ) while it is below 1.

    The energies are linearised about rest at 0; of a wave e^{ijθ} on a chain the edges make
    W_aa + W_bb + 2 W_ab cos θ. For Φ_conf it is the factor of the wave itself.

    Raises:
        NotSeparableError: not at rest at 0, so there are no small waves about it.

    >>> spec = LatticeSpec.from_toml('name = "row"\\n[arrangement]\\ngraph = "chain"\\n'
    ...     'kinetic = "p**2/2"\\npair = "(right - left)**2/2"\\nsemantics = "configuration"')
    >>> dispersion(spec, overdamped(spec), sp.Symbol("theta"))
    2*tau*(cos(theta) - 1) + 1
    """
    rest = {Q: 0, LEFT: 0, RIGHT: 0, P: 0}
    onsite, pair = spec.expression("onsite"), spec.expression("pair")
    forces = forces_of(onsite, pair)
    at_rest = forces.onsite + forces.outward + forces.inward
    if not vanishes(at_rest.subs({Q: 0, OTHER: 0})):
        raise NotSeparableError(
            "the particles are not at rest at 0: there are no small waves there"
        )
    slope = sp.diff(onsite, Q, 2).subs(rest) + sp.diff(pair, LEFT, 2).subs(rest)
    slope += sp.diff(pair, RIGHT, 2).subs(rest)
    slope += 2 * sp.diff(pair, LEFT, RIGHT).subs(rest) * sp.cos(theta)
    matrix = sp.eye(2)
    for sweep in program.body:
        new = sp.Matrix([e.xreplace({FORCE: sp.factor(slope) * Q}) for e in (sweep.q, sweep.p)])
        matrix = new.jacobian([Q, P]).subs(rest) * matrix
    if spec.semantics == "configuration":
        return matrix[0, 0]
    return sp.factor_terms(sp.expand(matrix.trace() / 2), sign=False)


def _of(expr: sp.Expr, *places: sp.Symbol) -> Callable[..., sp.Expr]:
    return lambda *values: expr.xreplace(dict(zip(places, values, strict=True)))


def element_map(flow: Flow) -> Sweep:
    """A flow as a map of one particle: p = −X, for the engine's motion has w' = −X/m."""
    if not flow.is_hamiltonian or flow.middle:
        raise NotSeparableError(f"{flow.name} is no exact flow; particles need A, B, C and K alone")
    new = {z: flow.updates.get(z, z) for z in (w, X)}
    turned = {w: Q, X: -P, G: FORCE}
    q, p = (sp.powsimp(sp.expand(e.xreplace(_UNITS).xreplace(turned))) for e in (new[w], -new[X]))
    for e in (q, p):
        if e.has(beta, START, U, L, Total) or components(e) or outer_totals(e):
            raise NotSeparableError(
                f"in the flow '{flow.name}' each particle must move by itself and in the same way "
                f"at all times, but it makes {sp.sstr(e)}"
            )
    return Sweep(q, p)


def _inverse(sweep: Sweep) -> Sweep:
    """The way back: the flow over −τ, checked."""
    back = Sweep(sweep.q.xreplace({tau: -tau}), sweep.p.xreplace({tau: -tau}))
    there_and_back = _then(sweep, back)
    if not (vanishes(there_and_back.q - Q) and vanishes(there_and_back.p - P)):
        raise NotSeparableError(f"the map {sweep} could not be inverted; choose lie-trotter")
    return back


def _then(first: Sweep, second: Sweep) -> Sweep:
    """Both in one sweep. The force in the second is that at the start: nothing may have moved."""
    here = {Q: first.q, P: first.p}
    return Sweep(_tidy(second.q.xreplace(here)), _tidy(second.p.xreplace(here)))


def _tidy(expr: sp.Expr) -> sp.Expr:
    """What is linear in place, momentum and force multiplied out; else a square of a small
    difference would become a difference of large squares."""
    expanded = sp.powsimp(sp.expand(expr))
    return expanded if is_linear(expanded) else expr


def is_linear(expr: sp.Expr) -> bool:
    """Whether an expression is linear in place, momentum and force."""
    symbols = (Q, P, FORCE)
    slopes = [sp.diff(expr, s) for s in symbols]
    return not any(slope.has(*symbols) for slope in slopes)


def _sweeps(steps: Iterable[Sweep]) -> tuple[Sweep, ...]:
    """As few sweeps as there are places at which the force is needed."""
    done: list[Sweep] = []
    current = Sweep(Q, P)
    for step in steps:
        if step.reads_force and current.moves:
            done.append(current)
            current = Sweep(Q, P)
        current = _then(current, step)
    return tuple(s for s in (*done, current) if s != Sweep(Q, P))


def composed(sweeps: Sequence[Sweep], force: Callable[[sp.Expr], sp.Expr]) -> Sweep:
    """What sweeps do to a single particle in a given field: to compare programs with steps."""
    q, p = Q, P
    for sweep in sweeps:
        here = {Q: q, P: p, FORCE: force(q)}
        q, p = sweep.q.xreplace(here), sweep.p.xreplace(here)
    return Sweep(q, p)

"""A composed step, what is proved of it, and its form as update equations."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import sympy as sp

from symplectic_codegen.algebra.forms import shortest
from symplectic_codegen.algebra.memory import Memory, memories
from symplectic_codegen.algebra.notation import to_unicode
from symplectic_codegen.algebra.proof import Claim, Verdict, find_nonzero, vanishes, zero_claim
from symplectic_codegen.algebra.symbols import START, Component, G, L, X, beta, t, tau, w
from symplectic_codegen.algebra.vector import HessianProduct, Total, directional, gradient
from symplectic_codegen.discretization.flows import (
    Flow,
    cool,
    dilate,
    drift,
    kick,
    kick_and_cool,
    memory_velocity,
    relax,
)
from symplectic_codegen.discretization.integrators import (
    CLOCKS,
    Integrator,
    Piece,
    one_gradient_program,
)
from symplectic_codegen.errors import NotSeparableError
from symplectic_codegen.geometry.phase_space import (
    COORDINATES,
    PhaseSpace,
    independent_pairs,
)
from symplectic_codegen.mechanics.equations import Equations
from symplectic_codegen.mechanics.structure import Separation
from symplectic_codegen.mechanics.temperature import Temperature


@dataclass(frozen=True)
class Scheme:
    """One step of learning time tau from time s, as a composition of exact flows."""

    integrator: Integrator
    space: PhaseSpace
    equations: Equations
    temperature: Temperature
    pieces: Mapping[str, tuple[Flow, ...]]
    fields: tuple[Memory, ...] = ()

    @property
    def flows(self) -> tuple[Flow, ...]:
        """The flows of the composition, in order, from the start of the step."""
        return self._flows(self.integrator.composition, ())

    @property
    def program(self) -> tuple[Flow, ...]:
        """The flows as they are run: one gradient, read first, at the stored weights."""
        program = one_gradient_program(self.integrator.composition)
        return self._flows(program.pieces, program.before)

    @property
    def offset(self) -> sp.Rational:
        """How far into the step, for beta, the program begins."""
        return one_gradient_program(self.integrator.composition).offset

    def _flows(self, pieces: Iterable[Piece], before: Iterable[Piece]) -> tuple[Flow, ...]:
        """The flows of `pieces`, each over the part of the step that its own kind has reached.

        What moves beta (A and C) shares one clock; every other piece has its own.
        """
        reached: dict[str, sp.Rational] = {}

        def take(piece: Piece) -> sp.Rational:
            kind = CLOCKS if piece.letter in CLOCKS else piece.letter
            start = reached.get(kind, sp.S.Zero)
            reached[kind] = start + piece.part
            return start

        for piece in before:
            take(piece)
        result: list[Flow] = []
        for piece in pieces:
            start = take(piece)
            result += [f.over(piece.part, start) for f in self.pieces.get(piece.letter, ())]
        return tuple(result)

    @cached_property
    def map(self) -> Mapping[sp.Symbol, sp.Expr]:
        """z+ as functions of z, the memory fields, and the gradient G and loss L at the old w.

        Where the weights have moved by delta before a kick, the gradient there is G + H delta and
        the loss L + G delta, which is exact through tau^2: kicks are of order tau themselves.
        """
        coordinates = (*COORDINATES, *self.fields)
        current: dict[sp.Symbol, sp.Expr] = {z: z for z in coordinates}
        for flow in self.flows:
            moved = sp.expand_mul(current[w] - w)
            here = dict(current)
            if moved != 0 and flow.name != "memory":
                here |= {G: G + HessianProduct(moved), L: L + Total(G * moved)}
            current = {
                z: flow.updates[z].xreplace(here) if z in flow.updates else current[z]
                for z in coordinates
            }
        return current

    def claims(self) -> tuple[Claim, ...]:
        """Everything that is proved of this step."""
        return (self.check_symplectic(), self.check_conformal(), self.check_order())

    def check_symplectic(self) -> Claim:
        """The step preserves the Poisson tensor on the extended space, for every loss and d.

        Each flow is shown to satisfy {f o Phi, g o Phi} = {f, g} o Phi on coordinates; a
        composition of such maps is one.
        """
        residuals = [r for flow in self._used for r in self._poisson_residuals(flow)]
        smooth = _smoothness_note(self._used) + self._memory_note()
        return zero_claim(
            f"the step on (U, w, β, X) is exactly symplectic{smooth}",
            residuals,
            "exact, symbolic d, any loss: each flow preserves Π",
        )

    def _poisson_residuals(self, flow: Flow) -> list[sp.Expr]:
        residuals = []
        for f, g in independent_pairs():
            mapped = self.space.bracket(flow.apply(f), flow.apply(g))
            residuals.append(mapped - flow.apply(self.space.bracket(f, g)))
        return residuals

    @property
    def _used(self) -> tuple[Flow, ...]:
        """One flow of each piece that the composition uses: what holds for it holds in parts."""
        letters = {piece.letter for piece in self.integrator.composition}
        return tuple(f for letter, flows in self.pieces.items() if letter in letters for f in flows)

    def _memory_note(self) -> str:
        """The brackets know memory fields as given functions; what that leaves open."""
        if not self.fields:
            return ""
        return " at given memory fields (these follow the gradient and are not Hamiltonian)"

    def check_conformal(self) -> Claim:
        """On (w, X) alone the step multiplies sum dX_j dw^j by beta(s)/beta(s + tau)."""
        factor = beta / self.map[beta]
        method = "exact, symbolic d, any loss: each flow scales the bracket {w, X}"
        if not vanishes(self.space.coupling - beta * X):
            return Claim(
                "the coupling is not Y = βX: on (w, X) no constant conformal factor is claimed",
                Verdict.ASSUMED,
                "not checked",
            )
        a, b = Component("a"), Component("b")
        residuals: list[sp.Expr] = []
        for flow in self._used:
            scale = beta / flow.updates.get(beta, beta)
            w_a, w_b = flow.apply(Total(a * w)), flow.apply(Total(b * w))
            X_a, X_b = flow.apply(Total(a * X)), flow.apply(Total(b * X))
            residuals += [
                _canonical_bracket(w_a, X_b) - scale * Total(a * b),
                _canonical_bracket(w_a, w_b),
                _canonical_bracket(X_a, X_b),
            ]
        return zero_claim(
            f"on (w, X) the step is conformally symplectic: Σ dX∧dw is multiplied by "
            f"β(t−τ)/β(t) = {to_unicode(shortest(factor))}{self._memory_note()}",
            residuals,
            method,
        )

    def check_order(self) -> Claim:
        """The order of the step, from its Taylor series in tau against that of the motion."""
        velocity = self._velocity
        first = [
            _at_zero(sp.diff(self.map[z], tau)) - velocity[z].xreplace({t: START}) for z in self.map
        ]
        claim = zero_claim(
            "consistent with the equations of motion: the step agrees through τ¹",
            first,
            "Taylor series, symbolic d",
        )
        if claim.verdict is not Verdict.PROVED:
            return claim
        defects = {z: self._second_order_defect(z) for z in (w, X)}
        # A value settles that a defect is there; only where there is none is a proof looked for.
        if any(d is not None and find_nonzero(d) is not None for d in defects.values()):
            return Claim(
                "order 1: the step agrees with the equations of motion through τ¹, not through τ²",
                Verdict.PROVED,
                "Taylor series, symbolic d; a point where the τ² terms differ",
            )
        if all(d is not None and vanishes(d) for d in defects.values()):
            return self._second_order_claim(defects)
        return claim

    def _second_order_claim(self, defects: Mapping[sp.Symbol, sp.Expr | None]) -> Claim:
        rest = [z for z in self.map if z not in defects and z not in self.fields]
        claim = zero_claim(
            "order 2: the step agrees with the equations of motion through τ²",
            [d for z in rest if (d := self._second_order_defect(z)) is not None],
            "Taylor series, symbolic d, any loss",
        )
        if not self._is_conjugate:
            return claim
        return replace(
            claim,
            statement=f"{claim.statement} (on the trajectory; the program stores what is "
            f"{self._stored} ahead of it)",
        )

    @property
    def _is_conjugate(self) -> bool:
        return bool(one_gradient_program(self.integrator.composition).before)

    @property
    def _stored(self) -> str:
        before = one_gradient_program(self.integrator.composition).before
        return " ".join(str(piece) for piece in before if piece.letter in self.pieces)

    @property
    def _velocity(self) -> Mapping[sp.Symbol, sp.Expr]:
        return {**self.equations.velocity, **{s: memory_velocity(s) for s in self.fields}}

    def _second_order_defect(self, z: sp.Symbol) -> sp.Expr | None:
        velocity = self._velocity
        moves = {**velocity, t: sp.S.One}
        if velocity[z].has(sp.Derivative):
            return None
        exact = directional(velocity[z], moves).xreplace({t: START})
        return _at_zero(sp.diff(self.map[z], tau, 2)) - exact


def _canonical_bracket(f: sp.Expr, g: sp.Expr) -> sp.Expr:
    return Total(gradient(f, w) * gradient(g, X) - gradient(f, X) * gradient(g, w))


def _at_zero(expr: sp.Expr) -> sp.Expr:
    value = expr.subs(tau, 0)
    return sp.limit(expr, tau, 0) if value.has(sp.nan, sp.zoo) else value


def _smoothness_note(flows: tuple[Flow, ...]) -> str:
    kinks = (sp.Abs, sp.sign, sp.Min, sp.Max)
    if any(flow.generator.has(*kinks) for flow in flows):
        return " away from the kinks of H (there the subgradient rule is used)"
    return ""


def build_scheme(
    integrator: Integrator,
    space: PhaseSpace,
    equations: Equations,
    separation: Separation,
    temperature: Temperature,
) -> Scheme:
    """Compose the exact flows that `integrator` asks for.

    Raises:
        NotSeparableError: a term has no exact flow; the message names it.
    """
    if not separation.is_complete:
        worst = separation.obstructions[0]
        raise NotSeparableError(
            f"the Hamiltonian does not split into exact flows: in the term {worst.term}, "
            f"{worst.reason}. The integrator '{integrator.name}' needs "
            "H = potential(w, β, t) + thermal(U, β, t) + kinetic(X, β, t)"
        )
    if separation.kinetic == 0:
        raise NotSeparableError(
            "H has no kinetic term, so the weights never move; add one, for example "
            "beta/(2*k)*dot(X, X)"
        )
    fields = memories(separation.kinetic)
    letters = {piece.letter for piece in integrator.composition}
    for letter, present, what in (
        ("D", separation.dilation != 0, "a dilation"),
        ("M", bool(fields), "memory fields"),
    ):
        if present and letter not in letters:
            raise NotSeparableError(
                f"H has {what}, and the composition {integrator.name} has no piece {letter} for it"
            )
    potential, thermal = separation.potential, separation.thermal
    makers: dict[str, Callable[[], tuple[Flow, ...]]] = {
        "A": lambda: (kick_and_cool(space, potential, thermal, temperature),),
        "K": lambda: (kick(space, potential),),
        "C": lambda: (cool(space, thermal, temperature),),
        "D": lambda: (dilate(space, separation.dilation),) if separation.dilation != 0 else (),
        "M": lambda: tuple(relax(field) for field in fields),
        "B": lambda: (drift(space, separation.kinetic),),
    }
    pieces = {letter: make() for letter, make in makers.items() if letter in letters}
    pieces = {letter: flows for letter, flows in pieces.items() if flows}
    return Scheme(integrator, space, equations, temperature, pieces, fields)

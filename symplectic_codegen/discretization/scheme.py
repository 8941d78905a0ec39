"""A composed step, and what is proved of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import sympy as sp

from symplectic_codegen.algebra.forms import shortest
from symplectic_codegen.algebra.functions import Huber, away_from_kinks
from symplectic_codegen.algebra.memory import Field, memories
from symplectic_codegen.algebra.notation import to_unicode
from symplectic_codegen.algebra.proof import (
    Claim,
    Verdict,
    find_nonzero,
    vanishes,
    zero_claim,
)
from symplectic_codegen.algebra.samples import reproducible_value
from symplectic_codegen.algebra.symbols import START, Component, G, L, U, X, beta, t, tau, w
from symplectic_codegen.algebra.vector import HessianProduct, Total, directional, gradient
from symplectic_codegen.discretization.flows import (
    NOISE,
    Flow,
    cool,
    dilate,
    drift,
    kick,
    kick_and_cool,
    memory_velocity,
    project,
    relax,
    rub,
    shake,
    shake_and_cool,
    thermostat,
)
from symplectic_codegen.discretization.integrators import (
    Instruction,
    Integrator,
    Program,
    clock_parts,
    program_of,
)
from symplectic_codegen.discretization.orders import LARGEST, order_of
from symplectic_codegen.errors import NotSeparableError
from symplectic_codegen.geometry.phase_space import (
    COORDINATES,
    PhaseSpace,
    independent_pairs,
)
from symplectic_codegen.language.composition import (
    CLOCKS,
    KICKS,
    LETTERS,
    Piece,
    Readout,
    own_piece,
)
from symplectic_codegen.mechanics.equations import Equations
from symplectic_codegen.mechanics.structure import Separation
from symplectic_codegen.mechanics.temperature import Temperature, law_at_rest

_FORWARD_ONLY = "MNOPF"  # what cannot be taken back: it forgets, is random, or is no motion


@dataclass(frozen=True)
class Extras:
    """What a step consists of beside the flows of its Hamiltonian.

    Args:
        friction: what Rayleigh friction takes from X per unit of time, a component expression.
        noise: the strength of the noise on X.
        energy: the value of H to which the momenta are projected.
        cooling: the map of the piece C; see `cooling_map`.
    """

    friction: sp.Expr | None = None
    noise: sp.Expr | None = None
    energy: sp.Expr | None = None
    cooling: str = "exact"


@dataclass(frozen=True)
class Move:
    """A flow over its part of the step.

    Args:
        ahead: it reads the state where these would lead to.
        undo: in a program: what leads the weights back from where the gradient was read.
        is_lagged: its sums over momenta are those before the step.
    """

    flow: Flow
    ahead: tuple[Flow, ...] = ()
    undo: tuple[Flow, ...] = ()
    is_lagged: bool = False


@dataclass(frozen=True)
class Scheme:
    """One step of learning time tau from time s, as a composition of flows.

    Args:
        integrator: with those pieces only that H has.
        pieces: the flows of each letter over a whole step.
        fields: the memory fields.
    """

    integrator: Integrator
    space: PhaseSpace
    equations: Equations
    temperature: Temperature
    pieces: Mapping[str, tuple[Flow, ...]]
    fields: tuple[Field, ...] = ()
    extras: Extras = Extras()

    @cached_property
    def program(self) -> Program:
        """The composition as it is run: one gradient for each call, read at the stored weights."""
        return program_of(self.integrator.composition)

    @cached_property
    def moves(self) -> tuple[Move, ...]:
        """The flows of the composition, in order, from the start of the step."""
        clock = _Clock()
        result: list[Move] = []
        for item in self.integrator.composition:
            if isinstance(item, Readout):
                peek = clock.copy()
                ahead = [f for p in item.ahead for f in peek.flows(self.pieces, p)]
                result += [Move(f, tuple(ahead)) for f in clock.flows(self.pieces, item.piece)]
            else:
                flows = clock.flows(self.pieces, item)
                result += [Move(f, is_lagged=item.is_lagged) for f in flows]
        return tuple(result)

    @property
    def flows(self) -> tuple[Flow, ...]:
        """The flows of the composition, in order, from the start of the step."""
        return tuple(move.flow for move in self.moves)

    @cached_property
    def calls(self) -> tuple[tuple[Move, ...], ...]:
        """What is done with each gradient, as flows over their parts of the step."""
        clock = _Clock()
        for step in self.program.before:
            clock.flows(self.pieces, step.piece)
        return tuple(
            tuple(m for step in call for m in self._run(step, clock)) for call in self.program.calls
        )

    def _run(self, step: Instruction, clock: _Clock) -> list[Move]:
        peek = clock.copy()
        ahead = tuple(f for p in step.ahead for f in peek.flows(self.pieces, p))
        undo = tuple(f for p in step.undo for f in clock.flows(self.pieces, p))
        flows = clock.flows(self.pieces, step.piece)
        return [Move(f, ahead, undo, step.piece.is_lagged) for f in flows]

    @property
    def offset(self) -> sp.Expr:
        """How far into the step, for beta, the program begins."""
        return clock_parts(step.piece for step in self.program.before)

    @cached_property
    def map(self) -> Mapping[sp.Symbol, sp.Expr]:
        """z+ as functions of z, the memory fields, and the gradient G and loss L at the old w.

        Where the weights have moved by delta before a kick, the gradient there is G + H delta and
        the loss L + G delta, which is exact through tau^2: kicks are of order tau themselves.
        Noise is left out: this is the mean.
        """
        coordinates = (*COORDINATES, *self.fields)
        current: dict[sp.Symbol, sp.Expr] = {z: z for z in coordinates}
        for move in self.moves:
            if move.flow.name == "projection":
                continue  # the identity on the energy surface, where the step is looked at
            seen = current
            for flow in move.ahead:
                seen = _after(flow, seen, seen[w])
            if not move.ahead:
                current = _after(move.flow, current, current[w])
            elif w in move.flow.updates:
                # A drift from where the weights are, with the momenta ahead.
                moved = _after(move.flow, {**seen, w: current[w]}, current[w])
                current = {**current, w: moved[w], U: current[U] + moved[U] - seen[U]}
            else:
                # A kick of the present momenta, by the force ahead.
                current = {**_after(move.flow, current, seen[w]), w: current[w]}
        return {z: new.xreplace({NOISE: sp.S.Zero}) for z, new in current.items()}

    def claims(self) -> tuple[Claim, ...]:
        """Everything that is proved of this step."""
        return (
            self.check_symplectic(),
            self.check_conformal(),
            *self.check_foreign(),
            self.check_order(),
        )

    def check_symplectic(self) -> Claim:
        """The step preserves the Poisson tensor on the extended space, for every loss and d.

        Each flow is shown to satisfy {f o Phi, g o Phi} = {f, g} o Phi on coordinates; a
        composition of such maps is one.
        """
        flows = self._symplectic_flows
        residuals = [r for flow in flows for r in self._poisson_residuals(flow)]
        return zero_claim(
            f"{self._subject(flows, 'on (U, w, β, X)')} exactly symplectic"
            f"{_smoothness_note(flows)}{self._memory_note()}",
            residuals,
            "exact, symbolic d, any loss: each flow preserves Π",
        )

    def _poisson_residuals(self, flow: Flow) -> list[sp.Expr]:
        residuals = []
        for f, g in independent_pairs():
            mapped = self.space.bracket(flow.apply(f), flow.apply(g))
            residuals.append(away_from_kinks(mapped - flow.apply(self.space.bracket(f, g))))
        return residuals

    def _conformal_residuals(self, flow: Flow) -> list[sp.Expr]:
        a, b = Component("a"), Component("b")
        scale = beta / flow.updates.get(beta, beta)
        w_a, w_b = flow.apply(Total(a * w)), flow.apply(Total(b * w))
        X_a, X_b = flow.apply(Total(a * X)), flow.apply(Total(b * X))
        residuals = [
            _canonical_bracket(w_a, X_b) - scale * Total(a * b),
            _canonical_bracket(w_a, w_b),
            _canonical_bracket(X_a, X_b),
        ]
        return [away_from_kinks(r) for r in residuals]

    @property
    def _used(self) -> tuple[Flow, ...]:
        """One flow of each piece that the composition uses: what holds for it holds in parts."""
        letters = {own_piece(item).letter for item in self.integrator.composition}
        return tuple(f for letter, flows in self.pieces.items() if letter in letters for f in flows)

    @property
    def _symplectic_flows(self) -> tuple[Flow, ...]:
        return tuple(f for f in self._used if f.is_hamiltonian and not f.middle)

    @property
    def foreign(self) -> tuple[Flow, ...]:
        """What acts and is no exact flow of a piece of H; memory fields stand in `fields`."""
        kept = set(self._symplectic_flows)
        return tuple(f for f in self._used if f not in kept and f.name != "memory")

    @property
    def is_lagged(self) -> bool:
        """Whether a piece takes sums over momenta from before the step."""
        return any(move.is_lagged for move in self.moves)

    @property
    def is_hamiltonian(self) -> bool:
        """Whether the step consists of nothing but flows of pieces of H."""
        return not self.foreign and not self.integrator.readouts and not self.is_lagged

    def _subject(self, flows: tuple[Flow, ...], where: str) -> str:
        """The step, or those of its pieces that are flows of a Hamiltonian."""
        if self.is_hamiltonian:
            return f"the step {where} is"
        pieces = _listed(flow.name for flow in flows)
        return f"the pieces {pieces} of the step {where} are each"

    def _memory_note(self) -> str:
        """The brackets know memory fields as given functions; what that leaves open."""
        if not self.fields:
            return ""
        return " at given memory fields (these follow the gradient and are not Hamiltonian)"

    def check_conformal(self) -> Claim:
        """On (w, X) alone the step multiplies sum dX_j dw^j by beta(s)/beta(s + tau)."""
        if not vanishes(self.space.coupling - beta * X):
            return Claim(
                "the coupling is not Y = βX: on (w, X) no constant conformal factor is claimed",
                Verdict.ASSUMED,
                "not checked",
            )
        flows = self._symplectic_flows
        residuals = [r for flow in flows for r in self._conformal_residuals(flow)]
        moved_by = [f.name for f in flows if _depends_on_place(f.updates.get(beta, beta))]
        if moved_by:
            found = next((found for r in residuals if (found := find_nonzero(r))), None)
            what = "and its residual vanishes" if found is None else f"residual {found[1]}"
            return Claim(
                f"on (w, X) alone the step has no constant conformal factor: {_listed(moved_by)} "
                "moves β by an amount that depends on w or X",
                Verdict.PROVED,
                f"the factor β(t−τ)/β(t) does not come out of the differential; {what}",
            )
        factor = "β(t−τ)/β(t)"
        if self.temperature.propagator is not None and self.extras.cooling == "exact":
            end = self.temperature.propagator.xreplace({t: START + tau})
            factor = f"{factor} = {to_unicode(shortest(beta / end))}"
        return zero_claim(
            f"on (w, X) {self._subject(flows, '').replace('  ', ' ')} conformally symplectic: "
            f"Σ dX∧dw is multiplied by {factor}{self._memory_note()}",
            residuals,
            "exact, symbolic d, any loss: each flow scales the bracket {w, X}",
        )

    def check_foreign(self) -> tuple[Claim, ...]:
        """What the pieces that are no exact Hamiltonian flows keep, and what they break."""
        claims = []
        for flow in dict.fromkeys(f for f in self._used if f.remark and f.name != "memory"):
            if flow.middle:
                claims.append(_midpoint_claim(flow))
            elif flow.is_hamiltonian:
                method = "with the U that belongs to it a point transformation of β"
                claims.append(Claim(f"{flow.name}: {flow.remark}", Verdict.PROVED, method))
            else:
                claims.append(self._foreign_claim(flow))
        reading = [move for move in self.moves if move.ahead]
        claims += [
            self._readout_claim(readout, move)
            for readout, move in zip(self.integrator.readouts, reading, strict=True)
        ]
        if self.is_lagged:
            claims.append(
                Claim(
                    "sums over the momenta are those before the step, and what is missing is made "
                    "up in the next step: the gradient is read at weights that are off by O(τ²), "
                    "and the step is not Hamiltonian",
                    Verdict.ASSUMED,
                    "by construction; B in the place of B* is exact and takes two sweeps",
                )
            )
        return tuple(claims)

    def _foreign_claim(self, flow: Flow) -> Claim:
        if flow.name == "projection":
            return Claim(
                f"{flow.name}: {flow.remark}", Verdict.PROVED, "its scale depends on the state"
            )
        kept = {
            "the bracket of w and X": self._conformal_residuals(flow),
            "the Poisson tensor": self._poisson_residuals(flow),
        }
        words, methods = [], []
        for what, residuals in kept.items():
            broken = next((found for r in residuals if (found := find_nonzero(r))), None)
            if broken is None:
                words.append(f"keeps {what}")
                shown = all(vanishes(r) for r in residuals)
                methods.append("exact" if shown else "12 points, 40 digits")
            else:
                words.append(f"breaks {what}")
                methods.append(f"residual {broken[1]}")
        return Claim(
            f"{flow.name} {' and '.join(words)}: {flow.remark}", Verdict.PROVED, "; ".join(methods)
        )

    def _readout_claim(self, readout: Readout, move: Move) -> Claim:
        """A readout is no flow: what its bracket of w and X lacks."""
        a, b = Component("a"), Component("b")
        current: dict[sp.Symbol, sp.Expr] = {z: z for z in COORDINATES}
        seen = current
        for flow in move.ahead:
            seen = _after(flow, seen, seen[w])
        if readout.piece.letter in KICKS:
            shifted = _after(move.flow, current, seen[w])
            bracket = _slope_product(Total(a * w), Total(b * shifted[X]))
            scale = beta / move.flow.updates.get(beta, beta)
        else:
            moved = _after(move.flow, {**seen, w: w}, w)
            bracket = _canonical_bracket(Total(a * moved[w]), Total(b * X))
            bracket += _canonical_bracket(Total(a * moved[w]), Total(b * moved[w]))
            scale = sp.S.One
        residual = away_from_kinks(bracket - scale * Total(a * b))
        found = find_nonzero(residual)
        what = (
            "gradient where these would take the weights"
            if readout.piece.letter in KICKS
            else "momenta where these would take them"
        )
        statement = f"the readout {readout} reads the {what}"
        if found is None:
            return Claim(f"{statement}; the bracket of w and X is kept", Verdict.PROVED, "exact")
        return Claim(
            f"{statement}, and leaves the Hamiltonian class: the bracket of w and X is not "
            "multiplied by a constant",
            Verdict.PROVED,
            f"to first order in the displacement; residual {found[1]}",
        )

    def check_order(self) -> Claim:
        """The order of the step.

        Of exact flows, from the free algebra of the pieces, which holds for every Hamiltonian; else
        from the Taylor series in tau against that of the motion.
        """
        if len(self.program.calls) > 1:
            return self._algebraic_order()
        velocity = self._velocity
        first = [
            away_from_kinks(_at_zero(sp.diff(self.map[z], tau)) - velocity[z].xreplace({t: START}))
            for z in self.map
        ]
        mean = " in the mean" if self.extras.noise is not None else ""
        claim = zero_claim(
            f"consistent with the equations of motion{mean}: the step agrees through τ¹",
            first,
            "Taylor series, symbolic d",
        )
        if claim.verdict is not Verdict.PROVED or self.is_lagged:
            return claim
        defects = {z: self._second_order_defect(z) for z in (w, X)}
        # A value settles that a defect is there; only where there is none is a proof looked for.
        if any(d is not None and find_nonzero(d) is not None for d in defects.values()):
            return Claim(
                f"order 1: the step agrees with the equations of motion{mean} through τ¹, not "
                "through τ²",
                Verdict.PROVED,
                "Taylor series, symbolic d; a point where the τ² terms differ",
            )
        if all(d is not None and vanishes(d) for d in defects.values()):
            return self._second_order_claim(defects)
        return claim

    def _algebraic_order(self) -> Claim:
        inexact = [flow.name for flow in self._used if not flow.is_exact]
        if inexact or self.integrator.readouts:
            what = _listed(inexact or map(str, self.integrator.readouts))
            return Claim(
                f"no order is claimed: the composition contains {what}",
                Verdict.ASSUMED,
                "the free algebra decides for exact flows only",
            )
        residuals = [r for flow in self._used for r in self._exactness_residuals(flow)]
        order = order_of(self.integrator.composition)
        words = f"words of up to {min(order + 1, LARGEST)} letters"
        claim = zero_claim(
            f"order {order}: the step agrees with the equations of motion through τ^{order}"
            f"{self._conjugacy_note}",
            residuals,
            f"order conditions in the free algebra of the pieces, {words}; each flow solves its "
            "equations of motion",
        )
        calls = len(self.program.calls)
        return replace(claim, statement=f"{claim.statement}; {calls} gradients a step of τ")

    def _exactness_residuals(self, flow: Flow) -> list[sp.Expr]:
        """d/dtau Phi = v o Phi for the velocity v of the generator."""
        if flow.generator is None:
            return []
        brackets = self.space.bracket_with_coordinates(flow.generator)
        residuals = []
        for z, bracket in brackets.items():
            new = flow.updates.get(z, z)
            speed = -self.equations.unit * bracket
            there = speed.xreplace({t: START + tau}).xreplace(dict(flow.updates))
            residuals.append(away_from_kinks(sp.diff(new, tau) - there))
        return residuals

    def _second_order_claim(self, defects: Mapping[sp.Symbol, sp.Expr | None]) -> Claim:
        rest = [z for z in self.map if z not in defects and z not in self.fields]
        claim = zero_claim(
            "order 2: the step agrees with the equations of motion through τ²",
            [d for z in rest if (d := self._second_order_defect(z)) is not None],
            "Taylor series, symbolic d, any loss",
        )
        return replace(claim, statement=f"{claim.statement}{self._conjugacy_note}")

    @property
    def _conjugacy_note(self) -> str:
        before = [step for step in self.program.before if step.piece.letter in self.pieces]
        if not before:
            return ""
        stored = " ".join(map(str, before))
        return f" (on the trajectory; the program stores what is {stored} ahead of it)"

    @property
    def _velocity(self) -> Mapping[sp.Symbol, sp.Expr]:
        velocity = {**self.equations.velocity, **{s: memory_velocity(s) for s in self.fields}}
        if self.extras.friction is not None:
            velocity[X] -= self.extras.friction
        return velocity

    def _second_order_defect(self, z: sp.Symbol) -> sp.Expr | None:
        velocity = self._velocity
        moves = {**velocity, t: sp.S.One}
        if velocity[z].has(sp.Derivative):
            return None
        exact = directional(velocity[z], moves).xreplace({t: START})
        return away_from_kinks(_at_zero(sp.diff(self.map[z], tau, 2)) - exact)


class _Clock:
    """How far each kind of piece has come in the step.

    What moves beta (A and C) shares one clock; every other piece has its own.
    """

    def __init__(self, reached: Mapping[str, sp.Expr] | None = None) -> None:
        self.reached = dict(reached or {})

    def copy(self) -> _Clock:
        return _Clock(self.reached)

    def flows(self, pieces: Mapping[str, tuple[Flow, ...]], piece: Piece) -> tuple[Flow, ...]:
        """The flows of `piece` from where its kind has come to; its clock moves on."""
        kind = CLOCKS if piece.letter in CLOCKS else piece.letter
        start = self.reached.get(kind, sp.S.Zero)
        self.reached[kind] = sp.expand(start + piece.part)
        return tuple(f.over(piece.part, start) for f in pieces.get(piece.letter, ()))


def _after(
    flow: Flow, current: Mapping[sp.Symbol, sp.Expr], read_at: sp.Expr
) -> dict[sp.Symbol, sp.Expr]:
    """The state after a flow, the gradient being read at the weights `read_at`."""
    moved = sp.expand_mul(read_at - w)
    here = {**current, w: read_at}
    if moved != 0 and flow.name != "memory":
        here |= {G: G + HessianProduct(moved), L: L + Total(G * moved)}
    return {z: flow.updates[z].xreplace(here) if z in flow.updates else current[z] for z in current}


def _depends_on_place(new: sp.Expr) -> bool:
    return bool(new.has(L, X, w))


def _canonical_bracket(f: sp.Expr, g: sp.Expr) -> sp.Expr:
    return Total(gradient(f, w) * gradient(g, X) - gradient(f, X) * gradient(g, w))


def _slope_product(f: sp.Expr, g: sp.Expr) -> sp.Expr:
    """The part df/dw dg/dX of the bracket: all of it where f does not depend on X."""
    return Total(gradient(f, w) * gradient(g, X))


def _midpoint_claim(flow: Flow) -> Claim:
    """z+ = z + J S (z + z+)/2 with a symmetric S keeps J: Cayley's transform of a Hamiltonian."""
    a, b, e = sp.symbols("a b e", real=True)
    J = sp.Matrix([[0, 1], [-1, 0]])
    half = J * sp.Matrix([[a, b], [b, e]]) / 2
    jacobian = (sp.eye(2) - half).inv() * (sp.eye(2) + half)
    residuals = list((jacobian.T * J * jacobian - J).applyfunc(sp.cancel))
    return zero_claim(
        f"{flow.name}: {flow.remark}",
        residuals,
        "Cayley's transform of any symmetric Hessian of a component is symplectic",
    )


def _at_zero(expr: sp.Expr) -> sp.Expr:
    value = expr.subs(tau, 0)
    return sp.limit(expr, tau, 0) if value.has(sp.nan, sp.zoo) else value


def _smoothness_note(flows: tuple[Flow, ...]) -> str:
    kinks = (sp.Abs, sp.sign, sp.Min, sp.Max, Huber)
    if any(flow.generator is not None and flow.generator.has(*kinks) for flow in flows):
        return " away from the kinks of H (there the subgradient rule is used)"
    return ""


def _listed(names: Iterable[str]) -> str:
    words = list(dict.fromkeys(names))
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def build_scheme(
    integrator: Integrator,
    space: PhaseSpace,
    equations: Equations,
    separation: Separation,
    temperature: Temperature,
    extras: Extras | None = None,
) -> Scheme:
    """Compose the flows that `integrator` asks for.

    Raises:
        NotSeparableError: a term has no flow, or the composition no place for it; the message names
            it.
    """
    if not separation.is_complete:
        worst = separation.obstructions[0]
        raise NotSeparableError(
            f"the Hamiltonian does not split into flows: in the term {worst.term}, "
            f"{worst.reason}. The integrator '{integrator.name}' needs H = potential(w, β, t) + "
            "thermal(U, β, t) + kinetic(X, β, t), and what ARCHITECTURE.md lists beside"
        )
    if separation.kinetic == 0:
        raise NotSeparableError(
            "H has no kinetic term, so the weights never move; add one, for example "
            "beta/(2*k)*dot(X, X)"
        )
    extras = extras or Extras()
    fields = memories(separation.kinetic)
    letters = {own_piece(item).letter for item in integrator.composition}
    _check_places(letters, integrator, separation, fields, extras)
    makers = _makers(space, separation, temperature, fields, extras, equations)
    pieces = {letter: make() for letter, make in makers.items() if letter in letters}
    pieces = {letter: flows for letter, flows in pieces.items() if flows}
    used = integrator.restricted({*pieces, *KICKS, *CLOCKS, "B"})
    _check_directions(used, pieces, temperature)
    return Scheme(used, space, equations, temperature, pieces, fields, extras)


def _makers(
    space: PhaseSpace,
    separation: Separation,
    temperature: Temperature,
    fields: tuple[Field, ...],
    extras: Extras,
    equations: Equations,
) -> Mapping[str, Callable[[], tuple[Flow, ...]]]:
    """How the flows of each letter are made; nothing where H has nothing of the kind."""
    potential, thermal = separation.potential, separation.thermal
    kinetic, noise, energy = separation.kinetic, extras.noise, extras.energy
    rate = equations.unit * sp.diff(thermal, U)
    # Where the thermal part is all that moves beta, its law is known already.
    known = temperature.propagator is not None and separation.thermostat == 0
    law = temperature if known else law_at_rest(rate)
    H = potential + thermal + kinetic + separation.thermostat
    return {
        "A": lambda: (kick_and_cool(space, potential, thermal, law),),
        "K": lambda: (kick(space, potential),),
        "C": lambda: (cool(space, thermal, law, extras.cooling),),
        "E": lambda: _if(separation.thermostat, lambda: thermostat(space, separation.thermostat)),
        "D": lambda: _if(separation.dilation, lambda: dilate(space, separation.dilation)),
        "M": lambda: tuple(relax(memory) for memory in fields),
        "F": lambda: () if extras.friction is None else (rub(extras.friction),),
        "N": lambda: () if noise is None else (shake(noise),),
        "O": lambda: () if noise is None else (shake_and_cool(noise, law),),
        "P": lambda: () if energy is None else (project(H, energy, kinetic),),
        "B": lambda: (drift(space, kinetic),),
    }


def _if(present: sp.Expr, make: Callable[[], Flow]) -> tuple[Flow, ...]:
    return () if present == 0 else (make(),)


def _check_places(
    letters: set[str],
    integrator: Integrator,
    separation: Separation,
    fields: tuple[Field, ...],
    extras: Extras,
) -> None:
    """Everything that there is has a place in the composition."""
    needs = (
        ("E", separation.thermostat != 0, "H has a thermostat"),
        ("D", separation.dilation != 0, "H has a dilation"),
        ("M", bool(fields), "H has memory fields"),
        ("F", extras.friction is not None, "there is friction"),
        ("NO", extras.noise is not None, "there is noise"),
        ("P", extras.energy is not None, "an energy is given to project to"),
    )
    for wanted, present, what in needs:
        if present and not letters & set(wanted):
            raise NotSeparableError(
                f"{what}, and the composition {integrator.name} has no piece "
                f"{' or '.join(wanted)} for it ({LETTERS[wanted[0]]})"
            )
    if extras.noise is not None and {"N", "O"} <= letters:
        raise NotSeparableError("the composition makes the noise twice, by N and by O; use one")
    if extras.cooling != "exact" and "A" in letters:
        raise NotSeparableError(
            f"the {extras.cooling} cooling map is one of the piece C; write K and C in the place "
            "of A, for example 'K C B'"
        )


def _check_directions(
    integrator: Integrator, pieces: Mapping[str, tuple[Flow, ...]], temperature: Temperature
) -> None:
    """Steps back in time only for what can be taken back, and never to before the start."""
    for item in integrator.composition:
        piece = own_piece(item)
        back = piece.part.is_negative
        if back and piece.letter in _FORWARD_ONLY and piece.letter in pieces:
            raise NotSeparableError(
                f"the composition takes {piece.letter} back in time ({piece}), and it cannot be: "
                f"{LETTERS[piece.letter]}"
            )
    profile = temperature.profile()
    if profile is None:
        return
    reached = sp.S.Zero
    for item in integrator.composition:
        piece = own_piece(item)
        reached = reached + (piece.part if piece.letter in CLOCKS else 0)
        if reached.is_negative and _falls_below_zero(profile, reached):
            raise NotSeparableError(
                f"the composition takes the clock of β to {sp.N(reached, 3)} of a step, before the "
                "start, where the thermal parameter of this law is not positive; 'suzuki' stays "
                "inside the step"
            )


def _falls_below_zero(profile: sp.Expr, reached: sp.Expr) -> bool:
    at = profile.xreplace({t: reached * tau})
    point = {s: reproducible_value(str(s.name), 0) for s in at.free_symbols}
    value = at.xreplace(point).evalf(20)
    return not (value.is_real and value > 0)

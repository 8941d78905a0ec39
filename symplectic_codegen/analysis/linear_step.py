"""One step of a rule on the quadratic lambda/2 w**2: a 2 x 2 matrix on (X, w).

A quadratic loss splits into its eigendirections, and on each the rule acts alone. Where a rule is
not linear there, its linearisation at the minimum (X, w) = (0, 0) says what happens close to it;
memory fields are held at a given value. Both are said wherever they are used.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property

import sympy as sp

from symplectic_codegen.algebra.display import Formula, Printable
from symplectic_codegen.algebra.forms import readable
from symplectic_codegen.algebra.functions import InTurn
from symplectic_codegen.algebra.memory import Memory
from symplectic_codegen.algebra.notation import to_latex, to_unicode
from symplectic_codegen.algebra.symbols import L0, START, G, L, U, X, beta, w
from symplectic_codegen.algebra.vector import Total, one_block
from symplectic_codegen.analysis.domain import domain_of
from symplectic_codegen.analysis.linearisation import (
    frozen_fields,
    in_curvature,
    slope_at_minimum,
    value_at_minimum,
)
from symplectic_codegen.analysis.parameters import CURVATURE, Reading, reading_of
from symplectic_codegen.discretization.flows import NOISE
from symplectic_codegen.discretization.update import STEP_NUMBER
from symplectic_codegen.driver import Derivation
from symplectic_codegen.errors import AnalysisError

STATE = (X, w)
_SHOWN = 60  # characters of an entry in a message


@dataclass(frozen=True)
class LinearStep(Printable):
    """One step on lambda/2 w**2 as a 2 x 2 matrix on (X, w).

    >>> from symplectic_codegen.driver import derive
    >>> linear_step(derive("dot(X, X)/2 + L")).matrix
    Matrix([
    [               1,                 k*lambda_*tau/(beta0*h)],
    [-k*tau/(beta0*h), 1 - k**2*lambda_*tau**2/(beta0**2*h**2)]])

    Args:
        matrix: z -> matrix z for z = (X, w).
        noise: z -> z + noise xi for errors xi in the gradients of the step, a column for each.
        shaking: z -> z + shaking xi for the noise that the rule itself adds.
        notes: what was assumed to arrive at a matrix.
        calls: how many gradients the step takes; the matrix of more than one is not simplified.
    """

    matrix: sp.Matrix
    noise: sp.Matrix
    shaking: sp.Matrix = field(default_factory=lambda: sp.zeros(2, 0))
    notes: tuple[str, ...] = ()
    calls: int = 1

    @property
    def is_constant(self) -> bool:
        """Whether all steps have this matrix."""
        return not self.matrix.has(STEP_NUMBER, START)

    @property
    def trace(self) -> sp.Expr:
        return self.matrix.trace()

    @cached_property
    def determinant(self) -> sp.Expr:
        """The determinant, simplified: the conformal factor of the step."""
        return sp.simplify(sp.powsimp(sp.expand(self.matrix.det())))

    @cached_property
    def gain(self) -> sp.Expr | None:
        """B, where the trace is 1 + D - B (lambda + shift); None where it has another form.

        One kick per step makes the trace linear in the curvature, and a conformal step has a
        determinant free of it.
        """
        slope = sp.diff(self.trace, CURVATURE)
        if slope == 0 or slope.has(CURVATURE) or self.determinant.has(CURVATURE):
            return None
        return readable(-slope)

    @cached_property
    def shift(self) -> sp.Expr:
        """What a quadratic potential of H adds to the curvature; see `gain`.

        Raises:
            ValueError: the trace has another form.
        """
        if self.gain is None:
            raise ValueError("the trace is not linear in the curvature")
        start = self.trace.subs(CURVATURE, 0)
        return sp.factor(sp.cancel((1 + self.determinant - start) / self.gain))

    def power(self, N: sp.Expr) -> sp.Matrix:
        """M**N for a symbolic N, where the eigenvalues differ; by Cayley and Hamilton.

        Raises:
            ValueError: the matrix changes from step to step.
        """
        if not self.is_constant:
            raise ValueError("the matrix changes from step to step: its products have no power")
        root = sp.sqrt(self.trace**2 - 4 * self.determinant)
        r1, r2 = (self.trace + root) / 2, (self.trace - root) / 2

        def s(m: sp.Expr) -> sp.Expr:
            return (r1**m - r2**m) / (r1 - r2)

        return s(N) * self.matrix - self.determinant * s(N - 1) * sp.eye(2)

    def double_root_power(self, N: sp.Expr) -> sp.Matrix:
        """M**N where the eigenvalues meet: the limit of `power`."""
        r = self.trace / 2
        return N * r ** (N - 1) * self.matrix - (N - 1) * r**N * sp.eye(2)

    def formulas(self) -> tuple[Formula, ...]:
        """The two rows, trace and determinant."""
        rows = []
        for z, row in zip(STATE, self.matrix.tolist(), strict=True):
            image = sp.Add(*(entry * s for entry, s in zip(row, STATE, strict=True)))
            text, latex = to_unicode(z), to_latex(z)
            rows.append(Formula.equation(text, latex, image, "←", r"\leftarrow"))
        if self.calls > 1:
            return (Formula.equation("determinant D", r"\det M", self.determinant),)
        return (
            *rows,
            Formula.equation("trace T", r"\operatorname{tr} M", self.trace),
            Formula.equation("determinant D", r"\det M", in_curvature(self.determinant)),
        )


def linear_step(derivation: Derivation) -> LinearStep | None:
    """The step on a quadratic as a matrix; None if the rule is not linear in (X, w)."""
    moved = _moved(derivation, {}, reading_of(derivation))
    moving = {L, NOISE, *(s.symbol for s in derivation.update.states)}
    rows, noise = [], []
    for z in STATE:
        image = moved[z]
        if image.has(Total) or image.atoms(Memory) or image.free_symbols & moving:
            return None
        entries = [sp.diff(image, s) for s in (*STATE, G)]
        rest = image - sp.Add(*(e * s for e, s in zip(entries, (*STATE, G), strict=True)))
        if any(e.has(X, w, G) for e in map(sp.expand, entries)) or sp.expand(rest) != 0:
            return None
        rows.append(_on_curvature(entries))
        noise.append(in_curvature(entries[2]))
    return LinearStep(sp.Matrix(rows), sp.Matrix(noise))


def linearised_step(derivation: Derivation, reading: Reading | None = None) -> LinearStep:
    """The step on a quadratic as a matrix; of a rule that is not linear, its linearisation.

    Memory fields are held at a positive value, as the rule has them at that moment. Where a step
    takes several gradients, the matrix is that of all its calls together. `reading` says how
    hyperparameters are read; by default as symbols.

    Raises:
        AnalysisError: the rule is not smooth at the minimum, or it reads what a matrix on (X, w)
            does not know.

    >>> from symplectic_codegen.driver import derive
    >>> linearised_step(derive("sum(sqrt(1 + X**2)) + L")).notes
    ('linearised at the minimum (X, w) = (0, 0)',)
    """
    targets = [a.target for a in derivation.update.assignments]
    fields = frozen_fields((f for f in targets if isinstance(f, Memory)), derivation)
    reading = reading or reading_of(derivation)
    moved = _moved(derivation, fields, reading)
    _check_that_it_is_closed(moved, derivation)
    calls = len(derivation.scheme.calls)
    matrix, noise, shaking, bent = sp.eye(2), sp.zeros(2, 0), sp.zeros(2, 0), False
    for call in range(calls):
        one, is_bent = _linearised_call(moved, call)
        bent = bent or is_bent
        matrix = one.matrix * matrix
        noise = (one.matrix * noise).row_join(one.noise)
        shaking = (one.matrix * shaking).row_join(one.shaking)
    notes = [f"{to_unicode(f)} is held at the value {to_unicode(s)}" for f, s in fields.items()]
    notes += reading.notes(matrix, noise, shaking)
    if fields:
        notes.append("λ is the curvature along a coordinate, or of the preconditioned Hessian")
    if bent:
        notes.append("linearised at the minimum (X, w) = (0, 0)")
    if derivation.scheme.program.before:
        notes.append("X and w are those that the program stores, between the parts of a step")
    if calls > 1:
        notes.append(
            f"one step takes {calls} gradients: its trace is of degree {calls} in the curvature"
        )
    return LinearStep(matrix, noise, shaking, tuple(notes), calls)


def _check_that_it_is_closed(moved: Mapping[sp.Symbol, sp.Expr], derivation: Derivation) -> None:
    """Refuse a step that reads what moves with it and is not in (X, w)."""
    names = {s.symbol: s.meaning for s in derivation.update.states}
    names |= {L: "the loss", L0: "the first loss", U: "the energy U", beta: "β"}
    read = [name for symbol, name in names.items() if any(moved[z].has(symbol) for z in STATE)]
    if read:
        raise AnalysisError(
            f"the step reads {', '.join(read)}: that follows X and w in its own way, and the step "
            "is no matrix on (X, w)"
        )


def _linearised_call(moved: Mapping[sp.Symbol, sp.Expr], call: int) -> tuple[LinearStep, bool]:
    """What one gradient does, and whether it had to be linearised."""
    rows, noise, shaking, bent = [], [], [], False
    for z in STATE:
        image = moved[z].replace(
            lambda e: isinstance(e, InTurn), lambda e: e.args[1 + call % (len(e.args) - 1)]
        )
        kicks = (*STATE, G, NOISE)
        entries = [slope_at_minimum(image, s) for s in kicks]
        linear = sp.Add(*(e * s for e, s in zip(entries, kicks, strict=True)))
        bent = bent or image.has(Total) or sp.expand(image - linear) != 0
        if value_at_minimum(image) != 0:
            raise AnalysisError(
                f"(X, w) = (0, 0) is no fixed point of the step: it moves {z.name} away"
            )
        rows.append(_on_curvature(entries[:3]))
        noise.append(in_curvature(entries[2]))
        shaking.append(in_curvature(entries[3]))
    return LinearStep(sp.Matrix(rows), sp.Matrix(noise), sp.Matrix(shaking)), bent


def settled(step: LinearStep, derivation: Derivation) -> LinearStep:
    """The matrix of late steps: the limit of step number or time to infinity.

    Raises:
        AnalysisError: there is no limit, or it was not found.
    """
    if step.is_constant:
        return step
    clock = STEP_NUMBER if step.matrix.has(STEP_NUMBER) else START
    _check_that_time_goes_on(derivation)

    domain = domain_of(derivation)
    if domain.limit(step.trace, clock) in (sp.oo, -sp.oo):
        raise AnalysisError(
            "the matrix changes from step to step and its trace grows without bound: late steps "
            "stretch some direction by any factor, whatever the curvature"
        )

    def late(entry: sp.Expr) -> sp.Expr:
        limit = domain.limit(entry, clock)
        if limit is None or limit.has(clock, sp.oo):
            shown = to_unicode(entry)
            shown = shown if len(shown) <= _SHOWN else "one of its entries"
            raise AnalysisError(
                f"the matrix changes from step to step, and no limit of {shown} was found: the "
                "products of such matrices have no closed form here"
            )
        return in_curvature(limit)

    note = "the matrix changes from step to step; this is its limit for late steps"
    return replace(
        step,
        matrix=step.matrix.applyfunc(late),
        noise=step.noise.applyfunc(late),
        shaking=step.shaking.applyfunc(late),
        notes=(*step.notes, note),
    )


def single_call(step: LinearStep) -> None:
    """Refuse a step of several gradients, whose matrix has no short form.

    Raises:
        AnalysisError: it takes more than one gradient.
    """
    if step.calls > 1:
        raise AnalysisError(
            f"a step with {step.calls} gradients is a product of as many matrices: no closed form "
            "is looked for"
        )


def _check_that_time_goes_on(derivation: Derivation) -> None:
    for expr, _ in derivation.update.domain:
        moving = [clock for clock in (START, STEP_NUMBER) if expr.has(clock)]
        if any(sp.limit(expr, c, sp.oo).is_extended_negative is not False for c in moving):
            raise AnalysisError(
                "there are no late steps: β(t) exists for a finite time only, while "
                f"{to_unicode(expr)} > 0"
            )


def _moved(
    derivation: Derivation, frozen: Mapping[sp.Symbol, sp.Expr], reading: Reading
) -> dict[sp.Symbol, sp.Expr]:
    """X and w after one call, in X, w and the gradient G at the old w; `frozen` fields put in."""
    current: dict[sp.Symbol, sp.Expr] = {z: z for z in STATE}
    for assignment in derivation.update.inlined():
        if assignment.target not in frozen:
            expr = reading.read(one_block(assignment.expr)).xreplace({**frozen, **current})
            current[assignment.target] = expr
    return current


def _on_curvature(entries: list[sp.Expr]) -> list[sp.Expr]:
    """Derivatives by (X, w, G) as those by (X, w), with G = lambda w."""
    by_X, by_w, by_G = entries
    return [in_curvature(e) for e in (by_X, by_w + CURVATURE * by_G)]

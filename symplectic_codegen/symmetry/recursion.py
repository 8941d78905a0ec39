"""The charge of a symmetry under the update rule itself: a recursion, not a limit of small steps.

The update equations are run in symbols. Each value of the momenta that a gradient has entered keeps
a name of its own, X¹, X², ..., and what pairs it with the weights is written out, so that the
gradient meets the weights at which it was taken and the identity of the loss applies. What stays is
exact: the charge after a step, from the charge before it, for every loss with the symmetry and
every step size.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import sympy as sp

from symplectic_codegen.algebra.display import Formula, Printable
from symplectic_codegen.algebra.memory import Memory
from symplectic_codegen.algebra.notation import to_latex, to_unicode
from symplectic_codegen.algebra.symbols import Component, G, X, w
from symplectic_codegen.algebra.vector import (
    Blocks,
    BlockTotal,
    Total,
    components,
)
from symplectic_codegen.discretization.update import (
    Assignment,
    Coefficient,
    Iteration,
    UpdateEquations,
)
from symplectic_codegen.errors import SymmetryError
from symplectic_codegen.symmetry.charge import P, is_known
from symplectic_codegen.symmetry.generators import (
    BLOCK,
    P_AXIS,
    Q_AXIS,
    Generator,
    sums_multiplied_out,
)
from symplectic_codegen.symmetry.radius import R

_RAISED = "⁰¹²³⁴⁵⁶⁷⁸⁹"


@dataclass(frozen=True)
class Trace:
    """The update equations, run once in symbols.

    Args:
        weights: w after the step, in the weights before it and the values of the momenta.
        momenta: X after the step.
        values: each value of the momenta that a gradient has entered, by its name.
        scalars: coefficients that read sums, in order, by their definitions.
        states: the scalars that are kept between steps.
    """

    weights: sp.Expr
    momenta: sp.Expr
    values: Mapping[Component, sp.Expr]
    scalars: tuple[Assignment, ...]
    states: tuple[sp.Symbol, ...]


def trace(update: UpdateEquations) -> Trace:
    """Run the update equations in symbols.

    Raises:
        SymmetryError: a step iterates, or no momenta are kept from step to step.
    """
    if any(isinstance(s, Iteration) for s in update.statements):
        raise SymmetryError(
            "the rule solves an implicit equation by rounds of an iteration: the charge has no "
            "recursion in closed form"
        )
    current: dict[sp.Symbol, sp.Expr] = {}
    values: dict[Component, sp.Expr] = {}
    scalars: list[Assignment] = []
    kept = {s.symbol for s in update.states}
    coefficients = {s.symbol for s in update.statements if isinstance(s, Coefficient)}
    for step in update.inlined():
        new = _one_block(step.expr.xreplace(current))
        if step.target == X and not new.has(G):
            current[X] = new  # no gradient in it: written out
        elif step.target == X:
            name = Component(f"X{_RAISED[len(values) + 1]}")
            values[name] = new
            current[X] = name
        elif step.target in coefficients:
            scalars.append(Assignment(step.target, new))
        elif isinstance(step.target, Memory):
            # A field is named, not written out; told apart only where both its values are read.
            if any(e.has(step.target) for e in (*current.values(), *values.values())):
                current[step.target] = Component(f"{step.target.name}⁺")
        elif step.target not in kept:
            current[step.target] = new
    if not (values and any(v.has(X) for v in values.values())):
        raise SymmetryError(
            "the rule keeps no momenta from one step to the next (momentum is 0: the overdamped "
            "limit), so there is no charge to follow: Σ ξ·X is Σ ξ·∇L, which the symmetry makes 0"
        )
    return Trace(
        current.get(w, w),
        current[X],
        values,
        tuple(scalars),
        tuple(s.symbol for s in update.states),
    )


def _one_block(expr: sp.Expr) -> sp.Expr:
    """Sums over a block as sums: each parameter array is a system by itself."""
    if expr.has(Blocks):
        raise SymmetryError("sums over all parameter arrays meet in one state: no block is alone")
    return expr.replace(lambda e: isinstance(e, BlockTotal), lambda e: Total(e.body))


@dataclass(frozen=True)
class Recursion(Printable):
    """P and R = |w|^2 after a step, exactly, in P, R and sums before and in the step.

    Args:
        charge: P after the step.
        radius: R after the step; of scaling only.
        trace: what X¹, X², ... stand for.
    """

    generator: Generator
    charge: sp.Expr
    radius: sp.Expr | None
    trace: Trace

    @property
    def factor(self) -> sp.Expr | None:
        """What a step leaves of P, where nothing else enters; None where something does."""
        return self.charge.subs(P, 1) if self.charge.subs(P, 0) == 0 else None

    @property
    def verdict(self) -> str:
        """One sentence."""
        if self.factor is None:
            return "P is broken in each step by what stands beside its multiple (exact)"
        if self.factor == 1:
            return "the step conserves P exactly, at every step size (proved)"
        what = to_unicode(self.factor)
        decided = {a.target for a in self.trace.scalars} | set(self.trace.states)
        if is_known(self.factor) and not decided & self.factor.free_symbols:
            return f"P decays by {what} in each step, exactly, at every step size (proved)"
        return f"P is multiplied by {what} in each step, exactly; the state decides that factor"

    def formulas(self) -> tuple[Formula, ...]:
        """The recursion, with the names in it."""
        rows = [Formula.equation("P⁺", "P^+", self.charge)]
        if self.radius is not None:
            rows.append(Formula.equation("R⁺", "R^+", self.radius))
        named = self.charge if self.radius is None else self.charge + self.radius
        needed = _names(named)
        definitions = [
            _value(name, expr)
            for name, expr in self.trace.values.items()
            if needed & set(self.trace.values)
        ]
        definitions += [
            Formula.equation(to_unicode(a.target), to_latex(a.target), a.expr)
            for a in self.trace.scalars
            if a.target in named.free_symbols
        ]
        return tuple(Formula(f.text, _raised(f.latex)) for f in (*rows, *definitions))


def _names(expr: sp.Expr) -> set[sp.Basic]:
    return expr.atoms(Component)


def _value(name: Component, expr: sp.Expr) -> Formula:
    number = _RAISED.index(name.name[1:])
    return Formula(f"{name.name} = {to_unicode(expr)}", f"X^{{({number})}} = {to_latex(expr)}")


def _raised(latex: str) -> str:
    for number, digit in enumerate(_RAISED):
        latex = latex.replace(f"X{digit}", f"{{X^{{({number})}}}}")
    return latex


def recursion(update: UpdateEquations, generator: Generator) -> Recursion:
    """The exact recursion of the charge P = sum X xi(w) under an update rule.

    Raises:
        SymmetryError: the rule has no such recursion; says why.
    """
    run = trace(update)
    moved = generator.field.xreplace({w: run.weights})
    after = Total(sp.expand(sums_multiplied_out(moved * run.momenta)))
    charge = _written_out(after, run, generator)
    radius = None
    if generator.name == "scaling":
        radius = _written_out(generator.sum(sp.expand(run.weights**2)), run, generator)
    return Recursion(generator, charge, radius, run)


def _written_out(expr: sp.Expr, run: Trace, generator: Generator) -> sp.Expr:
    """`expr` with the momenta paired with weights written out, the identity imposed, P, R named."""
    expr = sp.expand(sums_multiplied_out(expr))
    for name in reversed(tuple(run.values)):
        terms = (_opened(term, name, run.values[name]) for term in sp.Add.make_args(expr))
        expr = sp.expand(sp.Add(*terms))
    expr = sp.expand(generator.impose(expr).xreplace(dict(_named(generator))))
    if generator.name == "rotation":
        expr = _rotation_charge(expr, generator)
    return _collected(expr)


def _opened(term: sp.Expr, name: Component, value: sp.Expr) -> sp.Expr:
    """A term with the sum in it that pairs `name` with the weights, written out.

    Only there does the gradient meet the weights at which it was taken. In a rotation that takes
    both of its sums: one over the momenta, the other over the weights.
    """
    sums = [f for f in sp.Mul.make_args(term) if isinstance(f, Total)]
    paired = [f for f in sums if _is_given(sp.cancel(f.body / name))]
    if len(paired) != 1:
        return term
    axes = [f for f in sums if f is not paired[0] and components(f.body) & {P_AXIS, Q_AXIS}]
    if not all(_is_given(f.body) for f in axes):
        return term
    weight = sp.cancel(paired[0].body / name)
    return term / paired[0] * Total(sp.expand(weight * value))


def _is_given(body: sp.Expr) -> bool:
    """Whether a body consists of weights and the constant vectors of a generator."""
    return components(body) <= {w, BLOCK, P_AXIS, Q_AXIS} and bool(body.is_polynomial(w))


def _named(generator: Generator) -> Iterator[tuple[sp.Expr, sp.Expr]]:
    if generator.name != "rotation":
        yield Total(sp.expand(generator.field * X)), P
    if generator.name == "scaling":
        yield generator.sum(w**2), R


def _rotation_charge(expr: sp.Expr, generator: Generator) -> sp.Expr:
    """P in the place of its two products of sums."""
    charge = Total(sp.expand_mul(generator.field * X))
    first, *rest = sp.Add.make_args(charge)
    solved = P - sp.Add(*rest)
    (a, b) = [f for f in sp.Mul.make_args(first) if isinstance(f, Total)]
    coefficient = sp.cancel(first / (a * b))
    return sp.expand(
        expr.replace(
            lambda e: e.is_Mul and a in e.args and b in e.args,
            lambda e: e / (a * b) * solved / coefficient,
        )
    )


def _collected(expr: sp.Expr) -> sp.Expr:
    terms = sp.collect(sp.expand(expr), [P, R, *sorted(expr.atoms(Total), key=sp.default_sort_key)])
    return sp.Add(*(_factored(term) for term in sp.Add.make_args(terms)))


def _factored(term: sp.Expr) -> sp.Expr:
    scalar: list[sp.Expr] = []
    rest: list[sp.Expr] = []
    for factor in sp.Mul.make_args(term):
        (rest if factor.has(Total, P, R) else scalar).append(factor)
    return sp.factor_terms(sp.Mul(*scalar)) * sp.Mul(*rest)

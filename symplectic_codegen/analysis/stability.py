"""When a rule is stable on a quadratic, and how fast it contracts there: exact conditions.

The eigenvalues of a 2 x 2 matrix with trace T and determinant D lie inside the unit circle if and
only if D < 1, 1 - T + D > 0 and 1 + T + D > 0 (Jury). They are complex where T**2 < 4 D, with
modulus sqrt(D); elsewhere the larger one has modulus (|T| + sqrt(T**2 - 4 D))/2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import sympy as sp

from symplectic_codegen.algebra.display import Formula, Printable
from symplectic_codegen.algebra.forms import is_negative, readable
from symplectic_codegen.algebra.notation import to_latex, to_unicode
from symplectic_codegen.analysis.domain import Domain
from symplectic_codegen.analysis.linear_step import LinearStep
from symplectic_codegen.analysis.parameters import CURVATURE
from symplectic_codegen.analysis.wording import prefixed, suffixed
from symplectic_codegen.errors import AnalysisError


@dataclass(frozen=True)
class Condition:
    """left < right.

    Args:
        always: it holds for every value that the bounds of the hyperparameters allow.
    """

    left: sp.Expr
    right: sp.Expr
    always: bool = False

    def at(self, values: Mapping[sp.Symbol, sp.Expr]) -> Condition:
        """The same with numbers put in, solved for what is left of the left side."""
        left, right = self.left.xreplace(dict(values)), self.right.xreplace(dict(values))
        factor, rest = left.as_coeff_Mul()
        return Condition(rest, readable(sp.cancel(right / factor)), self.always)

    def formula(self) -> Formula:
        """For print."""
        text, latex = to_unicode(self.left), to_latex(self.left)
        return Formula(f"{text} < {to_unicode(self.right)}", f"{latex} < {to_latex(self.right)}")

    def __str__(self) -> str:
        return self.formula().text


@dataclass(frozen=True)
class Stability(Printable):
    """The set of hyperparameters for which every trajectory on the quadratic goes to the minimum.

    Args:
        conditions: all must hold.
        is_marginal: the determinant is one: nothing contracts, and the conditions say when
            trajectories stay bounded.
        at_defaults: the conditions that are left once the defaults of the spec are put in.
    """

    conditions: tuple[Condition, ...]
    is_marginal: bool
    at_defaults: tuple[Condition, ...] = ()
    defaults: Mapping[sp.Symbol, sp.Expr] = field(default_factory=dict)

    @property
    def essential(self) -> tuple[Condition, ...]:
        """The conditions that do not already follow from the bounds."""
        return tuple(c for c in self.conditions if not c.always)

    def formulas(self) -> tuple[Formula, ...]:
        """One line per condition."""
        what = "bounded, without contraction," if self.is_marginal else "stable"
        rows = [prefixed(f"{what} if and only if ", c.formula()) for c in self.essential[:1]]
        rows += [prefixed("and ", c.formula()) for c in self.essential[1:]]
        if not self.conditions and self.at_defaults:
            text = "stable where |T| < 1 + D and D < 1; from small steps on, numerically:"
            rows = [Formula(text, r"\text{stable where } |T| < 1 + D,\ D < 1")]
        elif not self.essential:
            rows = [Formula(f"{what} everywhere", rf"\text{{{what} everywhere}}")]
        held = [c.formula() for c in self.conditions if c.always]
        rows += [suffixed(f, " holds within the bounds") for f in held]
        if self.at_defaults:
            text = ", ".join(f"{to_unicode(s)} = {v}" for s, v in self.defaults.items())
            latex = r",\ ".join(f"{to_latex(s)}={to_latex(v)}" for s, v in self.defaults.items())
            for formula in (c.formula() for c in self.at_defaults):
                stated = rf"\text{{at }} {latex}:\quad {formula.latex}"
                rows.append(Formula(f"at {text}: {formula.text}", stated))
        return tuple(rows)


@dataclass(frozen=True)
class Rate(Printable):
    """The spectral radius of the step: the factor by which the distance shrinks per step.

    Args:
        oscillating: its value where the eigenvalues are complex; None if they never are.
        monotone: its value where they are real.
        edges: the values of `curvature` between which the eigenvalues are complex, where known.
        curvature: lambda, or lambda + what a quadratic potential of H adds to it.
    """

    oscillating: sp.Expr | None
    monotone: sp.Expr
    edges: tuple[sp.Expr, sp.Expr] | None = None
    curvature: sp.Expr = CURVATURE

    def formulas(self) -> tuple[Formula, ...]:
        """The two branches and where they meet."""
        if self.oscillating is None:
            return (Formula.equation("rate", r"\rho", self.monotone),)
        rows = [
            suffixed(
                Formula.equation("rate", r"\rho", self.oscillating),
                " where the eigenvalues are complex (underdamped)",
            ),
            Formula(
                "rate = (|T| + √(T² − 4·D))/2 where they are real (overdamped)",
                r"\rho = \tfrac12\left(|T| + \sqrt{T^2 - 4D}\right) "
                r"\text{ where they are real (overdamped)}",
            ),
        ]
        if self.edges is not None:
            middle, high = _scaled(self.edges[1], self.curvature)
            low = readable(self.edges[0] * middle / self.curvature)
            text = f"{to_unicode(low)} < {to_unicode(middle)} < {to_unicode(high)}"
            latex = f"{to_latex(low)} < {to_latex(middle)} < {to_latex(high)}"
            rows.append(Formula(f"complex where {text}", rf"\text{{complex where }} {latex}"))
        return tuple(rows)


def stability(
    step: LinearStep, domain: Domain, defaults: Mapping[sp.Symbol, sp.Expr] | None = None
) -> Stability:
    """The exact stability region of a constant step.

    Raises:
        AnalysisError: the step is unstable for every choice of hyperparameters.

    >>> from symplectic_codegen.analysis.domain import domain_of
    >>> from symplectic_codegen.analysis.linear_step import linear_step
    >>> from symplectic_codegen import catalog
    >>> from symplectic_codegen.driver import derive
    >>> d = derive(catalog.load("heavy_ball"))
    >>> print(stability(linear_step(d), domain_of(d)).essential[0])
    (1 − dampening)·λ·lr < 2·(1 + momentum)
    """
    if step.calls > 1:
        return _numerical(step, defaults or {})
    D, shift = step.determinant, _visible_shift(step)
    T = sp.expand(step.trace.subs(CURVATURE, CURVATURE - shift)) if shift != 0 else step.trace
    curvature = CURVATURE + shift
    is_marginal = sp.simplify(D - 1) == 0
    found = [] if is_marginal else _positive(1 - D, domain, curvature)
    domain = damped(step, domain)
    for expr in (1 - T + D, 1 + T + D):
        found += _positive(expr, domain, curvature)
    conditions = tuple(dict.fromkeys(found))
    result = Stability(conditions, bool(is_marginal))
    known = {s: v for s, v in (defaults or {}).items() if any(s in _symbols(c) for c in conditions)}
    if not known or not result.essential:
        return result
    reduced = tuple(c.at(known) for c in result.essential)
    return replace(result, at_defaults=reduced, defaults=known)


def damped(step: LinearStep, domain: Domain) -> Domain:
    """The part of the domain in which the step can contract, where that is a bound on one symbol.

    Raises:
        AnalysisError: the determinant is at least one everywhere.
    """
    D = step.determinant
    if D == 1 or domain.sign(1 - D) is not None:
        return domain
    for condition in _positive(1 - D, domain, CURVATURE):
        if condition.left.is_Symbol and condition.right.is_Rational:
            domain = domain.below(condition.left, condition.right)
    return domain


def _numerical(step: LinearStep, defaults: Mapping[sp.Symbol, sp.Expr]) -> Stability:
    """The first interval of stability for one set of hyperparameters, by the roots of polynomials.

    The step size and the curvature enter as their product alone, so that the former is put to 1.

    Raises:
        AnalysisError: more than the step size is left open.
    """
    left = (step.matrix.free_symbols - set(defaults)) - {CURVATURE}
    size = [s for s in left if s.name == "lr"] or sorted(left, key=lambda s: str(s.name))
    if len(left) != 1:
        raise AnalysisError(
            "with several gradients a step the conditions of stability have a high degree in the "
            "curvature, and no closed form; for a number give values to "
            f"{', '.join(sorted(s.name for s in left))} but one by --set"
        )
    (parameter,) = size
    numbers = {**defaults, parameter: sp.S.One}
    T, D = (sp.N(e.subs(numbers), 30) for e in (sp.expand(step.trace), step.determinant))
    edges = []
    for expr in (1 - T + D, 1 + T + D):
        roots = sp.Poly(sp.expand(expr), CURVATURE).nroots(n=20, maxsteps=200)
        edges += [r for r in roots if r.is_real and r > sp.Float("1e-12")]
    if not edges:
        raise AnalysisError("no edge of stability was found")
    bound = Condition(CURVATURE * parameter, sp.Float(min(edges), 8))
    return Stability((), bool(D == 1), (bound,), dict(defaults))


def rate(step: LinearStep, domain: Domain) -> Rate:
    """The spectral radius of a constant step."""
    T, D = step.trace, step.determinant
    if step.calls > 1:
        return Rate(sp.sqrt(D), (sp.Abs(T) + sp.sqrt(T**2 - 4 * D)) / 2)
    modulus = T if domain.sign(T) == 1 else sp.Abs(T)
    if D == 0:
        return Rate(None, modulus)
    discriminant = sp.factor(T**2 - 4 * D)
    larger = (modulus + sp.sqrt(discriminant)) / 2
    if domain.sign(discriminant) in (0, 1):
        return Rate(None, readable(_without_bars(larger, domain)))
    shift = _visible_shift(step)
    return Rate(sp.sqrt(D), larger, _edges(step, shift, domain), CURVATURE + shift)


def _without_bars(expr: sp.Expr, domain: Domain) -> sp.Expr:
    """|x| as x or -x, where its sign is known."""
    signs = {node: domain.sign(node.args[0]) for node in expr.atoms(sp.Abs)}
    return expr.xreplace({n: s * n.args[0] for n, s in signs.items() if s is not None})


def _visible_shift(step: LinearStep) -> sp.Expr:
    """The shift of the curvature where it is a constant of the loss rather than of the step."""
    if step.gain is None or step.shift.free_symbols & step.determinant.free_symbols:
        return sp.S.Zero
    return step.shift


def _edges(step: LinearStep, shift: sp.Expr, domain: Domain) -> tuple[sp.Expr, sp.Expr] | None:
    """The curvatures at which T**2 = 4 D, in order; known where T is linear in the curvature.

    With T = 1 + D - B (lambda + shift) that is B (lambda + shift) = (1 -+ sqrt(D))**2.
    """
    if step.gain is None or domain.sign(step.gain) != 1:
        return None
    root = sp.sqrt(step.determinant)
    unseen = step.shift - shift
    low, high = ((1 + side * root) ** 2 / step.gain - unseen for side in (-1, 1))
    return low, high


def _positive(expr: sp.Expr, domain: Domain, curvature: sp.Expr) -> list[Condition]:
    """`expr` > 0 as conditions that a person can read, with `curvature` written for lambda."""
    numerator, denominator = sp.fraction(sp.together(expr))
    sign, open_ = 1, []
    for side in (numerator, denominator):
        for factor in sp.Mul.make_args(sp.factor(side)):
            base, power = factor.as_base_exp()
            known = domain.sign(base)
            if power.is_Integer and power % 2 == 0 and known != 0:
                continue
            if known is None:
                open_.append(base)
            else:
                sign *= known
    if sign == 0:
        # An eigenvalue that stays at one or minus one, whatever is chosen.
        raise AnalysisError(
            "an eigenvalue of the step is 1 or -1 for every choice of hyperparameters: some "
            "direction neither grows nor shrinks, and higher orders decide"
        )
    if not open_:
        if sign < 0:
            raise AnalysisError(
                f"the step is unstable for every choice of hyperparameters: "
                f"{to_unicode(readable(expr))} is never positive"
            )
        is_shown = not expr.is_number and not expr.has(CURVATURE)
        return [_split(expr, always=True)] if is_shown else []
    return [_solved(sign * sp.Mul(*open_), domain, curvature)]


def _solved(expr: sp.Expr, domain: Domain, curvature: sp.Expr) -> Condition:
    """`expr` > 0, solved for the curvature if it is linear in it."""
    slope = sp.diff(expr, CURVATURE)
    if slope == 0 or slope.has(CURVATURE):
        return _split(expr)
    direction = domain.sign(slope)
    if direction is None:
        return _split(expr)
    bound = readable(-expr.subs(CURVATURE, 0) / slope)
    left, right = _scaled(bound, curvature)
    return Condition(left, right) if direction < 0 else Condition(right, left)


def _scaled(bound: sp.Expr, curvature: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """curvature < bound with the symbols that divide the bound brought to the other side."""
    numerator, denominator = sp.fraction(sp.factor_terms(sp.together(bound)))
    moved = [
        f
        for f in sp.Mul.make_args(denominator)
        if f.as_base_exp()[0].is_Symbol or (f.is_Add and not numerator.has(*f.free_symbols))
    ]
    rest = sp.Mul(*(f for f in sp.Mul.make_args(denominator) if f not in moved))
    return curvature * sp.Mul(*moved), readable(numerator / rest)


def _split(expr: sp.Expr, always: bool = False) -> Condition:
    """`expr` > 0 with negative terms on the left."""
    terms = sp.Add.make_args(sp.expand(expr))
    negative = sp.Add(*(-term for term in terms if is_negative(term)))
    positive = sp.Add(*(term for term in terms if not is_negative(term)))
    return Condition(negative, positive, always)


def _symbols(condition: Condition) -> set[sp.Symbol]:
    return condition.left.free_symbols | condition.right.free_symbols

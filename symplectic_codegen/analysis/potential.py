"""Whether a vector field in X is a gradient, and of what.

The curl of v is the antisymmetric part of its Jacobian. For symbolic d that is an `Operator`, a
diagonal plus rank-one terms, so the test is one exact identity for all d at once. Where it vanishes
T is constructed from what v is made of, and every T is accepted only after its gradient has been
shown to be v.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import sympy as sp
from sympy.integrals.manualintegrate import manualintegrate
from sympy.printing.latex import LatexPrinter

from symplectic_codegen.algebra.display import Formula
from symplectic_codegen.algebra.explicit import Coordinates, instantiate
from symplectic_codegen.algebra.functions import Huber
from symplectic_codegen.algebra.notation import to_latex, to_unicode
from symplectic_codegen.algebra.operators import Operator, jacobian
from symplectic_codegen.algebra.proof import Claim, Verdict, find_nonzero, vanishes
from symplectic_codegen.algebra.samples import reproducible_value
from symplectic_codegen.algebra.symbols import Component, X, d
from symplectic_codegen.algebra.vector import (
    Total,
    components,
    gradient,
    is_scalar,
    outer_totals,
    split_scalar,
)
from symplectic_codegen.analysis.kinks import KINKS, UnorderedError, pieces, restrict

_POINTS = 12  # reproducible points that are tried for a value of the curl


@dataclass(frozen=True)
class Curl:
    """dv_i/dX_j - dv_j/dX_i, as a sum of u_i v_j - u_j v_i.

    Args:
        pairs: the pairs (u, v).
        value: of the component (1, 2) at a reproducible point with d = 2; None if it vanishes.
    """

    pairs: tuple[tuple[sp.Expr, sp.Expr], ...]
    variable: Component
    claim: Claim
    point: tuple[tuple[str, sp.Rational], ...] = ()
    value: sp.Expr | None = None
    where: str = ""

    @property
    def is_zero(self) -> bool:
        """Whether nothing speaks against it."""
        return self.value is None

    def formula(self) -> Formula:
        """The curl with indices i and j."""
        name = latex = self.variable.name
        left = f"∂vᵢ/∂{name}ⱼ − ∂vⱼ/∂{name}ᵢ"
        left_latex = rf"\partial_{{{latex}_j}} v_i - \partial_{{{latex}_i}} v_j"
        if not self.pairs:
            return Formula(f"{left} = 0", f"{left_latex} = 0")
        text, latex_text = _antisymmetric(self.pairs)
        text += f" {self.where}" if self.where else ""
        return Formula(f"{left} = {text}", f"{left_latex} = {latex_text}")

    def at_point(self) -> str:
        """The value and where it was taken."""
        where = ", ".join(f"{name} = {value}" for name, value in self.point)
        return f"∂v₁/∂{self.variable.name}₂ − ∂v₂/∂{self.variable.name}₁ = {self.value} at {where}"


def curl(field: sp.Expr, variable: Component = X) -> Curl:
    """The curl of a component expression by `variable`, all other vectors held fixed.

    >>> curl(X / (1 + Total(X**2))).is_zero
    True
    >>> g = Component("g")
    >>> print(curl(g * X / (1 + Total(X**2))).formula())
    ∂vᵢ/∂Xⱼ − ∂vⱼ/∂Xᵢ = −2·Xᵢ·Xⱼ·(gᵢ − gⱼ)/(1 + Σₖ Xₖ²)²
    """
    for branch, where in _branches(field):
        found = _smooth_curl(branch, variable, where)
        if not found.is_zero:
            return found
    return found


def _smooth_curl(field: sp.Expr, variable: Component, where: str) -> Curl:
    """The curl where no minimum or maximum of sums changes its branch."""
    slope = jacobian(field, variable)
    pairs = _reduced(slope)
    a, b = Component("·a"), Component("·b")  # no name that a user can give
    smeared = sp.Add(*(Total(a * u) * Total(b * v) - Total(b * u) * Total(a * v) for u, v in pairs))
    exact = "antisymmetric part of the Jacobian, symbolic d"
    if not pairs or vanishes(smeared):
        return Curl((), variable, Claim("curl v = 0", Verdict.PROVED, exact))
    found = _value_at_a_point(pairs)
    if found is not None:
        point, value = found
        claim = Claim("curl v ≠ 0", Verdict.PROVED, "a point where it does not vanish")
        return Curl(pairs, variable, claim, point, value, where)
    if find_nonzero(smeared) is None:
        claim = Claim("curl v = 0", Verdict.NUMERICAL, "12 points, 40 digits")
        return Curl((), variable, claim)
    claim = Claim("curl v ≠ 0", Verdict.PROVED, "a point where it does not vanish, d = 3")
    return Curl(pairs, variable, claim, (), sp.nan, where)


def _branches(field: sp.Expr) -> Iterator[tuple[sp.Expr, str]]:
    """`field` on each side of the kinks in its sums, with the condition in words."""
    capped = [node for node in field.atoms(sp.Min, sp.Max) if not components(node)]
    sums = sorted({R for node in capped for R in outer_totals(node)}, key=sp.default_sort_key)
    if len(sums) != 1:
        yield field, ""
        return
    name = sp.Dummy("R", positive=True)
    opened = field.xreplace({sums[0]: name})
    kinks = sp.Add(*(node.xreplace({sums[0]: name}) for node in capped))
    try:
        found = [(restrict(opened, name, piece), piece) for piece in pieces(kinks, name)]
    except UnorderedError:
        yield field, ""
        return
    text = to_unicode(sums[0])
    for branch, piece in found:
        low = f"{to_unicode(piece.low)} < " if piece.low not in (None, 0) else ""
        high = f" < {to_unicode(piece.high)}" if piece.high is not None else ""
        yield branch.xreplace({name: sums[0]}), f"where {low}{text}{high}"


def potential(field: sp.Expr, variable: Component = X) -> sp.Expr | None:
    """T with grad T = `field`, proved by differentiation; None if none was found in closed form.

    >>> potential(X / (1 + 2 * Total(X**2)))
    log(2*Total(X**2) + 1)/4
    """
    for candidate in _candidates(field, variable):
        if candidate is not None and _is_potential(candidate, field, variable):
            return _without_constants(candidate, variable)
    return None


def antiderivative(expr: sp.Expr, variable: sp.Symbol) -> sp.Expr | None:
    """The integral by `variable`, from zero where that converges; of kinks piece by piece.

    >>> antiderivative(sp.Max(sp.Min(X, 1), -1), X)
    Huber(X, 1)
    >>> antiderivative(sp.Max(X, 1), X)
    Max(1, X)**2/2 + Min(1, X)
    """
    x = sp.Dummy("x", real=True, positive=variable.is_positive)
    inside = expr.xreplace({variable: x})
    try:
        found = _clipped(inside, x)
        if found is None:
            found = _with_kinks(inside, x) if inside.has(*KINKS) else _smooth(inside, x)
    except UnorderedError:
        return None
    return None if found is None else found.xreplace({x: variable})


def _kinks_of(*exprs: sp.Expr) -> sp.Expr:
    """Something with the kinks of all of them."""
    return sp.Add(*(sp.Dummy() * node for e in exprs for node in e.atoms(*KINKS)))


def _without_constants(expr: sp.Expr, variable: Component) -> sp.Expr:
    """Without terms that do not depend on the variable; bodies of sums in product form."""
    tidy = expr.replace(lambda e: isinstance(e, Total), lambda e: Total(sp.factor_terms(e.body)))
    return sp.Add(*(term for term in sp.Add.make_args(tidy) if term.has(variable)))


def _candidates(field: sp.Expr, variable: Component) -> Iterator[sp.Expr | None]:
    yield _term_by_term(field, variable)
    yield _of_sums(field, variable)
    yield _radial(field, variable)


def _is_potential(candidate: sp.Expr, field: sp.Expr, variable: Component) -> bool:
    return are_equal(gradient(candidate, variable), field, variable)


def are_equal(a: sp.Expr, b: sp.Expr, variable: Component) -> bool:
    """Whether two component expressions are equal, away from their kinks in `variable`.

    >>> are_equal(sp.Max(X, 0) - sp.Max(-X, 0), X, X)
    True
    """
    if not (a - b).has(*KINKS):
        return _vanishes(a - b)
    try:
        return all(_vanishes(u - v) for u, v in _by_pieces(a, b, variable))
    except UnorderedError:
        return False


def _vanishes(difference: sp.Expr) -> bool:
    """The zero test, after one that knows a sum of squares to be no negative number."""
    names = {
        R: sp.Dummy("R", positive=R.is_nonnegative, real=True) for R in outer_totals(difference)
    }
    return bool(sp.powsimp(difference.xreplace(names)) == 0) or vanishes(difference)


def _by_pieces(
    slope: sp.Expr, field: sp.Expr, variable: Component
) -> Iterator[tuple[sp.Expr, sp.Expr]]:
    """Both on every piece between the kinks of the field, in the component and in each sum.

    At the kinks themselves T is continuous, being made of |x|, min and max, and has no gradient.
    """
    x = sp.Dummy("x", real=True)
    names = {R: sp.Dummy("R", positive=True) for R in outer_totals(slope) + outer_totals(field)}
    back = {name: R for R, name in names.items()} | {x: variable}
    pairs = [tuple(e.xreplace(names).xreplace({variable: x}) for e in (slope, field))]
    for symbol in (x, *names.values()):
        pairs = [
            (restrict(a, symbol, piece), restrict(b, symbol, piece))
            for a, b in pairs
            for piece in pieces(_kinks_of(a, b), symbol)
        ]
    for a, b in pairs:
        yield a.xreplace(back), b.xreplace(back)


def _term_by_term(field: sp.Expr, variable: Component) -> sp.Expr | None:
    """Sum over terms phi(sums) e(X_i): a function of X alone, or of one sum whose gradient is e."""
    total: sp.Expr = sp.S.Zero
    for term in sp.Add.make_args(sp.expand_mul(field)):
        scalar, rest = split_scalar(term)
        if not any(variable in R.body.free_symbols for R in outer_totals(term)):
            if not is_scalar(rest) or rest.has(variable):
                primitive = antiderivative(rest, variable)
            else:
                primitive = rest * variable
            if primitive is None:
                return None
            total += scalar * Total(sp.expand_mul(primitive))
            continue
        part = _function_of_a_sum(scalar, rest, variable)
        if part is None:
            return None
        total += part
    return total


def _function_of_a_sum(scalar: sp.Expr, rest: sp.Expr, variable: Component) -> sp.Expr | None:
    """F(R) with F'(R) dr/dX_i = scalar(R) rest_i for the one sum R in the scalar."""
    sums = [R for R in outer_totals(scalar) if variable in R.body.free_symbols]
    if len(sums) != 1 or outer_totals(rest):
        return None
    (R,) = sums
    slope = sp.diff(R.body, variable)
    ratio = sp.simplify(rest / slope)
    if not is_scalar(ratio) or ratio.has(variable):
        return None
    symbol = sp.Dummy("R", positive=True)
    primitive = antiderivative(scalar.xreplace({R: symbol}), symbol)
    return None if primitive is None else ratio * primitive.xreplace({symbol: R})


def _of_sums(field: sp.Expr, variable: Component) -> sp.Expr | None:
    """F(R_1, R_2, ...) from dF/dR_a, where the field is a combination of gradients of sums."""
    sums = [R for R in outer_totals(field) if variable in R.body.free_symbols]
    if not sums or len(sums) > 3:
        return None
    names = {R: sp.Dummy(f"R{i}", positive=True) for i, R in enumerate(sums)}
    opened = sp.expand(field.xreplace(names))
    slopes = {R: sp.expand(sp.diff(R.body, variable)) for R in sums}
    weights: dict[sp.Symbol, sp.Expr] = {}
    rest = opened
    for R, name in names.items():
        body = slopes[R]
        weight = sp.Add(
            *(
                ratio
                for term in sp.Add.make_args(rest)
                if not (ratio := sp.cancel(term / body)).has(variable) and is_scalar(ratio)
            )
        )
        weights[name] = weight
        rest = sp.expand(rest - weight * body)
    if sp.simplify(rest) != 0:
        return None
    total: sp.Expr = sp.S.Zero
    for name, weight in weights.items():
        remaining = sp.simplify(weight - sp.diff(total, name))
        primitive = antiderivative(remaining, name)
        if primitive is None:
            return None
        total += primitive
    return total.xreplace({name: R for R, name in names.items()})


def _radial(field: sp.Expr, variable: Component) -> sp.Expr | None:
    """The integral of X . v(s X) over s from 0 to 1, which is T for every field without curl."""
    s = sp.Dummy("s", positive=True)
    scaled = sp.expand_mul(variable * field.xreplace({variable: s * variable}))
    integrand = sp.powsimp(Total(scaled))
    sums = {R: sp.Dummy("R", positive=True) for R in outer_totals(integrand)}
    if any(R.body.has(s) for R in sums):
        return None
    found = _smooth(integrand.xreplace(sums), s)
    if found is None:
        return None
    total = found.xreplace({s: sp.S.One}) - found.xreplace({s: sp.S.Zero})
    if total.has(sp.oo, sp.zoo, sp.nan):
        return None
    return total.xreplace({name: R for R, name in sums.items()})


def _smooth(expr: sp.Expr, x: sp.Symbol) -> sp.Expr | None:
    if not expr.has(x):
        return expr * x
    # SymPy's other integrators find more, and can search for minutes.
    found = _by_power(expr, x)
    if found is None:
        found = manualintegrate(expr, x)
    if found.has(sp.Integral, sp.Piecewise, sp.I) or sp.simplify(sp.diff(found, x) - expr) != 0:
        return None
    return _shorter(found)


def _by_power(expr: sp.Expr, x: sp.Symbol) -> sp.Expr | None:
    """By the substitution u = x**p for a symbolic power in the integrand, where x > 0."""
    if not x.is_positive:
        return None
    powers = sorted(
        {p.exp for p in expr.atoms(sp.Pow) if p.base == x and p.exp.free_symbols},
        key=lambda e: (sp.count_ops(e), str(e)),
    )
    u = sp.Dummy("u", positive=True)
    for p in powers:
        inner = sp.powsimp(sp.simplify((expr / sp.diff(x**p, x)).subs(x, u ** (1 / p))))
        if inner.has(x):
            continue
        found = manualintegrate(inner, u)
        if not found.has(sp.Integral, sp.Piecewise):
            return found.xreplace({u: x**p})
    return None


def _shorter(expr: sp.Expr) -> sp.Expr:
    """One of a few forms of an antiderivative; constants are dropped."""
    forms = [expr, sp.factor_terms(sp.expand(expr)), sp.logcombine(expr)]
    return min(forms, key=lambda e: (sp.count_ops(e), str(e)))


def _clipped(expr: sp.Expr, x: sp.Symbol) -> sp.Expr | None:
    """The primitive of a multiple of x clipped to [-delta, delta], which has a name."""
    number, clip = expr.as_independent(x, as_Add=False)
    if not isinstance(clip, sp.Max) or len(clip.args) != 2:
        return None
    for low, inner in (clip.args, clip.args[::-1]):
        if isinstance(inner, sp.Min) and set(inner.args) == {x, -low} and not low.has(x):
            return number * Huber(x, -low)
    return None


def _with_kinks(expr: sp.Expr, x: sp.Symbol) -> sp.Expr | None:
    """The sum over pieces of F_k(the point of the piece nearest to x), F_k a primitive there."""
    parts = pieces(expr, x)
    found = [_smooth(restrict(expr, x, piece), x) for piece in parts]
    primitives = [f for f in found if f is not None]
    if len(primitives) < len(parts):
        return None
    if [p.high for p in parts] == [sp.S.Zero, None]:
        left, right = primitives
        if sp.simplify(left - right.xreplace({x: -x})) == 0:  # even: a function of |x|
            return right.xreplace({x: sp.Abs(x)})
    return sp.Add(
        *(f.xreplace({x: piece.clip(x)}) for f, piece in zip(primitives, parts, strict=True))
    )


def _reduced(slope: Operator) -> tuple[tuple[sp.Expr, sp.Expr], ...]:
    """Rank-one terms without those that are symmetric by themselves."""
    pairs = []
    for u, v in slope.rank_ones:
        ratio = sp.simplify(u / v) if v != 0 else sp.S.Zero
        if is_scalar(ratio):
            continue
        pairs.append((u, v))
    return tuple(pairs)


def _value_at_a_point(
    pairs: tuple[tuple[sp.Expr, sp.Expr], ...],
) -> tuple[tuple[tuple[str, sp.Rational], ...], sp.Expr] | None:
    """The component (1, 2) of the curl where it does not vanish, for d = 2 or 3."""
    for dimension in (2, 3):
        coordinates = Coordinates(dimension)
        value = sp.S.Zero
        for u, v in pairs:
            u1, u2, v1, v2 = (
                instantiate(e, coordinates, i).xreplace({d: sp.Integer(dimension)})
                for e in (u, v)
                for i in (0, 1)
            )
            value += u1 * v2 - u2 * v1
        symbols = sorted(value.free_symbols, key=lambda s: str(s.name))
        for number in range(_POINTS):
            point = {s: _sample(s, number) for s in symbols}
            found = value.xreplace(point)
            exact = found if found.is_Rational else sp.N(found, 30)
            if exact.is_comparable and abs(exact) > sp.Float("1e-20"):
                shown = sp.N(exact, 6)
                return tuple((str(s.name), point[s]) for s in symbols), shown
    return None


def _sample(symbol: sp.Symbol, number: int) -> sp.Rational:
    """A short rational near the reproducible value of the name; integers for integers."""
    if symbol.is_integer:
        return sp.Integer(2 + number)
    return sp.Rational(round(reproducible_value(symbol.name, number) * 16), 16)


def _antisymmetric(pairs: tuple[tuple[sp.Expr, sp.Expr], ...]) -> tuple[str, str]:
    """u_i v_j - u_j v_i as one factored formula, in text and LaTeX."""
    names = {R: sp.Dummy(f"R{n}", positive=True) for n, R in enumerate(_sums(pairs))}
    opened = [(u.xreplace(names), v.xreplace(names)) for u, v in pairs]
    vectors = sorted(
        {s for u, v in opened for s in u.free_symbols | v.free_symbols if isinstance(s, Component)},
        key=lambda s: str(s.name),
    )
    i, j = ({s: _Indexed(s, index) for s in vectors} for index in "ij")
    total = sp.Add(
        *(u.xreplace(i) * v.xreplace(j) - u.xreplace(j) * v.xreplace(i) for u, v in opened)
    )
    short = sp.factor(sp.together(total)).xreplace({name: R for R, name in names.items()})
    # With an index given, sums inside run over another one.
    return to_unicode(short, "ᵢ"), to_latex(short)


def _sums(pairs: tuple[tuple[sp.Expr, sp.Expr], ...]) -> list[Total]:
    return list(dict.fromkeys(R for pair in pairs for e in pair for R in outer_totals(e)))


class _Indexed(sp.Symbol):
    """One component of a vector, with the index in its name."""

    __slots__ = ("index", "vector")

    vector: Component
    index: str

    def __new__(cls, vector: Component, index: str) -> _Indexed:
        written = {"i": "ᵢ", "j": "ⱼ"}[index]
        symbol = super().__new__(cls, f"{vector.name}{written}", **vector.assumptions0)
        symbol.vector, symbol.index = vector, index
        return symbol

    def _latex(self, printer: LatexPrinter) -> str:
        return f"{self.vector.name}_{{{self.index}}}"

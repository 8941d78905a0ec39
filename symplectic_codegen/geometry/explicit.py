"""Symplectic and Poisson geometry on a chart with explicitly many coordinates.

Everything is sparse: forms and tensors hold only their non-zero components, and a derivative is
taken only by a coordinate that occurs. This keeps the thermodynamic phase space of 100 weights
below a second, where loops over all index triples take minutes.

Sign conventions (those of the whole project). For a potential theta = p dq,

    Omega = d theta,  Omega_ij = d_i theta_j - d_j theta_i,
    Pi = Omega^{-1},  {f, g} = grad f . Pi grad g,  so that {q, p} = +1,

and the Hamiltonian vector field is z' = {z, H}. For theta = beta dU + ... this is {U, beta} = +1.
Sage has the opposite bracket, PoissonGeometry the opposite vector field.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import lcm
from typing import Any

import sympy as sp
from sympy.combinatorics import Permutation
from sympy.core.function import AppliedUndef

from symplectic_codegen.algebra.explicit import Coordinates, instantiate
from symplectic_codegen.algebra.symbols import Component, G, L, U, X, beta
from symplectic_codegen.errors import GeometryError

Pair = tuple[int, int]
Triple = tuple[int, int, int]
_Factored = tuple[sp.Expr, tuple[tuple[sp.Expr, int], ...]]  # constant, (factor, exponent)s


@dataclass(frozen=True)
class Chart:
    """Coordinates of a phase space, in a fixed order.

    >>> x, y = sp.symbols("x y")
    >>> Chart((x, y)).position[y]
    1
    """

    coordinates: tuple[sp.Symbol, ...]

    def __post_init__(self) -> None:
        if len(set(self.coordinates)) != len(self.coordinates):
            raise GeometryError("a chart needs distinct coordinates")

    def __len__(self) -> int:
        return len(self.coordinates)

    @cached_property
    def position(self) -> Mapping[sp.Symbol, int]:
        """The index of each coordinate."""
        return {symbol: i for i, symbol in enumerate(self.coordinates)}

    def partials(self, expr: sp.Expr) -> Iterator[tuple[int, sp.Expr]]:
        """The non-zero partial derivatives of `expr`, by index."""
        occurring = {self.position[s] for s in expr.free_symbols if s in self.position}
        for i in sorted(occurring):
            derivative = sp.diff(expr, self.coordinates[i])
            if derivative != 0:
                yield i, derivative


@dataclass(frozen=True)
class OneForm:
    """sum_i components[i] dz^i; absent components are zero."""

    chart: Chart
    components: Mapping[int, sp.Expr]

    @classmethod
    def of(cls, chart: Chart, components: Mapping[sp.Symbol, sp.Expr]) -> OneForm:
        """A one-form by coordinate name: {q: p} is p dq."""
        entries = {chart.position[z]: sp.sympify(value) for z, value in components.items()}
        return cls(chart, {i: entries[i] for i in sorted(entries) if entries[i] != 0})


@dataclass(frozen=True)
class TwoForm:
    """sum_{i<j} components[i, j] dz^i ^ dz^j: one entry per pair, in increasing order."""

    chart: Chart
    components: Mapping[Pair, sp.Expr]

    def __post_init__(self) -> None:
        if any(i >= j for i, j in self.components):
            raise GeometryError("a two-form is given by its components with increasing indices")

    @classmethod
    def of(cls, chart: Chart, components: Mapping[tuple[sp.Symbol, sp.Symbol], sp.Expr]) -> TwoForm:
        """A two-form by coordinate names: {(p, q): a} is a dp ^ dq.

        >>> q, p = sp.symbols("q p")
        >>> TwoForm.of(Chart((q, p)), {(p, q): 1}).components
        {(0, 1): -1}
        """
        return cls(chart, _increasing(chart, components))


@dataclass(frozen=True)
class PoissonTensor:
    """The tensor Pi of a bracket {f, g} = sum_ij d_i f Pi^ij d_j g, with both halves stored.

    >>> q, p = sp.symbols("q p")
    >>> canonical = PoissonTensor.of(Chart((q, p)), {(q, p): 1})
    >>> canonical.bracket(q, p)
    1
    """

    chart: Chart
    components: Mapping[Pair, sp.Expr]

    @classmethod
    def of(
        cls, chart: Chart, brackets: Mapping[tuple[sp.Symbol, sp.Symbol], sp.Expr]
    ) -> PoissonTensor:
        """A tensor by its brackets of coordinates: {(x, y): a} says {x, y} = a = -{y, x}."""
        upper = _increasing(chart, brackets)
        lower = {(j, i): -value for (i, j), value in upper.items()}
        return cls(chart, upper | lower)

    def bracket(self, f: sp.Expr, g: sp.Expr) -> sp.Expr:
        """The Poisson bracket {f, g}."""
        of_g = dict(self.chart.partials(sp.sympify(g)))
        return sp.Add(
            *(
                f_i * value * of_g[j]
                for i, f_i in self.chart.partials(sp.sympify(f))
                for j, value in self._rows.get(i, {}).items()
                if j in of_g
            )
        )

    def hamiltonian_vector_field(self, H: sp.Expr) -> dict[sp.Symbol, sp.Expr]:
        """The velocities z' = {z, H} of all coordinates z, zeros included.

        >>> q, p = sp.symbols("q p")
        >>> canonical = PoissonTensor.of(Chart((q, p)), {(q, p): 1})
        >>> canonical.hamiltonian_vector_field(p**2 / 2 + sp.cos(q))
        {q: p, p: sin(q)}
        """
        of_H = dict(self.chart.partials(H))
        field: dict[sp.Symbol, sp.Expr] = {}
        for i, z in enumerate(self.chart.coordinates):
            row = self._rows.get(i, {})
            field[z] = sp.Add(*(value * of_H[j] for j, value in row.items() if j in of_H))
        return field

    def antisymmetry_defect(self) -> dict[Pair, sp.Expr]:
        """The non-zero Pi^ij + Pi^ji with i <= j; empty means proved antisymmetric."""
        pairs = {(min(pair), max(pair)) for pair in self.components}
        sums = {
            (i, j): self.components.get((i, j), sp.S.Zero) + self.components.get((j, i), sp.S.Zero)
            for i, j in sorted(pairs)
        }
        return _nonzero(sums)

    def jacobi_defect(self) -> dict[Triple, sp.Expr]:
        """The non-zero Jacobiators {z^i,{z^j,z^k}} + cyclic, i < j < k; empty means proved.

        The Jacobiator of an antisymmetric tensor is totally antisymmetric, so that these triples
        are enough; `antisymmetry_defect` is the other half of the proof.

        >>> x = sp.symbols("x1:4")
        >>> PoissonTensor.of(
        ...     Chart(x), {(x[0], x[1]): 1, (x[0], x[2]): x[0], (x[1], x[2]): x[1]}
        ... ).jacobi_defect()
        {(0, 1, 2): 2}
        """
        columns: dict[int, list[tuple[int, sp.Expr]]] = {}
        for (i, m), value in sorted(self.components.items(), key=_by_index):
            columns.setdefault(m, []).append((i, value))
        terms: dict[Triple, list[sp.Expr]] = {}
        for (j, k), value in sorted(self.components.items(), key=_by_index):
            if j < k:
                for m, slope in self.chart.partials(value):
                    for i, factor in columns.get(m, []):
                        _add_cyclic(terms, i, (j, k), factor * slope)
        return _nonzero({triple: sp.Add(*parts) for triple, parts in sorted(terms.items())})

    @cached_property
    def _rows(self) -> dict[int, dict[int, sp.Expr]]:
        rows: dict[int, dict[int, sp.Expr]] = {}
        for (i, j), value in sorted(self.components.items(), key=_by_index):
            rows.setdefault(i, {})[j] = value
        return rows


@dataclass(frozen=True)
class SymplecticStructure:
    """A closed two-form with its verified inverse and its factored determinant.

    Attributes:
        form: the two-form Omega.
        tensor: its inverse Pi.
        constant: the numerical factor of det Omega.
        factors: the other factors with their exponents; negative ones stand in the denominator.
    """

    form: TwoForm
    tensor: PoissonTensor
    constant: sp.Expr
    factors: tuple[tuple[sp.Expr, int], ...]

    @property
    def determinant(self) -> sp.Expr:
        """det Omega, factored."""
        return sp.Mul(self.constant, *(factor**power for factor, power in self.factors))

    @property
    def domain(self) -> tuple[sp.Expr, ...]:
        """What must not vanish for the form to be defined and non-degenerate.

        A factor that cannot vanish for real coordinates, such as 1 + X1**2, is left out; a bare
        coordinate is kept even if it is positive by assumption, for it says what is assumed.
        """
        kept: dict[sp.Expr, None] = {}
        for factor, _ in self.factors:
            base = factor.base if factor.is_Pow and factor.exp.is_Rational else factor
            if base in self.form.chart.position or not base.is_nonzero:
                kept[base] = None
        return tuple(kept)

    @property
    def liouville_density(self) -> sp.Expr:
        """The density sqrt(det Omega) > 0 that every Hamiltonian flow preserves."""
        roots = [sp.Abs(factor) ** sp.Rational(power, 2) for factor, power in self.factors]
        return sp.Mul(sp.sqrt(self.constant), *roots)


def exterior_derivative(theta: OneForm) -> TwoForm:
    """d theta, with the components d_i theta_j - d_j theta_i.

    >>> q, p = sp.symbols("q p")
    >>> exterior_derivative(OneForm.of(Chart((q, p)), {q: p})).components
    {(0, 1): -1}
    """
    sums: dict[Pair, sp.Expr] = {}
    for j, component in theta.components.items():
        for i, slope in theta.chart.partials(component):
            if slope.has(sp.DiracDelta):
                raise GeometryError(
                    f"{component} jumps along {theta.chart.coordinates[i]}: not differentiable"
                )
            if i != j:
                pair, sign = ((i, j), 1) if i < j else ((j, i), -1)
                sums[pair] = sums.get(pair, sp.S.Zero) + sign * slope
    return TwoForm(theta.chart, _nonzero(dict(sorted(sums.items()))))


def closedness_defect(form: TwoForm) -> dict[Triple, sp.Expr]:
    """The non-zero components of d form over i < j < k; empty means proved closed.

    >>> x, y, z = sp.symbols("x y z")
    >>> closedness_defect(TwoForm.of(Chart((x, y, z)), {(x, y): z**2}))
    {(0, 1, 2): 2*z}
    """
    terms: dict[Triple, list[sp.Expr]] = {}
    for pair, component in form.components.items():
        for i, slope in form.chart.partials(component):
            _add_cyclic(terms, i, pair, slope)
    return _nonzero({triple: sp.Add(*parts) for triple, parts in sorted(terms.items())})


def symplectic_structure(form: TwoForm) -> SymplecticStructure:
    """Check that `form` is closed and non-degenerate, and invert it.

    Raises:
        GeometryError: the form is not closed, is degenerate, or its dimension is odd.

    >>> beta, U = sp.Symbol("beta", positive=True), sp.Symbol("U")
    >>> chart, theta = thermodynamic_chart(1)
    >>> structure = symplectic_structure(exterior_derivative(theta))
    >>> structure.determinant, structure.domain, structure.liouville_density
    (beta**2, (beta,), beta)
    """
    defect = closedness_defect(form)
    if defect:
        (i, j, k), value = next(iter(defect.items()))
        z = form.chart.coordinates
        raise GeometryError(
            f"the two-form is not closed: its exterior derivative has the component {value} "
            f"along d{z[i]} ^ d{z[j]} ^ d{z[k]}"
        )
    inversion = _invert(form)
    return SymplecticStructure(form, inversion.tensor, inversion.constant, inversion.factors)


def poisson_tensor(form: TwoForm) -> PoissonTensor:
    """The inverse of a non-degenerate two-form, verified by multiplication.

    Closedness is not asked for (`symplectic_structure` does): the inverse of a form that is not
    closed has a bracket that fails Jacobi, which `PoissonTensor.jacobi_defect` then shows.

    Raises:
        GeometryError: the form is degenerate, or its dimension is odd.

    >>> chart, theta = thermodynamic_chart(1)
    >>> poisson_tensor(exterior_derivative(theta)).components
    {(0, 2): 1, (0, 3): -X1/beta, (1, 3): 1/beta, (2, 0): -1, (3, 0): X1/beta, (3, 1): -1/beta}
    """
    return _invert(form).tensor


def divergence(
    field: Mapping[sp.Symbol, sp.Expr], chart: Chart, density: sp.Expr = sp.S.One
) -> sp.Expr:
    """The divergence (1/density) sum_i d_i(density f^i) of a vector field.

    >>> x = sp.Symbol("x", positive=True)
    >>> divergence({x: 1 / x}, Chart((x,)), density=x)
    0
    """
    terms = [sp.diff(density * value, z) for z, value in field.items() if z in chart.position]
    total = sp.Add(*(sp.expand(term / density) for term in terms))
    return sp.S.Zero if _is_zero(total) else total


def thermodynamic_chart(
    dim: int, coupling: sp.Expr | Sequence[sp.Expr] | None = None
) -> tuple[Chart, OneForm]:
    """The coordinates (U, w1..wd, beta, X1..Xd) and theta = beta dU + sum_j Y_j dw^j.

    Args:
        dim: the number d of weights.
        coupling: Y as a component expression of symbolic dimension, or as d explicit expressions
            in the coordinates; Y = beta X if not given.

    >>> chart, theta = thermodynamic_chart(2)
    >>> chart.coordinates
    (U, w1, w2, beta, X1, X2)
    >>> theta.components
    {0: beta, 1: X1*beta, 2: X2*beta}
    """
    coords = Coordinates(dim)
    chart = Chart((U, *coords.w, beta, *coords.X))
    momenta = _momenta(coords, coupling)
    return chart, OneForm.of(chart, {U: beta, **dict(zip(coords.w, momenta, strict=True))})


def push_forward_tensor(
    dim: int,
    coupling: sp.Expr | Sequence[sp.Expr] | None = None,
    inverse: sp.Expr | Sequence[sp.Expr] | None = None,
) -> PoissonTensor:
    """The Poisson tensor as J Pi_canonical J^T, without computing or inverting Omega.

    The coordinates (U, w, beta, Y) are canonical: {U, beta} = 1, {w^i, Y_j} = delta. J is the
    Jacobian of (U, w, beta, X) by them, written in the new coordinates. It follows from `inverse`
    (X in terms of U, w, beta and Y1..Yd, or of Y in symbolic dimension) where that is given, and
    else from the implicit function theorem, dX = (dY/dX)^{-1} (dY - Y_beta dbeta - ...).

    Raises:
        GeometryError: dY/dX is singular, or `inverse` does not undo the coupling.

    >>> from symplectic_codegen.algebra.symbols import Y
    >>> push_forward_tensor(1, inverse=Y / beta).components[0, 3]
    -X1/beta
    """
    coords = Coordinates(dim)
    chart = Chart((U, *coords.w, beta, *coords.X))
    canonical = Chart((U, *coords.w, beta, *coords.Y))
    momenta = _momenta(coords, coupling)
    n = dim + 1
    jacobian: dict[int, dict[int, sp.Expr]] = {i: {i: sp.S.One} for i in range(n + 1)}
    if inverse is None:
        jacobian |= _implicit_rows(chart, momenta)
    else:
        jacobian |= _explicit_rows(coords, chart, canonical, momenta, _vector(coords, inverse))
    pi: dict[int, dict[int, sp.Expr]] = {i: {i + n: sp.S.One} for i in range(n)}
    pi |= {i + n: {i: sp.S.NegativeOne} for i in range(n)}
    product = _product(_product(jacobian, pi), _transposed(jacobian))
    entries = {(i, j): value for i, row in product.items() for j, value in row.items()}
    return PoissonTensor(chart, _nonzero(dict(sorted(entries.items(), key=_by_index))))


def _explicit_rows(
    coords: Coordinates,
    chart: Chart,
    canonical: Chart,
    momenta: Sequence[sp.Expr],
    moments: Sequence[sp.Expr],
) -> dict[int, dict[int, sp.Expr]]:
    at_momenta = dict(zip(coords.Y, momenta, strict=True))
    rows: dict[int, dict[int, sp.Expr]] = {}
    for i, (symbol, moment) in enumerate(zip(coords.X, moments, strict=True)):
        # A constant between the two would do no harm: only the derivatives are used.
        defect = moment.xreplace(at_momenta) - symbol
        if not (_is_zero(defect) or all(_is_zero(slope) for _, slope in chart.partials(defect))):
            raise GeometryError(f"{moment} is not shown to undo the coupling: it is not {symbol}")
        row = {m: slope.xreplace(at_momenta) for m, slope in canonical.partials(moment)}
        rows[coords.dim + 2 + i] = row
    return rows


def _implicit_rows(chart: Chart, momenta: Sequence[sp.Expr]) -> dict[int, dict[int, sp.Expr]]:
    dim = len(momenta)
    first = dim + 2  # where X begins
    slopes = [dict(chart.partials(momentum)) for momentum in momenta]
    field = _Field(value for row in slopes for value in row.values())
    matrix = {
        i: {m - first: field.convert(value) for m, value in row.items() if m >= first}
        for i, row in enumerate(slopes)
    }
    try:
        by_momenta = _eliminate(matrix, dim, field.one, field.is_zero).inverse
    except _SingularError as error:
        raise GeometryError(
            f"the coupling cannot be solved for X: the momenta are dependent, "
            f"{_combination(chart, error.kernel, field, offset=1)} does not change with X"
        ) from error
    rows: dict[int, dict[int, sp.Expr]] = {}
    for i, row in by_momenta.items():
        moments: dict[int, Any] = {first + j: value for j, value in row.items()}
        for j, value in row.items():
            for m, slope in slopes[j].items():
                if m < first:
                    moments[m] = moments.get(m, field.zero) - value * field.convert(slope)
        rows[first + i] = {m: field.back(value) for m, value in sorted(moments.items()) if value}
    return rows


def _momenta(
    coords: Coordinates, coupling: sp.Expr | Sequence[sp.Expr] | None
) -> tuple[sp.Expr, ...]:
    momenta = _vector(coords, beta * X if coupling is None else coupling)
    for momentum in momenta:
        if momentum.free_symbols & set(coords.Y):
            raise GeometryError(
                f"the coupling must give Y by U, w, beta and X alone, not {momentum}"
            )
    return momenta


def _vector(coords: Coordinates, expressions: sp.Expr | Sequence[sp.Expr]) -> tuple[sp.Expr, ...]:
    """d explicit expressions; those in components are written out one by one."""
    if isinstance(expressions, sp.Expr):
        return tuple(instantiate(expressions, coords, i) for i in range(coords.dim))
    if len(expressions) != coords.dim:
        raise GeometryError(
            f"{coords.dim} weights need {coords.dim} momenta, not {len(expressions)}"
        )
    for expr in expressions:
        if expr.has(L, G) or expr.atoms(Component):
            raise GeometryError(f"{expr} is not in the explicit coordinates")
    return tuple(expressions)


# Inversion.


@dataclass(frozen=True)
class _Inversion:
    tensor: PoissonTensor
    constant: sp.Expr
    factors: tuple[tuple[sp.Expr, int], ...]


def _invert(form: TwoForm) -> _Inversion:
    chart = form.chart
    size = len(chart)
    if size % 2:
        raise GeometryError(f"a symplectic form needs an even dimension, not {size}")
    occurring = {i for pair in form.components for i in pair}
    missing = [str(z) for i, z in enumerate(chart.coordinates) if i not in occurring]
    if missing:
        raise GeometryError(
            f"the two-form is degenerate (its determinant is 0): d{', d'.join(missing)} "
            "does not occur in it"
        )
    field = _Field(form.components.values())
    omega = _rows_of(form, field)
    halves = _isotropic_half(form)
    if halves is None:
        pi, (constant, factors) = _invert_whole(chart, omega, field)
    else:
        pi, (constant, factors) = _invert_blocks(chart, omega, field, *halves)
    entries = {(i, j): field.back(pi[i][j]) for i in range(size) for j in sorted(pi[i]) if pi[i][j]}
    _verify(form, entries)
    return _Inversion(PoissonTensor(chart, entries), constant, factors)


def _isotropic_half(form: TwoForm) -> tuple[range, range] | None:
    """(q, p) such that Omega has no component with two indices in p, if a half is such a p."""
    size = len(form.chart)
    lower, upper = range(size // 2), range(size // 2, size)
    if not any(i in upper and j in upper for i, j in form.components):
        return lower, upper
    if not any(i in lower and j in lower for i, j in form.components):
        return upper, lower
    return None


def _invert_blocks(
    chart: Chart, omega: dict[int, dict[int, Any]], field: _Field, q: range, p: range
) -> tuple[dict[int, dict[int, Any]], _Factored]:
    """Invert [[B, -M^T], [M, 0]], M = Omega_pq: Pi_qp = M^{-1} = K, Pi_pp = K^T B K."""
    n = len(q)
    M = {i: {j - q.start: value for j, value in omega[p[i]].items()} for i in range(n)}
    try:
        solved = _eliminate(M, n, field.one, field.is_zero)
    except _SingularError as error:
        raise _degenerate(chart, error.kernel, field, offset=p.start) from error
    K = solved.inverse
    B = {i: {j - q.start: v for j, v in omega[q[i]].items() if j in q} for i in range(n)}
    pi: dict[int, dict[int, Any]] = {i: {} for i in range(2 * n)}
    for i, row in K.items():
        for j, value in row.items():
            pi[q[i]][p[j]] = value
            pi[p[j]][q[i]] = -value
    for i, row in _product(_product(_transposed(K), B), K).items():
        for j, value in row.items():
            pi[p[i]][p[j]] = value
    # det Omega = det(M)^2, so that every pivot counts twice and the sign is plus.
    return pi, _factors(solved.pivots, 2, field)


def _invert_whole(
    chart: Chart, omega: dict[int, dict[int, Any]], field: _Field
) -> tuple[dict[int, dict[int, Any]], _Factored]:
    try:
        solved = _eliminate(omega, len(chart), field.one, field.is_zero)
    except _SingularError as error:
        raise _degenerate(chart, error.kernel, field, offset=0) from error
    constant, factors = _factors(solved.pivots, 1, field)
    return solved.inverse, (solved.sign * constant, factors)


def _degenerate(chart: Chart, kernel: dict[int, Any], field: _Field, offset: int) -> GeometryError:
    direction = _combination(chart, kernel, field, offset, prefix="d/d")
    return GeometryError(
        f"the two-form is degenerate (its determinant is 0): {direction} is in its kernel"
    )


def _combination(
    chart: Chart, vector: dict[int, Any], field: _Field, offset: int, prefix: str = "d"
) -> str:
    parts = []
    for i, value in sorted(vector.items()):
        expr = field.back(value)
        name = f"{prefix}{chart.coordinates[offset + i]}"
        parts.append(name if expr == 1 else f"({expr})*{name}")
    return " + ".join(parts)


def _verify(form: TwoForm, entries: Mapping[Pair, sp.Expr]) -> None:
    """Omega Pi = 1, computed from the printed entries rather than from the elimination."""
    field = _Field([*form.components.values(), *entries.values()])
    pi: dict[int, dict[int, Any]] = {}
    for (i, j), value in entries.items():
        pi.setdefault(i, {})[j] = field.convert(value)
    for i, row in _product(_rows_of(form, field), pi).items():
        row[i] = row.get(i, field.zero) - field.one
        if not all(field.is_zero(value) for value in row.values()):
            raise ArithmeticError(f"the inverse of the two-form is wrong in row {i}")


def _rows_of(form: TwoForm, field: _Field) -> dict[int, dict[int, Any]]:
    """The whole antisymmetric matrix of a two-form."""
    rows: dict[int, dict[int, Any]] = {i: {} for i in range(len(form.chart))}
    for (i, j), value in form.components.items():
        element = field.convert(value)
        rows[i][j], rows[j][i] = element, -element
    return rows


def _factors(pivots: Iterable[Any], multiplicity: int, field: _Field) -> _Factored:
    """The product of `pivots`, factored one by one: their product may be too large to expand."""
    constant: sp.Expr = sp.S.One
    powers: dict[sp.Expr, int] = {}
    known: dict[Any, tuple[sp.Expr, list[tuple[sp.Expr, int]]]] = {}
    for pivot in pivots:
        if pivot not in known:
            known[pivot] = field.factor(pivot)
        number, parts = known[pivot]
        constant *= number**multiplicity
        for factor, power in parts:
            powers[factor] = powers.get(factor, 0) + power * multiplicity
    kept = ((factor, power) for factor, power in powers.items() if power)
    return constant, tuple(sorted(kept, key=lambda item: sp.default_sort_key(item[0])))


# Sparse linear algebra over a field of fractions.


class _SingularError(Exception):
    """`kernel` is a combination of the rows that vanishes."""

    def __init__(self, kernel: dict[int, Any]) -> None:
        self.kernel = kernel
        super().__init__("singular matrix")


@dataclass(frozen=True)
class _Solved:
    inverse: dict[int, dict[int, Any]]
    pivots: tuple[Any, ...]
    sign: sp.Integer  # of the permutation row -> column of the pivots


def _eliminate(
    matrix: Mapping[int, Mapping[int, Any]], size: int, one: Any, is_zero: Callable[[Any], bool]
) -> _Solved:
    """Gauss-Jordan elimination that always works on the row with the fewest entries.

    SymPy's `DomainMatrix` gives the inverse too, but neither the pivots (from which the factored
    determinant follows without another elimination) nor the kernel of a singular matrix.
    """
    left = {i: dict(matrix.get(i, {})) for i in range(size)}
    right: dict[int, dict[int, Any]] = {i: {i: one} for i in range(size)}
    holders: dict[int, set[int]] = {j: set() for j in range(size)}
    for i, row in left.items():
        for j in row:
            holders[j].add(i)
    todo = set(range(size))
    column_of: dict[int, int] = {}
    pivots = []
    while todo:
        i = min(todo, key=lambda r: (len(left[r]), r))
        row = left[i]
        if not row:
            raise _SingularError(right[i])
        j = min(row, key=lambda column: (len(holders[column]), column))
        pivot = row[j]
        if is_zero(pivot):  # zero by a relation that the field does not know
            del row[j]
            holders[j].discard(i)
            continue
        todo.discard(i)
        column_of[i] = j
        pivots.append(pivot)
        left[i] = row = {m: value / pivot for m, value in row.items()}
        right[i] = {m: value / pivot for m, value in right[i].items()}
        for other in sorted(holders[j] - {i}):
            factor = left[other][j]
            _subtract(right[other], factor, right[i])
            before = set(left[other])
            _subtract(left[other], factor, row)
            for m in before - set(left[other]):
                holders[m].discard(other)
            for m in set(left[other]) - before:
                holders[m].add(other)
    inverse = {column_of[i]: dict(sorted(right[i].items())) for i in range(size)}
    order = Permutation([column_of[i] for i in range(size)])
    return _Solved(dict(sorted(inverse.items())), tuple(pivots), sp.Integer(order.signature()))


def _subtract(target: dict[int, Any], factor: Any, row: Mapping[int, Any]) -> None:
    for m, value in row.items():
        result = target[m] - factor * value if m in target else -factor * value
        if result:
            target[m] = result
        else:
            target.pop(m, None)


def _product(
    a: Mapping[int, Mapping[int, Any]], b: Mapping[int, Mapping[int, Any]]
) -> dict[int, dict[int, Any]]:
    """The product of sparse matrices; of field elements or of SymPy expressions."""
    result: dict[int, dict[int, Any]] = {}
    for i, row in a.items():
        out: dict[int, Any] = {}
        for m, value in row.items():
            for j, other in b.get(m, {}).items():
                out[j] = out[j] + value * other if j in out else value * other
        result[i] = out
    return result


def _transposed(a: Mapping[int, Mapping[int, Any]]) -> dict[int, dict[int, Any]]:
    result: dict[int, dict[int, Any]] = {}
    for i, row in a.items():
        for j, value in row.items():
            result.setdefault(j, {})[i] = value
    return result


class _Field:
    """The field of fractions Q(symbols, opaque functions) that holds some expressions.

    What is not rational in the symbols (cosh(X1), a derivative of the loss, sqrt(1 + X1**2)) is a
    generator of its own. Arithmetic is then exact and fast, but blind to relations between the
    generators; `is_zero` translates back where there may be such relations.
    """

    def __init__(self, expressions: Iterable[sp.Expr]) -> None:
        expressions = tuple(expressions)
        self._name: dict[sp.Expr, sp.Dummy] = {}
        self._expr: dict[sp.Dummy, sp.Expr] = {}
        self._has_roots = False
        # sqrt(b) and b**(1/3), or exp(U) and exp(U/2), are powers of one generator.
        self._denominator: dict[tuple[sp.Expr, sp.Expr], int] = {}
        for expr in expressions:
            for power in expr.atoms(sp.Pow, sp.exp):
                for base, number, rest in _power_parts(power):
                    known = self._denominator.get((base, rest), 1)
                    self._denominator[base, rest] = lcm(known, int(number.q))
        opened = {expr: self._open(expr) for expr in expressions}
        symbols = {s for expr in opened.values() for s in expr.free_symbols if s not in self._expr}
        generators = [*sorted(symbols, key=sp.default_sort_key), *self._expr] or [sp.Dummy()]
        self._domain = sp.ZZ.frac_field(*generators)
        self._elements = {expr: self._domain.from_sympy(e) for expr, e in opened.items()}
        self.one: Any = self._domain.one
        self.zero: Any = self._domain.zero
        self._related = not all(_is_opaque(expr) for expr in self._name)

    def convert(self, expr: sp.Expr) -> Any:
        """One of the expressions that the field was made for, as an element."""
        return self._elements[expr]

    def back(self, element: Any) -> sp.Expr:
        expr = self._domain.to_sympy(element)
        if not self._name:
            return expr
        expr = expr.xreplace(self._expr)
        # Going back reduces sqrt(b)**2 to b, after which more may cancel.
        return _cancel_roots(expr) if self._has_roots else expr

    def factor(self, element: Any) -> tuple[sp.Expr, list[tuple[sp.Expr, int]]]:
        """A numerical factor, and irreducible factors with their exponents."""
        if self._has_roots:
            reduced = self.back(element)
            field = _Field([reduced])
            return field._factor(field.convert(reduced))
        return self._factor(element)

    def _factor(self, element: Any) -> tuple[sp.Expr, list[tuple[sp.Expr, int]]]:
        constant: sp.Expr = sp.S.One
        powers: list[tuple[sp.Expr, int]] = []
        for part, sign in ((element.numer, 1), (element.denom, -1)):
            number, factors = self._factor_polynomial(part)
            constant *= sp.Integer(int(number)) ** sign
            powers += [(f.xreplace(self._expr), sign * power) for f, power in factors]
        numbers = [f**power for f, power in powers if f.is_number]
        return constant * sp.Mul(*numbers), [(f, e) for f, e in powers if not f.is_number]

    @staticmethod
    def _factor_polynomial(part: Any) -> tuple[Any, list[tuple[sp.Expr, int]]]:
        if len(part) == 1:
            ((exponents, number),) = part.terms()
            return number, [(s, e) for s, e in zip(part.ring.symbols, exponents, strict=True) if e]
        number, factors = part.factor_list()
        return number, [(factor.as_expr(), int(power)) for factor, power in factors]

    def is_zero(self, element: Any) -> bool:
        if not element:
            return True
        # A product of generators, none of which is zero, is not.
        if not self._related or len(element.numer) == 1:
            return False
        return _is_zero(self.back(element))

    def _open(self, expr: sp.Expr) -> sp.Expr:
        if expr.is_Symbol or expr.is_Rational:
            return expr
        if expr.is_Add or expr.is_Mul:
            return expr.func(*(self._open(argument) for argument in expr.args))
        if isinstance(expr, (sp.Pow, sp.exp)):
            return sp.Mul(*(self._open_power(*part) for part in _power_parts(expr)))
        return self._opaque(expr)

    def _open_power(self, base: sp.Expr, number: sp.Rational, rest: sp.Expr) -> sp.Expr:
        denominator = self._denominator[base, rest]
        power = int(number * denominator)
        if rest != 1:
            return self._opaque(sp.Pow(base, rest / denominator)) ** power
        whole, left = divmod(power, denominator)
        opened = self._open(base) ** whole
        if not left:
            return opened
        self._has_roots = True
        return opened * self._opaque(sp.Pow(base, sp.Rational(1, denominator))) ** left

    def _opaque(self, expr: sp.Expr) -> sp.Expr:
        if expr.is_Rational:
            return expr
        if expr not in self._name:
            name = sp.Dummy(f"f{len(self._name)}")
            self._name[expr] = name
            self._expr[name] = expr
        return self._name[expr]


def _power_parts(expr: sp.Expr) -> list[tuple[sp.Expr, sp.Rational, sp.Expr]]:
    """`expr` as a product of base**(number * rest), with rational numbers."""
    base, exponent = expr.as_base_exp()
    if isinstance(expr, sp.exp):
        base, exponent = sp.E, expr.args[0]
    parts = []
    for term in sp.Add.make_args(exponent):
        number, rest = term.as_coeff_Mul(rational=True)
        parts.append((base, number, rest))
    return parts


def _cancel_roots(expr: sp.Expr) -> sp.Expr:
    above, below = sp.fraction(sp.together(expr))
    above, below = sp.expand(above), sp.expand(below)
    return sp.cancel(sp.radsimp(above / below)) if below.has(sp.Pow) else above / below


# Zero tests and index bookkeeping.


def _is_opaque(expr: sp.Expr) -> bool:
    """Whether `expr` is a symbol or an unknown function: nothing is related to it."""
    return isinstance(expr, (sp.Symbol, AppliedUndef, sp.Derivative))


def _is_zero(expr: sp.Expr) -> bool:
    """Whether `expr` is proved to vanish identically; general simplification comes last."""
    if expr.is_Number or _is_opaque(expr):
        return bool(expr == 0)
    if expr.is_Mul:
        return any(_is_zero(factor) for factor in expr.args)
    if expr.is_Pow and expr.exp.is_positive:
        return _is_zero(expr.base)
    if expr.is_nonzero:
        return False
    expanded = sp.expand(expr)
    if expanded == 0:
        return True
    above = sp.expand(sp.fraction(sp.together(expanded))[0])
    if above == 0:
        return True
    if _is_rational(above):
        return False
    return bool(sp.simplify(above) == 0)


def _is_rational(expr: sp.Expr) -> bool:
    """Whether `expr` is polynomial in things without relations, so that expansion decides."""
    if expr.is_Rational or _is_opaque(expr):
        return True
    if expr.is_Add or expr.is_Mul:
        return all(_is_rational(argument) for argument in expr.args)
    return bool(expr.is_Pow and expr.exp.is_Integer and _is_rational(expr.base))


def _nonzero(entries: dict[Any, sp.Expr]) -> dict[Any, sp.Expr]:
    return {key: value for key, value in entries.items() if not _is_zero(value)}


def _by_index(item: tuple[Pair, sp.Expr]) -> Pair:
    return item[0]


def _increasing(
    chart: Chart, components: Mapping[tuple[sp.Symbol, sp.Symbol], sp.Expr]
) -> dict[Pair, sp.Expr]:
    entries: dict[Pair, sp.Expr] = {}
    for (a, b), given in components.items():
        value = sp.sympify(given)
        i, j = chart.position[a], chart.position[b]
        if i == j:
            raise GeometryError(f"an antisymmetric tensor has no component along {a}, {a}")
        pair, signed = ((i, j), value) if i < j else ((j, i), -value)
        if pair in entries:
            raise GeometryError(f"the component along {a}, {b} is given twice")
        if signed != 0:
            entries[pair] = signed
    return dict(sorted(entries.items()))


def _add_cyclic(terms: dict[Triple, list[sp.Expr]], i: int, pair: Pair, value: sp.Expr) -> None:
    """Enter T_i,jk (j < k, antisymmetric in them) into the cyclic sum over the sorted triple."""
    j, k = pair
    if i < j:
        terms.setdefault((i, j, k), []).append(value)
    elif i > k:
        terms.setdefault((j, k, i), []).append(value)
    elif j < i < k:
        terms.setdefault((j, i, k), []).append(-value)

"""The thermodynamic phase space for symbolic d: one-form, symplectic form, Poisson tensor.

Coordinates are z = (U, w; beta, X), the momenta last. The one-form is
theta = beta dU + sum Y_j dw^j (paper, "Equilibrium"), the entropic moments Y are given by the
coupling Y = Y(beta, X, U, w), the paper's being Y = beta X. Conventions, stated once:

    Omega_ab = d_a theta_b - d_b theta_a,   Pi = Omega^-1,   {f, g} = (grad f)^T Pi (grad g),

so that {U, beta} = +1 and {w^i, Y_j} = delta^i_j. Motion is -h dz/dt = k {z, H}.

A proof for all d at once uses *smeared* coordinates: w_a = sum a_i w^i with an arbitrary constant
vector a. Because a is arbitrary, an identity for smeared coordinates is the identity for all
components, with every coincidence of indices included.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations, combinations_with_replacement
from typing import Any, TypeAlias

import sympy as sp

from symplectic_codegen.algebra.notation import to_unicode
from symplectic_codegen.algebra.operators import Operator, jacobian
from symplectic_codegen.algebra.proof import (
    Claim,
    vanishes,
    zero_claim,
)
from symplectic_codegen.algebra.samples import reproducible_value
from symplectic_codegen.algebra.symbols import Component, G, L, U, X, Y, beta, w
from symplectic_codegen.algebra.vector import Total, gradient, is_scalar
from symplectic_codegen.errors import GeometryError

COORDINATES: tuple[sp.Symbol, ...] = (U, w, beta, X)

Block: TypeAlias = (
    Any  # sp.Expr | Operator: scalar, component expression (a row or column), or d x d
)


def _is_vector(coordinate: sp.Symbol) -> bool:
    return isinstance(coordinate, Component)


@dataclass(frozen=True)
class BlockTensor:
    """A rank-two tensor on phase space, by blocks; absent blocks are zero."""

    blocks: Mapping[tuple[sp.Symbol, sp.Symbol], Block]

    def __getitem__(self, key: tuple[sp.Symbol, sp.Symbol]) -> Block:
        block = self.blocks.get(key)
        if block is not None:
            return block
        return Operator() if _is_vector(key[0]) and _is_vector(key[1]) else sp.S.Zero

    def pair(self, f: Mapping[sp.Symbol, sp.Expr], g: Mapping[sp.Symbol, sp.Expr]) -> sp.Expr:
        """The scalar f^T T g for two covectors given by their blocks."""
        terms = []
        for (row, column), block in self.blocks.items():
            left, right = f.get(row, sp.S.Zero), g.get(column, sp.S.Zero)
            if left == 0 or right == 0:
                continue
            if isinstance(block, Operator):
                terms.append(block.bilinear(left, right))
                continue
            left_factor = Total(left * block) if _is_vector(row) else left * block
            if _is_vector(column):
                left_factor = left * Total(block * right)
                terms.append(left_factor)
            else:
                terms.append(left_factor * right)
        return sp.Add(*terms)

    def contract(self, other: BlockTensor) -> BlockTensor:
        """The matrix product."""
        result: dict[tuple[sp.Symbol, sp.Symbol], Block] = {}
        for (row, inner), left in self.blocks.items():
            for (inner2, column), right in other.blocks.items():
                if inner != inner2:
                    continue
                product = _product(left, right, row, inner, column)
                old = result.get((row, column))
                result[row, column] = product if old is None else old + product
        return BlockTensor(result)


def _product(
    left: Block, right: Block, row: sp.Symbol, inner: sp.Symbol, column: sp.Symbol
) -> Block:
    if isinstance(left, Operator):
        return left @ right if isinstance(right, Operator) else left.apply(right)
    if isinstance(right, Operator):
        return right.transposed.apply(left)
    if _is_vector(inner):
        return Total(left * right)
    if _is_vector(row) and _is_vector(column):
        return Operator(sp.S.Zero, ((left, right),))
    return left * right


@dataclass(frozen=True)
class PhaseSpace:
    """Phase space with the coupling Y = `coupling`, a component expression in beta, X, U, w.

    Raises:
        GeometryError: the coupling does not determine X, so the form is degenerate.

    >>> space = PhaseSpace()
    >>> space.bracket(U, Total(X**2))
    -2*Total(X**2)/beta
    >>> space.determinant
    beta**(2*d)
    """

    coupling: sp.Expr = beta * X

    def __post_init__(self) -> None:
        if self.coupling.has(L, G):
            raise GeometryError("the coupling Y cannot contain the loss: give Y(beta, X, U, w)")
        if not self.coupling.has(X):
            raise GeometryError(
                "the coupling Y does not contain X, so dY/dX = 0 and the symplectic form is "
                "degenerate; an example that works is beta*X"
            )
        if self._fibre.diagonal == 0 or vanishes(self._fibre.determinant()):
            raise GeometryError(
                "dY/dX has determinant 0, so the symplectic form is degenerate everywhere"
            )

    @property
    def one_form(self) -> Mapping[sp.Symbol, sp.Expr]:
        """theta, by coefficients: beta dU + Y dw."""
        return {U: beta, w: self.coupling}

    @cached_property
    def _fibre(self) -> Operator:
        return jacobian(self.coupling, X)

    @cached_property
    def form(self) -> BlockTensor:
        """The symplectic form Omega = d theta, from the one-form by differentiation."""
        theta = self.one_form
        blocks: dict[tuple[sp.Symbol, sp.Symbol], Block] = {}
        for a in COORDINATES:
            for b in COORDINATES:
                block = _derivative(theta, b, a, transpose=True) - _derivative(theta, a, b)
                if not _is_zero_block(block):
                    blocks[a, b] = block
        return BlockTensor(blocks)

    @cached_property
    def poisson(self) -> BlockTensor:
        """The Poisson tensor Pi = Omega^-1, by blocks: only dY/dX is inverted.

        With q = (U, w), p = (beta, X) and Omega = [[B, -A], [A^T, 0]], Pi is
        [[0, A^-T], [-A^-1, A^-1 B A^-T]]. `check_inverse` multiplies it back.
        """
        q, p = COORDINATES[:2], COORDINATES[2:]
        y_beta = -self.form[w, beta] if not isinstance(self.form[w, beta], Operator) else sp.S.Zero
        inverse = self._fibre.inverse()
        a_inverse = BlockTensor(
            _nonzero(
                {
                    (beta, U): sp.S.One,
                    (X, U): -inverse.apply(y_beta),
                    (X, w): inverse,
                }
            )
        )
        a_inverse_t = transpose(a_inverse)
        b = BlockTensor({key: v for key, v in self.form.blocks.items() if set(key) <= set(q)})
        blocks: dict[tuple[sp.Symbol, sp.Symbol], Block] = dict(a_inverse_t.blocks)
        blocks |= {key: -v for key, v in a_inverse.blocks.items()}
        blocks |= a_inverse.contract(b).contract(a_inverse_t).blocks
        assert set(sum(blocks, ())) <= set(q) | set(p)
        return BlockTensor(_nonzero(blocks))

    def bracket(self, f: sp.Expr, g: sp.Expr) -> sp.Expr:
        """The Poisson bracket {f, g} of two scalars."""
        return self.poisson.pair(differential(f), differential(g))

    def bracket_with_coordinates(self, H: sp.Expr) -> dict[sp.Symbol, sp.Expr]:
        """{z, H} for every coordinate z; for w and X the component expression."""
        dH = differential(H)
        result: dict[sp.Symbol, sp.Expr] = {}
        for row in COORDINATES:
            total: sp.Expr = sp.S.Zero
            for column in COORDINATES:
                block, slope = self.poisson[row, column], dH[column]
                if isinstance(block, Operator):
                    total += block.apply(slope)
                elif _is_vector(column):
                    total += Total(block * slope)
                else:
                    total += block * slope
            result[row] = total
        return result

    @cached_property
    def determinant(self) -> sp.Expr:
        """det Omega = (det dY/dX)^2."""
        return sp.powsimp(self._fibre.determinant() ** 2)

    @cached_property
    def volume_density(self) -> sp.Expr:
        """The density of the Liouville volume Omega^(d+1)/(d+1)! up to sign: |det dY/dX|."""
        return sp.Abs(self._fibre.determinant())

    @cached_property
    def domain(self) -> tuple[str, ...]:
        """The conditions under which the form is non-degenerate."""
        conditions: list[str] = []
        leading = self._fibre.diagonal
        per_component = "" if is_scalar(leading) else " for all i"
        conditions += [
            f"{factor} ≠ 0{per_component}" for factor in _factors_that_may_vanish(leading)
        ]
        if self._fibre.rank_ones:
            full, bare = self._fibre, Operator(leading)
            ratio = sp.simplify(full.determinant() / bare.determinant())
            conditions += [f"{factor} ≠ 0" for factor in _factors_that_may_vanish(ratio)]
        return tuple(dict.fromkeys(conditions)) or ("everywhere",)

    def claims(self) -> tuple[Claim, ...]:
        """What makes this a phase space, each point with its proof."""
        return (
            self.check_closed(),
            self.check_nondegenerate(),
            self.check_antisymmetry(),
            self.check_leibniz(),
            self.check_jacobi(),
        )

    def check_closed(self) -> Claim:
        """d Omega = 0, on arbitrary constant vector fields."""
        fields = _smeared_directions()
        residuals = []
        for u, v, z in combinations_with_replacement(range(4), 3):
            a, b, e = fields[u][0], fields[v][1], fields[z][2]
            residuals.append(
                _along(self.form.pair(b, e), a)
                + _along(self.form.pair(e, a), b)
                + _along(self.form.pair(a, b), e)
            )
        return zero_claim("dΩ = 0", residuals, "exact, symbolic d")

    def check_nondegenerate(self) -> Claim:
        """Omega Pi = 1, with the domain on which the inverse exists."""
        product = self.form.contract(self.poisson)
        residuals: list[sp.Expr] = []
        a, b = Component("a"), Component("b")
        for row in COORDINATES:
            for column in COORDINATES:
                block = product[row, column]
                if isinstance(block, Operator):
                    unit = Operator(sp.Integer(int(row == column)))
                    residuals.append((block - unit).bilinear(a, b))
                else:
                    residuals.append(block - int(row == column))
        claim = zero_claim("ΩΠ = 1", residuals, "exact, symbolic d")
        return Claim(
            f"Ω is non-degenerate where {', '.join(self.domain)} "
            f"(det Ω = {to_unicode(self.determinant)})",
            claim.verdict,
            claim.method,
            claim.detail,
        )

    def check_antisymmetry(self) -> Claim:
        """{f, g} = -{g, f}."""
        zs = _smeared_coordinates()
        residuals = [self.bracket(f[0], g[1]) + self.bracket(g[1], f[0]) for f in zs for g in zs]
        return zero_claim("{f, g} = −{g, f}", residuals, "exact, symbolic d")

    def check_leibniz(self) -> Claim:
        """{f, g h} = {f, g} h + g {f, h} on products of coordinates."""
        residuals = []
        for f, g, e in combinations_with_replacement(_smeared_coordinates(), 3):
            left = self.bracket(f[0], g[1] * e[2])
            right = self.bracket(f[0], g[1]) * e[2] + g[1] * self.bracket(f[0], e[2])
            residuals.append(left - right)
        return zero_claim("{f, gh} = {f, g}h + g{f, h}", residuals, "exact, symbolic d")

    def check_jacobi(self) -> Claim:
        """{f, {g, e}} + cyclic = 0 on coordinates, hence (a derivation in each slot) on all."""
        residuals = [
            self.jacobiator(f[0], g[1], e[2])
            for f, g, e in combinations_with_replacement(_smeared_coordinates(), 3)
        ]
        return zero_claim("{f,{g,e}} + {g,{e,f}} + {e,{f,g}} = 0", residuals, "exact, symbolic d")

    def jacobiator(self, f: sp.Expr, g: sp.Expr, e: sp.Expr) -> sp.Expr:
        """The cyclic sum that the Jacobi identity puts to zero."""
        return (
            self.bracket(f, self.bracket(g, e))
            + self.bracket(g, self.bracket(e, f))
            + self.bracket(e, self.bracket(f, g))
        )

    def divergence(self, field: Mapping[sp.Symbol, sp.Expr]) -> sp.Expr:
        """The divergence of a vector field in flat coordinates (not in the Liouville density)."""
        result: sp.Expr = sp.S.Zero
        for z, velocity in field.items():
            if isinstance(z, Component):
                slope = jacobian(velocity, z)
                result += Total(slope.diagonal)
                result += sp.Add(*(Total(u * v) for u, v in slope.rank_ones))
            else:
                result += sp.diff(velocity, z)
        return result

    def solve_coupling(self) -> sp.Expr:
        """X as a function of (beta, Y), for an elementwise coupling Y(beta, X).

        Raises:
            GeometryError: the coupling mixes components or reads U or w, or has no unique
                closed-form inverse.
        """
        if self._fibre.rank_ones or self.coupling.has(U, w, Total):
            raise GeometryError(
                "the coupling mixes components or depends on U or w: its inverse X(beta, Y) is "
                "not an elementwise formula"
            )
        return invert_elementwise(self.coupling)


def differential(f: sp.Expr) -> dict[sp.Symbol, sp.Expr]:
    """The differential of a scalar by coordinate; the loss is a function of w."""
    return {z: gradient(f, z) if isinstance(z, Component) else sp.diff(f, z) for z in COORDINATES}


def transpose(tensor: BlockTensor) -> BlockTensor:
    """The transposed tensor."""
    return BlockTensor(
        {
            (column, row): block.transposed if isinstance(block, Operator) else block
            for (row, column), block in tensor.blocks.items()
        }
    )


def _derivative(
    theta: Mapping[sp.Symbol, sp.Expr],
    form_index: sp.Symbol,
    by: sp.Symbol,
    transpose: bool = False,
) -> Block:
    """The block d(theta[form_index])/d(by), rows = form_index (columns if `transpose`)."""
    coefficient = theta.get(form_index, sp.S.Zero)
    if not isinstance(by, Component):
        return sp.diff(coefficient, by)
    if not isinstance(form_index, Component):
        return gradient(coefficient, by)
    slope = jacobian(coefficient, by)
    return slope.transposed if transpose else slope


def _is_zero_block(block: Block) -> bool:
    if isinstance(block, Operator):
        return bool(block.diagonal == 0) and not block.rank_ones
    return bool(block == 0)


def _nonzero(
    blocks: Mapping[tuple[sp.Symbol, sp.Symbol], Block],
) -> dict[tuple[sp.Symbol, sp.Symbol], Block]:
    return {key: block for key, block in blocks.items() if not _is_zero_block(block)}


def _smeared_directions() -> list[list[dict[sp.Symbol, sp.Expr]]]:
    """Constant vector fields along each coordinate, in three independent copies."""
    copies = [Component(name) for name in ("a", "b", "e")]
    return [[{z: v if _is_vector(z) else sp.S.One} for v in copies] for z in COORDINATES]


def _smeared_coordinates() -> list[list[sp.Expr]]:
    """Coordinate functions, w and X summed against three arbitrary constant vectors."""
    copies = [Component(name) for name in ("a", "b", "e")]
    return [[Total(v * z) if _is_vector(z) else z for v in copies] for z in COORDINATES]


def _along(f: sp.Expr, direction: Mapping[sp.Symbol, sp.Expr]) -> sp.Expr:
    result: sp.Expr = sp.S.Zero
    for z, v in direction.items():
        result += Total(gradient(f, z) * v) if isinstance(z, Component) else sp.diff(f, z) * v
    return result


def _factors_that_may_vanish(expr: sp.Expr) -> list[str]:
    numerator, _ = sp.fraction(sp.together(expr))
    bases = []
    for factor in sp.Mul.make_args(sp.factor_terms(numerator)):
        base, _ = factor.as_base_exp()
        # beta > 0 belongs to the space itself (temperature), so it is stated as a condition.
        if base.is_number or (base.is_nonzero and base != beta):
            continue
        bases.append(to_unicode(base))
    return bases


_INVERSES = {
    sp.exp: sp.log,
    sp.log: sp.exp,
    sp.sinh: sp.asinh,
    sp.asinh: sp.sinh,
    sp.atan: sp.tan,
}


def invert_elementwise(coupling: sp.Expr) -> sp.Expr:
    """X as a function of Y from Y = coupling(X), on all of the real line.

    >>> invert_elementwise(beta * sp.sinh(X))
    asinh(Y/beta)

    Raises:
        GeometryError: there is no closed-form inverse, or not just one.
    """
    peeled = _peel(coupling, Y)
    try:
        candidates = [peeled] if peeled is not None else sp.solve(sp.Eq(Y, coupling), X)
    except NotImplementedError:
        candidates = []
    valid = [candidate for candidate in candidates if _inverts(coupling, candidate)]
    if len(valid) != 1:
        raise GeometryError(
            f"the coupling Y = {coupling} has {len(valid)} closed-form inverses X(β, Y); exactly "
            "one is needed to turn the kick of Y into an update of X"
        )
    return valid[0]


def _peel(expr: sp.Expr, value: sp.Expr) -> sp.Expr | None:
    """Undo the operations around a single occurrence of X, the outermost first."""
    while expr != X:
        inner = [argument for argument in expr.args if argument.has(X)]
        if len(inner) != 1:
            return None
        if expr.is_Add:
            value = value - (expr - inner[0])
        elif expr.is_Mul:
            value = value / (expr / inner[0])
        elif expr.func in _INVERSES:
            value = _INVERSES[expr.func](value)
        else:
            return None
        expr = inner[0]
    return value


def _inverts(coupling: sp.Expr, candidate: sp.Expr) -> bool:
    """Whether candidate(coupling(X)) = X and coupling(candidate(Y)) = Y, on both sides of zero.

    The second asks that every Y is reached: kicks take Y anywhere.
    """
    others = sorted(coupling.free_symbols - {X}, key=lambda s: str(s.name))
    back = candidate.xreplace({Y: coupling})
    for moment in (sp.Rational(-7, 5), sp.Rational(-1, 7), sp.Rational(3, 11), sp.Rational(9, 4)):
        point = {s: reproducible_value(s.name, 0) for s in others} | {X: moment}
        if not _is_small(back.xreplace(point) - moment):
            return False
    for kicked in (sp.Integer(-40), sp.Rational(-7, 5), sp.Rational(9, 4), sp.Integer(40)):
        point = {s: reproducible_value(s.name, 0) for s in others}
        reached = candidate.xreplace(point).xreplace({Y: kicked})
        if not _is_small(coupling.xreplace(point).xreplace({X: reached}) - kicked):
            return False
    return True


def _is_small(defect: sp.Expr) -> bool:
    value = sp.N(defect, 30)
    return bool(value.is_comparable and abs(value) < sp.Float("1e-24"))


def independent_pairs() -> list[tuple[sp.Expr, sp.Expr]]:
    """All pairs of smeared coordinates, for checks that a map preserves the bracket."""
    zs = _smeared_coordinates()
    pairs = [(f[0], g[1]) for f, g in combinations(zs, 2)]
    return pairs + [(zs[i][0], zs[i][1]) for i in (1, 3)]

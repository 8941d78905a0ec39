"""Functions with kinks (|x|, sign, min, max) of one variable, piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cmp_to_key
from itertools import pairwise

import sympy as sp

KINKS = (sp.Abs, sp.sign, sp.Min, sp.Max, sp.Heaviside, sp.DiracDelta)


class UnorderedError(Exception):
    """Two kinks, or the branches of one, cannot be told apart by what is known of parameters."""


@dataclass(frozen=True)
class Piece:
    """An interval between neighbouring kinks; None is no end."""

    low: sp.Expr | None
    high: sp.Expr | None

    @property
    def inside(self) -> sp.Expr:
        """A point of it."""
        if self.high is None:
            return sp.S.One if self.low is None else self.low + 1
        return self.high - 1 if self.low is None else (self.low + self.high) / 2

    def clip(self, x: sp.Expr) -> sp.Expr:
        """The point of it that is nearest to x."""
        held = x if self.high is None else sp.Min(x, self.high)
        return held if self.low is None else sp.Max(held, self.low)


def pieces(expr: sp.Expr, x: sp.Symbol) -> list[Piece]:
    """The intervals of x on which `expr` has no kink.

    Raises:
        UnorderedError: the order of the kinks is not known.

    >>> x = sp.Symbol("x", real=True)
    >>> [(p.low, p.high) for p in pieces(sp.Max(sp.Min(x, 1), -1), x)]
    [(None, -1), (-1, 1), (1, None)]
    """
    places: set[sp.Expr] = set()
    for node in expr.atoms(*KINKS):
        leaves = list(_leaves(node))
        leaves = [*leaves, sp.S.Zero] if len(leaves) == 1 else leaves
        for i, a in enumerate(leaves):
            for b in leaves[i + 1 :]:
                if (a - b).has(x):
                    places |= _roots(a - b, x)
    if x.is_positive:
        places = {p for p in places if not p.is_nonpositive}
    ordered: list[sp.Expr | None] = [*sorted(places, key=cmp_to_key(_compare))]
    first = sp.S.Zero if x.is_positive else None
    ends = [first, *ordered, None]
    return [Piece(low, high) for low, high in pairwise(ends)]


def restrict(expr: sp.Expr, x: sp.Symbol, piece: Piece) -> sp.Expr:
    """`expr` inside a piece, where every kink has one branch.

    >>> x = sp.Symbol("x", real=True)
    >>> restrict(sp.Abs(x) + sp.Max(x, 1), x, Piece(sp.S.One, None))
    2*x
    """
    while True:
        nodes = [node for node in expr.atoms(*KINKS) if node.has(x)]
        if not nodes:
            return expr
        innermost = next(n for n in nodes if not any(a.has(*KINKS) for a in n.args))
        expr = expr.xreplace({innermost: _branch(innermost, x, piece)})


def _branch(node: sp.Expr, x: sp.Symbol, piece: Piece) -> sp.Expr:
    at = {x: piece.inside}
    if isinstance(node, sp.Min | sp.Max):
        best = node.args[0]
        for other in node.args[1:]:
            order = _sign((other - best).xreplace(at))
            if order == (1 if isinstance(node, sp.Max) else -1):
                best = other
        return best
    side = _sign(node.args[0].xreplace(at))
    if isinstance(node, sp.Abs):
        return side * node.args[0]
    if isinstance(node, sp.sign):
        return sp.Integer(side)
    return sp.Integer(side > 0) if isinstance(node, sp.Heaviside) else sp.S.Zero


def _leaves(node: sp.Expr) -> Iterator[sp.Expr]:
    """What a kink compares, down through kinks inside it."""
    for argument in node.args if isinstance(node, sp.Min | sp.Max) else node.args[:1]:
        if isinstance(argument, KINKS):
            yield from _leaves(argument)
        else:
            yield argument


def _roots(expr: sp.Expr, x: sp.Symbol) -> set[sp.Expr]:
    try:
        found = sp.solve(expr, x)
    except NotImplementedError:
        raise UnorderedError(f"the zeros of {expr} are not known") from None
    return {root for root in found if root.is_real is not False}


def _compare(a: sp.Expr, b: sp.Expr) -> int:
    return 0 if a == b else -_sign(b - a)


def _sign(expr: sp.Expr) -> int:
    simple = sp.factor(sp.simplify(expr))
    if simple.is_positive:
        return 1
    if simple.is_negative:
        return -1
    if simple == 0:
        return 0
    raise UnorderedError(f"the sign of {simple} is not known")

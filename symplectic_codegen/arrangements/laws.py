"""The laws of composition, as claims with verdicts.

On arrangements made of arbitrary smooth functions (`generic`) an identity holds for all
arrangements with spaces of those dimensions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product

import sympy as sp

from symplectic_codegen.algebra.proof import Claim, Verdict, zero_claim
from symplectic_codegen.algebra.samples import reproducible_value
from symplectic_codegen.arrangements.arrangement import Arrangement, Interface, Parameters
from symplectic_codegen.arrangements.composition import identity, nest
from symplectic_codegen.arrangements.semantics import Machine, Semantics, plug
from symplectic_codegen.arrangements.smooth import Smooth, concrete, smooth

__all__ = [
    "check_associative",
    "check_functorial",
    "check_identity",
    "generic",
    "residuals",
    "zero",
]

METHOD = "exact; an arbitrary smooth function for each map"
_POINTS = 3
_TOLERANCE = sp.Float("1e-30")


def generic(
    name: str, boxes: Sequence[Interface], outer: Interface, parameters: int = 1
) -> Arrangement:
    """An arrangement of which nothing is known but its dimensions; its sharp map depends on q.

    >>> N = Interface.named("N", 1, 1)
    >>> generic("f", [], N).potential
    f_U(f_q1, N_in)
    """
    q = tuple(sp.Symbol(f"{name}_q{i + 1}", real=True) for i in range(parameters))
    inner = tuple(s for box in boxes for s in box.outputs)
    slots = [s for box in boxes for s in box.inputs]
    read = (*q, *inner, *outer.inputs)
    sharp = [
        [smooth(f"{name}_sharp{i}{j}")(*q) for j in range(parameters)] for i in range(parameters)
    ]
    return Arrangement(
        tuple(boxes),
        outer,
        tuple(smooth(f"{name}_up{i + 1}")(*q, *inner) for i, _ in enumerate(outer.outputs)),
        tuple(
            smooth(f"{name}_down{i + 1}")(*q, *inner, *outer.inputs) for i, _ in enumerate(slots)
        ),
        Parameters(q, sp.ImmutableMatrix(parameters, parameters, lambda i, j: sharp[i][j])),
        smooth(f"{name}_U")(*read),
    )


def zero(statement: str, exprs: Sequence[sp.Expr], method: str = METHOD) -> Claim:
    """The claim that all `exprs` vanish, for all functions in them.

    >>> x = sp.Symbol("x", real=True)
    >>> f = smooth("f")
    >>> zero("f is linear", [f(2 * x) - 2 * f(x)]).verdict.value
    'refuted'
    """
    open_ = [e for e in exprs if sp.expand(e) != 0]
    if not open_:
        return Claim(statement, Verdict.PROVED, method)
    if not any(e.has(Smooth) for e in open_):
        return zero_claim(statement, open_, method)
    for expr, number in product(open_, range(_POINTS)):
        point = {s: reproducible_value(s.name, number) for s in expr.free_symbols}
        # Numbers first: what is arbitrary is then evaluated, not expanded.
        value = concrete(expr.xreplace(point))
        if value.is_comparable and abs(sp.N(value, 50)) > _TOLERANCE:
            where = ", ".join(f"{s} = {v}" for s, v in sorted(point.items(), key=str))
            return Claim(
                statement, Verdict.REFUTED, method, f"residual {sp.N(value, 6)} at {where}"
            )
    return Claim(statement, Verdict.NUMERICAL, "for one choice of the functions", "no proof found")


def residuals(a: Machine | Arrangement, b: Machine | Arrangement) -> Iterator[sp.Expr]:
    """What must vanish for two machines, or two arrangements, to be the same.

    The order of states or parameters does not count: their product has none.
    """
    for mine, other in zip(_parts(a), _parts(b), strict=True):
        if set(mine) != set(other):
            yield sp.S.One
        yield from (mine[key] - other[key] for key in mine if key in other)


def check_identity(f: Arrangement) -> Claim:
    """f inside the identity, and identities inside f, are f.

    >>> N = Interface.named("N", 1, 1)
    >>> print(check_identity(generic("f", [N], Interface.named("P", 1, 1))))
    proved: id ∘ f = f = f ∘ (id, …, id) (exact; an arbitrary smooth function for each map)
    """
    found = [
        *residuals(nest(identity(f.outer), f), f),
        *residuals(nest(f, *(identity(box) for box in f.boxes)), f),
    ]
    return zero("id ∘ f = f = f ∘ (id, …, id)", found)


def check_associative(
    f: Arrangement, gs: Sequence[Arrangement], hs: Sequence[Sequence[Arrangement]]
) -> Claim:
    """f ∘ (g ∘ h) = (f ∘ g) ∘ h, with h[k] what goes into the boxes of g[k]."""
    first = nest(nest(f, *gs), *(h for group in hs for h in group))
    second = nest(f, *(nest(g, *group) for g, group in zip(gs, hs, strict=True)))
    return zero("(f ∘ g) ∘ h = f ∘ (g ∘ h)", list(residuals(first, second)))


def check_functorial(semantics: Semantics, f: Arrangement, *gs: Arrangement) -> Claim:
    """The machine of the composite is the composite of the machines."""
    name = semantics.__name__
    found = residuals(semantics(nest(f, *gs)), plug(semantics(f), *map(semantics, gs)))
    return zero(f"Φ(f ∘ g) = Φ(f) ∘ Φ(g) for Φ = {name}", list(found))


def _parts(value: Machine | Arrangement) -> list[Mapping[object, sp.Expr]]:
    if isinstance(value, Machine):
        tables: list[Mapping[object, sp.Expr]] = [dict(value.next)]
        tables += [
            dict(enumerate(exprs))
            for exprs in (value.position, value.placed, value.field, value.sent)
        ]
        return tables
    q, sharp = value.parameters.coordinates, value.parameters.sharp
    matrix = {(a, b): sharp[i, j] for i, a in enumerate(q) for j, b in enumerate(q)}
    return [
        dict(enumerate(value.output)),
        dict(enumerate(value.input)),
        {0: value.potential},
        dict(matrix),
    ]

"""From the sweeps of particles to a `LatticeRule`: the door out of SymPy for lattices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import sympy as sp

from symplectic_codegen.algebra.functions import elementary
from symplectic_codegen.arrangements.lattice import FORCE, Forces, Program, Sweep, is_linear
from symplectic_codegen.language.lattice import LatticeSpec, P, Q
from symplectic_codegen.rule.expression import Expr
from symplectic_codegen.rule.lattice import PLACES, LatticeRule, LatticeSweep
from symplectic_codegen.rule.lower import freeze
from symplectic_codegen.rule.rule import Assign, Parameter
from symplectic_codegen.rule.stable import ELEMENT_REWRITES, stabilize

_WORDS = {Q: "q", P: "p", FORCE: "force"}


def lower_lattice(
    spec: LatticeSpec, forces: Forces, program: Program, parameters: Sequence[Parameter]
) -> LatticeRule:
    """The rule: what is linear in place, momentum and force has its coefficients computed once.

    Raises:
        TargetError: a function that no target knows.
    """
    lowering = _Lowering({*PLACES, *(p.name for p in parameters)})
    parts = [
        tuple(lowering.sweep(s) for s in sweeps)
        for sweeps in (program.opening, program.body, program.closing)
    ]
    return LatticeRule(
        spec.name,
        spec.graph,
        spec.ends,
        tuple(parameters),
        tuple(lowering.coefficients.values()),
        _element(forces.onsite),
        _element(forces.outward),
        _element(forces.inward),
        forces.is_symmetric,
        _element(spec.expression("kinetic")),
        _element(spec.expression("onsite")),
        _element(spec.expression("pair")),
        *parts,
    )


class _Lowering:
    """Coefficients by their values, so that equal ones are computed once."""

    def __init__(self, taken: Iterable[str]) -> None:
        self.taken = set(taken)
        self.coefficients: dict[sp.Expr, Assign] = {}

    def sweep(self, sweep: Sweep) -> LatticeSweep:
        if all(is_linear(e) for e in (sweep.q, sweep.p)):
            new = [self.linear(e, name) for e, name in ((sweep.q, "q"), (sweep.p, "p"))]
            assigned: list[Assign] = []
        else:
            common, new = sp.cse(
                [sweep.q, sweep.p], symbols=(sp.Symbol(self.fresh("part")) for _ in iter(int, 1))
            )
            assigned = [Assign(str(s.name), _element(e), "") for s, e in common]
        q, p = (None if e == s else _element(e) for e, s in zip(new, (Q, P), strict=True))
        return LatticeSweep(tuple(assigned), q, p)

    def linear(self, expr: sp.Expr, target: str) -> sp.Expr:
        """The expression with a name for each coefficient that is no small number."""
        total = sp.S.Zero
        for symbol in (Q, P, FORCE):
            value = sp.factor_terms(sp.diff(expr, symbol))
            total += self.coefficient(value, f"{target}_per_{_WORDS[symbol]}") * symbol
        return total + expr.xreplace({Q: sp.S.Zero, P: sp.S.Zero, FORCE: sp.S.Zero})

    def coefficient(self, value: sp.Expr, name: str) -> sp.Expr:
        if value.is_Integer or value.is_Symbol:
            return value
        stable, _ = stabilize(elementary(value))
        negative = stable.could_extract_minus_sign()
        stable = -stable if negative else stable
        if stable.is_Symbol:
            return -stable
        if stable not in self.coefficients:
            self.coefficients[stable] = Assign(self.fresh(name), freeze(stable), "")
        symbol = sp.Symbol(self.coefficients[stable].name, real=True)
        return -symbol if negative else symbol

    def fresh(self, stem: str) -> str:
        name, number = stem, 2
        while name in self.taken:
            name, number = f"{stem}_{number}", number + 1
        self.taken.add(name)
        return name


def _element(expr: sp.Expr) -> Expr:
    return freeze(stabilize(elementary(expr), ELEMENT_REWRITES)[0])

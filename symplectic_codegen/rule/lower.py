"""From update equations to an `UpdateRule`: the one door out of SymPy.

Scalars are made numerically stable and frozen; assignments are put into single-assignment form; a
sum over components closes the current sweep and becomes a reduction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import sympy as sp

from symplectic_codegen.algebra.memory import Memory
from symplectic_codegen.algebra.symbols import START, U, X, d, w
from symplectic_codegen.algebra.vector import outer_totals
from symplectic_codegen.discretization.update import (
    Clock,
    UpdateEquations,
)
from symplectic_codegen.errors import TargetError
from symplectic_codegen.rule.expression import ONE, ZERO, Call, Expr, Number, Op, Ref, references
from symplectic_codegen.rule.rule import (
    Assign,
    Buffer,
    Guard,
    Parameter,
    Reduction,
    ScalarState,
    Stage,
    Store,
    UpdateRule,
)
from symplectic_codegen.rule.stable import (
    ELEMENT_REWRITES,
    Expm1,
    Exprel,
    Hypot,
    Log1p,
    Log1prel,
    Powm1,
    stabilize,
)

TIME_STATE = "t"
ENERGY_STATE = "U"

_FUNCTIONS: dict[type[sp.Basic], Op] = {
    sp.exp: Op.EXP,
    sp.log: Op.LOG,
    sp.sin: Op.SIN,
    sp.cos: Op.COS,
    sp.tan: Op.TAN,
    sp.atan: Op.ATAN,
    sp.sinh: Op.SINH,
    sp.cosh: Op.COSH,
    sp.tanh: Op.TANH,
    sp.asinh: Op.ASINH,
    sp.erf: Op.ERF,
    sp.Abs: Op.ABS,
    sp.sign: Op.SIGN,
    Expm1: Op.EXPM1,
    Log1p: Op.LOG1P,
    Exprel: Op.EXPREL,
    Log1prel: Op.LOG1PREL,
    Powm1: Op.POWM1,
    Hypot: Op.HYPOT,
}


def freeze(expr: sp.Expr) -> Expr:
    """A SymPy expression as an expression of the rule, with subtraction, division and roots.

    Raises:
        TargetError: a function that no target knows.

    >>> x, y = sp.symbols("x y")
    >>> str(freeze(x - y / sp.sqrt(1 + x)))
    'x - y/sqrt(1 + x)'
    """
    if expr.is_Rational:
        return Number(Fraction(int(expr.p), int(expr.q)))
    if expr.is_NumberSymbol:
        return Number(Fraction(str(sp.N(expr, 60))))
    if expr == d:
        raise TargetError(
            "the thermal law depends on d, the number of weights, which is known only after a "
            "sweep; give it as a hyperparameter"
        )
    if expr.is_Symbol:
        return Ref(TIME_STATE if expr == START else expr.name)
    if expr.is_Add:
        return _freeze_sum(expr)
    if expr.is_Mul:
        return _freeze_product(expr)
    if expr is sp.E:
        return Call(Op.EXP, (ONE,))
    if expr.is_Pow:
        return _freeze_power(expr.base, expr.exp)
    if isinstance(expr, sp.Min | sp.Max):
        op = Op.MIN if isinstance(expr, sp.Min) else Op.MAX
        arguments = [freeze(a) for a in _ordered(expr.args)]
        result = arguments[0]
        for argument in arguments[1:]:
            result = Call(op, (result, argument))
        return result
    if expr.func in _FUNCTIONS:
        return Call(_FUNCTIONS[expr.func], tuple(freeze(a) for a in expr.args))
    raise TargetError(f"no target can compute {expr.func.__name__} (in {expr})")


def _ordered(terms: Sequence[sp.Expr]) -> list[sp.Expr]:
    """A reproducible order that reads well: constants, scalars, w, momenta, forces."""
    return sorted(terms, key=_reading_rank)


def _reading_rank(e: sp.Expr) -> tuple[bool, int, int, str]:
    # X <- decay*X + impulse*G and w <- w - rate*X read as they are said.
    names = {s.name.split("_new")[0] for s in e.free_symbols}
    rank = max((i for i, name in enumerate(("w", "X", "G")) if name in names), default=-1)
    return (not e.is_number, rank, 0 if e.is_Symbol or e.is_Pow else 1, str(e))


def _freeze_sum(expr: sp.Expr) -> Expr:
    terms = _ordered(expr.args)
    # A positive term first, so that nothing starts with a minus sign that could be a subtraction.
    terms.sort(key=_is_negated)
    # The number of the step with the constants before all else: n - 1 + offset is exact in n - 1.
    terms.sort(key=lambda e: 0 if _is_counter(e) else 1 if e.is_number else 2)
    if _is_negated(terms[0]):
        terms.sort(key=_is_negated)
    result = freeze(terms[0])
    for term in terms[1:]:
        if _is_negated(term):
            result = Call(Op.SUB, (result, freeze(-term)))
        else:
            result = Call(Op.ADD, (result, freeze(term)))
    return result


def _is_counter(term: sp.Expr) -> bool:
    return bool(term.is_Symbol and term.is_integer)


def _is_negated(term: sp.Expr) -> bool:
    coefficient, _ = term.as_coeff_Mul()
    return bool(coefficient.is_negative)


def _freeze_product(expr: sp.Expr) -> Expr:
    coefficient, _ = expr.as_coeff_Mul()
    if coefficient.is_negative:
        return _negate_first(freeze(-expr))
    above, below = [], []
    for factor in expr.args:
        if factor.is_Rational:
            if factor.p != 1:
                above.append(sp.Integer(factor.p))
            if factor.q != 1:
                below.append(sp.Integer(factor.q))
        elif factor.is_Pow and factor.exp.could_extract_minus_sign() and factor.base is not sp.E:
            below.append(factor.base ** (-factor.exp))
        else:
            above.append(factor)
    top = _chain(above)
    return Call(Op.DIV, (top, _chain(below))) if below else top


def _negate_first(product: Expr) -> Expr:
    """The negated product, with the sign on its first factor: -a*b, as one writes it."""
    if isinstance(product, Call) and product.op in (Op.MUL, Op.DIV):
        return Call(product.op, (_negate_first(product.args[0]), product.args[1]))
    if isinstance(product, Number):
        return Number(-product.value)
    return Call(Op.NEG, (product,))


def _chain(factors: Sequence[sp.Expr]) -> Expr:
    ordered = _ordered(factors)
    if not ordered:
        return ONE
    result = freeze(ordered[0])
    for factor in ordered[1:]:
        result = Call(Op.MUL, (result, freeze(factor)))
    return result


def _freeze_power(base: sp.Expr, exponent: sp.Expr) -> Expr:
    if exponent == sp.S.Half:
        return Call(Op.SQRT, (freeze(base),))
    if exponent.is_negative and base is not sp.E:
        return Call(Op.DIV, (ONE, freeze(base ** (-exponent))))
    return Call(Op.POW, (freeze(base), freeze(exponent)))


@dataclass
class _Lowering:
    """The stages under construction."""

    stages: list[Stage] = field(default_factory=list)
    scalars: list[Assign] = field(default_factory=list)
    elements: list[Assign] = field(default_factory=list)
    reductions: list[Reduction] = field(default_factory=list)
    current: dict[str, str] = field(default_factory=dict)  # w, X -> name of the current value
    sums: dict[tuple[sp.Expr, int], str] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    buffers: dict[sp.Symbol, str] = field(default_factory=dict)  # X and the memory fields

    counted: dict[sp.Symbol, str] = field(default_factory=dict)
    taken: set[str] = field(default_factory=set)  # names of hyperparameters and coefficients

    def fresh(self, name: str) -> str:
        self.versions[name] = self.versions.get(name, 0) + 1
        return self.unused(f"{name}_new", "")

    def unused(self, base: str, separator: str) -> str:
        """`base`, or with a number behind it, so that it is nobody else's name."""
        name, number = base, 2
        while name in self.taken:
            name, number = f"{base}{separator}{number}", number + 1
        self.taken.add(name)
        return name

    def freeze_element(self, expr: sp.Expr) -> tuple[Expr, tuple[str, ...]]:
        stable, used = stabilize(expr, ELEMENT_REWRITES)
        names = {
            symbol: sp.Symbol(self.current.get(name, name), real=True)
            for symbol, name in ((w, w.name), *self.buffers.items())
        }
        return freeze(stable.xreplace(names)), used

    def close(self) -> None:
        """End the sweep: what it changed is stored, and read again by the next one."""
        stores = tuple(Store(target, source) for target, source in sorted(self.current.items()))
        self.stages.append(
            Stage(tuple(self.scalars), tuple(self.elements), stores, tuple(self.reductions))
        )
        self.scalars, self.elements, self.reductions = [], [], []
        self.current = {}

    def sum_names(self, expr: sp.Expr, used: list[str]) -> dict[sp.Expr, sp.Symbol]:
        """Reductions of the open sweep for the sums in `expr`."""
        names: dict[sp.Expr, sp.Symbol] = {}
        if expr.has(d):
            # The number of weights that take part is itself a sum over them.
            if d not in self.counted:
                self.counted[d] = self.unused("count", "_")
                meaning = "number of elements that take part"
                self.reductions.append(Reduction(self.counted[d], ONE, meaning))
            names[d] = sp.Symbol(self.counted[d], real=True)
        for total in outer_totals(expr):
            if outer_totals(total.body):
                raise TargetError(f"a sum inside a sum has no sweep yet: {total}")
            version = sum(self.versions.values())
            known = self.sums.get((total, version))
            if known is None:
                known = self.unused("sum", "_")
                self.sums[total, version] = known
                body, rewrites = self.freeze_element(total.body)
                used += rewrites
                self.reductions.append(
                    Reduction(known, body, f"sum over all elements of {total.body}")
                )
            names[total] = sp.Symbol(known, real=True)
        return names


def lower(
    name: str,
    equations: UpdateEquations,
    parameters: Sequence[Parameter],
    step_size: sp.Expr,
) -> tuple[UpdateRule, tuple[str, ...]]:
    """The rule of `equations`, and the stable rewrites that were used.

    Args:
        name: snake_case name of the optimizer.
        parameters: all hyperparameters; those that the rule does not use are left out.
        step_size: tau in user-facing parameters, for rules that keep time.
    """
    used: list[str] = []
    taken = {p.name for p in parameters} | {c.symbol.name for c in equations.coefficients}
    state = _Lowering(buffers=_buffer_names(equations, taken), taken=taken)
    for coefficient in equations.coefficients:
        stable, rewrites = stabilize(coefficient.expr)
        used += [f"{rewrite} ({coefficient.symbol})" for rewrite in rewrites]
        state.scalars.append(Assign(coefficient.symbol.name, freeze(stable), coefficient.meaning))
    epilogue: list[Assign] = []
    energy: sp.Expr = U
    for assignment in equations.assignments:
        if assignment.target == U:
            sums = state.sum_names(assignment.expr, used)
            value = assignment.expr.xreplace({**sums, U: energy})
            energy = value
            continue
        expr = assignment.expr
        if outer_totals(expr) or expr.has(d):
            sums = state.sum_names(expr, used)
            expr = _at_vanishing_norm(expr.xreplace(sums), set(sums.values()))
            if state.elements or state.reductions:
                state.close()
        frozen, rewrites = state.freeze_element(expr)
        used += rewrites
        target = state.buffers.get(assignment.target, assignment.target.name)
        new = state.fresh(target)
        state.elements.append(Assign(new, frozen))
        state.current[target] = new
    state.close()
    states: list[ScalarState] = []
    stores: list[Store] = []
    if equations.clock is Clock.TIME:
        states.append(ScalarState(TIME_STATE, ZERO, "learning time"))
        now = state.unused("t_new", "")
        epilogue.append(Assign(now, freeze(sp.Symbol(TIME_STATE) + step_size), "time now"))
        stores.append(Store(TIME_STATE, now))
    if energy != U:
        states.append(ScalarState(ENERGY_STATE, ZERO, "internal energy"))
        now = state.unused("U_new", "")
        epilogue.append(Assign(now, freeze(energy), "internal energy after the step"))
        stores.append(Store(ENERGY_STATE, now))
    guards = tuple(Guard(freeze(expr), message) for expr, message in equations.domain)
    symbols = _used_names(state.stages, epilogue, guards)
    rule = UpdateRule(
        name=name,
        parameters=tuple(p for p in parameters if p.name in symbols),
        buffers=tuple(Buffer(n, _buffer_meaning(symbol)) for symbol, n in state.buffers.items()),
        stages=tuple(state.stages),
        states=tuple(states),
        epilogue=tuple(epilogue),
        state_stores=tuple(stores),
        guards=guards,
    )
    return rule, tuple(dict.fromkeys(used))


_SMALLEST_SQUARE = sp.Rational(1, 10**60)  # its root and reciprocal are normal in float32


def _at_vanishing_norm(expr: sp.Expr, sums: set[sp.Symbol]) -> sp.Expr:
    """X/|X| with the subgradient 0 at X = 0, where the formula is 0/0."""
    return expr.replace(
        lambda e: e.is_Pow and e.base in sums and e.exp.is_negative,
        lambda e: sp.Max(e.base, _SMALLEST_SQUARE) ** e.exp,
    )


def _buffer_names(equations: UpdateEquations, taken: set[str]) -> dict[sp.Symbol, str]:
    """X, and a name for each memory field that nothing else has."""
    names: dict[sp.Symbol, str] = {X: X.name}
    for assignment in equations.assignments:
        if isinstance(assignment.target, Memory) and assignment.target not in names:
            free = (f"M{i}" for i in range(1, len(taken) + len(names) + 2))
            names[assignment.target] = next(
                n for n in ("M", *free) if n not in taken | set(names.values())
            )
    return names


def _buffer_meaning(symbol: sp.Symbol) -> str:
    if isinstance(symbol, Memory):
        weights = ", weights adding up to one" if symbol.normalized else ""
        return f"moving average of {symbol.source}{weights}"
    return "energy moments"


def _used_names(
    stages: Sequence[Stage], epilogue: Sequence[Assign], guards: Sequence[Guard]
) -> set[str]:
    names: set[str] = set()
    for stage in stages:
        for expr in (*(a.expr for a in stage.scalars), *stage.element_expressions):
            names |= references(expr)
    for expr in (*(a.expr for a in epilogue), *(g.expr for g in guards)):
        names |= references(expr)
    return names

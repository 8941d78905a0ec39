"""From update equations to an `UpdateRule`: the one door out of SymPy.

Scalars are made numerically stable and frozen; assignments are put into single-assignment form; a
sum over components closes the current sweep and becomes a reduction.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction

import sympy as sp

from symplectic_codegen.algebra.functions import InTurn, elementary
from symplectic_codegen.algebra.memory import Memory
from symplectic_codegen.algebra.symbols import L0, START, Component, X, d
from symplectic_codegen.algebra.vector import Blocks, BlockTotal, Total, components, outer_totals
from symplectic_codegen.discretization.update import (
    Clock,
    Coefficient,
    Iteration,
    UpdateEquations,
)
from symplectic_codegen.errors import TargetError
from symplectic_codegen.rule.expression import ONE, ZERO, Call, Expr, Number, Op, Ref, references
from symplectic_codegen.rule.rule import (
    LOSS,
    Assign,
    BlockState,
    Buffer,
    Element,
    Guard,
    Iterate,
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
    Phi2,
    Powm1,
    stabilize,
)

TIME_STATE = "t"

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
    Phi2: Op.PHI2,
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
    if isinstance(expr, InTurn):
        return Call(Op.CYCLE, tuple(freeze(a) for a in expr.args))
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

    buffers: dict[sp.Symbol, str]  # X and the memory fields
    taken: set[str]  # names of hyperparameters and coefficients
    stages: list[Stage] = field(default_factory=list)
    scalars: list[Assign] = field(default_factory=list)
    elements: list[Element] = field(default_factory=list)
    reductions: list[Reduction] = field(default_factory=list)
    waiting: list[Assign] = field(default_factory=list)  # scalars made of sums of the open sweep
    current: dict[str, str] = field(default_factory=dict)  # w, X, ... -> name of the current value
    changed: set[str] = field(default_factory=set)  # w, X, ... changed since the step began
    sums: dict[tuple[sp.Expr, bool, int], str] = field(default_factory=dict)
    carried: dict[tuple[sp.Expr, bool], tuple[str, str]] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    counted: str = ""
    rewrites: list[str] = field(default_factory=list)

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

    def freeze_element(self, expr: sp.Expr) -> Expr:
        stable, used = stabilize(elementary(expr), ELEMENT_REWRITES)
        self.rewrites += used
        places = {s: self.buffers.get(s, str(s.name)) for s in components(stable)}
        names = {
            symbol: sp.Symbol(self.current.get(name, name), real=True)
            for symbol, name in places.items()
        }
        return freeze(stable.xreplace(names))

    # Scalars

    def coefficient(self, name: str, expr: sp.Expr, meaning: str) -> None:
        """A scalar at this place: before the open sweep, or after it if it needs its sums."""
        with_sums = self.with_sums(expr)
        if isinstance(with_sums, InTurn):
            with_sums = InTurn(
                with_sums.args[0], *(self.stable(e, name) for e in with_sums.args[1:])
            )
        else:
            with_sums = self.stable(with_sums, name)
        assign = Assign(name, freeze(with_sums), meaning)
        late = {r.name for r in self.reductions} | {a.name for a in self.waiting}
        (self.waiting if references(assign.expr) & late else self.scalars).append(assign)

    def stable(self, expr: sp.Expr, name: str) -> sp.Expr:
        stable, rewrites = stabilize(elementary(expr))
        self.rewrites += [f"{rewrite} ({name})" for rewrite in rewrites]
        return stable

    def with_sums(self, expr: sp.Expr) -> sp.Expr:
        """`expr` with names for the sums in it, which the open sweep makes."""
        expr = self._over_blocks(expr)
        names: dict[sp.Expr, sp.Expr] = {}
        if expr.has(d):
            # The number of weights that take part is itself a sum over them.
            if not self.counted:
                self.counted = self.unused("count", "_")
                meaning = "number of elements that take part"
                self.reductions.append(Reduction(self.counted, ONE, meaning))
            names[d] = sp.Symbol(self.counted, positive=True)
        sums = [*outer_totals(expr), *sorted(expr.atoms(BlockTotal), key=sp.default_sort_key)]
        for total in sums:
            if outer_totals(total.body):
                raise TargetError(f"a sum inside a sum has no sweep yet: {total}")
            names[total] = self._sum(total)
        return _at_vanishing_norm(expr.xreplace(names), set(names.values()))

    def _over_blocks(self, expr: sp.Expr) -> sp.Expr:
        """Sums over blocks of values per block, each of them a scalar of its own."""
        for blocks in sorted(expr.atoms(Blocks), key=sp.default_sort_key):
            part = self.unused("part", "_")
            self.coefficient(part, blocks.args[0], "the share of each parameter")
            whole = sp.Symbol(self.unused("whole", "_"), real=True)
            assign = Assign(whole.name, Call(Op.BLOCK_SUM, (Ref(part),)), "all shares together")
            waits = any(a.name == part for a in self.waiting)
            (self.waiting if waits else self.scalars).append(assign)
            expr = expr.xreplace({blocks: whole})
        return expr

    def _sum(self, total: Total | BlockTotal) -> sp.Expr:
        per_block = isinstance(total, BlockTotal)
        inside = total.body.atoms(Component)
        kept = {self.buffers[s] for s in inside if s in self.buffers}
        positive = {"positive": True} if total.is_nonnegative else {"real": True}
        if len(kept) == len(inside) and not kept & self.changed and not self.stages:
            return self._carried_sum(total.body, per_block, positive)
        version = sum(self.versions.values())
        known = self.sums.get((total.body, per_block, version))
        if known is None:
            known = self.unused("sum", "_")
            self.sums[total.body, per_block, version] = known
            body = self.freeze_element(total.body)
            over = "the elements of each parameter" if per_block else "all elements"
            meaning = f"sum over {over} of {total.body}"
            self.reductions.append(Reduction(known, body, meaning, per_block))
        return sp.Symbol(known, **positive)

    def _carried_sum(self, body: sp.Expr, per_block: bool, positive: dict[str, bool]) -> sp.Expr:
        """A sum over what is stored: the sweep of the step before has made it on its way.

        It is kept for each parameter, so that those that take part in this step are summed.
        """
        if (body, per_block) not in self.carried:
            state = self.unused("known_sum", "_")
            name = state if per_block else self.unused("sum", "_")
            if not per_block:
                meaning = f"sum over all elements of {body}, from the step before"
                expr = Call(Op.BLOCK_SUM, (Ref(state),))
                self.scalars.append(Assign(name, expr, meaning))
            self.carried[body, per_block] = (state, name)
        return sp.Symbol(self.carried[body, per_block][1], **positive)

    # Elements

    def assign(self, target: sp.Symbol, expr: sp.Expr) -> None:
        self._settle(expr)
        expr = self._with_settled_sums(expr)
        name = self.buffers.get(target, target.name)
        frozen = self.freeze_element(expr)
        new = self.fresh(name)
        self.elements.append(Assign(new, frozen))
        self.current[name] = new
        self.changed.add(name)

    def _with_settled_sums(self, expr: sp.Expr) -> sp.Expr:
        """Sums in an element expression are made by a sweep before it."""
        if not (outer_totals(expr) or expr.has(d, BlockTotal)):
            return expr
        before = len(self.reductions)
        with_sums = self.with_sums(expr)
        if len(self.reductions) > before or any(
            r.name in {str(s) for s in with_sums.free_symbols} for r in self.reductions
        ):
            self.close()
        return with_sums

    def _settle(self, expr: sp.Expr) -> None:
        """Close the sweep if `expr` uses a scalar that waits for its sums."""
        if {str(s) for s in expr.free_symbols} & {a.name for a in self.waiting}:
            self.close()

    def iterate(self, iteration: Iteration) -> None:
        variables = []
        for variable in iteration.variables:
            self._settle(variable.expr)
            name = self.unused(variable.target.name, "_")
            variables.append(Assign(name, self.freeze_element(variable.expr)))
            self.current[variable.target.name] = name
        body = []
        for step in iteration.body:
            self._settle(step.expr)
            name = self.unused(step.target.name, "_")
            body.append(Assign(name, self.freeze_element(step.expr)))
            self.current[step.target.name] = name
        carry = [Store(v.name, b.name) for v, b in zip(variables, body, strict=False)]
        self.elements.append(Iterate(tuple(variables), tuple(body), tuple(carry), iteration.rounds))

    def close(self) -> None:
        """End the sweep: what it changed is stored, and read again by the next one."""
        kept = {"w", *self.buffers.values()}
        stores = tuple(
            Store(target, source)
            for target, source in sorted(self.current.items())
            if target in kept
        )
        self.stages.append(
            Stage(tuple(self.scalars), tuple(self.elements), stores, tuple(self.reductions))
        )
        self.scalars, self.waiting = self.waiting, []
        self.elements, self.reductions = [], []
        self.current = {k: v for k, v in self.current.items() if k not in kept}
        if self.current:
            raise TargetError("an auxiliary value is needed by two sweeps, which no target keeps")

    def finish(self) -> tuple[list[BlockState], list[Store]]:
        """End the last sweep, which also makes the sums that the next step wants to know."""
        states, stores = [], []
        for (body, _), (state, _) in self.carried.items():
            name = self.unused("next_sum", "_")
            meaning = f"sum over the elements of each parameter of {body}"
            self.reductions.append(Reduction(name, self.freeze_element(body), meaning, True))
            states.append(BlockState(state, f"sum of {body}"))
            stores.append(Store(state, name))
        late, self.waiting = self.waiting, []
        self.current = {k: v for k, v in self.current.items() if k in {"w", *self.buffers.values()}}
        self.close()
        self.waiting = late
        return states, stores


def lower(
    name: str, equations: UpdateEquations, parameters: Sequence[Parameter]
) -> tuple[UpdateRule, tuple[str, ...]]:
    """The rule of `equations`, and the stable rewrites that were used.

    Args:
        name: snake_case name of the optimizer.
        parameters: all hyperparameters; those that the rule does not use are left out.
    """
    taken = {p.name for p in parameters} | {c.symbol.name for c in equations.coefficients}
    taken |= {s.symbol.name for s in equations.states}
    state = _Lowering(buffers=_buffer_names(equations, taken), taken=taken)
    for statement in equations.statements:
        if isinstance(statement, Coefficient):
            state.coefficient(statement.symbol.name, statement.expr, statement.meaning)
        elif isinstance(statement, Iteration):
            state.iterate(statement)
        else:
            state.assign(statement.target, statement.expr)
    block_states, stores = state.finish()
    states: list[ScalarState] = []
    epilogue = list(state.waiting)
    if equations.clock is Clock.TIME:
        states.append(ScalarState(TIME_STATE, ZERO, "learning time"))
        now = state.unused("t_new", "")
        time = sp.Symbol(TIME_STATE)
        epilogue.append(Assign(now, freeze(time + equations.time_step), "time now"))
        stores.append(Store(TIME_STATE, now))
    for kept in equations.states:
        new = kept.new
        if not new.is_Symbol:
            now = state.unused(f"{kept.symbol.name}_new", "")
            epilogue.append(Assign(now, freeze(state.stable(new, now)), f"{kept.meaning} now"))
        else:
            now = str(new.name)
        if kept.per_block:
            block_states.append(BlockState(kept.symbol.name, kept.meaning))
        else:
            initial = freeze(kept.initial)
            states.append(ScalarState(kept.symbol.name, initial, kept.meaning))
        stores.append(Store(kept.symbol.name, now))
    guards = tuple(Guard(freeze(elementary(expr)), text) for expr, text in equations.domain)
    symbols = _used_names(state.stages, epilogue, guards)
    symbols |= {n for s in states for n in references(s.initial)}
    if L0.name in symbols:
        states.append(ScalarState(L0.name, Ref(LOSS), "the loss before the first step"))
    rule = UpdateRule(
        name=name,
        parameters=tuple(p for p in parameters if p.name in symbols),
        buffers=tuple(Buffer(n, _buffer_meaning(symbol)) for symbol, n in state.buffers.items()),
        stages=tuple(state.stages),
        states=tuple(states),
        epilogue=tuple(epilogue),
        state_stores=tuple(stores),
        guards=guards,
        block_states=tuple(block_states),
    )
    return rule, tuple(dict.fromkeys(state.rewrites))


_SMALLEST_SQUARE = sp.Rational(1, 10**36)  # it, its root and their reciprocals: all in float32


def _at_vanishing_norm(expr: sp.Expr, sums: set[sp.Expr]) -> sp.Expr:
    """X/|X| with the subgradient 0 at X = 0, where the formula is 0/0."""
    return expr.replace(
        lambda e: e.is_Pow and e.base in sums and e.exp.is_nonnegative is not True,
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

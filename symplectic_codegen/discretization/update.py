"""A scheme as update equations: what is assigned, in order, with named coefficients.

This is the last symbolic form. Where beta(t) is known in closed form it is put in, so that beta is
gone, and what varies from step to step is either the number n of the step or the time s at its
start. Otherwise beta and U are state. Every assignment reads the current values, as a program does:
after "X <- ...", X means the new one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum

import sympy as sp

from symplectic_codegen.algebra.display import Formula, Printable
from symplectic_codegen.algebra.forms import is_negative, multiplied_out, shortest
from symplectic_codegen.algebra.functions import InTurn
from symplectic_codegen.algebra.memory import Memory, ScalarMemory
from symplectic_codegen.algebra.notation import to_ascii, to_latex, to_unicode
from symplectic_codegen.algebra.proof import vanishes
from symplectic_codegen.algebra.symbols import (
    L0,
    START,
    U0,
    Component,
    G,
    L,
    U,
    X,
    Y,
    beta,
    beta0,
    d,
    t,
    tau,
    w,
)
from symplectic_codegen.algebra.vector import (
    Blocks,
    BlockTotal,
    Total,
    components,
    is_scalar,
    outer_totals,
)
from symplectic_codegen.discretization.flows import NOISE, ROUNDS, W_MID, X_MID, Flow
from symplectic_codegen.discretization.scheme import Move, Scheme
from symplectic_codegen.errors import NotSeparableError
from symplectic_codegen.mechanics.temperature import Temperature

STEP_NUMBER = sp.Symbol("n", positive=True, integer=True)  # 1 in the first step
X_AHEAD = Component("X_ahead")  # momenta that are read and not kept
W_NEXT, X_NEXT = Component("w_next"), Component("X_next")  # the middle after one more round
W_CHANGE, X_CHANGE = Component("w_change"), Component("X_change")  # what that round changes
_VALUES = (L, L0, U, beta)  # scalars that have a name of their own in a rule
_NOT_POSITIVE = "the thermal parameter beta is not positive"


class Clock(Enum):
    """What of the time of a step its coefficients depend on."""

    NONE = "none"
    STEP_NUMBER = "step number"
    TIME = "time"


@dataclass(frozen=True)
class Coefficient:
    """A scalar, computed once where it stands: sums in it are those of the values there."""

    symbol: sp.Symbol
    expr: sp.Expr
    meaning: str

    @property
    def is_early(self) -> bool:
        """Whether it is known before the elements are looked at."""
        return not outer_totals(self.expr) and not self.expr.has(d, BlockTotal, Blocks)


@dataclass(frozen=True)
class Assignment:
    """target <- expr, in current values and coefficients."""

    target: sp.Symbol
    expr: sp.Expr


@dataclass(frozen=True)
class Iteration:
    """Rounds of a fixed-point iteration for each component.

    Args:
        variables: with the value from which each starts.
        body: assigned in each round: first what each variable is in the next round, in the order
            of the variables, then what else is asked for after the last round.
        rounds: how many.
    """

    variables: tuple[Assignment, ...]
    body: tuple[Assignment, ...]
    rounds: int


Statement = Coefficient | Assignment | Iteration


@dataclass(frozen=True)
class StateUpdate:
    """A scalar that is kept between steps, with its value at the start and after the step."""

    symbol: sp.Symbol
    initial: sp.Expr
    new: sp.Expr
    meaning: str
    per_block: bool = False


@dataclass(frozen=True)
class UpdateEquations(Printable):
    """One step of the optimizer, symbolically.

    Args:
        statements: in order; targets of assignments are X, w, the memory fields and auxiliaries.
        states: the scalars that the step reads and changes, beside time.
        clock: what the coefficients depend on.
        domain: (expression, meaning) pairs; a step needs each expression to be positive.
        time_step: by how much time moves on.

    All of it is in the parameters that the coefficients are in.
    """

    statements: tuple[Statement, ...]
    states: tuple[StateUpdate, ...]
    clock: Clock
    domain: tuple[tuple[sp.Expr, str], ...]
    time_step: sp.Expr = tau

    @property
    def coefficients(self) -> tuple[Coefficient, ...]:
        """The scalars, in order."""
        return tuple(s for s in self.statements if isinstance(s, Coefficient))

    @property
    def assignments(self) -> tuple[Assignment, ...]:
        """What is assigned component by component, in order."""
        return tuple(s for s in self.statements if isinstance(s, Assignment))

    def inlined(self) -> tuple[Assignment, ...]:
        """The same program with early coefficients written out.

        A coefficient with a sum in it is evaluated where it stands, so it stays a line of its own;
        what an iteration assigns is written out round by round.
        """
        values: dict[sp.Symbol, sp.Expr] = {}
        result: list[Assignment] = []
        for statement in self.statements:
            if isinstance(statement, Coefficient):
                expr = statement.expr.xreplace(values)
                if statement.is_early:
                    values[statement.symbol] = expr
                else:
                    result.append(Assignment(statement.symbol, expr))
            elif isinstance(statement, Assignment):
                result.append(Assignment(statement.target, statement.expr.xreplace(values)))
            else:
                result += _written_out(statement, values)
        for state in self.states:
            result.append(Assignment(state.symbol, state.new.xreplace(values)))
        return tuple(result)

    def formulas(self) -> tuple[Formula, ...]:
        """The program, with every early coefficient written out, an iteration as its equation."""
        values: dict[sp.Symbol, sp.Expr] = {}
        result: list[Formula] = []
        for statement in self.statements:
            if isinstance(statement, Iteration):
                result += [
                    _arrow(v.target, b.expr.xreplace(values), "=", "=")
                    for v, b in zip(statement.variables, statement.body, strict=False)
                ]
            elif isinstance(statement, Coefficient) and statement.is_early:
                values[statement.symbol] = statement.expr.xreplace(values)
            elif isinstance(statement, Coefficient):
                result.append(_arrow(statement.symbol, statement.expr.xreplace(values), "=", "="))
            else:
                result.append(_arrow(statement.target, statement.expr.xreplace(values)))
        result += [_arrow(s.symbol, s.new.xreplace(values)) for s in self.states]
        return tuple(result)


def _arrow(
    target: sp.Symbol, expr: sp.Expr, sign: str = "←", latex_sign: str = r"\leftarrow"
) -> Formula:
    return Formula.equation(to_unicode(target), to_latex(target), expr, sign, latex_sign)


def _written_out(iteration: Iteration, values: Mapping[sp.Symbol, sp.Expr]) -> Iterable[Assignment]:
    for variable in iteration.variables:
        yield Assignment(variable.target, variable.expr.xreplace(dict(values)))
    for _ in range(iteration.rounds):
        # All at once: each reads the variables of the round before.
        for step in iteration.body:
            yield Assignment(step.target, step.expr.xreplace(dict(values)))
        for variable, step in zip(iteration.variables, iteration.body, strict=False):
            yield Assignment(variable.target, step.target)


@dataclass(frozen=True)
class Choices:
    """How a scheme becomes update equations.

    Args:
        parameters: puts user-facing parameters in the place of physical ones.
        initial_beta: beta at time 0; the symbol beta0 or a number.
        with_energy: keep U even where nothing reads it (needs the value of the loss).
        reserved: names of hyperparameters, which no coefficient may take.
        time_step: the length of a step, where it depends on the loss.
        per_block: whether sums in the kinetic energy run over each parameter array by itself.
    """

    parameters: Callable[[sp.Expr], sp.Expr] = lambda expr: expr
    initial_beta: sp.Expr = beta0
    with_energy: bool = False
    reserved: Collection[str] = ()
    time_step: sp.Expr = tau
    per_block: bool = False


def update_equations(scheme: Scheme, choices: Choices) -> UpdateEquations:
    """The update equations of `scheme`."""
    calls = [_Builder(scheme, choices, number).build() for number in range(len(scheme.calls))]
    return calls[0] if len(calls) == 1 else _in_turn(calls)


def _in_turn(calls: Sequence[UpdateEquations]) -> UpdateEquations:
    """Several calls as one: coefficients that differ from call to call take their values in turn.

    Raises:
        NotSeparableError: the calls differ in more than coefficients.
    """
    first = calls[0]
    index = STEP_NUMBER - 1
    statements: list[Statement] = []
    for row in zip(*(call.statements for call in calls), strict=False):
        if all(isinstance(s, Coefficient) and s.symbol == row[0].symbol for s in row):
            expr = InTurn(index, *(s.expr for s in row))
            statements.append(replace(row[0], expr=expr))
        elif all(s == row[0] for s in row):
            statements.append(row[0])
        else:
            statements.clear()
            break
    same = all(len(c.statements) == len(first.statements) for c in calls)
    if not statements or not same or any(c.states for c in calls):
        raise NotSeparableError(
            "the gradients of a step are used in different ways, or β is state: a composition with "
            "several gradients a step is for repeated symmetric steps and β(t) in closed form"
        )
    moving = any(c.clock is Clock.TIME for c in calls)
    numbered = any(s.expr.has(STEP_NUMBER) for s in statements if isinstance(s, Coefficient))
    clock = Clock.TIME if moving else Clock.STEP_NUMBER if numbered else Clock.NONE
    last = InTurn(index, *[sp.S.Zero] * (len(calls) - 1), first.time_step)
    domain = tuple(dict.fromkeys(item for c in calls for item in c.domain))
    return UpdateEquations(tuple(statements), (), clock, domain, last)


class _Namer:
    """Collects coefficients under readable names, each name once."""

    def __init__(self, reserved: Collection[str]) -> None:
        self.known: list[Coefficient] = []
        self.reserved = frozenset(reserved)

    def name(self, base: str, expr: sp.Expr, meaning: str) -> tuple[sp.Expr, Coefficient | None]:
        """What stands for `expr`, and the coefficient that this makes necessary."""
        if expr.is_number or expr in _VALUES or expr in {c.symbol for c in self.known}:
            return expr, None
        for coefficient in self.known:
            if coefficient.expr == expr:
                return coefficient.symbol, None
        return self.new(base, expr, meaning)

    def new(self, base: str, expr: sp.Expr, meaning: str) -> tuple[sp.Symbol, Coefficient]:
        """A coefficient of its own, even if another one looks the same."""
        taken = self.reserved | {c.symbol.name for c in self.known}
        name, number = base, 2
        while name in taken:
            name, number = f"{base}_{number}", number + 1
        coefficient = Coefficient(sp.Symbol(name, real=True), expr, meaning)
        self.known.append(coefficient)
        return coefficient.symbol, coefficient


class _Builder:
    """The update equations of one call, statement by statement."""

    def __init__(self, scheme: Scheme, choices: Choices, number: int) -> None:
        self.scheme = scheme
        self.choices = choices
        self.number = number
        self.count = len(scheme.calls)
        self.namer = _Namer(choices.reserved)
        self.statements: list[Statement] = []
        self.states: list[StateUpdate] = []
        self.linear = _is_linear(scheme)
        self.profile = self._closed_profile()
        self.clock = scheme.offset  # where beta is, in steps from the start of the trajectory step
        for call in scheme.calls[:number]:
            self.clock += sp.Add(*(move.flow.advance for move in call))
        self.conditions: list[tuple[sp.Expr, str]] = []
        self.visited: list[sp.Expr] = []  # where the clock has been
        self.beta: sp.Expr = beta
        if self.profile is not None:
            self.beta = self.profile.subs(t, START + self.clock * tau)
        self.energy: sp.Expr = U
        flows = [move.flow for call in scheme.calls for move in call]
        read = any(e.has(U) for f in flows for z, e in f.updates.items() if z != U)
        self.keeps_energy = choices.with_energy or read

    def _closed_profile(self) -> sp.Expr | None:
        """beta(t), where the whole step moves along it."""
        scheme = self.scheme
        moved_otherwise = "E" in scheme.pieces or scheme.extras.cooling != "exact"
        return None if moved_otherwise else scheme.temperature.profile(self.choices.initial_beta)

    def name(self, base: str, expr: sp.Expr, meaning: str) -> sp.Expr:
        symbol, coefficient = self.namer.name(base, expr, meaning)
        if coefficient is not None:
            self.statements.append(coefficient)
        return symbol

    def here(self, expr: sp.Expr) -> sp.Expr:
        """`expr` at the present beta and U."""
        return expr.xreplace({beta: self.beta, U: self.energy})

    # The moves

    def build(self) -> UpdateEquations:
        moves = self.scheme.calls[self.number]
        skip = False
        for i, move in enumerate(moves):
            if skip:
                skip = False
                continue
            following = moves[i + 1].flow if i + 1 < len(moves) else None
            skip = self._make(move, following)
        return self._finish()

    def _make(self, move: Move, following: Flow | None) -> bool:
        """The statements of one move; whether it has taken the next flow with it."""
        flow = move.flow
        if flow.name == "memory":
            self._relax(flow)
        elif flow.middle:
            self._iterate(flow)
        elif flow.impulses or (beta in flow.updates and w not in flow.updates):
            return self._kick(move, following)
        elif w in flow.updates and X not in flow.updates:
            self._drift(move)
        else:
            self._general(flow)
        return False

    def _kick(self, move: Move, following: Flow | None) -> bool:
        flow = move.flow
        after = self._advance(flow)
        # The stretch of a dilation just behind it is taken over by the kick, if the dilation
        # leaves U alone.
        joined = bool(
            self.linear and following is not None and following.stretch != 1
            and (following.updates[U] == U or not self.keeps_energy)
        )  # fmt: skip
        stretch = sp.S.One
        if joined:
            assert following is not None
            stretch = following.stretch.xreplace({beta: after})
        energy = self._next_energy(flow)
        momenta = self._kicked(flow, after, stretch)
        self._check(flow)
        if move.undo and momenta.has(w):
            # The momenta are kicked where the gradient was read, then the weights go back.
            self.statements.append(Assignment(X_AHEAD, momenta))
            self._undo(move)
            self.statements.append(Assignment(X, X_AHEAD))
        else:
            self._undo(move)
            self._add(X, momenta)
        self.beta, self.energy = after, energy
        if joined:
            assert following is not None
            shrink = self.name("shrink", 1 / stretch, "decay of the weights")
            self.statements.append(Assignment(w, shrink * w))
        return joined

    def _undo(self, move: Move) -> None:
        for flow in move.undo:
            if w in flow.updates:
                self.statements.append(Assignment(w, self._moved(flow, X, self.beta)))

    def _advance(self, flow: Flow) -> sp.Expr:
        """beta after the flow."""
        if self.profile is not None:
            if flow.advance == 0:
                return self.beta
            self.clock = sp.expand(self.clock + flow.advance)
            self.visited.append(self.clock)
            return self.profile.subs(t, START + self.clock * tau)
        # Written out as long as that is possible: in ratios beta then cancels.
        new = self.here(flow.updates.get(beta, beta))
        return self._late("beta_new", new, "thermal parameter after cooling")

    def _late(self, base: str, expr: sp.Expr, meaning: str) -> sp.Expr:
        """`expr`, as a statement of its own where it has sums in it, which stand for now."""
        if is_scalar(expr) and not outer_totals(expr) and not expr.has(d, BlockTotal, Blocks):
            return expr
        symbol, coefficient = self.namer.new(base, expr, meaning)
        self.statements.append(coefficient)
        return symbol

    def _next_energy(self, flow: Flow, momenta: sp.Expr = X) -> sp.Expr:
        """U after the flow, as a statement of its own; the old U where nobody asks for it."""
        if not self.keeps_energy or flow.updates.get(U, U) == U:
            return self.energy
        update = self._summed(flow.updates[U]).xreplace({X: momenta})
        return self._late("U_new", self._factored(self.here(update)), "internal energy")

    def _summed(self, expr: sp.Expr) -> sp.Expr:
        """A motion of U, where sums in the kinetic energy run over blocks: the sum over these."""
        if not self.choices.per_block or not expr.has(X):
            return expr
        rest = expr.subs(U, 0)
        return expr - rest + Blocks(_by_block(rest))

    def _kicked(self, flow: Flow, after: sp.Expr, stretch: sp.Expr) -> sp.Expr:
        """X after kick and cooling, with beta going to `after`, and X stretched."""
        space = self.scheme.space
        slope = sp.diff(space.coupling, X)
        if not self.linear:
            # A nonlinear coupling: Y is formed, kicked, and turned back into X.
            total = self._collect(self.here(space.coupling), {})
            for weight, force in flow.impulses:
                gain = self.name(
                    _impulse_name(force), self.here(weight), f"impulse weight of {_shape(force)}"
                )
                total += gain * force
            inverse = space.solve_coupling().xreplace({beta: after})
            return self._collect(inverse, {Y: total})
        mass_before = self.here(slope)
        mass_after = slope.xreplace({beta: after}) / stretch
        decay = self.name(
            "decay",
            mass_before / mass_after,
            "beta(t-tau)/beta(t): what cooling leaves of the momenta",
        )
        kicked = decay * X
        parts = [_split(self.here(weight * force)) for weight, force in flow.impulses]
        for direction, scalar in _by_direction(parts).items():
            gain = self.name(
                _impulse_name(direction),
                scalar / mass_after,
                f"impulse of {_shape(direction)}: time average of the thermal mass over the step",
            )
            kicked += gain * self._collect(direction, {})
        return kicked

    def _drift(self, move: Move) -> None:
        flow = move.flow
        if move.ahead:
            self._drift_ahead(move)
            return
        if move.is_lagged:
            self._drift_lagged(flow)
            return
        energy = self._next_energy(flow)
        self._check(flow)
        self.statements.append(Assignment(w, self._moved(flow, X, self.beta)))
        self.energy = energy

    def _moved(
        self,
        flow: Flow,
        momenta: sp.Expr,
        at: sp.Expr,
        sums: Mapping[sp.Expr, sp.Expr] | None = None,
    ) -> sp.Expr:
        """w after a drift at beta = `at`; `sums` stand for the sums over momenta, if given."""
        new = flow.updates[w].xreplace({beta: at, U: self.energy})
        parts = map(_split, sp.Add.make_args(multiplied_out(new - w)))
        result: sp.Expr = w
        for direction, scalar in _by_direction(parts).items():
            if sums is not None:
                direction = direction.xreplace(dict(sums))
            elif self.choices.per_block:
                direction = _by_block(direction)
            # Of calls in turn all have one sign, so that they differ in coefficients alone.
            sign = -1 if self.count > 1 or is_negative(scalar) else 1
            rate = self.name("rate", sign * scalar, "learning rate of the drift")
            result += sign * rate * self._collect(direction.xreplace({X: momenta}), {})
        return result

    def _drift_ahead(self, move: Move) -> None:
        """A drift with momenta that are read where `ahead` leads, and not kept."""
        momenta: sp.Expr = X
        start, clock = self.beta, self.clock
        for flow in move.ahead:
            after = self._advance(flow)
            momenta = self._kicked(flow, after, sp.S.One).xreplace({X: momenta})
            self.beta = after
        at, self.beta, self.clock = self.beta, start, clock
        self.statements.append(Assignment(X_AHEAD, sp.expand(momenta)))
        self.statements.append(Assignment(w, self._moved(move.flow, X_AHEAD, at)))

    def _drift_lagged(self, flow: Flow) -> None:
        """A drift whose sums are those before the step; the last step's are made good first.

        The correction of the last drift comes before the kick, whose momenta it reads: it is put in
        front of everything.
        """
        totals = sorted(outer_totals(flow.updates[w]), key=sp.default_sort_key)
        if not totals:
            self._drift(Move(flow))
            return
        now, last = {}, {}
        head: list[Statement] = []
        for total in totals:
            body = BlockTotal(total.body) if self.choices.per_block else total
            symbol, coefficient = self.namer.new("known", body, "the sum before the step")
            before = sp.Symbol(f"{symbol.name}_before", real=True)
            meaning = "the sum that the last drift was made with"
            self.states.append(
                StateUpdate(before, sp.S.Zero, symbol, meaning, self.choices.per_block)
            )
            head.append(coefficient)
            now[total], last[total] = symbol, before
        kept, self.statements = self.statements, []
        made = self._moved(flow, X, self.beta, now) - w
        drift_statements, self.statements = self.statements, []
        wanted = self._moved(flow, X, self.beta, last) - w
        correction = Assignment(w, w + made - wanted)
        self.statements = [*head, *drift_statements, *self.statements, correction, *kept]
        self.statements.append(Assignment(w, w + made))

    def _relax(self, flow: Flow) -> None:
        for memory, new in flow.updates.items():
            if isinstance(memory, ScalarMemory):
                continue  # a known function of time, put in at the end
            assert isinstance(memory, Memory)
            new = new.xreplace({U: self.energy, beta: self.beta})
            keep = self.name("memory", sp.diff(new, memory), f"what stays of {memory.name}")
            rest = sp.expand_mul(new.xreplace({memory: sp.S.Zero}))
            source = memory.source.xreplace({t: START + tau})
            gain = self.name("intake", sp.cancel(rest / source), "what comes in")
            self.statements.append(
                Assignment(memory, keep * memory + gain * self._collect(source, {}))
            )

    def _iterate(self, flow: Flow) -> None:
        """The implicit midpoint rule, by fixed-point iteration."""
        half = {
            z: self._collect(sp.expand_mul(self.here(tau / 2 * flow.middle[z])), {}) for z in (w, X)
        }
        energy = self.energy
        variables = (Assignment(W_MID, w), Assignment(X_MID, X))
        body = (
            Assignment(W_NEXT, w + half[w]),
            Assignment(X_NEXT, X + half[X]),
            Assignment(W_CHANGE, W_NEXT - W_MID),
            Assignment(X_CHANGE, X_NEXT - X_MID),
        )
        self.statements.append(Iteration(variables, body, ROUNDS))
        if self.keeps_energy:
            update = self.here(U + tau * flow.middle[U])
            energy = self._late("U_new", self._factored(update), "internal energy")
        change = sp.sqrt(Total(W_CHANGE**2 + X_CHANGE**2))
        meaning = "norm of what the last round of the iteration has changed"
        symbol, coefficient = self.namer.new("change", change, meaning)
        self.statements.append(coefficient)
        residual = sp.Symbol("residual", real=True)
        self.states.append(StateUpdate(residual, sp.S.Zero, symbol, meaning))
        self.statements.append(Assignment(w, 2 * W_MID - w))
        self.statements.append(Assignment(X, 2 * X_MID - X))
        self.energy = energy

    def _general(self, flow: Flow) -> None:
        """Any other flow: scalars first, then the components, all from the old values."""
        self._check(flow)
        updates = flow.updates
        after = self._advance(flow)
        energy = self._next_energy(flow)
        new = {z: self._terms(self.here(updates[z]), z) for z in (w, X) if z in updates}
        moves_weights = w in new and X in new and new[X].has(w)
        if moves_weights and new[w].has(X):
            self.statements.append(Assignment(X_AHEAD, new[X]))
            new[X] = X_AHEAD
        order = (X, w) if moves_weights and new[X] != X_AHEAD else (w, X)
        for z in order:
            self._add(z, new.get(z, z))
        self.beta, self.energy = after, energy

    def _terms(self, expr: sp.Expr, z: sp.Symbol) -> sp.Expr:
        """A new value of `z` with the scalar of each term named."""
        base = "shrink" if z == w else "factor"
        result: sp.Expr = sp.S.Zero
        for term in sp.Add.make_args(multiplied_out(expr)):
            scalar, direction = _split(term)
            sign = -1 if is_negative(scalar) else 1
            named = self.name(base, sign * scalar, "scalar of the step")
            result += sign * named * self._collect(direction, {})
        return result

    def _check(self, flow: Flow) -> None:
        """Conditions that can be looked at before the step begins."""
        values = {c.symbol: c.expr for c in self.namer.known}
        for expr, text in flow.domain:
            condition = self.here(expr)
            while condition.free_symbols & set(values):
                condition = condition.xreplace(values)
            known = is_scalar(condition) and not outer_totals(condition) and not condition.has(d)
            if known and condition.is_positive is not True:
                self.conditions.append((condition, text))

    # Naming

    def _collect(self, expr: sp.Expr, values: Mapping[sp.Expr, sp.Expr]) -> sp.Expr:
        """`expr` with its largest scalar subexpressions named."""
        if expr in values:
            return values[expr]
        if expr.is_number or isinstance(expr, Component) or expr == d:
            return expr
        if _is_known(expr):
            return self.name("scale", expr, "scalar of the step")
        if expr.is_Mul or expr.is_Add:
            known = [a for a in expr.args if _is_known(a) and not a.is_number]
            others = [a for a in expr.args if a not in known]
            parts = [self._collect(a, values) for a in others]
            if known:
                parts.append(self.name("scale", expr.func(*known), "scalar of the step"))
            return expr.func(*parts)
        return expr.func(*(self._collect(a, values) for a in expr.args))

    def _factored(self, update: sp.Expr) -> sp.Expr:
        """An update of U as a sum of named coefficients times U, L and sums over components."""
        if self.profile is None:
            return self._with_named_factors(update)
        by_quantity: dict[sp.Expr, sp.Expr] = {}
        for term in sp.Add.make_args(sp.expand_mul(sp.factor_terms(update))):
            sums = [*outer_totals(term), *term.atoms(Blocks)]
            coefficient, quantity = term.as_independent(self.energy, L, d, *sums, as_Add=False)
            by_quantity[quantity] = by_quantity.get(quantity, sp.S.Zero) + coefficient
        result: sp.Expr = sp.S.Zero
        for quantity, coefficient in by_quantity.items():
            sign = -1 if is_negative(coefficient) else 1
            base = {self.energy: "energy_decay", L: "energy_work"}.get(quantity, "energy_drift")
            named = self.name(base, sign * coefficient, "coefficient of the internal energy")
            result += sign * named * self._collect(quantity, {})
        return result

    def _with_named_factors(self, update: sp.Expr) -> sp.Expr:
        """An update of U where U and beta are state: names for the factors of sums only."""
        rest: sp.Expr = sp.S.Zero
        result: sp.Expr = sp.S.Zero
        for term in sp.Add.make_args(sp.expand_mul(update)):
            scalar, quantity = _split(term)
            if quantity == 1:
                rest += scalar
                continue
            sign = -1 if is_negative(scalar) else 1
            named = self.name("energy_drift", sign * scalar, "coefficient of the internal energy")
            result += sign * named * self._collect(quantity, {})
        return result + rest

    def _add(self, target: sp.Symbol, expr: sp.Expr) -> None:
        """target <- expr, if that changes anything."""
        if expr != target:
            self.statements.append(Assignment(target, expr))

    # The end

    def _finish(self) -> UpdateEquations:
        if self.keeps_energy:
            self.states.append(StateUpdate(U, U0, self.energy, "internal energy"))
        if self.profile is None:
            start = self.choices.initial_beta
            self.states.append(StateUpdate(beta, start, self.beta, "thermal parameter"))
        merged = _condensed(_merged_kicks(self.statements, self.namer), self.namer)
        statements = self._with_scalar_memories(merged)
        return self._on_clock(*self._live(statements, self.states))

    def _live(
        self, statements: list[Statement], states: list[StateUpdate]
    ) -> tuple[list[Statement], list[StateUpdate]]:
        return _live(statements, states, {U} if self.choices.with_energy else set())

    def _with_scalar_memories(self, statements: list[Statement]) -> list[Statement]:
        """Memories of constants as what they are at the end of the step (M comes before B)."""
        found = {
            m
            for s in statements
            if not isinstance(s, Iteration)
            for m in s.expr.atoms(ScalarMemory)
        }
        values = {m: m.value(START + tau) for m in found}
        if not values:
            return statements
        return [s if isinstance(s, Iteration) else replace(s, expr=s.expr.xreplace(values))
                for s in statements]  # fmt: skip

    def _on_clock(self, statements: list[Statement], states: list[StateUpdate]) -> UpdateEquations:
        """Coefficients in user-facing parameters, on the simplest clock that serves them.

        If, with s = (n - 1) tau, the step tau cancels, the number of the step is enough and the
        rule stays right when the step size is scheduled. Otherwise time itself is kept.
        """
        adaptive = self.choices.time_step != tau
        exprs = [s.expr for s in statements if isinstance(s, Coefficient)]
        domain = self._domain()
        # Short in physical parameters first: what cancels there need not in user-facing ones.
        physical = [_short_scalar(e) for e in exprs]
        # On the number of steps first: forms in time are longer, and mostly not needed.
        counted = [self._user_facing(self._counted(e) if e.has(START) else e) for e in physical]
        dated = [e for e in counted if e.has(STEP_NUMBER)]
        clock, chosen = Clock.NONE, counted
        if dated:
            clock = Clock.STEP_NUMBER
            symbols = self._parameters(tau).free_symbols
            timed = [e.as_independent(STEP_NUMBER, as_Add=False)[1] for e in dated]
            if adaptive or any(e.free_symbols & symbols for e in timed):
                clock, chosen = Clock.TIME, [self._user_facing(e) for e in physical]
        elif any(e.has(START) for e, _ in domain):
            clock = Clock.TIME
        values = iter(chosen)
        renewed: list[Statement] = [
            replace(s, expr=next(values)) if isinstance(s, Coefficient) else s for s in statements
        ]
        if clock is not Clock.TIME:
            domain = [(self._numbered(e), text) for e, text in domain]
        kept = [
            replace(s, initial=self._parameters(s.initial), new=self._user_facing(s.new))
            for s in states
        ]
        # Beta may have cancelled everywhere but in its own motion.
        renewed, kept = _renamed(
            *self._live(*_without_numbers(renewed, kept)), self.choices.reserved
        )
        conditions = [(self._parameters(self._stepped(e)), text) for e, text in domain]
        # What cannot be negative can at worst be zero: momenta that are wholly forgotten.
        conditions = [item for item in conditions if not item[0].is_nonnegative]
        conditions += [(self._parameters(e), text) for e, text in self._loss_domain()]
        if any(s.symbol == beta for s in kept):
            conditions = [(beta, _NOT_POSITIVE), *conditions]
        return UpdateEquations(
            tuple(renewed),
            tuple(kept),
            clock,
            tuple(conditions),
            self._parameters(self.choices.time_step),
        )

    def _parameters(self, expr: sp.Expr) -> sp.Expr:
        return self.choices.parameters(expr)

    def _stepped(self, expr: sp.Expr) -> sp.Expr:
        step = self.choices.time_step
        return expr if step == tau else expr.xreplace({tau: step})

    def _user_facing(self, expr: sp.Expr) -> sp.Expr:
        return _short_scalar(self._parameters(self._stepped(expr)))

    def _numbered(self, expr: sp.Expr) -> sp.Expr:
        """With the start of the trajectory step as a number of steps."""
        count = (STEP_NUMBER - 1 - self.number) / self.count
        return expr.subs(START, count * tau)

    def _counted(self, expr: sp.Expr) -> sp.Expr:
        return sp.powsimp(self._numbered(expr).replace(sp.exp, _expanded))

    def _loss_domain(self) -> Iterable[tuple[sp.Expr, str]]:
        """Conditions on the loss, where H or the length of the step is not defined for all."""
        if self.choices.time_step != tau:
            text = f"the time step {to_ascii(self.choices.time_step)} is not positive"
            yield self.choices.time_step, text
        flows = {flow for pieces in self.scheme.pieces.values() for flow in pieces}
        exprs = [flow.generator for flow in flows if flow.generator is not None]
        exprs += [e for e in (self.scheme.extras.energy,) if e is not None]
        found: dict[sp.Expr, sp.Expr] = {}
        for expr in exprs:
            for e in expr.atoms(sp.log, sp.Pow):
                base, exponent = (e.args[0], sp.S.Half) if isinstance(e, sp.log) else e.args
                scalar, place = sp.factor_terms(base).as_independent(L, L0, as_Add=False)
                base = place if scalar.is_positive else base
                if not base.has(L, L0) or outer_totals(base) or base.is_positive:
                    continue
                # On the other side of a pole is another system.
                if not exponent.is_even and not (exponent.is_integer and exponent.is_positive):
                    found[base] = base
                elif exponent.is_negative:
                    found.setdefault(base, base**2)
        for base in sorted(found, key=sp.default_sort_key):
            sign = ">" if found[base] == base else "!="
            yield found[base], f"this Hamiltonian is for {to_ascii(base)} {sign} 0 only"

    def _domain(self) -> list[tuple[sp.Expr, str]]:
        """Conditions for the step to exist, but for those on a beta that is kept."""
        if self.profile is None:
            return self.conditions
        found: dict[tuple[sp.Expr, str], None] = {}
        for clock in sorted(set(self.visited), key=sp.default_sort_key):
            at = START + clock * tau
            found |= dict.fromkeys(_thermal_domain(self.scheme.temperature, self.profile, at))
        return [*found, *self.conditions]


def _short_scalar(expr: sp.Expr) -> sp.Expr:
    """The shortest form of a scalar; sums stay together as they are."""
    if outer_totals(expr) or expr.has(BlockTotal, Blocks):
        return expr
    return shortest(expr)


def _without_numbers(
    statements: list[Statement], states: list[StateUpdate]
) -> tuple[list[Statement], list[StateUpdate]]:
    """A coefficient that has become a number is no coefficient: 0*X and 1*G go away."""
    numbers = {
        s.symbol: s.expr for s in statements if isinstance(s, Coefficient) and s.expr.is_Rational
    }
    kept: list[Statement] = []
    for s in statements:
        if isinstance(s, Iteration):
            body = tuple(Assignment(a.target, a.expr.xreplace(numbers)) for a in s.body)
            kept.append(replace(s, body=body))
        elif not (isinstance(s, Coefficient) and s.symbol in numbers):
            kept.append(replace(s, expr=s.expr.xreplace(numbers)))
    return kept, [replace(s, new=s.new.xreplace(numbers)) for s in states]


def _is_linear(scheme: Scheme) -> bool:
    """Whether Y = m(beta) X, so that the momenta are updated by a linear formula."""
    slope = sp.diff(scheme.space.coupling, X)
    return not slope.has(X) and vanishes(scheme.space.coupling - slope * X)


def _by_block(expr: sp.Expr) -> sp.Expr:
    """`expr` with sums over momenta as sums over the block of the component."""
    return expr.replace(lambda e: isinstance(e, Total) and e.has(X), lambda e: BlockTotal(e.body))


def _is_known(expr: sp.Expr) -> bool:
    """Whether `expr` can be an early coefficient: no components, sums, or d in it."""
    late = outer_totals(expr) or expr.has(d, BlockTotal, Blocks)
    return is_scalar(expr) and not late


def _split(term: sp.Expr) -> tuple[sp.Expr, sp.Expr]:
    """A product as (coefficient, the rest with components and sums)."""
    scalar: list[sp.Expr] = []
    rest: list[sp.Expr] = []
    for factor in sp.Mul.make_args(sp.factor_terms(term)):
        (scalar if _is_known(factor) else rest).append(factor)
    return sp.Mul(*scalar), sp.Mul(*rest)


def _by_direction(parts: Iterable[tuple[sp.Expr, sp.Expr]]) -> dict[sp.Expr, sp.Expr]:
    """What multiplies each direction."""
    found: dict[sp.Expr, sp.Expr] = {}
    for scalar, direction in parts:
        found[direction] = found.get(direction, sp.S.Zero) + scalar
    return found


def _impulse_name(direction: sp.Expr) -> str:
    if direction == G:
        return "impulse"
    if direction == w:
        return "pull"
    return "force"


def _shape(direction: sp.Expr) -> str:
    names = {G: "the loss gradient", w: "the weights", NOISE: "the noise"}
    return names.get(direction, str(direction))


def _merged_kicks(statements: list[Statement], namer: _Namer) -> list[Statement]:
    """Motions of the momenta that follow each other as one, where they are linear."""
    values = {s.symbol: s.expr for s in statements if isinstance(s, Coefficient) and s.is_early}
    result: list[Statement] = []
    place: int | None = None  # of the last motion of the momenta, if nothing has read them since
    for statement in statements:
        if isinstance(statement, Coefficient):
            place = place if statement.is_early else None
            result.append(statement)
            continue
        is_kick = isinstance(statement, Assignment) and statement.target == X
        if is_kick and place is not None:
            first = result[place]
            assert isinstance(statement, Assignment)
            assert isinstance(first, Assignment)
            row = _linear_row(statement.expr.xreplace({X: first.expr}))
            if row is not None and _linear_row(first.expr) and _linear_row(statement.expr):
                del result[place]
                kicked: sp.Expr = sp.S.Zero
                for q, weight in row.items():
                    written = weight
                    while written.free_symbols & set(values):
                        written = written.xreplace(values)
                    base = {X: "decay", G: "impulse", w: "pull"}.get(q, "factor")
                    meaning = f"what a step leaves of {q}" if q == X else f"weight of {_shape(q)}"
                    symbol, coefficient = namer.name(base, shortest(written), meaning)
                    if coefficient is not None:
                        result.append(coefficient)
                        if coefficient.is_early:
                            values[coefficient.symbol] = coefficient.expr
                    kicked += symbol * q
                result.append(Assignment(X, kicked))
                place = len(result) - 1
                continue
        result.append(statement)
        place = len(result) - 1 if is_kick else None
    return result


def _linear_row(expr: sp.Expr) -> dict[sp.Symbol, sp.Expr] | None:
    """The weights of the components in `expr`; None if it is not linear in them alone."""
    expanded = sp.expand(expr)
    found = sorted(components(expanded), key=lambda s: "XwG".find(s.name))
    row = {q: expanded.coeff(q, 1) for q in found}
    rest = sp.expand(expanded - sp.Add(*(weight * q for q, weight in row.items())))
    if rest != 0 or any(components(v) or not _is_known(v) for v in row.values()):
        return None
    return row


def _condensed(statements: list[Statement], namer: _Namer) -> list[Statement]:
    """Several moves of the weights in one, where all is linear in w, X and G.

    w <- a w + b X + c G with the momenta before the step, then X <- p X + q G.
    """
    moves = [s for s in statements if isinstance(s, Assignment) and s.target == w]
    plain = all(
        isinstance(s, Coefficient) or (isinstance(s, Assignment) and s.target in (w, X, X_AHEAD))
        for s in statements
    )
    early = all(s.is_early for s in statements if isinstance(s, Coefficient))
    if len(moves) < 2 or not plain or not early:
        return statements
    current: dict[sp.Symbol, sp.Expr] = {w: w, X: X}
    for s in statements:
        if isinstance(s, Assignment):
            current[s.target] = s.expr.xreplace(current)
    values = {s.symbol: s.expr for s in statements if isinstance(s, Coefficient)}
    rows: dict[sp.Symbol, dict[sp.Symbol, sp.Expr]] = {}
    for z in (w, X):
        expr = sp.expand(current[z])
        row = {q: expr.coeff(q, 1) for q in (w, X, G)}
        rest = sp.expand(expr - sp.Add(*(c * q for q, c in row.items())))
        if rest != 0 or any(c.has(w, X, G) for c in row.values()):
            return statements
        rows[z] = {q: shortest(c.xreplace(values)) for q, c in row.items()}
    if rows[X][w] != 0:
        return statements
    coefficients: list[Statement] = []

    def named(base: str, expr: sp.Expr, meaning: str) -> sp.Expr:
        symbol, coefficient = namer.name(base, expr, meaning)
        if coefficient is not None:
            coefficients.append(coefficient)
        elif symbol in values:
            coefficients.append(Coefficient(symbol, values[symbol], meaning))
        return symbol

    def linear(z: sp.Symbol, names: Mapping[sp.Symbol, tuple[str, str]]) -> sp.Expr:
        result: sp.Expr = sp.S.Zero
        for q, (base, meaning) in names.items():
            sign = -1 if is_negative(rows[z][q]) else 1
            result += sign * named(base, sign * rows[z][q], meaning) * q
        return result

    weights = linear(
        w,
        {
            w: ("shrink", "decay of the weights"),
            X: ("rate", "learning rate of the momenta"),
            G: ("step", "learning rate of the gradient itself"),
        },
    )
    momenta = linear(
        X,
        {
            X: ("decay", "what a step leaves of the momenta"),
            G: ("impulse", "impulse of the loss gradient"),
        },
    )
    return [*dict.fromkeys(coefficients), Assignment(w, weights), Assignment(X, momenta)]


def _live(
    statements: list[Statement], states: list[StateUpdate], wanted: set[sp.Symbol]
) -> tuple[list[Statement], list[StateUpdate]]:
    """What reaches the weights, the momenta, a memory or a state that is read."""
    kept_states = [s for s in states if s.symbol in wanted or s.symbol.name == "residual"]
    while True:
        needed = set().union(*(s.new.free_symbols for s in kept_states))
        kept: list[Statement] = []
        for statement in reversed(statements):
            if isinstance(statement, Coefficient):
                if statement.symbol not in needed:
                    continue
                needed |= _symbols(statement.expr)
            elif isinstance(statement, Iteration):
                for a in (*statement.variables, *statement.body):
                    needed |= _symbols(a.expr)
            else:
                needed |= _symbols(statement.expr)
            kept.append(statement)
        missing = [s for s in states if s.symbol in needed and s not in kept_states]
        if not missing:
            return kept[::-1], [s for s in states if s in kept_states]
        kept_states += missing


def _renamed(
    statements: list[Statement], states: list[StateUpdate], reserved: Collection[str]
) -> tuple[list[Statement], list[StateUpdate]]:
    """Coefficients numbered anew, after some have left."""
    taken = set(reserved) | {str(s.symbol.name) for s in states}
    names: dict[sp.Symbol, sp.Symbol] = {}
    for statement in statements:
        if not isinstance(statement, Coefficient):
            continue
        base, _, number = str(statement.symbol.name).rpartition("_")
        stem = base if base and number.isdigit() else str(statement.symbol.name)
        name, count = stem, 2
        while name in taken:
            name, count = f"{stem}_{count}", count + 1
        taken.add(name)
        names[statement.symbol] = sp.Symbol(name, real=True)

    def assignment(a: Assignment) -> Assignment:
        return Assignment(a.target, a.expr.xreplace(names))

    renamed: list[Statement] = []
    for statement in statements:
        if isinstance(statement, Coefficient):
            symbol = names[statement.symbol]
            renamed.append(replace(statement, symbol=symbol, expr=statement.expr.xreplace(names)))
        elif isinstance(statement, Assignment):
            renamed.append(assignment(statement))
        else:
            variables = tuple(map(assignment, statement.variables))
            renamed.append(Iteration(variables, tuple(map(assignment, statement.body)), ROUNDS))
    return renamed, [replace(s, new=s.new.xreplace(names)) for s in states]


def _symbols(expr: sp.Expr) -> set[sp.Symbol]:
    """All symbols, those inside sums too."""
    return set(expr.atoms(sp.Symbol))


def _expanded(exponent: sp.Expr) -> sp.Expr:
    return sp.exp(sp.expand(exponent))


def _thermal_domain(
    temperature: Temperature, profile: sp.Expr, end: sp.Expr
) -> Iterable[tuple[sp.Expr, str]]:
    """Conditions for beta(t) to exist, and to be positive, at the time `end`."""
    # A beta that never falls stays positive; of any other profile the sign is watched.
    if not temperature.rate.is_nonnegative and not profile.is_positive:
        yield (
            sp.expand(profile.subs(t, end)),
            "this step would end where the thermal parameter is not positive: "
            f"beta(t) = {to_ascii(profile)}",
        )
    # A power of a sum comes from the quadrature of the thermal law: beyond a zero of the sum the
    # formula may go on, the motion does not.
    bases = [p.base for p in profile.atoms(sp.Pow) if p.base.is_Add]
    bases += [e.args[0] for e in profile.atoms(sp.log)]
    bases += [sp.pi / 2 - e.args[0] for e in profile.atoms(sp.tan)]
    for base in sorted(set(bases), key=sp.default_sort_key):
        if not base.has(t) or base.is_positive:
            continue
        yield (
            sp.expand(base.subs(t, end)),
            "this step would leave the domain of the thermal law: beta(t) exists only while "
            f"{to_ascii(base)} > 0",
        )

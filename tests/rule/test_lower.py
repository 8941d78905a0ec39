"""Out of SymPy: freezing keeps values, lowering keeps meaning, and a rule checks itself."""

from __future__ import annotations

import random
from dataclasses import replace
from fractions import Fraction
from typing import Any

import pytest
import sympy as sp

from symplectic_codegen.algebra.symbols import G, U, X, w
from symplectic_codegen.algebra.vector import Total
from symplectic_codegen.discretization.update import (
    Assignment,
    Clock,
    Coefficient,
    StateUpdate,
    UpdateEquations,
)
from symplectic_codegen.driver import derive
from symplectic_codegen.errors import TargetError
from symplectic_codegen.rule.expression import ONE, Call, Number, Op, Ref
from symplectic_codegen.rule.interpreter import EXACT, MPMATH, evaluate, initial_state, interpret
from symplectic_codegen.rule.lower import freeze, lower
from symplectic_codegen.rule.rule import (
    Assign,
    BlockState,
    Buffer,
    Guard,
    InvalidRuleError,
    Iterate,
    Parameter,
    Reduction,
    ScalarState,
    Stage,
    Store,
    UpdateRule,
)

x, y = sp.symbols("x y", positive=True)
z = sp.Symbol("z", real=True)
VALUES = {"x": Fraction(7, 5), "y": Fraction(2, 9), "z": Fraction(-3, 4)}
FUNCTIONS = (
    sp.exp, sp.log, sp.sin, sp.cos, sp.tan, sp.atan, sp.sinh, sp.cosh, sp.tanh, sp.asinh, sp.erf,
    sp.Abs, sp.sign,
)  # fmt: skip

EXPRESSIONS = [
    x - y / sp.sqrt(1 + x), -x, -x * y / 3, -(x + y), x**-2, x ** sp.Rational(-3, 2), 2 / (3 * x),
    (x + y) ** 3, x**y, x**-y, sp.exp(-x) / y, sp.E * x, sp.E**2 + y, 1 / sp.sqrt(x), sp.S.Half,
    sp.Min(x, y, z), sp.Max(z, sp.Min(x, y)), x - y - z, x - (y - z), x / (y / (1 + x)), -1 / x,
    sp.Rational(-7, 3) * x * z, -x - y - z, sp.sqrt(2) * x, 2**x, (-z) ** 3, z**2,
    sp.exp(z**2) ** z, x * (1 - y) * (z - 1), -(1 - y) / (z - 2),
]  # fmt: skip


def agree(expr: sp.Expr) -> None:
    values = {name: MPMATH.scalar(v) for name, v in VALUES.items()}
    point = {
        s: sp.Rational(VALUES[s.name].numerator, VALUES[s.name].denominator)
        for s in expr.free_symbols
    }
    found = sp.Float(str(evaluate(freeze(expr), values, MPMATH)), 45)
    known = sp.N(expr.xreplace(point), 45)
    assert abs(found - known) <= sp.Float("1e-43") * (1 + abs(known)), freeze(expr)


@pytest.mark.parametrize("expr", EXPRESSIONS, ids=str)
def test_freezing_keeps_the_value(expr: sp.Expr) -> None:
    agree(expr)


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__name__)
def test_every_function_of_the_language_is_frozen(function: Any) -> None:
    agree(function(x * y))
    agree(x / function(y) - function(x))


@pytest.mark.parametrize("seed", range(20))
def test_random_trees_keep_their_value(seed: int) -> None:
    draw = random.Random(seed)

    def tree(depth: int) -> sp.Expr:
        if depth == 0:
            return draw.choice([x, y, z, sp.S.One, sp.Rational(2, 3), sp.Integer(-2)])
        left, right = tree(depth - 1), tree(draw.randrange(depth))
        kind = draw.randrange(7)
        if kind < 2:
            return left + right
        if kind < 4:
            return left * right
        if kind == 4:
            return left - right
        if kind == 5:
            return left / (1 + right**2)
        return draw.choice([sp.sin, sp.tanh, sp.asinh, sp.atan])(left)

    agree(tree(4))


@pytest.mark.parametrize("number", [sp.pi, 1 / sp.sqrt(sp.pi)])
def test_irrational_constants_are_frozen(number: sp.Expr) -> None:
    # The derivative of erf has sqrt(pi) in it, so that every Hamiltonian with erf needs this.
    agree(number * x)


def test_what_no_target_computes_is_refused_by_name() -> None:
    for expr, name in ((sp.gamma(x), "gamma"), (sp.Heaviside(z), "Heaviside")):
        with pytest.raises(TargetError, match=name):
            freeze(expr)


def test_freezing_does_not_depend_on_the_order_of_arguments() -> None:
    terms = [x * y, -z, sp.exp(x), 3 * y, sp.S.One]
    texts = {str(freeze(sp.Add(*random.Random(s).sample(terms, 5)))) for s in range(10)}
    assert len(texts) == 1


# Lowering.


def equations(*assignments: tuple[sp.Symbol, sp.Expr], **coefficients: sp.Expr) -> UpdateEquations:
    scalars = (Coefficient(sp.Symbol(n, real=True), e, "") for n, e in coefficients.items())
    moves = (Assignment(target, expr) for target, expr in assignments)
    return UpdateEquations((*scalars, *moves), (), Clock.NONE, ())


def lowered(update: UpdateEquations, *names: str) -> UpdateRule:
    return lower("rule", update, tuple(Parameter(name) for name in names))[0]


def test_assignments_read_the_current_values() -> None:
    rule = lowered(equations((X, 2 * X + G), (w, w - X), (X, X + w), (w, w * X)))
    start = replace(initial_state(rule, {}, 2, EXACT), buffers={"X": (Fraction(3), Fraction(5))})
    at, force = (Fraction(1), Fraction(2)), (Fraction(7), Fraction(11))
    state, new = interpret(rule, {}, start, at, force, arithmetic=EXACT)
    for i in range(2):
        momentum = 2 * start.buffers["X"][i] + force[i]
        weight = at[i] - momentum
        momentum += weight
        assert state.buffers["X"][i] == momentum
        assert new[i] == weight * momentum


def test_sums_are_taken_where_they_stand() -> None:
    # The first sum reads the new momenta and the second one the new weights.
    rule = lowered(
        equations((X, X + G), (w, w - X * Total(X**2)), (X, X * Total(w)), (w, w + Total(X * w)))
    )
    state = initial_state(rule, {}, 2, EXACT)
    at, force = (Fraction(1), Fraction(2)), (Fraction(3), Fraction(-1))
    new_state, new = interpret(rule, {}, state, at, force, arithmetic=EXACT)
    weights = [a - f * 10 for a, f in zip(at, force, strict=True)]
    momenta = [f * sum(weights) for f in force]
    pairing = sum(m * v for m, v in zip(momenta, weights, strict=True))
    assert new_state.buffers["X"] == tuple(momenta)
    assert new == tuple(v + pairing for v in weights)
    assert len({r.name for r in rule.reductions}) == len(rule.reductions) >= 3


def test_the_energy_reads_the_momenta_before_and_after() -> None:
    first, second = sp.symbols("first second", real=True)
    rule = lowered(
        UpdateEquations(
            (
                Coefficient(first, U / 2 + Total(X), ""),
                Assignment(X, X + G),
                Coefficient(second, first + Total(X**2), ""),
                Assignment(w, w - X),
            ),
            (StateUpdate(U, sp.S.Zero, second, "internal energy"),),
            Clock.NONE,
            (),
        )
    )
    # The sum of the old momenta is known from the step before: one sweep is enough.
    assert len(rule.stages) == 1
    (block,) = rule.block_states
    state = replace(
        initial_state(rule, {}, 2, EXACT),
        buffers={"X": (Fraction(3), Fraction(5))},
        scalars={"U": Fraction(4)},
        blocks={block.name: (Fraction(8),)},
    )
    force = (Fraction(1), Fraction(-2))
    new, _ = interpret(rule, {}, state, (Fraction(0),) * 2, force, arithmetic=EXACT)
    assert new.scalars["U"] == Fraction(4) / 2 + 8 + 4**2 + 3**2
    assert new.blocks[block.name] == (Fraction(4 + 3),)


def test_nested_sums_are_refused() -> None:
    with pytest.raises(TargetError, match="sum inside a sum"):
        lowered(equations((X, X + G), (w, w - Total(X * sp.exp(X * Total(X))))))


def test_hyperparameters_with_the_names_of_sums_and_new_values() -> None:
    # A user may call a parameter "sum" or "X_new"; nothing may shadow it.
    for name in ("sum_2", "X_new", "w_new", "factor", "shared", "common", "t_new", "U_new"):
        text = f"sqrt(dot(X, X) + {name}**2) + beta*L + gamma*beta*U"
        derivation = derive(text)
        derivation = derive(derivation.spec.replace(with_energy=True))
        assert name in {p.name for p in derivation.rule.parameters}


# A rule checks itself.

RULE = UpdateRule(
    "rule",
    (Parameter("lr"),),
    (Buffer("X"),),
    (
        Stage(
            scalars=(Assign("rate", Ref("lr")),),
            elements=(
                Assign("X_new", Call(Op.ADD, (Ref("X"), Ref("G")))),
                Assign(
                    "w_new", Call(Op.SUB, (Ref("w"), Call(Op.MUL, (Ref("rate"), Ref("X_new")))))
                ),
            ),
            stores=(Store("X", "X_new"), Store("w", "w_new")),
            reductions=(Reduction("sum", Ref("X_new")),),
        ),
    ),
    (ScalarState("U", Number(Fraction(0))),),
    (Assign("U_new", Call(Op.ADD, (Ref("U"), Ref("sum")))),),
    (Store("U", "U_new"),),
    (Guard(ONE, "always"),),
)
(STAGE,) = RULE.stages
LOOP = Iterate((Assign("v", ONE),), (Assign("u", Ref("v")),), (Store("v", "u"),), 2)

VIOLATIONS: dict[str, tuple[dict[str, Any], str]] = {
    "no stage": ({"stages": ()}, "at least one stage"),
    "scalar before definition": (
        {"stages": (replace(STAGE, scalars=(Assign("rate", Ref("later")),)),)}, "'later' before"),
    "scalar reads an element": (
        {"stages": (replace(STAGE, scalars=(Assign("rate", Ref("w")),)),)}, "'w' before"),
    "scalar reads its own sum": (
        {"stages": (replace(STAGE, scalars=(Assign("rate", Ref("sum")),)),)}, "'sum' before"),
    "elements out of order": (
        {"stages": (replace(STAGE, elements=STAGE.elements[::-1]),)}, "'X_new' before"),
    "assigned twice": (
        {"stages": (replace(STAGE, elements=STAGE.elements + STAGE.elements[:1]),)}, "twice"),
    "shadows a parameter": (
        {"stages": (replace(STAGE, scalars=(Assign("lr", ONE),)),)}, "defined twice"),
    "shadows an input": (
        {"stages": (replace(STAGE, elements=(Assign("G", ONE), *STAGE.elements)),)}, "twice"),
    "shadows a buffer": (
        {"stages": (replace(STAGE, elements=(Assign("X", ONE), *STAGE.elements)),)}, "twice"),
    "parameter called n": ({"parameters": (Parameter("n"), Parameter("lr"))}, "defined twice"),
    "parameter twice": ({"parameters": (Parameter("lr"), Parameter("lr"))}, "defined twice"),
    "not an identifier": ({"parameters": (Parameter("lr"), Parameter("2x"))}, "identifier"),
    "keyword": ({"parameters": (Parameter("lr"), Parameter("lambda"))}, "identifier"),
    "unknown buffer": (
        {"stages": (replace(STAGE, stores=(Store("m", "X_new"),)),)}, "unknown buffer"),
    "stored twice": (
        {"stages": (replace(STAGE, stores=(Store("X", "X_new"), Store("X", "w_new"))),)}, "twice"),
    "stores the unknown": (
        {"stages": (replace(STAGE, stores=(Store("X", "nothing"),)),)}, "'nothing' before"),
    "reduction of the unknown": (
        {"stages": (replace(STAGE, reductions=(Reduction("sum", Ref("q")),)),)}, "'q' before"),
    "reduction shadows": (
        {"stages": (replace(STAGE, reductions=(Reduction("rate", ONE),)),)}, "defined twice"),
    "epilogue reads an element": (
        {"epilogue": (Assign("U_new", Ref("X_new")),)}, "'X_new' before"),
    "epilogue shadows": (
        {"epilogue": (*RULE.epilogue, Assign("rate", ONE))}, "defined twice"),
    "unknown state": ({"state_stores": (Store("t", "U_new"),)}, "unknown state"),
    "state from nothing": ({"state_stores": (Store("U", "V"),)}, "'V' before"),
    "guard reads a scalar": ({"guards": (Guard(Ref("rate"), "late"),)}, "'rate' before"),
    "state reads a state": (
        {"states": (ScalarState("U", Ref("V")), ScalarState("V", ONE))}, "'V' before"),
    "state stored twice": (
        {"state_stores": (Store("U", "U_new"), Store("U", "sum"))}, "twice"),
    "two buffers of one name": ({"buffers": (Buffer("X"), Buffer("X"))}, "twice"),
    "element of an earlier sweep": (
        {"stages": (STAGE, Stage(elements=(Assign("v", Ref("X_new")),)))}, "'X_new' before"),
    "stores a scalar parameter as target": (
        {"stages": (replace(STAGE, stores=(Store("lr", "X_new"),)),)}, "unknown buffer"),
    "block state twice": ({"block_states": (BlockState("U"),)}, "defined twice"),
    "one value for a block state": (
        {"block_states": (BlockState("S"),), "state_stores": (Store("S", "U_new"),)}, "do not fit"),
    "values per block for a scalar state": (
        {"block_states": (BlockState("S"),), "state_stores": (Store("U", "S"),)}, "do not fit"),
    "guard per block": (
        {"block_states": (BlockState("S"),), "guards": (Guard(Ref("S"), "all"),)}, "one condition"),
    "sum over blocks of one value": (
        {"epilogue": (Assign("U_new", Call(Op.BLOCK_SUM, (Ref("sum"),))),)}, "no value per block"),
    "cycle in a sweep": (
        {"stages": (replace(STAGE, reductions=(Reduction("sum", Call(Op.CYCLE, (ONE, ONE))),)),)},
        "only the host"),
    "iteration without rounds": (
        {"stages": (replace(STAGE, elements=(*STAGE.elements, replace(LOOP, rounds=0))),)},
        "at least one round"),
    "iteration that forgets a variable": (
        {"stages": (replace(STAGE, elements=(*STAGE.elements, replace(LOOP, carry=()))),)},
        "each of its variables"),
    "iteration that carries the unknown": (
        {"stages": (replace(STAGE, elements=(*STAGE.elements,
            replace(LOOP, carry=(Store("v", "w_new"),)))),)}, "assigned in its body"),
    "iteration reads its body too early": (
        {"stages": (replace(STAGE, elements=(*STAGE.elements,
            replace(LOOP, variables=(Assign("v", Ref("u")),)))),)}, "'u' before"),
    "name of the rule": ({"name": "not a name"}, "identifier"),
}  # fmt: skip


@pytest.mark.parametrize(("changes", "words"), VIOLATIONS.values(), ids=VIOLATIONS)
def test_every_violation_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(InvalidRuleError, match=words):
        replace(RULE, **changes)


def test_expressions_check_their_arity() -> None:
    with pytest.raises(ValueError, match="takes 2 arguments"):
        Call(Op.ADD, (ONE,))

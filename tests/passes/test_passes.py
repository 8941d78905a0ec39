"""Passes keep the value of a rule, in exact arithmetic, and make it no longer."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import pytest

from symplectic_codegen import catalog
from symplectic_codegen.driver import derive
from symplectic_codegen.passes.cleanup import (
    drop_unread_buffers,
    drop_unused,
    fold_constants,
    inline_copies,
)
from symplectic_codegen.passes.hoisting import hoist_scalars
from symplectic_codegen.passes.pipeline import PASSES, Pass, count_operations, run_passes
from symplectic_codegen.passes.powers import multiply_out_powers
from symplectic_codegen.passes.sharing import share_subexpressions
from symplectic_codegen.rule.expression import ONE, ZERO, Call, Expr, Number, Op, Ref, references
from symplectic_codegen.rule.interpreter import MPMATH, State, initial_state, interpret
from symplectic_codegen.rule.rule import (
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
    assignments_in,
)

SIZE = 3
HYPER = {"a": Fraction(3, 7), "b": Fraction(9, 5)}
BINARY = (Op.ADD, Op.SUB, Op.MUL, Op.DIV, Op.MIN, Op.MAX, Op.HYPOT)
UNARY = (Op.NEG, Op.TANH, Op.SIN, Op.ABS, Op.ASINH, Op.ATAN, Op.EXPREL)


def num(value: int | Fraction) -> Number:
    return Number(Fraction(value))


def call(op: Op, *args: Expr) -> Call:
    return Call(op, args)


def random_rule(seed: int) -> UpdateRule:
    """One or two sweeps with repeated subexpressions, literals, copies and dead code."""
    draw = random.Random(seed)
    pool: list[Expr] = []

    def tree(names: list[str], depth: int) -> Expr:
        fitting = [e for e in pool if references(e) <= set(names)]
        if fitting and draw.random() < 0.3:
            return draw.choice(fitting)
        if depth == 0 or draw.random() < 0.1:
            if draw.random() < 0.3:
                return num(draw.choice([0, 1, -1, 2, Fraction(1, 3)]))
            return Ref(draw.choice(names))
        kind = draw.random()
        if kind < 0.15:
            base = call(Op.ADD, ONE, call(Op.ABS, tree(names, depth - 1)))
            power = draw.choice([-2, Fraction(-1, 2), 0, 1, 2, Fraction(3, 2), 5, 7, 9])
            result = call(Op.POW, base, num(power))
        elif kind < 0.35:
            result = call(draw.choice(UNARY), tree(names, depth - 1))
        else:
            op = draw.choice(BINARY)
            left, right = tree(names, depth - 1), tree(names, depth - 1)
            if op is Op.DIV:
                right = call(Op.ADD, num(2), call(Op.ABS, right))
            result = call(op, left, right)
        pool.append(result)
        return result

    def iteration(mark: str, local: list[str]) -> Iterate:
        variables = tuple(Assign(f"v{mark}_{k}", tree(local, 1)) for k in range(2))
        local.extend(v.name for v in variables)
        body = []
        for k in range(3):
            # Bounded, so that the rounds do not run away.
            body.append(Assign(f"b{mark}_{k}", call(Op.TANH, tree(local, 2))))
            local.append(body[-1].name)
        carry = tuple(Store(v.name, body[-k].name) for k, v in enumerate(variables, 1))
        return Iterate(variables, tuple(body), carry, draw.randint(1, 3))

    known = [*HYPER, "U", "n", "L"]
    many = ["S"]  # what has one value per block
    # Names that the passes would like to give themselves are taken by the rule.
    taken = ["factor", "common", "shared", "factor_2", "common_2"]
    draw.shuffle(taken)
    stages = []
    for number in range(draw.randint(1, 2)):
        scalars = []
        for i in range(draw.randint(1, 4)):
            name = taken.pop() if taken and draw.random() < 0.3 else f"s{number}_{i}"
            expr = Ref(draw.choice(known)) if draw.random() < 0.2 else tree(known, 3)
            if draw.random() < 0.15:
                expr = Call(Op.CYCLE, (Ref("n"), expr, tree(known, 1), ONE))
            scalars.append(Assign(name, expr))
            known.append(name)
        if draw.random() < 0.4:
            # Made of something per block for certain, so that it can be summed.
            scalars.append(Assign(f"m{number}", call(Op.SUB, Ref("S"), tree([*known, *many], 2))))
            scalars.append(Assign(f"t{number}", call(Op.BLOCK_SUM, Ref(f"m{number}"))))
            many.append(f"m{number}")
            known.append(f"t{number}")
        local = [*known, *many, "w", "G", "X", "V", "xi"]
        elements: list[Element] = []
        for i in range(draw.randint(2, 5)):
            name = taken.pop() if taken and draw.random() < 0.2 else f"e{number}_{i}"
            elements.append(Assign(name, tree(local, 3)))
            local.append(name)
            if draw.random() < 0.2:
                elements.append(iteration(f"{number}_{i}", local))
        sources = [a.name for a in assignments_in(elements)]
        stores = tuple(Store(z, draw.choice(sources)) for z in draw.sample(["w", "X", "V"], 2))
        reductions = []
        if draw.random() < 0.7:
            reductions.append(Reduction(f"r{number}", tree(local, 2)))
            known.append(f"r{number}")
        if draw.random() < 0.4:
            reductions.append(Reduction(f"p{number}", tree(local, 2), per_block=True))
            many.append(f"p{number}")
        stages.append(Stage(tuple(scalars), tuple(elements), stores, tuple(reductions)))
    return UpdateRule(
        f"random_{seed}",
        tuple(Parameter(name) for name in HYPER),
        (Buffer("X"), Buffer("V")),
        tuple(stages),
        (ScalarState("U", num(1)),),
        (Assign("U_new", tree(known, 3)),),
        (Store("U", "U_new"), Store("S", many[-1])),
        (Guard(call(Op.ADD, ONE, call(Op.ABS, tree([*HYPER, "U", "n"], 2))), "holds"),),
        (BlockState("S"),),
    )


def after_two_steps(rule: UpdateRule) -> tuple[State, list[object]]:
    hyper = {p.name: HYPER.get(p.name, Fraction(2, 3)) for p in rule.parameters}
    state = initial_state(rule, hyper, SIZE, MPMATH, 2)
    weights = MPMATH.vector([Fraction(2, 3), Fraction(-1, 5), Fraction(7, 4)])
    seen: list[object] = []
    for step in range(2):
        force = MPMATH.vector([Fraction(1 + step, 3), Fraction(-5, 7), Fraction(1, 9)])
        noise = MPMATH.vector([Fraction(step - 2, 3), Fraction(1, 5), Fraction(-1, 2)])
        state, weights = interpret(
            rule, hyper, state, weights, force, Fraction(5, 4), MPMATH, noise, (1, 2)
        )
        seen.extend(weights)
    return state, seen


def assert_same_value(before: UpdateRule, after: UpdateRule) -> None:
    state, seen = after_two_steps(before)
    new_state, new_seen = after_two_steps(after)
    kept = [b.name for b in after.buffers]
    old = [*seen, *(v for name in kept for v in state.buffers[name]), *state.scalars.values()]
    new = [*new_seen, *(v for name in kept for v in new_state.buffers[name])]
    new += list(new_state.scalars.values())
    old += [v for values in state.blocks.values() for v in values]
    new += [v for values in new_state.blocks.values() for v in values]
    for x, y in zip(old, new, strict=True):
        assert abs(x - y) <= 1e-35 * (1 + abs(x)), (before, after)  # type: ignore[operator]


@pytest.mark.parametrize("item", PASSES, ids=lambda item: item.name)
@pytest.mark.parametrize("seed", range(25))
def test_each_pass_keeps_the_value_of_random_rules(item: Pass, seed: int) -> None:
    rule = random_rule(seed)
    assert_same_value(rule, item.apply(rule))


@pytest.mark.parametrize("seed", range(40))
def test_all_passes_together_keep_the_value(seed: int) -> None:
    rule = random_rule(1000 + seed)
    final, report = run_passes(rule)
    assert_same_value(rule, final)
    assert len(report) == len(PASSES) + 1
    assert (report[-1].per_step, report[-1].per_element) == count_operations(final)
    assert report[-1].per_element <= report[0].per_element


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(400))
def test_many_random_rules(seed: int) -> None:
    rule = random_rule(10_000 + seed)
    final, _ = run_passes(rule)
    try:
        before = after_two_steps(rule)
    except (MemoryError, OverflowError):
        pytest.skip("the random rule overflows any arithmetic")
    assert before is not None
    assert_same_value(rule, final)


@pytest.mark.parametrize("seed", range(20))
def test_a_second_run_does_no_harm(seed: int) -> None:
    final, _ = run_passes(random_rule(seed))
    again, _ = run_passes(final)
    assert_same_value(final, again)
    assert count_operations(again)[1] <= count_operations(final)[1]


@pytest.mark.parametrize("name", catalog.names())
def test_the_passes_keep_the_catalogue_and_make_it_shorter(name: str) -> None:
    compiled = derive(catalog.load(name)).compiled
    first, last = compiled.report[0], compiled.report[-1]
    assert last.per_element <= first.per_element
    # Sharing moves work to the host; there it may only save function calls.
    assert last.per_step <= first.per_step + first.per_element


# Edge cases, one pass at a time.


def rule_of(
    *elements: Assign,
    scalars: tuple[Assign, ...] = (),
    reductions: tuple[Reduction, ...] = (),
    epilogue: tuple[Assign, ...] = (),
) -> UpdateRule:
    last = elements[-1].name
    return UpdateRule(
        "rule",
        tuple(Parameter(name) for name in HYPER),
        (Buffer("X"), Buffer("V")),
        (Stage(scalars, elements, (Store("w", last), Store("X", last)), reductions),),
        (ScalarState("U", ONE),),
        epilogue,
        tuple(Store("U", a.name) for a in epilogue[-1:]),
    )


@pytest.mark.parametrize(
    ("expr", "folded"),
    [
        (call(Op.MUL, ONE, Ref("w")), Ref("w")),
        (call(Op.DIV, Ref("w"), ONE), Ref("w")),
        (call(Op.ADD, ZERO, Ref("w")), Ref("w")),
        (call(Op.SUB, Ref("w"), ZERO), Ref("w")),
        (call(Op.POW, Ref("w"), ONE), Ref("w")),
        (call(Op.MUL, num(2), num(Fraction(1, 6))), num(Fraction(1, 3))),
        (call(Op.NEG, num(2)), num(-2)),
        # These would not be the same for an infinite or undefined w.
        (call(Op.MUL, ZERO, Ref("w")), call(Op.MUL, ZERO, Ref("w"))),
        (call(Op.SUB, ZERO, Ref("w")), call(Op.SUB, ZERO, Ref("w"))),
        (call(Op.DIV, ONE, Ref("w")), call(Op.DIV, ONE, Ref("w"))),
        (call(Op.DIV, ONE, ZERO), call(Op.DIV, ONE, ZERO)),
        (call(Op.SUB, Ref("w"), Ref("w")), call(Op.SUB, Ref("w"), Ref("w"))),
    ],
    ids=str,
)
def test_constants_are_folded(expr: Expr, folded: Expr) -> None:
    assert fold_constants(rule_of(Assign("v", expr))).body[0].expr == folded


@pytest.mark.parametrize("power", [1, 2, 3, 4, 5, 6, 7, 8, -1, -3, Fraction(1, 2), Fraction(7, 2),
                                   Fraction(-3, 2), 9, Fraction(1, 3), 0])  # fmt: skip
def test_powers_keep_their_value(power: int | Fraction) -> None:
    base = call(Op.ADD, ONE, call(Op.MUL, Ref("w"), Ref("w")))
    rule = rule_of(Assign("v", call(Op.POW, base, num(power))))
    assert_same_value(rule, multiply_out_powers(rule))
    assert_same_value(rule, share_subexpressions(multiply_out_powers(rule)))


def test_scalar_factors_meet_in_one_name() -> None:
    body = call(
        Op.DIV,
        call(Op.MUL, call(Op.MUL, Ref("a"), Ref("X")), Ref("b")),
        call(Op.ADD, ONE, Ref("a")),
    )
    rule = rule_of(Assign("v", body))
    hoisted = hoist_scalars(rule)
    assert [a.name for a in hoisted.prologue] == ["factor"]
    assert hoisted.body[0].expr == call(Op.MUL, Ref("factor"), Ref("X"))
    assert_same_value(rule, hoisted)


def test_a_hoisted_name_avoids_every_other() -> None:
    rule = rule_of(
        Assign("factor", call(Op.MUL, call(Op.MUL, Ref("a"), Ref("b")), Ref("X"))),
        scalars=(Assign("factor_2", Ref("a")),),
        reductions=(Reduction("factor_3", call(Op.MUL, call(Op.SIN, Ref("a")), Ref("w"))),),
        epilogue=(Assign("factor_4", Ref("factor_3")),),
    )
    hoisted = hoist_scalars(rule)
    names = [a.name for a in hoisted.prologue]
    assert len(set(names)) == len(names) == 3
    assert_same_value(rule, hoisted)


def test_what_depends_on_a_sum_is_hoisted_into_its_own_stage() -> None:
    body = call(Op.MUL, call(Op.TANH, Ref("total")), Ref("w"))
    second = Stage(elements=(Assign("v", body),), stores=(Store("w", "v"),))
    first = Stage(
        elements=(Assign("m", call(Op.ADD, Ref("X"), Ref("G"))),),
        stores=(Store("X", "m"),),
        reductions=(Reduction("total", call(Op.MUL, Ref("m"), Ref("m"))),),
    )
    rule = replace(rule_of(Assign("v", Ref("w"))), stages=(first, second))
    hoisted = hoist_scalars(rule)
    assert hoisted.stages[0].scalars == ()
    assert [a.expr for a in hoisted.stages[1].scalars] == [call(Op.TANH, Ref("total"))]
    assert_same_value(rule, run_passes(rule)[0])


def test_a_scalar_of_a_later_stage_is_not_shared_with_an_earlier_one() -> None:
    costly = call(Op.EXP, Ref("total"))
    first = Stage(
        elements=(Assign("m", Ref("G")),), stores=(Store("X", "m"),),
        reductions=(Reduction("total", call(Op.TANH, Ref("m"))),),
    )  # fmt: skip
    second = Stage(
        scalars=(Assign("p", call(Op.ADD, costly, ONE)), Assign("q", call(Op.SUB, costly, ONE))),
        elements=(Assign("v", call(Op.MUL, call(Op.MUL, Ref("p"), Ref("q")), Ref("w"))),),
        stores=(Store("w", "v"),),
    )
    rule = replace(rule_of(Assign("v", Ref("w"))), stages=(first, second))
    assert_same_value(rule, share_subexpressions(rule))
    assert_same_value(rule, run_passes(rule)[0])


def test_equal_assignments_become_one() -> None:
    square = call(Op.MUL, Ref("w"), Ref("w"))
    rule = rule_of(
        Assign("p", square), Assign("q", square), Assign("v", call(Op.ADD, Ref("p"), Ref("q"))),
        reductions=(Reduction("r", square),),
        epilogue=(Assign("U_new", Ref("r")),),
    )  # fmt: skip
    final, _ = run_passes(rule)
    assert_same_value(rule, final)
    assert count_operations(final)[1] <= 3  # w*w once, one addition, one sum


def test_guards_survive_and_keep_what_they_read() -> None:
    guarded = replace(
        rule_of(Assign("v", Ref("w")), scalars=(Assign("dead", Ref("a")),)),
        guards=(Guard(call(Op.SUB, Ref("b"), Ref("a")), "b > a"),),
    )
    final, _ = run_passes(guarded)
    assert final.guards == guarded.guards
    assert "dead" not in {a.name for a in final.prologue}
    bad = {"a": Fraction(2), "b": Fraction(1)}
    with pytest.raises(ValueError, match="b > a"):
        interpret(final, bad, initial_state(final, bad, 1, MPMATH), [1], [1], arithmetic=MPMATH)


@pytest.mark.parametrize("clean", [inline_copies, drop_unused, drop_unread_buffers])
def test_cleaning_keeps_reductions_that_only_the_epilogue_reads(
    clean: Callable[[UpdateRule], UpdateRule],
) -> None:
    rule = rule_of(
        Assign("v", call(Op.ADD, Ref("w"), Ref("X"))),
        reductions=(Reduction("r", Ref("v")), Reduction("unread", Ref("w"))),
        epilogue=(Assign("U_new", Ref("r")),),
    )
    cleaned = clean(rule)
    assert "r" in {r.name for r in cleaned.reductions}
    assert_same_value(rule, cleaned)
    assert "unread" not in {r.name for r in drop_unused(rule).reductions}


def test_a_buffer_nobody_reads_goes_away() -> None:
    rule = rule_of(Assign("v", call(Op.SUB, Ref("w"), Ref("G"))))
    assert drop_unread_buffers(rule).buffers == ()
    chain = rule_of(Assign("v", call(Op.SUB, Ref("w"), Ref("X"))))
    assert [b.name for b in drop_unread_buffers(chain).buffers] == ["X"]


def test_copies_are_inlined_through_chains_and_into_all_places() -> None:
    rule = rule_of(
        Assign("v", call(Op.MUL, Ref("c"), Ref("w"))),
        scalars=(Assign("p", Ref("a")), Assign("c", Ref("p")), Assign("one", ONE)),
        reductions=(Reduction("r", call(Op.MUL, Ref("one"), Ref("c"))),),
        epilogue=(Assign("U_new", call(Op.ADD, Ref("r"), Ref("p"))),),
    )
    inlined = inline_copies(rule)
    assert inlined.prologue == ()
    assert_same_value(rule, inlined)


_PROGRAM = """
from symplectic_codegen import catalog
from symplectic_codegen.driver import derive
for spec in catalog.load_all():
    print(derive(spec).rule)
"""


def test_the_rules_do_not_depend_on_the_hash_seed() -> None:
    running = [
        subprocess.Popen(
            [sys.executable, "-c", _PROGRAM],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("0", "1", "12345")
    ]
    texts = {process.communicate(timeout=120)[0] for process in running}
    assert all(process.returncode == 0 for process in running)
    assert len(texts) == 1
    assert len(texts.pop()) > 1000

"""Rules written by hand, one for each thing that a target has to get right."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from types import ModuleType

from symplectic_codegen.rule.expression import HOST_ONLY, Call, Expr, Number, Op, Ref
from symplectic_codegen.rule.rule import (
    Assign,
    BlockState,
    Buffer,
    Guard,
    Interval,
    Iterate,
    Parameter,
    Reduction,
    ScalarState,
    Stage,
    Store,
    UpdateRule,
)
from symplectic_codegen.targets.base import Document

Load = Callable[[str, UpdateRule], ModuleType]
Term = Expr | int | str


def term(value: Term) -> Expr:
    if isinstance(value, int):
        return Number(Fraction(value))
    return Ref(value) if isinstance(value, str) else value


def call(op: Op, *args: Term) -> Expr:
    return Call(op, tuple(term(a) for a in args))


def add(x: Term, y: Term) -> Expr:
    return call(Op.ADD, x, y)


def sub(x: Term, y: Term) -> Expr:
    return call(Op.SUB, x, y)


def mul(x: Term, y: Term) -> Expr:
    return call(Op.MUL, x, y)


def div(x: Term, y: Term) -> Expr:
    return call(Op.DIV, x, y)


POSITIVE = Interval(Fraction(0), None, lower_closed=False)
FRACTION = Interval(Fraction(0), Fraction(1), upper_closed=False)

LR = Parameter("lr", None, POSITIVE, "learning rate")
MU = Parameter("momentum", Fraction(9, 10), FRACTION, "what a step keeps of X")
DAMPENING = Assign("dampening", sub(1, "momentum"), "weight of the new gradient")
X = Buffer("X", "moving average of the gradients")
KICK = Assign("X_new", add(mul("momentum", "X"), mul("dampening", "G")))
STORES = (Store("X", "X_new"), Store("w", "w_new"))

MOMENTUM = UpdateRule(
    "momentum",
    (LR, MU),
    (X,),
    (
        Stage(
            (DAMPENING,),
            (KICK, Assign("w_new", sub("w", mul("lr", "X_new")))),
            STORES,
        ),
    ),
)

RELATIVISTIC = UpdateRule(
    "relativistic",
    (LR, MU),
    (X,),
    (
        Stage(
            (DAMPENING,),
            (
                KICK,
                Assign("w_new", sub("w", mul("lr", div("X_new", call(Op.HYPOT, 1, "X_new"))))),
            ),
            STORES,
        ),
    ),
)

GLOBAL_NORM = UpdateRule(
    "global_norm",
    (LR, MU),
    (X,),
    (
        Stage(
            (DAMPENING,),
            (KICK,),
            (Store("X", "X_new"),),
            (Reduction("R", mul("X_new", "X_new"), "the square of the norm of X"),),
        ),
        Stage(
            (Assign("rate", div("lr", add(1, div("R", 2))), "the rate, less at high speed"),),
            (Assign("w_new", sub("w", mul("rate", "X"))),),
            (Store("w", "w_new"),),
        ),
    ),
)

THERMOSTAT = UpdateRule(
    "thermostat",
    (LR, Parameter("gain", Fraction(1, 100), Interval(), "strength of the feedback")),
    (X,),
    (
        Stage(
            (Assign("friction", call(Op.EXP, call(Op.NEG, "U"))),),
            (
                Assign("X_new", sub(mul("friction", "X"), mul("lr", "G"))),
                Assign("w_new", add("w", mul("lr", "X_new"))),
            ),
            STORES,
            (
                Reduction("R", mul("X_new", "X_new")),
                Reduction("S", mul("X_new", "G")),
                Reduction("N", term(1), "the number of elements"),
            ),
        ),
    ),
    (ScalarState("U", mul(2, "gain"), "internal energy"), ScalarState("t", term(0))),
    (
        Assign("mean", div("R", call(Op.MAX, "N", 1)), "mean square of X"),
        Assign("U_new", add("U", mul("gain", sub(add("mean", mul("L", "lr")), "U")))),
        Assign("t_new", add("t", add("lr", mul(0, "S")))),
    ),
    (Store("U", "U_new"), Store("t", "t_new")),
)

BIAS_CORRECTED = UpdateRule(
    "bias_corrected",
    (LR, MU),
    (X,),
    (
        Stage(
            (
                DAMPENING,
                Assign("correction", sub(1, call(Op.POW, "momentum", "n"))),
                Assign("rate", div("lr", "correction")),
            ),
            (KICK, Assign("w_new", sub("w", mul("rate", "X_new")))),
            STORES,
        ),
    ),
)

GUARDED = UpdateRule(
    "guarded",
    (LR, Parameter("floor", Fraction(0), Interval(None, None))),
    (),
    (
        Stage(
            (Assign("rate", div("lr", call(Op.SQRT, sub("L", "floor")))),),
            (Assign("w_new", sub("w", mul("rate", "G"))),),
            (Store("w", "w_new"),),
        ),
    ),
    guards=(Guard(sub("L", "floor"), "the loss must stay above floor, or the step is undefined"),),
)

# Two buffers that swap their contents, and names that mean something else in Python.
SWAPPING = UpdateRule(
    "swapping",
    (Parameter("max", Fraction(1, 2)), Parameter("i", Fraction(1, 4)), Parameter("grads", None)),
    (Buffer("real"), Buffer("size")),
    (
        Stage(
            (Assign("np", mul("max", "i")),),
            (
                Assign("one", add("real", mul("np", "G"))),
                Assign("range", sub("w", mul("grads", "one"))),
                Assign("old", term("size")),
            ),
            (Store("real", "old"), Store("size", "one"), Store("w", "range")),
        ),
        Stage(
            (),
            (Assign("one", mul("i", "G")),),
            (Store("real", "size"), Store("size", "real")),
        ),
    ),
)


# A norm for each parameter, known from the step before; the loss of the first step.
BLOCK_NORM = UpdateRule(
    "block_norm",
    (LR, MU),
    (X,),
    (
        Stage(
            (
                DAMPENING,
                Assign("all", call(Op.BLOCK_SUM, "S"), "sum over all parameters"),
                Assign("rate", div("lr", call(Op.SQRT, add(1, add("S", mul("all", "start")))))),
                Assign("gain", div("dampening", add(1, call(Op.SQRT, "all")))),
            ),
            (
                Assign("X_new", add(mul("momentum", "X"), mul("gain", "G"))),
                Assign("w_new", sub("w", mul("rate", "X_new"))),
            ),
            STORES,
            (
                Reduction("square", mul("X_new", "X_new"), "square of the norm", per_block=True),
                Reduction("work", mul("X_new", "G"), "sum over everything"),
            ),
        ),
        Stage(
            (Assign("trust", div(1, add(1, "square"))),),
            (Assign("w_new_2", sub("w", mul("trust", mul("lr", "G")))),),
            (Store("w", "w_new_2"),),
        ),
    ),
    (
        ScalarState("start", mul("L", "lr"), "the loss of the first step"),
        ScalarState("done", term(0)),
    ),
    (
        Assign("S_new", add(mul("momentum", "S"), "square")),
        Assign("done_new", add("done", "work")),
    ),
    (Store("S", "S_new"), Store("done", "done_new")),
    block_states=(BlockState("S", "square of the norm"),),
)

NOISY = UpdateRule(
    "noisy",
    (LR, MU),
    (X,),
    (
        Stage(
            (DAMPENING,),
            (
                KICK,
                Assign("kicked", add("X_new", mul("lr", "xi"))),
                Assign("w_new", sub("w", mul("lr", add("kicked", mul("xi", "xi"))))),
            ),
            (Store("X", "kicked"), Store("w", "w_new")),
        ),
    ),
)

# The midpoint of a step, by iteration; what varies from step to step in a cycle of three.
ITERATED = UpdateRule(
    "iterated",
    (LR, MU),
    (X,),
    (
        Stage(
            (
                DAMPENING,
                Assign("part", call(Op.CYCLE, sub("n", 1), Number(Fraction(4, 3)), -1, "momentum")),
                Assign("rate", mul("part", "lr")),
            ),
            (
                KICK,
                Iterate(
                    (Assign("middle", term("w")), Assign("speed", term("X_new"))),
                    (
                        Assign("pull", div("speed", add(1, mul("middle", "middle")))),
                        Assign("next", sub("w", mul("rate", "pull"))),
                        Assign("faster", add("X_new", mul("rate", mul("middle", "pull")))),
                    ),
                    (Store("middle", "next"), Store("speed", "faster")),
                    5,
                ),
                Assign("change", sub("next", "middle")),
                Assign("w_new", sub("middle", mul("rate", add("change", "pull")))),
            ),
            (Store("X", "speed"), Store("w", "w_new")),
        ),
    ),
)


def _coverage() -> UpdateRule:
    """Every operation, once per element into a buffer and once on the host into a scalar state."""
    elements, scalars = [], []
    for op in (op for op in Op if op not in HOST_ONLY):
        name = op.name.lower()
        elements.append(Assign(f"e_{name}", call(op, *("G", "w")[: op.arity])))
        scalars.append(Assign(f"h_{name}", call(op, *("p", "q")[: op.arity])))
    positive = add(call(Op.ABS, "G"), Number(Fraction(1, 3)))
    elements += [
        Assign("e_square", call(Op.POW, "G", 2)),
        Assign("e_cube", call(Op.POW, sub("G", -1), 3)),
        Assign("e_inverse", call(Op.POW, positive, -1)),
        Assign("e_root", call(Op.POW, positive, Number(Fraction(3, 4)))),
        Assign("e_negative", sub(mul(-2, "G"), sub(3, call(Op.NEG, sub("w", 1))))),
    ]
    names = [a.name for a in elements], [a.name for a in scalars]
    return UpdateRule(
        "coverage",
        (
            Parameter("p", Fraction(3, 10), Interval(None, None)),
            Parameter("q", Fraction(7, 10), Interval(None, None)),
        ),
        tuple(Buffer(f"B{name}") for name in names[0]),
        (
            Stage(
                elements=tuple(elements),
                stores=tuple(Store(f"B{name}", name) for name in names[0]),
            ),
        ),
        tuple(ScalarState(f"S{name}", term(0)) for name in names[1]),
        tuple(scalars),
        tuple(Store(f"S{name}", name) for name in names[1]),
    )


COVERAGE = _coverage()

RULES = (
    MOMENTUM,
    RELATIVISTIC,
    GLOBAL_NORM,
    THERMOSTAT,
    BIAS_CORRECTED,
    GUARDED,
    SWAPPING,
    COVERAGE,
    BLOCK_NORM,
    NOISY,
    ITERATED,
)

HYPERPARAMETERS: dict[str, dict[str, float]] = {
    "momentum": {"lr": 0.125, "momentum": 0.9},
    "relativistic": {"lr": 0.125, "momentum": 0.75},
    "global_norm": {"lr": 0.1, "momentum": 0.9},
    "thermostat": {"lr": 0.1, "gain": 0.02},
    "bias_corrected": {"lr": 0.1, "momentum": 0.95},
    "guarded": {"lr": 0.1, "floor": -0.5},
    "swapping": {"max": 0.5, "i": 0.25, "grads": 0.3},
    "coverage": {"p": 0.3, "q": 0.7},
    "block_norm": {"lr": 0.1, "momentum": 0.9},
    "noisy": {"lr": 0.1, "momentum": 0.9},
    "iterated": {"lr": 0.1, "momentum": 0.9},
}


def class_name(rule: UpdateRule) -> str:
    return "".join(word.capitalize() for word in rule.name.split("_"))


def document(rule: UpdateRule, target: str) -> Document:
    return Document(
        class_name(rule),
        f"The {rule.name} rule of the tests, with a title that does not fit " + "on one line " * 4,
        "beta/(2*k)*dot(X, X) + beta*c**2/k*L + h*gamma/k*beta*U",
        ("X <- momentum*X + (1 - momentum)*G", "w <- w - lr*X"),
        (r"Written by hand; no proof. A backslash \ and three quotes \"\"\" do no harm.",),
        {
            "hamiltonian": "beta/(2*k)*dot(X, X) + beta*c**2/k*L + h*gamma/k*beta*U",
            "name": rule.name,
            "target": target,
            "dtype": ("float32", "float64"),
            "integrator": "lie-trotter",
            "generator": "symplectic-codegen 0.1.0",
            "sympy": "1.14.0",
            "spec_sha256": "0" * 64,
            "body_sha256": "0" * 64,
            "command": "symplectic-codegen generate --catalog momentum --target numba "
            '--set "gamma=0.1" --reparam "lr = tau/h" --reparam "momentum = exp(-gamma*tau)"',
        },
    )

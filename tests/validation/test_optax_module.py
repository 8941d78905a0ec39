"""The oracle ladder drives gradient transformations, and notices what is wrong with them."""

from __future__ import annotations

from fractions import Fraction

import pytest

pytest.importorskip("jax")
pytest.importorskip("optax")

import symplectic_codegen as sc
from symplectic_codegen.language.spec import Spec
from symplectic_codegen.rule.expression import ONE, Call, Expr, Number, Op, Ref
from symplectic_codegen.rule.interpreter import RoundingBounds, evaluate
from symplectic_codegen.targets import TARGETS, Availability
from symplectic_codegen.validation import Oracle, Report, validate_source
from symplectic_codegen.validation.traced import DOUBLE, known, traced_bounds

FINITE = "beta/(2*k)*dot(X, X) + beta*c**2/k*L + h/k*gamma*beta**2*U"
ORACLES: dict[str, Oracle] = {}  # shared by all files of a spec


def source(spec: str | Spec, dtype: str = "float32") -> str:
    chosen = sc.catalog.load(spec) if isinstance(spec, str) else spec
    (text,) = sc.generate(chosen, "optax", dtype=dtype).values()
    return text


def validated(text: str) -> Report:
    return validate_source(text, cache=ORACLES)


def of_the_module(report: Report) -> list[str]:
    """The failures of rung 4."""
    return [str(r) for r in report.failures if "module" in r.name or "state_dict" in r.name]


@pytest.mark.parametrize("name", ["momentum", "relativistic"])
def test_entries_hold_in_both_types(name: str) -> None:
    report = validated(source(name, "any"))
    assert of_the_module(report) == []
    assert (report.name, report.target) == (name, "optax")
    # Two trajectories, shapes, state and guards, in two types.
    assert len([r for r in report.rungs if "module" in r.name]) == 10


def test_a_guard_is_nan_in_compiled_code_and_an_error_in_plain_code() -> None:
    text = source(Spec.from_expression(FINITE, "finite"))
    report = validated(text)
    assert of_the_module(report) == []
    assert sum("refused with ValueError" in r.detail for r in report.rungs) == 1
    for old, new in (
        ("raise ValueError(message)", "return condition"),
        ("jnp.where(holds, u, jnp.nan)", "jnp.where(holds, u, 0.0)"),
    ):
        assert old in text
        assert of_the_module(validated(text.replace(old, new, 1))), new


MUTATIONS = {
    "sign": ("momentum", "change_new = -lr * X_new", "change_new = lr * X_new"),
    "factor": ("momentum", "zeta * (1.0 - momentum)", "1.000001 * zeta * (1.0 - momentum)"),
    "scalars in single precision": (
        "momentum",
        "np.float64(value)",
        "np.float64(np.float32(value))",
    ),
    "old momenta": ("momentum", "-lr * X_new", "-lr * X"),
    "state not kept": ("momentum", "X=_kept(X, state.X)", "X=state.X"),
    "step count": ("debiased_momentum", "count = optax.safe_increment(state.count)", "count = 1"),
    "time": ("relativistic", "_add(t, state.t_rest, tau)", "_add(t, state.t_rest, 1.000001 * tau)"),
    "not all leaves": ("relativistic", "leaves(sums), np", "leaves(sums)[1:], np"),
    "None moves": ("momentum", "o if n is None else", "o * 0 if n is None else"),
    "state not restored": ("momentum", "X=_zeros_like(params, accumulator_dtype)", "X=params"),
    "weights not seen": ("weight_decay", "pull * w", "pull * X"),
    "raises": ("momentum", "del extra_args", "raise RuntimeError('no')"),
    "exits": ("momentum", "import numbers\n", "import numbers\nraise SystemExit(3)\n"),
    "no factory": ("momentum", "def momentum(", "def impetus("),
    "not a number": ("momentum", "-lr * X_new", "-lr * X_new * jnp.nan"),
}  # fmt: skip


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_an_edited_transformation_fails(mutation: str) -> None:
    name, old, new = MUTATIONS[mutation]
    # Rounding to single precision shows in double precision only.
    text = source(name, "float64" if "single" in mutation else "float32")
    assert text.count(old) >= 1
    assert of_the_module(validated(text.replace(old, new, 1))), f"{mutation} was not noticed"


def test_without_jax_it_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    text = source("momentum")
    missing = Availability(False, "jax is not installed")
    monkeypatch.setattr(type(TARGETS["optax"]), "is_available", lambda self: missing)
    assert [r.detail for r in validated(text).failures] == [
        "it cannot run here: jax is not installed"
    ]


def test_scalars_that_are_known_are_in_double_precision() -> None:
    """The tolerances know which scalars JAX would round to single precision."""
    numbers = traced_bounds("float32")
    given = known({"mu": 0.9}) | {"n": numbers.scalar(7)}
    unit = 2.0**-24

    def error(expr: Expr) -> float:
        return float(evaluate(expr, given, numbers).error)

    gap = Call(Op.SUB, (ONE, Ref("mu")))
    assert error(gap) < 2.0**-50
    assert isinstance(numbers.element(), RoundingBounds)
    assert float(numbers.element().cast(evaluate(gap, given, numbers)).error) >= 0.1 * unit
    # Where it meets what is traced, it is rounded; but the logarithm of a base is known.
    assert error(Call(Op.MUL, (gap, Ref("n")))) >= 0.7 * unit
    power = Call(Op.POW, (Ref("mu"), Ref("n")))
    assert unit / 2 < error(power) < 40 * unit
    exact = evaluate(power, {"mu": DOUBLE.scalar(0.9), "n": DOUBLE.scalar(7)}, DOUBLE)
    assert abs(float(exact.value) - 0.9**7) < 1e-15
    assert error(Number(Fraction(1, 3))) < 2.0**-53

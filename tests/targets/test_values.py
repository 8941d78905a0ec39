"""Numbers: every target and dtype against the interpreter, with tolerances from its analysis."""

from __future__ import annotations

import numpy as np
import pytest
from hand_made import (
    BIAS_CORRECTED,
    BLOCK_NORM,
    COVERAGE,
    GLOBAL_NORM,
    HYPERPARAMETERS,
    ITERATED,
    MOMENTUM,
    NOISY,
    RELATIVISTIC,
    RULES,
    THERMOSTAT,
    Load,
    class_name,
)

from symplectic_codegen.rule.interpreter import (
    Bounded,
    initial_state,
    interpret,
    rounding_bounds,
)
from symplectic_codegen.rule.noise import standard_normal
from symplectic_codegen.rule.rule import UpdateRule

SIZES = (0, 1, 3, 31, 33, 1023, 1025)


def assert_within(actual: np.ndarray, oracle: Bounded) -> None:
    """`actual` is the oracle's value, or NaN or infinite like it, or as close as it must be."""
    found = np.asarray(actual, np.float64).ravel()
    with np.errstate(all="ignore"):
        exact = np.asarray(oracle.value).astype(actual.dtype).astype(np.float64).ravel()
        same = (found == exact) | (np.isnan(found) & np.isnan(exact))
        close = np.abs(found - np.ravel(oracle.value)) <= np.ravel(oracle.error)
    bad = np.flatnonzero(~(same | close))
    assert bad.size == 0, (
        f"{bad.size} wrong, first at {bad[0]}: {found[bad[0]]!r}, not "
        f"{np.ravel(oracle.value)[bad[0]]!r} +- {np.ravel(oracle.error)[bad[0]]!r}"
    )


def compare(
    load: Load,
    target: str,
    rule: UpdateRule,
    params: list[np.ndarray],
    all_grads: list[list[np.ndarray]],
    hyperparameters: dict[str, float] | None = None,
    losses: tuple[float, ...] = (0.75, 0.5, 0.25),
    root_ulps: float = 1.0,
    **keywords_of_class: object,
) -> Bounded:
    """Run some steps in both ways; the parameters as the oracle sees them in the end."""
    values = hyperparameters or HYPERPARAMETERS[rule.name]
    dtype = params[0].dtype
    arithmetic = rounding_bounds(dtype.name, root_ulps)
    optimizer = getattr(load(target, rule), class_name(rule))(params, **values, **keywords_of_class)
    w = arithmetic.vector(np.concatenate([p.ravel() for p in params]))
    blocks = [p.size for p in params]
    state = initial_state(rule, values, len(w), arithmetic, len(params))
    for n, (grads, loss) in enumerate(zip(all_grads, losses, strict=False), 1):
        keywords = {"loss": loss} if rule.needs_loss else {}
        optimizer.step(grads, **keywords)
        G = np.concatenate([g.ravel() for g in grads])
        noise = _noise(n, len(w), dtype, target) if rule.needs_noise else None
        state, w = interpret(rule, values, state, w, G, loss, arithmetic, noise, blocks)
    saved = optimizer.state_dict()
    assert_within(np.concatenate([p.ravel() for p in params]), w)
    for name, vector in state.buffers.items():
        flat = np.concatenate([b.ravel() for b in saved["buffers"][name]])
        assert flat.dtype == dtype
        assert_within(flat, vector)
    for name, scalar in state.scalars.items():
        assert_within(np.array(saved["scalars"][name]), scalar)
    for name, vector in state.blocks.items():
        assert_within(saved["blocks"][name], vector)
    assert saved["step"] == state.steps
    return w


def _noise(step: int, size: int, dtype: np.dtype, target: str) -> Bounded:
    """What `standard_normal` gives, rounded to the type; log, sqrt and cos are not exact either.

    On a GPU they are functions of the type itself, each with an error of some units.
    """
    exact = np.array(standard_normal(0, step, range(size)))
    units = 8.0 if target == "cuda" else 0.5
    return Bounded(exact, np.abs(exact) * units * np.finfo(dtype).eps + 64 * 2.0**-53)


def random_arrays(sizes: tuple[int, ...], dtype: str, seed: int) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    return [generator.standard_normal(size).astype(dtype) for size in sizes]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_three_steps_on_a_list(load: Load, target: str, rule: UpdateRule, dtype: str) -> None:
    params = random_arrays(SIZES, dtype, 1)
    grads = [random_arrays(SIZES, dtype, seed) for seed in (2, 3, 4)]
    w = compare(load, target, rule, params, grads)
    # The tolerance means something: half of the digits of the type at the very least.
    relative = np.median(w.error / np.maximum(np.abs(w.value), 1e-3))
    assert relative < np.sqrt(np.finfo(dtype).eps)


@pytest.mark.parametrize("size", SIZES)
def test_one_array_of_each_size(load: Load, target: str, size: int, dtype: str) -> None:
    params = random_arrays((size,), dtype, 1)
    compare(load, target, GLOBAL_NORM, params, [random_arrays((size,), dtype, 2)] * 3)


@pytest.mark.parametrize(
    "rule",
    [MOMENTUM, RELATIVISTIC, GLOBAL_NORM, THERMOSTAT, BLOCK_NORM, ITERATED],
    ids=lambda rule: rule.name,
)
def test_sizes_for_several_threads(load: Load, target: str, rule: UpdateRule) -> None:
    sizes = (70001, 5, 65537)
    params = random_arrays(sizes, "float32", 1)
    grads = [random_arrays(sizes, "float32", seed) for seed in (2, 3)]
    compare(load, target, rule, params, grads)


SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, 3.0, 1e-30, 1e-40, 1e30, 3e38, -3e38, np.inf, -np.inf, np.nan)


def test_every_operation_on_special_values(load: Load, target: str, dtype: str) -> None:
    with np.errstate(all="ignore"):
        special = np.array(SPECIAL, dtype)
    G, w = (a.ravel() for a in np.meshgrid(special, special))
    values = {"p": 0.3, "q": 0.7}
    compare(load, target, COVERAGE, [w.copy()], [[G.copy()]], values)


@pytest.mark.parametrize(
    "p", [0.0, -0.0, 1e-300, 1e-20, 0.3, -0.3, -1.0, -2.0, 800.0, -800.0, 1e300]
)
@pytest.mark.parametrize("q", [0.0, -1.5, 2.0, 1e300])
def test_every_operation_on_the_host(load: Load, target: str, p: float, q: float) -> None:
    empty = np.zeros(0)
    compare(load, target, COVERAGE, [empty], [[empty]], {"p": p, "q": q})


@pytest.mark.parametrize("loss", [np.inf, -np.inf, np.nan, 1e308, -1e308])
def test_no_loss_raises(load: Load, target: str, loss: float) -> None:
    params = [np.ones(5)]
    grads = [[np.ones(5)]] * 3
    compare(load, target, THERMOSTAT, params, grads, losses=(loss, 1.0, 1.0))


@pytest.mark.parametrize("rule", [MOMENTUM, RELATIVISTIC], ids=lambda rule: rule.name)
def test_nan_and_infinity_stay_where_they_are(
    load: Load, target: str, rule: UpdateRule, dtype: str
) -> None:
    w, G = random_arrays((100, 100), dtype, 5)
    G[[3, 20, 57, 99]] = np.nan, np.inf, -np.inf, np.nan
    w[[4, 21]] = np.nan, np.inf
    compare(load, target, rule, [w], [[G], [G]])
    assert np.isfinite(np.delete(w, [3, 4, 20, 21, 57, 99])).all()


def test_momentum_close_to_one(load: Load, target: str) -> None:
    """1 - momentum and the bias correction are computed in double precision, then rounded."""
    values = {"lr": 0.1, "momentum": 1 - 2.0**-30}
    params, grads = random_arrays((40, 40), "float32", 6)
    compare(load, target, BIAS_CORRECTED, [params], [[grads]], values)


def test_lists_may_mix_dtypes(load: Load, target: str) -> None:
    names = ("float32", "float64", "float32")
    params = [random_arrays((50,), name, k)[0] for k, name in enumerate(names)]
    grads = [random_arrays((50,), name, k + 9)[0] for k, name in enumerate(names)]
    oracle_w = np.concatenate([p.astype(np.float64) for p in params])
    module = load(target, GLOBAL_NORM)
    module.GlobalNorm(params, **HYPERPARAMETERS["global_norm"]).step(grads)
    arithmetic = rounding_bounds("float32")
    values = HYPERPARAMETERS["global_norm"]
    state = initial_state(GLOBAL_NORM, values, 150, arithmetic)
    G = np.concatenate([g.astype(np.float64) for g in grads])
    _, w = interpret(GLOBAL_NORM, values, state, oracle_w, G, None, arithmetic)
    assert [p.dtype.name for p in params] == list(names)
    for k, p in enumerate(params):
        part = slice(50 * k, 50 * k + 50)
        assert_within(p, Bounded(w.value[part], w.error[part]))


def test_parameters_without_gradient_take_no_part(load: Load, target: str, dtype: str) -> None:
    module = load(target, GLOBAL_NORM)
    values = HYPERPARAMETERS["global_norm"]
    params = random_arrays((5, 7, 40), dtype, 1)
    alone = [params[0].copy(), params[2].copy()]
    before = params[1].copy()
    grads = random_arrays((5, 7, 40), dtype, 2)
    some, pair = module.GlobalNorm(params, **values), module.GlobalNorm(alone, **values)
    some.step([grads[0], None, grads[2]])
    pair.step([grads[0], grads[2]])
    np.testing.assert_array_equal(params[1], before)
    np.testing.assert_array_equal(params[0], alone[0])
    np.testing.assert_array_equal(params[2], alone[1])
    assert not some.state_dict()["buffers"]["X"][1].any()
    some.step([None, None, None])
    np.testing.assert_array_equal(params[2], alone[1])
    assert some.state_dict()["step"] == 2


def test_blocks_without_gradient_keep_their_values_and_are_not_summed(
    load: Load, target: str, dtype: str
) -> None:
    module = load(target, BLOCK_NORM)
    values = HYPERPARAMETERS["block_norm"]
    params = random_arrays((5, 7, 40), dtype, 1)
    alone = [params[0].copy(), params[2].copy()]
    grads = random_arrays((5, 7, 40), dtype, 2)
    some, pair = module.BlockNorm(params, **values), module.BlockNorm(alone, **values)
    some.step(grads, loss=0.5)
    kept = some.state_dict()["blocks"]["S"][1]
    assert kept > 0
    state = some.state_dict()
    pair.load_state_dict(
        state
        | {
            "buffers": {"X": [state["buffers"]["X"][i] for i in (0, 2)]},
            "blocks": {"S": state["blocks"]["S"][[0, 2]]},
        }
    )
    alone[0][...], alone[1][...] = params[0], params[2]
    some.step([grads[0], None, grads[2]], loss=0.25)
    pair.step([grads[0], grads[2]], loss=0.25)
    np.testing.assert_array_equal(params[0], alone[0])
    np.testing.assert_array_equal(params[2], alone[1])
    assert some.state_dict()["blocks"]["S"][1] == kept


def test_noise_depends_on_seed_step_and_place_alone(load: Load, dtype: str) -> None:
    """Layout, missing gradients, splitting into arrays and the target change none of it."""
    values = {"lr": 1.0, "momentum": 0.0}
    zeros = np.zeros((6, 4), dtype)
    found = []
    for target in ("numpy", "numba"):
        make = load(target, NOISY).Noisy
        for params in (
            [zeros.copy()],
            [np.zeros(10, dtype), np.zeros((2, 7), dtype)],
            [np.zeros((2, 12), dtype, order="F")],
            [np.zeros((24, 2), dtype)[:, 0]],
        ):
            optimizer = make(params, seed=5, **values)
            optimizer.step([None] * len(params))
            optimizer.step([np.zeros_like(w) for w in params])
            momenta = optimizer.state_dict()["buffers"]["X"]
            pairs = zip(params, momenta, strict=True)
            orders = [(x, "C" if w.flags.c_contiguous or w.ndim == 1 else "F") for w, x in pairs]
            found.append(np.concatenate([x.ravel(order) for x, order in orders]))
    expected = np.array(standard_normal(5, 2, range(24)))
    for numbers in found:
        np.testing.assert_allclose(numbers, expected, rtol=2 * np.finfo(dtype).eps, atol=1e-14)
    others = [make([zeros.copy()], seed=seed, **values) for seed in (5, 6, 2**64 - 1)]
    for optimizer in others:
        optimizer.step([zeros])
    firsts = [optimizer.state_dict()["buffers"]["X"][0] for optimizer in others]
    assert len({x.tobytes() for x in (*firsts, found[0].astype(dtype).reshape(6, 4))}) == 4


@pytest.mark.parametrize("seed", [-1, 2**64, 0.5, True, "1", None])
def test_seeds_that_are_refused(load: Load, target: str, seed: object) -> None:
    with pytest.raises((TypeError, ValueError), match="seed must be"):
        load(target, NOISY).Noisy([np.zeros(2)], lr=0.1, seed=seed)


def test_schedules_change_hyperparameters_between_steps(load: Load, target: str) -> None:
    params = [np.zeros(4)]
    optimizer = load(target, MOMENTUM).Momentum(params, lr=1.0, momentum=0.0)
    optimizer.step([np.ones(4)])
    optimizer.lr = 0.25
    optimizer.step([np.ones(4)])
    np.testing.assert_array_equal(params[0], np.full(4, -1.25))

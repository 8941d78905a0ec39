"""Numbers of the PyTorch target: every way through a step against the interpreter."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.usefixtures("torch_threads")

from hand_made import (  # noqa: E402
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
)
from test_values import SIZES, SPECIAL, compare, random_arrays  # noqa: E402
from torch_tools import (  # noqa: E402
    TENSOR_WAYS,
    WAYS,
    as_arrays,
    new_gradients,
    optimizer_class,
    parameters,
    snapshot,
    step,
)

from symplectic_codegen.rule.rule import UpdateRule  # noqa: E402

ROOT = 2.0  # torch.sqrt takes its roots from a library that is right to one unit, not to a half


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_three_steps_on_a_list(load: Load, way: str, rule: UpdateRule, dtype: str) -> None:
    if way == "capturable" and rule.guards:
        pytest.skip("refused: a captured step cannot raise")
    params = random_arrays(SIZES, dtype, 1)
    grads = [random_arrays(SIZES, dtype, seed) for seed in (2, 3, 4)]
    w = compare(as_arrays(load), way, rule, params, grads, root_ulps=ROOT)
    # The tolerance means something: half of the digits of the type at the very least.
    relative = np.median(w.error / np.maximum(np.abs(w.value), 1e-3))
    assert relative < np.sqrt(np.finfo(dtype).eps)


@pytest.mark.parametrize("rule", [GLOBAL_NORM, BLOCK_NORM], ids=lambda rule: rule.name)
def test_sizes_for_several_threads(
    load: Load, rule: UpdateRule, torch_threads: Callable[[int], None]
) -> None:
    torch_threads(2)
    sizes = (70001, 5, 65537)
    params = random_arrays(sizes, "float32", 1)
    grads = [random_arrays(sizes, "float32", seed) for seed in (2, 3)]
    compare(as_arrays(load), "fused", rule, params, grads)


@pytest.mark.parametrize("way", ["for loop", "foreach", "fused"])
def test_every_operation_on_special_values(load: Load, way: str, dtype: str) -> None:
    with np.errstate(all="ignore"):
        special = np.array(SPECIAL, dtype)
    G, w = (a.ravel() for a in np.meshgrid(special, special))
    values = {"p": 0.3, "q": 0.7}
    compare(as_arrays(load), way, COVERAGE, [w.copy()], [[G.copy()]], values, root_ulps=ROOT)


@pytest.mark.parametrize("way", ["for loop", "fused"])
@pytest.mark.parametrize("q", [0.0, -1.5, 2.0, 1e300])
def test_every_operation_on_scalars(load: Load, way: str, q: float) -> None:
    empty = np.zeros(0)
    for p in (0.0, -0.0, 1e-300, 1e-20, 0.3, -0.3, -1.0, -2.0, 800.0, -800.0, 1e300):
        values = {"p": p, "q": q}
        compare(as_arrays(load), way, COVERAGE, [empty], [[empty]], values, root_ulps=ROOT)


@pytest.mark.parametrize("way", ["for loop", "fused"])
@pytest.mark.parametrize("loss", [np.inf, -np.inf, np.nan, 1e308, -1e308])
def test_no_loss_raises(load: Load, way: str, loss: float) -> None:
    grads = [[np.ones(5)]] * 3
    compare(as_arrays(load), way, THERMOSTAT, [np.ones(5)], grads, losses=(loss, 1.0, 1.0))


@pytest.mark.parametrize("way", ["for loop", "foreach", "fused"])
@pytest.mark.parametrize("rule", [MOMENTUM, RELATIVISTIC], ids=lambda rule: rule.name)
def test_nan_and_infinity_stay_where_they_are(load: Load, way: str, rule: UpdateRule) -> None:
    w, G = random_arrays((100, 100), "float32", 5)
    G[[3, 20, 57, 99]] = np.nan, np.inf, -np.inf, np.nan
    w[[4, 21]] = np.nan, np.inf
    compare(as_arrays(load), way, rule, [w], [[G], [G]])
    assert np.isfinite(np.delete(w, [3, 4, 20, 21, 57, 99])).all()


@pytest.mark.parametrize("way", WAYS)
def test_scalars_are_in_double_precision(load: Load, way: str) -> None:
    values = {"lr": 0.1, "momentum": 1 - 2.0**-30}
    params, grads = random_arrays((40, 40), "float32", 6)
    compare(as_arrays(load), way, BIAS_CORRECTED, [params], [[grads]], values)


def in_all_ways(load: Load, rule: UpdateRule, dtype: torch.dtype) -> dict[str, list[torch.Tensor]]:
    """Parameters and states after three steps, one of them with a missing gradient."""
    found = {}
    for way, options in WAYS.items():
        if way == "capturable" and rule.guards:
            continue
        params = parameters((3,), (4, 5), (), (2, 3, 2), dtype=dtype)
        optimizer = optimizer_class(load, rule)(params, **HYPERPARAMETERS[rule.name], **options)
        for k in range(3):
            new_gradients(params, k)
            params[k].grad = None
            step(optimizer, rule, 0.5 + k)
        states = [v for p in params for v in optimizer.state[p].values()]
        found[way] = snapshot(params) + [v.clone() for v in states]
    return found


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_all_ways_agree_when_gradients_come_late(load: Load, rule: UpdateRule) -> None:
    """The first parameter begins at the second step: each one counts its own."""
    found = in_all_ways(load, rule, torch.float64)
    for way in found:
        for a, b in zip(found[way], found["for loop"], strict=True):
            torch.testing.assert_close(a, b, rtol=1e-12, atol=1e-13, equal_nan=True)


@pytest.mark.parametrize("rule", [MOMENTUM, THERMOSTAT], ids=lambda rule: rule.name)
@pytest.mark.parametrize("dtype_name", ["complex64", "complex128"])
def test_complex_numbers_are_pairs_of_real_ones(
    load: Load, rule: UpdateRule, dtype_name: str
) -> None:
    dtype = getattr(torch, dtype_name)
    found = in_all_ways(load, rule, dtype)
    eps = torch.finfo(dtype).eps
    for way in found:
        for a, b in zip(found[way], found["for loop"], strict=True):
            torch.testing.assert_close(a, b, rtol=16 * eps, atol=16 * eps)
    # And they are the pairs' numbers.
    params = parameters((4,), dtype=dtype)
    pairs = [torch.nn.Parameter(torch.view_as_real(p.detach()).clone()) for p in params]
    for p, pair in zip(params, pairs, strict=True):
        pair.grad = torch.view_as_real(p.grad).clone()
    values = HYPERPARAMETERS[rule.name]
    one = optimizer_class(load, rule)(params, **values)
    other = optimizer_class(load, rule)(pairs, **values)
    step(one, rule)
    step(other, rule)
    torch.testing.assert_close(torch.view_as_real(params[0].detach()), pairs[0].detach())


# Rounding to half precision after each step, and nothing else in half precision.


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
@pytest.mark.parametrize("way", ["for loop", "foreach", "fused"])
def test_half_precision_is_float32_rounded_once(load: Load, way: str, half: str) -> None:
    dtype = getattr(torch, half)
    params = parameters((257,), (3, 4), dtype=dtype)
    optimizer = optimizer_class(load, BIAS_CORRECTED)(params, lr=0.1, **WAYS[way])
    wide = [torch.nn.Parameter(p.detach().float()) for p in params]
    oracle = optimizer_class(load, BIAS_CORRECTED)(wide, lr=0.1)
    for k in range(4):
        new_gradients(params, k)
        for p, q in zip(params, wide, strict=True):
            q.data = p.detach().float()
            q.grad = p.grad.float()
        optimizer.step()
        oracle.step()
        for p, q in zip(params, wide, strict=True):
            assert optimizer.state[p]["X"].dtype == torch.float32
            torch.testing.assert_close(
                optimizer.state[p]["X"], oracle.state[q]["X"], rtol=3e-7, atol=1e-7
            )
            # Where float32 results straddle a midpoint the rounded ones differ by one unit.
            exact = q.detach().to(dtype)
            differs = p.detach() != exact
            assert differs.float().mean() < 0.01
            torch.testing.assert_close(p.detach(), exact, rtol=torch.finfo(dtype).eps, atol=1e-7)


def test_half_precision_in_compiled_code_rounds_as_torch_does(load: Load) -> None:
    """All 2**16 numbers, infinities and NaN: read, and what is written back unchanged."""
    for dtype in (torch.float16, torch.bfloat16):
        bits = torch.arange(-(2**15), 2**15, dtype=torch.int16)
        p = torch.nn.Parameter(bits.view(dtype).clone())
        p.grad = torch.zeros_like(p)
        optimizer_class(load, MOMENTUM)([p], lr=0.1, fused=True).step()
        expected = bits.view(dtype)
        same = (p.detach().view(torch.int16) == bits) | expected.isnan()
        same |= expected == 0  # -0 - 0.1*0 may be either zero
        assert same.all()
        assert p.detach()[expected.isnan()].isnan().all()
    # Ties go to even, and what is too large to infinity.
    for dtype, ulp in ((torch.float16, 2.0**-10), (torch.bfloat16, 2.0**-7)):
        largest = torch.finfo(dtype).max
        starts = torch.tensor([1.0, 1.0 + ulp, 1.0, largest], dtype=dtype)
        p = torch.nn.Parameter(starts.clone())
        p.grad = torch.tensor([-ulp / 2, -ulp / 2, -ulp * 0.6, -largest], dtype=dtype)
        optimizer_class(load, MOMENTUM)([p], lr=1.0, momentum=0.0, fused=True).step()
        expected = torch.tensor([1.0, 1.0 + 2 * ulp, 1.0 + ulp, torch.inf], dtype=dtype)
        torch.testing.assert_close(p.detach(), expected, rtol=0, atol=0)


def test_noise_is_that_of_the_array_targets_for_any_grouping(load: Load) -> None:
    from symplectic_codegen.rule.noise import standard_normal

    expected = torch.tensor(standard_normal(5, 1, range(24)), dtype=torch.float64)
    for way in WAYS:
        for shapes in ([(24,)], [(10,), (2, 7)], [(), (23,)]):
            params = parameters(*shapes)
            groups = [{"params": [p]} for p in params]
            values = {"lr": 1.0, "momentum": 0.0, "seed": 5}
            optimizer = optimizer_class(load, NOISY)(groups, **values, **WAYS[way])
            for p in params:
                p.grad = torch.zeros_like(p)
            optimizer.step()
            found = torch.cat([optimizer.state[p]["X"].reshape(-1) for p in params])
            torch.testing.assert_close(found, expected, rtol=1e-14, atol=1e-14)
    # Elements count in the order of memory.
    p = torch.nn.Parameter(torch.zeros(4, 6, dtype=torch.float64).t())
    for way in WAYS:
        p.grad = torch.zeros_like(p)
        optimizer = optimizer_class(load, NOISY)([p], lr=1.0, momentum=0.0, seed=5, **WAYS[way])
        optimizer.step()
        torch.testing.assert_close(
            optimizer.state[p]["X"].t().reshape(-1), expected, rtol=1e-14, atol=1e-14
        )


# torch.compile: the traced graph, without a compiler for C++.

TRACED = [rule for rule in RULES if rule is not COVERAGE]


@pytest.mark.parametrize("rule", TRACED, ids=lambda rule: rule.name)
@pytest.mark.filterwarnings("ignore")
def test_a_compiled_step_is_the_step(load: Load, rule: UpdateRule) -> None:
    found = []
    for compiled in (False, True):
        torch._dynamo.reset()
        torch._dynamo.utils.counters.clear()
        params = parameters((3,), (4, 5), ())
        # What would be compiled code is traced as operations on tensors.
        values = {**HYPERPARAMETERS[rule.name], "fused": compiled or None}
        optimizer = optimizer_class(load, rule)(params, **values)
        one_step = torch.compile(optimizer.step, backend="aot_eager") if compiled else None
        for k in range(4):
            new_gradients(params, k)
            loss = {"loss": torch.tensor(0.5 + k, dtype=torch.float64)} if rule.needs_loss else {}
            (one_step or optimizer.step)(**loss)
        states = [v.clone() for p in params for v in optimizer.state[p].values()]
        found.append(snapshot(params) + states)
        if compiled and not rule.guards:
            counters = torch._dynamo.utils.counters
            assert not counters["graph_break"]
            assert counters["stats"]["unique_graphs"] == 1  # no new one in later steps
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-13, atol=1e-14)


@pytest.mark.slow
@pytest.mark.parametrize("rule", [BIAS_CORRECTED, BLOCK_NORM], ids=lambda rule: rule.name)
@pytest.mark.filterwarnings("ignore")
def test_inductor_compiles_the_step(load: Load, rule: UpdateRule) -> None:
    found = []
    for compiled in (False, True):
        torch._dynamo.reset()
        params = parameters((3,), (4, 5), (), dtype=torch.float32)
        optimizer = optimizer_class(load, rule)(params, **HYPERPARAMETERS[rule.name])
        one_step = torch.compile(optimizer.step) if compiled else optimizer.step
        for k in range(3):
            new_gradients(params, k)
            one_step(**({"loss": torch.tensor(0.5 + k)} if rule.needs_loss else {}))
        found.append(snapshot(params))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-6, atol=1e-7)


# Autograd through steps.


@pytest.mark.parametrize(
    "rule",
    [MOMENTUM, RELATIVISTIC, GLOBAL_NORM, BIAS_CORRECTED, BLOCK_NORM, ITERATED, NOISY],
    ids=lambda rule: rule.name,
)
def test_autograd_sees_a_differentiable_step(load: Load, rule: UpdateRule) -> None:
    make = optimizer_class(load, rule)

    def train(w: torch.Tensor, G: torch.Tensor, lr: torch.Tensor) -> torch.Tensor:
        p = w.clone()
        optimizer = make([p], lr=lr, momentum=0.9, differentiable=True)
        for k in range(2):
            p.grad = G * (k + 1) + 0.1 * p * G
            step(optimizer, rule)
        return p

    start, gradient = (torch.randn(4, dtype=torch.float64) for _ in range(2))
    inputs = [start, gradient, torch.tensor(0.1, dtype=torch.float64)]
    assert torch.autograd.gradcheck(train, [x.requires_grad_() for x in inputs], atol=1e-6)


@pytest.mark.parametrize("way", TENSOR_WAYS)
def test_a_step_leaves_no_graph_behind(load: Load, way: str) -> None:
    params = parameters((3,))
    optimizer = optimizer_class(load, MOMENTUM)(params, lr=torch.tensor(0.1), **WAYS[way])
    optimizer.step()
    assert params[0].grad_fn is None
    assert params[0].requires_grad
    assert not optimizer.state[params[0]]["X"].requires_grad
    assert torch.is_grad_enabled()

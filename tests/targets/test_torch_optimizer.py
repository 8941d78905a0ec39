"""The PyTorch target as an optimizer: whatever a training script does with one of `torch.optim`."""

from __future__ import annotations

import copy
import io
import pickle
import sys
from typing import Any

import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.usefixtures("torch_threads")

from hand_made import (  # noqa: E402
    BIAS_CORRECTED,
    BLOCK_NORM,
    GLOBAL_NORM,
    GUARDED,
    HYPERPARAMETERS,
    MOMENTUM,
    NOISY,
    RULES,
    THERMOSTAT,
    Load,
    document,
)
from torch_tools import (  # noqa: E402
    WAYS,
    new_gradients,
    optimizer_class,
    parameters,
    snapshot,
    step,
)

from symplectic_codegen.rule.rule import Parameter, Stage, UpdateRule  # noqa: E402
from symplectic_codegen.targets import TARGETS  # noqa: E402
from symplectic_codegen.targets.torch_target import options_of  # noqa: E402

LOOPS = ("for loop", "foreach", "fused")


@pytest.fixture(params=LOOPS)
def way(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def assert_same(found: list[torch.Tensor], expected: list[torch.Tensor]) -> None:
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


# Arguments


def test_the_signature_is_that_of_torch(load: Load) -> None:
    make = optimizer_class(load, MOMENTUM)
    optimizer = make(parameters((2,)), 0.25, 0.5)
    assert isinstance(optimizer, torch.optim.Optimizer)
    (group,) = optimizer.param_groups
    assert list(optimizer.defaults) == [
        "lr",
        "momentum",
        "maximize",
        "foreach",
        "capturable",
        "differentiable",
        "fused",
    ]
    assert (group["lr"], group["momentum"], group["foreach"]) == (0.25, 0.5, None)
    with pytest.raises(TypeError, match="lr"):
        make(parameters((2,)))
    with pytest.raises(TypeError, match="mu"):
        make(parameters((2,)), lr=0.1, mu=0.9)


def test_numbered_hyperparameters_are_a_tuple() -> None:
    def names(*parameters: str) -> list[str]:
        return [option.name for option in options_of([Parameter(p) for p in parameters])]

    assert names("beta1", "beta2", "eps") == ["betas", "eps"]
    assert names("lr", "beta1") == ["lr", "beta1"]
    assert names("beta", "beta1", "beta2") == ["beta", "beta1", "beta2"]
    assert names("a1", "a2", "a3", "b2") == ["as", "b2"]
    assert names("x1", "x3") == ["x1", "x3"]


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({"lr": 0.0}, ValueError, r"lr must be in \(0, inf\), not 0"),
        ({"lr": 0.1, "momentum": 1.0}, ValueError, r"momentum must be in \[0, 1\), not 1"),
        ({"lr": float("nan")}, ValueError, "lr must be finite"),
        ({"lr": "0.1"}, TypeError, "lr must be a number"),
        ({"lr": True}, TypeError, "lr must be a number"),
        ({"lr": torch.tensor([0.1, 0.2])}, ValueError, "lr must have one element, not 2"),
        ({"lr": torch.tensor(-0.1)}, ValueError, "lr must be in"),
        ({"lr": 0.1, "fused": True, "foreach": True}, RuntimeError, "fused and foreach"),
        ({"lr": 0.1, "fused": True, "differentiable": True}, RuntimeError, "differentiable"),
        ({"lr": 0.1, "foreach": True, "differentiable": True}, RuntimeError, "foreach and"),
    ],
)
def test_values_that_are_refused(
    load: Load, values: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        optimizer_class(load, MOMENTUM)(parameters((2,)), **values)


@pytest.mark.parametrize("seed", [-1, 2**64, 0.5, True, None])
def test_seeds_that_are_refused(load: Load, seed: object) -> None:
    with pytest.raises((TypeError, ValueError), match="seed must be"):
        optimizer_class(load, NOISY)(parameters((2,)), lr=0.1, seed=seed)


def bad_parameters() -> dict[str, tuple[torch.Tensor, type[Exception], str]]:
    return {
        "integers": (torch.zeros(3, dtype=torch.int64), TypeError, "int64"),
        "sparse": (torch.eye(3).to_sparse(), TypeError, "layout"),
        "expanded": (torch.zeros(1).expand(3), ValueError, "share memory"),
        "windows": (torch.zeros(9).as_strided((3, 3), (2, 1)), ValueError, "share memory"),
    }


@pytest.mark.parametrize("name", bad_parameters())
def test_parameters_that_are_refused(load: Load, name: str) -> None:
    tensor, error, message = bad_parameters()[name]
    good = parameters((2,))
    optimizer = optimizer_class(load, MOMENTUM)(good, lr=0.1)
    with pytest.raises(error, match=message):
        optimizer.add_param_group({"params": [tensor]})
    assert len(optimizer.param_groups) == 1
    optimizer.step()


def test_options_are_the_same_for_all_groups(load: Load) -> None:
    optimizer = optimizer_class(load, MOMENTUM)(parameters((2,)), lr=0.1)
    for name in ("foreach", "fused", "capturable", "differentiable"):
        with pytest.raises(ValueError, match=f"{name} must be the same"):
            optimizer.add_param_group({"params": parameters((2,)), name: True})


def test_a_captured_step_cannot_be_refused(load: Load) -> None:
    with pytest.raises(RuntimeError, match="captured"):
        optimizer_class(load, GUARDED)(parameters((2,)), lr=0.1, capturable=True)


@pytest.mark.parametrize("name", ["maximize", "fused", "shard_group", "param_names", "closure"])
def test_hyperparameters_that_clash_with_options(name: str) -> None:
    from symplectic_codegen.errors import TargetError

    rule = UpdateRule("clash", (Parameter(name, None),), (), (Stage(),))
    with pytest.raises(TargetError, match=f"hyperparameter {name} needs another name"):
        TARGETS["torch"].emit(rule, document(rule, "torch"))


# Groups


def test_groups_have_their_own_hyperparameters(load: Load, way: str) -> None:
    make = optimizer_class(load, BIAS_CORRECTED)
    params, alone = parameters((3,), (4,)), parameters((3,), (4,))
    groups = [{"params": params[:1]}, {"params": params[1:], "lr": 0.5, "maximize": True}]
    together = make(groups, lr=0.1, momentum=0.8, **WAYS[way])
    first = make(alone[:1], lr=0.1, momentum=0.8, **WAYS[way])
    second = make(alone[1:], lr=0.5, momentum=0.8, maximize=True, **WAYS[way])
    for k in range(3):
        new_gradients(params, k)
        new_gradients(alone, k)
        together.step()
        first.step()
        second.step()
    assert_same(snapshot(params), snapshot(alone))


def test_foreach_is_one_call_for_all(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    make = optimizer_class(load, MOMENTUM)
    module = sys.modules[make.__module__]
    params = parameters((3, 2), (4,), (5,))
    optimizer = make(params, lr=0.1, foreach=True)
    for name in ("_each", "_change"):  # one tensor after the other
        monkeypatch.setattr(module, name, lambda *_: pytest.fail("a call for one tensor"))
    optimizer.step()


@pytest.mark.parametrize("foreach", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.complex64])
@pytest.mark.parametrize("rule", [BIAS_CORRECTED, GLOBAL_NORM, NOISY], ids=lambda rule: rule.name)
def test_large_tensors_go_in_pieces(
    load: Load, rule: UpdateRule, dtype: torch.dtype, foreach: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = optimizer_class(load, rule)
    module = sys.modules[make.__module__]
    seen, whole = [], module._in_pieces

    def counted(*args: Any) -> None:
        seen.append(args[1][0].numel())
        whole(*args)

    monkeypatch.setattr(module, "_in_pieces", counted)
    # The same values; a transposed tensor has no pieces in a row.
    row = parameters((301, 500), dtype=dtype)
    turned = [torch.nn.Parameter(p.detach().t().contiguous().t()) for p in row]
    size = row[0].numel() * (2 if dtype.is_complex else 1)
    one, other = (make(params, lr=0.1, foreach=foreach) for params in (row, turned))
    for k in range(3):
        new_gradients(row, k)
        turned[0].grad = row[0].grad.t().contiguous().t()
        version = row[0]._version
        one.step()
        assert row[0]._version > version
        calls = len(seen)
        assert set(seen) == {size}
        other.step()
        assert len(seen) == calls
    # Random numbers are counted, and sums are taken, in the order of memory.
    if rule is BIAS_CORRECTED:
        assert_same(snapshot(row), snapshot(turned))
    elif rule is GLOBAL_NORM:
        torch.testing.assert_close(snapshot(row), snapshot(turned))


@pytest.mark.parametrize("rule", [GLOBAL_NORM, BLOCK_NORM, THERMOSTAT], ids=lambda rule: rule.name)
def test_sums_run_over_all_groups_once(load: Load, rule: UpdateRule, way: str) -> None:
    make, values = optimizer_class(load, rule), HYPERPARAMETERS[rule.name]
    params, others = parameters((3,), (4, 2), (5,)), parameters((3,), (4, 2), (5,))
    groups = make([{"params": [p]} for p in params], **values, **WAYS[way])
    single = make(others, **values, **WAYS[way])
    for k in range(3):
        new_gradients(params, k)
        new_gradients(others, k)
        step(groups, rule)
        step(single, rule)
    assert_same(snapshot(params), snapshot(others))
    assert_same(
        [v for p in params for v in groups.state[p].values()],
        [v for p in others for v in single.state[p].values()],
    )


def test_groups_can_be_added_later(load: Load, way: str) -> None:
    params = parameters((3,), (4,))
    optimizer = optimizer_class(load, BIAS_CORRECTED)(params[:1], lr=0.1, **WAYS[way])
    optimizer.step()
    optimizer.add_param_group({"params": params[1:], "lr": 0.3})
    before = snapshot(params)
    optimizer.step()
    assert (params[1].detach() != before[1]).all()
    counts = [optimizer.state[p]["step"].item() for p in params]
    assert counts == [2.0, 1.0]
    fresh = parameters((3,), (4,))[1]
    optimizer_class(load, BIAS_CORRECTED)([fresh], lr=0.3, **WAYS[way]).step()
    assert_same([params[1].detach()], [fresh.detach()])


def test_named_parameters(load: Load, way: str) -> None:
    model = torch.nn.Linear(3, 2)
    optimizer = optimizer_class(load, MOMENTUM)(model.named_parameters(), lr=0.1, **WAYS[way])
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    (group,) = optimizer.state_dict()["param_groups"]
    assert group["param_names"] == ["weight", "bias"]
    assert "Momentum" in repr(optimizer)
    assert "lr: 0.1" in repr(optimizer)


# Gradients


def test_a_missing_gradient_changes_nothing(load: Load, way: str) -> None:
    params = parameters((3,), (4,))
    optimizer = optimizer_class(load, BIAS_CORRECTED)(params, lr=0.1, **WAYS[way])
    optimizer.step()
    params[1].grad = None
    before, version = snapshot(params), params[1]._version
    state = {name: value.clone() for name, value in optimizer.state[params[1]].items()}
    optimizer.step()
    assert (params[0].detach() != before[0]).all()
    assert_same([params[1].detach()], [before[1]])
    assert params[1]._version == version
    assert_same(list(optimizer.state[params[1]].values()), list(state.values()))
    for p in params:
        p.grad = None
    before = snapshot(params)
    optimizer.step()
    assert_same(snapshot(params), before)


def test_late_first_gradients(load: Load, way: str) -> None:
    """SGD with fused=True of torch 2.13 raises TypeError here."""
    params, fresh = parameters((3,), (4,)), parameters((3,), (4,))
    make = optimizer_class(load, BIAS_CORRECTED)
    optimizer = make(params, lr=0.1, **WAYS[way])
    late, params[1].grad = params[1].grad, None
    optimizer.step()
    assert optimizer.state.get(params[1], {}) == {}
    params[1].grad = late
    optimizer.step()
    make(fresh, lr=0.1, **WAYS[way]).step()
    assert_same([params[1].detach()], [fresh[1].detach()])


def test_sparse_gradients_are_refused(load: Load, way: str) -> None:
    embedding = torch.nn.Embedding(4, 2, sparse=True)
    other = parameters((2,))[0]
    optimizer = optimizer_class(load, MOMENTUM)([other, embedding.weight], lr=0.1, **WAYS[way])
    embedding(torch.tensor([1])).sum().backward()
    before = snapshot([other, embedding.weight])
    for _ in range(2):
        with pytest.raises(RuntimeError, match="Momentum does not support sparse gradients"):
            optimizer.step()
    assert_same(snapshot([other, embedding.weight]), before)
    embedding.weight.grad = embedding.weight.grad.to_dense()
    optimizer.step()


def test_maximize_goes_the_other_way(load: Load, way: str) -> None:
    params, others = parameters((3,)), parameters((3,))
    for p in others:
        p.grad = -p.grad
    optimizer_class(load, MOMENTUM)(params, lr=0.1, maximize=True, **WAYS[way]).step()
    optimizer_class(load, MOMENTUM)(others, lr=0.1, **WAYS[way]).step()
    assert_same(snapshot(params), snapshot(others))


def test_autograd_notices_that_parameters_have_changed(load: Load, way: str) -> None:
    """With fused=True of torch 2.13 the version of a parameter on the CPU does not move."""
    p = parameters((3,))[0]
    optimizer = optimizer_class(load, MOMENTUM)([p], lr=0.1, **WAYS[way])
    loss = (p * p).sum()
    for _ in range(2):
        version = p._version
        optimizer.step()
        assert p._version > version
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_gradients_stay_as_they_are(load: Load, way: str) -> None:
    params = parameters((3,), (2, 2))
    grads = [p.grad.clone() for p in params]
    optimizer = optimizer_class(load, MOMENTUM)(params, lr=0.1, maximize=True, **WAYS[way])
    optimizer.step()
    assert_same([p.grad for p in params], grads)
    optimizer.zero_grad()
    assert all(p.grad is None for p in params)


# Closures, the loss, guards


def test_closures(load: Load, way: str) -> None:
    p = parameters((3,))[0]
    optimizer = optimizer_class(load, MOMENTUM)([p], lr=0.1, **WAYS[way])

    def closure() -> torch.Tensor:
        assert torch.is_grad_enabled()
        optimizer.zero_grad()
        loss = (p * p).sum()
        loss.backward()
        return loss

    expected = p.detach().clone()
    with torch.no_grad():
        loss = optimizer.step(closure)
    assert loss == (expected**2).sum()
    # 1 - momentum is not 0.1 to the last digit.
    torch.testing.assert_close(p.detach(), expected - 0.1 * 0.1 * 2 * expected)


def test_the_loss_comes_from_the_closure_or_by_name(load: Load, way: str) -> None:
    found = []
    for kind in ("closure", "number", "tensor", "graph"):
        p = parameters((3,))[0]
        optimizer = optimizer_class(load, THERMOSTAT)([p], lr=0.1, **WAYS[way])
        loss = (p * p).sum()
        loss.backward()
        losses = {"number": loss.item(), "tensor": loss.detach().reshape(1), "graph": loss}
        if kind == "closure":
            optimizer.step(lambda loss=loss: loss)
        else:
            optimizer.step(loss=losses[kind])
        found.append([p.detach(), optimizer.state[p]["U"].clone()])
    for other in found[1:]:
        assert_same(other, found[0])
    with pytest.raises(TypeError, match=r"step\(loss=...\)"):
        optimizer.step()


@pytest.mark.parametrize("loss", [-0.5, float("nan")])
def test_guards_change_nothing(load: Load, way: str, loss: float) -> None:
    p = parameters((3,))[0]
    before = p.detach().clone()
    optimizer = optimizer_class(load, GUARDED)([p], lr=0.1, floor=-0.5, **WAYS[way])
    with pytest.raises(ValueError, match="the loss must stay above floor"):
        optimizer.step(loss=loss)
    assert_same([p.detach()], [before])
    optimizer.step(loss=0.5)
    assert (p.detach() != before).all()


# Learning rates


def test_schedulers(load: Load, way: str) -> None:
    params, others = parameters((3,)), parameters((3,))
    make = optimizer_class(load, MOMENTUM)
    optimizer, plain = make(params, lr=1.0, **WAYS[way]), make(others, lr=1.0, **WAYS[way])
    scheduler = torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.5)
    for k in range(3):
        optimizer.step()
        scheduler.step()
        plain.param_groups[0]["lr"] = 0.5**k
        plain.step()
    assert_same(snapshot(params), snapshot(others))


def test_one_cycle_changes_the_momentum_too(load: Load, way: str) -> None:
    params = parameters((3,))
    optimizer = optimizer_class(load, MOMENTUM)(params, lr=0.1, **WAYS[way])
    cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=0.1, total_steps=10)
    assert optimizer.param_groups[0]["momentum"] == 0.95
    X = torch.zeros(3, dtype=torch.float64)
    for _ in range(3):
        momentum = optimizer.param_groups[0]["momentum"]
        optimizer.step()
        cycle.step()
        X = momentum * X + (1 - momentum) * params[0].grad
    torch.testing.assert_close(optimizer.state[params[0]]["X"], X)


@pytest.mark.parametrize("way", WAYS)
def test_hyperparameters_may_be_tensors(load: Load, way: str) -> None:
    params, others = parameters((3,)), parameters((3,))
    lr = torch.tensor([0.5], dtype=torch.float64)
    optimizer = optimizer_class(load, MOMENTUM)(params, lr=lr, **WAYS[way])
    plain = optimizer_class(load, MOMENTUM)(others, lr=0.5, **WAYS[way])
    optimizer.step()
    lr.fill_(0.25)
    optimizer.step()
    plain.step()
    plain.param_groups[0]["lr"] = 0.25
    plain.step()
    assert_same(snapshot(params), snapshot(others))


# Saving


def through_file(state: dict[str, Any]) -> Any:
    """A state as it comes back from a file, read without running code."""
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@pytest.mark.parametrize("second", ["for loop", "fused"])
@pytest.mark.parametrize("first", ["for loop", "fused"])
@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_continuing_is_going_on(load: Load, rule: UpdateRule, first: str, second: str) -> None:
    shapes = ((3,), (4, 5), ())
    make, values = optimizer_class(load, rule), HYPERPARAMETERS[rule.name]
    start = parameters(*shapes)
    one = make(start, **values, **WAYS[first])
    for k in range(2):
        new_gradients(start, k)
        step(one, rule, 0.5 + k)
    parts = parameters(*shapes)
    with torch.no_grad():
        for p, q in zip(parts, start, strict=True):
            p.copy_(q)
    other = {name: value / 2 for name, value in values.items()}
    two = make(parts, **other, **WAYS[second])
    saved = through_file(one.state_dict())
    two.load_state_dict(saved)
    two.param_groups[0]["fused"] = second == "fused"
    new_gradients(parts, 5)
    step(two, rule, 2.5)  # must not reach what was saved
    new_gradients(start, 5)
    step(one, rule, 2.5)
    exact = first == second
    for p, q in zip(parts, start, strict=True):
        for name, value in one.state[q].items():
            found = two.state[p][name]
            assert found.dtype == value.dtype
            torch.testing.assert_close(
                found, value, rtol=0 if exact else 1e-12, atol=0 if exact else 1e-13, equal_nan=True
            )
    if exact:
        assert_same(snapshot(parts), snapshot(start))


@pytest.mark.parametrize("half", ["float16", "bfloat16"])
def test_states_keep_their_type(load: Load, half: str, way: str) -> None:
    """`Optimizer.load_state_dict` of torch makes them as narrow as the parameter."""
    params = parameters((300,), dtype=getattr(torch, half))
    make = optimizer_class(load, BIAS_CORRECTED)
    optimizer = make(params, lr=0.1, **WAYS[way])
    for k in range(3):
        new_gradients(params, k)
        optimizer.step()
    state = optimizer.state[params[0]]
    again = make([torch.nn.Parameter(params[0].detach().clone())], lr=0.1, **WAYS[way])
    again.load_state_dict(through_file(optimizer.state_dict()))
    (found,) = again.state.values()
    assert found["X"].dtype == torch.float32
    assert found["step"].dtype == torch.float64
    assert_same([found["X"], found["step"]], [state["X"], state["step"]])


def test_states_that_do_not_fit_change_nothing(load: Load, way: str) -> None:
    params = parameters((3,), (4,))
    make = optimizer_class(load, BIAS_CORRECTED)
    optimizer = make(params, lr=0.1, **WAYS[way])
    optimizer.step()
    good = copy.deepcopy(optimizer.state_dict())
    for change, message in (
        (lambda s: s["state"][0].pop("X"), "the state of parameter 0 has no X"),
        (lambda s: s["state"][1].update(X=torch.zeros(3)), r"X of parameter 1 has shape \(3,\)"),
        (lambda s: s["param_groups"].append({"params": []}), "different number"),
        (lambda s: s["param_groups"][0]["params"].pop(), "size of optimizer's group"),
    ):
        bad = copy.deepcopy(good)
        change(bad)
        with pytest.raises(ValueError, match=message):
            optimizer.load_state_dict(bad)
        assert_same(
            [v for s in optimizer.state_dict()["state"].values() for v in s.values()],
            [v for s in good["state"].values() for v in s.values()],
        )
    optimizer.load_state_dict(good)
    optimizer.step()


def test_hooks(load: Load, way: str) -> None:
    params = parameters((3,))
    optimizer = optimizer_class(load, MOMENTUM)(params, lr=0.1, **WAYS[way])
    calls = []
    optimizer.register_step_pre_hook(lambda *_: calls.append("pre"))
    optimizer.register_step_post_hook(lambda *_: calls.append("post"))
    optimizer.register_state_dict_post_hook(lambda _, state: state | {"more": 1})
    optimizer.register_load_state_dict_pre_hook(
        lambda _, state: {k: v for k, v in state.items() if k != "more"}
    )
    seen = []
    optimizer.register_load_state_dict_post_hook(
        lambda o: seen.append(o.state[params[0]]["X"].clone())
    )
    optimizer.step()
    state = optimizer.state_dict()
    assert state["more"] == 1
    optimizer.load_state_dict(state)
    assert calls == ["pre", "post"]
    assert_same(seen, [optimizer.state[params[0]]["X"]])  # a hook sees the state, not a wrapper


def test_copies_go_their_own_way(load: Load, way: str) -> None:
    model = torch.nn.Linear(3, 2).double()
    optimizer = optimizer_class(load, BIAS_CORRECTED)(model.parameters(), lr=0.1, **WAYS[way])

    def train(model: torch.nn.Module, optimizer: Any) -> list[torch.Tensor]:
        optimizer.zero_grad()
        model(torch.ones(4, 3, dtype=torch.float64)).square().sum().backward()
        optimizer.step()
        return snapshot(list(model.parameters()))

    train(model, optimizer)
    twins = [copy.deepcopy((model, optimizer)), pickle.loads(pickle.dumps((model, optimizer)))]
    for twin_model, twin in twins:
        assert twin.param_groups[0]["params"][0] is twin_model.weight
        assert twin._step_supports_amp_scaling == (way == "fused")
    before = snapshot(list(model.parameters()))
    found = [train(*twin) for twin in twins]
    assert_same(snapshot(list(model.parameters())), before)
    expected = train(model, optimizer)
    for values in found:
        assert_same(values, expected)


# Mixed precision training


def scaled_gradient(p: torch.nn.Parameter, value: float, scale: torch.Tensor) -> None:
    p.grad = torch.full_like(p, value) * scale.to(p.dtype)


def test_a_scaler_that_overflows_in_the_first_step(load: Load, way: str) -> None:
    """SGD with fused=True of torch 2.13 goes on with what was in its memory before."""
    params, others = parameters((3,)), parameters((3,))
    make = optimizer_class(load, BIAS_CORRECTED)
    optimizer, plain = make(params, lr=0.1, **WAYS[way]), make(others, lr=0.1, **WAYS[way])
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**10)
    before = snapshot(params)
    for value in (float("inf"), 0.5, 0.25, float("nan"), -0.5):
        scaler.scale(torch.tensor(1.0))
        scaled_gradient(params[0], value, scaler._scale)
        scaler.step(optimizer)
        scaler.update()
        if value != value or value == float("inf"):
            assert_same(snapshot(params), before)
        else:
            others[0].grad = torch.full_like(others[0], value)
            plain.step()
            torch.testing.assert_close(snapshot(params), snapshot(others))
        before = snapshot(params)
    assert optimizer.state[params[0]]["step"].item() == 3
    assert not hasattr(optimizer, "grad_scale")


def test_a_scaler_after_clipping(load: Load, way: str) -> None:
    params, others = parameters((3,)), parameters((3,))
    make = optimizer_class(load, MOMENTUM)
    optimizer, plain = make(params, lr=0.1, **WAYS[way]), make(others, lr=0.1, **WAYS[way])
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    scaler.scale(torch.tensor(1.0))
    scaled_gradient(params[0], 3.0, scaler._scale)
    scaler.unscale_(optimizer)
    torch.nn.utils.clip_grad_norm_(params, 1.0)
    scaler.step(optimizer)
    others[0].grad = params[0].grad.clone()
    plain.step()
    assert_same(snapshot(params), snapshot(others))


def test_half_precision_gradients_are_unscaled_in_float32(load: Load) -> None:
    """1e-7/2 is 0 in float16; scaled it is not, and the compiled code scales in float32."""
    p = torch.nn.Parameter(torch.zeros(4, dtype=torch.float16))
    optimizer = optimizer_class(load, MOMENTUM)([p], lr=1.0, momentum=0.0, fused=True)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**15)
    scaler.scale(torch.tensor(1.0))
    p.grad = torch.full_like(p, 1e-8 * 2**15)
    expected = p.grad.float() / 2**15
    scaler.step(optimizer)
    torch.testing.assert_close(optimizer.state[p]["X"], expected, rtol=1e-6, atol=0)

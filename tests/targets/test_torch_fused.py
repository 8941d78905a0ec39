"""Compiled steps on tensors: memory, addresses, threads, and what the machine code looks like."""

from __future__ import annotations

import copy
import gc
import json
import multiprocessing
import subprocess
import sys
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.usefixtures("torch_threads")
numba = pytest.importorskip("numba")

from hand_made import (  # noqa: E402
    BIAS_CORRECTED,
    BLOCK_NORM,
    COVERAGE,
    GLOBAL_NORM,
    HYPERPARAMETERS,
    MOMENTUM,
    RELATIVISTIC,
    Load,
    document,
)
from test_kernels import DOUBLE, PACKED, X86, assembly  # noqa: E402
from torch_tools import new_gradients, optimizer_class, parameters, snapshot, step  # noqa: E402

from symplectic_codegen.rule.rule import UpdateRule  # noqa: E402
from symplectic_codegen.targets import TARGETS  # noqa: E402

SENTINEL = 7777.0
Make = Callable[[torch.Tensor], torch.Tensor]

# A layout: the shape of all memory, and the parameter in it.
LAYOUTS: dict[str, tuple[tuple[int, ...], Make]] = {
    "padded": ((60,), lambda base: base[7:47]),
    "every second": ((90,), lambda base: base[3:83:2]),
    "columns": ((6, 30), lambda base: base[1:5, 2:22:2]),
    "transposed": ((7, 12), lambda base: base.t()),
    "part of transposed": ((12, 7), lambda base: base[1:9, 1:6].t()),
    "channels last": ((2, 4, 5, 3), lambda base: base.permute(0, 3, 1, 2)),
    "three axes": ((6, 5, 6), lambda base: base[1:5:2, :, 1:5].permute(2, 0, 1)),
    "one element": ((9,), lambda base: base[4:5]),
    "no axis": ((9,), lambda base: base[4]),
    "empty": ((9, 3), lambda base: base[4:4]),
    "one row": ((3, 8), lambda base: base[1:2]),
}
GRADIENTS: dict[str, Make] = {
    "contiguous": lambda g: g.contiguous(),
    "transposed": lambda g: g.mT.contiguous().mT if g.dim() > 1 else g,
    "strided": lambda g: torch.stack([g, g], dim=-1)[..., 1],
    "expanded": lambda g: g[..., :1].expand(g.shape) if g.dim() else g,
}


@pytest.fixture(params=["in C", "in Python"])
def look(request: pytest.FixtureRequest, load: Load, monkeypatch: pytest.MonkeyPatch) -> str:
    """How a step looks at gradients; versions of PyTorch before 2.10 leave it to Python."""
    if request.param == "in Python":
        for rule in (MOMENTUM, GLOBAL_NORM, BLOCK_NORM):
            monkeypatch.setattr(load("torch", rule), "_describe", lambda: 0)
    return str(request.param)


def test_both_ways_to_look_see_the_same(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load("torch", MOMENTUM)
    module._compile()
    base = torch.arange(24.0).reshape(2, 3, 4)
    views = [view(torch.zeros(shape)) for shape, view in LAYOUTS.values()]
    views += [base[:, :1], base[1:, :, 1:2], base.expand(0, 2, 3, 4), base[0].T]
    tensors = [make(view) for view in views for make in GRADIENTS.values()]
    tensors += [base.to(kind) for kind in (torch.float64, torch.float16, torch.bfloat16)]
    tensors.append(torch.nn.Parameter(base))
    if torch.__version__ < "2.10":  # versions compare as such
        pytest.skip("this PyTorch has no C exchange API of DLPack")
    assert module._describe() != 0
    fast = module._facts(tensors)
    monkeypatch.setattr(module, "_describe", lambda: 0)
    assert fast.tolist() == module._facts(tensors).tolist()
    assert fast.tolist() != module._facts(tensors[::-1]).tolist()


def test_what_has_no_address(load: Load, look: str) -> None:
    module = load("torch", MOMENTUM)
    module._compile()
    with pytest.raises(RuntimeError):
        module._facts([torch.ones(3), torch.eye(3).to_sparse()])
    assert module._facts([]).shape == (0, 4)


@pytest.mark.usefixtures("look")
@pytest.mark.parametrize("gradient", GRADIENTS)
@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_layout_and_nothing_outside(load: Load, layout: str, gradient: str) -> None:
    """SGD and Adam with fused=True of torch 2.13 walk raw memory here, also outside of it."""
    shape, view = LAYOUTS[layout]
    generator = torch.Generator().manual_seed(0)
    values = HYPERPARAMETERS["global_norm"]
    found = []
    for options in ({"fused": True}, {"foreach": False}):
        base = torch.full(shape, SENTINEL, dtype=torch.float64)
        outside = torch.ones(shape, dtype=torch.bool)
        view(outside).fill_(False)
        w = view(base)
        w.copy_(torch.randn(w.shape, generator=generator.manual_seed(1), dtype=torch.float64))
        p = torch.nn.Parameter(w)
        assert p.data_ptr() == w.data_ptr()
        optimizer = optimizer_class(load, GLOBAL_NORM)([p], **values, **options)
        for k in range(3):
            g = torch.randn(w.shape, generator=generator.manual_seed(2 + k), dtype=torch.float64)
            p.grad = GRADIENTS[gradient](g)
            optimizer.step()
        assert (base[outside] == SENTINEL).all()
        found.append([p.detach().clone(), optimizer.state[p]["X"].clone()])
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-13, atol=1e-14)


def test_torch_itself_gets_a_layout_wrong() -> None:
    """If this fails, the remark about torch 2.13 above is out of date."""
    if not torch.__version__.startswith("2.13"):
        pytest.skip("known of 2.13")
    found = []
    for fused in (True, False):
        p = torch.nn.Parameter(torch.arange(6.0).reshape(2, 3))
        p.grad = torch.arange(6.0).reshape(3, 2).t()
        torch.optim.SGD([p], lr=1.0, fused=fused).step()
        found.append(p.detach())
    assert (found[0] != found[1]).any()


@pytest.mark.usefixtures("look")
def test_a_gradient_that_is_the_parameter(load: Load) -> None:
    for rule in (MOMENTUM, BLOCK_NORM):
        found = []
        for fused in (True, False):
            params = parameters((9,), (5,))
            for p in params:
                p.grad = p.detach()
            values = HYPERPARAMETERS[rule.name]
            optimizer = optimizer_class(load, rule)(params, **values, fused=fused)
            step(optimizer, rule)
            found.append(snapshot(params))
        if rule is MOMENTUM:
            torch.testing.assert_close(*found, rtol=1e-14, atol=1e-14)
    # With several sweeps: as if the gradient were another tensor.
    others = parameters((9,), (5,))
    for p in others:
        p.grad = p.detach().clone()
    optimizer = optimizer_class(load, BLOCK_NORM)(others, **values, fused=True)
    step(optimizer, BLOCK_NORM)
    torch.testing.assert_close(found[0], snapshot(others), rtol=1e-14, atol=1e-14)


def test_shared_memory_is_refused_where_threads_would_meet_in_it(load: Load) -> None:
    base = torch.zeros(10)
    params = [torch.nn.Parameter(base[:6]), torch.nn.Parameter(base[4:])]
    for p in params:
        p.grad = torch.ones_like(p)
    optimizer = optimizer_class(load, MOMENTUM)(params, lr=0.1, fused=True)
    with pytest.raises(ValueError, match="share memory"):
        optimizer.step()
    assert (base == 0).all()
    # Interleaved ones share none.
    params = [torch.nn.Parameter(base[::2]), torch.nn.Parameter(base[1::2])]
    for k, p in enumerate(params):
        p.grad = torch.full_like(p, float(k))
    optimizer_class(load, MOMENTUM)(params, lr=1.0, momentum=0.0, fused=True).step()
    torch.testing.assert_close(base, torch.tensor([0.0, -1.0] * 5))


@pytest.mark.usefixtures("look")
def test_gradients_with_flags_instead_of_values(load: Load) -> None:
    """Conjugation and negation are lazy: the memory does not show them."""
    found = []
    for fused in (True, False):
        z = torch.nn.Parameter(torch.tensor([1 + 2j, 3 - 1j]))
        z.grad = torch.tensor([1 + 1j, 2 - 3j]).conj()
        x = torch.nn.Parameter(torch.tensor(1.0))
        x.grad = torch.tensor(2 - 5j).conj().imag
        y = torch.nn.Parameter(torch.tensor([1.0, 2.0, 3.0]))
        y.grad = torch.tensor([1 - 5j, 1j, 2j]).conj().imag
        assert z.grad.is_conj()
        assert x.grad.is_neg()
        params = [z, x, y]
        optimizer_class(load, MOMENTUM)(params, lr=1.0, momentum=0.0, fused=fused).step()
        found.append(snapshot(params))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("rule", [GLOBAL_NORM, BLOCK_NORM], ids=lambda rule: rule.name)
def test_lists_may_mix_types(load: Load, rule: UpdateRule) -> None:
    types = [torch.float32, torch.float64, torch.bfloat16, torch.complex64, torch.float16]
    found = []
    for fused in (True, False):
        params = [parameters((7, 3), dtype=t, seed=k)[0] for k, t in enumerate(types * 2)]
        values = HYPERPARAMETERS[rule.name]
        optimizer = optimizer_class(load, rule)(params, **values, fused=fused)
        for k in range(2):
            new_gradients(params, k)
            step(optimizer, rule)
        found.append(snapshot(params))
    for a, b in zip(*found, strict=True):
        eps = torch.finfo(a.dtype).eps if a.dtype != torch.float64 else 1e-6
        torch.testing.assert_close(a, b, rtol=2 * eps, atol=2 * eps)


@pytest.mark.usefixtures("look")
def test_gradients_of_another_type(load: Load) -> None:
    """PyTorch allows them where it is told to."""
    p = torch.nn.Parameter(torch.ones(5, dtype=torch.bfloat16))
    if not hasattr(p, "grad_dtype"):
        pytest.skip("this PyTorch has no grad_dtype")
    p.grad_dtype = torch.float32
    p.grad = torch.full((5,), 1 / 3)
    optimizer = optimizer_class(load, MOMENTUM)([p], lr=1.0, momentum=0.0, fused=True)
    optimizer.step()
    torch.testing.assert_close(optimizer.state[p]["X"], p.grad, rtol=0, atol=0)


# Addresses


class Twins:
    """The same optimizer in compiled code and as a loop; what is done to one is done to both."""

    def __init__(self, load: Load, rule: UpdateRule = BIAS_CORRECTED) -> None:
        self.rule = rule
        make, values = optimizer_class(load, rule), HYPERPARAMETERS[rule.name]
        self.params = [parameters((6, 4), (5,), (3,)) for _ in range(2)]
        self.both = [
            make(params, **values, fused=fused)
            for params, fused in zip(self.params, (True, False), strict=True)
        ]
        self.seed = 0

    def step(self) -> None:
        self.seed += 1
        for optimizer in self.both:
            params = [p for group in optimizer.param_groups for p in group["params"]]
            new_gradients(params, self.seed)
            step(optimizer, self.rule)

    def change(self, action: Callable[[Any, list[torch.nn.Parameter]], Any]) -> None:
        for optimizer in self.both:
            action(optimizer, optimizer.param_groups[0]["params"])

    def check(self) -> None:
        one, other = self.both
        pairs = zip(one.param_groups[0]["params"], other.param_groups[0]["params"], strict=True)
        for p, q in pairs:
            torch.testing.assert_close(p.detach(), q.detach(), rtol=1e-12, atol=1e-13)
            for name, value in other.state[q].items():
                torch.testing.assert_close(one.state[p][name], value, rtol=1e-12, atol=1e-13)


def replace_data(optimizer: Any, params: list[torch.nn.Parameter]) -> None:
    params[0].data = params[0].data.clone() + 1


def replace_states(optimizer: Any, params: list[torch.nn.Parameter]) -> None:
    """What scripts do to move an optimizer to another device."""
    for state in optimizer.state.values():
        for value in state.values():
            value.data = value.data.clone() * 2


def replace_one_state(optimizer: Any, params: list[torch.nn.Parameter]) -> None:
    optimizer.state[params[1]]["X"] = torch.ones_like(params[1])


def forget(optimizer: Any, params: list[torch.nn.Parameter]) -> None:
    optimizer.state.clear()


def forget_one(optimizer: Any, params: list[torch.nn.Parameter]) -> None:
    del optimizer.state[params[1]]


def another_state(optimizer: Any, params: list[torch.nn.Parameter]) -> None:
    optimizer.state[params[1]] = {
        name: torch.ones_like(value) for name, value in optimizer.state[params[1]].items()
    }


def count_anew(optimizer: Any, params: list[torch.nn.Parameter]) -> None:
    for p in params:
        optimizer.state[p]["step"] = torch.tensor(7.0, dtype=torch.float64)


def count_in_place(optimizer: Any, params: list[torch.nn.Parameter]) -> None:
    optimizer.state[params[0]]["step"].fill_(4.0)


def cut(optimizer: Any, params: list[torch.nn.Parameter]) -> None:
    """Pruning: the address stays."""
    params[0].grad = None
    params[0].data = params[0].data[:3]
    optimizer.state[params[0]]["X"] = optimizer.state[params[0]]["X"][:3]


def turn(optimizer: Any, params: list[torch.nn.Parameter]) -> None:
    params[0].grad = None
    params[0].data = params[0].data.t()
    optimizer.state[params[0]]["X"] = optimizer.state[params[0]]["X"].t().contiguous()


def other_layout(optimizer: Any, params: list[torch.nn.Parameter]) -> None:
    params[0].data = params[0].data.t().contiguous().t()


def other_type(optimizer: Any, params: list[torch.nn.Parameter]) -> None:
    for p in params:
        p.grad = None
        p.data = p.data.float()


def other_parameter(optimizer: Any, params: list[torch.nn.Parameter]) -> None:
    """As Gaussian splatting does when it makes new splats."""
    old = params[1]
    new = torch.nn.Parameter(torch.cat([old.detach(), old.detach()]))
    state = optimizer.state.pop(old)
    state["X"] = torch.cat([state["X"], torch.zeros_like(state["X"])])
    optimizer.state[new] = state
    params[1] = new


def load_own(optimizer: Any, params: list[torch.nn.Parameter]) -> None:
    optimizer.load_state_dict(copy.deepcopy(optimizer.state_dict()))


CHANGES = (
    replace_data, replace_states, replace_one_state, forget, forget_one, another_state, count_anew,
    count_in_place, cut, turn, other_layout, other_type, other_parameter, load_own,
)  # fmt: skip


@pytest.mark.usefixtures("look")
@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.__name__)
def test_nothing_is_written_through_an_old_address(load: Load, change: Any) -> None:
    twins = Twins(load)
    twins.step()
    twins.step()
    old = [[p.data for p in params] for params in twins.params]
    twins.change(change)
    kept = [[data.clone() for data in datas] for datas in old]
    used = [{p.data_ptr() for p in o.param_groups[0]["params"]} for o in twins.both]
    twins.step()
    twins.step()
    if change is other_type:
        for p, q in zip(*(o.param_groups[0]["params"] for o in twins.both), strict=True):
            torch.testing.assert_close(p.detach(), q.detach(), rtol=1e-6, atol=1e-6)
    else:
        twins.check()
    for datas, copies, addresses in zip(old, kept, used, strict=True):
        for data, before in zip(datas, copies, strict=True):
            if data.data_ptr() not in addresses:  # nobody's any more
                torch.testing.assert_close(data, before, rtol=0, atol=0)


@pytest.mark.usefixtures("look")
def test_gradients_that_do_not_fit(load: Load) -> None:
    p = parameters((6,))[0]
    optimizer = optimizer_class(load, MOMENTUM)([p], lr=0.1, fused=True)
    optimizer.step()
    before = p.detach().clone()
    p.grad.data = torch.ones(3, dtype=torch.float64)
    with pytest.raises(RuntimeError, match="gradient"):
        optimizer.step()
    torch.testing.assert_close(p.detach(), before, rtol=0, atol=0)


def test_states_that_do_not_fit(load: Load) -> None:
    p = parameters((6,))[0]
    optimizer = optimizer_class(load, MOMENTUM)([p], lr=0.1, fused=True)
    optimizer.step()
    before = p.detach().clone()
    optimizer.state[p]["X"] = torch.zeros(3, dtype=torch.float64)
    with pytest.raises(RuntimeError, match="X does not have the shape of its parameter"):
        optimizer.step()
    torch.testing.assert_close(p.detach(), before, rtol=0, atol=0)


def test_parameters_that_take_turns(load: Load) -> None:
    """As experts do; what is known of all of them stays known."""
    twins = Twins(load, BLOCK_NORM)
    plans = set()
    for k in range(7):
        twins.seed += 1
        for optimizer, params in zip(twins.both, twins.params, strict=True):
            new_gradients(params, twins.seed)
            params[k % 3].grad = None
            step(optimizer, twins.rule)
        plans.add(id(twins.both[0]._plan))
    twins.check()
    assert len(plans) <= 2  # once more when the last one got its first gradient


def test_gradients_are_not_kept_alive(load: Load) -> None:
    p = parameters((6,))[0]
    optimizer = optimizer_class(load, MOMENTUM)([p], lr=0.1, fused=True)
    for layout in (lambda g: g, lambda g: torch.stack([g, g], dim=-1)[..., 1]):
        p.grad = layout(torch.ones(6, dtype=torch.float64))
        optimizer.step()
        alive = weakref.ref(p.grad)
        optimizer.zero_grad()
        gc.collect()
        assert alive() is None


# Processes and threads


def test_the_number_of_threads_changes_no_elementwise_result(
    load: Load, torch_threads: Callable[[int], None]
) -> None:
    results = []
    for threads in (1, 2):
        torch_threads(threads)
        params = parameters((70_001,), (0,), (17,), (40_003,), dtype=torch.float32)
        optimizer = optimizer_class(load, MOMENTUM)(params, lr=0.1, fused=True)
        for k in range(2):
            new_gradients(params, k)
            optimizer.step()
        results.append(snapshot(params))
    for a, b in zip(*results, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0)


def test_two_threads_step_two_optimizers(load: Load, torch_threads: Callable[[int], None]) -> None:
    torch_threads(2)

    def work(p: torch.nn.Parameter) -> None:
        optimizer = optimizer_class(load, GLOBAL_NORM)([p], lr=0.1, fused=True)
        for _ in range(20):
            p.grad = torch.ones_like(p)
            optimizer.step()

    params = [torch.nn.Parameter(torch.zeros(100_000)) for _ in range(3)]
    work(params[0])
    if numba.threading_layer() == "workqueue":
        pytest.skip("Numba's workqueue layer allows one Python thread at a time")
    threads = [threading.Thread(target=work, args=(p,)) for p in params[1:]]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for p in params[1:]:
        torch.testing.assert_close(p.detach(), params[0].detach(), rtol=0, atol=0)


def _step_in_child(optimizer: Any, p: torch.nn.Parameter, queue: Any) -> None:
    optimizer.step()
    queue.put(p.detach()[:3].tolist())


@pytest.mark.skipif("fork" not in multiprocessing.get_all_start_methods(), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_works_without_the_threads_of_its_parent(
    load: Load, torch_threads: Callable[[int], None]
) -> None:
    torch_threads(2)
    p = torch.nn.Parameter(torch.zeros(200_000))
    p.grad = torch.ones_like(p)
    optimizer = optimizer_class(load, MOMENTUM)([p], lr=1.0, momentum=0.0, fused=True)
    optimizer.step()
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    child = context.Process(target=_step_in_child, args=(optimizer, p, queue))
    child.start()
    assert queue.get(timeout=60) == [-2.0, -2.0, -2.0]
    child.join(60)
    assert child.exitcode == 0


_ALONE = """
import json, sys, time
import numpy, torch
sys.modules["symplectic_codegen"] = None  # any import of it fails
sys.path.insert(0, {folder!r})
begin = time.perf_counter()
import {module} as module
seconds = time.perf_counter() - begin
early = sorted(name for name in ("numba", "llvmlite", "torch._dynamo") if name in sys.modules)
p = torch.nn.Parameter(torch.arange(5.0))
p.grad = torch.ones(5)
module.Momentum([p], lr=0.5, fused=False).step()
before_fused = "numba" in sys.modules
module.Momentum([p], lr=0.5, fused=True).step()
hits = sum(module._serial_update.stats.cache_hits.values())
print(json.dumps([seconds, early, before_fused, p.tolist(), hits, "sympy" in sys.modules]))
"""


def test_generated_files_stand_alone(load: Load) -> None:
    """Importing is quick, Numba comes with the first compiled step, its code is kept."""
    path = Path(str(load("torch", MOMENTUM).__file__))
    script = _ALONE.format(folder=str(path.parent), module=path.stem)
    results = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-I", "-c", script], cwd=path.parent, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        results.append(json.loads(done.stdout))
    for seconds, early, before_fused, values, _, _ in results:
        assert early == []
        assert not before_fused
        assert values == pytest.approx([k - 0.1 for k in range(5)])
        assert seconds < 1.0
    assert min(result[0] for result in results) < 0.05
    assert results[1][4] > 0


def test_what_is_missing_is_named(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load("torch", MOMENTUM)
    with pytest.raises(RuntimeError, match=r"momentum_cuda\.py"):
        module._cuda_file()
    with pytest.raises(RuntimeError, match="not on meta"):
        module.Momentum([torch.nn.Parameter(torch.zeros(2, device="meta"))], lr=0.1, fused=True)
    monkeypatch.setattr(module, "_has_numba", lambda: False)
    with pytest.raises(RuntimeError, match="pip install numba"):
        module.Momentum(parameters((2,)), lr=0.1, fused=True)


def of_another_kind(p: torch.nn.Parameter) -> torch.nn.Parameter:
    """A parameter with behaviour of its own, about which compiled code knows nothing."""
    return type("Other", (torch.nn.Parameter,), {})(p.detach())


@pytest.mark.parametrize(
    ("options", "is_fused"),
    [
        ({}, True),
        ({"fused": True}, True),
        ({"fused": False}, False),
        ({"foreach": False}, False),
        ({"foreach": True}, False),
        ({"capturable": True}, False),
        ({"differentiable": True}, False),
    ],
    ids=str,
)
def test_who_chooses_nothing_gets_compiled_code(
    load: Load, options: dict[str, bool], is_fused: bool
) -> None:
    params = [p.requires_grad_(False) for p in parameters((3,), (2, 2))]
    optimizer = optimizer_class(load, MOMENTUM)(params, lr=0.1, **options)
    optimizer.step()
    assert (optimizer._plan is not None) == is_fused
    assert optimizer.param_groups[0]["fused"] is options.get("fused")


def test_compiled_code_is_not_forced_on_anyone(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    module = load("torch", MOMENTUM)
    start = torch.linspace(-1, 1, 10, dtype=torch.float64)
    changed = start - 0.1

    def check(
        params: list[torch.nn.Parameter], found: torch.Tensor, expected: torch.Tensor
    ) -> None:
        for p in params:
            p.grad = torch.ones_like(p)
        optimizer = module.Momentum(params, lr=0.1, momentum=0.0)
        optimizer.step()
        assert optimizer._plan is None
        torch.testing.assert_close(found.detach(), expected)

    p = of_another_kind(torch.nn.Parameter(start.clone()))
    check([p], p, changed)
    base = start.clone()
    twice = torch.nn.Parameter(base[:6]), torch.nn.Parameter(base[4:])
    check(list(twice), base, changed - 0.1 * ((start > start[3]) & (start < start[6])))
    monkeypatch.setattr(module, "_has_numba", lambda: False)
    p = torch.nn.Parameter(start.clone())
    check([p], p, changed)


def test_a_step_without_any_gradient(load: Load) -> None:
    params = parameters((3,), (2, 2))
    for p in params:
        p.grad = None
    before = snapshot(params)
    optimizer = optimizer_class(load, GLOBAL_NORM)(params, **HYPERPARAMETERS["global_norm"])
    optimizer.step()
    for p, old in zip(params, before, strict=True):
        torch.testing.assert_close(p.detach(), old, rtol=0, atol=0)
    assert not optimizer.state


def test_a_way_that_is_chosen_later(load: Load) -> None:
    """Options of groups may change between steps."""
    twins = Twins(load)
    for options in ({"fused": None}, {"foreach": False}, {"fused": True, "foreach": None}):
        for group in twins.both[0].param_groups:
            group.update(options)
        twins.step()
        twins.check()


# Machine code


def fresh(rule: UpdateRule) -> Any:
    """The module with nothing compiled yet: code from the cache has no assembly to look at."""
    from types import ModuleType

    (source,) = TARGETS["torch"].emit(rule, document(rule, "torch")).values()
    module = ModuleType(f"torch_asm_{rule.name}")
    module.__file__ = __file__
    sys.modules[module.__name__] = module
    exec(compile(source.replace('"cache": True', '"cache": False'), "asm", "exec"), vars(module))
    module._compile()
    return module


@X86
@pytest.mark.parametrize("half", [np.float32, np.uint16, np.int16], ids=["float32", "bf16", "fp16"])
@pytest.mark.parametrize("rule", [MOMENTUM, RELATIVISTIC], ids=lambda rule: rule.name)
def test_kernels_are_packed_and_free_of_doubles(rule: UpdateRule, half: Any) -> None:
    module = fresh(rule)
    arrays = [np.ones(64, half), np.ones(64, half), np.ones(64, np.float32)]
    module._fused_update(*arrays, *[np.float32(0.5)] * 4, np.empty(0, np.float32))
    text = assembly(module._fused_update)
    assert PACKED.search(text)
    assert not DOUBLE.search(text)


@X86
def test_no_operation_leaks_into_double_precision() -> None:
    module = fresh(COVERAGE)
    count = len(COVERAGE.buffers) + 2
    arrays = [np.ones(8, np.float32) for _ in range(count)]
    module._fused_update(*arrays, np.float32(1), np.empty(0, np.float32))
    assert not DOUBLE.search(assembly(module._fused_update))

"""The code of docs/arrangements.md runs, and the example measures what it says."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
import sympy as sp

import symplectic_codegen as sc
from tests.scripts import ROOT, script


def test_the_page_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("numba")
    pytest.importorskip("torch")
    monkeypatch.chdir(ROOT)  # it reads files of the examples
    text = (ROOT / "docs" / "arrangements.md").read_text(encoding="utf-8")
    snippets = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
    assert len(snippets) > 5
    scope: dict[str, Any] = {}
    for snippet in snippets:
        exec(compile(snippet, "arrangements.md", "exec"), scope)


TWO_KINDS = ROOT / "examples" / "two_kinds.toml"


@pytest.mark.parametrize(("newton", "name"), [(1, "momentum"), (0, "relativistic_per_block")])
def test_a_part_moves_as_by_its_own_hamiltonian(newton: int, name: str) -> None:
    spec = sc.Spec.from_toml(TWO_KINDS.read_text(encoding="utf-8"))
    both = sc.derive(spec).update
    alone = sc.derive(sc.catalog.load(name)).update
    choice = {p.symbol: sp.Integer(newton) for p in spec.hyperparameters if p.name == "newton"}
    found = {a.target: a.expr.xreplace(choice) for a in both.inlined()}
    known = {a.target: a.expr for a in alone.inlined()}
    assert found.keys() == known.keys()
    assert all(sp.simplify(found[z] - known[z]) == 0 for z in known)


@pytest.mark.parametrize("fused", [False, True])
def test_one_optimizer_does_what_two_do(fused: bool) -> None:
    torch = pytest.importorskip("torch")

    def network() -> Any:
        torch.manual_seed(0)
        layers = torch.nn.Linear(8, 16), torch.nn.Tanh(), torch.nn.Linear(16, 3)
        return torch.nn.Sequential(*layers)

    def parts(model: Any) -> list[list[Any]]:
        return [[w for w in model.parameters() if w.ndim == n] for n in (2, 1)]

    spec = sc.Spec.from_toml(TWO_KINDS.read_text(encoding="utf-8"))
    one, two = network(), network()
    matrices, vectors = parts(one)
    groups = [{"params": matrices, "newton": 0.0, "speed": 0.5}, {"params": vectors}]
    joint = [sc.load(spec, target="torch")(groups, lr=0.1, fused=fused)]
    own = [
        sc.load(sc.catalog.load(name), target="torch")(part, lr=0.1, fused=fused, **options)
        for name, part, options in (
            ("relativistic_per_block", parts(two)[0], {"speed": 0.5}),
            ("momentum", parts(two)[1], {}),
        )
    ]
    x, steps = torch.randn(32, 8), 30
    for _ in range(steps):
        for model, optimizers in ((one, joint), (two, own)):
            model.zero_grad()
            model(x).square().mean().backward()
            for optimizer in optimizers:
                optimizer.step()
    unit = torch.finfo(torch.float32).eps / 2
    for a, b in zip(one.parameters(), two.parameters(), strict=True):
        assert (a - b).abs().max() <= 4 * steps * unit * (1 + a.abs().max())


def example() -> dict[str, Any]:
    return vars(script("examples/lattice.py"))


def test_kinks_keep_their_shape_and_the_breather_its_period() -> None:
    pytest.importorskip("numba")
    scope = example()
    # Errors of second order in the distance of particles: a quarter at half the distance.
    for name in ("sine_gordon", "phi4"):
        coarse, fine = (scope["kink"](name, dx=dx, duration=10.0).error for dx in (0.08, 0.04))
        assert fine < 1e-2
        assert np.log2(coarse / fine) == pytest.approx(2, abs=0.3)
    coarse, fine = (scope["breather_center"](size=size).error for size in (513, 1025))
    assert fine < 1e-2
    assert np.log2(coarse / fine) == pytest.approx(2, abs=0.3)


def test_waves_have_the_derived_frequencies_and_energy_does_not_drift() -> None:
    pytest.importorskip("numba")
    scope = example()
    assert scope["dispersion"]().error < 1e-12
    errors = scope["energy"](size=200, blocks=40).measured
    assert abs(errors[-10:].mean() - errors[10:20].mean()) < 5e-4

"""The ladder holds for what the generator writes, and fails for what was edited."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest

import symplectic_codegen as sc
from symplectic_codegen.driver import Derivation, derive
from symplectic_codegen.language.spec import Spec
from symplectic_codegen.validation import (
    Oracle,
    Report,
    ValidationInputError,
    audit,
    validate_derivation,
    validate_paths,
    validate_source,
)
from symplectic_codegen.validation.host_device import compiler

# beta(t) = 1/(1/beta0 - g*t): it ends in finite time.
FINITE = "beta/(2*k)*dot(X, X) + beta*c**2/k*L + h*g/k*beta**2*U"


def source(spec: Spec | str, target: str = "numpy", dtype: str = "any") -> str:
    chosen = sc.catalog.load(spec) if isinstance(spec, str) else spec
    (text,) = sc.generate(chosen, target, dtype=dtype).values()
    return text


def failures(report: Report) -> str:
    return "\n".join(map(str, report.failures))


@pytest.mark.parametrize("name", sc.catalog.names())
def test_the_catalogue_holds_in_numpy(name: str) -> None:
    report = validate_source(source(name))
    # The audit of the prologue has a test of its own.
    assert not [str(r) for r in report.failures if not r.name.startswith("prologue")]
    assert (report.name, report.target) == (name, "numpy")
    # Two trajectories, shapes, state and guards, in two types.
    assert len([r for r in report.rungs if "module" in r.name]) == 10


@pytest.mark.parametrize("name", sc.catalog.names())
def test_the_prologue_keeps_its_digits_at_all_magnitudes(name: str) -> None:
    rung = audit.check_prologue(derive(sc.catalog.load(name)))
    assert rung.status != "fails", rung


@pytest.mark.parametrize("name", ["momentum", "relativistic"])
def test_numba_holds(name: str) -> None:
    report = validate_source(source(name, "numba"))
    assert report.ok, failures(report)


@pytest.mark.parametrize("name", ["momentum", "relativistic", "weight_decay"])
def test_rules_that_step_the_energy(name: str) -> None:
    spec = sc.catalog.load(name).replace(with_energy=True)
    assert Derivation(spec).rule.needs_loss
    report = validate_source(source(spec))
    assert report.ok, failures(report)


def test_a_guard_is_tested_where_beta_ends() -> None:
    text = source(Spec.from_expression(FINITE, "finite"))
    report = validate_source(text)
    assert report.ok, failures(report)
    assert sum("refused with ValueError" in r.detail for r in report.rungs) == 2
    old = "> 0.0:\n                raise ValueError("
    assert text.count(old) == 1
    unguarded = text.replace(old, old.replace("0.0", "-1e9"))
    assert not validate_source(unguarded).ok


def test_one_dtype_is_validated_in_this_dtype() -> None:
    report = validate_source(source("momentum", dtype="float32"))
    assert report.ok
    assert not any("float64 module" in r.name for r in report.rungs)


MUTATIONS = {
    "sign": ("momentum", "w_new = w - lr", "w_new = w + lr"),
    "factor": ("momentum", "zeta * (1.0 - momentum)", "1.000001 * zeta * (1.0 - momentum)"),
    "rounded prologue": ("momentum", "(1.0 - momentum)", "np.float32(1.0 - momentum)"),
    "wrong state": ("momentum", "X[...] = X_new", "X[...] = impulse * G"),
    "old momenta": ("momentum", "w - lr * X_new", "w - lr * X"),
    "step count": ("debiased_momentum", "self._steps += 1", "self._steps += 2"),
    "epilogue": ("relativistic", "t_new = t + tau", "t_new = t + 1.000001 * tau"),
    "reduction": ("relativistic", "sum_ += ", "sum_ = "),
    "None moves": ("momentum", "if G is None:\n                continue", "if G is None: G = w"),
    "not restored": ("momentum", "buffer[...] = saved", "pass"),
    "no copy": ("momentum", "[buffer.copy() for buffer in", "[buffer for buffer in"),
    "hyperparameter": ("momentum", "setattr(self, name, values[name])", "pass"),
    "gradient changed": ("momentum", "X[...] = X_new", "X[...] = X_new\n    G[...] = 0"),
    "raises": ("momentum", "X[...] = X_new", "raise RuntimeError('no')"),
    "exits": ("momentum", "import math\n", "import math\nraise SystemExit(3)\n"),
    "no class": ("momentum", "class Momentum", "class Impetus"),
    "not a number": ("momentum", "w_new = w - lr", "w_new = np.nan * w - lr"),
}


@pytest.mark.parametrize("mutation", MUTATIONS)
def test_an_edited_module_fails(mutation: str) -> None:
    name, old, new = MUTATIONS[mutation]
    text = source(name)
    assert old in text
    report = validate_source(text.replace(old, new, 1))
    failed = [r for r in report.failures if "module" in r.name or "state_dict" in r.name]
    assert failed, f"{mutation} was not noticed"


def test_an_edited_numba_kernel_fails() -> None:
    text = source("momentum", "numba")
    old = "X_new = momentum * X[i] + impulse * G[i]"
    assert old in text
    assert not validate_source(text.replace(old, old.replace("impulse *", "-impulse *"))).ok


def test_an_edited_spec_fails() -> None:
    text = source("momentum")
    edited = text.replace('"equals": "tau/h"', '"equals": "2*tau/h"')
    assert edited != text
    (rung,) = validate_source(edited).rungs
    assert rung.status == "fails"
    assert rung.name == "spec in PROVENANCE"


def test_a_target_without_an_oracle_fails() -> None:
    text = source("momentum").replace('"target": "numpy"', '"target": "fortran"')
    assert [r.detail for r in validate_source(text).failures] == [
        "no oracle drives modules of the target 'fortran'"
    ]


def test_a_temperature_without_a_guard_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    derivation = derive(Spec.from_expression(FINITE, "finite"))
    update = derivation.update
    object.__setattr__(update, "domain", ())
    monkeypatch.setitem(derivation.__dict__, "update", update)
    found = {r.name: r.status for r in validate_derivation(derivation)}
    assert found["domain of β(t)"] == "fails"


def test_a_coefficient_that_cancels_is_noticed() -> None:
    # The same update, its coefficient put in the form that a naive generator would write.
    from symplectic_codegen.rule.expression import ONE, Call, Op, Ref
    from symplectic_codegen.rule.interpreter import FLOAT64, evaluate

    derivation = derive("beta/(2*k)*dot(X, X) + beta*c**2/k*L + h*gamma/k*beta*U")
    (impulse,) = (s for s in audit.scalars(derivation) if s.name == "impulse")
    rate = Call(Op.MUL, (Ref("gamma"), Ref("tau")))
    gap = Call(Op.SUB, (ONE, Call(Op.EXP, (Call(Op.NEG, (rate,)),))))
    naive = Call(Op.DIV, (gap, Ref("gamma")))
    point = dict.fromkeys(("c", "h", "k", "n", "t"), 1.0) | {"gamma": 1e-10, "tau": 1.0}
    assert evaluate(naive, point, FLOAT64) != pytest.approx(1.0, rel=1e-9)
    edited = audit.Scalar("impulse", naive, impulse.original, impulse.roundings)
    mp = audit.precise(120)
    good, bad = (audit._compare(s, point, mp, False) for s in (impulse, edited))
    assert good is not None
    assert bad is not None
    assert good.ratio <= 1 < bad.ratio


def test_the_limit_without_friction_is_a_value() -> None:
    derivation = derive("beta/(2*k)*dot(X, X) + beta*c**2/k*L + h*gamma/k*beta*U")
    rung = audit.check_prologue(derivation)
    assert rung.status == "holds", rung
    assert " 0 of them at ends" not in rung.detail


def test_paths(tmp_path: Path) -> None:
    folder = tmp_path / "numpy"
    folder.mkdir()
    for name in ("momentum", "gradient_descent"):
        (folder / f"{name}.py").write_text(source(name), encoding="utf-8")
    (folder / "other.py").write_text("x = 1\n", encoding="utf-8")
    (tmp_path / "manifest.json").write_text("{}\n", encoding="utf-8")
    seen: list[str] = []
    reports = list(validate_paths([tmp_path], seen.append))
    assert [r.name for r in reports] == ["gradient_descent", "momentum"]
    assert all(r.ok for r in reports)
    assert [Path(p).name for p in seen] == ["gradient_descent.py", "momentum.py"]
    # The time a report took is no part of its value.
    assert reports == list(validate_paths([tmp_path]))
    assert reports == list(validate_paths([tmp_path], jobs=2))


@pytest.mark.parametrize("content", [None, "x = 1\n", "PROVENANCE = open('x')\n"])
def test_what_is_no_generated_file(tmp_path: Path, content: str | None) -> None:
    path = tmp_path / "some.py"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(ValidationInputError, match=r"some\.py"):
        list(validate_paths([path]))


@cache
def generated_cuda_files(name: str) -> dict[str, str]:
    files = sc.generate(sc.catalog.load(name), "cuda")
    return {Path(path).name: text for path, text in files.items()}


def cuda_files(name: str) -> dict[str, str]:
    return dict(generated_cuda_files(name))


ORACLES: dict[str, Oracle] = {}  # the same for all files of one spec


def validate_cuda(name: str, files: dict[str, str]) -> Report:
    others = {key: text for key, text in files.items() if not key.endswith(".py")}
    return validate_source(files[f"{name}.py"], cache=ORACLES, others=others)


@pytest.mark.skipif(compiler() is None, reason="no C++ compiler")
@pytest.mark.parametrize("name", ["momentum", "adam", "relativistic"])
def test_cuda_kernels_hold_on_the_host(name: str) -> None:
    report = validate_cuda(name, cuda_files(name))
    assert report.ok, failures(report)
    both = any("scalars on the device" in rung.name for rung in report.rungs)
    assert both == (name != "relativistic")  # there the host cannot know the sums


@pytest.mark.skipif(compiler() is None, reason="no C++ compiler")
@pytest.mark.parametrize(
    ("part", "old", "new"),
    [
        (".cuh", "w - step.lr * X_new", "w + step.lr * X_new"),
        (".cuh", "in.zeta * (1.0 - in.momentum)", "in.zeta * (1.0 + in.momentum)"),
        (".cu", "i + N <= view.size", "i + N < view.size - 8"),
        (".cu", "a.factor;", "2 * a.factor;"),
        (".cu", "begin + a.chunk", "begin + a.chunk - 4"),
        (".py", '"origin": origins[i]', '"origin": 0, "size": p.size // 2'),
        (".py", "coefficients = (lr, momentum, impulse)", "coefficients = (lr, impulse, momentum)"),
        (".py", '"chunks": chunks,', '"chunks": chunks - 1,'),
    ],
)
def test_an_edited_cuda_file_does_not_hold(part: str, old: str, new: str) -> None:
    files = cuda_files("momentum")
    assert files[f"momentum{part}"].count(old) >= 1
    files[f"momentum{part}"] = files[f"momentum{part}"].replace(old, new)
    report = validate_cuda("momentum", files)
    if "N < view.size - 8" in new:
        assert report.ok  # fewer accesses of 16 bytes, the same numbers
    else:
        assert not report.ok


def test_without_a_compiler_kernels_are_not_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("symplectic_codegen.validation.drivers.compiler", lambda: None)
    report = validate_cuda("momentum", cuda_files("momentum"))
    (rung,) = (r for r in report.rungs if r.name == "generated module")
    assert rung.status == "not applicable"
    assert "no C++ compiler" in rung.detail


def test_cuda_files_are_validated_together(tmp_path: Path) -> None:
    (tmp_path / "momentum.cuh").write_text(cuda_files("momentum")["momentum.cuh"])
    with pytest.raises(ValidationInputError, match=r"together with momentum\.py"):
        list(validate_paths([tmp_path / "momentum.cuh"]))

"""The text: deterministic, as a linter and a formatter want it, and sufficient by itself."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from hand_made import (
    FRACTION,
    HYPERPARAMETERS,
    MOMENTUM,
    POSITIVE,
    RULES,
    Load,
    add,
    call,
    class_name,
    document,
    mul,
    sub,
    term,
)

from symplectic_codegen.errors import TargetError
from symplectic_codegen.rule.expression import Expr, Number, Op
from symplectic_codegen.rule.rule import (
    Assign,
    Buffer,
    Guard,
    Parameter,
    Reduction,
    ScalarState,
    Stage,
    Store,
    UpdateRule,
)
from symplectic_codegen.targets import TARGETS, Document
from symplectic_codegen.targets.rendering import template_folder

ROOT = Path(__file__).resolve().parents[2]


def lengthy() -> UpdateRule:
    """Everything that could make a line too long."""
    names = [f"a_rather_long_hyperparameter_{k}" for k in range(8)]
    total: Expr = term("w")
    for name in names:
        total = add(total, mul(call(Op.SIN, mul(name, "G")), sub(name, call(Op.POW, name, 2))))
    host: Expr = term(1)
    for name in names:
        host = add(host, mul(name, call(Op.EXP, name)))
    message = "the sum of all hyperparameters must be positive, " * 3 + "which it is not"
    return UpdateRule(
        "lengthy",
        tuple(Parameter(name, Fraction(1, 3), POSITIVE, "meaning " * 15) for name in names),
        tuple(Buffer(f"a_long_name_of_a_buffer_{k}", "word " * 30) for k in range(3)),
        (
            Stage(
                (Assign("sum_of_them", host, "a comment " * 20),),
                (Assign("w_new", mul("sum_of_them", total), "another comment " * 20),),
                (Store("w", "w_new"),),
                tuple(Reduction(f"a_long_reduction_{k}", total, "sum") for k in range(9)),
            ),
            Stage((), (Assign("w_new", term("w")),), (Store("w", "w_new"),)),
        ),
        tuple(ScalarState(f"a_scalar_with_a_long_name_{k}", host) for k in range(4)),
        tuple(Assign(f"final_{k}", mul(host, f"a_long_reduction_{k}")) for k in range(4)),
        tuple(Store(f"a_scalar_with_a_long_name_{k}", f"final_{k}") for k in range(4)),
        (Guard(host, message), Guard(term(names[0]), 'short "quoted" message')),
    )


def bare() -> UpdateRule:
    """No hyperparameter, no state: as little as possible."""
    stage = Stage((), (Assign("w_new", sub("w", "G")),), (Store("w", "w_new"),))
    return UpdateRule("bare", (), (), (stage,))


def without_arrays() -> UpdateRule:
    """A sweep that counts elements and stores a scalar."""
    stage = Stage(
        (Assign("half", Number(Fraction(1, 2))),),
        (Assign("again", term("half")),),
        (Store("w", "again"),),
        (Reduction("N", term(1)),),
    )
    state = ScalarState("count", term(0))
    return UpdateRule(
        "without_arrays", (Parameter("unused", None, FRACTION),), (), (stage,), (state,),
        (), (Store("count", "N"),),
    )  # fmt: skip


TEXTS = (*RULES, lengthy(), bare(), without_arrays())


def sources(name: str) -> dict[str, str]:
    return {
        Path(path).name: text
        for rule in TEXTS
        for path, text in TARGETS[name].emit(rule, document(rule, name)).items()
    }


@pytest.mark.parametrize("name", TARGETS)
def test_linter_and_formatter_are_content(tmp_path: Path, name: str) -> None:
    ruff = shutil.which("ruff")
    if ruff is None:
        pytest.skip("ruff is not installed")
    for file, text in sources(name).items():
        (tmp_path / file).write_text(text, encoding="utf-8")
    config = ["--config", str(ROOT / "pyproject.toml"), "--no-cache"]
    layout = subprocess.run(
        [ruff, "format", "--diff", *config, "."], cwd=tmp_path, capture_output=True, text=True
    )
    assert layout.returncode == 0, layout.stdout
    for options in (config, ["--isolated", "--no-cache"]):
        # The rules of the test name their quantities as physicists do.
        lint = subprocess.run(
            [ruff, "check", *options, "--ignore", "N", "."],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
        assert lint.returncode == 0, lint.stdout


@pytest.mark.parametrize("name", TARGETS)
def test_no_line_is_too_long(name: str) -> None:
    for file, text in sources(name).items():
        assert text.endswith("\n")
        assert not text.endswith("\n\n")
        for number, line in enumerate(text.splitlines(), 1):
            assert len(line) <= 100, f"{name}/{file}:{number}"
            assert line == line.rstrip(), f"{name}/{file}:{number}"


_DIGEST = """
import hashlib, sys
sys.path[:0] = [{tests!r}, {root!r}]
from hand_made import RULES, document
from symplectic_codegen.targets import TARGETS
for name, target in TARGETS.items():
    for rule in RULES:
        for text in target.emit(rule, document(rule, name)).values():
            print(name, rule.name, hashlib.sha256(text.encode()).hexdigest())
"""


def test_text_does_not_depend_on_the_hash_seed() -> None:
    script = _DIGEST.format(tests=str(Path(__file__).parent), root=str(ROOT))
    outputs = {
        subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": seed, "PYTHONDONTWRITEBYTECODE": "1"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("0", "1", "4242")
    }
    assert len(outputs) == 1
    files = sum(len(target.layout) for target in TARGETS.values())
    assert len(outputs.pop().splitlines()) == files * len(RULES)


_ALONE = """
import importlib.util, json, sys, time
from pathlib import Path
import numpy as np
sys.modules["symplectic_codegen"] = None  # any import of it fails
if {target!r} == "numba":
    import numba, numba.extending
start = time.perf_counter()
sys.path.insert(0, {folder!r})
import {module} as module
seconds = time.perf_counter() - start
compiled = len(getattr(module.update, "signatures", ()))
w = np.arange(5, dtype=np.float32)
optimizer = module.Momentum([w], lr=0.5)
optimizer.step([np.ones(5, np.float32)])
stats = getattr(module._serial_update, "stats", None) if {target!r} == "numba" else None
hits = sum(stats.cache_hits.values()) if stats else 0
packages = sorted(name for name in sys.modules if "." not in name)
print(json.dumps([seconds, compiled, w.tolist(), hits, packages]))
"""


def test_generated_files_stand_alone(load: Load, target: str) -> None:
    """Import is quick and compiles nothing; the second process finds the compiled code."""
    path = Path(str(load(target, MOMENTUM).__file__))
    script = _ALONE.format(target=target, folder=str(path.parent), module=path.stem)
    results = []
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-I", "-W", "error", "-c", script],
            cwd=path.parent,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        results.append(json.loads(done.stdout))
    for seconds, compiled, values, _, packages in results:
        assert compiled == 0
        assert values == pytest.approx([k - 0.05 for k in range(5)])
        assert not {"sympy", "jinja2", "torch"} & set(packages)
        assert seconds < 1.0  # 50 ms on a quiet machine
    assert min(result[0] for result in results) < 0.05
    if target == "numba":
        assert results[1][3] > 0
        assert list((path.parent / "__pycache__").glob(f"{path.stem}*.nbi"))


@pytest.mark.parametrize("rule", [lengthy(), bare(), without_arrays()], ids=lambda r: r.name)
def test_odd_rules_run(load: Load, target: str, rule: UpdateRule) -> None:
    import numpy as np

    w = [np.ones(3), np.ones((2, 2), np.float32), np.array(1.0)]
    values = {p.name: 0.5 for p in rule.parameters}
    optimizer = getattr(load(target, rule), class_name(rule))(w, **values)
    optimizer.step([np.ones_like(p) for p in w])
    expected = {"bare": 0.0, "without_arrays": 0.5}
    if rule.name in expected:
        for p in w:
            np.testing.assert_array_equal(p, np.full(p.shape, expected[rule.name], p.dtype))
    if rule.name == "without_arrays":
        assert optimizer.state_dict()["scalars"] == {"count": 8.0}


@pytest.mark.parametrize("name", ["self", "params", "step", "state_dict", "_x"])
def test_hyperparameters_that_clash_with_the_class(name: str) -> None:
    rule = UpdateRule("clash", (Parameter(name, None),), (), (Stage(),))
    for target in TARGETS.values():
        with pytest.raises(TargetError, match=f"hyperparameter {name} needs another name"):
            target.emit(rule, document(rule, target.name))


def test_constants_that_do_not_fit() -> None:
    stage = Stage((), (Assign("x", term(10**400)),), (Store("w", "x"),))
    rule = UpdateRule("huge", (), (), (stage,))
    for target in TARGETS.values():
        with pytest.raises(TargetError, match="does not fit"):
            target.emit(rule, document(rule, target.name))


def test_documents_are_checked() -> None:
    with pytest.raises(TargetError, match="identifier"):
        Document("2x", "", "", ())
    with pytest.raises(TargetError, match="dtypes"):
        Document("X", "", "", (), dtypes=("bfloat16",))


def test_a_document_may_restrict_dtypes(load: Load, tmp_path: Path) -> None:
    for name in ("numpy", "numba"):
        text = Document("Momentum", "t", "h", ("u",), dtypes=("float32",))
        (source,) = TARGETS[name].emit(MOMENTUM, text).values()
        assert "_DTYPES = (np.dtype(np.float32),)" in source
        assert 'must be native float32"' in source
    (source,) = TARGETS["torch"].emit(MOMENTUM, text).values()
    assert "torch.bfloat16: torch.float32" in source
    assert "torch.float64: torch.float64" not in source


def test_templates_are_found_in_the_checkout() -> None:
    assert (template_folder() / "numpy" / "module.py.jinja").is_file()


def test_every_hyperparameter_of_the_tests_is_used() -> None:
    assert set(HYPERPARAMETERS) == {rule.name for rule in RULES}

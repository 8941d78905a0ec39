"""The command line end to end: what it writes, what it refuses, and with which exit status."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from symplectic_codegen.cli import main
from symplectic_codegen.errors import OutputError
from symplectic_codegen.files import write_files

SGD = "beta/(2*k)*dot(X, X) + beta*c**2/k*L + h*gamma/k*beta*U"
ROOT = Path(__file__).parents[1]


def run(*words: str) -> Result:
    return CliRunner().invoke(main, list(words), catch_exceptions=False)


def test_derive_as_text_latex_and_json() -> None:
    text = run("derive", "--catalog", "momentum", "--dim", "2")
    assert text.exit_code == 0
    for line in (
        "{wⁱ, Xⱼ} = δᵢⱼ/β",
        "β(t) = β₀·exp(γ·t)",
        "X ← momentum·X + (1 − momentum)·ζ·∇L",
        "exactly symplectic",
        "agree with those written out",
    ):
        assert line in text.output
    latex = run("derive", SGD, "--format", "latex").output
    assert r"\dot{\mathbf{w}} &= - \frac{\mathbf{X}}{h}" in latex
    data = json.loads(run("derive", SGD, "--format", "json").output)
    assert data["temperature"]["kind"] == "exponential"
    assert {claim["verdict"] for claim in data["claims"]} == {"proved"}


def test_derive_prints_the_charge_of_a_symmetry() -> None:
    text = run("derive", "--catalog", "weight_decay", "--symmetry", "scaling", "--block")
    assert text.exit_code == 0
    for line in (
        "Noether charge of scaling",
        "Σᵢ aᵢ·wᵢ·∂ᵢL = 0 at every w",
        "verdict: J is broken by the potential of the weights and the kinetic energy",
        "R̈ = 2·|ẇ|² − 2·R·c²·decay/h² − γ·Ṙ",
        "Under the update rule: the squared norm, exactly",
        "Implicit RMSProp of the rule",
        "the step follows the law of J through τ^1, not further",
    ):
        assert line in text.output
    latex = run("derive", SGD, "--symmetry", "scaling", "--format", "latex").output
    assert r"\ddot R &= - \gamma {\dot R} + 2 {|\dot{\mathbf w}|^2}" in latex
    assert "¹" not in latex.split("Noether")[1]
    data = json.loads(run("derive", SGD, "--symmetry", "translation", "--format", "json").output)
    assert data["symmetry"]["conserved"] is True
    assert data["symmetry"]["charge"] == "beta*Total(X)"
    claims = [claim for part in data["symmetry"]["parts"] for claim in part["claims"]]
    assert {claim["verdict"] for claim in claims} == {"proved"}
    plain = json.loads(run("derive", SGD, "--format", "json").output)
    assert "symmetry" not in plain


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("--catalog", "langevin", "--symmetry", "scaling"), "noise beside it"),
        (("--catalog", "gradient_descent", "--symmetry", "rotation"), "keeps no momenta"),
        (("--catalog", "momentum", "--symmetry", "shear"), "'shear' is not one of"),
        (("--catalog", "momentum", "--block"), "give --symmetry too"),
    ],
)
def test_symmetries_that_make_no_sense_are_refused(words: tuple[str, ...], reason: str) -> None:
    result = run("derive", *words)
    assert result.exit_code == 2
    assert reason in result.output


def test_derive_says_why_there_is_no_rule() -> None:
    result = run("derive", "beta*dot(X, X)/2*L")
    assert result.exit_code == 0
    assert "No update rule" in result.output
    assert "it couples the loss with the momenta X" in result.output


BAD = [
    ("dot(X, X", "'(' is never closed", "   ^"),
    ("X**2", "a scalar is needed", "^^^^"),
    ("foo(X)", "there is no function 'foo'", "^^^"),
    ("__import__('os')", "begin with an underscore", "^"),
    ("9**9**9", "exponent", "^"),
    ("dot(X, L)", "L is a scalar", "       ^"),
]


@pytest.mark.parametrize(("text", "message", "caret"), BAD)
def test_bad_hamiltonians(text: str, message: str, caret: str, tmp_path: Path) -> None:
    result = run("generate", text, "--target", "numba", "--out", str(tmp_path / "o"))
    assert result.exit_code == 2
    assert message in result.output
    assert caret in result.output
    assert not (tmp_path / "o").exists()


PLAIN = "dot(X, X)/2 + L"
REFUSED = [
    (["--integrator", "foo"], "unknown integrator 'foo'"),
    (["--friction", "X**3", "--integrator", "K/2 B/2 C/2 K/2 F B/2 C/2"], "used in different ways"),
    (["--integrator", "B A B"], "add up to 2"),
    (["--integrator", "B/2 A B/3"], "not to 1"),
    (["--integrator", "A (B)"], "no piece of a composition"),
    (["--integrator", "A B(1/(1 - alpha)"], "'(' is never closed"),
    (["--integrator", "[B] A [A K"], "']' is missing"),
    (["--integrator", "[B] B A"], "nothing else can be read out"),
    (["--integrator", "A B(beta)"], "beta cannot be in a part"),
    (["--cooling", "euler"], "must be one of exact, implicit"),
    (["--cooling", "implicit"], "write K and C in the place of A"),
    (["--norms", "layer"], "must be one of global, block"),
    (["--friction", "D"], "a friction is a vector"),
    (["--friction", "D*G"], "G cannot be used in a friction"),
    (["--noise", "L"], "L cannot be used in a noise"),
    (["--noise", "s", "--integrator", "A B"], "no piece N or O"),
    (["--time-step", "X"], "X cannot be used in a time step"),
    (["--energy", "L"], "L cannot be used in an energy"),
    (["--energy", "1", "--integrator", "A B"], "no piece P"),
    (["--reparam", "lr = tau*exp(tau) + tau**3"], "cannot be solved"),
    (["--reparam", "lr"], "NAME = EXPR"),
    (["--set", "foo=1"], "there is no 'foo'"),
    (["--set", "tau"], "NAME=VALUE"),
    (["--coupling", "beta*w"], "does not contain X"),
    (["--dtype", "float16"], "unknown dtype"),
    (["--target", "fortran"], "there is no target 'fortran'"),
    (["--catalog", "momentum"], "give one of"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_bad_options(options: list[str], message: str, tmp_path: Path) -> None:
    out = tmp_path / "o"
    result = run("generate", PLAIN, "--target", "numpy", "--out", str(out), *options)
    assert result.exit_code == 2
    assert message in result.output
    assert not out.exists()


def test_an_output_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    result = run("generate", PLAIN, "--target", "numpy", "--out", str(tmp_path / "file" / "o"))
    assert result.exit_code == 2
    assert "cannot write" in result.output


def test_an_interrupted_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_files(tmp_path, {"a.py": "old"})

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "replace", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_files(tmp_path, {"a.py": "new"})
    assert [p.name for p in tmp_path.iterdir()] == ["a.py"]
    assert (tmp_path / "a.py").read_text() == "old"


def test_a_file_in_the_place_of_a_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("")
    with pytest.raises(OutputError, match="cannot write"):
        write_files(tmp_path, {"x/a.py": "text"})


def test_generate_check_and_edit(tmp_path: Path) -> None:
    words = ("generate", SGD, "--name", "mine", "--target", "numpy", "--out", str(tmp_path))
    assert run(*words, "--report").exit_code == 0
    path = tmp_path / "numpy" / "mine.py"
    assert run(*words, "--check").exit_code == 0
    assert run("check", str(path)).output.startswith("untouched")
    path.write_text(path.read_text().replace("decay * X", "decay * 1 * X"))
    edited = run("check", str(path))
    assert edited.exit_code == 1
    assert edited.output.startswith("edited")
    differing = run(*words, "--check")
    assert differing.exit_code == 1
    assert "differs" in differing.output
    path.unlink()
    assert "missing" in run(*words, "--check").output


def test_a_manifest_tells_stale_missing_and_extra(tmp_path: Path) -> None:
    assert run("generate", "--all", "--target", "numpy", "--out", str(tmp_path)).exit_code == 0
    assert run("check", str(tmp_path)).exit_code == 0
    other = ["generate", SGD, "--name", "momentum", "--target", "numpy", "--out", str(tmp_path)]
    assert run(*other).exit_code == 0
    stale = run("check", str(tmp_path))
    assert stale.exit_code == 1
    assert "stale: " in stale.output
    (tmp_path / "numpy" / "adam.py").unlink()
    assert "it is gone" in run("check", str(tmp_path)).output
    (tmp_path / "numpy" / "extra.py").write_text("x = 1\n")
    result = run("generate", "--all", "--target", "numpy", "--out", str(tmp_path), "--check")
    assert result.exit_code == 1
    for word in ("missing: numpy/adam.py", "differs: numpy/momentum.py", "extra: numpy/extra.py"):
        assert word in result.output


def test_the_committed_catalogue_is_current() -> None:
    result = run("generate", "--all", "--out", str(ROOT / "generated"), "--check")
    assert result.exit_code == 0, result.output


def test_the_recorded_command_regenerates_the_file(tmp_path: Path) -> None:
    import shlex

    from symplectic_codegen.provenance import read_provenance

    reparams = ("--reparam", "lr = tau/h", "--set", "lr=0.1", "--integrator", "strang")
    first = ("generate", SGD, "--name", "mine", "--target", "numpy", *reparams)
    assert run(*first, "--out", str(tmp_path / "a")).exit_code == 0
    text = (tmp_path / "a" / "numpy" / "mine.py").read_text()
    provenance = read_provenance(text)
    assert provenance is not None
    words = shlex.split(provenance["command"])
    assert words[0] == "symplectic-codegen"
    assert run(*words[1:], "--out", str(tmp_path / "b")).exit_code == 0
    assert (tmp_path / "b" / "numpy" / "mine.py").read_text() == text


def test_the_same_bytes_under_any_hash_seed(tmp_path: Path) -> None:
    texts = set()
    for seed in ("0", "7"):
        out = tmp_path / seed
        subprocess.run(
            [sys.executable, "-m", "symplectic_codegen", "generate", "--catalog", "adamw",
             "--target", "numba", "--out", str(out)],
            check=True, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True,
        )  # fmt: skip
        texts.add((out / "numba" / "adamw.py").read_bytes())
    assert len(texts) == 1


def test_checking_needs_no_sympy() -> None:
    code = (
        "import sys; sys.modules['sympy'] = None\n"
        "from symplectic_codegen.cli import main\n"
        f"main(['check', {str(ROOT / 'generated')!r}])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("what", ["catalog", "targets", "integrators"])
def test_lists(what: str) -> None:
    assert run("list", what).exit_code == 0
    rows = json.loads(run("list", what, "--format", "json").output)
    assert all(row["name"] and row["description"] for row in rows)


def test_validate_and_its_failure(tmp_path: Path) -> None:
    good = run("validate", str(ROOT / "generated" / "numpy" / "momentum.py"))
    assert good.exit_code == 0
    assert "closed form" in good.output
    text = (ROOT / "generated" / "numpy" / "momentum.py").read_text()
    bad = tmp_path / "momentum.py"
    bad.write_text(text.replace("w_new = w - lr * X_new", "w_new = w + lr * X_new"))
    assert run("validate", str(bad)).exit_code == 1
    assert run("validate", str(tmp_path / "nothing.py")).exit_code == 2

"""What somebody does who takes the generated CUDA files into a C++ project."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from symplectic_codegen.provenance import SUFFIXES, State, inspect_all, read_provenance
from symplectic_codegen.validation.host_device import compiler

ROOT = Path(__file__).resolve().parents[1]
GENERATED = ROOT / "generated" / "cuda"
EXAMPLE = ROOT / "examples" / "cpp"

needs_compiler = pytest.mark.skipif(compiler() is None, reason="no C++ compiler")


def nvcc() -> str | None:
    found = shutil.which("nvcc")
    if found is None:
        try:
            from cuda.pathfinder import find_nvidia_binary_utility
        except ModuleNotFoundError:
            return None
        found = find_nvidia_binary_utility("nvcc")
    return found


def trained(output: str) -> dict[str, float]:
    rows = [re.fullmatch(r"(.+?) {2,}(\S+)", line) for line in output.splitlines()]
    return {row.group(1): float(row.group(2)) for row in rows if row is not None}


def check_losses(output: str) -> None:
    losses = trained(output)
    assert losses["loss at the start"] > 1
    # The noise of the data has the mean square 1e-4.
    assert 0.5e-4 < losses["momentum"] < 1.2e-4
    assert 0.5e-4 < losses["Adam"] < 1.2e-4


@needs_compiler
def test_the_line_in_the_head_of_the_example(tmp_path: Path) -> None:
    text = (EXAMPLE / "regression.cpp").read_text(encoding="utf-8")
    (line,) = re.findall(r"^//   (g\+\+ .+) && \./regression$", text, re.MULTILINE)
    words = [str(compiler()), *shlex.split(line)[1:]]
    words[-1] = str(tmp_path / "regression")
    subprocess.run([*words, "-Wall", "-Wextra", "-Werror"], cwd=EXAMPLE, check=True)
    done = subprocess.run([words[-1]], capture_output=True, text=True, check=True)
    check_losses(done.stdout)


@needs_compiler
@pytest.mark.skipif(shutil.which("cmake") is None, reason="no CMake")
def test_the_example_by_cmake_away_from_the_checkout(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLE, tmp_path / "examples" / "cpp")
    shutil.copytree(GENERATED, tmp_path / "generated" / "cuda")
    source, made = tmp_path / "examples" / "cpp", tmp_path / "build"
    for words in (["-S", str(source), "-B", str(made)], ["--build", str(made)]):
        subprocess.run(["cmake", *words], check=True, capture_output=True)
    done = subprocess.run([str(made / "regression")], capture_output=True, text=True, check=True)
    check_losses(done.stdout)


@pytest.mark.skipif(nvcc() is None, reason="no nvcc")
@pytest.mark.parametrize("name", ["momentum", "relativistic"])
def test_the_line_in_the_head_of_the_kernels(name: str, tmp_path: Path) -> None:
    text = (GENERATED / f"{name}.cu").read_text(encoding="utf-8")
    (line,) = re.findall(r"^//   (nvcc .+)$", text, re.MULTILINE)
    line = line.replace("-arch=native", "-arch=sm_90")  # there may be no GPU to look at
    words = [str(nvcc()), *shlex.split(line)[1:]]
    made = tmp_path / words[-1]
    words[-1] = str(made)
    words += ["-L", str(Path(str(nvcc())).resolve().parent.parent / "lib")]
    done = subprocess.run(words, cwd=GENERATED, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "error" not in done.stderr
    library = made.read_bytes()
    for function in ("init", "step", "step_list", "save", "restore", "free", "message"):
        assert f"{name}_{function}\0".encode() in library


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_untouched_edited_and_stale(suffix: str, tmp_path: Path) -> None:
    original = GENERATED / f"adam{suffix}"
    (finding,) = inspect_all([original])
    assert finding.state is State.UNTOUCHED
    text = original.read_text(encoding="utf-8")
    provenance = read_provenance(text)
    assert provenance is not None
    assert (provenance["name"], provenance["target"]) == ("adam", "cuda")
    # A vendored copy, without the manifest.
    copy = tmp_path / original.name
    copy.write_text(text, encoding="utf-8")
    assert inspect_all([copy])[0].state is State.UNTOUCHED
    assert inspect_all([tmp_path])[0].state is State.UNTOUCHED
    old = "M_new = step.memory * M" if suffix == ".cuh" else "chunk"
    assert old in text
    copy.write_text(text.replace(old, old + " ", 1), encoding="utf-8")
    assert inspect_all([copy])[0].state is State.EDITED
    copy.write_text(text.replace(f'"body_sha256": "{provenance["body_sha256"]}"', ""))
    assert inspect_all([copy])[0].state is State.UNKNOWN
    # Beside a manifest that knows another version of it.
    folder = tmp_path / "generated" / "cuda"
    folder.mkdir(parents=True)
    shutil.copy(original, folder)
    manifest = (ROOT / "generated" / "manifest.json").read_text(encoding="utf-8")
    hash_ = str(provenance["body_sha256"])
    assert manifest.count(hash_) == 1
    (folder.parent / "manifest.json").write_text(manifest.replace(hash_, "0" * 64))
    assert inspect_all([folder / original.name])[0].state is State.STALE


def test_a_comment_cannot_be_ended_from_inside() -> None:
    """A title with the marks of comments changes nothing but the text of the comment."""
    import symplectic_codegen as sc
    from symplectic_codegen.language.spec import Spec

    spec = Spec.from_expression("dot(X, X)/2 + L", "tricky")
    table = spec.canonical() | {"description": "ends */ int x; /* begins", "title": "A title"}
    files = sc.generate(Spec.from_canonical(table), "cuda")
    for path, text in files.items():
        if not path.endswith(".py"):
            assert text.count("*/") == text.count("/*") == 1
            found = read_provenance(text)
            assert found is not None
            assert found["spec"]["description"] == table["description"]


def test_the_benchmark_on_the_host() -> None:
    """The part of benchmarks/gpu.py that is about right results, as far as it needs no GPU."""
    if shutil.which("c++") is None:
        pytest.skip("no C++ compiler called c++")
    words = [sys.executable, str(ROOT / "benchmarks" / "gpu.py"), "--host", "--only"]
    done = subprocess.run([*words, "momentum", "relativistic"], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("right (") == 4
    assert "bits right" in done.stdout


def test_the_page_has_a_row_for_every_entry() -> None:
    """If not: python benchmarks/cuda_table.py --write"""
    page = (ROOT / "docs" / "cuda.md").read_text(encoding="utf-8")
    rows = set(re.findall(r"^\| (\w+) \| \d \|", page, re.MULTILINE))
    assert rows == {path.stem for path in GENERATED.glob("*.cu")}

"""The rooms of the package and their order, read from the source."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

import symplectic_codegen
from symplectic_codegen import catalog

PACKAGE = Path(symplectic_codegen.__file__).parent
NAME = "symplectic_codegen"

# From left to right; a room may import from rooms to its left, and from itself.
ROOMS = (
    "algebra",
    "language",
    "geometry",
    "mechanics",
    "discretization",
    "arrangements",
    "symmetry",
    "rule",
    "passes",
    "targets",
    "presentation",  # may use every symbolic room
)
# The files of the package itself, in the same order; they come after all rooms ...
TOP = (
    "driver",
    "generation",
    "lattices",
    "performance_report",
    "report",
    "analysis",
    "verification",
    "validation",
    "cli",
    "__main__",
)
# ... except for these, which know nothing of the project and may be used by everyone.
COMMON = ("errors", "files", "provenance", "resources")
# Rooms that know no mathematics: a rule must be usable without SymPy from here on.
WITHOUT_SYMPY = ("passes", "targets")


def sources() -> list[Path]:
    return sorted(p for p in PACKAGE.rglob("*.py") if "__pycache__" not in p.parts)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def place(path: Path) -> str:
    """The room of a file, or its own name if it lies at the top."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return parts[0]


def imported(path: Path) -> set[str]:
    """Full names of the modules that a file imports, wherever in the file."""
    found: set[str] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative imports hide the room"
            assert node.module is not None
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def places_imported(path: Path) -> set[str]:
    names = {name for name in imported(path) if name.startswith(f"{NAME}.")}
    tops = {name.split(".")[1] for name in names}
    known = {place(p) for p in sources()}
    return tops & known


def ids(path: Path) -> str:
    return str(path.relative_to(PACKAGE))


IN_ROOMS = [p for p in sources() if place(p) in ROOMS]


def test_the_list_of_rooms_is_complete() -> None:
    folders = {p.name for p in PACKAGE.iterdir() if p.is_dir() and (p / "__init__.py").exists()}
    assert folders - {"catalog", "analysis", "validation", "verification"} <= set(ROOMS)
    assert len(IN_ROOMS) > 20


@pytest.mark.parametrize("path", IN_ROOMS, ids=ids)
def test_a_room_imports_only_from_its_left(path: Path) -> None:
    own = place(path)
    allowed = {*ROOMS[: ROOMS.index(own) + 1], *COMMON}
    assert places_imported(path) - allowed == set()


@pytest.mark.parametrize("path", [p for p in sources() if place(p) in TOP], ids=ids)
def test_what_stands_above_the_rooms_keeps_its_order(path: Path) -> None:
    own = place(path)
    allowed = {*ROOMS, *COMMON, "catalog", *TOP[: TOP.index(own) + 1]}
    assert places_imported(path) - allowed == set()


@pytest.mark.parametrize("path", [p for p in sources() if place(p) in COMMON], ids=ids)
def test_common_files_know_nothing_of_the_rooms(path: Path) -> None:
    assert places_imported(path) <= set(COMMON)


@pytest.mark.parametrize("path", [p for p in sources() if place(p) in WITHOUT_SYMPY], ids=ids)
def test_after_the_rule_there_is_no_sympy(path: Path) -> None:
    assert not {name for name in imported(path) if name.split(".")[0] == "sympy"}


def test_there_are_no_import_cycles() -> None:
    graph: dict[Path, set[Path]] = {}
    by_name = {
        ".".join((NAME, *p.relative_to(PACKAGE).with_suffix("").parts)): p for p in sources()
    }
    for path in sources():
        graph[path] = {by_name[n] for n in imported(path) if n in by_name} - {path}
    state: dict[Path, int] = {}

    def visit(path: Path, trail: tuple[str, ...]) -> None:
        assert state.get(path) != 1, f"cycle: {' -> '.join((*trail, path.stem))}"
        if state.get(path) == 2:
            return
        state[path] = 1
        for following in sorted(graph[path]):
            visit(following, (*trail, path.stem))
        state[path] = 2

    for path in sources():
        visit(path, ())


EVALUATING = {"eval", "exec", "compile", "sympify", "parse_expr", "__import__", "S"}


@pytest.mark.parametrize("path", sources(), ids=ids)
def test_no_text_is_ever_evaluated(path: Path) -> None:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.ImportFrom | ast.Import):
            names = {alias.name.split(".")[-1] for alias in node.names}
            assert not names & {"sympify", "parse_expr", "parse_latex", "sympy_parser"}
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        if isinstance(called, ast.Name):
            # `load` of a generated class is the one place that runs text, and it wrote that text.
            allowed = {"exec", "compile"} if ids(path) == "generation.py" else set()
            assert called.id not in EVALUATING - allowed, f"line {node.lineno}"
        elif isinstance(called, ast.Attribute) and isinstance(called.value, ast.Name):
            if called.value.id in ("sp", "sympy"):
                # sympify of an expression is harmless; of anything that can be a text it is not.
                assert called.attr not in {"parse_expr", "S"}, f"line {node.lineno}"
            assert (called.value.id, called.attr) != ("re", "template")


LANGUAGE_PATHS = [p for p in sources() if place(p) in ("language", "driver", "cli", "generation")]


@pytest.mark.parametrize("path", LANGUAGE_PATHS, ids=ids)
def test_what_a_user_types_never_meets_sympify(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    code = re.sub(r'"""[\s\S]*?"""|#.*', "", text)
    assert not re.search(r"\b(sympify|parse_expr|sp\.S\(|lambdify|N\(\s*text)", code)


def literals(path: Path) -> set[str]:
    """All string literals of a file that are not docstrings."""
    docstrings: set[int] = set()
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and node.body:
            first = node.body[0]
            if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant):
                docstrings.add(id(first.value))
    return {
        node.value
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and id(node) not in docstrings
    }


# Names that are also ordinary words of the package.
# "nesterov" is an integrator too, a composition in a table.
ORDINARY = {"momentum", "relativistic", "accumulation", "weight_decay", "nesterov"}


@pytest.mark.parametrize("path", [p for p in sources() if place(p) != "catalog"], ids=ids)
def test_no_optimizer_is_treated_by_its_name(path: Path) -> None:
    names = {name for name in catalog.names() if name not in ORDINARY}
    camel = {"".join(part.capitalize() for part in name.split("_")) for name in names}
    assert literals(path) & (names | camel) == set()


def test_no_ordinary_name_is_compared_with() -> None:
    for path in sources():
        for node in ast.walk(tree(path)):
            if isinstance(node, ast.Compare):
                values = [c.value for c in node.comparators if isinstance(c, ast.Constant)]
                assert not set(values) & set(catalog.names()), f"{path}: line {node.lineno}"


@pytest.mark.parametrize("path", sources(), ids=ids)
def test_every_module_says_what_it_is_for_and_defers_annotations(path: Path) -> None:
    module = tree(path)
    if not module.body:
        return
    assert ast.get_docstring(module)
    if len(module.body) > 1 and path.stem != "__main__":
        assert "from __future__ import annotations" in path.read_text(encoding="utf-8")

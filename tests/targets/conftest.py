"""Generated modules, each written and imported once for the whole run."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from symplectic_codegen.rule.rule import UpdateRule
from symplectic_codegen.targets import TARGETS
from symplectic_codegen.validation.host_device import compiler, on_host

# Test modules share `hand_made`; pytest's importlib mode leaves the path to us.
sys.path.insert(0, str(Path(__file__).parent))
from hand_made import Load, document

ARRAY_TARGETS = ("numpy", "numba")


@pytest.fixture(scope="session")
def load(tmp_path_factory: pytest.TempPathFactory) -> Load:
    folder = tmp_path_factory.mktemp("generated")
    modules: dict[tuple[str, str], ModuleType] = {}

    def get(target: str, rule: UpdateRule) -> ModuleType:
        key = target, rule.name
        if key not in modules:
            available = TARGETS[target].is_available()
            if target == "cuda" and compiler() is None:
                pytest.skip("no C++ compiler")
            if target != "cuda" and not available.ok:
                pytest.skip(available.reason)
            path: Path = folder / f"generated_{target}_{rule.name}.py"
            for name, source in TARGETS[target].emit(rule, document(rule, target)).items():
                file = path if name.endswith(".py") else folder / Path(name).name
                file.write_text(source, encoding="utf-8")
            spec = importlib.util.spec_from_file_location(path.stem, path)
            assert spec is not None
            assert spec.loader is not None
            module = importlib.util.module_from_spec(spec)
            sys.modules[path.stem] = module
            spec.loader.exec_module(module)
            if target == "cuda":
                on_host(module)
            modules[key] = module
        return modules[key]

    return get


@pytest.fixture
def torch_threads() -> Iterator[Callable[[int], None]]:
    """Sets the number of threads; one, until told otherwise.

    Many tiny parallel regions on a busy machine would wait for each other most of the time.
    """
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture(params=ARRAY_TARGETS)
def target(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=("float32", "float64"))
def dtype(request: pytest.FixtureRequest) -> str:
    return str(request.param)

"""The oracle ladder: every rung is checked against the one above it.

1. exact symbolic identity, and closed-form trajectories on quadratics;
2. 50-digit trajectories of the symbolic update equations;
3. the float64 interpreter of the rule, and every scalar of its prologue;
4. the generated module, in every type that it was generated for.
"""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from symplectic_codegen.driver import Derivation
from symplectic_codegen.errors import SymplecticCodegenError
from symplectic_codegen.generation import BOTH, spec_of
from symplectic_codegen.passes.recipes import with_recipes
from symplectic_codegen.provenance import SUFFIXES, read_provenance
from symplectic_codegen.rule.rule import UpdateRule
from symplectic_codegen.targets import get_target
from symplectic_codegen.targets.base import DTYPES
from symplectic_codegen.validation.audit import check_prologue
from symplectic_codegen.validation.closed_form import check_closed_form
from symplectic_codegen.validation.drivers import DRIVERS
from symplectic_codegen.validation.identity import check_identity
from symplectic_codegen.validation.module import (
    ForeignError,
    check_guards,
    check_shapes,
    check_state,
    check_trajectory,
    load_module,
    public_of,
)
from symplectic_codegen.validation.problem import QUADRATIC, SMOOTH
from symplectic_codegen.validation.report import Report, Rung, ValidationInputError, judged
from symplectic_codegen.validation.trajectory import (
    NoOracleError,
    Trajectory,
    check_domain,
    check_forms,
    check_interpreter,
    make_trajectory,
)

ORACLE = "oracle"


@dataclass(frozen=True)
class Oracle:
    """What follows from one spec; files of several targets share it."""

    derivation: Derivation

    @cached_property
    def trajectories(self) -> tuple[Trajectory, ...]:
        """One on each test problem.

        Raises:
            NoOracleError: there is none.
        """
        losses = enumerate((QUADRATIC, SMOOTH))
        return tuple(make_trajectory(self.derivation, loss, i) for i, loss in losses)

    @cached_property
    def rungs(self) -> tuple[Rung, ...]:
        """Rungs 1 to 3."""
        try:
            quadratic, smooth = self.trajectories
            return (
                check_identity(self.derivation),
                check_closed_form(quadratic),
                check_domain(quadratic),
                check_forms(quadratic),
                check_forms(smooth),
                check_interpreter(quadratic),
                check_interpreter(smooth),
                check_prologue(self.derivation),
            )
        except (NoOracleError, ValueError) as error:
            # ValueError: a function without numerical meaning, or a guard inside the domain.
            return (judged(ORACLE, False, str(error)),)


Cache = MutableMapping[str, Oracle]


def validate_derivation(derivation: Derivation) -> tuple[Rung, ...]:
    """Rungs 1 to 3 of what was derived.

    Raises:
        SymplecticCodegenError: the Hamiltonian has no update rule.

    >>> from symplectic_codegen.driver import derive
    >>> rungs = validate_derivation(derive("dot(X, X)/2 + L"))
    >>> all(rung.status == "holds" for rung in rungs)
    True
    """
    return Oracle(derivation).rungs


def validate_source(
    text: str,
    path: str = "<source>",
    cache: Cache | None = None,
    others: Mapping[str, str] | None = None,
) -> Report:
    """All rungs for a generated file, which is executed.

    Args:
        text: the content of the file.
        path: for the report.
        cache: oracles by the hash of their spec; pass one mapping to share them between files.
        others: the files of the same optimizer that lie beside it, by their names.

    Raises:
        ValidationInputError: the text has no PROVENANCE.

    >>> from symplectic_codegen.generation import generate
    >>> (source,) = generate("dot(X, X)/2 + L", "numpy", name="plain").values()
    >>> validate_source(source).ok
    True
    >>> validate_source(source.replace("w_new = w - ", "w_new = w + ")).ok
    False
    """
    started = time.perf_counter()
    provenance = read_provenance(text)
    if provenance is None:
        raise ValidationInputError(f"{path} is no generated optimizer: it has no PROVENANCE")
    target = str(provenance.get("target"))
    name = str(provenance.get("name"))
    oracles: Cache = {} if cache is None else cache
    try:
        spec = spec_of(provenance)
        if spec.sha256 not in oracles:
            oracles[spec.sha256] = Oracle(Derivation(spec))
        oracle = oracles[spec.sha256]
        rule = with_recipes(oracle.derivation.rule, _recipes(provenance))
        rungs = oracle.rungs + _module_rungs(oracle, rule, text, provenance, others or {})
    except SymplecticCodegenError as error:
        # PROVENANCE was edited, or this version cannot derive what an older one could.
        rungs = (judged("spec in PROVENANCE", False, str(error)),)
    return Report(path, name, target, rungs, time.perf_counter() - started)


def _recipes(provenance: Mapping[str, Any]) -> tuple[str, ...]:
    """The recipes with which a file was generated."""
    recipes = provenance.get("recipes", ())
    return tuple(map(str, recipes)) if isinstance(recipes, list | tuple) else ()


def _module_rungs(
    oracle: Oracle,
    rule: UpdateRule,
    text: str,
    provenance: Mapping[str, Any],
    others: Mapping[str, str],
) -> tuple[Rung, ...]:
    """Rung 4, on the way down only if there are oracles to compare with.

    Args:
        rule: that of the oracle, with the recipes of the file.
        others: files that lie beside it, by their names.
    """
    name, target, dtype = "generated module", str(provenance.get("target")), provenance.get("dtype")
    driver = DRIVERS.get(target)
    if driver is None:
        return (judged(name, False, f"no oracle drives modules of the target {target!r}"),)
    if reason := driver.obstacle():
        return (Rung(name, "fails" if driver.is_required else "not applicable", reason),)
    dtypes = DTYPES if dtype == BOTH else (dtype,)
    if not set(dtypes) <= set(DTYPES):
        return (judged(name, False, f"PROVENANCE gives the unknown dtype {dtype!r}"),)
    try:
        trajectories = oracle.trajectories
        module = load_module(oracle.derivation.spec.name, text, others, driver.prepare)
        public = public_of(module, get_target(target).public(oracle.derivation.spec.name))
    except (NoOracleError, ForeignError) as error:
        return (judged(name, False, str(error)),)
    rungs: list[Rung] = []
    # Recipes are no part of the derivation: with them steps are compared with the interpreter.
    derived = trajectories if rule is oracle.derivation.rule else ()
    for subject in driver.subjects(public, rule):
        for each in map(str, dtypes):
            rungs += [check_trajectory(subject, trajectory, each) for trajectory in derived]
            rungs.append(check_shapes(subject, trajectories[1], each))
            rungs.append(check_state(subject, trajectories[1], each))
            rungs.append(check_guards(subject, trajectories[0], each))
    return tuple(rungs)


def validate_paths(
    paths: Iterable[Path], progress: Callable[[str], None] | None = None, jobs: int = 1
) -> Iterator[Report]:
    """Reports on generated files, and on all of them in folders, in the order of their names.

    Args:
        paths: files, or folders that are searched for Python files with PROVENANCE.
        progress: told the path of each file before its report is made, or waited for.
        jobs: processes. With more than one, a script needs its ``if __name__ == "__main__":``.

    Raises:
        ValidationInputError: a path does not exist, or has no generated optimizer.
    """
    files = [item for root in paths for item in _generated(root)]
    groups: dict[str, list[tuple[Path, str]]] = {}
    for path, text in files:
        provenance = read_provenance(text) or {}
        groups.setdefault(str(provenance.get("spec_sha256")), []).append((path, text))
    tell = progress or (lambda path: None)
    if min(jobs, len(groups)) == 1:
        cache: dict[str, Oracle] = {}
        for path, text in files:
            tell(path.as_posix())
            yield validate_source(text, path.as_posix(), cache, _beside(path))
        return
    # A process takes all files of one spec, which share its oracles.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(groups)), mp_context=context) as pool:
        try:
            running: dict[Path, Future[dict[Path, Report]]] = {}
            for group in groups.values():
                running |= dict.fromkeys(dict(group), pool.submit(_validate_group, group))
            for path, _ in files:
                tell(path.as_posix())
                yield running[path].result()[path]
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def _validate_group(group: list[tuple[Path, str]]) -> dict[Path, Report]:
    cache: dict[str, Oracle] = {}
    return {
        path: validate_source(text, path.as_posix(), cache, _beside(path)) for path, text in group
    }


def _beside(path: Path) -> dict[str, str]:
    """The C++ files of the same optimizer."""
    found = [path.with_suffix(suffix) for suffix in SUFFIXES if suffix != ".py"]
    return {p.name: p.read_text(encoding="utf-8") for p in found if p.is_file()}


def _generated(root: Path) -> list[tuple[Path, str]]:
    if not root.exists():
        raise ValidationInputError(f"{root.as_posix()} does not exist")
    if root.suffix in SUFFIXES and root.suffix != ".py":
        # C++ runs behind its launcher.
        launcher = root.with_suffix(".py")
        if not launcher.is_file():
            raise ValidationInputError(
                f"{root.as_posix()} is validated together with {launcher.name}, which is not there"
            )
        root = launcher
    candidates = sorted(root.rglob("*.py")) if root.is_dir() else [root]
    found = []
    for path in candidates:
        if "__pycache__" in path.parts or not path.is_file():
            continue
        try:
            text = path.read_text(encoding="utf-8", errors="replace")
        except OSError as error:
            raise ValidationInputError(f"{path.as_posix()}: {error.strerror}") from None
        if read_provenance(text) is not None:
            found.append((path, text))
    if not found:
        raise ValidationInputError(
            f"{root.as_posix()}: there is no generated optimizer (a Python file with PROVENANCE)"
        )
    return found

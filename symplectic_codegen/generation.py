"""From a spec to files, and to a class that is ready to use."""

from __future__ import annotations

import getpass
import hashlib
import importlib.util
import os
import shlex
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import sympy as sp

from symplectic_codegen.algebra.notation import sentence_in_ascii, to_ascii
from symplectic_codegen.algebra.proof import Verdict
from symplectic_codegen.driver import Derivation, derive
from symplectic_codegen.errors import NotSeparableError, SpecError, TargetError
from symplectic_codegen.files import write_files
from symplectic_codegen.language.hamiltonian import Hamiltonian
from symplectic_codegen.language.parameters import standard_hyperparameters
from symplectic_codegen.language.spec import CHOICES, EXPRESSIONS, Spec
from symplectic_codegen.passes.recipes import RECIPES, with_recipes
from symplectic_codegen.provenance import UNSEALED, VERSION, seal
from symplectic_codegen.targets import get_target
from symplectic_codegen.targets.base import DTYPES, Document, Target, class_name

BOTH = "any"  # dtype: follow the parameters, float32 or float64
PROGRAM = "symplectic-codegen"


def generate(
    source: str | Hamiltonian | Spec | Derivation,
    target: str = "numba",
    *,
    name: str | None = None,
    dtype: str = BOTH,
    command: str | None = None,
    recipes: Sequence[str] = (),
) -> dict[str, str]:
    """The generated files of one optimizer, by relative path.

    Args:
        source: a Hamiltonian (text or parsed), a spec, or what was derived from one.
        target: "numpy", "numba" or another one of `symplectic_codegen.targets`.
        name: snake_case name; the class has it in CamelCase.
        dtype: "float32", "float64", or "any" to follow the parameters.
        command: the command that regenerates the files, for PROVENANCE.
        recipes: what is done in the same sweeps; see `symplectic_codegen.passes.recipes`.

    Raises:
        SymplecticCodegenError: bad input, or a Hamiltonian that does not split into exact flows.

    >>> files = generate("dot(X, X)/2 + L", "numpy", name="plain")
    >>> list(files)
    ['numpy/plain.py']
    """
    chosen = get_target(target)
    derivation = source if isinstance(source, Derivation) else derive(source)
    if name is not None and name != derivation.spec.name:
        derivation = Derivation(derivation.spec.replace(name=name))
    for claim in derivation.step_claims:
        if not claim.holds:
            raise NotSeparableError(f"no code is generated, because a check failed: {claim}")
    document = _document(derivation, chosen, dtype, command, recipes)
    rule = with_recipes(derivation.rule, recipes)
    return {path: seal(text) for path, text in chosen.emit(rule, document).items()}


def load(
    source: str | Hamiltonian | Spec | Derivation,
    target: str = "numba",
    *,
    name: str | None = None,
    dtype: str = BOTH,
    recipes: Sequence[str] = (),
) -> Any:
    """The optimizer, generated, written to a cache folder and imported.

    It is a class, or for the target "optax" the function that makes the transformation.

    Raises:
        TargetError: what the target needs is not installed.
        SymplecticCodegenError: as for `generate`.

    >>> import numpy as np
    >>> Plain = load("dot(X, X)/2 + L", "numpy", name="plain")
    >>> w = np.array([1.0])
    >>> Plain([w], tau=0.5).step([w.copy()])
    >>> w
    array([0.75])
    """
    availability = get_target(target).is_available()
    if not availability.ok:
        raise TargetError(f"the target {target!r} cannot run here: {availability.reason}")
    files = {
        Path(path).name: text
        for path, text in generate(source, target, name=name, dtype=dtype, recipes=recipes).items()
    }
    ((file, text),) = ((name, text) for name, text in files.items() if name.endswith(".py"))
    others = {name: text for name, text in files.items() if name != file}
    stem = Path(file).stem
    module = import_source(stem, text, others)
    return vars(module)[get_target(target).public(stem)]


def import_source(stem: str, text: str, others: Mapping[str, str] | None = None) -> Any:
    """Import generated source from a real file, so that Numba can cache what it compiles.

    Args:
        stem: the name of the module, to which a hash is added.
        text: its source.
        others: files that must lie beside it, by their names.
    """
    beside = dict(others or {})
    parts = [text, *(part for name in sorted(beside) for part in (name, beside[name]))]
    digest = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
    unique = f"{stem}_{digest}"
    folder = cache_folder() / unique if beside else cache_folder()
    path = folder / f"{unique}.py"
    # Atomic: other processes may be loading it now.
    write_files(folder, {**beside, path.name: text})
    spec = importlib.util.spec_from_file_location(unique, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[unique] = module  # classes and cached kernels look their module up by name
    spec.loader.exec_module(module)
    return module


def cache_folder() -> Path:
    """A folder of this user's alone: nobody else may put code where it is imported from."""
    folder = Path(tempfile.gettempdir()) / f"symplectic_codegen-{getpass.getuser()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if hasattr(os, "getuid"):
        status = folder.stat()
        if status.st_uid != os.getuid() or status.st_mode & 0o022:
            return Path(tempfile.mkdtemp(prefix="symplectic_codegen-"))
    return folder


def _document(
    derivation: Derivation,
    target: Target,
    dtype: str,
    command: str | None,
    recipes: Sequence[str],
) -> Document:
    if dtype != BOTH and dtype not in DTYPES:
        known = ", ".join((BOTH, *DTYPES))
        raise TargetError(f"unknown dtype {dtype!r}; known: {known}")
    spec = derivation.spec
    dtypes = DTYPES if dtype == BOTH else (dtype,)
    provenance: dict[str, object] = {
        "hamiltonian": spec.hamiltonian.text,
        "name": spec.name,
        "target": target.name,
        "dtype": dtype,
        "integrator": spec.integrator,
        "generator version": VERSION,
        "SymPy version": sp.__version__,
        "spec_sha256": spec.sha256,
        "body_sha256": UNSEALED,
        "command": command or default_command(spec, target.name, dtype, recipes),
        "spec": compact_spec(spec),
    }
    if recipes:
        provenance["recipes"] = list(recipes)
    return Document(
        class_name=class_name(spec.name),
        title=spec.title,
        hamiltonian=spec.hamiltonian.text,
        update=tuple(update_lines(derivation, recipes)),
        notes=tuple(note_lines(derivation, recipes)),
        provenance=provenance,
        dtypes=dtypes,
    )


def compact_spec(spec: Spec) -> dict[str, Any]:
    """What PROVENANCE keeps of a spec beside its hamiltonian, name and integrator.

    Everything that a reader of specs fills in by itself is left out; `spec_of` puts it back.
    """
    bare = Spec.from_expression(
        spec.hamiltonian.text,
        spec.name,
        reparams=[f"{r.name} = {r.text}" for r in spec.reparametrization],
        integrator=spec.integrator,
        more=options_of(spec),
    ).canonical()
    table: dict[str, Any] = dict(options_of(spec))
    for key, value in spec.canonical().items():
        if key in ("hyperparameters", "reparametrization"):
            rows = [_difference(row, old) for row, old in zip(value, bare[key], strict=True)]
            keep = [row for row in rows if len(row) > 1 or key == "reparametrization"]
            table |= {key: keep} if keep else {}
        elif key == "format" or (key not in _TOP and value != bare[key]):
            table[key] = value
    return table


_TOP = ("hamiltonian", "name", "integrator")


def _difference(row: dict[str, Any], bare: dict[str, Any]) -> dict[str, Any]:
    """A row with the entries that are not filled in by themselves."""
    always = ("name", "equals")
    return {k: v for k, v in row.items() if k in always or v != bare[k]}


def spec_of(provenance: Mapping[str, Any]) -> Spec:
    """The spec that a generated file was made from.

    Raises:
        SymplecticCodegenError: PROVENANCE is damaged, or does not describe the spec it names.

    >>> spec = Spec.from_expression("dot(X, X)/2 + L", "plain")
    >>> kept = {"spec": compact_spec(spec), "hamiltonian": spec.hamiltonian.text, "name": "plain",
    ...         "integrator": "lie-trotter", "spec_sha256": spec.sha256}
    >>> spec_of(kept) == spec
    True
    """
    try:
        table = dict(provenance["spec"]) | {key: provenance[key] for key in _TOP}
        recorded = provenance["spec_sha256"]
    except (KeyError, TypeError, ValueError):
        raise SpecError("PROVENANCE lacks what is needed to rebuild the spec") from None
    if "arrangement" in table:
        raise SpecError(
            "this file steps particles and is no optimizer; check its derivation with "
            "symplectic-codegen verify SPEC.toml"
        )
    spec = Spec.from_canonical(table)
    if spec.sha256 != recorded:
        raise SpecError("PROVENANCE does not describe the spec whose hash it gives")
    return spec


def update_lines(derivation: Derivation, recipes: Sequence[str] = ()) -> list[str]:
    """The update as assignments, in user-facing parameters; recipes where they act."""
    lines = [
        f"{assignment.target} <- {to_ascii(assignment.expr)}"
        for assignment in derivation.update.inlined()
    ]
    chosen = [recipe for recipe in RECIPES.values() if recipe.name in recipes]
    before = [recipe.update for recipe in chosen if recipe.acts_before]
    return before + lines + [recipe.update for recipe in chosen if not recipe.acts_before]


def note_lines(derivation: Derivation, recipes: Sequence[str] = ()) -> list[str]:
    """What is known of the rule: one sentence per claim about the step."""
    lines = []
    if recipes:
        lines.append(
            f"With the recipes {', '.join(recipes)}, which are no part of the derivation: what is "
            "proved is proved of the step between them."
        )
    for claim in derivation.step_claims:
        if claim.verdict is not Verdict.ASSUMED:
            statement = claim.statement[0].upper() + claim.statement[1:]
            lines.append(f"{claim.verdict.value.capitalize()}: {sentence_in_ascii(statement)}.")
    return lines


def options_of(spec: Spec) -> dict[str, str]:
    """What of a spec is an option of its own on the command line, where it is not the default."""
    defaults: dict[str, str | None] = dict.fromkeys(EXPRESSIONS)
    defaults |= {key: choices[0] for key, choices in CHOICES.items()}
    return {k: getattr(spec, k) for k, value in defaults.items() if getattr(spec, k) != value}


def default_command(spec: Spec, target: str, dtype: str, recipes: Sequence[str] = ()) -> str:
    """The command line that regenerates an optimizer that was made from an expression."""
    words: list[str] = [PROGRAM, "generate", spec.hamiltonian.text, "--name", spec.name]
    words += ["--target", target]
    known = {name: row.default for name, row in standard_hyperparameters().items()}
    words += command_options(
        {
            p.name: str(p.default)
            for p in spec.hyperparameters
            if p.default is not None and p.default != known.get(p.name)
        }
        | {r.name: str(r.default) for r in spec.reparametrization if r.default is not None},
        [f"{r.name} = {r.text}" for r in spec.reparametrization],
        spec.integrator,
        spec.with_energy,
        dtype,
        options_of(spec),
        recipes,
    )
    return shlex.join(words)


def command_options(
    sets: Mapping[str, str],
    reparams: Sequence[str],
    integrator: str,
    with_energy: bool,
    dtype: str,
    more: Mapping[str, str],
    recipes: Sequence[str] = (),
) -> list[str]:
    """Options of `generate`, those with their default left out."""
    words: list[str] = []
    for key, value in more.items():
        words += [option_name(key), value]
    for reparam in reparams:
        words += ["--reparam", reparam]
    for name, value in sets.items():
        words += ["--set", f"{name}={value}"]
    if integrator != "lie-trotter":
        words += ["--integrator", integrator]
    if with_energy:
        words.append("--with-energy")
    if dtype != BOTH:
        words += ["--dtype", dtype]
    for recipe in recipes:
        words += ["--recipe", recipe]
    return words


def option_name(key: str) -> str:
    """The option of the command line for a key of a spec.

    >>> option_name("time_step")
    '--time-step'
    """
    return "--" + key.replace("_", "-")

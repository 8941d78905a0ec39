"""A specification of particles on a chain or a graph, as TOML.

    name = "sine_gordon"
    integrator = "strang-kick"

    [arrangement]
    graph = "chain"                            # or "sparse": a SciPy matrix, given at run time
    ends = "free"                              # of a chain: fixed, free or periodic
    kinetic = "p**2/(2*m)"                     # of each particle, in its momentum p
    onsite = "1 - cos(q)"                      # of each particle, in its place q
    pair = "kappa/2*(right - left)**2"         # of each edge, in both its places, and its weight
    damping = "gamma"                          # of the momenta, per unit of time; 0 if left out
    semantics = "phase"                        # or "configuration": places alone, overdamped

Hyperparameters are described as in other specs.
"""

from __future__ import annotations

import hashlib
import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

import sympy as sp

from symplectic_codegen.errors import HamiltonianSyntaxError, SpecError
from symplectic_codegen.language.meaning import RESERVED, Vocabulary, interpret
from symplectic_codegen.language.parameters import STANDARD_NAMES, Hyperparameter
from symplectic_codegen.language.parser import names_in
from symplectic_codegen.language.spec import (
    DEFAULT_INTEGRATOR,
    MAX_SPEC,
    check_keys,
    hyperparameters_of,
)

__all__ = ["LEFT", "RIGHT", "WEIGHT", "LatticeSpec", "P", "Q", "is_lattice"]

P, Q, LEFT, RIGHT, WEIGHT = sp.symbols("p q left right weight", real=True)
_COORDINATES: Final = {s.name: s for s in (P, Q, LEFT, RIGHT, WEIGHT)}
# What each energy may depend on, beside hyperparameters.
_READS: Final[Mapping[str, tuple[str, ...]]] = {
    "kinetic": ("p",),
    "onsite": ("q",),
    "pair": ("left", "right", "weight"),
    "damping": (),
}
_DEFAULTS: Final = {"onsite": "0", "damping": "0", "ends": "fixed", "semantics": "phase"}
_CHOICES: Final = {
    "graph": ("chain", "sparse"),
    "ends": ("fixed", "free", "periodic"),
    "semantics": ("phase", "configuration"),
}
_KEYS: Final = ("name", "title", "integrator", "references", "arrangement", "hyperparameters")
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")


def is_lattice(text: str) -> bool:
    """Whether a TOML text describes an arrangement; False too if it is no TOML.

    >>> is_lattice("[arrangement]"), is_lattice('name = "sgd"')
    (True, False)
    """
    if len(text) > MAX_SPEC:
        return False
    try:
        return "arrangement" in tomllib.loads(text)
    except (ValueError, RecursionError):
        return False


@dataclass(frozen=True)
class LatticeSpec:
    """Particles on a chain or graph.

    Args:
        name: snake_case; the generated class has it in CamelCase.
        title: one line.
        graph: "chain" or "sparse".
        ends: of a chain.
        texts: the energies and the damping, as typed.
        hyperparameters: in the order of their first use; beside the step.
        semantics: "phase" or "configuration".
        integrator: how a step is composed.
        references: where the system is from.

    >>> spec = LatticeSpec.from_toml('name = "row"\\n[arrangement]\\ngraph = "chain"\\n'
    ...                              'kinetic = "p**2/2"\\npair = "(right - left)**2/2"')
    >>> spec.expression("pair")
    (-left + right)**2/2
    """

    name: str
    title: str
    graph: str
    ends: str
    texts: tuple[tuple[str, str], ...]
    hyperparameters: tuple[Hyperparameter, ...]
    semantics: str = "phase"
    integrator: str = DEFAULT_INTEGRATOR
    references: tuple[str, ...] = ()

    @classmethod
    def from_toml(cls, text: str, source: str = "<spec>") -> LatticeSpec:
        """Read a spec file; `source` names it in errors.

        Raises:
            SpecError: with the place in the file; also for an energy with an error.
        """
        try:
            table = tomllib.loads(text[:MAX_SPEC])
        except (ValueError, RecursionError) as error:
            raise SpecError(f"{source}: this is not TOML: {error}") from None
        check_keys(table, _KEYS, source)
        name = table.get("name")
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise SpecError(f'{source}: it needs a name in snake_case, like name = "sine_gordon"')
        part = table.get("arrangement")
        if not isinstance(part, dict):
            raise SpecError(f"{source}: [arrangement] must be a table")
        check_keys(part, (*_READS, *_CHOICES), f"{source}: [arrangement]")
        given = _texts(part, source)
        title, integrator = table.get("title", name), table.get("integrator", DEFAULT_INTEGRATOR)
        references = table.get("references", [])
        if not isinstance(references, list) or not all(isinstance(r, str) for r in references):
            raise SpecError(f'{source}: references must be a list of texts, like ["..."]')
        if not (isinstance(title, str) and isinstance(integrator, str)):
            raise SpecError(f"{source}: title and integrator must be texts, in quotes")
        described = hyperparameters_of(table.get("hyperparameters", {}), source)
        spec = cls(
            name,
            title,
            given["graph"],
            given["ends"],
            tuple((key, given[key]) for key in _READS),
            _parameters(given, described, source),
            given["semantics"],
            integrator,
            tuple(references),
        )
        for key in _READS:
            try:
                spec.expression(key)
            except HamiltonianSyntaxError as error:
                raise SpecError(f"{source}: [arrangement] {key}: {error}") from None
        return spec

    def expression(self, key: str) -> sp.Expr:
        """The meaning of "kinetic", "onsite", "pair" or "damping".

        Raises:
            HamiltonianSyntaxError: with the place.
        """
        text = dict(self.texts)[key]
        allowed = (*_READS[key], "weight") if key == "pair" else _READS[key]
        words = {*_COORDINATES, *RESERVED} - set(allowed)
        barred = {w: f"{w} cannot be used in the {key} part{_hint(key)}" for w in words}
        if self.graph == "chain":
            barred["weight"] = 'weight is an entry of the matrix of a "sparse" graph'
        given = {**_COORDINATES, **{p.name: p.symbol for p in self.hyperparameters}}
        return interpret(text, Vocabulary(given, barred))[1].expr

    @property
    def text(self) -> str:
        """The whole energy in one line."""
        part = dict(self.texts)
        lines = [f"sum of {part['kinetic']}"]
        lines += [] if part["onsite"] == "0" else [f"sum of {part['onsite']}"]
        return " + ".join([*lines, f"sum over edges of {part['pair']}"])

    def canonical(self) -> dict[str, Any]:
        """All of it in plain JSON types."""
        return {
            "name": self.name,
            "title": self.title,
            "integrator": self.integrator,
            "references": list(self.references),
            "arrangement": {
                "graph": self.graph,
                "ends": self.ends,
                "semantics": self.semantics,
                **dict(self.texts),
            },
            "hyperparameters": [
                {
                    "name": p.name,
                    "default": None if p.default is None else str(p.default),
                    "bounds": str(p.bounds),
                    "meaning": p.meaning,
                }
                for p in self.hyperparameters
            ],
        }

    @property
    def sha256(self) -> str:
        """The hash of the canonical form as compact JSON with sorted keys."""
        text = json.dumps(self.canonical(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("ascii")).hexdigest()

    def with_integrator(self, integrator: str) -> LatticeSpec:
        """The same particles, stepped otherwise."""
        return replace(self, integrator=integrator)


def _texts(part: Mapping[str, Any], source: str) -> dict[str, str]:
    given = {**_DEFAULTS, **part}
    for key in ("graph", "kinetic", "pair"):
        if key not in given:
            raise SpecError(f"{source}: [arrangement] lacks the key {key!r}")
    for key, value in given.items():
        if not isinstance(value, str):
            raise SpecError(f"{source}: [arrangement] {key} must be a text, in quotes")
    for key, choices in _CHOICES.items():
        if given[key] not in choices:
            raise SpecError(
                f"{source}: [arrangement] {key} is {given[key]!r}; it must be one of "
                f"{', '.join(choices)}"
            )
    if given["graph"] == "sparse" and "ends" in part:
        raise SpecError(f"{source}: [arrangement] ends are those of a chain; a graph has none")
    return {key: value.strip() for key, value in given.items()}


def _parameters(
    given: Mapping[str, str], described: Mapping[str, Hyperparameter], source: str
) -> tuple[Hyperparameter, ...]:
    used: dict[str, None] = {}
    for key in _READS:
        try:
            used |= dict.fromkeys(names_in(given[key]))
        except HamiltonianSyntaxError as error:
            raise SpecError(f"{source}: [arrangement] {key}: {error}") from None
    names = [n for n in used if n not in _COORDINATES and n not in RESERVED]
    for name in described:
        if name in _COORDINATES or name in STANDARD_NAMES:
            raise SpecError(f"{source}: hyperparameter {name}: the name has a meaning already")
        if name not in names:
            raise SpecError(f"{source}: hyperparameter {name} occurs nowhere")
    return tuple(described.get(name) or Hyperparameter(name) for name in names)


def _hint(key: str) -> str:
    reads = [name for name in _READS[key] if name != "weight"]
    return f", which depends on {' and '.join(reads)}" if reads else ", which is a constant"

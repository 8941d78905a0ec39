"""A specification: everything from which one optimizer is generated.

A spec is read from an expression with options, from TOML, or from its own canonical form; all three
become the same plain table, and `_from_table` is the only place that gives it a meaning.
"""

from __future__ import annotations

import hashlib
import json
import keyword
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import replace as replaced
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any, Final

import sympy as sp

from symplectic_codegen.errors import HamiltonianSyntaxError, SpecError
from symplectic_codegen.language import limits
from symplectic_codegen.language.bounds import Bounds, parse_number
from symplectic_codegen.language.composition import (
    composition_names,
    is_composition,
    parse_composition,
)
from symplectic_codegen.language.hamiltonian import (
    Hamiltonian,
    hyperparameter_names,
    parse_coupling,
    parse_energy,
    parse_friction,
    parse_noise,
    parse_time_step,
)
from symplectic_codegen.language.meaning import RESERVED
from symplectic_codegen.language.parameters import (
    STANDARD_NAMES,
    Hyperparameter,
    Reparametrization,
    check_default,
    parse_reparametrization,
    standard_hyperparameters,
)

__all__ = ["Bounds", "Hyperparameter", "Reparametrization", "Spec"]

FORMAT: Final = 1  # of the canonical form; it is part of the hash
MAX_SPEC: Final = 100_000  # characters of a TOML file
DEFAULT_INTEGRATOR: Final = "lie-trotter"

COOLINGS: Final = ("exact", "implicit", "cayley", "explicit")  # maps of the momenta
NORMS: Final = ("global", "block")  # what a sum in the kinetic energy runs over
# What else a step may consist of, beside the Hamiltonian: expressions, by their parsers.
EXPRESSIONS: Final[Mapping[str, Callable[[str, Mapping[str, sp.Symbol]], sp.Expr]]] = (
    MappingProxyType(
        {
            "coupling": parse_coupling,
            "friction": parse_friction,
            "noise": parse_noise,
            "time_step": parse_time_step,
            "energy": parse_energy,
        }
    )
)
CHOICES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"cooling": COOLINGS, "norms": NORMS}
)
_NAME: Final = re.compile(r"[a-z][a-z0-9]*(_[a-z0-9]+)*")
_INTEGRATOR: Final = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_TEXTS: Final = ("name", "title", "description", "hamiltonian", "integrator")
_TEXTS_TOO: Final = (*EXPRESSIONS, *CHOICES)
_KEYS: Final = (
    *_TEXTS,
    *_TEXTS_TOO,
    "hyperparameters",
    "reparametrization",
    "references",
    "with_energy",
)
_HYPERPARAMETER_KEYS: Final = ("default", "bounds", "meaning")
_REPARAMETRIZATION_KEYS: Final = ("equals", *_HYPERPARAMETER_KEYS)


@dataclass(frozen=True)
class Spec:
    """What is to be generated.

    >>> spec = Spec.from_expression("dot(X, X)/2 + L + gamma*U", sets={"gamma": "0.1"})
    >>> [(p.name, p.default) for p in spec.hyperparameters]
    [('tau', None), ('h', 1), ('k', 1), ('c', 1), ('beta0', 1), ('U0', 0), ('gamma', 1/10)]

    Attributes:
        hyperparameters: all of them: the standard ones, then in the order of the texts.
        coupling: Y(beta, X, U, w); None is the paper's beta*X.
        reparametrization: the names that users of the optimizer know.
        integrator: its name, or a composition of flows.
        with_energy: whether the optimizer keeps track of U.
        friction: Rayleigh friction: what is taken from the momenta per unit of time.
        noise: the strength of the noise on the momenta.
        time_step: the length of a step as a function of the loss; None is tau.
        energy: the value of H to which momenta are projected.
        cooling: which map approximates cooling where the piece C stands alone; see `COOLINGS`.
        norms: whether sums in the kinetic energy run over everything or over each parameter array.
    """

    name: str
    title: str
    description: str
    hamiltonian: Hamiltonian
    coupling: str | None
    hyperparameters: tuple[Hyperparameter, ...]
    reparametrization: tuple[Reparametrization, ...] = ()
    integrator: str = DEFAULT_INTEGRATOR
    references: tuple[str, ...] = ()
    with_energy: bool = False
    friction: str | None = None
    noise: str | None = None
    time_step: str | None = None
    energy: str | None = None
    cooling: str = COOLINGS[0]
    norms: str = NORMS[0]

    def __post_init__(self) -> None:
        _check_names(self)
        known = [p.name for p in self.hyperparameters]
        needed = [*STANDARD_NAMES, *_mentioned(self)]
        if missing := [name for name in needed if name not in known]:
            raise SpecError(f"{self.name}: hyperparameter {missing[0]} is not described")
        if unused := [name for name in known if name not in needed]:
            raise SpecError(
                f"{self.name}: hyperparameter {unused[0]} occurs nowhere{_near(unused[0], needed)}"
            )

    @classmethod
    def from_expression(
        cls,
        text: str,
        name: str = "optimizer",
        sets: Mapping[str, str] | None = None,
        reparams: Sequence[str] = (),
        integrator: str = DEFAULT_INTEGRATOR,
        coupling: str | None = None,
        more: Mapping[str, str | None] = MappingProxyType({}),
    ) -> Spec:
        """A spec from what the command line gives.

        Args:
            text: the Hamiltonian.
            name: snake_case; the generated class has it in CamelCase.
            sets: exact defaults, also of user-facing names, as in ``{"gamma": "0.1"}``.
            reparams: user-facing names, as in ``["lr = tau/h"]``.
            more: what else `EXPRESSIONS` and `CHOICES` list.

        Raises:
            HamiltonianSyntaxError: if `text` or `coupling` is not in the language.
            SpecError: if the options do not make sense.
        """
        table: dict[str, Any] = {
            "name": name,
            "hamiltonian": text,
            "integrator": integrator,
            "reparametrization": [_split_reparam(entry) for entry in reparams],
        }
        given = {**more, "coupling": more.get("coupling") or coupling}
        table |= {key: value for key, value in given.items() if value is not None}
        return _with_defaults(_from_table(table, name), sets or {})

    @classmethod
    def from_toml(cls, text: str, source: str = "<spec>") -> Spec:
        """Read a spec file; `source` names it in errors.

        >>> Spec.from_toml('name = "sgd"\\nhamiltonian = "dot(X, X)/2 + L"').title
        'Sgd'

        Raises:
            SpecError: with the place in the file; also for a Hamiltonian with an error.
        """
        if len(text) > MAX_SPEC:
            raise SpecError(f"{source}: a spec has at most {MAX_SPEC} characters")
        try:
            table = tomllib.loads(text)
        except (ValueError, RecursionError) as error:
            reason = str(error) if isinstance(error, ValueError) else "it is nested too deeply"
            raise SpecError(f"{source}: this is not TOML: {reason}") from None
        for key in ("hyperparameters", "reparametrization"):
            if key in table:
                table[key] = _rows(table[key], f"{source}: [{key}]")
        try:
            return _from_table(table, source)
        except HamiltonianSyntaxError as error:
            raise SpecError(f"{source}: {error}") from None

    @classmethod
    def from_canonical(cls, data: Mapping[str, Any]) -> Spec:
        """The spec of which `data` is the canonical form.

        Raises:
            SpecError: if `data` is no such form.
            HamiltonianSyntaxError: if a text in it is not in the language.
        """
        table = dict(data)
        if (version := table.pop("format", None)) != FORMAT:
            raise SpecError(f"canonical spec: format {version!r} is unknown; this reads {FORMAT}")
        return _from_table(_without_none(table), "canonical spec")

    def canonical(self) -> dict[str, Any]:
        """All of it in plain JSON types: the same for the same spec, and enough to rebuild it."""
        return {
            "format": FORMAT,
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "hamiltonian": self.hamiltonian.text,
            **{key: getattr(self, key) for key in _TEXTS_TOO},
            "hyperparameters": [_row(p) for p in self.hyperparameters],
            "reparametrization": [_row(r) | {"equals": r.text} for r in self.reparametrization],
            "integrator": self.integrator,
            "references": list(self.references),
            "with_energy": self.with_energy,
        }

    @property
    def sha256(self) -> str:
        """The hash of the canonical form as compact JSON with sorted keys."""
        text = json.dumps(self.canonical(), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode("ascii")).hexdigest()

    def expression(self, key: str) -> sp.Expr | None:
        """The meaning of one of `EXPRESSIONS`, if it is given.

        >>> Spec.from_expression("dot(X, X)/2 + L", more={"noise": "2*T"}).expression("noise")
        2*T
        """
        text = getattr(self, key)
        if text is None:
            return None
        return EXPRESSIONS[key](text, {p.name: p.symbol for p in self.hyperparameters})

    def replace(
        self,
        *,
        sets: Mapping[str, str] | None = None,
        reparams: Sequence[str] | None = None,
        name: str | None = None,
        integrator: str | None = None,
        with_energy: bool | None = None,
        more: Mapping[str, str | None] = MappingProxyType({}),
    ) -> Spec:
        """A spec with some things changed, under the same checks.

        `reparams`, if given, takes the place of all user-facing names; one that was there before
        keeps its bounds, default and meaning. `more` has what `EXPRESSIONS` and `CHOICES` list.

        >>> spec = Spec.from_expression("dot(X, X)/2 + L", reparams=["lr = tau/h"])
        >>> spec.replace(sets={"lr": "1e-3"}).reparametrization[0].default
        1/1000

        Raises:
            SpecError: if the options do not make sense.
        """
        table = _without_none(self.canonical())
        del table["format"]
        if reparams is not None:
            old = {row["name"]: row for row in table["reparametrization"]}
            new = [_split_reparam(entry) for entry in reparams]
            table["reparametrization"] = [old.get(row["name"], {}) | row for row in new]
        changes: dict[str, Any] = {"name": name, "integrator": integrator, **more}
        changes["with_energy"] = with_energy
        table |= {key: value for key, value in changes.items() if value is not None}
        # Hyperparameters that only the former texts mention leave with them.
        kept = {*STANDARD_NAMES, *_names_of(table)}
        table["hyperparameters"] = [p for p in table["hyperparameters"] if p["name"] in kept]
        if name is not None and self.title == _title(self.name):
            del table["title"]
        return _with_defaults(_from_table(table, table["name"]), sets or {})


def _from_table(table: Mapping[str, Any], source: str) -> Spec:
    """The meaning of a plain table, after a check of every key and type in it."""
    check_keys(table, _KEYS, source)
    for key in ("name", "hamiltonian"):
        if key not in table:
            raise SpecError(f"{source}: the key {key!r} is missing")
    for key in (*_TEXTS, *_TEXTS_TOO):
        if not isinstance(table.get(key, ""), str):
            raise SpecError(f"{source}: {key} must be a text, in quotes")
    references = table.get("references", [])
    if not isinstance(references, list) or not all(isinstance(r, str) for r in references):
        raise SpecError(f'{source}: references must be a list of texts, like ["..."]')
    if not isinstance(with_energy := table.get("with_energy", False), bool):
        raise SpecError(f"{source}: with_energy must be true or false")

    described = _hyperparameters(table.get("hyperparameters", []), source)
    # Bounds decide which symbol a name stands for, so they come before every expression.
    known = {p.name: p.symbol for p in described.values()}
    hamiltonian = Hamiltonian.parse(table["hamiltonian"], known)
    more = {key: table[key].strip() for key in _TEXTS_TOO if key in table}
    for key, parse in EXPRESSIONS.items():
        if key in more:
            parse(more[key], known)
    for key, choices in CHOICES.items():
        if more.get(key, choices[0]) not in choices:
            raise SpecError(
                f"{source}: {key} is {more[key]!r}; it must be one of {', '.join(choices)}"
            )
    if is_composition(integrator := table.get("integrator", DEFAULT_INTEGRATOR)):
        parse_composition(integrator, known)
    reparametrization = _reparametrization(table.get("reparametrization", []), known, source)

    names = dict.fromkeys([*STANDARD_NAMES, *_names_of(table), *described])
    standard = standard_hyperparameters()
    fallback = {name: standard.get(name) or Hyperparameter(name) for name in names}
    return Spec(
        name=table["name"],
        title=table.get("title", _title(table["name"])),
        description=table.get("description", ""),
        hamiltonian=hamiltonian,
        coupling=more.pop("coupling", None),
        hyperparameters=tuple(described.get(name, fallback[name]) for name in names),
        reparametrization=reparametrization,
        integrator=integrator,
        references=tuple(references),
        with_energy=with_energy,
        **more,
    )


def check_keys(table: Mapping[str, Any], keys: Sequence[str], where: str) -> None:
    """Refuse keys that mean nothing.

    Raises:
        SpecError: with the one that is meant, if there is one like it.
    """
    for key in table:
        if key not in keys:
            raise SpecError(f"{where}: the key {key!r} is unknown{_near(key, keys)}")


def hyperparameters_of(table: Any, source: str) -> dict[str, Hyperparameter]:
    """The hyperparameters that a table of tables describes, as in ``[hyperparameters.gamma]``.

    Raises:
        SpecError: with the place in the file.
    """
    return _hyperparameters(_rows(table, f"{source}: [hyperparameters]"), source)


def _hyperparameters(rows: Any, source: str) -> dict[str, Hyperparameter]:
    standard, found = standard_hyperparameters(), dict[str, Hyperparameter]()
    for row in _checked_rows(rows, "hyperparameters", _HYPERPARAMETER_KEYS, source):
        name, where = row["name"], f"{source}: hyperparameter {row['name']}"
        if name in found:
            raise SpecError(f"{where}: it is described twice")
        basis = standard.get(name)
        default, bounds, meaning = _default_bounds_meaning(row, where, basis)
        try:
            found[name] = Hyperparameter(name, default, bounds, meaning)
        except SpecError as error:
            raise SpecError(f"{source}: {error}") from None
    return found


def _reparametrization(
    rows: Any, known: dict[str, sp.Symbol], source: str
) -> tuple[Reparametrization, ...]:
    found: list[Reparametrization] = []
    for row in _checked_rows(rows, "reparametrization", _REPARAMETRIZATION_KEYS, source):
        where = f"{source}: reparametrization {row['name']}"
        if not isinstance(equals := row.get("equals"), str):
            raise SpecError(f'{where}: it needs equals = "EXPRESSION"')
        default, bounds, meaning = _default_bounds_meaning(row, where, None)
        try:
            entry = parse_reparametrization(row["name"], equals, known, default, bounds, meaning)
        except SpecError as error:
            raise SpecError(f"{source}: {error}") from None
        found.append(entry)
    return tuple(found)


def _default_bounds_meaning(
    row: Mapping[str, Any], where: str, basis: Hyperparameter | None
) -> tuple[sp.Rational | None, Bounds, str]:
    default = basis.default if basis else None
    bounds = basis.bounds if basis else Bounds()
    meaning = row.get("meaning", basis.meaning if basis else "")
    if "default" in row and row["default"] is None:
        default = None
    elif "default" in row:
        default = parse_number(row["default"], f"{where}: default")
    if "bounds" in row:
        if not isinstance(row["bounds"], str):
            raise SpecError(f'{where}: bounds must be a text like "[0, 1)"')
        bounds = Bounds.parse(row["bounds"], f"{where}: bounds")
    if not isinstance(meaning, str):
        raise SpecError(f"{where}: meaning must be a text, in quotes")
    return default, bounds, meaning


def _with_defaults(spec: Spec, sets: Mapping[str, str]) -> Spec:
    known = [p.name for p in spec.hyperparameters] + [r.name for r in spec.reparametrization]
    values: dict[str, sp.Rational] = {}
    for name, text in sets.items():
        where = f"--set {name}={text}"
        if name in RESERVED and name not in STANDARD_NAMES:
            raise SpecError(f"{where}: {name} changes while the optimizer runs; it cannot be set")
        if name not in known:
            raise SpecError(f"{where}: there is no {name!r}{_near(name, known)}")
        values[name] = parse_number(text, where)
    intervals = {p.name: p.bounds for p in spec.hyperparameters}
    intervals |= {r.name: r.bounds for r in spec.reparametrization}
    for name, value in values.items():
        check_default(value, intervals[name], f"--set {name}={sets[name]}")
    return replaced(
        spec,
        hyperparameters=tuple(
            replaced(p, default=values.get(p.name, p.default)) for p in spec.hyperparameters
        ),
        reparametrization=tuple(
            replaced(r, default=values.get(r.name, r.default)) for r in spec.reparametrization
        ),
    )


def _split_reparam(entry: str) -> dict[str, Any]:
    name, equals, text = entry.partition("=")
    if not equals or not text.strip():
        raise SpecError(f'--reparam {entry!r}: write it as "NAME = EXPR", like "lr = tau/h"')
    return {"name": name.strip(), "equals": text}


def _check_names(spec: Spec) -> None:
    camel = "".join(part.capitalize() for part in spec.name.split("_"))
    if not _NAME.fullmatch(spec.name) or len(spec.name) > limits.MAX_NAME:
        raise SpecError(
            f"name {spec.name[:60]!r}: it must be snake_case, like adam_like, with at most "
            f"{limits.MAX_NAME} characters"
        )
    if keyword.iskeyword(spec.name) or keyword.iskeyword(camel):
        raise SpecError(f"name {spec.name!r}: it is a Python keyword; choose another")
    if not is_composition(spec.integrator) and not _INTEGRATOR.fullmatch(spec.integrator):
        raise SpecError(f"integrator {spec.integrator[:60]!r}: a name like lie-trotter is expected")
    physical = {p.name for p in spec.hyperparameters}
    seen: set[str] = set()
    for r in spec.reparametrization:
        if r.name in physical:
            raise SpecError(
                f"reparametrization {r.name}: {r.name} is itself a hyperparameter; a user-facing "
                "name must be a new one"
            )
        if r.name in seen:
            raise SpecError(f"reparametrization {r.name}: the name is given twice")
        seen.add(r.name)


def _mentioned(spec: Spec) -> list[str]:
    return _names_of(_without_none(spec.canonical()))


def _names_of(table: Mapping[str, Any]) -> list[str]:
    """The hyperparameters that a table mentions, in the order of its texts."""
    rows = table.get("reparametrization", [])
    texts = [table["hamiltonian"], *(table.get(key, "") for key in EXPRESSIONS)]
    texts += [row["equals"] for row in rows]
    names = [name for text in texts for name in hyperparameter_names(text)]
    return names + list(composition_names(table.get("integrator", "")))


def _without_none(table: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in table.items() if value is not None}


def _rows(value: Any, where: str) -> list[dict[str, Any]]:
    if not isinstance(value, dict) or not all(isinstance(row, dict) for row in value.values()):
        raise SpecError(f"{where}: this must be a table of tables, like [hyperparameters.gamma]")
    for name, row in value.items():
        if "name" in row:
            raise SpecError(f"{where}: the key 'name' in {name} is unknown")
    return [{"name": name, **row} for name, row in value.items()]


def _checked_rows(
    rows: Any, what: str, keys: Sequence[str], source: str
) -> Iterable[Mapping[str, Any]]:
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise SpecError(f"{source}: {what} must be a list of tables")
    for row in rows:
        if not isinstance(row.get("name"), str):
            raise SpecError(f"{source}: an entry of {what} has no name")
        check_keys(row, ("name", *keys), f"{source}: [{what}.{row['name']}]")
    return rows


def _near(name: str, known: Sequence[str]) -> str:
    close = get_close_matches(name, known, n=1)
    return f"; did you mean {close[0]}?" if close else f"; known are {', '.join(known)}"


def _row(p: Hyperparameter | Reparametrization) -> dict[str, Any]:
    default = None if p.default is None else str(p.default)
    return {"name": p.name, "default": default, "bounds": str(p.bounds), "meaning": p.meaning}


def _title(name: str) -> str:
    return name.replace("_", " ").capitalize()

"""Does the check notice? Every sign, factor, number and symbol of every claim is changed once.

A change is noticed if the relation no longer holds, if its units no longer agree, if it means
nothing any more, or if a side has another value than the trusted one.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import sympy as sp

from symplectic_codegen.errors import OutOfTimeError, SymplecticCodegenError
from symplectic_codegen.language.syntax import Node
from symplectic_codegen.resources import time_limit
from symplectic_codegen.verification.checking import (
    TRUSTED_POINTS,
    imbalance,
    is_refuted,
)
from symplectic_codegen.verification.claims import Claim, Setting, Source
from symplectic_codegen.verification.context import Context
from symplectic_codegen.verification.contexts import make_context
from symplectic_codegen.verification.dimensions import Units
from symplectic_codegen.verification.points import trusted_text
from symplectic_codegen.verification.relations import Relation, parse_relations

MUTANT_SECONDS: Final = 10
_INDEXED: Final = re.compile(r"([A-Za-z]\w*)_([ij])")
_SCALARS: Final = ("beta", "tau", "h", "k", "c", "U")
_VECTORS: Final = ("w", "X", "G")
_COORDINATES: Final = ("U", "beta", "w", "X", "Y")
_FAILURES: Final = (SymplecticCodegenError, ValueError, TypeError, ArithmeticError)


@dataclass(frozen=True)
class Mutant:
    """A relation with one change."""

    change: str
    relation: Relation


@dataclass(frozen=True)
class Outcome:
    """What became of one mutant.

    Args:
        noticed: by what it is noticed, "verdict", "units", "meaning", "value" or "time"; or "no".
    """

    label: str
    part: str
    original: str
    mutated: str
    change: str
    noticed: str


def mutants(relation: Relation) -> Iterator[Mutant]:
    """All relations that differ from this one in one sign, factor, number or symbol.

    >>> r = parse_relations("bracket(U, X_i) = -X_i/beta")[0]
    >>> [m.relation.text for m in mutants(r)][3:7]  # doctest: +NORMALIZE_WHITESPACE
    ['bracket(U, X_i) = -X_i*beta', 'bracket(U, X_i) = 1/beta', 'bracket(U, X_i) = -X_i/1',
     'bracket(U, X_i) = X_i/beta']
    """
    names = _names(relation)
    for change, node in _changed(relation.left, names):
        yield Mutant(change, replace(relation, left=node))
    for change, node in _changed(relation.right, names):
        yield Mutant(change, replace(relation, right=node))
    opposite = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}.get(relation.operator)
    if opposite is not None:
        yield Mutant("the relation is turned round", replace(relation, operator=opposite))


def _changed(node: Node, names: Sequence[str]) -> Iterator[tuple[str, Node]]:
    yield from _changed_here(node, names)
    for position, child in enumerate(node.children):
        for change, new in _changed(child, names):
            children = (*node.children[:position], new, *node.children[position + 1 :])
            yield change, replace(node, children=children)


def _changed_here(node: Node, names: Sequence[str]) -> Iterator[tuple[str, Node]]:
    match node.kind:
        case "number":
            value = int(node.text) + 1 if node.text.isdigit() else f"2*{node.text}"
            yield f"{node.text} becomes {value}", replace(node, text=str(value))
        case "name":
            for other in _others(node.text, names):
                yield f"{node.text} becomes {other}", replace(node, text=other)
        case "call" if (_INDEXED.sub(r"\1", node.text)) in _COORDINATES:
            for other in _others(node.text, names):
                yield f"{node.text}(…) becomes {other}(…)", replace(node, text=other)
        case "signed":
            yield "a sign is dropped", node.children[0]
        case "sum":
            for position in range(1, len(node.signs)):
                sign = {"+": "-", "-": "+"}[node.signs[position]]
                yield "a sign is changed", _with_sign(node, position, sign)
        case "product":
            for position in range(1, len(node.signs)):
                sign = {"*": "/", "/": "*"}[node.signs[position]]
                yield "a factor changes sides", _with_sign(node, position, sign)
            yield from _dropped(node)


def _with_sign(node: Node, position: int, sign: str) -> Node:
    signs = (*node.signs[:position], sign, *node.signs[position + 1 :])
    return replace(node, signs=signs)


def _dropped(node: Node) -> Iterator[tuple[str, Node]]:
    one = Node("number", node.span, "1")
    for position, child in enumerate(node.children):
        if child.kind == "number" and child.text == "1":
            continue
        children = (*node.children[:position], one, *node.children[position + 1 :])
        yield "a factor is dropped", replace(node, children=children)


def _names(relation: Relation) -> list[str]:
    found = {
        node.text
        for side in (relation.left, relation.right)
        for node in side.postorder()
        if node.kind == "name"
    }
    return sorted(found)


def _others(name: str, names: Sequence[str]) -> Iterator[str]:
    """One other name of the same sort, and the other index."""
    indexed = _INDEXED.fullmatch(name)
    if indexed is not None:
        base, index = indexed.groups()
        pool = [m[1] for n in names if (m := _INDEXED.fullmatch(n))] or []
        yield f"{_next(base, [*pool, *_VECTORS])}_{index}"
        yield f"{base}_{'j' if index == 'i' else 'i'}"
    elif name in _VECTORS or name == "Y":
        yield _next(name, [n for n in names if n in _VECTORS] + list(_VECTORS))
    elif name != "delta_ij":
        scalars = [n for n in names if not _INDEXED.fullmatch(n) and n not in (*_VECTORS, "Y")]
        yield _next(name, [n for n in scalars if n not in ("delta_ij", "oo")] + list(_SCALARS))


def _next(name: str, pool: Sequence[str]) -> str:
    others = sorted(set(pool) - {name})
    later = [other for other in others if other > name]
    return (later or others)[0]


def run_mutants(source: Source, claim: Claim, sample: int | None = None) -> list[Outcome]:
    """Every mutant of one claim, or a reproducible sample of them, with what became of it.

    Args:
        sample: how many mutants per relation; all if None.
    """
    outcomes = []
    for part, texts, setting, where in _parts(claim):
        definitions: dict[str, Any] = {**claim.where, **where}
        units = None
        if source.dimensions and claim.balanced is not None:
            units = Units(source.dimensions, {**definitions, **setting.where})
        context = make_context(setting, definitions)
        for relation in (r for text in texts for r in parse_relations(text)):
            chosen = list(mutants(relation))
            if sample is not None:
                chosen = sorted(chosen, key=lambda m: _rank(claim.label, m))[:sample]
            trial = _Trial(relation, context, units)
            outcomes += [
                Outcome(
                    claim.label,
                    part,
                    relation.text,
                    mutant.relation.text,
                    mutant.change,
                    trial.notices(mutant.relation),
                )
                for mutant in chosen
            ]
    return outcomes


def _parts(
    claim: Claim,
) -> Iterator[tuple[str, Sequence[str], Setting, Mapping[str, Any]]]:
    yield "printed", claim.states, claim.on, {}
    yield "correct", claim.correct, claim.on, {}
    for part, case in (("assuming", claim.assuming), ("repair", claim.repair)):
        if case is not None:
            yield part, case.states or claim.states, case.on or claim.on, case.where


def _rank(label: str, mutant: Mutant) -> bytes:
    return hashlib.sha256(f"{label}/{mutant.relation.text}".encode()).digest()


class _Trial:
    """The original relation, against which its mutants are held."""

    def __init__(self, relation: Relation, context: Context, units: Units | None) -> None:
        self.context = context
        self.units = units
        left, right = self._sides(relation)
        self.held = not is_refuted(left, relation.operator, right)
        self.balanced = not imbalance(relation, units)
        self.values = _values(left, right)

    def notices(self, mutated: Relation) -> str:
        try:
            with time_limit(MUTANT_SECONDS):
                return self._noticed(mutated)
        except OutOfTimeError:
            return "time"
        except _FAILURES:
            return "meaning"

    def _noticed(self, mutated: Relation) -> str:
        left, right = self._sides(mutated)
        if self.held and is_refuted(left, mutated.operator, right):
            return "verdict"
        if self.balanced and imbalance(mutated, self.units):
            return "units"
        if not self.held and not is_refuted(left, mutated.operator, right):
            return "verdict"
        return "value" if _values(left, right) != self.values else "no"

    def _sides(self, relation: Relation) -> tuple[sp.Expr, sp.Expr]:
        return self.context.evaluate(relation.left), self.context.evaluate(relation.right)


def _values(left: sp.Expr, right: sp.Expr) -> tuple[tuple[str, str], ...]:
    return tuple(
        (trusted_text(left, number), trusted_text(right, number))
        for number in range(TRUSTED_POINTS)
    )

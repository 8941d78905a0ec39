"""What a user proposes to have judged: a velocity field, or the assignments of an update rule."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import sympy as sp

from symplectic_codegen.algebra.memory import GradientAt
from symplectic_codegen.algebra.symbols import Component, G, w
from symplectic_codegen.errors import Span, SpecError
from symplectic_codegen.language.grammar import FUNCTIONS, GRADIENT, MEMORIES
from symplectic_codegen.language.meaning import (
    RESERVED,
    Vocabulary,
    interpret,
    kinds_in,
    meaning_of,
)
from symplectic_codegen.language.parser import parse_assignments, syntax_error
from symplectic_codegen.language.syntax import AssignmentNode, Node, RefusedError, is_identifier

STEP: Final = sp.Symbol("n", positive=True, integer=True)  # the number of the step, from 1
NOISE: Final = Component("noise")  # independent standard normal numbers, new in each step

_NOT_IN_VELOCITY: Final = MappingProxyType(
    {
        "Y": "give the velocity in X: Y is beta*X",
    }
)
_NOT_IN_RULE: Final = MappingProxyType(
    {
        name: f"{name} has a meaning in Hamiltonians, which are derived here; choose another name"
        for name in ("U", "Y", "beta", "beta0", "t", "tau", "h", "k", "c")
    }
)
_FIXED: Final = ("G", "L", "d", STEP.name, NOISE.name)  # what a rule reads but does not set


@dataclass(frozen=True)
class VelocityField:
    """dw/dt up to its sign and scale, as a vector expression in X.

    >>> VelocityField.parse("X/(1 + b*dot(X, X))").expr
    X/(b*Total(X**2) + 1)
    """

    text: str
    expr: sp.Expr
    given: tuple[Component, ...] = ()

    @classmethod
    def parse(cls, text: str, given: Collection[str] = ()) -> VelocityField:
        """Read a velocity field; `given` names vectors other than w and X, such as a metric.

        Raises:
            HamiltonianSyntaxError: with the place; also for a scalar.
            SpecError: a name in `given` cannot be used.
        """
        text, vectors = text.strip(), _given(given)
        tree, value = interpret(text, Vocabulary(vectors, _NOT_IN_VELOCITY))
        if not value.is_vector:
            refusal = RefusedError(
                "a velocity is a vector, and this is a scalar", tree.span, "for example: X"
            )
            raise syntax_error(refusal, text)
        if value.expr.has(G):
            message = "a velocity that reads the gradient is no velocity field"
            cure = "give the whole update rule, as in: X = mu*X + G; w = w - lr*X"
            raise syntax_error(RefusedError(message, _first_gradient(tree), cure), text)
        return cls(text, value.expr, tuple(vectors.values()))


def _first_gradient(tree: Node) -> Span:
    """The first place where G stands by itself; memory fields may follow it."""
    memories = [node for node in tree.postorder() if node.text in MEMORIES]
    inside = {id(part) for node in memories for part in node.postorder()}
    return next(n.span for n in tree.postorder() if n.text == G.name and id(n) not in inside)


@dataclass(frozen=True)
class ProposedRule:
    """One step of a proposed optimizer: assignments that run one after the other.

    `G` is the gradient of the loss at the weights as they were before the step, ``grad(v)`` the one
    at the point v, `n` the number of the step and `noise` a vector of standard normal numbers.

    >>> rule = ProposedRule.parse("m = b*m + (1 - b)*G; w = w - lr*m")
    >>> rule.states
    (m,)

    Attributes:
        assignments: pairs (target, expression); a target that is no state is a local name.
        states: what is kept from step to step, other than w; zero at the start.
        given: vectors that neither change nor depend on w and the states.
    """

    text: str
    assignments: tuple[tuple[sp.Symbol, sp.Expr], ...]
    states: tuple[sp.Symbol, ...]
    given: tuple[Component, ...] = ()

    @classmethod
    def parse(cls, text: str, given: Collection[str] = ()) -> ProposedRule:
        """Read assignments, separated by semicolons or new lines.

        Raises:
            HamiltonianSyntaxError: with the place; also if w is never assigned.
            SpecError: a name in `given` cannot be used.
        """
        text, vectors = text.strip(), _given(given)
        nodes = parse_assignments(text)
        for node in nodes:
            if node.name in (*_FIXED, *vectors) or node.name in _NOT_IN_RULE:
                message = _NOT_IN_RULE.get(node.name, f"{node.name} cannot be assigned to")
                raise syntax_error(RefusedError(message, node.span), text)
        known: dict[str, sp.Symbol] = {**vectors, STEP.name: STEP, NOISE.name: NOISE}
        known |= _targets(nodes, known)
        vocabulary = Vocabulary(known, _NOT_IN_RULE, gradients=True)
        assignments = []
        for node in nodes:
            value = meaning_of(node.value, text, vocabulary)
            if node.name in RESERVED and not value.is_vector:
                refusal = RefusedError(
                    f"{node.name} is a vector, and this is a scalar", node.value.span
                )
                raise syntax_error(refusal, text)
            assignments.append((vocabulary_symbol(node.name, known), value.expr))
        _check_weights(nodes, assignments, text)
        return cls(text, tuple(assignments), _states(assignments), tuple(vectors.values()))


def is_rule(text: str) -> bool:
    """Whether a text is a list of assignments rather than one expression."""
    return "=" in text


def vocabulary_symbol(name: str, known: Mapping[str, sp.Symbol]) -> sp.Symbol:
    """The symbol that a name stands for."""
    return RESERVED.get(name) or known[name]


def _given(names: Collection[str]) -> dict[str, Component]:
    vectors: dict[str, Component] = {}
    for name in names:
        if not is_identifier(name) or name in FUNCTIONS or name == GRADIENT:
            raise SpecError(f"the given vector {name[:60]!r}: this is no name for a vector")
        if name in RESERVED or name in (STEP.name, NOISE.name):
            raise SpecError(f"the given vector {name}: the name has a meaning already")
        vectors[name] = Component(name)
    return vectors


def _targets(
    nodes: tuple[AssignmentNode, ...], known: Mapping[str, sp.Symbol]
) -> dict[str, sp.Symbol]:
    """A symbol for each name that is assigned: a vector as soon as one of its values is one."""
    names = {node.name for node in nodes}
    vectors = {name for name in names if isinstance(RESERVED.get(name), Component)}

    def is_vector(name: str) -> bool:
        symbol = RESERVED.get(name, known.get(name))
        return name in vectors or isinstance(symbol, Component)

    for _ in range(len(nodes) + 1):
        found = {node.name for node in nodes if kinds_in(node.value, is_vector)[-1][1]}
        if found <= vectors:
            break
        vectors |= found
    fresh = {name for name in names if name not in RESERVED}
    return {n: Component(n) if n in vectors else sp.Symbol(n, real=True) for n in fresh}


def _check_weights(
    nodes: tuple[AssignmentNode, ...], assignments: list[tuple[sp.Symbol, sp.Expr]], text: str
) -> None:
    if not any(target == w for target, _ in assignments):
        cure = "end with an assignment to w, such as w = w - lr*X"
        raise syntax_error(
            RefusedError("the rule never changes the weights w", nodes[-1].span, cure), text
        )


def _states(assignments: list[tuple[sp.Symbol, sp.Expr]]) -> tuple[sp.Symbol, ...]:
    """Targets other than w whose old value is read."""
    targets = [target for target, _ in assignments]
    done: set[sp.Symbol] = set()
    states: dict[sp.Symbol, None] = {}
    for target, expr in assignments:
        for symbol in targets:
            if symbol not in done and symbol != w and _reads(expr, symbol):
                states[symbol] = None
        done.add(target)
    return tuple(states)


def _reads(expr: sp.Expr, symbol: sp.Symbol) -> bool:
    """Whether `expr` has `symbol`, also at the point of a gradient."""
    points = [g.point for g in expr.atoms(GradientAt)]
    return bool(expr.has(symbol)) or any(_reads(point, symbol) for point in points)

"""Syntax tree to SymPy expression: names, kinds (scalar or vector), and nothing unbounded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import sympy as sp

from symplectic_codegen.algebra.memory import GradientAt, Memory, ScalarMemory
from symplectic_codegen.algebra.symbols import (
    L0,
    SCALARS,
    VECTORS,
    Component,
    L,
    U,
    Y,
    beta,
    t,
    tau,
    w,
)
from symplectic_codegen.algebra.vector import Total
from symplectic_codegen.errors import HamiltonianSyntaxError
from symplectic_codegen.language.grammar import ELEMENTWISE, GRADIENT, MEMORIES, PAIRWISE
from symplectic_codegen.language.guard import Guard
from symplectic_codegen.language.limits import WorkLimitReached, limited_work
from symplectic_codegen.language.parser import parse_tree, syntax_error
from symplectic_codegen.language.syntax import Node, RefusedError, check_function

RESERVED: Final[Mapping[str, sp.Symbol]] = MappingProxyType(
    {symbol.name: symbol for symbol in (*SCALARS, *VECTORS)}
)


@dataclass(frozen=True)
class Vocabulary:
    """Which names a text may use: `given` symbols for some, `barred` names with the reason.

    `gradients` lets in ``grad(v)``, the gradient of the loss at a point other than w.
    """

    given: Mapping[str, sp.Symbol] = field(default_factory=dict)
    barred: Mapping[str, str] = field(default_factory=dict)
    gradients: bool = False

    def symbol(self, node: Node) -> sp.Symbol:
        if node.text in self.barred:
            raise RefusedError(self.barred[node.text], node.span)
        if node.text in RESERVED:
            return RESERVED[node.text]
        return self.given.get(node.text) or sp.Symbol(node.text, positive=True)

    def is_vector(self, name: str) -> bool:
        """Whether a name stands for a vector."""
        return isinstance(RESERVED.get(name, self.given.get(name)), Component)


@dataclass(frozen=True)
class Value:
    """What a part of the text stands for. The kind is that of the text: 0*X is a vector."""

    expr: sp.Expr
    is_vector: bool


def interpret(text: str, vocabulary: Vocabulary) -> tuple[Node, Value]:
    """The tree and the meaning of `text`.

    >>> interpret("1 + X**2", Vocabulary())[1]
    Value(expr=X**2 + 1, is_vector=True)

    Raises:
        HamiltonianSyntaxError: with the place, for a text without a meaning.
    """
    tree = parse_tree(text)
    return tree, meaning_of(tree, text, vocabulary)


def meaning_of(tree: Node, text: str, vocabulary: Vocabulary) -> Value:
    """The meaning of a tree that was read from a part of `text`.

    Raises:
        HamiltonianSyntaxError: with the place, for a text without a meaning.
    """
    try:
        return _evaluate(tree, vocabulary)
    except RefusedError as refusal:
        raise syntax_error(refusal, text) from None


def refuse_vector(tree: Node, text: str, vocabulary: Vocabulary) -> HamiltonianSyntaxError:
    """The error for a vector where a scalar is needed: at the smallest term which is one."""
    kinds = {id(node): is_vector for node, is_vector in kinds_in(tree, vocabulary.is_vector)}
    term = tree
    while term.kind in ("sum", "signed"):
        term = next(child for child in term.children if kinds[id(child)])
    source = text[term.span.start : term.span.end]
    place, cure = term.span, f"for a sum over all components write sum({_bare(source)})"
    factors = _vector_factors(term, kinds)
    if len(factors) == 1 and _is_square(factors[0]) and kinds[id(factors[0].children[0])]:
        base = _bare(_source(factors[0].children[0], text))
        place, cure = factors[0].span, f"write dot({base}, {base})"
    elif len(factors) == 2:
        place = type(place)(factors[0].span.start, factors[1].span.end)
        pair = ", ".join(_bare(_source(factor, text)) for factor in factors)
        cure = f"write dot({pair})"
    return syntax_error(RefusedError("a scalar is needed, and this is a vector", place, cure), text)


def _evaluate(tree: Node, vocabulary: Vocabulary) -> Value:
    guard, values, current = Guard(), dict[int, Value](), tree
    try:
        with limited_work():
            for current in tree.postorder():
                operands = [values[id(child)] for child in current.children]
                value = _meaning(current, operands, vocabulary, guard)
                guard.admit(value.expr, current.span)
                values[id(current)] = value
    except (WorkLimitReached, RecursionError):
        # SymPy was stopped in the middle: what it has half decided must not stay in its caches.
        sp.core.cache.clear_cache()
        raise RefusedError(
            "this takes too long to simplify", current.span, "write it in a simpler form"
        ) from None
    except (ValueError, TypeError, ArithmeticError, NotImplementedError):
        raise RefusedError("SymPy finds no meaning for this", current.span) from None
    return values[id(tree)]


def _meaning(node: Node, operands: list[Value], vocabulary: Vocabulary, guard: Guard) -> Value:
    is_vector = any(operand.is_vector for operand in operands)
    exprs = [operand.expr for operand in operands]
    match node.kind:
        case "number":
            return Value(rational(node.text), False)
        case "name":
            symbol = vocabulary.symbol(node)
            return Value(symbol, isinstance(symbol, Component))
        case "signed":
            return Value(-exprs[0] if node.signs[0] == "-" else exprs[0], is_vector)
        case "sum":
            terms = (-e if s == "-" else e for s, e in zip(node.signs, exprs, strict=True))
            return Value(sp.Add(*terms), is_vector)
        case "product":
            return Value(_product(node, exprs, guard), is_vector)
        case "power":
            return Value(_power(exprs[0], exprs[1], node, guard), is_vector)
        case "call":
            return _call(node, operands, vocabulary, guard)


def _product(node: Node, exprs: list[sp.Expr], guard: Guard) -> sp.Expr:
    result = exprs[0]
    for sign, expr, child in list(zip(node.signs, exprs, node.children, strict=True))[1:]:
        result *= expr if sign == "*" else _power(expr, sp.S.NegativeOne, child, guard)
        guard.admit(result, node.span)
    return result


def _power(base: sp.Expr, exponent: sp.Expr, node: Node, guard: Guard) -> sp.Expr:
    guard.before_power(base, exponent, node.span)
    return base**exponent


def _call(node: Node, operands: list[Value], vocabulary: Vocabulary, guard: Guard) -> Value:
    if vocabulary.gradients and node.text == GRADIENT:
        return _gradient(node, operands)
    check_function(node)
    name, exprs = node.text, [operand.expr for operand in operands]
    if name in ELEMENTWISE:
        if name in ("exp", "expm1"):
            guard.before_exp(exprs[0], node.span)
        if name == "sqrt":
            guard.before_power(exprs[0], sp.S.Half, node.span)
        return Value(ELEMENTWISE[name](exprs[0]), operands[0].is_vector)
    if name in PAIRWISE:
        return Value(PAIRWISE[name](*exprs), any(operand.is_vector for operand in operands))
    if name in MEMORIES:
        return _memory(node, operands)
    _check_vectors(node, operands)
    match name:
        case "dot":
            guard.admit(product := exprs[0] * exprs[1], node.span)
            return Value(Total(product), False)
        case "norm":
            return Value(sp.sqrt(Total(_power(exprs[0], sp.Integer(2), node, guard))), False)
        case "norm1":
            return Value(Total(sp.Abs(exprs[0])), False)
        case _:
            return Value(Total(exprs[0]), False)


def _gradient(node: Node, operands: list[Value]) -> Value:
    """grad(v): the gradient of the loss at the point v."""
    if len(operands) != 1:
        message = f"{GRADIENT} takes 1 argument, not {len(operands)}"
        raise RefusedError(message, node.span, "for example grad(w + mu*X)")
    if not operands[0].is_vector:
        raise RefusedError("the point of a gradient is a vector", node.children[0].span)
    return Value(GradientAt(operands[0].expr), True)


def _memory(node: Node, operands: list[Value]) -> Value:
    """ema(source, rate) or average(source, rate): a vector, as its source; or of a constant."""
    (source, rate), (source_node, rate_node) = operands, node.children
    inner = source.expr.atoms(Memory, ScalarMemory, Total)
    if inner or source.expr.has(U, beta, L, L0, w, Y):
        raise RefusedError(
            f"what {node.text} follows is made of G, X, t and hyperparameters, element by element",
            source_node.span,
        )
    if rate.is_vector or rate.expr.has(U, beta, t, tau, L, L0, Total, Memory, ScalarMemory):
        raise RefusedError(f"the rate of {node.text} is a constant", rate_node.span)
    if source.is_vector:
        return Value(Memory(source.expr, rate.expr, node.text == "average"), True)
    if source.expr.has(t):
        cure = "for example ema(G**2, rate)"
        raise RefusedError(f"{node.text} of a scalar needs a constant", source_node.span, cure)
    # The average of a constant is this constant.
    constant = source.expr
    return Value(constant if node.text == "average" else ScalarMemory(constant, rate.expr), False)


def _check_vectors(node: Node, operands: list[Value]) -> None:
    for child, operand in zip(node.children, operands, strict=True):
        if operand.is_vector:
            continue
        what = f"{child.text} is a scalar" if child.kind == "name" else "this is a scalar"
        if node.text != "dot":
            cure = (
                "write abs(...)"
                if node.text.startswith("norm")
                else "leave sum out, or write d*(...)"
            )
            raise RefusedError(f"{node.text} needs a vector; {what}", child.span, cure)
        vectors = [c for c, o in zip(node.children, operands, strict=True) if o.is_vector]
        cure = ""
        if vectors and child.kind == "name" and vectors[0].kind == "name":
            cure = f"for the sum of products write {child.text}*sum({vectors[0].text})"
        elif vectors:
            cure = "for a scalar s and a vector v write s*sum(v)"
        raise RefusedError(f"dot needs two vectors; {what}", child.span, cure)


def rational(literal: str) -> sp.Rational:
    """A literal without sign as an exact number.

    >>> rational("0.10"), rational("1e-3"), rational(".5E1")
    (1/10, 1/1000, 5)
    """
    mantissa, _, exponent = literal.lower().partition("e")
    whole, _, decimals = mantissa.partition(".")
    power = int(exponent or 0) - len(decimals)
    digits = int(whole + decimals)
    return sp.Rational(digits * 10 ** max(power, 0), 10 ** max(-power, 0))


def kinds_in(tree: Node, is_vector_name: Callable[[str], bool]) -> list[tuple[Node, bool]]:
    """Every part of a tree, with whether it is a vector."""
    kinds: dict[int, bool] = {}
    pairs: list[tuple[Node, bool]] = []
    for node in tree.postorder():
        if node.kind == "name":
            is_vector = is_vector_name(node.text)
        elif node.kind == "call" and node.text == GRADIENT:
            is_vector = True
        elif node.kind == "call" and node.text in MEMORIES:
            is_vector = kinds[id(node.children[0])] if node.children else True
        elif node.kind == "call" and node.text not in (*ELEMENTWISE, *PAIRWISE):
            is_vector = False
        else:
            is_vector = any(kinds[id(child)] for child in node.children)
        kinds[id(node)] = is_vector
        pairs.append((node, is_vector))
    return pairs


def _vector_factors(term: Node, kinds: Mapping[int, bool]) -> list[Node]:
    """The vectors that are multiplied in a term; none if one of them is divided by."""
    if term.kind != "product":
        return [term]
    pairs = [(s, c) for s, c in zip(term.signs, term.children, strict=True) if kinds[id(c)]]
    return [] if any(sign == "/" for sign, _ in pairs) else [child for _, child in pairs]


def _is_square(node: Node) -> bool:
    return node.kind == "power" and node.children[1].text == "2"


def _source(node: Node, text: str) -> str:
    return text[node.span.start : node.span.end]


def _bare(source: str) -> str:
    """Without the parentheses around it, and on one line."""
    source = " ".join(source.split())
    inner = source[1:-1]
    if source.startswith("(") and "(" not in inner and ")" not in inner:
        return inner
    return source

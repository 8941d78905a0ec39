"""Dimensional analysis of relations: every term of every side has one unit."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from symplectic_codegen.errors import SymplecticCodegenError
from symplectic_codegen.language.grammar import ELEMENTWISE
from symplectic_codegen.language.parser import parse_tree
from symplectic_codegen.language.syntax import Node
from symplectic_codegen.verification.relations import Relation, SourceError, to_text

_INDEXED: Final = re.compile(r"([A-Za-z]\w*)_([ij])")
_NUMBERED: Final = re.compile(r"([A-Za-z]+)\d+")
_SAME: Final = ("at", "limit", "taylor", "sum", "d", "abs", "norm", "norm1", "new", "min", "max")


class UnbalancedError(SymplecticCodegenError):
    """Terms of different units are added or compared."""


@dataclass(frozen=True)
class Dimension:
    """A product of powers of base units, each named once."""

    powers: tuple[tuple[str, Fraction], ...] = ()

    @classmethod
    def of(cls, powers: Mapping[str, Fraction]) -> Dimension:
        """The dimension with these powers."""
        return cls(tuple(sorted((name, p) for name, p in powers.items() if p != 0)))

    def __mul__(self, other: Dimension) -> Dimension:
        powers = dict(self.powers)
        for name, power in other.powers:
            powers[name] = powers.get(name, Fraction()) + power
        return Dimension.of(powers)

    def __pow__(self, exponent: Fraction | int) -> Dimension:
        return Dimension.of({name: p * exponent for name, p in self.powers})

    def __truediv__(self, other: Dimension) -> Dimension:
        return self * other**-1

    def __str__(self) -> str:
        above = [_raised(name, p) for name, p in self.powers if p > 0]
        below = [_raised(name, -p) for name, p in self.powers if p < 0]
        top = "·".join(above) or "1"
        if not below:
            return top
        return f"{top}/{below[0]}" if len(below) == 1 else f"{top}/({'·'.join(below)})"


NONE: Final = Dimension()


def _raised(name: str, power: Fraction) -> str:
    return name if power == 1 else f"{name}^{power}"


def parse_dimension(text: str) -> Dimension:
    """A dimension from its text.

    >>> str(parse_dimension("energy*time/information**2"))
    'energy·time/information^2'
    """
    return _parsed(parse_tree(text))


def _parsed(node: Node) -> Dimension:
    match node.kind:
        case "name":
            return Dimension(((node.text, Fraction(1)),))
        case "number":
            return NONE
        case "power":
            return _parsed(node.children[0]) ** _exponent(node.children[1])
        case "product":
            result = NONE
            for sign, child in zip(node.signs, node.children, strict=True):
                result = result * _parsed(child) if sign == "*" else result / _parsed(child)
            return result
    raise SourceError(f"{to_text(node)} is no unit")


class Units:
    """The units of a source's names, and those of everything made of them."""

    def __init__(self, units: Mapping[str, str], where: Mapping[str, Any]) -> None:
        self._units = {name: parse_dimension(text) for name, text in units.items()}
        self._where = where

    def check(self, relation: Relation) -> None:
        """Nothing if both sides have the same unit, term by term.

        Raises:
            UnbalancedError: which terms, and their units.
        """
        left, right = self.of(relation.left), self.of(relation.right)
        _same(relation.left, left, relation.right, right)

    def of(self, node: Node) -> Dimension | None:
        """The unit of a tree; None for a zero, which has every unit."""
        match node.kind:
            case "number":
                return None if not node.text.strip("0.") else NONE
            case "name":
                return self._name(node.text)
            case "signed":
                return self.of(node.children[0])
            case "sum":
                return self._sum(node)
            case "product":
                return self._product(node)
            case "power":
                return self._power(node)
            case "call":
                return self._call(node)

    def _name(self, name: str) -> Dimension | None:
        if isinstance(self._where.get(name), str):
            return self.of(parse_tree(self._where[name]))
        if name in self._units:
            return self._units[name]
        for pattern in (_INDEXED, _NUMBERED):
            match = pattern.fullmatch(name)
            if match is not None:
                return self._name(match[1])
        if name == "oo":
            return None
        if name in ("delta_ij", "pi", "n", "d"):
            return NONE
        raise SourceError(f"the source gives no unit for {name!r}")

    def _sum(self, node: Node) -> Dimension | None:
        first, unit = node.children[0], self.of(node.children[0])
        for child in node.children[1:]:
            other = self.of(child)
            _same(first, unit, child, other)
            if unit is None:
                first, unit = child, other
        return unit

    def _product(self, node: Node) -> Dimension | None:
        result = NONE
        for sign, child in zip(node.signs, node.children, strict=True):
            unit = self.of(child)
            if unit is None:
                return None
            result = result * unit if sign == "*" else result / unit
        return result

    def _power(self, node: Node) -> Dimension | None:
        base, exponent = node.children
        unit = self.of(base)
        if unit is None or unit == NONE:
            self._pure(exponent)
            return unit
        return unit ** _exponent(exponent)

    def _call(self, node: Node) -> Dimension | None:
        name, arguments = node.text, node.children
        if name == "integral":
            return self._integral(arguments)
        first = self.of(arguments[0]) or NONE
        match name:
            case "bracket":
                second = self.of(arguments[1]) or NONE
                return first * second / (self._units["U"] * self._units["beta"])
            case "jacobiator":
                units = [self.of(argument) or NONE for argument in arguments]
                area = self._units["U"] * self._units["beta"]
                return units[0] * units[1] * units[2] / area**2
            case "partial":
                return first / (self.of(arguments[1]) or NONE)
            case "rate":
                return first / self._units["t"]
            case "area":
                return first * (self.of(arguments[1]) or NONE) / self._units["X"]
            case "wedge" | "dot":
                return first * (self.of(arguments[1]) or NONE)
            case "sqrt":
                return first ** Fraction(1, 2)
        if name in _SAME:
            return first
        if name in ELEMENTWISE:
            self._pure(arguments[0])
            return NONE
        # z(t): a coordinate at some time.
        _same(arguments[0], self.of(arguments[0]), parse_tree("t"), self._units["t"])
        return self._name(name)

    def _integral(self, arguments: Sequence[Node]) -> Dimension:
        body, variable, lower, upper = arguments
        bounds = self.of(lower), self.of(upper)
        _same(lower, bounds[0], upper, bounds[1])
        measure = bounds[0] or bounds[1] or NONE
        inner = Units({}, self._where)
        inner._units = {**self._units, variable.text: measure}
        return (inner.of(body) or NONE) * measure

    def _pure(self, node: Node) -> None:
        unit = self.of(node)
        if unit is not None and unit != NONE:
            raise UnbalancedError(f"{to_text(node)} has the unit {unit} where a number is needed")


def _same(left: Node, a: Dimension | None, right: Node, b: Dimension | None) -> None:
    if a is not None and b is not None and a != b:
        raise UnbalancedError(f"{to_text(left)} has the unit {a}, but {to_text(right)} has {b}")


def _exponent(node: Node) -> Fraction:
    sign = 1
    while node.kind == "signed":
        sign, node = (-sign if node.signs[0] == "-" else sign), node.children[0]
    if node.kind == "product":
        result = Fraction(sign)
        for operator, child in zip(node.signs, node.children, strict=True):
            value = _exponent(child)
            result = result * value if operator == "*" else result / value
        return result
    if node.kind != "number":
        raise UnbalancedError(f"{to_text(node)} is no number, and is the power of a unit")
    return sign * Fraction(node.text)

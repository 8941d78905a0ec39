"""The grammar of the language, and its closed set of functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import sympy as sp

from symplectic_codegen.algebra.functions import Huber

# The precedence of Python: -x**2 is -(x**2), and 2**3**2 is 2**(3**2). Sums and products are flat,
# so that a long one does not nest. Identifiers take in all letters, to be refused by name later.
GRAMMAR: Final = r"""
?start: sum
?sum: product (SIGN product)*
?product: unary (TIMES unary)*
?unary: power
      | SIGN unary -> signed
?power: atom
      | atom POWER unary
?atom: NUMBER -> number
     | NAME -> name
     | NAME LPAR [arguments] RPAR -> call
     | LPAR sum RPAR -> group
arguments: sum (COMMA sum)*

POWER.2: "**"
TIMES.1: /[*\/]/
SIGN: /[+-]/
LPAR: "("
RPAR: ")"
COMMA: ","
NUMBER: /([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?/
NAME: /[^\W\d]\w*/
BLANK: /[ \t\r\n\f]+/
%ignore BLANK
"""

# A list of assignments; a semicolon or a new line may stand between them.
RULE_GRAMMAR: Final = (
    GRAMMAR
    + r"""
rule: assignment (SEPARATOR? assignment)* SEPARATOR?
assignment: NAME EQUALS sum
EQUALS: "="
SEPARATOR: ";"
"""
)


def _expm1(x: sp.Expr) -> sp.Expr:
    return sp.exp(x) - 1


def _log1p(x: sp.Expr) -> sp.Expr:
    return sp.log(1 + x)


ELEMENTWISE: Final[Mapping[str, Callable[[sp.Expr], sp.Expr]]] = MappingProxyType(
    {
        "sqrt": sp.sqrt,
        "exp": sp.exp,
        "log": sp.log,
        "expm1": _expm1,
        "log1p": _log1p,
        "sin": sp.sin,
        "cos": sp.cos,
        "tan": sp.tan,
        "atan": sp.atan,
        "sinh": sp.sinh,
        "cosh": sp.cosh,
        "tanh": sp.tanh,
        "asinh": sp.asinh,
        "erf": sp.erf,
        "abs": sp.Abs,
        "sign": sp.sign,
    }
)
PAIRWISE: Final[Mapping[str, Callable[[sp.Expr, sp.Expr], sp.Expr]]] = MappingProxyType(
    {"min": sp.Min, "max": sp.Max, "huber": Huber}
)
REDUCTIONS: Final = ("dot", "sum", "norm", "norm1")
MEMORIES: Final = ("ema", "average")  # vector, rate: a field that follows the vector
GRADIENT: Final = "grad"  # of the loss at a point; only in the update rules that a user proposes
FUNCTIONS: Final = (*ELEMENTWISE, *PAIRWISE, *REDUCTIONS, *MEMORIES)
ARITY: Final[Mapping[str, int]] = MappingProxyType(
    {name: 2 if name in (*PAIRWISE, *MEMORIES, "dot") else 1 for name in FUNCTIONS}
)

# What people write who come from elsewhere, and what it is called here.
ALIASES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "ln": "log(x)",
        "pow": "x**y",
        "power": "x**y",
        "square": "x**2",
        "arctan": "atan(x)",
        "arcsinh": "asinh(x)",
        "fabs": "abs(x)",
        "maximum": "max(x, y)",
        "minimum": "min(x, y)",
        "inner": "dot(v, v)",
        "norm2": "norm(v)",
        "mean": "sum(v)/d",
        "sgn": "sign(x)",
    }
)

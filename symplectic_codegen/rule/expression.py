"""Expressions of the update rule: a closed set of operations, out of SymPy's reach.

SymPy rewrites what it is given (``expm1`` back to ``exp - 1``, ``x/y`` to ``x*y**-1``). Once an
expression is frozen into this form, only the passes change it, and each operation must be lowered
by every target or refused by name.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction

ANY = -1  # the arity of an operation that takes one argument or more


class Op(Enum):
    """The operations of the language of rules. The value is (spelling, arity)."""

    ADD = ("+", 2)
    SUB = ("-", 2)
    MUL = ("*", 2)
    DIV = ("/", 2)
    NEG = ("neg", 1)
    POW = ("pow", 2)
    SQRT = ("sqrt", 1)
    EXP = ("exp", 1)
    LOG = ("log", 1)
    EXPM1 = ("expm1", 1)  # exp(x) - 1
    LOG1P = ("log1p", 1)  # log(1 + x)
    EXPREL = ("exprel", 1)  # (exp(x) - 1)/x, 1 at x = 0
    PHI2 = ("phi2", 1)  # (exp(x) - 1 - x)/x**2, 1/2 at x = 0
    POWM1 = ("powm1", 2)  # x**y - 1 for x >= 0
    LOG1PREL = ("log1prel", 1)  # log(1 + x)/x, 1 at x = 0
    HYPOT = ("hypot", 2)  # sqrt(x**2 + y**2) without overflow
    ABS = ("abs", 1)
    SIGN = ("sign", 1)
    SIN = ("sin", 1)
    COS = ("cos", 1)
    TAN = ("tan", 1)
    ATAN = ("atan", 1)
    SINH = ("sinh", 1)
    COSH = ("cosh", 1)
    TANH = ("tanh", 1)
    ASINH = ("asinh", 1)
    ERF = ("erf", 1)
    MIN = ("min", 2)
    MAX = ("max", 2)
    CYCLE = ("cycle", ANY)  # cycle(i, a, b, c): a, b, c in turn as i counts 0, 1, 2, ...
    BLOCK_SUM = ("block_sum", 1)  # the sum over the blocks of a value per block

    @property
    def spelling(self) -> str:
        return self.value[0]

    @property
    def arity(self) -> int:
        return self.value[1]


HOST_ONLY = frozenset({Op.CYCLE, Op.BLOCK_SUM})  # these have no meaning inside a sweep


@dataclass(frozen=True)
class Number:
    """An exact rational constant; rounded once, by the target, to the type it is used in."""

    value: Fraction

    def __str__(self) -> str:
        return str(self.value)


@dataclass(frozen=True)
class Ref:
    """The value of a named quantity: an input, a state, or an earlier assignment."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Call:
    """An operation applied to arguments.

    >>> str(Call(Op.ADD, (Ref("x"), Call(Op.MUL, (Number(Fraction(2)), Ref("y"))))))
    'x + 2*y'
    """

    op: Op
    args: tuple[Expr, ...]

    def __post_init__(self) -> None:
        arity = self.op.arity
        if len(self.args) != arity and (arity != ANY or not self.args):
            raise ValueError(f"{self.op.spelling} takes {arity} arguments")

    def __str__(self) -> str:
        return render(self, _PLAIN)


Expr = Number | Ref | Call

ZERO = Number(Fraction(0))
ONE = Number(Fraction(1))


def walk(expr: Expr) -> Iterator[Expr]:
    """All nodes of `expr`, the arguments before the call that uses them."""
    if isinstance(expr, Call):
        for argument in expr.args:
            yield from walk(argument)
    yield expr


def references(expr: Expr) -> set[str]:
    """Names on which the value of `expr` depends."""
    return {node.name for node in walk(expr) if isinstance(node, Ref)}


def rebuild(expr: Expr, change: Callable[[Expr], Expr]) -> Expr:
    """`expr` with `change` applied to every node, the innermost first."""
    if isinstance(expr, Call):
        expr = Call(expr.op, tuple(rebuild(argument, change) for argument in expr.args))
    return change(expr)


def substitute(expr: Expr, values: dict[str, Expr]) -> Expr:
    """`expr` with references replaced by the expressions in `values`."""
    return rebuild(
        expr, lambda node: values.get(node.name, node) if isinstance(node, Ref) else node
    )


def operation_count(expr: Expr) -> int:
    """How many operations one evaluation takes."""
    return sum(isinstance(node, Call) for node in walk(expr))


@dataclass(frozen=True)
class Printer:
    """How a language writes expressions.

    Args:
        number: text of a constant.
        reference: text of a name.
        call: text of a function applied to already printed arguments.
        power_operator: text between base and exponent, or None to use `call`.
    """

    number: Callable[[Fraction], str]
    reference: Callable[[str], str]
    call: Callable[[Op, tuple[str, ...]], str]
    power_operator: str | None = "**"


_PRECEDENCE = {Op.ADD: 1, Op.SUB: 1, Op.MUL: 2, Op.DIV: 2, Op.NEG: 3, Op.POW: 4}
_ATOM = 5


def render(expr: Expr, printer: Printer) -> str:
    """`expr` in the language of `printer`, with no parentheses that are not needed."""
    return _render(expr, printer)[0]


def _render(expr: Expr, printer: Printer) -> tuple[str, int]:
    if isinstance(expr, Number):
        text = printer.number(expr.value)
        if text.startswith("-"):
            return text, _PRECEDENCE[Op.NEG]
        return text, _PRECEDENCE[Op.DIV] if "/" in text else _ATOM
    if isinstance(expr, Ref):
        return printer.reference(expr.name), _ATOM
    op = expr.op
    printed = [_render(argument, printer) for argument in expr.args]
    if op not in _PRECEDENCE or (op is Op.POW and printer.power_operator is None):
        return printer.call(op, tuple(text for text, _ in printed)), _ATOM
    own = _PRECEDENCE[op]

    def wrap(index: int, tighter: bool) -> str:
        text, inner = printed[index]
        return f"({text})" if inner < own or (tighter and inner == own) else text

    if op is Op.NEG:
        return f"-{wrap(0, tighter=True)}", own
    if op is Op.POW:
        return f"{wrap(0, tighter=True)}{printer.power_operator}{wrap(1, tighter=False)}", own
    space = " " if own == 1 else ""
    # a - (b - c) and a/(b*c) need their parentheses; floating-point a + (b + c) does too.
    return f"{wrap(0, tighter=False)}{space}{op.spelling}{space}{wrap(1, tighter=True)}", own


_PLAIN = Printer(
    number=str,
    reference=str,
    call=lambda op, args: f"{op.spelling}({', '.join(args)})",
)

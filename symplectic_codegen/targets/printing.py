"""Expressions, literals and calls as finished lines of Python, laid out as `ruff format` would.

Templates get these lines as they are. Nothing here wraps an expression: one that is too long is
split into named parts (`split_long`), which is easier to read than any way of breaking it.
"""

from __future__ import annotations

import builtins
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import count
from keyword import kwlist, softkwlist
from types import MappingProxyType

from symplectic_codegen.errors import TargetError
from symplectic_codegen.rule.expression import (
    HOST_ONLY,
    Call,
    Expr,
    Number,
    Op,
    Ref,
    references,
    walk,
)
from symplectic_codegen.rule.rule import Assign

LINE_LENGTH = 100
INDENT = "    "

# Names that mean something else inside generated functions; a rule's name gets a "_" instead.
RESERVED = frozenset(dir(builtins)) | frozenset(kwlist) | frozenset(softkwlist)

_SUM, _PRODUCT, _SIGN, _POWER, _ATOM = range(1, 6)
_PRECEDENCE = {
    Op.ADD: _SUM,
    Op.SUB: _SUM,
    Op.MUL: _PRODUCT,
    Op.DIV: _PRODUCT,
    Op.NEG: _SIGN,
    Op.POW: _POWER,
}


@dataclass(frozen=True)
class Text:
    """A printed expression: how tightly it binds, and whether `**` may touch it."""

    text: str
    precedence: int = _ATOM
    simple: bool = False


def number_text(value: Fraction) -> Text:
    """The constant as Python writes it, rounded once to double precision.

    >>> [number_text(Fraction(v)).text for v in ("2", "1/4", "1/3", "1/100000000", "-1")]
    ['2.0', '0.25', '1.0 / 3.0', '1e-08', '-1.0']
    """
    try:
        text = repr(value.numerator / value.denominator)
    except OverflowError:
        raise TargetError(f"the constant {value} does not fit into a double") from None
    short = abs(value.numerator) < 1000 and value.denominator < 1000
    if len(text) > 8 and short:
        text = f"{value.numerator}.0 / {value.denominator}.0"
        return Text(text, _PRODUCT)
    if text.startswith("-"):
        return Text(text, _SIGN, simple=True)
    return Text(text, _ATOM, simple=True)


def small_integer(expr: Expr) -> int | None:
    """The value of a small whole constant, else None."""
    if isinstance(expr, Number) and expr.value.denominator == 1 and abs(expr.value) <= 16:
        return int(expr.value)
    return None


@dataclass(frozen=True)
class Printer:
    """How one kind of code writes expressions.

    Args:
        functions: what the operations that are no operators are called; "{}" marks the place of
            the arguments where they are not all there is between the parentheses. Op.POW may be
            among them, for powers that are not small and whole.
        reference: the text of a name.
        number: the text of a constant.
        constant: the text of an argument in which there are only constants.
    """

    functions: Mapping[Op, str]
    reference: Callable[[str], Text] = lambda name: Text(name, simple=True)
    number: Callable[[Fraction], Text] = number_text
    constant: str = "{}"

    def __call__(self, expr: Expr) -> str:
        return self._print(expr).text

    def _print(self, expr: Expr) -> Text:
        if isinstance(expr, Number):
            return self.number(expr.value)
        if isinstance(expr, Ref):
            return self.reference(expr.name)
        op, args = expr.op, expr.args
        if op not in _PRECEDENCE or self._is_power_function(expr):
            if op not in self.functions:
                raise TargetError(f"this target has no {op.spelling}")
            constant = "{}" if op in HOST_ONLY else self.constant
            arguments = ", ".join(self._argument(argument, constant) for argument in args)
            name = self.functions[op]
            return Text(name.format(arguments) if "{}" in name else f"{name}({arguments})")
        own = _PRECEDENCE[op]
        if op is Op.NEG:
            inner = self._print(args[0])
            wrapped = _wrap(inner, _SIGN + 1)
            return Text(f"-{wrapped}", _SIGN, simple=inner.simple and wrapped == inner.text)
        if op is Op.POW:
            return self._power(*args)
        op, right = _without_double_sign(op, args[1])
        left_text = _wrap(self._print(args[0]), own)
        # a - (b - c) needs its parentheses; floating-point a + (b + c) does too.
        right_text = _wrap(self._print(right), own + 1)
        return Text(f"{left_text} {op.spelling} {right_text}", own)

    def _is_power_function(self, expr: Call) -> bool:
        """Whether a power has a function of its own; whole powers always are operators."""
        is_whole = expr.op is Op.POW and small_integer(expr.args[1]) is not None
        return expr.op is Op.POW and Op.POW in self.functions and not is_whole

    def _argument(self, expr: Expr, constant: str) -> str:
        text = self._print(expr).text
        return text if references(expr) else constant.format(text)

    def _power(self, base: Expr, exponent: Expr) -> Text:
        left = self._print(base)
        whole = small_integer(exponent)
        right = self._print(exponent) if whole is None else Text(str(whole), _SIGN, simple=True)
        wrapped_left = _wrap(left, _POWER + 1)
        wrapped_right = _wrap(right, _SIGN)
        hugged = (
            left.simple
            and right.simple
            and wrapped_left == left.text
            and wrapped_right == right.text
        )
        operator = "**" if hugged else " ** "
        return Text(f"{wrapped_left}{operator}{wrapped_right}", _POWER)


def _wrap(text: Text, needed: int) -> str:
    return text.text if text.precedence >= needed else f"({text.text})"


def _without_double_sign(op: Op, right: Expr) -> tuple[Op, Expr]:
    """a + -b is a - b, exactly; likewise a - -b."""
    opposite = {Op.ADD: Op.SUB, Op.SUB: Op.ADD}
    if op in opposite:
        if isinstance(right, Number) and right.value < 0:
            return opposite[op], Number(-right.value)
        if isinstance(right, Call) and right.op is Op.NEG:
            return opposite[op], right.args[0]
    return op, right


_NUMPY_FUNCTIONS = {
    Op.SQRT: "np.sqrt",
    Op.EXP: "np.exp",
    Op.LOG: "np.log",
    Op.EXPM1: "np.expm1",
    Op.LOG1P: "np.log1p",
    Op.POWM1: "_powm1",
    Op.EXPREL: "_exprel",
    Op.PHI2: "_phi2",
    Op.LOG1PREL: "_log1prel",
    Op.HYPOT: "np.hypot",
    Op.ABS: "np.abs",
    Op.SIGN: "np.sign",
    Op.SIN: "np.sin",
    Op.COS: "np.cos",
    Op.TAN: "np.tan",
    Op.ATAN: "np.arctan",
    Op.SINH: "np.sinh",
    Op.COSH: "np.cosh",
    Op.TANH: "np.tanh",
    Op.ASINH: "np.arcsinh",
    Op.ERF: "_erf",
    Op.MIN: "np.minimum",
    Op.MAX: "np.maximum",
}
_HOST_FUNCTIONS = {**_NUMPY_FUNCTIONS, Op.CYCLE: "_cycle", Op.BLOCK_SUM: "np.sum({}, where=active)"}

_ELEMENT_FUNCTIONS = {
    Op.SQRT: "math.sqrt",
    Op.EXP: "math.exp",
    Op.LOG: "math.log",
    Op.EXPM1: "math.expm1",
    Op.LOG1P: "math.log1p",
    Op.POWM1: "_element_powm1",
    Op.EXPREL: "_element_exprel",
    Op.PHI2: "_element_phi2",
    Op.LOG1PREL: "_element_log1prel",
    Op.HYPOT: "_hypot",
    Op.ABS: "abs",
    Op.SIGN: "_sign",
    Op.SIN: "math.sin",
    Op.COS: "math.cos",
    Op.TAN: "math.tan",
    Op.ATAN: "math.atan",
    Op.SINH: "math.sinh",
    Op.COSH: "math.cosh",
    Op.TANH: "math.tanh",
    Op.ASINH: "math.asinh",
    Op.ERF: "math.erf",
    Op.MIN: "_minimum",
    Op.MAX: "_maximum",
}

_TENSOR_FUNCTIONS = {
    **{op: text.replace("np.", "torch.") for op, text in _NUMPY_FUNCTIONS.items()},
    Op.ERF: "torch.erf",
    Op.SIGN: "_signum",
    Op.CYCLE: "_cycle",
    Op.BLOCK_SUM: "batch.sum_over_blocks",
}

# NumPy's functions on np.float64 rather than `math`: the latter raise where IEEE has inf and NaN.
HOST = Printer(_HOST_FUNCTIONS)
ARRAY = Printer(_NUMPY_FUNCTIONS)
# Functions of tensors take no plain numbers.
TENSOR = Printer(_TENSOR_FUNCTIONS, constant="torch.tensor({}, dtype=torch.float64)")
# Scalars in double precision inside compiled code.
COMPILED = Printer({**_ELEMENT_FUNCTIONS, Op.CYCLE: "_element_cycle"})


def element_printer(
    arrays: Iterable[str],
    constants: Mapping[Fraction, str],
    elements: Mapping[str, str] = MappingProxyType({}),
) -> Printer:
    """Expressions of one element inside a Numba loop over `i`.

    Args:
        arrays: names that stand for an element of an array.
        constants: names of the constants, already of the type of the arrays.
        elements: names that elements of some arrays were given before.

    >>> expr = Call(Op.MUL, (Number(Fraction(1, 2)), Ref("X")))
    >>> element_printer(["X"], {Fraction(1, 2): "half"})(expr)
    'half * X[i]'
    """
    indexed = frozenset(arrays)

    def reference(name: str) -> Text:
        if name in elements:
            return Text(elements[name], simple=True)
        return Text(f"{name}[i]") if name in indexed else Text(name, simple=True)

    def number(value: Fraction) -> Text:
        name = constants[abs(value)]
        return Text(name, simple=True) if value >= 0 else Text(f"-{name}", _SIGN, simple=True)

    return Printer(_ELEMENT_FUNCTIONS, reference, number)


_CONSTANT_NAMES = {
    Fraction(0): "zero",
    Fraction(1): "one",
    Fraction(2): "two",
    Fraction(3): "three",
    Fraction(4): "four",
    Fraction(1, 2): "half",
    Fraction(1, 3): "third",
    Fraction(1, 4): "quarter",
}


def constants_in(exprs: Iterable[Expr]) -> list[Fraction]:
    """The constants that need a name, without sign, in the order of their first use."""
    found: dict[Fraction, None] = {}
    for expr in exprs:
        exponents = {
            id(node.args[1])
            for node in walk(expr)
            if isinstance(node, Call)
            and node.op is Op.POW
            and small_integer(node.args[1]) is not None
        }
        for node in walk(expr):
            if isinstance(node, Number) and id(node) not in exponents:
                found[abs(node.value)] = None
    return list(found)


def name_constants(values: Iterable[Fraction], taken: set[str]) -> dict[Fraction, str]:
    """A name for each constant, none of them in `taken`."""
    names: dict[Fraction, str] = {}
    for value in values:
        names[value] = fresh(_CONSTANT_NAMES.get(value, f"c{len(names) + 1}"), taken)
        taken.add(names[value])
    return names


def fresh(name: str, taken: Iterable[str]) -> str:
    """`name`, with as many underscores behind it as make it a new one.

    >>> fresh("lr", {"lr", "lr_"})
    'lr__'
    """
    names = set(taken)
    while name in names:
        name += "_"
    return name


def python_names(names: Iterable[str], reserved: Iterable[str]) -> dict[str, str]:
    """What the names of a rule are called in generated functions.

    >>> python_names(["lr", "max", "i"], {"i"})
    {'lr': 'lr', 'max': 'max_', 'i': 'i_'}
    """
    forbidden = RESERVED | set(reserved)
    mapping: dict[str, str] = {}
    own = list(names)
    for name in own:
        taken = set(mapping.values()) | (set(own) - {name})
        changed = name
        while changed in forbidden or changed in taken:
            changed += "_"
        mapping[name] = changed
    return mapping


def split_long(
    assignment: Assign,
    fits: Callable[[Assign], bool],
    taken: set[str],
) -> list[Assign]:
    """`assignment`, after as many named parts of it as make every line fit.

    The value does not change: only names are given to parts that are computed anyway.
    """
    parts: list[Assign] = []
    pending = [assignment]
    while pending:
        current = pending.pop()
        part = None if fits(current) else _balanced_part(current.expr)
        if part is None:
            parts.append(current)
            continue
        candidates = (f"part_{number}" for number in count(1))
        name = next(candidate for candidate in candidates if candidate not in taken)
        taken.add(name)
        pending.append(
            Assign(current.name, _replaced(current.expr, part, Ref(name)), current.meaning)
        )
        pending.append(Assign(name, part))
    return parts


def _replaced(expr: Expr, part: Expr, name: Ref) -> Expr:
    if expr == part:
        return name
    if isinstance(expr, Call):
        return Call(expr.op, tuple(_replaced(argument, part, name) for argument in expr.args))
    return expr


def _balanced_part(expr: Expr) -> Expr | None:
    """The operation inside `expr` that is closest to half of it."""
    total = sum(1 for _ in walk(expr))
    best: tuple[int, Expr] | None = None
    for node in walk(expr):
        if isinstance(node, Call) and node is not expr:
            size = sum(1 for _ in walk(node))
            rank = abs(total - 2 * size)
            if best is None or rank < best[0]:
                best = (rank, node)
    return best[1] if best else None


def quoted(text: str) -> str:
    """A string literal with the quotes that the formatter prefers.

    >>> print(quoted("a'b"), quoted('say "x"'))
    "a'b" 'say "x"'
    """
    body = text.encode("unicode_escape").decode("ascii") if not text.isprintable() else None
    escaped = body if body is not None else text.replace("\\", "\\\\")
    if text.count('"') > text.count("'"):
        return "'" + escaped.replace("'", "\\'") + "'"
    return '"' + escaped.replace('"', '\\"') + '"'


def literal_lines(key: str, value: object, depth: int = 1) -> list[str]:
    """Lines of one entry of a dict literal, such as PROVENANCE.

    >>> literal_lines("name", "momentum")
    ['    "name": "momentum",']
    """
    pad = INDENT * depth
    head = f"{pad}{quoted(key)}: " if key else pad
    flat = f"{head}{_flat(value)},"
    if len(flat) <= LINE_LENGTH:
        return [flat]
    if isinstance(value, str):
        width = LINE_LENGTH - len(pad) - len(INDENT)
        pieces = _string_pieces(value, width)
        return [f"{head}(", *(f"{pad}{INDENT}{piece}" for piece in pieces), f"{pad}),"]
    lines: list[str] = []
    if isinstance(value, Mapping):
        for name in value:
            lines += literal_lines(str(name), value[name], depth + 1)
        return [f"{head}{{", *lines, f"{pad}}},"]
    if isinstance(value, tuple | list):
        for item in value:
            lines += literal_lines("", item, depth + 1)
        opening, closing = ("(", ")") if isinstance(value, tuple) else ("[", "]")
        return [f"{head}{opening}", *lines, f"{pad}{closing},"]
    return [flat]


def _flat(value: object) -> str:
    if isinstance(value, str):
        return quoted(value)
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{quoted(str(k))}: {_flat(v)}" for k, v in value.items()) + "}"
    if isinstance(value, tuple):
        comma = "," if len(value) == 1 else ""
        return f"({', '.join(_flat(item) for item in value)}{comma})"
    if isinstance(value, list):
        return f"[{', '.join(_flat(item) for item in value)}]"
    raise TargetError(f"provenance holds a {type(value).__name__}, which has no literal")


def _string_pieces(text: str, width: int) -> list[str]:
    """Literals that, one after the other, are `text`."""
    pieces: list[str] = []
    rest = text
    while rest:
        size = min(len(rest), width)
        while size > 1 and len(quoted(rest[:size])) > width:
            size -= 1
        if size < len(rest):
            space = rest.rfind(" ", 0, size)
            size = space + 1 if space > 0 else size
        pieces.append(quoted(rest[:size]))
        rest = rest[size:]
    return pieces or [quoted("")]


def bracketed(head: str, items: Sequence[str], tail: str, depth: int = 0) -> list[str]:
    """`head` + items + `tail` in one line if it fits, else one item a line.

    >>> bracketed("f(", ["a", "b"], ")")
    ['f(a, b)']
    """
    pad = INDENT * depth
    flat = f"{pad}{head}{', '.join(items)}{tail}"
    if len(flat) <= LINE_LENGTH or not items:
        return [flat]
    return [f"{pad}{head}", *(f"{pad}{INDENT}{item}," for item in items), f"{pad}{tail}"]


def call_lines(
    head: str, arguments: Sequence[str | Sequence[str]], tail: str = ")", depth: int = 0
) -> list[str]:
    """A call; an argument that is a list of items is a tuple of them.

    >>> call_lines("f(", ["x", ["a"], ["b", "c"]])
    ['f(x, (a,), (b, c))']
    """
    flat = [a if isinstance(a, str) else _flat_tuple(a) for a in arguments]
    if len(f"{INDENT * depth}{head}{', '.join(flat)}{tail}") <= LINE_LENGTH:
        return bracketed(head, flat, tail, depth)
    lines = [f"{INDENT * depth}{head}"]
    for argument, text in zip(arguments, flat, strict=True):
        if isinstance(argument, str) or len(f"{INDENT * (depth + 1)}{text},") <= LINE_LENGTH:
            lines.append(f"{INDENT * (depth + 1)}{text},")
        else:
            lines += bracketed("(", argument, "),", depth + 1)
    return [*lines, f"{INDENT * depth}{tail}"]


def _flat_tuple(items: Sequence[str]) -> str:
    return f"({', '.join(items)}{',' if len(items) == 1 else ''})"


def listed(head: str, items: Sequence[str], tail: str = "", depth: int = 0) -> list[str]:
    """`head` a, b `tail`; in parentheses, one item a line, if that is too long.

    >>> listed("return ", ["a", "b"])
    ['return a, b']
    """
    flat = f"{INDENT * depth}{head}{', '.join(items)}{tail}"
    return [flat] if len(flat) <= LINE_LENGTH else bracketed(f"{head}(", items, f"){tail}", depth)


def comment_lines(text: str, depth: int) -> list[str]:
    """A comment, wrapped."""
    pad = INDENT * depth + "# "
    return textwrap.wrap(text, LINE_LENGTH, initial_indent=pad, subsequent_indent=pad)


def docstring_text(lines: Iterable[str]) -> list[str]:
    """Lines that may stand inside triple quotes."""
    return [line.replace("\\", "\\\\").replace('"""', '\\"\\"\\"').rstrip() for line in lines]


def wrapped(text: str, depth: int = 0, hanging: int = 0) -> list[str]:
    """Text for a docstring, wrapped at `depth`; further lines are `hanging` levels deeper."""
    pad = INDENT * depth
    return textwrap.wrap(
        text,
        LINE_LENGTH - 4,
        initial_indent=pad,
        subsequent_indent=pad + INDENT * hanging,
        break_on_hyphens=False,
    ) or [""]


def operations(exprs: Iterable[Expr]) -> set[Op]:
    """The operations used in `exprs`."""
    return {node.op for expr in exprs for node in walk(expr) if isinstance(node, Call)}


def uses(name: str, exprs: Iterable[Expr]) -> bool:
    """Whether any of `exprs` refers to `name`."""
    return any(name in references(expr) for expr in exprs)

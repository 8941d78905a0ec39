"""Expressions, assignments and comments as finished lines of C++17, for the host and the device."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable
from fractions import Fraction

from symplectic_codegen.rule.expression import Call, Expr, Op
from symplectic_codegen.rule.rule import Assign, Element
from symplectic_codegen.targets.printing import (
    INDENT,
    LINE_LENGTH,
    Printer,
    Text,
    number_text,
    small_integer,
    split_long,
)

# Words of the language, of the CUDA dialect, and macros that common compilers define.
RESERVED = frozenset(
    """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t char32_t
    char8_t class co_await co_return co_yield compl concept const const_cast consteval constexpr
    constinit continue decltype default delete do double dynamic_cast else enum explicit export
    extern false float for friend goto if inline int long mutable namespace new noexcept not not_eq
    nullptr operator or or_eq private protected public register reinterpret_cast requires return
    short signed sizeof static static_assert static_cast struct switch template this thread_local
    throw true try typedef typeid typename union unsigned using virtual void volatile wchar_t while
    xor xor_eq std main unix linux assert errno NULL EOF NAN INFINITY HUGE_VAL
    blockIdx blockDim gridDim threadIdx warpSize dim3 int2 int4 float2 float4 uint4 double2
    acos asin atan atan2 cos sin tan acosh asinh atanh cosh sinh tanh exp exp2 expm1 log log10 log1p
    log2 pow sqrt rsqrt cbrt hypot erf erfc fabs abs fma fmin fmax isnan isinf isfinite
    signbit copysign floor ceil round trunc ldexp frexp
    """.split()  # noqa: SIM905
)

_FUNCTIONS = {
    Op.SQRT: "sqrt",
    Op.EXP: "exp",
    Op.LOG: "log",
    Op.EXPM1: "expm1",
    Op.LOG1P: "log1p",
    Op.POWM1: "powm1",
    Op.EXPREL: "exprel",
    Op.PHI2: "phi2",
    Op.LOG1PREL: "log1prel",
    Op.HYPOT: "hypot",
    Op.ABS: "fabs",
    Op.SIGN: "sign",
    Op.SIN: "sin",
    Op.COS: "cos",
    Op.TAN: "tan",
    Op.ATAN: "atan",
    Op.SINH: "sinh",
    Op.COSH: "cosh",
    Op.TANH: "tanh",
    Op.ASINH: "asinh",
    Op.ERF: "erf",
    Op.MIN: "minimum",
    Op.MAX: "maximum",
}
_HOST_FUNCTIONS = {**_FUNCTIONS, Op.CYCLE: "cycle"}
# What <cmath> has; the others are written out in the generated file.
STANDARD = frozenset(_FUNCTIONS.values()) - {
    "powm1", "exprel", "phi2", "log1prel", "sign", "minimum", "maximum",
}  # fmt: skip
_WRITTEN_OUT = 8  # powers up to this one are products


class CppPrinter(Printer):
    """Expressions of C++; the functions are overloaded for float and double.

    >>> from symplectic_codegen.rule.expression import Number, Ref
    >>> element_printer(lambda name: name)(Call(Op.POW, (Ref("x"), Number(Fraction(3)))))
    'power<3>(x)'
    """

    def _power(self, base: Expr, exponent: Expr) -> Text:
        left = self._print(base).text
        whole = small_integer(exponent)
        if whole is not None and abs(whole) <= _WRITTEN_OUT:
            return Text(f"power<{whole}>({left})")
        return Text(f"pow({left}, {self._print(exponent).text})")


def uses_written_power(expr: Expr) -> bool:
    """Whether `expr` has a power at its top that is printed as a product."""
    if not (isinstance(expr, Call) and expr.op is Op.POW):
        return False
    whole = small_integer(expr.args[1])
    return whole is not None and abs(whole) <= _WRITTEN_OUT


def element_printer(reference: Callable[[str], str]) -> CppPrinter:
    """Expressions of the type `Real`; constants are rounded to it by the compiler."""

    def number(value: Fraction) -> Text:
        return Text(f"Real({number_text(value).text})")

    return CppPrinter(_FUNCTIONS, lambda name: Text(reference(name), simple=True), number)


def scalar_printer(reference: Callable[[str], str]) -> CppPrinter:
    """Expressions in double precision."""
    return CppPrinter(_HOST_FUNCTIONS, lambda name: Text(reference(name), simple=True))


def comment(text: str, depth: int = 0, hanging: int = 0) -> list[str]:
    """A comment, wrapped; further lines are `hanging` levels deeper.

    >>> comment("one")
    ['// one']
    """
    if not text:
        return [f"{INDENT * depth}//"]
    pad = f"{INDENT * depth}// "
    return textwrap.wrap(
        # A backslash at the end of a line would join it with the next one.
        text.replace("\\", "/"),
        LINE_LENGTH - 2,
        initial_indent=pad,
        subsequent_indent=pad + INDENT * hanging,
        break_on_hyphens=False,
    )


def assignments(
    items: Iterable[Assign],
    text: Callable[[Expr], str],
    kind: str,
    depth: int,
    taken: set[str],
    declared: Iterable[str] = (),
) -> list[str]:
    """Definitions of constants, with their meaning as comments; long ones are split.

    Args:
        items: what is defined, in order.
        text: prints an expression.
        kind: the type, such as "double".
        depth: how far the lines are indented.
        taken: names that are used already; grows.
        declared: those of `items` that have been declared before.
    """
    known = set(declared)
    lines: list[str] = []

    def line(item: Assign) -> str:
        head = "" if item.name in known else f"const {kind} "
        return f"{INDENT * depth}{head}{item.name} = {text(item.expr)};"

    for item in items:
        parts = split_long(item, lambda a: len(line(a)) <= LINE_LENGTH, taken)
        lines += comment(item.meaning, depth) if item.meaning else []
        for part in parts:
            lines += broken(line(part), " = ", depth)
    return lines


def broken(line: str, after: str, depth: int) -> list[str]:
    """A line that is too long, broken once behind the first `after`."""
    if len(line) <= LINE_LENGTH:
        return [line]
    head, separator, rest = line.partition(after)
    return [(head + separator).rstrip(), f"{INDENT * (depth + 1)}{rest}"]


def element_lines(
    elements: Iterable[Element], text: Callable[[Expr], str], depth: int, taken: set[str]
) -> list[str]:
    """What a sweep assigns; an iteration is a loop whose last values stay."""
    pad = INDENT * depth
    lines: list[str] = []
    for element in elements:
        if isinstance(element, Assign):
            lines += assignments([element], text, "Real", depth, taken)
            continue
        variables = assignments(element.variables, text, "Real", depth, taken)
        starts = {f"{pad}const Real {v.name} =": f"{pad}Real {v.name} =" for v in element.variables}
        for line in variables:
            head = line.partition("=")[0] + "="
            lines.append(starts.get(head, head) + line[len(head) :])
        names = [a.name for a in element.body]
        lines += [f"{pad}Real {name};" for name in names]
        lines.append(f"{pad}for (int round = 0; round < {element.rounds}; ++round) {{")
        lines += assignments(element.body, text, "Real", depth + 1, taken, names)
        lines += [f"{pad}{INDENT}{store.target} = {store.source};" for store in element.carry]
        lines.append(f"{pad}}}")
    return lines


def signature(head: str, items: Iterable[str], tail: str, depth: int = 0) -> list[str]:
    """A function head in one line, or one argument a line.

    >>> signature("void f(", ["int a", "int b"], ") {")
    ['void f(int a, int b) {']
    """
    pad = INDENT * depth
    arguments = list(items)
    flat = f"{pad}{head}{', '.join(arguments)}{tail}"
    if len(flat) <= LINE_LENGTH or not arguments:
        return [flat]
    last = len(arguments) - 1
    rows = [f"{pad}{INDENT}{item}{'' if k == last else ','}" for k, item in enumerate(arguments)]
    rows[-1] += tail
    return [f"{pad}{head}", *rows]


def struct_lines(
    name: str, fields: Iterable[tuple[str, str, str]], kind: str, template: bool
) -> list[str]:
    """A struct of numbers.

    Args:
        name: of the struct.
        fields: (name, initial value or "", meaning) of each.
        kind: the type of the fields.
        template: whether the type is a parameter.
    """
    lines = ["template <typename Real>"] if template else []
    lines.append(f"struct {name} {{")
    for field, value, meaning in fields:
        start = f" = {value}" if value else ""
        text = f"{INDENT}{kind} {field}{start};"
        note = f"  // {meaning}".replace("\\", "/") if meaning else ""
        if len(text + note) <= LINE_LENGTH:
            lines.append(text + note)
        else:
            lines += [*comment(meaning, 1), text]
    return [*lines, "};"]

"""The symbolic update equations as numbers: the top numerical oracle, with no code in between.

A value is a number of an mpmath context, or a tuple of them for a vector. Nothing here goes
through the lowering, the rewrites or the passes: that is what makes it an oracle for them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import mpmath
import sympy as sp

from symplectic_codegen.algebra.memory import Memory
from symplectic_codegen.algebra.symbols import START, X
from symplectic_codegen.algebra.vector import Total
from symplectic_codegen.discretization.update import UpdateEquations
from symplectic_codegen.driver import Derivation
from symplectic_codegen.rule.interpreter import MPMATH

Value = Any  # a number of an mpmath context, or a tuple of them
Context = Any  # mpmath has no types
Environment = Mapping[str, Value]
State = dict[str, Value]  # "w", "X": tuples; "t", "U": numbers

# The interpreter's own context: numbers of two contexts must not meet.
MP: Context = MPMATH.scalar(Fraction(0)).context
TIME = "t"


def precise(digits: int) -> Context:
    """A context of its own with that many digits."""
    context = mpmath.MPContext()
    context.dps = digits
    return context


def rational(value: Fraction | int, mp: Context) -> Value:
    """A fraction as a number of `mp`."""
    exact = Fraction(value)
    return mp.mpf(exact.numerator) / exact.denominator


def name_of(symbol: sp.Symbol) -> str:
    """The name of a symbol in environments and rules; the time at the start of a step is t.

    >>> name_of(START), name_of(sp.Symbol("s", positive=True))
    ('t', 's')
    """
    return TIME if symbol == START else str(symbol.name)


def value_of(expr: sp.Expr, env: Environment, mp: Context, size: int = 1) -> Value:
    """The value of `expr`; vectors are taken element by element, sums over all elements.

    Raises:
        ValueError: a function that has no numerical meaning here.

    >>> x = sp.Symbol("x")
    >>> print(value_of((sp.exp(x) - 1) / x, {"x": MP.mpf(1)}, MP))
    1.7182818284590452353602874713526624977572470937
    """

    def visit(e: sp.Expr) -> Value:
        if isinstance(e, sp.Symbol):
            return env[name_of(e)]
        if e.is_Rational:
            return mp.mpf(int(e.p)) / int(e.q)
        if e is sp.E:
            return mp.e
        if e is sp.pi:
            return mp.pi
        if isinstance(e, Total):
            body = visit(e.body)
            return mp.fsum(body) if isinstance(body, tuple) else body * size
        function = _FUNCTIONS.get(e.func)
        if function is None:
            raise ValueError(f"no numerical meaning for {e.func.__name__}")
        return _elementwise(lambda *args: function(mp, *args), [visit(a) for a in e.args])

    return visit(expr)


def _elementwise(function: Callable[..., Value], args: list[Value]) -> Value:
    sizes = [len(a) for a in args if isinstance(a, tuple)]
    if not sizes:
        return function(*args)
    columns = [a if isinstance(a, tuple) else (a,) * sizes[0] for a in args]
    return tuple(function(*row) for row in zip(*columns, strict=True))


def _product(mp: Context, *factors: Value) -> Value:
    result = mp.mpf(1)
    for factor in factors:
        result = result * factor
    return result


_FUNCTIONS: dict[Any, Callable[..., Value]] = {
    sp.Add: lambda mp, *terms: mp.fsum(terms),
    sp.Mul: _product,
    sp.Pow: lambda mp, base, exponent: base**exponent,
    sp.exp: lambda mp, x: mp.exp(x),
    sp.log: lambda mp, x: mp.log(x),
    sp.sin: lambda mp, x: mp.sin(x),
    sp.cos: lambda mp, x: mp.cos(x),
    sp.tan: lambda mp, x: mp.tan(x),
    sp.atan: lambda mp, x: mp.atan(x),
    sp.sinh: lambda mp, x: mp.sinh(x),
    sp.cosh: lambda mp, x: mp.cosh(x),
    sp.tanh: lambda mp, x: mp.tanh(x),
    sp.asinh: lambda mp, x: mp.asinh(x),
    sp.erf: lambda mp, x: mp.erf(x),
    sp.Abs: lambda mp, x: abs(x),
    sp.sign: lambda mp, x: mp.sign(x),
    sp.Min: lambda mp, *args: min(args),
    sp.Max: lambda mp, *args: max(args),
}


def field_names(derivation: Derivation) -> dict[sp.Symbol, str]:
    """The buffer of the rule that keeps each memory field; X keeps its name.

    The lowering names them in the order in which they are updated.
    """
    targets = [a.target for a in derivation.update.assignments]
    fields = list(dict.fromkeys(s for s in targets if isinstance(s, Memory)))
    buffers = [b.name for b in derivation.rule.buffers if b.name != X.name]
    if len(buffers) != len(fields):
        raise ValueError("no oracle: the rule does not keep each memory field in one buffer")
    return dict(zip(fields, buffers, strict=True))


def symbolic_step(
    update: UpdateEquations,
    fields: Mapping[sp.Symbol, str],
    parameters: Environment,
    state: State,
    number: int,
    step_size: Value,
    G: Value,
    loss: Value,
    mp: Context = MP,
) -> State:
    """The state after step `number`, from the update equations as they were derived.

    Args:
        fields: from `field_names`; a state has memory fields under the names of their buffers.
    """
    size = len(state["w"])
    env: dict[str, Value] = {
        **parameters,
        **state,
        "n": mp.mpf(number),
        "d": mp.mpf(size),
        "G": G,
        "L": loss,
    }
    env |= {name_of(field): state[name] for field, name in fields.items()}
    for assignment in update.inlined():
        value = value_of(assignment.expr, env, mp, size)
        is_vector = isinstance(env[assignment.target.name], tuple)
        if is_vector and not isinstance(value, tuple):
            value = (value,) * size
        env[assignment.target.name] = value
    new = {name: env[name] for name in state}
    new |= {name: env[name_of(field)] for field, name in fields.items()}
    new[TIME] = state[TIME] + step_size
    return new

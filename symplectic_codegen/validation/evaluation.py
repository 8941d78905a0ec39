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

from symplectic_codegen.algebra.functions import InTurn, elementary
from symplectic_codegen.algebra.memory import Memory
from symplectic_codegen.algebra.symbols import START, Component, X
from symplectic_codegen.algebra.vector import Blocks, BlockTotal, Total
from symplectic_codegen.discretization.flows import NOISE
from symplectic_codegen.discretization.update import UpdateEquations
from symplectic_codegen.driver import Derivation
from symplectic_codegen.rule.interpreter import MPMATH
from symplectic_codegen.rule.noise import uniforms

Value = Any  # a number of an mpmath context, or a tuple of them
Context = Any  # mpmath has no types
Environment = Mapping[str, Value]
State = dict[str, Value]  # "w", "X", ...: tuples; "t", "U", "beta", "L0", ...: numbers

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
        if isinstance(e, Total | BlockTotal):
            # One parameter array: the block is all there is.
            body = visit(e.body)
            return mp.fsum(body) if isinstance(body, tuple) else body * size
        if isinstance(e, Blocks):
            return visit(e.args[0])
        if isinstance(e, InTurn):
            return visit(e.args[1 + int(visit(e.args[0])) % (len(e.args) - 1)])
        if e.is_Pow and isinstance(e.base, Total | BlockTotal) and e.exp.is_negative:
            # X/|X| is 0 at X = 0, by the subgradient rule.
            return max(visit(e.base), mp.mpf(10) ** -60) ** visit(e.exp)
        function = _FUNCTIONS.get(e.func)
        if function is None:
            raise ValueError(f"no numerical meaning for {e.func.__name__}")
        return _elementwise(lambda *args: function(mp, *args), [visit(a) for a in e.args])

    return visit(elementary(expr))


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
        "L0": loss if number == 1 else state["L0"],
        NOISE.name: noise_of(number, size, mp),
    }
    env |= {name_of(field): state[name] for field, name in fields.items()}
    elapsed = value_of(update.time_step, env, mp)
    for assignment in update.inlined():
        value = value_of(assignment.expr, env, mp, size)
        is_vector = isinstance(assignment.target, Component)
        if is_vector and not isinstance(value, tuple):
            value = (value,) * size
        env[name_of(assignment.target)] = value
    new = {name: env[name] for name in state}
    new |= {name: env[name_of(field)] for field, name in fields.items()}
    new[TIME] = state[TIME] + elapsed
    return new


def start_state(
    update: UpdateEquations,
    fields: Mapping[sp.Symbol, str],
    parameters: Environment,
    w: Value,
    mp: Context = MP,
) -> State:
    """The state before the first step, with the weights `w`."""
    zero = mp.mpf(0)
    zeros = (zero,) * len(w)
    state: State = {"w": w, "X": zeros, "U": zero, TIME: zero, "L0": zero}
    state |= dict.fromkeys(fields.values(), zeros)
    for kept in update.states:
        state[name_of(kept.symbol)] = value_of(kept.initial, parameters, mp)
    return state


def noise_of(step: int, size: int, mp: Context = MP) -> Value:
    """The random numbers of a step with the seed 0, as every target must make them."""
    pairs = [uniforms(0, step, element) for element in range(size)]
    return tuple(
        mp.sqrt(-2 * mp.log(rational(u, mp))) * mp.cos(2 * mp.pi * rational(v, mp))
        for u, v in pairs
    )

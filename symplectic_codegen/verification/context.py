"""What the names and functions of a relation stand for: a setting, made of the engine's objects."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any, Final

import sympy as sp
from sympy.integrals.manualintegrate import manualintegrate

from symplectic_codegen import catalog
from symplectic_codegen.algebra.explicit import Coordinates
from symplectic_codegen.algebra.memory import Memory
from symplectic_codegen.algebra.symbols import (
    START,
    Component,
    G,
    L,
    U,
    X,
    Y,
    beta,
    beta0,
    h,
    k,
    t,
    tau,
    w,
)
from symplectic_codegen.algebra.vector import (
    Total,
    UnknownDerivativeError,
    components,
    directional,
    gradient,
)
from symplectic_codegen.discretization.update import STEP_NUMBER
from symplectic_codegen.driver import Derivation
from symplectic_codegen.geometry.explicit import (
    Chart,
    OneForm,
    PoissonTensor,
    exterior_derivative,
    poisson_tensor,
    thermodynamic_chart,
)
from symplectic_codegen.geometry.phase_space import COORDINATES, PhaseSpace, differential
from symplectic_codegen.language.grammar import ELEMENTWISE, PAIRWISE
from symplectic_codegen.language.hamiltonian import parse_coupling
from symplectic_codegen.language.meaning import RESERVED, rational
from symplectic_codegen.language.parser import parse_tree
from symplectic_codegen.language.spec import Spec
from symplectic_codegen.language.syntax import Node
from symplectic_codegen.mechanics.structure import standard_form
from symplectic_codegen.verification.claims import Setting
from symplectic_codegen.verification.relations import SourceError, to_text

_INDEXED: Final = re.compile(r"([A-Za-z]\w*)_([ij])")
_CONSTANTS: Final[Mapping[str, sp.Expr]] = {"oo": sp.oo, "pi": sp.pi}
ARBITRARY_H: Final = sp.Symbol("H", real=True)  # stands for a Hamiltonian nothing is known of

# What SymPy and the engine raise for combinations that mean nothing.
_MEANINGLESS: Final = (TypeError, ValueError, KeyError, NotImplementedError, UnknownDerivativeError)

Argument = Sequence[Node]


class Context(ABC):
    """Evaluates trees. A vector is its generic component, as everywhere in the engine."""

    def __init__(self, setting: Setting, where: Mapping[str, Any]) -> None:
        self.setting = setting
        self._definitions: dict[str, Any] = {**where, **setting.where}
        self._values: dict[str, sp.Expr] = {}
        self._bound: dict[str, sp.Expr] = {}
        self._forms: dict[str, Callable[[Argument], sp.Expr]] = {
            "partial": self._partial,
            "integral": self._integral,
            "limit": self._limit,
            "taylor": self._taylor,
            "at": self._at,
        }
        self._functions: dict[str, Callable[..., sp.Expr]] = {
            **ELEMENTWISE,
            **PAIRWISE,
            "bracket": self.bracket,
            "rate": self.rate,
            "d": lambda f: self.along(f, "u"),
            "wedge": self._wedge,
            **setting.functions,
        }

    # -- what the two kinds of space provide -----------------------------------------------------

    @abstractmethod
    def coordinate(self, name: str) -> sp.Expr | None:
        """The coordinate or reserved symbol with this name."""

    @abstractmethod
    def bracket(self, f: sp.Expr, g: sp.Expr) -> sp.Expr:
        """The Poisson bracket."""

    @abstractmethod
    def rate(self, f: sp.Expr) -> sp.Expr:
        """df/dt along the motion."""

    @abstractmethod
    def derivative(self, f: sp.Expr, z: sp.Expr) -> sp.Expr:
        """The partial derivative of f by a coordinate or parameter."""

    @abstractmethod
    def along(self, f: sp.Expr, vector: str) -> sp.Expr:
        """The derivative of f along the arbitrary tangent vector with this name."""

    # -- evaluation ------------------------------------------------------------------------------

    def evaluate(self, node: Node) -> sp.Expr:
        """The expression that a tree stands for.

        Raises:
            SourceError: a name or function is unknown, or something has no meaning here.
        """
        match node.kind:
            case "number":
                return rational(node.text)
            case "name":
                return self.name(node.text)
            case "signed":
                value = self.evaluate(node.children[0])
                return -value if node.signs[0] == "-" else value
            case "sum":
                values = [self.evaluate(child) for child in node.children]
                return sp.Add(
                    *(v if s == "+" else -v for s, v in zip(node.signs, values, strict=True))
                )
            case "product":
                result: sp.Expr = sp.S.One
                for sign, child in zip(node.signs, node.children, strict=True):
                    value = self.evaluate(child)
                    result = result * value if sign == "*" else result / value
                return result
            case "power":
                base, exponent = (self.evaluate(child) for child in node.children)
                return base**exponent
            case "call":
                return self._call(node)

    def name(self, name: str) -> sp.Expr:
        """The value of a name."""
        if name in self._bound:
            return self._bound[name]
        if name not in self._values:
            self._values[name] = self._look_up(name)
        return self._values[name]

    def _look_up(self, name: str) -> sp.Expr:
        if name in self._definitions:
            given = self._definitions[name]
            return self.evaluate(parse_tree(given)) if isinstance(given, str) else given
        known = self.coordinate(name)
        if known is not None:
            return known
        if name in _CONSTANTS:
            return _CONSTANTS[name]
        indexed = _INDEXED.fullmatch(name)
        if indexed is not None:
            return self._entry(*indexed.groups())
        if name == "delta_ij":
            return Total(Component("i") * Component("j"))
        return self.parameter(name)

    def parameter(self, name: str) -> sp.Expr:
        """The symbol of a parameter: positive, as in the language of Hamiltonians."""
        return sp.Symbol(name, positive=True)

    def _entry(self, vector: str, index: str) -> sp.Expr:
        value = self.name(vector)
        if not components(value) and value != 0:
            raise SourceError(f"{vector}_{index}: {vector} is no vector here")
        return Total(Component(index) * value)

    def _call(self, node: Node) -> sp.Expr:
        try:
            value = self._called(node.text, node.children)
        except _MEANINGLESS as error:
            raise SourceError(f"{to_text(node)} has no meaning here: {error}") from None
        if value is None:
            raise SourceError(f"{to_text(node)}: there is no function {node.text!r} here")
        return value

    def _called(self, name: str, arguments: Argument) -> sp.Expr | None:
        if name in self._forms:
            return self._forms[name](arguments)
        if name in self._functions:
            return self._functions[name](*(self.evaluate(child) for child in arguments))
        return self.in_time(name, self.evaluate(arguments[0])) if len(arguments) == 1 else None

    def in_time(self, name: str, moment: sp.Expr) -> sp.Expr | None:
        """The value of the coordinate `name` at a moment, where the setting has a step."""
        return None

    # -- special forms ---------------------------------------------------------------------------

    def _partial(self, arguments: Argument) -> sp.Expr:
        f, z = self._arity("partial", arguments, 2)
        indexed = _INDEXED.fullmatch(z.text)
        if indexed is not None:
            slope = self.derivative(self.evaluate(f), self.name(indexed[1]))
            return Total(Component(indexed[2]) * slope)
        return self.derivative(self.evaluate(f), self.name(z.text))

    def _integral(self, arguments: Argument) -> sp.Expr:
        f, variable, lower, upper = self._arity("integral", arguments, 4)
        moment = sp.Dummy("s", positive=True)
        integrand = self._with({variable.text: moment}, f)
        terms = sp.Add.make_args(sp.expand(sp.powsimp(sp.expand(integrand))))
        antiderivative = sp.Add(*(manualintegrate(term, moment) for term in terms))
        # Of a Piecewise the generic branch: the exceptional values of parameters are its limits.
        antiderivative = antiderivative.replace(
            lambda e: isinstance(e, sp.Piecewise), lambda e: e.args[0][0]
        )
        if antiderivative.has(sp.Integral):
            raise SourceError(f"no antiderivative of {to_text(f)} was found")
        ends = (_value_at(antiderivative, moment, self.evaluate(end)) for end in (lower, upper))
        start, stop = ends
        return stop - start

    def _limit(self, arguments: Argument) -> sp.Expr:
        f, variable, value = self._arity("limit", arguments, 3)
        target = self.evaluate(value)
        side = "-" if target == sp.oo else "+"
        return sp.limit(self.evaluate(f), self.name(variable.text), target, side)

    def _taylor(self, arguments: Argument) -> sp.Expr:
        f, variable, order = self._arity("taylor", arguments, 3)
        symbol, value = self.name(variable.text), self.evaluate(f)
        terms, factor = [], sp.S.One
        for power in range(int(order.text) + 1):
            terms.append(sp.limit(value, symbol, 0) * symbol**power / factor)
            value, factor = sp.diff(value, symbol), factor * (power + 1)
        return sp.Add(*terms)

    def _at(self, arguments: Argument) -> sp.Expr:
        f, *pairs = arguments
        names, values = pairs[::2], [self.evaluate(value) for value in pairs[1::2]]
        put_in = {self.name(z.text): v for z, v in zip(names, values, strict=True)}
        value = self.evaluate(f)
        if any(isinstance(z, Total) for z in put_in):
            value = standard_form(sp.expand(value))  # a sum is found only where it stands alone
        for derivative in value.atoms(sp.Derivative):
            if derivative.expr.free_symbols & set(put_in):
                # SymPy would differentiate after the substitution: a total derivative.
                raise SourceError(f"at: {derivative} cannot be taken at a point that moves")
        return value.subs(put_in, simultaneous=True).doit()

    def _wedge(self, f: sp.Expr, g: sp.Expr) -> sp.Expr:
        u, v = "u", "v"
        return self.along(f, u) * self.along(g, v) - self.along(f, v) * self.along(g, u)

    def _with(self, bound: Mapping[str, sp.Expr], node: Node) -> sp.Expr:
        before, kept = dict(self._bound), dict(self._values)
        self._bound |= bound
        self._values = {}
        try:
            return self.evaluate(node)
        finally:
            self._bound, self._values = before, kept

    @staticmethod
    def _arity(name: str, arguments: Argument, count: int) -> Argument:
        if len(arguments) != count:
            raise SourceError(f"{name} takes {count} arguments, not {len(arguments)}")
        return arguments


class SymbolicContext(Context):
    """Relations for symbolic d: the engine's own calculus."""

    def __init__(self, setting: Setting, where: Mapping[str, Any]) -> None:
        super().__init__(setting, where)
        self._functions |= {
            "sum": Total,
            "dot": lambda a, b: Total(a * b),
            "norm": lambda a: sp.sqrt(Total(a**2)),
            "norm1": lambda a: Total(sp.Abs(a)),
            "jacobiator": self.space.jacobiator,
            "area": _area,
        }
        # A setting may give another meaning to any of them.
        self._functions |= setting.functions
        self._forms["new"] = self._new

    @cached_property
    def derivation(self) -> Derivation:
        """Everything that follows from the Hamiltonian of the setting."""
        setting = self.setting
        if setting.catalog is not None:
            return _from_catalogue(setting.catalog)
        if setting.hamiltonian is None:
            raise SourceError("this needs a Hamiltonian, and the setting has none")
        return _derived(
            setting.hamiltonian,
            setting.reparam,
            setting.integrator,
            setting.coupling,
            setting.with_energy,
        )

    @property
    def _has_hamiltonian(self) -> bool:
        return self.setting.catalog is not None or self.setting.hamiltonian is not None

    @cached_property
    def space(self) -> PhaseSpace:
        """The phase space."""
        if self._has_hamiltonian:
            return self.derivation.space
        return PhaseSpace(parse_coupling(self.setting.coupling))

    @property
    def _is_canonical(self) -> bool:
        return bool(self.space.coupling == X)

    def coordinate(self, name: str) -> sp.Expr | None:
        if name == "H":
            return self.derivation.hamiltonian if self._has_hamiltonian else ARBITRARY_H
        if name == "Y":
            return self.space.coupling
        if name == "X" and self._is_canonical:
            raise SourceError("with Y as the coordinate there is no X; write Y")
        if name == "n":
            return STEP_NUMBER
        if name == "theta":
            return self._theta
        if name == "Omega":
            return self.space.form.pair(self._tangent("u"), self._tangent("v"))
        if name == "determinant":
            return self.space.determinant
        if name == "memory":
            return self._field
        return RESERVED.get(name)

    def parameter(self, name: str) -> sp.Expr:
        if self._has_hamiltonian:
            for p in self.derivation.spec.hyperparameters:
                if p.name == name:
                    return p.symbol
        return super().parameter(name)

    # -- geometry --------------------------------------------------------------------------------

    def bracket(self, f: sp.Expr, g: sp.Expr) -> sp.Expr:
        """Of a vector f or g: the vector of the brackets of its entries."""
        for position, value in enumerate((f, g)):
            if components(value):
                # The bracket of sum_i s_i f_i is linear in the arbitrary s; its slope is the entry.
                slot = Component(f"slot{position}")
                pair = (Total(slot * f), g) if position == 0 else (f, Total(slot * g))
                return gradient(self.bracket(*pair), slot)
        return self.space.poisson.pair(self._covector(f), self._covector(g))

    def _covector(self, f: sp.Expr) -> dict[sp.Symbol, sp.Expr]:
        if f == ARBITRARY_H:
            # At a point dH can be any covector, so that nothing else has to be known of H.
            return {
                z: (Component if isinstance(z, Component) else _real)(f"dH_{z.name}")
                for z in COORDINATES
            }
        if f.has(ARBITRARY_H):
            raise SourceError("an arbitrary H can only stand alone in a bracket or derivative")
        return differential(f)

    def derivative(self, f: sp.Expr, z: sp.Expr) -> sp.Expr:
        if f == ARBITRARY_H:
            return self._covector(f)[z]
        if z == Y or (z == self.space.coupling and not self._is_canonical):
            raise SourceError("Y is no coordinate here; use the coupling X to make it one")
        return gradient(f, z) if isinstance(z, Component) else sp.diff(f, z)

    def rate(self, f: sp.Expr) -> sp.Expr:
        if self._has_hamiltonian:
            return directional(f, {**self.derivation.equations.velocity, t: sp.S.One})
        return -k / h * self.bracket(f, ARBITRARY_H)

    def _tangent(self, vector: str) -> dict[sp.Symbol, sp.Expr]:
        return {
            z: (Component if isinstance(z, Component) else _real)(f"{vector}_{z.name}")
            for z in COORDINATES
        }

    def along(self, f: sp.Expr, vector: str) -> sp.Expr:
        return directional(f, self._tangent(vector))

    @property
    def _theta(self) -> sp.Expr:
        tangent = self._tangent("u")
        one_form = self.space.one_form
        return one_form[U] * tangent[U] + Total(one_form[w] * tangent[w])

    # -- steps -----------------------------------------------------------------------------------

    def in_time(self, name: str, moment: sp.Expr) -> sp.Expr | None:
        indexed = _INDEXED.fullmatch(name)
        if indexed is not None:
            inner = self.in_time(indexed[1], moment)
            return None if inner is None else Total(Component(indexed[2]) * inner)
        symbol = X if name == "Y" and self._is_canonical else RESERVED.get(name)
        if symbol not in COORDINATES:
            return None
        profile = self.derivation.temperature.profile(self._initial_beta)
        if profile is None:
            raise SourceError(f"{name}(...): the temperature has no closed form here")
        if symbol == beta:
            return profile.subs(t, moment)
        if moment == t - tau:
            return symbol
        if moment != t:
            raise SourceError(f"{name}(...): a step leads from t - tau to t, nowhere else")
        start = {START: t - tau, beta: profile.subs(t, t - tau)}
        return self.derivation.scheme.map[symbol].subs(start, simultaneous=True)

    @property
    def _initial_beta(self) -> sp.Expr:
        defaults = {p.symbol: p.default for p in self.derivation.spec.hyperparameters}
        return sp.S.Zero if defaults.get(beta0) == 0 else beta0

    def _new(self, arguments: Argument) -> sp.Expr:
        (argument,) = self._arity("new", arguments, 1)
        value = self.evaluate(argument)
        if value.has(G, L):
            raise SourceError(
                f"new({to_text(argument)}): the loss at the new weights is not part of a step"
            )
        return value.xreplace(dict(self._updated))

    @cached_property
    def _updated(self) -> Mapping[sp.Symbol, sp.Expr]:
        """The variables of the optimizer after one update, in the old ones."""
        current: dict[sp.Symbol, sp.Expr] = {z: z for z in COORDINATES}
        for assignment in self.derivation.update.inlined():
            current[assignment.target] = assignment.expr.xreplace(current)
        return current

    @property
    def _field(self) -> Memory:
        (field,) = self.derivation.scheme.fields
        return field


class ExplicitContext(Context):
    """Relations for an explicit number of weights, on a chart."""

    def __init__(self, setting: Setting, where: Mapping[str, Any]) -> None:
        super().__init__(setting, where)
        assert setting.dim is not None
        self.at_points = Coordinates(setting.dim)
        self._functions |= {"jacobiator": self._jacobiator, **setting.functions}
        for name, arguments in setting.opaque.items():
            values = [self.name(argument) for argument in arguments]
            self._values[name] = sp.Function(name, real=True)(*values)

    @cached_property
    def _chart_and_form(self) -> tuple[Chart, OneForm]:
        assert self.setting.dim is not None
        return thermodynamic_chart(self.setting.dim, parse_coupling(self.setting.coupling))

    @property
    def chart(self) -> Chart:
        """The coordinates."""
        return self._chart_and_form[0]

    @cached_property
    def tensor(self) -> PoissonTensor:
        """The Poisson tensor: that of the phase space, or that of the printed brackets."""
        if not self.setting.brackets:
            return poisson_tensor(exterior_derivative(self._chart_and_form[1]))
        given: dict[tuple[sp.Symbol, sp.Symbol], sp.Expr] = {}
        for left, right, value in self.setting.brackets:
            for index in range(self.at_points.dim):
                pair = (self._numbered(left, index), self._numbered(right, index))
                number = str(index + 1)
                text = re.sub(r"\b([wX])\b", rf"\g<1>{number}", value)
                given[pair] = self.evaluate(parse_tree(text))
        return PoissonTensor.of(self.chart, given)

    def _numbered(self, name: str, index: int) -> sp.Symbol:
        symbol = RESERVED[name]
        if not isinstance(symbol, Component):
            return symbol
        return self.at_points.component(symbol, index)

    def coordinate(self, name: str) -> sp.Expr | None:
        if name == "H":
            if self.setting.hamiltonian is None:
                return sp.Function("H", real=True)(*self.chart.coordinates)
            return self.evaluate(parse_tree(self.setting.hamiltonian))
        if name == "theta":
            return sp.Add(
                *(
                    value * self._direction("u", self.chart.coordinates[index])
                    for index, value in self._chart_and_form[1].components.items()
                )
            )
        named = {z.name: z for z in self.chart.coordinates}
        if self.setting.coupling == "X":
            # Y itself is the coordinate: the chart keeps it where it has X otherwise.
            named = {_canonical(n): z for n, z in named.items()}
        if name in named:
            return named[name]
        if name == "L":
            return self.at_points.L
        symbol = RESERVED.get(name)
        return None if isinstance(symbol, Component) else symbol

    def bracket(self, f: sp.Expr, g: sp.Expr) -> sp.Expr:
        return self.tensor.bracket(f, g)

    def _jacobiator(self, f: sp.Expr, g: sp.Expr, e: sp.Expr) -> sp.Expr:
        cyclic = ((f, g, e), (g, e, f), (e, f, g))
        return sp.Add(*(self.bracket(a, self.bracket(b, c)) for a, b, c in cyclic))

    def derivative(self, f: sp.Expr, z: sp.Expr) -> sp.Expr:
        return sp.diff(f, z)

    def rate(self, f: sp.Expr) -> sp.Expr:
        return sp.diff(f, t) - k / h * self.bracket(f, self.name("H"))

    @staticmethod
    def _direction(vector: str, z: sp.Symbol) -> sp.Symbol:
        return sp.Symbol(f"{vector}_{z.name}", real=True)

    def along(self, f: sp.Expr, vector: str) -> sp.Expr:
        return sp.Add(*(sp.diff(f, z) * self._direction(vector, z) for z in self.chart.coordinates))


def _canonical(name: str) -> str:
    return name.replace("X", "Y") if name.startswith("X") else name


def _area(f: sp.Expr, g: sp.Expr) -> sp.Expr:
    """The bracket on (w, X) alone, with {w_i, X_j} = delta_ij: how a map changes areas."""
    return Total(gradient(f, w) * gradient(g, X) - gradient(f, X) * gradient(g, w))


def _value_at(expr: sp.Expr, symbol: sp.Symbol, value: sp.Expr) -> sp.Expr:
    """`expr` at a value, as a limit if that is infinite."""
    return sp.limit(expr, symbol, value) if value.is_infinite else expr.subs(symbol, value)


def _real(name: str) -> sp.Symbol:
    return sp.Symbol(name, real=True)


# A claim asks for the same derivation several times, as printed, repaired, and in steps.
@lru_cache(maxsize=16)
def _derived(
    hamiltonian: str, reparam: tuple[str, ...], integrator: str, coupling: str, with_energy: bool
) -> Derivation:
    spec = Spec.from_expression(
        hamiltonian, reparams=reparam, integrator=integrator, coupling=coupling
    )
    return Derivation(spec.replace(with_energy=with_energy))


@lru_cache(maxsize=16)
def _from_catalogue(name: str) -> Derivation:
    return Derivation(catalog.load(name))

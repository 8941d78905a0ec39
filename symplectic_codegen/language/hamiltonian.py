"""Hamiltonians, and the two smaller things that are written in the same language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import sympy as sp

from symplectic_codegen.language.meaning import RESERVED, Vocabulary, interpret, refuse_vector
from symplectic_codegen.language.parser import names_in, syntax_error
from symplectic_codegen.language.syntax import RefusedError

NO_SYMBOLS: Final[Mapping[str, sp.Symbol]] = MappingProxyType({})

_NOT_A_CONSTANT: Final = MappingProxyType(
    {name: f"{name} is a vector; only scalars can be used here" for name in ("w", "X", "Y", "G")}
    | {name: f"{name} is not known before the run" for name in ("U", "L", "L0")}
)
_NOT_IN_FRICTION: Final = MappingProxyType(
    {
        name: f"{name} cannot be used in a friction, which depends on X, w, beta and t"
        for name in ("Y", "G", "L", "L0", "U", "tau")
    }
)
_NOT_IN_NOISE: Final = MappingProxyType(
    {
        name: f"{name} cannot be used in a noise, whose strength depends on beta and t alone"
        for name in ("X", "Y", "G", "w", "L", "L0", "U", "tau")
    }
)
_NOT_IN_STEP: Final = MappingProxyType(
    {
        name: f"{name} cannot be used in a time step, which depends on the loss L, L0 and tau"
        for name in ("X", "Y", "G", "w", "U", "beta", "t", "d")
    }
)
_NOT_IN_ENERGY: Final = MappingProxyType(
    {
        name: f"{name} cannot be used in an energy, which is a constant of the run"
        for name in ("X", "Y", "G", "w", "U", "L", "beta", "t", "d", "tau")
    }
)
_NOT_IN_COUPLING: Final = MappingProxyType(
    {
        name: f"{name} cannot be used in a coupling, which depends on X, beta, U and w"
        for name in ("Y", "G", "L", "L0", "t", "tau")
    }
)
_NOT_IN_LOSS: Final = MappingProxyType(
    {
        name: f"{name} cannot be used in a loss, which depends on w alone"
        for name in ("X", "Y", "G", "L", "U", "beta", "t", "tau")
    }
)


@dataclass(frozen=True)
class Hamiltonian:
    """A scalar function of the phase space.

    >>> H = Hamiltonian.parse("beta/(2*k)*dot(X, X) + beta*c**2/k*L + h*gamma/k*beta*U")
    >>> H.hyperparameters
    ('gamma',)

    Attributes:
        text: what was typed, stripped.
        expr: its meaning, in the symbols of the algebra room.
    """

    text: str
    expr: sp.Expr

    @classmethod
    def parse(cls, text: str, symbols: Mapping[str, sp.Symbol] = NO_SYMBOLS) -> Hamiltonian:
        """Read a Hamiltonian; `symbols` are those to use for some of the hyperparameters.

        Raises:
            HamiltonianSyntaxError: with the place and, where there is one, the cure.
        """
        text = text.strip()
        return cls(text, _scalar(text, Vocabulary(symbols)))

    @property
    def hyperparameters(self) -> tuple[str, ...]:
        """The names other than the reserved ones, in the order of the text."""
        return hyperparameter_names(self.text)

    def __str__(self) -> str:
        return self.text


def parse_scalar(text: str, symbols: Mapping[str, sp.Symbol] = NO_SYMBOLS) -> sp.Expr:
    """An expression in scalars and hyperparameters, as in ``lr = tau/h``.

    >>> parse_scalar("exp(-gamma*tau)")
    exp(-gamma*tau)

    Raises:
        HamiltonianSyntaxError: with the place; also for vectors, U and L.
    """
    return _scalar(text.strip(), Vocabulary(symbols, _NOT_A_CONSTANT))


def parse_coupling(text: str, symbols: Mapping[str, sp.Symbol] = NO_SYMBOLS) -> sp.Expr:
    """A vector expression Y = Y(beta, X, U, w).

    >>> parse_coupling("beta*X*(1 + alpha*U)")
    X*beta*(U*alpha + 1)

    Raises:
        HamiltonianSyntaxError: with the place; also for a scalar.
    """
    return _vector(text.strip(), Vocabulary(symbols, _NOT_IN_COUPLING), "a coupling", "beta*X")


def parse_friction(text: str, symbols: Mapping[str, sp.Symbol] = NO_SYMBOLS) -> sp.Expr:
    """A vector expression: what friction takes from the momenta per unit of time.

    >>> parse_friction("mu*X/sqrt(1 + X**2)")
    X*mu/sqrt(X**2 + 1)

    Raises:
        HamiltonianSyntaxError: with the place; also for a scalar.
    """
    return _vector(text.strip(), Vocabulary(symbols, _NOT_IN_FRICTION), "a friction", "D*X")


def parse_noise(text: str, symbols: Mapping[str, sp.Symbol] = NO_SYMBOLS) -> sp.Expr:
    """The strength of the noise on the momenta, dX = strength dW: a scalar or a vector.

    >>> parse_noise("sqrt(2*gamma*temperature)")
    sqrt(2)*sqrt(gamma)*sqrt(temperature)

    Raises:
        HamiltonianSyntaxError: with the place.
    """
    return interpret(text.strip(), Vocabulary(symbols, _NOT_IN_NOISE))[1].expr


def parse_time_step(text: str, symbols: Mapping[str, sp.Symbol] = NO_SYMBOLS) -> sp.Expr:
    """The length of each step, where it depends on the loss.

    >>> parse_time_step("tau*L/L0")
    L*tau/L0

    Raises:
        HamiltonianSyntaxError: with the place; also for a vector.
    """
    return _scalar(text.strip(), Vocabulary(symbols, _NOT_IN_STEP))


def parse_energy(text: str, symbols: Mapping[str, sp.Symbol] = NO_SYMBOLS) -> sp.Expr:
    """The value of H on the energy surface: a constant of the run.

    >>> parse_energy("L0 + delta")
    L0 + delta

    Raises:
        HamiltonianSyntaxError: with the place; also for a vector.
    """
    return _scalar(text.strip(), Vocabulary(symbols, _NOT_IN_ENERGY))


def parse_loss(text: str) -> sp.Expr:
    """A loss as an expression in w and hyperparameters.

    >>> parse_loss("sum(w**4)/4 + lam*dot(w, w)")
    lam*Total(w**2) + Total(w**4)/4

    Raises:
        HamiltonianSyntaxError: with the place; also for a loss that reads X, U, beta or time.
    """
    return _scalar(text.strip(), Vocabulary(NO_SYMBOLS, _NOT_IN_LOSS))


def hyperparameter_names(text: str) -> tuple[str, ...]:
    """The names in a valid text that are not reserved, in the order of the text."""
    return tuple(name for name in names_in(text) if name not in RESERVED)


def _vector(text: str, vocabulary: Vocabulary, what: str, example: str) -> sp.Expr:
    tree, value = interpret(text, vocabulary)
    if not value.is_vector:
        message = f"{what} is a vector, and this is a scalar"
        raise syntax_error(RefusedError(message, tree.span, f"for example: {example}"), text)
    return value.expr


def _scalar(text: str, vocabulary: Vocabulary) -> sp.Expr:
    tree, value = interpret(text, vocabulary)
    if value.is_vector:
        raise refuse_vector(tree, text, vocabulary)
    return value.expr

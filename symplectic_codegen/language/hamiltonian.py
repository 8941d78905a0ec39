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
    | {name: f"{name} is not known before the run" for name in ("U", "L")}
)
_NOT_IN_COUPLING: Final = MappingProxyType(
    {
        name: f"{name} cannot be used in a coupling, which depends on X, beta, U and w"
        for name in ("Y", "G", "L", "t", "tau")
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
    text = text.strip()
    tree, value = interpret(text, Vocabulary(symbols, _NOT_IN_COUPLING))
    if not value.is_vector:
        message = "a coupling is a vector, and this is a scalar"
        raise syntax_error(RefusedError(message, tree.span, "for example: beta*X"), text)
    return value.expr


def hyperparameter_names(text: str) -> tuple[str, ...]:
    """The names in a valid text that are not reserved, in the order of the text."""
    return tuple(name for name in names_in(text) if name not in RESERVED)


def _scalar(text: str, vocabulary: Vocabulary) -> sp.Expr:
    tree, value = interpret(text, vocabulary)
    if value.is_vector:
        raise refuse_vector(tree, text, vocabulary)
    return value.expr

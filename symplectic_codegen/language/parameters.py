"""What a user sets: hyperparameters, and the user-facing names that stand for them."""

from __future__ import annotations

import keyword
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final

import sympy as sp

from symplectic_codegen.algebra import symbols
from symplectic_codegen.errors import HamiltonianSyntaxError, SpecError
from symplectic_codegen.language import limits
from symplectic_codegen.language.bounds import Bounds
from symplectic_codegen.language.grammar import FUNCTIONS
from symplectic_codegen.language.hamiltonian import parse_scalar
from symplectic_codegen.language.meaning import RESERVED
from symplectic_codegen.language.parser import names_in
from symplectic_codegen.language.syntax import is_identifier


def check_name(name: str, where: str) -> None:
    """Refuse what cannot name a hyperparameter in the language and in generated code.

    Raises:
        SpecError: the message begins with `where`.
    """
    if keyword.iskeyword(name):
        raise SpecError(f"{where}: {name!r} is a Python keyword; choose another name")
    if not is_identifier(name):
        raise SpecError(
            f"{where}: {name[:60]!r} is not a name; names are plain identifiers of at most "
            f"{limits.MAX_NAME} characters that begin with a letter"
        )
    if name == "n":
        raise SpecError(f"{where}: n is the number of the step in an update; choose another name")
    if name in FUNCTIONS:
        raise SpecError(f"{where}: {name!r} is a function of the language; choose another name")


@dataclass(frozen=True)
class Hyperparameter:
    """A physical constant of a Hamiltonian; without a default it must be given to the optimizer.

    >>> Hyperparameter("gamma", sp.Rational(1, 10)).symbol.is_positive
    True
    """

    name: str
    default: sp.Rational | None = None
    bounds: Bounds = field(default_factory=Bounds)
    meaning: str = ""

    def __post_init__(self) -> None:
        where = f"hyperparameter {self.name}"
        check_name(self.name, where)
        if self.name in RESERVED and self.name not in STANDARD_NAMES:
            raise SpecError(
                f"{where}: {self.name} is a variable of the phase space or of time, and cannot be "
                f"set; of the reserved names only {', '.join(STANDARD_NAMES)} can"
            )
        symbol = RESERVED.get(self.name)
        may_be_negative = self.bounds.lower is None or self.bounds.lower < 0
        if symbol is not None and symbol.is_nonnegative and may_be_negative:
            raise SpecError(f"{where}: it is never negative, so its bounds cannot be {self.bounds}")
        check_default(self.default, self.bounds, where)

    @property
    def symbol(self) -> sp.Symbol:
        """The symbol that stands for it in every expression."""
        if self.name in RESERVED:
            return RESERVED[self.name]
        if self.bounds.lower is not None and self.bounds.lower >= 0:
            return sp.Symbol(self.name, positive=True)
        return sp.Symbol(self.name, real=True)


def check_default(default: sp.Rational | None, bounds: Bounds, where: str) -> None:
    """Refuse a default outside its bounds.

    Raises:
        SpecError: the message begins with `where`.
    """
    if default is not None and not bounds.contains(default):
        raise SpecError(f"{where}: the default {default} is outside the bounds {bounds}")


STANDARD_NAMES: Final = ("tau", "h", "k", "c", "beta0", "U0")


def standard_hyperparameters() -> MappingProxyType[str, Hyperparameter]:
    """Those that every optimizer has: the step, the units, and the initial thermal state."""
    positive = Bounds(lower_closed=False)
    anywhere = Bounds(None, None, lower_closed=False)
    one = sp.S.One
    rows = (
        Hyperparameter(symbols.tau.name, None, Bounds(), "step of the learning time"),
        Hyperparameter(symbols.h.name, one, positive, "unit of action"),
        Hyperparameter(symbols.k.name, one, positive, "unit of information"),
        Hyperparameter(symbols.c.name, one, positive, "c**2 is a unit of energy squared"),
        Hyperparameter(symbols.beta0.name, one, positive, "thermal parameter at the start"),
        Hyperparameter(symbols.U0.name, sp.S.Zero, anywhere, "internal energy at the start"),
    )
    return MappingProxyType({row.name: row for row in rows})


@dataclass(frozen=True)
class Reparametrization:
    """A user-facing name and the expression in physical hyperparameters that it equals.

    Attributes:
        text: the right-hand side as typed.
        expr: its meaning.
    """

    name: str
    text: str
    expr: sp.Expr
    default: sp.Rational | None = None
    bounds: Bounds = field(default_factory=Bounds)
    meaning: str = ""

    def __post_init__(self) -> None:
        where = f"reparametrization {self.name}"
        check_name(self.name, where)
        if self.name in RESERVED:
            raise SpecError(f"{where}: {self.name} is a reserved name; choose another")
        moving = [name for name in ("beta", "t", "d") if name in names_in(self.text)]
        if moving:
            raise SpecError(
                f"{where}: {moving[0]} is no constant of the optimizer; use hyperparameters, "
                f"{', '.join(STANDARD_NAMES)}"
            )
        if not self.expr.free_symbols:
            raise SpecError(
                f"{where}: {self.text!r} is a number; to give a default, set {self.name} to it"
            )
        check_default(self.default, self.bounds, where)


def parse_reparametrization(
    name: str,
    text: str,
    known: dict[str, sp.Symbol],
    default: sp.Rational | None = None,
    bounds: Bounds | None = None,
    meaning: str = "",
) -> Reparametrization:
    """A `Reparametrization` from its text.

    >>> parse_reparametrization("lr", "tau/h", {}).expr
    tau/h

    Raises:
        SpecError: if the name or the expression cannot be used.
    """
    text = text.strip()
    try:
        expr = parse_scalar(text, known)
    except HamiltonianSyntaxError as error:
        raise SpecError(f"reparametrization {name}: {error}") from None
    return Reparametrization(name, text, expr, default, bounds or Bounds(), meaning)

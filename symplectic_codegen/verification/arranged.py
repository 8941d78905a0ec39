"""Relations about a system composed from parts: its two machines, and its backward pass."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import sympy as sp

from symplectic_codegen.arrangements.semantics import (
    Machine,
    Semantics,
    backward,
    configuration,
    dual,
    phase,
)
from symplectic_codegen.verification.claims import Setting
from symplectic_codegen.verification.context import Context
from symplectic_codegen.verification.relations import SourceError


class ArrangementContext(Context):
    """The coordinates of an arrangement, and functions of them.

    `configuration(f)` is f after a step of Φ_conf, `phase(f)` after one of Φ_phase, `damped(f, c)`
    after one that loses the part c of the momenta; `xi(q)` is the covector that comes back to q.
    """

    def __init__(self, setting: Setting, where: Mapping[str, Any]) -> None:
        super().__init__(setting, where)
        assert setting.arrangement is not None
        self.arrangement = setting.arrangement
        self._functions |= {
            "configuration": self._after(configuration),
            "phase": self._after(phase),
            "damped": lambda f, c: self._after(lambda a: phase(a, c))(f),
            "xi": self._covector,
        }
        self._functions |= setting.functions

    @cached_property
    def _known(self) -> Mapping[str, sp.Symbol]:
        machine = phase(self.arrangement)
        read = [*machine.state, *self.arrangement.inner_outputs, *self.arrangement.outer.inputs]
        read += [dual(s) for s in (*self.arrangement.inner_inputs, *self.arrangement.outer.outputs)]
        constants = set(self.arrangement.potential.free_symbols)
        constants |= self.arrangement.parameters.sharp.free_symbols
        for e in (*self.arrangement.output, *self.arrangement.input):
            constants |= e.free_symbols
        return {str(s.name): s for s in (*constants, *read)}

    def _after(self, semantics: Semantics) -> Callable[[sp.Expr], sp.Expr]:
        machine: Machine = semantics(self.arrangement)
        return lambda f: f.xreplace(dict(machine.next))

    def _covector(self, q: sp.Expr) -> sp.Expr:
        names = self.arrangement.parameters.coordinates
        if q not in names:
            raise SourceError(f"xi({q}): {q} is no parameter of the arrangement")
        return backward(self.arrangement).parameters[names.index(q)]

    def coordinate(self, name: str) -> sp.Expr | None:
        if name == "U":
            return self.arrangement.potential
        return self._known.get(name)

    def bracket(self, f: sp.Expr, g: sp.Expr) -> sp.Expr:
        """The canonical bracket of parameters and their momenta: {q, ξ} = 1."""
        terms = []
        for q in self.arrangement.parameters.coordinates:
            p = dual(q)
            terms.append(sp.diff(f, q) * sp.diff(g, p) - sp.diff(f, p) * sp.diff(g, q))
        return sp.Add(*terms)

    def rate(self, f: sp.Expr) -> sp.Expr:
        raise SourceError("a machine takes steps and has no rate; use phase(f) - f")

    def derivative(self, f: sp.Expr, z: sp.Expr) -> sp.Expr:
        return sp.diff(f, z)

    def along(self, f: sp.Expr, vector: str) -> sp.Expr:
        state = phase(self.arrangement).state
        return sp.Add(*(sp.diff(f, z) * sp.Symbol(f"{vector}_{z}", real=True) for z in state))

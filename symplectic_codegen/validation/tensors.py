"""Modules for PyTorch under the same oracles as those for arrays.

`ArrayOptimizer` gives an optimizer for tensors the interface of one for arrays. It shares the
memory of the arrays, so that layouts and addresses are those of the test.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from symplectic_codegen.rule.interpreter import initial_state
from symplectic_codegen.rule.rule import UpdateRule
from symplectic_codegen.targets.array_module import prepare
from symplectic_codegen.targets.torch_rule import COUNT, kept_scalars
from symplectic_codegen.targets.torch_target import options_of

Array = npt.NDArray[Any]

# The ways through a step, with the options that choose them.
WAYS: Mapping[str, Mapping[str, bool]] = MappingProxyType(
    {
        "for loop": {"foreach": False},
        "foreach": {"foreach": True},
        "fused": {"fused": True},
    }
)


class ArrayOptimizer:
    """An optimizer for tensors on arrays.

    Args:
        cls: its class.
        rule: what it is to compute.
        way: options that choose the way through a step.
        params: arrays, updated in place.
        values: the hyperparameters of the rule.
    """

    def __init__(
        self,
        cls: type[Any],
        rule: UpdateRule,
        way: Mapping[str, bool],
        params: Sequence[Array],
        **values: float,
    ) -> None:
        import torch

        self._rule = rule
        self._keys = kept_scalars(prepare(rule))
        self._params = [torch.nn.Parameter(torch.from_numpy(w)) for w in params]
        self._options = options_of(rule.parameters)
        self._steps = 0
        self._optimizer = cls(self._params, **self._grouped(values), **way)

    def step(self, grads: Sequence[Array | None], **loss: float) -> None:
        """Make one step."""
        import torch

        for p, G in zip(self._params, grads, strict=True):
            p.grad = None if G is None else torch.from_numpy(np.asarray(G))
        self._optimizer.step(**loss)
        self._steps += 1

    def state_dict(self) -> dict[str, Any]:
        """What an optimizer for arrays would save; scalars are those of the first parameter."""
        rule = self._rule
        state = [self._optimizer.state.get(p, {}) for p in self._params]
        counts = [int(s[COUNT]) for s in state if COUNT in s]
        values = self._values()
        start = initial_state(rule, values, 0)
        begun = [s for s in state if s]
        scalars = {
            s.name: float(begun[0][s.name] if begun and self._steps else start.scalars[s.name])
            for s in rule.states
        }
        return {
            "hyperparameters": values,
            "step": max(counts) if counts else self._steps,
            "scalars": scalars,
            "buffers": {
                b.name: [
                    s[b.name].numpy().copy() if s else np.zeros_like(p.detach().numpy())
                    for s, p in zip(state, self._params, strict=True)
                ]
                for b in rule.buffers
            },
            "blocks": {
                b.name: np.array([float(s[b.name]) if s else 0.0 for s in state])
                for b in rule.block_states
            },
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        import torch

        self._steps = int(state["step"])
        numbers = {COUNT: float(state["step"]), **state["scalars"]}
        saved = self._optimizer.state_dict()
        for k in range(len(self._params)):
            own = {name: values[k] for name, values in state["blocks"].items()} | numbers
            tensors = {
                name: torch.tensor(float(own[name]), dtype=torch.float64) for name in self._keys
            }
            for name, arrays in state["buffers"].items():
                tensors[name] = torch.from_numpy(arrays[k].copy())
            saved["state"][k] = tensors
        saved["param_groups"][0] |= self._grouped(state["hyperparameters"])
        self._optimizer.load_state_dict(saved)

    def _grouped(self, values: Mapping[str, float]) -> dict[str, Any]:
        """The hyperparameters as the class takes them."""
        options: dict[str, Any] = {}
        for option in self._options:
            members = tuple(values[p.name] for p in option.members)
            options[option.name] = members if option.is_tuple else members[0]
        return options

    def _values(self) -> dict[str, float]:
        """The hyperparameters of the rule."""
        (group,) = self._optimizer.param_groups
        values: dict[str, float] = {}
        for option in self._options:
            found = group[option.name] if option.is_tuple else (group[option.name],)
            names = (p.name for p in option.members)
            values |= zip(names, map(float, found), strict=True)
        return values

"""Drive a generated gradient transformation through the interface of the array targets.

The parameters are a list of leaves. Steps run in the two ways in which users run them: compiled
where there is one leaf, operation by operation where there are several. float64 needs JAX's own
double precision, which is switched on for the time of each call.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import numpy.typing as npt

from symplectic_codegen.rule.rule import UpdateRule
from symplectic_codegen.targets.optax_target import transformation
from symplectic_codegen.targets.transformation import Transformation
from symplectic_codegen.validation.module import Layouts, Subject
from symplectic_codegen.validation.traced import traced_rounding

Array = npt.NDArray[Any]

MOST_STEPS = 2**31 - 1  # the count is an int32


def optax_subject(factory: Any, rule: UpdateRule) -> Subject:
    """The factory of a gradient transformation."""
    shape = transformation(rule, "")

    def make(params: list[Array], values: Mapping[str, float]) -> Driver:
        return Driver(factory, shape, params, values)

    return Subject(
        make, rule, rounding=traced_rounding, most_steps=MOST_STEPS, layouts=Layouts.ROWS
    )


class Driver:
    """A transformation at work on NumPy arrays, which it changes in place.

    Args:
        factory: makes the transformation.
        shape: what its state should be.
        params: the parameters, all of one type.
        values: the hyperparameters.
    """

    def __init__(
        self, factory: Any, shape: Transformation, params: list[Array], values: Mapping[str, float]
    ) -> None:
        self._factory, self._shape, self._params = factory, shape, params
        self._is_double = params[0].dtype == np.float64
        self._configure(values)
        with self._precision():
            self._state = self._transformation.init(self._leaves(params))

    def _configure(self, values: Mapping[str, float]) -> None:
        import jax

        self._values = dict(values)
        self._transformation = self._factory(**self._values)
        update = self._transformation.update
        self._update = jax.jit(update) if len(self._params) == 1 else update

    @contextmanager
    def _precision(self) -> Iterator[None]:
        import jax

        with jax.enable_x64(self._is_double), jax.default_device(jax.devices("cpu")[0]):
            yield

    def _leaves(self, arrays: list[Any]) -> list[Any]:
        import jax.numpy as jnp

        return [None if a is None else jnp.array(a, copy=True) for a in arrays]

    def step(self, grads: list[Array | None], loss: float | None = None) -> None:
        """One step.

        Raises:
            ValueError: the step is refused: compiled, it moves no state, and all updates are NaN.
        """
        import jax.numpy as jnp
        import optax

        with self._precision():
            params, updates = self._leaves(self._params), self._leaves(grads)
            more = {} if loss is None else {"value": jnp.asarray(loss, float)}
            changes, state = self._update(updates, self._state, params, **more)
            if int(state.count) == int(self._state.count) < MOST_STEPS:
                self._refused(changes, updates, params, more)
            self._state = state
            for w, old, change in zip(self._params, params, changes, strict=True):
                if change is not None:
                    w[...] = np.asarray(optax.apply_updates(old, change))

    def _refused(self, changes: Any, updates: Any, params: Any, more: dict[str, Any]) -> None:
        """What compiled code has refused is refused with an error by plain code."""
        if not all(bool(np.isnan(change).all()) for change in changes if change is not None):
            raise RuntimeError("the count has not moved, but the updates are not NaN")
        self._transformation.update(updates, self._state, params, **more)
        raise RuntimeError("compiled code refuses the step, plain code does not")

    def state_dict(self) -> dict[str, Any]:
        """The state in the form of the array targets, and as it is under the key "state"."""
        import jax

        rule, shape, state = self._shape.original, self._shape, self._state
        names = zip(rule.buffers, shape.buffers, strict=True)
        with self._precision():
            leaves = [np.array(leaf) for leaf in jax.tree.leaves(state)]
            return {
                "hyperparameters": dict(self._values),
                "step": int(state.count),
                "scalars": {
                    old.name: self._scalar(new.name)
                    for old, new in zip(rule.states, shape.rule.states, strict=True)
                },
                "buffers": {
                    old.name: [np.array(x) for x in getattr(state, shape.fields[new])]
                    for old, new in names
                },
                "blocks": {
                    old.name: np.array(getattr(state, shape.fields[new]), np.float64)
                    for old, new in zip(rule.block_states, shape.blocks, strict=True)
                },
                "state": leaves,
            }

    def _scalar(self, name: str) -> float:
        value = float(getattr(self._state, self._shape.fields[name]))
        rest = self._shape.rests.get(name)
        return value if rest is None else value + float(getattr(self._state, rest))

    def load_state_dict(self, saved: Mapping[str, Any]) -> None:
        """Take over what `state_dict` returned, or what was changed in it."""
        import jax
        import jax.numpy as jnp

        rule, shape = self._shape.original, self._shape
        self._configure(saved["hyperparameters"])
        with self._precision():
            leaves = [jnp.array(leaf) for leaf in saved["state"]]
            self._state = jax.tree.unflatten(jax.tree.structure(self._state), leaves)
            changed = {"count": jnp.asarray(saved["step"], jnp.int32)}
            for old, new in zip(rule.states, shape.rule.states, strict=True):
                value = saved["scalars"][old.name]
                if value != self._scalar(new.name):
                    changed[shape.fields[new.name]] = jnp.asarray(value, float)
                    if new.name in shape.rests:
                        changed[shape.rests[new.name]] = jnp.zeros([], float)
            self._state = self._state._replace(**changed)

"""The targets: what code can be generated for, in one plain ordered table."""

from __future__ import annotations

from difflib import get_close_matches
from types import MappingProxyType

from symplectic_codegen.errors import TargetError
from symplectic_codegen.targets.base import Availability, Document, Target
from symplectic_codegen.targets.cuda_target import CUDA
from symplectic_codegen.targets.numba_target import NUMBA
from symplectic_codegen.targets.numpy_target import NUMPY
from symplectic_codegen.targets.optax_target import OPTAX
from symplectic_codegen.targets.torch_target import TORCH

__all__ = ["TARGETS", "Availability", "Document", "Target", "get_target"]

TARGETS = MappingProxyType({target.name: target for target in (NUMPY, NUMBA, TORCH, OPTAX, CUDA)})


def get_target(name: str) -> Target:
    """The target called `name`.

    Raises:
        TargetError: there is none; the message names the closest one.

    >>> get_target("numpy").layout
    ('numpy/{name}.py',)
    >>> get_target("nunba")
    Traceback (most recent call last):
    symplectic_codegen.errors.TargetError: there is no target 'nunba'; did you mean 'numba'?
    """
    if name in TARGETS:
        return TARGETS[name]
    close = get_close_matches(name, TARGETS, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(TARGETS)}"
    raise TargetError(f"there is no target {name!r}; {hint}")

"""How rung 4 drives what the file of a target defines: one entry for each target."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from inspect import signature
from types import MappingProxyType, ModuleType
from typing import Any

from symplectic_codegen.rule.rule import UpdateRule
from symplectic_codegen.targets import get_target
from symplectic_codegen.validation.host_device import compiler, on_host
from symplectic_codegen.validation.module import Array, Layouts, Subject
from symplectic_codegen.validation.optax_module import optax_subject
from symplectic_codegen.validation.tensors import WAYS, ArrayOptimizer


@dataclass(frozen=True)
class Driver:
    """How a target is driven.

    Args:
        subjects: what is to be tested of a class or function: every way through a step.
        obstacle: why that cannot be done here, or "".
        is_required: whether an obstacle is a failure: a file that lacks what it imports does not
            hold. The compiler is needed by the validation alone.
        prepare: what is done with the module before it is used.
    """

    subjects: Callable[[Any, UpdateRule], Iterator[Subject]]
    obstacle: Callable[[], str]
    prepare: Callable[[ModuleType], object] | None = None
    is_required: bool = True


def _missing(target: str) -> Callable[[], str]:
    """Why generated code of a target cannot run here."""

    def obstacle() -> str:
        availability = get_target(target).is_available()
        return "" if availability.ok else f"it cannot run here: {availability.reason}"

    return obstacle


def _without_compiler() -> str:
    if compiler() is not None:
        return ""
    return "no C++ compiler (g++, clang++, or CXX) is here to run the kernels on the host"


def _arrays(public: Any, rule: UpdateRule) -> Iterator[Subject]:
    """A class with the interface of the array targets."""
    yield Subject(lambda params, values: public(params, **values), rule)


def _kernels(public: Any, rule: UpdateRule) -> Iterator[Subject]:
    """Kernels behind their launcher: the scalars of a step in Python, and in C++ on the device."""
    yield Subject(lambda params, values: public(params, **values), rule, layouts=Layouts.DENSE)
    if "capturable" in signature(public).parameters:
        yield Subject(
            lambda params, values: public(params, **values, capturable=True),
            rule,
            label="module (scalars on the device)",
            layouts=Layouts.DENSE,
        )


def _tensor_optimizer(
    public: Any,
    rule: UpdateRule,
    options: Mapping[str, bool],
    params: list[Array],
    values: Mapping[str, float],
) -> ArrayOptimizer:
    return ArrayOptimizer(public, rule, options, params, **values)


def _tensors(public: Any, rule: UpdateRule) -> Iterator[Subject]:
    """Every way through a step of a torch.optim class."""
    for way, options in WAYS.items():
        if options.get("fused") and not get_target("numba").is_available().ok:
            continue
        yield Subject(
            partial(_tensor_optimizer, public, rule, options),
            rule,
            label=f"module ({way})",
            own_clocks=True,
        )


def _transformations(public: Any, rule: UpdateRule) -> Iterator[Subject]:
    yield optax_subject(public, rule)


DRIVERS: Mapping[str, Driver] = MappingProxyType(
    {
        "numpy": Driver(_arrays, _missing("numpy")),
        "numba": Driver(_arrays, _missing("numba")),
        "torch": Driver(_tensors, _missing("torch")),
        "optax": Driver(_transformations, _missing("optax")),
        "cuda": Driver(_kernels, _without_compiler, on_host, is_required=False),
    }
)

"""Work that was given up leaves nothing behind."""

from __future__ import annotations

import importlib
from typing import NoReturn

import pytest
import sympy as sp
from sympy.integrals.manualintegrate import manualintegrate

from symplectic_codegen.errors import OutOfTimeError
from symplectic_codegen.resources import processors, time_limit


def test_an_integral_that_was_given_up_is_found_later(monkeypatch: pytest.MonkeyPatch) -> None:
    rate, x = sp.symbols("rate x", positive=True)
    integrand = sp.exp(rate * x)

    def interrupted(*_: object) -> NoReturn:
        raise OutOfTimeError("no answer")

    with monkeypatch.context() as patched:
        patched.setattr(
            importlib.import_module("sympy.integrals.manualintegrate"), "switch", interrupted
        )
        with pytest.raises(OutOfTimeError), time_limit(60):
            manualintegrate(integrand, x)
    assert manualintegrate(integrand, x) == sp.exp(rate * x) / rate


def _wait() -> NoReturn:
    while True:
        pass


def test_the_limit_is_kept_and_says_what_it_is_told() -> None:
    with pytest.raises(OutOfTimeError, match=r"^enough$"), time_limit(0.02, "enough"):
        _wait()


def test_an_outer_limit_goes_on() -> None:
    def inner_then_wait() -> None:
        with time_limit(60, "inner"):
            pass
        _wait()

    with pytest.raises(OutOfTimeError, match="outer"), time_limit(0.05, "outer"):
        inner_then_wait()


def test_there_is_a_processor() -> None:
    assert processors() >= 1

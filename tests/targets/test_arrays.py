"""Array traps: layouts, memory, and input that must be refused before anything is changed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hand_made import GLOBAL_NORM, GUARDED, MOMENTUM, THERMOSTAT, Load

SENTINEL = 7777.0
Views = Callable[[np.ndarray], np.ndarray]

LAYOUTS: dict[str, tuple[tuple[int, ...], Views]] = {
    "padded": ((60,), lambda base: base[7:47]),
    "every second": ((90,), lambda base: base[3:83:2]),
    "reversed": ((60,), lambda base: base[46:6:-1]),
    "columns": ((6, 30), lambda base: base[1:5, 2:22:2]),
    "transposed": ((12, 7), lambda base: base[1:9, 1:6].T),
    "fortran": ((10, 6), lambda base: base[1:9].T),
    "three axes": ((6, 5, 6), lambda base: base[1:5:2, :, 1:5].transpose(2, 0, 1)),
    "one element": ((9,), lambda base: base[4:5]),
    "no axis": ((9,), lambda base: base[4:5].reshape(())),
    "empty": ((9, 3), lambda base: base[4:4]),
}


def guarded(layout: str, dtype: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(base, view): a view with random elements, and sentinels all around it."""
    shape, view = LAYOUTS[layout]
    base = np.full(shape, SENTINEL, dtype)
    array = view(base)
    array[...] = np.random.default_rng(seed).standard_normal(array.shape)
    return base, array


@pytest.mark.parametrize("grad_layout", ["same", "contiguous", "fortran", "strided", "reversed"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_layout_and_nothing_outside(
    load: Load, target: str, layout: str, grad_layout: str, dtype: str
) -> None:
    base, w = guarded(layout, dtype, 1)
    outside = np.ones(base.shape, bool)
    LAYOUTS[layout][1](outside)[...] = False
    plain, G = w.copy(), guarded(layout, dtype, 2)[1]
    spread = np.zeros((2, *G.shape), dtype)
    grads = {
        "same": G,
        "contiguous": np.ascontiguousarray(G).reshape(G.shape),
        "fortran": np.asfortranarray(G).reshape(G.shape, order="F"),
        "strided": np.moveaxis(spread, 0, -1)[..., 1],
        "reversed": np.flip(np.flip(G).copy()),
    }
    grads["strided"][...] = G
    grad = np.asarray(grads[grad_layout])
    grad.flags.writeable = False
    one = load(target, GLOBAL_NORM).GlobalNorm([w], lr=0.1)
    two = load(target, GLOBAL_NORM).GlobalNorm([plain], lr=0.1)
    for _ in range(2):
        one.step([grad])
        two.step([np.ascontiguousarray(G).reshape(G.shape)])
    # The order of a sum may differ with the layout, nothing else.
    np.testing.assert_allclose(w, plain, rtol=40 * np.finfo(dtype).eps, atol=0)
    assert (base[outside] == SENTINEL).all()
    assert one.state_dict()["buffers"]["X"][0].flags.c_contiguous


def test_misaligned_memory(load: Load, target: str) -> None:
    raw = np.zeros(4 * 50 + 1, np.uint8)
    w = raw[1:].view(np.float32)
    w[...] = np.arange(50)
    G = np.zeros(4 * 50 + 3, np.uint8)[3:].view(np.float32)
    G[...] = 2
    load(target, MOMENTUM).Momentum([w], lr=0.5, momentum=0.0).step([G])
    np.testing.assert_array_equal(w, np.arange(50) - 1)
    assert raw[0] == 0


def test_interleaved_parameters(load: Load, target: str) -> None:
    base = np.arange(10.0)
    optimizer = load(target, MOMENTUM).Momentum([base[::2], base[1::2]], lr=1.0, momentum=0.0)
    optimizer.step([np.full(5, 1.0), np.full(5, 2.0)])
    np.testing.assert_array_equal(base, np.arange(10.0) - np.tile([1.0, 2.0], 5))


def test_gradients_that_overlap_parameters(load: Load, target: str) -> None:
    base = np.arange(12.0)
    w = [base[:6], base[6:]]
    optimizer = load(target, MOMENTUM).Momentum(w, lr=1.0, momentum=0.0)
    # Each gradient lies in the other parameter; the last one is shifted by one element.
    optimizer.step([w[1], base[1:7]])
    np.testing.assert_array_equal(base, [-6, -6, -6, -6, -6, -6, 5, 5, 5, 5, 5, 5])


def test_scalars_from_numpy_arithmetic_are_gradients(load: Load, target: str) -> None:
    w = np.array(3.0, np.float32)
    optimizer = load(target, MOMENTUM).Momentum([w], lr=0.5, momentum=0.0)
    optimizer.step([w * np.float32(2)])
    assert w.shape == ()
    assert w == 0.0


def test_new_gradient_arrays_in_every_step(load: Load, target: str) -> None:
    w = np.zeros(1000)
    optimizer = load(target, MOMENTUM).Momentum([w], lr=1.0, momentum=0.0)
    for step in range(20):
        optimizer.step([np.full(1000, float(step))])
    np.testing.assert_array_equal(w, np.full(1000, -190.0))


BAD_PARAMS: dict[str, tuple[Callable[[], Any], type[Exception], str]] = {
    "empty": (list, ValueError, "empty"),
    "bare array": (lambda: np.zeros(3), TypeError, r"wrap.*\[w\]"),
    "list": (lambda: [[1.0, 2.0]], TypeError, r"params\[0\] is a list"),
    "number": (lambda: [np.zeros(2), 1.0], TypeError, r"params\[1\] is a float"),
    "integer": (lambda: [np.zeros(2, int)], TypeError, r"params\[0\] has dtype int64"),
    "complex": (lambda: [np.zeros(2, complex)], TypeError, "complex128"),
    "half": (lambda: [np.zeros(2, np.float16)], TypeError, "float16"),
    "object": (lambda: [np.zeros(2, object)], TypeError, "object"),
    "byte order": (
        lambda: [np.zeros(2, np.dtype("f4").newbyteorder())],
        TypeError,
        "byte order",
    ),
    "matrix": (lambda: [np.asmatrix(np.eye(2))], TypeError, "matrix"),
    "masked": (lambda: [np.ma.zeros(2)], TypeError, "MaskedArray"),
    "twice": (lambda: [np.ones(3)] * 2, ValueError, r"params\[0\] and params\[1\] share memory"),
    "overlap": (
        lambda: (lambda a: [np.zeros(1), a[:3], a[2:]])(np.zeros(5)),
        ValueError,
        r"params\[1\] and params\[2\]",
    ),
    "broadcast": (lambda: [np.broadcast_to(np.zeros(1), 3)], ValueError, "read-only"),
    "expanded": (
        lambda: [np.lib.stride_tricks.as_strided(np.zeros(9), (3, 3), (0, 8))],
        ValueError,
        "share memory",
    ),
    "windows": (
        lambda: [np.lib.stride_tricks.as_strided(np.zeros(9), (3, 3), (8, 8))],
        ValueError,
        "share memory",
    ),
}


@pytest.mark.parametrize("name", BAD_PARAMS)
def test_parameters_that_are_refused(load: Load, target: str, name: str) -> None:
    make, error, message = BAD_PARAMS[name]
    with pytest.raises(error, match=message):
        load(target, MOMENTUM).Momentum(make(), lr=0.1)


def test_read_only_parameters_are_refused(load: Load, target: str) -> None:
    w = np.zeros(3)
    w.flags.writeable = False
    with pytest.raises(ValueError, match=r"params\[0\] is read-only"):
        load(target, MOMENTUM).Momentum([w], lr=0.1)


BAD_GRADS: dict[str, tuple[Any, type[Exception], str]] = {
    "bare array": (np.zeros((2, 3)), TypeError, r"\[gradient\]"),
    "too few": ([np.zeros(3)], ValueError, "2 parameters, but 1 gradients"),
    "shape": ([np.zeros(3), np.zeros(4)], ValueError, r"grads\[1\] has shape \(4,\)"),
    "broadcastable": ([np.zeros(3), np.zeros(1)], ValueError, "shape"),
    "dtype": ([np.zeros(3), np.zeros(3, "f4")], TypeError, r"grads\[1\].*astype\(np.float64\)"),
    "list": ([np.zeros(3), [1.0, 2.0, 3.0]], TypeError, r"grads\[1\] is a list"),
    "matrix": ([np.zeros(3), np.asmatrix(np.zeros(3))], TypeError, "matrix"),
}


@pytest.mark.parametrize("name", BAD_GRADS)
def test_refused_gradients_change_nothing(load: Load, target: str, name: str) -> None:
    grads, error, message = BAD_GRADS[name]
    w = [np.ones(3), np.ones(3)]
    optimizer = load(target, MOMENTUM).Momentum(w, lr=0.1)
    optimizer.step([np.ones(3), np.ones(3)])
    params, state = [a.copy() for a in w], optimizer.state_dict()
    with pytest.raises(error, match=message):
        optimizer.step(grads)
    np.testing.assert_array_equal(w, params)
    np.testing.assert_equal(optimizer.state_dict(), state)


@pytest.mark.parametrize("loss", [-0.5, -1.0, np.nan])
def test_guards_change_nothing(load: Load, target: str, loss: float) -> None:
    w = np.ones(3)
    optimizer = load(target, GUARDED).Guarded([w], lr=0.1, floor=-0.5)
    with pytest.raises(ValueError, match="the loss must stay above floor"):
        optimizer.step([np.ones(3)], loss=loss)
    np.testing.assert_array_equal(w, np.ones(3))
    assert optimizer.state_dict()["step"] == 0
    optimizer.step([np.ones(3)], loss=0.5)
    assert optimizer.state_dict()["step"] == 1


def test_the_loss_is_asked_for_by_name(load: Load, target: str) -> None:
    optimizer = load(target, THERMOSTAT).Thermostat([np.ones(3)], lr=0.1)
    with pytest.raises(TypeError, match="loss"):
        optimizer.step([np.ones(3)])
    with pytest.raises(TypeError):
        optimizer.step([np.ones(3)], loss=None)
    optimizer.step([np.ones(3)], loss=np.float32(0.5))


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        ({}, TypeError, "lr"),
        ({"lr": 0.0}, ValueError, r"lr must be in \(0, inf\)"),
        ({"lr": 0.1, "momentum": 1.0}, ValueError, r"momentum must be in \[0, 1\)"),
        ({"lr": np.nan}, ValueError, "finite"),
        ({"lr": np.inf}, ValueError, "finite"),
        ({"lr": "0.1"}, TypeError, "number"),
        ({"lr": True}, TypeError, "number"),
        ({"lr": 1j}, TypeError, "number"),
        ({"lr": 0.1, "mu": 0.9}, TypeError, "mu"),
    ],
)
def test_hyperparameters_that_are_refused(
    load: Load, target: str, values: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        load(target, MOMENTUM).Momentum([np.zeros(2)], **values)


def test_assignment_is_checked(load: Load, target: str) -> None:
    optimizer = load(target, MOMENTUM).Momentum([np.zeros((2, 3))], lr=1)
    with pytest.raises(ValueError, match="lr must be in"):
        optimizer.lr = -1.0
    with pytest.raises(AttributeError, match="no hyperparameter 'learning_rate'"):
        optimizer.learning_rate = 0.1
    assert repr(optimizer) == "Momentum(1 array, 6 elements, lr=1.0, momentum=0.9)"
